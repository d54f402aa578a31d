/* Parameters of the reference backend, as [tap][in][out] in f32; see ops_ref.c. */
#include "ops/ref_backend.h"

static void drop(struct weight *w)
{
    if (w) {
        free(w->w);
        free(w->b);
    }
    free(w);
}

/* Memory for the weight; the bias is filled in, `biases` sources one after another. */
static struct weight *new_weight(struct ref *r, struct weight_shape s, const struct param *b,
                                 int biases)
{
    struct weight *w = calloc(1, sizeof *w);
    if (w) {
        w->s = s;
        w->w = calloc((size_t)weight_count(&s), sizeof(float));
        w->b = s.has_bias ? calloc((size_t)s.out, sizeof(float)) : NULL;
        w->bytes = cost_weight_bytes(&s, DT_F32);
    }
    if (!w || !w->w || (s.has_bias && !w->b)) {
        fail(r, "weights");
        drop(w);
        return NULL;
    }
    float *bias = w->b;
    for (int i = 0; bias && i < biases; i++)
        for (int64_t c = 0; c < b[i].dim[0]; c++)
            *bias++ = load_f32(b[i].data, b[i].dtype, c);
    r->weight_bytes += w->bytes;
    return w;
}

static float weight_value(const struct ref *r, const struct param *p, int64_t i)
{
    float f = load_f32(p->data, p->dtype, i);
    return r->ops.act == DT_BF16 ? f32_from_bf16(bf16_from_f32(f)) : f;
}

struct weight *ref_pack_linear(struct ops *o, const struct param *w, const struct param *b,
                               int count)
{
    struct ref *r = ref_of(o);
    struct weight *packed = new_weight(r, linear_shape(w, b, count), b, count);
    int64_t in, out, from = 0;
    for (int s = 0; packed && s < count; s++, from += out) {
        linear_source(&w[s], &in, &out);
        for (int64_t oc = 0; oc < out; oc++)
            for (int64_t ic = 0; ic < in; ic++)
                packed->w[ic * packed->s.out + from + oc] = weight_value(
                    r, &w[s], w[s].transposed ? ic * out + oc : oc * in + ic);
    }
    return packed;
}

struct weight *ref_pack_conv(struct ops *o, const struct param *w, const struct param *b)
{
    struct ref *r = ref_of(o);
    struct weight *packed = new_weight(r, conv_shape(w, b), b, 1);
    if (!packed)
        return NULL;
    int64_t in = packed->s.in, out = packed->s.out, taps = packed->s.k * packed->s.k;
    for (int64_t oc = 0; oc < out; oc++)
        for (int64_t ic = 0; ic < in; ic++)
            for (int64_t tap = 0; tap < taps; tap++)
                packed->w[(tap * in + ic) * out + oc] = weight_value(r, w,
                                                                     (oc * in + ic) * taps + tap);
    return packed;
}

struct weight *ref_pack_norm(struct ops *o, const struct param *gamma, const struct param *beta)
{
    struct weight *packed = new_weight(ref_of(o), norm_shape(gamma, beta), beta, 1);
    for (int64_t c = 0; packed && c < packed->s.out; c++)
        packed->w[c] = load_f32(gamma->data, gamma->dtype, c);
    return packed;
}

struct weight *ref_pack_table(struct ops *o, const struct param *w)
{
    struct ref *r = ref_of(o);
    struct weight *packed = new_weight(r, table_shape(w), NULL, 0);
    for (int64_t i = 0; packed && i < weight_count(&packed->s); i++)
        packed->w[i] = weight_value(r, w, i);
    return packed;
}

void ref_free_weight(struct ops *o, struct weight *w)
{
    if (w)
        ref_of(o)->weight_bytes -= w->bytes;
    drop(w);
}

void ref_swap_weights(struct ops *o, struct weight *a, struct weight *b)
{
    struct weight was = *a;
    (void)o;
    *a = *b;
    *b = was;
}
