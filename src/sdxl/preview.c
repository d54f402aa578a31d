/*
 * See preview.h. The network runs tile by tile, so that its work stays in the cache and bounded
 * whatever the picture's size. Only the latent is continued beyond its edges (by its outermost
 * values); each layer then needs no more than it has.
 */
#include "sdxl/preview.h"

#include <stdlib.h>
#include <string.h>

enum {
    SDXL_CHANNELS = 4,
    TILE = 32,                                    /* latents each way */
    HALO = PREVIEW_LAYERS * (PREVIEW_KERNEL / 2), /* that a tile may need beyond its edges */
    SPAN = TILE + 2 * HALO,
    WORK = SPAN * SPAN * PREVIEW_CHANNELS /* values */
};

static const float SDXL_RGB[SDXL_CHANNELS][3] = {{0.3651f, 0.4232f, 0.4341f},
                                                 {-0.2533f, -0.0042f, 0.1068f},
                                                 {0.1076f, 0.1111f, -0.0362f},
                                                 {-0.3165f, -0.2492f, -0.2188f}};
static const float SDXL_BIAS[3] = {0.1084f, -0.0175f, -0.0011f};

bool preview_possible(const struct model_config *m)
{
    return m->preview.layers > 0 || m->has_preview || m->vae.latent_channels == SDXL_CHANNELS;
}

bool preview_factors(const struct model_config *m, float to[PREVIEW_FACTORS])
{
    size_t channels = (size_t)m->vae.latent_channels;
    if (m->preview.layers > 0)
        return false;
    assert(m->has_preview || channels == SDXL_CHANNELS);
    memcpy(to, m->has_preview ? m->latent_rgb : SDXL_RGB, 3 * channels * sizeof *to);
    memcpy(to + 3 * channels, m->has_preview ? m->latent_rgb_bias : SDXL_BIAS, 3 * sizeof *to);
    return true;
}

void preview_project(const struct model_config *m, const float *latent, int64_t pixels,
                     uint8_t *rgb)
{
    assert(m->has_preview || m->vae.latent_channels == SDXL_CHANNELS);
    const float(*factor)[3] = m->has_preview ? m->latent_rgb : SDXL_RGB;
    const float *bias = m->has_preview ? m->latent_rgb_bias : SDXL_BIAS;
    int channels = m->vae.latent_channels;
    for (int64_t i = 0; i < pixels; i++, latent += channels, rgb += 3) {
        float sum[3] = {bias[0], bias[1], bias[2]};
        for (int c = 0; c < channels; c++)
            for (int k = 0; k < 3; k++)
                sum[k] += latent[c] * factor[c][k];
        for (int k = 0; k < 3; k++)
            rgb[k] = pixel_byte(sum[k]);
    }
}

/* ---- the network ---- */

struct map { /* of `in` or `out` channels a place */
    float *at;
    int w, h;
};

typedef float four __attribute__((vector_size(16), aligned(4), may_alias));

enum { MANY = 8, VECTORS = 3 };

/* NAME: `many` places side by side, `vectors` vectors of outputs each. Both are constants where it
 * is inlined, so that the sums stay in registers; eight or nine sums hide what an addition takes.
 */
#define DEFINE_BLOCK(NAME, VECTOR)                                                                 \
    static inline __attribute__((always_inline)) void NAME(                                        \
        const struct preview_layer *l, const float *in, int row, const float *weight,              \
        const float *bias, float *to, int many, int vectors)                                       \
    {                                                                                              \
        VECTOR sum[MANY][VECTORS];                                                                 \
        for (int p = 0; p < many; p++)                                                             \
            for (int q = 0; q < vectors; q++)                                                      \
                sum[p][q] = ((const VECTOR *)bias)[q];                                             \
        for (int y = 0; y < l->kernel; y++, in += row)                                             \
            for (int i = 0; i < l->kernel * l->in; i++, weight += l->out)                          \
                _Pragma("GCC unroll 8") for (int p = 0; p < many; p++)                             \
                    _Pragma("GCC unroll 3") for (int q = 0; q < vectors; q++)                      \
                        sum[p][q] += in[p * l->in + i] * ((const VECTOR *)weight)[q];              \
        for (int p = 0; p < many; p++)                                                             \
            for (int q = 0; q < vectors; q++)                                                      \
                ((VECTOR *)(to + p * l->out))[q] = sum[p][q];                                      \
    }

