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

struct cpu_layer_norm {
    int64_t rows, c;           /* tokens; channels */
    const void *x;             /* dense */
    void *y;                   /* may be x where the types are one */
    enum dtype x_type, y_type; /* DT_F32 or DT_BF16; x F32 or of y's type */
    const float *gamma, *beta; /* beta may be NULL */
    float eps;
};

void cpu_layer_norm(const struct cpu *, const struct cpu_layer_norm *);

#endif
