/* Noise as the tools draw it; see noise.h. Rows are drawn whole in torch's order, and turned. */
#include "sdxl/noise.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "sdxl/noise_brownian.h"
#include "sdxl/rng_philox.h"

struct noise {
    struct noise_setup setup;
    int rows;    /* generators: one, or one an image */
    size_t size; /* values of a row */
    bool gpu;    /* where the noise of the steps is drawn */
    bool seeded;
    float *row; /* all rows, as torch has them; NULL: it is of parts */
    struct noise **part;
    struct brownian *brownian;
    struct normals normals[];
};

/* ---- torch's generators ---- */

void normals_seed(struct normals *g, uint64_t seed, bool gpu)
{
    g->gpu = gpu;
    g->seed = seed;
    g->call = 0;
    g->done = 0;
    if (!gpu)
        rng_seed(&g->cpu, seed);
}

void normals_part(struct normals *g, float *out, size_t count)
{
    if (g->gpu)
        philox_normal(g->seed, g->call, g->done, count, out);
    else
        rng_normal(&g->cpu, out, count);
    g->done += count;
}

void normals_end(struct normals *g)
{
    g->call++;
    g->done = 0;
}

/* ---- a run's ---- */

static bool on_gpu(const struct noise_setup *s, bool first)
{
    if (s->compat == COMPAT_COMFYUI && first)
        return false;
    if (s->rng == RNG_AUTO)
        return s->compat != COMPAT_DIFFUSERS;
    return s->rng == RNG_GPU;
}

/* One that has a noise for each part. */
static struct noise *open_parts(const struct noise_setup *s, struct err *e)
{
    struct noise *z = calloc(1, sizeof *z);
    struct noise_setup one = *s;
    bool ok = z && (z->part = calloc((size_t)s->parts, sizeof *z->part));
    assert(s->n % s->parts == 0);
    if (!ok)
        err_set(e, "out of memory for the noise of %d pictures", s->n);
    else
        z->setup = *s;
    one.parts = 0;
    one.n = s->n / s->parts;
    one.first = one.images = 0;
    for (int i = 0; ok && i < s->parts; i++) {
        one.seed = s->seeds[i];
        ok = (z->part[i] = noise_open(&one, e)) != NULL;
    }
    if (!ok) {
        noise_close(z);
        return NULL;
    }
    return z;
}

/* Where part i has its values. */
static float *part_at(const struct noise *z, int i, float *nhwc)
{
    const struct noise_setup *s = &z->part[i]->setup;
    return nhwc + (size_t)i * (size_t)s->n * (size_t)s->c * (size_t)s->h * (size_t)s->w;
}

struct noise *noise_open(const struct noise_setup *s, struct err *e)
{
    if (s->parts)
        return open_parts(s, e);
    int rows = s->compat == COMPAT_A1111 ? s->n : 1;
    size_t total = (size_t)s->n * (size_t)s->c * (size_t)s->h * (size_t)s->w;
    struct noise *z = calloc(1, sizeof *z + (size_t)rows * sizeof *z->normals);
    assert(s->n > 0 && s->c > 0 && s->h > 0 && s->w > 0);
    if (!z || !(z->row = calloc(total, sizeof *z->row))) {
        free(z);
        err_set(e, "out of memory for the noise of %d pictures", s->n);
        return NULL;
    }
    z->setup = *s;
    if (s->images == 0)
        z->setup.images = s->n;
    z->rows = rows;
    z->size = total / (size_t)rows;
    z->gpu = on_gpu(s, false);
    if (s->brownian && s->compat != COMPAT_DIFFUSERS &&
        !(z->brownian = brownian_open(s->threads, e))) {
        noise_close(z);
        return NULL;
    }
    return z;
}

void noise_close(struct noise *z)
{
    if (!z)
        return;
    for (int i = 0; z->part && i < z->setup.parts; i++)
        noise_close(z->part[i]);
    free(z->part);
    brownian_close(z->brownian);
    free(z->row);
    free(z);
}

/* n images of the row, from `first` on, from [n, c, h, w] to [n, h, w, c]. */
static void turn(const struct noise *z, int first, int n, float *nhwc)
{
    size_t area = (size_t)z->setup.h * (size_t)z->setup.w, channels = (size_t)z->setup.c;
    const float *in = z->row + (size_t)first * channels * area;
    for (int i = 0; i < n; i++, nhwc += area * channels)
        for (size_t k = 0; k < channels; k++, in += area)
            for (size_t p = 0; p < area; p++)
                nhwc[p * channels + k] = in[p];
}

