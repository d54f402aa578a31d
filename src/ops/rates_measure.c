/*
 * The calls that are timed, and how; see rates.h.
 *
 * The sizes are those between which the networks' calls lie: from the embedded model's to SDXL's at
 * 1024x1024, a few of each kind, dear ones cut down in pixels, where the rate no longer changes.
 * Calls are repeated until the clock can tell, so a backend whose calls return early is timed
 * right as well.
 */
#include "ops/rates.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "ops/ops.h"

/* Pixels of convolutions lie in a square. */
struct probe {
    enum rate_kind kind;
    int rows, in, out; /* attention: queries, keys, channels of a head */
    int heads;         /* of attention */
};

static const struct probe probes[] = {
    {RATE_MOVE, 6144, 4096, 0, 0}, /* first: fresh memory, more than caches hold */
    {RATE_MOVE, 1024, 640, 0, 0},
    {RATE_MOVE, 256, 64, 0, 0},
    {RATE_MOVE, 1, 32, 0, 0},
    {RATE_LINEAR, 2, 128, 128, 0},
    {RATE_LINEAR, 2, 1280, 1280, 0},
    {RATE_LINEAR, 64, 128, 128, 0},
    {RATE_LINEAR, 154, 224, 320, 0},
    {RATE_LINEAR, 512, 160, 160, 0},
    {RATE_LINEAR, 154, 1280, 1280, 0},
    {RATE_LINEAR, 1024, 640, 640, 0},
    {RATE_LINEAR, 512, 1280, 1280, 0},
    {RATE_LINEAR, 2048, 640, 640, 0},
    {RATE_GEGLU, 32, 160, 1280, 0},
    {RATE_GEGLU, 256, 128, 1024, 0},
    {RATE_GEGLU, 512, 640, 5120, 0},
    {RATE_GEGLU, 256, 1280, 10240, 0},
    {RATE_CONV1, 256, 128, 64, 0},
    {RATE_CONV1, 1024, 1280, 640, 0},
    {RATE_CONV1, 16384, 256, 128, 0},
    {RATE_CONV3, 64, 160, 160, 0},
    {RATE_CONV3, 256, 64, 64, 0},
    {RATE_CONV3, 256, 4, 64, 0},
    {RATE_CONV3, 256, 192, 128, 0},
    {RATE_CONV3, 4096, 32, 32, 0},
    {RATE_CONV3, 16384, 32, 32, 0},
    {RATE_CONV3, 16384, 32, 3, 0},
    {RATE_CONV3, 4096, 4, 320, 0},
    {RATE_CONV3, 4096, 320, 4, 0},
    {RATE_CONV3, 256, 1280, 640, 0},
    {RATE_CONV3, 1024, 320, 640, 0},
    {RATE_CONV3, 4096, 320, 160, 0},
    {RATE_CONV3, 16384, 128, 64, 0},
    {RATE_CONV3, 16384, 128, 3, 0},
    {RATE_CONV_DOUBLED, 256, 128, 128, 0},
    {RATE_CONV_DOUBLED, 16384, 32, 32, 0},
    {RATE_CONV_DOUBLED, 4096, 512, 256, 0},
    {RATE_ATTENTION, 16, 16, 32, 5},
    {RATE_ATTENTION, 256, 256, 32, 2},
    {RATE_ATTENTION, 256, 77, 32, 4},
    {RATE_ATTENTION, 256, 256, 64, 20},
    {RATE_ATTENTION, 1024, 77, 64, 10},
    {RATE_ATTENTION, 1024, 1024, 64, 5},
    {RATE_ATTENTION, 2048, 4096, 64, 1},
    {RATE_ATTENTION, 512, 4096, 512, 1},
    {RATE_GROUP_NORM, 64, 160, 0, 0},
    {RATE_GROUP_NORM, 4096, 64, 0, 0},
    {RATE_GROUP_NORM, 4096, 640, 0, 0},
    {RATE_GROUP_NORM, 16384, 512, 0, 0},
    {RATE_LAYER_NORM, 32, 160, 0, 0},
    {RATE_LAYER_NORM, 1024, 160, 0, 0},
    {RATE_LAYER_NORM, 4096, 1280, 0, 0},
};

