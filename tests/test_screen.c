/*
 * The screen: what is drawn is what a terminal shows (libvterm reads the bytes), and no more is
 * sent than what changed, in sequences that leave images alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <locale.h>
#include <malloc.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fresh_screen.h"

/* -- texts ------------------------------------------------------------------------------------- */

static void texts_stand_where_they_are_put(void **state)
{
    (void)state;
    start(20, 60);
    assert_int_equal(draw_text(t.screen, 0, 0, 60, ROLE_TEXT, "first"), 5);
    assert_int_equal(draw_textn(t.screen, 1, 4, 60, ROLE_DIM, "second cell", 6), 6);
    assert_int_equal(draw_printf(t.screen, 2, 0, 60, ROLE_GOOD, "%d of %s", 7, "ten"), 8);
    assert_int_equal(draw_right(t.screen, 3, 0, 60, ROLE_TEXT, "right"), 55);
    draw_text(t.screen, 19, 55, 5, ROLE_TEXT, "edges");
    assert_int_equal(screen_code(t.screen, 1, 4), 's');
    assert_int_equal(screen_code(t.screen, 99, 4), ' ');
    show();
    check_sequences(true);
    assert_string_equal(row(0), "first");
    assert_string_equal(row(1), "    second");
    assert_string_equal(row(2), "7 of ten");
    assert_int_equal(at(3, 59).chars[0], 't');
    assert_int_equal(at(19, 59).chars[0], 's');
    assert_int_equal(at(19, 55).chars[0], 'e');
    assert_string_equal(row(4), "");
    stop();
}

static void texts_are_cut_at_a_column(void **state)
{
    (void)state;
    start(10, 20);
    assert_int_equal(draw_text(t.screen, 0, 0, 5, ROLE_TEXT, "exact"), 5);
    assert_int_equal(draw_text(t.screen, 1, 0, 5, ROLE_TEXT, "longer"), 5);
    assert_int_equal(draw_text(t.screen, 2, 0, 5, ROLE_TEXT, "日本語"), 5); /* 2 + 2 + ellipsis */
    assert_int_equal(draw_text(t.screen, 3, 0, 4, ROLE_TEXT, "日本語"), 3); /* 日 and ellipsis */
    assert_int_equal(draw_text(t.screen, 4, 0, 1, ROLE_TEXT, "日"), 1);
    assert_int_equal(draw_text(t.screen, 5, 0, 0, ROLE_TEXT, "x"), 0);
    assert_int_equal(draw_text(t.screen, 5, 0, -3, ROLE_TEXT, "x"), 0);
    assert_int_equal(draw_text(t.screen, 6, 15, 100, ROLE_TEXT, "off the edge"), 5);
    draw_text(t.screen, 7, -2, 9, ROLE_TEXT, "left of it");
    draw_text(t.screen, -1, 0, 9, ROLE_TEXT, "above");
    draw_text(t.screen, 10, 0, 9, ROLE_TEXT, "below");
    draw_text(t.screen, 8, 25, 9, ROLE_TEXT, "beyond");
    assert_int_equal(draw_right(t.screen, 9, 2, 5, ROLE_TEXT, "far too long"), 2);
    show();
    assert_string_equal(row(0), "exact");
    assert_string_equal(row(1), "long…");
    assert_string_equal(row(2), "日本…");
    assert_string_equal(row(3), "日…");
    assert_string_equal(row(4), "…");
    assert_string_equal(row(5), "");
    assert_string_equal(row(6), "               off …");
    assert_string_equal(row(7), "ft of …");
    assert_string_equal(row(8), "");
    assert_string_equal(row(9), "  far …");
    stop();
}

