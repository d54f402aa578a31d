/*
 * A part of a sprite made anew: the cells outside of the mask come out as they were, to the byte.
 * The pictures are drawn; what a model would paint under the mask is noise around a few colours.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/finisher.h"
#include "engine/finishing.h"
#include "engine/save.h"
#include "sprite/finish.h"
#include "sprite/image_file.h"
#include "sprite/quantize.h"
#include "sprites.h"

enum {
    CELL = 4,
    SIDE = CELL * SPRITE_SIDE,
    PAINTED = 6, /* rows of cells from the top that the mask covers */
    CELLS = SPRITE_SIDE * SPRITE_SIDE,
};

static const uint8_t white[3] = {255, 255, 255};

struct scene {
    struct image *before; /* a finished sprite: alpha, few colours */
    struct image *raw;    /* enlarged on white, its top painted anew */
    uint8_t mask[SIDE * SIDE], alpha[SIDE * SIDE];
    struct keep keep;
};

/* Under the mask: noise around four colours and, in the corners, ground. */
static void paint_top(struct image *raw, uint32_t seed)
{
    static const uint8_t colors[4][3] = {
        {200, 150, 40}, {90, 60, 160}, {60, 176, 70}, {30, 20, 40}};
    for (int y = 0; y < PAINTED * CELL; y++)
        for (int x = 0; x < SIDE; x++) {
            int cell = x / CELL + y / CELL * SPRITE_SIDE;
            bool ground = x < 2 * CELL || x >= SIDE - 2 * CELL || y < CELL;
            const uint8_t *c = ground ? white : colors[cell * 7 / 3 % 4];
            for (int k = 0; k < 3; k++)
                raw->rgba[4 * (y * SIDE + x) + k] = sprite_byte(
                    c[k] + (ground ? 0 : (int)(sprite_random(&seed) % 31) - 15));
        }
}

/* A hole in the slime, a pale pixel at its edge, and two greens that a chosen palette would make
 * one of: what a matte and a quantizer get wrong. */
static struct scene *draw(uint32_t seed)
{
    struct scene *s = calloc(1, sizeof *s);
    struct image *m = sprite_draw(0, NULL);
    memset(m->rgba + 4 * (12 * SPRITE_SIDE + 4), 0, 4);
    memcpy(m->rgba + 4 * (11 * SPRITE_SIDE + 1), (uint8_t[]){253, 254, 255, 255}, 4);
    memcpy(m->rgba + 4 * (9 * SPRITE_SIDE + 6), (uint8_t[]){58, 176, 69, 255}, 4);
    memcpy(m->rgba + 4 * (13 * SPRITE_SIDE + 5), (uint8_t[]){28, 122, 64, 255}, 4);
    s->before = m;
    s->raw = image_enlarge(m, CELL);
    for (int i = 0; i < SIDE * SIDE; i++) {
        uint8_t *p = s->raw->rgba + 4 * i;
        s->mask[i] = i < PAINTED * CELL * SIDE ? 255 : 0;
        s->alpha[i] = p[3];
        if (!p[3])
            memset(p, 255, 4);
    }
    paint_top(s->raw, seed);
    s->keep = (struct keep){SIDE, SIDE, s->mask, s->alpha};
    return s;
}

static void scene_free(struct scene *s)
{
    image_free(s->before);
    image_free(s->raw);
    free(s);
}

/* Kept cells that differ from what they were. */
static int changed(const struct scene *s, const struct image *m)
{
    int n = 0;
    assert_true(m->width == SPRITE_SIDE && m->height == SPRITE_SIDE);
    for (int i = PAINTED * SPRITE_SIDE; i < CELLS; i++)
        n += memcmp(m->rgba + 4 * i, s->before->rgba + 4 * i, 4) != 0;
    return n;
}

static struct image *finish(const struct scene *s, struct finish_options o, struct finish_report *r)
{
    struct image *out;
    struct err e = {""};
    if (finish_run(s->raw, &o, &out, r, &e))
        fail_msg("%s", e.text);
    return out;
}

/* With `keep`, not without. */
static void stays(const struct scene *s, struct finish_options o)
{
    struct finish_report r;
    struct image *without = finish(s, o, &r);
    o.keep = &s->keep;
    struct image *with = finish(s, o, &r);
    int lost = changed(s, without), now = changed(s, with), colors = r.colors_after;
    assert_int_equal(colors, image_colors(with));
    printf("    %d of %d kept cells differed, now %d, %d colours\n", lost,
           CELLS - PAINTED * SPRITE_SIDE, now, colors);
    assert_true(lost > 0);
    assert_int_equal(now, 0);
    assert_true(colors <= QUANTIZE_CHOOSE_MAX);
    image_free(with);
    image_free(without);
}

