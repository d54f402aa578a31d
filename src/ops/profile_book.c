/* See profile_book.h and profile.h. */
#include "ops/profile_book.h"

#include <stdio.h>

#include "base/clock.h"

/* ---- shapes and cells ---- */

static uint32_t hash(const int *v, size_t count)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < count; i++)
        h = (h ^ (uint32_t)v[i]) * 16777619u ^ h >> 15;
    return h;
}

/* A place in the table of shapes. */
static int find_shape(struct keeper *k, const struct shape *s)
{
    for (uint32_t i = hash(&s->op, sizeof *s / sizeof s->op);; i++) {
        struct shape *at = &k->shape[i % PROFILE_SHAPES];
        if (at->op == OP_NONE && k->book.shapes >= PROFILE_SHAPES * 3 / 4)
            return PROFILE_SHAPES;
        if (at->op == OP_NONE) {
            *at = *s;
            k->book.shapes++;
        }
        if (!memcmp(at, s, sizeof *s))
            return (int)(i % PROFILE_SHAPES);
    }
}

/* When there are too many, scope 0 takes the rest under their shapes, which are fewer. */
static struct profile_cell *find_cell(struct keeper *k, int scope, int shape)
{
    enum { PLACES = sizeof k->place / sizeof *k->place };
    for (uint32_t i = hash((int[]){scope, shape}, 2);; i++) {
        int *at = &k->place[i % PLACES];
        if (*at < 0 && scope > 0 && k->book.cells >= PROFILE_CELLS - PROFILE_SHAPES - 1)
            return find_cell(k, 0, shape);
        if (*at < 0) {
            *at = k->book.cells++;
            k->book.cell[*at] = (struct profile_cell){.scope = scope, .shape = shape};
        }
        struct profile_cell *c = &k->book.cell[*at];
        if (c->scope == scope && c->shape == shape)
            return c;
    }
}

/* ---- events ---- */

static void note(struct keeper *k, struct profile_event e)
{
    struct profile_book *b = &k->book;
    if (k->what != PROFILE_TRACE)
        return;
    bool full = b->events > 0 && (b->events & (b->events - 1)) == 0; /* room is a power of two */
    if (b->events == 0 || full) {
        size_t room = b->events ? 2 * (size_t)b->events : 1;
        struct profile_event *more = room > PROFILE_EVENTS ? NULL
                                                           : realloc(b->event, room * sizeof *more);
        if (!more) {
            b->dropped++;
            return;
        }
        b->event = more;
    }
    b->event[b->events++] = e;
}

/* ---- scopes ---- */

static int child_of(struct keeper *k, int parent, const char *name, int index, bool turn)
{
    struct profile_book *b = &k->book;
    int last = -1;
    for (int i = b->scope[parent].first; i >= 0; last = i, i = b->scope[i].next)
        if (b->scope[i].index == index && !strcmp(b->scope[i].name, name))
            return i;
    int fresh = b->scopes, stage = b->scope[parent].stage;
    if (fresh == PROFILE_SCOPES || (parent == 0 && b->stages == PROFILE_STAGES))
        return -1;
    if (parent == 0) {
        stage = b->stages++;
        b->stage[stage] = fresh;
    }
    b->scope[fresh] = (struct profile_scope){.name = name,
                                             .index = index,
                                             .parent = parent,
                                             .stage = stage,
                                             .first = -1,
                                             .next = -1,
                                             .turn = turn};
    if (last < 0)
        b->scope[parent].first = fresh;
    else
        b->scope[last].next = fresh;
    return b->scopes++;
}

void keeper_enter(struct keeper *k, const char *name, int index, bool turn)
{
    int parent = k->stack[k->depth], at = -1;
    if (k->deeper == 0 && k->depth + 1 < DEPTH)
        at = child_of(k, parent, name, turn ? -1 : index, turn);
    if (at < 0) {
        k->deeper++;
        return;
    }
    struct profile_scope *s = &k->book.scope[at];
    k->stack[++k->depth] = at;
    s->entered++;
    if (k->what == PROFILE_PEAKS)
        return;
    s->since = clock_ms();
    note(k,
         (struct profile_event){.at = s->since, .what = at, .index = index, .kind = BOOKED_ENTER});
}

void keeper_leave(struct keeper *k)
{
    if (k->deeper > 0) {
        k->deeper--;
        return;
    }
    assert(k->depth > 0 && "ops_leave without ops_enter");
    int at = k->stack[k->depth--];
    struct profile_scope *s = &k->book.scope[at];
    if (k->what == PROFILE_PEAKS)
        return;
    double now = clock_ms();
    s->ms += now - s->since;
    note(k, (struct profile_event){.at = now, .what = at, .index = -1, .kind = BOOKED_LEAVE});
}

/* ---- memory ---- */

