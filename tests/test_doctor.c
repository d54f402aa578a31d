/*
 * Doctor: each check over machines that are described here, from made-up /proc trees and facts; the
 * embedded model against its checksums; models with wrong, missing and hostile lists of them; JSON.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/digest.h"
#include "cli/doctor.h"
#include "cli/options_table.h"
#include "tree.h"

static struct checks all;

static const struct check *find(const char *name)
{
    for (int i = 0; i < all.count; i++)
        if (!strcmp(all.row[i].name, name))
            return &all.row[i];
    fail_msg("there is no check '%s'", name);
    return NULL;
}

/* The check's status, and parts of its value and hint. */
static void expect(const char *name, enum check_status status, const char *value, const char *hint)
{
    const struct check *c = find(name);
    if (c->status != status || !strstr(c->value, value) || !strstr(c->hint, hint))
        fail_msg("%s: %s, '%s', '%s'; expected %s, '%s', '%s'", name, check_status_name(c->status),
                 c->value, c->hint, check_status_name(status), value, hint);
    if (c->status != CHECK_GOOD && !*c->hint)
        fail_msg("%s is %s and does not say what to do", name, check_status_name(c->status));
}

static void run_cpu(const struct cpu_facts *f)
{
    all.count = 0;
    doctor_cpu(&all, f);
    doctor_memory(&all, f);
}

/* ---- CPU and memory ---- */