static struct palette own_colors(const struct image *m)
{
    struct palette p;
    struct err e;
    assert_int_equal(palette_of_images(&m, 1, QUANTIZE_MAX, &p, &e), 0);
    return p;
}

/* Of the cells that stay. */
static struct palette kept_colors(const struct scene *s)
{
    struct image *m = image_copy(s->before);
    memset(m->rgba, 0, (size_t)4 * PAINTED * SPRITE_SIDE);
    struct palette p = own_colors(m);
    image_free(m);
    return p;
}

static bool is_near(const uint8_t *c, int r, int g, int b)
{
    return abs(c[0] - r) <= 8 && abs(c[1] - g) <= 8 && abs(c[2] - b) <= 8;
}

/* ---- one picture ---- */

static void kept_cells_stay(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 5; seed++) {
        struct scene *s = draw(seed);
        stays(s, (struct finish_options){.cell = CELL, .matte = true});
        stays(s, (struct finish_options){.cell = FINISH_FIND, .matte = true});
        stays(s, (struct finish_options){.columns = SPRITE_SIDE, .matte = true});
        stays(s, (struct finish_options){.cell = CELL, .matte = true, .dither = DITHER_BAYER4});
        stays(s, (struct finish_options){.cell = CELL, .matte = true, .dither = DITHER_FLOYD});
        scene_free(s);
    }
}

/* Noise around a kept colour is that colour, and takes no place of the new ones: of paint_top's
 * four colours two are new, and room for two is enough for both. */
static void what_is_near_takes_the_kept_colour(void **state)
{
    (void)state;
    struct scene *s = draw(3);
    struct finish_report r;
    struct palette p = kept_colors(s);
    struct finish_options o = {.cell = CELL, .matte = true, .keep = &s->keep};
    for (int colors = 0; colors <= p.n + 2; colors += p.n + 2) {
        int old = 0, gold = 0, purple = 0;
        o.colors = colors;
        struct image *m = finish(s, o, &r);
        for (int i = 0; i < PAINTED * SPRITE_SIDE; i++) {
            const uint8_t *c = m->rgba + 4 * i;
            bool is_old = false;
            for (int k = 0; k < p.n; k++)
                is_old = is_old || !memcmp(p.rgb[k], c, 3);
            old += c[3] && is_old;
            gold += c[3] && !is_old && is_near(c, 200, 150, 40);
            purple += c[3] && !is_old && is_near(c, 90, 60, 160);
        }
        printf("    under the mask %d cells of kept colours, %d gold, %d purple\n", old, gold,
               purple);
        assert_int_equal(old, 30);
        assert_true(gold + purple == 30 && gold > 10 && purple > 10);
        image_free(m);
    }
    scene_free(s);
}

/* A number of colours counts for both together; one that is too small for what stays wins. */
static void a_number_of_colours_wins(void **state)
{
    (void)state;
    struct scene *s = draw(2);
    struct finish_report r;
    struct finish_options o = {.cell = CELL, .matte = true, .keep = &s->keep};
    int kept = kept_colors(s).n;
    for (o.colors = 2; o.colors <= 16; o.colors++) {
        struct image *m = finish(s, o, &r);
        assert_true(r.colors_after <= o.colors);
        assert_true((changed(s, m) == 0) == (o.colors >= kept));
        image_free(m);
    }
    scene_free(s);
}

/* One that has the kept colours leaves them, dithered or not; another wins. */
static void a_palette_wins(void **state)
{
    (void)state;
    struct scene *s = draw(4);
    struct finish_report r;
    struct palette own = own_colors(s->before), other = {2, {{0, 0, 0}, {200, 100, 50}}};
    struct finish_options o = {
        .cell = CELL, .matte = true, .palette = &own, .keep = &s->keep, .dither = DITHER_FLOYD};
    struct image *m = finish(s, o, &r);
    assert_int_equal(changed(s, m), 0);
    assert_true(r.colors_after <= own.n);
    image_free(m);
    o.palette = &other;
    m = finish(s, o, &r);
    assert_true(r.colors_after <= 2 && changed(s, m) > 0);
    image_free(m);
    scene_free(s);
}

/* Opaque before: the matte cuts kept cells as any, and those that are left have their colours. A
 * mask of another size is of no meaning. */
static void without_alpha_the_matte_decides(void **state)
{
    (void)state;
    struct scene *s = draw(5);
    struct finish_report r;
    s->keep.alpha = NULL;
    struct finish_options o = {.cell = CELL, .matte = true, .keep = &s->keep};
    struct image *m = finish(s, o, &r), *again;
    for (int i = PAINTED * SPRITE_SIDE; i < CELLS; i++)
        if (m->rgba[4 * i + 3] && s->before->rgba[4 * i + 3])
            assert_memory_equal(m->rgba + 4 * i, s->before->rgba + 4 * i, 4);
    assert_memory_equal(m->rgba + 4 * (12 * SPRITE_SIDE + 4), ((uint8_t[]){255, 255, 255, 255}), 4);
    image_free(m);
    s->keep.width--;
    m = finish(s, o, &r);
    o.keep = NULL;
    again = finish(s, o, &r);
    assert_true(image_equal(m, again));
    image_free(m);
    image_free(again);
    scene_free(s);
}

