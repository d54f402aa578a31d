/*
 * The CPU backend against the reference over sizes that nobody chose: channels that are multiples
 * of nothing, single pixels and tokens, odd sides, heads of 1 to 160 channels, groups as many as
 * channels, each way of computing a call that there is. The table of op_cases.h has the sizes that
 * are known to be hard; these are drawn.
 *
 * SPRITTY_SHAPES=N draws N of them instead of 200, SPRITTY_SHAPES_SEED=S others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "op_run.h"

static uint64_t state;

static int below(int n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (int)((state >> 33) % (uint64_t)n);
}

static bool chance(int in)
{
    return below(in) == 0;
}

static int between(int low, int high)
{
    return low + below(high - low + 1);
}

/* 1 to most; small ones, and those about a multiple of 8, 16 or 64, more often than others. */
static int size(int most)
{
    static const int steps[] = {8, 16, 64};
    int n = below(4);
    int s = n == 0   ? between(1, most < 5 ? most : 5)
            : n == 1 ? steps[below(3)] * between(1, 5) + between(-1, 1)
                     : between(1, most);
    return s > most ? most : s;
}

static void draw_image(struct op_case *c)
{
    c->n = chance(2) ? 1 : between(1, 3);
    c->h = size(40);
    c->w = chance(4) ? 1 : size(40);
}

/* The reference is slow: fewer pixels, of so many multiply-adds each. */
static void shrink(struct op_case *c, int64_t each)
{
    enum { MOST = 3000000 };
    while (c->h >= 4 && each * c->n * c->h * c->w > MOST)
        c->h /= 2;
    while (c->w >= 4 && each * c->n * c->h * c->w > MOST)
        c->w /= 2;
}

static void draw_linear(struct op_case *c)
{
    draw_image(c);
    c->c = size(200);
    c->out = chance(12) ? between(2540, 2700) : size(200);
    c->no_bias = chance(4);
    c->transposed = chance(6);
    c->stored = (enum dtype)below(3);
    c->unaligned = chance(5);
    if (c->op == OP_GEGLU) { /* an eighth: what is kept in segments */
        c->out = chance(3) ? 4 * (c->c = 64 * between(5, 7)) : c->out;
        c->transposed = false;
        c->stored = DT_F32;
        shrink(c, (int64_t)c->c * c->out * 2);
        return;
    }
    shrink(c, (int64_t)c->c * c->out);
    c->sources = chance(4) ? between(2, 3) : 1;
    c->act = (enum act)below(4);
    c->residual = (enum op_residual)below(3);
    c->f32_out = chance(3);
}

static void draw_conv(struct op_case *c)
{
    draw_image(c);
    c->k = chance(4) ? 1 : 3;
    c->c = size(130);
    c->out = size(130);
    c->no_bias = chance(4);
    c->chan_add = chance(3);
    c->residual = (enum op_residual)below(3);
    c->f32_out = chance(4);
    c->act = chance(2) ? ACT_NONE : (enum act)below(4);
    if (c->k == 1)
        return;
    c->before = c->after = 1;
    if (chance(4)) { /* as VAEs halve: one row and column behind */
        c->stride = 2;
        c->before = below(2);
        c->h += c->h == 1, c->w += c->w == 1;
    } else if (chance(3)) {
        c->upsample = true;
        c->upsample_odd = chance(3);
    }
    c->pad = chance(3) ? (unsigned)below(4) : 0;
    if (chance(20)) { /* large enough for Winograd's */
        c->c = 64 + size(20), c->out = 64 + size(20);
        c->n = chance(3) ? 2 : 1;
        c->h = 2 * between(16, 20), c->w = 2 * between(16, 18);
    } else {
        shrink(c, (int64_t)c->c * c->out * c->k * c->k * (c->upsample ? 4 : 1));
    }
}

static void draw_norm(struct op_case *c)
{
    static const float means[] = {0, 0, 10, -300}, gains[] = {1, 1, 0.01f, 40};
    draw_image(c);
    c->groups = 1 + below(8);
    c->c = c->groups * size(40);
    if (chance(4))
        c->groups = c->c; /* a channel each */
    c->mean = means[below(4)];
    c->gain = gains[below(4)];
    c->no_bias = chance(4);
    c->silu = c->op == OP_GROUP_NORM && chance(2);
    c->in_place = chance(3);
    /* What a mean loses of the digits of both. */
    float lost = 1 + fabsf(c->mean) / c->gain / 8;
    c->f32 = op_bounds[c->op].f32 * lost;
    if ((int64_t)c->h * c->w * c->c / c->groups < 8)
        c->h = 8; /* of so few values that their variance is chance */
}

static void draw_attention(struct op_case *c)
{
    draw_image(c);
    c->h = size(90), c->w = chance(3) ? between(1, 4) : 1;
    c->heads = between(1, 6);
    c->c = c->heads * (chance(10) ? between(200, 512) : size(160));
    c->keys = chance(2) ? size(300) : 0;
    c->causal = c->keys == 0 && chance(3);
    shrink(c, 2 * (int64_t)c->c * (c->keys ? c->keys : c->h * c->w));
    c->views = chance(3);
    c->skew = c->views ? below(5) : 0;
    c->gain = chance(5) ? 6 : 1;
    c->f32 = c->gain > 1 ? 2e-5f : 0;
    c->bf16 = c->gain > 1 ? 9e-3f : 0;
}

