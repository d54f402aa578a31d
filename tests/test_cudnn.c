/*
 * The real cuDNN, without a GPU: from 9.8 on it makes plans for a device that is only described, so
 * it can be asked whether it would take our graphs, and up to the kernels that it compiles for
 * them. That it says yes here is no proof that results are right; that it says no is one that they
 * are not to be had.
 *
 * The description is an H200's (compute capability 9.0). Kernels are compiled, and where there is
 * no driver handed to one that is none (gpu_plans/no_driver.c).
 */
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#ifdef NO_DNN

#define SKIPPED NO_DNN
#include "skipped.h"

#else

#include "../gpu/dnn_shapes.h"

enum { PROPOSALS = 8 };

static const char h200[] =
    "{\"deviceName\": \"NVIDIA H200\", \"deviceVer\": 900, \"cudaDeviceId\": 0,"
    "\"driverVer\": 13000, \"pciDeviceId\": 0, \"isTccDriver\": 0, \"supportCoopLaunch\": 1,"
    "\"maxGridSize\": [2147483647, 65535, 65535], \"maxBlockSize\": [1024, 1024, 64],"
    "\"regsPerBlock\": 65536, \"multiProcessorCount\": 132, \"warpSize\": 32,"
    "\"maxSharedMemoryPerBlock\": 49152, \"maxSharedMemoryPerBlockOptin\": 232448,"
    "\"reservedSharedMemoryPerBlock\": 1024, \"maxRegistersPerSM\": 65536,"
    "\"maxCtasPerSM\": 32, \"maxThreadsPerBlock\": 1024, \"maxThreadsPerSM\": 2048,"
    "\"smClockRateKHz\": 1980000, \"memClockRateKHz\": 3201000, \"l2CacheSize\": 62914560,"
    "\"totalGlobalMem\": 150000000000}";

static struct dnn dnn;
static char reason[512]; /* why there is no device to ask about; "" there is */

static int setup(void **state)
{
    (void)state;
    struct err err = {""};
    if (!dlopen("libcuda.so.1", RTLD_NOW | RTLD_GLOBAL) && !dlopen(STUB, RTLD_NOW | RTLD_GLOBAL))
        snprintf(reason, sizeof reason, "there is no driver, and no stub of one");
    else if (dnn_open(&dnn, h200, &err) != 0)
        snprintf(reason, sizeof reason, "%.400s", err.text);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    dnn_close(&dnn);
    return 0;
}

static void needs_device(void)
{
    if (reason[0]) {
        print_message("skipped: %s\n", reason);
        skip();
    }
}

/* Asks for proposals; with `plan` until one is a plan. */
static void ask(struct dnn_graph *g, int described, const char *name, unsigned refuse, bool plan)
{
    dnn_desc proposal[PROPOSALS];
    char why[200] = "";
    bool fine = !plan;
    if (described != 0)
        fail_msg("%s: the graph is refused: %s", name, g->why);
    int count = dnn_proposals(g, &dnn, refuse, proposal, PROPOSALS);
    print_message("%-40s %d engines\n", name, count);
    for (int i = 0; i < count; i++) {
        struct dnn_plan p = {.proposal = proposal[i]};
        fine = fine || dnn_plan(&p, &dnn, SIZE_MAX, why, sizeof why);
        dnn_plan_free(&p);
    }
    dnn_free(g);
    if (count == 0 || !fine)
        fail_msg("%s: no engine: %s", name, why);
}

static void ask_conv(const char *name, struct conv_shape s, unsigned refuse, bool plan)
{
    struct dnn_graph g = {.failed = false};
    s.align = 16;
    s.spread = s.spread ? s.spread : 1;
    s.stride = s.stride ? s.stride : 1;
    ask(&g, conv_graph(&g, &s, &dnn), name, refuse, plan);
}

#define SAME .before = {1, 1}, .after = {1, 1}, .k = 3, .bias = true

