/* The feeder: a job's text to a job that can run; see batch_priv.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fileio.h"
#include "base/paths.h"
#include "engine/batch_priv.h"
#include "engine/save.h"
#include "prompt/lora_list.h"

enum { IMAGE_FILE_MAX = 64 << 20 };

/* ---- which jobs go together ---- */

/* All that is sampled with, in text: the settings that count, and LoRAs of the prompt. */
static char *kind_text(const struct job *j)
{
    char *text = NULL, value[64], one[LORA_ITEM_NAME + 64];
    size_t size;
    FILE *f = open_memstream(&text, &size);
    if (!f)
        return NULL;
    fprintf(f, "%s\n%s\n", j->model, j->tokenizer);
    for (int i = 0; settings_key(i); i++) {
        const struct settings_key *k = settings_key(i);
        if (batch_key_is_own(k) || !settings_has(&j->settings, k->name))
            continue;
        bool words = k->type == KEY_TEXT || k->type == KEY_CHOICE;
        if (!words)
            settings_print(&j->settings, k->name, value, sizeof value);
        fprintf(f, "%s = %s\n", k->name, words ? settings_text(&j->settings, k->name) : value);
        if (k->type == KEY_REAL) /* which is printed short */
            fprintf(f, "%a\n", *(const double *)((const char *)&j->settings + k->at));
    }
    for (int i = 0; i < j->loras->count; i++) {
        lora_item_print(&j->loras->item[i], one, sizeof one);
        fprintf(f, "%s %s\n", one, j->loras->path[i]);
    }
    if (fclose(f)) {
        free(text);
        return NULL;
    }
    return text;
}

/* A1111's AND makes calls of another shape; diffusers draws an image's latent from the seed. */
static bool is_alone(const struct job *j)
{
    bool parts = false;
    for (int i = 0; i < j->prompts.count; i++)
        parts = parts || strstr(j->prompts.text[i], "AND");
    return (parts && j->params.compat == COMPAT_A1111) ||
           (j->params.image && j->params.compat == COMPAT_DIFFUSERS);
}

static int find_kind(struct unit *u, struct err *e)
{
    char *text = kind_text(&u->job);
    if (!text)
        return err_set(e, "out of memory");
    u->kind = idset_key(text);
    u->alone = is_alone(&u->job);
    free(text);
    return 0;
}

/* ---- files ---- */

static char *path_of(const struct batch *b, const char *full, int batch, int index)
{
    char *path = NULL, *name = sprite_file(full, batch, index);
    int n = name ? asprintf(&path, "%s/%s", b->o->folder, name) : -1;
    free(name);
    return n < 0 ? NULL : path;
}

/* The folders that an output names are made. */
static int make_folder(const char *file, struct err *e)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(file, '/');
    if (!slash || slash == file || (size_t)(slash - file) >= sizeof folder)
        return 0;
    snprintf(folder, sizeof folder, "%.*s", (int)(slash - file), file);
    return file_make_folders(folder, e);
}

static int name_files(struct batch *b, struct unit *u, struct err *e)
{
    size_t n = (size_t)u->job.params.batch;
    const char *output = settings_text(&u->in.text.settings, "output");
    bool said = output && *output, added;
    char full[PATH_MAX];
    if (batch_output(&u->in, full, e))
        return -1;
    u->files = calloc(n, sizeof *u->files);
    u->sha256 = calloc(n, sizeof *u->sha256);
    for (size_t i = 0; u->files && u->sha256 && i < n; i++) {
        if (!(u->files[i] = path_of(b, full, (int)n, (int)i)))
            return err_set(e, "out of memory");
        const long *line = idset_put(&b->names, idset_key(u->files[i]), u->in.line, &added);
        if (!line)
            return err_set(e, "out of memory");
        if (!added)
            return err_set(e, "the job of line %ld writes %s as well: name another output", *line,
                           u->files[i]);
        if (results_owns(b->results, u->files[i]))
            return err_set(e, "%s is another job's, which is done: name another output",
                           u->files[i]);
        if ((said && make_folder(u->files[i], e)) || file_check_target(u->files[i], e))
            return -1;
    }
    return u->files && u->sha256 ? 0 : err_set(e, "out of memory");
}

/* ---- a job ---- */

static int check_image(const struct settings *s, const char *key, struct err *e)
{
    const char *path = settings_text(s, key);
    struct stat st;
    if (!path || !*path || stat(path, &st) || st.st_size <= IMAGE_FILE_MAX)
        return 0;
    return err_set(e, "%s %s has %lld MiB; a job's pictures may have %d", key, path,
                   (long long)st.st_size >> 20, IMAGE_FILE_MAX >> 20);
}

static void note_places(struct batch *b, const struct settings *s)
{
    bool device = settings_has(s, "device") && strcmp(s->device, "auto") != 0;
    if (!device && !settings_has(s, "threads"))
        return;
    pthread_mutex_lock(&b->lock);
    notes_add(&b->notes, "jobs say a device or threads of their own; all run on the command's");
    pthread_mutex_unlock(&b->lock);
}

static int prepare(struct batch *b, struct unit *u, struct err *e)
{
    struct job_text *t = &u->in.text;
    note_places(b, &t->settings);
    if (check_image(&t->settings, "image", e) || check_image(&t->settings, "mask", e) ||
        check_image(&t->settings, "control-image", e) ||
        job_prepare_with(&u->job, &b->config, &t->settings, t->preset, t->prompt, e))
        return -1;
    return find_kind(u, e) || name_files(b, u, e) ? -1 : 0;
}

/* 1: a unit, 0: no more, -1: no more can be read. ms: what it took, once there was something. */
static int next_unit(struct batch *b, struct unit **out, struct err *e, double *ms)
{
    struct unit *u = calloc(1, sizeof *u);
    if (!u)
        return err_set(e, "out of memory");
    double began = clock_ms();
    int rc = batch_jobs_next(b->jobs, &u->in, e);
    if (b->piped) /* the waiting is not ours */
        began = clock_ms();
    if (rc == 1 && prepare(b, u, e))
        rc = -1;
    *ms = clock_ms() - began;
    if (rc == 0 || rc == -2) {
        free(u);
        return rc ? -1 : 0;
    }
    if (rc == -1)
        unit_fail(u, e);
    *out = u;
    return 1;
}

void *batch_feed(void *arg)
{
    struct batch *b = arg;
    struct unit *u = NULL;
    struct err e = {""};
    double ms = 0;
    int rc = 1;
    pthread_mutex_lock(&b->lock);
    while (!b->stop && rc == 1) {
        if (b->pending.count >= batch_room(b)) {
            pthread_cond_wait(&b->changed, &b->lock);
            continue;
        }
        b->reading = true;
        pthread_mutex_unlock(&b->lock);
        rc = next_unit(b, &u, &e, &ms);
        pthread_mutex_lock(&b->lock);
        b->feed_ms += ms;
        b->reading = false;
        if (rc == 1)
            queue_put(u->has_error ? &b->done : &b->pending, u);
        else if (rc < 0 && !b->stop)
            batch_stop(b, &e);
        pthread_cond_broadcast(&b->changed);
    }
    b->fed = true;
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->lock);
    return NULL;
}
