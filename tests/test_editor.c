/*
 * The editor against a naive one (an array of clusters) under random keys, and by hand where the
 * random ones do not go: undo steps, hostile text, wrapping.
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

#include "ui/editor.h"
#include "ui/glyph.h"

static bool insert(struct editor *ed, const char *text)
{
    return editor_insert(ed, text, strlen(text));
}

/* As typed: one character an event. */
static void type(struct editor *ed, const char *text)
{
    for (size_t n; *text; text += n) {
        for (n = 1; ((unsigned char)text[n] & 0xc0) == 0x80;)
            n++;
        assert_true(editor_insert(ed, text, n));
    }
}

static void act(struct editor *ed, enum action a)
{
    assert_true(editor_act(ed, a, 80));
}

/* `text` with a '|' where the cursor is. */
static void expect(struct editor *ed, const char *text)
{
    char got[1000];
    int n = (int)editor_cursor(ed);
    snprintf(got, sizeof got, "%.*s|%s", n, editor_text(ed), editor_text(ed) + n);
    assert_string_equal(got, text);
    assert_int_equal(editor_len(ed), strlen(editor_text(ed)));
}

/* Rows as "one/two/three". */
static void expect_rows(struct editor *ed, int width, const char *rows)
{
    char got[1000] = "";
    struct editor_row r;
    int i = 0;
    for (; editor_row(ed, i, width, &r); i++)
        snprintf(got + strlen(got), sizeof got - strlen(got), "%s%.*s", i ? "/" : "",
                 (int)(r.end - r.start), editor_text(ed) + r.start);
    assert_string_equal(got, rows);
    assert_int_equal(editor_rows(ed, width), i);
    assert_false(editor_row(ed, -1, width, &r));
}

static void expect_at(struct editor *ed, int width, int row, int col)
{
    int r, c;
    editor_cursor_at(ed, width, &r, &c);
    assert_int_equal(r, row);
    assert_int_equal(c, col);
}

/* As the screen draws it. */
static int drawn_columns(const char *text)
{
    struct glyph g;
    int sum = 0;
    for (size_t n; (n = glyph_next(text, strlen(text), &g)); text += n)
        sum += g.columns;
    return sum;
}

/* ---- by hand ---- */

static void test_typing_and_motion(void **state)
{
    (void)state;
    struct editor *ed = editor_new(true);
    expect(ed, "|");
    type(ed, "a green slime");
    act(ed, ACT_WORD_LEFT);
    expect(ed, "a green |slime");
    act(ed, ACT_WORD_LEFT);
    act(ed, ACT_WORD_LEFT);
    act(ed, ACT_WORD_LEFT);
    expect(ed, "|a green slime");
    act(ed, ACT_WORD_RIGHT);
    act(ed, ACT_WORD_RIGHT);
    expect(ed, "a green| slime");
    act(ed, ACT_NEWLINE);
    act(ed, ACT_LINE_END);
    expect(ed, "a green\n slime|");
    act(ed, ACT_LINE_START);
    act(ed, ACT_WORD_LEFT);
    expect(ed, "a |green\n slime");
    act(ed, ACT_TEXT_END);
    act(ed, ACT_BACKSPACE);
    act(ed, ACT_TEXT_START);
    act(ed, ACT_DELETE);
    expect(ed, "| green\n slim");
    assert_false(editor_act(ed, ACT_QUIT, 80));
    assert_false(editor_act(ed, ACT_NOTHING, 80));
    editor_free(ed);
    editor_free(NULL);
}

