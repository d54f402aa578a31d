/*
 * Turns of a loop are CUDA graphs, one launch each.
 *
 * A turn's calls are asked for once without doing anything: they are noted as one number, a hash
 * over all that a graph would hold as it is (which calls, on what addresses, sizes, weights, ways).
 * If a graph of that number is there, it is launched. Else the calls are asked for again: made
 * plainly when they are seen for the first time, since the libraries choose their ways then;
 * captured the second time. Noting some thousand calls takes less than a launch of one kernel in
 * ten.
 *
 * The factors of combine are in device memory for a graph (gpu_combine_at): a launch of one small
 * kernel before the graph puts the turn's own there. So nothing is copied from the host, and a
 * graph serves every step of every run that has its shapes and places.
 *
 * While a graph is captured nothing may wait, allocate or be copied from or to the host: what would
 * do so fails (device.h), the capture is given up, and such turns are made plainly from then on.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"

/* -- what a turn is -----------------------------------------------------------------------------
 */

static void mix(struct gpu *g, uint64_t value)
{
    g->turn.sign = (g->turn.sign ^ value) * 0x100000001b3u; /* FNV-1a, by words */
}

static void mix_tensor(struct gpu *g, const struct tensor *t)
{
    if (!t) {
        mix(g, 0);
        return;
    }
    mix(g, (uintptr_t)t->data);
    mix(g, (uint64_t)t->dtype << 56 | (uint64_t)(unsigned)t->n << 28 | (unsigned)t->c);
    mix(g, (uint64_t)(unsigned)t->h << 32 | (unsigned)t->w);
    mix(g, (uint64_t)t->ld);
}

static void mix_float(struct gpu *g, float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    mix(g, bits);
}

enum noted {
    LINEAR = 1,
    GEGLU,
    CONV,
    GROUP_NORM,
    LAYER_NORM,
    ATTENTION,
    CONCAT,
    COPY,
    MAP,
    COMBINE,
    BLEND,
    MATCH_STD
};

static void note(struct gpu *g, enum noted call, const struct weight *w, const struct tensor *y,
                 const struct tensor *x, const struct tensor *other)
{
    mix(g, (uint64_t)call);
    mix(g, w ? w->serial : 0);
    mix_tensor(g, y);
    mix_tensor(g, x);
    mix_tensor(g, other);
}

static void note_linear(struct ops *o, struct tensor *y, const struct tensor *x,
                        const struct weight *w, enum act act, const struct tensor *residual)
{
    note(gpu_of(o), LINEAR, w, y, x, residual);
    mix(gpu_of(o), act);
}

static void note_geglu(struct ops *o, struct tensor *y, const struct tensor *x,
                       const struct weight *w)
{
    note(gpu_of(o), GEGLU, w, y, x, NULL);
}

static void note_conv2d(struct ops *o, struct tensor *y, const struct tensor *x,
                        const struct weight *w, const struct conv_args *a)
{
    note(gpu_of(o), CONV, w, y, x, a->residual);
    mix_tensor(gpu_of(o), a->chan_add);
    mix(gpu_of(o), (uint64_t)(a->stride | a->pad_before << 8 | a->pad_after << 16) << 32 |
                       (uint64_t)(a->upsample << 16) | a->pad << 8 | (unsigned)a->act);
}

static void note_group_norm(struct ops *o, struct tensor *y, const struct tensor *x,
                            const struct weight *w, int groups, float eps, bool silu)
{
    note(gpu_of(o), GROUP_NORM, w, y, x, NULL);
    mix(gpu_of(o), (uint64_t)groups << 1 | silu);
    mix_float(gpu_of(o), eps);
}

static void note_layer_norm(struct ops *o, struct tensor *y, const struct tensor *x,
                            const struct weight *w, float eps)
{
    note(gpu_of(o), LAYER_NORM, w, y, x, NULL);
    mix_float(gpu_of(o), eps);
}

