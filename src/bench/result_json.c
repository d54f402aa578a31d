/*
 * Results as JSON and back; see result.h. Medians and spreads stand in the file for whoever reads
 * it, but are computed from the samples when it is read again.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/jsonw.h"
#include "bench/result.h"

enum { FORMAT = 1 };

/* ---- writing ---- */

static void write_machine(struct jsonw *w, const struct bench_machine *m)
{
    jsonw_open(w, "machine", '{');
    jsonw_string(w, "arch", m->arch);
    jsonw_string(w, "cpu", m->cpu);
    jsonw_string(w, "features", m->features);
    jsonw_u64(w, "cores", (uint64_t)m->cores);
    jsonw_u64(w, "threads", (uint64_t)m->threads);
    jsonw_u64(w, "memory", m->memory);
    jsonw_string(w, "device", m->device);
    jsonw_string(w, "gpu", m->gpu);
    jsonw_string(w, "system", m->system);
    jsonw_string(w, "libraries", m->libraries);
    jsonw_string(w, "driver", m->driver);
    jsonw_string(w, "version", m->version);
    jsonw_string(w, "commit", m->commit);
    jsonw_close(w, '}');
}

static void write_work(struct jsonw *w, const struct bench_work *k)
{
    jsonw_open(w, "work", '{');
    jsonw_string(w, "model", k->model);
    jsonw_u64(w, "width", (uint64_t)k->width);
    jsonw_u64(w, "height", (uint64_t)k->height);
    jsonw_u64(w, "steps", (uint64_t)k->steps);
    jsonw_real(w, "cfg", k->cfg, 4);
    jsonw_string(w, "sampler", k->sampler);
    jsonw_string(w, "scheduler", k->scheduler);
    jsonw_close(w, '}');
}

static void write_metric(struct jsonw *w, const struct bench_case *c, enum bench_metric m)
{
    struct bench_stats s = bench_case_stats(c, m);
    jsonw_open(w, bench_metric_name(m), '{');
    jsonw_real(w, "median", s.median, 4);
    jsonw_real(w, "spread", s.spread, 4);
    jsonw_real(w, "low", s.low, 4);
    jsonw_real(w, "high", s.high, 4);
    jsonw_real(w, "band", s.band, 4);
    jsonw_open(w, "samples", '[');
    for (int i = 0; i < c->runs; i++)
        jsonw_real(w, NULL, c->ms[m][i], 4);
    jsonw_close(w, ']');
    jsonw_close(w, '}');
}

static void write_case(struct jsonw *w, const struct bench_case *c)
{
    char name[80];
    bench_case_name(c, name, sizeof name);
    jsonw_open(w, NULL, '{');
    jsonw_string(w, "name", name);
    jsonw_string(w, "group", bench_group_name(c->group));
    jsonw_string(w, "item", c->item);
    jsonw_u64(w, "batch", (uint64_t)c->batch);
    jsonw_string(w, "settings", c->settings);
    jsonw_string(w, "precision", c->precision);
    jsonw_real(w, "sprites_a_minute", bench_sprites_a_minute(c), 3);
    jsonw_open(w, "ms", '{');
    for (int m = 0; m < BENCH_METRICS; m++)
        write_metric(w, c, (enum bench_metric)m);
    jsonw_close(w, '}');
    jsonw_real(w, "load_ms", c->load_ms, 3);
    jsonw_open(w, "bytes", '{');
    jsonw_u64(w, "peak", c->peak);
    jsonw_u64(w, "weights", c->weights);
    jsonw_u64(w, "activations", c->activations);
    jsonw_close(w, '}');
    jsonw_real(w, "others", c->others, 3);
    jsonw_close(w, '}');
}

static void write_curve(struct jsonw *w, const struct bench_curve *c)
{
    jsonw_open(w, NULL, '{');
    jsonw_string(w, "group", bench_group_name(c->group));
    jsonw_u64(w, "batch", (uint64_t)c->batch);
    jsonw_open(w, "ms", '[');
    for (int i = 0; i < c->count; i++)
        jsonw_real(w, NULL, c->at_ms[i], 2);
    jsonw_close(w, ']');
    jsonw_open(w, "bytes", '[');
    for (int i = 0; i < c->count; i++)
        jsonw_real(w, NULL, c->bytes[i], 0);
    jsonw_close(w, ']');
    jsonw_open(w, "stages", '[');
    for (int i = 0; i < c->marks; i++) {
        jsonw_open(w, NULL, '{');
        jsonw_string(w, "name", c->mark[i].stage);
        jsonw_real(w, "ms", c->mark[i].at_ms, 2);
        jsonw_close(w, '}');
    }
    jsonw_close(w, ']');
    jsonw_close(w, '}');
}