static void draw_moves(struct op_case *c)
{
    draw_image(c);
    c->c = size(130);
    c->out = size(130);
    c->views = c->op == OP_COPY && chance(2);
    c->skew = c->views ? below(5) : 0;
    c->f32_in = (c->op == OP_COPY || c->op == OP_MAP) && chance(3);
    c->f32_out = (c->op == OP_COPY || c->op == OP_MAP) && chance(3);
    c->map = (enum map_kind)below(MAP_SOFT_CLIP + 1);
    c->in_place = c->op == OP_MAP && c->f32_in == c->f32_out && chance(2);
    c->count = c->op == OP_BLEND && chance(2) ? c->n : between(1, 4);
    c->count = c->op == OP_BLEND && c->count != c->n ? 1 : c->count;
    int aliases = c->op == OP_BLEND ? 2 : c->op == OP_COMBINE ? c->count : 0;
    c->alias = aliases ? below(aliases + 1) : 0;
    c->gain = 0.5f;
}

enum { NAME = 140 };

static struct op_case draw(char name[NAME])
{
    struct op_case c = {.op = (enum op_kind)below(OP_KINDS)};
    if (chance(2)) /* where there are most ways */
        c.op = chance(2) ? OP_CONV : OP_ATTENTION;
    switch (c.op) {
    case OP_LINEAR:
    case OP_GEGLU:
        draw_linear(&c);
        break;
    case OP_CONV:
        draw_conv(&c);
        break;
    case OP_GROUP_NORM:
    case OP_LAYER_NORM:
        draw_norm(&c);
        break;
    case OP_ATTENTION:
        draw_attention(&c);
        break;
    default:
        draw_moves(&c);
    }
    c.seed = 1 + (uint32_t)below(1 << 30);
    /* Some are a few values alone, of which one may nearly cancel. */
    const struct op_bound *usual = &op_bounds[c.op];
    c.f32 = usual->f32 < 0 ? 0 : 4 * (c.f32 > 0 ? c.f32 : usual->f32);
    c.bf16 = usual->bf16 < 0 ? 0 : 2 * (c.bf16 > 0 ? c.bf16 : usual->bf16);
    snprintf(name, NAME,
             "%dx%dx%dx%d out %d k %d up %d pad %u stride %d keys %d heads %d groups %d", c.n, c.h,
             c.w, c.c, c.out, c.k, c.upsample + c.upsample_odd, c.pad, c.stride, c.keys, c.heads,
             c.groups);
    c.name = name;
    return c;
}

static long number(const char *variable, long otherwise)
{
    const char *text = getenv(variable);
    return text ? strtol(text, NULL, 10) : otherwise;
}

static void agrees(enum dtype act)
{
    struct err err = {""};
    struct ops *ref = ops_ref_open(DT_F32, &err), *cpu = ops_cpu_open(act, 2, &err);
    if (!ref || !cpu)
        fail_msg("%s", err.text);
    long cases = number("SPRITTY_SHAPES", getenv("SPRITTY_QUICK") ? 40 : 200), failed = 0;
    double worst[OP_KINDS] = {0};
    state = (uint64_t)number("SPRITTY_SHAPES_SEED", 1);
    for (long i = 0; i < cases; i++) {
        char name[NAME];
        struct op_case c = draw(name);
        struct tuning t = {.attention = below(4),
                           .fold = below(3),
                           .weights = below(3),
                           .winograd = below(3),
                           .nhwc = chance(4) ? TUNE_OFF : TUNE_AUTO};
        cpu->tune(cpu, &t);
        struct op_result r = op_case_check(ref, cpu, &c);
        worst[c.op] = fmax(worst[c.op], r.error);
        failed += r.why[0] != '\0';
        if (r.why[0])
            printf("%ld: %s %s, attention %d fold %d weights %d winograd %d nhwc %d: %s\n", i,
                   op_bounds[c.op].name, name, t.attention, t.fold, t.weights, t.winograd, t.nhwc,
                   r.why);
    }
    for (int k = 0; k < OP_KINDS; k++)
        printf("worst of %-12s %9.2g\n", op_bounds[k].name, worst[k]);
    ref->close(ref);
    cpu->close(cpu);
    if (failed)
        fail_msg("%ld of %ld drawn cases failed", failed, cases);
}

static void drawn_f32(void **unused)
{
    (void)unused;
    agrees(DT_F32);
}

static void drawn_bf16(void **unused)
{
    (void)unused;
    if (!cpu_has_bf16()) {
        print_message("skipped: this CPU has neither AMX-BF16 nor AVX512-BF16\n");
        skip();
    }
    agrees(DT_BF16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(drawn_f32), cmocka_unit_test(drawn_bf16)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
