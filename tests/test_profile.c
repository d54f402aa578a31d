/* The profile's numbers: the roofline, sums over calls by module, what is held at the peak of
 * memory, traces, snapshots and their comparison. */
/* Not under qemu: whole networks, many minutes; test_ops has what they compute there. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fileio.h"
#include "base/json.h"
#include "engine/memory_map.h"
#include "engine/profile_report.h"
#include "sdxl/pipeline.h"

static const struct ceilings LIMITS = {
    .gemm = 100e9, .conv = 50e9, .attention = 25e9, .memory = 10e9};

/* ---- the roofline ---- */

static void test_roofline(void **state)
{
    (void)state;
    const struct ceilings none = {0};
    /* 1 GFLOP at 100 GFLOP/s is 10 ms; at 50, 20 ms; at 25, 40 ms. */
    assert_float_equal(roofline_ms(&LIMITS, OP_LINEAR, 1e9, 1), 10, 1e-9);
    assert_float_equal(roofline_ms(&LIMITS, OP_GEGLU, 1e9, 1), 10, 1e-9);
    assert_float_equal(roofline_ms(&LIMITS, OP_CONV, 1e9, 1), 20, 1e-9);
    assert_float_equal(roofline_ms(&LIMITS, OP_ATTENTION, 1e9, 1), 40, 1e-9);
    /* 1 GB at 10 GB/s is 100 ms: the larger bound counts. */
    assert_float_equal(roofline_ms(&LIMITS, OP_LINEAR, 1e9, 1e9), 100, 1e-9);
    assert_float_equal(roofline_ms(&LIMITS, OP_COPY, 0, 1e9), 100, 1e-9);
    assert_float_equal(roofline_ms(&none, OP_LINEAR, 1e9, 1e9), 0, 0);
    struct profile_line l = {.ms = 40, .least = 10};
    assert_float_equal(profile_share_of_ceiling(&l), 0.25, 1e-12);
    assert_float_equal(profile_lost(&l), 30, 1e-12);
    l.ms = 5; /* out of caches: faster than memory */
    assert_float_equal(profile_share_of_ceiling(&l), 2, 1e-12);
    assert_float_equal(profile_lost(&l), 0, 0);
    l.least = 0;
    assert_true(isnan(profile_share_of_ceiling(&l)));
}

/* ---- a book by hand ---- */

/* Two stages; in the second two steps, each with two blocks of one stack. 7 copies of the same
 * sizes, one of others. Tensors: 1 MB through all of it, 2 MB in the stages, 4 MB in the blocks. */
static void play(struct ops *o)
{
    struct tensor all = o->alloc_as(o, DT_F32, 1, 1, 1, 1 << 18);
    ops_enter(o, "first", -1);
    struct tensor a = o->alloc_as(o, DT_F32, 1, 1, 1, 1 << 19);
    o->copy(o, &a, &a);
    o->release(o, &a);
    ops_leave(o);
    ops_enter(o, "second", -1);
    for (int s = 0; s < 2; s++) {
        ops_enter_turn(o, "step", s);
        ops_enter(o, "net", -1);
        for (int i = 0; i < 2; i++) {
            ops_enter(o, "block", i);
            ops_enter(o, "part", 7);
            struct tensor b = o->alloc_as(o, DT_F32, 1, 1, 1, 1 << 20);
            o->copy(o, &b, &b);
            o->release(o, &b);
            ops_leave(o);
            ops_leave(o);
        }
        ops_leave(o);
        o->copy(o, &all, &all);
        ops_leave(o);
    }
    ops_leave(o);
    o->release(o, &all);
}

static const struct profile_line *line(const struct profile_table *t, const char *name)
{
    for (int i = 0; i < t->count; i++)
        if (!strcmp(t->line[i].name, name))
            return &t->line[i];
    fail_msg("no line %s", name);
    return NULL;
}

static void rows_of(struct ops *p, struct op_profile *shape)
{
    for (int i = 0; i <= PROFILE_SHAPES; i++)
        shape[i] = ops_profile_shape(p, i);
}

