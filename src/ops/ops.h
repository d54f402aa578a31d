/*
 * The contract between the networks and the machines that run them.
 *
 * A network (src/sdxl) is written once over `struct ops`; a backend fills the table in. What the
 * networks need is few and fused: a bias, an activation, a per-channel add and a residual belong to
 * the call that makes the tensor, so that a backend can do them while the values are in registers.
 *
 * Rules for all of them:
 *  - Activations have the backend's type `act` (ops->act), unless a call says otherwise. Latents,
 *    noise and images are DT_F32 tensors: made with alloc_as.
 *  - An output never overlaps an input, except where a call says that it may be the same tensor.
 *  - Outputs and inputs are dense (ld == c), except the q, k, v of attention and what copy takes.
 *  - Calls return nothing. A backend keeps its first error; later calls then do nothing; sync()
 *    hands it over. So a network has no error paths, and the pipeline asks once a step.
 *  - alloc and release take from one arena that was sized before (arena.h): no call to malloc
 *    inside a step.
 *  - All calls come from one thread, the one that made the backend. A backend has threads of its
 *    own inside.
 *
 * Where a formula has variants, the reference is src/ops/ops_ref.c: naive loops with sums in
 * double.
 */
#ifndef SPRITTY_OPS_H
#define SPRITTY_OPS_H

#include <stdbool.h>

#include "base/err.h"
#include "ops/tensor.h"
#include "ops/tuning.h"

/* A parameter as a checkpoint has it: row-major, mapped memory, not to be written to. Layouts are
 * PyTorch's: linear [out, in], convolution [out, in, kh, kw], norms and biases [c], tables [rows,
 * c]. data == NULL is "absent". */
struct param {
    const void *data;
    enum dtype dtype;
    int rank;
    int64_t dim[4];
    bool transposed; /* a linear stored as [in, out] (OpenCLIP's text_projection) */
    /* With dtype DT_F32: values that were changed, of a file's that are of this type; a backend may
     * round them to it. DT_F32: not so. */
    enum dtype was;
    /* Changes of the values, made in this order; only where ops->takes_changes. NULL: none. */
    const struct low_rank *changes;
    int change_count;
};

/* What all of the sources have in the file; DT_F32 if they differ. */
static inline enum dtype params_stored(const struct param *p, int sources)
{
    enum dtype first = p->dtype != DT_F32 ? p->dtype : p->was;
    for (int i = 1; i < sources; i++)
        if ((p[i].dtype != DT_F32 ? p[i].dtype : p[i].was) != first)
            return DT_F32;
    return first;
}

/* w += factor up down, in f32: up [out, rank], down [rank, in, kh, kw]. Finite values. */
struct low_rank {
    const void *up, *down;
    enum dtype up_type, down_type;
    int64_t rank;
    float factor;
};

/* Packed parameters, made by a backend at load, in whatever form it computes best with. Opaque. */
struct weight;

enum act {
    ACT_NONE,
    ACT_SILU,
    ACT_GELU,
    ACT_QUICK_GELU
}; /* GELU by erf; QUICK: x * sigmoid(1.702 x) */

/* What map does with each value. */
enum map_kind {
    MAP_LINE,     /* a x + b */
    MAP_RELU,     /* max(x, 0) */
    MAP_SOFT_CLIP /* a tanh(x / a) */
};

enum pad {
    PAD_ZERO = 0,
    PAD_CIRCULAR_X = 1,
    PAD_CIRCULAR_Y = 2
}; /* bits; circular in x and y is 3 */

struct conv_args {
    int stride;     /* 1 or 2 */
    int pad_before; /* rows above and columns to the left */
    int pad_after;  /* rows below and columns to the right */
    bool upsample;  /* the input is first doubled by nearest neighbour, and its last row
                     * or column dropped where the output's size is odd (2 h - 1) */
    unsigned pad;   /* enum pad bits: what the padding holds */
    enum act act;   /* after bias and chan_add, before residual */
    const struct tensor *chan_add; /* [n, 1, 1, c] added to every pixel, or NULL; `act` type */
    const struct tensor *residual; /* like the output, or NULL; may be the output itself */
};

