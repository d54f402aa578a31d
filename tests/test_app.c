/*
 * The terminal app, driven through a pseudo-terminal with the embedded model: its screens, from a
 * prompt to a sprite, on terminals of many kinds. (What is done with sprites: test_app_sprites.c.)
 */
/* Not under qemu: a program driven through a terminal in time limits that an emulator misses. */
#include "app.h"

#include "base/fileio.h"

#include "sixel_decode.h"
#include "sprite/png.h"

/* ---- the studio ---- */

static void first_screens(void **state)
{
    (void)state;
    static const struct {
        int rows, cols;
        const char *name;
    } sizes[] = {{24, 80, "studio-80x24"}, {40, 120, "studio-120x40"}, {20, 60, "studio-60x20"}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct drive *d = app(sizes[i].rows, sizes[i].cols, &emu_sixel);
        drive_expect_screen(d, sizes[i].name);
        drive_close(d);
    }
}

static void every_character_is_text(void **state)
{
    (void)state;
    static const char *const boxes[] = {"Prompt", "Negative prompt"};
    struct drive *d = app(60, 200, &emu_sixel);
    char typed[128], *p = typed;
    for (char c = '!'; c <= '~'; c++)
        *p++ = c;
    *p = '\0';
    for (int i = 0; i < 2; i++) {
        for (p = typed; *p; p++) {
            drive_type(d, (char[]){*p, '\0'});
            if (*p == 'M')
                drive_type(d, " ");
        }
        drive_wait(d, app_box_is(d, boxes[i], typed));
        drive_check(d, !drive_sees(d, "Queue \\("));
        drive_key(d, "Tab");
    }
    drive_wait_quiet(d, 100);
    drive_check(d, app_box_is(d, "Prompt", typed) && drive_sees(d, "Preset"));
}

static void editing_keys(void **state)
{
    (void)state;
    struct drive *d = app(30, 100, &emu_plain);
    drive_type(d, "a green slime");
    drive_key(d, "C-Left");
    drive_key(d, "C-w");
    drive_type(d, "r\u00f6d \U0001f451 ");
    drive_wait(d, app_box_is(d, "Prompt", "ar\u00f6d\U0001f451slime"));
    for (int i = 0; i < 3; i++) /* word by word, and what was cut */
        drive_key(d, "C-_");
    drive_wait(d, app_box_is(d, "Prompt", "agreenslime"));
    drive_key(d, "Home");
    drive_key(d, "C-Right");
    drive_key(d, "C-Right");
    drive_key(d, "C-Up");
    drive_key(d, "C-Up");
    drive_wait(d, app_box_is(d, "Prompt", "a(green:1.2)slime"));
    drive_key(d, "C-Down");
    drive_key(d, "C-Down");
    drive_wait(d, app_box_is(d, "Prompt", "agreenslime"));
    drive_key(d, "M-Enter");
    drive_wait_quiet(d, 50);
    drive_check(d, !drive_sees(d, "Queue \\("));
}

/* Does what the terminal shows equal the file, each pixel `scale` pixels wide? Transparent pixels
 * may have any colour behind them. */
static void expect_picture(struct drive *d, const struct emu_image *m, const char *path)
{
    struct png_file png;
    struct err e = {""};
    assert_int_equal(png_load(path, true, &png, &e), 0);
    struct sixel_picture seen;
    assert_true(sixel_decode((const char *)m->data.data, m->data.size, &seen) > 0);
    drive_check(d, !seen.outside && seen.w == m->w && seen.h == m->h);
    int scale = m->w / png.width;
    if (scale < 1 || m->w != png.width * scale || m->h != png.height * scale)
        drive_fail(d, "%s: %d x %d shown as %d x %d", path, png.width, png.height, m->w, m->h);
    int compared = 0;
    for (int y = 0; y < m->h; y++)
        for (int x = 0; x < m->w; x++) {
            const uint8_t *want = png.rgba + 4 * ((y / scale) * png.width + x / scale);
            const uint8_t *got = seen.rgba + 4 * (y * seen.w + x);
            for (int c = 0; c < 3 && want[3] == 255; c++, compared++)
                if (got[c] != sixel_level(want[c]))
                    drive_fail(d, "%s: pixel %d, %d differs", path, x, y);
        }
    drive_check(d, compared > 0);
    free(seen.rgba);
    png_file_free(&png);
}

