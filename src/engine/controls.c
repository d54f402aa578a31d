/* See controls.h. */
#include "engine/controls.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mapfile.h"
#include "base/paths.h"
#include "base/suggest.h"
#include "engine/engine.h"
#include "engine/fit.h"
#include "pull/pull.h"
#include "sprite/canny.h"

static const char ENDING[] = ".safetensors";

/* ---- the files that there are ---- */

/* The user's, then those that ship beside the embedded model: folders alone. */
static const struct shelf {
    enum home place;
    const char *folder;
    bool files;
} shelves[] = {{PLACE_DATA, "controlnets", true}, {PLACE_SHARE, "models", false}};
enum { SHELVES = sizeof shelves / sizeof *shelves };

static bool is_folder_of_one(const char *path)
{
    struct path config;
    struct err e;
    return path_join(&config, path, "config.json", &e) == 0 && file_exists(config.text);
}

bool control_listed(const char *name, char path[PATH_MAX])
{
    for (int i = 0; i < SHELVES; i++)
        if (place_weights(shelves[i].place, shelves[i].folder, name, path) &&
            (shelves[i].files || is_folder_of_one(path)))
            return true;
    return false;
}

/* "canny" of a file canny.safetensors or a folder canny with a config.json; else "". */
static void name_of(const struct shelf *s, const char *folder, const char *entry, char out[256])
{
    struct path path;
    struct err e;
    size_t n = strlen(entry), end = sizeof ENDING - 1;
    out[0] = '\0';
    if (entry[0] == '.' || n > 200 || path_join(&path, folder, entry, &e) < 0)
        return;
    bool file = s->files && n > end && !strcmp(entry + n - end, ENDING) && file_exists(path.text);
    bool model = !file && is_folder_of_one(path.text);
    snprintf(out, 256, "%.*s", file ? (int)(n - end) : model ? (int)n : 0, entry);
    text_sanitize(out);
    if (strncmp(out, entry, strlen(out)) != 0) /* what cannot be shown cannot be chosen */
        out[0] = '\0';
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

enum { MOST = 1000 };

static bool has(char *const *at, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (!strcmp(at[i], name))
            return true;
    return false;
}

/* Adds the names of one shelf to n of them; -> how many there are then. */
static int list(const struct shelf *s, char **at, int n)
{
    char folder[PATH_MAX], name[256];
    DIR *d = place_path(s->place, s->folder, folder) ? opendir(folder) : NULL;
    for (struct dirent *f; d && n < MOST && (f = readdir(d));) {
        name_of(s, folder, f->d_name, name);
        if (*name && !has(at, n, name) && (at[n] = strdup(name)))
            n++;
    }
    if (d)
        closedir(d);
    return n;
}

int engine_controls(char ***names)
{
    char **at = calloc(MOST + 1, sizeof *at);
    int n = 0;
    for (int i = 0; at && i < SHELVES; i++)
        n = list(&shelves[i], at, n);
    if (n > 0)
        qsort(at, (size_t)n, sizeof *at, by_name);
    *names = at;
    return n;
}

/* ---- one of them ---- */

static const char *name_at(const void *user, int i)
{
    return ((char *const *)user)[i];
}

static void free_names(char **names, int n)
{
    for (int i = 0; i < n; i++)
        free(names[i]);
    free(names);
}

static void put_names(char *const *names, int n, char *out, size_t size)
{
    int at = snprintf(out, size, "%s", n > 0 ? " (there are: " : "");
    for (int i = 0; i < n && i < 5 && at < (int)size; i++)
        at += snprintf(out + at, size - (size_t)at, "%s%.40s", i ? ", " : "", names[i]);
    if (n > 0 && at < (int)size)
        snprintf(out + at, size - (size_t)at, "%s)", n > 5 ? ", ..." : "");
}

void controls_here(char *out, size_t size)
{
    char **names;
    int n = engine_controls(&names);
    put_names(names, n, out, size);
    free_names(names, n);
}

static int not_found(const char *name, struct err *e)
{
    char **names, path[PATH_MAX], those[300];
    int n = engine_controls(&names);
    const char *near = names ? suggest(name, name_at, names) : NULL;
    put_names(names, n, those, sizeof those);
    if (pull_here(name, path) == 0)
        err_set(e, "the ControlNet '%.100s' is not here yet; 'spritty pull %.100s' downloads it",
                name, name);
    else if (near)
        err_set(e, "there is no ControlNet '%.100s'; did you mean '%.100s'?", name, near);
    else
        err_set(e,
                "there is no ControlNet '%.100s': neither a file or folder here nor one in "
                "~/.local/share/spritty/controlnets%s; leave --control out, or get one: spritty "
                "pull",
                name, those);
    free_names(names, n);
    return -1;
}

int find_control(const char *name, char path[PATH_MAX], struct err *e)
{
    if (control_listed(name, path))
        return 0;
    if (!*name || strlen(name) >= PATH_MAX || access(name, F_OK) != 0)
        return not_found(name, e);
    strcpy(path, name);
    return 0;
}

/* ---- its picture ---- */

static bool is_fitted(const struct settings *s, const struct raster *picture)
{
    double by = fmax((double)s->width / picture->w, (double)s->height / picture->h);
    return by > 1 || !strcmp(s->compat, "a1111");
}

/* The middle of the picture that has the job's shape, in whole pixels, so that no picture is too
 * long to be fitted. */
static int cut(struct raster *p, const struct settings *s, struct err *e)
{
    double shape = (double)s->width / s->height, own = (double)p->w / p->h;
    struct raster part;
    int w = own > shape ? (int)fmax(1, round(p->h * shape)) : p->w;
    int h = own > shape ? p->h : (int)fmax(1, round(p->w / shape));
    w = w < p->w ? w : p->w, h = h < p->h ? h : p->h;
    if (fit_new(&part, w, h, p->c, e))
        return -1;
    for (int y = 0; y < h; y++) {
        size_t from = ((size_t)(y + (p->h - h) / 2) * (size_t)p->w + (size_t)((p->w - w) / 2)) * 3;
        memcpy(part.v + (size_t)y * (size_t)w * 3, p->v + from, (size_t)w * 3 * sizeof *part.v);
    }
    free(p->v);
    *p = part;
    return 0;
}

static int fit(struct raster *p, const struct settings *s, struct err *e)
{
    struct raster to;
    if (cut(p, s, e) || fit_new(&to, s->width, s->height, p->c, e))
        return -1;
    int rc = fit_onto(p, &to, "stretch", e);
    free(p->v);
    *p = to;
    return rc;
}

/* White on black. */
static int put_edges(const struct settings *s, struct hint *h, struct err *e)
{
    size_t count = (size_t)h->width * (size_t)h->height;
    uint8_t *edges = malloc(count);
    int rc = edges ? canny_edges(h->rgb, h->width, h->height, s->control_low, s->control_high,
                                 edges, e)
                   : err_set(e, "out of memory for a picture of %dx%d", h->width, h->height);
    for (size_t i = 0; i < 3 * count && !rc; i++)
        h->rgb[i] = edges[i / 3];
    free(edges);
    return rc;
}

int control_read(const struct settings *s, const uint8_t background[3], struct hint *h,
                 struct err *e)
{
    struct png_file file = {0};
    struct raster picture = {0};
    bool canny = !strcmp(s->control_prepare, "canny");
    uint8_t back[3];
    memcpy(back, background, sizeof back);
    *h = (struct hint){0};
    int rc = fit_backdrop(settings_text(s, "backdrop"), back, e) ||
                     png_load(s->control_image, true, &file, e) ||
                     fit_flatten(&file, back, &picture, e) ||
                     (canny && is_fitted(s, &picture) && fit(&picture, s, e)) ||
                     !(h->rgb = fit_bytes(&picture, e))
                 ? -1
                 : 0;
    h->width = picture.w, h->height = picture.h;
    if (rc == 0 && canny)
        rc = put_edges(s, h, e);
    if (rc == 0 && !strcmp(s->control_prepare, "invert"))
        for (size_t i = 0; i < (size_t)h->width * (size_t)h->height * 3; i++)
            h->rgb[i] = 255 - h->rgb[i];
    free(picture.v);
    png_file_free(&file);
    return rc;
}
