/*
 * Attention of the CPU backend: one fused kernel, softmax(scale q k^T) v, whose memory does not
 * grow with queries times keys; and, to compare with, the ways that it takes the place of.
 */
#ifndef SPRITTY_CPU_ATTENTION_H
#define SPRITTY_CPU_ATTENTION_H

#include "ops/cpu_elem.h"
#include "ops/tuning.h"

/* What multiplies matrices. All give the same result up to rounding; ATTENTION_TILES_EMULATED is
 * the AMX code with its tile instructions done in plain C, for machines that have none. */
enum attention_kernel {
    ATTENTION_PORTABLE,
    ATTENTION_AVX2,
    ATTENTION_AVX512,
    ATTENTION_AVX512_BF16,
    ATTENTION_AMX,
    ATTENTION_TILES_EMULATED,
    ATTENTION_KERNELS
};

const char *cpu_attention_name(enum attention_kernel);
/* Compiled in, and this CPU has what it needs. */
bool cpu_attention_usable(enum attention_kernel, const struct cpu_features *);
/* The fastest for activations of this type. */
enum attention_kernel cpu_attention_best(enum dtype, const struct cpu_features *);

struct cpu_attention {
    enum attention_kernel kernel;
    int way;         /* enum attention_way; auto is flash */
    enum dtype type; /* of q, k, v and y: DT_F32 or DT_BF16 */
    int n, heads, d;
    int64_t queries, keys;
    const void *q, *k, *v; /* [n, tokens, heads, d], tokens ld elements apart */
    void *y;
    int64_t q_ld, k_ld, v_ld, y_ld;
    float scale;
    bool causal; /* query i sees keys 0 to i */
};

/* Of these tensors, which are not looked through; kernel and way are the caller's to add. */
static inline struct cpu_attention cpu_attention_of(const struct tensor *y, const struct tensor *q,
                                                    const struct tensor *k, const struct tensor *v,
                                                    int heads, float scale, bool causal)
{
    return (struct cpu_attention){.type = q->dtype,
                                  .n = q->n,
                                  .heads = heads,
                                  .d = q->c / heads,
                                  .queries = tensor_tokens(q),
                                  .keys = tensor_tokens(k),
                                  .q = q->data,
                                  .k = k->data,
                                  .v = v->data,
                                  .y = y->data,
                                  .q_ld = q->ld,
                                  .k_ld = k->ld,
                                  .v_ld = v->ld,
                                  .y_ld = y->ld,
                                  .scale = scale,
                                  .causal = causal};
}

/* Bytes of scratch (64-byte aligned): packed keys and values, and a little for each thread. */
size_t cpu_attention_scratch(const struct cpu *, const struct cpu_attention *);
void cpu_attention(const struct cpu *, const struct cpu_attention *, void *scratch);

#endif