/* A row of places, some of the outputs from q on; returns how many outputs. */
#define DEFINE_ROW(NAME, BLOCK, LANES, PLACES, VECS)                                               \
    static inline __attribute__((always_inline)) int NAME(                                         \
        const struct preview_layer *l, const float *weight, const float *bias, const float *in,    \
        int row, float *to, int count, int q)                                                      \
    {                                                                                              \
        int x = 0;                                                                                 \
        weight += q, bias += q, to += q;                                                           \
        for (; x + PLACES <= count; x += PLACES)                                                   \
            BLOCK(l, in + x * l->in, row, weight, bias, to + x * l->out, PLACES, VECS);            \
        for (; x < count; x++)                                                                     \
            BLOCK(l, in + x * l->in, row, weight, bias, to + x * l->out, 1, VECS);                 \
        return (LANES) * (VECS);                                                                   \
    }

DEFINE_BLOCK(block4, four)
DEFINE_ROW(row_of_12, block4, 4, 3, 3)
DEFINE_ROW(row_of_4, block4, 4, 8, 1)

static int convolve_row(const struct preview_layer *l, const float *weight, const float *bias,
                        const float *in, int row, float *to, int count, int q)
{
    if (l->out - q >= 12)
        return row_of_12(l, weight, bias, in, row, to, count, q);
    return row_of_4(l, weight, bias, in, row, to, count, q);
}

#ifdef __x86_64__
/* The same with eight lanes: half the time. */
typedef float eight __attribute__((vector_size(32), aligned(4), may_alias));
DEFINE_BLOCK(block8, eight)
DEFINE_ROW(row_of_24, block8, 8, 3, 3)
DEFINE_ROW(row_of_8, block8, 8, 8, 1)

__attribute__((target("avx2,fma"))) static int
convolve_row_avx2(const struct preview_layer *l, const float *weight, const float *bias,
                  const float *in, int row, float *to, int count, int q)
{
    if (l->out - q >= 24)
        return row_of_24(l, weight, bias, in, row, to, count, q);
    if (l->out - q >= 8)
        return row_of_8(l, weight, bias, in, row, to, count, q);
    return row_of_4(l, weight, bias, in, row, to, count, q);
}
#endif

typedef int row_fn(const struct preview_layer *, const float *weight, const float *bias,
                   const float *in, int row, float *to, int count, int q);

static row_fn *best_row(void)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return convolve_row_avx2;
#endif
    return convolve_row;
}

static void convolve(const struct preview *p, int k, const struct map *in, struct map *out)
{
    const struct preview_net *n = &p->model->preview;
    const struct preview_layer *l = &n->layer[k];
    int row = in->w * l->in;
    row_fn *convolve_some = best_row();
    out->w = in->w - l->kernel + 1;
    out->h = in->h - l->kernel + 1;
    for (int y = 0; y < out->h; y++)
        for (int q = 0; q < l->out;)
            q += convolve_some(l, n->numbers + l->weight, p->bias[k], in->at + (ptrdiff_t)y * row,
                               row, out->at + (ptrdiff_t)y * out->w * l->out, out->w, q);
}

static void relu(float *x, ptrdiff_t count)
{
    for (ptrdiff_t i = 0; i < count; i++)
        x[i] = x[i] < 0 ? 0 : x[i]; /* keeps what is no number */
}

static int within(int x, int count)
{
    return x < 0 ? 0 : x < count ? x : count - 1;
}

/* The latents of a tile and `halo` more on each side. */
static void load_tile(const struct preview *p, int x0, int y0, int halo, struct map *m)
{
    int channels = p->model->vae.latent_channels, ld = p->model->preview.layer[0].in;
    float *to = m->at;
    for (int y = 0; y < m->h; y++)
        for (int x = 0; x < m->w; x++, to += ld) {
            ptrdiff_t row = within(y0 + y - halo, p->latent_height);
            const float *from = p->latent +
                                (row * p->latent_width + within(x0 + x - halo, p->latent_width)) *
                                    channels;
            memcpy(to, from, (size_t)channels * sizeof *to);
            memset(to + channels, 0, (size_t)(ld - channels) * sizeof *to);
        }
}