static void wide_characters_at_borders(void **state)
{
    (void)state;
    start(6, 10);
    draw_text(t.screen, 0, 8, 2, ROLE_TEXT, "字");
    draw_text(t.screen, 1, 9, 2, ROLE_TEXT, "字"); /* half of it is off the screen */
    draw_text(t.screen, 2, -1, 5, ROLE_TEXT, "字x");
    draw_text(t.screen, 3, 0, 10, ROLE_TEXT, "字字字");
    draw_text(t.screen, 3, 1, 10, ROLE_TEXT, "ab"); /* over two halves */
    draw_text(t.screen, 5, 8, 2, ROLE_TEXT, "字");  /* the last cell of all */
    show();
    assert_int_equal(at(0, 8).chars[0], 0x5b57);
    assert_int_equal(at(0, 8).width, 2);
    assert_int_equal(at(1, 9).chars[0], 0x2026);
    assert_string_equal(row(2), " x");
    assert_string_equal(row(3), " ab 字");
    assert_int_equal(at(5, 8).chars[0], 0x5b57);
    /* And replaced by narrow ones. */
    screen_begin(t.screen);
    draw_text(t.screen, 5, 7, 3, ROLE_TEXT, "abc");
    show();
    assert_string_equal(row(5), "       abc");
    assert_string_equal(row(3), "");
    stop();
}

static void hostile_text_is_harmless(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
        int columns;
    } cases[] = {
        {"a\tb\nc\rd", "a b c d", 7},
        {"x\033[2Jy", "x\xef\xbf\xbd[2Jy", 6},
        {"\x07\x7f\xc2\x9b", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", 3},
        {"\xff\xc3(", "\xef\xbf\xbd\xef\xbf\xbd(", 3},
        {"\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd", 2},
        {"a\u202eb\u2066c\u200ed\ufeff", "abcd", 4},
        {"e\u0301t\u00e9", "e\u0301t\u00e9", 3},
        {"\u1112\u1161\u11abx", "\u1112\u1161\u11abx", 3}, /* a syllable in three parts */
        {"\u0301x", "x", 1},                               /* a mark without a character */
        {"\u2764\ufe0f!", "\u2764!", 2},
        {"\xf0\x9f\x90\xb1", "\xf0\x9f\x90\xb1", 2},
        {"", "", 0},
    };
    start(20, 40);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(text_columns(cases[i].in, strlen(cases[i].in)), cases[i].columns);
        assert_int_equal(draw_text(t.screen, (int)i, 0, 40, ROLE_TEXT, cases[i].in),
                         cases[i].columns);
    }
    show();
    check_sequences(true);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(row((int)i), cases[i].out);
    stop();
}

/* Marks without end, and every code point: never more columns than said, nothing left behind. */
static void any_character_takes_the_columns_it_said(void **state)
{
    (void)state;
    char zalgo[600] = "a";
    int wide = 0, none = 0;
    start(3, 12);
    for (int i = 0; i < 250; i++)
        strcat(zalgo, "\u0301");
    draw_text(t.screen, 0, 0, 12, ROLE_TEXT, zalgo);
    show();
    assert_int_equal(at(0, 0).chars[0], 'a');
    assert_int_equal(at(0, 1).chars[0], ' ');
    for (int32_t c = 0x20; c < 0x30000; c += c < 0x3000 ? 1 : 97) {
        char text[8];
        int n = 0;
        if (c < 0x80)
            text[n++] = (char)c;
        else if (c < 0x800)
            text[n++] = (char)(0xc0 | c >> 6), text[n++] = (char)(0x80 | (c & 63));
        else if (c < 0x10000)
            text[n++] = (char)(0xe0 | c >> 12), text[n++] = (char)(0x80 | (c >> 6 & 63)),
            text[n++] = (char)(0x80 | (c & 63));
        else
            text[n++] = (char)(0xf0 | c >> 18), text[n++] = (char)(0x80 | (c >> 12 & 63)),
            text[n++] = (char)(0x80 | (c >> 6 & 63)), text[n++] = (char)(0x80 | (c & 63));
        text[n++] = '|';
        text[n] = '\0';
        screen_begin(t.screen);
        int columns = draw_text(t.screen, 1, 0, 12, ROLE_TEXT, text);
        assert_int_equal(screen_code(t.screen, 1, columns - 1), '|');
        assert_int_equal(screen_code(t.screen, 1, columns), ' ');
        wide += columns == 3;
        none += columns == 1;
    }
    print_message("%d wide, %d without a column\n", wide, none);
    assert_true(wide > 100 && none > 100);
    stop();
}

