/* How a setting is picked: choices in a list, names and files in their pickers. */
#include <stdio.h>
#include <string.h>

#include "ui/pick.h"
#include "ui/pulls.h"
#include "ui/studio.h"

void setting_title(const struct settings_key *k, char *out, size_t size)
{
    bool twice = !strncmp(k->help, k->label, strlen(k->label));
    snprintf(out, size, "%s%s%.60s", twice ? "" : k->label, twice ? "" : ": ", k->help);
}

static void choice_made(struct ui *ui, int index, void *user)
{
    const struct settings_key *k = user;
    int count = 0;
    while (k->choice(count))
        count++;
    ui->picked(ui, k->name,
               index < count ? k->choice(index) : settings_choice_pair(k, index - count));
}

/* Behind the choices: names that say more than one setting, and what they set. */
static int add_pairs(const struct settings_key *k, char (*text)[64], int width, int room)
{
    char both[40];
    int n = 0;
    for (const char *name; n < room && (name = settings_choice_pair(k, n)); n++) {
        struct settings s = {0};
        if (!settings_set(&s, k->name, name, NULL)) {
            snprintf(both, sizeof both, "%s %s", s.sampler, s.scheduler ? s.scheduler : "rng gpu");
            snprintf(text[n], sizeof text[n], "%-*s %s", width, both, name);
        }
        settings_free(&s);
    }
    return n;
}

static void choose(struct ui *ui, const struct settings_key *k, const char *title, const char *now)
{
    enum { MOST = 64, NAME = 24 };
    char text[MOST][64];
    const char *names[MOST];
    int count = 0, at = 0;
    for (; count < MOST && k->choice(count); count++) {
        const char *name = k->choice(count), *also = settings_choice_label(k, count);
        snprintf(text[count], sizeof text[count], also ? "%-*s %s" : "%-*s", also ? NAME : 0, name,
                 also ? also : "");
        names[count] = text[count];
        at = strcmp(name, now) ? at : count;
    }
    for (int end = count + add_pairs(k, text + count, NAME, MOST - count); count < end; count++)
        names[count] = text[count];
    dialog_list(ui, title, names, count, at, choice_made, (void *)(uintptr_t)k);
}

static void file_picked(struct ui *ui, const char *path, void *user)
{
    ui->picked(ui, ((const struct settings_key *)user)->name, path);
}

/* Can there be none of it? Then that is the first row. */
static int none_rows(const struct settings_key *k)
{
    return strcmp(k->name, "model") != 0;
}

enum { MOST_NAMES = 300 };

/* Names that are known, then a file. */
static void named_picked(struct ui *ui, int index, void *user)
{
    const struct settings_key *k = user;
    const struct studio_names *n = studio_names_for(ui, k);
    int count = n->count < MOST_NAMES ? n->count : MOST_NAMES;
    index -= none_rows(k);
    if (index < 0)
        ui->picked(ui, k->name, "");
    else if (index < count)
        ui->picked(ui, k->name, n->at[index]);
    else if (index > count)
        pulls_open(ui);
    else
        pick_file(ui, k->label, FILE_WEIGHTS, "", file_picked, user);
}

static void pick_named(struct ui *ui, const struct settings_key *k, const char *title,
                       const char *now)
{
    const struct studio_names *n = studio_names_for(ui, k);
    const char *rows[MOST_NAMES + 3];
    int count = none_rows(k), at = 0;
    rows[0] = "none";
    for (int i = 0; i < n->count && i < MOST_NAMES; i++, count++) {
        rows[count] = n->at[i];
        at = strcmp(n->at[i], now) ? at : count;
    }
    rows[count++] = "a file ...";
    rows[count++] = "download ...";
    dialog_list(ui, title, rows, count, at, named_picked, (void *)(uintptr_t)k);
}

static void mask_way(struct ui *ui, int index, void *user)
{
    const struct settings_key *k = user;
    if (index == 0)
        pick_mask(ui);
    else
        pick_file(ui, k->label, FILE_IMAGE, "", file_picked, user);
}

bool setting_pick(struct ui *ui, const struct settings_key *k, const char *now, const char *typed,
                  void (*say)(struct ui *, const char *key, const char *value))
{
    static const enum file_kind kinds[] = {
        [PICK_IMAGE] = FILE_IMAGE, [PICK_WEIGHTS] = FILE_WEIGHTS, [PICK_FOLDER] = FILE_FOLDER};
    char title[80];
    ui->picked = say;
    setting_title(k, title, sizeof title);
    if (k->type == KEY_CHOICE && !*typed) {
        choose(ui, k, title, now);
        return true;
    }
    if (!strcmp(k->name, "mask") && !*typed) {
        static const char *const ways[] = {"draw it over the picture ...", "a file ..."};
        dialog_list(ui, title, ways, 2, 0, mask_way, (void *)(uintptr_t)k);
        return true;
    }
    switch (k->pick) {
    case PICK_IMAGE:
    case PICK_WEIGHTS:
    case PICK_FOLDER:
        pick_file(ui, title, kinds[k->pick], typed, file_picked, (void *)(uintptr_t)k);
        return true;
    case PICK_MODEL:
    case PICK_CONTROL:
        if (!*typed)
            pick_named(ui, k, title, now);
        return !*typed;
    case PICK_PALETTE:
        if (!*typed)
            pick_palette(ui, k, now);
        return !*typed;
    case PICK_STYLES:
        if (!*typed)
            pick_styles(ui, now);
        return !*typed;
    case PICK_LORAS:
        if (!*typed)
            pick_loras(ui, k->name, now);
        return !*typed;
    default:
        return false;
    }
}
