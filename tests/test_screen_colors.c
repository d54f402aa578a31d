/*
 * Colours on the screen: themes arrive exactly where the terminal has the colours, and as near as
 * it comes where it has fewer, none, or no characters beyond ASCII.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fresh_screen.h"

static void true_colours_arrive_exactly(void **state)
{
    (void)state;
    start(ROLE_COUNT, 40);
    for (int i = 0; i < ROLE_COUNT; i++)
        draw_text(t.screen, i, 0, 40, (enum role)i, "x");
    show();
    for (int i = 0; i < ROLE_COUNT; i++) {
        const struct role_style *style = &t.theme.role[i];
        check_color(at(i, 0).fg, style->fg);
        check_color(at(i, 0).bg, style->bg);
        check_color(at(i, 1).bg, t.theme.role[ROLE_TEXT].bg);
        assert_int_equal(at(i, 0).attrs.bold, !!(style->attributes & STYLE_BOLD));
        assert_int_equal(at(i, 0).attrs.underline, !!(style->attributes & STYLE_UNDERLINE));
        assert_int_equal(at(i, 0).attrs.reverse, !!(style->attributes & STYLE_REVERSE));
    }
    stop();
}

/* What has no background of its own lies on what is there. */
static void backgrounds_lie_under(void **state)
{
    (void)state;
    struct theme *th = &t.theme;
    start(10, 40);
    draw_fill(t.screen, (struct rect){0, 0, 3, 20}, ROLE_OVERLAY);
    draw_text(t.screen, 0, 0, 5, ROLE_TEXT, "text");
    draw_box(t.screen, (struct rect){1, 0, 2, 10}, NULL, false);
    draw_text(t.screen, 0, 10, 5, ROLE_FIELD, "field");
    draw_text(t.screen, 0, 10, 5, ROLE_DIM, "dim");
    draw_on(t.screen, 5, 0, 9, ROLE_GOOD, ROLE_SELECT, "mark");
    draw_fill(t.screen, (struct rect){0, 19, 1, 1}, ROLE_TEXT);
    draw_halves(t.screen, 6, 0, ROLE_GRAPH_A, ROLE_GRAPH_B, 0x258c);
    show();
    check_color(at(6, 0).fg, th->role[ROLE_GRAPH_A].fg);
    check_color(at(6, 0).bg, th->role[ROLE_GRAPH_B].fg);
    check_color(at(0, 0).bg, th->role[ROLE_OVERLAY].bg);
    check_color(at(1, 0).bg, th->role[ROLE_OVERLAY].bg);
    check_color(at(1, 0).fg, th->role[ROLE_BORDER].fg);
    check_color(at(0, 10).bg, th->role[ROLE_FIELD].bg);
    check_color(at(0, 10).fg, th->role[ROLE_DIM].fg);
    check_color(at(5, 0).fg, th->role[ROLE_GOOD].fg);
    check_color(at(5, 0).bg, th->role[ROLE_SELECT].bg);
    check_color(at(5, 4).bg, th->role[ROLE_TEXT].bg);
    check_color(at(0, 19).bg, th->role[ROLE_TEXT].bg);
    /* A colour that cannot be read there gives way. */
    memcpy(th->role[ROLE_GOOD].fg, th->role[ROLE_SELECT].bg, 3);
    memset(th->role[ROLE_SELECT].fg, 255, 3);
    memset(th->role[ROLE_GOOD].bg, 255, 3);
    screen_theme(t.screen, th, &t.caps);
    screen_begin(t.screen);
    draw_on(t.screen, 5, 0, 9, ROLE_GOOD, ROLE_SELECT, "mark");
    show();
    check_color(at(5, 0).fg, th->role[ROLE_SELECT].fg);
    stop();
}

