/* See loras.h. */
#include "engine/loras.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fileio.h"
#include "base/mapfile.h"
#include "base/paths.h"
#include "base/digest.h"
#include "base/suggest.h"
#include "engine/engine.h"
#include "engine/job.h"
#include "pull/pull.h"

enum { DEEPEST = 8, MOST_FILES = 20000, MOST_OPENED = 2000 };

static const char ENDING[] = ".safetensors";

/* ---- the files that there are ---- */

struct found {
    char *path, *name; /* name: relative to the folder that was asked, without the ending */
};

struct listing {
    struct found *at;
    int count, room;
};

static void listing_free(struct listing *l)
{
    for (int i = 0; i < l->count; i++) {
        free(l->at[i].path);
        free(l->at[i].name);
    }
    free(l->at);
    *l = (struct listing){0};
}

/* Files that are called the same everywhere go by their folder's name. */
static bool is_common_name(const char *file)
{
    return !strcmp(file, "adapter_model.safetensors") ||
           !strcmp(file, "pytorch_lora_weights.safetensors");
}

/* Without memory the list is shorter. */
static void add_file(struct listing *l, const char *path, const char *relative)
{
    const char *slash = strrchr(relative, '/');
    size_t n = strlen(relative) - (sizeof ENDING - 1);
    if (slash && is_common_name(slash + 1))
        n = (size_t)(slash - relative);
    if (l->count == MOST_FILES)
        return;
    if (l->count == l->room) {
        int room = l->room ? 2 * l->room : 64;
        struct found *more = realloc(l->at, (size_t)room * sizeof *more);
        if (!more)
            return;
        l->at = more, l->room = room;
    }
    struct found f = {strdup(path), strndup(relative, n)};
    if (f.path && f.name) {
        l->at[l->count++] = f;
        return;
    }
    free(f.path);
    free(f.name);
}

static bool ends_so(const char *name)
{
    size_t n = strlen(name), m = sizeof ENDING - 1;
    return n > m && strcmp(name + n - m, ENDING) == 0;
}

/* from: where the relative part of a path begins. */
static void list_folder(struct listing *l, const char *folder, size_t from, int depth)
{
    struct path path;
    struct err e;
    DIR *d = opendir(folder);
    for (struct dirent *f; d && l->count < MOST_FILES && (f = readdir(d));) {
        if (f->d_name[0] == '.' || path_join(&path, folder, f->d_name, &e) < 0)
            continue;
        if (ends_so(f->d_name) && file_exists(path.text))
            add_file(l, path.text, path.text + from);
        else if (depth > 0 && folder_exists(path.text))
            list_folder(l, path.text, from, depth - 1);
    }
    if (d)
        closedir(d);
}

static int by_name(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : strcmp(x->path, y->path);
}

static void list_place(struct listing *l, enum home place)
{
    char folder[PATH_MAX];
    if (place_path(place, "loras", folder))
        list_folder(l, folder, strlen(folder) + 1, DEEPEST);
}

/* The user's first, then those that ship, then those beside the model. */
static void list_all(struct listing *l, const char *model)
{
    char folder[PATH_MAX];
    list_place(l, PLACE_DATA);
    list_place(l, PLACE_SHARE);
    if (!model || snprintf(folder, sizeof folder, "%s", model) >= (int)sizeof folder)
        return;
    char *slash = strrchr(folder, '/');
    if (slash)
        *slash = '\0';
    else
        strcpy(folder, ".");
    list_folder(l, folder, strlen(folder) + 1, 0);
    if (strlen(folder) + sizeof "/loras" < sizeof folder) {
        strcat(folder, "/loras");
        list_folder(l, folder, strlen(folder) + 1, DEEPEST);
    }
}

/* ---- one of them ---- */

static const struct found *look(const struct listing *l, const char *name,
                                int (*compare)(const char *, const char *))
{
    for (int i = 0; i < l->count; i++)
        if (compare(l->at[i].name, name) == 0)
            return &l->at[i];
    for (int i = 0; i < l->count; i++)
        if (compare(file_name_of(l->at[i].name), name) == 0)
            return &l->at[i];
    return NULL;
}

/* By the name that its trainer gave it: what A1111 writes into prompts. */
static const struct found *look_inside(const struct listing *l, const char *name)
{
    for (int i = 0; i < l->count && i < MOST_OPENED; i++) {
        struct err e;
        struct safetensors *st = safetensors_open(l->at[i].path, &e);
        const char *own = st ? safetensors_metadata(st, "ss_output_name") : NULL;
        bool is = own && !strcmp(own, name);
        safetensors_close(st);
        if (is)
            return &l->at[i];
    }
    return NULL;
}

