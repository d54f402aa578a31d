/* What the finishing view keeps: sprites, presets, settings of the next jobs; see finish_parts.h.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mapfile.h"
#include "base/paths.h"
#include "import/write_preset.h"
#include "sprite/image_file.h"
#include "ui/finish_parts.h"
#include "ui/studio.h"

static int save_file(struct ui *ui, char *path, size_t size, struct err *e)
{
    const struct finish_view *v = ui->finish;
    struct png_file f = {0};
    struct png_text text[5];
    static const char *const keys[] = {"parameters", "spritty", "prompt", "workflow"};
    int n = 0, number = 0;
    struct err no_file;
    char *steps = settings_to_text(&v->said);
    do
        snprintf(path, size, "%.4000s/finished-%" PRId64 "-%d.png", ui->folder, (int64_t)time(NULL),
                 number++);
    while (file_exists(path));
    if (v->path && !png_load(v->path, false, &f, &no_file))
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
            if (png_find_text(&f, keys[i]))
                text[n++] = (struct png_text){keys[i], png_find_text(&f, keys[i])};
    if (steps)
        text[n++] = (struct png_text){"spritty-finish", steps};
    int rc = image_save(path, v->after, text, n, e);
    png_file_free(&f);
    free(steps);
    return rc;
}

/* The row of the new sprite is its source's, with what is different. */
static int save_row(struct ui *ui, char *path, struct err *e)
{
    const struct finish_view *v = ui->finish;
    struct store_sprite *from = NULL, one = {0};
    char tags[] = "finished";
    int n = v->sprite > 0 ? store_sprite(ui->store, v->sprite, &from, e) : 0;
    if (n > 0)
        one = *from;
    one.id = 0, one.path = path, one.rating = 0, one.trashed = 0;
    one.tags = tags;
    one.width = v->after->width, one.height = v->after->height;
    one.colors = image_colors(v->after);
    int rc = n < 0 ? -1 : n == 0 ? 0 : store_add_sprite(ui->store, &one, e);
    if (from)
        store_sprites_free(from, 1);
    return rc < 0 ? -1 : 0;
}

void finish_save(struct ui *ui)
{
    struct finish_view *v = ui->finish;
    char path[5000];
    struct err e = {""};
    if (!v->after || finisher_busy(v->finisher)) {
        ui_say(ui, ROLE_DIM, v->after ? "a moment: it is being finished" : "nothing to save");
        return;
    }
    if (save_file(ui, path, sizeof path, &e) || save_row(ui, path, &e))
        ui_say(ui, ROLE_BAD, "%s", e.text);
    else
        ui_say(ui, ROLE_GOOD, "saved as a new sprite: %s", path);
}

/* The steps as a preset over the one that is chosen; NULL with err. */
static char *as_preset(struct ui *ui, const char *name, struct err *e)
{
    const struct finish_view *v = ui->finish;
    const char *base = studio_preset(ui);
    struct settings steps = {0};
    char value[300], *text = NULL;
    int rc = 0;
    for (int i = 0; i < v->steps && rc == 0; i++) {
        settings_print(&v->said, v->step[i]->name, value, sizeof value);
        rc = settings_set(&steps, v->step[i]->name, value, e);
    }
    if (rc == 0 && !(text = preset_ini(&steps, NULL, name, *base ? base : NULL)))
        err_set(e, "out of memory");
    settings_free(&steps);
    return text;
}

static int add_preset(struct ui *ui, const char *name, struct err *e)
{
    char path[PATH_MAX];
    if (preset_name_check(name, e))
        return -1;
    if (!place_path(PLACE_CONFIG, "config.ini", path))
        return err_set(e, "there is no folder for config.ini: %s", place_advice(PLACE_CONFIG));
    char *text = as_preset(ui, name, e);
    int rc = text ? preset_append(path, name, text, e) : -1;
    free(text);
    return rc ? -1 : presets_reload(ui, e);
}

void finish_name_said(struct ui *ui, const char *name, void *user)
{
    struct err e = {""};
    (void)user;
    if (add_preset(ui, name, &e))
        ui_say(ui, ROLE_BAD, "%s", e.text);
    else
        ui_say(ui, ROLE_GOOD, "preset '%s' is in your config.ini", name);
}

/* The steps become settings of the next job. */
void finish_use(struct ui *ui)
{
    studio_use(ui, NULL, NULL, &ui->finish->said);
    ui_view(ui, VIEW_STUDIO);
    ui_say(ui, ROLE_TEXT, "the next sprites are finished so");
}
