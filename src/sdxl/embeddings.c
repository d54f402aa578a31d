/* See embeddings.h. */
#include "sdxl/embeddings.h"

#include <dirent.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fileio.h"
#include "ops/half.h"
#include "sdxl/safetensors.h"

enum { MAX_FILES = 4096, MAX_DEPTH = 6, MAX_NAME = 255 };

/* ---- the list ---- */

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n > m && !strcasecmp(s + n - m, end);
}

static bool is_pickle(const char *file)
{
    return ends_with(file, ".pt") || ends_with(file, ".bin");
}

static int add_file(struct embeddings *all, const char *path, const char *key)
{
    struct embedding *more = realloc(all->at, ((size_t)all->count + 1) * sizeof *more);
    if (!more)
        return -1;
    all->at = more;
    struct embedding *x = &more[all->count++];
    *x = (struct embedding){.path = strdup(path), .key = strdup(key), .pickle = is_pickle(key)};
    if (!x->path || !x->key)
        return -1;
    *strrchr(x->key, '.') = '\0';
    x->name = strdup(file_name_of(x->key));
    return x->name ? 0 : -1;
}

/* Files of `folder`, whose place below the opened one is `below` ("" or "a/b/"). */
static int list_folder(struct embeddings *all, const char *folder, const char *below, int depth)
{
    DIR *d = depth < MAX_DEPTH ? opendir(folder) : NULL;
    char path[PATH_MAX], key[PATH_MAX];
    struct stat st;
    int rc = 0;
    for (struct dirent *f; d && rc == 0 && all->count < MAX_FILES && (f = readdir(d));) {
        int n = snprintf(path, sizeof path, "%s/%s", folder, f->d_name);
        int m = snprintf(key, sizeof key, "%s%s", below, f->d_name);
        if (f->d_name[0] == '.' || n >= PATH_MAX || m >= PATH_MAX - 1 || stat(path, &st) != 0)
            continue;
        if (S_ISDIR(st.st_mode)) {
            strcat(key, "/");
            rc = list_folder(all, path, key, depth + 1);
        } else if (S_ISREG(st.st_mode) && (ends_with(key, ".safetensors") || is_pickle(key))) {
            rc = add_file(all, path, key);
        }
    }
    if (d)
        closedir(d);
    return rc;
}

/* Safetensors before a pickle of the same name. */
static int by_key(const void *a, const void *b)
{
    const struct embedding *x = a, *y = b;
    int order = strcmp(x->key, y->key);
    return order ? order : (int)x->pickle - (int)y->pickle;
}

int embeddings_open(struct embeddings *all, const char *const folders[EMBEDDING_FOLDERS],
                    const int width[2], struct err *e)
{
    *all = (struct embeddings){.width = {width[0], width[1]}};
    for (int i = 0; i < EMBEDDING_FOLDERS; i++)
        if (folders[i] && *folders[i] && list_folder(all, folders[i], "", 0) < 0)
            return err_set(e, "out of memory while listing %s", folders[i]);
    if (all->count > 0)
        qsort(all->at, (size_t)all->count, sizeof *all->at, by_key);
    return 0;
}

void embeddings_free(struct embeddings *all)
{
    for (int i = 0; i < all->count; i++) {
        struct embedding *x = &all->at[i];
        free(x->path), free(x->name), free(x->key), free(x->ids);
        free(x->vector[0]), free(x->vector[1]);
    }
    free(all->at);
    *all = (struct embeddings){0};
}

/* ---- a file ---- */

static float value_at(const struct st_tensor *t, int64_t i)
{
    float f;
    uint16_t h;
    if (t->dtype == DT_F32) {
        memcpy(&f, t->data + 4 * i, 4);
        return f;
    }
    memcpy(&h, t->data + 2 * i, 2);
    return t->dtype == DT_F16 ? f32_from_f16(h) : f32_from_bf16(h);
}

static int read_vectors(const struct st_tensor *t, int width, int *count, float **out,
                        struct err *e)
{
    if (!t->is_weight || t->rank > 2 || t->dim[t->rank - 1] != width)
        return err_set(e, "%s is not a list of vectors of %d numbers", t->name, width);
    int64_t n = t->rank == 2 ? t->dim[0] : 1;
    if (n > MAX_EMBEDDING_VECTORS)
        return err_set(e, "%s has %lld vectors; at most %d fit into a chunk", t->name, (long long)n,
                       MAX_EMBEDDING_VECTORS);
    if (!(*out = malloc((size_t)t->count * sizeof **out)))
        return err_set(e, "out of memory");
    for (int64_t i = 0; i < t->count; i++)
        if (!isfinite((*out)[i] = value_at(t, i)))
            return err_set(e, "%s has values that are no finite numbers", t->name);
    *count = (int)n;
    return 0;
}