static void note_attention(struct ops *o, struct tensor *y, const struct tensor *q,
                           const struct tensor *k, const struct tensor *v, int heads, float scale,
                           bool causal)
{
    note(gpu_of(o), ATTENTION, NULL, y, q, k);
    mix_tensor(gpu_of(o), v);
    mix(gpu_of(o), (uint64_t)heads << 1 | causal);
    mix_float(gpu_of(o), scale);
}

static void note_concat(struct ops *o, struct tensor *y, const struct tensor *a,
                        const struct tensor *b)
{
    note(gpu_of(o), CONCAT, NULL, y, a, b);
}

static void note_copy(struct ops *o, struct tensor *y, const struct tensor *x)
{
    note(gpu_of(o), COPY, NULL, y, x, NULL);
}

static void note_map(struct ops *o, struct tensor *y, const struct tensor *x, enum map_kind f,
                     float a, float b)
{
    note(gpu_of(o), MAP, NULL, y, x, NULL);
    mix(gpu_of(o), (uint64_t)f);
    mix_float(gpu_of(o), a);
    mix_float(gpu_of(o), b);
}

static void note_combine(struct ops *o, struct tensor *y, int count, const float *k,
                         const struct tensor *const *x)
{
    struct gpu *g = gpu_of(o);
    note(g, COMBINE, NULL, y, NULL, NULL);
    for (int i = 0; i < count; i++)
        mix_tensor(g, x[i]);
    gpu_turn_numbers(g, k, count);
}

static void note_blend(struct ops *o, struct tensor *y, const struct tensor *a,
                       const struct tensor *b, const struct tensor *mask)
{
    note(gpu_of(o), BLEND, NULL, y, a, b);
    mix_tensor(gpu_of(o), mask);
}

static void note_match_std(struct ops *o, struct tensor *y, const struct tensor *like, float share)
{
    note(gpu_of(o), MATCH_STD, NULL, y, like, NULL);
    mix_float(gpu_of(o), share);
}

/* Puts the notes in the place of the calls; the scopes are a tool's, which sees the calls alone. */
static void listen(struct gpu *g)
{
    struct ops *o = &g->ops;
    g->turn.made = *o;
    o->linear = note_linear;
    o->geglu = note_geglu;
    o->conv2d = note_conv2d;
    o->group_norm = note_group_norm;
    o->layer_norm = note_layer_norm;
    o->attention = note_attention;
    o->concat = note_concat;
    o->copy = note_copy;
    o->combine = note_combine;
    o->blend = note_blend;
    o->map = note_map;
    o->match_std = note_match_std;
    o->enter = NULL;
    o->leave = NULL;
}

float *gpu_turn_numbers(struct gpu *g, const float *k, int count)
{
    struct turn *t = &g->turn;
    if (t->count + count > TURN_NUMBERS)
        t->crowded = true;
    if (t->crowded)
        return NULL;
    memcpy(t->number + t->count, k, (size_t)count * sizeof *k);
    t->count += count;
    return (float *)t->numbers + t->count - count;
}

/* -- the turns that are known -------------------------------------------------------------------
 */

static struct turn_kept *find(struct turn *t)
{
    for (int i = 0; i < t->kept_count; i++)
        if (t->kept[i].sign == t->sign)
            return &t->kept[i];
    return NULL;
}

static void drop_graph(struct gpu *g, struct turn_kept *k)
{
    if (k->graph) /* it may be running */
        gpu_ok(g, stream_wait(g->stream), "computing");
    graph_close(k->graph);
    k->graph = NULL;
}

/* The oldest makes room. */
static struct turn_kept *keep(struct gpu *g)
{
    struct turn *t = &g->turn;
    struct turn_kept *k = &t->kept[0];
    if (t->kept_count < TURNS) {
        k = &t->kept[t->kept_count++];
    } else {
        for (int i = 1; i < TURNS; i++)
            if (t->kept[i].used < k->used)
                k = &t->kept[i];
        drop_graph(g, k);
    }
    *k = (struct turn_kept){.sign = t->sign};
    return k;
}

