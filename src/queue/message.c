/* See message.h. */
#include "queue/message.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"

/* ---- fields ---- */

int fields_of(struct fields *f, const struct reply *list, struct err *e)
{
    int n = reply_count(list);
    f->n = 0;
    if (reply_kind(list) != REPLY_LIST || n % 2 || n / 2 > FIELDS_MAX)
        return err_set(e, "it is no list of up to %d fields", FIELDS_MAX);
    for (int i = 0; i < n; i += 2) {
        struct field *to = &f->at[f->n++];
        to->name = reply_text(reply_at(list, i), &to->name_size);
        to->data = reply_text(reply_at(list, i + 1), &to->size);
    }
    return 0;
}

static bool named(const struct field *f, const char *name)
{
    return f->name_size == strlen(name) && !memcmp(f->name, name, f->name_size);
}

const struct field *fields_get(const struct fields *f, const char *name)
{
    for (int i = 0; i < f->n; i++)
        if (named(&f->at[i], name))
            return &f->at[i];
    return NULL;
}

int fields_text(const struct fields *f, const char *name, char *out, size_t room)
{
    const struct field *x = fields_get(f, name);
    *out = '\0';
    if (!x || x->size >= room || memchr(x->data, '\0', x->size))
        return -1;
    memcpy(out, x->data, x->size);
    out[x->size] = '\0';
    return 0;
}

static bool digits(const char *s, size_t min, size_t max)
{
    size_t n = strspn(s, "0123456789");
    return n >= min && n <= max && !s[n];
}

int fields_version(const struct fields *f, struct err *e)
{
    char text[16];
    if (fields_text(f, "v", text, sizeof text) || !digits(text, 1, 6))
        return err_set(e, "it has no version of the protocol");
    int v = atoi(text);
    if (v == QUEUE_PROTOCOL)
        return 0;
    return err_set(e, "it is of version %d of the protocol and this spritty speaks %d: update %s",
                   v, QUEUE_PROTOCOL, v < QUEUE_PROTOCOL ? "who sent it" : "this one");
}

/* A whole number from 0 to max; the fallback where there is no such field, -1 where it is wrong. */
static long long number(const struct fields *f, const char *name, long long max, long long fallback)
{
    char text[24];
    if (!fields_get(f, name))
        return fallback;
    if (fields_text(f, name, text, sizeof text) || !digits(text, 1, 18))
        return -1;
    long long v = atoll(text);
    return v <= max ? v : -1;
}

/* Who reads the first and who reads the last would see two messages. */
static int refuse_twice(const struct fields *f, struct err *e)
{
    for (int i = 1; i < f->n; i++)
        for (int k = 0; k < i; k++)
            if (f->at[i].name_size == f->at[k].name_size &&
                !memcmp(f->at[i].name, f->at[k].name, f->at[i].name_size))
                return err_set(e, "it has the field '%.*s' twice",
                               f->at[i].name_size > 40 ? 40 : (int)f->at[i].name_size,
                               f->at[i].name);
    return 0;
}

static int refuse_unknown(const struct fields *f, const char *const *known, int count,
                          struct err *e)
{
    for (int i = 0; i < f->n; i++) {
        const struct field *x = &f->at[i];
        bool found = false;
        for (int k = 0; k < count && !found; k++) {
            size_t n = strlen(known[k]);
            found = known[k][n - 1] == ':' ? x->name_size > n && !memcmp(x->name, known[k], n)
                                           : named(x, known[k]);
        }
        if (!found)
            return err_set(e, "it has a field '%.*s', which this spritty does not know",
                           x->name_size > 40 ? 40 : (int)x->name_size, x->name);
    }
    return refuse_twice(f, e);
}

static bool is_sha(const char *s)
{
    return strlen(s) == 64 && strspn(s, "0123456789abcdef") == 64;
}

static bool is_id(const char *s)
{
    size_t n = 0;
    while (isalnum((unsigned char)s[n]) || s[n] == '-')
        n++;
    return n > 0 && n <= QUEUE_ID_MAX && !s[n];
}

/* The name of a file that may be made in a folder of ours. */
static bool is_name(const char *s)
{
    size_t n = 0;
    while (isalnum((unsigned char)s[n]) || (s[n] && strchr("-_.", s[n])))
        n++;
    return n > 0 && n <= 64 && !s[n] && s[0] != '.';
}

/* A file's bytes, which have to have the checksum that the message says. */
static int read_bytes(const struct fields *f, const char *data, const char *sum, size_t max,
                      struct queue_file *to, struct err *e)
{
    char want[65], have[65];
    const struct field *x = fields_get(f, data);
    if (!x || fields_text(f, sum, want, sizeof want) || !is_sha(want))
        return err_set(e, "%s or %s is missing", data, sum);
    if (x->size > max)
        return err_set(e, "%s has %zu bytes and may have %zu", data, x->size, max);
    digest_of(x->data, x->size, have);
    if (strcmp(want, have) != 0)
        return err_set(e, "%s is not what was sent: its SHA-256 is another", data);
    to->data = x->data;
    to->size = x->size;
    return 0;
}

