/*
 * The file picker. What is typed is either words, which find among the files of folders that are
 * useful for the kind, newest first; or a path, which Tab completes, with the folder's content
 * below.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fileio.h"
#include "base/paths.h"
#include "ui/dialog.h"
#include "ui/pick.h"
#include "ui/words.h"

enum { WIDTH = 96, ROWS = 16, PICTURE_W = 30, WITH_PICTURE = 80, SLOT = 500 };

struct file_picker {
    char *title;
    enum file_kind kind;
    struct editor *text;
    int scroll;
    struct file_list files;
    bool path;                /* `files` are of a typed path */
    int shown[4 * FILES_MAX]; /* rows of `files` that fit the words */
    struct listbox list;
    void (*done)(struct ui *, const char *path, void *user);
    void *user;
};

/* ---- what is listed ---- */

static void add_place(struct file_picker *p, enum home place, const char *name)
{
    char folder[PATH_MAX];
    if (place_path(place, name, folder))
        files_add(&p->files, folder, p->kind, p->kind == FILE_FOLDER, "");
}

static void add_home(struct file_picker *p, const char *name)
{
    char folder[PATH_MAX];
    if (file_expand(name, folder))
        files_add(&p->files, folder, p->kind, p->kind == FILE_FOLDER, "");
}

static void list_useful(struct file_picker *p)
{
    char here[PATH_MAX];
    if (getcwd(here, sizeof here))
        files_add(&p->files, here, p->kind, p->kind == FILE_FOLDER, "");
    if (p->kind == FILE_WEIGHTS || p->kind == FILE_FOLDER) {
        add_place(p, PLACE_DATA, "models");
        add_place(p, PLACE_DATA, "vae");
        add_place(p, PLACE_DATA, "controlnets");
        add_place(p, PLACE_DATA, "");
    }
    if (p->kind == FILE_PALETTE)
        add_place(p, PLACE_DATA, "palettes");
    if (p->kind == FILE_IMAGE || p->kind == FILE_RECIPE)
        add_place(p, PLACE_DATA, "sprites");
    add_place(p, PLACE_DATA, p->kind == FILE_IMAGE ? "masks" : "imports");
    add_home(p, "~/Downloads");
    add_home(p, "~/Pictures");
    files_by_time(&p->files);
}

static void list_folder(struct file_picker *p, const char *typed)
{
    char folder[PATH_MAX];
    if (!file_expand(typed, folder))
        return;
    char *slash = strrchr(folder, '/');
    char prefix[NAME_MAX + 1] = "";
    if (slash) {
        snprintf(prefix, sizeof prefix, "%s", slash + 1);
        slash[1] = '\0';
        files_add(&p->files, folder, p->kind, true, prefix);
    }
    files_by_name(&p->files);
}

/* Reads what the typed text is about. Words only choose among what was read. */
static void relist(struct file_picker *p)
{
    const char *typed = editor_text(p->text);
    bool path = file_is_path(typed);
    char name[PATH_MAX + 1];
    if (path || p->path || !p->files.row) {
        files_free(&p->files);
        path ? list_folder(p, typed) : list_useful(p);
    }
    p->path = path;
    p->list.count = p->list.row = p->list.top = 0;
    for (int i = 0; i < p->files.count && i < (int)(sizeof p->shown / sizeof *p->shown); i++) {
        file_shorten(p->files.row[i].path, name, sizeof name);
        if (path || words_match(name, typed))
            p->shown[p->list.count++] = i;
    }
}

static const struct file_row *row_at(const struct file_picker *p, int i)
{
    return i >= 0 && i < p->list.count ? &p->files.row[p->shown[i]] : NULL;
}

/* ---- drawing ---- */

