/*
 * The LoRA picker: all that are there, Space takes one or gives it up, Left and Right change its
 * strength, with Shift that on the text encoders alone. Typing finds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ui/dialog.h"
#include "ui/lora_rows.h"
#include "ui/pick.h"
#include "ui/studio.h"
#include "ui/words.h"

enum { WIDTH = 76, ROWS = 16, STRENGTHS = 24 };

struct lora_picker {
    struct lora_rows rows;
    int *shown;
    struct editor *text;
    int scroll;
    struct listbox list;
    char key[32];
};

static void relist(struct lora_picker *p)
{
    p->list.count = p->list.row = p->list.top = 0;
    for (int i = 0; i < p->rows.count; i++)
        if (words_match(p->rows.at[i].name, editor_text(p->text)))
            p->shown[p->list.count++] = i;
}

static struct lora_row *row_at(struct lora_picker *p, int i)
{
    return i >= 0 && i < p->list.count ? &p->rows.at[p->shown[i]] : NULL;
}

/* ---- drawing ---- */

static void draw_row(struct ui *ui, const struct lora_row *r, struct rect at, bool here)
{
    char text[60];
    enum role bg = here ? ROLE_SELECT : ROLE_OVERLAY;
    draw_fill(ui->screen, at, bg);
    draw_on(ui->screen, at.y, at.x + 1, 1, r->used ? ROLE_ACCENT : ROLE_DIM, bg,
            r->used ? "●" : "○");
    draw_on(ui->screen, at.y, at.x + 3, at.w - 4 - STRENGTHS, r->used ? ROLE_STRONG : ROLE_TEXT, bg,
            r->name);
    if (r->unet == r->text)
        snprintf(text, sizeof text, "%.2f", r->unet);
    else
        snprintf(text, sizeof text, "unet %.2f  text %.2f", r->unet, r->text);
    int w = (int)strlen(text);
    if (r->used)
        draw_on(ui->screen, at.y, at.x + at.w - 1 - w, w, ROLE_STRONG, bg, text);
}

static void draw(struct ui *ui, void *own, struct rect main)
{
    static const char *const hints[] = {"Space",  "use",   "Left Right", "strength", "Shift",
                                        "text's", "Enter", "take it",    "Esc",      "close"};
    struct lora_picker *p = own;
    int rows = p->rows.count < ROWS ? p->rows.count + 1 : ROWS;
    rows = rows < main.h - 8 ? rows : main.h - 8;
    struct rect in = dialog_frame(ui, main, "LoRAs", rows + 4, WIDTH);
    draw_text(ui->screen, in.y, in.x, 6, ROLE_DIM, "Find");
    dialog_field(ui, p->text, (struct rect){in.y, in.x + 5, 1, in.w - 5}, &p->scroll);
    listbox_place(ui, &p->list, (struct rect){in.y + 2, in.x, in.h - 4, in.w}, in);
    for (int i = 0; i < p->list.at.h && p->list.top + i < p->list.count; i++)
        draw_row(ui, row_at(p, p->list.top + i), (struct rect){in.y + 2 + i, in.x, 1, in.w},
                 p->list.top + i == p->list.row);
    if (p->list.count == 0)
        draw_text(ui->screen, in.y + 2, in.x + 1, in.w - 2, ROLE_DIM,
                  p->rows.count ? "no LoRA has these words"
                                : "put .safetensors files into ~/.local/share/spritty/loras");
    dialog_hints(ui, in, hints, 10);
}

/* ---- keys ---- */

static void accept(struct ui *ui, struct lora_picker *p)
{
    char *text = lora_rows_text(&p->rows);
    if (!text)
        ui_say(ui, ROLE_BAD, "out of memory");
    else if (*text)
        settings_say(ui, p->key, text);
    else
        settings_reset(ui, p->key);
    free(text);
    dialog_close(ui);
}

static void toggle(struct lora_picker *p, int i)
{
    struct lora_row *r = row_at(p, i);
    if (r)
        r->used = !r->used;
}

static bool act(struct ui *ui, void *own, enum action a)
{
    struct lora_picker *p = own;
    struct lora_row *r = row_at(p, p->list.row);
    unsigned long version = editor_version(p->text);
    ui_dirty(ui);
    if (a == ACT_ACCEPT)
        accept(ui, p);
    else if (a == ACT_BACK)
        dialog_close(ui);
    else if (a == ACT_LEFT || a == ACT_RIGHT)
        r ? lora_row_step(r, a == ACT_LEFT ? -1 : 1, false) : (void)0;
    else if (!listbox_act(&p->list, a) && !editor_act(p->text, a, EDITOR_UNWRAPPED))
        return false;
    else if (editor_version(p->text) != version)
        relist(p);
    return true;
}

static void type(struct ui *ui, void *own, const struct input_event *in)
{
    struct lora_picker *p = own;
    struct lora_row *r = row_at(p, p->list.row);
    bool arrow = in->kind == INPUT_KEY && in->mods == MOD_SHIFT &&
                 (in->code == KC_LEFT || in->code == KC_RIGHT);
    if (arrow && r) {
        lora_row_step(r, in->code == KC_LEFT ? -1 : 1, true);
    } else if (in->kind == INPUT_TEXT && in->len == 1 && *in->text == ' ') {
        toggle(p, p->list.row);
    } else if (in->kind == INPUT_TEXT || in->kind == INPUT_PASTE) {
        editor_insert(p->text, in->text, in->len);
        relist(p);
    }
    ui_dirty(ui);
}

static void mouse(struct ui *ui, void *own, const struct input_event *in)
{
    struct lora_picker *p = own;
    int row = listbox_mouse(&p->list, in);
    (void)ui;
    if (row >= 0) {
        p->list.row = row;
        toggle(p, row);
    }
}

static void drop(void *own)
{
    struct lora_picker *p = own;
    lora_rows_free(&p->rows);
    editor_free(p->text);
    free(p->shown);
    free(p);
}

static const struct dialog_ops ops = {
    .draw = draw, .act = act, .type = type, .mouse = mouse, .free = drop};

void pick_loras(struct ui *ui, const char *key, const char *now)
{
    struct lora_picker *p = calloc(1, sizeof *p);
    struct err e = {"out of memory"};
    char **names = NULL;
    int count = engine_loras(&names);
    bool whole = p && (p->text = editor_new(false)) &&
                 !lora_rows_make(&p->rows, (const char *const *)names, count, now, &e) &&
                 (p->shown = calloc((size_t)p->rows.count + 1, sizeof *p->shown));
    for (int i = 0; i < count; i++)
        free(names[i]);
    free(names);
    if (!whole) {
        ui_say(ui, ROLE_BAD, "%s", e.text);
        if (p)
            drop(p);
        return;
    }
    snprintf(p->key, sizeof p->key, "%s", key);
    relist(p);
    dialog_open(ui, &ops, p);
}
