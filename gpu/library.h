/*
 * The libraries behind struct gpu_library: products by cuBLASLt, convolutions and attention by
 * cuDNN's graph API.
 *
 * Each call has a plan: what the library needs to know about one shape, with the algorithm that was
 * chosen for it. A plan is made the first time that a shape comes by, which costs milliseconds (or,
 * measuring, a second), waits for the device and allocates; after that a call only queues work. So
 * run everything once before capturing a CUDA graph: while the stream captures, a shape that has no
 * plan, or whose plan does not run there, is an error (LIBRARY_LOST): our kernels in its place
 * would be replayed for ever. What the libraries refuse is NOT_TAKEN as well and is counted, once a
 * shape with the reason; our own kernels then do it.
 */
#ifndef SPRITTY_GPU_LIBRARY_H
#define SPRITTY_GPU_LIBRARY_H

#include "backend.h"

/* How an algorithm is chosen. */
enum autotune {
    AUTOTUNE_OFF,       /* the first that the library proposes and that works */
    AUTOTUNE_HEURISTIC, /* the same, and kept in the cache file */
    AUTOTUNE_MEASURE    /* the fastest of those that it proposes, by the device's clock */
};

struct gpu_library_options {
    enum autotune autotune;
    bool sliced, fold; /* attention by products alone; doubling convolutions by parts */
    size_t fuse_from; /* bytes of output from which on a convolution is tried with all that is added
                       * to it in one graph, a kernel that cuDNN compiles for some 0.4 s */
    bool tf32;        /* f32 products may round their inputs to 10 bits */
    size_t workspace; /* most bytes of scratch; 0: LIBRARY_WORKSPACE */
    int64_t values;   /* most of a tensor's in one of the libraries' calls; 0: LIBRARY_VALUES */
    const char *cache;  /* file that keeps what was chosen; NULL: nothing is kept. Read at open,
                         * written at close when there is news; a broken one is as good as none. */
    const char *plans;  /* folder that keeps what cuDNN compiled (kept.h); NULL: nothing is kept */
    const char *device; /* its name, which the file's lines go by; NULL: "a GPU" */
};

enum { LIBRARY_WORKSPACE = GPU_WORKSPACE };
/* Not all of the libraries' kernels count beyond 32 bits: what is larger (the decoder's 256
 * channels of 8 images of 1024x1024) goes to them in parts. */
enum { LIBRARY_VALUES = INT32_MAX };
/* The error of a call that a capture cannot have, though it was made before: the turn is to be made
 * plainly. */
enum { LIBRARY_LOST = DEVICE_CAPTURED };

/* Who did the calls. Indexed by enum library_call. */
enum library_call { LIBRARY_LINEAR, LIBRARY_CONV, LIBRARY_ATTENTION, LIBRARY_CALLS };
struct gpu_library_stats {
    char versions[96];              /* "cuBLASLt 13.1.0, cuDNN 9.19.0" */
    size_t workspace;               /* bytes held now */
    int64_t taken[LIBRARY_CALLS];   /* calls that the libraries did */
    int64_t refused[LIBRARY_CALLS]; /* calls that went to our kernels */
    int plans, measured, cached;    /* shapes; of those chosen by measuring, by the cache file */
    int kept;                       /* of those plans that were compiled by an earlier run */
    int refusals;                   /* shapes that a library refused, though they should do */
    char refusal[640];              /* the last such: shape and reason; "": none */
};

/* Opens the libraries on the calling thread's device (device_open came before); the state goes to
 * gpu_open, whose close ends it. cuBLASLt must be there; without cuDNN convolutions and attention
 * are never taken, and stats says why. -1 with the reason in err, and *l is all zeros. */
int gpu_library_open(struct gpu_library *l, const struct gpu_library_options *, struct err *);

/* NULL, or a table without state: all zeros. */
void gpu_library_stats(const struct gpu_library *l, struct gpu_library_stats *);

#endif