static void boxes(void **state)
{
    (void)state;
    start(8, 24);
    struct rect in = draw_box(t.screen, (struct rect){0, 0, 3, 12}, "Queue", false);
    assert_int_equal(in.y, 1);
    assert_int_equal(in.x, 1);
    assert_int_equal(in.h, 1);
    assert_int_equal(in.w, 10);
    draw_box(t.screen, (struct rect){0, 12, 3, 12}, "A title too long", true);
    draw_box(t.screen, (struct rect){3, 0, 2, 6}, "cut", true); /* no room for a title */
    in = draw_box(t.screen, (struct rect){5, 0, 1, 6}, NULL, true);
    assert_int_equal(in.h, 0);
    show();
    assert_string_equal(row(0), "╭─ Queue ──╮╭─ A tit… ─╮");
    assert_string_equal(row(1), "│          ││          │");
    assert_string_equal(row(2), "╰──────────╯╰──────────╯");
    assert_string_equal(row(3), "╭────╮");
    assert_string_equal(row(5), "");
    check_color(at(0, 0).fg, t.theme.role[ROLE_BORDER].fg);
    check_color(at(0, 3).fg, t.theme.role[ROLE_TITLE].fg);
    check_color(at(0, 12).fg, t.theme.role[ROLE_BORDER_FOCUS].fg);
    check_color(at(0, 15).fg, t.theme.role[ROLE_TITLE_FOCUS].fg);
    assert_true(at(0, 15).attrs.bold);
    stop();
}

/* -- frames ------------------------------------------------------------------------------------ */

static void draw_busy(int step)
{
    draw_box(t.screen, (struct rect){0, 0, t.rows, t.cols}, "Studio", true);
    for (int y = 1; y < t.rows - 1; y++)
        draw_printf(t.screen, y, 2, t.cols - 4, (enum role)(y % ROLE_CHECKER_A),
                    "row %d: the quick brown fox jumps over the lazy dog", y);
    draw_printf(t.screen, 5, 20, 10, ROLE_STRONG, "%3d", step);
}

static void only_changes_are_sent(void **state)
{
    (void)state;
    start(30, 100);
    draw_busy(1);
    size_t all = show();
    assert_true(sent("\033[2J"));
    assert_int_equal(places.forgotten, 1);
    for (int i = 0; i < 3; i++) {
        screen_begin(t.screen);
        draw_busy(1);
        assert_int_equal(show(), 0);
    }
    screen_begin(t.screen);
    draw_busy(2);
    size_t small = show();
    check_sequences(false);
    print_message("a full frame of 30x100: %zu bytes, one digit: %zu\n", all, small);
    assert_in_range(small, 1, 120);
    assert_int_equal(at(5, 22).chars[0], '2');
    /* Rows move up by one, parts go: no scrolling, inserting or erasing. */
    screen_begin(t.screen);
    for (int y = 1; y < 29; y++)
        draw_printf(t.screen, y - 1, 2, 96, ROLE_TEXT, "row %d: the quick", y);
    show();
    check_sequences(false);
    assert_string_equal(row(0), "  row 1: the quick");
    assert_string_equal(row(29), "");
    assert_int_equal(places.forgotten, 1);
    stop();
}

/* The same drawn into a fresh terminal gives the same cells: the differences added up rightly. */
static void differences_add_up(void **state)
{
    (void)state;
    uint32_t x = 1;
    start(12, 40);
    for (int frame = 0; frame < 60; frame++) {
        if (frame)
            screen_begin(t.screen);
        for (int i = 0; i < 30; i++) {
            x = x * 1664525 + 1013904223;
            static const char *const words[] = {"字字", "plain", "e\u0301a\u0301",
                                                "",     "  ",    "日x本"};
            draw_text(t.screen, (int)(x >> 8) % 12, (int)(x >> 16) % 44 - 3, (int)(x >> 24) % 12,
                      (enum role)((x >> 12) % ROLE_CHECKER_A), words[(x >> 20) % 6]);
        }
        int32_t want[12][40];
        for (int y = 0; y < 12; y++)
            for (int c = 0; c < 40; c++)
                want[y][c] = screen_code(t.screen, y, c);
        show();
        for (int y = 0; y < 12; y++)
            for (int c = 0; c < 40; c += at(y, c).width)
                assert_int_equal(at(y, c).chars[0] ? at(y, c).chars[0] : ' ', want[y][c]);
    }
    stop();
}

