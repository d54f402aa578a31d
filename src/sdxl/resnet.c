/* Reference: diffusers' ResnetBlock2D. */
#include "sdxl/resnet.h"

void resnet_load(struct resnet *r, struct loader *l, struct name base, int in, int out,
                 int time_dim)
{
    r->in = in, r->out = out;
    r->norm1 = load_norm(l, name_of("%s.norm1", base.s), in);
    r->conv1 = load_conv(l, name_of("%s.conv1", base.s), out, in, 3);
    r->time = time_dim ? load_linear(l, name_of("%s.time_emb_proj", base.s), out, time_dim) : NULL;
    r->norm2 = load_norm(l, name_of("%s.norm2", base.s), out);
    r->conv2 = load_conv(load_writer(l, STREAM_FROM_NORMED), name_of("%s.conv2", base.s), out, out,
                         3);
    r->shortcut = NULL;
    if (in != out)
        r->shortcut = load_linear(load_writer(l, STREAM_FROM_STREAM),
                                  name_of("%s.conv_shortcut", base.s), out, in);
}

void resnet_free(struct resnet *r, struct ops *o)
{
    struct weight *all[] = {r->norm1, r->conv1, r->time, r->norm2, r->conv2, r->shortcut};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        o->free_weight(o, all[i]);
    *r = (struct resnet){0};
}

struct conv_args conv3x3(unsigned pad)
{
    return (struct conv_args){.stride = 1, .pad_before = 1, .pad_after = 1, .pad = pad};
}

/* The input as the result begins: through the shortcut, or as it is. Takes x unless it is kept. */
static struct tensor begin_sum(const struct resnet *r, struct ops *o, struct tensor *x, bool keep,
                               enum dtype type)
{
    if (!r->shortcut && !keep && x->dtype == type)
        return *x;
    struct tensor y = o->alloc_as(o, type, x->n, x->h, x->w, r->out);
    if (r->shortcut && x->dtype != o->act) {
        struct tensor narrow = ops_alloc_like(o, x, r->in);
        o->copy(o, &narrow, x);
        o->linear(o, &y, &narrow, r->shortcut, ACT_NONE, NULL);
        o->release(o, &narrow);
    } else if (r->shortcut) {
        o->linear(o, &y, x, r->shortcut, ACT_NONE, NULL);
    } else {
        o->copy(o, &y, x);
    }
    if (!keep)
        o->release(o, x);
    return y;
}

struct tensor resnet_run(const struct resnet *r, struct ops *o, struct tensor *x, bool keep,
                         const struct tensor *time, struct resnet_spec spec)
{
    struct conv_args first = conv3x3(spec.pad), second = conv3x3(spec.pad);
    struct tensor a = ops_alloc_like(o, x, r->in);
    float eps1 = spec.stream_eps > 0 ? spec.stream_eps : spec.eps;
    o->group_norm(o, &a, x, r->norm1, spec.groups, eps1, true);
    struct tensor b = ops_alloc_like(o, x, r->out);
    first.chan_add = time;
    o->conv2d(o, &b, &a, r->conv1, &first);
    o->release(o, &a);
    o->group_norm(o, &b, &b, r->norm2, spec.groups, spec.eps, true);
    struct tensor y = begin_sum(r, o, x, keep, spec.out);
    second.residual = &y;
    o->conv2d(o, &y, &b, r->conv2, &second);
    o->release(o, &b);
    return y;
}
