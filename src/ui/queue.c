/*
 * Jobs between the studio, the store and the engine; see ui.h.
 *
 * The store's rows are the queue; what is kept here is a copy. The pool has as many jobs as it has
 * idle devices for, so that all others can still be moved and taken back.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ui/ui.h"

enum { PAST = 50 };

/* ---- the copy of the store ---- */

static void complain(struct ui *ui, const struct err *e)
{
    ui_say(ui, ROLE_BAD, "%s", e->text);
}

static bool is_seed(const char *line)
{
    return !strncmp(line, "seed = ", 7) || !strncmp(line, "wildcard-seed = ", 16);
}

static const char *line_after(const char *line)
{
    line += strcspn(line, "\n");
    return line + (*line == '\n');
}

/* Settings that differ in seeds alone do. */
static bool take_as_long(const char *a, const char *b)
{
    for (a = a ? a : "", b = b ? b : "";; a = line_after(a), b = line_after(b)) {
        while (is_seed(a))
            a = line_after(a);
        while (is_seed(b))
            b = line_after(b);
        size_t n = strcspn(a, "\n");
        if (n != strcspn(b, "\n") || memcmp(a, b, n) != 0)
            return false;
        if (!*a || !*b)
            return *a == *b;
    }
}

static double took_before(const struct queue *q, const struct store_job *j)
{
    for (int i = 0; i < q->past_count; i++) {
        const struct store_job *p = &q->past[i];
        if (p->state == JOB_DONE && p->ms_total > 0 && take_as_long(p->preset, j->preset) &&
            take_as_long(p->settings, j->settings))
            return p->ms_total - p->ms_load; /* the model is open */
    }
    return (double)NAN;
}

static void look_back(struct queue *q)
{
    free(q->took);
    q->took = malloc(((size_t)q->count + 1) * sizeof *q->took);
    for (int i = 0; q->took && i < q->count; i++)
        q->took[i] = took_before(q, &q->job[i]);
}

double queue_left(const struct ui *ui, int *waiting)
{
    const struct queue *q = &ui->queue;
    double running = q->sent_count > 0 ? live_left(&ui->live, ui->now_ms) : 0, sum = 0;
    int devices = 0;
    bool far = false;
    *waiting = 0;
    for (int i = 0; i < ui->devices; i++) {
        devices += !ui->device[i].aside;
        far |= device_is_queue(ui->device[i].name);
    }
    for (int i = 0; i < q->count; i++)
        if (!queue_has_sent(ui, q->job[i].id)) {
            sum += q->took ? q->took[i] : (double)NAN;
            ++*waiting;
        }
    return far ? (double)NAN : running + sum / (devices > 1 ? devices : 1);
}

void queue_reload(struct ui *ui)
{
    struct queue *q = &ui->queue;
    struct err e = {""};
    struct store_job *jobs, *past;
    int n = store_queue(ui->store, &jobs, &e);
    if (n < 0) {
        complain(ui, &e);
        return;
    }
    int m = store_past_jobs(ui->store, PAST, &past, &e);
    if (m < 0) {
        complain(ui, &e);
        store_jobs_free(jobs, n);
        return;
    }
    store_jobs_free(q->job, q->count);
    store_jobs_free(q->past, q->past_count);
    q->job = jobs, q->count = n;
    q->past = past, q->past_count = m;
    look_back(q);
    ui_dirty(ui);
}

/* ---- towards the engine ---- */

static struct command *command_for(const struct store_job *j, bool profile, struct err *e)
{
    struct command *c = command_new(COMMAND_RUN);
    if (!c) {
        err_set(e, "out of memory");
        return NULL;
    }
    c->job = j->id;
    c->profile = profile;
    c->words = strdup(j->words ? j->words : "");
    c->preset = j->preset && *j->preset ? strdup(j->preset) : NULL;
    if (c->words && settings_from_text(&c->settings, j->settings ? j->settings : "", e) == 0)
        return c;
    if (!c->words)
        err_set(e, "out of memory");
    command_free(c);
    return NULL;
}

bool queue_has_sent(const struct ui *ui, int64_t job)
{
    for (int i = 0; i < ui->queue.sent_count; i++)
        if (ui->queue.sent[i] == job)
            return true;
    return false;
}

const struct pool_device *queue_device(const struct ui *ui, int64_t job)
{
    for (int i = 0; i < ui->devices && job; i++)
        if (ui->device[i].job == job)
            return &ui->device[i];
    return NULL;
}

static void forget_sent(struct queue *q, int64_t job)
{
    for (int i = 0; i < q->sent_count; i++)
        if (q->sent[i] == job)
            memmove(&q->sent[i], &q->sent[i + 1],
                    (size_t)(--q->sent_count - i) * sizeof q->sent[0]);
}

static const struct store_job *next_to_send(const struct ui *ui)
{
    const struct queue *q = &ui->queue;
    bool room = q->sent_count == 0 || (q->sent_count < DEVICES_MAX && pool_idle(ui->pool) > 0);
    for (int i = 0; room && i < q->count; i++)
        if (!queue_has_sent(ui, q->job[i].id))
            return &q->job[i];
    return NULL;
}

