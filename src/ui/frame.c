/* The top line (views, model), the bottom line (a message, or keys that matter here), and what lies
 * over the views. */
#include "ui/frame.h"

#include <stdio.h>
#include <string.h>

#include "ui/dialog.h"
#include "ui/studio.h"

static const enum action view_action[VIEWS] = {ACT_STUDIO, ACT_COMPARE, ACT_GALLERY, ACT_MONITOR,
                                               ACT_FINISH};

/* ---- the top line ---- */

enum { TABS_AT = 10, KEY_W = 4 /* " F2 " */ };

/* How wide the tab of a view is: where not all names fit, only the current view has its own. */
static int tab_width(const struct ui *ui, int view)
{
    int all = TABS_AT;
    for (int i = 0; i < VIEWS; i++)
        all += (int)strlen(ui_views[i]->name) + KEY_W + 2;
    bool named = all <= screen_cols(ui->screen) || (int)ui->view == view;
    return KEY_W + (named ? (int)strlen(ui_views[view]->name) + 1 : 0);
}

/* Where the tab of a view stands: column and width. */
static void tab_at(const struct ui *ui, int view, int *x, int *w)
{
    *x = TABS_AT;
    for (int i = 0; i <= view; i++) {
        *w = tab_width(ui, i);
        if (i < view)
            *x += *w + 1;
    }
}

static void memory_text(const struct ui *ui, char *out, size_t size)
{
    const struct live *l = &ui->live;
    *out = '\0';
    if (l->samples_seen)
        text_bytes((double)l->sample[(l->samples_seen - 1) % LIVE_SAMPLES].own, out, size);
}

static void model_text(const struct ui *ui, char *out, size_t size)
{
    const struct live *l = &ui->live;
    char bytes[32];
    memory_text(ui, bytes, sizeof bytes);
    if (l->loading)
        snprintf(out, size, "loading %.40s", l->model);
    else if (l->ready)
        snprintf(out, size, "%.40s  %s %s  %s", l->model, l->device, l->precision, bytes);
    else
        snprintf(out, size, "%s", bytes);
}

static void draw_top(struct ui *ui, struct rect r)
{
    char text[160];
    int x = 0, w = 0, end = 0;
    draw_fill(ui->screen, r, ROLE_BAR);
    draw_text(ui->screen, r.y, r.x + 1, 8, ROLE_BAR_STRONG, "spritty");
    for (int i = 0; i < VIEWS; i++) {
        const struct key_row *k = keys_of(view_action[i]);
        enum role role = (int)ui->view == i ? ROLE_BAR_STRONG : ROLE_BAR;
        tab_at(ui, i, &x, &w);
        snprintf(text, sizeof text, " %s %s%s", k->key, w > KEY_W ? ui_views[i]->name : "",
                 w > KEY_W ? " " : "");
        draw_text(ui->screen, r.y, r.x + x, w, role, text);
        end = x + w;
    }
    model_text(ui, text, sizeof text);
    int columns = text_columns(text, strlen(text));
    if (end + columns >= r.w)
        memory_text(ui, text, sizeof text);
    draw_right(ui->screen, r.y, r.x + end, r.w - end - 1, ROLE_BAR, text);
}

bool frame_mouse(struct ui *ui, const struct input_event *in)
{
    int x, w;
    if (in->y != 0)
        return false;
    for (int i = 0; i < VIEWS && in->what == MOUSE_DOWN; i++) {
        tab_at(ui, i, &x, &w);
        if (in->x >= x && in->x < x + w)
            ui_view(ui, (enum view)i);
    }
    return true;
}

/* ---- the bottom line ---- */

enum { HINTS = 13 };

