/* Making comparisons: variants of a job on one prompt and one seed; see compare.h. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ui/compare.h"
#include "ui/studio.h"

uint64_t draw_seed(struct ui *ui)
{
    struct settings s = {0};
    struct err e = {""};
    if (settings_draw_seed(&s, &e))
        ui_say(ui, ROLE_BAD, "%s", e.text);
    uint64_t seed = s.seed;
    settings_free(&s);
    return seed;
}

uint64_t run_seed(struct ui *ui)
{
    const struct settings *s = studio_settings(ui);
    if (settings_has(s, "seed") && !s->random_seed)
        return s->seed;
    return ui->studio->shown_count > 0 ? ui->studio->shown_seed : draw_seed(ui);
}

void variants_free(struct variant *v, int count)
{
    for (int i = 0; i < count; i++)
        settings_free(&v[i].settings);
}

static int set_seed(struct settings *s, uint64_t seed, struct err *e)
{
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)seed);
    return settings_set(s, "seed", text, e);
}

/* ---- into store and queue ---- */

int64_t run_start(struct ui *ui, const char *words, uint64_t seed, int rows, int cols,
                  const char *title, struct variant *cells)
{
    struct err e = {""};
    const struct settings *said = studio_settings(ui);
    struct store_run run = {.words = (char *)(uintptr_t)words,
                            .negative = said->negative,
                            .seed = seed,
                            .rows = rows,
                            .cols = cols,
                            .title = (char *)(uintptr_t)title};
    if (store_add_run(ui->store, &run, &e)) {
        ui_say(ui, ROLE_BAD, "%s", e.text);
        return -1;
    }
    for (int i = 0; i < rows * cols; i++) {
        struct order o = {.words = words,
                          .preset = cells[i].preset,
                          .settings = &cells[i].settings,
                          .run = run.id,
                          .row = i / cols,
                          .col = i % cols,
                          .label = cells[i].label};
        if ((!settings_has(&cells[i].settings, "seed") || cells[i].settings.random_seed) &&
            set_seed(&cells[i].settings, seed, &e))
            ui_say(ui, ROLE_BAD, "%s", e.text);
        if (queue_add(ui, &o) < 0)
            break;
    }
    store_remember(ui->store, words, said->negative ? said->negative : "", NULL);
    return run.id;
}

int64_t run_again(struct ui *ui, const struct store_run *run, const struct store_job *jobs,
                  int count, const char *words, const uint64_t *seed)
{
    struct err e = {""};
    static struct variant cells[COMPARE_CELLS];
    int64_t id = -1;
    int rc = 0, n = run->rows * run->cols;
    memset(cells, 0, sizeof cells);
    if (n > COMPARE_CELLS || count < n)
        return -1;
    for (int i = 0; i < n && rc == 0; i++) {
        const struct store_job *j = &jobs[i];
        snprintf(cells[i].preset, sizeof cells[i].preset, "%s", j->preset ? j->preset : "");
        snprintf(cells[i].label, sizeof cells[i].label, "%s", j->label ? j->label : "");
        rc = settings_from_text(&cells[i].settings, j->settings ? j->settings : "", &e);
        /* A grid over seeds keeps its seeds. */
        if (rc == 0 && seed && cells[i].settings.seed == run->seed)
            rc = set_seed(&cells[i].settings, *seed, &e);
    }
    if (rc)
        ui_say(ui, ROLE_BAD, "%s", e.text);
    else
        id = run_start(ui, words ? words : run->words, seed ? *seed : run->seed, run->rows,
                       run->cols, run->title, cells);
    variants_free(cells, n);
    return id;
}

/* ---- variants of presets ---- */

/* Takes from `s` what any of the chosen presets decides for itself: that is what is compared. */
static void leave_to_presets(struct ui *ui, const bool *marked, struct settings *s)
{
    for (int p = 0; p < ui->config.count; p++) {
        struct settings its = {0};
        if (marked[p + 1] &&
            config_preset(&ui->config, ui->config.presets[p].name, &its, NULL) == 0)
            for (int i = 0; settings_key(i); i++)
                if (settings_has(&its, settings_key(i)->name))
                    settings_unset(s, settings_key(i)->name);
        settings_free(&its);
    }
}

int variants_of_presets(struct ui *ui, const bool *marked, struct variant *v, int room)
{
    int n = 0;
    struct settings base = {0};
    if (settings_fill(&base, studio_settings(ui), NULL))
        return 0;
    leave_to_presets(ui, marked, &base);
    for (int p = 0; p <= ui->config.count && n < room; p++) {
        if (!marked[p])
            continue;
        const char *name = p ? ui->config.presets[p - 1].name : "";
        v[n] = (struct variant){0};
        snprintf(v[n].preset, sizeof v[n].preset, "%s", name);
        snprintf(v[n].label, sizeof v[n].label, "%s", p ? name : "no preset");
        if (settings_fill(&v[n].settings, &base, NULL) == 0)
            n++;
    }
    settings_free(&base);
    return n;
}

