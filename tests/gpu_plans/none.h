/*
 * The CUDA backend without a device, for asking the real libraries about a whole run: all of gpu/
 * but its kernels and its calls of CUDA, in front of the real cuDNN, which makes its plans for a
 * device that is described to it, and of the real descriptors of cuBLASLt. Nothing is computed:
 * memory has addresses and no bytes (who looks through one crashes), kernels do nothing, plans are
 * made and packed and never run. So the full sizes of SDXL go through in seconds.
 *
 * What is checked on the way: what each call reads and writes lies in memory that is allocated at
 * that time; nothing waits, allocates or copies while a graph is captured.
 */
#ifndef SPRITTY_GPU_NONE_H
#define SPRITTY_GPU_NONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { NONE_WRONG = 9999 }; /* the error of a call that is against the rules */

/* Says what is wrong, on stderr and in the log; NONE_WRONG. */
int none_wrong(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* 0 when all `bytes` from p on lie in one piece of memory that is allocated; else NONE_WRONG. */
int none_holds(const char *what, const void *p, size_t bytes);

bool none_captures(void);

/* A GPU as it is described to cuDNN; its name and numbers are those of NVIDIA's data sheets. */
struct none_device {
    const char *key, *name;
    int major, minor, processors;
    int shared_optin, shared_sm, threads_sm, blocks_sm; /* bytes, bytes, a processor */
    int clock_khz, memory_khz, bus_bits, l2_bytes;
    size_t memory; /* bytes */
};
/* The one that $PLANS_DEVICE names; the first ("h200") without. NULL: there is no such. */
const struct none_device *none_device(void);
/* Its description for dnn_open; to[size]. */
void none_describe(const struct none_device *, char *to, size_t size);

/* Lines of JSON that tell what was asked and answered, in the file that $PLANS_LOG names. NULL:
 * nowhere. */
FILE *none_log(void);
/* A text's inside. */
void none_quote(FILE *, const char *);

#endif
