/*
 * Images on the screen: what a terminal would show after random frames is exactly what was wanted,
 * and what did not change costs nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "place_screen.h"

/* -- tests --------------------------------------------------------------------------------------
 */

static void random_frames_leave_no_ghost(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 8; seed++) {
        struct places *p;
        struct out o;
        size_t bytes;
        start(&p, &o, seed);
        frame(p, &o, &bytes); /* the terminal is known then */
        for (int round = 0; round < 150; round++) {
            for (int n = chance(4); n >= 0; n--)
                change_something();
            if (chance(12) == 0) { /* resized, or suspended: the screen was cleared */
                memset(&screen, 0, sizeof screen);
                memset(text, 0, sizeof text);
                place_forget(p);
            }
            assert_int_equal(frame(p, &o, &bytes), 0);
            o.pace.waiting = false;
            screen_is_right(round);
            assert_int_equal(frame(p, &o, &bytes), 0);
            assert_int_equal(bytes, 0); /* nothing changed */
            screen_is_right(round);
        }
        stop(p, &o);
    }
}

/* Each area shows one image that its slot had once, all of it in one piece; nothing else is there.
 * Returns how many cells the first area's image covers. */
static int previews_are_whole(bool had[AREAS][217])
{
    int cells[AREAS] = {0};
    long color[AREAS] = {0};
    for (int y = 0; y < ROWS; y++)
        for (int x = 0; x < COLS; x++) {
            int i = (y - 1) / 12 * 3 + x / 20;
            long c = screen.cell[y][x];
            if (text[y][x] || c == 0) {
                assert_int_equal(c, text[y][x] ? -1 : 0);
                continue;
            }
            if (color[i] && color[i] != c)
                fail_msg("area %d shows parts of two images", i);
            color[i] = c;
            cells[i]++;
        }
    for (int i = 0; i < AREAS; i++) {
        bool good = !color[i];
        for (uint64_t s = 1; !good && s < 217; s++)
            good = had[i][s] && color[i] == color_of(s);
        assert_true(good);
    }
    return cells[0];
}

static void new_previews(int step, bool had[AREAS][217])
{
    for (int i = 0; i < AREAS; i += 2) {
        image_free(area[i].image);
        area[i].serial = (uint64_t)(step * 3 + i / 2) % 215 + 1;
        had[i][area[i].serial] = true;
        area[i].image = picture(area[i].serial, 16, 16);
    }
}

static void a_slow_line_gets_few_and_small_previews(void **state)
{
    (void)state;
    struct places *p;
    struct out o;
    size_t bytes;
    bool had[AREAS][217] = {0};
    int due = 0, sent = 0, sizes[ROWS * COLS + 1] = {0};
    start(&p, &o, 5);
    for (int i = 0; i < AREAS; i += 2)
        area[i] = (struct area){.on = true,
                                .live = true,
                                .slot = (unsigned)i,
                                .w = 16,
                                .h = 16,
                                .rows = 10,
                                .cols = 20};
    for (int step = 1; step < 120; step++) { /* fast, slow, fast, a little slow */
        line_budget = step < 20 || (step >= 50 && step < 80) ? SIZE_MAX : step < 50 ? 100 : 160;
        new_previews(step, had);
        overlay.on = step % 20 > 16;
        due = frame(p, &o, &bytes);
        int cells = previews_are_whole(had);
        if (step < 20 || step >= 54) /* where it must be in full again */
            sizes[cells] += step >= 54 && step < 80;
        else
            sizes[cells]++;
        sent += bytes > 60;
        if (step % 3 == 0)
            o.pace.waiting = false; /* the answer */
    }
    assert_in_range(sent, 30, 80);                     /* not every frame, but they come */
    assert_true(sizes[10 * 19] + sizes[10 * 20] > 20); /* in full, */
    assert_true(sizes[5 * 10] + sizes[4 * 8] > 5);     /* and smaller */
    for (int i = 0; i < AREAS; i += 2)                 /* finished: all at once, in full */
        area[i].live = false;
    line_budget = 100;
    overlay.on = false;
    for (int n = 0; n < 4 && (n == 0 || due); n++) {
        o.pace.waiting = false;
        due = frame(p, &o, &bytes);
    }
    assert_int_equal(due, 0);
    screen_is_right(-1);
    stop(p, &o);
}

