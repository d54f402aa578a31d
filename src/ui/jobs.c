/* The queue's panel: what runs, what waits, what was. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ui/studio.h"

void one_line(const char *words, char *out, size_t size)
{
    size_t n = strnlen(words, size);
    while (n == size || (n > 0 && ((unsigned char)words[n] & 0xc0) == 0x80))
        n--; /* not inside a character */
    for (size_t i = 0; i < n; i++)
        out[i] = words[i] == '\n' ? ' ' : words[i];
    out[n] = '\0';
}

static int job_count(const struct ui *ui)
{
    return ui->queue.count + ui->queue.past_count;
}

static struct store_job *job_at(const struct ui *ui, int row)
{
    if (row < 0 || row >= job_count(ui))
        return NULL;
    return row < ui->queue.count ? &ui->queue.job[row] : &ui->queue.past[row - ui->queue.count];
}

/* ---- drawing ---- */

static const char *mark_of(const struct ui *ui, const struct store_job *j, enum role *role)
{
    static const struct {
        const char *mark;
        enum role role;
    } marks[] = {
        [JOB_QUEUED] = {"·", ROLE_DIM},    [JOB_RUNNING] = {"▶", ROLE_ACCENT},
        [JOB_DONE] = {"✓", ROLE_GOOD},     [JOB_FAILED] = {"✗", ROLE_BAD},
        [JOB_CANCELLED] = {"–", ROLE_DIM},
    };
    enum job_state state = queue_has_sent(ui, j->id) ? JOB_RUNNING : j->state;
    *role = marks[state].role;
    return marks[state].mark;
}

/* What stands at the right end: "7/20", "0.41 s", "waiting", why it failed. */
static void state_text(const struct ui *ui, const struct store_job *j, char *out, size_t size)
{
    const struct pool_device *d = queue_device(ui, j->id);
    if (d && d->steps > 0 && stage_samples(d->stage))
        snprintf(out, size, "%d/%d", d->step, d->steps);
    else if (queue_has_sent(ui, j->id))
        snprintf(out, size, "%s", d && *d->stage ? d->stage : "starting");
    else if (j->state == JOB_QUEUED || j->state == JOB_RUNNING)
        snprintf(out, size, "waiting");
    else if (j->state == JOB_DONE)
        text_ms(j->ms_total, out, size);
    else if (j->state == JOB_FAILED)
        snprintf(out, size, "failed");
    else
        snprintf(out, size, "cancelled");
}

static void draw_job(struct ui *ui, const struct store_job *j, int y, struct rect in, bool here)
{
    char words[200], state[60], text[300];
    enum role role, bg = here ? ROLE_SELECT : ROLE_TEXT;
    const char *mark = mark_of(ui, j, &role);
    if (here)
        draw_fill(ui->screen, (struct rect){y, in.x, 1, in.w}, ROLE_SELECT);
    one_line(j->words ? j->words : "", words, sizeof words);
    const char *also = j->label && *j->label ? j->label : j->preset;
    state_text(ui, j, state, sizeof state);
    int right = text_columns(state, strlen(state));
    draw_on(ui->screen, y, in.x + 1, 1, role, bg, mark);
    draw_on(ui->screen, y, in.x + in.w - 1 - right, right, ROLE_DIM, bg, state);
    int room = in.w - 5 - right;
    bool past = j->state == JOB_DONE || j->state == JOB_CANCELLED || j->state == JOB_FAILED;
    int used = draw_on(ui->screen, y, in.x + 3, room, past ? ROLE_DIM : ROLE_TEXT, bg, words);
    if (also && *also && room - used > 6) {
        snprintf(text, sizeof text, "[%.60s]", also);
        draw_on(ui->screen, y, in.x + 4 + used, room - used - 1, ROLE_DIM, bg, text);
    }
}

/* "Queue (3)  2 waiting, about 1 min 20 s" */
static void title_of(const struct ui *ui, char *out, size_t size)
{
    char left[32];
    int waiting, n = snprintf(out, size, "Queue (%d)", ui->queue.count);
    double ms = queue_left(ui, &waiting);
    text_ms(ms, left, sizeof left);
    if (waiting > 0 && !isnan(ms))
        snprintf(out + n, size - (size_t)n, "  %d waiting, about %s", waiting, left);
}

