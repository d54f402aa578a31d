/* A thread that finishes; see finisher.h. */
#include "engine/finisher.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/thread.h"
#include "engine/finishing.h"

/* What is finished. */
struct picture {
    struct image *image; /* NULL: nothing */
    struct keep *keep;   /* or NULL */
    int cell;
};

struct finisher {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool quit, working;
    struct picture picture;          /* copies; replaced, never changed */
    uint64_t pictures, asked, taken; /* counters; taken: the last question that was begun */
    struct settings settings;
    char without[40];
    bool has_answer;
    struct finished answer;
};

void finisher_leave_out(struct settings *s, const char *key)
{
    static const char *const off[][2] = {
        {"cell", "none"},   {"pixels", "0x0"},    {"background", "keep"},    {"fringe", "keep"},
        {"holes", "no"},    {"colors", "all"},    {"palette", ""},           {"dither", "none"},
        {"swap", ""},       {"clean", "none"},    {"outline", "none"},       {"trim", "no"},
        {"pad", "0"},       {"canvas", "0x0"},    {"power-of-two", "no"},    {"anchor", "none"},
        {"tolerance", "0"}, {"method", "centre"}, {"outline-color", "auto"},
    };
    struct err e;
    for (size_t i = 0; i < sizeof off / sizeof *off; i++)
        if (!strcmp(key, off[i][0]))
            settings_set(s, key, off[i][1], &e);
}

static void picture_free(struct picture *p)
{
    image_free(p->image);
    free(p->keep);
    *p = (struct picture){0};
}

static int finish(const struct settings *s, const struct picture *p, struct image **out,
                  struct finish_report *r, struct err *e)
{
    struct finishing *f = malloc(sizeof *f);
    const struct image *m = p->image;
    int rc = f ? finishing_prepare(f, s, p->cell, e) : err_set(e, "out of memory");
    if (!rc && p->keep)
        finishing_keep(f, p->keep);
    if (!rc)
        rc = finishing_run(f, &m, 1, out, r, e);
    free(f);
    return rc;
}

/* The cells alone, or all but one step. */
static int before(const struct settings *s, const char *without, const struct picture *p,
                  struct image **out, struct err *e)
{
    static const char *const all[] = {"background", "colors", "palette",      "swap",
                                      "dither",     "clean",  "outline",      "trim",
                                      "pad",        "canvas", "power-of-two", "anchor"};
    struct settings less = {0};
    struct finish_report r;
    int rc = settings_fill(&less, s, e);
    if (!rc && *without)
        finisher_leave_out(&less, without);
    for (size_t i = 0; !rc && !*without && i < sizeof all / sizeof *all; i++)
        finisher_leave_out(&less, all[i]);
    rc = rc ? rc : finish(&less, p, out, &r, e);
    settings_free(&less);
    return rc;
}

static void work(const struct settings *s, const char *without, const struct picture *p,
                 struct finished *out)
{
    struct err e = {""};
    if (finish(s, p, &out->after, &out->report, &e) || before(s, without, p, &out->before, &e)) {
        image_free(out->after);
        out->after = out->before = NULL;
        snprintf(out->text, sizeof out->text, "%.190s", e.text);
        text_sanitize(out->text);
    }
}

static void answer_free(struct finished *a)
{
    image_free(a->after);
    image_free(a->before);
    *a = (struct finished){0};
}

/* One question: the lock is held before and after, not while it works. */
static void answer(struct finisher *f)
{
    struct finished out = {.question = f->asked};
    struct settings s = {0};
    struct err e = {""};
    char without[sizeof f->without];
    struct picture p = f->picture;
    uint64_t pictures = f->pictures;
    memcpy(without, f->without, sizeof without);
    f->taken = f->asked;
    if (settings_fill(&s, &f->settings, &e))
        snprintf(out.text, sizeof out.text, "%.190s", e.text);
    f->picture = (struct picture){0}; /* ours for now */
    f->working = true;
    pthread_mutex_unlock(&f->lock);
    if (!*out.text)
        work(&s, without, &p, &out);
    settings_free(&s);
    pthread_mutex_lock(&f->lock);
    f->working = false;
    if (f->pictures == pictures)
        f->picture = p;
    else
        picture_free(&p);
    answer_free(&f->answer);
    f->answer = out;
    f->has_answer = f->pictures == pictures;
    if (!f->has_answer)
        answer_free(&f->answer);
}

static void *run(void *user)
{
    struct finisher *f = user;
    pthread_mutex_lock(&f->lock);
    while (!f->quit) {
        if (f->taken == f->asked || !f->picture.image)
            pthread_cond_wait(&f->wake, &f->lock);
        else
            answer(f);
    }
    pthread_mutex_unlock(&f->lock);
    return NULL;
}

struct finisher *finisher_new(struct err *e)
{
    struct finisher *f = calloc(1, sizeof *f);
    if (!f) {
        err_set(e, "out of memory");
        return NULL;
    }
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->wake, NULL);
    int rc = thread_start(&f->thread, 0, run, f);
    if (rc) {
        free(f);
        err_set(e, "the system gives no thread for finishing");
        return NULL;
    }
    return f;
}

void finisher_free(struct finisher *f)
{
    if (!f)
        return;
    pthread_mutex_lock(&f->lock);
    f->quit = true;
    pthread_cond_signal(&f->wake);
    pthread_mutex_unlock(&f->lock);
    pthread_join(f->thread, NULL);
    pthread_cond_destroy(&f->wake);
    pthread_mutex_destroy(&f->lock);
    picture_free(&f->picture);
    answer_free(&f->answer);
    settings_free(&f->settings);
    free(f);
}

int finisher_picture(struct finisher *f, const struct image *m, int cell, const struct keep *keep)
{
    struct picture copy = {image_copy(m), keep ? keep_copy(keep) : NULL, cell};
    if (!copy.image || (keep && !copy.keep)) {
        picture_free(&copy);
        return -1;
    }
    pthread_mutex_lock(&f->lock);
    picture_free(&f->picture);
    f->picture = copy;
    f->pictures++;
    f->taken = f->asked; /* what was asked was about the other */
    f->has_answer = false;
    answer_free(&f->answer);
    pthread_mutex_unlock(&f->lock);
    return 0;
}

uint64_t finisher_ask(struct finisher *f, const struct settings *s, const char *without)
{
    struct settings copy = {0};
    struct err e;
    if (settings_fill(&copy, s, &e)) {
        settings_free(&copy);
        return 0;
    }
    pthread_mutex_lock(&f->lock);
    settings_free(&f->settings);
    f->settings = copy;
    snprintf(f->without, sizeof f->without, "%s", without ? without : "");
    uint64_t number = ++f->asked;
    pthread_cond_signal(&f->wake);
    pthread_mutex_unlock(&f->lock);
    return number;
}

bool finisher_take(struct finisher *f, struct finished *out)
{
    pthread_mutex_lock(&f->lock);
    bool has = f->has_answer;
    if (has) {
        *out = f->answer;
        f->answer = (struct finished){0};
        f->has_answer = false;
    }
    pthread_mutex_unlock(&f->lock);
    return has;
}

bool finisher_busy(struct finisher *f)
{
    pthread_mutex_lock(&f->lock);
    bool busy = f->has_answer || f->working || (f->picture.image && f->taken != f->asked);
    pthread_mutex_unlock(&f->lock);
    return busy;
}