char *bench_json(const struct bench_result *r)
{
    struct jsonw w = {0};
    jsonw_open(&w, NULL, '{');
    jsonw_u64(&w, "spritty_bench", FORMAT);
    jsonw_string(&w, "when", r->when);
    write_machine(&w, &r->machine);
    write_work(&w, &r->work);
    jsonw_open(&w, "load_average", '[');
    jsonw_real(&w, NULL, r->load_average[0], 2);
    jsonw_real(&w, NULL, r->load_average[1], 2);
    jsonw_close(&w, ']');
    jsonw_bool(&w, "real_time", r->real_time);
    jsonw_open(&w, "cases", '[');
    for (int i = 0; i < r->count; i++)
        write_case(&w, &r->cases[i]);
    jsonw_close(&w, ']');
    jsonw_open(&w, "memory", '[');
    for (int i = 0; i < r->curves; i++)
        write_curve(&w, &r->curve[i]);
    jsonw_close(&w, ']');
    jsonw_close(&w, '}');
    return jsonw_take(&w);
}

/* ---- reading ---- */

/* Texts that are missing are empty; what is there is cut and made printable. */
static int read_text(struct json o, const char *key, char *out, size_t size, struct err *e)
{
    const char *text;
    if (json_string_or(o, key, "", &text, e))
        return -1;
    snprintf(out, size, "%s", text);
    text_sanitize(out);
    return 0;
}

#define TEXT(o, key, field) read_text(o, key, field, sizeof(field), e)

static int read_bytes(struct json o, const char *key, uint64_t *out, struct err *e)
{
    double x;
    if (json_double_or(o, key, 0, 0, 1e18, &x, e))
        return -1;
    *out = (uint64_t)x;
    return 0;
}

static int read_machine(struct json o, struct bench_machine *m, struct err *e)
{
    return TEXT(o, "arch", m->arch) || TEXT(o, "cpu", m->cpu) || TEXT(o, "features", m->features) ||
                   json_int(o, "cores", 1, 1 << 20, &m->cores, e) ||
                   json_int(o, "threads", 1, 1 << 20, &m->threads, e) ||
                   read_bytes(o, "memory", &m->memory, e) || TEXT(o, "device", m->device) ||
                   TEXT(o, "gpu", m->gpu) || TEXT(o, "system", m->system) ||
                   TEXT(o, "libraries", m->libraries) || TEXT(o, "driver", m->driver) ||
                   TEXT(o, "version", m->version) || TEXT(o, "commit", m->commit)
               ? -1
               : 0;
}

static int read_work(struct json o, struct bench_work *k, struct err *e)
{
    return TEXT(o, "model", k->model) || TEXT(o, "sampler", k->sampler) ||
                   TEXT(o, "scheduler", k->scheduler) ||
                   json_int(o, "width", 1, 65536, &k->width, e) ||
                   json_int(o, "height", 1, 65536, &k->height, e) ||
                   json_int(o, "steps", 1, 100000, &k->steps, e) ||
                   json_double(o, "cfg", -1e6, 1e6, &k->cfg, e)
               ? -1
               : 0;
}

static int read_group(struct json o, enum bench_group *out, struct err *e)
{
    const char *name;
    if (json_string(o, "group", &name, e))
        return -1;
    for (int g = 0; g < BENCH_GROUPS; g++)
        if (!strcmp(name, bench_group_name((enum bench_group)g))) {
            *out = (enum bench_group)g;
            return 0;
        }
    return err_set(e, "%s: there is no group '%.40s'", json_name(o), name);
}

/* A list of numbers, at most `room`; returns how many, or -1. null is NAN. */
static int read_numbers(struct json list, double *out, int room, struct err *e)
{
    int n = 0;
    for (struct json v = json_first(list); v.node; v = json_next(v)) {
        double x = NAN;
        if (n == room)
            return err_set(e, "%s: more than %d numbers in a list", json_name(list), room);
        if (json_kind(v) != JSON_NULL && (!json_as_double(v, &x) || !(x >= 0 && x < 1e15)))
            return err_set(e, "%s: a measurement that is no number from 0 on", json_name(list));
        out[n++] = x;
    }
    return n;
}

