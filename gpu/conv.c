/*
 * Convolutions by cuDNN, channels last.
 *
 * A 1x1 convolution is a product. Of the others there are two ways: the convolution with its bias
 * alone, which ready-made kernels of cuDNN do, with our own epilogue behind it; and all of it, with
 * per-channel add and residual, as one graph, for which cuDNN compiles a kernel when the plan is
 * made (up to a second each). Measuring decides, for outputs that are large enough
 * for the difference to show; without it the first is taken.
 *
 * A 3x3 convolution of an image doubled by nearest neighbour is four 2x2 convolutions of the image
 * as it is, one for each place in a 2x2 cell of the output: taps that fall on the same pixel are
 * summed beforehand (fold.cu). Each writes every other pixel of every other row. That is 4/9 of the
 * multiplications, and the doubled image is never made.
 *
 * cuDNN's borders are zeros. Others (tiled pictures) are written out first, with the image between
 * them (border.cu); so is a doubled image where those four cannot be.
 */
#include "library_priv.h"

#include <stdio.h>

enum { WHOLE, SPLIT, VARIANTS };

struct conv_call {
    struct library *l;
    struct conv_shape shape; /* of the whole */
    const struct tensor *chan_add, *residual;
    struct tensor y; /* dense, or every other pixel */
    const void *x, *w, *bias;
    enum act act;
    size_t temp_used; /* bytes of library_temp that hold x */
    bool aside;       /* y is the residual, and needed once more: what is tried writes elsewhere */
    /* while a plan is made: what is tried */
    struct dnn_plan plan[VARIANTS * PROPOSALS];
    int variant[VARIANTS * PROPOSALS], count;
};

/* What of the whole is cuDNN's. The activation stands between the adds and the residual. */
static struct conv_shape part(const struct conv_call *c, int variant)
{
    struct conv_shape s = c->shape;
    if (variant == SPLIT)
        s.add = s.residual = false;
    else if (c->act != ACT_NONE)
        s.residual = false;
    return s;
}

/* Is there anything left for our epilogue? */
static bool unfinished(const struct conv_call *c, int variant)
{
    return c->act != ACT_NONE || (variant == SPLIT && (c->chan_add || c->residual));
}

static int run_dnn(struct library *l, const struct dnn_plan *plan, const struct conv_call *c,
                   const struct conv_shape *s, void *y, void *stream)
{
    struct dnn_io io = {{CONV_X, CONV_W, CONV_Y}, {(void *)c->x, (void *)c->w, y}, 3};
    if (s->bias)
        io.id[io.count] = CONV_BIAS, io.data[io.count++] = (void *)c->bias;
    if (s->add)
        io.id[io.count] = CONV_ADD, io.data[io.count++] = c->chan_add->data;
    if (s->residual)
        io.id[io.count] = CONV_RESIDUAL, io.data[io.count++] = c->residual->data;
    cudnnStatus_t rc = dnn_run(&l->dnn, plan, &io, l->workspace, stream);
    if (rc == CUDNN_STATUS_SUCCESS)
        return 0;
    dnn_reason(rc, l->why, sizeof l->why);
    return library_refused(l, stream);
}

static bool onto_itself(const struct conv_call *c)
{
    return c->residual && c->residual->data == c->y.data;
}

static int run(struct library *l, const struct dnn_plan *plan, int variant,
               const struct conv_call *c, void *stream)
{
    struct conv_shape s = part(c, variant);
    struct tensor t = c->y, to = c->y;
    /* A residual that is the output must not be overwritten before it is read. */
    if (onto_itself(c) && unfinished(c, variant)) {
        char *room = library_temp(l, c->temp_used + tensor_bytes(&t));
        t.data = room ? room + c->temp_used : NULL;
    } else if (c->aside) {
        t.data = library_aside(l, plan->scratch, c->temp_used, tensor_bytes(&t));
    }
    if (!t.data)
        return NOT_TAKEN;
    if (c->aside)
        to.data = t.data;
    int rc = run_dnn(l, plan, c, &s, t.data, stream);
    if (rc || !unfinished(c, variant))
        return rc;
    return gpu_epilogue(&to, &t, NULL, s.add ? NULL : c->chan_add, c->act, c->residual, stream);
}

/* -- plans --------------------------------------------------------------------------------------
 */

static int try_plan(void *call, int i, void *stream)
{
    struct conv_call *c = call;
    struct library *l = c->l;
    if (!dnn_plan(&c->plan[i], &l->dnn, library_scratch(l), l->why, sizeof l->why))
        return NOT_TAKEN;
    return run(l, &c->plan[i], c->variant[i], c, stream);
}

