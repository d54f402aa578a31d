/*
 * The settings panel of the terminal app: found, changed, put back, folded; what it offers is taken
 * by the next job.
 */
/* Not under qemu: a program driven through a terminal in time limits that an emulator misses. */
#include "app.h"

#include "sprite/image_file.h"

static void to_settings(struct drive *d)
{
    for (int i = 0; i < 3; i++)
        drive_key(d, "Tab");
    drive_wait_text(d, "/ find");
}

static void found_and_changed(void **state)
{
    (void)state;
    struct drive *d = app(40, 120, &emu_plain);
    to_settings(d);
    drive_expect_screen(d, "settings-120x40");
    drive_type(d, "/");
    drive_type(d, "number format");
    drive_wait_text(d, "find number format");
    drive_wait_gone(d, " sampler ");
    drive_key(d, "Enter"); /* the group is open, the cursor on it */
    drive_wait_text(d, "\u25be Machine");
    drive_key(d, "Right");
    drive_wait_text(d, "\u2022 precision +fp32");
    drive_key(d, "Delete");
    drive_wait_text(d, "  precision +auto");
    drive_key(d, "Left"); /* round to the last choice */
    drive_wait_text(d, "\u2022 precision +fp8");
    drive_key(d, "Right");
    drive_key(d, "Right");
    drive_wait_text(d, "\u2022 precision +fp32");
    /* Its group, closed, still tells. */
    for (int i = 0; i < 2; i++)
        drive_key(d, "Up");
    drive_key(d, "Left");
    drive_wait_text(d, "\u25b8 Machine +1 set");
    /* Escape leaves a search where it began. */
    drive_type(d, "/steps");
    drive_wait_text(d, "find steps");
    drive_key(d, "Esc");
    drive_wait_gone(d, "find steps");
    drive_key(d, "Right");
    drive_wait_text(d, "\u25be Machine");
    drive_key(d, "C-q");
    drive_wait_end(d);
    struct drive *again = app_again(d); /* values and open groups are kept */
    to_settings(again);
    drive_key(again, "End");
    drive_wait_text(again, "\u2022 precision +fp32");
}

static void choices_in_a_list(void **state)
{
    (void)state;
    struct drive *d = app(40, 120, &emu_plain);
    to_settings(d);
    drive_type(d, "/sampler");
    drive_key(d, "Enter");
    drive_key(d, "Enter");
    drive_wait_text(d, "Find");
    drive_type(d, "ddim");
    drive_wait_text(d, "1/1");
    drive_key(d, "Enter");
    drive_wait_text(d, "\u2022 sampler +ddim");
    /* By the name that other tools have, which says the schedule as well. */
    drive_key(d, "Enter");
    drive_wait_text(d, "Find");
    drive_type(d, "DPM++ 2M Karras");
    drive_wait_text(d, "dpmpp_2m karras +DPM\\+\\+ 2M Karras");
    drive_wait_text(d, "1/2");
    drive_key(d, "Enter");
    drive_wait_text(d, "\u2022 sampler +dpmpp_2m ");
    drive_wait_text(d, "\u2022 schedule +karras");
    drive_key(d, "Enter");
    drive_type(d, "ddim");
    drive_wait_text(d, "1/1");
    drive_key(d, "Enter");
    drive_wait_text(d, "\u2022 sampler +ddim");
    /* A number is typed in its place; nonsense is refused by name. */
    drive_type(d, "/steps");
    drive_key(d, "Enter");
    drive_type(d, "0");
    drive_key(d, "Enter");
    drive_wait_text(d, "steps: '0' is no whole number from 1");
    drive_type(d, "3");
    drive_key(d, "Enter");
    drive_wait_text(d, "\u2022 steps +3 ");
    drive_key(d, "Esc");
    drive_wait_text(d, "Enter make");
    app_run(d, "a gem");
    drive_wait_text(d, "done in");
    drive_key(d, "F4");
    drive_key(d, "Enter");
    drive_wait_text(d, "sampler +ddim");
    drive_wait_text(d, "steps +3, cfg");
}

static void mouse(struct drive *d, int button, int y, int x, char end)
{
    char report[40];
    int n = snprintf(report, sizeof report, "\033[<%d;%d;%d%c", button, x + 1, y + 1, end);
    drive_send(d, report, (size_t)n);
}

