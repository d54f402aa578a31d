/*
 * What the tests of cuBLASLt and cuDNN in front of stand-ins share: a backend that was opened over
 * them, a case of the table by its name, and after every test a look at whether a call was against
 * the libraries' rules. Where there are no stand-ins the whole test is skipped: this has its main.
 * Include after cmocka.
 */
#ifndef SPRITTY_TESTS_GPU_LIBRARY_HELP_H
#define SPRITTY_TESTS_GPU_LIBRARY_HELP_H

#ifdef NO_LIBRARY

#define SKIPPED NO_LIBRARY
#include "skipped.h"

#else

#include "../gpu/library.h"
#include "gpu_shim/fake/fake.h"
#include "gpu_shim/shim_run.h"
#include "op_run.h"

struct opened {
    struct ops *o;
    struct gpu_library library; /* a copy, for its state */
};

static inline struct opened open_with(enum dtype act, const struct gpu_library_options *options)
{
    struct opened x;
    struct err err = {""};
    if (gpu_library_open(&x.library, options, &err) != 0)
        fail_msg("%s", err.text);
    x.o = gpu_open(act, 0, &x.library, &err);
    if (!x.o)
        fail_msg("%s", err.text);
    return x;
}

static inline struct gpu_library_stats stats_of(const struct opened *x)
{
    struct gpu_library_stats s;
    gpu_library_stats(&x->library, &s);
    return s;
}

static inline int setup(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof fake);
    return 0;
}

/* After every test: no call was against the rules, nothing was left behind. */
static inline int teardown(void **state)
{
    (void)state;
    if (fake.complaints || fake.live)
        print_message("%d complaints, %d descriptors left\n", fake.complaints, fake.live);
    return fake.complaints || fake.live ? -1 : 0;
}

static inline const struct op_case *find_case(enum op_kind op, const char *name)
{
    for (int i = 0; i < OP_CASES; i++)
        if (op_cases[i].op == op && strcmp(op_cases[i].name, name) == 0)
            return &op_cases[i];
    fail_msg("there is no case \"%s\"", name);
    return NULL;
}

static inline void run_once(struct ops *o, const struct op_case *c)
{
    struct rig r;
    rig_run(&r, o, c, o->act, false);
    if (r.why[0])
        fail_msg("%s: %s", c->name, r.why);
    free(r.out);
}

/* A sum onto itself over two pictures of so many rows. */
#define ONTO_ITSELF(high)                                                                          \
    &(const struct op_case)                                                                        \
    {                                                                                              \
        OP_CONV, "tall, onto itself", .n = 2, .h = high, .w = 5, .c = 16, .out = 16, .k = 3,       \
                                      .stride = 1, .before = 1, .after = 1, .residual = RES_SELF,  \
                                      .seed = 1                                                    \
    }

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

#endif
#endif