/* Of more colours than may be chosen nothing is kept: the start was no finished sprite. */
static void pictures_of_many_colours_are_chosen_for_as_a_whole(void **state)
{
    (void)state;
    struct scene *s = draw(6);
    struct finish_report r;
    s->keep.alpha = NULL;
    for (int i = PAINTED * CELL * SIDE; i < SIDE * SIDE; i++)
        for (int k = 0; k < 3; k++)
            s->raw->rgba[4 * i + k] ^= (uint8_t)(i / CELL * 5 & 15);
    struct finish_options o = {.cell = CELL, .matte = true};
    struct image *without = finish(s, o, &r);
    o.keep = &s->keep;
    struct image *with = finish(s, o, &r);
    assert_true(image_equal(with, without));
    image_free(with);
    image_free(without);
    scene_free(s);
}

/* ---- as a job has it ---- */

static char folder[] = "/tmp/spritty-test-keep-XXXXXX";

static int make_home(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    unsetenv("XDG_CONFIG_HOME");
    unsetenv("XDG_DATA_HOME");
    setenv("SPRITTY_MEASURE", "never", 1); /* which takes seconds */
    return setenv("HOME", folder, 1);
}

static int remove_home(void **state)
{
    (void)state;
    return rmdir(folder);
}

static void say(struct settings *s, const char *key, const char *value)
{
    struct err e = {""};
    if (settings_set(s, key, value, &e))
        fail_msg("%s", e.text);
}

/* The files: the sprite, and the mask in its size. */
static void save_scene(const struct scene *s, char sprite[100], char mask[100])
{
    struct err e = {""};
    struct image *m = image_new(SPRITE_SIDE, SPRITE_SIDE);
    for (int i = 0; i < CELLS; i++)
        memset(m->rgba + 4 * i, i < PAINTED * SPRITE_SIDE ? 255 : 0, 3), m->rgba[4 * i + 3] = 255;
    snprintf(sprite, 100, "%s/sprite.png", folder);
    snprintf(mask, 100, "%s/mask.png", folder);
    assert_int_equal(image_save(sprite, s->before, NULL, 0, &e), 0);
    assert_int_equal(image_save(mask, m, NULL, 0, &e), 0);
    image_free(m);
}

static void say_scene(struct settings *said, const char *sprite, const char *mask)
{
    char size[40], cell[10];
    snprintf(size, sizeof size, "%dx%d", SIDE, SIDE);
    snprintf(cell, sizeof cell, "%d", CELL);
    say(said, "model", "tests/golden/small_a");
    say(said, "size", size);
    say(said, "cell", cell);
    say(said, "image", sprite);
    say(said, "mask", mask);
}

/* Two pictures of one job, whose palette is locked or not. */
static void finish_job(const char *lock)
{
    char sprite[100], mask[100];
    struct scene *s[2] = {draw(7), draw(8)};
    struct settings said = {0};
    struct job j;
    struct err e = {""};
    struct gen_result r = {.count = 2, .width = SIDE, .height = SIDE};
    struct image *out[2];
    save_scene(s[0], sprite, mask);
    say_scene(&said, sprite, mask);
    say(&said, "lock", lock);
    if (job_prepare(&j, &said, NULL, "a crown", &e))
        fail_msg("%s", e.text);
    r.rgb = malloc((size_t)2 * SIDE * SIDE * 3);
    for (int i = 0; i < 2 * SIDE * SIDE; i++)
        memcpy(r.rgb + 3 * i, s[i / (SIDE * SIDE)]->raw->rgba + 4 * (i % (SIDE * SIDE)), 3);
    if (sprites_finish(&j, &r, out, &e))
        fail_msg("%s", e.text);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(changed(s[i], out[i]), 0);
        image_free(out[i]);
        scene_free(s[i]);
    }
    free(r.rgb);
    job_free(&j);
    settings_free(&said);
    unlink(sprite);
    unlink(mask);
}

static void a_job_keeps_what_its_mask_does_not_cover(void **state)
{
    (void)state;
    finish_job("no");
    finish_job("yes");
}

/* ---- as it is finished anew in the app ---- */

