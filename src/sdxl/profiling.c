/* What an open model tells of itself: a run's profile, what a forecast has at its peak, what its
 * networks hold. */
#include "sdxl/pipeline_priv.h"

#include <stdio.h>
#include <string.h>

/* Everything asks p->ops, so the profile takes its place for the run; weights and tensors are the
 * backend's all the while. */
int pipeline_generate_profiled(struct run *r, enum profile_what what)
{
    struct pipeline *p = r->p;
    struct ops *plain = p->ops;
    if (!p->profile && !(p->profile = ops_profile_open(plain, what, r->err)))
        return -1;
    ops_profile_reset(p->profile, what);
    p->ops = p->profile;
    int rc = pipeline_generate(r);
    p->ops = plain;
    return rc;
}

int pipeline_profile(const struct pipeline *p, struct op_profile *rows, int max)
{
    return p->profile ? ops_profile_rows(p->profile, rows, max) : 0;
}

const struct profile_book *pipeline_book(const struct pipeline *p)
{
    return p->profile ? ops_profile_book(p->profile) : NULL;
}

void pipeline_shapes(const struct pipeline *p, struct op_profile *out)
{
    for (int i = 0; i <= PROFILE_SHAPES; i++)
        out[i] = ops_profile_shape(p->profile, i);
}

const struct profile_book *pipeline_forecast_book(const struct pipeline *p)
{
    return p->shadow ? pipeline_book(p->shadow) : NULL;
}

/* ---- networks ---- */

void pipeline_note_network(struct pipeline *p, const char *name, enum part part, size_t *since)
{
    struct ops_stats s;
    p->ops->stats(p->ops, &s);
    if (p->networks < MAX_NETWORKS) {
        struct network_bytes *n = &p->network[p->networks++];
        snprintf(n->name, sizeof n->name, "%s", name);
        n->part = part;
        n->packed = s.weight_bytes - *since;
    }
    *since = s.weight_bytes;
}

static int networks_of(const struct pipeline *p, const char *prefix, struct network_bytes *out,
                       int room)
{
    struct part_summary own[PART_COUNT] = {0}, vae[PART_COUNT] = {0};
    checkpoint_summary(p->checkpoint, own);
    if (p->vae_from)
        checkpoint_summary(p->vae_from, vae);
    int n = p->networks < room ? p->networks : room;
    for (int i = 0; i < n; i++) {
        const struct part_summary *s = p->network[i].part == PART_VAE ? vae : own;
        out[i] = p->network[i];
        out[i].file = (size_t)s[out[i].part].bytes;
        snprintf(out[i].name, sizeof out[i].name, "%s%s", prefix, p->network[i].name);
    }
    return n;
}

int pipeline_networks(const struct pipeline *p, struct network_bytes out[MAX_NETWORKS])
{
    int n = networks_of(p, "", out, MAX_NETWORKS);
    if (p->refiner)
        n += networks_of(p->refiner, "refiner ", out + n, MAX_NETWORKS - n);
    if (n < MAX_NETWORKS && pipeline_control_bytes(p, &out[n]))
        n++;
    return n;
}
