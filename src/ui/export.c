/* A sprite as a ComfyUI workflow; read and written beside the terminal's thread. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fileio.h"
#include "import/comfy_export.h"
#include "import/source.h"
#include "import/write_preset.h"
#include "ui/errand.h"
#include "ui/files.h"

struct export_errand {
    struct errand errand; /* first */
    char from[PATH_MAX], to[PATH_MAX];
    struct recipe recipe;
    int rc;
    struct err why;
};

static void write_workflow(struct work *work)
{
    struct export_errand *w = (struct export_errand *)work;
    struct settings s = {0};
    char prefix[64], *text = NULL;
    preset_name_from(w->from, prefix);
    w->rc = import_file(w->from, &w->recipe, &w->why) || recipe_settle(&w->recipe, &s, &w->why);
    if (!w->rc)
        text = comfy_export(&s, prefix, &w->recipe, &w->why);
    w->rc = !text || file_write_atomic(w->to, text, strlen(text), &w->why);
    free(text);
    settings_free(&s);
}

static void written(struct ui *ui, struct errand *e)
{
    struct export_errand *w = (struct export_errand *)e;
    const struct recipe *r = &w->recipe;
    if (w->rc)
        ui_say(ui, ROLE_BAD, "%s", w->why.text);
    else if (r->notes > 0)
        ui_say(ui, ROLE_WARN, "written; %s%s", r->note[0], r->notes > 1 ? ", and more" : "");
    else
        ui_say(ui, ROLE_GOOD, "written: drop %s on ComfyUI", w->to);
}

static void errand_free(struct errand *e)
{
    struct export_errand *w = (struct export_errand *)e;
    recipe_free(&w->recipe);
    free(w);
}

static void named(struct ui *ui, const char *typed, void *user)
{
    struct export_errand *w = user;
    if (!file_expand(typed, w->to)) {
        ui_say(ui, ROLE_BAD, "that path is too long");
        errand_free(&w->errand);
        return;
    }
    errand_send_over(ui, &w->errand, w->to);
}

void export_ask(struct ui *ui, const char *path)
{
    struct export_errand *w = calloc(1, sizeof *w);
    char name[64], to[100];
    if (!w)
        return;
    w->errand = (struct errand){
        .work = {.run = write_workflow}, .done = written, .free = errand_free};
    snprintf(w->from, sizeof w->from, "%s", path);
    preset_name_from(path, name);
    snprintf(to, sizeof to, "~/%s.json", name);
    dialog_line(ui, "Write a ComfyUI workflow to", to, named, w);
    dialog_owns(ui, free);
}