void jobs_draw(struct ui *ui, struct rect r)
{
    struct studio *st = ui->studio;
    bool focus = st->focus == FOCUS_JOBS;
    char title[100] = "Queue";
    int count = job_count(ui);
    if (ui->queue.count > 0)
        title_of(ui, title, sizeof title);
    struct rect in = draw_box(ui->screen, r, title, focus);
    if (st->job_row >= count)
        st->job_row = count > 0 ? count - 1 : 0;
    st->job_top = list_top(st->job_top, focus ? st->job_row : 0, in.h, count);
    for (int i = 0; i < in.h && st->job_top + i < count; i++) {
        int row = st->job_top + i;
        draw_job(ui, job_at(ui, row), in.y + i, in, focus && row == st->job_row);
    }
    draw_scroll(ui->screen, in.y, r.x + r.w - 1, in.h, st->job_top, count, focus);
    if (count == 0)
        draw_text(ui->screen, in.y, in.x + 1, in.w - 2, ROLE_DIM, "write a prompt, then Enter");
}

/* ---- keys and mouse ---- */

static bool can_move(const struct store_job *j)
{
    return j && j->state == JOB_QUEUED;
}

static bool can_cancel(const struct store_job *j)
{
    return j && (j->state == JOB_QUEUED || j->state == JOB_RUNNING);
}

static void edit_job(struct ui *ui, const struct store_job *j)
{
    struct settings s = {0};
    struct err e = {""};
    if (settings_from_text(&s, j->settings ? j->settings : "", &e))
        ui_say(ui, ROLE_BAD, "%s", e.text);
    else
        studio_use(ui, j->words, j->preset, &s);
    settings_free(&s);
    ui->studio->focus = FOCUS_PROMPT;
}

static void move_job(struct ui *ui, const struct store_job *j, int by)
{
    int row = ui->studio->job_row + by;
    if (!can_move(j))
        return;
    queue_move(ui, j->id, by);
    if (row >= 0 && row < ui->queue.count)
        ui->studio->job_row = row;
}

const char *jobs_hint(const struct ui *ui, enum action a, const char *word)
{
    const struct store_job *j = job_at(ui, ui->studio->job_row);
    switch (a) {
    case ACT_JOB_EARLIER:
    case ACT_JOB_LATER:
        return can_move(j) && !queue_has_sent(ui, j->id) ? word : NULL;
    case ACT_JOB_CANCEL:
        return can_cancel(j) ? word : NULL;
    case ACT_JOB_AGAIN:
    case ACT_JOB_EDIT:
        return j ? word : NULL;
    case ACT_CANCEL_ALL:
        return ui->queue.count > 1 ? word : NULL;
    default:
        return word;
    }
}

bool jobs_act(struct ui *ui, enum action a)
{
    struct studio *st = ui->studio;
    const struct store_job *j = job_at(ui, st->job_row);
    int last = job_count(ui) - 1, page = st->at.queue.h > 3 ? st->at.queue.h - 3 : 1;
    if (list_step(a, page, last, &st->job_row)) {
        j = job_at(ui, st->job_row);
        if (j && j->state == JOB_FAILED && j->error)
            ui_say(ui, ROLE_BAD, "%s", j->error);
        return true;
    }
    switch (a) {
    case ACT_JOB_EARLIER:
    case ACT_JOB_LATER:
        if (j)
            move_job(ui, j, a == ACT_JOB_EARLIER ? -1 : 1);
        return true;
    case ACT_JOB_CANCEL:
        if (can_cancel(j))
            queue_cancel(ui, j->id);
        else if (j)
            ui_say(ui, ROLE_WARN, "this job is over: only those that run or wait are cancelled");
        return true;
    case ACT_JOB_AGAIN:
        if (j)
            queue_again(ui, j);
        return true;
    case ACT_JOB_EDIT:
        if (j)
            edit_job(ui, j);
        return true;
    default:
        return false;
    }
}

void jobs_click(struct ui *ui, const struct input_event *in)
{
    struct studio *st = ui->studio;
    int line = in->y - st->at.queue.y - 1, row = line + st->job_top;
    if (in->what == MOUSE_WHEEL_UP || in->what == MOUSE_WHEEL_DOWN)
        jobs_act(ui, in->what == MOUSE_WHEEL_UP ? ACT_UP : ACT_DOWN);
    else if (in->what == MOUSE_DOWN && line >= 0 && line < st->at.queue.h - 2 &&
             row < job_count(ui))
        st->job_row = row;
}