static int read_case(struct json o, struct bench_case *c, struct err *e)
{
    struct json ms = json_get(o, "ms"), bytes = json_get(o, "bytes");
    if (read_group(o, &c->group, e) || TEXT(o, "item", c->item) ||
        TEXT(o, "settings", c->settings) || TEXT(o, "precision", c->precision) ||
        json_int(o, "batch", 1, 4096, &c->batch, e) ||
        json_double_or(o, "load_ms", 0, 0, 1e12, &c->load_ms, e) ||
        json_double_or(o, "others", NAN, 0, 1, &c->others, e) ||
        read_bytes(bytes, "peak", &c->peak, e) || read_bytes(bytes, "weights", &c->weights, e) ||
        read_bytes(bytes, "activations", &c->activations, e))
        return -1;
    for (int m = 0; m < BENCH_METRICS; m++) {
        const char *name = bench_metric_name((enum bench_metric)m);
        struct json list = json_get(json_get(ms, name), "samples");
        int n = read_numbers(list, c->ms[m], BENCH_MAX_RUNS, e);
        if (n < 0)
            return -1;
        if (m == 0)
            c->runs = n;
        if (n != c->runs)
            return err_set(e, "%s: a case with %d runs, but %d of '%s'", json_name(o), c->runs, n,
                           name);
    }
    return 0;
}

static int read_curve(struct json o, struct bench_curve *c, struct err *e)
{
    if (read_group(o, &c->group, e) || json_int(o, "batch", 1, 4096, &c->batch, e))
        return -1;
    c->count = read_numbers(json_get(o, "ms"), c->at_ms, BENCH_MAX_POINTS, e);
    if (c->count < 0)
        return -1;
    int n = read_numbers(json_get(o, "bytes"), c->bytes, BENCH_MAX_POINTS, e);
    if (n >= 0 && n != c->count)
        return err_set(e, "%s: a curve with %d times and %d values", json_name(o), c->count, n);
    struct json list = json_get(o, "stages");
    for (struct json v = json_first(list); v.node && n >= 0; v = json_next(v)) {
        if (c->marks == BENCH_MAX_MARKS)
            return err_set(e, "%s: more than %d stages", json_name(o), BENCH_MAX_MARKS);
        if (TEXT(v, "name", c->mark[c->marks].stage) ||
            json_double(v, "ms", 0, 1e12, &c->mark[c->marks].at_ms, e))
            return -1;
        c->marks++;
    }
    return n < 0 ? -1 : 0;
}

static int read_all(struct json root, struct bench_result *r, struct err *e)
{
    int format;
    double load[2] = {NAN, NAN};
    if (json_kind(root) != JSON_OBJECT || !json_is_set(json_get(root, "spritty_bench")))
        return err_set(e, "%s was not saved by 'spritty bench --save'", json_name(root));
    if (json_int(root, "spritty_bench", FORMAT, FORMAT, &format, e) ||
        TEXT(root, "when", r->when) || read_machine(json_get(root, "machine"), &r->machine, e) ||
        read_work(json_get(root, "work"), &r->work, e) ||
        read_numbers(json_get(root, "load_average"), load, 2, e) < 0 ||
        json_bool_or(root, "real_time", false, &r->real_time, e)) /* older files have none */
        return -1;
    r->load_average[0] = load[0];
    r->load_average[1] = load[1];
    struct json list = json_get(root, "cases");
    for (struct json v = json_first(list); v.node; v = json_next(v)) {
        if (r->count == BENCH_MAX_CASES)
            return err_set(e, "%s: more than %d cases", json_name(root), BENCH_MAX_CASES);
        if (read_case(v, &r->cases[r->count++], e))
            return -1;
    }
    list = json_get(root, "memory");
    for (struct json v = json_first(list); v.node; v = json_next(v)) {
        if (r->curves == BENCH_MAX_CURVES)
            return err_set(e, "%s: more than %d curves", json_name(root), BENCH_MAX_CURVES);
        if (read_curve(v, &r->curve[r->curves++], e))
            return -1;
    }
    return 0;
}

static struct bench_result *of_doc(struct json_doc *doc, struct err *e)
{
    struct bench_result *r = doc ? bench_result_new() : NULL;
    if (doc && !r)
        err_set(e, "out of memory");
    if (r && read_all(json_root(doc), r, e)) {
        bench_result_free(r);
        r = NULL;
    }
    json_free(doc);
    return r;
}

struct bench_result *bench_parse(const char *text, unsigned long size, const char *name,
                                 struct err *e)
{
    return of_doc(json_parse(text, size, name, e), e);
}

struct bench_result *bench_load(const char *path, struct err *e)
{
    return of_doc(json_load(path, BENCH_MAX_FILE, e), e);
}