enum { PROBES = sizeof probes / sizeof *probes };

struct measure {
    struct ops *o;
    struct rates *r;
    struct err *err;
    double packed_ms, packed_bytes;
    double first[PROBES]; /* of calls that multiply: what their first took more */
    int firsts;

    /* the call that is timed */
    const struct probe *p;
    struct tensor x, y, k, v;
    struct weight *w;
};

/* ---- one call ---- */

static int side_of(const struct probe *p)
{
    return (int)lround(sqrt((double)p->rows));
}

/* Small values of all signs: what a product takes does not depend on them, denormals would. */
static struct weight *pack(struct measure *m, int out, int in, int k)
{
    struct ops *o = m->o;
    size_t count = (size_t)out * (size_t)in * (size_t)(k * k);
    uint16_t *values = malloc(count * sizeof *values);
    float *bias = calloc((size_t)out, sizeof *bias);
    struct weight *w = NULL;
    struct ops_stats before, after;
    for (size_t i = 0; values && i < count; i++)
        values[i] = (uint16_t)(0x2000 | (i * 7919 & 0x83ff)); /* FP16 */
    if (values && bias) {
        struct param pw = {
            .data = values, .dtype = DT_F16, .rank = k > 1 ? 4 : 2, .dim = {out, in, k, k}};
        struct param pb = {.data = bias, .dtype = DT_F32, .rank = 1, .dim = {out}};
        o->stats(o, &before);
        double began = clock_ms();
        w = m->p->kind >= RATE_CONV1 ? o->pack_conv(o, &pw, &pb) : o->pack_linear(o, &pw, &pb, 1);
        if (count >= (1 << 20)) {
            o->stats(o, &after);
            m->packed_ms += clock_ms() - began;
            m->packed_bytes += (double)(after.weight_bytes - before.weight_bytes);
        }
    } else {
        err_set(m->err, "out of memory while measuring");
    }
    free(values);
    free(bias);
    return w;
}

static struct weight *pack_ones(struct measure *m, int c)
{
    float *ones = malloc((size_t)c * sizeof *ones);
    struct weight *w = NULL;
    for (int i = 0; ones && i < c; i++)
        ones[i] = 1;
    if (ones) {
        struct param p = {.data = ones, .dtype = DT_F32, .rank = 1, .dim = {c}};
        w = m->o->pack_norm(m->o, &p, &p);
    } else {
        err_set(m->err, "out of memory while measuring");
    }
    free(ones);
    return w;
}

static int fill(struct measure *m, struct tensor *t)
{
    size_t count = (size_t)tensor_count(t);
    float *values = malloc(count * sizeof *values);
    if (!values)
        return err_set(m->err, "out of memory while measuring");
    for (size_t i = 0; i < count; i++)
        values[i] = (float)((int)(i * 7919 % 255) - 127) / 256;
    m->o->upload(m->o, t, values);
    free(values);
    return 0;
}

