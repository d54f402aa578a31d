/* The rates of a device: kept, or measured on a backend of their own. */
#include "sdxl/pipeline_priv.h"

#include <math.h>
#include <string.h>

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

/* What models take to load depends on files and caches, which nothing measures but loading one: the
 * geometric mean of the loads so far, later ones weighing more. Kept when it says something new. */
void pipeline_note_load(const struct pipeline *p, const struct pipeline_options *opt)
{
    char key[RATE_KEY];
    struct ops_stats s;
    struct rates r;
    struct err ignored;
    p->ops->stats(p->ops, &s);
    double rate = (double)s.weight_bytes / p->load_ms;
    if (opt->drawn || tuning_streams(&opt->tuning) || tuning_offloads(&opt->tuning) || /* in runs */
        p->load_ms <= 0 || device_describe(opt, key, sizeof key, &ignored) < 0 ||
        !rates_load(key, &r))
        return;
    double was = r.load_bytes_ms;
    r.load_bytes_ms = was > 0 ? sqrt(was * rate) : rate;
    if (fabs(log(r.load_bytes_ms / (was > 0 ? was : 1))) > 0.1 && rates_plausible(&r))
        rates_save(&r, &ignored);
}
