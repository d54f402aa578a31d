/*
 * What choosing an algorithm needs beyond device.h: the device's clock, and whether a stream is
 * being captured. As with device.h there is CUDA behind it (clock.c), or the host (tests/gpu_shim).
 */
#ifndef SPRITTY_GPU_CLOCK_H
#define SPRITTY_GPU_CLOCK_H

#include <stdbool.h>

/* An event that keeps the time. 0 or an error code for device_error. */
int clock_open(void **event);
void clock_close(void *event); /* NULL: nothing */
int clock_record(void *event, void *stream);
/* Waits for `to`; milliseconds between the two. */
int clock_between(void *from, void *to, float *ms);

/* Are the calls on this stream being recorded into a graph, rather than done? */
bool stream_captures(void *stream);

#endif
