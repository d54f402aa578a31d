/*
 * Doubling and a 3x3 convolution as four 2x2 convolutions.
 *
 * An even output row 2i sees the doubled rows 2i - 1, 2i, 2i + 1, which are the rows i - 1, i, i;
 * an odd one sees i, i, i + 1. So three taps fall on two rows, and those on one row are summed
 * beforehand; columns likewise. Zeros around the doubled image are zeros around the image.
 *
 * The four results interleave in the output. They are made for a band of rows at a time, small
 * enough to be in cache when its pixels are put in their places.
 */
#include "ops/cpu_upsample.h"

#include <stdlib.h>
#include <string.h>

#include "base/parallel.h"
#include "ops/cpu_sizes.h"
#include "ops/half.h"

/* The sum over the taps of w3 (3x3) that fall on place (a, b) of convolution (i, j). */
static float tap_sum(const float *w3, int i, int j, int a, int b)
{
    float sum = 0;
    for (int y = 0; y < 3; y++)
        for (int x = 0; x < 3; x++)
            if ((y + 1 - i) / 2 == a && (x + 1 - j) / 2 == b)
                sum += w3[3 * y + x];
    return sum;
}

static void sum_taps(void *to, const void *from, int64_t filters, int i, int j, enum dtype act)
{
    for (int64_t f = 0; f < filters; f++) {
        float w3[9];
        for (int k = 0; k < 9; k++)
            w3[k] = load_f32(from, act, f * 9 + k);
        for (int k = 0; k < 4; k++)
            store_f32(to, act, f * 4 + k, tap_sum(w3, i, j, k / 2, k % 2));
    }
}

void cpu_phases_free(struct cpu_phases *p, struct dnn *d)
{
    for (int k = 0; k < 4; k++) {
        dnn_free_weight(d, p->part[k]);
        p->part[k] = NULL;
    }
}

int cpu_phases_make(struct cpu_phases *p, struct dnn *d, const struct dnn_weight *w, int64_t out,
                    int64_t in, enum dtype act, struct err *e)
{
    size_t value = dtype_size(act), filters = (size_t)(out * in);
    char *nine = malloc(filters * 9 * value), *four = malloc(filters * 4 * value);
    int result = nine && four ? dnn_unpack_conv(d, w, nine, e)
                              : err_set(e, "no memory: weights; use a smaller model");
    memset(p, 0, sizeof *p);
    for (int k = 0; result == 0 && k < 4; k++) {
        sum_taps(four, nine, out * in, k / 2, k % 2, act);
        p->part[k] = dnn_pack_conv(d, four, out, in, 2, 2, act, e);
        result = p->part[k] ? 0 : -1;
    }
    free(nine);
    free(four);
    if (result != 0)
        cpu_phases_free(p, d);
    return result;
}

struct place_job {
    const struct cpu_upsample *u;
    char *y;          /* the output's row for the band's first, and column for the first */
    const char *band; /* [rows, w, out] */
};

static void place_row(void *context, int64_t row, int thread)
{
    const struct place_job *j = context;
    (void)thread;
    size_t pixel = (size_t)j->u->out * dtype_size(j->u->type), line = (size_t)j->u->w * pixel;
    char *y = j->y + (size_t)row * 4 * line;
    const char *from = j->band + (size_t)row * line;
    for (int x = 0; x < j->u->w; x++, y += 2 * pixel, from += pixel)
        memcpy(y, from, pixel);
}

/* Rows [first, first + rows) of one image through convolution (i, j). */
static int band(const struct cpu *cpu, struct dnn *d, const struct cpu_upsample *u, int image,
                int first, int rows, int k, void *scratch, struct err *e)
{
    int i = k / 2, j = k % 2;
    /* The band's rows and one before (even) or after (odd), or the padding at the image's edge. */
    bool above = i == 0 && first > 0, below = i == 1 && first + rows < u->h;
    size_t value = dtype_size(u->type), row = (size_t)u->w * (size_t)u->in * value;
    size_t line = (size_t)u->w * (size_t)u->out * value;
    struct dnn_conv c = {.w = u->phases->part[k],
                         .bias = u->bias,
                         .x = (const char *)u->x + (size_t)(image * u->h + first - above) * row,
                         .y = scratch,
                         .y_type = u->type,
                         .n = 1,
                         .h = rows + above + below,
                         .w_in = u->w,
                         .stride = 1,
                         .top = i == 0 && !above,
                         .bottom = i == 1 && !below,
                         .left = j == 0,
                         .right = j == 1,
                         .act = u->act,
                         .bands = true};
    if (dnn_conv(d, &c, e) != 0)
        return -1;
    char *y = (char *)u->y + (size_t)(image * u->h + first) * 4 * line + (size_t)i * 2 * line;
    struct place_job p = {u, y + (size_t)j * (size_t)u->out * value, scratch};
    parallel_for(cpu->threads, rows, place_row, &p);
    return 0;
}

int cpu_upsample(const struct cpu *cpu, struct dnn *d, const struct cpu_upsample *u, void *scratch,
                 struct err *e)
{
    int step = cpu_upsample_rows(u->h, u->w, u->out, u->type);
    for (int image = 0; image < u->n; image++)
        for (int first = 0; first < u->h; first += step)
            for (int k = 0; k < 4; k++) {
                int rows = u->h - first < step ? u->h - first : step;
                if (band(cpu, d, u, image, first, rows, k, scratch, e) != 0)
                    return -1;
            }
    return 0;
}