static void test_one_key_is_one_cluster(void **state)
{
    (void)state;
    struct editor *ed = editor_new(true);
    static const char *const one[] = {"e\u0301", "👩‍🚀", "🇩🇪", "👍🏽",
                                      "❤️",  "字",          "กำ"};
    for (int i = 0; i < 7; i++) {
        editor_set(ed, "");
        type(ed, one[i]);
        expect_at(ed, 80, 0, drawn_columns(one[i]));
        act(ed, ACT_LEFT);
        assert_int_equal(editor_cursor(ed), 0);
        act(ed, ACT_DELETE);
        expect(ed, "|");
    }
    editor_set(ed, "x🇩🇪🇫🇷");
    act(ed, ACT_BACKSPACE);
    expect(ed, "x🇩🇪|");
    editor_set(ed, "ab");
    act(ed, ACT_LEFT);
    insert(ed, "\u0301"); /* joins what stands before */
    expect(ed, "a\u0301|b");
    editor_set(ed, "🇩\n🇪");
    act(ed, ACT_LEFT);
    act(ed, ACT_BACKSPACE); /* two halves become one flag: the cursor is not inside */
    expect(ed, "🇩🇪|");
    editor_free(ed);
}

static void test_cut_and_put_back(void **state)
{
    (void)state;
    struct editor *ed = editor_new(true);
    editor_set(ed, "one two three\nfour");
    act(ed, ACT_KILL_START);
    expect(ed, "one two three\n|");
    act(ed, ACT_YANK);
    act(ed, ACT_YANK);
    expect(ed, "one two three\nfourfour|");
    act(ed, ACT_TEXT_START);
    act(ed, ACT_KILL_WORD_RIGHT);
    act(ed, ACT_KILL_WORD_RIGHT);
    expect(ed, "| three\nfourfour");
    act(ed, ACT_LINE_END);
    act(ed, ACT_YANK); /* both, in their order */
    expect(ed, " threeone two|\nfourfour");
    act(ed, ACT_KILL_WORD_LEFT);
    act(ed, ACT_KILL_WORD_LEFT);
    expect(ed, " |\nfourfour");
    act(ed, ACT_YANK);
    expect(ed, " threeone two|\nfourfour");
    act(ed, ACT_LINE_START);
    act(ed, ACT_KILL_END);
    act(ed, ACT_KILL_END); /* the newline */
    expect(ed, "|fourfour");
    act(ed, ACT_TEXT_END);
    act(ed, ACT_YANK);
    expect(ed, "fourfour threeone two\n|");
    act(ed, ACT_KILL_END); /* nothing there: what was cut stays */
    act(ed, ACT_YANK);
    expect(ed, "fourfour threeone two\n threeone two\n|");
    editor_free(ed);
}

static void test_undo_steps(void **state)
{
    (void)state;
    struct editor *ed = editor_new(true);
    type(ed, "red  cap");
    act(ed, ACT_UNDO);
    expect(ed, "red  |");
    act(ed, ACT_UNDO);
    expect(ed, "|");
    act(ed, ACT_UNDO);
    act(ed, ACT_REDO);
    act(ed, ACT_REDO);
    expect(ed, "red  cap|");
    for (int i = 0; i < 3; i++)
        act(ed, ACT_BACKSPACE);
    act(ed, ACT_LEFT);
    act(ed, ACT_DELETE);
    act(ed, ACT_UNDO);
    expect(ed, "red | ");
    act(ed, ACT_UNDO);
    expect(ed, "red  cap|");
    insert(ed, " and a"); /* a paste, then typing */
    type(ed, "x");
    act(ed, ACT_REDO); /* there is nothing to do again after a change */
    expect(ed, "red  cap and ax|");
    act(ed, ACT_UNDO);
    expect(ed, "red  cap and a|");
    act(ed, ACT_UNDO);
    editor_set(ed, "new");
    act(ed, ACT_UNDO);
    expect(ed, "red  cap|");
    act(ed, ACT_REDO);
    expect(ed, "new|");
    unsigned long version = editor_version(ed);
    editor_set(ed, "new");
    act(ed, ACT_LEFT);
    assert_true(editor_version(ed) == version);
    act(ed, ACT_UNDO);
    assert_true(editor_version(ed) != version);
    editor_free(ed);
}

