/*
 * The harness that the app is tested with, against small shell programs: what it says about a
 * screen must be true before it may say it about ours.
 */
/* Not under qemu: a program driven through a terminal in time limits that an emulator misses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "drive.h"
#include "drive_screen.h"

#define SH(script)                                                                                 \
    (const char *const[])                                                                          \
    {                                                                                              \
        "sh", "-c", script, NULL                                                                   \
    }

static struct drive *sh(const char *script, const struct emu_kind *kind)
{
    return drive_start(&(struct drive_options){.argv = SH(script), .kind = kind});
}

static int close_all(void **state)
{
    (void)state;
    drive_close_all();
    return 0;
}

static void text_lands_on_the_screen(void **state)
{
    (void)state;
    struct drive *d = sh("printf 'one\\r\\n\\033[3;5Htw\\303\\266'", NULL);
    assert_int_equal(drive_wait_end(d), 0);
    assert_string_equal(drive_row(d, 0), "one");
    assert_string_equal(drive_row(d, 2), "    tw\u00f6");
    assert_int_equal(drive_find(d, "^ +tw"), 2);
    assert_int_equal(drive_find(d, "three"), -1);
    assert_int_equal(emu_cursor(d->emu).col, 7);
    drive_close(d);
}

/* However the bytes are cut, in the middle of characters and sequences. */
static void pieces_make_no_difference(void **state)
{
    (void)state;
    static const char bytes[] =
        "\u256d\u2500 \U0001f451\033[2;3H\u00e9\033]0;t\a\033Pq~~\033\\x\xff.";
    char row[2][DRIVE_ROW];
    for (size_t size = 1; size <= sizeof bytes; size++) {
        struct emu *t = emu_new(3, 20, &emu_sixel);
        for (size_t at = 0; at < sizeof bytes - 1; at += size)
            emu_feed(t, bytes + at, at + size < sizeof bytes ? size : sizeof bytes - 1 - at, 0);
        emu_row(t, 0, NULL, row[0]);
        emu_row(t, 1, NULL, row[1]);
        assert_string_equal(row[0], "\u256d\u2500 \U0001f451");
        assert_string_equal(row[1], "  \u00e9x\ufffd.");
        assert_int_equal(t->pictures, 1);
        emu_free(t);
    }
}

static void environment_is_the_tests_own(void **state)
{
    (void)state;
    setenv("COLORTERM", "truecolor", 1);
    const char *home = drive_home();
    struct drive *d = drive_start(&(struct drive_options){
        .argv = SH("echo \"$HOME|$TERM|$LANG|$COLORTERM|$NEW|$XDG_DATA_HOME\"; stty size"),
        .rows = 30,
        .cols = 120,
        .home = home,
        .env = {"NEW=1", "LANG=C"}});
    drive_wait_end(d);
    char want[256];
    snprintf(want, sizeof want, "%s|xterm-256color|C||1|%s/.local/share", home, home);
    assert_string_equal(drive_row(d, 0), want);
    assert_string_equal(drive_row(d, 1), "30 120");
    drive_close(d);
    drive_home_drop(home);
    assert_int_equal(access(want, F_OK), -1);
    unsetenv("COLORTERM");
}

static void keys_are_xterms(void **state)
{
    (void)state;
    static const struct {
        const char *name, *bytes;
    } keys[] = {{"a", "a"},
                {"C-q", "\021"},
                {"M-x", "\033x"},
                {"F1", "\033OP"},
                {"F5", "\033[15~"},
                {"S-Tab", "\033[Z"},
                {"Up", "\033[A"},
                {"C-Left", "\033[1;5D"},
                {"S-Up", "\033[1;2A"},
                {"PgUp", "\033[5~"},
                {"C-Delete", "\033[3;5~"},
                {"M-Enter", "\033\r"},
                {"C-_", "\037"},
                {"M-Backspace", "\033\177"},
                {"M-<", "\033<"}};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        char bytes[32];
        drive_key_bytes(keys[i].name, false, bytes, sizeof bytes);
        assert_string_equal(bytes, keys[i].bytes);
    }
}

