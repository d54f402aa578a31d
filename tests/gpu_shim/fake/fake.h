/*
 * Stand-ins for cuBLASLt and cuDNN, for machines without a GPU: they hold what our calls describe
 * to the libraries' rules as their headers and references state them, and then compute it naively,
 * in double, on the host. Compiled against NVIDIA's own headers, so a wrong name, type or size is
 * found as well. What is wrong with a call goes to stderr, and the call fails as it would for real.
 *
 * Each library proposes several algorithms, of which some cannot be used, as real ones do: one
 * wants too much scratch, one cannot be finished, one fails when it runs, one gives other results
 * every time. Those that work take unequal time on a clock of their own, which clock.h reads.
 */
#ifndef SPRITTY_FAKE_H
#define SPRITTY_FAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fake_state {
    double ms;          /* the device's time */
    size_t dnn_version; /* that cuDNN says; 0: that of its header */
    bool no_dnn;        /* cudnnCreate fails */
    bool no_blas;       /* no product is ever proposed */
    bool no_flash;      /* nor an attention */
    bool no_plain_conv; /* nor a convolution with at most a bias */
    bool no_spread;     /* nor one that writes every other pixel */
    int64_t values;     /* of a tensor, from which on a call is against the rules; 0: any */
    int64_t fails_at;   /* the plan that would make this run fails, once; 0: none */
    int live;           /* descriptors that were made and not destroyed */
    int complaints;     /* calls against the rules */
    int64_t runs;       /* products and plans that ran */
    int last_algorithm; /* which of the proposals that was */
};
extern struct fake_state fake;

/* Makes a call of the device's, now or while a graph is captured at each of its launches: with a
 * copy of its context. 0 or an error. */
int fake_do(int (*call)(void *), void *context, size_t bytes);

/* Says what is wrong; returns false. */
bool fake_wrong(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