static void test_long_paste_is_one_step(void **state)
{
    (void)state;
    struct editor *ed = editor_new(true);
    char piece[4001];
    memset(piece, 'x', 4000);
    piece[4000] = '\0';
    type(ed, "a");
    insert(ed, piece);
    insert(ed, piece);
    insert(ed, "end");
    insert(ed, "another");
    act(ed, ACT_UNDO);
    assert_int_equal(editor_len(ed), 8004);
    act(ed, ACT_UNDO);
    expect(ed, "a|");
    editor_free(ed);
}

static void test_hostile_text(void **state)
{
    (void)state;
    struct editor *ed = editor_new(true), *line = editor_new(false);
    static const char bad[] = "a\033[31m\xff\xc0\x80 \xed\xa0\x80\u202e\u2066\u200b\ufeff\xc2\x85"
                              "\r\nb\rc\td\x7f\0e";
    assert_true(editor_insert(ed, bad, sizeof bad - 1));
    expect(ed, "a[31m\ufffd\ufffd\ufffd \ufffd\ufffd\ufffd\n\nb\nc de|");
    assert_true(insert(line, "one\r\ntwo\nthree"));
    expect(line, "one two three|");
    assert_false(editor_act(line, ACT_NEWLINE, 80));
    expect(line, "one two three|");
    editor_set(line, "a\xe2\x82"); /* cut in the middle */
    expect(line, "a\ufffd\ufffd|");
    editor_set(line, "");
    assert_true(insert(line, "\u202e"));
    expect(line, "|");
    act(line, ACT_UNDO); /* nothing was no step */
    expect(line, "a\ufffd\ufffd|");
    editor_free(ed);
    editor_free(line);
}

static void test_no_more_than_fits(void **state)
{
    (void)state;
    struct editor *ed = editor_new(true);
    size_t size = EDITOR_MAX * 2;
    char *big = malloc(size);
    memset(big, 'x', size);
    assert_true(editor_insert(ed, big, EDITOR_MAX - 2));
    assert_false(insert(ed, "字"));
    assert_int_equal(editor_len(ed), EDITOR_MAX - 2);
    assert_false(editor_insert(ed, big, size));
    assert_int_equal(editor_len(ed), EDITOR_MAX);
    assert_false(insert(ed, "y"));
    act(ed, ACT_KILL_START);
    act(ed, ACT_YANK);
    assert_false(editor_act(ed, ACT_LINE_DOWN, 2));
    assert_int_equal(editor_rows(ed, 2), EDITOR_MAX / 2);
    memset(big, '\n', size);
    big[size - 1] = '\0';
    editor_set(ed, big);
    assert_int_equal(editor_rows(ed, 80), EDITOR_MAX + 1);
    memset(big, '\xff', size); /* three bytes for each */
    big[size - 1] = '\0';
    editor_set(ed, big);
    assert_int_equal(editor_len(ed), EDITOR_MAX / 3 * 3);
    for (int i = 0; i < 40; i++) { /* more than undo keeps */
        memset(big, 'a' + i % 2, size - 1);
        editor_set(ed, big);
    }
    for (int i = 0; i < 40; i++)
        act(ed, ACT_UNDO);
    assert_int_equal(editor_len(ed), EDITOR_MAX);
    free(big);
    editor_free(ed);
}