struct ops_stats {
    double flops;        /* 2 a multiply-add: linear, convolution, attention */
    double bytes_moved;  /* what the calls read and write, each once */
    size_t weight_bytes; /* packed weights held now */
    size_t arena_peak;   /* most bytes of the arena in use at once, scratch included */
    size_t arena_now;
    size_t scratch_bytes; /* of arena_peak: what kernels and libraries hold outside the arena */
    size_t device_now, device_peak; /* on a device of its own, weights, arena and all; else 0 */
    int recordings, replays;        /* turns that were recorded, and replayed, so far */
};

enum { OPS_SLOTS = 2, OPS_TERMS = 4 /* of a combine */ };

struct ops {
    const char *name; /* "ref", "cpu", "dry", "cuda" */
    enum dtype act;   /* type of activations */
    /* Type of the residual stream, the running sum that block after block adds to: F32 where `act`
     * is BF16, whose 8 bits lose most of what small terms bring; else `act`. Calls that take it
     * say so. */
    enum dtype stream;

    /* -- weights: made at load, freed with free_weight. Sources may be unmapped afterwards. -- */

    /* [out, in] and bias [out] (or absent). `count` sources are stacked along out: a fused q|k|v.
     * All biases or none. */
    struct weight *(*pack_linear)(struct ops *, const struct param *w, const struct param *b,
                                  int count);
    /* [out, in, k, k] and bias; k is 1 or 3. */
    struct weight *(*pack_conv)(struct ops *, const struct param *w, const struct param *b);
    /* gamma and beta [c] of a group or layer norm (layer norms may have no beta). */
    struct weight *(*pack_norm)(struct ops *, const struct param *gamma, const struct param *beta);
    /* [rows, c], for embedding. */
    struct weight *(*pack_table)(struct ops *, const struct param *w);
    void (*free_weight)(struct ops *, struct weight *); /* NULL: nothing */
    /* A weight without values, to swap with: what it is swapped with has none then, and is wanted
     * (below) when a call needs it. NULL without memory. */
    struct weight *(*no_weight)(struct ops *);
    /* What a was, b is then, and the reverse. Both came from the same pack call with the same
     * sizes, or one is of no_weight; the pointers that networks hold stay good. Between steps, and
     * within `want`. */
    void (*swap_weights)(struct ops *, struct weight *a, struct weight *b);
    /* pack_linear and pack_conv make the changes of param.changes, faster than a host would. */
    bool takes_changes;

    /* -- weights that live in the host's memory. NULL, both, where there is no other --
     *
     * park: values leave for pinned host memory, packed as they are; false: they stay (no memory,
     * no gain). unpark: they are there for the next call, or with `soon` are on their way, beside
     * the calls that run; several at once have room, of which the first to come are the first to
     * go. False: no room just now; or not parked. */
    bool (*park)(struct ops *, struct weight *);
    bool (*unpark)(struct ops *, struct weight *, bool soon);

    /* -- memory -- */

    struct tensor (*alloc_as)(struct ops *, enum dtype, int n, int h, int w, int c);
    void (*release)(struct ops *,
                    struct tensor *); /* t->data becomes NULL; releasing NULL is nothing */
    /* Sizes the arena: called once before the first step with the dry run's forecast (bytes). -1:
     * no memory. */
    int (*reserve)(struct ops *, size_t bytes, struct err *);

    /* -- host and back; src and dst are dense f32 in host memory; converts -- */

    void (*upload)(struct ops *, struct tensor *dst, const float *src);
    void (*download)(struct ops *, float *dst, const struct tensor *src); /* waits for the result */

    /* -- the networks' calls -- */

