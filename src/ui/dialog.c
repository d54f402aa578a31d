/*
 * Questions over the view: yes or no, a line of text, a choice, several choices.
 *
 * One at a time. What it is about comes last: an answer first closes the dialog, then calls the
 * one who asked, who may open the next.
 */
#include "ui/dialog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ui/list.h"
#include "ui/words.h"

enum kind { ASK, LINE, LIST, MARKS, OTHER };
enum { YES, NO };

enum {
    ASK_WIDTH = 64,
    LINE_WIDTH = 72,
};

struct dialog {
    enum kind kind;
    const struct dialog_ops *ops; /* OTHER */
    void *own;
    char *title;
    void *user;
    void (*drop)(void *user); /* when nobody gets it; may be NULL */
    union {
        void (*yes)(struct ui *, void *);
        void (*line)(struct ui *, const char *, void *);
        void (*list)(struct ui *, int, void *);
        void (*marks)(struct ui *, const bool *, int, void *);
    } done;

    struct editor *text; /* LINE: it; LIST: the filter; ASK: the question, for wrapping */
    int scroll;          /* columns of it left of the field */
    struct rect field;   /* as drawn, for the mouse */

    char **rows;
    int count;
    int *shown; /* indices of the rows that the filter leaves */
    int shown_count;
    int row, top;     /* the chosen one of `shown` (ASK: YES or NO), the first that is seen */
    struct rect list; /* as drawn; ASK: the answers */
    bool *marked;
    int marks, most;
};

/* ---- open and close ---- */

static void dialog_free(struct dialog *d)
{
    if (!d)
        return;
    if (d->own)
        d->ops->free(d->own);
    if (d->drop)
        d->drop(d->user);
    for (int i = 0; d->rows && i < d->count; i++)
        free(d->rows[i]);
    editor_free(d->text);
    free(d->rows);
    free(d->shown);
    free(d->marked);
    free(d->title);
    free(d);
}

void dialog_close(struct ui *ui)
{
    dialog_free(ui->dialog);
    ui->dialog = NULL;
    ui_dirty(ui);
}

static struct dialog *dialog_new(enum kind kind, const char *title, void *user)
{
    struct dialog *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    d->kind = kind;
    d->user = user;
    d->title = strdup(title);
    if (d->title && (kind == MARKS || (d->text = editor_new(kind == ASK))))
        return d;
    dialog_free(d);
    return NULL;
}

static void filter(struct dialog *d)
{
    const char *words = d->text ? editor_text(d->text) : "";
    d->shown_count = 0;
    for (int i = 0; i < d->count; i++)
        if (words_match(d->rows[i], words))
            d->shown[d->shown_count++] = i;
    d->row = 0;
    d->top = 0;
}

static bool copy_rows(struct dialog *d, const char *const *rows, int count)
{
    size_t n = count > 0 ? (size_t)count : 0;
    d->rows = calloc(n + 1, sizeof *d->rows);
    d->shown = calloc(n + 1, sizeof *d->shown);
    d->marked = calloc(n + 1, sizeof *d->marked);
    if (!d->rows || !d->shown || !d->marked)
        return false;
    for (; d->count < count; d->count++)
        if (!(d->rows[d->count] = strdup(rows[d->count])))
            return false;
    filter(d);
    return true;
}

/* Takes the place of a dialog that is open. */
static void show(struct ui *ui, struct dialog *d, bool whole)
{
    dialog_close(ui);
    if (!d || !whole) {
        dialog_free(d);
        ui_say(ui, ROLE_BAD, "not enough memory for a dialog");
        return;
    }
    ui->dialog = d;
}

void dialog_ask(struct ui *ui, const char *question, void (*yes)(struct ui *, void *), void *user)
{
    struct dialog *d = dialog_new(ASK, "", user);
    if (d) {
        d->done.yes = yes;
        d->row = NO;
        editor_set(d->text, question);
    }
    show(ui, d, true);
}

void dialog_line(struct ui *ui, const char *title, const char *text,
                 void (*done)(struct ui *, const char *text, void *), void *user)
{
    struct dialog *d = dialog_new(LINE, title, user);
    if (d) {
        d->done.line = done;
        editor_set(d->text, text);
    }
    show(ui, d, true);
}

void dialog_list(struct ui *ui, const char *title, const char *const *rows, int count, int at,
                 void (*done)(struct ui *, int index, void *), void *user)
{
    struct dialog *d = dialog_new(LIST, title, user);
    bool whole = d && copy_rows(d, rows, count);
    if (whole) {
        d->done.list = done;
        d->row = at > 0 && at < count ? at : 0;
    }
    show(ui, d, whole);
}

