/*
 * Dialogs by their keys, as the loop hands them over: key table first, then actions or text. The
 * screen is a grid of characters of our own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ui/dialog.h"
#include "ui/glyph.h"

enum { ROWS = 18, COLS = 60 };

static struct ui ui;
static char grid[ROWS][COLS * 4 + 1];
static int cursor_y, cursor_x;
static char said[300];

/* ---- a screen of one byte a cell; only what dialogs use ---- */

void ui_dirty(struct ui *u)
{
    u->dirty = true;
}

void ui_say(struct ui *u, enum role role, const char *fmt, ...)
{
    va_list args;
    (void)u, (void)role;
    va_start(args, fmt);
    vsnprintf(said, sizeof said, fmt, args);
    va_end(args);
}

void screen_cursor(struct screen *s, int y, int x)
{
    (void)s;
    assert_true(y >= 0 && y < ROWS && x >= 0 && x < COLS);
    cursor_y = y, cursor_x = x;
}

int text_columns(const char *text, size_t len)
{
    struct glyph g;
    int sum = 0;
    for (size_t at = 0, n; (n = glyph_next(text + at, len - at, &g)); at += n)
        sum += g.columns;
    return sum;
}

int draw_textn(struct screen *s, int y, int x, int w, enum role role, const char *text, size_t len)
{
    int used = 0;
    (void)s, (void)role;
    struct glyph g;
    for (size_t at = 0, n; (n = glyph_next(text + at, len - at, &g)); at += n) {
        if (used + g.columns > w)
            break;
        for (int i = 0; i < g.columns; i++, used++) {
            assert_true(y >= 0 && y < ROWS && x + used >= 0 && x + used < COLS);
            grid[y][x + used] = g.code[0] < 128 ? (char)g.code[0] : g.code[0] == 0x25cf ? '*' : 'o';
        }
    }
    return used;
}

int draw_text(struct screen *s, int y, int x, int w, enum role role, const char *text)
{
    return draw_textn(s, y, x, w, role, text, strlen(text));
}

int draw_on(struct screen *s, int y, int x, int w, enum role fg, enum role bg, const char *text)
{
    (void)bg;
    return draw_text(s, y, x, w, fg, text);
}

int draw_right(struct screen *s, int y, int x, int w, enum role role, const char *text)
{
    int n = text_columns(text, strlen(text));
    n = n > w ? w : n;
    draw_text(s, y, x + w - n, n, role, text);
    return x + w - n;
}

void draw_fill(struct screen *s, struct rect r, enum role role)
{
    (void)s;
    for (int y = r.y; y < r.y + r.h; y++)
        for (int x = r.x; x < r.x + r.w; x++) {
            assert_true(y >= 0 && y < ROWS && x >= 0 && x < COLS);
            grid[y][x] = role == ROLE_SELECT ? '_' : ' ';
        }
}

struct rect draw_box(struct screen *s, struct rect r, const char *title, bool focus)
{
    (void)focus;
    draw_text(s, r.y, r.x + 2, r.w - 4, ROLE_TITLE, title ? title : "");
    return (struct rect){r.y + 1, r.x + 1, r.h - 2, r.w - 2};
}

void draw_scroll(struct screen *s, int y, int x, int rows, int top, int count, bool focus)
{
    (void)s, (void)focus;
    assert_true(top >= 0 && top <= (count > rows ? count - rows : 0));
    assert_true(rows <= 0 || (y >= 0 && y + rows <= ROWS && x >= 0 && x < COLS));
}

void draw_cover(struct screen *s, struct rect r)
{
    (void)s;
    assert_true(r.y >= 0 && r.x >= 0 && r.y + r.h <= ROWS && r.x + r.w <= COLS);
}

struct rect screen_beside_images(const struct screen *s, struct rect r, struct rect in)
{
    (void)s, (void)in;
    return r;
}

/* ---- keys and what is seen ---- */

static void draw(void)
{
    memset(grid, '.', sizeof grid);
    cursor_y = cursor_x = -1;
    for (int y = 0; y < ROWS; y++)
        grid[y][COLS] = '\0';
    dialog_draw(&ui, (struct rect){0, 0, ROWS, COLS});
}

/* The row of the screen that a text is seen in, or -1. */
static int row_of(const char *text)
{
    draw();
    for (int y = 0; y < ROWS; y++)
        if (strstr(grid[y], text))
            return y;
    return -1;
}

static void press(const char *name)
{
    struct input_event e = {.kind = INPUT_KEY};
    assert_true(key_parse(name, &e.code, &e.mods));
    enum action a = keys_find(CTX_GLOBAL | dialog_contexts(&ui), &e);
    if (a != ACT_NOTHING)
        dialog_act(&ui, a);
    else
        dialog_type(&ui, &e);
}