static void test_wrapping(void **state)
{
    (void)state;
    struct editor *ed = editor_new(true);
    expect_rows(ed, 10, "");
    expect_at(ed, 10, 0, 0);
    editor_set(ed, "a green slime with a crown\n");
    expect_rows(ed, 10, "a green/slime with/a crown/");
    expect_at(ed, 10, 3, 0);
    expect_rows(ed, 80, "a green slime with a crown/");
    expect_rows(ed, 4, "a/gree/n/slim/e/with/a/crow/n/");
    editor_set(ed, "字字字 ab");
    expect_rows(ed, 5, "字字/字 ab");
    expect_rows(ed, -3, "字/字/字/ab");
    editor_set(ed, "abcdefg");
    act(ed, ACT_TEXT_START);
    for (int i = 0; i < 4; i++)
        act(ed, ACT_RIGHT);
    expect_at(ed, 4, 1, 0); /* at a wrap point: the next row */
    expect_at(ed, 5, 0, 4);
    editor_set(ed, "abcd efg");
    act(ed, ACT_WORD_LEFT);
    expect_at(ed, 4, 1, 0);
    act(ed, ACT_LEFT);
    expect_at(ed, 4, 0, 4); /* the end of a full row */
    editor_set(ed, "abcd ");
    expect_rows(ed, 4, "abcd/");
    expect_at(ed, 4, 1, 0);
    editor_free(ed);
}

static void test_up_and_down_keep_the_column(void **state)
{
    (void)state;
    struct editor *ed = editor_new(true);
    editor_set(ed, "a green slime\nno\n字字字字\nwith a crown");
    assert_false(editor_act(ed, ACT_LINE_DOWN, 80));
    assert_true(editor_act(ed, ACT_LINE_UP, 80));
    expect_at(ed, 80, 2, 8);
    assert_true(editor_act(ed, ACT_LINE_UP, 80));
    expect_at(ed, 80, 1, 2);
    assert_true(editor_act(ed, ACT_LINE_UP, 80));
    expect_at(ed, 80, 0, 12);
    assert_false(editor_act(ed, ACT_LINE_UP, 80));
    act(ed, ACT_LEFT);
    assert_true(editor_act(ed, ACT_LINE_DOWN, 80));
    assert_true(editor_act(ed, ACT_LINE_DOWN, 80));
    expect_at(ed, 80, 2, 8);
    assert_true(editor_act(ed, ACT_LINE_DOWN, 80));
    expect_at(ed, 80, 3, 11);
    editor_set(ed, "abcdefgh");
    assert_true(editor_act(ed, ACT_LINE_UP, 4)); /* its end is the next row's start */
    expect_at(ed, 4, 0, 3);
    editor_click(ed, 1, 2, 4);
    expect(ed, "abcdef|gh");
    editor_click(ed, 0, 99, 4);
    expect(ed, "abc|defgh");
    editor_click(ed, 99, 0, 4);
    expect(ed, "abcdefgh|");
    editor_click(ed, -5, -5, 4);
    expect(ed, "|abcdefgh");
    editor_set(ed, "字字");
    editor_click(ed, 0, 1, 80); /* the right half of a wide one */
    expect(ed, "|字字");
    editor_free(ed);
}

/* ---- against the naive one ---- */

/* Clusters of which no two become one, whichever way they stand. */
static const struct {
    const char *text;
    int columns;
    bool word;
} cluster[] = {
    {"a", 1, true},  {"Z", 1, true},         {"7", 1, true},   {"e\u0301", 1, true},
    {"字", 2, true}, {" ", 1, false},        {"\n", 0, false}, {" ", 1, false},
    {"-", 1, false}, {"👍🏽", 4, false}, {"🇩🇪", 2, false}, {"👩‍🚀", 4, false},
};
enum { CLUSTERS = sizeof cluster / sizeof *cluster, NEWLINE = 6, MODEL_MAX = 20000 };

struct model {
    int c[MODEL_MAX], n, cursor;
    int kill[MODEL_MAX], killed;
};

static uint32_t seed = 12345;

static int roll(int n)
{
    seed = seed * 1664525 + 1013904223;
    return (int)((seed >> 8) % (uint32_t)n);
}

static void model_insert(struct model *m, const int *c, int n)
{
    memmove(m->c + m->cursor + n, m->c + m->cursor, (size_t)(m->n - m->cursor) * sizeof *c);
    memcpy(m->c + m->cursor, c, (size_t)n * sizeof *c);
    m->n += n;
    m->cursor += n;
}