/* What is worth a hint, by context: the first context in force that has some. */
static const struct {
    unsigned context;
    enum action actions[HINTS];
    const char *words[HINTS];
} hints[] = {
    {CTX_MASK,
     {ACT_MASK_CORNER, ACT_MASK_KEEP, ACT_MASK_INVERT, ACT_MASK_GROW, ACT_MASK_SHRINK,
      ACT_MASK_UNDO, ACT_ACCEPT, ACT_BACK},
     {"corner", "keep", "invert", "grow", "shrink", "undo", "take it", "close"}},
    {CTX_DIALOG, {ACT_ACCEPT, ACT_BACK}, {"go there", "close the search"}},
    {CTX_HELP, {ACT_BACK, ACT_PAGE_DOWN}, {"close", "more"}},
    {CTX_PROMPT,
     {ACT_RUN, ACT_NEXT_PANEL, ACT_PRESET_NEXT, ACT_HISTORY, ACT_SEED_LOCK, ACT_NEWLINE},
     {"make", "next panel", "preset", "history", "lock seed", "new line"}},
    {CTX_PRESETS,
     {ACT_PRESET_USE, ACT_PRESET_FIND, ACT_PRESET_SAVE, ACT_PRESET_DELETE, ACT_COMPARE_THIS,
      ACT_NEXT_PANEL, ACT_BACK},
     {"use", "find", "save what is set", "delete", "compare", "next panel", "prompt"}},
    {CTX_SETTINGS,
     {ACT_VALUE_LESS, ACT_VALUE_MORE, ACT_VALUE_EDIT, ACT_VALUE_RESET, ACT_VALUE_FIND, ACT_BACK},
     {"less", "more", "change", "reset", "find", "prompt"}},
    {CTX_QUEUE,
     {ACT_JOB_AGAIN, ACT_JOB_EDIT, ACT_JOB_CANCEL, ACT_JOB_EARLIER, ACT_JOB_LATER, ACT_CANCEL_ALL,
      ACT_BACK},
     {"again", "edit", "cancel", "up", "down", "cancel all", "prompt"}},
    {CTX_COMPARE,
     {ACT_CMP_NEW, ACT_CMP_GRID, ACT_CMP_WIN, ACT_CMP_DIFF, ACT_CMP_PROMPT, ACT_CMP_SEED,
      ACT_CMP_EXPORT},
     {"new", "grid", "winner", "difference", "prompt", "seed", "export"}},
    {CTX_SPRITE,
     {ACT_GAL_USE_ALL, ACT_GAL_USE_PROMPT, ACT_GAL_USE_SEED, ACT_GAL_FINISH, ACT_GAL_PLAY,
      ACT_GAL_SHEET, ACT_GAL_USE_IMAGE, ACT_GAL_EXPORT, ACT_GAL_RATE, ACT_GAL_TAG, ACT_GAL_TRASH,
      ACT_GAL_USE_CONTROL, ACT_BACK},
     {"use all", "prompt", "seed", "finish", "play", "sheet", "image", "workflow", "rate", "tag",
      "trash", "edges", "back"}},
    {CTX_GALLERY,
     {ACT_GAL_OPEN, ACT_GAL_SEARCH, ACT_GAL_MARK, ACT_GAL_SHEET, ACT_GAL_PLAY, ACT_GAL_USE_ALL,
      ACT_GAL_FINISH, ACT_GAL_RATE, ACT_GAL_TAG, ACT_GAL_TRASH, ACT_GAL_TRASHED, ACT_GAL_USE_IMAGE,
      ACT_GAL_USE_CONTROL},
     {"open", "search", "mark", "sheet", "play", "use all", "finish", "rate", "tag", "trash",
      "see the trash", "image", "edges"}},
    {CTX_FINISH,
     {ACT_FIN_TOGGLE, ACT_FIN_MORE, ACT_FIN_BEFORE, ACT_FIN_UNDO, ACT_FIN_SAVE, ACT_FIN_PRESET,
      ACT_FIN_USE, ACT_BACK},
     {"on, off", "change", "before", "undo", "save", "preset", "use", "back"}},
    {CTX_MONITOR, {ACT_MON_PROFILE, ACT_STUDIO}, {"profile", "studio"}},
    {CTX_STUDIO, {ACT_RUN, ACT_BACK}, {"accept", "back"}},
    {CTX_TEXT, {ACT_BACK}, {"back"}},
};

/* Key and word at x; returns the column behind them, or x when they do not fit before `end`. */
static int draw_hint(struct ui *ui, int y, int x, int end, enum action a, const char *word)
{
    char key[32];
    keys_hint(a, key, sizeof key);
    int w = text_columns(key, strlen(key)) + 1 + (int)strlen(word);
    if (x + w >= end)
        return x;
    int used = draw_on(ui->screen, y, x, w, ROLE_KEY, ROLE_BAR, key) + 1;
    used += draw_on(ui->screen, y, x + used, w - used, ROLE_BAR, ROLE_BAR, word);
    return x + used + 2;
}

/* What a key does here and now; NULL: nothing, so that it is not worth a hint. */
static const char *hint_word(const struct ui *ui, unsigned context, enum action a, const char *word)
{
    switch (context) {
    case CTX_HELP:
        return a == ACT_PAGE_DOWN && !help_goes_on(ui) ? NULL : word;
    case CTX_PRESETS:
        return presets_hint(ui, a, word);
    case CTX_SETTINGS:
        return settings_hint(ui, a, word);
    case CTX_QUEUE:
        return jobs_hint(ui, a, word);
    case CTX_COMPARE:
        return compare_hint(ui, a, word);
    case CTX_GALLERY:
        return gallery_hint(ui, a, word);
    case CTX_FINISH:
        return finish_hint(ui, word);
    default:
        return word;
    }
}

