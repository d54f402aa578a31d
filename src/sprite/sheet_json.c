/*
 * A sheet's description as Aseprite writes it; see sheet_json.h.
 *
 * The JSON is what `aseprite --sheet --data --list-tags --list-slices` writes
 * (https://www.aseprite.org/docs/cli/): frames as a hash or an array, frameTags for runs of frames
 * whose names differ only in the number at their end, and one slice that has each frame's pivot.
 */
#include "sprite/sheet_json.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsonw.h"
#include "base/version.h"

static void put_rectangle(struct jsonw *w, const char *key, int x, int y, int width, int height)
{
    jsonw_open(w, key, '{');
    jsonw_u64(w, "x", (uint64_t)x);
    jsonw_u64(w, "y", (uint64_t)y);
    jsonw_u64(w, "w", (uint64_t)width);
    jsonw_u64(w, "h", (uint64_t)height);
    jsonw_close(w, '}');
}

static void put_size(struct jsonw *w, const char *key, int width, int height)
{
    jsonw_open(w, key, '{');
    jsonw_u64(w, "w", (uint64_t)width);
    jsonw_u64(w, "h", (uint64_t)height);
    jsonw_close(w, '}');
}

static void put_frame(struct jsonw *w, const struct sheet_text *k, int i)
{
    const struct sheet_frame *f = &k->frames[i];
    const char *name = k->names[i];
    jsonw_open(w, k->array ? NULL : name, '{');
    if (k->array)
        jsonw_string(w, "filename", name);
    put_rectangle(w, "frame", f->x, f->y, f->width, f->height);
    jsonw_bool(w, "rotated", false);
    jsonw_bool(w, "trimmed", f->width != f->full_width || f->height != f->full_height);
    put_rectangle(w, "spriteSourceSize", f->left, f->top, f->width, f->height);
    put_size(w, "sourceSize", f->full_width, f->full_height);
    jsonw_u64(w, "duration", (uint64_t)k->duration);
    jsonw_close(w, '}');
}

/* How much of a frame's name comes before the number at its end: walk of walk-12.png. */
static int tag_length(const char *name)
{
    const char *dot = strrchr(name, '.');
    int n = dot && dot > name ? (int)(dot - name) : (int)strlen(name);
    while (n > 0 && isdigit((unsigned char)name[n - 1]))
        n--;
    while (n > 0 && strchr("-_ .", name[n - 1]))
        n--;
    return n;
}

static void put_tags(struct jsonw *w, const struct sheet_text *k)
{
    jsonw_open(w, "frameTags", '[');
    for (int from = 0, to; from < k->n; from = to) {
        const char *name = k->names[from];
        int n = tag_length(k->names[from]);
        for (to = from + 1; to < k->n; to++)
            if (tag_length(k->names[to]) != n || strncmp(k->names[to], name, (size_t)n) != 0)
                break;
        char *tag = n ? strndup(name, (size_t)n) : NULL;
        if (!tag)
            continue;
        jsonw_open(w, NULL, '{');
        jsonw_string(w, "name", tag);
        jsonw_u64(w, "from", (uint64_t)from);
        jsonw_u64(w, "to", (uint64_t)(to - 1));
        jsonw_string(w, "direction", "forward");
        jsonw_close(w, '}');
        free(tag);
    }
    jsonw_close(w, ']');
}

static void put_pivots(struct jsonw *w, const struct sheet_text *k)
{
    jsonw_open(w, "slices", '[');
    jsonw_open(w, NULL, '{');
    jsonw_string(w, "name", "pivot");
    jsonw_string(w, "color", "#0000ffff");
    jsonw_open(w, "keys", '[');
    for (int i = 0; i < k->n; i++) {
        const struct sheet_frame *f = &k->frames[i];
        jsonw_open(w, NULL, '{');
        jsonw_u64(w, "frame", (uint64_t)i);
        put_rectangle(w, "bounds", 0, 0, f->full_width, f->full_height);
        jsonw_open(w, "pivot", '{');
        jsonw_u64(w, "x", (uint64_t)f->pivot[0]);
        jsonw_u64(w, "y", (uint64_t)f->pivot[1]);
        jsonw_close(w, '}');
        jsonw_close(w, '}');
    }
    jsonw_close(w, ']');
    jsonw_close(w, '}');
    jsonw_close(w, ']');
}

char *sheet_json(const struct sheet_text *k, const struct image *sheet)
{
    struct jsonw w = {0};
    char bracket[2] = {k->array ? '[' : '{', k->array ? ']' : '}'};
    jsonw_open(&w, NULL, '{');
    jsonw_open(&w, "frames", bracket[0]);
    for (int i = 0; i < k->n; i++)
        put_frame(&w, k, i);
    jsonw_close(&w, bracket[1]);
    jsonw_open(&w, "meta", '{');
    jsonw_string(&w, "app", "spritty");
    jsonw_string(&w, "version", SPRITTY_VERSION);
    jsonw_string(&w, "image", k->picture);
    jsonw_string(&w, "format", "RGBA8888");
    put_size(&w, "size", sheet->width, sheet->height);
    jsonw_string(&w, "scale", "1");
    put_tags(&w, k);
    put_pivots(&w, k);
    jsonw_close(&w, '}');
    jsonw_close(&w, '}');
    return jsonw_take(&w);
}