/* Appends what cuDNN proposes for one variant. */
static void collect(struct library *l, struct conv_call *c, int variant)
{
    struct dnn_graph g = {.failed = false};
    const struct conv_shape s = part(c, variant);
    dnn_desc proposal[PROPOSALS];
    unsigned refuse = s.type == DT_F32 && !l->options.tf32 ? DNN_NO_TENSOR_CORES : 0;
    int proposed = 0;
    if (conv_graph(&g, &s, &l->dnn) == 0)
        proposed = dnn_proposals(&g, &l->dnn, refuse, proposal, PROPOSALS);
    if (!proposed)
        snprintf(l->why, sizeof l->why, "cuDNN: %.200s", g.why[0] ? g.why : "no engine");
    for (int i = 0; i < proposed; i++) {
        c->variant[c->count] = variant;
        c->plan[c->count++] = (struct dnn_plan){NULL, proposal[i], 0};
    }
    dnn_free(&g);
}

/* Is the second way another one, and are its sums as good? Its result is rounded before the rest is
 * added, which must be to the type that the whole's inputs have. */
static bool splits(const struct conv_call *c)
{
    return (c->shape.add || c->shape.residual) && c->shape.type == c->shape.out &&
           c->shape.spread == 1;
}

static void gather(struct library *l, struct conv_call *c)
{
    if (splits(c))
        collect(l, c, SPLIT); /* first, so taken where nothing is measured: no kernel to compile */
    if (c->count == 0 || tensor_bytes(&c->y) >= l->options.fuse_from)
        collect(l, c, WHOLE);
}

/* What an earlier run compiled, or the choice among what is proposed. */
static int choose(struct library *l, const struct plan_key *key, struct conv_call *c, void *stream,
                  int *chosen)
{
    int rc = NOT_TAKEN;
    if (library_kept(l, key, &c->plan[0], &c->variant[0])) {
        *chosen = 0;
        c->count = 1;
        if (c->variant[0] >= WHOLE && c->variant[0] < VARIANTS)
            rc = library_try(try_plan, c, 0, stream);
        if (rc != NOT_TAKEN)
            return rc;
        dnn_plan_free(&c->plan[0]);
        c->count = 0;
    }
    gather(l, c);
    if (c->count)
        rc = library_choose(l, key, c->count, try_plan, c, stream, chosen);
    if (rc == 0)
        library_keep(l, key, &c->plan[*chosen], c->variant[*chosen], *chosen);
    return rc;
}

static int make(struct library *l, struct plan *p, const void *call, void *stream)
{
    struct conv_call c = *(const struct conv_call *)call;
    int chosen = -1;
    c.l = l;
    /* without room aside what is tried is the call itself */
    l->once = onto_itself(&c) && !library_aside(l, 0, c.temp_used, tensor_bytes(&c.y));
    c.aside = onto_itself(&c) && !l->once;
    int rc = choose(l, &p->key, &c, stream, &chosen);
    if (rc == NOT_TAKEN && c.aside && c.count) { /* or there was no room behind the scratch */
        c.aside = false;
        l->once = true;
        rc = library_choose(l, &p->key, c.count, try_plan, &c, stream, &chosen);
        if (rc == 0)
            library_keep(l, &p->key, &c.plan[chosen], c.variant[chosen], chosen);
    }
    l->made = rc == 0 && l->once;
    l->once = false;
    for (int i = 0; i < c.count; i++)
        if (rc == 0 && i == chosen) {
            p->dnn = c.plan[i];
            p->variant = c.variant[i];
        } else {
            dnn_plan_free(&c.plan[i]);
        }
    return rc;
}

static int convolve(struct library *l, struct conv_call *c, void *stream)
{
    struct conv_shape *s = &c->shape;
    int align = align_of(align_of(align_of(16, c->x), c->w), c->y.data), rc;
    if (s->bias)
        align = align_of(align, c->bias);
    if (s->add)
        align = align_of(align, c->chan_add->data);
    if (s->residual)
        align = align_of(align, c->residual->data);
    s->align = align;
    /* in place is a case of its own: it needs memory between, where our epilogue comes behind */
    int onto = !s->residual ? 0 : onto_itself(c) ? 2 : 1;
    struct plan_key key = {{PLAN_CONV,    s->type,      s->out,      s->n,        s->h,
                            s->w,         s->c,         s->outputs,  s->k,        s->stride,
                            s->before[0], s->before[1], s->after[0], s->after[1], s->bias,
                            s->add,       onto,         s->spread,   align,       c->act}};
    struct plan *p = library_plan(l, &key, make, c, stream, &rc);
    if (!p || library_made(l))
        return p ? 0 : rc;
    return run(l, &p->dnn, p->variant, c, stream);
}

/* -- the doubled image --------------------------------------------------------------------------
 */

