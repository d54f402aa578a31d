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

struct loader {
    struct ops *ops;
    const struct checkpoint *checkpoint;
    enum part part;
    struct err *err;
    bool failed;
    /* Called after each packed weight, for progress; may be NULL. */
    void (*packed)(void *user);
    void *user;
};

enum { NAME_MAX_LEN = 192 };

/* A tensor's name without its ".weight": printf-style, cut never (names are ours; asserted). */
struct name {
    char s[NAME_MAX_LEN];
};
struct name name_of(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

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

#endif
