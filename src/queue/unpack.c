/* The worker's half of pack.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fileio.h"
#include "base/json.h"
#include "base/paths.h"
#include "engine/job.h"
#include "engine/job_text.h"
#include "queue/model_hash.h"
#include "queue/pack.h"
#include "sprite/palette.h"

/* ---- files of the message ---- */

static int place(const struct queue_message *m, const struct workplace *w, int i,
                 char path[PATH_MAX], struct err *e)
{
    /* Never one of the worker's own files there. */
    int n = snprintf(path, PATH_MAX, "%s/in-%d-%s", w->folder, i, m->file[i].name);
    return n < PATH_MAX ? 0 : err_set(e, "a path is too long");
}

static int write_files(const struct queue_message *m, const struct workplace *w, struct err *e)
{
    char path[PATH_MAX];
    for (int i = 0; i < m->files; i++)
        if (place(m, w, i, path, e) || file_write_atomic(path, m->file[i].data, m->file[i].size, e))
            return -1;
    return 0;
}

void job_unpack_clean(const struct queue_message *m, const struct workplace *w)
{
    char path[PATH_MAX];
    for (int i = 0; i < m->files; i++)
        if (place(m, w, i, path, NULL) == 0)
            unlink(path);
}

/* "in:0" to the path of that file. 1: it is none of the message's. */
static int file_of(const struct queue_message *m, const struct workplace *w, const char *value,
                   char path[PATH_MAX], struct err *e)
{
    if (strncmp(value, "in:", 3) != 0 || value[3] < '0' || value[3] > '9' || value[4])
        return 1;
    int i = value[3] - '0';
    if (i >= m->files)
        return err_set(e, "it names a file %d and has %d", i, m->files);
    return place(m, w, i, path, e);
}

static int take_picture(struct settings *s, const char *key, const struct queue_message *m,
                        const struct workplace *w, struct err *e)
{
    char path[PATH_MAX];
    const char *value = settings_text(s, key);
    if (!value || !*value)
        return 0;
    int rc = file_of(m, w, value, path, e);
    if (rc == 1)
        err_set(e, "%s: a job from a queue names no file of the worker's", key);
    return rc ? -1 : settings_set(s, key, path, e);
}

/* A palette that ships, or a file of the message. */
static int palette_path(const char *value, const struct queue_message *m, const struct workplace *w,
                        char out[PATH_MAX], struct err *e)
{
    const char *name;
    int rc = file_of(m, w, value, out, e);
    for (int i = 0; rc == 1 && (name = palette_shipped_name(i)); i++)
        if (!strcmp(name, value)) {
            strcpy(out, value);
            rc = 0;
        }
    return rc == 1 ? err_set(e, "palette: it is none that ships, and a job from a queue names no "
                                "file of the worker's")
                   : rc;
}

static int take_palettes(struct settings *s, const struct queue_message *m,
                         const struct workplace *w, struct err *e)
{
    char a[PATH_MAX], b[PATH_MAX], *both = NULL;
    const char *palette = settings_text(s, "palette"), *swap = settings_text(s, "swap");
    if (palette && *palette &&
        (palette_path(palette, m, w, a, e) || settings_set(s, "palette", a, e)))
        return -1;
    if (!swap || !*swap)
        return 0;
    char *from = strdup(swap), *to = from ? strchr(from, '=') : NULL;
    int rc = to ? 0 : err_set(e, "swap is FROM=TO");
    if (to)
        *to++ = '\0';
    rc = rc ? rc : palette_path(from, m, w, a, e) || palette_path(to, m, w, b, e);
    if (!rc && asprintf(&both, "%s=%s", a, b) < 0)
        rc = err_set(e, "out of memory"), both = NULL;
    rc = rc ? -1 : settings_set(s, "swap", both, e);
    free(both);
    free(from);
    return rc;
}

/* ---- what it needs ---- */

struct wanted {
    const char *name, *sha;
};

static int read_need(struct json object, struct wanted *to, struct err *e)
{
    if (json_string(object, "name", &to->name, e) || json_string(object, "sha256", &to->sha, e))
        return -1;
    return goes_by_name(to->name) ? 0
                                  : err_set(e, "a job from a queue names no path of the worker's");
}

static int is_the_same(const char *what, const struct wanted *want, const char *path, struct err *e)
{
    char have[65];
    if (model_hash(path, have, e))
        return -1;
    return strcmp(have, want->sha) == 0
               ? 0
               : err_set(e, "%s '%s' of this worker is another file than the sender's", what,
                         want->name);
}