static void test_sums_by_module(void **state)
{
    (void)state;
    static struct op_profile shape[PROFILE_SHAPES + 1];
    struct err e = {""};
    struct ops *dry = ops_dry_open("ref", DT_F32, &e),
               *p = ops_profile_open(dry, PROFILE_CALLS, &e);
    struct profile_report r;
    play(p);
    const struct profile_book *b = ops_profile_book(p);
    rows_of(p, shape);
    assert_int_equal(profile_report_make(b, shape, &LIMITS, &r), 0);
    assert_int_equal(r.all.calls, 7);
    assert_int_equal(line(&r.stage, "first")->calls, 1);
    assert_int_equal(line(&r.stage, "second")->calls, 6);
    assert_int_equal(line(&r.layer, "net.part.7")->calls, 4); /* turns and stacks are one */
    assert_int_equal(line(&r.layer, "second")->calls, 2);     /* the step's own */
    assert_int_equal(r.layer.count, 3);
    assert_int_equal(line(&r.kind, "copy")->calls, 7);
    assert_int_equal(r.shape.count, 3);
    /* A copy reads and writes: 4 of 8 MB, 2 of 2 MB, 1 of 4 MB. */
    assert_float_equal(r.all.bytes, 4.0 * (8 << 20) + 2.0 * (2 << 20) + (4 << 20), 0);
    assert_float_equal(r.all.least, 1e3 * r.all.bytes / LIMITS.memory, 1e-9);
    assert_int_equal(r.worst.count, 3);
    for (int i = 1; i < r.worst.count; i++)
        assert_true(profile_lost(&r.worst.line[i - 1]) >= profile_lost(&r.worst.line[i]));
    /* Block 0 and 1 are scopes of their own: one could be slow. */
    int blocks = 0, steps = 0;
    for (int i = 0; i < b->scopes; i++) {
        blocks += !strcmp(b->scope[i].name, "block");
        steps += !strcmp(b->scope[i].name, "step");
        assert_true(i == 0 || b->scope[i].parent < i);
    }
    assert_int_equal(blocks, 2);
    assert_int_equal(steps, 1);
    profile_report_free(&r);
    p->close(p);
    dry->close(dry);
}

static void test_what_is_held(void **state)
{
    (void)state;
    enum { MB = 1 << 20 };
    struct err e = {""};
    struct ops *dry = ops_dry_open("ref", DT_F32, &e),
               *p = ops_profile_open(dry, PROFILE_PEAKS, &e);
    play(p);
    const struct profile_book *b = ops_profile_book(p);
    assert_int_equal(b->stages, 2);
    assert_int_equal(b->peak[0].used, 3 * MB);
    assert_int_equal(b->peak[1].used, 5 * MB);
    assert_int_equal(b->peak[1].count, 2);
    assert_int_equal(b->peak[1].tensor[0].bytes, MB);
    assert_int_equal(b->peak[1].tensor[1].bytes, 4 * MB);
    assert_int_equal(b->reach, 5 * MB);
    char path[64], cut[12];
    profile_path(b, b->peak[1].scope, 0, path, sizeof path);
    assert_string_equal(path, "second.step.net.block.0.part.7");
    profile_path(b, b->peak[1].scope, 2, path, sizeof path);
    assert_string_equal(path, "net.block.0.part.7");
    profile_path(b, b->peak[1].scope, 0, cut, sizeof cut);
    assert_string_equal(cut, "second.step");
    p->close(p);
    dry->close(dry);
}

/* More scopes, stages, levels and tensors than there is room for: nothing breaks, all is counted.
 */
