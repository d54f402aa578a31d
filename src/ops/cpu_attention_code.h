/*
 * What multiplies and weighs in attention, one for each kind of CPU: the inner loops under
 * cpu_attention.c, over a few queries and a block of packed keys or values.
 */
#ifndef SPRITTY_CPU_ATTENTION_CODE_H
#define SPRITTY_CPU_ATTENTION_CODE_H

#include "ops/cpu_attention.h"

enum {
    KEYS = 256, /* keys a block: scores and weights of a kernel's rows fit the first cache */
    STRIP = 32  /* columns of one inner product */
};

/* c[rows, STRIP] = (or with `add` +=) a[rows, count] b[count][STRIP], counts in elements. */
typedef void product_fn(float *c, int64_t ld_c, const void *a, int64_t ld_a, const void *b,
                        int64_t count, int rows, bool add);
/* A row of scores s[width], of which `seen` count, to weights p: exponentials of base 2 of scale s
 * less the running maximum; *factor is what the sums before are to be multiplied with. */
typedef void weigh_fn(void *p, float *s, int width, int seen, float scale, float *maximum,
                      float *sum, float *factor);

/* The tile configuration of a thread (Intel SDM volume 1, 18.2.1). */
struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};

struct attention_code {
    const char *name;
    enum dtype type; /* of what is multiplied */
    enum cpu_isa isa;
    int rows;            /* queries that go through the steps together */
    product_fn *product; /* NULL: not compiled in */
    weigh_fn *weigh;
    /* Around each thread's products, where the CPU wants to be set up for them; else NULL. */
    void (*begin)(struct tile_config *before);
    void (*end)(const struct tile_config *before);
};

extern const struct attention_code attention_codes[ATTENTION_KERNELS];

#endif
