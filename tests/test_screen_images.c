/*
 * Screen and images together, as characters: what libvterm sees is the image, it stays while texts
 * around it change, and leaves nothing behind when it moves, is covered or goes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "seen.h"

enum { SIDE = 8 };

static struct image *sprite, *other;

static int make_images(void **state)
{
    (void)state;
    sprite = image_new(SIDE, SIDE);
    other = image_new(SIDE, SIDE);
    if (!sprite || !other)
        return -1;
    for (int i = 0; i < SIDE * SIDE; i++) {
        uint8_t *p = sprite->rgba + 4 * i, *q = other->rgba + 4 * i;
        p[0] = (uint8_t)(40 + 3 * i), p[1] = (uint8_t)(200 - 2 * i), p[2] = 90, p[3] = 255;
        q[0] = 10, q[1] = (uint8_t)(100 + i), q[2] = (uint8_t)(4 * i), q[3] = 255;
    }
    return 0;
}

static int drop_images(void **state)
{
    (void)state;
    image_free(sprite);
    image_free(other);
    return 0;
}

static void start(void)
{
    start_with(24, 60, COLORS_TRUE, true);
    t.caps.graphics = GRAPHICS_BLOCKS;
    t.caps.done = true;
}

/* 8 x 8 pixels in an area of 4 x 8 cells: two pixels a cell, one above the other. */
static void draw_at(int y, int x, const struct image *image, uint64_t serial)
{
    draw_image(t.screen, (struct rect){y, x, 4, 8}, 1, image, serial, false, false);
}

/* Both pixels of each cell, whichever way the cell shows them. */
static void check_image(int y, int x, const struct image *image)
{
    for (int r = 0; r < SIDE / 2; r++)
        for (int c = 0; c < SIDE; c++) {
            VTermScreenCell cell = at(y + r, x + c);
            bool lower = cell.chars[0] == 0x2584;
            assert_true(lower || cell.chars[0] == 0x2580);
            check_color(lower ? cell.bg : cell.fg, image->rgba + 4 * (2 * r * SIDE + c));
            check_color(lower ? cell.fg : cell.bg, image->rgba + 4 * ((2 * r + 1) * SIDE + c));
        }
}

static void check_blank(int y, int x)
{
    for (int r = 0; r < SIDE / 2; r++)
        for (int c = 0; c < SIDE; c++) {
            VTermScreenCell cell = at(y + r, x + c);
            assert_true(cell.chars[0] == ' ' || cell.chars[0] == 0);
            check_color(cell.bg, t.theme.role[ROLE_TEXT].bg);
        }
}

static void stays_while_texts_change(void **state)
{
    (void)state;
    start();
    draw_at(3, 10, sprite, 1);
    draw_text(t.screen, 4, 5, 5, ROLE_TEXT, "left");
    draw_text(t.screen, 4, 18, 9, ROLE_TEXT, "right");
    show();
    check_image(3, 10, sprite);
    for (int i = 0; i < 20; i++) {
        screen_begin(t.screen);
        draw_at(3, 10, sprite, 1);
        draw_printf(t.screen, 4, 5, 5, ROLE_GOOD, "%d", 12300 + i);
        draw_printf(t.screen, 4, 18, 9, ROLE_BAD, "%d", 1000 * i);
        show();
        check_sequences(false);
        check_image(3, 10, sprite);
        assert_int_equal(at(4, 9).chars[0], '0' + i % 10);
    }
    screen_begin(t.screen);
    draw_at(3, 10, sprite, 1);
    draw_text(t.screen, 4, 5, 5, ROLE_GOOD, "12319");
    draw_text(t.screen, 4, 18, 9, ROLE_BAD, "19000");
    show();
    screen_begin(t.screen);
    draw_at(3, 10, sprite, 1);
    draw_text(t.screen, 4, 5, 5, ROLE_GOOD, "12319");
    draw_text(t.screen, 4, 18, 9, ROLE_BAD, "19000");
    assert_int_equal(show(), 0);
    stop();
}

