/*
 * Convolutions of the CPU backend, each by the way that costs it least: 1x1 ones are matrix
 * products, a doubling and a 3x3 one four of 2x2 (cpu_upsample.h), large ones Winograd's
 * (cpu_winograd.h), the others oneDNN's own.
 *
 * oneDNN is asked for plain cases only. The per-channel add goes into a bias of its own for each
 * image; circular padding, and a doubled input that is not done by parts, are spelled out in
 * scratch.
 */
#include "ops/cpu_backend.h"

static void *image_at(const struct tensor *t, int image)
{
    size_t bytes = (size_t)(tensor_tokens(t) * t->ld) * dtype_size(t->dtype);
    return (char *)t->data + (size_t)image * bytes;
}

/* One call of conv2d over some of its images: all, or one where each has a bias of its own. */
struct conv_call {
    struct cpu_ops *c;
    const struct tensor *y, *x;
    const struct weight *w;
    const struct conv_args *a;
    const float *bias; /* [out] */
    int first, n;      /* images */
    char *room;        /* scratch of the way that is taken, or NULL */
    char *planes;      /* scratch for planes; NULL: pixels are read as they are */
};

/* The part's images of x, spelled out so that y is a convolution of them without padding. */
static void spell_out(const struct conv_call *p)
{
    const struct conv_args *a = p->a;
    struct cpu_spread s = {.n = p->n,
                           .h = p->x->h,
                           .w = p->x->w,
                           .seen_h = conv_in_size(p->x->h, p->y->h, p->w->s.k, a),
                           .seen_w = conv_in_size(p->x->w, p->y->w, p->w->s.k, a),
                           .top = a->pad_before,
                           .left = a->pad_before,
                           .bottom = a->pad_after,
                           .right = a->pad_after,
                           .pad = a->pad,
                           .twice = a->upsample,
                           .pixel_bytes = (size_t)p->x->c * dtype_size(p->x->dtype)};
    cpu_spread_image(&p->c->cpu, p->room, image_at(p->x, p->first), &s);
}

/* The call over planes: what it reads and writes is turned on the way. */
static void convolve_planes(const struct conv_call *p, struct dnn_conv call)
{
    struct err e;
    struct cpu_ops *c = p->c;
    size_t room_bytes = cpu_conv_room_bytes(p->y, p->x, p->w->s.k, p->a, c->fold);
    int64_t pixels = tensor_tokens(p->y);
    size_t value = dtype_size(p->y->dtype);
    void *to = call.y;
    cpu_to_planes(&c->cpu, p->planes, call.x, call.n, (int64_t)call.h * call.w_in, p->x->c,
                  dtype_size(p->x->dtype));
    call.x = p->planes;
    call.y = p->planes + cpu_planes_in_bytes(p->x, p->a, room_bytes);
    call.planes = true;
    if (call.accumulate)
        cpu_to_planes(&c->cpu, call.y, to, call.n, pixels, p->y->c, value);
    cpu_keep(c, dnn_conv(c->dnn, &call, &e), &e);
    if (!c->failed)
        cpu_from_planes(&c->cpu, to, call.y, call.n, pixels, p->y->c, value);
}

static void multiply(const struct conv_call *p, const struct dnn_conv *call)
{
    assert(p->a->stride == 1);
    struct dnn_linear rows = {.x = call->x,
                              .y = call->y,
                              .y_type = p->y->dtype,
                              .rows = p->n * tensor_tokens(p->y),
                              .x_ld = p->x->c,
                              .y_ld = p->y->c,
                              .act = p->a->act,
                              .accumulate = call->accumulate};
    cpu_multiply(p->c, p->w, p->bias, &rows);
}

