/*
 * The CUDA backend from outside: a shared object (libspritty_cuda.so, made from gpu/) that is
 * opened at run time.
 *
 * So one build of the program runs everywhere: without the object, CUDA's libraries or a driver,
 * opening fails with a reason, and nothing else happens. Program and object come from one build;
 * the object is asked first whether it is, by everything that both must see alike.
 */
#ifndef SPRITTY_CUDA_H
#define SPRITTY_CUDA_H

#include "ops/ops.h"

struct cuda_info {
    char name[256]; /* of the GPU */
    int devices;    /* that can be seen */
    int major, minor;
    int processors;
    int driver, runtime; /* CUDA versions, 13000 is 13.0 */
    char libraries[96];  /* "cuBLASLt 13.1.0, cuDNN 9.19.0"; or what is wrong with them */
    char archs[64];      /* what the kernels were compiled for: "90 100" */
    size_t bytes_free, bytes_total;
    bool shares_memory; /* with the host */
};

struct cuda_options {
    enum dtype act; /* fp16, bf16, f32 */
    int index;      /* device */
    int autotune;   /* enum autotune_way; what was chosen is kept in the user's cache folder */
    bool tf32;      /* f32 products may round their inputs to 10 bits */
    bool plain;     /* our own kernels alone: slow, for tests */
    bool fuse_all;  /* small convolutions too are tried with their adds in one graph: for tests */
};

/* NULL with the reason in err: no driver, no such device, a library that is missing, a shared
 * object that is missing or of another build. Any thread. */
struct ops *ops_cuda_open(const struct cuda_options *, struct err *);
/* -1 with the same reasons. Starts CUDA on the device. */
int ops_cuda_look(int index, struct cuda_info *, struct err *);
/* Of the device, once it was opened or looked at; -1 before. Any thread. */
int ops_cuda_memory(int index, size_t *bytes_free, size_t *bytes_total);

/* Of an open backend: leaves our own kernels out from here on, or back in. What is left of a turn
 * is the bare chain of cuBLASLt's and cuDNN's calls: for measuring, its results mean nothing.
 * Between runs. */
void ops_cuda_bare(struct ops *, bool on);
/* Of an open backend: who made the calls so far, as the members of a JSON object (without braces):
 * versions, calls taken and refused by the libraries, plans, the last refusal and why. */
void ops_cuda_account(struct ops *, char *out, size_t size);

/* -- between program and object ------------------------------------------------------------------
 */

struct cuda_abi {
    unsigned face; /* counts changes of this header's meaning */
    unsigned ops, tensor, param, conv, stats, info, options, tuning, err; /* sizes */
};

#define CUDA_ABI                                                                                   \
    ((struct cuda_abi){4, sizeof(struct ops), sizeof(struct tensor), sizeof(struct param),         \
                       sizeof(struct conv_args), sizeof(struct ops_stats),                         \
                       sizeof(struct cuda_info), sizeof(struct cuda_options),                      \
                       sizeof(struct tuning), sizeof(struct err)})

struct cuda_face {
    struct ops *(*open)(const struct cuda_options *, struct err *);
    int (*look)(int index, struct cuda_info *, struct err *);
    int (*memory)(int index, size_t *bytes_free, size_t *bytes_total);
    void (*bare)(struct ops *, bool on);
    void (*account)(struct ops *, char *out, size_t size);
};

/* The object's one symbol: NULL when the two are not of one build. */
#define CUDA_FACE_SYMBOL "spritty_cuda_face"
typedef const struct cuda_face *cuda_face_fn(const struct cuda_abi *);

#endif
