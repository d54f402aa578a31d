/* The preset picker: row 0 is none, the others are config.ini's. */
#include <stdio.h>
#include <string.h>

#include "ui/studio.h"

/* What a preset says, in few words: "40 steps  cfg 9", or as much of it as `columns` hold. */
static void describe(const struct ui *ui, int row, int columns, char *out, size_t size)
{
    struct settings s = {0};
    size_t n = 0;
    *out = '\0';
    if (row == 0)
        return;
    if (config_preset(&ui->config, ui->config.presets[row - 1].name, &s, NULL) == 0) {
        if (settings_has(&s, "steps"))
            n += (size_t)snprintf(out + n, size - n, "%d steps  ", s.steps);
        if (settings_has(&s, "cfg"))
            n += (size_t)snprintf(out + n, size - n, "cfg %g  ", s.cfg);
        if (settings_has(&s, "batch") && s.batch > 1)
            n += (size_t)snprintf(out + n, size - n, "%d at once  ", s.batch);
        if (!n && settings_has(&s, "prompt"))
            n = (size_t)snprintf(out, size, "words  ");
    }
    for (; n > 0; n--) { /* ends behind a word group: before two spaces */
        bool end = n > 1 && out[n - 1] == ' ' && out[n - 2] == ' ';
        if (end && text_columns(out, n - 2) <= columns)
            break;
    }
    out[n > 0 ? n - 2 : 0] = '\0';
    settings_free(&s);
}

/* What the chosen preset is for, in the last rows; returns what is left of the area. */
static struct rect draw_about(struct ui *ui, struct rect in, int row)
{
    enum { ROWS = 4, LEAST = 5 };
    const char *about = row ? ui->config.presets[row - 1].about : "the model's own settings";
    if (in.h < LEAST + ROWS + 1)
        return in;
    in.h -= ROWS + 1;
    draw_hline(ui->screen, in.y + in.h, in.x, in.w, ROLE_BORDER);
    draw_wrapped(ui->screen, (struct rect){in.y + in.h + 1, in.x + 1, ROWS, in.w - 2}, ROLE_DIM,
                 about ? about : "");
    return in;
}

void presets_draw(struct ui *ui, struct rect r)
{
    struct studio *st = ui->studio;
    bool focus = st->focus == FOCUS_PRESETS;
    struct rect in = draw_box(ui->screen, r, "Preset", focus);
    int count = ui->config.count + 1, chosen = 0;
    for (int i = 0; i < ui->config.count; i++)
        if (!strcmp(ui->config.presets[i].name, st->preset))
            chosen = i + 1;
    if (focus)
        in = draw_about(ui, in, st->preset_row);
    st->preset_rows = in.h;
    st->preset_top = list_top(st->preset_top, focus ? st->preset_row : chosen, in.h, count);
    for (int i = 0; i < in.h && st->preset_top + i < count; i++) {
        int row = st->preset_top + i;
        bool here = focus && row == st->preset_row;
        enum role bg = here ? ROLE_SELECT : ROLE_TEXT;
        char text[200];
        if (here)
            draw_fill(ui->screen, (struct rect){in.y + i, in.x, 1, in.w}, ROLE_SELECT);
        const char *name = row ? ui->config.presets[row - 1].name : "none";
        const char *mark = row == chosen ? (screen_utf8(ui->screen) ? "●" : "*") : " ";
        draw_on(ui->screen, in.y + i, in.x + 1, 1, ROLE_ACCENT, bg, mark);
        int used = draw_on(ui->screen, in.y + i, in.x + 3, in.w - 4,
                           row == chosen ? ROLE_STRONG : ROLE_TEXT, bg, name);
        describe(ui, row, in.w - 6 - used, text, sizeof text);
        draw_on(ui->screen, in.y + i, in.x + 5 + used, in.w - 6 - used, ROLE_DIM, bg, text);
    }
    draw_scroll(ui->screen, in.y, r.x + r.w - 1, in.h, st->preset_top, count, focus);
}

bool presets_act(struct ui *ui, enum action a)
{
    struct studio *st = ui->studio;
    if (list_step(a, 5, ui->config.count, &st->preset_row))
        return true;
    switch (a) {
    case ACT_PRESET_USE:
        studio_choose_preset(ui, st->preset_row);
        return true;
    case ACT_PRESET_MARK:
        compare_start(ui);
        return true;
    default:
        return false;
    }
}

void presets_click(struct ui *ui, const struct input_event *in)
{
    struct studio *st = ui->studio;
    int line = in->y - st->at.presets.y - 1, row = line + st->preset_top;
    if (in->what == MOUSE_WHEEL_UP || in->what == MOUSE_WHEEL_DOWN)
        presets_act(ui, in->what == MOUSE_WHEEL_UP ? ACT_UP : ACT_DOWN);
    else if (in->what == MOUSE_DOWN && in->button == 1 && row >= 0 && row <= ui->config.count &&
             line < st->preset_rows)
        studio_choose_preset(ui, row);
}
