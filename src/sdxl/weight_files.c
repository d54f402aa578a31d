/* Finding, opening and joining the files of a part. */
#include "sdxl/weight_files.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mapfile.h"

enum { INDEX_BYTES_MAX = 16 << 20 };

/* -- many files as one -- */

static int by_name(const void *a, const void *b)
{
    const struct st_tensor *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static int join(struct weight_files *w, struct err *e)
{
    size_t total = 0;
    for (int i = 0; i < w->files; i++)
        total += (size_t)safetensors_count(w->file[i]);
    w->tensor = calloc(total + 1, sizeof *w->tensor);
    if (!w->tensor)
        return err_set(e, "no memory for a table of %zu tensors", total);
    for (int i = 0; i < w->files; i++)
        for (int t = 0; t < safetensors_count(w->file[i]); t++)
            w->tensor[w->count++] = safetensors_at(w->file[i], t);
    qsort(w->tensor, (size_t)w->count, sizeof *w->tensor, by_name);
    for (int i = 1; i < w->count; i++)
        if (strcmp(w->tensor[i - 1]->name, w->tensor[i]->name) == 0)
            return err_set(e, "%s: tensor %s is in another shard too", safetensors_path(w->file[0]),
                           w->tensor[i]->name);
    return 0;
}

static int add_file(struct weight_files *w, const char *path, struct err *e)
{
    struct safetensors *st = safetensors_open(path, e);
    if (!st)
        return -1;
    w->file[w->files++] = st;
    return 0;
}

int weight_files_open(struct weight_files *w, const char *path, struct err *e)
{
    *w = (struct weight_files){0};
    if (add_file(w, path, e) == 0 && join(w, e) == 0)
        return 0;
    weight_files_close(w);
    return -1;
}

void weight_files_close(struct weight_files *w)
{
    for (int i = 0; i < w->files; i++)
        safetensors_close(w->file[i]);
    free(w->tensor);
    *w = (struct weight_files){0};
}

const struct st_tensor *weight_files_find(const struct weight_files *w, const char *name)
{
    struct st_tensor key = {.name = name};
    const struct st_tensor *k = &key;
    if (w->count == 0)
        return NULL;
    const struct st_tensor **at = bsearch(&k, w->tensor, (size_t)w->count, sizeof k, by_name);
    return at ? *at : NULL;
}

int weight_files_were_read(const struct weight_files *w, struct err *e)
{
    for (int i = 0; i < w->files; i++)
        if (safetensors_was_read(w->file[i], e) != 0)
            return -1;
    return 0;
}

bool weight_files_changed(const struct weight_files *w)
{
    bool changed = false;
    for (int i = 0; i < w->files; i++)
        changed = changed || safetensors_changed(w->file[i]);
    return changed;
}

void weight_files_drop(const struct weight_files *w, const void *from, size_t size)
{
    for (int i = 0; i < w->files; i++)
        safetensors_drop(w->file[i], from, size);
}

size_t weight_files_cold(const struct weight_files *w)
{
    size_t bytes = 0;
    for (int i = 0; i < w->files; i++)
        bytes += safetensors_cold(w->file[i]);
    return bytes;
}

void weight_files_soon(const struct weight_files *w, const void *from, size_t size)
{
    for (int i = 0; i < w->files; i++)
        safetensors_soon(w->file[i], from, size);
}

/* -- shards -- */

static bool ends_with(const char *s, const char *end)
{
    size_t a = strlen(s), b = strlen(end);
    return a >= b && strcmp(s + a - b, end) == 0;
}

/* A plain file name in the same folder. */
static bool safe_name(const char *s)
{
    char copy[256];
    if (strlen(s) >= sizeof copy || s[0] == '.' || strpbrk(s, "/\\") || strstr(s, ".."))
        return false;
    strcpy(copy, s);
    text_sanitize(copy);
    return strcmp(copy, s) == 0 && ends_with(s, ".safetensors");
}

int weight_files_shards(struct json index, const char *names[MAX_SHARDS], struct err *e)
{
    struct json map = json_get(index, "weight_map");
    int n = 0;
    if (json_kind(map) != JSON_OBJECT || !json_first(map).node)
        return err_set(e, "%s: has no \"weight_map\"", json_name(index));
    for (struct json v = json_first(map); v.node; v = json_next(v)) {
        const char *shard = json_as_string(v);
        if (!shard || !safe_name(shard))
            return err_set(e, "%s: %s is no .safetensors file in the same folder", json_name(index),
                           shard ? shard : "a value in \"weight_map\"");
        int i = n; /* backwards: neighbours in the map mostly share a shard */
        while (i > 0 && strcmp(names[i - 1], shard) != 0)
            i--;
        if (i > 0)
            continue;
        if (n == MAX_SHARDS)
            return err_set(e, "%s: has more than %d shards", json_name(index), MAX_SHARDS);
        names[n++] = shard;
    }
    return n;
}

/* Every tensor that the index lists is there; which shard has it does not matter to us. */
static int check_index(const struct weight_files *w, struct json index, struct err *e)
{
    struct json map = json_get(index, "weight_map");
    for (struct json v = json_first(map); v.node; v = json_next(v))
        if (!weight_files_find(w, json_key(v)))
            return err_set(e, "%s: tensor %s is in no shard; a shard belongs to another model",
                           json_name(index), json_key(v));
    return 0;
}

static int open_shards(struct weight_files *w, const char *dir, struct json index, struct err *e)
{
    const char *name[MAX_SHARDS];
    int n = weight_files_shards(index, name, e);
    struct path path;
    for (int i = 0; i < n; i++) {
        if (path_join(&path, dir, name[i], e) != 0)
            return -1;
        if (!file_exists(path.text))
            return err_set(e, "%s: is missing; it is part %d of the %d that %s lists: download it",
                           path.text, i + 1, n, json_name(index));
        if (add_file(w, path.text, e) != 0)
            return -1;
    }
    return n < 0 || join(w, e) != 0 ? -1 : check_index(w, index, e);
}

static int open_index(struct weight_files *w, const char *dir, const char *path, struct err *e)
{
    struct json_doc *doc = json_load(path, INDEX_BYTES_MAX, e);
    if (!doc)
        return -1;
    int rc = open_shards(w, dir, json_root(doc), e);
    json_free(doc);
    if (rc != 0)
        weight_files_close(w);
    return rc;
}

/* -- choosing -- */

/* 1: opened, 0: the folder has none of that variant ("" is the plain one), -1: broken. */
static int try_variant(struct weight_files *w, const char *dir, const char *stem,
                       const char *variant, struct err *e)
{
    char name[3][256];
    const char *dot = *variant ? "." : "";
    snprintf(name[0], sizeof name[0], "%s%s%s.safetensors", stem, dot, variant);
    snprintf(name[1], sizeof name[1], "%s.safetensors.index%s%s.json", stem, dot, variant);
    snprintf(name[2], sizeof name[2], "%s%s%s.safetensors.index.json", stem, dot, variant);
    for (int i = 0; i < 3; i++) {
        struct path path;
        if (path_join(&path, dir, name[i], e) != 0)
            return -1;
        if (!file_exists(path.text))
            continue;
        int rc = i == 0 ? weight_files_open(w, path.text, e) : open_index(w, dir, path.text, e);
        return rc == 0 ? 1 : -1;
    }
    return 0;
}

/* The variant in a file name: "fp16" of STEM.fp16.safetensors. False: it is none. */
static bool variant_of(const char *file, const char *stem, char *out, size_t room)
{
    size_t len = strlen(stem);
    if (strncmp(file, stem, len) != 0 || file[len] != '.')
        return false;
    const char *from = file + len + 1;
    size_t n = 0;
    if (strncmp(from, "safetensors.index.", 18) == 0 && ends_with(from, ".json")) {
        from += 18;
        n = strlen(from) - strlen("json");
    } else if (ends_with(from, ".safetensors")) {
        n = strlen(from) - strlen("safetensors");
    }
    if (n < 2 || n > room || memchr(from, '.', n - 1) || memchr(from, '/', n))
        return false;
    snprintf(out, room, "%.*s", (int)(n - 1), from);
    return strstr(out, "-of-") == NULL; /* an old spelling of shards */
}

/* fp16 if it is there, else the first by name. "" when there is none. */
static void any_variant(const char *dir, const char *stem, char *best, size_t room)
{
    char variant[64];
    *best = '\0';
    DIR *d = opendir(dir);
    for (struct dirent *f = d ? readdir(d) : NULL; f; f = readdir(d)) {
        if (!variant_of(f->d_name, stem, variant, sizeof variant))
            continue;
        bool is_fp16 = strcmp(variant, "fp16") == 0, have_fp16 = strcmp(best, "fp16") == 0;
        if (!*best || is_fp16 || (!have_fp16 && strcmp(variant, best) < 0))
            snprintf(best, room, "%s", variant);
    }
    if (d)
        closedir(d);
}

static int nothing_found(const char *dir, const char *stem, struct err *e)
{
    struct path path;
    if (!folder_exists(dir))
        return err_set(e, "%s: no such folder; the model is incomplete", dir);
    bool pickled = (path_join(&path, dir, "pytorch_model.bin", NULL) == 0 &&
                    file_exists(path.text)) ||
                   (path_join(&path, dir, "diffusion_pytorch_model.bin", NULL) == 0 &&
                    file_exists(path.text));
    if (pickled)
        return err_set(e,
                       "%s: has only pickled weights (.bin), which can run code when they are "
                       "opened; get the .safetensors files",
                       dir);
    return err_set(e, "%s: has no %s.safetensors, nor a variant or shards of it", dir, stem);
}

int weight_files_open_folder(struct weight_files *w, const char *dir, const char *stem,
                             const char *variant, struct err *e)
{
    char any[64];
    *w = (struct weight_files){0};
    int rc = variant ? try_variant(w, dir, stem, variant, e) : 0;
    if (rc == 0)
        rc = try_variant(w, dir, stem, "", e);
    if (rc == 0) {
        any_variant(dir, stem, any, sizeof any);
        if (*any)
            rc = try_variant(w, dir, stem, any, e);
    }
    if (rc == 0)
        return nothing_found(dir, stem, e);
    return rc > 0 ? 0 : -1;
}
