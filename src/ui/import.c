/*
 * Import: what a file of ComfyUI, A1111 or our own says, before it is taken: prompt, settings, and
 * what is not honoured. Enter takes it into the studio, s keeps it as a preset. The file is read
 * beside the terminal's thread.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fileio.h"
#include "import/source.h"
#include "import/write_preset.h"
#include "ui/dialog.h"
#include "ui/errand.h"
#include "ui/pick.h"
#include "ui/studio.h"

enum { WIDTH = 84, MAX_ROWS = 300, LABEL = 14 };

struct import_errand {
    struct errand errand; /* first */
    char path[PATH_MAX];
    struct recipe recipe;
    struct settings settings;
    int rc;
    struct err why;
};

struct import_row {
    const char *label; /* "" for more of the same */
    enum role role;
    char *text;
};

struct import_dialog {
    char title[200], name[64];
    struct settings settings; /* without the prompt */
    char *words;
    struct import_row row[MAX_ROWS];
    struct listbox list;
    int count;
};

/* ---- rows ---- */

static void add_line(struct import_dialog *d, const char *label, enum role role, const char *text,
                     size_t len)
{
    if (d->count == MAX_ROWS)
        return;
    d->row[d->count] = (struct import_row){label, role, strndup(text, len)};
    d->count += d->row[d->count].text != NULL;
    d->list.count = d->count;
}

/* Over as many rows as it needs. */
static void add_text(struct import_dialog *d, const char *label, enum role role, const char *text)
{
    struct editor *wrap = editor_new(true);
    struct editor_row line;
    char said[1000];
    if (role == ROLE_WARN) { /* a message */
        settings_in_app(text, said, sizeof said);
        text = said;
    }
    if (wrap)
        editor_set(wrap, text);
    for (int i = 0; wrap && i < 40 && editor_row(wrap, i, WIDTH - LABEL - 2, &line); i++)
        add_line(d, i ? "" : label, role, editor_text(wrap) + line.start, line.end - line.start);
    editor_free(wrap);
}

static void add_settings(struct import_dialog *d)
{
    char *value = malloc(RECIPE_MAX_TEXT + 64);
    for (int i = 0; value && settings_key(i); i++) {
        const struct settings_key *k = settings_key(i);
        if (!settings_has(&d->settings, k->name))
            continue;
        settings_print(&d->settings, k->name, value, RECIPE_MAX_TEXT + 64);
        add_text(d, k->label, ROLE_TEXT, value);
    }
    free(value);
}

/* A model that is not here is left out, and said: all else can still be used. */
static void check_model(struct import_dialog *d)
{
    struct settings now = {0};
    struct err e = {""};
    char text[400];
    int rc = engine_settle(&d->settings, NULL, &now, &e);
    settings_free(&now);
    if (rc == 0)
        return;
    add_text(d, "note", ROLE_WARN, e.text);
    if (settings_has(&d->settings, "model")) {
        snprintf(text, sizeof text, "model %.200s is left out; yours stays. F7 downloads models",
                 d->settings.model);
        settings_unset(&d->settings, "model");
        add_text(d, "", ROLE_WARN, text);
    }
}

/* The same of its VAE, refiner and ControlNet: every job would stop at them. */
static bool check_part(struct import_dialog *d, const char *key, const char *then)
{
    struct err e = {""};
    char text[400];
    if (engine_missing_part(&d->settings, key, &e) == 0)
        return false;
    add_text(d, "note", ROLE_WARN, e.text);
    snprintf(text, sizeof text, "%s %.200s is left out; %s", key, settings_text(&d->settings, key),
             then);
    settings_unset(&d->settings, key);
    add_text(d, "", ROLE_WARN, text);
    return true;
}

/* Pictures are what the job is about: they are not left out. */
static void check_picture(struct import_dialog *d, const char *key)
{
    struct err e = {""};
    if (engine_missing_part(&d->settings, key, &e))
        add_text(d, "note", ROLE_WARN, e.text);
}

static void add_missing(void *user, const char *line)
{
    add_text(user, "note", ROLE_WARN, line);
}

static struct import_dialog *dialog_of(struct import_errand *w)
{
    struct import_dialog *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    snprintf(d->title, sizeof d->title, "Import from %.30s: %.140s",
             w->recipe.source ? w->recipe.source : "a file", file_name_of(w->path));
    preset_name_from(w->path, d->name);
    d->settings = w->settings;
    w->settings = (struct settings){0};
    const char *words = settings_text(&d->settings, "prompt");
    d->words = strdup(words ? words : "");
    settings_unset(&d->settings, "prompt");
    settings_unset(&d->settings, "output");
    if (d->words && *d->words)
        add_text(d, "prompt", ROLE_STRONG, d->words);
    add_settings(d);
    check_model(d);
    check_part(d, "vae", "the model's own decodes");
    check_part(d, "refiner", "the model does all steps");
    if (check_part(d, "control", "nothing follows its picture"))
        settings_unset(&d->settings, "control-image");
    check_picture(d, "image");
    check_picture(d, "mask");
    check_picture(d, "control-image");
    engine_missing_loras(&d->settings, d->words, add_missing, d);
    for (int i = 0; i < w->recipe.notes; i++)
        add_text(d, "not honoured", ROLE_WARN, w->recipe.note[i]);
    if (w->recipe.untold)
        add_text(d, "", ROLE_WARN, "and more");
    return d;
}

