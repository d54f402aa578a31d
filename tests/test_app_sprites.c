/*
 * The terminal app, driven through a pseudo-terminal with the embedded model: what an artist does
 * with sprites once they are made. They are compared, found again, marked, written as sheets,
 * finished anew.
 */
/* Not under qemu: a program driven through a terminal in time limits that an emulator misses. */
#include "app.h"

#include "base/fileio.h"
#include "sprite/image_file.h"
#include "store/store.h"

/* ---- compare ---- */

static void two_presets_side_by_side(void **state)
{
    (void)state;
    struct drive *d = app(40, 120, &emu_sixel);
    drive_type(d, "a red potion");
    drive_key(d, "F6");
    drive_wait_text(d, "Compare which presets");
    drive_key(d, "Space");
    drive_key(d, "Down");
    drive_key(d, "Space");
    drive_key(d, "Enter");
    drive_wait_text(d, "no preset");
    drive_wait_text(d, "a step.* a step");
    drive_wait(d, emu_whole(d->emu) == 2 && emu_rests(d->emu) == 0);
    drive_wait_text(d, "differs|colours");
    drive_key(d, "Right");
    drive_key(d, "w");
    drive_wait_text(d, "\u2605 ");
    drive_wait_quiet(d, 200);
    drive_expect_screen(d, "compare");
    char path[4][PATH_MAX];
    assert_int_equal(app_sprites(d->home, path, 4), 2);
    drive_key(d, "x");
    drive_wait_text(d, "Write all winners");
    drive_key(d, "C-u");
    drive_type(d, "~/won.csv");
    drive_key(d, "Enter");
    drive_wait_text(d, "written to ~/won.csv");
    snprintf(path[0], sizeof path[0], "%s/won.csv", d->home);
    assert_int_equal(access(path[0], F_OK), 0);
    drive_key(d, "s"); /* another seed */
    drive_wait_text(d, "1 of 2");
    drive_wait_text(d, "a step.* a step");
    drive_wait(d, emu_whole(d->emu) == 2 && emu_rests(d->emu) == 0);
}

/* Presets as one side of a grid: six cells in two rows, each with what its preset says. */
static void a_grid_over_presets(void **state)
{
    (void)state;
    struct drive *d = app_start(&(struct drive_options){
        .rows = 30, .cols = 100, .home = app_home("[defaults]\nmax-steps = 2\n")});
    drive_type(d, "a red potion");
    drive_key(d, "F6");
    drive_wait_text(d, "Compare which presets");
    drive_type(d, "\033\033OR"); /* Esc and F3 in one piece */
    drive_wait_text(d, "Nothing was compared yet");
    static const char *const typed[][2] = {
        {"preset=balanced,nope", "there is no preset 'nope'"},
        {"presets=a,b", "presets are preset=a,b"},
        {"preset=none,preview,turbo steps=1,2", "preset by steps"},
    };
    for (int i = 0; i < 3; i++) {
        drive_type(d, "g");
        drive_wait_text(d, "Grid over two settings");
        drive_key(d, "C-u");
        drive_type(d, typed[i][0]);
        drive_key(d, "Enter");
        drive_wait_text(d, typed[i][1]);
    }
    drive_wait_text(d, "preset turbo, steps 2");
    char path[8][PATH_MAX];
    drive_wait(d, app_sprites(d->home, path, 8) == 6);
    drive_wait(d, emu_whole(d->emu) == 6 && emu_rests(d->emu) == 0);
}

/* ---- gallery ---- */