static void the_cursor(void **state)
{
    (void)state;
    VTermPos pos;
    start(10, 40);
    show();
    assert_false(t.cursor);
    screen_begin(t.screen);
    screen_cursor(t.screen, 3, 7);
    show();
    vterm_state_get_cursorpos(vterm_obtain_state(t.vt), &pos);
    assert_true(t.cursor && pos.row == 3 && pos.col == 7);
    screen_begin(t.screen);
    screen_cursor(t.screen, 3, 7);
    assert_int_equal(show(), 0);
    /* Text and images elsewhere: it comes back. */
    places.draw = "\033[?25l\033[9;9H(an image)";
    screen_begin(t.screen);
    screen_cursor(t.screen, 3, 7);
    show();
    vterm_state_get_cursorpos(vterm_obtain_state(t.vt), &pos);
    assert_true(t.cursor && pos.row == 3 && pos.col == 7);
    places.draw = NULL;
    screen_begin(t.screen);
    draw_text(t.screen, 0, 0, 5, ROLE_TEXT, "hello");
    screen_cursor(t.screen, 3, 8);
    show();
    vterm_state_get_cursorpos(vterm_obtain_state(t.vt), &pos);
    assert_true(t.cursor && pos.row == 3 && pos.col == 8);
    assert_string_equal(row(0), "hello");
    screen_begin(t.screen);
    draw_text(t.screen, 0, 0, 5, ROLE_TEXT, "hello");
    screen_cursor(t.screen, 99, 8); /* nowhere */
    show();
    assert_false(t.cursor);
    stop();
}

static void overlays_find_room_beside_images(void **state)
{
    (void)state;
    static uint8_t pixel[4] = {1, 2, 3, 4};
    struct image image = {1, 1, pixel};
    struct rect all = {1, 0, 18, 60}, middle = {7, 20, 6, 20}, r;
    start(20, 60);
    r = screen_beside_images(t.screen, middle, all); /* nothing in its way */
    assert_memory_equal(&r, &middle, sizeof r);
    draw_image(t.screen, (struct rect){3, 33, 10, 20}, 5, &image, 77, false, false);
    r = screen_beside_images(t.screen, middle, all); /* seven columns are nearer than six rows */
    assert_memory_equal(&r, (&(struct rect){7, 13, 6, 20}), sizeof r);
    draw_image(t.screen, (struct rect){3, 5, 10, 20}, 6, &image, 78, false, false);
    r = screen_beside_images(t.screen, middle, all);
    assert_memory_equal(&r, (&(struct rect){13, 20, 6, 20}), sizeof r);
    all.h = 14;
    r = screen_beside_images(t.screen, middle, all); /* no room anywhere */
    assert_memory_equal(&r, &middle, sizeof r);
    stop();
}