static void put_tile(const struct preview *p, int x0, int y0, const struct map *m)
{
    const struct preview_net *n = &p->model->preview;
    int s = n->scale, ld = n->layer[n->layers - 1].out;
    for (int y = 0; y < m->h * s; y++) {
        uint8_t *to = p->rgb + ((ptrdiff_t)(y0 * s + y) * p->width + x0 * s) * 3;
        const float *from = m->at + (ptrdiff_t)(y / s) * m->w * ld + y % s * s * 3;
        for (int x = 0; x < m->w; x++, from += ld)
            for (int i = 0; i < s * 3; i++)
                *to++ = pixel_byte(from[i]);
    }
}

/* What the first `layers` layers make of a tile, through the ReLU when another comes. */
static struct map run_tile(const struct preview *p, int x0, int y0, int layers)
{
    const struct preview_net *n = &p->model->preview;
    int halo = 0, w = p->latent_width - x0, h = p->latent_height - y0;
    for (int k = 0; k < layers; k++)
        halo += n->layer[k].kernel / 2;
    struct map in = {p->work[0], (w < TILE ? w : TILE) + 2 * halo,
                     (h < TILE ? h : TILE) + 2 * halo};
    struct map out = {p->work[1], 0, 0};
    load_tile(p, x0, y0, halo, &in);
    for (int k = 0; k < layers; k++) {
        convolve(p, k, &in, &out);
        if (k + 1 < n->layers)
            relu(out.at, (ptrdiff_t)out.w * out.h * n->layer[k].out);
        struct map swap = in;
        in = out;
        out = swap;
    }
    return in;
}

/* Adds to a layer's bias what the mean of its inputs over the picture asks for. The layers below
 * run twice for it, which costs less than keeping what they say of a large picture. */
static void add_mean(struct preview *p, int k)
{
    const struct preview_net *n = &p->model->preview;
    const struct preview_layer *l = &n->layer[k];
    float sum[PREVIEW_CHANNELS] = {0}, count = (float)p->latent_width * (float)p->latent_height;
    for (int y = 0; y < p->latent_height; y += TILE)
        for (int x = 0; x < p->latent_width; x += TILE) {
            struct map m = run_tile(p, x, y, k);
            for (const float *v = m.at, *end = v + m.w * m.h * l->in; v < end; v += l->in)
                for (int i = 0; i < l->in; i++)
                    sum[i] += v[i];
        }
    for (int i = 0; i < l->in; i++)
        for (int q = 0; q < l->out; q++)
            p->bias[k][q] += sum[i] / count * n->numbers[l->mean + i * l->out + q];
}

static void show_net(struct preview *p)
{
    const struct preview_net *n = &p->model->preview;
    for (int k = 0; k < n->layers; k++) {
        const struct preview_layer *l = &n->layer[k];
        memcpy(p->bias[k], n->numbers + l->bias, (size_t)l->out * sizeof(float));
        if (l->mean)
            add_mean(p, k);
    }
    for (int y = 0; y < p->latent_height; y += TILE)
        for (int x = 0; x < p->latent_width; x += TILE) {
            struct map m = run_tile(p, x, y, n->layers);
            put_tile(p, x, y, &m);
        }
}

/* ---- either ---- */

struct preview *preview_new(const struct model_config *m, int width, int height)
{
    assert(preview_possible(m) && width > 0 && height > 0);
    struct preview *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    bool net = m->preview.layers > 0;
    int scale = net ? m->preview.scale : 1;
    size_t latents = (size_t)width * (size_t)height;
    *p = (struct preview){.model = m,
                          .latent_width = width,
                          .latent_height = height,
                          .width = width * scale,
                          .height = height * scale};
    p->latent = calloc(latents, (size_t)m->vae.latent_channels * sizeof *p->latent);
    p->rgb = calloc(latents, (size_t)(scale * scale) * 3);
    if (net && (p->work[0] = malloc(2 * sizeof(float) * WORK)) != NULL)
        p->work[1] = p->work[0] + WORK;
    if (p->latent && p->rgb && (!net || p->work[0]))
        return p;
    preview_free(p);
    return NULL;
}

void preview_free(struct preview *p)
{
    if (!p)
        return;
    free(p->latent);
    free(p->rgb);
    free(p->work[0]);
    free(p);
}

void preview_show(struct preview *p)
{
    if (p->model->preview.layers > 0)
        show_net(p);
    else
        preview_project(p->model, p->latent, (int64_t)p->width * p->height, p->rgb);
}