static void moves_without_a_ghost(void **state)
{
    (void)state;
    static const int places[][2] = {{0, 0}, {1, 3}, {20, 52}, {10, 20}, {10, 24}};
    start();
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (i)
            screen_begin(t.screen);
        draw_at(places[i][0], places[i][1], sprite, 1);
        show();
        check_image(places[i][0], places[i][1], sprite);
        int drawn = 0;
        for (int y = 0; y < t.rows; y++)
            for (int x = 0; x < t.cols; x++)
                drawn += at(y, x).chars[0] == 0x2580 || at(y, x).chars[0] == 0x2584;
        assert_int_equal(drawn, SIDE * SIDE / 2);
    }
    screen_begin(t.screen);
    draw_at(10, 24, other, 2);
    show();
    check_image(10, 24, other);
    screen_begin(t.screen);
    show();
    check_blank(10, 24);
    stop();
}

static void overlays_come_and_go(void **state)
{
    (void)state;
    start();
    for (int frame = 0; frame < 4; frame++) {
        if (frame)
            screen_begin(t.screen);
        draw_at(5, 10, sprite, 1);
        if (frame % 2) {
            struct rect r = {6, 12, 8, 20};
            draw_cover(t.screen, r);
            draw_fill(t.screen, r, ROLE_OVERLAY);
            draw_box(t.screen, r, "Help", true);
        }
        show();
        if (frame % 2) {
            check_color(at(7, 13).bg, t.theme.role[ROLE_OVERLAY].bg);
            assert_int_equal(at(6, 15).chars[0], 'H');
            /* The row above is still seen; two columns beside it are too narrow. */
            assert_true(at(5, 17).chars[0] == 0x2580 || at(5, 17).chars[0] == 0x2584);
            assert_true(at(6, 10).chars[0] != 0x2580 && at(6, 10).chars[0] != 0x2584);
        } else {
            check_image(5, 10, sprite);
            check_color(at(7, 20).bg, t.theme.role[ROLE_TEXT].bg);
        }
    }
    stop();
}

/* A picture of a dialog lies on the dialog's ground, and leaves it where it was. */
static void pictures_in_overlays_lie_on_their_ground(void **state)
{
    (void)state;
    start();
    show();
    for (int frame = 0; frame < 3; frame++) {
        struct rect r = {4, 8, 12, 40};
        screen_begin(t.screen);
        draw_cover(t.screen, r);
        draw_fill(t.screen, r, ROLE_OVERLAY);
        if (frame < 2) /* then it moves, then it goes; an area wider than the image */
            draw_image_over(t.screen, (struct rect){6, 10, 4 + frame * 2, 12}, 2, sprite, 1);
        show();
        assert_int_equal(at(6, 12).chars[0] == 0x2580 || at(6, 12).chars[0] == 0x2584, frame == 0);
        for (int y = 6; y < 12; y++)
            for (int x = 10; x < 22; x++)
                if (at(y, x).chars[0] != 0x2580 && at(y, x).chars[0] != 0x2584)
                    check_color(at(y, x).bg, t.theme.role[ROLE_OVERLAY].bg);
    }
    stop();
}

/* Text takes the very cells that the image leaves, in the frame in which it goes. */
static void text_takes_its_place(void **state)
{
    (void)state;
    start();
    draw_at(5, 10, sprite, 1);
    show();
    screen_begin(t.screen);
    draw_text(t.screen, 6, 8, 40, ROLE_TEXT, "text across what was an image");
    show();
    assert_string_equal(row(6), "        text across what was an image");
    assert_string_equal(row(5), "");
    check_color(at(5, 11).bg, t.theme.role[ROLE_TEXT].bg);
    stop();
}

static void all_is_drawn_anew(void **state)
{
    (void)state;
    start();
    draw_at(5, 10, sprite, 1);
    show();
    screen_redraw(t.screen);
    screen_begin(t.screen);
    draw_at(5, 10, sprite, 1);
    assert_true(show() > 1000);
    check_image(5, 10, sprite);
    vterm_free(t.vt);
    open_vterm(30, 70);
    screen_resize(t.screen, 30, 70);
    screen_begin(t.screen);
    draw_at(20, 60, sprite, 1);
    show();
    check_image(20, 60, sprite);
    check_blank(5, 10);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stays_while_texts_change),
        cmocka_unit_test(moves_without_a_ghost),
        cmocka_unit_test(overlays_come_and_go),
        cmocka_unit_test(pictures_in_overlays_lie_on_their_ground),
        cmocka_unit_test(text_takes_its_place),
        cmocka_unit_test(all_is_drawn_anew),
    };
    return cmocka_run_group_tests(tests, make_images, drop_images);
}
