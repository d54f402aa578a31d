/*
 * Group and layer norms of the CPU backend.
 */
#ifndef SPRITTY_CPU_NORM_H
#define SPRITTY_CPU_NORM_H

#include "ops/cpu_elem.h"

struct cpu_group_norm {
    int n, groups;
    int64_t rows, c;           /* pixels an image; channels */
    const void *x;             /* dense */
    void *y;                   /* may be x where the types are one */
    enum dtype x_type, y_type; /* DT_F32 or DT_BF16; x F32 or of y's type */
    const float *gamma, *beta;
    float eps;
    bool silu;
};

/* Bytes of scratch (64-byte aligned) that cpu_group_norm needs. */
size_t cpu_group_norm_scratch(const struct cpu *, const struct cpu_group_norm *);
void cpu_group_norm(const struct cpu *, const struct cpu_group_norm *, void *scratch);

/* rows of c values; x F32 or of y's type; beta may be NULL; y may be x where the types are one. */
void cpu_layer_norm(const struct cpu *, void *y, enum dtype y_type, const void *x,
                    enum dtype x_type, int64_t rows, int64_t c, const float *gamma,
                    const float *beta, float eps);

#endif