/* Whether any wanted image has its noise from this row. */
static bool row_is_wanted(const struct noise *z, int row)
{
    const struct noise_setup *s = &z->setup;
    return z->rows == 1 || (row >= s->first && row < s->first + s->images);
}

static void draw(struct noise *z, float *nhwc)
{
    for (int i = 0; i < z->rows; i++) {
        if (!row_is_wanted(z, i))
            continue;
        normals_part(&z->normals[i], z->row + (size_t)i * z->size, z->size);
        normals_end(&z->normals[i]);
    }
    turn(z, z->setup.first, z->setup.images, nhwc);
}

static void seed_all(struct noise *z)
{
    const struct noise_setup *s = &z->setup;
    for (int i = 0; i < z->rows && !z->seeded; i++)
        normals_seed(&z->normals[i], s->seed + (uint64_t)i, on_gpu(s, true));
    z->seeded = true;
}

/* ComfyUI's samplers begin with a generator of their own; elsewhere the first one goes on. */
static void seed_steps(struct noise *z)
{
    const struct noise_setup *s = &z->setup;
    if (s->compat == COMPAT_COMFYUI)
        normals_seed(&z->normals[0], z->gpu ? s->seed : s->seed + 1, z->gpu);
}

void noise_extra(struct noise *z, float *hwc)
{
    assert(!z->part);
    seed_all(z);
    normals_part(&z->normals[0], z->row,
                 (size_t)z->setup.c * (size_t)z->setup.h * (size_t)z->setup.w);
    normals_end(&z->normals[0]);
    turn(z, 0, 1, hwc);
}

void noise_first(struct noise *z, float *nhwc)
{
    const struct noise_setup *s = &z->setup;
    for (int i = 0; i < s->parts; i++)
        noise_first(z->part[i], part_at(z, i, nhwc));
    if (z->part)
        return;
    seed_all(z);
    draw(z, nhwc);
    seed_steps(z);
}

void noise_masked(struct noise *z, float *nhwc)
{
    for (int i = 0; i < z->setup.parts; i++)
        noise_masked(z->part[i], part_at(z, i, nhwc));
    if (z->part)
        return;
    struct normals kept = z->normals[0];
    normals_seed(&z->normals[0], z->setup.seed + 1, false);
    draw(z, nhwc);
    z->normals[0] = kept;
}

void noise_restart(struct noise *z, double sigma_low, double sigma_high)
{
    for (int i = 0; i < z->setup.parts; i++)
        noise_restart(z->part[i], sigma_low, sigma_high);
    z->setup.sigma_low = sigma_low;
    z->setup.sigma_high = sigma_high;
    if (!z->part)
        seed_steps(z);
}

void noise_next(struct noise *z, float *nhwc)
{
    for (int i = 0; i < z->setup.parts; i++)
        draw(z->part[i], part_at(z, i, nhwc));
    if (!z->part)
        draw(z, nhwc);
}

/* ComfyUI's trees stand on the CPU, unless the GPU is asked for (its samplers' "_gpu" forms). */
static bool tree_on_gpu(const struct noise_setup *s)
{
    return s->compat == COMPAT_COMFYUI ? s->rng == RNG_GPU : on_gpu(s, false);
}

void noise_between(struct noise *z, double from, double to, float *nhwc)
{
    const struct noise_setup *s = &z->setup;
    for (int i = 0; i < s->parts; i++)
        noise_between(z->part[i], from, to, part_at(z, i, nhwc));
    if (z->part)
        return;
    if (!z->brownian) {
        draw(z, nhwc);
        return;
    }
    float low = (float)fmin(from, to), high = (float)fmax(from, to);
    float root = sqrtf(high - low), sign = from < to ? 1 : -1;
    for (int i = 0; i < z->rows; i++) {
        if (!row_is_wanted(z, i))
            continue;
        struct brownian_tree t = {.low = (float)s->sigma_low,
                                  .high = (float)s->sigma_high,
                                  .seed = s->seed + (uint64_t)i,
                                  .gpu = tree_on_gpu(s),
                                  .count = z->size};
        brownian_increment(z->brownian, &t, low, high, z->row + (size_t)i * z->size);
    }
    for (size_t i = 0; i < z->size * (size_t)z->rows; i++)
        z->row[i] = z->row[i] * sign / root;
    turn(z, s->first, s->images, nhwc);
}

double noise_scale(enum compat compat, double sigma, double highest)
{
    bool from_the_top = sigma >= highest * (1 - 1e-5);
    if (compat == COMPAT_A1111 || (compat == COMPAT_COMFYUI && !from_the_top))
        return sigma;
    return sqrt(sigma * sigma + 1);
}