static void the_gallery_finds_sprites(void **state)
{
    (void)state;
    static const char *const prompts[] = {"a red potion", "a blue knight", "a white ghost"};
    struct drive *d = app_start(&(struct drive_options){
        .rows = 40, .cols = 120, .home = app_home("[defaults]\nsteps = 2\nseed = 7\n")});
    for (int i = 0; i < 3; i++) {
        app_run(d, prompts[i]);
        char done[60];
        snprintf(done, sizeof done, "\u2713 %s", prompts[i]);
        drive_wait_text(d, done);
    }
    drive_key(d, "F4");
    drive_wait(d, emu_whole(d->emu) == 3 && emu_rests(d->emu) == 0);
    drive_wait_quiet(d, 200);
    drive_expect_screen(d, "gallery");
    drive_key(d, "/");
    for (int i = 0; i < 30; i++)
        drive_type(d, "slime ");
    drive_type(d, "zz"); /* what is typed is seen */
    drive_wait_text(d, "slime zz");
    drive_key(d, "C-u");
    drive_type(d, "knig");
    drive_wait(d, emu_whole(d->emu) == 1 && emu_rests(d->emu) == 0);
    drive_key(d, "Enter");
    drive_key(d, "Enter");
    drive_wait_text(d, "blue knight");
    drive_wait_text(d, "euler");
    drive_wait(d, emu_whole(d->emu) == 1 && emu_rests(d->emu) == 0);
    drive_expect_screen(d, "sprite");
    drive_key(d, "F5");
    drive_wait_text(d, "Last 6 steps");
    drive_wait_text(d, "p times every operation");
    drive_key(d, "F4");
    drive_wait_text(d, "blue knight");
    drive_key(d, "p");
    drive_wait_text(d, "Prompt");
    drive_wait(d, app_box_is(d, "Prompt", "ablueknight"));
}

/* The sprites of one job as frames, one after the other, as fast as is said. */
static void a_job_plays_as_an_animation(void **state)
{
    (void)state;
    struct drive *d = app_start(&(struct drive_options){
        .rows = 40, .cols = 120, .home = app_home("[defaults]\nsteps = 2\nbatch = 3\n")});
    app_run(d, "a red potion");
    drive_wait_text(d, "\u2713 a red potion");
    drive_key(d, "F4");
    drive_wait(d, emu_whole(d->emu) == 3);
    drive_type(d, " ");
    drive_wait_text(d, "frame 1 of 3, 8 a second");
    drive_wait_text(d, "frame 2 of 3");
    drive_wait(d, emu_whole(d->emu) == 1);
    drive_type(d, "+");
    drive_wait_text(d, "frame . of 3, 9 a second");
    drive_wait_text(d, "frame 3 of 3");
    drive_type(d, " ");
    drive_wait_text(d, "\u2500 1 of 3 \u2500");
    drive_type(d, " "); /* the rate is kept, and Esc ends it as well */
    drive_wait_text(d, "frame . of 3, 9 a second");
    drive_key(d, "Esc");
    drive_wait_text(d, "\u2500 1 of 3 \u2500");
    drive_wait(d, emu_whole(d->emu) == 1 && emu_rests(d->emu) == 0);
    drive_type(d, "d"); /* of two that are left */
    drive_wait_text(d, "\u2500 1 of 2 \u2500");
    drive_type(d, " ");
    drive_wait_text(d, "frame . of 2");
    drive_type(d, "d"); /* ends it as well */
    drive_wait_text(d, "\u2500 1 of 1 \u2500");
    drive_type(d, " ");
    drive_wait_text(d, "nothing to play");
}

/* A key is about the sprite that was looked at, though another one comes meanwhile. */
static void the_chosen_sprite_stays_chosen(void **state)
{
    (void)state;
    struct drive *d = app_start(&(struct drive_options){
        .rows = 40,
        .cols = 120,
        .home = app_home("[defaults]\nsteps = 2\n[preset slow]\nsteps = 60\n")});
    app_run(d, "a red potion");
    drive_wait_text(d, "\u2713 a red potion");
    app_preset(d, "slow");
    app_run(d, "a blue knight");
    drive_key(d, "F4");
    drive_wait_text(d, "1 sprite|1 of 2");
    bool alone = drive_sees(d, " 1 sprite");
    drive_wait_text(d, "[12] of 2 sprites");
    drive_check(d, drive_sees(d, alone ? "2 of 2 sprites" : "1 of 2 sprites"));
    if (!alone)
        print_message("it was made too fast to be seen to come\n");
}

/* The app's database, which others may open as well. */
static struct store *store_of(const struct drive *d)
{
    char path[PATH_MAX];
    struct err e = {""};
    snprintf(path, sizeof path, "%s/.local/share/spritty/spritty.db", d->home);
    struct store *s = store_open(path, &e);
    if (!s)
        fail_msg("%s", e.text);
    return s;
}

static void has_tags(struct store *s, int64_t sprite, const char *want)
{
    struct store_sprite *one;
    struct err e;
    assert_int_equal(store_sprite(s, sprite, &one, &e), 1);
    assert_string_equal(one->tags, want);
    store_sprites_free(one, 1);
}

