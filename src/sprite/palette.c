/* Palettes from files, names and images; see palette.h. dither.c brings images to them. */
#include "sprite/palette.h"

#include "sprite/oklab.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/fileio.h"
#include "base/suggest.h"
#include "sprite/palettes.h"
#include "sprite/png.h"
#include "sprite/quantize.h"

/* What is being read. */
struct reader {
    const uint8_t *data;
    size_t size;
    const char *name;
    struct palette *to;
    struct err *e;
};

/* Once each. */
static int add(struct reader *r, const uint8_t rgb[3])
{
    struct palette *p = r->to;
    for (int i = 0; i < p->n; i++)
        if (!memcmp(p->rgb[i], rgb, 3))
            return 0;
    if (p->n == PALETTE_MAX)
        return err_set(r->e, "%s: more than %d colours", r->name, PALETTE_MAX);
    memcpy(p->rgb[p->n++], rgb, 3);
    return 0;
}

/* ---- text ---- */

/* The next line without its end, cut to what `line` holds; false at the end. */
static bool next_line(struct reader *r, size_t *at, char *line, size_t room)
{
    size_t n = 0;
    if (*at >= r->size)
        return false;
    for (; *at < r->size && r->data[*at] != '\n'; ++*at)
        if (n + 1 < room && r->data[*at] != '\r')
            line[n++] = r->data[*at] ? (char)r->data[*at] : '?';
    ++*at;
    line[n] = '\0';
    return true;
}

/* "r g b", each 0 to 255, and anything behind it. */
static bool three_numbers(const char *line, uint8_t rgb[3])
{
    int v[3];
    if (sscanf(line, "%3d %3d %3d", &v[0], &v[1], &v[2]) != 3)
        return false;
    for (int i = 0; i < 3; i++) {
        if (v[i] < 0 || v[i] > 255)
            return false;
        rgb[i] = (uint8_t)v[i];
    }
    return true;
}

/* "RRGGBB" or "#RRGGBB", nothing behind it but blanks. */
static bool hex_number(const char *line, uint8_t rgb[3])
{
    char digits[7] = "";
    line += strspn(line, " \t");
    line += *line == '#';
    for (int i = 0; i < 6; i++) {
        if (!isxdigit((unsigned char)line[i]))
            return false;
        digits[i] = line[i];
    }
    unsigned long v = strtoul(digits, NULL, 16);
    rgb[0] = (uint8_t)(v >> 16), rgb[1] = (uint8_t)(v >> 8), rgb[2] = (uint8_t)v;
    return line[6 + strspn(line + 6, " \t")] == '\0';
}

/* Lines from number `first` on, each one colour. Blank ones do not count, nor those that begin with
 * a mark or, before the first colour, with a word and a colon (GIMP's "Name:", "Columns:"). */
static int read_lines(struct reader *r, int first, const char *marks,
                      bool (*read)(const char *, uint8_t[3]))
{
    char line[128];
    uint8_t rgb[3];
    size_t at = 0;
    for (int number = 1; next_line(r, &at, line, sizeof line); number++) {
        const char *text = line + strspn(line, " \t");
        if (number < first || !*text || strchr(marks, *text) ||
            (!r->to->n && isalpha((unsigned char)*text) && strchr(text, ':')))
            continue;
        if (!read(line, rgb))
            return err_set(r->e, "%s, line %d: no colour: '%.40s'", r->name, number, line);
        if (add(r, rgb))
            return -1;
    }
    return 0;
}

/* ---- bytes ---- */

static int read_triples(struct reader *r, const uint8_t *p, size_t count, size_t step)
{
    for (size_t i = 0; i < count; i++, p += step)
        if (add(r, p))
            return -1;
    return 0;
}

/* "RIFF", length, "PAL data", length, version, count (both 16 bits), then r, g, b, flags. */
static int read_riff(struct reader *r)
{
    enum { HEAD = 24 };
    if (r->size < HEAD || memcmp(r->data + 8, "PAL data", 8) != 0)
        return err_set(r->e, "%s: a RIFF file, but no palette", r->name);
    size_t count = r->data[22] | (size_t)r->data[23] << 8;
    if (count * 4 > r->size - HEAD)
        return err_set(r->e, "%s: cut off: %zu colours are said to be in it", r->name, count);
    return read_triples(r, r->data + HEAD, count, 4);
}

/* 256 colours; 4 bytes more say how many of them count, and which is transparent. */
static int read_act(struct reader *r)
{
    enum { COLORS = 256, PLAIN = 3 * COLORS };
    size_t count = COLORS;
    if (r->size != PLAIN && r->size != PLAIN + 4)
        return err_set(r->e, "%s: %zu bytes; an .act file has 768 or 772", r->name, r->size);
    if (r->size > PLAIN)
        count = (size_t)r->data[PLAIN] << 8 | r->data[PLAIN + 1];
    return read_triples(r, r->data, count > 0 && count < COLORS ? count : COLORS, 3);
}

static int read_png(struct reader *r)
{
    struct png_file f;
    int rc = 0;
    if (png_decode(r->data, r->size, true, &f, r->e))
        return err_prefix(r->e, "%s", r->name);
    const uint8_t *last = NULL;
    for (size_t i = 0, n = (size_t)f.width * (size_t)f.height; i < n && !rc; i++) {
        const uint8_t *p = f.rgba + 4 * i;
        if (p[3] < 128 || (last && !memcmp(p, last, 3)))
            continue;
        last = p;
        rc = add(r, p);
    }
    png_file_free(&f);
    return rc;
}

/* ---- which of them ---- */