static void test_too_much(void **state)
{
    (void)state;
    static struct op_profile shape[PROFILE_SHAPES + 1];
    static struct tensor t[PROFILE_LIVE + 8];
    struct err e = {""};
    struct ops *dry = ops_dry_open("ref", DT_F32, &e),
               *p = ops_profile_open(dry, PROFILE_TRACE, &e);
    struct tensor one = p->alloc_as(p, DT_F32, 1, 1, 1, 16);
    struct profile_report r;
    for (int i = 0; i < 2 * PROFILE_STAGES; i++) {
        ops_enter(p, "stage", i);
        for (int k = 0; i == 0 && k < PROFILE_SCOPES + 100; k++) {
            ops_enter(p, "module", k);
            p->copy(p, &one, &one);
            ops_leave(p);
        }
        for (int k = 0; k < 100; k++)
            ops_enter(p, "deep", -1);
        p->copy(p, &one, &one);
        for (int k = 0; k < 100; k++)
            ops_leave(p);
        ops_leave(p);
    }
    for (int i = 0; i < PROFILE_LIVE + 8; i++)
        t[i] = p->alloc_as(p, DT_F32, 1, 1, 1, 16);
    for (int i = 0; i < PROFILE_LIVE + 8; i++)
        p->release(p, &t[i]);
    rows_of(p, shape);
    assert_int_equal(profile_report_make(ops_profile_book(p), shape, &LIMITS, &r), 0);
    assert_int_equal(r.all.calls, PROFILE_SCOPES + 100 + 2 * PROFILE_STAGES);
    profile_report_free(&r);
    p->close(p);
    dry->close(dry);
}

/* ---- a run ---- */

static struct gen_result run(struct pipeline *p, int profile)
{
    struct gen_params g = {.prompt = "a red slime",
                           .seed = 7,
                           .steps = 2,
                           .cfg = 5,
                           .width = 64,
                           .height = 64,
                           .batch = 1,
                           .profile = profile};
    struct gen_result r;
    struct err e = {""};
    if (pipeline_run(p, &g, NULL, &r, &e) < 0)
        fail_msg("%s", e.text);
    return r;
}

/* Parsed as Perfetto would: times go forward, what begins ends, inner slices lie in outer ones. */
static void check_trace(const char *text, int calls)
{
    struct err e = {""};
    struct json_doc *doc = json_parse(text, strlen(text), "trace", &e);
    double last = 0, stack_end[64] = {0};
    int depth = 0, seen = 0, steps = 0, modules = 0, counters = 0;
    if (!doc)
        fail_msg("%s", e.text);
    struct json list = json_get(json_root(doc), "traceEvents");
    assert_int_equal(json_kind(list), JSON_ARRAY);
    for (struct json v = json_first(list); v.node; v = json_next(v)) {
        const char *phase = json_as_string(json_get(v, "ph"));
        const char *name = json_as_string(json_get(v, "name"));
        double at = -1, dur = 0;
        assert_true(json_as_double(json_get(v, "ts"), &at));
        assert_true(at >= last);
        assert_true(at + 0.01 >= stack_end[depth]); /* times are rounded to nanoseconds */
        last = at;
        if (*phase == 'B') {
            assert_non_null(name);
            assert_true(depth + 1 < 64);
            stack_end[++depth] = at;
            steps += !strncmp(name, "step ", 5);
            modules += !strncmp(name, "down.", 5);
        } else if (*phase == 'E') {
            assert_true(depth > 0);
            depth--;
            stack_end[depth] = at;
        } else if (*phase == 'X') {
            assert_true(json_as_double(json_get(v, "dur"), &dur) && dur >= 0);
            stack_end[depth] = at + dur;
            seen++;
        } else if (*phase == 'C') {
            counters++;
        } else {
            assert_int_equal(*phase, 'M');
        }
    }
    assert_int_equal(depth, 0);
    assert_int_equal(seen, calls);
    assert_int_equal(steps, 2);
    assert_true(modules > 0 && counters > 0);
    json_free(doc);
}

static double sum_ms(const struct profile_table *t, int *calls)
{
    double ms = 0;
    *calls = 0;
    for (int i = 0; i < t->count; i++)
        ms += t->line[i].ms, *calls += t->line[i].calls;
    return ms;
}

