/*
 * PNG through libpng; see png.h.
 *
 * libpng reports errors by longjmp. Everything that must survive one lives in a struct that the
 * caller of setjmp does not touch by name afterwards, so no local is clobbered.
 */
#include "sprite/png.h"

#include <assert.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#include "base/fileio.h"

#define NO_MEMORY "out of memory"

static void on_error(png_structp png, png_const_charp text)
{
    struct err *e = png_get_error_ptr(png);
    err_set(e, "%s", text);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text)
{
    (void)png, (void)text;
}

/* -- writing ------------------------------------------------------------------------------------
 */

struct buffer {
    uint8_t *data;
    size_t size, cap;
};

static void append(png_structp png, png_bytep data, size_t n)
{
    struct buffer *b = png_get_io_ptr(png);
    if (b->cap - b->size < n) {
        size_t cap = b->cap ? b->cap : 1 << 16;
        while (cap - b->size < n)
            cap *= 2;
        uint8_t *grown = realloc(b->data, cap);
        if (!grown)
            png_error(png, NO_MEMORY);
        b->data = grown;
        b->cap = cap;
    }
    memcpy(b->data + b->size, data, n);
    b->size += n;
}

static void flush(png_structp png)
{
    (void)png;
}

/* UTF-8 to Latin-1 in `out` (which has room for strlen(s) + 1), or false when it does not fit.
 * Codes that Latin-1 leaves undefined do not fit either, but a newline does (PNG 1.2, 4.2.3.1). */
static bool to_latin1(const char *s, char *out)
{
    for (const unsigned char *p = (const unsigned char *)s; *p; p++) {
        unsigned c = *p;
        if (c >= 0x80) {
            if ((c != 0xc2 && c != 0xc3) || (p[1] & 0xc0) != 0x80)
                return false;
            c = (c & 3u) << 6 | (*++p & 0x3fu);
        }
        if ((c < 0x20 && c != '\n') || (c >= 0x7f && c < 0xa0))
            return false;
        *out++ = (char)c;
    }
    *out = '\0';
    return true;
}

struct writer {
    png_structp png;
    png_infop info;
    struct buffer out;
    char *latin1;
};

static void write_text(struct writer *w, const struct png_text *t)
{
    char lang[1] = "";
    png_text chunk = {.key = (char *)t->key, .text = (char *)t->value};
    w->latin1 = malloc(strlen(t->value) + 1);
    if (!w->latin1)
        png_error(w->png, NO_MEMORY);
    if (to_latin1(t->value, w->latin1)) {
        chunk.compression = PNG_TEXT_COMPRESSION_NONE;
        chunk.text = w->latin1;
        chunk.text_length = strlen(w->latin1);
    } else {
        chunk.compression = PNG_ITXT_COMPRESSION_NONE;
        chunk.itxt_length = strlen(t->value);
        chunk.lang = lang;
        chunk.lang_key = lang;
    }
    png_set_text(w->png, w->info, &chunk, 1); /* copies */
    free(w->latin1);
    w->latin1 = NULL;
}

static void write_palette(struct writer *w, const struct picture *p)
{
    png_color rgb[256];
    png_byte alpha[256];
    int clear = 0; /* entries up to the last that is not opaque */
    assert(p->colors >= 1 && p->colors <= 256);
    for (int i = 0; i < p->colors; i++) {
        const uint8_t *c = p->palette[i];
        rgb[i] = (png_color){c[0], c[1], c[2]};
        alpha[i] = c[3];
        if (c[3] != 255)
            clear = i + 1;
    }
    png_set_PLTE(w->png, w->info, rgb, p->colors);
    if (clear)
        png_set_tRNS(w->png, w->info, alpha, clear, NULL);
}

