/*
 * Modes of memory: the same bits whatever is resident, what each mode holds, which one is taken,
 * what happens when memory ends; and the amounts that all this is reckoned from.
 */
/* Not under qemu: whole networks, many minutes; test_ops has what they compute there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/meminfo.h"
#include "sdxl/pipeline_priv.h"

static const char *const MODEL = "models/tiny";

static struct gen_params params(struct tuning t)
{
    return (struct gen_params){.prompt = "a green slime with a crown",
                               .seed = 1,
                               .steps = 2,
                               .cfg = 5,
                               .width = 128,
                               .height = 128,
                               .batch = 1,
                               .refiner_switch = 0.5,
                               .tuning = t};
}

static struct pipeline *open_tiny(struct tuning t, bool refined)
{
    struct err e = {""};
    struct pipeline_options opt = {.device = "cpu",
                                   .precision = "fp32",
                                   .threads = 1,
                                   .refiner = refined ? MODEL : NULL,
                                   .tuning = t};
    struct pipeline *p = pipeline_open(MODEL, &opt, &e);
    if (!p)
        fail_msg("%s", e.text);
    return p;
}

static struct gen_result run_once(struct pipeline *p, struct gen_params g)
{
    struct gen_result r;
    struct err e = {""};
    if (pipeline_run(p, &g, NULL, &r, &e) < 0)
        fail_msg("%s", e.text);
    return r;
}

static void check_same(const struct gen_result *a, const struct gen_result *b)
{
    assert_int_equal(a->count, b->count);
    assert_memory_equal(a->rgb, b->rgb,
                        (size_t)a->count * (size_t)a->width * (size_t)a->height * 3);
}

static struct tuning mode(int memory)
{
    return (struct tuning){.memory = memory};
}

/* One open model goes through the modes, in an order in which each follows another. */
static void where_weights_lie_changes_no_bit(void **state)
{
    static const int order[] = {MEMORY_SPEED,       MEMORY_CONSTRAINED, MEMORY_BALANCED,
                                MEMORY_CONSTRAINED, MEMORY_SPEED,       MEMORY_BALANCED};
    (void)state;
    struct gen_result first[2] = {{0}};
    size_t held[MEMORY_MODES] = {0};
    struct pipeline *p = open_tiny(mode(MEMORY_SPEED), false);
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        for (int k = 0; k < 2; k++) { /* another prompt needs the text encoders again */
            struct gen_params g = params(mode(order[i]));
            g.prompt = k ? "a red knight" : g.prompt;
            struct gen_result r = run_once(p, g);
            assert_int_equal(r.memory, order[i]);
            held[order[i]] = r.bytes_weights;
            if (i == 0) {
                first[k] = r;
                continue;
            }
            check_same(&first[k], &r);
            gen_result_free(&r);
        }
    printf("held at the end: %zu, %zu, %zu\n", held[1], held[2], held[3]);
    assert_true(held[MEMORY_BALANCED] < held[MEMORY_SPEED]);
    assert_true(held[MEMORY_CONSTRAINED] < held[MEMORY_SPEED] / 10);
    for (int k = 0; k < 2; k++)
        gen_result_free(&first[k]);
    pipeline_close(p);
}

/* A file's 16 bits, widened for each call, give the bits that f32 from the start gives; and what is
 * held is what the forecast says. */