/* ---- jobs ---- */

static int check_sizes(const struct queue_message *m, struct err *e)
{
    size_t sum = m->job_size + m->needs_size;
    if (m->job_size > QUEUE_JOB_MAX || m->needs_size > QUEUE_JOB_MAX)
        return err_set(e, "the job's text has %zu bytes and may have %d: shorten its prompts",
                       m->job_size > m->needs_size ? m->job_size : m->needs_size, QUEUE_JOB_MAX);
    for (int i = 0; i < m->files; i++) {
        if (m->file[i].size > QUEUE_INPUT_MAX)
            return err_set(e, "%s has %zu bytes; through a queue go at most %d", m->file[i].name,
                           m->file[i].size, QUEUE_INPUT_MAX);
        sum += m->file[i].size;
    }
    return sum <= QUEUE_MESSAGE_MAX - (64 << 10)
               ? 0
               : err_set(e,
                         "the job's files have %zu bytes together; through a queue go at most %d",
                         sum, QUEUE_MESSAGE_MAX - (64 << 10));
}

int message_write(const struct queue_message *m, char sha[QUEUE_INPUTS][65], struct args *a,
                  struct err *e)
{
    if (check_sizes(m, e))
        return -1;
    args_text(a, "v");
    args_number(a, QUEUE_PROTOCOL);
    args_text(a, "id");
    args_text(a, m->id);
    args_text(a, "model");
    args_text(a, m->model);
    args_text(a, "job");
    args_bytes(a, m->job, m->job_size);
    args_text(a, "needs");
    args_bytes(a, m->needs, m->needs_size);
    for (int i = 0; i < m->files; i++) {
        digest_of(m->file[i].data, m->file[i].size, sha[i]);
        args_name(a, "in:%d:name", i);
        args_text(a, m->file[i].name);
        args_name(a, "in:%d:sha256", i);
        args_text(a, sha[i]);
        args_name(a, "in:%d:data", i);
        args_bytes(a, m->file[i].data, m->file[i].size);
    }
    return 0;
}

static int read_files(struct queue_message *m, const struct fields *f, struct err *e)
{
    char name[24], sum[24], data[24];
    for (int i = 0;; i++) {
        snprintf(name, sizeof name, "in:%d:name", i);
        snprintf(sum, sizeof sum, "in:%d:sha256", i);
        snprintf(data, sizeof data, "in:%d:data", i);
        if (!fields_get(f, name))
            return 0;
        if (i == QUEUE_INPUTS)
            return err_set(e, "it has over %d files", QUEUE_INPUTS);
        struct queue_file *to = &m->file[i];
        if (fields_text(f, name, to->name, sizeof to->name) || !is_name(to->name))
            return err_set(e, "%s is no plain name of a file", name);
        if (read_bytes(f, data, sum, QUEUE_INPUT_MAX, to, e))
            return -1;
        m->files = i + 1;
    }
}

int message_read(struct queue_message *m, const struct fields *f, struct err *e)
{
    static const char *const known[] = {"v", "id", "model", "job", "needs", "in:"};
    *m = (struct queue_message){0};
    if (fields_version(f, e) || refuse_unknown(f, known, 6, e))
        return -1;
    const struct field *job = fields_get(f, "job"), *needs = fields_get(f, "needs");
    if (fields_text(f, "id", m->id, sizeof m->id) || !is_id(m->id))
        return err_set(e, "its id is missing or no id");
    if (fields_text(f, "model", m->model, sizeof m->model) || !is_sha(m->model))
        return err_set(e, "its model is missing or no SHA-256");
    if (!job || !needs)
        return err_set(e, "it has no job in it");
    m->job = job->data;
    m->job_size = job->size;
    m->needs = needs->data;
    m->needs_size = needs->size;
    return check_sizes(m, e) || read_files(m, f, e) || check_sizes(m, e) ? -1 : 0;
}

/* ---- events ---- */

static const struct {
    enum event_kind kind;
    const char *name;
} kinds[] = {{EVENT_LOADING, "loading"}, {EVENT_READY, "ready"},   {EVENT_STARTED, "started"},
             {EVENT_STAGE, "stage"},     {EVENT_STEP, "step"},     {EVENT_PREVIEW, "preview"},
             {EVENT_DONE, "result"},     {EVENT_FAILED, "failed"}, {EVENT_CANCELLED, "cancelled"}};
