/* The answers of engine.h that need no thread: what a job would run with, and which models there
 * are. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mapfile.h"
#include "base/paths.h"
#include "engine/engine.h"
#include "engine/job.h"

/* ---- settings ---- */

/* Keys that no layer need say. */
static const char *const silent[][2] = {
    {"tokenizer", ""}, {"negative", ""}, {"raw", "no"}, {"image", ""},   {"mask", ""},
    {"vae", ""},       {"refiner", ""},  {"lora", ""},  {"control", ""}, {"control-image", ""}};

/* Sizes that follow from others; without a second pass there is none of it. */
static int say_sizes(struct settings *s, struct err *e)
{
    static const char *const told[] = {"original-size", "target-size", "hires-size"};
    char own[40];
    int hires[2];
    inputs_hires_size(s, hires);
    for (int i = 0; i < (hires[0] > 0 ? 3 : 2); i++) {
        snprintf(own, sizeof own, "%dx%d", i == 2 ? hires[0] : s->width,
                 i == 2 ? hires[1] : s->height);
        if (!settings_has(s, told[i]) && settings_set(s, told[i], own, e))
            return -1;
    }
    return settings_has(s, "crop") ? 0 : settings_set(s, "crop", "0x0", e);
}

int engine_settle(const struct settings *said, const char *preset, struct settings *out,
                  struct err *e)
{
    struct job j;
    int rc = job_settle(&j, said, preset, e);
    for (size_t i = 0; i < sizeof silent / sizeof *silent && rc == 0; i++)
        if (!settings_has(&j.settings, silent[i][0]))
            rc = settings_set(&j.settings, silent[i][0], silent[i][1], e);
    rc = rc ? rc : say_sizes(&j.settings, e);
    rc = rc ? rc : finishing_fill(&j.settings, e);
    *out = (struct settings){0};
    if (rc == 0) {
        *out = j.settings;
        j.settings = (struct settings){0};
    }
    job_free(&j);
    return rc;
}

bool stage_samples(const char *stage)
{
    return !strcmp(stage, "sample") || !strcmp(stage, "refine") || !strcmp(stage, "hires");
}

/* ---- models ---- */

struct names {
    char **at;
    int count;
};

static bool has(const struct names *n, const char *name)
{
    for (int i = 0; i < n->count; i++)
        if (!strcmp(n->at[i], name))
            return true;
    return false;
}

/* Without memory the list is shorter. */
static void add(struct names *n, const char *name)
{
    char safe[256];
    snprintf(safe, sizeof safe, "%s", name);
    text_sanitize(safe);
    if (has(n, name) || strcmp(safe, name) != 0) /* find_model's rule, and safe to show */
        return;
    char **more = realloc(n->at, ((size_t)n->count + 1) * sizeof *more);
    if (!more)
        return;
    n->at = more;
    n->at[n->count] = strdup(name);
    n->count += n->at[n->count] != NULL;
}

/* A folder with a model_index.json by its name, NAME.safetensors by NAME. */
static void add_entry(struct names *n, const char *folder, const char *entry)
{
    static const char ending[] = ".safetensors";
    struct path path, index;
    char name[256];
    struct err e;
    size_t len = strlen(entry), end = sizeof ending - 1;
    if (entry[0] == '.' || len >= 200 || path_join(&path, folder, entry, &e) < 0)
        return;
    if (len > end && !strcmp(entry + len - end, ending) && file_exists(path.text)) {
        snprintf(name, sizeof name, "%.*s", (int)(len - end), entry);
        add(n, name);
    } else if (path_join(&index, path.text, "model_index.json", &e) == 0 &&
               file_exists(index.text)) {
        add(n, entry);
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int engine_models(char ***names)
{
    static const enum home places[] = {PLACE_DATA, PLACE_SHARE};
    struct names n = {0};
    char folder[PATH_MAX];
    for (int i = 0; i < 2; i++) {
        DIR *d = place_path(places[i], "models", folder) ? opendir(folder) : NULL;
        for (struct dirent *f; d && (f = readdir(d));)
            add_entry(&n, folder, f->d_name);
        if (d)
            closedir(d);
    }
    if (n.count > 0)
        qsort(n.at, (size_t)n.count, sizeof *n.at, by_name);
    *names = n.at;
    return n.count;
}
