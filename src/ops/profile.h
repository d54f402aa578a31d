/*
 * Where time and memory go: a backend around another one that sees each call.
 *
 * It passes every call on and books it, so it can be put in the place of the inner backend for one
 * run and taken out again: weights and tensors are the inner one's throughout. A backend whose
 * calls return before the work is done is waited for after each call, and turns (ops.h) are not
 * offered, so that there is a call for everything.
 *
 * Calls are booked in cells: one operation with one set of sizes (a shape) in one module (a scope).
 * All tables are sums over cells, so there is one set of numbers. Nothing is allocated while it
 * runs, but for the events of a trace; what finds no room is counted, never lost in silence.
 *
 * Memory is what alloc and release say, beside what the inner backend's stats do: over the dry
 * backend the same book is a forecast of what lies where at the peak.
 */
#ifndef SPRITTY_PROFILE_H
#define SPRITTY_PROFILE_H

#include "ops/ops.h"

enum op_kind {
    OP_NONE, /* a free place; of a tensor: nothing has written it yet */
    OP_LINEAR,
    OP_GEGLU,
    OP_CONV,
    OP_GROUP_NORM,
    OP_LAYER_NORM,
    OP_ATTENTION,
    OP_CONCAT,
    OP_EMBEDDING,
    OP_COPY,
    OP_MAP,
    OP_COMBINE,
    OP_BLEND,
    OP_MATCH_STD,
    OP_UPLOAD,
    OP_DOWNLOAD,
    OP_OTHER, /* the table of shapes was full */
    OP_KINDS
};
const char *op_kind_name(int kind); /* "conv2d"; "" for OP_NONE, NULL past the end */

enum {
    PROFILE_SHAPES = 512,
    PROFILE_SCOPES = 4096,
    PROFILE_CELLS = 8192,
    PROFILE_STAGES = 16,
    PROFILE_LIVE = 1024, /* tensors at once */
    PROFILE_EVENTS = 4 << 20,
    PROFILE_NAME = 64
};

/* A module, from the outermost (number 0, all there is) inwards; its parent comes before it. */
struct profile_scope {
    const char *name;
    int index;          /* -1: none, and of turns, which are all one scope */
    int parent, stage;  /* stage: the outermost but one that it is in, -1 for number 0 */
    int first, next;    /* child and sibling, -1: none */
    int entered;        /* how often */
    double ms, since;   /* from enter to leave, all in all; when it was entered last */
    size_t held;        /* most bytes in use at once while it was entered, scratch included */
    unsigned char turn; /* it is one of many alike in a loop */
};

struct profile_cell {
    int scope, shape;
    int calls;
    double ms, flops, bytes; /* of all calls together, by cost.h */
    size_t held;             /* most bytes in use while one ran, scratch included */
};

/* Something in the arena. */
struct profile_tensor {
    void *data;
    size_t bytes;
    int scope; /* that allocated it */
    int n, h, w, c;
    enum dtype dtype;
    enum op_kind op; /* that wrote it first */
};

/* What is in use when most is. */
struct profile_peak {
    size_t used;    /* bytes: the tensors, and what backends take for themselves in a call */
    size_t scratch; /* and outside the arena */
    int scope;      /* that ran then */
    int count;
    struct profile_tensor tensor[PROFILE_LIVE];
};

enum profile_event_kind { BOOKED_ENTER, BOOKED_LEAVE, BOOKED_CALL, BOOKED_BYTES };

struct profile_event {
    double at; /* ms of clock_ms */
    union {
        double ms;    /* BOOKED_CALL */
        size_t bytes; /* BOOKED_BYTES: of tensors in use, from then on */
    };
    int what;  /* a scope, or BOOKED_CALL: a cell */
    int index; /* of the scope, or the turn */
    enum profile_event_kind kind;
};

struct profile_book {
    int scopes, shapes, cells, stages;
    struct profile_scope *scope;
    struct profile_cell *cell; /* cells of them, in the order of their first call */
    int stage[PROFILE_STAGES]; /* their scopes, in order */
    struct profile_peak *peak; /* of each stage */
    size_t reach;              /* how far the arena has reached, holes and scratch included */
    size_t device_now, device_peak;
    struct profile_event *event;
    int events, dropped; /* events that found no room */
    double began;
};

struct op_profile {
    char name[PROFILE_NAME]; /* "conv2d 3x3 320>320 64x64" */
    enum op_kind kind;
    int calls;
    double ms, flops, bytes; /* of all calls together; by cost.h */
};

/* How much is booked. Peaks: of memory alone, with turns, for forecasts. */
enum profile_what { PROFILE_PEAKS, PROFILE_CALLS, PROFILE_TRACE };
/* NULL and err without memory. Its close frees the wrapper and its book. */
struct ops *ops_profile_open(struct ops *inner, enum profile_what, struct err *);
void ops_profile_reset(struct ops *, enum profile_what);
/* All that was booked since the last reset; good until the next. */
const struct profile_book *ops_profile_book(struct ops *);
/* The slowest shapes first, up to `max`; returns how many. */
int ops_profile_rows(struct ops *, struct op_profile *rows, int max);
/* Shape number i of the book; its calls are 0. */
struct op_profile ops_profile_shape(struct ops *, int i);

/* "unet.down.1": the names of n scopes, the innermost first in chain. */
void profile_join(const struct profile_book *, const int *chain, int n, char *out, size_t size);
/* "sample.step.unet.down.1.res.0": names and indices from the stage inwards, cut to fit. from: so
 * many scopes are left out at the front. */
void profile_path(const struct profile_book *, int scope, int from, char *out, size_t size);
/* "1x64x64x320 bf16" */
void profile_tensor_sizes(const struct profile_tensor *, char *out, size_t size);

#endif
