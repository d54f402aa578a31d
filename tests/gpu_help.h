/*
 * What the tests of the CUDA backend on the host share. Where there is no shim the whole test is
 * skipped: gpu_help.h has its main. Include after cmocka.
 */
#ifndef SPRITTY_TESTS_GPU_HELP_H
#define SPRITTY_TESTS_GPU_HELP_H

#ifdef NO_SHIM

#define SKIPPED NO_SHIM
#include "skipped.h"

#else

#include "../gpu/backend.h"
#include "gpu_shim/shim_run.h"
#include "op_run.h"

static inline struct ops *must(struct ops *o, const struct err *err)
{
    if (!o)
        fail_msg("%s", err->text);
    return o;
}

static inline void ran(int rc)
{
    if (rc != 0)
        fail_msg("launch: %s", device_error(rc));
}

/* A pixel of a model that means -1 to 1. */
static inline uint8_t want_byte(float x)
{
    float v = x * 127.5f + 127.5f;
    return v >= 255 ? 255 : v > 0 ? (uint8_t)(v + 0.5f) : 0;
}

#endif

#endif