static void tmux_forgets_and_is_told_again(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 8; seed++) {
        struct places *p;
        struct out o;
        size_t bytes;
        start(&p, &o, seed);
        tmux.on = true;
        for (int round = 0; round < 150; round++) {
            for (int n = chance(4); n >= 0; n--)
                change_something();
            for (int due = 1, turn = 0; due; turn++) {
                due = frame(p, &o, &bytes);
                tmux_draws();
                o.pace.waiting = false;
                now_ms += 40;
                assert_true(turn < 8);
            }
            screen_is_right(round);
        }
        stop(p, &o);
    }
}

static void what_is_written_over_is_drawn_again(void **state)
{
    (void)state;
    struct places *p;
    struct out o;
    size_t bytes;
    start(&p, &o, 1);
    area[0] = (struct area){true, false, 3, 5, 11, 20, 8, 8, picture(5, 8, 8)};
    area[1] = (struct area){true, false, 4, 6, 11, 20, 8, 8, picture(6, 8, 8)};
    area[0].cols = 30; /* into the other */
    frame(p, &o, &bytes);
    o.pace.waiting = false;
    area[1].on = false; /* its blanks take a part of the first */
    frame(p, &o, &bytes);
    screen_is_right(0);
    stop(p, &o);
}

static void what_is_due_costs_nothing_until_the_answer(void **state)
{
    (void)state;
    struct places *p;
    struct out o;
    size_t bytes;
    start(&p, &o, 1);
    area[0] = (struct area){true, true, 3, 5, 10, 20, 8, 8, picture(5, 8, 8)};
    assert_int_equal(frame(p, &o, &bytes), 0);
    assert_true(bytes > 0);
    assert_true(o.pace.waiting); /* asked */
    area[0].serial = 6;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(frame(p, &o, &bytes), 1);
        assert_int_equal(bytes, 0);
    }
    o.pace.waiting = false;
    assert_int_equal(frame(p, &o, &bytes), 0);
    assert_true(bytes > 0);
    stop(p, &o);
}

/* Serial and size tell the content; so a second encoding of the same would show another pixel. */
static void drawing_again_does_not_encode_again(void **state)
{
    (void)state;
    struct places *p;
    struct out o;
    size_t bytes;
    start(&p, &o, 1);
    area[0] = (struct area){true, false, 3, 5, 11, 20, 8, 8, picture(5, 8, 8)};
    frame(p, &o, &bytes);
    o.pace.waiting = false;
    memset(area[0].image->rgba, 255, 8 * 8 * 4);
    place_forget(p);
    memset(&screen, 0, sizeof screen);
    frame(p, &o, &bytes);
    screen_is_right(0); /* in the old colour: from the cache */
    area[0].rows = 10;  /* and so when it moves */
    o.pace.waiting = false;
    frame(p, &o, &bytes);
    screen_is_right(1);
    stop(p, &o);
}

static size_t count(const struct out *o, const char *what)
{
    size_t n = 0, len = strlen(what);
    for (size_t i = 0; i + len <= o->end; i++)
        n += !memcmp(o->bytes + i, what, len);
    return n;
}

static void a_new_terminal_gets_everything_anew(void **state)
{
    (void)state;
    struct places *p;
    struct out o;
    size_t bytes;
    start(&p, &o, 1);
    area[0] = (struct area){true, false, 3, 5, 11, 20, 8, 8, picture(5, 8, 8)};
    frame(p, &o, &bytes);
    struct caps caps = sixel_caps;
    caps.graphics = GRAPHICS_BLOCKS; /* the answers came late */
    caps.colors = COLORS_TRUE;
    place_draw(p, &caps, &o, 0);
    assert_true(count(&o, "\033[48;5;17m\033[2;1H") == 1); /* the old one goes */
    assert_true(count(&o, "48;2;") > 0);
    stop(p, &o);
}