/* All of it, from outside of a corner's cell to beyond the other: kept, then masked; both undone.
 */
static void drag_over_the_mask(struct drive *d)
{
    drive_wait(d, app_one_image(d));
    const struct emu_image *m = &d->emu->image[0];
    int y = m->y, x = m->x, bottom = y + m->rows - 1, right = x + m->cols - 1;
    mouse(d, 2, y, x, 'M');
    mouse(d, 34, bottom, right, 'M');
    mouse(d, 2, bottom + 1, right + 1, 'm');
    drive_wait_text(d, " 0% masked");
    mouse(d, 0, bottom, right, 'M');
    mouse(d, 32, y, x, 'M');
    mouse(d, 0, y, x, 'm');
    drive_wait_text(d, "100% masked");
    drive_type(d, "uu");
    drive_wait_text(d, "99% masked");
}

/* Drawn over the picture that was just set: a rectangle, one row of it kept, the edge moved and
 * moved back by an undo; the file is what was drawn, and the setting. */
static void draw_a_mask(struct drive *d)
{
    char path[PATH_MAX];
    struct image image;
    struct png_file file;
    struct err e = {""};
    int white = 0;
    drive_type(d, "/mask");
    drive_key(d, "Enter");
    drive_key(d, "Enter");
    drive_wait_text(d, "draw it over the picture");
    drive_key(d, "Enter");
    drive_wait_text(d, "sprite-1[^ ]* 32x32, at 16,16, 0% masked");
    drive_wait(d, app_one_image(d));
    drive_key(d, "Enter");
    drive_wait_text(d, "nothing is masked");
    drive_type(d, " ");
    for (int i = 0; i < 3; i++)
        drive_key(d, "Right");
    drive_key(d, "Down");
    drive_wait_text(d, "at 19,17, 0% masked; now the other corner");
    drive_type(d, " ");
    drive_wait_text(d, "1% masked"); /* 8 of 1024 */
    drive_type(d, "+");
    drive_wait_text(d, "2% masked");
    drive_type(d, "u");
    drive_wait_text(d, "1% masked");
    drive_type(d, "x"); /* the point under the cursor */
    drive_type(d, "i");
    drive_wait_text(d, "99% masked");
    drag_over_the_mask(d);
    drive_key(d, "Enter");
    drive_wait_text(d, "\u2022 mask +[^ ]*-mask-1.png");
    drive_wait(d, app_one_image(d));
    snprintf(path, sizeof path, "%s/.local/share/spritty/masks", d->home);
    DIR *folder = opendir(path);
    assert_non_null(folder);
    for (struct dirent *f; (f = readdir(folder));)
        if (strstr(f->d_name, "-mask-1.png"))
            snprintf(path, sizeof path, "%s/.local/share/spritty/masks/%s", d->home, f->d_name);
    closedir(folder);
    if (image_load(path, &image, &file, &e))
        fail_msg("%s", e.text);
    for (int i = 0; i < 32 * 32; i++)
        white += image.rgba[4 * i] == 255;
    assert_int_equal(white, 32 * 32 - 7);
    assert_int_equal(image.rgba[4 * (16 * 32 + 16)], 0);
    assert_int_equal(image.rgba[4 * (17 * 32 + 19)], 255);
    png_file_free(&file);
}

/* A picture that was made becomes the one to start from: found by words, by a path that Tab
 * completes, by a pasted path, from the gallery. */