void keeper_alloc(struct keeper *k, const struct tensor *t)
{
    if (!t->data || k->lives == PROFILE_LIVE)
        return; /* its bytes are in `used` all the same */
    k->live[k->lives++] = (struct profile_tensor){.data = t->data,
                                                  .bytes = tensor_bytes(t),
                                                  .scope = k->stack[k->depth],
                                                  .n = t->n,
                                                  .h = t->h,
                                                  .w = t->w,
                                                  .c = t->c,
                                                  .dtype = t->dtype};
}

/* The newest first: tensors are mostly released in the reverse order. */
static int find_live(const struct keeper *k, const void *data)
{
    for (int i = k->lives - 1; i >= 0; i--)
        if (k->live[i].data == data)
            return i;
    return -1;
}

void keeper_release(struct keeper *k, const void *data)
{
    int i = data ? find_live(k, data) : -1;
    if (i < 0)
        return;
    k->lives--;
    memmove(&k->live[i], &k->live[i + 1], (size_t)(k->lives - i) * sizeof *k->live);
}

void keeper_wrote(struct keeper *k, const struct tensor *y, enum op_kind op)
{
    int i = y && y->data ? find_live(k, y->data) : -1;
    if (i >= 0 && k->live[i].op == OP_NONE)
        k->live[i].op = op;
}

void keeper_look(struct keeper *k, const struct ops_stats *s)
{
    struct profile_book *b = &k->book;
    int scope = k->stack[k->depth], stage = b->scope[scope].stage;
    size_t now = s->arena_now + s->scratch_bytes;
    for (int i = scope; i >= 0; i = b->scope[i].parent)
        b->scope[i].held = b->scope[i].held > now ? b->scope[i].held : now;
    b->reach = s->arena_peak;
    b->device_now = s->device_now;
    b->device_peak = s->device_peak;
    if (stage >= 0 && now > b->peak[stage].used + b->peak[stage].scratch) {
        struct profile_peak *p = &b->peak[stage];
        p->used = s->arena_now;
        p->scratch = s->scratch_bytes;
        p->scope = scope;
        p->count = k->lives;
        memcpy(p->tensor, k->live, (size_t)k->lives * sizeof *k->live);
    }
    if (k->what == PROFILE_TRACE && s->arena_now != k->told) {
        k->told = s->arena_now;
        note(k, (struct profile_event){
                    .at = clock_ms(), .bytes = s->arena_now, .what = 0, .kind = BOOKED_BYTES});
    }
}

/* ---- calls ---- */

void keeper_call(struct keeper *k, const struct keeper_call *call, const struct ops_stats *after)
{
    struct profile_cell *c = find_cell(k, k->stack[k->depth], find_shape(k, &call->shape));
    size_t now = after->arena_now + after->scratch_bytes;
    c->calls++;
    c->ms += call->ms;
    c->flops += call->flops;
    c->bytes += call->bytes;
    c->held = c->held > now ? c->held : now;
    note(k, (struct profile_event){.at = call->at,
                                   .ms = call->ms,
                                   .what = (int)(c - k->book.cell),
                                   .index = -1,
                                   .kind = BOOKED_CALL});
}

/* ---- the book ---- */

void keeper_reset(struct keeper *k, enum profile_what what)
{
    struct profile_book *b = &k->book;
    k->what = what;
    memset(k->shape, 0, sizeof k->shape);
    k->shape[PROFILE_SHAPES].op = OP_OTHER;
    memset(k->place, 0xff, sizeof k->place);
    memset(b->peak, 0, PROFILE_STAGES * sizeof *b->peak);
    b->shapes = b->cells = b->stages = b->events = b->dropped = 0;
    b->reach = b->device_now = b->device_peak = 0;
    b->scope[0] = (struct profile_scope){
        .name = "", .index = -1, .parent = -1, .stage = -1, .first = -1, .next = -1};
    b->scopes = 1;
    k->depth = k->deeper = k->lives = 0;
    k->told = 0;
    b->began = clock_ms();
}

struct keeper *keeper_new(void)
{
    struct keeper *k = calloc(1, sizeof *k);
    if (!k)
        return NULL;
    k->book.scope = calloc(PROFILE_SCOPES, sizeof *k->book.scope);
    k->book.cell = calloc(PROFILE_CELLS, sizeof *k->book.cell);
    k->book.peak = calloc(PROFILE_STAGES, sizeof *k->book.peak);
    if (k->book.scope && k->book.cell && k->book.peak)
        return k;
    keeper_free(k);
    return NULL;
}

void keeper_free(struct keeper *k)
{
    if (!k)
        return;
    free(k->book.scope);
    free(k->book.cell);
    free(k->book.peak);
    free(k->book.event);
    free(k);
}

/* ---- names ---- */

