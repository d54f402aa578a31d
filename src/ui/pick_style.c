/* The style picker: A1111's styles.csv, several at once, in the order in which the file has them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/paths.h"
#include "prompt/styles.h"
#include "ui/pick.h"
#include "ui/studio.h"

/* The file may have changed while the question stood there: indexes are of this reading. */
static void drop(void *user)
{
    struct styles *all = user;
    styles_free(all);
    free(all);
}

static void picked(struct ui *ui, const bool *marked, int count, void *user)
{
    struct styles *all = user;
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    bool any = false;
    for (int i = 0; f && i < count && i < all->count; i++)
        if (marked[i]) {
            fprintf(f, "%s%s", any ? ", " : "", all->at[i].name);
            any = true;
        }
    if (!f || fclose(f))
        ui_say(ui, ROLE_BAD, "out of memory");
    else if (any)
        settings_say(ui, "styles", text);
    else
        settings_reset(ui, "styles");
    free(text);
    drop(all);
}

/* Is it in the setting, whose names have commas between them? */
static bool is_used(const char *now, const char *name)
{
    size_t len = strlen(name);
    while (*now) {
        now += strspn(now, ", ");
        size_t n = strcspn(now, ","), trimmed = n;
        while (trimmed > 0 && now[trimmed - 1] == ' ')
            trimmed--;
        if (trimmed == len && !strncmp(now, name, len))
            return true;
        now += n;
    }
    return false;
}

void pick_styles(struct ui *ui, const char *now)
{
    struct styles *all = calloc(1, sizeof *all);
    char path[PATH_MAX];
    struct err e = {"out of memory"};
    const char **rows = NULL;
    bool read = all && place_path(PLACE_CONFIG, "styles.csv", path) && !styles_read(all, path, &e);
    if (read)
        rows = calloc((size_t)all->count + 1, sizeof *rows);
    if (!rows || all->count == 0) {
        ui_say(ui, ROLE_WARN, "%s",
               rows ? "no styles: put A1111's styles.csv into ~/.config/spritty" : e.text);
        free(rows);
        if (all)
            drop(all);
        return;
    }
    for (int i = 0; i < all->count; i++)
        rows[i] = all->at[i].name;
    dialog_marks(ui, "Styles", rows, all->count, all->count, picked, all);
    dialog_owns(ui, drop);
    for (int i = 0; i < all->count; i++)
        if (is_used(now, all->at[i].name))
            dialog_mark(ui, i);
    free(rows);
}
