/* The processor by name, and with what is computed on it. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/parallel.h"
#include "ops/cpu_features.h"
#include "ops/ops.h"

/* The value of the first line `key : value`, cut out of the text; NULL: there is none. */
static const char *value_of(char *text, const char *key)
{
    char *at = strstr(text, key);
    at = at ? strchr(at, ':') : NULL;
    if (!at)
        return NULL;
    at += 1 + strspn(at + 1, " \t");
    at[strcspn(at, "\n")] = '\0';
    return *at ? at : NULL;
}

void cpu_name(char *out, size_t size)
{
    char text[4096];
    int fd = open("/proc/cpuinfo", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    const char *name = value_of(text, "model name");
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
