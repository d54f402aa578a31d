/*
 * spritty doctor: is everything there that a job needs? One line a check, good, warning or missing,
 * with what to do. doctor.h has the checks by subject; here they are put together and printed.
 * `make doctor` is the same for what the build needs.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsonw.h"
#include "base/paths.h"
#include "base/version.h"
#include "cli/doctor.h"
#include "cli/options_table.h"
#include "ops/ops.h"
#include "pull/pull.h"
#include "sprite/png.h"
#include "store/store.h"
#include "term/ask.h"

/* ---- rows ---- */

const char *check_status_name(enum check_status s)
{
    static const char *const names[] = {"good", "warning", "missing"};
    return names[s];
}

struct check *check_add(struct checks *all, const char *name, enum check_status status,
                        const char *fmt, ...)
{
    static struct check dropped;
    va_list args;
    struct check *c = all->count < MAX_CHECKS ? &all->row[all->count++] : &dropped;
    *c = (struct check){.status = status};
    snprintf(c->name, sizeof c->name, "%s", name);
    va_start(args, fmt);
    vsnprintf(c->value, sizeof c->value, fmt, args);
    va_end(args);
    return c;
}

void check_hint(struct check *c, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(c->hint, sizeof c->hint, fmt, args);
    va_end(args);
}

char *checks_json(const struct checks *all)
{
    struct jsonw w = {0};
    jsonw_open(&w, NULL, '{');
    jsonw_open(&w, "checks", '[');
    for (int i = 0; i < all->count; i++) {
        const struct check *c = &all->row[i];
        jsonw_open(&w, NULL, '{');
        jsonw_string(&w, "name", c->name);
        jsonw_string(&w, "status", check_status_name(c->status));
        jsonw_string(&w, "value", c->value);
        jsonw_string(&w, "hint", c->hint);
        jsonw_close(&w, '}');
    }
    jsonw_close(&w, ']');
    jsonw_close(&w, '}');
    return jsonw_take(&w);
}

/* ---- what is the program's own ---- */

static void check_libraries(struct checks *all)
{
    check_add(all, "spritty", CHECK_GOOD, "%s", SPRITTY_VERSION);
    check_add(all, "libraries", CHECK_GOOD, "%s, %s, %s, %s", ops_cpu_library(), png_library(),
              store_library(), pull_library());
}

static void check_config(struct checks *all)
{
    struct config config = {0};
    struct err e = {""};
    char path[PATH_MAX];
    bool shipped = place_path(PLACE_SHARE, "config.ini", path);
    bool good = config_load(&config, &e) == 0 && shipped;
    struct check *c = check_add(all, "config", good ? CHECK_GOOD : CHECK_MISSING, "%d presets",
                                config.count);
    c->needed = true;
    if (!good)
        check_hint(c, "%s",
                   shipped ? e.text : "the shipped config.ini was not found; set SPRITTY_SHARE");
    config_free(&config);
}

/* What doctor prints is shown to others: a password is not, nor one in a URL with who it is of. */
static void put_variable(char *out, size_t size, const char *name, const char *value)
{
    const char *scheme = strstr(value, "://"), *at = strrchr(value, '@');
    if (!strcmp(name, "SPRITTY_REDIS_PASSWORD"))
        snprintf(out, size, "%s is set", name);
    else if (scheme && at && at > scheme)
        snprintf(out, size, "%s=%.*s...%.60s", name, (int)(scheme - value) + 3, value, at);
    else
        snprintf(out, size, "%s=%.80s", name, value);
}

static void check_environment(struct checks *all)
{
    const struct env_row *v;
    struct check *c = NULL;
    for (int i = 0; (v = cli_environment(i)); i++) {
        const char *value = getenv(v->name);
        if (!value || strncmp(v->name, "SPRITTY_", 8))
            continue;
        if (!c)
            c = check_add(all, "environment", CHECK_GOOD, "%s", "");
        size_t n = strlen(c->value);
        if (n && n + 1 < sizeof c->value)
            c->value[n++] = ' ';
        put_variable(c->value + n, sizeof c->value - n, v->name, value);
    }
    if (c)
        text_sanitize(c->value);
}

/* ---- models ---- */

/* What `spritty pull` brought. */
static void check_pulled(struct checks *all)
{
    struct check *c = check_add(all, "pulled", CHECK_GOOD, "%s", "");
    const struct pull_entry *p;
    for (int i = 0; (p = pull_entry(i)); i++) {
        size_t n = strlen(c->value);
        if (pull_is_here(i, NULL) && n < sizeof c->value)
            snprintf(c->value + n, sizeof c->value - n, "%s%s", n ? ", " : "", p->name);
    }
    if (!*c->value)
        snprintf(c->value, sizeof c->value, "nothing yet; `spritty pull` lists what there is");
}

