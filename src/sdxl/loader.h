/*
 * From a checkpoint's tensor to a packed weight: find by name, check the shape, pack, let go of the
 * pages.
 *
 * The networks' load functions call these one after the other without looking at each result: a
 * loader keeps the first error and turns the rest into no-ops that return NULL, and the load
 * function asks once at its end.
 */
#ifndef SPRITTY_LOADER_H
#define SPRITTY_LOADER_H

#include "sdxl/checkpoint.h"

enum { NAME_MAX_LEN = 192, MAX_STACK = 4 };

/* A packed weight and what it was made of: enough to make it again. */
enum slot_kind { SLOT_LINEAR, SLOT_CONV, SLOT_NORM, SLOT_TABLE };

/* How a layer writes to the residual stream: not at all; from values that a norm has made, so that
 * weights and bias are scaled; from the stream itself, which is scaled already, so the bias is. */
enum stream_writer { STREAM_NOT, STREAM_FROM_NORMED, STREAM_FROM_STREAM };

struct slot {
    enum stream_writer writes;
    float stream; /* the factor; 0 is 1 */
    enum slot_kind kind;
    enum part part;
    int count;                   /* sources, stacked along their outputs */
    const char *name[MAX_STACK]; /* without ".weight" */
    int out, in, k;              /* of each source; a norm is [out], a table [out = rows, in] */
    enum dtype stored;           /* what the sources are in the file; DT_F32 if not all the same */
    struct weight *weight;
    uint64_t state; /* what was merged into it; 0: it is as the checkpoint has it */
    bool gone;      /* the weight has no values now: loader_repack brings them, */
    bool parked;    /* or ops->unpark, as they were packed last */
};

/* All weights of a model in the order of their loading, which is always the same. */
struct slots {
    struct slot *at;
    int count, room;
};

struct loader {
    struct ops *ops;
    const struct checkpoint *checkpoint;
    enum part part;
    struct err *err;
    bool failed;
    /* Where the slots of what is loaded are noted; NULL: nowhere. slots_free in the end. */
    struct slots *slots;
    /* Sees the params of slot number `index` before they are packed, and may point them to other
     * values of the same sizes, which have to last until its next call. -1 with err. NULL: none. */
    int (*patch)(void *user, int index, struct slot *, struct param *w, struct param *b,
                 struct err *);
    void *patch_user;
    /* What adds to the residual stream is multiplied by this, a power of two; 0 is 1. See vae.h. */
    float stream;
    enum stream_writer writes; /* the next layer */
    bool later;                /* the weights get no values yet, but for norms */
    bool halves;               /* see slot_bytes */
    /* Called after each packed weight; may be NULL. false: nobody wants the rest. That weight is
     * given up, as are all that follow, and err is "cancelled". */
    bool (*packed)(void *user);
    void *user;
};

/* A tensor's name without its ".weight": printf-style, cut never (names are ours; asserted). */
struct name {
    char s[NAME_MAX_LEN];
};
struct name name_of(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Says how the next layer writes to the stream. */
static inline struct loader *load_writer(struct loader *l, enum stream_writer how)
{
    l->writes = how;
    return l;
}

/* NAME.weight [out, in] (or [out, in, 1, 1]) and NAME.bias [out] when the checkpoint has it. */
struct weight *load_linear(struct loader *, struct name, int out, int in);
/* Several linears over one input, stacked along their outputs: base.a, base.b, ... each [out, in].
 */
struct weight *load_stacked(struct loader *, const struct name *, int count, int out, int in);
/* NAME.weight [out, in, k, k] and NAME.bias. */
struct weight *load_conv(struct loader *, struct name, int out, int in, int k);
/* NAME.weight [c] and NAME.bias [c]. */
struct weight *load_norm(struct loader *, struct name, int c);
/* NAME.weight [rows, c]. */
struct weight *load_table(struct loader *, struct name, int rows, int c);

/* The tensor of that whole name, with these dims, in f32 on the host: the caller's to free. NULL
 * after a failure, and in a forecast. */
float *load_values(struct loader *, struct name, const int64_t *dim, int rank);

/* Packs slot number `index` of l->slots again, from the checkpoint and through l->patch. The
 * pointers that networks hold stay good. -1: it is as it was. */
int loader_repack(struct loader *, int index);
/* The weight's values leave; norms stay. -1: no memory. */
int slot_drop(struct slot *, struct ops *);
/* About what it holds when its values are there; halves: in 16 bits where the file has those. */
size_t slot_bytes(const struct slot *, enum dtype act, bool halves);
/* Where its values lie in the file will be read soon. */
void loader_soon(const struct loader *, int index);
void slots_free(struct slots *); /* not the weights */

#endif