static const char *name_at(const void *user, int i)
{
    const struct listing *l = user; /* each twice: alone, and with its subfolders */
    if (i >= 2 * l->count)
        return NULL;
    return i < l->count ? file_name_of(l->at[i].name) : l->at[i - l->count].name;
}

static int not_found(const struct listing *l, const char *name, struct err *e)
{
    const char *near = suggest(name, name_at, l);
    if (near)
        return err_set(e, "there is no LoRA '%.100s'; did you mean '%.100s'?", name, near);
    if (l->count == 0)
        return err_set(e,
                       "there is no LoRA '%.100s': nothing is in ~/.local/share/spritty/loras, and "
                       "no file of that name is here; put it there, or give a path",
                       name);
    return err_set(e,
                   "there is no LoRA '%.100s' among the %d in ~/.local/share/spritty/loras and "
                   "beside the model; give a path, or put it there",
                   name, l->count);
}

/* A path as it is, or of a folder. */
static bool is_path(const char *name, char path[PATH_MAX])
{
    static const char *const inside[] = {"adapter_model.safetensors",
                                         "pytorch_lora_weights.safetensors"};
    if (strlen(name) >= PATH_MAX)
        return false;
    if (file_exists(name)) {
        strcpy(path, name);
        return true;
    }
    for (size_t i = 0; i < 2 && folder_exists(name); i++)
        if (snprintf(path, PATH_MAX, "%s/%s", name, inside[i]) < PATH_MAX && file_exists(path))
            return true;
    return false;
}

int find_lora(const char *name, const char *model, char path[PATH_MAX], struct err *e)
{
    struct listing l = {0};
    char bare[PATH_MAX];
    size_t n = strlen(name);
    bool spelt = strchr(name, '/') || ends_so(name);
    if (n == 0 || n >= PATH_MAX)
        return err_set(e, "a LoRA's name is %zu bytes long", n);
    if (spelt && is_path(name, path))
        return 0;
    snprintf(bare, sizeof bare, "%.*s", (int)(ends_so(name) ? n - (sizeof ENDING - 1) : n), name);
    list_all(&l, model);
    const struct found *f = look(&l, bare, strcmp);
    if (!f)
        f = look(&l, bare, strcasecmp);
    bool here = !f && is_path(name, path);
    if (here) {
        listing_free(&l);
        return 0;
    }
    if (!f)
        f = look_inside(&l, bare);
    int pulled = f ? -1 : pull_here(bare, path), rc = 0; /* by the name that it was pulled with */
    if (pulled == 0)
        rc = err_set(e, "the LoRA '%s' is not here yet; 'spritty pull %s' downloads it", bare,
                     bare);
    else if (pulled < 0 && !f)
        rc = not_found(&l, bare, e);
    if (f)
        snprintf(path, PATH_MAX, "%s", f->path);
    listing_free(&l);
    return rc;
}

bool lora_listed(const char *name, const char *model, char path[PATH_MAX])
{
    struct listing l = {0};
    list_all(&l, model);
    const struct found *f = look(&l, name, strcmp);
    if (!f)
        f = look(&l, name, strcasecmp);
    if (!f)
        f = look_inside(&l, name);
    if (f)
        snprintf(path, PATH_MAX, "%s", f->path);
    listing_free(&l);
    return f != NULL;
}

int engine_loras(char ***names)
{
    struct listing l = {0};
    int n = 0;
    list_place(&l, PLACE_DATA);
    list_place(&l, PLACE_SHARE);
    if (l.count > 0)
        qsort(l.at, (size_t)l.count, sizeof *l.at, by_name);
    *names = calloc((size_t)l.count + 1, sizeof **names);
    for (int i = 0; *names && i < l.count; i++) {
        char safe[512];
        snprintf(safe, sizeof safe, "%s", l.at[i].name);
        text_sanitize(safe);
        bool same = strcmp(safe, l.at[i].name) == 0; /* what cannot be shown cannot be chosen */
        if (same && (n == 0 || strcmp((*names)[n - 1], safe) != 0) && ((*names)[n] = strdup(safe)))
            n++;
    }
    listing_free(&l);
    return n;
}

/* ---- a job's ---- */

static int resolve(struct job_loras *j, const char *model, struct err *e)
{
    for (int i = 0; i < j->count; i++) {
        const struct lora_item *item = &j->item[i];
        if (find_lora(item->name, model, j->path[i], e) < 0)
            return -1;
        j->use[i] = (struct lora_use){item->name, j->path[i], item->unet, item->text};
    }
    return 0;
}