void dialog_marks(struct ui *ui, const char *title, const char *const *rows, int count, int most,
                  void (*done)(struct ui *, const bool *marked, int count, void *), void *user)
{
    struct dialog *d = dialog_new(MARKS, title, user);
    bool whole = d && copy_rows(d, rows, count);
    if (whole) {
        d->done.marks = done;
        d->most = most;
    }
    show(ui, d, whole);
}

void dialog_owns(struct ui *ui, void (*drop)(void *user))
{
    if (ui->dialog)
        ui->dialog->drop = drop;
}

void dialog_open(struct ui *ui, const struct dialog_ops *ops, void *own)
{
    struct dialog *d = own ? calloc(1, sizeof *d) : NULL;
    if (d)
        *d = (struct dialog){.kind = OTHER, .ops = ops, .own = own};
    else if (own)
        ops->free(own);
    show(ui, d, true);
}

void *dialog_own(const struct ui *ui, const struct dialog_ops *ops)
{
    return ui->dialog && ui->dialog->ops == ops ? ui->dialog->own : NULL;
}

/* ---- answers ---- */

static void accept(struct ui *ui)
{
    struct dialog *d = ui->dialog;
    if (d->kind == LIST && d->shown_count == 0)
        return;
    ui->dialog = NULL;
    ui_dirty(ui);
    if (d->kind != ASK || d->row == YES)
        d->drop = NULL;
    if (d->kind == LINE)
        d->done.line(ui, editor_text(d->text), d->user);
    else if (d->kind == LIST)
        d->done.list(ui, d->shown[d->row], d->user);
    else if (d->kind == MARKS)
        d->done.marks(ui, d->marked, d->count, d->user);
    else if (d->row == YES)
        d->done.yes(ui, d->user);
    dialog_free(d);
}

static void toggle(struct ui *ui)
{
    struct dialog *d = ui->dialog;
    if (d->shown_count == 0)
        return;
    bool *mark = &d->marked[d->shown[d->row]];
    if (!*mark && d->marks >= d->most) {
        ui_say(ui, ROLE_WARN, "%d at most: take a mark away first", d->most);
        return;
    }
    *mark = !*mark;
    d->marks += *mark ? 1 : -1;
    ui_dirty(ui);
}

void dialog_mark(struct ui *ui, int row)
{
    struct dialog *d = ui->dialog;
    if (d && d->kind == MARKS && row >= 0 && row < d->count && !d->marked[row] &&
        d->marks < d->most) {
        d->marked[row] = true;
        d->marks++;
    }
}

unsigned dialog_contexts(const struct ui *ui)
{
    const struct dialog *d = ui->dialog;
    if (d->kind == OTHER && d->ops->contexts)
        return d->ops->contexts(ui, d->own);
    bool typed = d->kind == LINE || d->kind == LIST || d->kind == OTHER;
    return CTX_DIALOG | (typed ? CTX_TEXT : 0);
}

static void go_to(struct dialog *d, int row)
{
    int last = d->kind == ASK ? NO : d->shown_count - 1;
    d->row = row > last ? last : row;
    d->row = d->row < 0 ? 0 : d->row;
}

/* Motions through a list or between answers. A line has its own start and end. */
static bool move(struct dialog *d, enum action a)
{
    int page = d->list.h > 1 ? d->list.h - 1 : 1;
    if (d->kind == LINE && (a == ACT_FIRST || a == ACT_LAST))
        return editor_act(d->text, a == ACT_FIRST ? ACT_LINE_START : ACT_LINE_END,
                          EDITOR_UNWRAPPED);
    if (a == ACT_NEXT_PANEL || a == ACT_PREV_PANEL) {
        if (d->kind == ASK)
            d->row = !d->row;
        return true;
    }
    return list_step(a, page, d->kind == ASK ? NO : d->shown_count - 1, &d->row);
}

/* What was typed changes what a list shows. */
static void edited(struct ui *ui, unsigned long version)
{
    struct dialog *d = ui->dialog;
    if (d->kind == LIST && editor_version(d->text) != version)
        filter(d);
    ui_dirty(ui);
}