enum { KINDS = sizeof kinds / sizeof *kinds };

enum { LATER_MAX = 1000000, WORK_MAX = 1 << 30 };

/* Numbers of an event: name, where, how large (milliseconds are thousandths in between, `later`
 * millionths). */
#define AT(field) offsetof(struct event, field)
static const struct {
    const char *name;
    size_t at, size;
    long long max;
} numbers[] = {{"step", AT(step), sizeof(int), ENGINE_MAX_STEPS},
               {"steps", AT(steps), sizeof(int), ENGINE_MAX_STEPS},
               {"work_step", AT(work.step), sizeof(int), WORK_MAX},
               {"work_done", AT(work.done), sizeof(int), WORK_MAX},
               {"work_all", AT(work.all), sizeof(int), WORK_MAX},
               {"width", AT(width), sizeof(int), IMAGE_MAX_SIDE},
               {"height", AT(height), sizeof(int), IMAGE_MAX_SIDE},
               {"batch", AT(batch), sizeof(int), QUEUE_PICTURES},
               {"bytes_now", AT(bytes_now), sizeof(size_t), 1LL << 50},
               {"bytes_peak", AT(bytes_peak), sizeof(size_t), 1LL << 50},
               {"bytes_weights", AT(bytes_weights), sizeof(size_t), 1LL << 50},
               {"bytes_activations", AT(bytes_activations), sizeof(size_t), 1LL << 50}};
enum { NUMBERS = sizeof numbers / sizeof *numbers };

static const struct {
    const char *name;
    size_t at, size;
} texts[] = {{"stage", AT(stage), sizeof((struct event *)0)->stage},
             {"device", AT(device), sizeof((struct event *)0)->device},
             {"precision", AT(precision), sizeof((struct event *)0)->precision}};

static const char *kind_name(enum event_kind k)
{
    for (int i = 0; i < KINDS; i++)
        if (kinds[i].kind == k)
            return kinds[i].name;
    return NULL;
}

int event_write(const struct event *v, struct args *a)
{
    const char *kind = kind_name(v->kind), *at = (const char *)v;
    if (!kind || v->kind == EVENT_DONE)
        return -1;
    args_text(a, "kind");
    args_text(a, kind);
    for (int i = 0; i < NUMBERS; i++) {
        long long x = numbers[i].size == sizeof(int)
                          ? *(const int *)(at + numbers[i].at)
                          : (long long)*(const size_t *)(at + numbers[i].at);
        if (x <= 0 || x > numbers[i].max)
            continue;
        args_text(a, numbers[i].name);
        args_number(a, x);
    }
    for (int i = 0; i < 3; i++)
        if (at[texts[i].at]) {
            args_text(a, texts[i].name);
            args_text(a, at + texts[i].at);
        }
    if (v->ms > 0 && v->ms < 1e12) {
        args_text(a, "us");
        args_number(a, (long long)(v->ms * 1e3));
    }
    if (v->later > 0 && v->later < LATER_MAX) {
        args_text(a, "later");
        args_number(a, (long long)(v->later * 1e6));
    }
    args_text(a, "seed");
    args_unsigned(a, v->seed);
    if (v->text) {
        args_text(a, "text");
        args_text(a, v->text);
    }
    if (v->kind == EVENT_PREVIEW && v->image) {
        args_text(a, "image");
        args_bytes(a, v->image->rgba, (size_t)v->image->width * (size_t)v->image->height * 4);
    }
    return 0;
}

static int read_preview(struct event *v, const struct fields *f, struct err *e)
{
    const struct field *x = fields_get(f, "image");
    size_t bytes = (size_t)v->width * (size_t)v->height * 4;
    if (!x || bytes == 0 || x->size != bytes || bytes > QUEUE_PREVIEW_MAX)
        return err_set(e, "a preview is not of the size that it says");
    if (!(v->image = image_new(v->width, v->height)))
        return err_set(e, "out of memory");
    memcpy(v->image->rgba, x->data, bytes);
    return 0;
}

