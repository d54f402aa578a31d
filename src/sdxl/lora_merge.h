/*
 * The arithmetic of a LoRA: W' = W + strength * scale * dW, in f32.
 *
 *   LoRA   dW = up down; with a mid [r, r', k, k]: down becomes sum_j mid[i, j] down[j]
 *   LoHa   dW = (w1_a w1_b) * (w2_a w2_b), elementwise; with t1, t2: products over r, r' as above,
 *          w_a transposed
 *   LoKr   dW = kron(w1, w2), each whole, or a product, w2 with a t2 as above
 *   diff   dW as it is
 *   DoRA   W' = W + strength * (m (W + scale dW) / |W + scale dW| - W), norms over rows (outputs)
 *          or over columns (inputs, with all taps), as the magnitudes m are given
 *
 * Sources: Hu et al. 2021 (LoRA), Yeh et al. 2023 (LyCORIS: LoHa, LoKr, Tucker forms), Liu et al.
 * 2024 (DoRA), and how ComfyUI's weight_adapter and peft compute them. ComfyUI's newer versions and
 * Forge divide row magnitudes by |W| instead; peft, LyCORIS and the paper divide by the norm of the
 * sum, which is what such files were trained with, and so does this.
 *
 * Several are applied one after the other, in the order of the list, as ComfyUI and A1111 do; that
 * matters to DoRA alone. A weight seen as [out, in, taps] has taps 9 for a 3x3 convolution.
 */
#ifndef SPRITTY_LORA_MERGE_H
#define SPRITTY_LORA_MERGE_H

#include "sdxl/lora_file.h"

struct lora_target {
    int64_t out, in, taps;
    bool bias; /* it has one */
};

/* Do all of the module's tensors have the sizes that the target asks for? If not, why says which
 * does not ("lora_down is 4x768, 4x2048 is needed"). Bounds everything that lora_merge computes. */
bool lora_fits(const struct lora_module *, const struct lora_target *, char *why, size_t size);

struct lora_merger;
struct lora_merger *lora_merger_new(int threads, struct err *); /* 0: all cores */
void lora_merger_free(struct lora_merger *);
/* Gives its scratch memory back. */
void lora_merger_shrink(struct lora_merger *);
/* The scratch that lora_merge takes for it, in bytes. */
size_t lora_merge_bytes(const struct lora_module *, const struct lora_target *);

/* w [out][in * taps] and bias [out] (NULL where the target has none) become what the module makes
 * of them. The module fits. `file` is what errors call it: values that are not finite, no memory.
 */
int lora_merge(struct lora_merger *, const struct lora_module *, const struct lora_target *,
               double strength, float *w, float *bias, const char *file, struct err *);

/* The bias alone. */
int lora_merge_bias(struct lora_merger *, const struct lora_module *, const struct lora_target *,
                    double strength, float *bias, const char *file, struct err *);

/* f32 of a checkpoint's values on all threads; transposed: from [in][out]. */
void lora_read_base(struct lora_merger *, const void *data, enum dtype, bool transposed,
                    int64_t out, int64_t in, float *w);

#endif