bool dialog_act(struct ui *ui, enum action a)
{
    struct dialog *d = ui->dialog;
    if (d->kind == OTHER)
        return d->ops->act(ui, d->own, a);
    if (a == ACT_ACCEPT) {
        accept(ui);
        return true;
    }
    if (a == ACT_BACK) {
        dialog_close(ui);
        return true;
    }
    if (move(d, a)) {
        ui_dirty(ui);
        return true;
    }
    if (d->kind != LINE && d->kind != LIST)
        return false;
    unsigned long version = editor_version(d->text);
    bool mine = editor_act(d->text, a, EDITOR_UNWRAPPED);
    edited(ui, version);
    return mine;
}

static void type_answer(struct ui *ui, const struct input_event *in)
{
    struct dialog *d = ui->dialog;
    bool key = in->kind == INPUT_KEY && in->mods == 0;
    char c = in->kind == INPUT_TEXT && in->len == 1 ? in->text[0] : '\0';
    if (key && (in->code == KC_LEFT || in->code == KC_RIGHT)) {
        d->row = in->code == KC_LEFT ? YES : NO;
        ui_dirty(ui);
    } else if (c == 'y' || c == 'Y') {
        d->row = YES;
        accept(ui);
    } else if (c == 'n' || c == 'N') {
        d->row = NO;
        accept(ui);
    }
}

void dialog_type(struct ui *ui, const struct input_event *in)
{
    struct dialog *d = ui->dialog;
    if (d->kind == OTHER) {
        d->ops->type(ui, d->own, in);
    } else if (d->kind == ASK) {
        type_answer(ui, in);
    } else if (d->kind == MARKS) {
        if (in->kind == INPUT_TEXT && in->len == 1 && in->text[0] == ' ')
            toggle(ui);
    } else if (in->kind == INPUT_TEXT || in->kind == INPUT_PASTE) {
        unsigned long version = editor_version(d->text);
        if (!editor_insert(d->text, in->text, in->len))
            ui_say(ui, ROLE_WARN, "no more text fits");
        edited(ui, version);
    }
}

static void click_row(struct ui *ui, int row)
{
    struct dialog *d = ui->dialog;
    bool again = row == d->row;
    if (row >= d->shown_count)
        return;
    d->row = row;
    if (d->kind == MARKS)
        toggle(ui);
    else if (again)
        accept(ui);
}

void dialog_mouse(struct ui *ui, const struct input_event *in)
{
    struct dialog *d = ui->dialog;
    ui_dirty(ui);
    if (d->kind == OTHER) {
        if (d->ops->mouse)
            d->ops->mouse(ui, d->own, in);
        return;
    }
    if (in->what == MOUSE_WHEEL_UP || in->what == MOUSE_WHEEL_DOWN) {
        if (d->kind == LIST || d->kind == MARKS)
            go_to(d, d->row + (in->what == MOUSE_WHEEL_UP ? -1 : 1));
    } else if (in->what != MOUSE_DOWN || in->button != 1) {
        return;
    } else if (rect_has(d->field, in->y, in->x)) {
        editor_click(d->text, 0, in->x - d->field.x + d->scroll, EDITOR_UNWRAPPED);
    } else if (rect_has(d->list, in->y, in->x) && d->kind == ASK) {
        d->row = in->x < d->list.x + d->list.w / 2 ? YES : NO;
        accept(ui);
    } else if (rect_has(d->list, in->y, in->x)) {
        click_row(ui, d->top + in->y - d->list.y);
    }
}

/* ---- drawing ---- */

static int clamp(int v, int least, int most)
{
    return v > most ? most : v < least ? least : v;
}

static void draw_field(struct ui *ui, int y, int x, int w)
{
    struct dialog *d = ui->dialog;
    d->field = (struct rect){y, x, 1, w};
    dialog_field(ui, d->text, d->field, &d->scroll);
}

static void draw_ask(struct ui *ui, struct rect main)
{
    struct dialog *d = ui->dialog;
    int width = clamp(text_columns(editor_text(d->text), editor_len(d->text)), DIALOG_WIDTH,
                      clamp(ASK_WIDTH, DIALOG_WIDTH, main.w - 12));
    int rows = clamp(editor_rows(d->text, width), 1, main.h - 6);
    static const char *const answer[] = {" y yes ", " n no "};
    struct rect in = dialog_frame(ui, main, NULL, rows + 3, width);
    struct editor_row r;
    for (int i = 0; i < rows && editor_row(d->text, i, width, &r); i++)
        draw_textn(ui->screen, in.y + 1 + i, in.x, in.w, ROLE_OVERLAY,
                   editor_text(d->text) + r.start, r.end - r.start);
    d->list = (struct rect){in.y + in.h - 1, in.x, 1, 16};
    for (int i = YES; i <= NO; i++)
        draw_text(ui->screen, d->list.y, d->list.x + 8 * i, 8,
                  i == d->row ? ROLE_SELECT : ROLE_OVERLAY, answer[i]);
    draw_right(ui->screen, d->list.y, in.x + 16, in.w - 16, ROLE_DIM,
               d->row == YES ? "Enter: yes" : "Enter: no");
}