static void cpu_from_files(void **state)
{
    (void)state;
    static struct cpu_facts f;
    tree_put("/proc/cpuinfo", "processor\t: 0\nmodel name\t: Xeon\nflags\t\t: fpu avx512f avx512bw "
                              "amx_tile amx_bf16\nbugs: none\n");
    tree_put("/proc/meminfo",
             "MemTotal: 32000000 kB\nMemAvailable: 20000000 kB\nSwapTotal: 1024 kB\n");
    tree_put("/proc/self/cgroup", "0::/a/b\n");
    tree_put("/sys/fs/cgroup/a/cpu.max", "150000 100000\n");
    tree_put("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    tree_put("/sys/fs/cgroup/a/b/memory.max", "8000000000\n");
    tree_put("/sys/fs/cgroup/memory.max", "max\n");
    tree_put("/sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n");
    tree_put("/proc/loadavg", "3.50 1 1 1/2 3\n");
    facts_cpu(&f, root);
    assert_string_equal(f.name, "Xeon");
    assert_string_equal(f.flags, "  fpu avx512f avx512bw amx_tile amx_bf16 ");
    assert_true(f.memory == 32000000ull << 10 && f.available == 20000000ull << 10);
    assert_true(f.swap == 1 << 20 && f.memory_limit == 8000000000ull);
    assert_true(f.quota == 1.5 && f.load == 3.5);
    assert_string_equal(f.huge_pages, "never");
    tree_put("/sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n");
    tree_put("/proc/self/cgroup", "12:memory:/a\n");
    tree_put("/proc/loadavg", "nonsense");
    facts_cpu(&f, root);
    assert_string_equal(f.huge_pages, "always");
    assert_true(f.memory_limit == 0 && f.quota == 0 && f.load < 0);
}

static void cpu_lines(void **state)
{
    (void)state;
    struct cpu_facts f = {.name = "Xeon", .cores = 8, .allowed = 8, .load = 0.1};
    strcpy(f.flags, " avx2 avx512f avx512bw avx512_bf16 amx_tile amx_bf16 ");
    f.can = (struct cpu_features){.isa = ISA_AVX512, .avx512_bf16 = true, .amx_bf16 = true};
    f.memory = 32000000000, f.available = 30000000000;
    strcpy(f.huge_pages, "madvise");
    run_cpu(&f);
    for (int i = 0; i < all.count; i++)
        assert_int_equal(all.row[i].status, CHECK_GOOD);
    expect("cpu", CHECK_GOOD, "Xeon, 8 cores", "");
    expect("cpu avx-512", CHECK_GOOD, "avx512f avx512bw avx512_bf16", "");
    expect("cpu amx", CHECK_GOOD, "amx_tile amx_bf16", "");
    expect("cpu bf16", CHECK_GOOD, "AMX", "");
    expect("memory", CHECK_GOOD, "32.0 GB, 30.0 GB", "");

    f.can.amx_bf16 = false; /* there, and the kernel does not let us */
    f.allowed = 2, f.quota = 1.5, f.load = 9;
    f.memory_limit = 4000000000;
    strcpy(f.huge_pages, "never");
    run_cpu(&f);
    expect("cpu", CHECK_WARNING, "2 of them for this process, time for 1.5", "--threads 1");
    expect("cpu amx", CHECK_MISSING, "amx_tile", "Linux 5.16");
    expect("cpu bf16", CHECK_GOOD, "AVX512-BF16", "");
    expect("cpu load", CHECK_WARNING, "9.00", "bench");
    expect("memory limit", CHECK_WARNING, "4.0 GB", "killed");
    expect("huge pages", CHECK_WARNING, "never", "madvise");

    strcpy(f.flags, " avx2 avx512f avx512bw avx512_bf16 avx512_fp16 "); /* the tiles are hidden */
    f.can.slow_bf16 = true;
    run_cpu(&f);
    expect("cpu amx", CHECK_MISSING, "none", "a virtual machine hides them");
    expect("cpu bf16", CHECK_GOOD, "computes in fp32", "");

    f = (struct cpu_facts){.name = "old", .cores = 1, .load = -1, .memory = 1 << 30};
    run_cpu(&f);
    expect("cpu avx2", CHECK_MISSING, "none", "host");
    expect("cpu avx-512", CHECK_MISSING, "none", "AVX2");
    expect("cpu amx", CHECK_MISSING, "none", "Sapphire Rapids");
    expect("cpu bf16", CHECK_WARNING, "fp32", "9 GB");
    expect("memory", CHECK_WARNING, "1.1 GB", "spritty plan");

    f = (struct cpu_facts){.name = "Neoverse", .cores = 4, .arm = true, .load = -1};
    f.can.arm_bf16 = true;
    strcpy(f.flags, " fp asimd i8mm bf16 ");
    run_cpu(&f);
    expect("cpu vectors", CHECK_GOOD, "NEON; the CPU has asimd i8mm", "");
    expect("cpu bf16", CHECK_WARNING, "fp32 on ARM", "");
}

/* ---- GPU ---- */

static void run_gpu(const struct gpu_facts *f)
{
    all.count = 0;
    doctor_gpu(&all, f);
}

static void gpu_lines(void **state)
{
    (void)state;
    struct gpu_facts f = {.driver = false};
    strcpy(f.why_cuda.text, "there is no driver");
    strcpy(f.why_nvml.text, "no NVML");
    run_gpu(&f);
    int lines = all.count;
    for (int i = 0; i < all.count; i++) /* each says what to do */
        expect(all.row[i].name, CHECK_MISSING, "", "");
    expect("gpu", CHECK_MISSING, "none", "optional");
    expect("gpu driver", CHECK_MISSING, "none", "SPRITTY_NVML");
    expect("cuda", CHECK_MISSING, "not used", "SPRITTY_CUDA");

    f.has_nvml = f.driver = true; /* a driver, and no CUDA */
    f.nvml = (struct gpu_meters){.known = GPU_CAPABILITY | GPU_MEMORY | GPU_POWER_LIMIT,
                                 .name = "NVIDIA A100",
                                 .driver = "580.1",
                                 .major = 8,
                                 .minor = 0,
                                 .watts_limit = 400,
                                 .memory_total = (size_t)40 << 30,
                                 .memory_used = (size_t)36 << 30};
    run_gpu(&f);
    assert_int_equal(all.count, lines);
    expect("gpu", CHECK_WARNING, "NVIDIA A100, not used", "cuda");
    expect("gpu driver", CHECK_GOOD, "580.1, power limit 400 W", "");
    expect("compute capability", CHECK_GOOD, "8.0", "");
    expect("tensor cores", CHECK_GOOD, "third", "");
    expect("gpu bf16", CHECK_GOOD, "yes", "");
    const struct check *fp8 = find("gpu fp8");
    assert_int_equal(fp8->status, CHECK_MISSING);
    expect("unified memory", CHECK_GOOD, "of its own", "");
    expect("gpu memory", CHECK_WARNING, "42.9 GB, 4.3 GB", "constrained");
    expect("cuda", CHECK_WARNING, "not used", "there is no driver");

    f.has_cuda = true;
    f.cuda = (struct cuda_info){.name = "NVIDIA GB10",
                                .devices = 1,
                                .major = 12,
                                .minor = 1,
                                .processors = 48,
                                .driver = 13000,
                                .runtime = 13010,
                                .libraries = "cuBLASLt 13.1.0, cuDNN 9.19.0",
                                .archs = "90 121",
                                .bytes_free = (size_t)100 << 30,
                                .bytes_total = (size_t)120 << 30,
                                .shares_memory = true};
    run_gpu(&f);
    assert_int_equal(all.count, lines);
    for (int i = 0; i < all.count; i++)
        assert_int_equal(all.row[i].status, CHECK_GOOD);
    expect("cuda", CHECK_GOOD, "runtime 13.1, driver's 13.0; kernels for sm 90 121", "");
    expect("compute capability", CHECK_GOOD, "12.1", "");
    expect("gpu fp8", CHECK_GOOD, "yes", "");
    expect("unified memory", CHECK_GOOD, "share", "");

    strcpy(f.cuda.archs, "90");
    strcpy(f.cuda.libraries, "cuBLASLt 13.1.0, no cuDNN");
    run_gpu(&f);
    expect("compute capability", CHECK_WARNING, "12.1", "make gpu");
    f.cuda.major = 7, f.cuda.minor = 5;
    run_gpu(&f);
    expect("compute capability", CHECK_WARNING, "7.5", "8.0 and newer");
    assert_int_equal(find("gpu bf16")->status, CHECK_MISSING);
}

/* ---- terminal, disk ---- */

static void terminal_lines(void **state)
{
    (void)state;
    struct caps k = {.graphics = GRAPHICS_SIXEL,
                     .colors = COLORS_TRUE,
                     .utf8 = true,
                     .cell_w = 8,
                     .cell_h = 16,
                     .sixel_registers = 256,
                     .sixel_w = 1000,
                     .sixel_h = 1000,
                     .terminal = "foot",
                     .why = "it has sixel"};
    all.count = 0;
    doctor_terminal(&all, &k, true);
    for (int i = 0; i < all.count; i++)
        assert_int_equal(all.row[i].status, CHECK_GOOD);
    expect("terminal", CHECK_GOOD, "foot: pictures by sixel", "it has sixel");
    expect("sixel", CHECK_GOOD, "256 colours", "1000x1000");
    expect("cell size", CHECK_GOOD, "8x16", "");
    int lines = all.count;
    k = (struct caps){.graphics = GRAPHICS_BLOCKS, .colors = COLORS_16, .tmux = true};
    all.count = 0;
    doctor_terminal(&all, &k, false);
    assert_int_equal(all.count, lines);
    expect("terminal", CHECK_WARNING, "blocks", "no terminal");
    expect("sixel", CHECK_MISSING, "none", "SPRITTY_GRAPHICS");
    expect("colours", CHECK_WARNING, "16", "SPRITTY_COLORS");
    expect("cell size", CHECK_WARNING, "not told", "CSI 16 t");
    expect("unicode", CHECK_WARNING, "none", "LANG");
    expect("tmux", CHECK_WARNING, "yes", "allow-passthrough");
    k.graphics = GRAPHICS_KITTY;
    all.count = 0;
    doctor_terminal(&all, &k, true);
    expect("sixel", CHECK_GOOD, "not needed: kitty", "");
}

static void disk_lines(void **state)
{
    (void)state;
    char below[300];
    static struct disk_facts f;
    snprintf(below, sizeof below, "%s/not/there/yet/", root);
    facts_disk(&f, below);
    assert_string_equal(f.folder, root);
    assert_true(f.writable && f.bytes > 0);
    f.free_bytes = 9000000000, f.bytes = 10000000000;
    all.count = 0;
    doctor_disk(&all, "disk", &f, true);
    expect("disk", CHECK_GOOD, "9.0 GB free of 10.0 GB", "");
    f.free_bytes = 1000000000;
    doctor_disk(&all, "tight", &f, true);
    expect("tight", CHECK_WARNING, "1.0 GB free", "7 GB");
    f.writable = false;
    doctor_disk(&all, "closed", &f, true);
    expect("closed", CHECK_MISSING, "", "XDG_DATA_HOME");
}

/* ---- models ---- */

static struct model_facts model;

static void look(const char *path, bool read_all)
{
    all.count = 0;
    facts_model(&model, "m", path, read_all);
    doctor_model(&all, &model);
}

/* What ships is what its list says, so a changed file needs a new list: sha256sum, in
 * models/tiny. */
static void embedded_model(void **state)
{
    (void)state;
    look("models/tiny", false);
    assert_true(model.opens && model.bytes > 20000000);
    expect("model m", CHECK_GOOD, "21.6 MB of weights, checksums right", "");
}

static void folders_and_their_lists(void **state)
{
    (void)state;
    char path[300], text[400], digits[65];
    snprintf(path, sizeof path, "%s/m", root);
    digest_of("abc", 3, digits);
    tree_put("/m/a", "abc");
    snprintf(text, sizeof text, "%s  a\n%s *./a\n", digits, digits);
    tree_put("/m/SHA256SUMS", text);
    look(path, false);
    assert_int_equal(model.sum, SUM_GOOD);
    assert_false(model.opens);
    expect("model m", CHECK_WARNING, "/m", "model_index.json");
    tree_put("/m/a", "abd");
    look(path, false);
    assert_int_equal(model.sum, SUM_BAD);
    assert_string_equal(model.file, "a");
    snprintf(text, sizeof text, "%s  gone\n", digits);
    tree_put("/m/SHA256SUMS", text);
    look(path, false);
    assert_int_equal(model.sum, SUM_MISSING);
    /* nothing outside the folder is read, whatever the list says */
    static const char *const hostile[] = {"../m/a", "/etc/passwd", ""};
    for (int i = 0; i < 3; i++) {
        snprintf(text, sizeof text, "%s  %s\n", digits, hostile[i]);
        tree_put("/m/SHA256SUMS", text);
        look(path, false);
        assert_int_equal(model.sum, SUM_BAD);
        assert_string_equal(model.file, "SHA256SUMS");
    }
    tree_put("/m/SHA256SUMS", "\033[2J nonsense");
    look(path, false);
    assert_int_equal(model.sum, SUM_BAD);
}

static void files_and_their_digits(void **state)
{
    (void)state;
    char path[300], text[400];
    snprintf(path, sizeof path, "%s/x.safetensors", root);
    tree_put("/x.safetensors", "abc");
    look(path, false);
    assert_int_equal(model.sum, SUM_NONE);
    assert_string_equal(model.digits,
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    snprintf(text, sizeof text, "%s  x.safetensors\n", model.digits);
    tree_put("/x.safetensors.sha256", text);
    look(path, false);
    assert_int_equal(model.sum, SUM_GOOD);
    tree_put("/x.safetensors", "abcd");
    look(path, false);
    assert_int_equal(model.sum, SUM_BAD);
    assert_int_equal(truncate(path, 300 << 20), 0); /* large: only when it is asked for */
    look(path, false);
    assert_int_equal(model.sum, SUM_UNREAD);
    model.opens = true;
    all.count = 0;
    doctor_model(&all, &model);
    expect("model m", CHECK_GOOD, "not read again", "--checksums");
    model.sum = SUM_BAD;
    snprintf(model.file, sizeof model.file, "m");
    doctor_model(&all, &model);
    expect("model m", CHECK_GOOD, "", "");
    assert_int_equal(all.row[1].status, CHECK_WARNING);
    assert_non_null(strstr(all.row[1].value, "CHECKSUM WRONG"));
    /* the one that jobs need */
    model.wanted = true, model.opens = false;
    all.count = 0;
    doctor_model(&all, &model);
    assert_true(all.row[0].needed && all.row[0].status == CHECK_MISSING);
}

/* ---- JSON, variables ---- */

static void json(void **state)
{
    (void)state;
    struct err e;
    all.count = 0;
    check_hint(check_add(&all, "a", CHECK_WARNING, "%s", "x \"y\""), "do %d", 1);
    for (int i = 0; i < MAX_CHECKS + 3; i++)
        check_add(&all, "more", CHECK_GOOD, "v");
    assert_int_equal(all.count, MAX_CHECKS);
    char *text = checks_json(&all);
    struct json_doc *doc = json_parse(text, strlen(text), "doctor", &e);
    assert_non_null(doc);
    struct json list = json_get(json_root(doc), "checks"), first = json_first(list);
    assert_int_equal(json_count(list), MAX_CHECKS);
    assert_string_equal(json_as_string(json_get(first, "name")), "a");
    assert_string_equal(json_as_string(json_get(first, "status")), "warning");
    assert_string_equal(json_as_string(json_get(first, "value")), "x \"y\"");
    assert_string_equal(json_as_string(json_get(first, "hint")), "do 1");
    json_free(doc);
    free(text);
}

/* What users are told to set stands where they look. */
static void variables_are_told(void **state)
{
    (void)state;
    static const char *const wanted[] = {"SPRITTY_CUDA", "SPRITTY_NVML", "SPRITTY_SHARE"};
    char *man = NULL, *help = NULL;
    size_t n;
    FILE *f = open_memstream(&man, &n);
    cli_man(f);
    fclose(f);
    f = open_memstream(&help, &n);
    cli_help(f, NULL);
    fclose(f);
    for (int i = 0; i < 3; i++)
        assert_true(strstr(man, wanted[i]) && strstr(help, wanted[i]));
    assert_non_null(strstr(man, ".SH ENVIRONMENT"));
    assert_null(cli_environment(1000));
    free(man);
    free(help);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cpu_from_files),
        cmocka_unit_test(cpu_lines),
        cmocka_unit_test(gpu_lines),
        cmocka_unit_test(terminal_lines),
        cmocka_unit_test(disk_lines),
        cmocka_unit_test(embedded_model),
        cmocka_unit_test(folders_and_their_lists),
        cmocka_unit_test(files_and_their_digits),
        cmocka_unit_test(json),
        cmocka_unit_test(variables_are_told),
    };
    return cmocka_run_group_tests(tests, tree_make, tree_drop);
}
