/*
 * The table of op cases on the CUDA backend against ref, in f32, fp16 and bf16, and in f32 with
 * products in TF32: through the libraries, and through our own kernels alone. No test library; part
 * of `make gpu-test`.
 *
 *   gpu_ops [TABLE]...    beginnings of the tables' names: "own", "cuda fp16"; none: all
 */
#include "op_run.h"
#include "ops/cuda.h"
#include "results.h"

struct table {
    const char *name;
    enum dtype act;
    bool plain; /* our own kernels alone */
    bool tf32;  /* inputs of products keep ten bits, which are fp16's: so are the bounds */
};

static const struct table tables[] = {
    {"cuda f32", DT_F32, false, false},   {"cuda fp16", DT_F16, false, false},
    {"cuda bf16", DT_BF16, false, false}, {"cuda tf32", DT_F32, false, true},
    {"own f32", DT_F32, true, false},     {"own fp16", DT_F16, true, false},
    {"own bf16", DT_BF16, true, false},
};

static int run_table(struct ops *ref, const struct table *t)
{
    enum dtype act = t->act;
    const char *name = t->name;
    struct err err = {""};
    /* all ways in fp16, where measuring compiles some; the others as they come first */
    const struct cuda_options options = {.act = act,
                                         .plain = t->plain,
                                         .tf32 = t->tf32,
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
        double bound = op_case_bound(c, t->tf32 ? DT_F16 : act);
        struct op_result r = op_case_check_within(ref, tested, c, bound);
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

/* Is it one of those that were named, by their names' beginnings? */
static bool wanted(const struct table *t, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (!strncmp(t->name, argv[i], strlen(argv[i])))
            return true;
    return argc < 2;
}

int main(int argc, char **argv)
{
    struct err err = {""};
    int failed = 0;
    struct ops *ref = ops_ref_open(DT_F32, &err);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!ref) {
        printf("%s\n", err.text);
        return 1;
    }
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        if (wanted(&tables[i], argc, argv))
            failed += run_table(ref, &tables[i]);
    ref->close(ref);
    return failed > 0;
}