/* The tags' LoRAs behind the `from` that are there. Returns the count. */
static int add_tags(const char *prompt, struct lora_item item[LORA_ITEMS], int from, struct err *e)
{
    struct prompt_tags tags;
    int n = prompt_tags_cut(prompt, false, &tags, e);
    if (n == 0)
        n = lora_list_tags(&tags, item, from, e);
    prompt_tags_free(&tags);
    return n;
}

void engine_missing_loras(const struct settings *s, const char *words,
                          void (*tell)(void *user, const char *line), void *user)
{
    struct lora_item *item = calloc(LORA_ITEMS, sizeof *item);
    const char *list = settings_text(s, "lora"), *said = settings_text(s, "model");
    char path[PATH_MAX], model[PATH_MAX];
    struct err e;
    if (!said || find_model(said, model, &e))
        model[0] = '\0';
    int n = item && list ? lora_list_parse(list, item, &e) : 0;
    int all = item && words ? add_tags(words, item, n > 0 ? n : 0, &e) : n;
    n = all > n ? all : n;
    for (int i = 0; i < n; i++) {
        int twin = 0;
        while (twin < i && strcmp(item[twin].name, item[i].name) != 0)
            twin++;
        if (twin == i && find_lora(item[i].name, model, path, &e) < 0)
            tell(user, e.text);
    }
    free(item);
}

int job_lora_names(const char *setting, const char *prompt, struct lora_item item[LORA_ITEMS],
                   struct err *e)
{
    int n = setting ? lora_list_parse(setting, item, e) : 0;
    return n < 0 ? -1 : add_tags(prompt, item, n, e);
}

static bool same_items(const struct lora_item *a, const struct lora_item *b, int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp(a[i].name, b[i].name) != 0 || a[i].unet != b[i].unet || a[i].text != b[i].text)
            return false;
    return true;
}

/* Does image `image` name what the first does? */
static int check_same(const struct job_loras *j, const char *prompt, int image, struct err *e)
{
    struct lora_item *own = calloc(LORA_ITEMS, sizeof *own);
    if (!own)
        return err_set(e, "out of memory");
    int n = add_tags(prompt, own, j->from_setting, e), from = j->from_setting;
    bool same = n == j->count && same_items(own + from, j->item + from, n - from);
    free(own);
    if (n >= 0 && !same)
        return err_set(
            e,
            "the images of one batch share their LoRAs, but the prompt of image %d names "
            "others than the first's; make one at a time",
            image + 1);
    return n < 0 ? -1 : 0;
}

struct job_loras *job_loras_find(const char *setting, char *const *prompts, int count,
                                 const char *model, struct err *e)
{
    struct job_loras *j = calloc(1, sizeof *j);
    if (!j) {
        err_set(e, "out of memory");
        return NULL;
    }
    j->from_setting = setting ? lora_list_parse(setting, j->item, e) : 0;
    j->count = j->from_setting < 0 ? -1 : add_tags(prompts[0], j->item, j->from_setting, e);
    int rc = j->count < 0 ? -1 : resolve(j, model, e);
    for (int i = 1; i < count && rc == 0; i++)
        rc = check_same(j, prompts[i], i, e);
    if (rc == 0)
        return j;
    free(j);
    return NULL;
}

/* ---- A1111's hash ---- */

/* SHA-256 of what follows the header (A1111's addnet_hash_safetensors). */
static void hash_data(const char *path, char out[13])
{
    enum { LIMIT = 64 << 20 };
    struct mapfile map;
    struct err e;
    char hex[65];
    uint64_t header = 0;
    if (mapfile_open(&map, path, &e) < 0)
        return;
    for (int i = 7; i >= 0 && map.size >= 8; i--)
        header = header << 8 | map.data[i];
    if (map.size >= 8 && map.size <= LIMIT && header <= map.size - 8) {
        digest_of(map.data + 8 + header, map.size - 8 - (size_t)header, hex);
        snprintf(out, 13, "%.12s", hex);
    }
    mapfile_close(&map);
}

void lora_hash(const char *path, char out[13])
{
    struct err e;
    struct safetensors *st = safetensors_open(path, &e);
    const char *own = st ? safetensors_metadata(st, "sshs_model_hash") : NULL;
    out[0] = '\0';
    if (own && strspn(own, "0123456789abcdefABCDEF") == strlen(own) && strlen(own) >= 12)
        snprintf(out, 13, "%.12s", own);
    else if (st)
        hash_data(path, out);
    safetensors_close(st);
}
