/*
 * Compare: two to six presets, or a grid over two settings, on the same prompt and seed.
 *
 * A comparison is a row in the store with its jobs, so it stands there again after a restart, and
 * each key that changes the prompt or the seed makes a new one beside it.
 */
#include "ui/compare.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/fileio.h"
#include "base/paths.h"
#include "ui/files.h"
#include "ui/layout.h"
#include "ui/studio.h"

enum { SLOT = 200, FIGURES_W = 36 /* columns that two rows of figures need */ };

struct cell {
    struct store_sprite *sprite; /* the job's first, or NULL */
    int pictures;                /* that the job made */
    struct image *difference;    /* from the first cell's, or NULL */
    double differs;              /* share of pixels; NAN while unknown */
    uint64_t serial;             /* of what `difference` was made from */
};

struct compare {
    struct store_run *runs;
    int count, at; /* which one is shown */
    struct store_job *jobs;
    int jobs_count;
    struct cell cell[COMPARE_CELLS];
    int row, col;
    bool show_difference, stale;
    struct rect cells[COMPARE_CELLS]; /* where they were drawn */
    int columns;                      /* how many stand beside each other there */
};

/* ---- what is shown ---- */

static void forget_cells(struct compare *c)
{
    for (int i = 0; i < COMPARE_CELLS; i++) {
        store_sprites_free(c->cell[i].sprite, c->cell[i].sprite ? 1 : 0);
        image_free(c->cell[i].difference);
        c->cell[i] = (struct cell){.differs = NAN};
    }
    store_jobs_free(c->jobs, c->jobs_count);
    c->jobs = NULL;
    c->jobs_count = 0;
}

static const struct store_run *shown(const struct compare *c)
{
    return c->at < c->count ? &c->runs[c->at] : NULL;
}

static void load_sprite(struct ui *ui, int i)
{
    struct store_sprite *list;
    int n = store_job_sprites(ui->store, ui->compare->jobs[i].id, &list, NULL);
    if (n < 1)
        return;
    int64_t id = list[0].id;
    store_sprites_free(list, n);
    ui->compare->cell[i].pictures = n;
    if (store_sprite(ui->store, id, &list, NULL) == 1)
        ui->compare->cell[i].sprite = list;
}

static void load_run(struct ui *ui)
{
    struct compare *c = ui->compare;
    struct err e = {""};
    forget_cells(c);
    const struct store_run *run = shown(c);
    if (!run)
        return;
    int n = store_run_jobs(ui->store, run->id, &c->jobs, &e);
    if (n < 0) {
        ui_say(ui, ROLE_BAD, "%s", e.text);
        return;
    }
    c->jobs_count = n;
    for (int i = 0; i < n && i < COMPARE_CELLS; i++)
        if (c->jobs[i].state == JOB_DONE)
            load_sprite(ui, i);
    if (c->row >= run->rows || c->col >= run->cols)
        c->row = c->col = 0;
}

static void load_runs(struct ui *ui)
{
    struct compare *c = ui->compare;
    struct err e = {""};
    struct store_run *runs;
    int n = store_runs(ui->store, COMPARE_RUNS, &runs, &e);
    if (n < 0) {
        ui_say(ui, ROLE_BAD, "%s", e.text);
        return;
    }
    store_runs_free(c->runs, c->count);
    c->runs = runs;
    c->count = n;
    if (c->at >= n)
        c->at = n > 0 ? n - 1 : 0;
    load_run(ui);
    c->stale = false;
}

static void show_newest(struct ui *ui)
{
    ui->compare->at = 0;
    ui->compare->row = ui->compare->col = 0;
    load_runs(ui);
    ui_view(ui, VIEW_COMPARE);
}

/* ---- drawing ---- */

static int selected(const struct compare *c)
{
    const struct store_run *run = shown(c);
    return run ? c->row * run->cols + c->col : 0;
}