static void typing_and_resizing_reach_the_program(void **state)
{
    (void)state;
    struct drive *d = sh("trap 'stty size' WINCH; echo ready; read a; echo \"<$a>\"; "
                         "while :; do read b; done",
                         NULL);
    drive_wait_text(d, "ready");
    drive_type(d, "hello\r");
    drive_wait_text(d, "<hello>");
    drive_resize(d, 40, 100);
    drive_wait_text(d, "40 100");
    drive_close(d);
}

/* Reads what a terminal of this kind answers to a question, as text with ESC as ^[. */
static void expect_answer(const struct emu_kind *kind, const char *question, const char *answer)
{
    char script[400];
    snprintf(script, sizeof script,
             "stty raw -echo; printf '%s\\033[6n'; dd bs=1 count=%zu 2>/dev/null | cat -v",
             question, strlen(answer) + strlen("\033[1;1R"));
    struct drive *d = sh(script, kind);
    drive_wait_end(d);
    char want[200] = "";
    for (const char *p = answer; *p; p++)
        snprintf(want + strlen(want), sizeof want - strlen(want), *p == '\033' ? "^[" : "%c", *p);
    strcat(want, "^[[1;1R");
    assert_string_equal(drive_row(d, 0), want);
    drive_close(d);
}

static void questions_are_answered_by_kind(void **state)
{
    (void)state;
    expect_answer(&emu_sixel, "\\033[c", "\033[?62;4;22c");
    expect_answer(&emu_plain, "\\033[16t\\033[c", "\033[?62;22c");
    expect_answer(&emu_sixel, "\\033[16t\\033[?1;1;0S", "\033[6;20;10t\033[?1;0;256S");
    expect_answer(&emu_sixel, "\\033[>q\\033[5n", "\033P>|XTerm(379)\033\\\033[0n");
    expect_answer(&emu_kitty, "\\033_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\\033\\\\",
                  "\033_Gi=31;OK\033\\");
    expect_answer(&emu_sixel, "\\033_Gi=31,a=q;AAAA\\033\\\\", "");
    /* tmux for itself, and the terminal around it */
    expect_answer(&emu_tmux, "\\033[>q", "\033P>|tmux 3.4\033\\");
    expect_answer(&emu_tmux, "\\033Ptmux;\\033\\033[c\\033\\033[16t\\033\\\\",
                  "\033[?62;4;22c\033[6;20;10t");
}

static void late_answers_come_late(void **state)
{
    (void)state;
    struct emu_kind late = emu_late;
    late.late_ms = 300;
    double start = drive_now();
    expect_answer(&late, "\\033[c", "\033[?62;4;22c");
    assert_true(drive_now() - start >= 300);
}

static void a_slow_line_takes_what_it_can(void **state)
{
    (void)state;
    struct emu_kind slow = emu_slow;
    slow.rate = 10000;
    double start = drive_now();
    struct drive *d = sh("printf '%03000d' 7", &slow);
    drive_wait_end(d);
    assert_int_equal(d->bytes, 3000);
    assert_true(drive_now() - start >= 200);
    drive_close(d);
}

/* 20 x 24 pixels: 2 x 2 cells of 20 x 10. */
#define PICTURE "\\033Pq\"1;1;20;24#0;2;100;0;0!20~-!20~-!20~-!20~\\033\\\\"