static void kitty_images_are_taken_away(void **state)
{
    (void)state;
    struct places *p = places_new();
    struct out o;
    struct caps caps = sixel_caps;
    struct image *m = picture(1, 4, 4);
    struct place w = {.slot = 2, .serial = 1, .rows = 4, .cols = 8, .image = m};
    /* Covered in part (all but two rows), and wholly. */
    static const struct {
        bool wanted;
        int covered, shown, removed;
    } step[] = {{true, 0, 1, 0}, {true, 2, 1, 1}, {true, 4, 0, 1},
                {true, 0, 1, 0}, {true, 2, 1, 1}, {false, 0, 0, 1}};
    caps.graphics = GRAPHICS_KITTY;
    out_init(&o, -1);
    for (size_t i = 0; i < sizeof step / sizeof *step; i++) {
        o.end = 0;
        o.pace.waiting = false;
        place_begin(p);
        if (step[i].wanted)
            place_want(p, &w);
        else
            place_forget(p); /* even then: nobody else knows of it */
        if (step[i].covered)
            place_cover(p, 0, 0, step[i].covered, 8);
        place_clear(p, &o, "", "");
        place_draw(p, &caps, &o, 0);
        assert_int_equal(count(&o, "a=T"), step[i].shown);
        assert_int_equal(count(&o, "a=d"), step[i].removed);
    }
    image_free(m);
    places_free(p);
    out_free(&o);
}

/* A dialog that finds room beside a preview leaves its edge alone too, else the preview goes. */
static void room_beside_a_preview_is_beside_its_edge(void **state)
{
    (void)state;
    struct places *p = places_new();
    struct out o;
    struct caps caps = sixel_caps;
    struct image *m = picture(1, 4, 4);
    struct place w = {.slot = 2, .serial = 1, .rows = 5, .cols = 8, .image = m, .live = true};
    out_init(&o, -1);
    for (int row = 0; row < 8; row++) {
        place_begin(p);
        place_want(p, &w);
        place_clear(p, &o, "", "");
        place_draw(p, &caps, &o, 0); /* once, so that the terminal is known */
        bool touched = place_touched(p, row, 0, 1, 8);
        o.end = 0;
        o.pace.waiting = false;
        place_begin(p);
        place_want(p, &w);
        place_cover(p, row, 0, 1, 8);
        place_clear(p, &o, "", "");
        assert_int_equal(touched, o.end > 0); /* it was taken away */
        place_draw(p, &caps, &o, 0);
        o.pace.waiting = false;
    }
    image_free(m);
    places_free(p);
    out_free(&o);
}

/* ---- pictures that take long ---- */

static struct place_encoding *away;

static void send_away(void *user, struct place_encoding *e)
{
    assert_null(away); /* one a slot */
    assert_ptr_equal(user, &away);
    away = e;
}

static void long_ones_come_later(void **state)
{
    (void)state;
    struct places *p = places_new();
    struct out o;
    struct caps caps = sixel_caps;
    struct image *m = picture(1, 200, 100), *other = picture(2, 200, 100);
    struct place w = {.slot = 2, .serial = 1, .rows = 100, .cols = 170, .image = m};
    out_init(&o, -1);
    place_encode_with(p, send_away, &away);
    for (int step = 0; step < 6; step++) {
        o.end = 0;
        o.pace.waiting = false;
        if (step == 2) { /* another content, before the first came back */
            w.image = other;
            w.serial = 2;
        }
        place_begin(p);
        if (step != 5)
            place_want(p, &w);
        place_clear(p, &o, "", "");
        int due = place_draw(p, &caps, &o, 0);
        assert_int_equal(due, 0);
        assert_int_equal(count(&o, "\033P"), step == 4); /* drawn once, when it is there */
        if (step == 2 || step == 3) {
            place_encoding_run(away);
            struct place_encoding *e = away;
            away = NULL;
            place_encoded(p, e);
        }
    }
    assert_null(away);
    /* Back when nobody wants it any more. */
    w.serial = 3;
    place_begin(p);
    place_want(p, &w);
    place_draw(p, &caps, &o, 0);
    assert_non_null(away);
    place_begin(p);
    place_clear(p, &o, "", "");
    place_encoded(p, away);
    place_begin(p);
    place_clear(p, &o, "", "");
    image_free(m);
    image_free(other);
    places_free(p);
    out_free(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_frames_leave_no_ghost),
        cmocka_unit_test(a_slow_line_gets_few_and_small_previews),
        cmocka_unit_test(tmux_forgets_and_is_told_again),
        cmocka_unit_test(what_is_written_over_is_drawn_again),
        cmocka_unit_test(what_is_due_costs_nothing_until_the_answer),
        cmocka_unit_test(drawing_again_does_not_encode_again),
        cmocka_unit_test(a_new_terminal_gets_everything_anew),
        cmocka_unit_test(kitty_images_are_taken_away),
        cmocka_unit_test(room_beside_a_preview_is_beside_its_edge),
        cmocka_unit_test(long_ones_come_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
