/* The processor by name, and with what is computed on it. */
#include <stdio.h>
#include <string.h>

#include "base/parallel.h"
#include "base/proc.h"
#include "ops/cpu_features.h"
#include "ops/ops.h"

/* "AMD EPYC 9R14", as the system tells it, without control characters; or "CPU". */
static void cpu_name(char *out, size_t size)
{
    char text[4096];
    proc_text("", "/proc/cpuinfo", text, sizeof text);
    const char *name = proc_value(text, "model name");
    snprintf(out, size, "%.80s", name ? name : "CPU");
    text_sanitize(out);
}

void ops_cpu_describe(enum dtype act, int threads, char *out, size_t size)
{
    static const char *const level[ISA_COUNT] = {"plain", "AVX2", "AVX-512"};
    struct cpu_features f = cpu_features();
    char name[100];
    cpu_name(name, sizeof name);
    snprintf(out, size, "%s, %s%s, %d threads, %s, %s", name, level[f.isa],
             f.amx_bf16                    ? " with AMX"
             : f.avx512_bf16 || f.arm_bf16 ? " with BF16"
                                           : "",
             threads > 0 ? threads : parallel_cores(), ops_cpu_library(),
             act == DT_F32 ? "fp32" : "bf16");
}
