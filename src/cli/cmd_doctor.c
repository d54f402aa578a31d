/*
 * spritty doctor: is everything there that a job needs? One line a check, good, warning or missing,
 * with what to do. `make doctor` is the same for what the build needs.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/jsonw.h"
#include "base/paths.h"
#include "cli/options.h"
#include "engine/gpu_meters.h"
#include "engine/job.h"
#include "pull/pull.h"
#include "ops/cuda.h"
#include "sdxl/checkpoint.h"
#include "term/ask.h"

enum { MAX_CHECKS = 16 };

struct check {
    const char *name, *status; /* good, warning, missing */
    char value[300], hint[600];
};

struct checks {
    struct check row[MAX_CHECKS];
    int count;
};

static struct check *add(struct checks *all, const char *name, bool good, const char *otherwise)
{
    struct check *c = &all->row[all->count++];
    *c = (struct check){.name = name, .status = good ? "good" : otherwise};
    return c;
}

static void check_cpu(struct checks *all)
{
    bool bf16 = cpu_best_dtype() == DT_BF16;
    struct check *c = add(all, "cpu", bf16, "warning");
    snprintf(c->value, sizeof c->value, "%ld cores, computes in %s", sysconf(_SC_NPROCESSORS_ONLN),
             bf16 ? "bf16" : "fp32");
    if (!bf16)
        snprintf(c->hint, sizeof c->hint,
                 "no AMX-BF16 or AVX512-BF16 here: SDXL base will be slow; the small model is "
                 "fine");
}

static void check_memory(struct checks *all)
{
    double gb = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) / 1e9;
    struct check *c = add(all, "memory", gb >= 10, "warning");
    snprintf(c->value, sizeof c->value, "%.1f GB", gb);
    if (gb < 10)
        snprintf(c->hint, sizeof c->hint,
                 "enough for the small model; ask 'spritty plan -m MODEL' before larger ones");
}

/* The first GPU, and all that stands between it and us. */
static void check_cuda(struct checks *all)
{
    struct cuda_info g;
    struct err e = {""};
    bool driver = access("/proc/driver/nvidia/version", F_OK) == 0;
    bool good = ops_cuda_look(0, &g, &e) == 0;
    struct check *c = add(all, "cuda", good, driver ? "warning" : "missing");
    if (good) {
        snprintf(c->value, sizeof c->value,
                 "%.100s%s, compute capability %d.%d, %.1f of %.1f GB free%s", g.name,
                 g.devices > 1 ? " and others" : "", g.major, g.minor, (double)g.bytes_free / 1e9,
                 (double)g.bytes_total / 1e9, g.shares_memory ? ", shared with the CPU" : "");
        c = add(all, "cuda libraries", true, "warning");
        snprintf(c->value, sizeof c->value, "CUDA %d.%d, driver's %d.%d, %s, kernels for sm %s",
                 g.runtime / 1000, g.runtime % 1000 / 10, g.driver / 1000, g.driver % 1000 / 10,
                 g.libraries, g.archs);
        return;
    }
    snprintf(c->value, sizeof c->value, "%s", driver ? "an NVIDIA driver" : "no NVIDIA driver");
    snprintf(c->hint, sizeof c->hint, "%s%.500s", driver ? "" : "optional; ", e.text);
}

/* What its driver says of the GPU; no line where none answers. */
static void check_gpu(struct checks *all)
{
    struct gpu_meters g;
    struct err e = {""};
    char limit[48] = "";
    if (gpu_meters_read(&g, &e) != 0)
        return;
    if (g.known & GPU_POWER_LIMIT)
        snprintf(limit, sizeof limit, ", power limit %.0f W", g.watts_limit);
    struct check *c = add(all, "gpu driver", true, "warning");
    snprintf(c->value, sizeof c->value, "%s%s for %s", *g.driver ? g.driver : "version not told",
             limit, g.name);
    if (g.known & GPU_CAPABILITY) {
        int sm = g.major * 10 + g.minor;
        c = add(all, "gpu computes", sm >= 80, "warning");
        snprintf(c->value, sizeof c->value, "compute capability %d.%d: %s", g.major, g.minor,
                 sm >= 89   ? "tensor cores with FP16, BF16 and FP8"
                 : sm >= 80 ? "tensor cores with FP16 and BF16, no FP8"
                            : "neither BF16 nor FP8");
        if (sm < 80)
            snprintf(c->hint, sizeof c->hint,
                     "spritty's kernels are for compute capability 8.0 and newer");
    }
    gpu_meters_close();
}