static void a_prompt_becomes_a_sprite(void **state)
{
    (void)state;
    struct drive *d = app(40, 120, &emu_sixel);
    app_run(d, "a green slime with a crown");
    drive_wait_text(d, "\u2713 a green slime");
    drive_wait_text(d, "done in");
    drive_wait(d, app_one_image(d) && d->emu->image[0].w % 32 == 0);
    drive_wait_quiet(d, 200);
    char path[4][PATH_MAX];
    assert_int_equal(app_sprites(d->home, path, 4), 1);
    drive_check(d, app_one_image(d));
    expect_picture(d, &d->emu->image[0], path[0]);
    drive_check(d, d->emu->erased == 0 && d->emu->overflows == 0);
    drive_expect_screen(d, "studio-sprite");
    /* The picture goes with its view and comes back with it. */
    drive_key(d, "F5");
    drive_wait(d, d->emu->images == 0);
    drive_key(d, "F2");
    drive_wait(d, app_one_image(d));
    drive_key(d, "F1");
    drive_wait(d, d->emu->images == 0);
    drive_key(d, "Esc");
    drive_wait(d, app_one_image(d));
    expect_picture(d, &d->emu->image[0], path[0]);
}

static void the_seed_shown_is_the_seed_used(void **state)
{
    (void)state;
    struct drive *d = app_start(&(struct drive_options){
        .rows = 40, .cols = 120, .home = app_home("[defaults]\nsteps = 2\nseed = 7\n")});
    drive_wait_text(d, "seed +7 ");
    app_run(d, "a gem");
    drive_wait_text(d, "done in");
    drive_wait_text(d, "Sprite .* seed 7 ");
    drive_key(d, "C-g"); /* another one */
    drive_wait_text(d, "\u2022 seed +[0-9]{2,}");
}

/* What was being written comes back from the history whole. */
static void back_from_the_history(void **state)
{
    (void)state;
    struct drive *d = app(40, 120, &emu_plain);
    app_run(d, "a gem");
    drive_wait_text(d, "done in");
    drive_key(d, "C-u");
    drive_type(d, "half a word");
    drive_key(d, "Tab");
    drive_type(d, "blurry");
    drive_key(d, "S-Tab");
    drive_key(d, "C-p");
    drive_wait_gone(d, "half a word");
    drive_wait_gone(d, "blurry");
    drive_key(d, "C-n");
    drive_wait_text(d, "half a word");
    drive_wait_text(d, "blurry");
}

static void progress_queue_and_cancel(void **state)
{
    (void)state;
    struct drive *d = app(40, 120, &emu_sixel);
    app_preset(d, "long");
    app_run(d, "a red potion");
    app_run(d, "a blue knight");
    app_run(d, "a white ghost");
    drive_wait_text(d, "Queue \\(3\\)");
    drive_wait_text(d, "step [0-9]+ of 1000");
    drive_wait_text(d, "left");
    drive_wait(d, d->emu->pictures > 3); /* previews */
    drive_wait_text(d, "waiting");
    drive_key(d, "C-x");
    drive_wait_text(d, "Queue \\(2\\)");
    drive_wait_text(d, "a red potion.*cancelled");
    /* To the queue's panel, the last job up, and away with it. */
    for (int i = 0; i < 4; i++)
        drive_key(d, "Tab");
    drive_key(d, "End");
    drive_key(d, "Home");
    drive_key(d, "Down");
    drive_wait_text(d, "a white ghost.*waiting");
    drive_key(d, "d");
    drive_wait_text(d, "Queue \\(1\\)");
    drive_wait_text(d, "a white ghost.*cancelled");
    drive_key(d, "M-x");
    drive_wait_gone(d, "Queue \\(");
    drive_check(d, emu_rests(d->emu) == 0);
}

/* What is like a job that ended will take as long; of the first of a kind nothing is known. */
static void a_waiting_queue_says_how_long(void **state)
{
    (void)state;
    struct drive *d = app(40, 120, &emu_plain);
    app_preset(d, "quick");
    app_run(d, "a green gem");
    drive_wait_text(d, "done in");
    app_preset(d, "long");
    app_run(d, "a red potion");
    drive_wait_text(d, "step [0-9]+ of 1000");
    for (int i = 0; i < 4; i++) /* to the queue's panel, and the gem twice more */
        drive_key(d, "Tab");
    drive_key(d, "Home");
    drive_key(d, "Down");
    drive_type(d, "rr");
    drive_wait_text(d, "Queue \\(3\\)  2 waiting, about [0-9]");
    drive_key(d, "Home");
    drive_type(d, "r");
    drive_wait_text(d, "Queue \\(4\\) ");
    drive_check(d, !drive_sees(d, "3 waiting, about"));
    drive_key(d, "M-x");
    drive_wait_gone(d, "Queue \\(");
}