/* The name and no path goes on, which means the same: the picture tells it to who asked for it. */
static int take_vae(struct settings *s, struct json needs, struct err *e)
{
    static const char *const endings[] = {"", ".safetensors"};
    struct json v = json_get(needs, "vae");
    struct wanted want;
    char relative[300], path[PATH_MAX];
    if (!json_is_set(v))
        return 0;
    if (read_need(v, &want, e))
        return -1;
    for (int i = 0; i < 2; i++) {
        snprintf(relative, sizeof relative, "vae/%s%s", want.name, endings[i]);
        if (place_path(PLACE_DATA, relative, path) && access(path, F_OK) == 0)
            return is_the_same("the VAE", &want, path, e) || settings_set(s, "vae", want.name, e)
                       ? -1
                       : 0;
    }
    return err_set(e, "this worker has no VAE '%s' in ~/.local/share/spritty/vae", want.name);
}

static int take_control(struct settings *s, struct json needs, struct err *e)
{
    struct json v = json_get(needs, "control");
    struct wanted want;
    char path[PATH_MAX];
    if (!json_is_set(v))
        return settings_set(s, "control", "", e);
    if (read_need(v, &want, e))
        return -1;
    if (!control_listed(want.name, path))
        return err_set(e,
                       "this worker has no ControlNet '%s' in ~/.local/share/spritty/controlnets",
                       want.name);
    return is_the_same("the ControlNet", &want, path, e) ? -1
                                                         : settings_set(s, "control", want.name, e);
}

static int take_refiner(struct settings *s, struct json needs, const struct stock *stock,
                        struct err *e)
{
    struct json v = json_get(needs, "refiner");
    struct wanted want;
    if (!json_is_set(v))
        return 0;
    if (read_need(v, &want, e))
        return -1;
    const char *path = stock_find(stock, want.sha);
    return path ? settings_set(s, "refiner", path, e)
                : err_set(e, "this worker has no refiner '%s' of the sender's hash", want.name);
}

/* Is it in the list `key` of what the job needs, with the file's hash? -1: no, and err says whether
 * there is one of that name alone. */
static int find_need(struct json needs, const char *key, const char *what, const char *name,
                     const char *path, struct err *e)
{
    bool another = false;
    for (struct json v = json_first(json_get(needs, key)); v.node; v = json_next(v)) {
        struct wanted want;
        if (read_need(v, &want, e))
            return -1;
        if (strcmp(want.name, name) != 0)
            continue;
        if (is_the_same(what, &want, path, e) == 0)
            return 0;
        another = true;
    }
    return another
               ? -1
               : err_set(e, "it names %s '%.100s' and does not say which file that is", what, name);
}

static int check_lora(const char *name, const char *model, struct json needs, struct err *e)
{
    char path[PATH_MAX];
    if (!goes_by_name(name))
        return err_set(e, "lora: a job from a queue names no path of the worker's");
    if (!lora_listed(name, model, path))
        return err_set(e, "this worker has no LoRA '%.100s' in ~/.local/share/spritty/loras", name);
    return find_need(needs, "loras", "the LoRA", name, path, e);
}

static int check_loras(const struct settings *s, const char *words, struct json needs,
                       struct err *e)
{
    struct job *j = calloc(1, sizeof *j);
    struct lora_item *item = calloc(LORA_ITEMS, sizeof *item);
    int n = 0, rc = j && item ? 0 : err_set(e, "out of memory");
    if (!rc)
        rc = job_settle(j, s, NULL, e) || job_prompts_make(&j->prompts, &j->settings, words, e);
    if (!rc)
        n = job_lora_names(settings_text(&j->settings, "lora"), j->prompts.prompt[0], item, e);
    for (int i = 0; !rc && i < n; i++)
        rc = check_lora(item[i].name, j->model, needs, e);
    if (j)
        job_free(j);
    free(j);
    free(item);
    return rc || n < 0 ? -1 : 0;
}

/* Those that the prompts mean here have to be those that they meant there. */
static int check_embeddings(const struct embeddings *used, struct json needs, struct err *e)
{
    for (int i = 0; i < used->count; i++)
        if (embedding_used(&used->at[i]) &&
            find_need(needs, "embeddings", "the embedding", used->at[i].name, used->at[i].path, e))
            return -1;
    for (struct json v = json_first(json_get(needs, "embeddings")); v.node; v = json_next(v)) {
        struct wanted want;
        bool found = false;
        if (read_need(v, &want, e))
            return -1;
        for (int i = 0; i < used->count && !found; i++)
            found = embedding_used(&used->at[i]) && !strcmp(used->at[i].name, want.name);
        if (!found)
            return err_set(e,
                           "this worker has no embedding '%s' in ~/.local/share/spritty/embeddings",
                           want.name);
    }
    return 0;
}