/* Sprites of different jobs, marked: their order is the sheet's, their words are the frames' names;
 * what is done, is done to all of them. */
static void marked_sprites_in_one_sheet(void **state)
{
    (void)state;
    static const char *const prompts[] = {"a red potion", "a blue knight", "a white ghost"};
    char path[PATH_MAX];
    size_t size;
    struct err e;
    struct drive *d = app_start(&(struct drive_options){
        .rows = 40, .cols = 120, .home = app_home("[defaults]\nsteps = 2\n")});
    for (int i = 0; i < 3; i++) {
        char done[60];
        app_run(d, prompts[i]);
        snprintf(done, sizeof done, "\u2713 %s", prompts[i]);
        drive_wait_text(d, done);
    }
    drive_key(d, "F4");
    drive_wait(d, emu_whole(d->emu) == 3 && emu_rests(d->emu) == 0);
    drive_type(d, "m");
    drive_key(d, "End");
    drive_type(d, "m");
    drive_wait_text(d, "\u2500 1 \u2500.* 2 \u2500");
    drive_wait_text(d, "2 marked, 3 of 3 sprites");
    drive_type(d, "x");
    drive_wait_text(d, "What is marked, 2: a sheet");
    drive_key(d, "Enter");
    drive_wait_text(d, "2 sprites written to ~/sheet.png, with a .json beside it");
    snprintf(path, sizeof path, "%s/sheet.json", d->home);
    char *json = file_read(path, 1 << 20, &size, &e);
    assert_non_null(json);
    const char *first = strstr(json, "\"white-ghost.png\""),
               *then = strstr(json, "\"red-potion.png\"");
    assert_true(first && then && first < then);
    free(json);
    drive_type(d, " ");
    drive_wait_text(d, "frame . of 2, 8 a second");
    drive_key(d, "Esc");
    drive_wait_text(d, "2 marked");
    drive_type(d, "t");
    drive_wait_text(d, "More tags for the 2 marked");
    drive_type(d, "level one");
    struct store *s = store_of(d);
    char many[2000] = "", all[2100]; /* tags are added to all that there are */
    for (int i = 0; i < 100; i++)
        snprintf(many + strlen(many), sizeof many - strlen(many), "%stag number %d", i ? ", " : "",
                 i);
    assert_int_equal(store_tag(s, 1, many, &e), 0);
    snprintf(all, sizeof all, "%s, level one", many);
    drive_key(d, "Enter");
    drive_wait_gone(d, "More tags for");
    has_tags(s, 1, all);
    has_tags(s, 3, "level one");
    store_close(s);
    drive_type(d, "d");
    drive_wait_text(d, "2 are in the trash: u takes them back");
    drive_wait_text(d, " 1 sprite");
    drive_type(d, "u");
    drive_wait_text(d, "1 of 3 sprites");
    drive_type(d, "/level");
    drive_key(d, "Enter");
    drive_wait_text(d, "1 of 2 sprites");
    drive_type(d, "M"); /* what was made first comes first */
    drive_wait_text(d, "\u2500 2 \u2500.* 1 \u2500");
    drive_type(d, "M");
    drive_wait_gone(d, "marked");
}

/* A job's sprites as a game takes them, and a picture that is seen 2x2. */
static void sheets_and_tiles(void **state)
{
    (void)state;
    struct drive *d = app_start(&(struct drive_options){
        .rows = 24, .cols = 80, .home = app_home("[defaults]\nsteps = 2\nbatch = 3\n")});
    app_run(d, "a red potion");
    drive_wait_text(d, "\u2713 a red potion");
    drive_key(d, "F4");
    drive_wait_text(d, "1 of 3 sprites");
    drive_type(d, "x");
    drive_wait_text(d, "~/sheet-1.png");
    drive_key(d, "Enter");
    drive_wait_text(d, "3 sprites written to ~/sheet-1.png, with a .json beside it");
    drive_type(d, "x"); /* what is there is not lost without a question */
    drive_wait_text(d, "Its job's sprites");
    drive_key(d, "Enter");
    drive_wait_text(d, "is there already");
    drive_type(d, "n");
    drive_type(d, "x");
    drive_wait_text(d, "Its job's sprites");
    for (int i = 0; i < 3; i++)
        drive_key(d, "Backspace");
    drive_type(d, "gif");
    drive_key(d, "Enter");
    drive_wait_text(d, "3 frames of 125 ms written to ~/sheet-1.gif");
    drive_key(d, "Enter");
    drive_wait_text(d, "\u2500 1 of 3 \u2500");
    drive_key(d, "M-t");
    drive_wait_text(d, "1 of 3  2x2, ");
    drive_key(d, "F2");
    drive_wait_text(d, "Sprite  32x32  2x2, ");
    drive_key(d, "M-t");
    drive_wait_text(d, "Sprite  32x32  [0-9]+ colours");
}

