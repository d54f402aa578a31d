/* Progress, preview, and the graphs of step time and memory. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ui/pulls.h"
#include "ui/studio.h"

enum { SLOT_PREVIEW = 1, SLOT_SHOWN = 2 /* and the SHOWN_MAX above */, GRAPH_MAX = 512 };

/* ---- progress ---- */

static const char *stage_title(const char *stage)
{
    static const char *const names[][2] = {
        {"load", "loading the model"},  {"lora", "exchanging LoRAs"},
        {"text", "reading the prompt"}, {"encode", "encoding the image"},
        {"sample", "sampling"},         {"refine", "refining"},
        {"hires", "second pass"},       {"decode", "decoding"},
        {"finish", "finishing"},        {"save", "saving"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(stage, names[i][0]))
            return names[i][1];
    return *stage ? stage : "starting";
}

/* What Enter would cost. */
static bool next_job(const struct ui *ui, char *out, size_t size)
{
    estimate_text(ui, out, size);
    return *out != '\0';
}

static void progress_idle(struct ui *ui, struct rect in)
{
    const struct live *l = &ui->live;
    char text[400], brief[60] = "", ms[32], step[32], next[60];
    double share = 0;
    bool pulls = pulls_text(ui, text, sizeof text, &share);
    if (*l->trouble && !pulls) {
        draw_wrapped(ui->screen, (struct rect){in.y, in.x + 1, in.h, in.w - 2}, ROLE_BAD,
                     l->trouble);
        return;
    }
    if (l->loading && !pulls) {
        snprintf(text, sizeof text, "loading %.60s", l->model);
    } else if (l->warming && l->ready && !pulls) {
        snprintf(text, sizeof text, "warming up");
        share = l->warm_parts > 0 ? (double)l->warm_part / l->warm_parts : 0;
    } else if (l->split.job && !pulls) {
        text_ms(l->split.total, ms, sizeof ms);
        text_ms(l->split.step, step, sizeof step);
        snprintf(brief, sizeof brief, "done in %s", ms);
        snprintf(text, sizeof text, isnan(l->split.step) ? "%s" : "%s, %s a step", brief, step);
    } else if (!pulls) {
        snprintf(text, sizeof text, "%s", l->ready ? "ready" : "starting");
    }
    text[sizeof text - 1 - sizeof next] = '\0';
    if (!pulls && next_job(ui, next, sizeof next)) {
        size_t n = strlen(text);
        snprintf(text + n, sizeof text - n, "; %s", next);
        if (text_columns(text, strlen(text)) > in.w - 2)
            text[n] = '\0';
    }
    draw_text(ui->screen, in.y, in.x + 1, in.w - 2, ROLE_DIM,
              *brief ? that_fits(in.w - 2, text, brief) : text);
    if (in.h > 1)
        graph_gauge(ui->screen, in.y + 1, in.x + 1, in.w - 2, share, ROLE_ACCENT);
}

void progress_draw(struct ui *ui, struct rect r)
{
    const struct live *l = &ui->live;
    struct rect in = draw_box(ui->screen, r, "Progress", false);
    char text[160] = "", brief[80] = "", each[32], left[32], spent[32];
    if (!l->job) {
        progress_idle(ui, in);
        return;
    }
    bool sampling = stage_samples(l->stage) && l->steps > 0;
    double rest = live_left(l, ui->now_ms);
    int used = draw_text(ui->screen, in.y, in.x + 1, in.w - 2, ROLE_STRONG, stage_title(l->stage));
    if (sampling)
        used += draw_printf(ui->screen, in.y, in.x + 2 + used, in.w - 3 - used, ROLE_TEXT,
                            " step %d of %d", l->step, l->steps);
    text_ms(ui->now_ms - l->started_ms, spent, sizeof spent);
    text_ms(l->job_step_ms, each, sizeof each);
    text_ms(rest, left, sizeof left);
    if (!isnan(rest))
        snprintf(brief, sizeof brief, "%s left", left);
    if (!isnan(rest) && sampling)
        snprintf(text, sizeof text, "%s a step, %s", each, brief);
    else
        snprintf(text, sizeof text, "%s", isnan(rest) ? spent : brief);
    int room = in.w - used - 5;
    draw_right(ui->screen, in.y, in.x + used + 4, room, ROLE_DIM,
               *brief ? that_fits(room, text, brief) : text);
    if (in.h > 1)
        graph_gauge(ui->screen, in.y + 1, in.x + 1, in.w - 2,
                    l->steps > 0 ? (double)l->step / l->steps : 0, ROLE_ACCENT);
}

/* ---- preview ---- */

/* Rows and columns for n pictures in an area that is about as wide as high. */
static void arrange(int n, struct rect in, int *rows, int *cols)
{
    *cols = 1;
    while (*cols * ((*cols * in.h * 2 + in.w - 1) / in.w) < n && *cols < n)
        ++*cols;
    *rows = (n + *cols - 1) / *cols;
}

static void preview_title(const struct ui *ui, int room, char *out, size_t size)
{
    const struct live *l = &ui->live;
    const struct studio *st = ui->studio;
    if (l->job && l->preview)
        snprintf(out, size, "Preview  step %d", l->step);
    else if (st->shown_count == 0)
        snprintf(out, size, "Preview");
    else {
        const struct image *image = st->shown[0].image;
        char full[160], brief[60];
        snprintf(brief, sizeof brief, "Sprite  %dx%d", image->width, image->height);
        snprintf(full, sizeof full, "%s  %d colours  seed %llu", brief, st->shown_colors,
                 (unsigned long long)st->shown_seed);
        if (ui->tiled) {
            uint64_t serial = st->shown[0].serial;
            tiled_get(&ui->studio->shown[0].tiled, image, &serial);
            snprintf(full, sizeof full, "%s  %s", brief, st->shown[0].tiled.text);
        }
        snprintf(out, size, "%s", that_fits(room, full, brief));
    }
}

static void centered(struct ui *ui, struct rect in, int y, const char *text)
{
    draw_centered(ui->screen, in.y + y, in.x + 1, in.w - 2, ROLE_DIM, text);
}

static void no_pictures(struct ui *ui, struct rect in, int y)
{
    centered(ui, in, y,
             that_fits(in.w - 2, "this terminal shows no pictures (see spritty doctor)",
                       "no pictures here: spritty doctor"));
}

/* Where the terminal shows no pictures: what there is instead. */
static void preview_words(struct ui *ui, struct rect in)
{
    const struct live *l = &ui->live;
    const char *slash = l->last.path ? strrchr(l->last.path, '/') : NULL;
    no_pictures(ui, in, in.h / 2 - 1);
    if (slash && !l->job) {
        centered(ui, in, in.h / 2, slash + 1);
        centered(ui, in, in.h / 2 + 1, ui->folder);
    }
}

void preview_draw(struct ui *ui, struct rect r)
{
    const struct live *l = &ui->live;
    struct studio *st = ui->studio;
    struct rect cell[SHOWN_MAX];
    char title[120];
    int rows, cols;
    preview_title(ui, title_room(r), title, sizeof title);
    struct rect in = draw_box(ui->screen, r, title, false);
    if (ui->probe.caps.graphics == GRAPHICS_NONE && ui->probe.caps.done) {
        if (!welcome_draw(ui, (struct rect){in.y, in.x, in.h - 1, in.w}))
            preview_words(ui, in);
        else
            no_pictures(ui, in, in.h - 1);
        return;
    }
    if (l->job && l->preview) {
        draw_image(ui->screen, in, SLOT_PREVIEW, l->preview, l->preview_serial, ui->finish_previews,
                   true);
        return;
    }
    if (welcome_draw(ui, in))
        return;
    if (st->shown_count == 0) {
        centered(ui, in, in.h / 2, "the sprite appears here");
        return;
    }
    arrange(st->shown_count, in, &rows, &cols);
    layout_grid(in, rows, cols, cell, st->shown_count);
    for (int i = 0; i < st->shown_count; i++) {
        uint64_t serial = st->shown[i].serial;
        const struct image *m = st->shown[i].image;
        if (ui->tiled)
            m = tiled_get(&st->shown[i].tiled, m, &serial);
        draw_image(ui->screen, cell[i], SLOT_SHOWN + (unsigned)i, m, serial, true, false);
    }
}

/* ---- graphs ---- */

void timing_draw(struct ui *ui, struct rect r)
{
    double ms[GRAPH_MAX], top = 0;
    char title[120] = "Step time", brief[60], mid[32], high[32];
    int width = r.w - 2 < GRAPH_MAX ? r.w - 2 : GRAPH_MAX;
    int n = live_step_times(&ui->live, ms, width);
    if (n > 0) {
        text_ms(graph_percentile(ms, n, 0.5), mid, sizeof mid);
        text_ms(graph_percentile(ms, n, 0.95), high, sizeof high);
        snprintf(title, sizeof title, "Step time  median %s  95%% %s", mid, high);
        snprintf(brief, sizeof brief, "Step time  %s", mid);
    }
    struct rect in = draw_box(ui->screen, r, n > 0 ? that_fits(title_room(r), title, brief) : title,
                              false);
    for (int i = 0; i < n; i++)
        top = fmax(top, ms[i]);
    if (n == 0)
        draw_text(ui->screen, in.y, in.x + 1, in.w - 2, ROLE_DIM, "no steps yet");
    else
        graph_bars(ui->screen, in, ms, n, graph_top(top), ROLE_GRAPH_A, NULL);
}

/* Weights, activations, and the rest of the process, one column a second. */
void memory_draw(struct ui *ui, struct rect r)
{
    const struct live *l = &ui->live;
    static double v[3 * GRAPH_MAX];
    static const enum role roles[3] = {ROLE_GRAPH_A, ROLE_GRAPH_B, ROLE_GRAPH_C};
    int width = r.w - 2 < GRAPH_MAX ? r.w - 2 : GRAPH_MAX;
    uint64_t have = l->samples_seen < LIVE_SAMPLES ? l->samples_seen : LIVE_SAMPLES;
    int n = have < (uint64_t)width ? (int)have : width;
    double top = live_memory(l, v, n);
    char title[120] = "Memory", brief[60] = "Memory", now[32], peak[32];
    if (n > 0) {
        text_bytes((double)l->sample[(l->samples_seen - 1) % LIVE_SAMPLES].own, now, sizeof now);
        text_bytes((double)live_peak(l, n), peak, sizeof peak);
        snprintf(brief, sizeof brief, "Memory  %s", now);
        snprintf(title, sizeof title, l->bytes_peak ? "Memory  %s  peak %s" : "Memory  %s", now,
                 peak);
    }
    struct rect in = draw_box(ui->screen, r, that_fits(title_room(r), title, brief), false);
    if (n > 0)
        graph_stack(ui->screen, in, v, 3, n, graph_top(top), roles);
}
