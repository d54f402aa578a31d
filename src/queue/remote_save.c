/*
 * What came of a job, as files, rows and events of this machine; see remote_priv.h.
 *
 * A worker may be broken or lie: all of a result is looked at before anything of it is written, so
 * that one that is refused leaves nothing behind.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fileio.h"
#include "base/json.h"
#include "engine/save.h"
#include "queue/remote_priv.h"
#include "sprite/png.h"

struct saving {
    struct remote *remote;
    struct flight *flight;
    const struct queue_result *result;
    struct json about, pictures;
    uint64_t seed;
    int width, height, steps;
    double load, text, sample, decode, finish, save, total, cfg;
    uint64_t peak, weights, activations;
    const char *sampler, *scheduler, *notes;
    double step_ms[ENGINE_MAX_STEPS];
    int nsteps;
    char *settings;
    struct png_file first; /* decoded when it was looked at, where it is the only one */
};

/* ---- what the worker says of it ---- */

static int number(struct json object, const char *key, double *out, struct err *e)
{
    return json_double(object, key, 0, 1e12, out, e);
}

static int read_times(struct saving *s, struct err *e)
{
    struct json ms = json_get(s->about, "ms"), steps = json_get(ms, "steps");
    if (number(ms, "load", &s->load, e) || number(ms, "text", &s->text, e) ||
        number(ms, "sample", &s->sample, e) || number(ms, "decode", &s->decode, e) ||
        number(ms, "finish", &s->finish, e) || number(ms, "save", &s->save, e) ||
        number(ms, "total", &s->total, e))
        return -1;
    for (struct json v = json_first(steps); v.node && s->nsteps < ENGINE_MAX_STEPS;
         v = json_next(v))
        if (!json_as_double(v, &s->step_ms[s->nsteps++]))
            return err_set(e, "its steps have no times");
    return 0;
}

static int read_about(struct saving *s, struct err *e)
{
    const char *seed;
    if (json_string(s->about, "seed", &seed, e))
        return -1;
    if (!*seed || strlen(seed) > 20 || seed[strspn(seed, "0123456789")])
        return err_set(e, "its seed is no number");
    s->seed = strtoull(seed, NULL, 10);
    json_as_u64(json_get(s->about, "peak"), &s->peak);
    json_as_u64(json_get(s->about, "weights"), &s->weights);
    json_as_u64(json_get(s->about, "activations"), &s->activations);
    s->pictures = json_get(s->about, "pictures");
    if (s->result->pictures != s->flight->packed.pictures)
        return err_set(e, "it has %d pictures, and %d were asked for", s->result->pictures,
                       s->flight->packed.pictures);
    if (json_count(s->pictures) != s->result->pictures)
        return err_set(e, "it has %d pictures and tells of %d", s->result->pictures,
                       json_count(s->pictures));
    if (json_int(s->about, "width", 1, IMAGE_MAX_SIDE, &s->width, e) ||
        json_int(s->about, "height", 1, IMAGE_MAX_SIDE, &s->height, e) ||
        json_int(s->about, "steps", 0, ENGINE_MAX_STEPS, &s->steps, e) ||
        json_string_or(s->about, "notes", NULL, &s->notes, e) ||
        json_string_or(s->about, "sampler", "", &s->sampler, e) ||
        json_string_or(s->about, "scheduler", "", &s->scheduler, e) ||
        json_double_or(s->about, "cfg", 0, 0, 1000, &s->cfg, e))
        return -1;
    return read_times(s, e);
}

/* ---- files and rows ---- */

static char *path_of(const struct saving *s, int index, struct err *e)
{
    const struct command *c = s->flight->command;
    if (index >= c->file_count)
        return sprite_path(s->remote->store, s->remote->folder, c->job, index, s->seed, e);
    char *path = strdup(c->files[index]);
    if (!path)
        err_set(e, "out of memory");
    return path;
}

static struct json picture_at(const struct saving *s, int index)
{
    struct json v = json_first(s->pictures);
    while (index-- > 0)
        v = json_next(v);
    return v;
}

struct told { /* of one picture */
    const char *prompt, *negative;
    int colors;
};

static int read_picture(const struct saving *s, int index, struct told *t, struct err *e)
{
    struct json one = picture_at(s, index);
    return json_string_or(one, "prompt", "", &t->prompt, e) ||
                   json_string_or(one, "negative", "", &t->negative, e) ||
                   json_int_or(one, "colors", 0, 0, 1 << 26, &t->colors, e)
               ? -1
               : 0;
}

static int add_row(struct saving *s, int index, char *path, const struct png_file *png, int64_t *id,
                   struct err *e)
{
    const struct command *c = s->flight->command;
    struct told told;
    if (read_picture(s, index, &told, e))
        return -1;
    *id = 0;
    if (!s->remote->store || (*id = sprite_row(s->remote->store, s->flight->command->job, path)))
        return 0;
    struct store_sprite row = {
        .job = c->job,
        .index = index,
        .path = path,
        .prompt = (char *)(uintptr_t)told.prompt,
        .negative = (char *)(uintptr_t)told.negative,
        .words = c->words ? c->words : "",
        .preset = c->preset,
        .settings = s->settings,
        .model = s->flight->packed.model,
        .seed = s->seed,
        .width = png->width,
        .height = png->height,
        .colors = told.colors,
        .steps = s->steps,
        .cfg = s->cfg,
        .sampler = (char *)(uintptr_t)s->sampler,
        .scheduler = (char *)(uintptr_t)s->scheduler,
        .ms_total = s->total,
        .ms_step = s->nsteps ? s->sample / s->nsteps : 0,
        .bytes_peak = (size_t)s->peak,
        .tags = "",
    };
    if (store_add_sprite(s->remote->store, &row, e))
        return err_prefix(e, "the sprite is in %s, but the database does not take it", path);
    *id = row.id;
    return 0;
}

