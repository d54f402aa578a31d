/* The prompt and the negative prompt: text, tokens, chunk borders, history. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ui/glyph.h"
#include "ui/studio.h"
#include "ui/prompt_marks.h"

enum { HISTORY = 500 };

static struct editor *which(const struct ui *ui, bool negative)
{
    return negative ? ui->studio->negative : ui->studio->prompt;
}

static int inner_width(struct rect r)
{
    return r.w > 6 ? r.w - 4 : 2;
}

/* ---- tokens ---- */

static void count_tokens(struct ui *ui)
{
    struct studio *st = ui->studio;
    const struct settings *now = &st->effective;
    struct token_rules rules = {now->compat ? now->compat : "comfyui", now->steps, 0};
    char as[sizeof st->counted_as];
    if (now->hires > 1 || now->hires_size[0] > 0)
        rules.hires_steps = now->hires_steps > 0 ? now->hires_steps : now->steps;
    snprintf(as, sizeof as, "%.15s %d %d", rules.compat, rules.steps, rules.hires_steps);
    if (!ui->live.tokens || (st->counted_any && st->counted == editor_version(st->prompt) &&
                             !strcmp(st->counted_as, as)))
        return;
    token_count(ui->live.tokens, &rules, editor_text(st->prompt), editor_len(st->prompt),
                &st->counts);
    memcpy(st->counted_as, as, sizeof as);
    st->counted = editor_version(st->prompt);
    st->counted_any = true;
}

/* "12/75", or with a difference between the encoders "12+14/75"; chunks when there are several. */
static void describe_tokens(const struct studio *st, int room, char *out, size_t size)
{
    const struct token_counts *c = &st->counts;
    char each[40], chunks[24] = "";
    if (c->tokens[0] == c->tokens[1])
        snprintf(each, sizeof each, "%d", c->tokens[0]);
    else
        snprintf(each, sizeof each, "L %d  G %d", c->tokens[0], c->tokens[1]);
    if (c->chunks > 1)
        snprintf(chunks, sizeof chunks, " in %d chunks", c->chunks);
    snprintf(out, size, " %s/%d tokens%s ", each, 75 * c->chunks, chunks);
    if (text_columns(out, strlen(out)) > room)
        snprintf(out, size, " %s/%d ", each, 75 * c->chunks);
}

/* ---- drawing ---- */

/* Marks for the whole text, worked out once a change; NULL without memory. */
static const uint8_t *marks_of(struct ui *ui, bool negative)
{
    struct prompt_marks *m = &ui->studio->marks[negative];
    const struct editor *ed = which(ui, negative);
    const char *compat = ui->studio->effective.compat;
    bool brackets = compat && !strcmp(compat, "a1111");
    if (m->any && m->version == editor_version(ed) && m->brackets == brackets)
        return m->mark;
    uint8_t *mark = realloc(m->mark, editor_len(ed) + 1);
    m->any = mark;
    if (!mark)
        return NULL;
    m->mark = mark;
    m->version = editor_version(ed);
    m->brackets = brackets;
    syntax_marks(editor_text(ed), editor_len(ed), brackets, mark);
    return mark;
}

static enum role role_of(uint8_t mark)
{
    static const enum role roles[] = {
        [SYNTAX_TEXT] = ROLE_FIELD,    [SYNTAX_WEIGHT] = ROLE_WEIGHT, [SYNTAX_NAME] = ROLE_NAME,
        [SYNTAX_CHOICE] = ROLE_CHOICE, [SYNTAX_BREAK] = ROLE_CHUNK,   [SYNTAX_BAD] = ROLE_BAD,
    };
    return roles[mark];
}

/* One row of text by what it means; where a chunk begins, its first character is marked. */
static void draw_row(struct ui *ui, int y, int x, int w, const char *text, struct editor_row row,
                     const uint8_t *marks, const struct token_counts *counts)
{
    int border = 0;
    draw_fill(ui->screen, (struct rect){y, x, 1, w}, ROLE_FIELD);
    for (size_t from = row.start, at = from; from < row.end; from = at) {
        enum role run = ROLE_COUNT;
        while (at < row.end) {
            struct glyph g;
            while (counts && border < counts->borders && counts->border[border] < at)
                border++;
            bool begins = counts && border < counts->borders && counts->border[border] == at;
            enum role role = begins ? ROLE_CHUNK : marks ? role_of(marks[at]) : ROLE_FIELD;
            if (run != ROLE_COUNT && role != run)
                break;
            run = role;
            at += glyph_next(text + at, row.end - at, &g);
        }
        int used = draw_textn(ui->screen, y, x, w, run, text + from, at - from);
        x += used, w -= used;
    }
}

static void draw_placeholder(struct ui *ui, struct rect in, bool negative)
{
    const struct studio *st = ui->studio;
    const char *text = !negative                 ? "a green slime with a crown"
                       : *st->effective_negative ? st->effective_negative
                                                 : "what should not be seen";
    draw_text(ui->screen, in.y, in.x + 1, in.w - 2, ROLE_DIM, text);
}