    /* y[r, o] = act(sum_i x[r, i] w[o, i] + b[o]) + residual[r, o]. residual may be NULL or y.
     * y may be of type `stream`. */
    void (*linear)(struct ops *, struct tensor *y, const struct tensor *x, const struct weight *,
                   enum act, const struct tensor *residual);
    /* w has 2 c outputs: y[r, o] = h * gelu(g), h = (x w + b)[o], g = (x w + b)[c + o]. */
    void (*geglu)(struct ops *, struct tensor *y, const struct tensor *x, const struct weight *);
    /* y may be of type `stream`, or DT_F32 (the last convolution of a network). */
    void (*conv2d)(struct ops *, struct tensor *y, const struct tensor *x, const struct weight *,
                   const struct conv_args *);
    /* Mean and variance over h, w and c/groups channels of each image; eps under the root; then
     * SiLU if asked. y may be x. */
    void (*group_norm)(struct ops *, struct tensor *y, const struct tensor *x,
                       const struct weight *, int groups, float eps, bool silu);
    /* Over the c channels of each token. x may be of type `stream`. */
    void (*layer_norm)(struct ops *, struct tensor *y, const struct tensor *x,
                       const struct weight *, float eps);
    /* softmax(scale q k^T) v for each head; head i owns channels [i d, (i+1) d). q and y [n, sq,
     * heads d], k and v [n, sk, heads d], views allowed. causal: query i sees keys 0..i. */
    void (*attention)(struct ops *, struct tensor *y, const struct tensor *q,
                      const struct tensor *k, const struct tensor *v, int heads, float scale,
                      bool causal);
    /* y[.., 0:ca] = a, y[.., ca:] = b */
    void (*concat)(struct ops *, struct tensor *y, const struct tensor *a, const struct tensor *b);
    /* y[i, t] = table[ids[i, t]] + positions[t]; ids is host memory, n * s of them, each checked
     * by the caller. */
    void (*embedding)(struct ops *, struct tensor *y, const int32_t *ids,
                      const struct weight *table, const struct weight *positions);
    /* y = x over the same sizes, converting types; views allowed. */
    void (*copy)(struct ops *, struct tensor *y, const struct tensor *x);
    /* y = f(x), value by value, over dense tensors of one size and of one type or DT_F32 each; y
     * may be x. */
    void (*map)(struct ops *, struct tensor *y, const struct tensor *x, enum map_kind f, float a,
                float b);

    /* -- the samplers' calls, over DT_F32 tensors of one size -- */

    /* y = sum_i k[i] x[i], count 1 to OPS_TERMS; y may be one of them. */
    void (*combine)(struct ops *, struct tensor *y, int count, const float *k,
                    const struct tensor *const *x);
    /* y = b + mask (a - b); mask [1 or n, h, w, 1] DT_F32, 0 to 1, for all channels; y may be a or
     * b. */
    void (*blend)(struct ops *, struct tensor *y, const struct tensor *a, const struct tensor *b,
                  const struct tensor *mask);
    /* Each image of y times share * std(like) / std(y) + 1 - share, the deviations over all values
     * of the image. An image without any deviation stays. */
    void (*match_std)(struct ops *, struct tensor *y, const struct tensor *like, float share);

    /* -- turns of a loop: the same calls again, at the price of one. NULL, both, where there is
     * nothing to gain. Use them through ops_run_turn --
     *
     * The calls between begin and end are a turn. They are asked for again until end says that they
     * are done: once to be noted, and if they are not known, once more to be made. So whoever makes
     * them must be able to do so again, and do nothing else. A turn is known by its calls, sizes
     * and addresses; the factors of combine alone may differ each time. What is allocated in a turn
     * is released in it; uploads, downloads, embeddings and packing have no place in it. */
    void (*turn_begin)(struct ops *);
    bool (*turn_end)(struct ops *);

    /* -- looking on while calls are still to be done. NULL, all, where they are done when they
     * return. Slots count from 0 to OPS_SLOTS - 1 --
     *
     * mark: a place behind all calls so far. send: what the DT_F32 tensor holds now goes to the
     * host beside the calls that follow; then mark the slot. send_rgb: in its place the bytes,
     * three a pixel, of bias + sum_c x[c] factor[c] (as pixels makes them); rgb holds c factors of
     * three and the bias, c is 16 at most. watch: how many values of the dense DT_F32 tensor are
     * infinite or no numbers goes to the host, in the same way. passed, which never waits: 1 when
     * all before the slot's mark is done, and what was sent is there; 0 not yet; -1 with the first
     * error, as sync. sent: those floats, or bytes, dense, until the slot is sent again; bad: that
     * number, until it is watched again. */
    void (*mark)(struct ops *, int slot);
    void (*send)(struct ops *, int slot, const struct tensor *);
    void (*send_rgb)(struct ops *, int slot, const struct tensor *, const float *rgb);
    int (*passed)(struct ops *, int slot, struct err *);
    const void *(*sent)(struct ops *, int slot);
    void (*watch)(struct ops *, int slot, const struct tensor *);
    size_t (*bad)(struct ops *, int slot);