/* ---- finishing ---- */

/* Finishing: two pictures, steps that change them at once, undo, and a new sprite at the end. */
static void finishing_shows_each_step(void **state)
{
    (void)state;
    struct drive *d = app(40, 120, &emu_sixel);
    drive_key(d, "F8");
    drive_wait_text(d, "nothing to finish yet");
    drive_check(d, !drive_sees(d, "on, off")); /* no hints of keys that do nothing */
    drive_key(d, "Esc");
    drive_wait_text(d, "Prompt");
    app_run(d, "a red potion");
    drive_wait_text(d, "\u2713 a red potion");
    drive_key(d, "F8");
    drive_wait_text(d, "32x32  [0-9]+ colours of");
    drive_wait(d, emu_whole(d->emu) == 2 && emu_rests(d->emu) == 0);
    for (int i = 0; i < 8; i++) /* to palette */
        drive_key(d, "Down");
    drive_wait_text(d, "palette by name or file");
    drive_key(d, "Right");
    drive_wait_text(d, "pico-8");
    drive_wait_text(d, "palette +pico-8");
    drive_wait_quiet(d, 200);
    drive_key(d, "b");
    drive_wait_text(d, "Without +palette");
    drive_key(d, "b");
    drive_wait_text(d, "Changed by +palette");
    drive_key(d, "u");
    drive_wait_gone(d, "pico-8");
    drive_key(d, "u");
    drive_wait_text(d, "nothing to undo");
    drive_key(d, "r");
    drive_wait_text(d, "palette +pico-8");
    drive_key(d, "Space");
    drive_wait_text(d, "palette +none");
    drive_key(d, "Space");
    drive_wait_text(d, "palette +pico-8");
    drive_key(d, "Enter"); /* names and files are picked, as in the studio */
    drive_wait_text(d, "a file \\.\\.\\.");
    drive_wait_text(d, "endesga-32 +32 colours");
    drive_wait(d, emu_whole(d->emu) == 6); /* its colours, five pieces of the two pictures */
    drive_type(d, "gameb");
    drive_wait_text(d, "1/1");
    drive_key(d, "Enter");
    drive_wait_text(d, "palette +gameboy");
    drive_key(d, "u");
    drive_wait_text(d, "palette +pico-8");
    drive_wait_quiet(d, 200);
    drive_key(d, "s");
    drive_wait_text(d, "saved as a new sprite");
    drive_key(d, "p");
    drive_type(d, "mine");
    drive_key(d, "Enter");
    drive_wait_text(d, "preset 'mine' is in your config.ini");
    drive_key(d, "F4");
    drive_wait_text(d, "2 sprites");
    drive_key(d, "f");
    drive_wait_text(d, "cell +none");
    drive_wait(d, emu_whole(d->emu) == 2 && emu_rests(d->emu) == 0);
    drive_key(d, "C-q");
    drive_wait_end(d);
    d = app_again(d); /* what earlier sessions made is there to be finished */
    drive_key(d, "F8");
    drive_wait_text(d, "cell +none");
    drive_wait(d, emu_whole(d->emu) == 2 && emu_rests(d->emu) == 0);
}

