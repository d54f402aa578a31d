/* gpu/kernels.h without the kernels: only whether what they read and write is there; see none.h. */
#include "none.h"

#include "../../gpu/kernels.h"

/* From the first value to the last. */
static int holds(const char *what, const struct tensor *t)
{
    if (!t)
        return 0;
    return none_holds(what, t->data,
                      ((size_t)(tensor_rows(t) - 1) * (size_t)t->ld + (size_t)t->c) *
                          dtype_size(t->dtype));
}

static int all(const char *what, const struct tensor *y, const struct tensor *a,
               const struct tensor *b, const struct tensor *c)
{
    int rc = holds(what, y);
    rc = rc ? rc : holds(what, a);
    rc = rc ? rc : holds(what, b);
    return rc ? rc : holds(what, c);
}

static int norm(const char *what, struct tensor *y, const struct tensor *x, const float *gamma,
                const float *beta)
{
    size_t bytes = (size_t)x->c * sizeof(float);
    int rc = all(what, y, x, NULL, NULL);
    rc = rc ? rc : none_holds(what, gamma, bytes);
    return rc || !beta ? rc : none_holds(what, beta, bytes);
}

int gpu_group_norm(struct tensor *y, const struct tensor *x, const float *gamma, const float *beta,
                   int groups, float eps, bool silu, void *scratch, void *stream)
{
    (void)eps, (void)silu, (void)stream;
    int rc = none_holds("group_norm's scratch", scratch, gpu_group_norm_scratch(x, groups));
    return rc ? rc : norm("group_norm", y, x, gamma, beta);
}

int gpu_layer_norm(struct tensor *y, const struct tensor *x, const float *gamma, const float *beta,
                   float eps, void *stream)
{
    (void)eps, (void)stream;
    return norm("layer_norm", y, x, gamma, beta);
}

int gpu_epilogue(struct tensor *y, const struct tensor *x, const float *bias,
                 const struct tensor *chan_add, enum act act, const struct tensor *residual,
                 void *stream)
{
    (void)act, (void)stream;
    int rc = bias ? none_holds("epilogue's bias", bias, (size_t)y->c * sizeof(float)) : 0;
    return rc ? rc : all("epilogue", y, x, chan_add, residual);
}

int gpu_geglu(struct tensor *y, const struct tensor *x, void *stream)
{
    (void)stream;
    return all("geglu", y, x, NULL, NULL);
}

int gpu_copy(struct tensor *y, const struct tensor *x, float factor, void *stream)
{
    (void)factor, (void)stream;
    return all("copy", y, x, NULL, NULL);
}

int gpu_map(struct tensor *y, const struct tensor *x, enum map_kind f, float a, float b,
            void *stream)
{
    (void)f, (void)a, (void)b, (void)stream;
    return all("map", y, x, NULL, NULL);
}

int gpu_concat(struct tensor *y, const struct tensor *a, const struct tensor *b, void *stream)
{
    (void)stream;
    return all("concat", y, a, b, NULL);
}

int gpu_upsample(struct tensor *y, const struct tensor *x, void *stream)
{
    (void)stream;
    return all("upsample", y, x, NULL, NULL);
}

int gpu_embedding(struct tensor *y, const int32_t *ids, const void *table, const void *positions,
                  void *stream)
{
    (void)table, (void)positions, (void)stream;
    int rc = none_holds("ids", ids, (size_t)tensor_rows(y) * sizeof *ids);
    return rc ? rc : holds("embedding", y);
}

int gpu_pack(void *to, enum dtype to_type, const void *from, enum dtype from_type, int64_t out,
             int64_t in, int taps, bool transposed, float factor, void *stream)
{
    (void)transposed, (void)factor, (void)stream;
    size_t values = (size_t)(out * in * taps);
    int rc = none_holds("a weight", to, values * dtype_size(to_type));
    return rc ? rc : none_holds("a weight's values", from, values * dtype_size(from_type));
}

int gpu_fold(void *to, const void *from, enum dtype type, int64_t out, int64_t in, void *stream)
{
    (void)stream;
    size_t bytes = (size_t)(out * in) * dtype_size(type);
    int rc = none_holds("folded taps", to, 16 * bytes);
    return rc ? rc : none_holds("taps", from, 9 * bytes);
}

int gpu_border(struct tensor *y, const struct tensor *x, int h, int w, int before, int first,
               unsigned pad, void *stream)
{
    (void)h, (void)w, (void)before, (void)first, (void)pad, (void)stream;
    return all("border", y, x, NULL, NULL);
}

int gpu_combine(struct tensor *y, int count, const float *k, const struct tensor *const *x,
                void *stream)
{
    (void)k, (void)stream;
    int rc = holds("combine", y);
    for (int i = 0; i < count && rc == 0; i++)
        rc = holds("combine", x[i]);
    return rc;
}

int gpu_combine_at(struct tensor *y, int count, const float *k, const struct tensor *const *x,
                   void *stream)
{
    int rc = none_holds("factors", k, (size_t)count * sizeof *k);
    return rc ? rc : gpu_combine(y, count, k, x, stream);
}

int gpu_combine_load(float *room_for, void *stream)
{
    (void)stream;
    return none_holds("factors", room_for, 8 * sizeof *room_for);
}

int gpu_set_numbers(void *to, const float *from, int count, void *stream)
{
    (void)from, (void)stream;
    return none_holds("numbers", to, (size_t)count * sizeof *from);
}

int gpu_blend(struct tensor *y, const struct tensor *a, const struct tensor *b,
              const struct tensor *mask, void *stream)
{
    (void)stream;
    return all("blend", y, a, b, mask);
}

int gpu_match_std(struct tensor *y, const struct tensor *like, float share, void *stream)
{
    (void)share, (void)stream;
    return all("match_std", y, like, NULL, NULL);
}

int gpu_preview(uint8_t *rgb, const struct tensor *latent, const float *factor, void *stream)
{
    (void)factor, (void)stream;
    int rc = none_holds("a preview", rgb, 3 * (size_t)tensor_rows(latent));
    return rc ? rc : holds("a preview", latent);
}

int gpu_count_bad(const struct tensor *x, unsigned *bad, void *stream)
{
    (void)stream;
    int rc = none_holds("counting", bad, sizeof *bad);
    return rc ? rc : holds("counting", x);
}

int gpu_pixels(uint8_t *bytes, const struct tensor *image, unsigned *bad, void *stream)
{
    (void)stream;
    int rc = none_holds("pixels", bytes, (size_t)tensor_count(image));
    rc = rc ? rc : none_holds("pixels", bad, sizeof *bad);
    return rc ? rc : holds("pixels", image);
}

int gpu_attention(struct tensor *y, const struct tensor *q, const struct tensor *k,
                  const struct tensor *v, int heads, float scale, bool causal, void *stream)
{
    (void)heads, (void)scale, (void)causal, (void)stream;
    return all("attention", y, q, k, v);
}

int gpu_softmax(struct tensor *y, const struct tensor *x, float scale, void *stream)
{
    (void)scale, (void)stream;
    return all("softmax", y, x, NULL, NULL);
}

int gpu_linear(struct tensor *y, const struct tensor *x, const void *w, const float *bias,
               enum act act, const struct tensor *residual, void *stream)
{
    (void)w, (void)bias, (void)act, (void)stream;
    return all("linear", y, x, residual, NULL);
}

int gpu_conv2d(struct tensor *y, const struct tensor *x, const void *w, const float *bias, int k,
               const struct conv_args *args, void *stream)
{
    (void)w, (void)bias, (void)k, (void)stream;
    return all("conv2d", y, x, args->chan_add, args->residual);
}
