/*
 * Reading tests/golden: dumps of the reference's tensors, the small models, and the backends to run
 * them on. Tests run in the repository's top folder.
 */
#ifndef SPRITTY_GOLDEN_H
#define SPRITTY_GOLDEN_H

#include <math.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "results.h"
#include "sdxl/loader.h"
#include "sdxl/safetensors.h"

struct golden_backend {
    const char *name;
    const char *device;
    enum dtype act;
    double bound; /* on the norm of the difference over the norm */
};

#if defined(GOLDEN_CUDA) /* the shared object: make gpu-test */

#include "ops/cuda.h"

/* SPRITTY_PLAIN: our own kernels alone. */
static inline int golden_backends(struct golden_backend out[3])
{
    bool plain = getenv("SPRITTY_PLAIN");
    int n = 0;
    out[n++] = (struct golden_backend){plain ? "own bf16" : "cuda bf16", "cuda", DT_BF16, 2e-2};
    out[n++] = (struct golden_backend){plain ? "own fp16" : "cuda fp16", "cuda", DT_F16, 2e-2};
    out[n++] = (struct golden_backend){plain ? "own f32" : "cuda f32", "cuda", DT_F32, 1e-4};
    return getenv("SPRITTY_QUICK") ? 1 : n;
}

static inline struct ops *golden_open_ops(const struct golden_backend *b, struct err *e)
{
    /* values are looked at here, not times: less to be compiled */
    struct cuda_options o = {
        .act = b->act, .plain = getenv("SPRITTY_PLAIN") != NULL, .autotune = TUNE_HEURISTIC};
    return ops_cuda_open(&o, e);
}

#elif defined(GOLDEN_GPU) /* the CUDA backend, on the CPU through the shim: test_gpu_networks.c */

#include "../gpu/backend.h"

static inline int golden_backends(struct golden_backend out[3])
{
    int n = 0;
    out[n++] = (struct golden_backend){"gpu bf16", "gpu", DT_BF16, 2e-2};
    out[n++] = (struct golden_backend){"gpu fp16", "gpu", DT_F16, 2e-2};
    out[n++] = (struct golden_backend){"gpu f32", "gpu", DT_F32, 1e-4};
    return getenv("SPRITTY_QUICK") ? 1 : n; /* bf16 has two types of activations: the most ways */
}

static inline struct ops *golden_open_ops(const struct golden_backend *b, struct err *e)
{
    return gpu_open(b->act, 0, NULL, e);
}

#else

/* bf16 only where the machine computes in it: elsewhere oneDNN would emulate, slowly. */
static inline int golden_backends(struct golden_backend out[3])
{
    int n = 0;
    out[n++] = (struct golden_backend){"ref f32", "ref", DT_F32, 1e-4};
    out[n++] = (struct golden_backend){"cpu f32", "cpu", DT_F32, 1e-4};
    if (cpu_has_bf16())
        out[n++] = (struct golden_backend){"cpu bf16", "cpu", DT_BF16, 2e-2};
    return n;
}

static inline struct ops *golden_open_ops(const struct golden_backend *b, struct err *e)
{
    return strcmp(b->device, "ref") ? ops_cpu_open(b->act, 0, e) : ops_ref_open(b->act, e);
}

#endif

static inline struct ops *golden_ops(const struct golden_backend *b)
{
    struct err e = {0};
    struct ops *o = golden_open_ops(b, &e);
    if (!o)
        fail_msg("%s: %s", b->name, e.text);
    return o;
}

static inline struct safetensors *golden_open(const char *model, const char *dump)
{
    char path[128];
    struct err e = {0};
    snprintf(path, sizeof path, "tests/golden/dump_%s/%s.safetensors", model, dump);
    struct safetensors *st = safetensors_open(path, &e);
    if (!st)
        fail_msg("%s", e.text);
    return st;
}

