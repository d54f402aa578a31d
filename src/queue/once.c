/* See once.h. */
#include "queue/once.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "queue/remote.h"

enum { LOOK_MS = 100 };

/* The stage's name for as long as the program runs, as progress keeps it. */
static const char *stage_name(const char *stage)
{
    static const char *const names[] = {"queue",  "load",  "lora",   "text",   "encode", "sample",
                                        "refine", "hires", "decode", "finish", "save"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(names[i], stage))
            return names[i];
    return "queue";
}

static struct command *command_of(const struct once *o)
{
    struct command *c = command_new(COMMAND_RUN);
    struct err e;
    if (!c)
        return NULL;
    c->job = 1;
    c->words = strdup(o->words);
    c->preset = o->preset ? strdup(o->preset) : NULL;
    c->files = calloc((size_t)o->count, sizeof *c->files);
    for (int i = 0; c->files && i < o->count; i++)
        c->file_count += (c->files[i] = strdup(o->files[i])) != NULL;
    if (!c->words || c->file_count != o->count || settings_fill(&c->settings, o->settings, &e)) {
        command_free(c);
        return NULL;
    }
    return c;
}

/* False: the job is to be given up. */
static bool tell(const struct once *o, const struct event *v)
{
    struct gen_progress g = {.stage = v ? stage_name(v->stage) : "queue"};
    if (v) {
        g.step = v->step;
        g.steps = v->steps;
        g.work = v->work;
        g.ms = v->ms;
        g.later = v->later;
        g.bytes_now = v->bytes_now;
        g.bytes_peak = v->bytes_peak;
    }
    return o->step(o->user, &g);
}

static void note(const struct once *o, const char *text)
{
    if (text && *text)
        o->note(o->user, text);
}

/* The job's end. */
static int judge(const struct once *o, const struct event *v, struct err *e)
{
    if (v->kind == EVENT_DONE) {
        note(o, v->text);
        return 0;
    }
    return err_set(e, "%s", v->kind == EVENT_FAILED && v->text ? v->text : "cancelled");
}

static int wait_for_end(const struct once *o, struct remote *r, double *finish, double *save,
                        struct err *e)
{
    struct pollfd p = {.fd = remote_fd(r), .events = POLLIN};
    bool cancelled = false, going = tell(o, NULL);
    struct gen_progress same = {.stage = "queue"};
    for (;;) {
        struct event *v = remote_next(r);
        if (!v) {
            poll(&p, 1, LOOK_MS);
            going = going && o->step(o->user, &same);
        } else if (v->kind >= EVENT_DONE) {
            int rc = judge(o, v, e);
            *finish = v->times.finish;
            *save = v->times.save;
            event_free(v);
            return rc;
        } else if (v->kind == EVENT_STAGE || v->kind == EVENT_STEP) {
            if (!strcmp(v->stage, "queue"))
                note(o, v->text);
            going = tell(o, v) && going;
            same = (struct gen_progress){.stage = stage_name(v->stage),
                                         .step = v->step,
                                         .steps = v->steps,
                                         .work = {0, v->work.done, v->work.all},
                                         .later = v->later,
                                         .bytes_now = v->bytes_now};
        }
        event_free(v);
        if (!going && !cancelled) {
            remote_cancel(r, 1);
            cancelled = true;
        }
    }
}

int queue_once(const struct once *o, double *finish, double *save, struct err *e)
{
    struct command *c = command_of(o);
    if (!c)
        return err_set(e, "out of memory");
    struct remote *r = remote_start(&(struct remote_options){.url = o->url}, e);
    int rc = -1;
    if (r) {
        remote_send(r, c); /* there is room for one */
        rc = wait_for_end(o, r, finish, save, e);
    } else {
        command_free(c);
    }
    remote_stop(r);
    return rc;
}