/* Raw bytes between ncurses' own, attributes left on: nothing of that shows in the next texts. */
static void images_come_between(void **state)
{
    (void)state;
    static uint8_t pixel[4] = {1, 2, 3, 4};
    struct image image = {1, 1, pixel};
    start(20, 60);
    draw_image(t.screen, (struct rect){2, 10, 8, 16}, 5, &image, 77, false, true);
    draw_image(t.screen, (struct rect){2, 30, 8, 16}, 6, &image, 78, true, false);
    draw_image(t.screen, (struct rect){2, 50, 8, 16}, 7, &image, 79, true, false); /* too far */
    draw_image(t.screen, (struct rect){2, 0, 8, 5}, 8, &image, 80, true, false);   /* narrow */
    draw_cover(t.screen, (struct rect){1, 2, 3, 4});
    assert_int_equal(places.wanted, 2);
    assert_int_equal(places.covered, 10);
    assert_int_equal(places.want[0].slot, 5);
    assert_int_equal(places.want[0].serial, 77);
    assert_true(places.want[0].live && !places.want[1].live);
    assert_int_equal(places.want[0].y, 2);
    assert_int_equal(places.want[0].x, 10);
    assert_int_equal(places.want[0].rows, 8);
    assert_int_equal(places.want[0].cols, 16);
    assert_memory_equal(places.want[0].ground, t.theme.role[ROLE_TEXT].bg, 3);
    assert_memory_equal(places.want[1].ground, t.theme.role[ROLE_CHECKER_A].bg, 3);
    assert_memory_equal(places.want[1].ground2, t.theme.role[ROLE_CHECKER_B].bg, 3);
    draw_text(t.screen, 3, 5, 4, ROLE_TEXT, "left");
    draw_text(t.screen, 3, 26, 4, ROLE_TEXT, "mid");
    places.draw = "\033[4;11H\033[1;31mIIIIIIIIIIIIIIII";
    show();
    assert_string_equal(row(3), "     left IIIIIIIIIIIIIIIImid");
    assert_int_equal(t.due, 3); /* place_draw's answer */
    /* What stands on both sides of the image changes: the image is not written over. */
    places.draw = NULL;
    screen_begin(t.screen);
    draw_image(t.screen, (struct rect){2, 10, 8, 16}, 5, &image, 77, false, true);
    draw_text(t.screen, 3, 5, 5, ROLE_GOOD, "LEFT!");
    draw_text(t.screen, 3, 26, 4, ROLE_BAD, "MID");
    show();
    assert_string_equal(row(3), "     LEFT!IIIIIIIIIIIIIIIIMID");
    check_color(at(3, 26).fg, t.theme.role[ROLE_BAD].fg);
    assert_false(at(3, 26).attrs.bold);
    /* It goes: place_clear's bytes come first, then the text that takes its cells. */
    places.clear = "\033[4;11H                ";
    screen_begin(t.screen);
    draw_text(t.screen, 3, 12, 4, ROLE_TEXT, "over");
    show();
    assert_string_equal(row(3), "            over");
    stop();
}

static void resizing(void **state)
{
    (void)state;
    static const int sizes[][2] = {{90, 300}, {20, 60}, {1, 1}, {40, 120}, {3, 500}};
    start(24, 80);
    draw_busy(1);
    show();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        vterm_free(t.vt);
        open_vterm(sizes[i][0], sizes[i][1]);
        screen_resize(t.screen, t.rows, t.cols);
        assert_int_equal(screen_rows(t.screen), t.rows);
        assert_int_equal(screen_cols(t.screen), t.cols);
        screen_begin(t.screen);
        draw_fill(t.screen, (struct rect){0, 0, t.rows, t.cols}, ROLE_SELECT);
        draw_text(t.screen, t.rows - 1, t.cols - 1, 1, ROLE_TEXT, "$");
        draw_text(t.screen, 0, 0, 9, ROLE_TEXT, "corner");
        show();
        check_sequences(true);
        assert_int_equal(places.forgotten, (int)i + 2);
        check_color(at(t.rows - 1, t.cols - 1).bg, t.theme.role[ROLE_SELECT].bg);
        if (t.cols > 6) {
            assert_int_equal(at(t.rows - 1, t.cols - 1).chars[0], '$');
            assert_int_equal(at(0, 5).chars[0], 'r');
        }
    }
    stop();
}

