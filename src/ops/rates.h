/*
 * How fast this machine is, measured through struct ops itself: so it is asked the same way
 * whatever computes, and sees what the networks will see.
 *
 * A table has points: calls of chosen sizes with the time that they took. What another call will
 * take is its work divided by the rate between the points of its kind, weighed by their distance in
 * the logarithms of the sizes (Shepard, "A two-dimensional interpolation function for
 * irregularly-spaced data", 1968), and the overhead of a call. The rates of a call with
 * multiplications are FLOPs, of others bytes.
 *
 * rates_measure takes a second or two and needs the machine for itself; the best of several times
 * counts, so that what others do on it shows least. Tables are kept between runs as JSON
 * (rates_file.h). Plain data: copied freely, read by any thread.
 */
#ifndef SPRITTY_RATES_H
#define SPRITTY_RATES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct ops;

/* Kinds of calls, each with its sizes. */
enum rate_kind {
    RATE_LINEAR,       /* rows, inputs, outputs */
    RATE_GEGLU,        /* rows, inputs, outputs of both halves */
    RATE_CONV1,        /* pixels out of all images, inputs, outputs */
    RATE_CONV3,        /* the same */
    RATE_CONV_DOUBLED, /* the same, of a doubled input */
    RATE_ATTENTION,    /* queries, keys, channels of a head */
    RATE_GROUP_NORM,   /* bytes */
    RATE_LAYER_NORM,   /* bytes */
    RATE_MOVE,         /* bytes: what only reads and writes */
    RATE_KINDS
};
const char *rate_kind_name(int kind); /* "linear"; NULL past the end */
int rate_kind_by_name(const char *name);

enum { RATE_SIZES = 3, RATE_POINTS = 256, RATE_KEY = 256 };

struct rate_call {
    enum rate_kind kind;
    double size[RATE_SIZES]; /* 1 where a kind has fewer */
    double flops, bytes;     /* by cost.h */
    double cold;             /* of the bytes: weights that are in no cache when a network comes by,
                              * as they are not when it is measured */
};

struct rate_point {
    struct rate_call call;
    double ms; /* of one call, its overhead included */
};

struct rates {
    char key[RATE_KEY];    /* what was measured: device, libraries, type, threads */
    double overhead_ms;    /* of a call that does nearly nothing */
    double start_ms;       /* what the first call of all takes besides: threads, libraries */
    double first_ms;       /* what the first call of new sizes takes besides */
    double pack_bytes_ms;  /* bytes of packed weights that are made in a millisecond */
    double load_bytes_ms;  /* the same as large models were really loaded from files that are in
                            * memory; 0: none yet */
    double disk_bytes_ms;  /* bytes of such files that come from the disk in one; 0: not known */
    double pace;           /* what runs took over what the points said; 0: none yet */
    double stream_pace;    /* the same where weights are streamed */
    double touch_bytes_ms; /* bytes of memory that are had for the first time in one */
    double others;         /* share of the machine that others had meanwhile, 0 to 1 */
    int times;             /* measured: the best of each point counts */
    int count;
    struct rate_point point[RATE_POINTS];
};

/* Milliseconds of a call. 0 where the table is empty. */
double rates_ms(const struct rates *, const struct rate_call *);

/* The machine's ceilings: the highest rate of all points of matrix products, of 3x3 convolutions
 * and of attention, FLOPs a second; and of moving more than caches hold, bytes a second. 0: not
 * measured. */
double rates_gemm_flops(const struct rates *);
double rates_conv_flops(const struct rates *);
double rates_attention_flops(const struct rates *);
double rates_memory_bytes(const struct rates *);

/* What is believed after `was` (0: nothing yet) and a new one; later ones weigh more. */
double rates_mean(double was, double now);

/* Learns from a load that took `ms` for `bytes` of packed weights, of whose files `cold` bytes were
 * not in memory. Says whether the table changed by enough to be kept. */
bool rates_learn_load(struct rates *, double bytes, double cold, double ms);

/* Are all numbers of it such as a machine can have? What a file says is not believed before. */
bool rates_plausible(const struct rates *);

/* Would measuring again help? Others used the machine, and it was not tried often yet. */
bool rates_doubtful(const struct rates *);
/* The better of both for each point, others' share the less; `with` has the same points. */
void rates_merge(struct rates *, const struct rates *with);

/* Fills all but the key in, on a backend that is the caller's and does nothing else meanwhile; what
 * it allocated is released again. go_on, if not NULL, is asked between two calls; false ends it
 * with -1 and "cancelled". -1 too for the backend's errors. */
int rates_measure(struct ops *, struct rates *, bool (*go_on)(void *), void *user, struct err *);

#endif
