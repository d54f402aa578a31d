/* See save.h. */
#include "engine/save.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct image *sprite_raw(const struct gen_result *r, int index)
{
    size_t bytes = (size_t)r->width * (size_t)r->height * 3;
    return image_from_rgb(r->rgb + (size_t)index * bytes, r->width, r->height);
}

static int decoded(const struct gen_result *r, struct image **out, struct err *e)
{
    for (int i = 0; i < r->count; i++)
        if (!(out[i] = sprite_raw(r, i)))
            return err_set(e, "out of memory for the sprites");
    return 0;
}

static void free_images(struct image **images, int count)
{
    for (int i = 0; images && i < count; i++) {
        image_free(images[i]);
        images[i] = NULL;
    }
}

int sprites_finish(const struct job *j, const struct gen_result *r, struct image **out,
                   struct err *e)
{
    size_t n = (size_t)r->count;
    struct image **raw = calloc(n, sizeof(*raw));
    struct finish_report *reports = calloc(n, sizeof *reports);
    int rc = raw && reports ? decoded(r, raw, e) : err_set(e, "out of memory for the sprites");
    if (!rc && j->finishing.wanted)
        rc = finishing_run(&j->finishing, (const struct image *const *)raw, r->count, out, reports,
                           e);
    for (int i = 0; !rc && !j->finishing.wanted && i < r->count; i++) {
        out[i] = raw[i];
        raw[i] = NULL;
    }
    free_images(raw, r->count);
    free(raw);
    free(reports);
    return rc;
}

static int save_picture(const char *path, const struct picture *picture, const struct origin *o,
                        struct err *e)
{
    char *parameters = meta_parameters(o->job, o->hash, o->index);
    char *chunk = meta_chunk(o->job, o->pipeline, o->result, o->index);
    struct png_text text[] = {{"parameters", parameters}, {"spritty", chunk}};
    int rc = parameters && chunk ? png_save(path, picture, text, 2, e)
                                 : err_set(e, "out of memory");
    free(parameters);
    free(chunk);
    return rc;
}

/* Drops alpha where there is none. Returns whether it could. */
static bool to_rgb(const uint8_t *rgba, size_t pixels, uint8_t *rgb)
{
    for (size_t i = 0; i < pixels; i++) {
        if (rgba[4 * i + 3] != 255)
            return false;
        for (size_t k = 0; k < 3; k++)
            rgb[3 * i + k] = rgba[4 * i + k];
    }
    return true;
}

int sprite_save(const char *path, const struct image *image, const struct origin *o, struct err *e)
{
    uint8_t palette[256][4];
    size_t pixels = (size_t)image->width * (size_t)image->height;
    struct picture p = {.kind = PICTURE_RGBA,
                        .width = image->width,
                        .height = image->height,
                        .pixels = image->rgba};
    uint8_t *smaller = malloc(pixels * 3);
    if (!smaller)
        return err_set(e, "out of memory for a picture of %dx%d", p.width, p.height);
    int colors = image_palette(image, 256, palette, smaller);
    if (colors > 0) {
        p.kind = PICTURE_INDEXED;
        p.palette = (const uint8_t(*)[4])palette;
        p.colors = colors;
        p.pixels = smaller;
    } else if (to_rgb(image->rgba, pixels, smaller)) {
        p.kind = PICTURE_RGB;
        p.pixels = smaller;
    }
    int rc = save_picture(path, &p, o, e);
    free(smaller);
    return rc;
}

char *sprite_path(struct store *store, const char *folder, int64_t job, int index, uint64_t seed,
                  struct err *e)
{
    char wanted[PATH_MAX], own[PATH_MAX];
    int n = snprintf(wanted, sizeof wanted, "%s/sprite-%" PRId64 "-%d-%" PRIu64 ".png",
                     folder ? folder : ".", job, index, seed);
    bool good = n < PATH_MAX;
    if (good && store)
        good = store_sprite_path(store, job, wanted, own);
    char *path = good ? strdup(store ? own : wanted) : NULL;
    if (!path)
        err_set(e, good ? "out of memory" : "no name is free for a sprite in %s",
                folder ? folder : "the working folder");
    return path;
}

char *sprite_file(const char *full, int batch, int index)
{
    char *name = NULL;
    const char *slash = strrchr(full, '/'), *dot = strrchr(slash ? slash : full, '.');
    int n;
    if (batch == 1)
        n = asprintf(&name, "%s", full);
    else if (dot && dot != full && dot != slash + 1)
        n = asprintf(&name, "%.*s-%d%s", (int)(dot - full), full, index, dot);
    else
        n = asprintf(&name, "%s-%d", full, index);
    return n < 0 ? NULL : name;
}

int64_t sprite_row(struct store *store, int64_t job, const char *path)
{
    struct store_sprite *list = NULL;
    struct err e;
    int64_t id = 0;
    int n = store ? store_job_sprites(store, job, &list, &e) : 0;
    for (int i = 0; i < n && !id; i++)
        if (!strcmp(list[i].path, path))
            id = list[i].id;
    if (n >= 0)
        store_sprites_free(list, n);
    return id;
}
