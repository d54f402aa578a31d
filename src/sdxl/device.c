/* Which backend options mean: by name, or by what this machine has. */
#include "sdxl/pipeline_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops/cuda.h"

enum { AUTO = -1, CPU = -2, REF = -3 }; /* devices; 0 and up: a GPU */

static int choose_device(const char *name, int *out, struct err *e)
{
    if (!name || !strcmp(name, "auto"))
        *out = AUTO;
    else if (!strcmp(name, "cpu"))
        *out = CPU;
    else if (!strcmp(name, "ref"))
        *out = REF;
    else if (!strcmp(name, "cuda"))
        *out = 0;
    else if (!strncmp(name, "cuda:", 5) && name[5] >= '0' && name[5] <= '9')
        *out = atoi(name + 5);
    else
        return err_set(e, "there is no device %s; use auto, cpu, cuda or cuda:N", name);
    return 0;
}

int pipeline_device_index(const char *name)
{
    struct err ignored;
    int device = 0;
    return choose_device(name, &device, &ignored) == 0 && device > 0 ? device : 0;
}

const char *precision_name(enum dtype act)
{
    static const char *const NAME[] = {[DT_F32] = "fp32", [DT_F16] = "fp16", [DT_BF16] = "bf16"};
    return NAME[act];
}

/* auto: FP16 on a GPU, on the CPU what it is fastest in. */
static int choose_precision(const char *name, bool gpu, enum dtype *out, struct err *e)
{
    if (!name || !strcmp(name, "auto"))
        *out = gpu ? DT_F16 : cpu_best_dtype();
    else if (!strcmp(name, "fp32"))
        *out = DT_F32;
    else if (!strcmp(name, "bf16"))
        *out = DT_BF16;
    else if (!strcmp(name, "fp16") && gpu)
        *out = DT_F16;
    else
        return err_set(e, "precision %s does not run on the %s; use auto, %sbf16 or fp32", name,
                       gpu ? "GPU" : "CPU", gpu ? "fp16, " : "");
    return 0;
}

/* A GPU that can be opened, or the CPU. */
static struct ops *open_auto(const struct pipeline_options *opt, bool dry, struct err *e)
{
    struct pipeline_options cpu = *opt, gpu = *opt;
    struct cuda_info info;
    struct err ignored;
    cpu.device = "cpu";
    gpu.device = "cuda";
    if (dry)
        return device_open(ops_cuda_look(0, &info, &ignored) == 0 ? &gpu : &cpu, true, e);
    struct ops *o = device_open(&gpu, false, &ignored);
    return o ? o : device_open(&cpu, false, e);
}

static struct ops *open_dry(int device, enum dtype act, struct err *e)
{
    return ops_dry_open(device >= 0 ? "cuda" : device == CPU ? "cpu" : "ref", act, e);
}

struct ops *device_open(const struct pipeline_options *opt, bool dry, struct err *e)
{
    enum dtype act = DT_F32;
    int device = AUTO;
    if (choose_device(opt->device, &device, e) < 0)
        return NULL;
    if (device == AUTO)
        return open_auto(opt, dry, e);
    if (choose_precision(opt->precision, device >= 0, &act, e) < 0) {
        err_blame(e, ERR_UNFIT);
        return NULL;
    }
    bool planes = opt->tuning.nhwc == TUNE_OFF;
    if (planes && device >= 0) {
        err_set(e, "nhwc off is for the CPU: a GPU's kernels here read NHWC alone");
        err_blame(e, ERR_UNFIT);
        return NULL;
    }
    struct cuda_options gpu = {
        .act = act, .index = device, .autotune = opt->tuning.autotune, .tf32 = opt->tuning.tf32};
    struct ops *o = dry             ? open_dry(device, act, e)
                    : device >= 0   ? ops_cuda_open(&gpu, e)
                    : device == CPU ? ops_cpu_open(act, opt->threads, e)
                                    : ops_ref_open(act, e);
    if (!o)
        err_blame(e, ERR_DEVICE);
    else if (device == CPU) /* before it sees weights */
        o->tune(o, &opt->tuning);
    return o;
}

struct ops *pipeline_open_bf16(const struct pipeline *p, struct err *e)
{
    struct pipeline_options opt = {.device = p->device, .precision = "bf16", .threads = p->threads};
    return device_open(&opt, false, e);
}

/* ---- what its speed depends on ---- */

static void describe_gpu(const struct cuda_info *i, enum dtype act, char *out, size_t size)
{
    snprintf(out, size, "%.80s, %d.%d, CUDA %d, driver %d, %.80s, %s", i->name, i->major, i->minor,
             i->runtime, i->driver, i->libraries, precision_name(act));
}

int device_describe(const struct pipeline_options *opt, char *out, size_t size, struct err *e)
{
    struct cuda_info info;
    struct err ignored;
    enum dtype act = DT_F32;
    int device = AUTO;
    if (choose_device(opt->device, &device, e) < 0)
        return -1;
    if (device == AUTO)
        device = ops_cuda_look(0, &info, &ignored) == 0 ? 0 : CPU;
    if (choose_precision(opt->precision, device >= 0, &act, e) < 0)
        return -1;
    if (device >= 0) {
        if (ops_cuda_look(device, &info, e) < 0)
            return -1;
        describe_gpu(&info, act, out, size);
    } else if (device == CPU) {
        ops_cpu_describe(act, opt->threads, out, size);
        size_t used = strlen(out);
        if (opt->tuning.nhwc == TUNE_OFF)
            snprintf(out + used, size - used, ", planes");
        else if (opt->tuning.winograd == TUNE_OFF)
            snprintf(out + used, size - used, ", 36 products");
        else if (opt->tuning.winograd == TUNE_ON && act == DT_BF16)
            snprintf(out + used, size - used, ", 16 products"); /* with AMX not so by itself */
    } else {
        return err_set(e, "the reference backend is for tests; nobody measures it");
    }
    return 0;
}