static void resized_while_sampling(void **state)
{
    (void)state;
    static const int sizes[][2] = {{20, 60}, {90, 300}, {24, 80}, {10, 40}, {50, 132}, {21, 61}};
    struct drive *d = app(40, 120, &emu_sixel);
    app_preset(d, "long");
    app_run(d, "a red potion");
    drive_wait_text(d, "step [0-9]+ of 1000");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        drive_resize(d, sizes[i][0], sizes[i][1]);
        if (sizes[i][0] < 20) {
            drive_wait_text(d, "10 is too small: spritty needs");
            drive_wait(d, d->emu->images == 0);
            continue;
        }
        drive_wait_text(d, "Prompt");
        drive_wait_text(d, "sampling|Sampling");
        int pictures = d->emu->pictures;
        drive_wait(d, d->emu->pictures > pictures && app_one_image(d));
        const struct emu_image *m = &d->emu->image[0];
        drive_check(d, m->y + m->rows < d->rows && m->x + m->cols < d->cols);
    }
    drive_key(d, "M-x");
    drive_wait_gone(d, "Queue \\(");
    drive_check(d, d->emu->overflows == 0);
}

/* ---- colours ---- */

/* What stands at the bottom of the screen from "theme: " on, "" where it does not. */
static void told_theme(const struct drive *d, char now[100])
{
    const char *at = strstr(drive_row(d, d->rows - 1), "theme: ");
    snprintf(now, 100, "%.90s|", at ? at : "");
}

/* F9, and until another one is told. */
static void next_theme(struct drive *d, char now[100])
{
    char before[100];
    told_theme(d, before);
    drive_key(d, "F9");
    drive_wait(d, (told_theme(d, now), *now == 't' && strcmp(now, before) != 0) ||
                      drive_sees(d, "Left out:"));
    drive_wait_quiet(d, 60); /* its name is whole */
    told_theme(d, now);
}

static void themes_change_the_colours(void **state)
{
    (void)state;
    struct drive *d = app(30, 100, &emu_sixel);
    char first[100] = "", seen[400] = "";
    int themes = 0;
    for (int i = 0; i < 12; i++) {
        char now[100];
        next_theme(d, now);
        if (i == 0)
            strcpy(first, now);
        else if (!strcmp(first, now))
            break;
        drive_check(d, !strstr(seen, now));
        snprintf(seen + strlen(seen), sizeof seen - strlen(seen), "%s", now);
        themes++;
    }
    drive_check(d, themes >= 5);
    /* One that is broken is named, whole, and does not keep those behind it away. */
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/.config/spritty/themes", d->home);
    assert_int_equal(mkdir(path, 0700), 0);
    strcat(path, "/zz.ini");
    FILE *broken = fopen(path, "w");
    assert_non_null(broken);
    fputs("[[[\n", broken);
    fclose(broken);
    for (int i = 0; i < 12 && !drive_sees(d, "Left out:"); i++)
        next_theme(d, first);
    drive_wait_text(d, "zz.ini:1:");
    drive_key(d, "F9");
    drive_wait_gone(d, "Left out");
    drive_wait_text(d, "theme: ");
}

static void only_the_colours_that_there_are(void **state)
{
    (void)state;
    static const struct {
        const char *env;
        enum emu_colors least, most;
    } cases[] = {{"NO_COLOR=1", EMU_NO_COLORS, EMU_NO_COLORS},
                 {"SPRITTY_COLORS=16", EMU_16_COLORS, EMU_16_COLORS},
                 {"SPRITTY_COLORS=256", EMU_256_COLORS, EMU_256_COLORS},
                 {"COLORTERM=truecolor", EMU_TRUE_COLORS, EMU_TRUE_COLORS},
                 {"TERM=vt100", EMU_NO_COLORS, EMU_NO_COLORS}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct drive *d = app_start(&(struct drive_options){.rows = 30,
                                                            .cols = 100,
                                                            .kind = &emu_plain,
                                                            .home = app_home(APP_CONFIG),
                                                            .env = {cases[i].env}});
        enum emu_colors c = emu_colors(d->emu);
        if (c < cases[i].least || c > cases[i].most)
            drive_fail(d, "%s: colours of kind %d", cases[i].env, c);
        drive_close(d);
    }
}

/* ---- other terminals ---- */

static bool blocks_are_seen(const struct drive *d)
{
    int n = 0;
    for (int y = 0; y < d->rows; y++)
        for (int x = 0; x < d->cols; x++) {
            uint32_t c = emu_cell(d->emu, y, x).chars[0];
            n += c >= 0x2580 && c <= 0x259f;
        }
    return n > 40;
}

