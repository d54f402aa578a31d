/* What is set becomes a preset of the user's own, at the end of their config.ini. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/paths.h"
#include "import/write_preset.h"
#include "ui/studio.h"

/* What the question is about while the name is typed. */
struct saving {
    struct settings settings;
    char base[64];
};

static void saving_free(void *user)
{
    struct saving *s = user;
    if (s)
        settings_free(&s->settings);
    free(s);
}

/* The file as it is now: what was saved is there, and whatever was written by hand meanwhile. */
static int reload(struct ui *ui, struct err *e)
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

static int save(struct ui *ui, struct saving *s, const char *name, struct err *e)
{
    char path[PATH_MAX];
    if (preset_name_check(name, e))
        return -1;
    if (strlen(name) >= sizeof ui->studio->preset)
        return err_set(e, "a preset's name has at most %zu bytes", sizeof ui->studio->preset - 1);
    for (int i = 0; i < ui->config.count; i++)
        if (!strcmp(ui->config.presets[i].name, name))
            return err_set(e, "there is a preset %.60s already; choose another name", name);
    if (!place_path(PLACE_CONFIG, "config.ini", path))
        return err_set(e, "no folder for config.ini: set HOME or XDG_CONFIG_HOME");
    char *text = preset_ini(&s->settings, NULL, name, *s->base ? s->base : NULL);
    int rc = text ? preset_append(path, name, text, e) : err_set(e, "out of memory");
    free(text);
    return rc ? -1 : reload(ui, e);
}

static void named(struct ui *ui, const char *name, void *user)
{
    struct saving *s = user;
    struct err e = {""};
    if (save(ui, s, name, &e)) {
        ui_say(ui, ROLE_BAD, "%s", e.text);
    } else {
        for (int i = 0; i < ui->config.count; i++)
            if (!strcmp(ui->config.presets[i].name, name))
                studio_choose_preset(ui, i + 1);
        ui_say(ui, ROLE_GOOD, "saved as the preset %s in your config.ini", name);
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
