/* What the gallery's keys do with sprites: mark, rate, tag, trash, play, write, use. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ui/gallery_parts.h"

static void complain(struct ui *ui, const struct err *e)
{
    ui_say(ui, ROLE_BAD, "%s", e->text);
}

/* What a key is about: the marked ones, or else the chosen one; a sprite that is open by itself. */
static struct marks meant(struct ui *ui)
{
    const struct gallery *g = ui->gallery;
    const struct store_sprite *s = gallery_chosen(ui);
    if (g->marks.count && !g->open)
        return g->marks;
    return s ? (struct marks){{s->id}, 1} : (struct marks){.count = 0};
}

void gallery_mark(struct ui *ui)
{
    struct gallery *g = ui->gallery;
    const struct store_sprite *s = gallery_chosen(ui);
    if (s && !marks_toggle(&g->marks, s->id))
        ui_say(ui, ROLE_WARN, "%d are marked; no more than that can be", MARKS_MAX);
}

/* All that the search finds, the oldest first, as they were made. */
void gallery_mark_all(struct ui *ui)
{
    struct gallery *g = ui->gallery;
    struct store_sprite *list = NULL;
    struct err e = {""};
    int total = 0;
    if (g->marks.count) {
        g->marks.count = 0;
        return;
    }
    int n = store_find_sprites(ui->store, editor_text(g->query), g->trash, 0, MARKS_MAX, &list,
                               &total, &e);
    for (int i = n - 1; i >= 0; i--)
        marks_toggle(&g->marks, list[i].id);
    if (n < 0)
        complain(ui, &e);
    else if (total > n)
        ui_say(ui, ROLE_WARN, "the newest %d of %d are marked: no more than that can be", n, total);
    store_sprites_free(list, n);
}

void gallery_rate(struct ui *ui, int rating)
{
    struct marks of = meant(ui);
    struct err e = {""};
    for (int i = 0; i < of.count; i++)
        if (store_rate(ui->store, of.id[i], rating, &e))
            complain(ui, &e);
    ui->gallery->stale = true;
}

/* More tags behind those that a sprite has. */
static int add_tags(struct ui *ui, int64_t id, const char *text, struct err *e)
{
    struct store_sprite *one = NULL;
    char *all = NULL;
    int n = store_sprite(ui->store, id, &one, e), rc = n < 0 ? -1 : 0;
    const char *had = n == 1 && one->tags ? one->tags : "";
    if (!rc && asprintf(&all, "%s%s%s", had, *had && *text ? ", " : "", text) < 0) {
        all = NULL;
        rc = err_set(e, "out of memory");
    }
    rc = rc ? rc : store_tag(ui->store, id, all, e);
    free(all);
    store_sprites_free(one, n);
    return rc;
}

static void tags_said(struct ui *ui, const char *text, void *user)
{
    struct marks of = meant(ui);
    struct err e = {""};
    (void)user;
    for (int i = 0; i < of.count; i++)
        if (of.count > 1 ? add_tags(ui, of.id[i], text, &e)
                         : store_tag(ui->store, of.id[i], text, &e))
            complain(ui, &e);
    ui->gallery->stale = true;
}

void gallery_ask_tags(struct ui *ui)
{
    struct marks of = meant(ui);
    struct store_sprite *one = NULL;
    struct err e = {""};
    char title[80];
    if (of.count > 1) {
        snprintf(title, sizeof title, "More tags for the %d marked, with commas between them",
                 of.count);
        dialog_line(ui, title, "", tags_said, NULL);
    } else if (of.count == 1 && store_sprite(ui->store, of.id[0], &one, &e) == 1) {
        dialog_line(ui, "Tags, with commas between them", one->tags ? one->tags : "", tags_said,
                    NULL);
        store_sprites_free(one, 1);
    }
}

void gallery_trash(struct ui *ui)
{
    struct gallery *g = ui->gallery;
    struct marks of = meant(ui);
    struct err e = {""};
    bool failed = false, back = g->trash;
    if (!of.count)
        return;
    g->trashed.count = 0;
    for (int i = 0; i < of.count && !failed; i++) {
        failed = back ? store_untrash(ui->store, of.id[i], &e)
                      : store_trash(ui->store, of.id[i], &e);
        if (failed)
            continue;
        marks_drop(&g->marks, of.id[i]);
        if (!back)
            marks_toggle(&g->trashed, of.id[i]);
    }
    if (failed)
        complain(ui, &e);
    else if (of.count > 1)
        ui_say(ui, ROLE_TEXT,
               back ? "%d are back from the trash"
                    : "%d are in the trash: u takes them back, T shows the trash",
               of.count);
    else
        ui_say(ui, ROLE_TEXT,
               back ? "back from the trash" : "in the trash: u takes it back, T shows the trash");
    g->stale = true;
}

/* Those that were put there last; once. */
void gallery_untrash(struct ui *ui)
{
    struct gallery *g = ui->gallery;
    struct err e = {""};
    int n = g->trashed.count;
    bool failed = false;
    for (int i = 0; i < n && !failed; i++)
        failed = store_untrash(ui->store, g->trashed.id[i], &e) != 0;
    if (!n)
        ui_say(ui, ROLE_DIM, "nothing to take back");
    else if (failed)
        complain(ui, &e);
    else if (n > 1)
        ui_say(ui, ROLE_TEXT, "%d are back from the trash", n);
    else
        ui_say(ui, ROLE_TEXT, "back from the trash");
    g->trashed.count = 0;
    g->stale = true;
}

