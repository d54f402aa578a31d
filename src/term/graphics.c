/* Images as bytes for a terminal: sizes, what lies behind, and which encoder; see graphics.h. */
#include "term/graphics.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sprite/png.h"
#include "term/encoders.h"

enum {
    TMUX_LIMIT = (1 << 20) - 4096, /* tmux throws away a sequence that does not fit its input buffer
                                      (1 MiB) */
    MOST_SIDE = 4096, /* of a picture in pixels of the screen: a terminal may claim any size */
};

/* -- bytes --------------------------------------------------------------------------------------
 */

void bytes_text(struct bytes *b, const char *text)
{
    bytes_put(b, text, strlen(text));
}

void bytes_printf(struct bytes *b, const char *fmt, ...)
{
    char text[128];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    assert(n >= 0 && (size_t)n < sizeof text);
    bytes_put(b, text, (size_t)n);
}

void bytes_base64(struct bytes *b, const uint8_t *data, size_t len)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < len; i += 3) {
        uint32_t v = (uint32_t)data[i] << 16;
        v |= i + 1 < len ? (uint32_t)data[i + 1] << 8 : 0;
        v |= i + 2 < len ? data[i + 2] : 0;
        char out[4] = {digit[v >> 18], digit[v >> 12 & 63], digit[v >> 6 & 63], digit[v & 63]};
        if (i + 1 >= len)
            out[2] = '=';
        if (i + 2 >= len)
            out[3] = '=';
        bytes_put(b, out, 4);
    }
}

/* -- sizes --------------------------------------------------------------------------------------
 */

static int clamp(int v, int low, int high)
{
    return v < low ? low : v > high ? high : v;
}

/* A cell in pixels; one too small is assumed where the terminal told nothing, so that the image
 * never covers more cells than we think. */
static void cell_size(const struct caps *caps, int *w, int *h)
{
    bool blocks = caps->graphics == GRAPHICS_BLOCKS;
    *w = blocks ? 1 : caps->cell_w > 0 ? clamp(caps->cell_w, 1, 256) : 6;
    *h = blocks ? 2 : caps->cell_h > 0 ? clamp(caps->cell_h, 1, 256) : 12;
}

/* Of `h` pixels, or fewer, as many as do not reach into more cells with what is left of the last
 * band, where the terminal paints that as well. */
static int within_bands(const struct caps *caps, int h, int cell_h)
{
    int rows = (h + cell_h - 1) / cell_h;
    bool over = caps->graphics == GRAPHICS_SIXEL && caps->sixel_bands &&
                (h + 5) / 6 * 6 > rows * cell_h;
    return over && h >= 6 ? h - h % 6 : h;
}

/* The pixels that an area has for an image. (Sixel's last band may reach below it, but nothing is
 * painted there, and the raster attributes tell the true height, so nothing scrolls.) */
static void room(const struct caps *caps, int rows, int cols, int *w, int *h)
{
    int cell_h;
    cell_size(caps, w, &cell_h);
    *w = clamp(cols, 1, MOST_SIDE / *w) * *w;
    *h = within_bands(caps, clamp(rows, 1, MOST_SIDE / cell_h) * cell_h, cell_h);
    if (caps->graphics != GRAPHICS_SIXEL)
        return;
    if (caps->sixel_w > 0 && caps->sixel_w < *w)
        *w = caps->sixel_w;
    if (caps->sixel_h > 0 && caps->sixel_h < *h)
        *h = caps->sixel_h;
}

struct graphics_fit graphics_fit_at(const struct caps *caps, int image_w, int image_h, int rows,
                                    int cols, int scale)
{
    struct graphics_fit f = {.scale = scale, .w = image_w * scale, .h = image_h * scale};
    int w, h, cw, ch;
    if (rows < 1 || cols < 1 || image_w < 1 || image_h < 1 || caps->graphics == GRAPHICS_NONE)
        return (struct graphics_fit){0};
    cell_size(caps, &cw, &ch);
    if (scale < 1) {
        room(caps, rows, cols, &w, &h);
        f = (struct graphics_fit){.w = image_w, .h = image_h};
        image_shrunk_size(&f.w, &f.h, w, h);
    }
    f.rows = (f.h + ch - 1) / ch;
    f.cols = (f.w + cw - 1) / cw;
    f.top = (rows - f.rows) / 2;
    f.left = (cols - f.cols) / 2;
    return f;
}

struct graphics_fit graphics_fit(const struct caps *caps, int image_w, int image_h, int rows,
                                 int cols)
{
    int w, h;
    if (rows < 1 || cols < 1 || image_w < 1 || image_h < 1)
        return (struct graphics_fit){0};
    room(caps, rows, cols, &w, &h);
    int scale = w / image_w < h / image_h ? w / image_w : h / image_h;
    return graphics_fit_at(caps, image_w, image_h, rows, cols, scale);
}