/* The way out and help stand at the right end, whatever else has room. */
static void draw_hints(struct ui *ui, struct rect r)
{
    enum { HELP_WIDTH = 9 };
    unsigned now = ui_contexts(ui);
    size_t row = 0, count = sizeof hints / sizeof *hints;
    int x = r.x + 1, end = r.x + r.w - (ui->dialog || ui->help ? 0 : HELP_WIDTH);
    if (end < r.x + r.w)
        draw_hint(ui, r.y, end + 1, r.x + r.w + 1, ACT_HELP, "help");
    while (row < count && !(hints[row].context & now))
        row++;
    if (ui->dialog && row < count && hints[row].context == CTX_DIALOG)
        return; /* its box says them */
    for (int i = 0; row < count && i < HINTS && hints[row].actions[i]; i++) {
        int back = 5 + (int)strlen(hints[row].words[i]); /* "Esc " */
        if (hints[row].actions[i] == ACT_BACK && end - back > x) {
            end -= back + 1;
            draw_hint(ui, r.y, end + 1, r.x + r.w, ACT_BACK, hints[row].words[i]);
        }
    }
    for (int i = 0; row < count && i < HINTS && hints[row].actions[i]; i++) {
        enum action a = hints[row].actions[i];
        const char *word = hint_word(ui, hints[row].context, a, hints[row].words[i]);
        if (word && a != ACT_BACK)
            x = draw_hint(ui, r.y, x, end, a, word);
    }
}

int draw_wrapped(struct screen *screen, struct rect r, enum role role, const char *text)
{
    struct editor *wrap = editor_new(true);
    struct editor_row line;
    int rows = 0;
    if (!wrap || r.w < 4)
        r.h = 0;
    else
        editor_set(wrap, text);
    for (; rows < r.h && editor_row(wrap, rows, r.w, &line); rows++) {
        struct editor_row next;
        bool cut = rows == r.h - 1 && editor_row(wrap, rows + 1, r.w, &next);
        size_t end = cut ? editor_len(wrap) : line.end; /* what does not fit ends in an ellipsis */
        if (screen)
            draw_textn(screen, r.y + rows, r.x, r.w, role, editor_text(wrap) + line.start,
                       end - line.start);
    }
    editor_free(wrap);
    return rows;
}

/* A message too long for the line takes some above it: its end says what to do. */
static void draw_status(struct ui *ui, struct rect r)
{
    enum { MOST = 4 };
    int rows = draw_wrapped(NULL, (struct rect){0, 0, MOST, r.w - 2}, ROLE_TEXT, ui->status);
    if (rows > 1 && r.y >= rows) {
        r = (struct rect){r.y - rows + 1, r.x, rows, r.w};
        draw_cover(ui->screen, r);
        draw_fill(ui->screen, r, ROLE_BAR);
        draw_wrapped(ui->screen, (struct rect){r.y, r.x + 1, rows, r.w - 2}, ui->status_role,
                     ui->status);
    } else {
        draw_on(ui->screen, r.y, r.x + 1, r.w - 2, ui->status_role, ROLE_BAR, ui->status);
    }
}

static void draw_bottom(struct ui *ui, struct rect r)
{
    draw_fill(ui->screen, r, ROLE_BAR);
    if (*ui->status)
        draw_status(ui, r);
    else
        draw_hints(ui, r);
}

/* ---- all of it ---- */

/* The sizes come first: they are read even where the rest has no room. */
static void draw_too_small(struct ui *ui, int rows, int cols)
{
    char text[160];
    snprintf(text, sizeof text,
             "%dx%d is too small: spritty needs %d columns and %d rows. Ctrl-Q quits.", cols, rows,
             LAYOUT_MIN_COLS, LAYOUT_MIN_ROWS);
    struct rect r = {rows > 4 ? rows / 2 - 2 : 0, 0, rows > 4 ? rows - rows / 2 + 2 : rows, cols};
    if (!draw_wrapped(ui->screen, r, ROLE_TEXT, text))
        draw_text(ui->screen, 0, 0, cols, ROLE_TEXT, text);
}

void frame_draw(struct ui *ui)
{
    int rows = screen_rows(ui->screen), cols = screen_cols(ui->screen);
    struct layout l = layout_frame(rows, cols);
    if (l.too_small) {
        draw_too_small(ui, rows, cols);
        return;
    }
    draw_top(ui, l.top);
    if (ui->help)
        help_draw(ui, l.main);
    else
        ui_views[ui->view]->draw(ui, l.main);
    draw_bottom(ui, l.bottom);
    if (ui->dialog)
        dialog_draw(ui, l.main);
}
