/* The rates of a device: kept, or measured on a backend of their own. */
#include "sdxl/pipeline_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "ops/dry.h"
#include "ops/rates_file.h"

/* before: the same points measured earlier, or with times 0 none. */
static int measure(const struct pipeline_options *opt, const struct rates *before, struct rates *r,
                   bool (*go_on)(void *), void *user, struct err *e)
{
    struct err ignored;
    struct ops *o = device_open(opt, false, e);
    if (!o)
        return -1;
    int rc = rates_measure(o, r, go_on, user, e);
    o->close(o);
    if (rc == 0 && before->times > 0) {
        rates_merge(r, before);
        r->load_bytes_ms = before->load_bytes_ms;
        r->disk_bytes_ms = before->disk_bytes_ms;
        r->pace = before->pace;
        r->stream_pace = before->stream_pace;
    }
    if (rc == 0)
        rates_save(r, &ignored);
    return rc;
}

int pipeline_rates(const struct pipeline_options *opt, enum rates_from from, struct rates *r,
                   bool (*go_on)(void *), void *user, struct err *e)
{
    char key[RATE_KEY];
    struct rates before = {0};
    if (device_describe(opt, key, sizeof key, e) < 0)
        return -1;
    bool kept = rates_load(key, r);
    if (kept && (from == RATES_KEPT || (from == RATES_NEEDED && !rates_doubtful(r))))
        return 0;
    if (from == RATES_KEPT)
        return 1;
    if (kept && from == RATES_NEEDED)
        before = *r;
    *r = (struct rates){0};
    memcpy(r->key, key, sizeof key);
    return measure(opt, &before, r, go_on, user, e);
}

size_t pipeline_cold(const struct pipeline *p)
{
    return checkpoint_cold(p->checkpoint) + (p->other_vae ? checkpoint_cold(p->other_vae) : 0);
}

void pipeline_price_load(struct pipeline *p, const struct rates *r)
{
    if (r->disk_bytes_ms > 0)
        ops_dry_wait(p->ops, (double)p->cold / r->disk_bytes_ms);
}

/* What models take to load, and disks to give them, is not measured but seen. */
void pipeline_note_load(const struct pipeline *p, const struct pipeline_options *opt)
{
    char key[RATE_KEY];
    struct ops_stats s;
    struct rates r;
    struct err ignored;
    p->ops->stats(p->ops, &s);
    if (opt->drawn || tuning_streams(&opt->tuning) || tuning_offloads(&opt->tuning) || /* in runs */
        p->load_ms <= 0 || device_describe(opt, key, sizeof key, &ignored) < 0 ||
        !rates_load(key, &r))
        return;
    if (rates_learn_load(&r, (double)s.weight_bytes, (double)p->cold, p->load_ms) &&
        rates_plausible(&r))
        rates_save(&r, &ignored);
}

void pipeline_take_rates(struct pipeline *p, const struct pipeline_options *opt)
{
    char key[RATE_KEY];
    struct err ignored;
    if (p->rates || opt->drawn || device_describe(opt, key, sizeof key, &ignored) < 0 ||
        !(p->rates = malloc(sizeof *p->rates)))
        return;
    if (!rates_load(key, p->rates)) {
        free(p->rates);
        p->rates = NULL;
    }
}

/* Points are the best of several times of one call over and over; a network's calls find caches
 * that others filled, and the machine as busy as it is. Runs show by how much. */
void pipeline_note_run(const struct run *r)
{
    enum { LEAST_MS = 20, EVERY_MS = 5000 };
    struct pipeline *p = r->p;
    const struct gen_times *t = &r->out->ms;
    double took = t->text + t->encode + t->sample + t->refine + t->hires + t->decode;
    struct rates kept;
    struct err ignored;
    if (!p->rates || r->foretold < LEAST_MS || took < LEAST_MS || r->params->warm ||
        r->params->profile)
        return;
    struct tuning as = r->params->tuning;
    as.memory = r->out->memory;
    double *pace = tuning_streams(&as) ? &p->rates->stream_pace : &p->rates->pace;
    double now = (*pace > 0 ? *pace : 1) * took / r->foretold;
    *pace = rates_mean(*pace, fmin(fmax(now, 0.25), 4));
    if (p->learnt_at > 0 && clock_ms() - p->learnt_at < EVERY_MS)
        return;
    p->learnt_at = clock_ms();
    if (!rates_load(p->rates->key, &kept)) /* others learn as well */
        return;
    kept.pace = p->rates->pace;
    kept.stream_pace = p->rates->stream_pace;
    if (rates_plausible(&kept))
        rates_save(&kept, &ignored);
}
