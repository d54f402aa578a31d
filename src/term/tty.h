/*
 * The terminal as a device: raw mode, the alternate screen, and that it always comes back.
 *
 * tty_open puts the terminal into raw mode (no echo, no signals from keys), the alternate screen,
 * bracketed paste, SGR mouse and focus reports. It is put back by tty_close; by a handler on
 * SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT; and, when the program is killed in a way that no
 * program sees, by a guard: a small child process that waits for our end (guard.h).
 *
 * One per process: the handlers need it. Output is not written here but queued (out.h). The program
 * may also end without tty_close: the guard does it then.
 */
#ifndef SPRITTY_TTY_H
#define SPRITTY_TTY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct tty {
    int in, out; /* descriptors; out is non-blocking while open (a descriptor of its own) */
    int rows, cols, pixels_w, pixels_h; /* pixels: 0 when the kernel does not know */
    bool open;
    /* The caller's: answers of the terminal are still due (probe.h, out.h). tty_close and
     * tty_suspend wait for them for up to 150 ms, so that they do not land in the shell. */
    bool answers_due;
};

/* stdin and stdout must be one terminal. -1 and err if not, or if TERM is unset or "dumb". Forks
 * the guard and blocks the signals of tty_signal_fd: call it before any thread is started. */
int tty_open(struct tty *, struct err *);
void tty_close(struct tty *); /* twice is fine */

/* Reads what is there without waiting. Returns bytes, 0 when nothing is there, -1 when the terminal
 * is gone. */
int tty_read(struct tty *, char *buf, size_t size);
/* Asks the kernel for the size; true when it changed. At least 1 x 1, at most 1000 x 2000; 24 x 80
 * when the kernel does not know. */
bool tty_resized(struct tty *);

/* Ctrl-Z: terminal back, stop the process group, and on SIGCONT raw mode again. The caller then
 * redraws everything. What is still queued must have been written before. Returns at once where
 * nobody could wake us (no shell with job control). */
void tty_suspend(struct tty *);

/* SIGWINCH, SIGTERM, SIGHUP, SIGINT, SIGCONT and SIGTSTP are blocked while open and come over a
 * descriptor (signalfd) for poll. tty_signal: the next one's number, or 0. After SIGCONT (someone
 * else had stopped us) raw mode is on again; the caller redraws everything. */
int tty_signal_fd(struct tty *);
int tty_signal(struct tty *);

#endif