/* Along one side: `cell`s of `pixels` over `shown` pixels of an image's `full`. */
static void under_cell(int cell, int pixels, int shown, int full, int *from, int *to)
{
    int first = clamp(cell, 0, (shown - 1) / pixels) * pixels;
    int last = first + pixels < shown ? first + pixels : shown;
    *from = (int)((int64_t)first * full / shown);
    *to = (int)(((int64_t)last * full + shown - 1) / shown);
}

void graphics_under(const struct caps *caps, const struct graphics_fit *f, int image_w, int image_h,
                    int row, int col, int at[4])
{
    int cw, ch;
    cell_size(caps, &cw, &ch);
    under_cell(col - f->left, cw, f->w, image_w, &at[0], &at[2]);
    under_cell(row - f->top, ch, f->h, image_h, &at[1], &at[3]);
}

/* -- what lies behind ---------------------------------------------------------------------------
 */

/* The side of a checkerboard's square in pixels of `m`: whole ones, so that it costs few bytes; on
 * the screen about eight pixels, or two half cells. */
static int square_size(const struct caps *caps, const struct image *m, int scale, int shown_w)
{
    if (caps->graphics != GRAPHICS_BLOCKS)
        return scale < 1 ? 8 : (8 + scale - 1) / scale;
    return scale < 1 ? 2 * m->width / shown_w : (2 + scale - 1) / scale;
}

static void lay_over(struct image *m, const uint8_t ground[3], const uint8_t ground2[3], int square)
{
    for (int y = 0; y < m->height; y++)
        for (int x = 0; x < m->width; x++) {
            uint8_t *p = m->rgba + ((size_t)y * (size_t)m->width + (size_t)x) * 4;
            const uint8_t *under = (x / square + y / square) % 2 ? ground2 : ground;
            for (int c = 0; c < 3; c++)
                p[c] = (uint8_t)((p[c] * p[3] + under[c] * (255 - p[3]) + 127) / 255);
            p[3] = 255;
        }
}

/* The image over its ground, opaque: in its own size, or shrunk for scale 0. (For characters only
 * to what libchafa looks at, 8 x 8 pixels a cell.) */
static struct image *flatten(const struct caps *caps, const struct graphics_job *job)
{
    struct graphics_fit f = graphics_fit_at(caps, job->image->width, job->image->height, job->rows,
                                            job->cols, job->scale);
    int finer = caps->graphics == GRAPHICS_BLOCKS ? 8 : 1;
    struct image *m = job->scale < 1 ? image_shrink(job->image, f.w * finer, f.h * finer)
                                     : image_copy(job->image);
    if (m)
        lay_over(m, job->ground, job->ground2, square_size(caps, m, job->scale, f.w));
    return m;
}

/* Has it to be cut? Where bands are painted whole, an image of full size may be too high. */
static bool has_part(const struct caps *caps, struct graphics_job *job)
{
    struct graphics_fit f = graphics_fit_at(caps, job->image->width, job->image->height, job->rows,
                                            job->cols, job->scale);
    int cw, ch;
    cell_size(caps, &cw, &ch);
    if (job->part.rows < 1 && within_bands(caps, f.h, ch) < f.h)
        job->part = (struct cells){0, 0, f.rows, f.cols};
    return job->part.rows > 0;
}

/* Of a flat image as it is shown, enlarged, the pixels under the job's part. NULL: no memory. */
static struct image *cut(const struct caps *caps, const struct graphics_job *job,
                         const struct image *flat)
{
    int cw, ch, scale = job->scale > 0 ? job->scale : 1;
    cell_size(caps, &cw, &ch);
    int x = job->part.x * cw, y = job->part.y * ch, w = job->part.cols * cw;
    int h = job->part.rows * ch, shown_w = flat->width * scale, shown_h = flat->height * scale;
    w = w < shown_w - x ? w : shown_w - x;
    h = within_bands(caps, h < shown_h - y ? h : shown_h - y, ch);
    struct image *m = image_new_unset(w, h);
    for (int r = 0; m && r < h; r++)
        for (int k = 0; k < w; k++) {
            size_t from = (size_t)((y + r) / scale) * (size_t)flat->width;
            from += (size_t)((x + k) / scale);
            memcpy(m->rgba + 4 * ((size_t)r * (size_t)w + (size_t)k), flat->rgba + 4 * from, 4);
        }
    return m;
}