static int read_values(struct event *v, const struct fields *f, struct err *e)
{
    char *at = (char *)v, text[600];
    for (int i = 0; i < NUMBERS; i++) {
        long long x = number(f, numbers[i].name, numbers[i].max, 0);
        if (x < 0)
            return err_set(e, "an event's %s is wrong", numbers[i].name);
        if (numbers[i].size == sizeof(int))
            *(int *)(at + numbers[i].at) = (int)x;
        else
            *(size_t *)(at + numbers[i].at) = (size_t)x;
    }
    for (int i = 0; i < 3; i++)
        if (fields_get(f, texts[i].name)) {
            if (fields_text(f, texts[i].name, at + texts[i].at, texts[i].size))
                return err_set(e, "an event's %s is wrong", texts[i].name);
            text_sanitize(at + texts[i].at);
        }
    if (v->work.done > v->work.all || v->work.all == 0) /* of a worker that counts steps alone */
        v->work = workload_of_steps(v->step, v->steps);
    long long us = number(f, "us", 1000000000000000, 0);
    v->ms = us > 0 ? (double)us / 1e3 : 0;
    long long later = number(f, "later", LATER_MAX * 1000000LL, 0);
    v->later = later > 0 ? (double)later / 1e6 : 0;
    if (fields_text(f, "seed", text, sizeof text) == 0 && digits(text, 1, 20))
        v->seed = strtoull(text, NULL, 10);
    const struct field *words = fields_get(f, "text");
    if (words) { /* what is too long for a line is cut: a model's path may be */
        size_t n = words->size < sizeof text ? words->size : sizeof text - 1;
        v->text = strndup(words->data, n);
        if (v->text)
            text_sanitize(v->text);
    }
    return v->kind == EVENT_PREVIEW ? read_preview(v, f, e) : 0;
}

struct event *event_read(const struct fields *f, char id[QUEUE_ID_MAX + 1], bool *result,
                         struct err *e)
{
    char kind[16];
    int k = 0;
    *result = false;
    if (fields_version(f, e))
        return NULL;
    if (fields_text(f, "id", id, QUEUE_ID_MAX + 1) || !is_id(id) ||
        fields_text(f, "kind", kind, sizeof kind))
        return err_set(e, "an event has no job or no kind"), NULL;
    while (k < KINDS && strcmp(kinds[k].name, kind) != 0)
        k++;
    struct event *v = k < KINDS ? calloc(1, sizeof *v) : NULL;
    if (!v)
        return err_set(e, "there is no event '%s'", kind), NULL;
    v->kind = kinds[k].kind;
    v->at_ms = clock_ms();
    *result = v->kind == EVENT_DONE;
    if (read_values(v, f, e)) {
        event_free(v);
        return NULL;
    }
    return v;
}

/* ---- results ---- */

static int check_result(const struct queue_result *r, struct err *e)
{
    size_t sum = 0;
    for (int i = 0; i < r->pictures; i++) {
        if (r->picture[i].size > QUEUE_PICTURE_MAX)
            return err_set(e, "a picture has %zu bytes; through a queue go at most %d",
                           r->picture[i].size, QUEUE_PICTURE_MAX);
        sum += r->picture[i].size;
    }
    if (sum > QUEUE_RESULT_MAX || r->about_size > QUEUE_RESULT_MAX - sum)
        return err_set(e,
                       "the pictures have %zu bytes together; through a queue go at most %d: "
                       "ask for a smaller batch",
                       sum, QUEUE_RESULT_MAX);
    return 0;
}

int result_write(const struct queue_result *r, char sha[QUEUE_PICTURES][65], struct args *a,
                 struct err *e)
{
    if (check_result(r, e))
        return -1;
    args_text(a, "v");
    args_number(a, QUEUE_PROTOCOL);
    args_text(a, "worker");
    args_text(a, r->worker);
    args_text(a, "about");
    args_bytes(a, r->about, r->about_size);
    for (int i = 0; i < r->pictures; i++) {
        digest_of(r->picture[i].data, r->picture[i].size, sha[i]);
        args_name(a, "sha256:%d", i);
        args_text(a, sha[i]);
        args_name(a, "png:%d", i);
        args_bytes(a, r->picture[i].data, r->picture[i].size);
    }
    return 0;
}

int result_read(struct queue_result *r, const struct fields *f, struct err *e)
{
    static const char *const known[] = {"v", "worker", "about", "sha256:", "png:"};
    char sum[24], data[24];
    *r = (struct queue_result){0};
    if (fields_version(f, e) || refuse_unknown(f, known, 5, e))
        return -1;
    const struct field *about = fields_get(f, "about");
    if (!about || fields_text(f, "worker", r->worker, sizeof r->worker))
        return err_set(e, "the result does not say of what");
    text_sanitize(r->worker);
    r->about = about->data;
    r->about_size = about->size;
    for (int i = 0; i <= QUEUE_PICTURES; i++) {
        snprintf(sum, sizeof sum, "sha256:%d", i);
        snprintf(data, sizeof data, "png:%d", i);
        if (!fields_get(f, data))
            break;
        if (i == QUEUE_PICTURES)
            return err_set(e, "the result has over %d pictures", QUEUE_PICTURES);
        if (read_bytes(f, data, sum, QUEUE_PICTURE_MAX, &r->picture[i], e))
            return -1;
        r->pictures = i + 1;
    }
    if (f->n != 3 + 2 * r->pictures)
        return err_set(e, "the result's pictures are not counted from 0 on");
    return check_result(r, e);
}
