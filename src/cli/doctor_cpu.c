/*
 * Doctor's lines about CPU and memory. What the CPU has is read off /proc/cpuinfo, what spritty
 * takes of it from cpu_features(), which also asks whether the kernel lets us.
 */
#include <ctype.h>
#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/proc.h"
#include "cli/doctor.h"
#include "engine/machine.h"

/* ---- facts ---- */

/* " fpu vme ... " from the first "flags" (x86) or "Features" (ARM) line. */
static void read_flags(struct cpu_facts *f, const char *root)
{
    char text[16000];
    f->flags[0] = '\0';
    if (!proc_text(root, "/proc/cpuinfo", text, sizeof text))
        return;
    char *at = strstr(text, "\nflags");
    at = at ? at : strstr(text, "\nFeatures");
    at = at ? strchr(at, ':') : NULL;
    if (!at)
        return;
    at[1 + strcspn(at + 1, "\n")] = '\0';
    snprintf(f->flags, sizeof f->flags, " %.5900s ", at + 1);
    text_sanitize(f->flags);
}

/* The smallest of the limits on the way up from this process's control group. 0: none. */
static double group_limit(const char *root, const char *file, bool cpu)
{
    char group[2048], path[PATH_MAX], text[128];
    double least = 0;
    if (!proc_text(root, "/proc/self/cgroup", group, sizeof group))
        return 0;
    char *at = strstr(group, "0::/"); /* version 2 */
    if (!at)
        return 0;
    at += 3;
    at[strcspn(at, "\n")] = '\0';
    for (;;) {
        snprintf(path, sizeof path, "/sys/fs/cgroup%s/%s", at, file);
        double quota = 0, period = 1;
        if (proc_text(root, path, text, sizeof text) &&
            sscanf(text, cpu ? "%lf %lf" : "%lf", &quota, &period) >= 1 && quota > 0 &&
            period > 0 && (least == 0 || quota / period < least))
            least = quota / period;
        char *slash = strrchr(at, '/');
        if (!slash || !*at)
            return least;
        *slash = '\0';
    }
}

static int allowed_cores(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
}

void facts_cpu(struct cpu_facts *f, const char *root)
{
    char text[4096];
    struct machine m = {0};
    memset(f, 0, sizeof *f);
    machine_read_at(&m, root);
    memcpy(f->name, m.name, sizeof f->name);
    f->cores = m.cores;
    f->allowed = allowed_cores();
    f->can = cpu_features();
#if defined(__aarch64__)
    f->arm = true;
#endif
    read_flags(f, root);
    f->memory = m.memory_total;
    f->available = m.memory_free;
    proc_text(root, "/proc/meminfo", text, sizeof text);
    f->swap = proc_kilobytes(text, "SwapTotal");
    f->quota = group_limit(root, "cpu.max", true);
    f->memory_limit = (size_t)group_limit(root, "memory.max", false);
    proc_text(root, "/sys/kernel/mm/transparent_hugepage/enabled", text, sizeof text);
    sscanf(text, "%*[^[][%15[a-z]", f->huge_pages);
    if (!*f->huge_pages)
        sscanf(text, "[%15[a-z]", f->huge_pages);
    proc_text(root, "/proc/loadavg", text, sizeof text);
    if (sscanf(text, "%lf", &f->load) != 1)
        f->load = -1;
}

/* ---- CPU ---- */

static bool has(const struct cpu_facts *f, const char *flag)
{
    char word[40];
    snprintf(word, sizeof word, " %s ", flag);
    return strstr(f->flags, word) != NULL;
}

/* Those of the list that the CPU has, with spaces between. */
static int which(const struct cpu_facts *f, const char *const *list, char *out, size_t size)
{
    int n = 0;
    size_t used = 0;
    *out = '\0';
    for (; *list; list++)
        if (has(f, *list) && used < size)
            used += (size_t)snprintf(out + used, size - used, "%s%s", n++ ? " " : "", *list);
    return n;
}

static void check_vectors(struct checks *all, const struct cpu_facts *f)
{
    static const char *const wide[] = {"avx512f",     "avx512bw",    "avx512vl",    "avx512dq",
                                       "avx512_vnni", "avx512_bf16", "avx512_fp16", NULL};
    char list[200];
    if (f->arm) {
        static const char *const arm[] = {"asimd", "asimdhp", "asimddp", "sve",
                                          "sve2",  "i8mm",    NULL};
        which(f, arm, list, sizeof list);
        check_add(all, "cpu vectors", CHECK_GOOD, "NEON; the CPU has %s", *list ? list : "asimd");
        return;
    }
    bool avx2 = f->can.isa >= ISA_AVX2;
    struct check *c = check_add(all, "cpu avx2", avx2 ? CHECK_GOOD : CHECK_MISSING,
                                avx2 ? "AVX2, FMA and F16C" : "none");
    if (!avx2)
        check_hint(c, "kernels take their portable forms, several times slower; a CPU of the last "
                      "ten years has it, and virtual machines can hide it (CPU type 'host')");
    int n = which(f, wide, list, sizeof list);
    bool avx512 = f->can.isa >= ISA_AVX512;
    c = check_add(all, "cpu avx-512", avx512 ? CHECK_GOOD : CHECK_MISSING, "%s", n ? list : "none");
    if (!avx512 && n)
        check_hint(c, "the CPU has parts of it; spritty wants F, BW, VL and DQ and takes AVX2");
    else if (!avx512)
        check_hint(c, "spritty takes AVX2 here; nothing to do but another CPU");
}

