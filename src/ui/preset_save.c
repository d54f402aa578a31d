/* What is set becomes a preset of the user's own, at the end of their config.ini; or takes the
 * place of one that is there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/paths.h"
#include "import/write_preset.h"
#include "ui/studio.h"

/* What the question is about while the name is typed. */
struct saving {
    struct settings settings;
    char base[64], name[64];
};

static void saving_free(void *user)
{
    struct saving *s = user;
    if (s)
        settings_free(&s->settings);
    free(s);
}

int presets_reload(struct ui *ui, struct err *e)
{
    struct config now = {0};
    if (config_load(&now, e)) {
        config_free(&now);
        return -1;
    }
    config_free(&ui->config);
    ui->config = now;
    return 0;
}

static const struct preset *find(const struct ui *ui, const char *name)
{
    int row = presets_row(ui, name);
    return row ? &ui->config.presets[row - 1] : NULL;
}

static bool starts_from(const struct ui *ui, const char *preset, const char *name)
{
    const struct preset *p = find(ui, preset);
    for (int depth = 0; p && depth <= ui->config.count; depth++) {
        if (!strcmp(p->name, name))
            return true;
        p = p->base ? find(ui, p->base) : NULL;
    }
    return false;
}

/* What it takes over from presets that start from the one whose place it takes, it says itself: no
 * preset starts from itself. */
static int leave_base(const struct ui *ui, struct saving *s, struct err *e)
{
    while (*s->base && starts_from(ui, s->base, s->name)) {
        const struct preset *p = find(ui, s->base);
        if (settings_fill(&s->settings, &p->values, e))
            return -1;
        snprintf(s->base, sizeof s->base, "%s", p->base ? p->base : "");
    }
    return 0;
}

/* The preset as config.ini has it, with what the one before it was for; NULL without memory. */
static char *as_text(const struct ui *ui, const struct saving *s)
{
    const struct preset *old = find(ui, s->name);
    char *text = preset_ini(&s->settings, NULL, s->name, *s->base ? s->base : NULL), *more = NULL;
    if (!text || !old || !old->about || strpbrk(old->about, ";\"") || strlen(old->about) > 150)
        return text;
    const char *rest = strchr(text, '\n') + 1;
    int n = asprintf(&more, "%.*sabout = %s\n%s", (int)(rest - text), text, old->about, rest);
    free(text);
    return n < 0 ? NULL : more;
}

static int write(struct ui *ui, struct saving *s, struct err *e)
{
    char path[PATH_MAX];
    if (!place_path(PLACE_CONFIG, "config.ini", path))
        return err_set(e, "no folder for config.ini: %s", place_advice(PLACE_CONFIG));
    if (leave_base(ui, s, e))
        return -1;
    char *text = as_text(ui, s);
    int rc = text ? preset_replace(path, s->name, text, e) : err_set(e, "out of memory");
    free(text);
    return rc ? -1 : presets_reload(ui, e);
}

static void save(struct ui *ui, void *user)
{
    struct saving *s = user;
    struct err e = {""};
    if (write(ui, s, &e)) {
        ui_say(ui, ROLE_BAD, "%s", e.text);
    } else {
        studio_choose_preset(ui, presets_row(ui, s->name));
        ui_say(ui, ROLE_GOOD, "saved as the preset %s in your config.ini", s->name);
    }
    saving_free(s);
}

static void named(struct ui *ui, const char *name, void *user)
{
    struct saving *s = user;
    struct err e = {""};
    char text[160];
    int row = presets_row(ui, name);
    snprintf(s->name, sizeof s->name, "%s", name);
    if (preset_name_check(name, &e)) {
        ui_say(ui, ROLE_BAD, "%s", e.text);
    } else if (row && !presets_own(ui, row)) {
        ui_say(ui, ROLE_BAD, "the preset %s came with spritty and stays; choose another name",
               name);
    } else if (row) {
        snprintf(text, sizeof text, "There is a preset %s already. Replace it?", name);
        dialog_ask(ui, text, save, s);
        dialog_owns(ui, saving_free);
        return;
    } else {
        save(ui, s);
        return;
    }
    saving_free(s);
}

void preset_save(struct ui *ui, const char *name, const char *prompt, const struct settings *what)
{
    struct saving *s = calloc(1, sizeof *s);
    struct err e = {""};
    bool said = prompt && *prompt;
    if (!s || settings_fill(&s->settings, what, &e) ||
        (said && settings_set(&s->settings, "prompt", prompt, &e))) {
        ui_say(ui, ROLE_BAD, "out of memory");
        saving_free(s);
        return;
    }
    settings_unset(&s->settings, "output");
    if (!said) { /* the studio's: a seed belongs to a picture, not to a preset */
        settings_unset(&s->settings, "seed");
        snprintf(s->base, sizeof s->base, "%s", ui->studio->preset);
    }
    dialog_line(ui, "Save as a preset; its name", name, named, s);
    dialog_owns(ui, saving_free);
}
