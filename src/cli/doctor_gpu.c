/*
 * Doctor's lines about the GPU: what NVIDIA's driver tells by NVML, and what CUDA does once our
 * shared object opens it. Either may be there without the other. Capabilities: CUDA programming
 * guide, "Compute Capabilities" (tensor cores from 7.0, BF16 from 8.0, FP8 from 8.9).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/doctor.h"

void facts_gpu(struct gpu_facts *f)
{
    memset(f, 0, sizeof *f);
    f->driver = access("/proc/driver/nvidia/version", F_OK) == 0;
    f->has_cuda = ops_cuda_look(0, &f->cuda, &f->why_cuda) == 0;
    f->has_nvml = gpu_meters_read(&f->nvml, &f->why_nvml) == 0;
    if (f->has_nvml)
        gpu_meters_close();
}

/* 89 for 8.9; 0 when nobody tells. */
static int capability(const struct gpu_facts *f)
{
    if (f->has_cuda)
        return f->cuda.major * 10 + f->cuda.minor;
    return f->has_nvml && f->nvml.known & GPU_CAPABILITY ? f->nvml.major * 10 + f->nvml.minor : 0;
}

static bool there(const struct gpu_facts *f)
{
    return f->has_cuda || f->has_nvml;
}

/* What can only be told of a GPU that is there. */
static struct check *about_gpu(struct checks *all, const struct gpu_facts *f, const char *name,
                               bool known, bool good, const char *yes, const char *no)
{
    if (!there(f) || !known) {
        struct check *c = check_add(all, name, CHECK_MISSING,
                                    there(f) ? "not told by the driver" : "no GPU");
        check_hint(c, there(f) ? "build the CUDA backend (make gpu), which can ask CUDA"
                               : "see 'gpu'");
        return c;
    }
    return check_add(all, name, good ? CHECK_GOOD : CHECK_MISSING, "%s", good ? yes : no);
}

static void check_device(struct checks *all, const struct gpu_facts *f)
{
    struct check *c;
    if (f->has_cuda) {
        check_add(all, "gpu", CHECK_GOOD, "%.200s%s, %d multiprocessors", f->cuda.name,
                  f->cuda.devices > 1 ? " and others" : "", f->cuda.processors);
    } else if (f->has_nvml) {
        c = check_add(all, "gpu", CHECK_WARNING, "%.90s, not used", f->nvml.name);
        check_hint(c, "see 'cuda'");
    } else {
        c = check_add(all, "gpu", CHECK_MISSING, f->driver ? "none that answers" : "none");
        check_hint(c, "optional: spritty computes on the CPU. With an NVIDIA GPU of compute "
                      "capability 8.0 or newer: install its driver, the CUDA toolkit with cuDNN, "
                      "then 'make gpu'");
    }
}

static void check_driver(struct checks *all, const struct gpu_facts *f)
{
    char limit[48] = "";
    struct check *c;
    if (f->has_nvml) {
        if (f->nvml.known & GPU_POWER_LIMIT)
            snprintf(limit, sizeof limit, ", power limit %.0f W", f->nvml.watts_limit);
        check_add(all, "gpu driver", CHECK_GOOD, "%s%s",
                  *f->nvml.driver ? f->nvml.driver : "version not told", limit);
        return;
    }
    c = check_add(all, "gpu driver", f->driver ? CHECK_WARNING : CHECK_MISSING,
                  f->driver ? "loaded; NVML does not answer" : "none");
    check_hint(c, "%.400s; SPRITTY_NVML names another library", f->why_nvml.text);
}

static void check_cuda(struct checks *all, const struct gpu_facts *f)
{
    struct check *c;
    if (f->has_cuda) {
        check_add(all, "cuda", CHECK_GOOD, "runtime %d.%d, driver's %d.%d; kernels for sm %s",
                  f->cuda.runtime / 1000, f->cuda.runtime % 1000 / 10, f->cuda.driver / 1000,
                  f->cuda.driver % 1000 / 10, f->cuda.archs);
        bool both = strstr(f->cuda.libraries, "cuBLASLt ") && strstr(f->cuda.libraries, "cuDNN ");
        c = check_add(all, "cuda libraries", both ? CHECK_GOOD : CHECK_WARNING, "%s",
                      f->cuda.libraries);
        if (!both)
            check_hint(c, "spritty's own kernels stand in, much slower: install cuBLAS and cuDNN "
                          "9 (of CUDA's packages or pip), or set CUDA_HOME and CUDNN_HOME");
        return;
    }
    bool gpu = f->driver || f->has_nvml;
    c = check_add(all, "cuda", gpu ? CHECK_WARNING : CHECK_MISSING, "not used");
    check_hint(c, "%s%.400s; SPRITTY_CUDA names libspritty_cuda.so where it lies elsewhere",
               gpu ? "" : "optional; ", f->why_cuda.text);
    c = check_add(all, "cuda libraries", CHECK_MISSING, "not asked");
    check_hint(c, "see 'cuda'");
}

static void check_memory(struct checks *all, const struct gpu_facts *f)
{
    size_t total = f->has_cuda ? f->cuda.bytes_total : f->nvml.memory_total;
    size_t unused = f->has_cuda ? f->cuda.bytes_free : total - f->nvml.memory_used;
    bool known = f->has_cuda || f->nvml.known & GPU_MEMORY;
    char text[80];
    snprintf(text, sizeof text, "%.1f GB, %.1f GB of it free", (double)total / 1e9,
             (double)unused / 1e9);
    struct check *c = about_gpu(all, f, "gpu memory", known, true, text, "");
    if (there(f) && known && unused < (size_t)8 << 30) {
        c->status = CHECK_WARNING;
        check_hint(c, "SDXL in fp16 takes about 8 GB: --memory constrained, or the embedded model");
    }
}

void doctor_gpu(struct checks *all, const struct gpu_facts *f)
{
    int sm = capability(f);
    char text[64];
    check_device(all, f);
    snprintf(text, sizeof text, "%d.%d", sm / 10, sm % 10);
    struct check *c = about_gpu(all, f, "compute capability", sm > 0, true, text, "");
    if (sm > 0 && sm < 80) {
        c->status = CHECK_WARNING;
        check_hint(c, "spritty's kernels are for 8.0 and newer: it computes on the CPU");
    } else if (f->has_cuda) {
        char arch[12];
        snprintf(arch, sizeof arch, "%d", sm);
        if (!strstr(f->cuda.archs, arch)) {
            c->status = CHECK_WARNING;
            check_hint(c, "the kernels are for sm %s: run 'make gpu' on this machine",
                       f->cuda.archs);
        }
    }
    check_driver(all, f);
    check_cuda(all, f);
    about_gpu(all, f, "tensor cores", sm > 0, sm >= 70,
              sm >= 100  ? "fifth generation"
              : sm >= 89 ? "fourth generation"
              : sm >= 80 ? "third generation"
                         : "of a generation before spritty's kernels",
              "none");
    about_gpu(all, f, "gpu bf16", sm > 0, sm >= 80, "yes", "none (8.0 and newer have it)");
    about_gpu(all, f, "gpu fp8", sm > 0, sm >= 89, "yes", "none (8.9 and newer have it)");
    bool shared = f->has_cuda ? f->cuda.shares_memory : f->nvml.shares_memory;
    bool told = f->has_cuda || f->nvml.known & GPU_MEMORY;
    c = about_gpu(all, f, "unified memory", told, shared, "GPU and CPU share one memory",
                  "the GPU has a memory of its own");
    if (there(f) && told)
        c->status = CHECK_GOOD; /* neither is a fault */
    check_memory(all, f);
}