static void nor_does_what_they_are_held_in(void **state)
{
    (void)state;
    struct gen_result want = {0};
    size_t held[3] = {0};
    static const int ways[] = {WEIGHTS_FULL, WEIGHTS_HALF, WEIGHTS_AUTO};
    for (int i = 0; i < 3; i++) {
        struct pipeline *p = open_tiny((struct tuning){.weights = ways[i]}, true);
        for (int m = MEMORY_SPEED; m <= MEMORY_CONSTRAINED; m++) {
            struct tuning t = {.memory = m, .weights = ways[i]};
            struct gen_result r = run_once(p, params(t));
            if (m == MEMORY_SPEED)
                held[i] = r.bytes_weights;
            if (!want.rgb) {
                want = r;
                continue;
            }
            check_same(&want, &r);
            gen_result_free(&r);
        }
        struct plan_result plan;
        struct err e = {""};
        struct pipeline_options opt = {
            .device = "cpu", .precision = "fp32", .refiner = MODEL, .tuning = {.weights = ways[i]}};
        struct gen_params g = params((struct tuning){.weights = ways[i], .memory = MEMORY_SPEED});
        assert_int_equal(pipeline_plan(MODEL, &opt, &g, &plan, &e), 0);
        printf("%s: %zu held, %.3f of the forecast\n", weights_name(ways[i]), held[i],
               (double)held[i] / (double)plan.bytes_weights);
        assert_in_range(held[i], plan.bytes_weights / 20 * 19, plan.bytes_weights / 20 * 21);
        pipeline_close(p);
    }
    assert_true(held[1] < held[0] / 10 * 6 && held[2] == held[0]); /* no weight here is large */
    gen_result_free(&want);
}

/* A model opened for a mode packs nothing that the mode would throw out again. */
static void models_are_opened_for_their_mode(void **state)
{
    (void)state;
    struct pipeline *fast = open_tiny(mode(MEMORY_SPEED), true);
    struct gen_result want = run_once(fast, params(mode(MEMORY_SPEED)));
    static const struct tuning cases[] = {{.memory = MEMORY_BALANCED},
                                          {.memory = MEMORY_CONSTRAINED},
                                          {.memory = MEMORY_SPEED, .stream = TUNE_ON},
                                          {.memory = MEMORY_SPEED, .offload = TUNE_ON},
                                          {.memory = MEMORY_CONSTRAINED, .stream = TUNE_OFF}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pipeline *p = open_tiny(cases[i], true);
        size_t before, after, activations;
        pipeline_memory(p, &before, &activations);
        struct gen_result r = run_once(p, params(cases[i]));
        pipeline_memory(p, &after, &activations);
        printf("case %zu: %zu bytes of weights when opened, %zu after the run\n", i, before, after);
        assert_true(before < want.bytes_weights / 8 && after < want.bytes_weights);
        check_same(&want, &r);
        gen_result_free(&r);
        pipeline_close(p);
    }
    gen_result_free(&want);
    pipeline_close(fast);
}

static struct plan_result plan(struct tuning t)
{
    struct gen_params g = params(t);
    struct plan_result r;
    struct err e = {""};
    struct pipeline_options opt = {.device = "cpu", .precision = "fp32", .tuning = t};
    if (pipeline_plan(MODEL, &opt, &g, &r, &e) < 0)
        fail_msg("%s", e.text);
    notes_free(&r.notes);
    return r;
}

/* auto takes the fastest that the limit lets it; a mode that cannot fit is refused by the name of
 * the one that would. */
static void limits_choose_and_refuse(void **state)
{
    (void)state;
    size_t peak[MEMORY_MODES];
    plan(mode(MEMORY_SPEED)); /* what earlier tests left is given back */
    assert_int_equal(plan(mode(MEMORY_AUTO)).memory, MEMORY_SPEED);
    for (int m = MEMORY_SPEED; m < MEMORY_MODES; m++) {
        struct plan_result f = plan(mode(m));
        peak[m] = f.bytes_peak - f.bytes_before;
        printf("%s: %zu, beside %zu\n", memory_name(m), peak[m], f.bytes_before);
    }
    assert_true(peak[2] < peak[1] && peak[3] < peak[2]);
    /* Sanitizers give memory back when they like; the limit counts the whole process. */
    struct tuning t = {0};
    size_t slack = (peak[2] - peak[3]) / 2, before, off = SIZE_MAX;
    for (int i = 0; i < 10 && off >= slack; i++) {
        before = plan(mode(3)).bytes_before;
        t.limit = before + (peak[2] + peak[3]) / 2;
        struct plan_result f = plan(t);
        off = f.bytes_before > before ? f.bytes_before - before : before - f.bytes_before;
        if (off < slack)
            assert_int_equal(f.memory, MEMORY_CONSTRAINED);
    }
    assert_true(off < slack);

    /* within a process that holds more already, by as much */
    struct pipeline *p = open_tiny(t, false);
    struct gen_params g = params(mode(MEMORY_SPEED));
    struct gen_result r;
    struct err e = {""};
    g.tuning.limit = 1 << 20;
    assert_int_equal(pipeline_run(p, &g, NULL, &r, &e), -1);
    printf("%s\n", e.text);
    assert_non_null(strstr(e.text, "ask for a smaller picture or batch"));
    gen_result_free(&r);
    pipeline_close(p);
}