static void switching_themes(void **state)
{
    (void)state;
    start(24, 80);
    draw_busy(1);
    show();
    for (int i = 0; i < ROLE_COUNT; i++)
        for (int c = 0; c < 3; c++)
            t.theme.role[i].fg[c] ^= 0x15, t.theme.role[i].bg[c] ^= 0x2a;
    screen_theme(t.screen, &t.theme, &t.caps);
    screen_begin(t.screen);
    draw_busy(1);
    show();
    assert_int_equal(places.forgotten, 2);
    check_color(at(23, 79).fg, t.theme.role[ROLE_BORDER_FOCUS].fg);
    check_color(at(23, 79).bg, t.theme.role[ROLE_TEXT].bg);
    check_color(at(1, 70).bg, t.theme.role[ROLE_TEXT].bg);
    screen_begin(t.screen);
    draw_busy(1);
    assert_int_equal(show(), 0);
    screen_redraw(t.screen);
    screen_begin(t.screen);
    draw_busy(1);
    assert_true(show() > 1000);
    assert_int_equal(places.forgotten, 3);
    stop();
}

/* -- what it does to the process --------------------------------------------------------------- */

static int open_files(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
}

static void on_signal(int signal)
{
    (void)signal;
}

static void leaves_the_process_alone(void **state)
{
    (void)state;
    struct sigaction before[32], after;
    size_t used = 0;
    signal(SIGTERM, on_signal);
    for (int i = 1; i < 32; i++)
        sigaction(i, NULL, &before[i]);
    setenv("TERMINFO", "/somewhere/else", 1);
    int files = open_files();
    for (int round = 0; round < 60; round++) {
        start(40, 120);
        draw_busy(round);
        show();
        screen_resize(t.screen, 50, 100);
        screen_begin(t.screen);
        show();
        stop();
        if (round == 9)
            used = mallinfo2().uordblks;
    }
    size_t leak = mallinfo2().uordblks > used ? mallinfo2().uordblks - used : 0;
    print_message("50 screens later %zu bytes more are in use\n", leak);
    assert_true(leak < 20000);
    assert_int_equal(open_files(), files);
    for (int i = 1; i < 32; i++) {
        sigaction(i, NULL, &after);
        assert_ptr_equal(after.sa_handler, before[i].sa_handler);
        assert_int_equal(after.sa_flags, before[i].sa_flags);
    }
    assert_string_equal(getenv("TERMINFO"), "/somewhere/else");
    unsetenv("TERMINFO");
    signal(SIGTERM, SIG_DFL);
}

static double now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

/* Prints times, asserts none. */
static void how_long_a_frame_takes(void **state)
{
    (void)state;
    enum { ROUNDS = 20 };
    double ms[3];
    size_t bytes[3];
    start(90, 300);
    for (int kind = 0; kind < 3; kind++) {
        double began = now();
        for (int i = 0; i < ROUNDS; i++) {
            if (kind == 0)
                screen_redraw(t.screen);
            screen_begin(t.screen);
            draw_busy(kind == 2 ? i : 0);
            t.out.start = t.out.end = 0;
            screen_end(t.screen, &t.out, &t.caps, 0);
            bytes[kind] = out_waiting(&t.out);
        }
        ms[kind] = (now() - began) / ROUNDS;
    }
    print_message("300x90: all %.2f ms %zu bytes, nothing %.2f ms %zu bytes, a number %.2f ms %zu "
                  "bytes\n",
                  ms[0], bytes[0], ms[1], bytes[1], ms[2], bytes[2]);
    assert_int_equal(bytes[1], 0);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_stand_where_they_are_put),
        cmocka_unit_test(texts_are_cut_at_a_column),
        cmocka_unit_test(wide_characters_at_borders),
        cmocka_unit_test(hostile_text_is_harmless),
        cmocka_unit_test(any_character_takes_the_columns_it_said),
        cmocka_unit_test(boxes),
        cmocka_unit_test(only_changes_are_sent),
        cmocka_unit_test(differences_add_up),
        cmocka_unit_test(the_cursor),
        cmocka_unit_test(overlays_find_room_beside_images),
        cmocka_unit_test(images_come_between),
        cmocka_unit_test(resizing),
        cmocka_unit_test(switching_themes),
        cmocka_unit_test(leaves_the_process_alone),
        cmocka_unit_test(how_long_a_frame_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
