/* Kernels that misuse the device on purpose (broken.cu). */
#ifndef SPRITTY_BROKEN_H
#define SPRITTY_BROKEN_H

enum broken {
    HALF_AT_BARRIER,
    TWO_BARRIERS,
    ENDED_LANE,
    BARRIER_AND_SHUFFLE,
    NOT_IN_MASK,
    BEYOND_SHARED,
    TOO_MUCH_SHARED,
    TOO_MANY_THREADS,
    TOO_LARGE_GRID,
    MISALIGNED,
    LAUNCHED_LATE, /* nothing wrong either; no other test launches it */
    NO_BARRIER,    /* no error, but other values from launch to launch */
    NOTHING_BROKEN /* 3 blocks of 128: each value is 0 + ... + 127 */
};

#ifdef __cplusplus
extern "C"
#endif
    int
    run_broken(enum broken, int *out);

#endif