/* The four sums of taps, made once a weight. NULL: no memory, or not now. */
static char *folded(struct library *l, const struct weight *w, enum dtype type, void *stream,
                    int *rc)
{
    struct weight *own = (struct weight *)w; /* what hangs on it is not its value */
    size_t bytes = 16 * (size_t)w->s.out * (size_t)w->s.in * dtype_size(type);
    *rc = NOT_TAKEN;
    if (w->folded)
        return w->folded;
    if (stream_captures(stream)) {
        snprintf(l->why, sizeof l->why, "taps that were not summed before");
        library_refused(l, stream);
        return NULL;
    }
    *rc = device_alloc(&own->folded, bytes, stream);
    if (*rc == 0)
        *rc = gpu_fold(w->folded, w->w, type, w->s.out, w->s.in, stream);
    own->folded_bytes = w->folded ? bytes : 0;
    return *rc == 0 ? w->folded : NULL;
}

/* The four convolutions of some images. */
static int quarters(struct library *l, struct conv_call c, const struct weight *w, char *taps,
                    void *stream)
{
    const struct tensor y = c.y;
    size_t pixel = (size_t)y.c * dtype_size(y.dtype), row = (size_t)y.w * pixel;
    size_t of_taps = 4 * (size_t)w->s.out * (size_t)w->s.in * dtype_size(c.shape.type);
    c.y.h /= 2, c.y.w /= 2;
    c.shape.k = 2, c.shape.spread = 2;
    for (int i = 0; i < 4; i++) {
        int below = i / 2, right = i % 2;
        c.shape.before[0] = !below, c.shape.after[0] = below;
        c.shape.before[1] = !right, c.shape.after[1] = right;
        c.w = taps + (size_t)i * of_taps;
        c.y.data = (char *)y.data + (size_t)below * row + (size_t)right * pixel;
        int rc = convolve(l, &c, stream);
        if (rc)
            return rc;
    }
    return 0;
}

/* As many images at once as have room in the scratch: to write every other pixel cuDNN's ready-made
 * kernels first write all of them there (9.19). */
static int images_at_once(const struct library *l, const struct tensor *y)
{
    size_t bytes = tensor_bytes(y) / (size_t)y->n / 4 + 4096, fit = library_scratch(l) / bytes;
    int n = fit < 1 ? 1 : fit < (size_t)y->n ? (int)fit : y->n;
    while (y->n % n)
        n--;
    return n;
}

static int upsampled(struct library *l, const struct conv_call *whole, const struct weight *w,
                     const struct tensor *x, void *stream)
{
    int rc, n = images_at_once(l, &whole->y);
    char *taps = folded(l, w, whole->shape.type, stream, &rc);
    for (int i = 0; taps && i < x->n; i += n) {
        struct conv_call c = *whole;
        c.y = tensor_images(c.y, i, n);
        c.x = tensor_images(*x, i, n).data;
        c.shape.n = n;
        rc = quarters(l, c, w, taps, stream);
        if (rc)
            return rc;
    }
    return taps ? 0 : rc;
}

/* -- borders that are not zeros -----------------------------------------------------------------
 */

/* Of one image's rows so many at once as have room, what they read and what run() keeps included:
 * a divisor, so that all bands have one plan. 0: too few to be worth it. */
static int rows_at_once(const struct library *l, const struct conv_call *c, int stride, int width)
{
    size_t in = (size_t)width * (size_t)c->shape.c * dtype_size(c->shape.type);
    size_t out = onto_itself(c) ? tensor_bytes(&c->y) / (size_t)(c->y.n * c->y.h) : 0;
    size_t room = l->options.workspace - library_scratch(l), first = 256 + (size_t)c->shape.k * in;
    if (first + out > room)
        return 0;
    size_t fit = 1 + (room - first - out) / ((size_t)stride * in + out);
    int rows = fit < (size_t)c->y.h ? (int)fit : c->y.h;
    while (c->y.h % rows)
        rows--;
    return rows >= 8 || rows == c->y.h ? rows : 0;
}

/* Rows [from, from + count) of an image, as a view. */
static struct tensor band(struct tensor t, int from, int count)
{
    t.data = (char *)t.data + (size_t)from * (size_t)t.w * (size_t)t.ld * dtype_size(t.dtype);
    t.h = count;
    return t;
}

/* Image by image, and in bands where an image has no room: what is read is written out first, with
 * its borders, and doubled where it is. */