static void type(const char *text)
{
    for (; *text && ui.dialog; text++) {
        char c[2] = {*text, '\0'};
        struct input_event e = {.kind = INPUT_TEXT, .text = c, .len = 1};
        enum action a = keys_find(CTX_GLOBAL | dialog_contexts(&ui), &e);
        if (a != ACT_NOTHING)
            dialog_act(&ui, a);
        else
            dialog_type(&ui, &e);
    }
}

static void mouse(enum mouse_what what, int y, int x)
{
    struct input_event e = {.kind = INPUT_MOUSE, .what = what, .button = 1, .y = y, .x = x};
    dialog_mouse(&ui, &e);
}

/* ---- what was answered ---- */

static char answer[1000];
static int answers;

static void on_yes(struct ui *u, void *user)
{
    assert_null(u->dialog); /* closed before */
    assert_ptr_equal(user, answer);
    answers++;
}

static void on_line(struct ui *u, const char *text, void *user)
{
    assert_null(u->dialog);
    snprintf(user, sizeof answer, "%s", text);
    answers++;
}

static void on_list(struct ui *u, int index, void *user)
{
    assert_null(u->dialog);
    snprintf(user, sizeof answer, "%d", index);
    answers++;
}

static void on_marks(struct ui *u, const bool *marked, int count, void *user)
{
    assert_null(u->dialog);
    char *out = user;
    for (int i = 0; i < count; i++)
        out[i] = marked[i] ? 'x' : '-';
    out[count] = '\0';
    answers++;
}

static int fresh(void **state)
{
    (void)state;
    answers = 0;
    answer[0] = said[0] = '\0';
    return 0;
}

static int closed(void **state)
{
    (void)state;
    dialog_close(&ui);
    return 0;
}

/* ---- tests ---- */

