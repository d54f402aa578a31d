/* What stays of a picture that was made anew in a part; see keep.h. */
#include "sprite/keep.h"

#include <stdlib.h>
#include <string.h>

#include "sprite/oklab.h"
#include "sprite/quantize.h"

/* Distance in Oklab: what a decoder's noise makes of one colour. */
static const float NEAR = 0.04f;

static size_t pixels(const struct image *m)
{
    return (size_t)m->width * (size_t)m->height;
}

struct keep *keep_copy(const struct keep *k)
{
    size_t n = (size_t)k->width * (size_t)k->height;
    struct keep *copy = k->mask ? malloc(sizeof *copy + 2 * n) : NULL;
    if (!copy)
        return NULL;
    uint8_t *mask = (uint8_t *)(copy + 1), *alpha = mask + n;
    memcpy(mask, k->mask, n);
    if (k->alpha)
        memcpy(alpha, k->alpha, n);
    *copy = (struct keep){k->width, k->height, mask, k->alpha ? alpha : NULL};
    return copy;
}

/* ---- cells ---- */

static bool stays(const struct keep *k, int x0, int x1, int y0, int y1)
{
    for (int y = y0; y < y1; y++)
        for (int x = x0; x < x1; x++)
            if (k->mask[(size_t)y * (size_t)k->width + (size_t)x])
                return false;
    return true;
}

uint8_t *keep_cells(const struct keep *k, const int *x, int columns, const int *y, int rows)
{
    uint8_t *kept = malloc((size_t)columns * (size_t)rows), *at = kept;
    for (int j = 0; kept && j < rows; j++)
        for (int i = 0; i < columns; i++)
            *at++ = stays(k, x[i], x[i + 1], y[j], y[j + 1]);
    return kept;
}

struct image *keep_alpha(const struct keep *k, const struct image *m)
{
    struct image *out = image_copy(m);
    for (size_t i = 0; out && i < pixels(m); i++)
        if (!k->mask[i])
            out->rgba[4 * i + 3] = k->alpha[i];
    return out;
}

/* ---- colours ---- */

static bool has(const struct palette *p, const uint8_t *rgb)
{
    for (int i = 0; i < p->n; i++)
        if (!memcmp(p->rgb[i], rgb, 3))
            return true;
    return false;
}

/* False: there are more than `most`. */
static bool take_kept(struct palette *p, const struct image *m, const uint8_t *kept, int most)
{
    for (size_t i = 0; i < pixels(m); i++) {
        const uint8_t *c = m->rgba + 4 * i;
        if (!kept[i] || !c[3] || has(p, c))
            continue;
        if (p->n == most)
            return false;
        memcpy(p->rgb[p->n++], c, 3);
    }
    return true;
}

static bool is_near(const struct oklab *lab, int n, const uint8_t rgb[3])
{
    struct oklab c = oklab_from_srgb(rgb);
    for (int i = 0; i < n; i++)
        if (oklab_distance2(lab[i], c) < NEAR * NEAR)
            return true;
    return false;
}

/* A copy that shows what needs colours of its own. *any: does anything? */
static struct image *others(const struct image *m, const uint8_t *kept, const struct oklab *lab,
                            int n, bool *any)
{
    struct image *out = image_copy(m);
    for (size_t i = 0; out && i < pixels(m); i++) {
        uint8_t *c = out->rgba + 4 * i;
        if (c[3] && (kept[i] || is_near(lab, n, c)))
            c[3] = 0;
        *any |= c[3] != 0;
    }
    return out;
}

/* At most `room` colours of the images go into the palette behind the n that are there. */
static int add_chosen(struct palette *p, const struct oklab *lab, struct image *const *images,
                      int count, int colors, int room, struct err *e)
{
    const struct image *const *in = (const struct image *const *)images;
    struct palette own;
    int kept = p->n, rc = palette_of_images(in, count, colors ? room : 0, &own, e);
    if (!rc && own.n > room)
        rc = palette_of_images(in, count, room, &own, e);
    for (int i = 0; i < own.n && !rc; i++)
        if (!is_near(lab, kept, own.rgb[i]))
            memcpy(p->rgb[p->n++], own.rgb[i], 3);
    return rc;
}

int keep_palette(const struct image *const *images, uint8_t *const *kept, int count, int colors,
                 struct palette *p, struct err *e)
{
    struct oklab lab[PALETTE_MAX];
    int most = colors ? colors : QUANTIZE_CHOOSE_MAX, rc = 0;
    bool any = false;
    *p = (struct palette){.n = 0};
    for (int i = 0; i < count; i++)
        if (!take_kept(p, images[i], kept[i], most))
            return 0;
    if (!p->n)
        return 0;
    oklab_from_srgb_many((const uint8_t(*)[3])p->rgb, p->n, lab);
    struct image **rest = calloc((size_t)count, sizeof(*rest));
    for (int i = 0; rest && i < count && !rc; i++)
        rc = (rest[i] = others(images[i], kept[i], lab, p->n, &any)) ? 0 : -1;
    if (!rest || rc)
        rc = err_set(e, "out of memory for the palette");
    else if (any && p->n < most)
        rc = add_chosen(p, lab, rest, count, colors, most - p->n, e);
    for (int i = 0; rest && i < count; i++)
        image_free(rest[i]);
    free(rest);
    return rc ? -1 : 1;
}

int keep_apply(struct image *m, const uint8_t *kept, const struct palette *p, enum dither dither,
               struct err *e)
{
    struct image *rest = image_copy(m);
    if (!rest)
        return err_set(e, "out of memory for %dx%d pixels", m->width, m->height);
    for (size_t i = 0; i < pixels(m); i++)
        if (kept[i] && has(p, m->rgba + 4 * i))
            rest->rgba[4 * i + 3] = 0;
    int rc = palette_apply(rest, p, dither, e);
    for (size_t i = 0; i < pixels(m) && !rc; i++)
        if (rest->rgba[4 * i + 3])
            memcpy(m->rgba + 4 * i, rest->rgba + 4 * i, 4);
    image_free(rest);
    return rc;
}