/* The convolutions of SDXL, each with what is added to it. */
static void test_convolutions(void **state)
{
    (void)state;
    needs_device();
    ask_conv("bias", (struct conv_shape){DT_F16, DT_F16, 2, 32, 32, 1280, 1280, SAME}, 0, true);
    ask_conv("bias, channel add",
             (struct conv_shape){DT_F16, DT_F16, 2, 64, 64, 640, 640, SAME, .add = true}, 0, false);
    ask_conv("bias, residual",
             (struct conv_shape){DT_F16, DT_F16, 2, 128, 128, 320, 320, SAME, .residual = true}, 0,
             true);
    ask_conv("bias, channel add, residual",
             (struct conv_shape){DT_F16, DT_F16, 2, 32, 32, 2560, 1280, SAME, .add = true,
                                 .residual = true},
             0, false);
    ask_conv("stride 2",
             (struct conv_shape){DT_F16, DT_F16, 2, 64, 64, 640, 640, SAME, .stride = 2}, 0, false);
    ask_conv("padded after only, stride 2",
             (struct conv_shape){DT_F16, DT_F16, 1, 512, 512, 128, 128, .k = 3, .bias = true,
                                 .after = {1, 1}, .stride = 2},
             0, false);
    ask_conv("a quarter of a doubled image",
             (struct conv_shape){DT_F16, DT_F16, 1, 512, 512, 256, 256, .k = 2, .bias = true,
                                 .before = {1, 0}, .after = {0, 1}, .spread = 2},
             0, true);
    ask_conv("4 channels in", (struct conv_shape){DT_F16, DT_F16, 2, 128, 128, 4, 320, SAME}, 0,
             false);
    ask_conv("4 channels out, f32", (struct conv_shape){DT_F16, DT_F32, 2, 128, 128, 320, 4, SAME},
             0, false);
    ask_conv("3 channels out, f32",
             (struct conv_shape){DT_F16, DT_F32, 1, 1024, 1024, 128, 3, SAME}, 0, false);
    ask_conv("bf16 onto an f32 stream",
             (struct conv_shape){DT_BF16, DT_F32, 2, 32, 32, 1280, 1280, SAME, .residual = true}, 0,
             false);
    ask_conv("f32",
             (struct conv_shape){DT_F32, DT_F32, 2, 32, 32, 320, 320, SAME, .residual = true},
             DNN_NO_TENSOR_CORES, false);
    ask_conv("TF32", (struct conv_shape){DT_F32, DT_F32, 2, 32, 32, 320, 320, SAME}, 0, false);
}

static int count_proposals(struct conv_shape s, unsigned refuse)
{
    struct dnn_graph g = {.failed = false};
    dnn_desc proposal[PROPOSALS];
    s.align = 16;
    s.spread = s.spread ? s.spread : 1;
    s.stride = s.stride ? s.stride : 1;
    assert_int_equal(conv_graph(&g, &s, &dnn), 0);
    int count = dnn_proposals(&g, &dnn, refuse, proposal, PROPOSALS);
    for (int i = 0; i < count; i++)
        dnn_drop(proposal[i]);
    dnn_free(&g);
    return count;
}

/* Where cuDNN's first answers are none for us, or its last resort is what it answers first, there
 * still is something to choose from. */
static void test_choice(void **state)
{
    (void)state;
    needs_device();
    /* f32 as it is: twenty proposals on tensor cores stand before the first */
    struct conv_shape s = {DT_F32, DT_F32, 2, 32, 32, 320, 320, SAME};
    assert_in_range(count_proposals(s, DNN_NO_TENSOR_CORES), 3, PROPOSALS);
    s = (struct conv_shape){
        DT_F32,           DT_F32,          2,          32, 32, 320, 320, .k = 2, .bias = true,
        .before = {1, 0}, .after = {0, 1}, .spread = 2};
    assert_in_range(count_proposals(s, DNN_NO_TENSOR_CORES), 2, PROPOSALS);
    /* wider outputs than inputs, with a bias alone */
    s = (struct conv_shape){DT_F16, DT_F32, 2, 128, 128, 320, 4, SAME};
    assert_in_range(count_proposals(s, 0), 2, PROPOSALS);
    s = (struct conv_shape){DT_BF16, DT_F32, 2, 64, 64, 640, 640, SAME, .stride = 2};
    assert_in_range(count_proposals(s, 0), 2, PROPOSALS);
}

