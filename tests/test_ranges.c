/* Modules arrive at a tool as nested NVTX ranges with their names. The tool is this test: NVTX asks
 * a function of that name, where a program has one, before it looks for a library. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../gpu/backend.h"

#if defined(__has_include)
#if __has_include(<nvtx3/nvToolsExt.h>)
#include <nvtx3/nvToolsExt.h>
#define HAVE_NVTX 1
#endif
#endif

#ifdef HAVE_NVTX

static char seen[400];

static int on_push(const char *name)
{
    strcat(strcat(seen, name), " ( ");
    return 0;
}

static int on_pop(void)
{
    strcat(seen, ") ");
    return 0;
}

static int attach(NvtxGetExportTableFunc_t tables)
{
    const NvtxExportTableCallbacks *t = tables(NVTX_ETID_CALLBACKS);
    NvtxFunctionTable table = NULL;
    unsigned size = 0;
    if (!t || !t->GetModuleFunctionTable(NVTX_CB_MODULE_CORE, &table, &size))
        return 0;
    *table[NVTX_CBID_CORE_RangePushA] = (NvtxFunctionPointer)on_push;
    *table[NVTX_CBID_CORE_RangePop] = (NvtxFunctionPointer)on_pop;
    return 1;
}

NvtxInitializeInjectionNvtxFunc_t InitializeInjectionNvtx2_fnptr = attach;

static void modules_are_ranges(void **state)
{
    (void)state;
    struct ops o = {.name = "cuda"};
    gpu_range_on(&o);
    assert_non_null(o.enter);
    ops_enter(&o, "sample", -1);
    ops_enter_turn(&o, "step", 0);
    ops_enter(&o, "down", 1);
    ops_leave(&o);
    ops_leave(&o);
    ops_leave(&o);
    assert_string_equal(seen, "sample ( step 1 ( down.1 ( ) ) ) ");
}

#else

static void modules_are_ranges(void **state)
{
    (void)state;
    print_message("skipped: there are no headers of NVTX here\n");
    skip();
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(modules_are_ranges)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
