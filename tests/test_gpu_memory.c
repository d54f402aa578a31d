/*
 * The GPU's memory ends: at each allocation of a load, and of a run in each mode of memory, once or
 * from there on. What fails says so and leaves nothing behind, what can go on in the next mode does
 * and notes it, and the model is good for another run.
 *
 * The backend is the shim's, whose allocations count (tests/gpu_shim), without its kernels, which
 * take long and change nothing about memory. SPRITTY_ALL=1 leaves out no allocation (2 minutes).
 */
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#ifdef NO_SHIM

#define SKIPPED NO_SHIM
#include "skipped.h"

#else

#include "engine/engine.h"
#include "engine/forecast.h"
#include "gpu_shim/shim_run.h"
#include "ops/cuda.h"
#include "sdxl/pipeline_priv.h"

static struct shim_memory *memory; /* the object's */

static int start(void **state)
{
    (void)state;
    struct cuda_info info;
    struct err e;
    setenv("SPRITTY_CUDA", SHIM_SO, 1);
    void *object = ops_cuda_look(0, &info, &e) == 0 ? dlopen(SHIM_SO, RTLD_NOW) : NULL;
    memory = object ? dlsym(object, "shim_memory") : NULL;
    ops_cuda_bare(NULL, true);
    return memory ? 0 : -1;
}

static void refuse(long at, bool all)
{
    *memory = (struct shim_memory){.refuse = at, .all = all, .live = memory->live};
}

/* The next allocation to be refused; some are left out. */
static long after(long at)
{
    return getenv("SPRITTY_ALL") ? at + 1 : 2 * at + 1;
}

static void must_be_memory(const struct err *e, long at)
{
    if (!err_is_memory(e))
        fail_msg("allocation %ld: \"%s\" does not say that memory ended", at, e->text);
}

/* ---- weights ---- */

static struct weight *pack(struct ops *o, int kind)
{
    static float value[8 * 8 * 9];
    static const struct low_rank change = {
        .up = value, .down = value, .up_type = DT_F32, .down_type = DT_F32, .rank = 2, .factor = 1};
    struct param w = {.data = value, .dtype = DT_F32, .rank = 2, .dim = {8, 8, 3, 3}};
    const struct param b = {.data = value, .dtype = DT_F32, .rank = 1, .dim = {8}};
    if (kind == 0)
        return o->pack_linear(o, &w, &b, 1);
    if (kind == 1) {
        w.changes = &change;
        w.change_count = 1;
        return o->pack_linear(o, &w, &b, 1);
    }
    if (kind == 2) {
        w.rank = 4;
        return o->pack_conv(o, &w, &b);
    }
    return kind == 3 ? o->pack_norm(o, &b, &b) : o->pack_table(o, &w);
}

/* A weight is whole or not at all: nobody could tell later which values it lacks. */
static void a_weight_is_whole_or_none(void **state)
{
    (void)state;
    for (int kind = 0; kind < 5; kind++)
        for (long at = 1;; at++) {
            struct err e = {""};
            struct ops *o = ops_cuda_open(&(struct cuda_options){.act = DT_F16}, &e);
            assert_non_null(o);
            refuse(at, false);
            struct weight *w = pack(o, kind);
            bool refused = memory->refused > 0;
            refuse(0, false);
            if ((w == NULL) != refused)
                fail_msg("kind %d, allocation %ld: %s", kind, at, w ? "a weight" : "none");
            assert_int_equal(o->sync(o, &e), refused ? -1 : 0);
            if (refused)
                must_be_memory(&e, at);
            o->free_weight(o, w);
            o->close(o);
            assert_int_equal(memory->live, 0);
            if (!refused)
                break;
        }
}

/* ---- models ---- */

static struct pipeline *open_small(int mode, struct err *e)
{
    const struct pipeline_options opt = {.device = "cuda", .tuning = {.memory = mode}};
    return pipeline_open("tests/golden/small_a", &opt, e);
}