/* Compares with the first cell's picture once both are there. */
static void work_out_difference(struct ui *ui, int i)
{
    struct cell *first = &ui->compare->cell[0], *c = &ui->compare->cell[i];
    static const uint8_t mark[4] = {255, 64, 64, 255};
    if (i == 0 || !first->sprite || !c->sprite || !isnan(c->differs))
        return;
    struct thumb a = thumb_get(ui, first->sprite->path), b = thumb_get(ui, c->sprite->path);
    if (!a.image || !b.image)
        return;
    c->differs = image_difference(a.image, b.image, mark, &c->difference);
    c->serial = b.serial;
}

static void draw_picture(struct ui *ui, int i, struct rect in)
{
    struct compare *c = ui->compare;
    const struct store_job *j = &c->jobs[i];
    struct cell *cell = &c->cell[i];
    const struct live *l = &ui->live;
    const char *text = j->state == JOB_FAILED      ? "failed"
                       : j->state == JOB_CANCELLED ? "cancelled"
                       : queue_has_sent(ui, j->id) ? "sampling"
                                                   : "waiting";
    work_out_difference(ui, i);
    if (c->show_difference && cell->difference) {
        draw_image(ui->screen, in, SLOT + (unsigned)i, cell->difference, cell->serial | 1ull << 63,
                   true, false);
        return;
    }
    if (cell->sprite) {
        struct thumb t = thumb_get(ui, cell->sprite->path);
        if (t.image)
            draw_image(ui->screen, in, SLOT + (unsigned)i, t.image, t.serial, true, false);
        text = t.broken ? "its file is gone" : "";
    } else if (j->id == l->job && l->preview) {
        draw_image(ui->screen, in, SLOT + (unsigned)i, l->preview, l->preview_serial,
                   ui->finish_previews, true);
        return;
    }
    draw_centered(ui->screen, in.y + in.h / 2, in.x, in.w, ROLE_DIM, text);
}

/* "0.41 s  20 ms a step" and "50 MB  12 colours  differs 31%" */
static void draw_figures(struct ui *ui, int i, struct rect at)
{
    const struct compare *c = ui->compare;
    const struct store_job *j = &c->jobs[i];
    const struct cell *cell = &c->cell[i];
    char total[32], step[32], peak[32], line[160];
    if (j->state == JOB_FAILED && j->error) {
        draw_text(ui->screen, at.y, at.x, at.w, ROLE_BAD, j->error);
        return;
    }
    if (j->state != JOB_DONE) {
        const struct pool_device *d = queue_device(ui, j->id);
        if (d && d->steps > 0 && ui->devices > 1)
            draw_printf(ui->screen, at.y, at.x, at.w, ROLE_DIM, "step %d of %d on %s", d->step,
                        d->steps, d->name);
        else if (d && d->steps > 0)
            draw_printf(ui->screen, at.y, at.x, at.w, ROLE_DIM, "step %d of %d", d->step, d->steps);
        return;
    }
    text_ms(j->ms_total, total, sizeof total);
    text_ms(j->ms_step, step, sizeof step);
    text_bytes((double)j->bytes_peak, peak, sizeof peak);
    int used = draw_text(ui->screen, at.y, at.x, at.w, ROLE_STRONG, total);
    if (cell->pictures > 1)
        used += draw_printf(ui->screen, at.y, at.x + used, at.w - used, ROLE_TEXT, " for %d",
                            cell->pictures);
    snprintf(line, sizeof line, "  %s a step", step);
    draw_text(ui->screen, at.y, at.x + used, at.w - used, ROLE_TEXT,
              that_fits(at.w - used, line, ""));
    if (at.h < 2)
        return;
    used = draw_printf(ui->screen, at.y + 1, at.x, at.w, ROLE_TEXT, "%s  %d colours", peak,
                       cell->sprite ? cell->sprite->colors : 0);
    if (isnan(cell->differs))
        return;
    snprintf(line, sizeof line, "  differs %.0f%%", cell->differs * 100);
    if (at.h > 2)
        draw_text(ui->screen, at.y + 2, at.x, at.w, ROLE_DIM, line + 2);
    else
        draw_text(ui->screen, at.y + 1, at.x + used, at.w - used, ROLE_DIM,
                  that_fits(at.w - used, line, ""));
}