    /* A dense DT_F32 image as bytes on the host: -1 to 1 becomes 0 to 255, what is no number 0; and
     * how many values are infinite or no numbers. Waits. NULL where nothing is gained over
     * download. */
    void (*pixels)(struct ops *, uint8_t *bytes, size_t *bad, const struct tensor *image);

    /* -- whose calls they are. NULL, both, where nobody asks; a profile does, and NVTX --
     *
     * From enter to leave, calls and tensors are a module's: "unet", in it "down" 1, in it "res" 0.
     * They change nothing. name outlives the program's use of the backend; index -1: none. turn:
     * one of many alike in a loop (a step), which are counted together. */
    void (*enter)(struct ops *, const char *name, int index, bool turn);
    void (*leave)(struct ops *);

    /* How calls are computed from here on where there is more than one way: attention, fold, graph;
     * what a backend has only one way for it leaves. Between runs only. */
    void (*tune)(struct ops *, const struct tuning *);

    /* Asked by each call of its weights before it uses them: who set it may bring their values now.
     * -1 with err, and the call is not made. NULL: all weights have values. */
    int (*want)(void *user, const struct weight *, struct err *);
    void *want_user;

    /* First error since the last sync, or 0. Waits until all that was asked for is done. */
    int (*sync)(struct ops *, struct err *);
    void (*stats)(struct ops *, struct ops_stats *);
    void (*close)(struct ops *); /* frees the backend, the arena and nothing that pack_* made */
};

static inline struct tensor ops_alloc(struct ops *o, int n, int h, int w, int c)
{
    return o->alloc_as(o, o->act, n, h, w, c);
}

/* Like x, with c channels. */
static inline struct tensor ops_alloc_like(struct ops *o, const struct tensor *x, int c)
{
    return o->alloc_as(o, o->act, x->n, x->h, x->w, c);
}

/* See enter; ops_leave ends either. The second says that this is one of many alike, no more:
 * ops_run_turn is what records and replays. */
static inline void ops_enter(struct ops *o, const char *name, int index)
{
    if (o->enter)
        o->enter(o, name, index, false);
}

static inline void ops_enter_turn(struct ops *o, const char *name, int index)
{
    if (o->enter)
        o->enter(o, name, index, true);
}

static inline void ops_leave(struct ops *o)
{
    if (o->leave)
        o->leave(o);
}

/* A turn (turn_begin): calls(user) makes its calls, as often as it takes. */
static inline void ops_run_turn(struct ops *o, void (*calls)(void *), void *user)
{
    do {
        if (o->turn_begin)
            o->turn_begin(o);
        calls(user);
    } while (o->turn_end && !o->turn_end(o));
}

/* Backends; cuda.h opens the one on NVIDIA's GPUs. NULL with the reason in err. act: DT_F32 or
 * DT_BF16. */
struct ops *ops_ref_open(enum dtype act, struct err *);
struct ops *ops_cpu_open(enum dtype act, int threads, struct err *); /* threads 0: all cores */
/* The forecast: behaves like the backend named by `like` ("cpu", "cuda", "ref") in sizes, computes
 * nothing. */
struct ops *ops_dry_open(const char *like, enum dtype act, struct err *);

const char *ops_cpu_library(void); /* "oneDNN 2.6.3", for people */
/* What a process with a model takes beside all that is counted, most of it oneDNN's: its pages,
 * threads, and the kernels that it compiles. */
size_t ops_cpu_library_bytes(void);
bool cpu_has_bf16(void);         /* whether the CPU backend computes in it */
enum dtype cpu_best_dtype(void); /* DT_BF16 where that is multiplied faster, else DT_F32 */
/* What the CPU backend's speed depends on, for people and as a key: "AMD EPYC 9R14, AVX2, 2
 * threads, oneDNN 2.6.3, fp32". */
void ops_cpu_describe(enum dtype act, int threads, char *out, size_t size);

#endif