static void test_question(void **state)
{
    (void)state;
    static const struct {
        const char *keys[3];
        int yes;
    } cases[] = {
        {{"Enter"}, 0},
        {{"Esc"}, 0},
        {{"Left", "Enter"}, 1},
        {{"Tab", "Enter"}, 1},
        {{"Up", "Down", "Enter"}, 0},
        {{"Left", "Right", "Enter"}, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        answers = 0;
        dialog_ask(&ui,
                   "Quit while a job runs? It is put back into the queue and goes on next time.",
                   on_yes, answer);
        assert_int_equal(dialog_contexts(&ui), CTX_DIALOG);
        assert_true(row_of("Enter: no") > row_of("Quit while a job runs?"));
        for (int k = 0; k < 3 && cases[i].keys[k]; k++)
            press(cases[i].keys[k]);
        assert_null(ui.dialog);
        assert_int_equal(answers, cases[i].yes);
    }
    dialog_ask(&ui, "Sure?", on_yes, answer);
    type("xy"); /* x means nothing */
    assert_int_equal(answers, 1);
    dialog_ask(&ui, "Sure?", on_yes, answer);
    int y = row_of("y yes");
    mouse(MOUSE_DOWN, y, (int)(strstr(grid[y], "no") - grid[y]));
    assert_null(ui.dialog);
    dialog_ask(&ui, "Sure?", on_yes, answer);
    y = row_of("y yes");
    mouse(MOUSE_DOWN, y, (int)(strstr(grid[y], "yes") - grid[y]));
    assert_int_equal(answers, 2);
}

static void test_line(void **state)
{
    (void)state;
    dialog_line(&ui, "Tags", "slime, green", on_line, answer);
    assert_int_equal(dialog_contexts(&ui), CTX_DIALOG | CTX_TEXT);
    assert_true(row_of("slime, green") > row_of("Tags"));
    press("Home");
    type("y? k ");
    press("End");
    press("C-w");
    type("q");
    press("Up"); /* nowhere to go, and no harm */
    press("Enter");
    assert_null(ui.dialog);
    assert_string_equal(answer, "y? k slime, q");
    dialog_line(&ui, "Tags", "x", on_line, answer);
    press("Esc");
    assert_null(ui.dialog);
    assert_int_equal(answers, 1);
}

static void test_long_line_scrolls(void **state)
{
    (void)state;
    char text[400];
    for (int i = 0; i < 399; i++)
        text[i] = (char)('a' + i % 26);
    text[399] = '\0';
    dialog_line(&ui, "Path", text, on_line, answer);
    struct input_event paste = {.kind = INPUT_PASTE, .text = "END\nX", .len = 5};
    dialog_type(&ui, &paste);
    int y = row_of("END X");
    assert_true(y > 0);
    assert_int_equal(cursor_y, y);
    assert_ptr_equal(strstr(grid[y], "END X") + 5, &grid[y][cursor_x]);
    mouse(MOUSE_DOWN, y, cursor_x - 5);
    type("!");
    assert_int_equal(row_of("!END X"), y);
    press("Home");
    assert_int_equal(row_of("abcdef"), y);
    assert_int_equal(grid[y][cursor_x], 'a');
    press("Enter");
    assert_int_equal(strlen(answer), 399 + 6);
}

static const char *const fruit[] = {"red apple", "green apple", "Green pear", "plum", "a b c"};

static void test_list_and_filter(void **state)
{
    (void)state;
    dialog_list(&ui, "Fruit", fruit, 5, 0, on_list, answer);
    assert_true(row_of("_red apple") > 0);
    press("Down");
    press("Down");
    assert_true(row_of("_Green pear") > 0);
    press("Enter");
    assert_string_equal(answer, "2");

    dialog_list(&ui, "Fruit", fruit, 5, 0, on_list, answer);
    type("gREEN");
    assert_int_equal(row_of("red apple"), -1);
    assert_true(row_of("1/2") > 0);
    press("Down");
    press("Down"); /* the last one */
    press("Enter");
    assert_string_equal(answer, "2");

    dialog_list(&ui, "Fruit", fruit, 5, 0, on_list, answer);
    type("app re"); /* words in any order */
    assert_true(row_of("_red apple") > 0);
    type("zzz");
    assert_true(row_of("nothing has") > 0);
    press("Enter"); /* there is nothing to take */
    assert_non_null(ui.dialog);
    press("C-u");
    press("End");
    press("Enter");
    assert_string_equal(answer, "4");
    assert_int_equal(answers, 3);

    dialog_list(&ui, "Nothing", NULL, 0, 0, on_list, answer);
    assert_true(row_of("nothing to choose") > 0);
    press("PgDn");
    press("Enter");
    press("Esc");
    assert_null(ui.dialog);
}

static void test_long_list_scrolls(void **state)
{
    (void)state;
    static char text[300][20];
    static const char *rows[300];
    for (int i = 0; i < 300; i++) {
        snprintf(text[i], sizeof text[i], "<row %d>", i);
        rows[i] = text[i];
    }
    dialog_list(&ui, "Many", rows, 300, 0, on_list, answer);
    draw();
    for (int i = 0; i < 3; i++) {
        press("PgDn");
        draw();
    }
    press("End");
    assert_true(row_of("_<row 299>") > row_of("<row 298>"));
    assert_true(row_of("300/300") > 0);
    press("Home");
    int y = row_of("_<row 0>");
    mouse(MOUSE_WHEEL_DOWN, y, 30);
    assert_int_equal(row_of("_<row 1>"), y + 1);
    mouse(MOUSE_DOWN, y + 3, 30);
    assert_int_equal(row_of("_<row 3>"), y + 3);
    mouse(MOUSE_DOWN, y + 3, 30); /* the chosen one: taken */
    assert_string_equal(answer, "3");
}

static void test_marks(void **state)
{
    (void)state;
    dialog_marks(&ui, "Which?", fruit, 5, 2, on_marks, answer);
    assert_int_equal(dialog_contexts(&ui), CTX_DIALOG);
    type(" jj ");
    assert_true(row_of("*_Green pear") > 0);
    assert_true(row_of("o green apple") > 0);
    press("Down");
    type(" "); /* one too many */
    assert_string_equal(said, "2 at most: take a mark away first");
    press("Home");
    type(" ");
    mouse(MOUSE_DOWN, row_of("plum"), 30);
    press("Enter");
    assert_string_equal(answer, "--xx-");
    assert_int_equal(answers, 1);
}

static void next_question(struct ui *u, int index, void *user)
{
    (void)index;
    dialog_line(u, "And then?", "", on_line, user);
}

static void test_one_after_the_other(void **state)
{
    (void)state;
    dialog_list(&ui, "First", fruit, 5, 0, next_question, answer);
    press("Enter");
    assert_non_null(ui.dialog);
    assert_true(row_of("And then?") >= 0);
    dialog_ask(&ui, "Instead?", on_yes, answer); /* takes its place */
    assert_true(row_of("Instead?") > 0);
    type("y");
    assert_null(ui.dialog);
    assert_int_equal(answers, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_question, fresh, closed),
        cmocka_unit_test_setup_teardown(test_line, fresh, closed),
        cmocka_unit_test_setup_teardown(test_long_line_scrolls, fresh, closed),
        cmocka_unit_test_setup_teardown(test_list_and_filter, fresh, closed),
        cmocka_unit_test_setup_teardown(test_long_list_scrolls, fresh, closed),
        cmocka_unit_test_setup_teardown(test_marks, fresh, closed),
        cmocka_unit_test_setup_teardown(test_one_after_the_other, fresh, closed),
    };
    return cmocka_run_group_tests_name("dialog", tests, NULL, NULL);
}