static void draw_variant(struct ui *ui, int i, struct rect r)
{
    const struct compare *c = ui->compare;
    const struct store_run *run = shown(c);
    char title[140];
    const struct store_job *j = &c->jobs[i];
    snprintf(title, sizeof title, "%s%s", run->winner == j->id ? "★ " : "",
             j->label ? j->label : "");
    struct rect in = draw_box(ui->screen, r, title, i == selected(c));
    int figures = in.h >= 12 && in.w < FIGURES_W ? 3 : in.h >= 8 ? 2 : in.h >= 5 ? 1 : 0;
    struct rect picture = in;
    picture.h -= figures;
    draw_picture(ui, i, picture);
    if (figures)
        draw_figures(ui, i, (struct rect){in.y + in.h - figures, in.x + 1, figures, in.w - 2});
}

static void draw_nothing(struct ui *ui, struct rect r)
{
    static const char *const lines[][2] = {
        {"n", "two to six presets, the studio's prompt, one seed"},
        {"g", "a grid over two settings: preset=batch,cpu cfg=4,8"},
    };
    struct rect in = draw_box(ui->screen, r, "Compare", true);
    draw_text(ui->screen, in.y + 1, in.x + 2, in.w - 4, ROLE_TEXT, "Nothing was compared yet.");
    for (int i = 0; i < 2; i++) {
        draw_text(ui->screen, in.y + 3 + i, in.x + 2, 2, ROLE_KEY, lines[i][0]);
        draw_text(ui->screen, in.y + 3 + i, in.x + 6, in.w - 8, ROLE_DIM, lines[i][1]);
    }
}

const char *compare_hint(const struct ui *ui, enum action a, const char *word)
{
    return shown(ui->compare) || a == ACT_CMP_NEW || a == ACT_CMP_GRID ? word : NULL;
}

/* The prompt and the seed, over the cells. */
static void draw_head(struct ui *ui, struct rect r)
{
    const struct compare *c = ui->compare;
    const struct store_run *run = shown(c);
    char words[300], right[120], when[32];
    one_line(run->words ? run->words : "", words, sizeof words);
    text_ago(run->created, (double)time(NULL), when, sizeof when);
    snprintf(right, sizeof right, "seed %llu  %s  %d of %d", (unsigned long long)run->seed, when,
             c->at + 1, c->count);
    int w = text_columns(right, strlen(right));
    int used = draw_text(ui->screen, r.y, r.x + 1, r.w - w - 4, ROLE_STRONG, words);
    if (run->title)
        draw_text(ui->screen, r.y, r.x + 3 + used, r.w - w - 6 - used, ROLE_DIM, run->title);
    draw_right(ui->screen, r.y, r.x + 1, r.w - 2, ROLE_DIM, right);
}

/* One row of four is too narrow in a small terminal: then it becomes two rows of two. More than
 * four do so sooner. */
static int columns_for(const struct store_run *run, struct rect r)
{
    if (run->rows == 1 && run->cols > 2 && r.w / run->cols < 26 && r.h >= (run->cols > 4 ? 18 : 24))
        return (run->cols + 1) / 2;
    return run->cols > 0 ? run->cols : 1;
}

static void compare_draw(struct ui *ui, struct rect main)
{
    struct compare *c = ui->compare;
    if (c->stale)
        load_runs(ui);
    const struct store_run *run = shown(c);
    if (!run || c->jobs_count == 0) {
        draw_nothing(ui, main);
        return;
    }
    draw_head(ui, main);
    struct rect r = {main.y + 1, main.x, main.h - 1, main.w};
    int n = c->jobs_count < COMPARE_CELLS ? c->jobs_count : COMPARE_CELLS;
    c->columns = columns_for(run, r);
    layout_grid(r, (n + c->columns - 1) / c->columns, c->columns, c->cells, n);
    for (int i = 0; i < n; i++)
        draw_variant(ui, i, c->cells[i]);
}

/* ---- what the keys do ---- */

