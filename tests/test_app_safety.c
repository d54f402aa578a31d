/*
 * The terminal app when things go wrong: killed, hung up, asked to end, suspended, late answers,
 * hostile pastes. Nothing that was made or typed is lost, and the terminal is left as it was.
 */
/* Not under qemu: a program driven through a terminal in time limits that an emulator misses. */
#include "app.h"

/* A shell that tells how the app ended, as an artist's own would: the app is its child. */
static struct drive *under_shell(const char *home, const struct emu_kind *kind)
{
    char script[PATH_MAX + 80];
    snprintf(script, sizeof script,
             "ulimit -c 0; echo before; %s; echo ended $?; read line; echo \"<$line>\"",
             drive_app());
    struct drive *d = drive_start(
        &(struct drive_options){.rows = 40,
                                .cols = 120,
                                .home = home,
                                .kind = kind,
                                .argv = (const char *const[]){"sh", "-c", script, NULL}});
    drive_wait_text(d, "ready|tiny +cpu|step [0-9]+ of");
    return d;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { ANY_STATUS = -1, CRASHED = ANY_STATUS }; /* a sanitizer ends the program its own way */
#else
enum { ANY_STATUS = -1, CRASHED = 128 + SIGSEGV };
#endif

/* After the app: the shell's screen, its answer, and lines that can be typed. */
static void expect_usable(struct drive *d, int status)
{
    char ended[40];
    double start = drive_now();
    snprintf(ended, sizeof ended, status == ANY_STATUS ? "ended [0-9]+$" : "ended %d$", status);
    /* After a kill the shell may be quicker than the guard, and say so on the other screen. */
    if (status != 128 + SIGKILL)
        drive_wait_text(d, ended);
    drive_wait(d, drive_restored(d));
    drive_check(d, drive_sees(d, "^before$") && !drive_sees(d, "Prompt"));
    /* Whoever puts the terminal back drops what was typed before: type until it is taken. */
    for (double next = 0; !drive_sees(d, "^<line>$"); drive_pump(d, 50)) {
        if (drive_now() > next)
            drive_type(d, "line\r");
        next = drive_now() > next ? drive_now() + 1000 : next;
        drive_check(d, drive_now() - start < drive_patience());
    }
    drive_check(d, drive_sees(d, "^ *line$")); /* echo is on */
    drive_wait_end(d);
}

static void signals_leave_all_in_order(void **state)
{
    (void)state;
    static const struct {
        int signal, status;
    } cases[] = {{SIGTERM, 128 + SIGTERM},
                 {SIGHUP, 128 + SIGHUP},
                 {SIGKILL, 128 + SIGKILL},
                 {SIGSEGV, CRASHED},
                 {SIGABRT, 128 + SIGABRT}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *home = app_home(APP_CONFIG);
        struct drive *d = under_shell(home, &emu_sixel);
        drive_type(d, "a draft of mine");
        drive_wait(d, app_box_is(d, "Prompt", "adraftofmine"));
        if (cases[i].signal != SIGTERM && cases[i].signal != SIGHUP) /* these leave it no time */
            drive_wait(d, app_kept(home, "draft.prompt", "a draft of mine"));
        assert_int_equal(kill(drive_child_of(d->pid), cases[i].signal), 0);
        expect_usable(d, cases[i].status);
        drive_check(d, app_kept(home, "draft.prompt", "a draft of mine"));
        drive_close(d);
    }
}

static void quitting_while_it_works_asks(void **state)
{
    (void)state;
    const char *home = app_home(APP_CONFIG);
    struct drive *d = under_shell(home, &emu_sixel);
    app_preset(d, "long");
    app_run(d, "a red potion");
    drive_wait_text(d, "step [0-9]+ of 1000");
    drive_key(d, "C-q");
    drive_wait_text(d, "Quit\\?");
    drive_key(d, "Esc");
    drive_wait_gone(d, "Quit\\?");
    drive_wait_text(d, "step [0-9]+ of 1000");
    drive_key(d, "C-q");
    drive_wait_text(d, "Quit\\?");
    drive_type(d, "y");
    expect_usable(d, 0);
    drive_close(d);
    d = app_start(&(struct drive_options){.rows = 40, .cols = 120, .home = home});
    drive_wait_text(d, "Queue \\(1\\)");
    drive_wait_text(d, "step [0-9]+ of 1000");
    drive_key(d, "M-x");
    drive_wait_gone(d, "Queue \\(");
    drive_key(d, "C-q"); /* nothing works any more: no question */
    assert_int_equal(drive_wait_end(d), 0);
    assert_true(drive_restored(d));
}

static void nothing_is_lost_by_a_kill(void **state)
{
    (void)state;
    struct drive *d = app(40, 120, &emu_sixel);
    app_run(d, "a gem");
    drive_wait_text(d, "\u2713 a gem");
    app_preset(d, "long");
    app_run(d, "a red potion");
    app_run(d, "a blue knight");
    drive_wait_text(d, "step [0-9]+ of 1000");
    app_run(d, "");
    drive_type(d, "half a tho");
    drive_wait(d, app_box_is(d, "Prompt", "halfatho"));
    drive_wait(d, app_kept(d->home, "draft.prompt", "half a tho"));
    kill(d->pid, SIGKILL);
    drive_wait_end(d);
    assert_true(drive_restored(d));
    struct drive *again = app_again(d);
    drive_close(d);
    drive_wait_text(again, "Queue \\(2\\)");
    drive_wait_text(again, "a red potion");
    drive_wait_text(again, "a blue knight");
    drive_wait_text(again, "\u2713 a gem");
    drive_check(again, app_box_is(again, "Prompt", "halfatho"));
    drive_wait_text(again, "\u25cf +long");
    drive_wait_text(again, "step [0-9]+ of 1000");
    char path[4][PATH_MAX];
    assert_int_equal(app_sprites(again->home, path, 4), 1);
    assert_int_equal(access(path[0], R_OK), 0);
}

static void a_lost_line_ends_it(void **state)
{
    (void)state;
    struct drive *d = app(40, 120, &emu_sixel);
    app_preset(d, "long");
    app_run(d, "a red potion");
    drive_wait_text(d, "step [0-9]+ of 1000");
    drive_hang_up(d);
    struct drive *again = app_again(d);
    drive_wait_text(again, "Queue \\(1\\)");
}

/* The shell waits for a command. */
static bool at_prompt(const struct drive *d)
{
    return !d->emu->alt && !strcmp(drive_row(d, emu_cursor(d->emu).row), "$");
}

static void suspended_and_back(void **state)
{
    (void)state;
    const char *home = app_home(APP_CONFIG);
    struct drive *d = drive_start(&(struct drive_options){
        .rows = 40,
        .cols = 120,
        .home = home,
        .argv = (const char *const[]){"bash", "--norc", "--noprofile", "-i", NULL}});
    drive_wait(d, at_prompt(d));
    drive_type(d, drive_app());
    drive_type(d, "\r");
    drive_wait_text(d, "ready|tiny +cpu");
    drive_type(d, "a gem");
    drive_wait(d, app_box_is(d, "Prompt", "agem"));
    drive_key(d, "Enter");
    drive_wait(d, app_one_image(d));
    drive_wait_text(d, "done in");
    for (int i = 0; i < 2; i++) {
        drive_key(d, "C-z");
        drive_wait_text(d, "Stopped");
        drive_wait(d, at_prompt(d));
        drive_check(d, !d->emu->alt && d->emu->cursor && !emu_mode(d->emu, 1006));
        drive_type(d, "echo still $((6*7))\r");
        drive_wait_text(d, "^still 42");
        drive_check(d, drive_sees(d, "^\\$ echo still")); /* no rest of an answer before it */
        drive_wait(d, at_prompt(d));
        drive_resize(d, 40 - i, 110 - i);
        drive_type(d, "fg\r");
        drive_wait_text(d, "done in");
        drive_wait(d, app_one_image(d));
        drive_check(d, app_box_is(d, "Prompt", "agem") && d->emu->alt);
    }
    drive_key(d, "C-q");
    drive_wait(d, at_prompt(d));
    drive_type(d, "exit\r");
    drive_wait_end(d);
}

static void late_answers_are_no_text(void **state)
{
    (void)state;
    struct drive *d = drive_start(&(struct drive_options){
        .rows = 40, .cols = 120, .kind = &emu_late, .home = app_home(APP_CONFIG)});
    drive_wait_text(d, "Prompt");
    drive_check(d, d->emu->answers > 0); /* the screen did not wait for them */
    drive_type(d, "a gem");
    drive_wait(d, d->emu->answers == 0);
    drive_type(d, "!");
    drive_wait(d, app_box_is(d, "Prompt", "agem!"));
    drive_key(d, "Enter");
    drive_wait_text(d, "done in");
    drive_wait(d, app_one_image(d)); /* and now it knows sixel */
    drive_check(d, app_box_is(d, "Prompt", "agem!"));
    drive_check(d, drive_sees(d, "\u2713 a gem!"));
}

static void a_mute_terminal_works_too(void **state)
{
    (void)state;
    struct drive *d = app(40, 120, &emu_mute);
    app_run(d, "a gem");
    drive_wait_text(d, "done in");
    drive_type(d, "s");
    drive_wait(d, app_box_is(d, "Prompt", "agems"));
}

static void pastes_are_only_text(void **state)
{
    (void)state;
    struct drive *d = app(40, 120, &emu_sixel);
    drive_check(d, emu_mode(d->emu, 2004));
    drive_paste(d, "a gem\r\nof glass\n\033[2J\033OQ\021\003\tand \x1b]0;x\x07 gold\r");
    drive_wait_text(d, "gold");
    drive_wait_quiet(d, 100);
    drive_check(d, !drive_sees(d, "Queue \\(") && !drive_sees(d, "\u2713") && !d->ended);
    drive_check(d, strstr(app_box(d, "Prompt"), "agemofglass") == app_box(d, "Prompt"));
    drive_check(d, strstr(app_box(d, "Prompt"), "gold"));
    drive_type(d, "!");
    drive_wait_text(d, "gold!|!");
    /* A long one, in pieces. */
    for (int i = 0; i < 4; i++)
        drive_key(d, "C-Home"), drive_key(d, "C-k");
    static char text[20000];
    memset(text, 'x', sizeof text - 1);
    drive_paste(d, text);
    drive_type(d, "end");
    drive_wait_text(d, "xend");
}

/* Bytes that no terminal sends: the app goes on. */
static void noise_is_survived(void **state)
{
    (void)state;
    struct drive *d = app(40, 120, &emu_sixel);
    static const char *const noise[] = {"\033[999999999999;1;2;3;4;5;6;7;8;9;10;11z",
                                        "\033P1$r garbage \033\\",
                                        "\033]11;rgb:0000/0000/0000\033\\",
                                        "\033_Gi=1;EINVAL\033\\",
                                        "\033[<0;999;999M",
                                        "\033[<64;1;1M",
                                        "\033[I\033[O",
                                        "\033[?1;2c",
                                        "\xff\xfe\xc3"};
    for (size_t i = 0; i < sizeof noise / sizeof *noise; i++)
        drive_type(d, noise[i]);
    drive_key(d, "C-Home");
    for (int i = 0; i < 3; i++)
        drive_key(d, "Delete");
    drive_type(d, "a gem");
    drive_wait(d, app_box_is(d, "Prompt", "agem"));
    app_run(d, "a gem");
    drive_wait_text(d, "done in");
}

static void bad_starts_say_why(void **state)
{
    (void)state;
    const char *home = app_home(APP_CONFIG);
    struct drive *d = drive_start(&(struct drive_options){.home = home, .env = {"TERM=dumb"}});
    assert_int_equal(WEXITSTATUS(drive_wait_end(d)), 1);
    drive_check(d, drive_sees(d, "^spritty: .*TERM") && drive_restored(d));
    drive_close(d);
    d = drive_start(&(struct drive_options){.home = "/proc/nothing"});
    assert_int_equal(WEXITSTATUS(drive_wait_end(d)), 1);
    drive_check(d, drive_sees(d, "^spritty: ") && drive_restored(d));
    drive_close(d);
    d = drive_start(&(struct drive_options){.home = app_home("[defaults]\nsteps = many\n")});
    assert_int_equal(WEXITSTATUS(drive_wait_end(d)), 1);
    drive_check(d, drive_sees(d, "config.ini:2") && drive_restored(d));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(signals_leave_all_in_order, app_clean),
        cmocka_unit_test_teardown(quitting_while_it_works_asks, app_clean),
        cmocka_unit_test_teardown(nothing_is_lost_by_a_kill, app_clean),
        cmocka_unit_test_teardown(a_lost_line_ends_it, app_clean),
        cmocka_unit_test_teardown(suspended_and_back, app_clean),
        cmocka_unit_test_teardown(late_answers_are_no_text, app_clean),
        cmocka_unit_test_teardown(a_mute_terminal_works_too, app_clean),
        cmocka_unit_test_teardown(pastes_are_only_text, app_clean),
        cmocka_unit_test_teardown(noise_is_survived, app_clean),
        cmocka_unit_test_teardown(bad_starts_say_why, app_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