/* ---- the job ---- */

static int refuse_places(const struct settings *s, const char *words, struct err *e)
{
    static const char *const never[] = {"device", "threads", "tokenizer", "output",
                                        "vae",    "refiner", "prompt",    "control"};
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        if (settings_has(s, never[i]))
            return err_set(e, "%s is not the sender's to say", never[i]);
    const char *styles = settings_text(s, "styles"), *negative = settings_text(s, "negative");
    if (styles && *styles)
        return err_set(e, "styles have to be applied before a job is sent");
    bool dynamic = !settings_has(s, "dynamic") || s->dynamic;
    return dynamic && (strstr(words, "__") || (negative && strstr(negative, "__")))
               ? err_set(e, "wildcards have to be expanded before a job is sent")
               : 0;
}

/* The worker's own over what was sent. */
static int take_own(struct settings *s, const char *model, const struct workplace *w, struct err *e)
{
    char threads[16];
    snprintf(threads, sizeof threads, "%d", w->threads);
    return settings_set(s, "model", model, e) || settings_set(s, "device", w->device, e) ||
                   settings_set(s, "threads", threads, e) ||
                   settings_set(s, "prompt", "{prompt}", e)
               ? -1
               : 0;
}

static bool may_mean(const struct settings *s, const char *words, const char *marks,
                     const char *word)
{
    const char *texts[] = {words, settings_text(s, "negative")};
    for (int i = 0; i < 2; i++)
        if (texts[i] && (strpbrk(texts[i], marks) || strstr(texts[i], word)))
            return true;
    return false;
}

/* Settles it once, as the engine will, to see which LoRAs and embeddings it means, where it can
 * mean any (which takes a millisecond or two). The engine draws nothing anew: there is a seed. */
static int check_job(const struct settings *s, const char *words, struct json needs, struct err *e)
{
    const char *lora = settings_text(s, "lora"), *compat = settings_text(s, "compat");
    struct embeddings used = {0};
    if (!settings_has(s, "seed") || s->random_seed)
        return err_set(e, "it has no seed");
    if (((lora && *lora) || may_mean(s, words, "<{", "<")) && check_loras(s, words, needs, e))
        return -1;
    if (!may_mean(s, words, "{", "embedding:") && !(compat && !strcmp(compat, "a1111")) &&
        json_count(json_get(needs, "embeddings")) == 0)
        return 0;
    struct job *j = calloc(1, sizeof *j);
    int rc = j ? job_prepare(j, s, NULL, words, e) : err_set(e, "out of memory");
    if (!rc)
        rc = pipeline_embeddings(j->model, &j->options, &j->params, &used, e);
    if (!rc)
        rc = check_embeddings(&used, needs, e);
    embeddings_free(&used);
    if (j)
        job_free(j);
    free(j);
    return rc ? -1 : 0;
}

static int unpack(const struct queue_message *m, const struct workplace *w, struct job_text *t,
                  struct json needs, struct err *e)
{
    struct settings *s = &t->settings;
    const char *model = stock_find(w->stock, m->model);
    if (!model)
        return err_set(e, "this worker does not have the model");
    if (t->preset)
        return err_set(e, "presets have to be applied before a job is sent");
    if (refuse_places(s, t->prompt, e) || write_files(m, w, e) ||
        take_picture(s, "image", m, w, e) || take_picture(s, "mask", m, w, e) ||
        take_picture(s, "control-image", m, w, e) || take_control(s, needs, e) ||
        take_palettes(s, m, w, e) || take_vae(s, needs, e) || take_refiner(s, needs, w->stock, e) ||
        take_own(s, model, w, e))
        return -1;
    return check_job(s, t->prompt, needs, e);
}

int job_unpack(const struct queue_message *m, const struct workplace *w, struct command **out,
               struct err *e)
{
    struct job_text t;
    *out = NULL;
    if (job_text_parse(m->job, m->job_size, "the job", &t, e))
        return -1;
    struct json_doc *needs = json_parse(m->needs, m->needs_size, "the job's needs", e);
    int rc = needs ? unpack(m, w, &t, json_root(needs), e) : -1;
    struct command *c = rc ? NULL : command_new(COMMAND_RUN);
    if (c) {
        c->words = t.prompt;
        c->settings = t.settings;
        t.prompt = NULL;
        t.settings = (struct settings){0};
        *out = c;
    } else if (!rc) {
        rc = err_set(e, "out of memory");
    }
    json_free(needs);
    job_text_free(&t);
    return rc;
}