/* Those of its job that are not in the trash; without any, the sprite itself. */
static int job_sprites(struct ui *ui, const struct store_sprite *of, struct store_sprite **list,
                       struct err *e)
{
    struct store_sprite *all = NULL;
    struct marks there = {.count = 0};
    int n = of->job ? store_job_sprites(ui->store, of->job, &all, e) : 0;
    if (n < 0)
        return -1;
    for (int i = 0; i < n; i++)
        if (all[i].trashed <= 0)
            marks_toggle(&there, all[i].id);
    store_sprites_free(all, n);
    if (!there.count)
        marks_toggle(&there, of->id);
    return marks_sprites(&there, ui->store, list, e);
}

/* The sprites of a sheet or an animation: the marked ones, or what the job of the chosen one made.
 * The count; 0 after a word on the status line. */
static int frames(struct ui *ui, struct store_sprite **list)
{
    const struct gallery *g = ui->gallery;
    const struct store_sprite *s = gallery_chosen(ui);
    struct err e = {""};
    int n = g->marks.count && !g->open ? marks_sprites(&g->marks, ui->store, list, &e)
            : s                        ? job_sprites(ui, s, list, &e)
                                       : 0;
    if (n < 0)
        complain(ui, &e);
    return n > 0 ? n : 0;
}

void gallery_stop(struct gallery *g)
{
    if (g->play.on && g->plays_marked)
        g->open = false;
    play_stop(&g->play);
}

void gallery_play(struct ui *ui)
{
    struct gallery *g = ui->gallery;
    struct store_sprite *list = NULL;
    if (g->play.on) {
        gallery_stop(g);
        return;
    }
    int n = frames(ui, &list);
    g->plays_marked = g->marks.count && !g->open;
    if (n && play_start(&g->play, ui, list, n))
        g->open = true;
}

void gallery_write_sheet(struct ui *ui)
{
    const struct gallery *g = ui->gallery;
    struct store_sprite *list = NULL;
    int n = frames(ui, &list);
    if (n)
        sheet_export_ask(ui, list, n, g->marks.count && !g->open, play_rate(ui));
}

/* What of the sprite goes into the studio. */
static void use(struct ui *ui, const struct store_sprite *s, enum action a)
{
    struct settings all = {0};
    struct err e = {""};
    char seed[32];
    snprintf(seed, sizeof seed, "%" PRIu64, s->seed);
    int rc = 0;
    if (a == ACT_GAL_USE_ALL)
        rc = settings_from_text(&all, s->settings ? s->settings : "", &e);
    if (a != ACT_GAL_USE_PROMPT && !rc)
        rc = settings_set(&all, "seed", seed, &e);
    if (a == ACT_GAL_USE_PROMPT && !rc)
        rc = settings_set(&all, "negative", s->negative ? s->negative : "", &e);
    if (!rc && a == ACT_GAL_USE_ALL)
        studio_clear(ui);
    if (rc)
        complain(ui, &e);
    else
        studio_use(ui, a == ACT_GAL_USE_SEED ? NULL : s->words,
                   a == ACT_GAL_USE_ALL ? s->preset : NULL, &all);
    settings_free(&all);
    if (!rc)
        ui_view(ui, VIEW_STUDIO);
}

static void use_image(struct ui *ui, const struct store_sprite *s)
{
    struct settings all = {0};
    struct err e = {""};
    if (settings_set(&all, "image", s->path, &e)) {
        complain(ui, &e);
    } else {
        studio_use(ui, NULL, NULL, &all);
        ui_view(ui, VIEW_STUDIO);
        ui_say(ui, ROLE_TEXT, "the next pictures start from this one; denoise says how far");
    }
    settings_free(&all);
}

/* The one ControlNet that is called after the model, as tiny-lines after tiny; NULL: none, or more.
 */
static const char *control_of_model(struct ui *ui)
{
    const char *model = settings_text(&ui->studio->effective, "model"), *found = NULL;
    if (!model || !*model)
        model = ui->live.model;
    studio_models(ui);
    const struct studio_names *names = &ui->studio->controls;
    size_t n = strlen(model);
    for (int i = 0; n > 0 && i < names->count; i++) {
        if (strncmp(names->at[i], model, n) != 0 || names->at[i][n] != '-')
            continue;
        if (found)
            return NULL;
        found = names->at[i];
    }
    return found;
}

/* Its edges, unless the studio says what else is made of pictures. */
static void use_control(struct ui *ui, const struct store_sprite *s)
{
    const struct settings *now = &ui->studio->said;
    struct settings all = {0};
    struct err e = {""};
    bool named = settings_text(now, "control") && *settings_text(now, "control");
    bool prepared = settings_has(now, "control-prepare");
    const char *own = named ? NULL : control_of_model(ui);
    if (settings_set(&all, "control-image", s->path, &e) ||
        (own && settings_set(&all, "control", own, &e)) ||
        (!prepared && settings_set(&all, "control-prepare", "canny", &e))) {
        complain(ui, &e);
    } else {
        studio_use(ui, NULL, NULL, &all);
        ui_view(ui, VIEW_STUDIO);
        named = named || own;
        ui_say(ui, named ? ROLE_TEXT : ROLE_WARN,
               named ? "the next pictures follow this one; strength says how closely"
                     : "the next pictures follow this one: choose the ControlNet under control");
    }
    settings_free(&all);
}

void gallery_use(struct ui *ui, const struct store_sprite *s, enum action a)
{
    if (a == ACT_GAL_USE_IMAGE)
        use_image(ui, s);
    else if (a == ACT_GAL_USE_CONTROL)
        use_control(ui, s);
    else
        use(ui, s, a);
}
