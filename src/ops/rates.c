/* What calls take, from what others took; see rates.h. */
#include "ops/rates.h"

#include <assert.h>
#include <math.h>
#include <string.h>

static const char *const names[RATE_KINDS] = {
    [RATE_LINEAR] = "linear",
    [RATE_GEGLU] = "geglu",
    [RATE_CONV1] = "conv1",
    [RATE_CONV3] = "conv3",
    [RATE_CONV_DOUBLED] = "conv_doubled",
    [RATE_ATTENTION] = "attention",
    [RATE_GROUP_NORM] = "group_norm",
    [RATE_LAYER_NORM] = "layer_norm",
    [RATE_MOVE] = "move",
};

const char *rate_kind_name(int kind)
{
    return kind >= 0 && kind < RATE_KINDS ? names[kind] : NULL;
}

int rate_kind_by_name(const char *name)
{
    for (int i = 0; i < RATE_KINDS; i++)
        if (!strcmp(names[i], name))
            return i;
    return -1;
}

static bool multiplies(int kind)
{
    return kind <= RATE_ATTENTION;
}

static double work_of(const struct rate_call *c)
{
    return multiplies(c->kind) ? c->flops : c->bytes;
}

/* Work a millisecond, without the overhead of the call; of a time that is nearly all overhead at
 * least a tenth is taken to be work. */
static double rate_of(const struct rates *r, const struct rate_point *p)
{
    return work_of(&p->call) / fmax(p->ms - r->overhead_ms, p->ms / 10);
}

static double distance2(const struct rate_call *a, const struct rate_call *b)
{
    double sum = 0;
    for (int i = 0; i < RATE_SIZES; i++) {
        double d = log2(a->size[i] / b->size[i]);
        sum += d * d;
    }
    return sum;
}

/* The mean of the logarithms of the points' rates, each weighed by the inverse of its distance's
 * fourth power: far ones say little where there are near ones, and a point itself its own rate. */
static double rate_at(const struct rates *r, const struct rate_call *c)
{
    double sum = 0, weights = 0;
    for (int i = 0; i < r->count; i++) {
        const struct rate_point *p = &r->point[i];
        if (p->call.kind != c->kind)
            continue;
        double d2 = distance2(c, &p->call) + 1e-4, w = 1 / (d2 * d2);
        sum += w * log(rate_of(r, p));
        weights += w;
    }
    return weights > 0 ? exp(sum / weights) : 0;
}

double rates_ms(const struct rates *r, const struct rate_call *c)
{
    double rate = rate_at(r, c), memory = rates_memory_bytes(r) / 1e3;
    double ms = r->overhead_ms + (rate > 0 ? work_of(c) / rate : 0);
    ms += memory > 0 ? c->cold / memory : 0;
    return ms;
}

/* ---- ceilings ---- */

static double highest(const struct rates *r, enum rate_kind kind)
{
    double most = 0;
    for (int i = 0; i < r->count; i++)
        if (r->point[i].call.kind == kind)
            most = fmax(most, rate_of(r, &r->point[i]));
    return most * 1e3;
}

double rates_gemm_flops(const struct rates *r)
{
    return highest(r, RATE_LINEAR);
}

double rates_conv_flops(const struct rates *r)
{
    return highest(r, RATE_CONV3);
}

double rates_attention_flops(const struct rates *r)
{
    return highest(r, RATE_ATTENTION);
}

/* Of the largest move. */
double rates_memory_bytes(const struct rates *r)
{
    const struct rate_point *most = NULL;
    for (int i = 0; i < r->count; i++) {
        const struct rate_point *p = &r->point[i];
        if (p->call.kind == RATE_MOVE && (!most || p->call.bytes > most->call.bytes))
            most = p;
    }
    return most ? rate_of(r, most) * 1e3 : 0;
}

/* ---- what loads teach ---- */

double rates_mean(double was, double now)
{
    return was > 0 ? sqrt(was * now) : now;
}

bool rates_learn_load(struct rates *r, double bytes, double cold, double ms)
{
    static const double LARGE = 256 << 20; /* of others files, threads and libraries are a part */
    double warm_ms = bytes / (r->load_bytes_ms > 0 ? r->load_bytes_ms : r->pack_bytes_ms);
    if (bytes < LARGE) {
        double pack = rates_mean(r->pack_bytes_ms, bytes / ms);
        if (fabs(log(pack / r->pack_bytes_ms)) <= 0.1)
            return false;
        r->pack_bytes_ms = pack;
    } else if (cold < LARGE || ms < warm_ms) {
        /* One that waited for the disk as well and was faster shows the least of the rate. */
        r->load_bytes_ms = rates_mean(r->load_bytes_ms, bytes / ms);
    } else if (ms > 1.1 * warm_ms) {
        r->disk_bytes_ms = rates_mean(r->disk_bytes_ms, cold / (ms - warm_ms));
    } else {
        return false;
    }
    return true;
}

/* ---- what can be believed ---- */

static bool between(double x, double low, double high)
{
    return x >= low && x <= high; /* no number is not */
}

static bool point_plausible(const struct rate_point *p)
{
    const struct rate_call *c = &p->call;
    bool ok = c->kind >= 0 && c->kind < RATE_KINDS && between(p->ms, 1e-6, 1e6) &&
              between(c->flops, 0, 1e15) && between(c->bytes, 1, 1e12) && work_of(c) > 0;
    for (int i = 0; i < RATE_SIZES; i++)
        ok = ok && between(c->size[i], 1, 1e12);
    return ok && between(work_of(c) / p->ms, 1e-3, 1e15);
}

bool rates_plausible(const struct rates *r)
{
    bool has[RATE_KINDS] = {false};
    bool ok = r->count > 0 && r->count <= RATE_POINTS && between(r->overhead_ms, 0, 1e3) &&
              between(r->start_ms, 0, 1e5) && between(r->first_ms, 0, 1e4) &&
              between(r->pack_bytes_ms, 1, 1e12) && between(r->load_bytes_ms, 0, 1e12) &&
              between(r->disk_bytes_ms, 0, 1e12) && (r->pace == 0 || between(r->pace, 0.1, 10)) &&
              (r->stream_pace == 0 || between(r->stream_pace, 0.1, 10)) &&
              between(r->others, 0, 1) && r->times >= 1 && between(r->touch_bytes_ms, 1, 1e12);
    for (int i = 0; ok && i < r->count; i++) {
        ok = point_plausible(&r->point[i]);
        if (ok)
            has[r->point[i].call.kind] = true;
    }
    for (int i = 0; i < RATE_KINDS; i++)
        ok = ok && has[i];
    return ok;
}

/* ---- measured more than once ---- */

enum { ENOUGH_TIMES = 4 };

bool rates_doubtful(const struct rates *r)
{
    return r->others > 0.1 && r->times < ENOUGH_TIMES;
}

void rates_merge(struct rates *r, const struct rates *with)
{
    assert(r->count == with->count);
    for (int i = 0; i < r->count; i++)
        r->point[i].ms = fmin(r->point[i].ms, with->point[i].ms);
    r->overhead_ms = fmin(r->overhead_ms, with->overhead_ms);
    r->start_ms = fmin(r->start_ms, with->start_ms);
    r->first_ms = fmin(r->first_ms, with->first_ms);
    r->pack_bytes_ms = fmax(r->pack_bytes_ms, with->pack_bytes_ms);
    r->touch_bytes_ms = fmax(r->touch_bytes_ms, with->touch_bytes_ms);
    r->others = fmin(r->others, with->others);
    r->times += with->times;
}