static void model_remove(struct model *m, int from, int to, bool kill)
{
    if (kill && to > from) {
        m->killed = to - from;
        memcpy(m->kill, m->c + from, (size_t)(to - from) * sizeof *m->c);
    }
    memmove(m->c + from, m->c + to, (size_t)(m->n - to) * sizeof *m->c);
    m->n -= to - from;
    m->cursor = from;
}

static int model_word(const struct model *m, int by)
{
    int p = m->cursor, look = by < 0 ? -1 : 0;
    while (p + look >= 0 && p + look < m->n && !cluster[m->c[p + look]].word)
        p += by;
    while (p + look >= 0 && p + look < m->n && cluster[m->c[p + look]].word)
        p += by;
    return p;
}

static int model_line(const struct model *m, int by)
{
    int p = m->cursor, look = by < 0 ? -1 : 0;
    while (p + look >= 0 && p + look < m->n && m->c[p + look] != NEWLINE)
        p += by;
    return p;
}

static void model_act(struct model *m, enum action a)
{
    int left = m->cursor > 0 ? m->cursor - 1 : 0;
    int right = m->cursor < m->n ? m->cursor + 1 : m->n;
    int end = model_line(m, 1), newline = NEWLINE, at = m->cursor;
    switch (a) {
    case ACT_LEFT:
        m->cursor = left;
        break;
    case ACT_RIGHT:
        m->cursor = right;
        break;
    case ACT_WORD_LEFT:
        m->cursor = model_word(m, -1);
        break;
    case ACT_WORD_RIGHT:
        m->cursor = model_word(m, 1);
        break;
    case ACT_LINE_START:
        m->cursor = model_line(m, -1);
        break;
    case ACT_LINE_END:
        m->cursor = end;
        break;
    case ACT_TEXT_START:
        m->cursor = 0;
        break;
    case ACT_TEXT_END:
        m->cursor = m->n;
        break;
    case ACT_BACKSPACE:
        model_remove(m, left, at, false);
        break;
    case ACT_DELETE:
        model_remove(m, at, right, false);
        break;
    case ACT_KILL_WORD_LEFT:
        model_remove(m, model_word(m, -1), at, true);
        break;
    case ACT_KILL_WORD_RIGHT:
        model_remove(m, at, model_word(m, 1), true);
        break;
    case ACT_KILL_START:
        model_remove(m, model_line(m, -1), at, true);
        break;
    case ACT_KILL_END:
        model_remove(m, at, end == at ? right : end, true);
        break;
    case ACT_YANK:
        model_insert(m, m->kill, m->killed);
        break;
    case ACT_NEWLINE:
        model_insert(m, &newline, 1);
        break;
    default:
        fail();
    }
}

/* The row and column of the model's cursor, wrapped cluster by cluster. */
static void model_at(const struct model *m, int width, int *row, int *col)
{
    int start = 0, r = 0;
    for (;;) {
        int p = start, w = 0, space = -1, next;
        while (p < m->n && m->c[p] != NEWLINE &&
               (p == start || w + cluster[m->c[p]].columns <= width)) {
            space = cluster[m->c[p]].text[0] == ' ' ? p : space;
            w += cluster[m->c[p++]].columns;
        }
        if (p < m->n && cluster[m->c[p]].text[0] == ' ')
            space = p;
        if (p == m->n || m->c[p] == NEWLINE)
            next = p + 1;
        else
            next = space >= 0 ? space + 1 : p;
        if (m->cursor < next)
            break;
        start = next;
        r++;
    }
    *row = r;
    *col = 0;
    for (int p = start; p < m->cursor; p++)
        *col += cluster[m->c[p]].columns;
}