static void a_file_is_picked(void **state)
{
    (void)state;
    struct drive *d = app(40, 120, &emu_sixel);
    char path[1][PATH_MAX], typed[PATH_MAX + 2];
    app_run(d, "a gem");
    drive_wait_text(d, "done in");
    assert_int_equal(app_sprites(d->home, path, 1), 1);
    to_settings(d);
    drive_type(d, "/png to start");
    drive_key(d, "Enter");
    drive_wait_text(d, "\u25be Image to image");
    drive_key(d, "Enter");
    drive_wait_text(d, "take it");
    /* The chosen file, and of the studio's sprite what the dialog leaves. */
    drive_wait(d, emu_whole(d->emu) == 2 && emu_rests(d->emu) == 0);
    drive_type(d, "sprite-1");
    drive_wait_text(d, "1/1");
    drive_key(d, "Enter");
    drive_wait_text(d, "\u2022 image +[^ ]*sprite-1[^ ]*png");
    drive_wait(d, app_one_image(d));
    drive_key(d, "Delete");
    drive_wait_text(d, "  image +\u2013");
    drive_key(d, "Enter");
    drive_type(d, "~/.local/sh");
    drive_key(d, "Tab");
    drive_wait_text(d, "~/.local/share/ ");
    drive_wait_text(d, "take it");
    drive_key(d, "Esc");
    drive_wait_gone(d, "take it");
    drive_key(d, "Enter");
    snprintf(typed, sizeof typed, "'%s'", path[0]);
    drive_paste(d, typed);
    drive_wait_text(d, "1/1");
    drive_key(d, "Enter");
    drive_wait_text(d, "\u2022 image +[^ ]*sprite-1[^ ]*png");
    drive_key(d, "Delete");
    drive_wait_text(d, "  image +\u2013");
    drive_key(d, "F4");
    drive_wait_text(d, "1 sprite");
    drive_type(d, "i");
    drive_wait_text(d, "\u2022 image +[^ ]*sprite-1[^ ]*png");
    drive_check(d, emu_rests(d->emu) == 0 && d->emu->erased == 0);
    draw_a_mask(d);
}

static void with_the_mouse(void **state)
{
    (void)state;
    struct drive *d = app(30, 100, &emu_plain);
    int y = drive_find(d, "\u25be Picture"), x = 0;
    drive_check(d, y > 0);
    while (!app_text_at(d, y, x, "Picture"))
        x++;
    drive_click(d, y, x);
    drive_wait_text(d, "\u25b8 Picture");
    drive_wait_gone(d, " sampler ");
}

/* The line over a list is none of its rows: not the one above those that are seen either. */
static void a_box_is_no_row(void **state)
{
    (void)state;
    struct drive *d = app(20, 100, &emu_plain);
    drive_key(d, "Tab");
    drive_key(d, "Tab");
    drive_wait_text(d, "\u25cf none");
    drive_key(d, "End");
    drive_wait_gone(d, "\u25cf none");
    int y = drive_find(d, " Preset "), x = 0;
    while (!app_text_at(d, y, x, "Preset"))
        x++;
    drive_click(d, y, x);
    drive_wait_quiet(d, 200);
    drive_check(d, !drive_sees(d, "\u25cf"));
}

/* What was typed is the value of the row that it was typed in; in a narrow field its end is seen,
 * whatever characters it has. */
static void a_value_is_typed_in_its_row(void **state)
{
    (void)state;
    struct drive *d = app(40, 120, &emu_plain);
    to_settings(d);
    drive_type(d, "/steps");
    drive_key(d, "Enter");
    drive_type(d, "7");
    drive_wait_text(d, "steps +7");
    mouse(d, 65, drive_find(d, "steps +7"), 30, 'M'); /* the wheel, down */
    drive_wait_text(d, "\u2022 steps +7 ");
    drive_type(d, "/model");
    drive_key(d, "Enter");
    for (int i = 0; i < 60; i++)
        drive_type(d, i < 59 ? "\u00e9" : "x");
    drive_wait_text(d, "model +(\u00e9)+x ");
    drive_check(d, !drive_sees(d, "\ufffd"));
    drive_key(d, "Esc");
}

/* "ready; next: 70 MB": the number. */
static double megabytes_next(struct drive *d)
{
    drive_wait_text(d, "next: [0-9.]+ [MG]B");
    const char *at = strstr(drive_row(d, drive_find(d, "next: [0-9]")), "next: ");
    char unit = 'M';
    double value = 0;
    assert_int_equal(sscanf(at, "next: %lf %cB", &value, &unit), 2);
    return unit == 'G' ? 1000 * value : value;
}