static void test_a_run(void **state)
{
    (void)state;
    static struct op_profile shape[PROFILE_SHAPES + 1];
    const struct pipeline_options opt = {.device = "cpu", .precision = "fp32", .threads = 1};
    struct err e = {""};
    struct pipeline *p = pipeline_open("tests/golden/small_a", &opt, &e);
    struct profile_report r;
    if (!p)
        fail_msg("%s", e.text);
    struct gen_result plain = run(p, 0), seen = run(p, PROFILE_TRACE);
    assert_memory_equal(plain.rgb, seen.rgb, (size_t)3 * 64 * 64);
    const struct profile_book *b = pipeline_book(p), *f = pipeline_forecast_book(p);
    pipeline_shapes(p, shape);
    assert_int_equal(profile_report_make(b, shape, &LIMITS, &r), 0);
    const struct profile_table *all[] = {&r.stage, &r.layer, &r.kind, &r.shape, &r.worst};
    for (int i = 0; i < 5; i++) {
        int calls;
        double ms = sum_ms(all[i], &calls);
        assert_int_equal(calls, r.all.calls);
        if (fabs(ms - r.all.ms) > 1e-9 * r.all.ms)
            fail_msg("table %d: %g ms, in all %g", i, ms, r.all.ms);
    }
    assert_true(r.all.ms <= r.wall);
    assert_string_equal(r.stage.line[0].name, "text");
    assert_int_equal(r.stage.count, 3);
    line(&r.layer, "unet.mid.attn.0.ff");
    line(&r.layer, "unet.mid.attn.0.self");
    line(&r.layer, "clip.0.mlp");
    line(&r.layer, "vae.up.0.res.0");
    char *text = profile_trace_json(b, shape, "a run", 1000);
    check_trace(text, r.all.calls);
    free(text);

    /* What was forecast to lie in memory is what lay there. */
    assert_int_equal(f->stages, b->stages);
    for (int i = 0; i < b->stages; i++) {
        assert_int_equal(f->peak[i].used, b->peak[i].used);
        assert_int_equal(f->peak[i].count, b->peak[i].count);
        for (int k = 0; k < b->peak[i].count; k++)
            assert_int_equal(f->peak[i].tensor[k].bytes, b->peak[i].tensor[k].bytes);
    }

    struct memory_map *m = calloc(1, sizeof *m);
    memory_of_model(m, p, b, 2);
    memory_of_ops(m, b, shape);
    memory_of_machine(m, b);
    size_t weights, activations;
    pipeline_memory(p, &weights, &activations);
    assert_int_equal(memory_sum(m, MEMORY_WEIGHTS), weights);
    assert_int_equal(memory_sum(m, MEMORY_PEAK), b->reach);
    assert_int_equal(b->reach, activations);
    assert_true(memory_of(m, MEMORY_WEIGHTS, "unet") > memory_of(m, MEMORY_WEIGHTS, "text 1"));
    assert_true(memory_of(m, MEMORY_STAGES, "decode") > 0);
    assert_true(memory_of(m, MEMORY_OPS, "conv2d") <= activations);
    assert_true(memory_of(m, MEMORY_PROCESS, "resident") > 0);
    assert_true(memory_of(m, MEMORY_PROCESS, "peak") >= memory_of(m, MEMORY_PROCESS, "resident"));
    assert_true(memory_of(m, MEMORY_SYSTEM, "available") > 0);
    free(m);
    profile_report_free(&r);
    gen_result_free(&plain);
    gen_result_free(&seen);
    pipeline_close(p);
}

/* ---- snapshots ---- */