/* "slime.png      ~/.local/share/spritty/sprites    3 min ago" */
static void draw_file(struct ui *ui, const struct file_row *f, struct rect at, bool here)
{
    enum { AGE = 10 }; /* columns of "59 min ago": folders stand under each other */
    char path[PATH_MAX + 1], when[40];
    enum role bg = here ? ROLE_SELECT : ROLE_OVERLAY;
    draw_fill(ui->screen, at, bg);
    file_shorten(f->path, path, sizeof path);
    char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    char shown[PATH_MAX + 2];
    snprintf(shown, sizeof shown, "%s%s", name, f->folder ? "/" : "");
    text_ago(f->changed, (double)time(NULL), when, sizeof when);
    int age = text_columns(when, strlen(when)), w = at.w - 2 - (age > AGE ? age : AGE) - 2;
    int used = draw_on(ui->screen, at.y, at.x + 1, w, f->folder ? ROLE_ACCENT : ROLE_TEXT, bg,
                       shown);
    draw_on(ui->screen, at.y, at.x + at.w - 1 - age, age, ROLE_DIM, bg, when);
    int column = used + 2 > w / 2 ? used + 2 : w / 2;
    if (slash && !f->folder) {
        *slash = '\0';
        draw_on(ui->screen, at.y, at.x + 1 + column, w - column, ROLE_DIM, bg, path);
    }
}

/* The chosen picture at the right; returns what is left for the list. */
static struct rect draw_picture(struct ui *ui, const struct file_picker *p, struct rect in)
{
    const struct file_row *f = row_at(p, p->list.row);
    bool pictures = p->kind == FILE_IMAGE || p->kind == FILE_RECIPE;
    if (!pictures || in.w < WITH_PICTURE || in.h < 6)
        return in;
    in.w -= PICTURE_W + 2;
    if (!f || f->folder || !file_fits(FILE_IMAGE, file_name_of(f->path)))
        return in;
    struct thumb t = thumb_get(ui, f->path);
    struct rect at = {in.y, in.x + in.w + 2, in.h, PICTURE_W};
    if (t.image)
        draw_image_over(ui->screen, at, SLOT, t.image, t.serial);
    else if (t.broken)
        draw_text(ui->screen, at.y + at.h / 2, at.x + 4, at.w - 4, ROLE_DIM, "not a picture");
    return in;
}

static void draw(struct ui *ui, void *own, struct rect main)
{
    static const char *const hints[] = {"Enter",           "take it", "Tab",
                                        "complete a path", "Esc",     "close"};
    struct file_picker *p = own;
    char place[40];
    int rows = main.h - 8 < ROWS ? main.h - 8 : ROWS;
    struct rect in = dialog_frame(ui, main, p->title, rows + 4, WIDTH);
    struct rect field = {in.y, in.x, 1, in.w};
    dialog_field(ui, p->text, field, &p->scroll);
    dialog_field_for(ui, p->text, field, "words of its name, or a path: ~/...");
    listbox_place(ui, &p->list, draw_picture(ui, p, (struct rect){in.y + 2, in.x, in.h - 4, in.w}),
                  in);
    for (int i = 0; i < p->list.at.h && p->list.top + i < p->list.count; i++)
        draw_file(ui, row_at(p, p->list.top + i),
                  (struct rect){in.y + 2 + i, in.x, 1, p->list.at.w},
                  p->list.top + i == p->list.row);
    if (p->list.count == 0)
        draw_text(ui->screen, in.y + 2, in.x + 1, in.w - 2, ROLE_DIM,
                  p->path ? "nothing there begins so"
                  : editor_len(p->text) > 0
                      ? "no file here has these words; a path begins with / or ~"
                      : "there are none in the usual places: type a path");
    dialog_hints(ui, in, hints, 6);
    snprintf(place, sizeof place, "%d/%d", p->list.count ? p->list.row + 1 : 0, p->list.count);
    draw_right(ui->screen, in.y + in.h - 1, in.x + in.w - 12, 12, ROLE_DIM, place);
}

/* ---- keys ---- */

