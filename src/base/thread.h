/* Threads beside the one that has the terminal. */
#ifndef SPRITTY_THREAD_H
#define SPRITTY_THREAD_H

#include <pthread.h>
#include <stddef.h>

/* pthread_create, but signals stay the terminal's matter: all are blocked in the new thread, but
 * for those that it brings upon itself. stack: bytes; 0: the system's. */
int thread_start(pthread_t *, size_t stack, void *(*run)(void *), void *arg);

#endif
