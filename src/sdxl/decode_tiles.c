/*
 * Large pictures are decoded in tiles that overlap, where --memory asks for it: the decoder's
 * widest layers grow with the picture, a tile's do not.
 *
 * Tiles of a row are laid over each other with a linear ramp across the overlap, and then rows over
 * rows likewise. One after the other, because a ramp in both directions at once would leave a seam
 * where the ends of two tiles meet. Each tile has group norms and an attention of its own, so a
 * tiled picture is not the whole one's; one tile that covers everything is.
 */
#include "sdxl/pipeline_priv.h"

#include <stdlib.h>
#include <string.h>

#include "ops/dry.h"

/* Along one axis, in latents. */
struct cuts {
    int count, size, all;
};

struct tiles {
    struct pipeline *p;
    const float *latent;        /* [height, width, channels] */
    int channels, factor, done; /* done: tiles begun so far */
    struct cuts x, y;
    float *cut, *tile, *row; /* a tile's latent; its pixels; a row of tiles' pixels */
    struct notes *notes;
    struct err *err;
};

int decode_tile_side(const struct tuning *t)
{
    int own = t->memory == MEMORY_BALANCED ? 1024 : t->memory == MEMORY_CONSTRAINED ? 512 : 0;
    if (t->vae_tiling == TUNE_OFF)
        return 0;
    return t->vae_tile > 0 ? t->vae_tile : own == 0 && t->vae_tiling == TUNE_ON ? 1024 : own;
}

bool decode_is_tiled(const struct tuning *t, unsigned pad, int width, int height)
{
    int side = decode_tile_side(t);
    return side > 0 && ((width > side && !(pad & PAD_CIRCULAR_X)) ||
                        (height > side && !(pad & PAD_CIRCULAR_Y)));
}

/* Neighbours share a quarter of their size, or more. */
static struct cuts cuts_of(int all, int size)
{
    if (size >= all)
        return (struct cuts){1, all, all};
    int step = size - size / 4;
    return (struct cuts){1 + (all - size + step - 1) / step, size, all};
}

static int start_of(const struct cuts *c, int i)
{
    return c->count == 1 ? 0 : (int)((int64_t)i * (c->all - c->size) / (c->count - 1));
}

/* How many of tile i's first lie under the tile before. */
static int overlap_of(const struct cuts *c, int i)
{
    return i == 0 ? 0 : start_of(c, i - 1) + c->size - start_of(c, i);
}

static float ramp(int at, int over)
{
    return at < over ? ((float)at + 0.5f) / (float)over : 1;
}

static void mix(float *under, const float *over, int count, float share)
{
    for (int i = 0; i < count; i++)
        under[i] = share < 1 ? under[i] + share * (over[i] - under[i]) : over[i];
}

static int decode_tile(struct tiles *t, int x, int y)
{
    struct ops *o = t->p->ops;
    int w = t->x.size, h = t->y.size, z = t->channels;
    ops_enter_turn(o, "tile", t->done++);
    for (int i = 0; i < h; i++)
        memcpy(t->cut + (size_t)i * (size_t)(w * z),
               t->latent + ((size_t)(y + i) * (size_t)t->x.all + (size_t)x) * (size_t)z,
               (size_t)(w * z) * sizeof *t->cut);
    struct tensor cut = o->alloc_as(o, DT_F32, 1, h, w, z);
    o->upload(o, &cut, t->cut);
    int rc = decode_whole(t->p, &cut, w * t->factor, h * t->factor, t->tile, t->notes, t->err);
    o->release(o, &cut);
    ops_leave(o);
    return rc;
}

static int decode_row(struct tiles *t, int y)
{
    int f = t->factor, w = t->x.size * f, width = t->x.all * f;
    for (int i = 0; i < t->x.count; i++) {
        int x = start_of(&t->x, i), over = overlap_of(&t->x, i) * f;
        if (decode_tile(t, x, y) < 0)
            return -1;
        for (int v = 0; v < t->y.size * f; v++) {
            float *to = t->row + 3 * ((size_t)v * (size_t)width + (size_t)(x * f));
            const float *from = t->tile + 3 * (size_t)v * (size_t)w;
            for (int u = 0; u < over; u++)
                mix(to + 3 * u, from + 3 * u, 3, ramp(u, over));
            mix(to + 3 * over, from + 3 * over, 3 * (w - over), 1);
        }
    }
    return 0;
}

static int decode_rows(struct tiles *t, float *pixels)
{
    int f = t->factor, line = 3 * t->x.all * f;
    for (int i = 0; i < t->y.count; i++) {
        int y = start_of(&t->y, i), over = overlap_of(&t->y, i) * f;
        if (decode_row(t, y) < 0)
            return -1;
        for (int v = 0; v < t->y.size * f; v++)
            mix(pixels + (size_t)(y * f + v) * (size_t)line, t->row + (size_t)v * (size_t)line,
                line, ramp(v, over));
    }
    return 0;
}

static int decode_tiled(struct tiles *t, const struct tensor *latent, float *pixels)
{
    struct ops *o = t->p->ops;
    size_t one = (size_t)t->x.size * (size_t)t->y.size, area = (size_t)(t->factor * t->factor);
    float *host = malloc((size_t)tensor_count(latent) * sizeof *host);
    t->latent = host;
    t->cut = malloc(one * (size_t)t->channels * sizeof *t->cut);
    t->tile = malloc(one * area * 3 * sizeof *t->tile);
    t->row = calloc((size_t)t->x.all * (size_t)t->y.size * area * 3, sizeof *t->row);
    int rc = host && t->cut && t->tile && t->row ? 0 : err_set(t->err, "out of memory");
    if (rc == 0) {
        o->download(o, host, latent);
        rc = o->sync(o, t->err);
    }
    if (rc == 0 && t->p->dry) { /* the forecast: all tiles are like the first */
        double was = ops_dry_repeat(t->p->dry, (double)t->x.count * t->y.count);
        rc = decode_tile(t, 0, 0);
        ops_dry_resume(t->p->dry, was);
    } else if (rc == 0) {
        rc = decode_rows(t, pixels);
    }
    free(host);
    free(t->cut);
    free(t->tile);
    free(t->row);
    return rc;
}

int decode_image(struct pipeline *p, const struct tensor *latent, int width, int height,
                 float *pixels, struct notes *notes, struct err *e)
{
    struct tiles t = {.p = p, .channels = latent->c, .notes = notes, .err = e};
    t.factor = width / latent->w;
    int side = p->tile / t.factor, w = latent->w, h = latent->h;
    if (side == 0)
        return decode_whole(p, latent, width, height, pixels, notes, e);
    /* A picture that meets its own other side is not cut in that direction. */
    t.x = cuts_of(w, p->vae.pad & PAD_CIRCULAR_X ? w : side);
    t.y = cuts_of(h, p->vae.pad & PAD_CIRCULAR_Y ? h : side);
    if (t.x.count * t.y.count == 1)
        return decode_whole(p, latent, width, height, pixels, notes, e);
    return decode_tiled(&t, latent, pixels);
}