static void take(struct ui *ui, struct file_picker *p, const char *path)
{
    char copy[2 * PATH_MAX], here[PATH_MAX];
    void (*done)(struct ui *, const char *, void *) = p->done;
    void *user = p->user;
    bool whole = *path == '/' || !getcwd(here, sizeof here);
    snprintf(copy, sizeof copy, "%s%s%s", whole ? "" : here, whole ? "" : "/", path);
    dialog_close(ui);
    done(ui, copy, user);
}

static void enter_folder(struct file_picker *p, const char *path)
{
    char text[PATH_MAX + 2];
    file_shorten(path, text, sizeof text - 1);
    strcat(text, "/");
    editor_set(p->text, text);
    relist(p);
}

static void accept(struct ui *ui, struct file_picker *p)
{
    char path[PATH_MAX];
    struct stat st;
    const struct file_row *f = row_at(p, p->list.row);
    const char *typed = editor_text(p->text);
    bool there = p->path && file_expand(typed, path) && stat(path, &st) == 0;
    if (there && (p->kind == FILE_FOLDER ? S_ISDIR(st.st_mode) : S_ISREG(st.st_mode)))
        take(ui, p, path);
    else if (f && f->folder && p->kind != FILE_FOLDER)
        enter_folder(p, f->path);
    else if (f)
        take(ui, p, f->path);
    else
        ui_say(ui, ROLE_WARN, "there is no such file");
}

static bool act(struct ui *ui, void *own, enum action a)
{
    struct file_picker *p = own;
    char path[PATH_MAX];
    const struct file_row *f = row_at(p, p->list.row);
    if (a == ACT_ACCEPT) {
        accept(ui, p);
    } else if (a == ACT_BACK) {
        dialog_close(ui);
    } else if (a == ACT_NEXT_PANEL) { /* complete; from words: go to where the chosen file lies */
        if (p->path && file_complete(&p->files, editor_text(p->text), path))
            editor_set(p->text, path);
        else if (f && f->folder)
            enter_folder(p, f->path);
        else if (!p->path && f)
            file_shorten(f->path, path, sizeof path), editor_set(p->text, path);
        relist(p);
    } else if (a == ACT_FIRST || a == ACT_LAST) {
        editor_act(p->text, a == ACT_FIRST ? ACT_LINE_START : ACT_LINE_END, EDITOR_UNWRAPPED);
    } else if (!listbox_act(&p->list, a)) {
        unsigned long version = editor_version(p->text);
        if (!editor_act(p->text, a, EDITOR_UNWRAPPED))
            return false;
        if (editor_version(p->text) != version)
            relist(p);
    }
    ui_dirty(ui);
    return true;
}

static void type(struct ui *ui, void *own, const struct input_event *in)
{
    struct file_picker *p = own;
    char path[PATH_MAX];
    if (in->kind != INPUT_TEXT && in->kind != INPUT_PASTE)
        return;
    if (in->kind == INPUT_PASTE && file_pasted(in->text, path))
        editor_set(p->text, path);
    else
        editor_insert(p->text, in->text, in->len);
    relist(p);
    ui_dirty(ui);
}

static void mouse(struct ui *ui, void *own, const struct input_event *in)
{
    struct file_picker *p = own;
    if (listbox_click(&p->list, in))
        accept(ui, p);
}

static void drop(void *own)
{
    struct file_picker *p = own;
    files_free(&p->files);
    editor_free(p->text);
    free(p->title);
    free(p);
}

static const struct dialog_ops ops = {
    .draw = draw, .act = act, .type = type, .mouse = mouse, .free = drop};

void pick_file(struct ui *ui, const char *title, enum file_kind kind, const char *typed,
               void (*done)(struct ui *, const char *path, void *user), void *user)
{
    struct file_picker *p = calloc(1, sizeof *p);
    if (p)
        *p = (struct file_picker){.title = strdup(title),
                                  .kind = kind,
                                  .text = editor_new(false),
                                  .done = done,
                                  .user = user};
    if (p && p->title && p->text) {
        editor_set(p->text, typed);
        relist(p);
    } else if (p) {
        drop(p);
        p = NULL;
    }
    dialog_open(ui, &ops, p);
}