void prompt_draw(struct ui *ui, struct rect r, bool negative)
{
    struct studio *st = ui->studio;
    struct editor *ed = which(ui, negative);
    bool focus = st->focus == (negative ? FOCUS_NEGATIVE : FOCUS_PROMPT);
    int *top = negative ? &st->negative_top : &st->prompt_top;
    int width = inner_width(r), row, col;
    char tokens[100];
    struct rect in = draw_box(ui->screen, r, negative ? "Negative prompt" : "Prompt", focus);
    if (!negative && ui->live.tokens) {
        count_tokens(ui);
        int room = r.w - 14; /* beside the title */
        describe_tokens(st, room, tokens, sizeof tokens);
        draw_right(ui->screen, r.y, r.x + 12, room, ROLE_DIM, tokens);
    }
    editor_cursor_at(ed, width, &row, &col);
    int rows = editor_rows(ed, width);
    *top = focus ? list_top(*top, row, in.h, rows) : 0; /* at rest it is read from its start */
    draw_scroll(ui->screen, in.y, r.x + r.w - 1, in.h, *top, rows, focus);
    struct editor_row line;
    for (int i = 0; i < in.h && editor_row(ed, *top + i, width, &line); i++)
        draw_row(ui, in.y + i, in.x + 1, width, editor_text(ed), line, marks_of(ui, negative),
                 negative || !st->counted_any ? NULL : &st->counts);
    if (editor_len(ed) == 0)
        draw_placeholder(ui, in, negative);
    if (focus && !ui->dialog && !ui->help)
        screen_cursor(ui->screen, in.y + row - *top, in.x + 1 + col);
}

/* ---- history ---- */

static void use_history(struct ui *ui, const struct store_prompt *p)
{
    editor_set(ui->studio->prompt, p->words);
    editor_set(ui->studio->negative, p->negative ? p->negative : "");
}

static void chosen(struct ui *ui, int index, void *user)
{
    struct store_prompt *list;
    struct err e = {""};
    (void)user;
    int n = store_history(ui->store, "", HISTORY, &list, &e);
    if (n < 0) {
        ui_say(ui, ROLE_BAD, "%s", e.text);
        return;
    }
    if (index < n)
        use_history(ui, &list[index]);
    store_prompts_free(list, n);
}

void prompt_history(struct ui *ui)
{
    struct store_prompt *list;
    struct err e = {""};
    int n = store_history(ui->store, "", HISTORY, &list, &e);
    if (n <= 0) {
        ui_say(ui, n < 0 ? ROLE_BAD : ROLE_DIM, "%s", n < 0 ? e.text : "no prompts yet");
        return;
    }
    const char **rows = calloc((size_t)n, sizeof *rows);
    char(*text)[200] = calloc((size_t)n, sizeof *text);
    for (int i = 0; rows && text && i < n; i++) {
        one_line(list[i].words, text[i], sizeof text[i]);
        rows[i] = text[i];
    }
    if (rows && text)
        dialog_list(ui, "Prompts of before", rows, n, 0, chosen, NULL);
    free(rows);
    free(text);
    store_prompts_free(list, n);
}

/* One step back (1) or forward (-1); step 0 is what was being written. */
static void walk_history(struct ui *ui, int by)
{
    struct studio *st = ui->studio;
    struct store_prompt *list;
    int to = st->history_at + by;
    if (to < 0)
        return;
    int n = store_history(ui->store, "", HISTORY, &list, NULL);
    if (n < 0)
        return;
    if (to > 0 && to <= n) {
        for (int i = 0; i < 2 && st->history_at == 0; i++) {
            free(st->draft[i]);
            st->draft[i] = strdup(editor_text(which(ui, i)));
        }
        use_history(ui, &list[to - 1]);
        st->history_at = to;
    } else if (to == 0) {
        for (int i = 0; i < 2; i++)
            editor_set(which(ui, i), st->draft[i] ? st->draft[i] : "");
        st->history_at = 0;
    }
    store_prompts_free(list, n);
}

/* ---- keys and mouse ---- */

static void weigh(struct ui *ui, bool negative, int by)
{
    struct editor *ed = which(ui, negative);
    size_t cursor;
    char *text = syntax_weigh(editor_text(ed), editor_cursor(ed), by, &cursor);
    if (text)
        editor_set_at(ed, text, cursor);
    free(text);
}

bool prompt_act(struct ui *ui, enum action a, bool negative)
{
    struct rect r = negative ? ui->studio->at.negative : ui->studio->at.prompt;
    switch (a) {
    case ACT_HISTORY:
        prompt_history(ui);
        return true;
    case ACT_WEIGHT_MORE:
    case ACT_WEIGHT_LESS:
        weigh(ui, negative, a == ACT_WEIGHT_MORE ? 1 : -1);
        return true;
    case ACT_HISTORY_PREV:
        walk_history(ui, 1);
        return true;
    case ACT_HISTORY_NEXT:
        walk_history(ui, -1);
        return true;
    default:
        return editor_act(which(ui, negative), a, inner_width(r));
    }
}

void prompt_click(struct ui *ui, const struct input_event *in, bool negative)
{
    struct studio *st = ui->studio;
    struct rect r = negative ? st->at.negative : st->at.prompt;
    int top = negative ? st->negative_top : st->prompt_top;
    if (in->what == MOUSE_DOWN && in->button == 1)
        editor_click(which(ui, negative), in->y - r.y - 1 + top, in->x - r.x - 2, inner_width(r));
    else if (in->what == MOUSE_WHEEL_UP || in->what == MOUSE_WHEEL_DOWN)
        editor_act(which(ui, negative), in->what == MOUSE_WHEEL_UP ? ACT_LINE_UP : ACT_LINE_DOWN,
                   inner_width(r));
}