static bool ends_with(const char *name, const char *ending)
{
    size_t n = strlen(name), k = strlen(ending);
    return n >= k && !strcasecmp(name + n - k, ending);
}

static bool begins_with(const struct reader *r, const char *mark)
{
    return r->size >= strlen(mark) && !memcmp(r->data, mark, strlen(mark));
}

int palette_parse(const uint8_t *data, size_t size, const char *name, struct palette *p,
                  struct err *e)
{
    struct reader r = {data, size, name, p, e};
    int rc;
    p->n = 0;
    if (png_is(data, size))
        rc = read_png(&r);
    else if (begins_with(&r, "GIMP Palette"))
        rc = read_lines(&r, 2, "#", three_numbers);
    else if (begins_with(&r, "JASC-PAL")) /* then "0100" and the count */
        rc = read_lines(&r, 4, "", three_numbers);
    else if (begins_with(&r, "RIFF"))
        rc = read_riff(&r);
    else if (ends_with(name, ".act"))
        rc = read_act(&r);
    else if (ends_with(name, ".gpl") || ends_with(name, ".pal"))
        rc = err_set(e, "%s: does not begin as a palette does", name);
    else
        rc = read_lines(&r, 1, ";", hex_number);
    if (rc || p->n > 0)
        return rc;
    return err_set(e, "%s: no colour in it", name);
}

const char *palette_shipped_name(int i)
{
    const struct shipped_palette *s = palettes_row(i);
    return s ? s->name : NULL;
}

static const char *shipped_name(const void *user, int i)
{
    (void)user;
    return palette_shipped_name(i);
}

static bool take_shipped(const char *name, struct palette *p)
{
    const struct shipped_palette *s;
    for (int i = 0; (s = palettes_row(i)); i++) {
        if (strcmp(s->name, name) != 0)
            continue;
        for (p->n = 0; p->n < s->n; p->n++)
            for (int c = 0; c < 3; c++)
                p->rgb[p->n][c] = (uint8_t)(s->rgb[p->n] >> (16 - 8 * c));
        return true;
    }
    return false;
}

int palette_load(const char *name, struct palette *p, struct err *e)
{
    size_t size;
    if (take_shipped(name, p))
        return 0;
    uint8_t *data = file_read(name, PALETTE_FILE_MAX, &size, e);
    if (!data) {
        if (strpbrk(name, "./"))
            return -1;
        const char *near = suggest(name, shipped_name, NULL);
        if (near)
            return err_set(e, "no palette '%.60s'; did you mean '%s'?", name, near);
        char all[160] = "";
        for (int i = 0; palette_shipped_name(i); i++) {
            size_t n = strlen(all);
            snprintf(all + n, sizeof all - n, "%s%s", i ? ", " : "", palette_shipped_name(i));
        }
        return err_set(e, "no palette '%.60s', and no such file; there are: %s", name, all);
    }
    int rc = palette_parse(data, size, name, p, e);
    free(data);
    return rc;
}

/* ---- from images ---- */

static size_t pixels(const struct image *m)
{
    return (size_t)m->width * (size_t)m->height;
}

/* All visible pixels in one image, in rows of its width. */
static struct image *gather(const struct image *const *images, int count)
{
    size_t n = 0, k = 0;
    for (int i = 0; i < count; i++)
        n += pixels(images[i]);
    size_t width = n < IMAGE_MAX_SIDE ? n : IMAGE_MAX_SIDE, height = (n + width - 1) / width;
    struct image *all = height > IMAGE_MAX_SIDE ? NULL : image_new((int)width, (int)height);
    for (int i = 0; all && i < count; i++)
        for (size_t at = 0; at < pixels(images[i]); at++)
            if (images[i]->rgba[4 * at + 3])
                memcpy(all->rgba + 4 * k++, images[i]->rgba + 4 * at, 4);
    return all;
}

int palette_of_images(const struct image *const *images, int count, int colors, struct palette *p,
                      struct err *e)
{
    struct image *all = count > 1 ? gather(images, count) : NULL;
    *p = (struct palette){.n = 0};
    if (count > 1 && !all)
        return err_set(e, "the images have too many pixels together, or no memory is left");
    int n = quantize_palette(all ? all : images[0], colors, p->rgb, e);
    image_free(all);
    p->n = n > 0 ? n : 1;
    return n < 0 ? -1 : 0;
}

/* ---- hues ---- */

static bool is_in_srgb(struct oklab c)
{
    float rgb[3];
    oklab_to_linear(c, rgb);
    for (int i = 0; i < 3; i++)
        if (rgb[i] < -1e-4f || rgb[i] > 1.0001f)
            return false;
    return true;
}

static void turn(uint8_t rgb[3], float cosine, float sine)
{
    const float grey = 0.03f;
    struct oklab c = oklab_from_srgb(rgb);
    if (c.a * c.a + c.b * c.b < grey * grey)
        return;
    struct oklab t = {c.l, c.a * cosine - c.b * sine, c.a * sine + c.b * cosine};
    for (int i = 0; i < 40 && !is_in_srgb(t); i++)
        t.a *= 0.95f, t.b *= 0.95f;
    oklab_to_srgb(t, rgb);
}

void palette_turn(struct image *m, int sixths)
{
    static const float cosines[6] = {1, 0.5f, -0.5f, -1, -0.5f, 0.5f};
    static const float sines[6] = {0, 0.866025404f, 0.866025404f, 0, -0.866025404f, -0.866025404f};
    int k = ((sixths % 6) + 6) % 6;
    size_t n = (size_t)m->width * (size_t)m->height;
    for (uint8_t *p = m->rgba, *end = p + 4 * n; p < end && k; p += 4)
        if (p[3])
            turn(p, cosines[k], sines[k]);
}