static void check_disk(struct checks *all)
{
    struct disk_facts f;
    char path[PATH_MAX];
    if (place_path(PLACE_DATA, "", path)) {
        facts_disk(&f, path);
        doctor_disk(all, "disk", &f, true);
        return;
    }
    struct check *c = check_add(all, "disk", CHECK_WARNING, "no folder for data");
    check_hint(c, "to keep sprites and models, %s", place_advice(PLACE_DATA));
}

/* ---- printing ---- */

/* What to do, below its line and further right; words are kept whole. */
static void print_wrapped(const char *text, int indent, int columns)
{
    int at = 0;
    while (*text) {
        int n = (int)strcspn(text, " ");
        if (at == 0 || at + 1 + n > columns)
            at = printf("%s%*s%.*s", at ? "\n" : "", indent, "", n, text) - (at ? 1 : 0);
        else
            at += printf(" %.*s", n, text);
        text += n;
        text += strspn(text, " ");
    }
    putchar('\n');
}

/* What is missing because another thing is, by its hint; NULL: it stands for itself. */
static const struct check *follows_from(const struct checks *all, const struct check *c)
{
    char hint[60];
    for (int i = 0; i < all->count && c->status == CHECK_MISSING; i++) {
        snprintf(hint, sizeof hint, "see '%s'", all->row[i].name);
        if (all->row[i].status == CHECK_MISSING && !strcmp(c->hint, hint))
            return &all->row[i];
    }
    return NULL;
}

static void print_followers(const struct checks *all, const struct check *of, int indent)
{
    char text[400] = "";
    size_t n = 0;
    for (int i = 0; i < all->count && n < sizeof text; i++)
        if (follows_from(all, &all->row[i]) == of)
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%s",
                                  n ? ", " : "so missing: ", all->row[i].name);
    if (n > 0)
        print_wrapped(text, indent, 100);
}

/* A line each, but for what follows from another line. */
static void print_checks(const struct checks *all)
{
    int wide = 0, worst[3] = {0}, needed = 0;
    for (int i = 0; i < all->count; i++) {
        int n = (int)strlen(all->row[i].name);
        wide = n > wide ? n : wide;
    }
    for (int i = 0; i < all->count; i++) {
        const struct check *c = &all->row[i];
        worst[c->status]++;
        needed += c->status == CHECK_MISSING && c->needed;
        if (follows_from(all, c))
            continue;
        printf("%-*s  %-7s  %s\n", wide, c->name, check_status_name(c->status), c->value);
        if (*c->hint)
            print_wrapped(c->hint, wide + 11, 100);
        print_followers(all, c, wide + 11);
    }
    printf("\n%d good, %d warnings, %d missing", worst[CHECK_GOOD], worst[CHECK_WARNING],
           worst[CHECK_MISSING]);
    if (needed > 0)
        printf(", %d of which jobs need", needed);
    puts(worst[CHECK_MISSING] > needed && needed == 0 ? ", all of which jobs do without" : "");
}

static void ask_all(struct checks *all, const struct cli *cli)
{
    struct cpu_facts *cpu = calloc(1, sizeof *cpu);
    struct gpu_facts gpu;
    struct probe probe;
    check_libraries(all);
    if (cpu) {
        facts_cpu(cpu, "");
        doctor_cpu(all, cpu);
        doctor_memory(all, cpu);
    }
    free(cpu);
    facts_gpu(&gpu);
    doctor_gpu(all, &gpu);
    bool there = probe_ask(&probe, 700);
    doctor_terminal(all, &probe.caps, there);
    check_config(all);
    doctor_models(all, settings_has(&cli->flags, "model") ? cli->flags.model : "tiny",
                  cli->checksums);
    check_pulled(all);
    check_disk(all);
    check_environment(all);
}

/* Fails when a job could not run: no usable model or config. */
int cmd_doctor(struct cli *cli)
{
    struct err e = {""};
    struct checks *all = calloc(1, sizeof *all);
    char *text = NULL;
    int rc = EXIT_DONE;
    if (all)
        ask_all(all, cli);
    if (all && cli->json)
        text = checks_json(all);
    if (!all || (cli->json && !text)) {
        free(all);
        err_set(&e, "out of memory");
        return cli_fail(EXIT_FAILED, &e);
    }
    if (cli->json)
        puts(text);
    else
        print_checks(all);
    for (int i = 0; i < all->count; i++)
        if (all->row[i].status == CHECK_MISSING && all->row[i].needed)
            rc = EXIT_FAILED;
    free(text);
    free(all);
    return rc;
}