static void ask_attention(const char *name, enum dtype type, int heads, int d, int queries,
                          int keys, bool causal, bool plan)
{
    struct dnn_graph g = {.failed = false};
    int64_t c = (int64_t)heads * d,
            side = queries == keys ? 3 * c : c; /* q, k and v side by side */
    const struct sdpa_shape s = {type, 2, heads, d, queries, keys, side, side, side, c, causal, 16};
    ask(&g, sdpa_graph(&g, &s, &dnn), name, 0, plan);
}

static void test_attention(void **state)
{
    (void)state;
    needs_device();
    ask_attention("10 heads of 64, 4096 tokens", DT_F16, 10, 64, 4096, 4096, false, true);
    ask_attention("20 heads of 64, 1024 tokens", DT_F16, 20, 64, 1024, 1024, false, false);
    ask_attention("77 keys", DT_F16, 20, 64, 1024, 77, false, false);
    ask_attention("causal, 77 tokens", DT_F16, 12, 64, 77, 77, true, true);
    ask_attention("bf16", DT_BF16, 10, 64, 4096, 4096, false, false);
    ask_attention("heads of 32", DT_F16, 4, 32, 256, 256, false, false);
    ask_attention("heads of 40", DT_F16, 8, 40, 64, 77, false, false);
    ask_attention("heads of 128", DT_F16, 2, 128, 61, 61, false, false);
}

/* A plan whose kernel was compiled, as a text and back; what is none of its texts is no plan. */
static void test_text(void **state)
{
    (void)state;
    needs_device();
    struct dnn_graph g = {.failed = false};
    const struct sdpa_shape s = {DT_F16, 2, 10, 64, 1024, 77, 640, 1280, 1280, 640, false, 16};
    struct dnn_plan made = {.plan = NULL}, back;
    char why[200] = "";
    size_t bytes = 0;
    assert_int_equal(sdpa_graph(&g, &s, &dnn), 0);
    assert_int_equal(dnn_proposals(&g, &dnn, 0, &made.proposal, 1), 1);
    assert_true(dnn_plan(&made, &dnn, SIZE_MAX, why, sizeof why));
    assert_true(dnn_is_compiled(&made));
    char *text = dnn_text(&made, &bytes);
    assert_non_null(text);
    print_message("%zu bytes\n", bytes);
    assert_true(dnn_plan_of_text(&back, &dnn, text, bytes, SIZE_MAX, why, sizeof why));
    dnn_plan_free(&back);
    assert_false(dnn_plan_of_text(&back, &dnn, text, bytes, 0, why, sizeof why)); /* no scratch */
    assert_false(dnn_plan_of_text(&back, &dnn, "{}", 3, SIZE_MAX, why, sizeof why));
    assert_null(back.plan);
    free(text);
    dnn_plan_free(&made);
    dnn_free(&g);
}

/* What is refused comes with a reason. */
static void test_refusal(void **state)
{
    (void)state;
    needs_device();
    struct dnn_graph g = {.failed = false};
    struct conv_shape s = {DT_F16, DT_F16, 1, 8, 8, 16, 16, SAME, .stride = 1, .spread = 1};
    s.align = 3;
    assert_int_equal(conv_graph(&g, &s, &dnn), -1);
    print_message("%s\n", g.why);
    assert_non_null(strstr(g.why, "CUDNN_STATUS_BAD_PARAM"));
    dnn_free(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_convolutions), cmocka_unit_test(test_choice),
        cmocka_unit_test(test_attention),    cmocka_unit_test(test_text),
        cmocka_unit_test(test_refusal),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

#endif
