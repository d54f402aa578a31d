/*
 * Sprites from disk for panels that show many: read when first asked for, kept while there is room.
 *
 * Small files are read in the terminal's thread, so a frame spends a few milliseconds on it at most
 * and the rest comes with the next frames. Large ones are read beside it, and shrunk on the way in.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "sprite/png.h"
#include "ui/errand.h"

enum { THUMBS = 256, THUMB_SIDE = 512, FRAME_MS = 4, NEXT_MS = 10, SMALL_FILE = 64 << 10 };

struct entry {
    char *path;
    struct image *image;
    bool broken, loading;
    uint64_t serial, used;
};

struct thumbs {
    struct entry entry[THUMBS];
    int count;
    uint64_t clock;
    double frame_ms, spent_ms; /* of which turn of the loop, and how long reading took in it */
};

static struct image *read_image(const char *path)
{
    struct png_file file = {0};
    struct err e;
    if (png_load(path, true, &file, &e))
        return NULL;
    struct image *image = image_new(file.width, file.height);
    if (image)
        memcpy(image->rgba, file.rgba, (size_t)file.width * (size_t)file.height * 4);
    png_file_free(&file);
    if (image && (image->width > THUMB_SIDE || image->height > THUMB_SIDE)) {
        struct image *small = image_shrink(image, THUMB_SIDE, THUMB_SIDE);
        image_free(image);
        image = small;
    }
    return image;
}

/* ---- large files ---- */

struct thumb_errand {
    struct errand errand; /* first */
    char path[PATH_MAX];
    uint64_t serial;
    struct image *image;
};

static void read_large(struct work *work)
{
    struct thumb_errand *w = (struct thumb_errand *)work;
    w->image = read_image(w->path);
}

/* Its entry may have made room for others meanwhile. */
static void was_read(struct ui *ui, struct errand *e)
{
    struct thumb_errand *w = (struct thumb_errand *)e;
    for (int i = 0; ui->thumbs && i < ui->thumbs->count; i++) {
        struct entry *t = &ui->thumbs->entry[i];
        if (!t->loading || t->serial != w->serial)
            continue;
        t->loading = false;
        t->image = w->image;
        t->broken = !w->image;
        w->image = NULL;
    }
}

static void errand_free(struct errand *e)
{
    image_free(((struct thumb_errand *)e)->image);
    free(e);
}

static bool send_for(struct ui *ui, struct entry *t)
{
    struct thumb_errand *w = calloc(1, sizeof *w);
    if (!w)
        return false;
    w->errand = (struct errand){{.run = read_large}, was_read, errand_free};
    w->serial = t->serial;
    snprintf(w->path, sizeof w->path, "%s", t->path);
    t->loading = true;
    errand_send(ui, &w->errand);
    return true;
}

static bool is_large(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && st.st_size > SMALL_FILE;
}

/* ---- all of them ---- */

/* A place for one more: a new one, or that of the entry that was not used for longest. */
static struct entry *make_room(struct thumbs *t)
{
    if (t->count < THUMBS)
        return &t->entry[t->count++];
    struct entry *oldest = &t->entry[0];
    for (int i = 1; i < THUMBS; i++)
        if (t->entry[i].used < oldest->used)
            oldest = &t->entry[i];
    free(oldest->path);
    image_free(oldest->image);
    return oldest;
}

static struct thumb thumb_of(struct entry *e, uint64_t now)
{
    e->used = now;
    return (struct thumb){.image = e->image, .serial = e->serial, .broken = e->broken};
}

static struct thumbs *thumbs_of(struct ui *ui)
{
    if (!ui->thumbs)
        ui->thumbs = calloc(1, sizeof *ui->thumbs);
    if (ui->thumbs && ui->thumbs->frame_ms != ui->now_ms) {
        ui->thumbs->frame_ms = ui->now_ms;
        ui->thumbs->spent_ms = 0;
    }
    return ui->thumbs;
}

struct thumb thumb_get(struct ui *ui, const char *path)
{
    struct thumbs *t = thumbs_of(ui);
    if (!t || !path)
        return (struct thumb){.broken = true};
    t->clock++;
    for (int i = 0; i < t->count; i++)
        if (!strcmp(t->entry[i].path, path))
            return thumb_of(&t->entry[i], t->clock);
    if (t->spent_ms > FRAME_MS) {
        double due = ui->now_ms + NEXT_MS;
        ui->wake_ms = ui->wake_ms > 0 && ui->wake_ms < due ? ui->wake_ms : due;
        return (struct thumb){0};
    }
    char *name = strdup(path);
    if (!name)
        return (struct thumb){.broken = true};
    double began = clock_ms();
    struct entry *e = make_room(t);
    *e = (struct entry){.path = name, .serial = t->clock};
    if (!is_large(path) || !send_for(ui, e)) {
        e->image = read_image(path);
        e->broken = !e->image;
    }
    t->spent_ms += clock_ms() - began;
    return thumb_of(e, t->clock);
}

void thumbs_free(struct ui *ui)
{
    for (int i = 0; ui->thumbs && i < ui->thumbs->count; i++) {
        free(ui->thumbs->entry[i].path);
        image_free(ui->thumbs->entry[i].image);
    }
    free(ui->thumbs);
    ui->thumbs = NULL;
}
