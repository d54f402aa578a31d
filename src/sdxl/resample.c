/* Filters as torch.nn.functional.interpolate and Pillow's Resample.c define them; see resample.h.
 */
#include "sdxl/resample.h"

#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* ---- filters: weight at distance x ---- */

static double triangle(double x)
{
    x = fabs(x);
    return x < 1 ? 1 - x : 0;
}

/* Keys 1981, "Cubic Convolution Interpolation for Digital Image Processing". */
static double keys(double x, double a)
{
    x = fabs(x);
    if (x < 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

static double torch_cubic(double x)
{
    return keys(x, -0.75);
}

static double pillow_cubic(double x)
{
    return keys(x, -0.5);
}

static double sinc(double x)
{
    return x == 0 ? 1 : sin(M_PI * x) / (M_PI * x);
}

static double lanczos(double x)
{
    return fabs(x) < 3 ? sinc(x) * sinc(x / 3) : 0;
}

struct filter {
    double (*weight)(double);
    double reach;
    bool widens; /* where the result is smaller */
};

static const struct filter FILTERS[] = {
    [RESAMPLE_BILINEAR] = {triangle, 1, false}, [RESAMPLE_BICUBIC] = {torch_cubic, 2, false},
    [RESAMPLE_TRIANGLE] = {triangle, 1, true},  [RESAMPLE_CUBIC] = {pillow_cubic, 2, true},
    [RESAMPLE_LANCZOS] = {lanczos, 3, true},
};

/* ---- one direction ---- */

/* What each output reads: `most` inputs and their weights. */
struct taps {
    int most;
    int *from;      /* [out][most] */
    double *weight; /* [out][most]; 0 where there is none */
};

static void nearest_tap(struct taps *t, int i, int in, int out, bool exact)
{
    int at = (int)floor((exact ? i + 0.5 : i) * ((double)in / out));
    t->from[i] = at < in ? at : in - 1;
    t->weight[i] = 1;
}

/* torch repeats the border where it looks beyond it; Pillow looks no further and shares out. */
static void filter_taps(struct taps *t, int i, int in, int out, const struct filter *f)
{
    double ratio = (double)in / out, stretch = f->widens && ratio > 1 ? ratio : 1;
    double centre = (i + 0.5) * ratio - 0.5, sum = 0;
    int first = (int)ceil(centre - f->reach * stretch), n = 0;
    for (int at = first; at <= centre + f->reach * stretch && n < t->most; at++) {
        bool inside = at >= 0 && at < in;
        double w = f->weight((at - centre) / stretch);
        if (f->widens && !inside)
            continue;
        t->from[i * t->most + n] = at < 0 ? 0 : at < in ? at : in - 1;
        t->weight[i * t->most + n++] = w;
        sum += w;
    }
    for (int k = 0; k < n; k++)
        t->weight[i * t->most + k] /= sum;
}

static int taps_open(struct taps *t, int in, int out, enum resample kind)
{
    bool nearest = kind <= RESAMPLE_NEAREST_EXACT;
    double ratio = (double)in / out, reach = nearest ? 0 : FILTERS[kind].reach;
    if (!nearest && FILTERS[kind].widens && ratio > 1)
        reach *= ratio;
    t->most = nearest ? 1 : 2 * (int)ceil(reach) + 1;
    t->from = calloc((size_t)out * (size_t)t->most, sizeof *t->from);
    t->weight = calloc((size_t)out * (size_t)t->most, sizeof *t->weight);
    if (!t->from || !t->weight)
        return -1;
    for (int i = 0; i < out; i++)
        if (nearest)
            nearest_tap(t, i, in, out, kind == RESAMPLE_NEAREST_EXACT);
        else
            filter_taps(t, i, in, out, &FILTERS[kind]);
    return 0;
}

static void taps_close(struct taps *t)
{
    free(t->from);
    free(t->weight);
}

/* lines x count inputs that lie `step` apart, each of c values side by side. */
static void run_taps(const struct taps *t, const float *in, float *out, int count, size_t step,
                     int c)
{
    for (int i = 0; i < count; i++)
        for (int k = 0; k < c; k++) {
            double sum = 0;
            for (int n = 0; n < t->most; n++) {
                double w = t->weight[i * t->most + n];
                if (w != 0)
                    sum += w * (double)in[(size_t)t->from[i * t->most + n] * step + (size_t)k];
            }
            out[(size_t)i * step + (size_t)k] = (float)sum;
        }
}

int resample(const struct raster *in, const struct raster *out, enum resample kind, struct err *e)
{
    struct taps across = {0}, down = {0};
    size_t c = (size_t)in->c, row_in = (size_t)in->w * c, row = (size_t)out->w * c;
    float *wide = malloc((size_t)in->h * row * sizeof *wide);
    int rc = -1;
    assert(in->c == out->c);
    if (wide && taps_open(&across, in->w, out->w, kind) == 0 &&
        taps_open(&down, in->h, out->h, kind) == 0) {
        for (int y = 0; y < in->h; y++)
            run_taps(&across, in->v + (size_t)y * row_in, wide + (size_t)y * row, out->w, c, in->c);
        for (int x = 0; x < out->w; x++)
            run_taps(&down, wide + (size_t)x * c, out->v + (size_t)x * c, out->h, row, in->c);
        rc = 0;
    }
    taps_close(&across);
    taps_close(&down);
    free(wide);
    return rc < 0 ? err_set(e, "out of memory for a picture of %dx%d", out->w, out->h) : 0;
}

/* ---- masks ---- */

static uint8_t pick(uint8_t a, uint8_t b, bool largest)
{
    return (a > b) == largest ? a : b;
}

static void grow_once(uint8_t *to, const uint8_t *from, int w, int h, bool largest)
{
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            const uint8_t *at = from + (size_t)y * (size_t)w + x;
            uint8_t v = *at;
            v = x > 0 ? pick(v, at[-1], largest) : v;
            v = x + 1 < w ? pick(v, at[1], largest) : v;
            v = y > 0 ? pick(v, at[-w], largest) : v;
            v = y + 1 < h ? pick(v, at[w], largest) : v;
            to[(size_t)y * (size_t)w + (size_t)x] = v;
        }
}

int mask_grow(uint8_t *mask, int w, int h, int by, struct err *e)
{
    size_t size = (size_t)w * (size_t)h;
    uint8_t *copy = by ? malloc(size) : NULL;
    if (by && !copy)
        return err_set(e, "out of memory for a mask of %dx%d", w, h);
    for (int i = 0; i < abs(by); i++) {
        memcpy(copy, mask, size);
        grow_once(mask, copy, w, h, by > 0);
    }
    free(copy);
    return 0;
}

/* `count` values `step` apart, through `line`; the border repeats by reflection (OpenCV's 101). */
static void blur_line(uint8_t *v, int count, size_t step, const double *weight, int reach,
                      uint8_t *line)
{
    for (int i = 0; i < count; i++)
        line[i] = v[(size_t)i * step];
    for (int i = 0; i < count; i++) {
        double sum = 0;
        for (int k = -reach; k <= reach; k++) {
            int at = i + k, period = 2 * (count - 1);
            if (period > 0)
                at = abs(at % period), at = at < count ? at : period - at;
            else
                at = 0;
            sum += weight[abs(k)] * line[at];
        }
        v[(size_t)i * step] = (uint8_t)(sum + 0.5);
    }
}

int mask_blur(uint8_t *mask, int w, int h, double sigma, struct err *e)
{
    enum { REACH = 200 };
    double weight[REACH + 1], sum = 0;
    int reach = (int)(2.5 * sigma + 0.5);
    uint8_t *line = malloc((size_t)(w > h ? w : h));
    reach = reach > REACH ? REACH : reach;
    if (!line)
        return err_set(e, "out of memory for a mask of %dx%d", w, h);
    for (int i = 0; i <= reach; i++) {
        weight[i] = exp(-i * i / (2 * sigma * sigma));
        sum += i ? 2 * weight[i] : weight[i];
    }
    for (int i = 0; i <= reach; i++)
        weight[i] /= sum;
    for (int y = 0; y < h && reach > 0; y++)
        blur_line(mask + (size_t)y * (size_t)w, w, 1, weight, reach, line);
    for (int x = 0; x < w && reach > 0; x++)
        blur_line(mask + x, h, (size_t)w, weight, reach, line);
    free(line);
    return 0;
}