static void images_without_sixel(void **state)
{
    (void)state;
    struct drive *d = app(40, 120, &emu_kitty);
    app_run(d, "a gem");
    drive_wait_text(d, "done in");
    drive_wait(d, app_one_image(d));
    drive_key(d, "F5");
    drive_wait(d, d->emu->images == 0);
    drive_close(d);
    d = app(40, 120, &emu_plain);
    app_run(d, "a gem");
    drive_wait_text(d, "done in");
    drive_wait(d, blocks_are_seen(d));
    drive_check(d, d->emu->pictures == 0);
}

static void inside_tmux(void **state)
{
    (void)state;
    struct drive *d = app(40, 120, &emu_tmux);
    app_preset(d, "quick");
    app_run(d, "a gem");
    drive_wait_text(d, "done in");
    drive_wait(d, app_one_image(d));
    for (int i = 0; i < 3; i++) { /* what is drawn around it leaves it alone */
        drive_type(d, "word ");
        drive_key(d, "M-Enter");
        drive_key(d, "Tab");
        drive_key(d, "S-Tab");
    }
    drive_wait_quiet(d, 200);
    drive_check(d, app_one_image(d) && d->emu->erased == 0);
}

static void a_slow_line_gets_there(void **state)
{
    (void)state;
    struct drive *d = app(40, 120, &emu_slow);
    app_preset(d, "quick");
    app_run(d, "a gem");
    drive_wait_text(d, "done in");
    drive_type(d, " and more");
    drive_wait(d, app_box_is(d, "Prompt", "agemandmore"));
    drive_wait(d, app_one_image(d) && d->emu->image[0].w % 32 == 0);
}

static void an_idle_app_is_silent(void **state)
{
    (void)state;
    struct drive *d = app(40, 120, &emu_sixel);
    drive_wait_text(d, "ready; next: "); /* loaded, warmed up, and the forecast came */
    drive_wait_quiet(d, 500);
    uint64_t bytes = d->bytes;
    double until = drive_now() + 2500;
    while (drive_now() < until)
        drive_pump(d, 100);
    drive_check(d, d->bytes == bytes);
}

/* ---- the other views ---- */

static void the_other_views(void **state)
{
    (void)state;
    struct drive *d = app(40, 120, &emu_sixel);
    drive_key(d, "F3");
    drive_expect_screen(d, "compare-empty");
    drive_key(d, "F4");
    drive_expect_screen(d, "gallery-empty");
    drive_key(d, "F1");
    drive_expect_screen(d, "help");
    drive_click(d, 10, 20); /* nothing is there to be clicked */
    drive_wait_quiet(d, 200);
    drive_expect_screen(d, "help");
    drive_key(d, "Esc");
    drive_click(d, 0, 12); /* the first tab */
    drive_wait_text(d, "Prompt");
    /* In two columns, whatever their height: what goes on below stays below. */
    drive_key(d, "F1");
    drive_wait_text(d, "Everywhere");
    for (int rows = 36; rows < 46; rows++) {
        drive_resize(d, rows, 140);
        drive_wait_gone(d, "Preview");
        drive_wait_quiet(d, 60);
        int more = drive_find(d, "\\(word:1.1\\)"), of = drive_find(d, "Ctrl-Up ");
        drive_check(d, more == (of < 0 ? -1 : of + 1));
    }
    drive_resize(d, 40, 120);
    drive_key(d, "Esc");
    drive_wait_text(d, "Prompt");
    drive_key(d, "F5");
    drive_wait_gone(d, "Prompt");
    drive_expect_screen(d, "monitor");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(first_screens, app_clean),
        cmocka_unit_test_teardown(every_character_is_text, app_clean),
        cmocka_unit_test_teardown(editing_keys, app_clean),
        cmocka_unit_test_teardown(a_prompt_becomes_a_sprite, app_clean),
        cmocka_unit_test_teardown(the_seed_shown_is_the_seed_used, app_clean),
        cmocka_unit_test_teardown(progress_queue_and_cancel, app_clean),
        cmocka_unit_test_teardown(a_waiting_queue_says_how_long, app_clean),
        cmocka_unit_test_teardown(resized_while_sampling, app_clean),
        cmocka_unit_test_teardown(back_from_the_history, app_clean),
        cmocka_unit_test_teardown(themes_change_the_colours, app_clean),
        cmocka_unit_test_teardown(only_the_colours_that_there_are, app_clean),
        cmocka_unit_test_teardown(images_without_sixel, app_clean),
        cmocka_unit_test_teardown(inside_tmux, app_clean),
        cmocka_unit_test_teardown(a_slow_line_gets_there, app_clean),
        cmocka_unit_test_teardown(an_idle_app_is_silent, app_clean),
        cmocka_unit_test_teardown(the_other_views, app_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