/* The part that may longjmp. */
static void write_png(struct writer *w, const struct picture *p, const struct png_text *text,
                      int texts)
{
    int type = p->kind == PICTURE_RGB    ? PNG_COLOR_TYPE_RGB
               : p->kind == PICTURE_RGBA ? PNG_COLOR_TYPE_RGB_ALPHA
                                         : PNG_COLOR_TYPE_PALETTE;
    int bits = 8;
    if (p->kind == PICTURE_INDEXED)
        bits = p->colors <= 2 ? 1 : p->colors <= 4 ? 2 : p->colors <= 16 ? 4 : 8;
    png_set_write_fn(w->png, &w->out, append, flush);
    png_set_IHDR(w->png, w->info, (png_uint_32)p->width, (png_uint_32)p->height, bits, type,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (p->kind == PICTURE_INDEXED)
        write_palette(w, p);
    else
        png_set_sRGB(w->png, w->info, PNG_sRGB_INTENT_PERCEPTUAL);
    for (int i = 0; i < texts; i++)
        write_text(w, &text[i]);
    png_write_info(w->png, w->info);
    png_set_packing(w->png); /* one byte an index here, as few bits as do in the file */
    size_t stride = (size_t)p->width * (size_t)p->kind;
    for (int y = 0; y < p->height; y++)
        png_write_row(w->png, p->pixels + (size_t)y * stride);
    png_write_end(w->png, w->info);
}

static int run_writer(struct writer *w, const struct picture *p, const struct png_text *text,
                      int texts)
{
    if (setjmp(png_jmpbuf(w->png)))
        return -1;
    write_png(w, p, text, texts);
    return 0;
}

int png_encode(const struct picture *p, const struct png_text *text, int texts, uint8_t **data,
               size_t *size, struct err *e)
{
    struct err why = {NO_MEMORY};
    struct writer w = {0};
    assert(p->width > 0 && p->height > 0);
    w.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &why, on_error, on_warning);
    w.info = w.png ? png_create_info_struct(w.png) : NULL;
    int rc = w.info ? run_writer(&w, p, text, texts) : -1;
    png_destroy_write_struct(&w.png, &w.info);
    free(w.latin1);
    if (rc) {
        free(w.out.data);
        return err_set(e, "cannot make a PNG: %s", why.text);
    }
    *data = w.out.data;
    *size = w.out.size;
    return 0;
}

int png_save(const char *path, const struct picture *p, const struct png_text *text, int texts,
             struct err *e)
{
    uint8_t *data;
    size_t size;
    if (png_encode(p, text, texts, &data, &size, e))
        return -1;
    int rc = file_write_atomic(path, data, size, e);
    free(data);
    return rc;
}

/* -- reading ------------------------------------------------------------------------------------
 */

struct reader {
    png_structp png;
    png_infop info;
    const uint8_t *data;
    size_t left;
    bool want_pixels;
    struct png_file *out;
};

static void take(png_structp png, png_bytep to, size_t n)
{
    struct reader *r = png_get_io_ptr(png);
    if (n > r->left)
        png_error(png, "the file ends too early");
    memcpy(to, r->data, n);
    r->data += n;
    r->left -= n;
}

/* Latin-1 to UTF-8, or a copy; malloc'd. */
static char *text_utf8(const char *s, bool latin1)
{
    char *out = malloc(2 * strlen(s) + 1), *o = out;
    if (!out)
        return NULL;
    for (const unsigned char *p = (const unsigned char *)s; *p; p++) {
        if (latin1 && *p >= 0x80) {
            *o++ = (char)(0xc0 | *p >> 6);
            *o++ = (char)(0x80 | (*p & 0x3f));
        } else {
            *o++ = (char)*p;
        }
    }
    *o = '\0';
    return out;
}

static void read_texts(struct reader *r)
{
    png_textp text;
    int n = 0;
    size_t total = 0;
    png_get_text(r->png, r->info, &text, &n);
    r->out->text = n > 0 ? calloc((size_t)n, sizeof *r->out->text) : NULL;
    if (n > 0 && !r->out->text)
        png_error(r->png, NO_MEMORY);
    for (int i = 0; i < n; i++) {
        bool latin1 = text[i].compression == PNG_TEXT_COMPRESSION_NONE ||
                      text[i].compression == PNG_TEXT_COMPRESSION_zTXt;
        const char *value = text[i].text ? text[i].text : "";
        total += strlen(value);
        if (total > PNG_MAX_TEXT)
            png_error(r->png, "too much text");
        r->out->texts = i + 1;
        r->out->text[i].key = text_utf8(text[i].key, true);
        r->out->text[i].value = text_utf8(value, latin1);
        if (!r->out->text[i].key || !r->out->text[i].value)
            png_error(r->png, NO_MEMORY);
    }
}

/* Everything becomes 8-bit RGBA. */
static void read_pixels(struct reader *r)
{
    png_structp png = r->png;
    png_set_expand(png);
    png_set_scale_16(png);
    png_set_gray_to_rgb(png);
    png_set_add_alpha(png, 0xff, PNG_FILLER_AFTER);
    int passes = png_set_interlace_handling(png);
    png_read_update_info(png, r->info);
    size_t stride = (size_t)r->out->width * 4;
    if (png_get_rowbytes(png, r->info) != stride)
        png_error(png, "an unknown kind of pixel");
    r->out->rgba = malloc(stride * (size_t)r->out->height);
    if (!r->out->rgba)
        png_error(png, NO_MEMORY);
    while (passes-- > 0)
        for (int y = 0; y < r->out->height; y++)
            png_read_row(png, r->out->rgba + (size_t)y * stride, NULL);
}