static void test_snapshots(void **state)
{
    (void)state;
    char path[] = "/tmp/spritty-snapshot-XXXXXX";
    int fd = mkstemp(path), n;
    struct err e = {""};
    struct memory_map *a = calloc(1, sizeof *a), *b = calloc(1, sizeof *b);
    struct memory_difference *d = calloc((size_t)2 * MEMORY_ITEMS, sizeof *d);
    close(fd);
    snprintf(a->machine, sizeof a->machine, "a machine \"quoted\"");
    snprintf(a->job, sizeof a->job, "a job");
    memory_add(a, MEMORY_WEIGHTS, "unet", 5135149248u);
    memory_add(a, MEMORY_WEIGHTS, "unet", 1);
    memory_add(a, MEMORY_PEAK, "unet.up", 77);
    memory_most(a, MEMORY_STAGES, "decode", 5);
    memory_most(a, MEMORY_STAGES, "decode", 3);
    memory_add(a, MEMORY_SYSTEM, "swap", 0);
    assert_int_equal(memory_save(path, a, &e), 0);
    if (memory_load(path, b, &e) < 0)
        fail_msg("%s", e.text);
    assert_memory_equal(a, b, sizeof *a);
    memory_add(b, MEMORY_PEAK, "unet.up", 3);
    memory_add(b, MEMORY_PEAK, "vae", 9);
    a->item[a->count++] = (struct memory_item){MEMORY_PEAK, "gone", 4};
    n = memory_compare(a, b, d);
    assert_int_equal(n, 6);
    assert_string_equal(d[1].name, "unet.up");
    assert_int_equal(d[1].before, 77);
    assert_int_equal(d[1].now, 80);
    assert_string_equal(d[2].name, "vae");
    assert_int_equal(d[2].before, 0);
    assert_string_equal(d[3].name, "gone");
    assert_int_equal(d[3].now, 0);
    /* More amounts than there is room for. */
    for (int i = 0; i < MEMORY_ITEMS + 10; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        memory_add(b, MEMORY_OPS, name, 1);
    }
    assert_int_equal(b->count, MEMORY_ITEMS);
    unlink(path);
    free(a);
    free(b);
    free(d);
}

/* Files of others, and such as want to do harm. */
static void test_foreign_files(void **state)
{
    (void)state;
#define HEAD "{\"spritty\": \"memory snapshot\", \"version\": 1, "
#define REST                                                                                       \
    "\"peak\": {}, \"stages\": {}, \"ops\": {}, \"files\": {}, \"process\": {}, \"system\": {}, "  \
    "\"device\": {}}}"
    static const struct {
        const char *text, *says;
    } file[] = {
        {"", "snap"},
        {"[1]", "no memory snapshot"},
        {"{\"spritty\": 7}", "no memory snapshot"},
        {"{\"spritty\": \"memory snapshot\"}", "version"},
        {"{\"spritty\": \"memory snapshot\", \"version\": 9}", "version 9"},
        {HEAD "\"bytes\": 3}", "weights"},
        {HEAD "\"bytes\": {\"weights\": {\"a\": -1}, " REST, "weights.a"},
        {HEAD "\"bytes\": {\"weights\": {\"a\": 1e30}, " REST, "weights.a"},
        {HEAD "\"bytes\": {\"weights\": {\"a\": 1, \"a\": 2}, " REST, "twice"},
        {HEAD "\"bytes\": {\"weights\": {\"0123456789012345678901234567890123456789012345678\": "
              "1}, " REST,
         "too long"},
        {HEAD "\"machine\": 5, \"bytes\": {}}", "machine"},
    };
    struct memory_map *m = calloc(1, sizeof *m);
    struct err e;
    for (size_t i = 0; i < sizeof file / sizeof *file; i++) {
        e.text[0] = '\0';
        assert_int_equal(memory_parse(file[i].text, strlen(file[i].text), "snap", m, &e), -1);
        if (!strstr(e.text, file[i].says))
            fail_msg("%zu: %s", i, e.text);
    }
    const char *odd = HEAD
        "\"machine\": \"\\u001b[31m\", \"bytes\": {\"weights\": {\"\\u0007\": 1}, " REST;
    assert_int_equal(memory_parse(odd, strlen(odd), "snap", m, &e), 0);
    assert_null(strchr(m->machine, 27));
    assert_null(strchr(m->item[0].name, 7));
    free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_roofline),      cmocka_unit_test(test_sums_by_module),
        cmocka_unit_test(test_what_is_held),  cmocka_unit_test(test_too_much),
        cmocka_unit_test(test_a_run),         cmocka_unit_test(test_snapshots),
        cmocka_unit_test(test_foreign_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