static void the_fastest_mode_that_fits(void **state)
{
    static const size_t peak[MEMORY_MODES] = {0, 300, 200, 100};
    (void)state;
    assert_int_equal(mode_choose(MEMORY_AUTO, peak, 1000, 300), MEMORY_SPEED);
    assert_int_equal(mode_choose(MEMORY_AUTO, peak, 1000, 299), MEMORY_BALANCED);
    assert_int_equal(mode_choose(MEMORY_AUTO, peak, 1000, 150), MEMORY_CONSTRAINED);
    assert_int_equal(mode_choose(MEMORY_AUTO, peak, 1000, 50), MEMORY_CONSTRAINED);
    assert_int_equal(mode_choose(MEMORY_AUTO, peak, 99, 50), -1);
    assert_int_equal(mode_choose(MEMORY_SPEED, peak, 300, 1), MEMORY_SPEED);
    assert_int_equal(mode_choose(MEMORY_SPEED, peak, 299, 299), -1);
    assert_int_equal(mode_choose(MEMORY_CONSTRAINED, peak, 299, 1), MEMORY_CONSTRAINED);
}

/* ---- memory ends ---- */

static struct tensor (*real_alloc)(struct ops *, enum dtype, int, int, int, int);
static int fail_after, fails;

/* No memory, as often as it is told, for the so-manieth tensor from now. */
static struct tensor starving_alloc(struct ops *o, enum dtype type, int n, int h, int w, int c)
{
    if (fails > 0 && --fail_after < 0) {
        fails--;
        fail_after = 100;
        struct tensor t = real_alloc(o, type, n, INT32_MAX, INT32_MAX, INT32_MAX);
        t.h = h, t.w = w, t.c = c, t.ld = c;
        return t;
    }
    return real_alloc(o, type, n, h, w, c);
}

static void out_of_memory_steps_down(void **state)
{
    (void)state;
    struct pipeline *p = open_tiny(mode(MEMORY_SPEED), false);
    struct gen_result want = run_once(p, params(mode(MEMORY_SPEED)));
    real_alloc = p->ops->alloc_as;
    p->ops->alloc_as = starving_alloc;
    for (int times = 1; times <= 2; times++)
        for (int at = 3; at < 200; at += 90) {
            fails = times, fail_after = at;
            struct gen_result r = run_once(p, params(mode(MEMORY_SPEED)));
            assert_int_equal(r.memory, MEMORY_SPEED + times);
            assert_int_equal(r.notes.count, times);
            assert_string_equal(r.notes.line[0],
                                "out of memory with --memory speed: made again with balanced");
            check_same(&want, &r);
            gen_result_free(&r);
        }
    fails = 3, fail_after = 3;
    struct gen_params g = params(mode(MEMORY_SPEED));
    struct gen_result r;
    struct err e = {""};
    assert_int_equal(pipeline_run(p, &g, NULL, &r, &e), -1);
    printf("%s\n", e.text);
    assert_true(err_is_memory(&e));
    gen_result_free(&r);
    fails = 0;
    r = run_once(p, params(mode(MEMORY_SPEED))); /* and then it goes on */
    check_same(&want, &r);
    gen_result_free(&r);
    gen_result_free(&want);
    pipeline_close(p);
}

/* ---- amounts ---- */