/* Whatever the studio says by then. */
static void finishing_begins_as_the_sprite_was_made(void **state)
{
    (void)state;
    struct drive *d = app_start(&(struct drive_options){
        .rows = 40,
        .cols = 120,
        .home = app_home("[defaults]\nsteps = 2\n[preset boy]\npalette = gameboy\n"
                         "[preset after]\npalette = pico-8\n")});
    app_preset(d, "boy");
    app_run(d, "a green slime");
    drive_wait_text(d, "\u2713 a green slime");
    app_preset(d, "after");
    drive_key(d, "F4");
    drive_key(d, "Enter");
    drive_wait_text(d, "palette +gameboy");
    drive_key(d, "f"); /* from what the model made, as long as that is known */
    drive_wait_text(d, "\u25cf cell +4");
    drive_wait_text(d, "\u25cf palette +gameboy");
    drive_key(d, "u");
    drive_wait_text(d, "nothing to undo");
    drive_key(d, "F2");
    app_run(d, "a red potion");
    drive_wait_text(d, "\u2713 a red potion");
    drive_key(d, "F8");
    drive_wait_text(d, "\u25cf palette +pico-8");
}

/* ... as long as it is there: what it kept is the mask's. */
static void finishing_misses_a_mask_that_is_gone(void **state)
{
    (void)state;
    char mask[] = "/tmp/spritty-mask-XXXXXX", config[400];
    struct image *half = image_new(128, 128);
    struct err e = {""};
    assert_true(close(mkstemp(mask)) == 0);
    for (int i = 0; i < 128 * 128; i++)
        memset(half->rgba + 4 * i, i < 64 * 128 ? 255 : 0, 3), half->rgba[4 * i + 3] = 255;
    assert_int_equal(image_save(mask, half, NULL, 0, &e), 0);
    image_free(half);
    snprintf(config, sizeof config, "[defaults]\nsteps = 2\n[preset part]\nimage = %s\nmask = %s\n",
             mask, mask);
    struct drive *d = app_start(
        &(struct drive_options){.rows = 40, .cols = 120, .home = app_home(config)});
    app_preset(d, "part");
    app_run(d, "a green slime");
    drive_wait_text(d, "\u2713 a green slime");
    drive_key(d, "C-q");
    drive_wait_end(d);
    d = app_again(d);
    drive_key(d, "F4");
    drive_key(d, "f");
    drive_wait_text(d, "cell +none");
    drive_wait_gone(d, "what its mask kept");
    drive_key(d, "F4");
    unlink(mask);
    drive_key(d, "f");
    drive_wait_text(d, "what its mask kept is not known any more: cannot read /tmp/spritty-mask");
    drive_wait_text(d, "cell +none");
}

/* The embedded model has a ControlNet that is called after it. */
static void a_sprite_is_followed(void **state)
{
    (void)state;
    struct drive *d = app(40, 120, &emu_plain);
    char path[2][PATH_MAX];
    struct png_file png;
    struct err e = {""};
    int with = 0;
    app_run(d, "a gem");
    drive_wait_text(d, "done in");
    drive_key(d, "F4");
    drive_wait_text(d, "1 sprite");
    drive_type(d, "c");
    drive_wait_text(d, "the next pictures follow this one; strength says");
    app_run(d, "a red heart");
    drive_wait_text(d, "\u2713 a red heart");
    drive_wait(d, app_sprites(d->home, path, 2) == 2);
    for (int i = 0; i < 2; i++) {
        if (png_load(path[i], true, &png, &e))
            fail_msg("%s", e.text);
        const char *text = png_find_text(&png, "spritty");
        assert_non_null(text);
        with += strstr(text, "\"control\": \"tiny-lines\"") != NULL;
        png_file_free(&png);
    }
    assert_int_equal(with, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(two_presets_side_by_side, app_clean),
        cmocka_unit_test_teardown(a_grid_over_presets, app_clean),
        cmocka_unit_test_teardown(the_gallery_finds_sprites, app_clean),
        cmocka_unit_test_teardown(a_job_plays_as_an_animation, app_clean),
        cmocka_unit_test_teardown(the_chosen_sprite_stays_chosen, app_clean),
        cmocka_unit_test_teardown(marked_sprites_in_one_sheet, app_clean),
        cmocka_unit_test_teardown(sheets_and_tiles, app_clean),
        cmocka_unit_test_teardown(finishing_shows_each_step, app_clean),
        cmocka_unit_test_teardown(finishing_begins_as_the_sprite_was_made, app_clean),
        cmocka_unit_test_teardown(finishing_misses_a_mask_that_is_gone, app_clean),
        cmocka_unit_test_teardown(a_sprite_is_followed, app_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