static int bordered(struct library *l, const struct conv_call *whole, const struct weight *weight,
                    const struct tensor *x, const struct conv_args *a, void *stream)
{
    int h = conv_in_size(x->h, whole->y.h, whole->shape.k, a);
    int w = conv_in_size(x->w, whole->y.w, whole->shape.k, a), pads = a->pad_before + a->pad_after;
    int rows = rows_at_once(l, whole, a->stride, w + pads);
    int lines = (rows - 1) * a->stride + whole->shape.k; /* that they read */
    struct tensor in = {NULL, x->dtype, 1, lines, w + pads, x->c, x->c};
    if (rows == 0)
        return NOT_TAKEN;
    size_t bytes = (tensor_bytes(&in) + 255) / 256 * 256;
    in.data = library_temp(l, bytes);
    for (int i = 0; in.data && i < x->n * (whole->y.h / rows); i++) {
        int image = i * rows / whole->y.h, from = i * rows % whole->y.h;
        const struct tensor source = tensor_images(*x, image, 1);
        struct conv_call c = *whole;
        struct tensor add, residual;
        if (c.chan_add)
            add = tensor_images(*c.chan_add, image, 1), c.chan_add = &add;
        if (c.residual) {
            residual = band(tensor_images(*c.residual, image, 1), from, rows);
            c.residual = &residual;
        }
        c.y = band(tensor_images(c.y, image, 1), from, rows);
        c.x = in.data;
        c.temp_used = bytes;
        c.shape.n = 1, c.shape.h = in.h, c.shape.w = in.w;
        for (int k = 0; k < 2; k++)
            c.shape.before[k] = c.shape.after[k] = 0;
        int rc = gpu_border(&in, &source, h, w, a->pad_before, from * a->stride, a->pad, stream);
        if (rc == 0)
            rc = convolve(l, &c, stream);
        if (rc == NOT_TAKEN && i > 0) { /* the bands that were made stay: y may be the residual */
            const struct conv_args rest = {
                .stride = a->stride, .act = a->act, .chan_add = c.chan_add, .residual = c.residual};
            rc = gpu_conv2d(&c.y, &in, weight->w, weight->b, weight->s.k, &rest, stream);
        }
        if (rc)
            return rc;
    }
    return in.data ? 0 : NOT_TAKEN;
}

/* Is it a sum in f32 onto itself that has no room for being made in two pieces? All in one graph is
 * a kernel for which cuDNN compiles 18 s (9.19; 16 bits and TF32 take one), and in bands of rows
 * there is room. */
static bool wants_bands(const struct library *l, const struct conv_call *c)
{
    return c->shape.type == DT_F32 && !l->options.tf32 && onto_itself(c) &&
           !library_temp(l, tensor_bytes(&c->y));
}

/* -- the call -----------------------------------------------------------------------------------
 */

static int as_product(struct library *l, struct tensor *y, const struct tensor *x,
                      const struct weight *w, const struct conv_args *a, void *stream)
{
    return library_linear(l, y, x, w, a->act, a->chan_add, a->residual, stream);
}

int library_conv2d(struct library *l, struct tensor *y, const struct tensor *x,
                   const struct weight *w, const struct conv_args *a, void *stream)
{
    if (w->s.k == 1 && a->stride == 1 && !a->upsample && a->pad_before + a->pad_after == 0)
        return as_product(l, y, x, w, a, stream);
    if (!l->has_dnn || (w->b && !weight_bias(w, y->dtype)))
        return NOT_TAKEN;
    struct conv_call c = {.shape = {.type = x->dtype,
                                    .out = y->dtype,
                                    .n = x->n,
                                    .h = x->h,
                                    .w = x->w,
                                    .c = x->c,
                                    .outputs = y->c,
                                    .k = w->s.k,
                                    .stride = a->stride,
                                    .before = {a->pad_before, a->pad_before},
                                    .after = {a->pad_after, a->pad_after},
                                    .bias = w->b != NULL,
                                    .add = a->chan_add != NULL,
                                    .residual = a->residual != NULL,
                                    .spread = 1},
                          .chan_add = a->chan_add,
                          .residual = a->residual,
                          .y = *y,
                          .x = x->data,
                          .w = w->w,
                          .bias = weight_bias(w, y->dtype),
                          .act = a->act};
    if (!a->upsample && a->pad == PAD_ZERO) {
        int rc = wants_bands(l, &c) ? bordered(l, &c, w, x, a, stream) : NOT_TAKEN;
        return rc == NOT_TAKEN ? convolve(l, &c, stream) : rc;
    }
    bool plain = !a->chan_add && !a->residual && a->act == ACT_NONE && a->pad == PAD_ZERO;
    bool whole = y->h == 2 * x->h && y->w == 2 * x->w && a->pad_before == 1 && a->pad_after == 1;
    int rc = plain && whole && l->options.fold ? upsampled(l, &c, w, x, stream) : NOT_TAKEN;
    return rc == NOT_TAKEN ? bordered(l, &c, w, x, a, stream) : rc;
}
