/*
 * The terminal as a device: raw mode, the alternate screen, and that it always comes back.
 *
 * tty_open puts the terminal into raw mode (no echo, no signals from keys), the alternate screen,
 * bracketed paste, SGR mouse and focus reports. It is put back by tty_close; by a handler on
 * SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT; and, when the program is killed in a way that no
 * program sees, by a guard: a small child process that waits on a pipe for our end.
 *
 * One per process: the handlers need it. Output is not written here but queued (out.h).
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
};

/* stdin and stdout must be a terminal. -1 and err if not, or if TERM is unset or "dumb". Forks the
 * guard: call it before any thread is started. */
int tty_open(struct tty *, struct err *);
void tty_close(struct tty *); /* twice is fine */

/* Reads what is there without waiting. Returns bytes, 0 when nothing is there, -1 when the terminal
 * is gone. */
int tty_read(struct tty *, char *buf, size_t size);
/* Asks the kernel for the size; true when it changed. */
bool tty_resized(struct tty *);

/* Ctrl-Z: terminal back, stop the process group, and on SIGCONT raw mode again. The caller then
 * redraws everything. What is still queued must have been written before. */
void tty_suspend(struct tty *);

/* Blocks SIGWINCH, SIGTERM, SIGHUP, SIGINT, SIGCONT, SIGTSTP and hands them over a descriptor
 * (signalfd) for poll. tty_signal: the next one's number, or 0. */
int tty_signal_fd(struct tty *);
int tty_signal(struct tty *);

#endif