static void fewer_colours(void **state)
{
    (void)state;
    start_fresh(5, 20, COLORS_256, true);
    draw_text(t.screen, 0, 0, 5, ROLE_GOOD, "x");
    draw_text(t.screen, 1, 0, 5, ROLE_SELECT, "x");
    show();
    VTermColor fg = at(0, 0).fg;
    assert_true(VTERM_COLOR_IS_INDEXED(&fg));
    assert_int_equal(at(0, 0).fg.indexed.idx, color_to_256(t.theme.role[ROLE_GOOD].fg));
    assert_int_equal(at(0, 0).bg.indexed.idx, color_to_256(t.theme.role[ROLE_TEXT].bg));
    assert_int_equal(at(1, 0).bg.indexed.idx, color_to_256(t.theme.role[ROLE_SELECT].bg));
    assert_false(sent("38;2;"));
    stop();

    start_fresh(ROLE_COUNT, 20, COLORS_16, true);
    for (int i = 0; i < ROLE_COUNT; i++)
        draw_text(t.screen, i, 0, 5, (enum role)i, "x");
    show();
    assert_false(sent("38;"));
    for (int i = 0; i < ROLE_CHECKER_A; i++) {
        assert_true(at(i, 0).fg.indexed.idx < 16 && at(i, 0).bg.indexed.idx < 16);
        assert_int_not_equal(at(i, 0).fg.indexed.idx, at(i, 0).bg.indexed.idx);
    }
    /* The chosen row is seen, whatever the 16 make of its background. */
    assert_true(at(ROLE_SELECT, 0).attrs.reverse ||
                at(ROLE_SELECT, 0).bg.indexed.idx != at(ROLE_TEXT, 0).bg.indexed.idx);
    stop();
}

/* ncurses has a pair 0 of its own, black on black by its books. */
static void black_on_black(void **state)
{
    (void)state;
    start_fresh(3, 20, COLORS_16, true);
    memset(t.theme.role[ROLE_TEXT].bg, 255, 3);
    memset(&t.theme.role[ROLE_CHECKER_A], 0, sizeof t.theme.role[ROLE_CHECKER_A]);
    screen_theme(t.screen, &t.theme, &t.caps);
    screen_begin(t.screen);
    draw_fill(t.screen, (struct rect){1, 0, 1, 12}, ROLE_CHECKER_A);
    show();
    assert_int_equal(at(1, 0).bg.indexed.idx, 0);
    assert_int_equal(at(1, 11).bg.indexed.idx, 0);
    assert_int_equal(at(1, 12).bg.indexed.idx, 15);
    stop();
}

static void no_colours_at_all(void **state)
{
    (void)state;
    start_fresh(5, 20, COLORS_NONE, true);
    draw_text(t.screen, 0, 0, 5, ROLE_SELECT, "x");
    draw_text(t.screen, 1, 0, 5, ROLE_TITLE_FOCUS, "x");
    draw_text(t.screen, 2, 0, 5, ROLE_TEXT, "x");
    draw_on(t.screen, 3, 0, 5, ROLE_GOOD, ROLE_SELECT, "x");
    show();
    assert_false(sent("38;") || sent("48;") || sent("39;49"));
    assert_true(sent("\033[0m\033[2J"));
    assert_string_equal(places.blank, "\033[0m");
    assert_true(at(0, 0).attrs.reverse);
    assert_true(at(1, 0).attrs.bold);
    assert_false(at(2, 0).attrs.reverse || at(2, 0).attrs.bold);
    assert_true(at(3, 0).attrs.reverse);
    /* The terminal turns out to have colours after all. */
    t.caps.colors = COLORS_TRUE;
    screen_theme(t.screen, &t.theme, &t.caps);
    screen_begin(t.screen);
    draw_text(t.screen, 0, 0, 5, ROLE_SELECT, "x");
    show();
    check_color(at(0, 0).bg, t.theme.role[ROLE_SELECT].bg);
    assert_false(at(0, 0).attrs.reverse);
    stop();
}

static void ascii_only(void **state)
{
    (void)state;
    start_fresh(8, 20, COLORS_256, false);
    assert_false(screen_utf8(t.screen));
    draw_box(t.screen, (struct rect){0, 0, 3, 12}, "Box", false);
    assert_int_equal(draw_text(t.screen, 3, 0, 20, ROLE_TEXT, "caf\u00e9 日 e\u0301 \u2192"), 11);
    draw_text(t.screen, 4, 0, 5, ROLE_TEXT, "longer");
    draw_text(t.screen, 5, 0, 5, ROLE_TEXT, "\033");
    show();
    for (size_t i = t.out.start; i < t.out.end; i++)
        assert_true((unsigned char)t.out.bytes[i] < 0x80);
    assert_string_equal(row(0), "+- Box ----+");
    assert_string_equal(row(1), "|          |");
    assert_string_equal(row(2), "+----------+");
    assert_string_equal(row(3), "caf? ?? e >");
    assert_string_equal(row(4), "long~");
    assert_string_equal(row(5), "?");
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(true_colours_arrive_exactly),
        cmocka_unit_test(backgrounds_lie_under),
        cmocka_unit_test(fewer_colours),
        cmocka_unit_test(black_on_black),
        cmocka_unit_test(no_colours_at_all),
        cmocka_unit_test(ascii_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
