/*
 * What puts the terminal back: the same few writes from tty_close, from a crash's handler, and from
 * the guard, a child process that outlives us when we are killed.
 *
 * The guard waits on a socket for our end. It is in a session of its own, ignores every signal that
 * it can, and holds nothing but the socket and the terminal. When the socket closes without a
 * goodbye while the terminal is ours, it puts the terminal back; in any case it ends. It ends too
 * when the terminal is gone.
 */
#ifndef SPRITTY_GUARD_H
#define SPRITTY_GUARD_H

#include <stdbool.h>
#include <sys/types.h>
#include <termios.h>

#include "base/err.h"

struct term_state {
    int fd;                     /* the terminal, not blocking */
    struct termios cooked, raw; /* as found, and as we want it */
    int shared_flags;           /* fcntl's, where fd's description is not our own; else -1 */
};

/* All of these may be called in a signal handler. They wait a second at most for a terminal that
 * takes nothing; then what it has not taken yet is dropped. */
void term_write(int fd, const char *bytes);
void term_leave_screen(const struct term_state *); /* modes off, the other screen, the cursor */
void term_leave_raw(const struct term_state *);    /* termios as found; unread input is dropped */

struct guard {
    int socket; /* -1: none */
    pid_t pid;
};

/* Forks it; the terminal is not ours yet. -1 and err without processes or descriptors. */
int guard_start(struct guard *, const struct term_state *, struct err *);
/* The terminal is ours from now on, or no longer. May be called in a signal handler. */
void guard_tell(const struct guard *, bool ours);
void guard_end(struct guard *);

#endif