/* The only tensor of a file, when it is one of vectors. */
static const struct st_tensor *only_tensor(const struct safetensors *st)
{
    const struct st_tensor *t = safetensors_count(st) == 1 ? safetensors_at(st, 0) : NULL;
    return t && t->is_weight && t->rank <= 2 ? t : NULL;
}

static int read_both(struct embedding *x, const struct safetensors *st, const int width[2],
                     struct err *e)
{
    const struct st_tensor *t[2] = {safetensors_find(st, "clip_l"), safetensors_find(st, "clip_g")};
    const struct st_tensor *only = only_tensor(st);
    for (int i = 0; i < 2; i++)
        if (!t[0] && !t[1] && only && only->dim[only->rank - 1] == width[i])
            t[i] = only;
    if (!t[0] && !t[1] && only)
        return err_set(e, "its vectors have %lld numbers, the model's %d and %d",
                       (long long)only->dim[only->rank - 1], width[0], width[1]);
    if (!t[0] && !t[1])
        return err_set(e, "it has neither clip_l nor clip_g");
    for (int i = 0; i < 2; i++)
        if (t[i] && read_vectors(t[i], width[i], &x->count[i], &x->vector[i], e) < 0)
            return -1;
    return 0;
}

static int embedding_read(struct embedding *x, const int width[2], struct err *e)
{
    struct safetensors *st = safetensors_open(x->path, e);
    if (!st)
        return -1;
    int rc = read_both(x, st, width, e);
    rc = rc < 0 ? rc : safetensors_was_read(st, e);
    safetensors_close(st);
    for (int i = 0; i < 2 && rc < 0; i++) {
        free(x->vector[i]);
        x->vector[i] = NULL;
        x->count[i] = 0;
    }
    return rc;
}

/* With its vectors, or NULL and a note. */
static const struct embedding *use(struct embeddings *all, struct embedding *x, struct notes *notes)
{
    struct err e = {""};
    if (x->pickle) {
        notes_add(notes,
                  "the embedding %s is a pickle, which may run code, and was not read; convert it "
                  "to safetensors",
                  x->path);
        return NULL;
    }
    if (!x->read && embedding_read(x, all->width, &e) < 0)
        notes_add(notes, "the embedding %s was not used: %s", x->path, e.text);
    x->read = true;
    return x->count[0] || x->count[1] ? x : NULL;
}

/* ---- looking up ---- */

/* "b/c" names "a/b/c": at the end of a key, from the beginning of one of its folders. */
static bool names(const char *key, const char *name, size_t len)
{
    size_t n = strlen(key);
    return n >= len && !memcmp(key + n - len, name, len) && (n == len || key[n - len - 1] == '/');
}

const struct embedding *embeddings_find(struct embeddings *all, const char *name, size_t len,
                                        struct notes *notes)
{
    static const char ending[] = ".safetensors";
    if (len > sizeof ending && !strncmp(name + len - (sizeof ending - 1), ending, 12))
        len -= sizeof ending - 1;
    if (len == 0 || len > MAX_NAME)
        return NULL;
    for (int i = 0; i < all->count; i++)
        if (names(all->at[i].key, name, len))
            return use(all, &all->at[i], notes);
    return NULL;
}

static void name_all(struct embeddings *all,
                     int (*encode)(void *user, const char *text, int32_t **ids), void *user)
{
    for (int i = 0; i < all->count; i++) {
        int n = encode(user, all->at[i].name, &all->at[i].ids);
        all->at[i].id_count = n > 0 ? n : 0;
    }
    all->named = true;
}

const struct embedding *embeddings_at(struct embeddings *all,
                                      int (*encode)(void *user, const char *text, int32_t **ids),
                                      void *user, const int32_t *ids, int count,
                                      struct notes *notes)
{
    struct embedding *best = NULL;
    if (!all->named)
        name_all(all, encode, user);
    for (int i = 0; i < all->count; i++) {
        struct embedding *x = &all->at[i];
        if (x->id_count > 0 && x->id_count <= count && (!best || x->id_count > best->id_count) &&
            !memcmp(x->ids, ids, (size_t)x->id_count * sizeof *ids))
            best = x;
    }
    return best ? use(all, best, notes) : NULL;
}