static int prepare(struct measure *m)
{
    const struct probe *p = m->p;
    struct ops *o = m->o;
    int side = side_of(p), half = side / 2, out = p->kind == RATE_GEGLU ? p->out / 2 : p->out;
    bool conv = p->kind >= RATE_CONV1 && p->kind <= RATE_CONV_DOUBLED;
    if (p->kind == RATE_ATTENTION) {
        m->x = ops_alloc(o, 1, p->rows, 1, p->out * p->heads);
        m->y = ops_alloc(o, 1, p->rows, 1, p->out * p->heads);
        m->k = ops_alloc(o, 1, p->in, 1, p->out * p->heads);
        m->v = ops_alloc(o, 1, p->in, 1, p->out * p->heads);
        return fill(m, &m->x) < 0 || fill(m, &m->k) < 0 || fill(m, &m->v) < 0 ? -1 : 0;
    }
    if (conv) {
        bool up = p->kind == RATE_CONV_DOUBLED;
        m->x = ops_alloc(o, 1, up ? half : side, up ? half : side, p->in);
        m->y = p->out < 8 ? o->alloc_as(o, DT_F32, 1, side, side, p->out)
                          : ops_alloc(o, 1, side, side, p->out);
        m->w = pack(m, p->out, p->in, p->kind == RATE_CONV1 ? 1 : 3);
    } else {
        m->x = ops_alloc(o, 1, p->rows, 1, p->in);
        m->y = ops_alloc(o, 1, p->rows, 1, out ? out : p->in);
        if (p->kind <= RATE_GEGLU)
            m->w = pack(m, p->out, p->in, 1);
        else if (p->kind != RATE_MOVE)
            m->w = pack_ones(m, p->in);
    }
    return p->kind != RATE_MOVE && (!m->w || fill(m, &m->x) < 0) ? -1 : 0;
}

static void drop(struct measure *m)
{
    m->o->free_weight(m->o, m->w);
    m->o->release(m->o, &m->v);
    m->o->release(m->o, &m->k);
    m->o->release(m->o, &m->y);
    m->o->release(m->o, &m->x);
    m->w = NULL;
}

static void call(struct measure *m)
{
    struct ops *o = m->o;
    const struct probe *p = m->p;
    struct conv_args a = {.stride = 1};
    switch (p->kind) {
    case RATE_LINEAR:
        o->linear(o, &m->y, &m->x, m->w, ACT_NONE, NULL);
        break;
    case RATE_GEGLU:
        o->geglu(o, &m->y, &m->x, m->w);
        break;
    case RATE_CONV3:
    case RATE_CONV_DOUBLED:
        a.pad_before = a.pad_after = 1;
        a.upsample = p->kind == RATE_CONV_DOUBLED;
        o->conv2d(o, &m->y, &m->x, m->w, &a);
        break;
    case RATE_CONV1:
        o->conv2d(o, &m->y, &m->x, m->w, &a);
        break;
    case RATE_ATTENTION:
        o->attention(o, &m->y, &m->x, &m->k, &m->v, p->heads, 0.125f, false);
        break;
    case RATE_GROUP_NORM:
        o->group_norm(o, &m->y, &m->x, m->w, 32, 1e-5f, true);
        break;
    case RATE_LAYER_NORM:
        o->layer_norm(o, &m->y, &m->x, m->w, 1e-5f);
        break;
    default:
        o->copy(o, &m->y, &m->x);
    }
}

/* ---- timing ---- */

static double timed(struct measure *m, int times)
{
    struct err ignored;
    double began = clock_ms();
    for (int i = 0; i < times; i++)
        call(m);
    m->o->sync(m->o, &ignored); /* asked again at the end */
    return (clock_ms() - began) / times;
}

/* The best of some tries, of half a millisecond each or one call: more of them while the two best
 * are not of one mind, which they are not where others use the machine. */
static double best_of(struct measure *m)
{
    int times = 1, tries = 0;
    double best = timed(m, 1), second = INFINITY, spent = best;
    while (best * times < 0.5 && times < 1024)
        times *= 2;
    while (tries < 1 || (tries < 8 && (spent < 5 || (second > 1.03 * best && spent < 150)))) {
        double ms = timed(m, times);
        spent += ms * times;
        second = fmin(second, fmax(ms, best));
        best = fmin(best, ms);
        tries++;
    }
    return best;
}

static struct rate_call call_of(const struct probe *p, double flops, double bytes)
{
    struct rate_call c = {p->kind, {p->rows, p->in, p->out}, flops, bytes, 0};
    if (p->kind >= RATE_GROUP_NORM)
        c.size[0] = bytes, c.size[1] = c.size[2] = 1;
    return c;
}

