/* See fit.h. */
#include "engine/fit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int fit_new(struct raster *p, int w, int h, int c, struct err *e)
{
    *p = (struct raster){w, h, c, calloc((size_t)w * (size_t)h * (size_t)c, sizeof *p->v)};
    return p->v ? 0 : err_set(e, "out of memory for a picture of %dx%d", w, h);
}

/* Where the scaled picture lies on the canvas; what lies outside is cut. */
static void place(const struct raster *from, struct raster *to, int x, int y)
{
    for (int row = 0; row < to->h; row++)
        for (int column = 0; column < to->w; column++) {
            int at_x = column - x, at_y = row - y;
            if (at_x < 0 || at_y < 0 || at_x >= from->w || at_y >= from->h)
                continue;
            memcpy(to->v + ((size_t)row * (size_t)to->w + (size_t)column) * (size_t)to->c,
                   from->v + ((size_t)at_y * (size_t)from->w + (size_t)at_x) * (size_t)to->c,
                   (size_t)to->c * sizeof *to->v);
        }
}

static int scaled_side(int side, double by)
{
    double n = floor(side * by + 0.5);
    return n < 1 ? 1 : (int)fmin(n, 4.0 * PNG_MAX_SIDE);
}

int fit_onto(const struct raster *from, struct raster *to, const char *how, struct err *e)
{
    double across = (double)to->w / from->w, down = (double)to->h / from->h;
    double by = !strcmp(how, "pad") ? fmin(across, down) : fmax(across, down);
    bool warp = !strcmp(how, "stretch");
    int w = warp ? to->w : scaled_side(from->w, by), h = warp ? to->h : scaled_side(from->h, by);
    if (!warp && ((double)w * h > 4.0 * to->w * to->h || w < 1 || h < 1) && strcmp(how, "pad") != 0)
        return err_set(e, "a picture of %dx%d is too long to be cut to %dx%d; use --fit pad",
                       from->w, from->h, to->w, to->h);
    bool hard = fmin(across, down) >= 2 || (w == from->w && h == from->h);
    enum resample filter = hard ? RESAMPLE_NEAREST_EXACT : RESAMPLE_LANCZOS;
    struct raster scaled;
    if (fit_new(&scaled, w, h, from->c, e) < 0)
        return -1;
    int rc = resample(from, &scaled, filter, e);
    if (rc == 0)
        place(&scaled, to, (to->w - w) / 2, (to->h - h) / 2);
    free(scaled.v);
    return rc;
}

uint8_t *fit_bytes(const struct raster *p, struct err *e)
{
    size_t count = (size_t)p->w * (size_t)p->h * (size_t)p->c;
    uint8_t *out = malloc(count);
    if (!out)
        err_set(e, "out of memory for a picture of %dx%d", p->w, p->h);
    for (size_t i = 0; i < count && out; i++) {
        float v = p->v[i] + 0.5f;
        out[i] = v >= 255 ? 255 : v > 0 ? (uint8_t)v : 0;
    }
    return out;
}

int fit_backdrop(const char *text, uint8_t rgb[3], struct err *e)
{
    unsigned v[3];
    if (!text || !*text || !strcmp(text, "auto"))
        return 0;
    const char *at = *text == '#' ? text + 1 : text;
    if (strlen(at) != 6 || strspn(at, "0123456789abcdefABCDEF") != 6 ||
        sscanf(at, "%2x%2x%2x", &v[0], &v[1], &v[2]) != 3)
        return err_set(e, "backdrop '%.40s' is no colour; write RRGGBB, or auto", text);
    for (int i = 0; i < 3; i++)
        rgb[i] = (uint8_t)v[i];
    return 0;
}

int fit_flatten(const struct png_file *f, const uint8_t back[3], struct raster *p, struct err *e)
{
    if (fit_new(p, f->width, f->height, 3, e) < 0)
        return -1;
    size_t count = (size_t)f->width * (size_t)f->height;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < 3; k++) {
            float alpha = (float)f->rgba[4 * i + 3] / 255;
            p->v[3 * i + k] = alpha * (float)f->rgba[4 * i + k] + (1 - alpha) * (float)back[k];
        }
    return 0;
}
