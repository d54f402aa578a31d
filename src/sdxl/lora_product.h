/*
 * Low-rank products on the host: what a LoRA file's thin matrices stand for, a block of rows at a
 * time.
 *
 * This is the one part of the merge that takes time: 61 billion multiplications for rank 64 in all
 * attention layers of SDXL. So the thin matrix is laid out in panels of sixteen columns, and a
 * kernel makes six rows of a panel in registers, along the rank. Each element is one sum in the
 * order of the rank, however rows are shared out: results do not depend on threads.
 */
#ifndef SPRITTY_LORA_PRODUCT_H
#define SPRITTY_LORA_PRODUCT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ops/tensor.h"

struct product {
    int64_t rows, rank, cols;
    float *a; /* [rows][rank] */
    float *b; /* [panel][rank][16], the last panel filled up with zeros */
};

/* Values of a checkpoint or a LoRA, at any byte address, to f32. False: one is no finite number. */
bool values_to_f32(float *out, const void *data, enum dtype, int64_t count);

/* Bytes of a and b together, and where b lies behind a in such a block. */
size_t product_bytes(int64_t rows, int64_t rank, int64_t cols);
/* Lays out b [rank][cols] (row-major) into p->b. */
void product_panels(struct product *p, const float *b);

/* c[0..count)[cols] = (add: +=) rows from .. from + count of a b; c's rows lie cols apart. */
void product_rows(const struct product *, int64_t from, int64_t count, float *c, bool add);

#endif
