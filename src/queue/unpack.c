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

/* ---- files of the message ---- */

static int place(const struct queue_message *m, const struct workplace *w, int i,
                 char path[PATH_MAX], struct err *e)
{
    int n = snprintf(path, PATH_MAX, "%s/%s", w->folder, m->file[i].name);
    return n < PATH_MAX ? 0 : err_set(e, "a path is too long");
}

static int write_files(const struct queue_message *m, const struct workplace *w, struct err *e)
{
    char path[PATH_MAX];
    for (int i = 0; i < m->files; i++) {
        for (int k = 0; k < i; k++)
            if (!strcmp(m->file[i].name, m->file[k].name))
                return err_set(e, "two of its files have one name");
        if (place(m, w, i, path, e) || file_write_atomic(path, m->file[i].data, m->file[i].size, e))
            return -1;
    }
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
    int rc = file_of(m, w, value, out, e);
    if (rc != 1)
        return rc;
    if (strlen(value) > 60 || strpbrk(value, "/\\") || access(value, F_OK) == 0)
        return err_set(e, "palette: a job from a queue names no file of the worker's");
    strcpy(out, value);
    return 0;
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
    return strlen(to->name) < 200 && !strpbrk(to->name, "/\\") && to->name[0] != '.'
               ? 0
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
            return is_the_same("the VAE", &want, path, e) || settings_set(s, "vae", path, e) ? -1
                                                                                             : 0;
    }
    return err_set(e, "this worker has no VAE '%s' in ~/.local/share/spritty/vae", want.name);
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

static int check_loras(const struct job *j, struct json needs, struct err *e)
{
    struct json list = json_get(needs, "loras");
    for (int i = 0; i < j->loras->count; i++) {
        bool found = false;
        for (struct json v = json_first(list); v.node && !found; v = json_next(v)) {
            struct wanted want;
            if (read_need(v, &want, e))
                return -1;
            found = !strcmp(want.name, j->loras->item[i].name);
            if (found && is_the_same("the LoRA", &want, j->loras->path[i], e))
                return -1;
        }
        if (!found)
            return err_set(e, "it names a LoRA '%s' without saying which", j->loras->item[i].name);
    }
    return 0;
}

/* ---- the job ---- */

static int refuse_places(const struct settings *s, struct err *e)
{
    static const char *const never[] = {"device", "threads", "tokenizer", "output",
                                        "vae",    "refiner", "prompt"};
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        if (settings_has(s, never[i]))
            return err_set(e, "%s is not the sender's to say", never[i]);
    const char *styles = settings_text(s, "styles");
    return styles && *styles ? err_set(e, "styles have to be applied before a job is sent") : 0;
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

/* Settles it once, as the engine will, to see which LoRAs it means, where it can mean any (which
 * takes a millisecond). */
static int check_job(const struct settings *s, const char *words, struct json needs, struct err *e)
{
    const char *lora = settings_text(s, "lora");
    if ((!lora || !*lora) && !strchr(words, '<'))
        return 0;
    struct job *j = malloc(sizeof *j);
    if (!j)
        return err_set(e, "out of memory");
    int rc = job_prepare(j, s, NULL, words, e) || check_loras(j, needs, e) ? -1 : 0;
    job_free(j);
    free(j);
    return rc;
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
    if (refuse_places(s, e) || write_files(m, w, e) || take_picture(s, "image", m, w, e) ||
        take_picture(s, "mask", m, w, e) || take_palettes(s, m, w, e) || take_vae(s, needs, e) ||
        take_refiner(s, needs, w->stock, e) || take_own(s, model, w, e))
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
