/* In the place of oneDNN's backend, on machines without it (make gpu-test). */
#include "ops/ops.h"

struct ops *ops_cpu_open(enum dtype act, int threads, struct err *err)
{
    (void)act, (void)threads;
    err_set(err, "this build has no CPU backend");
    return NULL;
}

const char *ops_cpu_library(void)
{
    return "no oneDNN";
}

size_t ops_cpu_library_bytes(void)
{
    return 0;
}