void gpu_turns_close(struct gpu *g)
{
    for (int i = 0; i < g->turn.kept_count; i++)
        graph_close(g->turn.kept[i].graph);
    g->turn.kept_count = 0;
    device_free(g->turn.numbers, g->stream);
    g->turn.numbers = NULL;
}

/* -- a turn -------------------------------------------------------------------------------------
 */

static bool launch(struct gpu *g, struct turn_kept *k)
{
    struct turn *t = &g->turn;
    int rc = gpu_set_numbers(t->numbers, t->number, t->count, g->stream);
    if (gpu_ok(g, rc ? rc : graph_launch(k->graph, g->stream), "replay")) {
        g->cost.flops += k->cost.flops;
        g->cost.bytes += k->cost.bytes;
        g->replays++;
    }
    return true;
}

static bool numbers_ready(struct gpu *g)
{
    struct turn *t = &g->turn;
    if (t->numbers)
        return true;
    int rc = device_alloc(&t->numbers, sizeof t->number, g->stream);
    return gpu_ok(g, rc ? rc : gpu_combine_load(t->numbers, g->stream), "numbers");
}

void gpu_turn_begin(struct ops *o)
{
    struct gpu *g = gpu_of(o);
    struct turn *t = &g->turn;
    const struct tuning *u = &g->tuning;
    t->count = 0;
    t->crowded = false;
    if (t->next == TURN_RECORD) {
        t->now = TURN_RECORD;
        t->before = g->cost;
        gpu_ok(g, graph_begin(g->stream), "recording");
    }
    if (t->next != TURN_NOTE || g->failed || u->graph == TUNE_OFF || u->hoist == TUNE_OFF ||
        tuning_streams(u))
        return;
    if (numbers_ready(g)) {
        t->now = TURN_NOTE;
        t->sign = 0xcbf29ce484222325u;
        listen(g);
    }
}

/* Known: launched. Else how the calls are to be made. */
static bool noted(struct gpu *g)
{
    struct turn *t = &g->turn;
    g->ops = t->made;
    mix(g, (uint64_t)(g->tuning.attention << 8 | g->tuning.fold << 4 | gpu_bare));
    struct turn_kept *k = find(t);
    t->next = k && !k->refused && !t->crowded ? TURN_RECORD : TURN_PLAIN;
    k = k ? k : keep(g);
    k->used = ++t->clock;
    if (k->graph && k->scratch != g->scratch) /* which has grown for another turn */
        drop_graph(g, k);
    if (k->graph) {
        t->next = TURN_NOTE;
        return launch(g, k);
    }
    t->next = g->failed ? TURN_NOTE : t->next;
    return g->failed;
}

/* Captured: launched. Else the calls are to be made plainly. */
static bool recorded(struct gpu *g)
{
    struct turn *t = &g->turn;
    struct turn_kept *k = find(t);
    int rc = graph_end(g->stream, &k->graph);
    if (rc == 0 && !g->failed && !t->crowded) {
        k->cost.flops = g->cost.flops - t->before.flops;
        k->cost.bytes = g->cost.bytes - t->before.bytes;
        g->cost = t->before;
        g->recordings++;
        k->scratch = g->scratch;
        t->next = TURN_NOTE;
        return launch(g, k);
    }
    snprintf(t->lost, sizeof t->lost, "%.150s", g->failed ? g->err.text : device_error(rc));
    graph_close(k->graph);
    k->graph = NULL;
    k->refused = true;
    g->cost = t->before;
    g->failed = false; /* nothing was run; what is wrong shows again when the calls are made */
    t->next = TURN_PLAIN;
    return false;
}

bool gpu_turn_end(struct ops *o)
{
    struct gpu *g = gpu_of(o);
    enum turn_way way = g->turn.now;
    g->turn.now = TURN_PLAIN; /* as are calls between turns */
    if (way == TURN_NOTE)
        return noted(g);
    if (way == TURN_RECORD)
        return recorded(g);
    g->turn.next = TURN_NOTE;
    return true;
}