static void presets_marked(struct ui *ui, const bool *marked, int count, void *user)
{
    static struct variant v[COMPARE_SIDE];
    char title[200] = "";
    size_t at = 0;
    (void)user, (void)count;
    int n = variants_of_presets(ui, marked, v, COMPARE_SIDE);
    for (int i = 0; i < n && at < sizeof title; i++)
        at += (size_t)snprintf(title + at, sizeof title - at, "%s%s", i ? " | " : "", v[i].label);
    if (n < 2)
        ui_say(ui, ROLE_WARN, "mark two to six presets with the space bar");
    else if (run_start(ui, studio_words(ui), run_seed(ui), 1, n, title, v) > 0)
        show_newest(ui);
    variants_free(v, n);
}

void compare_start(struct ui *ui)
{
    if (!*studio_words(ui)) {
        ui_say(ui, ROLE_WARN, "write a prompt in the studio first (F2)");
        return;
    }
    char **rows = presets_lines(ui, "no preset");
    if (rows)
        dialog_marks(ui, "Compare which presets?", (const char *const *)rows, ui->config.count + 1,
                     COMPARE_SIDE, presets_marked, NULL);
    presets_lines_free(ui, rows);
}

static void grid_said(struct ui *ui, const char *text, void *user)
{
    static struct variant v[COMPARE_CELLS];
    struct err e = {""};
    char title[100];
    int rows, cols;
    (void)user;
    int n = variants_of_grid(ui, text, v, &rows, &cols, title, sizeof title, &e);
    if (n < 0) {
        ui_say(ui, ROLE_BAD, "%s", e.text);
        return;
    }
    store_put(ui->store, "compare.grid", text, NULL);
    if (run_start(ui, studio_words(ui), run_seed(ui), rows, cols, title, v) > 0)
        show_newest(ui);
    variants_free(v, n);
}

static void ask_grid(struct ui *ui)
{
    if (!*studio_words(ui)) {
        ui_say(ui, ROLE_WARN, "write a prompt in the studio first (F2)");
        return;
    }
    char *last = store_get(ui->store, "compare.grid");
    dialog_line(ui, "Grid over two settings (down, across)", last ? last : "cfg=2,4,8 steps=10,20",
                grid_said, NULL);
    free(last);
}

static void words_said(struct ui *ui, const char *text, void *user)
{
    struct compare *c = ui->compare;
    const struct store_run *run = shown(c);
    (void)user;
    if (run && *text && run_again(ui, run, c->jobs, c->jobs_count, text, NULL) > 0)
        show_newest(ui);
}

static void another_seed(struct ui *ui)
{
    struct compare *c = ui->compare;
    uint64_t seed = draw_seed(ui);
    if (run_again(ui, shown(c), c->jobs, c->jobs_count, NULL, &seed) > 0)
        show_newest(ui);
}

static void pick_winner(struct ui *ui)
{
    struct compare *c = ui->compare;
    struct store_run *run = &c->runs[c->at];
    struct err e = {""};
    int i = selected(c);
    if (i >= c->jobs_count || c->jobs[i].state != JOB_DONE)
        return;
    int64_t job = run->winner == c->jobs[i].id ? 0 : c->jobs[i].id;
    if (store_vote(ui->store, run->id, job, &e)) {
        ui_say(ui, ROLE_BAD, "%s", e.text);
        return;
    }
    run->winner = job;
    ui_say(ui, ROLE_GOOD, job ? "%s wins" : "the vote for %s is taken back", c->jobs[i].label);
}

static void export_to(struct ui *ui, const char *typed, void *user)
{
    char path[PATH_MAX];
    struct err e = {"that path is too long"};
    (void)user;
    char *csv = file_expand(typed, path) ? store_votes_csv(ui->store, &e) : NULL;
    if (!csv || file_write_atomic(path, csv, strlen(csv), &e))
        ui_say(ui, ROLE_BAD, "%s", e.text);
    else
        ui_say(ui, ROLE_GOOD, "written to %s", typed);
    free(csv);
}

static void ask_export(struct ui *ui)
{
    char path[PATH_MAX];
    if (!place_path(PLACE_DATA, "winners.csv", path))
        snprintf(path, sizeof path, "winners.csv");
    dialog_line(ui, "Write all winners as CSV to", path, export_to, NULL);
}

