/*
 * The key table: every key says one thing wherever it counts, text stays text, and each row can be
 * reached from somewhere.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "ui/keys.h"

/* What is really in force together. */
static const unsigned scenes[] = {
    CTX_GLOBAL | CTX_STUDIO | CTX_TEXT | CTX_PROMPT,
    CTX_GLOBAL | CTX_STUDIO | CTX_PRESETS,
    CTX_GLOBAL | CTX_STUDIO | CTX_SETTINGS,
    CTX_GLOBAL | CTX_STUDIO | CTX_SETTINGS | CTX_TEXT,
    CTX_GLOBAL | CTX_STUDIO | CTX_QUEUE,
    CTX_GLOBAL | CTX_COMPARE,
    CTX_GLOBAL | CTX_GALLERY,
    CTX_GLOBAL | CTX_GALLERY | CTX_TEXT,
    CTX_GLOBAL | CTX_SPRITE,
    CTX_GLOBAL | CTX_GALLERY | CTX_SPRITE,
    CTX_GLOBAL | CTX_MONITOR,
    CTX_GLOBAL | CTX_FINISH,
    CTX_GLOBAL | CTX_DIALOG,
    CTX_GLOBAL | CTX_DIALOG | CTX_MASK,
    CTX_GLOBAL | CTX_DIALOG | CTX_TEXT,
    CTX_GLOBAL | CTX_HELP,
};
enum { SCENES = sizeof scenes / sizeof *scenes };

/* The event that a key of the table comes as. */
static struct input_event event_of(const char *name)
{
    struct input_event e = {.kind = INPUT_TEXT, .text = name, .len = strlen(name)};
    if (strcmp(name, "Space") == 0)
        e.text = " ", e.len = 1;
    else if (e.len > 1) {
        e.kind = INPUT_KEY;
        if (!key_parse(name, &e.code, &e.mods))
            fail_msg("'%s' is no key", name);
    }
    return e;
}

static enum action find(unsigned contexts, const char *name)
{
    struct input_event e = event_of(name);
    return keys_find(contexts, &e);
}

/* Names that mean one key to a terminal, made one. */
static const char *plain_name(const char *name)
{
    static const char *const same[][2] = {
        {"C-h", "Backspace"}, {"C-i", "Tab"}, {"C-m", "Enter"}, {"C-[", "Esc"}};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (strcmp(name, same[i][0]) == 0)
            return same[i][1];
    return name;
}

static void no_conflict(const struct key_row *a, const char *x, const struct key_row *b,
                        const char *y)
{
    if (*x && strcmp(plain_name(x), plain_name(y)) == 0 && (a->contexts & b->contexts))
        fail_msg("'%s' has two meanings: %s; %s", x, a->help, b->help);
}

static void test_one_meaning_a_place(void **state)
{
    (void)state;
    const struct key_row *a, *b;
    for (int i = 0; (a = keys_row(i)); i++)
        for (int j = i + 1; (b = keys_row(j)); j++) {
            no_conflict(a, a->key, b, b->key);
            no_conflict(a, a->key, b, b->other);
            no_conflict(a, a->other, b, b->key);
            no_conflict(a, a->other, b, b->other);
        }
}

static void test_every_key_is_reached(void **state)
{
    (void)state;
    const struct key_row *row;
    int i = 0;
    for (; (row = keys_row(i)); i++) {
        assert_int_equal(row->action, i + 1);
        assert_ptr_equal(keys_of(row->action), row);
        const char *names[2] = {row->key, row->other};
        for (int k = 0; k < 2; k++) {
            bool reached = !*names[k];
            for (int s = 0; s < SCENES && !reached; s++)
                reached = find(scenes[s], names[k]) == row->action;
            if (!reached)
                fail_msg("'%s' (%s) can be reached from nowhere", names[k], row->help);
        }
    }
    assert_int_equal(i, ACTIONS - 1);
    assert_null(keys_row(-1));
    assert_null(keys_of(ACT_NOTHING));
}

