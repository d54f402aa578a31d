/* The shared object's one door: see ops/cuda.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "library.h"
#include "ops/cuda.h"

#ifndef SPRITTY_CUDA_ARCHS
#define SPRITTY_CUDA_ARCHS ""
#endif

/* Where something of the libraries' is kept; "" when there is no such place. */
static void cache_path(const char *name, char *out, size_t size)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int n = -1;
    if (cache && cache[0] == '/')
        n = snprintf(out, size, "%s/spritty", cache);
    else if (home && home[0] == '/')
        n = snprintf(out, size, "%s/.cache/spritty", home);
    if (n < 0 || (size_t)n + strlen(name) >= size) {
        out[0] = '\0';
        return;
    }
    for (char *p = out + 1; *p; p++)
        if (*p == '/') {
            *p = '\0';
            mkdir(out, 0700);
            *p = '/';
        }
    mkdir(out, 0700);
    strcat(out, name);
}

/* The libraries' part of the object is left out of builds that run without CUDA. */
#pragma weak gpu_library_open
#pragma weak gpu_library_stats

static int open_library(struct gpu_library *l, const struct cuda_options *o, const char *device,
                        struct err *err)
{
    char cache[4096], plans[4096];
    *l = (struct gpu_library){0};
    if (o->plain || !gpu_library_open)
        return 0;
    cache_path("/cuda-algorithms", cache, sizeof cache);
    cache_path("/cuda-plans", plans, sizeof plans);
    static const enum autotune ways[] = {[TUNE_MEASURE] = AUTOTUNE_MEASURE,
                                         [TUNE_HEURISTIC] = AUTOTUNE_HEURISTIC,
                                         [TUNE_NOTHING] = AUTOTUNE_OFF};
    /* what a fused add saves, reading and writing 8 MB once less, is 4 us of an H200's */
    struct gpu_library_options options = {.fuse_from = o->fuse_all ? 0 : 8 << 20,
                                          .autotune = ways[o->autotune],
                                          .tf32 = o->tf32,
                                          .cache = *cache ? cache : NULL,
                                          .plans = *plans ? plans : NULL,
                                          .device = device};
    return gpu_library_open(l, &options, err);
}

static struct ops *open_backend(const struct cuda_options *o, struct err *err)
{
    struct device_info d;
    struct gpu_library l;
    if (device_open(o->index, &d, err) != 0 || open_library(&l, o, d.name, err) != 0)
        return NULL;
    return gpu_open(o->act, o->index, &l, err);
}

static void libraries(struct cuda_info *out)
{
    struct gpu_library l;
    struct gpu_library_stats s = {0};
    struct err e = {""};
    if (!gpu_library_open)
        snprintf(out->libraries, sizeof out->libraries, "without cuBLASLt and cuDNN");
    else if (gpu_library_open(&l, &(struct gpu_library_options){0}, &e) != 0)
        snprintf(out->libraries, sizeof out->libraries, "%.95s", e.text);
    else {
        gpu_library_stats(&l, &s);
        snprintf(out->libraries, sizeof out->libraries, "%.95s", s.versions);
        if (l.close)
            l.close(l.state);
    }
}

static int look(int index, struct cuda_info *out, struct err *err)
{
    struct device_info d;
    *out = (struct cuda_info){0};
    if (device_open(index, &d, err) != 0) {
        device_return();
        return -1;
    }
    snprintf(out->name, sizeof out->name, "%s", d.name);
    snprintf(out->archs, sizeof out->archs, "%s", SPRITTY_CUDA_ARCHS);
    out->devices = d.count;
    out->major = d.major;
    out->minor = d.minor;
    out->processors = d.processors;
    out->driver = d.driver;
    out->runtime = d.runtime;
    out->bytes_free = d.bytes_free;
    out->bytes_total = d.bytes_total;
    out->shares_memory = d.shares_memory;
    libraries(out);
    device_return();
    return 0;
}

static void bare(struct ops *o, bool on)
{
    (void)o; /* one at a time is measured */
    gpu_bare = on;
}

/* A reason as a JSON string's inside. */
static void quote(const char *from, char *to, size_t size)
{
    size_t n = 0;
    for (; *from && n + 1 < size; from++)
        to[n++] = (unsigned char)*from < ' ' || *from == '"' || *from == '\\' ? ' ' : *from;
    to[n] = '\0';
}

static void account(struct ops *o, char *out, size_t size)
{
    struct gpu_library_stats s = {0};
    char why[sizeof s.refusal], versions[sizeof s.versions], lost[160];
    if (gpu_library_stats)
        gpu_library_stats(&gpu_of(o)->library, &s);
    quote(s.refusal, why, sizeof why);
    quote(s.versions, versions, sizeof versions);
    quote(gpu_of(o)->turn.lost, lost, sizeof lost);
    snprintf(
        out, size,
        "\"libraries\": \"%s\", \"taken\": [%lld, %lld, %lld], \"refused\": [%lld, %lld, %lld], "
        "\"plans\": %d, \"measured\": %d, \"cached\": %d, \"kept\": %d, \"refusals\": %d, "
        "\"refusal\": \"%s\", "
        "\"capture_lost\": \"%s\"",
        versions, (long long)s.taken[0], (long long)s.taken[1], (long long)s.taken[2],
        (long long)s.refused[0], (long long)s.refused[1], (long long)s.refused[2], s.plans,
        s.measured, s.cached, s.kept, s.refusals, why, lost);
}

static const struct cuda_face the_face = {
    .open = open_backend, .look = look, .memory = device_memory, .bare = bare, .account = account};

__attribute__((visibility("default"))) const struct cuda_face *
spritty_cuda_face(const struct cuda_abi *abi);

const struct cuda_face *spritty_cuda_face(const struct cuda_abi *abi)
{
    const struct cuda_abi own = CUDA_ABI;
    return memcmp(abi, &own, sizeof own) == 0 ? &the_face : NULL;
}