static void a_load_without_memory(void **state)
{
    (void)state;
    int loads = 0;
    for (int mode = MEMORY_SPEED; mode < MEMORY_MODES; mode++)
        for (long at = 1;; at = after(at), loads++) {
            struct err e = {""};
            refuse(at, loads % 2);
            struct pipeline *p = open_small(mode, &e);
            bool refused = memory->refused > 0;
            if ((p == NULL) != refused)
                fail_msg("mode %d, allocation %ld: %s", mode, at, p ? "opened" : e.text);
            if (refused)
                must_be_memory(&e, at);
            refuse(0, false);
            pipeline_close(p);
            assert_int_equal(memory->live, 0);
            if (!refused)
                break;
        }
    print_message("%d loads\n", loads);
}

/* ---- runs ---- */

static int run(struct pipeline *p, int mode, struct gen_result *r, struct err *e)
{
    static uint8_t image[64 * 64 * 3];
    const struct gen_params g = {.prompt = "a red potion",
                                 .steps = 3,
                                 .cfg = 3,
                                 .width = 64,
                                 .height = 64,
                                 .batch = 1,
                                 .image = image,
                                 .denoise = 1,
                                 .tuning = {.memory = mode}};
    return pipeline_run(p, &g, NULL, r, e);
}

/* True: the run went through without a refusal. */
static bool run_without_memory(int mode, long at, bool all)
{
    struct err e = {""};
    struct gen_result r;
    struct pipeline *p = open_small(mode, &e);
    assert_non_null(p);
    refuse(at, all);
    int rc = run(p, mode, &r, &e);
    bool refused = memory->refused > 0;
    refuse(0, false);
    if (rc < 0)
        must_be_memory(&e, at);
    if (rc < 0 && (!refused || (!all && mode < MEMORY_CONSTRAINED)))
        fail_msg("mode %d, allocation %ld: %s", mode, at, e.text);
    if (rc == 0 && r.memory > mode)
        assert_non_null(strstr(r.notes.line[r.notes.count - 1], "out of memory with --memory"));
    gen_result_free(&r);
    if (run(p, mode, &r, &e) < 0) /* and then it goes on */
        fail_msg("mode %d, after allocation %ld: %s", mode, at, e.text);
    gen_result_free(&r);
    pipeline_close(p);
    assert_int_equal(memory->live, 0);
    return !refused;
}

static void a_run_without_memory(void **state)
{
    (void)state;
    for (int mode = MEMORY_SPEED; mode < MEMORY_MODES; mode++)
        for (int all = 0; all < 2; all++) {
            long at = 1;
            while (!run_without_memory(mode, at, all))
                at = after(at);
            print_message("%s: up to %ld allocations\n", memory_name(mode), at - 1);
        }
}

/* ---- forecasts ---- */

static size_t room_with(size_t taken, size_t held)
{
    struct settings said = {0};
    struct forecast f;
    struct err e = {""};
    *memory = (struct shim_memory){.taken = taken, .live = memory->live};
    if (settings_set(&said, "device", "cuda", &e) ||
        settings_set(&said, "model", "tests/golden/small_a", &e) ||
        engine_forecast(&said, NULL, "a slime", held, &f, &e))
        fail_msg("%s", e.text);
    memory->taken = 0;
    settings_free(&said);
    assert_true(f.gpu);
    return f.room;
}

/* A job over the model that is open has its place, which nobody else has. */
static void an_open_models_place(void **state)
{
    (void)state;
    size_t all = room_with(0, 0);
    assert_int_equal(room_with(600 << 20, 0), all - (600 << 20));
    assert_int_equal(room_with(600 << 20, 500 << 20), all - (100 << 20));
    assert_int_equal(room_with(600 << 20, 700 << 20), all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_weight_is_whole_or_none),
        cmocka_unit_test(a_load_without_memory),
        cmocka_unit_test(a_run_without_memory),
        cmocka_unit_test(an_open_models_place),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}

#endif