static void read_png(struct reader *r)
{
    png_structp png = r->png;
    png_set_read_fn(png, r, take);
    png_set_user_limits(png, PNG_MAX_SIDE, PNG_MAX_SIDE);
    png_set_chunk_cache_max(png, 256);
    png_set_chunk_malloc_max(png, PNG_MAX_TEXT);
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, 0);
    png_read_info(png, r->info);
    png_uint_32 w = png_get_image_width(png, r->info), h = png_get_image_height(png, r->info);
    r->out->width = (int)w;
    r->out->height = (int)h;
    if (r->want_pixels) {
        read_pixels(r);
        png_read_end(png, r->info); /* texts may stand behind the pixels */
    }
    read_texts(r);
}

static int run_reader(struct reader *r)
{
    if (setjmp(png_jmpbuf(r->png)))
        return -1;
    read_png(r);
    return 0;
}

static uint32_t number(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Before libpng, whose words for it name no size. */
static int check_size(const uint8_t *data, size_t size, struct err *e)
{
    if (size < 24 || memcmp(data + 12, "IHDR", 4) != 0)
        return 0;
    uint32_t w = number(data + 16), h = number(data + 20);
    if (w <= PNG_MAX_SIDE && h <= PNG_MAX_SIDE && (uint64_t)w * h <= PNG_MAX_PIXELS)
        return 0;
    return err_set(e,
                   "a PNG of %ux%u pixels: %d a side and %d million in all are read; make it "
                   "smaller first",
                   w, h, PNG_MAX_SIDE, PNG_MAX_PIXELS / 1000000);
}

/* What people give instead, by its first bytes. */
static int refuse(const uint8_t *data, size_t size, struct err *e)
{
    static const struct {
        const char *mark, *name;
        size_t at;
    } others[] = {{"\xff\xd8\xff", "JPEG", 0}, {"GIF8", "GIF", 0},
                  {"WEBP", "WebP", 8},         {"BM", "BMP", 0},
                  {"8BPS", "Photoshop", 0},    {"\xe0\xa5", "Aseprite", 4}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        size_t n = strlen(others[i].mark);
        if (size >= others[i].at + n && !memcmp(data + others[i].at, others[i].mark, n))
            return err_set(e, "not a PNG file, but %s: save it as PNG first", others[i].name);
    }
    return err_set(e, "not a PNG file; pictures are read from PNG alone");
}

int png_decode(const uint8_t *data, size_t size, bool want_pixels, struct png_file *out,
               struct err *e)
{
    struct err why = {NO_MEMORY};
    struct reader r = {.data = data, .left = size, .want_pixels = want_pixels, .out = out};
    memset(out, 0, sizeof *out);
    if (!png_is(data, size))
        return refuse(data, size, e);
    if (check_size(data, size, e))
        return -1;
    r.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &why, on_error, on_warning);
    r.info = r.png ? png_create_info_struct(r.png) : NULL;
    int rc = r.info ? run_reader(&r) : -1;
    png_destroy_read_struct(&r.png, &r.info, NULL);
    if (rc) {
        png_file_free(out);
        return strcmp(why.text, NO_MEMORY) != 0
                   ? err_set(e, "broken PNG: %s; save or download it again", why.text)
                   : err_set(e, "out of memory for a PNG");
    }
    return 0;
}

int png_load(const char *path, bool want_pixels, struct png_file *out, struct err *e)
{
    size_t size;
    memset(out, 0, sizeof *out);
    uint8_t *data = file_read(path, PNG_MAX_FILE, &size, e);
    if (!data)
        return -1;
    int rc = png_decode(data, size, want_pixels, out, e);
    free(data);
    return rc ? err_prefix(e, "%s", path) : 0;
}

const char *png_find_text(const struct png_file *f, const char *key)
{
    for (int i = 0; i < f->texts; i++)
        if (!strcmp(f->text[i].key, key))
            return f->text[i].value;
    return NULL;
}

void png_file_free(struct png_file *f)
{
    for (int i = 0; i < f->texts; i++) {
        free(f->text[i].key);
        free(f->text[i].value);
    }
    free(f->text);
    free(f->rgba);
    memset(f, 0, sizeof *f);
}

bool png_is(const void *data, size_t size)
{
    return size >= 8 && !png_sig_cmp(data, 0, 8);
}

const char *png_library(void)
{
    static char text[64];
    snprintf(text, sizeof text, "libpng %s", png_get_libpng_ver(NULL));
    return text;
}
