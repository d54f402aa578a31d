/* Milliseconds of a clock that only goes forward, laps of it, and a short rest. */
#ifndef SPRITTY_CLOCK_H
#define SPRITTY_CLOCK_H

#include <time.h>

static inline double clock_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* Milliseconds since *since, which becomes now. */
static inline double clock_lap(double *since)
{
    double now = clock_ms(), ms = now - *since;
    *since = now;
    return ms;
}

static inline void clock_nap(long microseconds)
{
    nanosleep(&(struct timespec){.tv_nsec = microseconds * 1000}, NULL);
}

#endif
