/* LoRAs of test_lora_golden.c on the CUDA backend, which merges plain ones itself; on the CPU,
 * through gpu_shim. */
#ifdef NO_SHIM

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void test_skipped(void **state)
{
    (void)state;
    print_message("skipped: %s\n", NO_SHIM);
    skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_skipped)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

#define GOLDEN_GPU
#include "test_lora_golden.c"

#endif