static void draw_line(struct ui *ui, struct rect main)
{
    static const char *const hints[] = {"Enter", "take it", "Esc", "close"};
    struct rect in = dialog_frame(ui, main, ui->dialog->title, 4, LINE_WIDTH);
    draw_field(ui, in.y + 1, in.x, in.w);
    dialog_hints(ui, in, hints, 4);
}

static void draw_row(struct ui *ui, int i, int y)
{
    const struct dialog *d = ui->dialog;
    int row = d->shown[i], x = d->list.x + 1, w = d->list.w - 2;
    enum role role = i == d->row ? ROLE_SELECT : ROLE_OVERLAY;
    draw_fill(ui->screen, (struct rect){y, d->list.x, 1, d->list.w}, role);
    if (d->kind == MARKS) {
        draw_on(ui->screen, y, x, w, d->marked[row] ? ROLE_ACCENT : ROLE_DIM, role,
                d->marked[row] ? "●" : "○");
        x += 2, w -= 2;
    }
    draw_text(ui->screen, y, x, w, role, d->rows[row]);
}

static int widest(const struct dialog *d)
{
    int most = text_columns(d->title, strlen(d->title)) + 4;
    for (int i = 0; i < d->count; i++) {
        int w = text_columns(d->rows[i], strlen(d->rows[i])) + 4;
        most = w > most ? w : most;
    }
    return clamp(most, 50, 100);
}

/* The box is as large as all rows need, so that it stands still while the filter is typed. */
static void draw_rows(struct ui *ui, struct rect main)
{
    static const char *const list[] = {"Enter", "take it", "Esc", "close"};
    static const char *const marks[] = {"Space", "mark", "Enter", "go on", "Esc", "close"};
    struct dialog *d = ui->dialog;
    int head = d->kind == LIST ? 2 : 0, rows = clamp(d->count, 1, main.h - 6 - head);
    struct rect in = dialog_frame(ui, main, d->title, head + rows + 2, widest(d));
    if (d->kind == LIST) {
        draw_text(ui->screen, in.y, in.x, 6, ROLE_DIM, "Find");
        draw_field(ui, in.y, in.x + 5, in.w - 5);
    }
    d->list = (struct rect){in.y + head, in.x, in.h - head - 2, in.w};
    d->top = clamp(d->top, d->row - d->list.h + 1, d->row);
    d->top = clamp(d->top, 0, d->shown_count > d->list.h ? d->shown_count - d->list.h : 0);
    for (int i = 0; i < d->list.h && d->top + i < d->shown_count; i++)
        draw_row(ui, d->top + i, d->list.y + i);
    draw_scroll(ui->screen, d->list.y, in.x + in.w + DIALOG_MARGIN, d->list.h, d->top,
                d->shown_count, true);
    if (d->shown_count == 0)
        draw_text(ui->screen, d->list.y, in.x + 1, in.w - 2, ROLE_DIM,
                  d->count ? "nothing has these words" : "nothing to choose from");
    dialog_hints(ui, in, d->kind == LIST ? list : marks, d->kind == LIST ? 4 : 6);
    char place[40];
    if (d->kind == MARKS)
        snprintf(place, sizeof place, "%d/%d marked", d->marks, d->most);
    else
        snprintf(place, sizeof place, "%d/%d", d->shown_count ? d->row + 1 : 0, d->shown_count);
    draw_right(ui->screen, in.y + in.h - 1, in.x + in.w - 16, 16, ROLE_DIM, place);
}

void dialog_draw(struct ui *ui, struct rect main)
{
    switch (ui->dialog->kind) {
    case ASK:
        draw_ask(ui, main);
        break;
    case LINE:
        draw_line(ui, main);
        break;
    case LIST:
    case MARKS:
        draw_rows(ui, main);
        break;
    case OTHER:
        ui->dialog->ops->draw(ui, ui->dialog->own, main);
        break;
    }
}
