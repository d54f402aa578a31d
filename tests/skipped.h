/*
 * The main of a test that this build leaves out: one test, skipped, with the reason. SKIPPED is a
 * string.
 */
#ifndef SPRITTY_TESTS_SKIPPED_H
#define SPRITTY_TESTS_SKIPPED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void test_skipped(void **state)
{
    (void)state;
    print_message("skipped: %s\n", SKIPPED);
    skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_skipped)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