static void images_cover_cells(void **state)
{
    (void)state;
    struct drive *d = sh("printf '\\033[3;5H" PICTURE "\\033[HX'", NULL);
    drive_wait_end(d);
    assert_int_equal(d->emu->images, 1);
    const struct emu_image *m = d->emu->image;
    assert_int_equal(m->y, 2);
    assert_int_equal(m->x, 4);
    assert_int_equal(m->w, 20);
    assert_int_equal(m->h, 24);
    assert_int_equal(m->rows, 2);
    assert_int_equal(m->cols, 2);
    assert_int_equal(emu_whole(d->emu), 1);
    assert_non_null(emu_image_at(d->emu, 3, 5));
    assert_null(emu_image_at(d->emu, 3, 6));
    assert_string_equal(drive_row(d, 0), "X");
    drive_close(d);
    d = sh("printf '" PICTURE "'", &emu_plain);
    drive_wait_end(d);
    assert_int_equal(d->emu->images, 0); /* this terminal shows none */
    drive_close(d);
}

static void expect_left(const char *after, const struct emu_kind *kind, int whole, int rests)
{
    char script[300];
    snprintf(script, sizeof script, "printf '\\033[3;5H%s%s'", PICTURE, after);
    struct drive *d = sh(script, kind);
    drive_wait_end(d);
    if (emu_whole(d->emu) != whole || emu_rests(d->emu) != rests)
        drive_fail(d, "after %s", after);
    drive_close(d);
}

static void text_wipes_images(void **state)
{
    (void)state;
    expect_left("\\033[2;5Hxx", NULL, 1, 0);
    expect_left("\\033[3;5H ", NULL, 0, 1);
    expect_left("\\033[3;5H  \\033[4;5H  ", NULL, 0, 0);
    expect_left("\\033[2J", NULL, 0, 0);
    expect_left("\\033[3;5H\\033[K", NULL, 0, 1);
    expect_left("\\033[3;5H" PICTURE, NULL, 1, 0); /* one over the other */
    expect_left("\\033[3;7H\\033[K", NULL, 1, 0);
    expect_left("\\033[3;7H\\033[K", &emu_tmux, 0, 0); /* tmux drops all of it */
    expect_left("\\033[?1049h", NULL, 0, 0);
}

static void kitty_images_stay_till_taken(void **state)
{
    (void)state;
    static const char show[] = "printf '\\033_Ga=T,f=24,s=1,v=1,c=2,r=2,i=7,m=1;/wA\\033\\\\'; "
                               "printf '\\033_Gm=0;A\\033\\\\\\033[1;1Hxx'; ";
    char script[300];
    struct drive *d = sh(show, &emu_kitty);
    drive_wait_end(d);
    assert_int_equal(d->emu->images, 1);
    assert_int_equal(d->emu->image[0].data.size, 3);
    assert_memory_equal(d->emu->image[0].data.data, "\xff\0\0", 3);
    assert_int_equal(emu_whole(d->emu), 1);
    drive_close(d);
    snprintf(script, sizeof script, "%sprintf '\\033_Ga=d,d=i,i=7\\033\\\\'", show);
    d = sh(script, &emu_kitty);
    drive_wait_end(d);
    assert_int_equal(d->emu->images, 0);
    drive_close(d);
}