int encode_png(const struct image *flat, int scale, uint8_t **data, size_t *size, struct err *e)
{
    struct image *big = image_enlarge(flat, scale);
    uint8_t palette[256][4];
    size_t n = big ? (size_t)big->width * (size_t)big->height : 0;
    uint8_t *indexes = malloc(n ? n : 1);
    int rc;
    if (!big || !indexes) {
        rc = err_set(e, "cannot draw a picture: out of memory");
    } else {
        struct picture p = {PICTURE_RGBA, big->width, big->height, big->rgba, NULL, 0};
        int colors = image_palette(big, 256, palette, indexes);
        if (colors > 0) {
            p.kind = PICTURE_INDEXED;
            p.pixels = indexes;
            p.palette = (const uint8_t(*)[4])palette;
            p.colors = colors;
        } else { /* opaque: drop what says so */
            p.kind = PICTURE_RGB;
            for (size_t i = 0; i < n; i++)
                memmove(big->rgba + 3 * i, big->rgba + 4 * i, 3);
        }
        rc = png_encode(&p, NULL, 0, data, size, e);
    }
    image_free(big);
    free(indexes);
    return rc;
}

/* -- encoding -----------------------------------------------------------------------------------
 */

static int encode_blocks(const struct caps *caps, const struct graphics_job *job,
                         const struct image *flat, int scale, struct bytes *out, struct err *e)
{
    struct graphics_fit f = graphics_fit_at(caps, job->image->width, job->image->height, job->rows,
                                            job->cols, job->scale);
    if (caps->colors == COLORS_NONE)
        return err_set(e, "this terminal shows no colours, so no pictures");
    if (scale > 0)
        return blocks_encode(flat, scale, job->ground, job->y, job->x, caps->colors, out, e);
    struct cell *cells = calloc((size_t)f.rows * (size_t)f.cols, sizeof *cells);
    int rc = cells ? chafa_cells(flat, f.rows, f.cols, cells, e)
                   : err_set(e, "cannot draw a picture: out of memory");
    struct cells part = job->part.rows > 0 ? job->part : (struct cells){0, 0, f.rows, f.cols};
    for (int r = 0; !rc && r < part.rows; r++)
        memmove(cells + r * part.cols, cells + (part.y + r) * f.cols + part.x,
                (size_t)part.cols * sizeof *cells);
    if (!rc)
        cells_put(cells, part.rows, part.cols, job->y, job->x, caps->colors, out);
    free(cells);
    return rc;
}

/* In tmux with fewer colours until it fits: a coarse picture is better than none. */
static int encode_sixel(const struct caps *caps, const struct image *flat, int scale,
                        struct bytes *out, struct err *e)
{
    int registers = caps->sixel_registers > 0 ? clamp(caps->sixel_registers, 2, 256) : 256;
    int rc = sixel_encode_image(flat, scale, registers, out, e);
    while (!rc && caps->tmux && out->size > TMUX_LIMIT && registers > 4) {
        registers /= 4;
        out->size = 0;
        rc = sixel_encode_image(flat, scale, registers, out, e);
    }
    return rc;
}

static int encode(const struct caps *caps, const struct graphics_job *job, const struct image *flat,
                  int scale, struct bytes *out, struct err *e)
{
    int enlarged = scale > 0 ? scale : 1;
    switch (caps->graphics) {
    case GRAPHICS_SIXEL:
        return encode_sixel(caps, flat, enlarged, out, e);
    case GRAPHICS_KITTY:
        return kitty_encode(flat, enlarged, job->id, out, e);
    case GRAPHICS_ITERM:
        return iterm_encode(flat, enlarged, out, e);
    case GRAPHICS_BLOCKS:
        return encode_blocks(caps, job, flat, scale, out, e);
    case GRAPHICS_NONE:
        break;
    }
    return err_set(e, "this terminal shows no pictures");
}

char *graphics_encode(const struct caps *caps, const struct graphics_job *job, size_t *len,
                      struct err *e)
{
    struct bytes out = {0};
    assert(job->rows > 0 && job->cols > 0 && job->scale >= 0);
    if (caps->graphics == GRAPHICS_NONE) {
        err_set(e, "this terminal shows no pictures");
        return NULL;
    }
    struct image *flat = flatten(caps, job);
    struct graphics_job here = *job;
    int scale = job->scale;
    bool symbols = caps->graphics == GRAPHICS_BLOCKS && scale < 1; /* cut as characters */
    if (flat && !symbols && has_part(caps, &here)) {
        struct image *part = cut(caps, &here, flat);
        image_free(flat);
        flat = part;
        scale = 1;
    }
    int rc = flat ? encode(caps, job, flat, scale, &out, e) : -1;
    if (!flat || (!rc && out.failed))
        rc = err_set(e, "cannot draw a picture: out of memory");
    image_free(flat);
    if (!rc) {
        *len = out.size;
        return (char *)out.data;
    }
    free(out.data);
    return NULL;
}

void graphics_remove(const struct caps *caps, unsigned id, char *out, size_t size)
{
    assert(size > 0);
    out[0] = '\0';
    if (caps->graphics == GRAPHICS_KITTY)
        snprintf(out, size, "\033_Ga=d,d=I,i=%u,q=2\033\\", id);
}