const char *op_kind_name(int kind)
{
    static const char *const names[OP_KINDS] = {
        [OP_NONE] = "",
        [OP_LINEAR] = "linear",
        [OP_GEGLU] = "geglu",
        [OP_CONV] = "conv2d",
        [OP_GROUP_NORM] = "group_norm",
        [OP_LAYER_NORM] = "layer_norm",
        [OP_ATTENTION] = "attention",
        [OP_CONCAT] = "concat",
        [OP_EMBEDDING] = "embedding",
        [OP_COPY] = "copy",
        [OP_MAP] = "map",
        [OP_COMBINE] = "combine",
        [OP_BLEND] = "blend",
        [OP_MATCH_STD] = "match_std",
        [OP_UPLOAD] = "upload",
        [OP_DOWNLOAD] = "download",
        [OP_OTHER] = "other calls",
    };
    return kind >= 0 && kind < OP_KINDS ? names[kind] : NULL;
}

enum { LABEL = 128 };
#define PUT(...) snprintf(out, LABEL, __VA_ARGS__)

/* "64x64" of an image, "77" of a sequence. */
static void put_area(int h, int w, char out[32])
{
    if (w == 1)
        snprintf(out, 32, "%d", h);
    else
        snprintf(out, 32, "%dx%d", h, w);
}

/* size: what each call of ops_profile.c puts there; the first is the number of images. */
static void label(const struct shape *k, char out[LABEL])
{
    const int *s = k->size;
    const char *name = op_kind_name(k->op);
    char area[32];
    put_area(s[1], s[2], area);
    switch (k->op) {
    case OP_LINEAR:
    case OP_GEGLU:
        PUT("%s %d>%d %s", name, s[3], s[4], area);
        break;
    case OP_CONV:
        PUT("%s %dx%d %d>%d %s%s%s", name, s[5], s[5], s[3], s[4], area, s[6] == 2 ? " /2" : "",
            s[6] == 0 ? " up" : "");
        break;
    case OP_GROUP_NORM:
        PUT("%s%s %d %s", name, s[4] ? "+silu" : "", s[3], area);
        break;
    case OP_ATTENTION:
        PUT("%s %dx%d %s over %d", name, s[4], s[3] / s[4], area, s[5]);
        break;
    case OP_CONCAT:
        PUT("%s %d+%d %s", name, s[3], s[4], area);
        break;
    case OP_OTHER:
        PUT("%s", name);
        return;
    default:
        PUT("%s %d %s", name, s[3], area);
    }
    if (s[0] > 1) {
        size_t n = strlen(out);
        snprintf(out + n, LABEL - n, " x%d", s[0]);
    }
}

void profile_join(const struct profile_book *b, const int *chain, int n, char *out, size_t size)
{
    size_t used = 0;
    *out = '\0';
    for (int i = n - 1; i >= 0 && used < size; i--) {
        const struct profile_scope *s = &b->scope[chain[i]];
        char index[16] = "";
        if (s->index >= 0)
            snprintf(index, sizeof index, ".%d", s->index);
        used += (size_t)snprintf(out + used, size - used, "%s%s%s", used ? "." : "", s->name,
                                 index);
    }
}

void profile_path(const struct profile_book *b, int scope, int from, char *out, size_t size)
{
    int chain[DEPTH], n = 0;
    for (int i = scope; i > 0 && n < DEPTH; i = b->scope[i].parent)
        chain[n++] = i;
    profile_join(b, chain, n - from, out, size);
}

void profile_tensor_sizes(const struct profile_tensor *t, char *out, size_t size)
{
    static const char *const type[] = {[DT_F32] = "f32", [DT_F16] = "f16", [DT_BF16] = "bf16"};
    snprintf(out, size, "%dx%dx%dx%d %s", t->n, t->h, t->w, t->c, type[t->dtype]);
}

struct op_profile keeper_shape(const struct keeper *k, int at)
{
    struct op_profile row = {.kind = (enum op_kind)k->shape[at].op};
    char name[LABEL];
    label(&k->shape[at], name);
    snprintf(row.name, sizeof row.name, "%.63s", name);
    return row;
}

/* ---- rows ---- */

static int by_time(const void *a, const void *b)
{
    const struct op_profile *x = a, *y = b;
    return (x->ms < y->ms) - (x->ms > y->ms);
}

int keeper_rows(const struct keeper *k, struct op_profile *rows, int max)
{
    struct op_profile all[PROFILE_SHAPES + 1] = {0};
    int n = 0;
    for (int i = 0; i < k->book.cells; i++) {
        const struct profile_cell *c = &k->book.cell[i];
        struct op_profile *r = &all[c->shape];
        if (r->calls == 0)
            *r = keeper_shape(k, c->shape);
        r->calls += c->calls;
        r->ms += c->ms;
        r->flops += c->flops;
        r->bytes += c->bytes;
    }
    for (int i = 0; i <= PROFILE_SHAPES; i++)
        if (all[i].calls > 0)
            all[n++] = all[i];
    qsort(all, (size_t)n, sizeof *all, by_time);
    n = n < max ? n : max;
    if (n > 0)
        memcpy(rows, all, (size_t)n * sizeof *rows);
    return n;
}