static void a_terminal_left_in_disorder_is_seen(void **state)
{
    (void)state;
    static const struct {
        const char *script;
        bool fine;
    } cases[] = {
        {"stty -echo; printf '\\033[?1049h\\033[?25lx'; printf '\\033[?1049l\\033[?25h'; stty echo",
         true},
        {"stty -echo", false},
        {"stty -icanon", false},
        {"printf '\\033[?1049h'", false},
        {"printf '\\033[?25l'", false},
        {"printf '\\033[?1000;1006h'", false},
        {"printf '\\033[?1000;2004h\\033[?1000l'", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct drive *d = sh(cases[i].script, NULL);
        drive_wait_end(d);
        if (drive_restored(d) != cases[i].fine)
            drive_fail(d, "after %s", cases[i].script);
        drive_close(d);
    }
}

static void ends_are_seen(void **state)
{
    (void)state;
    struct drive *d = sh("exit 3", NULL);
    assert_int_equal(WEXITSTATUS(drive_wait_end(d)), 3);
    drive_close(d);
    d = sh("echo up; read a", NULL);
    drive_wait_text(d, "up");
    kill(d->pid, SIGTERM);
    assert_int_equal(WTERMSIG(drive_wait_end(d)), SIGTERM);
    drive_close(d);
    d = sh("echo up; read a", NULL);
    drive_wait_text(d, "up");
    drive_hang_up(d);
    assert_int_equal(WTERMSIG(d->status), SIGHUP);
    drive_close(d);
    d = sh("sleep 20; :", NULL);
    drive_wait(d, drive_child_of(d->pid) > 0);
    assert_int_equal(kill(drive_child_of(d->pid), SIGKILL), 0);
    drive_wait_end(d);
    drive_close(d);
}

static void colours_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *sgr;
        enum emu_colors colors;
    } cases[] = {{"1;7", EMU_NO_COLORS},
                 {"31", EMU_16_COLORS},
                 {"95", EMU_16_COLORS},
                 {"38;5;100", EMU_256_COLORS},
                 {"48;2;1;2;3", EMU_TRUE_COLORS}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char script[80];
        snprintf(script, sizeof script, "printf '\\033[%smx\\033[m'", cases[i].sgr);
        struct drive *d = sh(script, NULL);
        drive_wait_end(d);
        assert_int_equal(emu_colors(d->emu), cases[i].colors);
        drive_close(d);
    }
}

static void masks_hide_what_varies_and_nothing_else(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool same;
    } cases[] = {
        {"step 3 of 8", "step 4 of 8", false},
        {"took 3 ms", "took 12.5 ms", true},
        {"|  3.1 MB|", "| 120 kB|", true},
        {"| 12 s left |", "| 2 min 05 s left |", true},
        {"steps 8", "steps 9", false},
        {"12:01 slime", "9:15 slime", true},
        {"12:01 slime", "9:15 slime!", false},
        {"|\u2581\u2583\u2588  |", "|     |", true},
        {"|\u2581\u2583\u2588  |", "|  x  |", false},
        {"| a |", "|  a |", false},
        {"\u2500 5 ms \u2500\u2500\u2500\u256e", "\u2500 15 ms \u2500\u2500\u256e", true},
        {"\u2500 5 ms \u2500\u2500\u2500\u256e", "\u2500 15 m \u2500\u2500\u256e", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char row[2][DRIVE_ROW];
        for (int k = 0; k < 2; k++) {
            struct emu *t = emu_new(2, 40, &emu_plain);
            const char *text = k ? cases[i].b : cases[i].a;
            emu_feed(t, text, strlen(text), 0);
            drive_masked_row(&(struct drive){.emu = t, .rows = 2, .cols = 40}, 0, row[k]);
            emu_free(t);
        }
        if (drive_same_row(row[0], row[1]) != cases[i].same)
            fail_msg("\"%s\" and \"%s\"", row[0], row[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(text_lands_on_the_screen, close_all),
        cmocka_unit_test(pieces_make_no_difference),
        cmocka_unit_test_teardown(environment_is_the_tests_own, close_all),
        cmocka_unit_test(keys_are_xterms),
        cmocka_unit_test_teardown(typing_and_resizing_reach_the_program, close_all),
        cmocka_unit_test_teardown(questions_are_answered_by_kind, close_all),
        cmocka_unit_test_teardown(late_answers_come_late, close_all),
        cmocka_unit_test_teardown(a_slow_line_takes_what_it_can, close_all),
        cmocka_unit_test_teardown(images_cover_cells, close_all),
        cmocka_unit_test_teardown(text_wipes_images, close_all),
        cmocka_unit_test_teardown(kitty_images_stay_till_taken, close_all),
        cmocka_unit_test_teardown(a_terminal_left_in_disorder_is_seen, close_all),
        cmocka_unit_test_teardown(ends_are_seen, close_all),
        cmocka_unit_test_teardown(colours_are_told_apart, close_all),
        cmocka_unit_test(masks_hide_what_varies_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