static int measure_one(struct measure *m)
{
    struct ops *o = m->o;
    struct ops_stats before, after;
    int rc = prepare(m) < 0 ? -1 : o->sync(o, m->err);
    if (rc == 0) {
        o->stats(o, &before);
        double first = timed(m, 1);
        o->stats(o, &after);
        double best = best_of(m);
        struct rate_call c = call_of(m->p, after.flops - before.flops,
                                     after.bytes_moved - before.bytes_moved);
        if (m->p == probes) /* what was read was fresh memory, and what was written too */
            m->r->touch_bytes_ms = c.bytes / fmax(first - best, 1e-3);
        else if (m->p->kind <= RATE_CONV_DOUBLED)
            m->first[m->firsts++] = fmax(first - best, 0);
        m->r->point[m->r->count++] = (struct rate_point){c, best};
        rc = o->sync(o, m->err);
    }
    drop(m);
    return rc;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* ---- what others did meanwhile ---- */

/* Seconds of all processors since they were started, busy and idle, and of this process. */
static bool read_use(double *busy, double *all, double *own)
{
    unsigned long long t[8] = {0};
    struct rusage u;
    FILE *f = fopen("/proc/stat", "re");
    int n = f ? fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &t[0], &t[1], &t[2], &t[3],
                       &t[4], &t[5], &t[6], &t[7])
              : 0;
    if (f)
        fclose(f);
    *all = *busy = 0;
    for (int i = 0; i < 8; i++)
        *all += (double)t[i] / (double)sysconf(_SC_CLK_TCK);
    *busy = *all - (double)(t[3] + t[4]) / (double)sysconf(_SC_CLK_TCK);
    getrusage(RUSAGE_SELF, &u);
    *own = (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
    return n >= 4;
}

static double others_since(double busy, double all, double own)
{
    double now[3];
    if (!read_use(&now[0], &now[1], &now[2]) || now[1] <= all)
        return 0;
    double share = (now[0] - busy - (now[2] - own)) / (now[1] - all);
    return fmin(fmax(share, 0), 1);
}

/* ---- all of it ---- */

static void conclude(struct measure *m)
{
    struct rates *r = m->r;
    r->start_ms = m->first[0];
    qsort(m->first, (size_t)m->firsts, sizeof *m->first, by_size);
    r->first_ms = m->first[m->firsts / 2];
    r->start_ms = fmax(r->start_ms - r->first_ms, 0);
    r->pack_bytes_ms = m->packed_bytes / fmax(m->packed_ms, 1e-3);
    r->overhead_ms = r->point[0].ms;
    for (int i = 0; i < r->count; i++)
        if (r->point[i].call.kind == RATE_MOVE)
            r->overhead_ms = fmin(r->overhead_ms, r->point[i].ms);
    r->times = 1;
}

int rates_measure(struct ops *o, struct rates *r, bool (*go_on)(void *), void *user, struct err *e)
{
    struct measure m = {.o = o, .r = r, .err = e};
    r->count = 0;
    r->overhead_ms = r->load_bytes_ms = r->disk_bytes_ms = r->pace = r->stream_pace = 0;
    double busy, all, own;
    bool known = read_use(&busy, &all, &own);
    if (o->reserve(o, (size_t)256 << 20, e) < 0)
        return -1;
    for (int i = 0; i < PROBES; i++) {
        m.p = &probes[i];
        if (go_on && !go_on(user))
            return err_set(e, "cancelled");
        if (measure_one(&m) < 0)
            return err_prefix(e, "measuring this machine");
    }
    r->others = known ? others_since(busy, all, own) : 0;
    conclude(&m);
    if (!rates_plausible(r))
        return err_set(e, "measuring this machine gave impossible times");
    return 0;
}