void queue_pump(struct ui *ui)
{
    struct queue *q = &ui->queue;
    const struct store_job *j;
    while (ui->pool && (j = next_to_send(ui))) {
        struct err e = {""};
        int64_t id = j->id;
        struct command *c = command_for(j, ui->live.profiling, &e);
        if (c && pool_send(ui->pool, c)) {
            q->sent[q->sent_count++] = id;
            continue;
        }
        if (c) { /* no memory: try again at the next event */
            command_free(c);
            return;
        }
        if (store_set_job_state(ui->store, id, JOB_FAILED, e.text, NULL))
            return;
        complain(ui, &e);
        queue_reload(ui);
    }
}

void queue_event(struct ui *ui, const struct event *ev)
{
    struct queue *q = &ui->queue;
    switch (ev->kind) {
    case EVENT_FAILED:
        ui_say(ui, ROLE_BAD, "%s", ev->text ? ev->text : "failed");
        break;
    case EVENT_STAGE: /* why a job waits in a queue, or one on the way there */
        if (ev->text)
            ui_say(ui, ROLE_WARN, "%s", ev->text);
        return;
    case EVENT_ASIDE:
        ui_say(ui, ROLE_WARN, "%s", ev->text ? ev->text : "a device failed");
        return;
    case EVENT_CANCELLED:
        ui_say(ui, ROLE_DIM, "cancelled");
        break;
    case EVENT_DONE:
        break;
    case EVENT_STARTED:
        queue_reload(ui);
        return;
    default:
        return;
    }
    if (ev->job)
        forget_sent(q, ev->job);
    queue_reload(ui);
    queue_pump(ui);
}

/* ---- what the panels ask for ---- */

/* Is there a seed that somebody chose: here, in the preset, in the config? */
static bool seed_is_chosen(const struct settings *s, const char *preset)
{
    struct settings all = {0};
    struct err e;
    bool chosen = engine_settle(s, preset, &all, &e) == 0 && settings_has(&all, "seed") &&
                  !all.random_seed;
    settings_free(&all);
    return chosen;
}

static int need_seed(struct settings *s, const char *preset, struct err *e)
{
    return seed_is_chosen(s, preset) ? 0 : settings_draw_seed(s, e);
}

static int fill_row(struct store_job *row, const struct order *o, struct err *e)
{
    struct settings s = {0};
    if (settings_fill(&s, o->settings, e) == 0 && need_seed(&s, o->preset, e) == 0)
        row->settings = settings_to_text(&s);
    settings_free(&s);
    row->words = strdup(o->words ? o->words : "");
    row->preset = strdup(o->preset ? o->preset : "");
    row->label = strdup(o->label ? o->label : "");
    row->run = o->run, row->row = o->row, row->col = o->col;
    if (!row->settings || !row->words || !row->preset || !row->label)
        return *e->text ? -1 : err_set(e, "out of memory");
    return 0;
}

int64_t queue_add(struct ui *ui, const struct order *o)
{
    struct err e = {""};
    struct store_job row = {0};
    int rc = fill_row(&row, o, &e);
    if (rc == 0)
        rc = store_add_job(ui->store, &row, &e);
    int64_t id = row.id;
    free(row.words);
    free(row.preset);
    free(row.settings);
    free(row.label);
    if (rc) {
        complain(ui, &e);
        return -1;
    }
    queue_reload(ui);
    queue_pump(ui);
    return id;
}

int64_t queue_again(struct ui *ui, const struct store_job *j)
{
    struct err e = {""};
    struct settings s = {0};
    int64_t id = -1;
    if (settings_from_text(&s, j->settings, &e))
        complain(ui, &e);
    else
        id = queue_add(ui, &(struct order){.words = j->words, .preset = j->preset, .settings = &s});
    settings_free(&s);
    return id;
}

void queue_cancel(struct ui *ui, int64_t job)
{
    struct err e = {""};
    if (queue_has_sent(ui, job)) {
        pool_cancel(ui->pool, job);
        ui_say(ui, ROLE_DIM, "cancelling after this step");
        return;
    }
    if (store_set_job_state(ui->store, job, JOB_CANCELLED, NULL, &e))
        complain(ui, &e);
    queue_reload(ui);
}

void queue_cancel_all(struct ui *ui)
{
    struct err e = {""};
    for (int i = 0; i < ui->queue.count; i++) {
        int64_t id = ui->queue.job[i].id;
        if (queue_has_sent(ui, id))
            pool_cancel(ui->pool, id);
        else if (store_set_job_state(ui->store, id, JOB_CANCELLED, NULL, &e))
            complain(ui, &e);
    }
    queue_reload(ui);
}

void queue_move(struct ui *ui, int64_t job, int by)
{
    struct queue *q = &ui->queue;
    struct err e = {""};
    int at = -1;
    for (int i = 0; i < q->count; i++)
        if (q->job[i].id == job)
            at = i;
    int to = at + by, first = 0; /* those that were sent stay where they are */
    while (first < q->count && queue_has_sent(ui, q->job[first].id))
        first++;
    if (at < first || to < first || to >= q->count)
        return;
    int before = by < 0 ? to : to + 1;
    if (store_move_job(ui->store, job, before < q->count ? q->job[before].id : 0, &e))
        complain(ui, &e);
    queue_reload(ui);
}