/* ---- variants of a grid ---- */

struct axis {
    char key[32];
    char value[COMPARE_SIDE][64];
    int count;
};

/* "preset=balanced,quality": no setting, but compared with some. */
static bool is_presets(const struct axis *a)
{
    return !strcmp(a->key, "preset");
}

/* One "key=a,b,c"; *at is moved behind it. */
static int parse_axis(const char **at, struct axis *a, struct err *e)
{
    size_t n = strcspn(*at, "= \t");
    if ((*at)[n] != '=' || n == 0 || n >= sizeof a->key)
        return err_set(e, "write a setting and its values: cfg=2,4,8 steps=10,20");
    memcpy(a->key, *at, n);
    a->key[n] = '\0';
    int i = is_presets(a) ? 0 : settings_key_index(a->key);
    if (i < 0 || !strcmp(a->key, "output") || !strcmp(a->key, "prompt"))
        return err_set(e, "there is no setting '%s' to compare (presets are preset=a,b)", a->key);
    const char *s = *at + n + 1;
    while (*s && !isspace((unsigned char)*s)) {
        size_t len = strcspn(s, ", \t");
        if (a->count == COMPARE_SIDE)
            return err_set(e, "%s: at most %d values", a->key, COMPARE_SIDE);
        if (len == 0 || len >= sizeof *a->value)
            return err_set(e, "%s: a value is missing or too long", a->key);
        memcpy(a->value[a->count], s, len);
        a->value[a->count++][len] = '\0';
        s += len;
        s += *s == ',';
    }
    *at = s;
    return a->count ? 0 : err_set(e, "%s: no values", a->key);
}

/* What all cells have: the studio's settings, but for those that compared presets decide. */
static int common_settings(struct ui *ui, const struct axis *a, struct settings *base,
                           struct err *e)
{
    bool *marked = calloc((size_t)ui->config.count + 1, sizeof *marked);
    int rc = !marked || settings_fill(base, studio_settings(ui), e) ? -1 : 0;
    for (int i = 0; i < a->count && is_presets(a) && !rc; i++) {
        struct settings its = {0};
        bool none = !strcmp(a->value[i], "none");
        rc = none ? 0 : config_preset(&ui->config, a->value[i], &its, e);
        settings_free(&its);
        for (int p = 0; p < ui->config.count; p++)
            marked[p + 1] |= !strcmp(ui->config.presets[p].name, a->value[i]);
    }
    if (!rc)
        leave_to_presets(ui, marked, base);
    free(marked);
    return rc;
}

static int put_value(struct variant *v, const struct axis *a, int i, struct err *e)
{
    bool none = !strcmp(a->value[i], "none");
    if (is_presets(a))
        snprintf(v->preset, sizeof v->preset, "%s", none ? "" : a->value[i]);
    else if (settings_set(&v->settings, a->key, a->value[i], e))
        return err_prefix(e, "%s", a->key);
    return 0;
}

static int fill_cell(struct ui *ui, struct variant *v, const struct settings *base,
                     const struct axis *down, int row, const struct axis *across, int col,
                     struct err *e)
{
    *v = (struct variant){0};
    snprintf(v->preset, sizeof v->preset, "%s", studio_preset(ui));
    if (settings_fill(&v->settings, base, e) || (down->count && put_value(v, down, row, e)) ||
        put_value(v, across, col, e))
        return -1;
    if (down->count)
        snprintf(v->label, sizeof v->label, "%.20s %.24s, %.20s %.24s", down->key, down->value[row],
                 across->key, across->value[col]);
    else
        snprintf(v->label, sizeof v->label, "%.30s %.60s", across->key, across->value[col]);
    return 0;
}

int variants_of_grid(struct ui *ui, const char *text, struct variant *v, int *rows, int *cols,
                     char *title, size_t title_size, struct err *e)
{
    struct axis axis[2] = {0};
    int axes = 0;
    const char *at = text;
    for (;;) {
        at += strspn(at, " \t");
        if (!*at)
            break;
        if (axes == 2)
            return err_set(e, "two settings at most");
        if (parse_axis(&at, &axis[axes++], e))
            return -1;
    }
    if (axes == 0)
        return err_set(e, "write a setting and its values: cfg=2,4,8 steps=10,20");
    static const struct axis none;
    const struct axis *down = axes == 2 ? &axis[0] : &none, *across = &axis[axes - 1];
    *rows = axes == 2 ? down->count : 1;
    *cols = across->count;
    snprintf(title, title_size, axes == 2 ? "%s by %s" : "%s", axis[0].key, axis[1].key);
    struct settings base = {0};
    int n = *rows * *cols, rc = common_settings(ui, is_presets(down) ? down : across, &base, e);
    for (int i = 0; i < n && !rc; i++) {
        rc = fill_cell(ui, &v[i], &base, down, i / *cols, across, i % *cols, e);
        if (rc)
            variants_free(v, i + 1);
    }
    settings_free(&base);
    return rc ? -1 : n;
}