/* Its EVENT_SPRITE. */
static struct event *run_job(const char *sprite, const char *mask)
{
    struct err e = {""};
    struct event *v = NULL;
    struct engine *x = engine_start(&(struct engine_options){.folder = folder, .threads = 1}, &e);
    struct command *c = command_new(COMMAND_RUN);
    assert_non_null(x);
    c->job = 1;
    c->words = strdup("a crown");
    say_scene(&c->settings, sprite, mask);
    say(&c->settings, "steps", "2");
    say(&c->settings, "seed", "3");
    assert_true(engine_send(x, c));
    for (bool done = false; !done;) {
        struct pollfd p = {.fd = engine_fd(x), .events = POLLIN};
        struct event *next = engine_next(x);
        if (!next) {
            assert_int_equal(poll(&p, 1, 120000), 1);
            continue;
        }
        if (next->kind == EVENT_FAILED)
            fail_msg("%s", next->text);
        done = next->kind == EVENT_SPRITE;
        if (done)
            v = next;
        else
            event_free(next);
    }
    engine_stop(x);
    return v;
}

static struct image *finish_again(const struct image *m, int cell, const char *colors,
                                  const struct keep *keep)
{
    struct finisher *f = finisher_new(&(struct err){0});
    struct settings said = {0};
    struct finished got = {0};
    say(&said, "cell", cell ? "4" : "none");
    say(&said, "colors", colors);
    assert_int_equal(finisher_picture(f, m, cell, keep), 0);
    assert_true(finisher_ask(f, &said, NULL) > 0);
    while (!finisher_take(f, &got))
        usleep(1000);
    if (!got.after)
        fail_msg("%s", got.text);
    finisher_free(f);
    settings_free(&said);
    image_free(got.before);
    return got.after;
}

static void what_a_job_kept_is_kept_when_it_is_finished_again(void **state)
{
    (void)state;
    char sprite[100], mask[100];
    struct scene *s = draw(9);
    save_scene(s, sprite, mask);
    struct event *v = run_job(sprite, mask);
    assert_int_equal(changed(s, v->image), 0);
    struct image *with = finish_again(v->raw, CELL, "auto", v->keep);
    struct image *without = finish_again(v->raw, CELL, "auto", NULL);
    assert_true(changed(s, without) > 0);
    assert_int_equal(changed(s, with), 0);
    assert_true(image_equal(with, v->image));
    unlink(v->text);
    event_free(v);
    image_free(with);
    image_free(without);
    scene_free(s);
    unlink(sprite);
    unlink(mask);
}

static struct settings settle(const char *sprite, const char *mask, const char *trim)
{
    struct settings said = {0}, all;
    struct err e = {""};
    say_scene(&said, sprite, mask);
    say(&said, "trim", trim);
    if (engine_settle(&said, NULL, &all, &e))
        fail_msg("%s", e.text);
    settings_free(&said);
    return all;
}

/* What the job kept is not stored: it is the mask's, by the settings, as long as that is there. */
static void sprites_of_before_keep_it_too(void **state)
{
    (void)state;
    char sprite[100], mask[100], colors[10];
    struct scene *s = draw(9);
    save_scene(s, sprite, mask);
    struct event *v = run_job(sprite, mask);
    struct settings all = settle(sprite, mask, "no"), trimmed = settle(sprite, mask, "yes");
    struct err e = {""};
    struct keep *k = finishing_kept(&all, v->image, &e);
    assert_non_null(k);
    assert_true(k->width == SPRITE_SIDE && k->height == SPRITE_SIDE);
    for (int i = 0; i < CELLS; i++)
        if ((k->mask[i] > 0) != (i < PAINTED * SPRITE_SIDE))
            fail_msg("cell %d: %d", i, k->mask[i]);
    snprintf(colors, sizeof colors, "%d", kept_colors(s).n);
    struct image *with = finish_again(v->image, 0, colors, k);
    struct image *without = finish_again(v->image, 0, colors, NULL);
    assert_true(changed(s, without) > 0);
    assert_int_equal(changed(s, with), 0);
    free(k);
    assert_null(finishing_kept(&trimmed, v->image, &e));
    assert_string_equal(e.text, "");
    unlink(mask);
    assert_null(finishing_kept(&all, v->image, &e));
    assert_non_null(strstr(e.text, mask));
    settings_free(&all);
    settings_free(&trimmed);
    unlink(v->text);
    event_free(v);
    image_free(with);
    image_free(without);
    scene_free(s);
    unlink(sprite);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kept_cells_stay),
        cmocka_unit_test(what_is_near_takes_the_kept_colour),
        cmocka_unit_test(a_number_of_colours_wins),
        cmocka_unit_test(a_palette_wins),
        cmocka_unit_test(without_alpha_the_matte_decides),
        cmocka_unit_test(pictures_of_many_colours_are_chosen_for_as_a_whole),
        cmocka_unit_test(a_job_keeps_what_its_mask_does_not_cover),
        cmocka_unit_test(what_a_job_kept_is_kept_when_it_is_finished_again),
        cmocka_unit_test(sprites_of_before_keep_it_too),
    };
    return cmocka_run_group_tests(tests, make_home, remove_home);
}
