/* See cpu_winograd.h. Tiles are numbered along the rows of an image, two pixels apart. */
#include "ops/cpu_winograd.h"

#include <stdlib.h>
#include <string.h>

#include "base/parallel.h"
#include "ops/cpu_math.h"
#include "ops/cpu_sizes.h"

enum { SIDE = 4, CHUNK = 16 }; /* of a tile's input; tiles of one piece of work */

/* ---- filters ---- */

/* G g G^T: [k] of all 16 for one filter, 3x3. */
static void transform_filter(const float *g, float u[WINOGRAD_PARTS])
{
    float t[SIDE][3];
    for (int j = 0; j < 3; j++) {
        float a = g[j], b = g[3 + j], c = g[6 + j];
        t[0][j] = a;
        t[1][j] = 0.5f * (a + b + c);
        t[2][j] = 0.5f * (a - b + c);
        t[3][j] = c;
    }
    for (int i = 0; i < SIDE; i++) {
        u[SIDE * i] = t[i][0];
        u[SIDE * i + 1] = 0.5f * (t[i][0] + t[i][1] + t[i][2]);
        u[SIDE * i + 2] = 0.5f * (t[i][0] - t[i][1] + t[i][2]);
        u[SIDE * i + 3] = t[i][2];
    }
}

void cpu_filters_free(struct cpu_filters *f, struct dnn *d)
{
    for (int k = 0; k < WINOGRAD_PARTS; k++) {
        dnn_free_weight(d, f->part[k]);
        f->part[k] = NULL;
    }
}

int cpu_filters_make(struct cpu_filters *f, struct dnn *d, const struct dnn_weight *w, int64_t out,
                     int64_t in, struct err *e)
{
    size_t count = (size_t)(out * in);
    float *nine = malloc(count * 9 * sizeof(float));
    float *all = malloc(count * WINOGRAD_PARTS * sizeof(float));
    int result = nine && all ? dnn_unpack_conv(d, w, nine, e)
                             : err_set(e, "no memory: weights; use a smaller model");
    memset(f, 0, sizeof *f);
    for (size_t i = 0; result == 0 && i < count; i++) {
        float u[WINOGRAD_PARTS];
        transform_filter(nine + 9 * i, u);
        for (size_t k = 0; k < WINOGRAD_PARTS; k++)
            all[k * count + i] = u[k];
    }
    for (int k = 0; result == 0 && k < WINOGRAD_PARTS; k++) {
        f->part[k] = dnn_pack_linear(d, all + (size_t)k * count, out, in, e);
        result = f->part[k] ? 0 : -1;
    }
    free(nine);
    free(all);
    if (result != 0)
        cpu_filters_free(f, d);
    return result;
}

/* ---- the sums ---- */

/* v[k] = (B^T x B)[k] over c channels; the 16 v lie `part` values apart. */
CPU_INLINE void spread_body(float *v, int64_t part, const float *const *x, int64_t c)
{
    const float *p[SIDE][SIDE];
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++)
            p[i][j] = x[SIDE * i + j];
    CPU_LOOP
    for (int64_t i = 0; i < c; i++) {
        float t[SIDE][SIDE];
        for (int j = 0; j < SIDE; j++) {
            t[0][j] = p[0][j][i] - p[2][j][i];
            t[1][j] = p[1][j][i] + p[2][j][i];
            t[2][j] = p[2][j][i] - p[1][j][i];
            t[3][j] = p[1][j][i] - p[3][j][i];
        }
        for (int k = 0; k < SIDE; k++) {
            v[(SIDE * k + 0) * part + i] = t[k][0] - t[k][2];
            v[(SIDE * k + 1) * part + i] = t[k][1] + t[k][2];
            v[(SIDE * k + 2) * part + i] = t[k][2] - t[k][1];
            v[(SIDE * k + 3) * part + i] = t[k][1] - t[k][3];
        }
    }
}

CPU_VERSIONS(spread, (float *v, int64_t part, const float *const *x, int64_t c), (v, part, x, c));

/* The four pixels A^T m A of a tile, [2][2], with bias, onto what is there if `add`. */
CPU_INLINE void gather_typed(float *const *y, const float *m, int64_t part, const float *bias,
                             bool add, int64_t c)
{
    float *y00 = y[0], *y01 = y[1], *y10 = y[2], *y11 = y[3];
    CPU_LOOP
    for (int64_t i = 0; i < c; i++) {
        float s[2][SIDE];
        for (int j = 0; j < SIDE; j++) {
            float a = m[(0 + j) * part + i], b = m[(SIDE + j) * part + i];
            float d = m[(2 * SIDE + j) * part + i], e = m[(3 * SIDE + j) * part + i];
            s[0][j] = a + b + d;
            s[1][j] = b - d - e;
        }
        float z = bias[i];
        y00[i] = (s[0][0] + s[0][1] + s[0][2] + z) + (add ? y00[i] : 0);
        y01[i] = (s[0][1] - s[0][2] - s[0][3] + z) + (add ? y01[i] : 0);
        y10[i] = (s[1][0] + s[1][1] + s[1][2] + z) + (add ? y10[i] : 0);
        y11[i] = (s[1][1] - s[1][2] - s[1][3] + z) + (add ? y11[i] : 0);
    }
}