static void drop(void *own)
{
    struct import_dialog *d = own;
    for (int i = 0; i < d->count; i++)
        free(d->row[i].text);
    settings_free(&d->settings);
    free(d->words);
    free(d);
}

/* ---- the dialog ---- */

static void draw(struct ui *ui, void *own, struct rect main)
{
    static const char *const hints[] = {"Enter", "into the studio", "s", "save as a preset", "Esc",
                                        "close"};
    struct import_dialog *d = own;
    int rows = d->count < main.h - 8 ? d->count : main.h - 8;
    struct rect in = dialog_frame(ui, main, d->title, rows + 2, WIDTH);
    listbox_place(ui, &d->list, (struct rect){in.y, in.x, in.h - 2, in.w}, in);
    for (int i = 0; i < d->list.at.h && d->list.top + i < d->count; i++) {
        const struct import_row *r = &d->row[d->list.top + i];
        draw_text(ui->screen, in.y + i, in.x, LABEL - 1, ROLE_DIM, r->label);
        draw_text(ui->screen, in.y + i, in.x + LABEL, in.w - LABEL, r->role, r->text);
    }
    dialog_hints(ui, in, hints, 6);
}

static void take(struct ui *ui, struct import_dialog *d)
{
    studio_clear(ui);
    studio_use(ui, d->words, "", &d->settings);
    ui_view(ui, VIEW_STUDIO);
    ui_say(ui, ROLE_TEXT, "imported; Enter makes it");
    dialog_close(ui);
}

/* A view of many rows: keys scroll it, no row is chosen. */
static bool act(struct ui *ui, void *own, enum action a)
{
    struct import_dialog *d = own;
    ui_dirty(ui);
    if (a == ACT_ACCEPT)
        take(ui, d);
    else if (a == ACT_BACK)
        dialog_close(ui);
    else if (a == ACT_UP || a == ACT_DOWN)
        d->list.row = a == ACT_UP ? d->list.top - 1 : d->list.top + d->list.at.h;
    else
        return listbox_act(&d->list, a);
    return true;
}

static void type(struct ui *ui, void *own, const struct input_event *in)
{
    struct import_dialog *d = own;
    if (in->kind != INPUT_TEXT || in->len != 1 || (*in->text != 's' && *in->text != 'S'))
        return;
    preset_save(ui, d->name, d->words, &d->settings);
}

static void mouse(struct ui *ui, void *own, const struct input_event *in)
{
    if (in->what == MOUSE_WHEEL_UP || in->what == MOUSE_WHEEL_DOWN)
        act(ui, own, in->what == MOUSE_WHEEL_UP ? ACT_UP : ACT_DOWN);
}

static unsigned contexts(const struct ui *ui, const void *own)
{
    (void)ui;
    (void)own;
    return CTX_DIALOG;
}

static const struct dialog_ops ops = {
    .contexts = contexts, .draw = draw, .act = act, .type = type, .mouse = mouse, .free = drop};

/* ---- reading ---- */

static void read_file(struct work *work)
{
    struct import_errand *w = (struct import_errand *)work;
    w->rc = import_file(w->path, &w->recipe, &w->why) ||
                    recipe_settle(&w->recipe, &w->settings, &w->why)
                ? -1
                : 0;
}

static void start_from(struct ui *ui, void *user)
{
    char *path = user;
    if (path)
        settings_say(ui, "image", path);
    free(path);
    ui_view(ui, VIEW_STUDIO);
}

static void read_done(struct ui *ui, struct errand *e)
{
    struct import_errand *w = (struct import_errand *)e;
    char question[400];
    struct png_file png;
    if (w->rc == 0) {
        dialog_open(ui, &ops, dialog_of(w));
        return;
    }
    /* A picture that tells nothing can still be started from. */
    if (file_fits(FILE_IMAGE, file_name_of(w->path)) && !png_load(w->path, false, &png, NULL)) {
        png_file_free(&png);
        snprintf(question, sizeof question,
                 "%.100s does not tell how it was made. Start from the picture itself "
                 "(image to image)?",
                 file_name_of(w->path));
        dialog_ask(ui, question, start_from, strdup(w->path));
        dialog_owns(ui, free);
        return;
    }
    ui_say(ui, ROLE_BAD, "%s", w->why.text);
}

static void errand_free(struct errand *e)
{
    struct import_errand *w = (struct import_errand *)e;
    recipe_free(&w->recipe);
    settings_free(&w->settings);
    free(w);
}

void import_open(struct ui *ui, const char *path)
{
    struct import_errand *w = calloc(1, sizeof *w);
    if (!w)
        return;
    w->errand = (struct errand){.work = {.run = read_file}, .done = read_done, .free = errand_free};
    snprintf(w->path, sizeof w->path, "%s", path);
    errand_send(ui, &w->errand);
}

static void picked(struct ui *ui, const char *path, void *user)
{
    (void)user;
    import_open(ui, path);
}

void import_ask(struct ui *ui)
{
    pick_file(ui, "Import: a picture, a ComfyUI workflow, A1111's parameters", FILE_RECIPE, "",
              picked, NULL);
}

bool import_pasted(struct ui *ui, const char *text)
{
    char path[PATH_MAX];
    struct stat st;
    if (!file_pasted(text, path) || !file_fits(FILE_RECIPE, file_name_of(path)) ||
        stat(path, &st) || !S_ISREG(st.st_mode))
        return false;
    import_open(ui, path);
    return true;
}