static inline const struct st_tensor *golden_find(struct safetensors *st, const char *fmt, ...)
{
    char name[128];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(name, sizeof name, fmt, ap);
    va_end(ap);
    const struct st_tensor *t = safetensors_find(st, name);
    if (!t)
        fail_msg("%s: no tensor %s", safetensors_path(st), name);
    return t;
}

/* Rank 4 NCHW -> NHWC, other ranks as they are; malloc'd. F32 and I64 sources. */
static inline float *golden_floats(const struct st_tensor *t)
{
    float *raw = malloc((size_t)t->count * sizeof *raw), *out = raw;
    for (int64_t i = 0; i < t->count; i++) {
        if (!strcmp(t->type, "I64")) {
            int64_t v;
            memcpy(&v, t->data + i * 8, 8);
            raw[i] = (float)v;
        } else {
            assert_string_equal(t->type, "F32");
            memcpy(&raw[i], t->data + i * 4, 4);
        }
    }
    if (t->rank == 4) {
        int64_t C = t->dim[1], H = t->dim[2], W = t->dim[3];
        out = malloc((size_t)t->count * sizeof *out);
        for (int64_t n = 0; n < t->dim[0]; n++)
            for (int64_t c = 0; c < C; c++)
                for (int64_t p = 0; p < H * W; p++)
                    out[(n * H * W + p) * C + c] = raw[(n * C + c) * H * W + p];
        free(raw);
    }
    return out;
}

/* A dumped tensor on the backend: rank 4 as an image, rank 3 [n, s, c] as tokens, rank 2 [n, c] as
 * rows. */
static inline struct tensor golden_tensor(struct ops *o, const struct st_tensor *t, enum dtype type)
{
    struct tensor y;
    const int64_t *d = t->dim;
    if (t->rank == 4)
        y = o->alloc_as(o, type, (int)d[0], (int)d[2], (int)d[3], (int)d[1]);
    else if (t->rank == 3)
        y = o->alloc_as(o, type, (int)d[0], (int)d[1], 1, (int)d[2]);
    else
        y = o->alloc_as(o, type, (int)d[0], 1, 1, (int)d[1]);
    float *host = golden_floats(t);
    o->upload(o, &y, host);
    free(host);
    return y;
}

/* Compares and prints the observed error beside its bound; fails the test with the first values
 * when it is over. */
static inline void golden_check_host(const char *backend, const char *what, const float *got,
                                     const float *want, int64_t count, double bound)
{
    double diff = 0, norm = 0;
    for (int64_t i = 0; i < count; i++) {
        double d = (double)got[i] - want[i];
        diff += d * d;
        norm += (double)want[i] * want[i];
    }
    double error = sqrt(diff / norm);
    printf("  %-9s %-28s error %.2e (bound %.0e)\n", backend, what, error, bound);
    result_line("networks", backend, what, error, bound, error <= bound, "");
    if (!(error <= bound)) {
        for (int64_t i = 0; i < count && i < 8; i++)
            printf("    [%d] got %.6f want %.6f\n", (int)i, (double)got[i], (double)want[i]);
        fail_msg("%s: %s: error %.3e over the bound %.0e", backend, what, error, bound);
    }
}

static inline void golden_check(const struct golden_backend *b, struct ops *o, const char *what,
                                const struct tensor *got, const struct st_tensor *want)
{
    struct err e = {0};
    assert_int_equal(tensor_count(got), want->count);
    float *a = malloc((size_t)want->count * sizeof *a), *w = golden_floats(want);
    o->download(o, a, got);
    if (o->sync(o, &e) != 0)
        fail_msg("%s: %s: %s", b->name, what, e.text);
    golden_check_host(b->name, what, a, w, want->count, b->bound);
    free(a);
    free(w);
}

static inline void golden_no_leak(struct ops *o)
{
    struct ops_stats s;
    o->stats(o, &s);
    assert_int_equal(s.arena_now, 0);
}

#endif