/* By oneDNN; with room, over images that are spelled out in it. */
static void convolve(const struct conv_call *p)
{
    struct err e;
    const struct conv_args *a = p->a;
    struct dnn_conv call = {.w = p->w->segment[0],
                            .bias = p->bias,
                            .x = image_at(p->x, p->first),
                            .y = image_at(p->y, p->first),
                            .y_type = p->y->dtype,
                            .n = p->n,
                            .h = p->x->h,
                            .w_in = p->x->w,
                            .stride = a->stride,
                            .top = a->pad_before,
                            .left = a->pad_before,
                            .bottom = a->pad_after,
                            .right = a->pad_after,
                            .act = a->act,
                            .accumulate = a->residual != NULL};
    if (p->room) {
        int borders = a->pad_before + a->pad_after;
        spell_out(p);
        call.x = p->room;
        call.h = conv_in_size(p->x->h, p->y->h, p->w->s.k, a) + borders;
        call.w_in = conv_in_size(p->x->w, p->y->w, p->w->s.k, a) + borders;
        call.top = call.left = call.bottom = call.right = 0;
    }
    if (p->w->s.k == 1)
        multiply(p, &call);
    else if (p->planes)
        convolve_planes(p, call);
    else
        cpu_keep(p->c, dnn_conv(p->c->dnn, &call, &e), &e);
}

static void upsample(const struct conv_call *p)
{
    struct err e;
    struct cpu_ops *c = p->c;
    struct cpu_upsample u = {.phases = cpu_phases_of(c, p->w),
                             .bias = p->bias,
                             .x = image_at(p->x, p->first),
                             .y = image_at(p->y, p->first),
                             .type = p->x->dtype,
                             .n = p->n,
                             .h = p->x->h,
                             .w = p->x->w,
                             .in = p->x->c,
                             .out = p->y->c,
                             .act = p->a->act};
    if (!c->failed)
        cpu_keep(c, cpu_upsample(&c->cpu, c->dnn, &u, p->room, &e), &e);
}

static void by_winograd(const struct conv_call *p)
{
    struct err e;
    struct cpu_ops *c = p->c;
    struct cpu_winograd call = {.filters = cpu_filters_of(c, p->w),
                                .bias = p->bias,
                                .x = image_at(p->x, p->first),
                                .y = image_at(p->y, p->first),
                                .type = p->x->dtype,
                                .y_type = p->y->dtype,
                                .n = p->n,
                                .h = p->y->h,
                                .w = p->y->w,
                                .in = p->x->c,
                                .out = p->y->c,
                                .accumulate = p->a->residual != NULL};
    if (!c->failed)
        cpu_keep(c, cpu_winograd(&c->cpu, c->dnn, &call, p->room, &e), &e);
}

void cpu_conv2d(struct ops *o, struct tensor *y, const struct tensor *x, const struct weight *w,
                const struct conv_args *a)
{
    struct cpu_ops *c = cpu_of(o);
    if (!cpu_ready(c, w))
        return;
    check_conv(y, x, &w->s, a);
    cpu_place(c, y, a->residual);
    /* A bias for each image, where something is added to its channels. */
    int together = a->chan_add ? 1 : x->n;
    size_t bias_bytes = cpu_conv_bias_bytes(y, a);
    bool by_parts = cpu_conv_by_parts(y, x, w->s.k, a, c->fold);
    bool winograd = cpu_conv_winograd(y, x, w->s.k, a, c->winograd);
    size_t room_bytes = winograd ? cpu_winograd_bytes(y, x)
                                 : cpu_conv_room_bytes(y, x, w->s.k, a, c->fold);
    size_t planes = c->planes ? cpu_conv_planes_bytes(y, x, w->s.k, a, c->fold) : 0;
    size_t all = bias_bytes + room_bytes + planes;
    char *room = all ? cpu_scratch(c, all) : NULL;
    if (all && !room)
        return;
    struct conv_call p = {.c = c, .y = y, .x = x, .w = w, .a = a, .bias = w->bias, .n = together};
    p.room = room_bytes ? room + bias_bytes : NULL;
    p.planes = planes ? room + cpu_whole_lines(bias_bytes + room_bytes) : NULL;
    for (; p.first < x->n && !c->failed; p.first += together) {
        if (a->chan_add) {
            cpu_add_channels(&c->cpu, (float *)room, w->bias, image_at(a->chan_add, p.first),
                             a->chan_add->dtype, y->c);
            p.bias = (const float *)room;
        }
        if (by_parts)
            upsample(&p);
        else if (winograd)
            by_winograd(&p);
        else
            convolve(&p);
    }
    int taps = winograd ? 4 : cpu_conv_taps(y, x, w->s.k, a, c->fold);
    cpu_count(c, cost_conv(y, x, taps, cost_weight_bytes(&w->s, o->act), a));
}
