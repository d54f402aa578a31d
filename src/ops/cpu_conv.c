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

/* Images [first, first + n) of x, spelled out so that y is a convolution of it without padding. */
static void spell_out(struct cpu_ops *c, void *to, const struct tensor *x, const struct tensor *y,
                      int k, const struct conv_args *a, int first, int n)
{
    struct cpu_spread s = {.n = n,
                           .h = x->h,
                           .w = x->w,
                           .seen_h = conv_in_size(x->h, y->h, k, a),
                           .seen_w = conv_in_size(x->w, y->w, k, a),
                           .top = a->pad_before,
                           .left = a->pad_before,
                           .bottom = a->pad_after,
                           .right = a->pad_after,
                           .pad = a->pad,
                           .twice = a->upsample,
                           .pixel_bytes = (size_t)x->c * dtype_size(x->dtype)};
    cpu_spread_image(&c->cpu, to, image_at(x, first), &s);
}

/* The same call over planes: what it reads and writes is turned on the way. */
static void convolve_planes(struct cpu_ops *c, struct dnn_conv call, const struct tensor *y,
                            const struct tensor *x, char *planes, size_t in_bytes)
{
    struct err e;
    int64_t pixels = tensor_tokens(y);
    size_t value = dtype_size(y->dtype);
    void *to = call.y;
    cpu_to_planes(&c->cpu, planes, call.x, call.n, (int64_t)call.h * call.w_in, x->c,
                  dtype_size(x->dtype));
    call.x = planes;
    call.y = planes + in_bytes;
    call.planes = true;
    if (call.accumulate)
        cpu_to_planes(&c->cpu, call.y, to, call.n, pixels, y->c, value);
    cpu_keep(c, dnn_conv(c->dnn, &call, &e), &e);
    if (!c->failed)
        cpu_from_planes(&c->cpu, to, call.y, call.n, pixels, y->c, value);
}

static void convolve(struct cpu_ops *c, const struct tensor *y, const struct tensor *x,
                     const struct weight *w, const struct conv_args *a, const float *bias,
                     int first, int n, void *room, char *planes)
{
    struct err e;
    struct dnn_conv call = {.w = w->segment[0],
                            .bias = bias,
                            .x = image_at(x, first),
                            .y = image_at(y, first),
                            .y_type = y->dtype,
                            .n = n,
                            .h = x->h,
                            .w_in = x->w,
                            .stride = a->stride,
                            .top = a->pad_before,
                            .left = a->pad_before,
                            .bottom = a->pad_after,
                            .right = a->pad_after,
                            .act = a->act,
                            .accumulate = a->residual != NULL};
    if (room) {
        spell_out(c, room, x, y, w->s.k, a, first, n);
        call.x = room;
        call.h = conv_in_size(x->h, y->h, w->s.k, a) + a->pad_before + a->pad_after;
        call.w_in = conv_in_size(x->w, y->w, w->s.k, a) + a->pad_before + a->pad_after;
        call.top = call.left = call.bottom = call.right = 0;
    }
    if (w->s.k == 3 && planes) {
        size_t room_bytes = cpu_conv_room_bytes(y, x, w->s.k, a, c->fold);
        convolve_planes(c, call, y, x, planes, cpu_planes_in_bytes(x, a, room_bytes));
        return;
    }
    if (w->s.k == 3) {
        cpu_keep(c, dnn_conv(c->dnn, &call, &e), &e);
        return;
    }
    assert(a->stride == 1);
    struct dnn_linear rows = {.x = call.x,
                              .y = call.y,
                              .y_type = y->dtype,
                              .rows = n * tensor_tokens(y),
                              .x_ld = x->c,
                              .y_ld = y->c,
                              .act = a->act,
                              .accumulate = call.accumulate};
    cpu_multiply(c, w, bias, &rows);
}

static void upsample(struct cpu_ops *c, const struct tensor *y, const struct tensor *x,
                     const struct weight *w, const struct conv_args *a, const float *bias,
                     int first, int n, void *room)
{
    struct err e;
    struct cpu_upsample u = {.phases = cpu_phases_of(c, w),
                             .bias = bias,
                             .x = image_at(x, first),
                             .y = image_at(y, first),
                             .type = x->dtype,
                             .n = n,
                             .h = x->h,
                             .w = x->w,
                             .in = x->c,
                             .out = y->c,
                             .act = a->act};
    if (!c->failed)
        cpu_keep(c, cpu_upsample(&c->cpu, c->dnn, &u, room, &e), &e);
}

static void by_winograd(struct cpu_ops *c, const struct tensor *y, const struct tensor *x,
                        const struct weight *w, bool accumulate, const float *bias, int first,
                        int n, void *room)
{
    struct err e;
    struct cpu_winograd call = {.filters = cpu_filters_of(c, w),
                                .bias = bias,
                                .x = image_at(x, first),
                                .y = image_at(y, first),
                                .type = x->dtype,
                                .y_type = y->dtype,
                                .n = n,
                                .h = y->h,
                                .w = y->w,
                                .in = x->c,
                                .out = y->c,
                                .accumulate = accumulate};
    if (!c->failed)
        cpu_keep(c, cpu_winograd(&c->cpu, c->dnn, &call, room, &e), &e);
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
    bool winograd = cpu_conv_winograd(y, x, w->s.k, a, c->winograd);
    size_t room_bytes = winograd ? cpu_winograd_bytes(y, x)
                                 : cpu_conv_room_bytes(y, x, w->s.k, a, c->fold);
    size_t planes = c->planes ? cpu_conv_planes_bytes(y, x, w->s.k, a, c->fold) : 0;
    size_t all = bias_bytes + room_bytes + planes;
    char *room = all ? cpu_scratch(c, all) : NULL;
    if (all && !room)
        return;
    for (int first = 0; first < x->n && !c->failed; first += together) {
        const float *bias = w->bias;
        if (a->chan_add) {
            cpu_add_channels(&c->cpu, (float *)room, w->bias, image_at(a->chan_add, first),
                             a->chan_add->dtype, y->c);
            bias = (const float *)room;
        }
        if (cpu_conv_by_parts(y, x, w->s.k, a, c->fold))
            upsample(c, y, x, w, a, bias, first, together, room + bias_bytes);
        else if (winograd)
            by_winograd(c, y, x, w, a->residual != NULL, bias, first, together, room + bias_bytes);
        else
            convolve(c, y, x, w, a, bias, first, together, room_bytes ? room + bias_bytes : NULL,
                     planes ? room + (bias_bytes + room_bytes + 63) / 64 * 64 : NULL);
    }
    int taps = winograd ? 4 : cpu_conv_taps(y, x, w->s.k, a, c->fold);
    cpu_count(c, cost_conv(y, x, taps, cost_weight_bytes(&w->s, o->act), a));
}