static void check_config(struct checks *all)
{
    struct config config = {0};
    struct err e = {""};
    char path[PATH_MAX];
    bool shipped = place_path(PLACE_SHARE, "config.ini", path);
    bool good = config_load(&config, &e) == 0 && shipped;
    struct check *c = add(all, "config", good, "missing");
    snprintf(c->value, sizeof c->value, "%d presets", config.count);
    if (!good)
        snprintf(c->hint, sizeof c->hint, "%s",
                 shipped ? e.text : "the shipped config.ini was not found; set SPRITTY_SHARE");
    config_free(&config);
}

static void check_model(struct checks *all, const struct cli *cli)
{
    struct err e = {""};
    char path[PATH_MAX];
    const char *name = settings_has(&cli->flags, "model") ? cli->flags.model : "tiny";
    struct checkpoint *m = find_model(name, path, &e) ? NULL : checkpoint_open(path, NULL, &e);
    struct check *c = add(all, "model", m != NULL, "missing");
    snprintf(c->value, sizeof c->value, "%.200s", m ? checkpoint_path(m) : name);
    if (!m)
        snprintf(c->hint, sizeof c->hint, "%s", e.text);
    else
        checkpoint_close(m);
}

static void check_home(struct checks *all)
{
    char path[PATH_MAX];
    bool there = place_path(PLACE_DATA, "", path);
    struct check *c = add(all, "data folder", there, "warning");
    snprintf(c->value, sizeof c->value, "%.200s", there ? path : "none");
    if (!there)
        snprintf(c->hint, sizeof c->hint, "set HOME or XDG_DATA_HOME to keep models by name");
}

/* What `spritty pull` brought. */
static void check_pulled(struct checks *all)
{
    struct check *c = add(all, "pulled", true, "good");
    const struct pull_entry *p;
    for (int i = 0; (p = pull_entry(i)); i++) {
        size_t n = strlen(c->value);
        if (pull_is_here(i, NULL) && n < sizeof c->value)
            snprintf(c->value + n, sizeof c->value - n, "%s%s", n ? ", " : "", p->name);
    }
    if (!*c->value)
        snprintf(c->value, sizeof c->value, "nothing yet; `spritty pull` lists what there is");
}

/* Pictures need sixel, kitty's or iTerm2's protocol, or at least characters in colour. */
static void check_terminal(struct checks *all)
{
    struct probe p;
    bool there = probe_ask(&p, 700);
    const struct caps *k = &p.caps;
    bool pixels = k->graphics > GRAPHICS_BLOCKS;
    struct check *c = add(all, "terminal", there && pixels, "warning");
    snprintf(c->value, sizeof c->value, "%.60s: pictures by %s, colours: %s%s", k->terminal,
             graphics_name(k->graphics), color_depth_name(k->colors), k->tmux ? ", in tmux" : "");
    if (!there)
        snprintf(c->hint, sizeof c->hint,
                 "there is no terminal to ask here: this is what the environment says");
    else
        snprintf(c->hint, sizeof c->hint, "%s%s", k->why,
                 pixels ? ""
                        : "; one with sixel (xterm -ti vt340, foot, WezTerm, mlterm) shows every "
                          "pixel of a sprite");
}

static int print_checks(const struct checks *all, bool json, struct err *e)
{
    struct jsonw w = {0};
    jsonw_open(&w, NULL, '{');
    jsonw_open(&w, "checks", '[');
    for (int i = 0; i < all->count; i++) {
        const struct check *c = &all->row[i];
        jsonw_open(&w, NULL, '{');
        jsonw_string(&w, "name", c->name);
        jsonw_string(&w, "status", c->status);
        jsonw_string(&w, "value", c->value);
        jsonw_string(&w, "hint", c->hint);
        jsonw_close(&w, '}');
        if (!json)
            printf("%-12s %-8s %s%s%s\n", c->name, c->status, c->value, *c->hint ? "; " : "",
                   c->hint);
    }
    jsonw_close(&w, ']');
    jsonw_close(&w, '}');
    char *text = jsonw_take(&w);
    if (!text)
        return err_set(e, "out of memory");
    if (json)
        puts(text);
    free(text);
    return 0;
}

/* Fails when a job could not run: no usable model or config. */
int cmd_doctor(struct cli *cli)
{
    struct checks all = {.count = 0};
    struct err e = {""};
    check_cpu(&all);
    check_memory(&all);
    check_cuda(&all);
    check_gpu(&all);
    check_config(&all);
    check_model(&all, cli);
    check_home(&all);
    check_pulled(&all);
    check_terminal(&all);
    if (print_checks(&all, cli->json, &e))
        return cli_fail(EXIT_FAILED, &e);
    for (int i = 0; i < all.count; i++)
        if (!strcmp(all.row[i].status, "missing") && strcmp(all.row[i].name, "cuda"))
            return EXIT_FAILED;
    return EXIT_DONE;
}