static void check_amx(struct checks *all, const struct cpu_facts *f)
{
    static const char *const tiles[] = {"amx_tile", "amx_bf16", "amx_int8", "amx_fp16", NULL};
    char list[100];
    if (f->arm)
        return;
    int n = which(f, tiles, list, sizeof list);
    struct check *c = check_add(all, "cpu amx", f->can.amx_bf16 ? CHECK_GOOD : CHECK_MISSING, "%s",
                                n ? list : "none");
    if (!f->can.amx_bf16 && n)
        check_hint(c, "the CPU has it, but the kernel does not let us use the tiles: Linux 5.16 "
                      "or newer is needed, and in a virtual machine its state must be passed on");
    else if (!n && f->can.slow_bf16)
        check_hint(c, "matrix tiles, several times as fast: all CPUs with the other instructions "
                      "of this one have them, so a virtual machine hides them; ask who runs it");
    else if (!n)
        check_hint(c, "matrix tiles, in Intel's server CPUs since Sapphire Rapids; nothing to do "
                      "but another CPU");
}

static void check_bf16(struct checks *all, const struct cpu_facts *f)
{
    bool bf16 = f->can.avx512_bf16 || f->can.amx_bf16;
    struct check *c = check_add(
        all, "cpu bf16", bf16 ? CHECK_GOOD : CHECK_WARNING, "%s",
        f->can.amx_bf16      ? "by AMX: --precision auto computes in bf16"
        : f->can.slow_bf16   ? "by AVX512-BF16, half as fast as fp32 on this CPU: --precision auto "
                               "computes in fp32"
        : f->can.avx512_bf16 ? "by AVX512-BF16: --precision auto computes in bf16"
        : f->can.arm_bf16    ? "the CPU has it, spritty computes in fp32 on ARM"
                             : "none: --precision auto computes in fp32");
    if (!bf16)
        check_hint(c, "SDXL base is slow here (it takes about 9 GB at 512x512); the embedded model "
                      "is fine");
}

void doctor_cpu(struct checks *all, const struct cpu_facts *f)
{
    bool less = f->allowed > 0 && f->allowed < f->cores;
    bool quota = f->quota > 0 && f->quota < (less ? f->allowed : f->cores);
    struct check *c = check_add(all, "cpu", less || quota ? CHECK_WARNING : CHECK_GOOD,
                                "%s, %d core%s", f->name, f->cores, f->cores == 1 ? "" : "s");
    size_t n = strlen(c->value);
    if (less)
        n += (size_t)snprintf(c->value + n, sizeof c->value - n, ", %d of them for this process",
                              f->allowed);
    if (quota)
        snprintf(c->value + n, sizeof c->value - n, ", time for %.3g", f->quota);
    if (quota)
        check_hint(c,
                   "a container's limit: set --threads %d, since more threads wait for each "
                   "other",
                   f->quota < 1 ? 1 : (int)f->quota);
    else if (less)
        check_hint(c, "an affinity mask (taskset, a container) keeps the others away");
    check_vectors(all, f);
    check_amx(all, f);
    check_bf16(all, f);
    if (f->load >= 0) {
        bool busy = f->load > 0.5 * f->cores && f->load > 0.7;
        c = check_add(all, "cpu load", busy ? CHECK_WARNING : CHECK_GOOD, "%.2f in the last minute",
                      f->load);
        if (busy)
            check_hint(c, "other programs share the cores: sprites take longer, and figures of "
                          "'spritty bench' are not to be trusted");
    }
}

/* ---- memory ---- */

void doctor_memory(struct checks *all, const struct cpu_facts *f)
{
    size_t total = f->memory_limit && f->memory_limit < f->memory ? f->memory_limit : f->memory;
    double need = f->can.avx512_bf16 || f->can.amx_bf16 ? 8.7e9 : 14e9; /* docs/performance.md */
    bool large = (double)total >= need;
    struct check *c = check_add(all, "memory", large ? CHECK_GOOD : CHECK_WARNING,
                                "%.1f GB, %.1f GB of it free", (double)f->memory / 1e9,
                                (double)f->available / 1e9);
    if (!large)
        check_hint(c,
                   "enough for the embedded model; SDXL at 1024x1024 takes about %.1f GB: ask "
                   "'spritty plan -m MODEL' before",
                   need / 1e9);
    else if ((double)f->available < need)
        check_hint(c, "other programs hold some: SDXL at 1024x1024 takes about %.1f GB",
                   need / 1e9);
    if (f->memory_limit && f->memory_limit < f->memory) {
        c = check_add(all, "memory limit", large ? CHECK_GOOD : CHECK_WARNING,
                      "%.1f GB for this container", (double)f->memory_limit / 1e9);
        if (!large)
            check_hint(c, "what goes over it is killed; raise it, or stay with smaller models");
    }
    check_add(all, "swap", CHECK_GOOD, "%.1f GB", (double)f->swap / 1e9);
    if (!*f->huge_pages)
        return;
    bool never = !strcmp(f->huge_pages, "never");
    c = check_add(all, "huge pages", never ? CHECK_WARNING : CHECK_GOOD, "%s", f->huge_pages);
    if (never)
        check_hint(c, "weights lie in pages of 4 KB, a little slower to load: echo madvise >"
                      "/sys/kernel/mm/transparent_hugepage/enabled (as root)");
}
