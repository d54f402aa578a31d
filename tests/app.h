/*
 * The terminal app in tests: a home folder with settings that make it quick and repeatable, what
 * stands in its boxes, the files that it wrote.
 */
#ifndef SPRITTY_TEST_APP_H
#define SPRITTY_TEST_APP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdlib.h>

#include "drive.h"
#include "drive_screen.h"
#include "store/store.h"

/* `quick` is done at once, `long` runs until it is stopped. */
#define APP_CONFIG                                                                                 \
    "[defaults]\nsteps = 2\n"                                                                      \
    "[preset quick]\nsteps = 3\ncfg = 2\n"                                                         \
    "[preset long]\nsteps = 1000\nsize = 256x256\n"

static const char *app_homes[DRIVE_OPEN];

static inline const char *app_home(const char *config)
{
    const char *home = drive_home();
    char path[PATH_MAX];
    static const char *const folders[] = {"/.config", "/.config/spritty"};
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s%s", home, folders[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    snprintf(path, sizeof path, "%s/.config/spritty/config.ini", home);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(config, f);
    fclose(f);
    int i = 0;
    while (app_homes[i])
        i++;
    assert_true(i < DRIVE_OPEN);
    return app_homes[i] = home;
}

/* A test's teardown: ends what it left running, removes its folders. */
static inline int app_clean(void **state)
{
    (void)state;
    drive_close_all();
    for (int i = 0; i < DRIVE_OPEN; i++)
        if (app_homes[i])
            drive_home_drop(app_homes[i]), app_homes[i] = NULL;
    return 0;
}

/* Starts the app and waits until its model is open. */
static inline struct drive *app_start(const struct drive_options *o)
{
    struct drive *d = drive_start(o);
    drive_wait_text(d, "Prompt");
    drive_wait_text(d, "ready|tiny +cpu|step [0-9]+ of|done in");
    return d;
}

static inline struct drive *app(int rows, int cols, const struct emu_kind *kind)
{
    return app_start(&(struct drive_options){
        .rows = rows, .cols = cols, .kind = kind, .home = app_home(APP_CONFIG)});
}

/* Again, in the same home. */
static inline struct drive *app_again(const struct drive *before)
{
    return app_start(
        &(struct drive_options){.rows = before->rows, .cols = before->cols, .home = before->home});
}

/* ---- boxes ---- */

static inline bool app_is_corner(const struct drive *d, int y, int x)
{
    static const uint32_t corners[] = {0x250c, 0x2510, 0x2514, 0x2518, 0x256d, 0x256e,
                                       0x256f, 0x2570, '+',    0x252c, 0x2534, 0x253c};
    uint32_t c = emu_cell(d->emu, y, x).chars[0];
    for (size_t i = 0; i < sizeof corners / sizeof *corners; i++)
        if (c == corners[i])
            return true;
    return false;
}

/* Does `text` (ASCII) stand at these cells? */
static inline bool app_text_at(const struct drive *d, int y, int x, const char *text)
{
    for (; *text; text++, x++)
        if (x >= d->cols || emu_cell(d->emu, y, x).chars[0] != (uint32_t)*text)
            return false;
    return true;
}

/* What stands in the box with this title: its rows one after the other, spaces and newlines left
 * out. "" when there is no such box. */
static inline const char *app_box(const struct drive *d, const char *title)
{
    static char text[1 << 16];
    char *p = text;
    *p = '\0';
    int y = 0, x = 0, left, right;
    while (y < d->rows && !app_text_at(d, y, x, title))
        if (++x == d->cols)
            x = 0, y++;
    if (y == d->rows)
        return text;
    for (left = x; left > 0 && !app_is_corner(d, y, left); left--)
        ;
    for (right = x; right < d->cols - 1 && !app_is_corner(d, y, right); right++)
        ;
    for (y++; y < d->rows && !app_is_corner(d, y, left); y++)
        for (x = left + 1; x < right; x++) {
            VTermScreenCell c = emu_cell(d->emu, y, x);
            for (int i = 0; i < VTERM_MAX_CHARS_PER_CELL && c.chars[i]; i++)
                if (c.chars[i] != ' ' && c.chars[i] != (uint32_t)-1)
                    p += emu_utf8(c.chars[i], p);
        }
    *p = '\0';
    return text;
}

static inline bool app_box_is(const struct drive *d, const char *title, const char *text)
{
    return strcmp(app_box(d, title), text) == 0;
}

/* ---- work ---- */

/* Types a prompt over the one that is there and queues it. */
static inline void app_run(struct drive *d, const char *prompt)
{
    drive_key(d, "C-Home");
    for (int i = 0; i < 4; i++)
        drive_key(d, "C-k");
    drive_type(d, prompt);
    drive_key(d, "Enter");
}

/* The preset that is marked, with what follows it in its row; "" where none is. */
static inline const char *app_marked(const struct drive *d)
{
    static char text[40];
    int y = drive_find(d, "\u25cf +[a-z]");
    const char *at = y < 0 ? NULL : strstr(drive_row(d, y), "\u25cf");
    snprintf(text, sizeof text, "%s", at ? at : "");
    return text;
}

/* Walks with Alt-Down to a preset. Each step is awaited: a key too many would lead past it, and of
 * a frame that comes slowly the mark's old place is seen empty before its new one is drawn. */
static inline void app_preset(struct drive *d, const char *name)
{
    char chosen[80], before[40];
    snprintf(chosen, sizeof chosen, "\u25cf +%s( |$)", name);
    for (int i = 0; i < 30 && !drive_sees(d, chosen); i++) {
        strcpy(before, app_marked(d));
        drive_key(d, "M-Down");
        drive_wait(d, *app_marked(d) && strcmp(app_marked(d), before) != 0);
        drive_wait_quiet(d, 60);
    }
    drive_wait_text(d, chosen);
}

/* One whole image and no rests of others. */
static inline bool app_one_image(const struct drive *d)
{
    return d->emu->images == 1 && emu_whole(d->emu) == 1;
}

/* Paths of finished sprites, newest first, as the store has them; the count. */
static inline int app_sprites(const char *home, char path[][PATH_MAX], int room)
{
    char db[PATH_MAX];
    struct err e = {""};
    struct store_sprite *list;
    snprintf(db, sizeof db, "%s/.local/share/spritty/spritty.db", home);
    struct store *s = store_open(db, &e);
    assert_non_null(s);
    int n = store_find_sprites(s, "", false, 0, room, &list, NULL, &e);
    for (int i = 0; i < n && i < room; i++)
        snprintf(path[i], PATH_MAX, "%s", list[i].path);
    store_sprites_free(list, n);
    store_close(s);
    return n;
}

/* Is this what the app has written down ("draft.prompt")? Drafts are, right after the frame. */
static inline bool app_kept(const char *home, const char *key, const char *want)
{
    char db[PATH_MAX];
    struct err e = {""};
    snprintf(db, sizeof db, "%s/.local/share/spritty/spritty.db", home);
    struct store *s = store_open(db, &e);
    assert_non_null(s);
    char *value = store_get(s, key);
    bool same = value && !strcmp(value, want);
    free(value);
    store_close(s);
    return same;
}

#endif