static void test_typed_characters_are_text(void **state)
{
    (void)state;
    for (int s = 0; s < SCENES; s++)
        for (int c = ' '; c < 127 && (scenes[s] & CTX_TEXT); c++) {
            char text[2] = {(char)c, 0};
            struct input_event e = {.kind = INPUT_TEXT, .text = text, .len = 1};
            assert_int_equal(keys_find(scenes[s], &e), ACT_NOTHING);
        }
    assert_int_equal(find(CTX_GLOBAL | CTX_GALLERY, "?"), ACT_HELP);
    assert_int_equal(find(CTX_GLOBAL | CTX_QUEUE, "K"), ACT_JOB_EARLIER);
    assert_int_equal(find(CTX_GLOBAL | CTX_QUEUE, "k"), ACT_UP);
    assert_int_equal(find(CTX_GLOBAL | CTX_PRESETS, "Space"), ACT_PRESET_USE);
    assert_int_equal(find(CTX_GLOBAL | CTX_PRESETS, "y"), ACT_NOTHING);
}

static void test_narrowest_wins(void **state)
{
    (void)state;
    unsigned studio = CTX_GLOBAL | CTX_STUDIO;
    assert_int_equal(find(studio | CTX_TEXT | CTX_PROMPT, "Enter"), ACT_RUN);
    assert_int_equal(find(studio | CTX_PRESETS, "Enter"), ACT_PRESET_USE);
    assert_int_equal(find(studio | CTX_SETTINGS, "Left"), ACT_VALUE_LESS);
    assert_int_equal(find(studio | CTX_SETTINGS | CTX_TEXT, "Left"), ACT_LEFT);
    assert_int_equal(find(CTX_GLOBAL | CTX_GALLERY, "Delete"), ACT_GAL_TRASH);
    assert_int_equal(find(CTX_GLOBAL | CTX_GALLERY | CTX_TEXT, "Delete"), ACT_DELETE);
    assert_int_equal(find(CTX_GLOBAL | CTX_DIALOG | CTX_TEXT, "Up"), ACT_UP);
    assert_int_equal(find(CTX_GLOBAL | CTX_DIALOG | CTX_TEXT, "Left"), ACT_LEFT);
    assert_int_equal(find(studio | CTX_DIALOG | CTX_TEXT, "Enter"), ACT_ACCEPT);
    for (int s = 0; s < SCENES; s++)
        assert_int_equal(find(scenes[s], "Esc"), ACT_BACK);
}

static void test_other_bytes_of_a_key(void **state)
{
    (void)state;
    unsigned prompt = CTX_GLOBAL | CTX_STUDIO | CTX_TEXT | CTX_PROMPT;
    assert_int_equal(find(prompt, "C-h"), ACT_BACKSPACE);
    assert_int_equal(find(CTX_GLOBAL | CTX_SETTINGS, "C-h"), ACT_VALUE_RESET);
    assert_int_equal(find(prompt, "C-i"), ACT_NEXT_PANEL);
    assert_int_equal(find(prompt, "C-m"), ACT_RUN);
    assert_int_equal(find(prompt, "C-j"), ACT_NEWLINE); /* its own, where it has one */
    assert_int_equal(find(CTX_DIALOG | CTX_TEXT, "C-j"), ACT_ACCEPT);
    struct input_event mouse = {.kind = INPUT_MOUSE};
    assert_int_equal(keys_find(prompt, &mouse), ACT_NOTHING);
}

static void test_hints_and_titles(void **state)
{
    (void)state;
    char text[100];
    keys_hint(ACT_HISTORY, text, sizeof text);
    assert_string_equal(text, "Ctrl-R");
    keys_hint(ACT_GAL_SEARCH, text, sizeof text);
    assert_string_equal(text, "/");
    keys_hint(ACT_HISTORY, text, 5);
    assert_string_equal(text, "Ctrl");
    keys_hint(ACT_NOTHING, text, sizeof text);
    assert_string_equal(text, "");
    for (unsigned c = CTX_GLOBAL; c <= CTX_FINISH; c *= 2)
        assert_true(strlen(context_title((enum context)c)) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_meaning_a_place),
        cmocka_unit_test(test_every_key_is_reached),
        cmocka_unit_test(test_typed_characters_are_text),
        cmocka_unit_test(test_narrowest_wins),
        cmocka_unit_test(test_other_bytes_of_a_key),
        cmocka_unit_test(test_hints_and_titles),
    };
    return cmocka_run_group_tests_name("keys", tests, NULL, NULL);
}