/* A device that is set aside gets no jobs: what the next one takes is another's matter. */
static void the_next_job_is_of_a_device_that_works(void **state)
{
    (void)state;
    const char *const alone[] = {drive_app(), "--device", "cpu", NULL};
    const char *const set[] = {drive_app(), "--device", "cuda:9,cpu", NULL};
    struct drive *one = app_start(&(struct drive_options){
        .rows = 30, .cols = 100, .argv = alone, .kind = &emu_plain, .home = app_home(APP_CONFIG)});
    drive_wait_text(one, "ready; next:");
    struct drive *d = app_start(&(struct drive_options){
        .rows = 30, .cols = 100, .argv = set, .kind = &emu_plain, .home = app_home(APP_CONFIG)});
    drive_wait_text(d, "cuda:9 is set aside");
    drive_wait_text(d, "ready; next:");
    double own = megabytes_next(one), there = megabytes_next(d);
    /* Both count what their processes hold, which grows until they have warmed up. */
    for (double end = drive_now() + drive_patience();
         !(fabs(there / own - 1) <= 0.4) && drive_now() < end;) {
        drive_pump(one, 20);
        drive_pump(d, 20);
        own = megabytes_next(one);
        there = megabytes_next(d);
    }
    print_message("next: %g MB on the CPU, %g MB with a GPU that is not there\n", own, there);
    drive_check(d, fabs(there / own - 1) <= 0.4);
}

/* The shipped model without what it says of itself, as "bare" in this home. */
static void put_bare_model(const char *home)
{
    static const char *const folders[] = {"/.local", "/.local/share", "/.local/share/spritty",
                                          "/.local/share/spritty/models",
                                          "/.local/share/spritty/models/bare"};
    static const char *const parts[] = {
        "model_index.json", "scheduler",   "text_encoder", "text_encoder_2",
        "tokenizer",        "tokenizer_2", "unet",         "vae"};
    char from[PATH_MAX], to[PATH_MAX], here[PATH_MAX - 40];
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        snprintf(to, sizeof to, "%s%s", home, folders[i]);
        if (mkdir(to, 0700))
            assert_int_equal(errno, EEXIST);
    }
    assert_non_null(getcwd(here, sizeof here));
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        snprintf(from, sizeof from, "%s/models/tiny/%s", here, parts[i]);
        snprintf(to, sizeof to, "%s%s/%s", home, folders[4], parts[i]);
        assert_int_equal(symlink(from, to), 0);
    }
}

static void a_model_says_what_it_draws(void **state)
{
    (void)state;
    struct drive *d = app(40, 120, &emu_sixel);
    drive_wait_text(d, "the model tiny draws slime, knight,");
    drive_wait_text(d, "write one like these, then Enter");
    app_run(d, "two slimes");
    drive_wait_text(d, "\u2713 two slimes");
    drive_wait_gone(d, "the model tiny draws");
    drive_check(d, !drive_sees(d, "names nothing"));
    app_run(d, "a wolf");
    drive_wait_text(d, "the prompt names nothing that the model tiny draws: slime, knight,");
    drive_close(d);
    /* A model that does not say is not told for. */
    const char *home = app_home("[defaults]\nsteps = 2\nsize = 64x64\nmodel = bare\n");
    put_bare_model(home);
    d = drive_start(&(struct drive_options){.rows = 40, .cols = 120, .home = home});
    drive_wait_text(d, "bare +cpu");
    drive_wait_text(d, "the sprite appears here");
    app_run(d, "a wolf");
    drive_wait_text(d, "\u2713 a wolf");
    drive_check(d, !drive_sees(d, "names nothing"));
    drive_close(d);
    /* Of one that is not there more is to be said than the panel holds. */
    d = drive_start(&(struct drive_options){
        .rows = 30, .cols = 100, .home = app_home("[defaults]\nmodel = nothere\n")});
    drive_wait_text(d, "that name here nor a model in.*\u2026");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(found_and_changed, app_clean),
        cmocka_unit_test_teardown(choices_in_a_list, app_clean),
        cmocka_unit_test_teardown(a_file_is_picked, app_clean),
        cmocka_unit_test_teardown(with_the_mouse, app_clean),
        cmocka_unit_test_teardown(a_box_is_no_row, app_clean),
        cmocka_unit_test_teardown(a_value_is_typed_in_its_row, app_clean),
        cmocka_unit_test_teardown(a_model_says_what_it_draws, app_clean),
        cmocka_unit_test_teardown(the_next_job_is_of_a_device_that_works, app_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
