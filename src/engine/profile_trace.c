/*
 * A run as Chrome's trace event format ("Trace Event Format", Google, 2016): B and E where a module
 * begins and ends, X for an operation, C for what memory is in use. Events stand in the order of
 * their time, which is microseconds since the run began, and modules nest as they were entered.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsonw.h"
#include "engine/profile_report.h"

static void open_event(struct jsonw *w, const char *phase, double at, const char *name,
                       const char *category)
{
    jsonw_open(w, NULL, '{');
    jsonw_string(w, "ph", phase);
    jsonw_u64(w, "pid", 1);
    jsonw_u64(w, "tid", 1);
    jsonw_real(w, "ts", at, 3);
    if (name)
        jsonw_string(w, "name", name);
    if (category)
        jsonw_string(w, "cat", category);
}

static void put_label(struct jsonw *w, const char *what, const char *value)
{
    open_event(w, "M", 0, what, NULL);
    jsonw_open(w, "args", '{');
    jsonw_string(w, "name", value);
    jsonw_close(w, '}');
    jsonw_close(w, '}');
}

static void put_enter(struct jsonw *w, const struct profile_book *b, const struct profile_event *e,
                      double at)
{
    const struct profile_scope *s = &b->scope[e->what];
    char name[80];
    if (e->index >= 0)
        snprintf(name, sizeof name, s->turn ? "%.60s %d" : "%.60s.%d", s->name,
                 e->index + (s->turn ? 1 : 0));
    else
        snprintf(name, sizeof name, "%.60s", s->name);
    open_event(w, "B", at, name, s->parent == 0 ? "stage" : s->turn ? "turn" : "module");
    jsonw_close(w, '}');
}

static void put_call(struct jsonw *w, const struct profile_book *b, const struct op_profile *shape,
                     const struct profile_event *e, double at)
{
    const struct profile_cell *c = &b->cell[e->what];
    const struct op_profile *s = &shape[c->shape];
    open_event(w, "X", at, s->name, op_kind_name(s->kind));
    jsonw_real(w, "dur", 1e3 * e->ms, 3);
    jsonw_open(w, "args", '{');
    jsonw_real(w, "flops", c->flops / c->calls, 0);
    jsonw_real(w, "bytes", c->bytes / c->calls, 0);
    jsonw_close(w, '}');
    jsonw_close(w, '}');
}

static void put_bytes(struct jsonw *w, double at, size_t activations, size_t weights)
{
    open_event(w, "C", at, "memory", NULL);
    jsonw_open(w, "args", '{');
    jsonw_u64(w, "weights", weights);
    jsonw_u64(w, "activations", activations);
    jsonw_close(w, '}');
    jsonw_close(w, '}');
}

char *profile_trace_json(const struct profile_book *b, const struct op_profile *shape,
                         const char *title, size_t weights)
{
    struct jsonw w = {0};
    int open = 0;
    double last = 0;
    jsonw_open(&w, NULL, '{');
    jsonw_string(&w, "displayTimeUnit", "ms");
    jsonw_open(&w, "otherData", '{');
    jsonw_string(&w, "title", title);
    jsonw_u64(&w, "dropped", (uint64_t)b->dropped);
    jsonw_close(&w, '}');
    jsonw_open(&w, "traceEvents", '[');
    put_label(&w, "process_name", "spritty");
    put_label(&w, "thread_name", "engine");
    for (int i = 0; i < b->events; i++) {
        const struct profile_event *e = &b->event[i];
        double at = 1e3 * (e->at - b->began);
        last = at > last ? at : last;
        switch (e->kind) {
        case BOOKED_ENTER:
            put_enter(&w, b, e, at);
            open++;
            break;
        case BOOKED_LEAVE:
            open_event(&w, "E", at, NULL, NULL);
            jsonw_close(&w, '}');
            open--;
            break;
        case BOOKED_CALL:
            put_call(&w, b, shape, e, at);
            break;
        case BOOKED_BYTES:
            put_bytes(&w, at, e->bytes, weights);
            break;
        }
    }
    for (; open > 0; open--) { /* where events found no room */
        open_event(&w, "E", last, NULL, NULL);
        jsonw_close(&w, '}');
    }
    jsonw_close(&w, ']');
    jsonw_close(&w, '}');
    return jsonw_take(&w);
}
