/* This machine and this build, as results name them. */
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/version.h"
#include "bench/measure.h"
#include "engine/gpu_meters.h"
#include "engine/machine.h"
#include "ops/cpu_features.h"
#include "ops/cuda.h"

static const char *features_of(const struct cpu_features *f)
{
    if (f->amx_bf16)
        return "AVX-512, AVX512-BF16, AMX-BF16";
    if (f->isa == ISA_AVX512)
        return f->avx512_bf16 ? "AVX-512, AVX512-BF16" : "AVX-512";
    if (f->isa == ISA_AVX2)
        return "AVX2";
    return f->arm_bf16 ? "NEON, BF16" : "portable";
}

static void read_system(struct bench_machine *m)
{
    struct utsname u;
    char line[128] = "";
    FILE *f = fopen("/etc/os-release", "re");
    char *name = NULL;
    while (f && !name && fgets(line, sizeof line, f))
        if (!strncmp(line, "PRETTY_NAME=", 12))
            name = line + 12 + (line[12] == '"');
    if (f)
        fclose(f);
    if (name)
        name[strcspn(name, "\"\n")] = '\0';
    if (uname(&u) != 0)
        return;
    snprintf(m->arch, sizeof m->arch, "%.15s", u.machine);
    snprintf(m->system, sizeof m->system, "%.40s, %.10s %.30s", name ? name : "unknown", u.sysname,
             u.release);
    text_sanitize(m->system);
}

static void read_gpu(struct bench_machine *m, int index)
{
    struct cuda_info g;
    struct gpu_meters n;
    struct err e;
    if (ops_cuda_look(index, &g, &e) != 0)
        return;
    snprintf(m->gpu, sizeof m->gpu, "%.95s", g.name);
    text_sanitize(m->gpu);
    snprintf(m->libraries, sizeof m->libraries, "CUDA %d.%d, %.90s", g.runtime / 1000,
             g.runtime % 1000 / 10, g.libraries);
    if (gpu_meters_read(&n, &e) == 0) {
        snprintf(m->driver, sizeof m->driver, "%.79s", n.driver);
        gpu_meters_close();
    }
}

void bench_machine_read(struct bench_machine *m, const char *device, int threads)
{
    struct machine now = {0};
    struct cpu_features f = cpu_features();
    memset(m, 0, sizeof *m);
    machine_read(&now);
    snprintf(m->cpu, sizeof m->cpu, "%.63s", now.name);
    snprintf(m->features, sizeof m->features, "%s", features_of(&f));
    m->cores = now.cores;
    m->threads = threads > 0 ? threads : now.cores;
    m->memory = now.memory_total;
    snprintf(m->device, sizeof m->device, "%.15s", device);
    snprintf(m->libraries, sizeof m->libraries, "%s", ops_cpu_library());
    snprintf(m->version, sizeof m->version, "%s", SPRITTY_VERSION);
    snprintf(m->commit, sizeof m->commit, "%s", version_commit());
    read_system(m);
    if (!strncmp(device, "cuda", 4))
        read_gpu(m, device[4] == ':' ? device[5] - '0' : 0);
}

bool bench_real_time(void)
{
    int policy = sched_getscheduler(0);
    return policy == SCHED_FIFO || policy == SCHED_RR;
}

double bench_load_average(void)
{
    double load = NAN;
    FILE *f = fopen("/proc/loadavg", "re");
    if (f && fscanf(f, "%lf", &load) != 1)
        load = NAN;
    if (f)
        fclose(f);
    return load;
}