static void check_model(struct editor *ed, const struct model *m)
{
    static char text[EDITOR_MAX * 2];
    size_t n = 0, cursor = 0;
    int row, col, width = 2 + roll(30);
    for (int i = 0; i <= m->n; i++) {
        cursor = i == m->cursor ? n : cursor;
        if (i < m->n)
            n += (size_t)sprintf(text + n, "%s", cluster[m->c[i]].text);
    }
    text[n] = '\0';
    assert_string_equal(editor_text(ed), text);
    assert_int_equal(editor_cursor(ed), cursor);
    model_at(m, width, &row, &col);
    expect_at(ed, width, row, col);
}

static void random_insert(struct editor *ed, struct model *m)
{
    int c[8], n = roll(3) ? 1 : 1 + roll(8);
    char text[200] = "";
    for (int i = 0; i < n; i++) {
        c[i] = roll(CLUSTERS);
        strcat(text, cluster[c[i]].text);
    }
    model_insert(m, c, n);
    assert_true(insert(ed, text));
}

static void test_random_keys(void **state)
{
    (void)state;
    static struct model m;
    for (int round = 0; round < 30; round++) {
        struct editor *ed = editor_new(true);
        enum action last = ACT_NOTHING;
        memset(&m, 0, sizeof m);
        for (int i = 0; i < 300; i++) {
            enum action a = (enum action)(ACT_NEWLINE + roll(ACT_YANK - ACT_NEWLINE + 1));
            bool killing = a >= ACT_KILL_WORD_LEFT && a <= ACT_KILL_END;
            bool killed = last >= ACT_KILL_WORD_LEFT && last <= ACT_KILL_END;
            if (roll(2) || a == ACT_LINE_UP || a == ACT_LINE_DOWN || (killing && killed) ||
                (a == ACT_YANK && m.n + m.killed > 2000)) {
                random_insert(ed, &m);
                last = ACT_NOTHING;
            } else {
                model_act(&m, a);
                act(ed, a);
                last = a;
            }
            check_model(ed, &m);
        }
        editor_free(ed);
    }
}

/* Back to nothing and forth to the last text again, through the same texts. */
static void test_random_undo(void **state)
{
    (void)state;
    enum { MAX = 1000 };
    static char *seen[MAX];
    for (int round = 0; round < 20; round++) {
        struct editor *ed = editor_new(true);
        static struct model m;
        memset(&m, 0, sizeof m);
        for (int i = 0; i < 300; i++)
            if (roll(2))
                random_insert(ed, &m);
            else
                editor_act(ed, (enum action)(ACT_NEWLINE + roll(ACT_REDO - ACT_NEWLINE + 1)), 20);
        while (editor_version(ed)) { /* forth first: the last of them may have been an undo */
            unsigned long before = editor_version(ed);
            act(ed, ACT_REDO);
            if (editor_version(ed) == before)
                break;
        }
        int n = 0;
        for (unsigned long before = 0; n < MAX && before != editor_version(ed);) {
            seen[n++] = strdup(editor_text(ed));
            before = editor_version(ed);
            act(ed, ACT_UNDO);
        }
        assert_true(n > 50 && n < MAX);
        assert_int_equal(editor_len(ed), 0);
        free(seen[--n]); /* nothing changed in the last turn */
        while (n-- > 0) {
            act(ed, ACT_REDO);
            assert_string_equal(editor_text(ed), seen[n]);
            free(seen[n]);
        }
        editor_free(ed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_typing_and_motion),
        cmocka_unit_test(test_one_key_is_one_cluster),
        cmocka_unit_test(test_cut_and_put_back),
        cmocka_unit_test(test_undo_steps),
        cmocka_unit_test(test_long_paste_is_one_step),
        cmocka_unit_test(test_hostile_text),
        cmocka_unit_test(test_no_more_than_fits),
        cmocka_unit_test(test_wrapping),
        cmocka_unit_test(test_up_and_down_keep_the_column),
        cmocka_unit_test(test_random_keys),
        cmocka_unit_test(test_random_undo),
    };
    return cmocka_run_group_tests_name("editor", tests, NULL, NULL);
}
