/* The table of op cases on the CUDA backend against ref, in f32, fp16 and bf16: through the
 * libraries, and through our own kernels alone. No test library; part of `make gpu-test`. */
#include "op_run.h"
#include "ops/cuda.h"
#include "results.h"

static int run_table(struct ops *ref, enum dtype act, bool plain)
{
    static const char *const names[2][3] = {{"cuda f32", "cuda fp16", "cuda bf16"},
                                            {"own f32", "own fp16", "own bf16"}};
    const char *name = names[plain][act];
    struct err err = {""};
    /* all ways in fp16, where measuring compiles some; the others as they come first */
    const struct cuda_options options = {.act = act,
                                         .plain = plain,
                                         .autotune = act == DT_F16 ? TUNE_MEASURE : TUNE_NOTHING,
                                         .fuse_all = act == DT_F16};
    struct ops *tested = ops_cuda_open(&options, &err);
    if (!tested) {
        printf("%s: %s\n", name, err.text);
        result_line("ops", name, "open", NAN, 0, false, err.text);
        return 1;
    }
    int failed = 0;
    for (int i = 0; i < OP_CASES; i++) {
        const struct op_case *c = &op_cases[i];
        if (act == DT_F16 && c->gain > 1e4f) /* inputs that fp16 cannot hold */
            continue;
        char check[128];
        struct op_result r = op_case_check(ref, tested, c);
        if (!r.why[0])
            snprintf(r.why, sizeof r.why, "%s", op_case_check_broken(tested, c).why);
        snprintf(check, sizeof check, "%s %s", op_bounds[c->op].name, c->name);
        result_line("ops", name, check, r.error, r.bound, !r.why[0], r.why);
        if (r.why[0])
            printf("%s: %s: %.2g (bound %.2g): %s\n", name, check, r.error, r.bound, r.why);
        failed += r.why[0] != '\0';
    }
    char who[1024];
    ops_cuda_account(tested, who, sizeof who);
    printf("%s: %d of %d cases failed; %s\n", name, failed, (int)OP_CASES, who);
    tested->close(tested);
    return failed;
}

int main(void)
{
    struct err err = {""};
    int failed = 0;
    struct ops *ref = ops_ref_open(DT_F32, &err);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!ref) {
        printf("%s\n", err.text);
        return 1;
    }
    for (int plain = 0; plain < 2; plain++)
        for (int act = DT_F32; act <= DT_BF16; act++)
            failed += run_table(ref, (enum dtype)act, plain);
    ref->close(ref);
    return failed > 0;
}