static void move_by(struct compare *c, int rows, int cols)
{
    int n = c->jobs_count, at = selected(c) + rows * c->columns + cols;
    const struct store_run *run = shown(c);
    if (at < 0 || at >= n)
        return;
    c->row = at / run->cols;
    c->col = at % run->cols;
}

static void show_run(struct ui *ui, int by)
{
    struct compare *c = ui->compare;
    if (c->at + by < 0 || c->at + by >= c->count)
        return;
    c->at += by;
    c->row = c->col = 0;
    load_run(ui);
}

/* What needs a comparison that is shown. */
static bool act_on_run(struct ui *ui, enum action a)
{
    struct compare *c = ui->compare;
    switch (a) {
    case ACT_CMP_WIN:
        pick_winner(ui);
        return true;
    case ACT_CMP_DIFF:
        c->show_difference = !c->show_difference;
        return true;
    case ACT_CMP_PROMPT:
        dialog_line(ui, "Another prompt for the same comparison", shown(c)->words, words_said,
                    NULL);
        return true;
    case ACT_CMP_SEED:
        another_seed(ui);
        return true;
    case ACT_UP:
    case ACT_DOWN:
        move_by(c, a == ACT_UP ? -1 : 1, 0);
        return true;
    case ACT_GO_LEFT:
    case ACT_GO_RIGHT:
        move_by(c, 0, a == ACT_GO_LEFT ? -1 : 1);
        return true;
    case ACT_CMP_PREV:
    case ACT_CMP_NEXT:
        show_run(ui, a == ACT_CMP_PREV ? 1 : -1);
        return true;
    default:
        return false;
    }
}

static bool compare_act(struct ui *ui, enum action a)
{
    if (shown(ui->compare) && ui->compare->jobs_count > 0 && act_on_run(ui, a))
        return true;
    switch (a) {
    case ACT_CMP_NEW:
        compare_start(ui);
        return true;
    case ACT_CMP_GRID:
        ask_grid(ui);
        return true;
    case ACT_CMP_EXPORT:
        ask_export(ui);
        return true;
    case ACT_BACK:
        ui_view(ui, VIEW_STUDIO);
        return true;
    default:
        return false;
    }
}

/* ---- the view ---- */

static int compare_init(struct ui *ui, struct err *e)
{
    ui->compare = calloc(1, sizeof *ui->compare);
    if (!ui->compare)
        return err_set(e, "out of memory");
    ui->compare->stale = true;
    return 0;
}

static void compare_quit(struct ui *ui)
{
    if (!ui->compare)
        return;
    forget_cells(ui->compare);
    store_runs_free(ui->compare->runs, ui->compare->count);
    free(ui->compare);
    ui->compare = NULL;
}

static unsigned compare_contexts(const struct ui *ui)
{
    (void)ui;
    return CTX_COMPARE;
}

static void compare_type(struct ui *ui, const struct input_event *in)
{
    (void)ui, (void)in;
}

static void compare_mouse(struct ui *ui, const struct input_event *in)
{
    struct compare *c = ui->compare;
    const struct store_run *run = shown(c);
    for (int i = 0; run && in->what == MOUSE_DOWN && i < c->jobs_count && i < COMPARE_CELLS; i++) {
        struct rect r = c->cells[i];
        if (rect_has(r, in->y, in->x)) {
            c->row = i / run->cols;
            c->col = i % run->cols;
        }
    }
}

static void compare_event(struct ui *ui, const struct event *ev)
{
    if (ev->kind == EVENT_SPRITE || ev->kind == EVENT_DONE || ev->kind == EVENT_FAILED ||
        ev->kind == EVENT_CANCELLED)
        ui->compare->stale = true;
}

static void compare_open(struct ui *ui)
{
    ui->compare->stale = true;
}

const struct view_ops view_compare = {
    .name = "Compare",
    .init = compare_init,
    .quit = compare_quit,
    .open = compare_open,
    .draw = compare_draw,
    .contexts = compare_contexts,
    .act = compare_act,
    .type = compare_type,
    .mouse = compare_mouse,
    .event = compare_event,
};