CPU_INLINE void gather_body(float *const *y, const float *m, int64_t part, const float *bias,
                            bool add, int64_t c)
{
    if (add)
        gather_typed(y, m, part, bias, true, c);
    else
        gather_typed(y, m, part, bias, false, c);
}

CPU_VERSIONS(gather,
             (float *const *y, const float *m, int64_t part, const float *bias, bool add,
              int64_t c),
             (y, m, part, bias, add, c));

/* ---- a block of tiles ---- */

struct block {
    const struct cpu_winograd *c;
    enum cpu_isa isa;
    const float *x; /* the image */
    float *y;
    const float *zeros, *bias;   /* of `in` and `out` values */
    float *v, *m;                /* [16][tiles][in], [16][tiles][out] */
    int64_t first, count, tiles; /* of the image's; room for */
};

static void spread_chunk(void *context, int64_t index, int thread)
{
    const struct block *b = context;
    const struct cpu_winograd *c = b->c;
    int64_t last = (index + 1) * CHUNK < b->count ? (index + 1) * CHUNK : b->count;
    (void)thread;
    for (int64_t t = index * CHUNK; t < last; t++) {
        const float *x[WINOGRAD_PARTS];
        int top = (int)((b->first + t) / (c->w / 2)) * 2 - 1;
        int left = (int)((b->first + t) % (c->w / 2)) * 2 - 1;
        for (int i = 0; i < SIDE; i++)
            for (int j = 0; j < SIDE; j++) {
                bool inside = top + i >= 0 && top + i < c->h && left + j >= 0 && left + j < c->w;
                int64_t at = ((int64_t)(top + i) * c->w + left + j) * c->in;
                x[SIDE * i + j] = inside ? b->x + at : b->zeros;
            }
        spread[b->isa](b->v + t * c->in, b->tiles * c->in, x, c->in);
    }
}

static void gather_chunk(void *context, int64_t index, int thread)
{
    const struct block *b = context;
    const struct cpu_winograd *c = b->c;
    int64_t last = (index + 1) * CHUNK < b->count ? (index + 1) * CHUNK : b->count;
    (void)thread;
    for (int64_t t = index * CHUNK; t < last; t++) {
        int64_t row = (b->first + t) / (c->w / 2) * 2, col = (b->first + t) % (c->w / 2) * 2;
        float *y = b->y + (row * c->w + col) * c->out, *below = y + (int64_t)c->w * c->out;
        float *const at[4] = {y, y + c->out, below, below + c->out};
        gather[b->isa](at, b->m + t * c->out, b->tiles * c->out, b->bias, c->accumulate, c->out);
    }
}

static int products(struct dnn *d, const struct block *b, struct err *e)
{
    const struct cpu_winograd *c = b->c;
    for (int k = 0; k < WINOGRAD_PARTS; k++) {
        struct dnn_linear call = {.w = c->filters->part[k],
                                  .x = b->v + k * b->tiles * c->in,
                                  .y = b->m + k * b->tiles * c->out,
                                  .y_type = DT_F32,
                                  .rows = b->count,
                                  .x_ld = c->in,
                                  .y_ld = c->out,
                                  .act = ACT_NONE};
        if (dnn_linear(d, &call, e) != 0)
            return -1;
    }
    return 0;
}

int cpu_winograd(const struct cpu *cpu, struct dnn *d, const struct cpu_winograd *c, void *scratch,
                 struct err *e)
{
    int64_t all = (int64_t)(c->h / 2) * (c->w / 2), tiles = cpu_winograd_tiles(all, c->in, c->out);
    float *zeros = scratch, *bias = zeros + c->in, *v = bias + c->out;
    memset(zeros, 0, (size_t)(c->in + c->out) * sizeof(float));
    struct block b = {.c = c,
                      .isa = cpu->features.isa,
                      .zeros = zeros,
                      .bias = c->bias ? c->bias : bias,
                      .v = v,
                      .m = v + WINOGRAD_PARTS * tiles * c->in,
                      .tiles = tiles};
    for (int image = 0; image < c->n; image++) {
        b.x = c->x + (int64_t)image * c->h * c->w * c->in;
        b.y = c->y + (int64_t)image * c->h * c->w * c->out;
        for (b.first = 0; b.first < all; b.first += tiles) {
            b.count = all - b.first < tiles ? all - b.first : tiles;
            int64_t chunks = (b.count + CHUNK - 1) / CHUNK;
            parallel_for(cpu->threads, chunks, spread_chunk, &b);
            if (products(d, &b, e) != 0)
                return -1;
            parallel_for(cpu->threads, chunks, gather_chunk, &b);
        }
    }
    return 0;
}
