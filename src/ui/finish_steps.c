/* The steps of the finishing view: their values, and the past of these; see finish_parts.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/finishing.h"
#include "ui/finish_parts.h"
#include "ui/studio.h"

void finish_ask(struct ui *ui)
{
    struct finish_view *v = ui->finish;
    if (!v->raw)
        return;
    finisher_ask(v->finisher, &v->said, v->compared == WITH_CELLS ? NULL : finish_step(v)->name);
    ui->wake_ms = ui->now_ms + LOOK_MS;
}

/* ---- the past ---- */

void finish_remember(struct ui *ui)
{
    struct finish_view *v = ui->finish;
    char *text = settings_to_text(&v->said);
    if (!text)
        return;
    while (v->last > v->now)
        free(v->past[v->last--]);
    if (v->last == PAST_MAX - 1) {
        free(v->past[0]);
        memmove(v->past, v->past + 1, sizeof v->past - sizeof *v->past);
        v->last--;
    }
    v->past[++v->last] = text;
    v->now = v->last;
}

void finish_forget(struct finish_view *v)
{
    for (int i = 0; i <= v->last; i++)
        free(v->past[i]);
    v->now = v->last = -1;
}

void finish_go_to_past(struct ui *ui, int to)
{
    struct finish_view *v = ui->finish;
    struct settings then = {0};
    struct err e;
    if (to < 0 || to > v->last) {
        ui_say(ui, ROLE_DIM, to < 0 ? "nothing to undo" : "nothing to do again");
        return;
    }
    if (!settings_from_text(&then, v->past[to], &e)) {
        settings_free(&v->said);
        v->said = then;
        v->now = to;
        finish_ask(ui);
    } else {
        settings_free(&then);
    }
}

/* ---- values ---- */

void finish_say(struct ui *ui, const char *key, const char *value)
{
    struct finish_view *v = ui->finish;
    char old[300];
    struct err e = {""};
    settings_print(&v->said, key, old, sizeof old);
    if (!strcmp(old, value))
        return;
    if (settings_set(&v->said, key, value, &e)) {
        ui_say(ui, ROLE_BAD, "%s: %s", key, e.text);
        return;
    }
    finish_remember(ui);
    finish_ask(ui);
}

/* What Left and Right walk through where a value is typed or open; NULL: none. */
static const char *const *ladder(const char *key)
{
    static const char *const cells[] = {"auto", "none", "2",  "3",  "4",  "5",  "6",
                                        "8",    "10",   "12", "16", "24", "32", NULL};
    static const char *const sizes[] = {"0x0",   "8x8",   "16x16", "24x24",   "32x32",
                                        "48x48", "64x64", "96x96", "128x128", NULL};
    static const char *const colors[] = {"auto", "all", "2",  "3",  "4",  "5",   "6", "8",
                                         "12",   "16",  "24", "32", "64", "256", NULL};
    static const char *const cleans[] = {"none",   "near",      "lone", "double",
                                         "jagged", "near,lone", "all",  NULL};
    static const char *const lines[] = {"auto", "000000", "ffffff", "1a1c2c", NULL};
    static const char *palettes[20] = {""};
    for (int i = 0; i < 18; i++)
        palettes[i + 1] = palette_shipped_name(i);
    return !strcmp(key, "cell")            ? cells
           : !strcmp(key, "pixels")        ? sizes
           : !strcmp(key, "canvas")        ? sizes
           : !strcmp(key, "colors")        ? colors
           : !strcmp(key, "clean")         ? cleans
           : !strcmp(key, "outline-color") ? lines
           : !strcmp(key, "palette")       ? (const char *const *)palettes
                                           : NULL;
}

void finish_walk(struct ui *ui, const struct settings_key *k, int by)
{
    const char *names[32];
    const char *const *list = ladder(k->name);
    char now[300], text[40];
    int n = 0, at = -1;
    settings_print(&ui->finish->said, k->name, now, sizeof now);
    if (k->type == KEY_INT || k->type == KEY_REAL) {
        double v = strtod(now, NULL) + by * (k->type == KEY_INT ? 1 : 0.01);
        v = v < k->min ? k->min : v > k->max ? k->max : v;
        snprintf(text, sizeof text, "%g", v < 1e-9 ? 0 : v);
        finish_say(ui, k->name, text);
        return;
    }
    while (n < 32 && (list ? list[n] : k->choice ? k->choice(n) : NULL)) {
        names[n] = list ? list[n] : k->choice(n);
        at = strcmp(names[n], now) ? at : n;
        n++;
    }
    if (k->type == KEY_FLAG)
        finish_say(ui, k->name, strcmp(now, "yes") ? "yes" : "no");
    else if (n > 0)
        finish_say(ui, k->name, names[at < 0 ? 0 : (at + by + n) % n]);
}

/* What a step is when it is on and nobody said how. */
static const char *usual(const char *key)
{
    static const char *const rows[][2] = {
        {"cell", "auto"},      {"pixels", "32x32"},     {"background", "cut"},
        {"fringe", "cut"},     {"holes", "yes"},        {"colors", "auto"},
        {"palette", "pico-8"}, {"dither", "bayer4"},    {"clean", "all"},
        {"outline", "outer"},  {"trim", "yes"},         {"pad", "1"},
        {"canvas", "32x32"},   {"power-of-two", "yes"}, {"anchor", "feet"},
        {"tolerance", "0.05"}, {"method", "centroid"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(rows[i][0], key))
            return rows[i][1];
    return NULL;
}

bool finish_is_on(const struct finish_view *v, const char *key)
{
    struct settings off = {0};
    char a[300], b[300];
    struct err e;
    bool on = false;
    if (!settings_fill(&off, &v->said, &e)) {
        finisher_leave_out(&off, key);
        settings_print(&off, key, a, sizeof a);
        settings_print(&v->said, key, b, sizeof b);
        on = strcmp(a, b) != 0;
    }
    settings_free(&off);
    return on;
}

/* On and off; on again as it last was. */
void finish_toggle(struct ui *ui)
{
    struct finish_view *v = ui->finish;
    const char *key = finish_step(v)->name;
    char value[300] = "";
    struct settings s = {0};
    struct err e;
    if (finish_is_on(v, key)) {
        if (!settings_fill(&s, &v->said, &e))
            finisher_leave_out(&s, key);
        settings_print(&s, key, value, sizeof value);
        settings_free(&s);
        finish_say(ui, key, value);
        return;
    }
    char now[300];
    settings_print(&v->said, key, now, sizeof now);
    for (int i = v->now; i >= 0 && !*value; i--) {
        struct settings then = {0};
        if (!settings_from_text(&then, v->past[i], &e))
            settings_print(&then, key, value, sizeof value);
        if (!strcmp(value, now))
            *value = '\0';
        settings_free(&then);
    }
    if (*value || usual(key))
        finish_say(ui, key, *value ? value : usual(key));
    else
        ui_say(ui, ROLE_DIM, "Enter says what %s is to be", finish_step(v)->label);
}

void finish_reset(struct ui *ui)
{
    struct settings s = {0};
    struct err e;
    char value[300];
    const char *key = finish_step(ui->finish)->name;
    if (!settings_set(&s, "cell", "auto", &e) && !finishing_fill(&s, &e)) {
        settings_print(&s, key, value, sizeof value);
        finish_say(ui, key, value);
    }
    settings_free(&s);
}
