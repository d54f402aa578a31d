/* The little of cmocka that the tests in `make gpu-test` use, for machines without it. */
#ifndef SPRITTY_BARE_CMOCKA_H
#define SPRITTY_BARE_CMOCKA_H

#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct CMUnitTest {
    const char *name;
    void (*test)(void **);
    int (*setup)(void **), (*teardown)(void **);
};

#define cmocka_unit_test(f)                                                                        \
    {                                                                                              \
#f, f, NULL, NULL                                                                          \
    }
#define cmocka_unit_test_setup_teardown(f, up, down)                                               \
    {                                                                                              \
#f, f, up, down                                                                            \
    }

static jmp_buf bare_out;
enum { BARE_PASSED, BARE_FAILED, BARE_SKIPPED };

#define print_message printf
#define skip()        longjmp(bare_out, BARE_SKIPPED)
#define fail_msg(...)                                                                              \
    (printf(__VA_ARGS__), printf("\n%s:%d\n", __FILE__, __LINE__), longjmp(bare_out, BARE_FAILED))
#define assert_true(x)                   ((x) ? (void)0 : fail_msg("not true: %s", #x))
#define assert_false(x)                  assert_true(!(x))
#define assert_null(x)                   assert_true((x) == NULL)
#define assert_non_null(x)               assert_true((x) != NULL)
#define assert_int_equal(a, b)           assert_true((intmax_t)(a) == (intmax_t)(b))
#define assert_in_range(x, a, b)         assert_true((x) >= (a) && (x) <= (b))
#define assert_ptr_equal(a, b)           assert_true((a) == (b))
#define assert_string_equal(a, b)        assert_true(strcmp(a, b) == 0)
#define assert_memory_equal(a, b, n)     assert_true(memcmp(a, b, n) == 0)
#define assert_memory_not_equal(a, b, n) assert_true(memcmp(a, b, n) != 0)

static inline int bare_run(const struct CMUnitTest *t, void **state)
{
    if (t->setup && t->setup(state) != 0)
        return BARE_FAILED;
    int how = setjmp(bare_out);
    if (how == BARE_PASSED)
        t->test(state);
    if (t->teardown)
        t->teardown(state);
    return how;
}

static inline int bare_group(const struct CMUnitTest *t, size_t count)
{
    static const char *const word[] = {"[       OK ]", "[  FAILED  ]", "[  SKIPPED ]"};
    int failed = 0;
    void *state = NULL;
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("[==========] Running %zu test(s).\n", count);
    for (size_t i = 0; i < count; i++) {
        printf("[ RUN      ] %s\n", t[i].name);
        int how = bare_run(&t[i], &state);
        printf("%s %s\n", word[how], t[i].name);
        failed += how == BARE_FAILED;
    }
    printf("[==========] %zu test(s) run.\n", count);
    return failed;
}

#define cmocka_run_group_tests(tests, up, down) bare_group(tests, sizeof tests / sizeof *tests)

#endif