static void tell_sprite(struct saving *s, int index, const char *path, struct png_file *png,
                        int64_t row)
{
    struct event *v = remote_event(EVENT_SPRITE, s->flight->command->job);
    if (!v)
        return;
    v->sprite = row;
    v->index = index;
    v->seed = s->seed;
    v->steps = s->steps;
    v->batch = s->result->pictures;
    v->width = png->width;
    v->height = png->height;
    if ((v->image = image_new(png->width, png->height)))
        memcpy(v->image->rgba, png->rgba, (size_t)png->width * (size_t)png->height * 4);
    if ((v->text = strdup(path)))
        text_sanitize(v->text);
    remote_emit(s->remote, v);
}

static int save_one(struct saving *s, int index, struct err *e)
{
    const struct queue_file *f = &s->result->picture[index];
    struct png_file png = s->first;
    char *path = path_of(s, index, e);
    int64_t row = 0;
    if (!path)
        return -1;
    s->first = (struct png_file){0};
    int rc = (!png.rgba && png_decode(f->data, f->size, true, &png, e)) ||
             file_write_atomic(path, f->data, f->size, e) || add_row(s, index, path, &png, &row, e);
    if (!rc)
        tell_sprite(s, index, path, &png, row);
    png_file_free(&png);
    free(path);
    return rc ? -1 : 0;
}

static int finish_row(struct saving *s, struct err *e)
{
    struct store_job row = {
        .id = s->flight->command->job,
        .ms_total = s->total,
        .ms_load = s->load,
        .ms_text = s->text,
        .ms_sample = s->sample,
        .ms_decode = s->decode,
        .ms_finish = s->finish,
        .ms_save = s->save,
        .ms_step = s->nsteps ? s->sample / s->nsteps : 0,
        .bytes_peak = (size_t)s->peak,
    };
    return s->remote->store ? store_finish_job(s->remote->store, &row, e) : 0;
}

static struct event *done(struct saving *s)
{
    struct event *v = remote_event(EVENT_DONE, s->flight->command->job);
    if (!v)
        return NULL;
    v->seed = s->seed;
    v->width = s->width;
    v->height = s->height;
    v->batch = s->result->pictures;
    v->times.load = s->load;
    v->times.text = s->text;
    v->times.sample = s->sample;
    v->times.decode = s->decode;
    v->times.finish = s->finish;
    v->times.save = s->save;
    v->times.total = s->total;
    v->bytes_peak = (size_t)s->peak;
    v->bytes_weights = (size_t)s->weights;
    v->bytes_activations = (size_t)s->activations;
    v->ms = s->nsteps ? s->sample / s->nsteps : 0;
    v->step = v->steps = s->nsteps;
    size_t bytes = (size_t)s->nsteps * sizeof *v->step_ms;
    if (bytes && (v->step_ms = malloc(bytes)))
        memcpy(v->step_ms, s->step_ms, bytes);
    else
        v->step = v->steps = 0;
    if (s->notes && (v->text = strdup(s->notes)))
        for (char *line = v->text, *end; line; line = end ? end + 1 : NULL) {
            if ((end = strchr(line, '\n')))
                *end = '\0';
            text_sanitize(line);
            if (end)
                *end = '\n';
        }
    return v;
}

/* Each picture is decoded for itself: together they may be larger than memory. */
static int check(struct saving *s, struct err *e)
{
    if (read_about(s, e))
        return -1;
    for (int i = 0; i < s->result->pictures; i++) {
        const struct queue_file *f = &s->result->picture[i];
        struct told told;
        png_file_free(&s->first);
        if (png_decode(f->data, f->size, true, &s->first, e))
            return err_prefix(e, "picture %d is none", i);
        if (read_picture(s, i, &told, e))
            return -1;
    }
    if (s->result->pictures > 1)
        png_file_free(&s->first);
    return 0;
}

static int save_all(struct saving *s, struct err *e)
{
    if (!(s->settings = settings_to_text(&s->flight->command->settings)))
        return err_set(e, "out of memory");
    for (int i = 0; i < s->result->pictures; i++)
        if (save_one(s, i, e))
            return -1;
    return finish_row(s, e);
}

enum saved remote_save(struct remote *r, struct flight *f, const struct queue_result *result,
                       struct event **last, struct err *e)
{
    struct saving *s = calloc(1, sizeof *s);
    enum saved rc = RESULT_REFUSED;
    *last = NULL;
    if (!s)
        return err_set(e, "out of memory"), NOT_SAVED;
    struct json_doc *doc = json_parse(result->about, result->about_size, "the result", e);
    s->remote = r;
    s->flight = f;
    s->result = result;
    if (doc)
        s->about = json_root(doc);
    if (doc && check(s, e) == 0)
        rc = save_all(s, e) ? NOT_SAVED : SAVED;
    if (rc == SAVED)
        *last = done(s);
    json_free(doc);
    png_file_free(&s->first);
    free(s->settings);
    free(s);
    return rc;
}