static void limits_are_read(void **state)
{
    static const struct {
        const char *text;
        double bytes, percent;
    } good[] = {{"", 0, 0},        {"0", 0, 0},           {"6GB", 6e9, 0},
                {"800MB", 8e8, 0}, {"2gb", 2e9, 0},       {"1.5 GiB", 1610612736, 0},
                {"75%", 0, 75},    {"123456", 123456, 0}, {"12k", 12000, 0},
                {"100 %", 0, 100}};
    static const char *const bad[] = {"much", "6 potatoes", "-1", "0%",           "101%",
                                      "1e9",  "inf",        "GB", "9999999999GB", "0x10"};
    (void)state;
    size_t bytes;
    double percent;
    struct err e;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        if (memory_limit_read(good[i].text, &bytes, &percent, &e) < 0)
            fail_msg("%s", e.text);
        assert_true((double)bytes == good[i].bytes && percent == good[i].percent);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (memory_limit_read(bad[i], &bytes, &percent, &e) == 0)
            fail_msg("%s was taken", bad[i]);
    assert_non_null(strstr(e.text, "'0x10' is no amount of memory; write 6GB"));
}

static void put(const char *root, const char *path, const char *text)
{
    char full[300], command[400];
    snprintf(full, sizeof full, "%s%s", root, path);
    snprintf(command, sizeof command, "mkdir -p \"$(dirname '%s')\"", full);
    assert_int_equal(system(command), 0);
    FILE *f = fopen(full, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void machines_and_containers_have_limits(void **state)
{
    (void)state;
    char root[] = "/tmp/spritty-modes-XXXXXX", command[100];
    struct meminfo m;
    assert_non_null(mkdtemp(root));
    meminfo_read(&m, root);
    assert_true(m.total == 0 && meminfo_hard(&m, 0) == SIZE_MAX && meminfo_soft(&m, 5) == 5);
    put(root, "/proc/meminfo", "MemTotal: 1000000 kB\nMemFree: 1 kB\nMemAvailable: 500000 kB\n");
    put(root, "/proc/self/statm", "9999 100 5 1 0 1 0\n");
    meminfo_read(&m, root);
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    assert_true(m.total == 1024000000 && m.available == 512000000 && m.own == 100 * page);
    assert_true(meminfo_soft(&m, 0) == 100 * page + 512000000 / 20 * 19);
    assert_true(meminfo_hard(&m, 0) == m.total && meminfo_hard(&m, 7) == 7);
    put(root, "/proc/self/cgroup", "0::/user/job\n");
    put(root, "/sys/fs/cgroup/user/job/memory.max", "max\n");
    put(root, "/sys/fs/cgroup/user/memory.max", "300000000\n");
    put(root, "/sys/fs/cgroup/user/memory.current", "100000000\n");
    put(root, "/sys/fs/cgroup/user/memory.stat", "anon 1\ninactive_file 40000000\n");
    meminfo_read(&m, root);
    assert_true(m.group_limit == 300000000 && m.group_used == 60000000);
    assert_true(meminfo_hard(&m, 0) == 300000000);
    assert_true(meminfo_soft(&m, 0) == 100 * page + 240000000);
    put(root, "/proc/self/cgroup", "0::/\n");
    put(root, "/sys/fs/cgroup/memory/memory.limit_in_bytes", "200000000\n");
    put(root, "/sys/fs/cgroup/memory/memory.usage_in_bytes", "200000001\n");
    meminfo_read(&m, root);
    assert_true(m.group_limit == 200000000 && meminfo_soft(&m, 0) <= 200000000);
    snprintf(command, sizeof command, "rm -r '%s'", root);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_weights_lie_changes_no_bit),
        cmocka_unit_test(nor_does_what_they_are_held_in),
        cmocka_unit_test(models_are_opened_for_their_mode),
        cmocka_unit_test(limits_choose_and_refuse),
        cmocka_unit_test(the_fastest_mode_that_fits),
        cmocka_unit_test(out_of_memory_steps_down),
        cmocka_unit_test(limits_are_read),
        cmocka_unit_test(machines_and_containers_have_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
