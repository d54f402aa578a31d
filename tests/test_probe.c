/*
 * What terminals are taken for: environments and answers in, capabilities out. The answers are
 * those of docs/terminals.md, where it says which were seen and which were read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "term/probe.h"

static const char *const *env; /* NAME, value, ..., NULL */
static struct probe p;

static const char *get(const char *name)
{
    for (const char *const *e = env; *e; e += 2)
        if (!strcmp(*e, name))
            return e[1];
    return NULL;
}

#define START(...)                                                                                 \
    do {                                                                                           \
        static const char *const vars[] = {__VA_ARGS__, NULL};                                     \
        env = vars;                                                                                \
        probe_start(&p, get);                                                                      \
    } while (0)

static char asked[1025];

static void ask(void)
{
    size_t n = probe_questions(&p, 1000, asked, 1024);
    assert_true(n <= 1024);
    asked[n] = '\0';
}

/* Each answer as one; true when the last one changed something. */
static bool hear(const char *answers)
{
    bool changed = false;
    while (*answers) {
        const char *next = answers[1] == '[' ? strchr(answers + 1, '\033')
                                             : strstr(answers, "\033\\");
        size_t n = !next               ? strlen(answers)
                   : answers[1] == '[' ? (size_t)(next - answers)
                                       : (size_t)(next - answers) + 2;
        changed = probe_answer(&p, answers, n, 1050);
        answers += n;
    }
    return changed;
}

#define XTERM_340     "\033P>|XTerm(379)\033\\\033[?1;0;1024S\033[?2;0;480;312S"
#define XTERM_340_DA1 "\033[?63;1;2;4;6;9;15;16;22;28c"
#define TMUX_34       "\033P>|tmux 3.4\033\\\033[6;20;10t\033[?1;0;1024S\033[?2;3;0S\033[?1;2;4c"

static void colors_from_the_environment(void **state)
{
    (void)state;
    static const struct {
        const char *term, *colorterm, *no_color, *ours;
        enum color_depth depth;
    } cases[] = {
        {"xterm-256color", "truecolor", "", "", COLORS_TRUE},
        {"xterm", "24bit", "", "", COLORS_TRUE},
        {"xterm-direct", "", "", "", COLORS_TRUE},
        {"xterm-kitty", "", "", "", COLORS_TRUE},
        {"screen-256color", "", "", "", COLORS_256},
        {"mlterm", "", "", "", COLORS_256},
        {"xterm", "", "", "", COLORS_16},
        {"linux", "", "", "", COLORS_16},
        {"vt100", "", "", "", COLORS_NONE},
        {"xterm-mono", "", "", "", COLORS_NONE},
        {"", "", "", "", COLORS_NONE},
        {"xterm-256color", "truecolor", "1", "", COLORS_NONE},
        {"xterm-256color", "truecolor", "1", "16", COLORS_16},
        {"vt100", "", "", "true", COLORS_TRUE},
        {"xterm-256color", "", "", "loud", COLORS_256},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *const vars[] = {
            "TERM",     cases[i].term,     "COLORTERM",      cases[i].colorterm,
            "NO_COLOR", cases[i].no_color, "SPRITTY_COLORS", cases[i].ours,
            NULL};
        env = vars;
        probe_start(&p, get);
        assert_int_equal(p.caps.colors, cases[i].depth);
    }
}

static void utf8_from_the_environment(void **state)
{
    (void)state;
    static const struct {
        const char *term, *all, *ctype, *lang;
        bool utf8;
    } cases[] = {
        {"xterm", "", "", "", true},
        {"xterm", "C", "", "", true},
        {"xterm", "", "POSIX", "de_DE.UTF-8", true},
        {"linux", "", "", "", false},
        {"vt220", "", "", "C", false},
        {"linux", "", "", "C.UTF-8", true},
        {"xterm", "", "", "de_DE.ISO-8859-1", false},
        {"xterm", "en_US.utf8", "", "de_DE.ISO-8859-1", true},
        {"xterm", "", "ja_JP.eucJP", "en_US.UTF-8", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *const vars[] = {"TERM",       cases[i].term, "LC_ALL",
                                    cases[i].all, "LC_CTYPE",    cases[i].ctype,
                                    "LANG",       cases[i].lang, NULL};
        env = vars;
        probe_start(&p, get);
        assert_int_equal(p.caps.utf8, cases[i].utf8);
    }
}

static void before_any_answer(void **state)
{
    (void)state;
    START("TERM", "xterm-256color", "SSH_TTY", "/dev/pts/1");
    assert_int_equal(p.caps.graphics, GRAPHICS_BLOCKS);
    assert_false(p.caps.done);
    assert_true(p.caps.ssh && !p.caps.tmux);
    ask();
    assert_non_null(strstr(asked, "\033[>0q"));
    assert_non_null(strstr(asked, "\033_G"));
    assert_non_null(strstr(asked, "\033[16t"));
    assert_string_equal(asked + strlen(asked) - 3, "\033[c"); /* the last one ends it */
    assert_null(strstr(asked, "tmux;"));
    START("TERM", "linux");
    ask();
    assert_string_equal(asked, "\033[c"); /* others would be printed by some */
    ask();                                /* after a resize */
    assert_string_equal(asked, "");
    assert_int_equal(p.caps.graphics, GRAPHICS_NONE);
}

static void terminals_with_sixel(void **state)
{
    (void)state;
    START("TERM", "xterm");
    probe_winsize(&p, 24, 80, 484, 316); /* xterm counts its border */
    ask();
    assert_true(hear(XTERM_340 XTERM_340_DA1));
    assert_int_equal(p.caps.graphics, GRAPHICS_SIXEL);
    assert_int_equal(p.caps.cell_w, 6);
    assert_int_equal(p.caps.cell_h, 13);
    assert_int_equal(p.caps.sixel_registers, 1024);
    assert_int_equal(p.caps.sixel_w, 480);
    assert_int_equal(p.caps.colors, COLORS_TRUE);
    assert_string_equal(p.caps.terminal, "XTerm(379)");
    assert_true(p.caps.done && p.caps.round_trip_ms == 50);
    assert_false(hear(XTERM_340 XTERM_340_DA1)); /* nothing new */

    START("TERM", "mlterm");
    probe_winsize(&p, 24, 80, 800, 480);
    ask();
    hear(
        "\033[6;19;10t\033[4;456;800t\033[?1;0;1024S\033[?2;3;0S\033[?63;1;2;3;4;6;7;15;18;22;29c");
    assert_int_equal(p.caps.graphics, GRAPHICS_SIXEL);
    assert_int_equal(p.caps.cell_h, 19); /* told, against 20 from the kernel */
    assert_int_equal(p.caps.sixel_w, 0);

    START("TERM", "xterm-256color"); /* Windows Terminal: draws as a VT340 */
    probe_winsize(&p, 30, 120, 0, 0);
    ask();
    hear("\033[?61;4;6;7;14;21;22;23;24;28;32;42;52c");
    assert_int_equal(p.caps.graphics, GRAPHICS_SIXEL);
    assert_int_equal(p.caps.cell_w, 10);
    assert_int_equal(p.caps.cell_h, 20);
    assert_int_equal(p.caps.sixel_registers, 256);
}

static void terminals_without_sixel(void **state)
{
    (void)state;
    START("TERM", "xterm");
    probe_winsize(&p, 24, 80, 484, 316);
    ask();
    hear("\033P>|XTerm(379)\033\\\033[?1;3S\033[?2;3S\033[?64;1;2;6;9;15;16;17;18;21;22;28c");
    assert_int_equal(p.caps.graphics, GRAPHICS_BLOCKS);
    START("TERM", "xterm-kitty");
    ask();
    hear("\033P>|kitty(0.40.1)\033\\\033_Gi=31;OK\033\\\033[6;44;22t\033[?62;52;c");
    assert_int_equal(p.caps.graphics, GRAPHICS_KITTY);
    START("TERM", "xterm-256color", "LC_TERMINAL", "iTerm2");
    ask();
    assert_int_equal(p.caps.graphics, GRAPHICS_BLOCKS);
    hear("\033[?62c");
    assert_int_equal(p.caps.graphics, GRAPHICS_ITERM);
    START("TERM", "xterm-256color"); /* sixel of no known size */
    ask();
    hear("\033[?62;4c");
    assert_int_equal(p.caps.graphics, GRAPHICS_BLOCKS);
    assert_non_null(strstr(p.caps.why, "size of its cells"));
    START("TERM", "xterm-256color"); /* an error is no yes */
    ask();
    hear("\033_Gi=31;ENOTSUPPORTED:no\033\\\033[?62c");
    assert_int_equal(p.caps.graphics, GRAPHICS_BLOCKS);
}

/* Konsole has both; what it leaves around a sixel picture is seen, see probe.c. */
static void konsole_shows_pictures_by_kitty(void **state)
{
    (void)state;
    START("TERM", "xterm-256color");
    ask();
    hear("\033P>|Konsole 22.12.3\033\\\033_Gi=31;OK\033\\\033[6;18;8t\033[?1;0;256S"
         "\033[?2;0;16384;16384S\033[?62;1;4c");
    assert_int_equal(p.caps.graphics, GRAPHICS_KITTY);
    START("TERM", "xterm-256color"); /* an old one, without kitty's: sixel all the same */
    ask();
    hear("\033P>|Konsole 22.04.0\033\\\033[6;18;8t\033[?62;1;4c");
    assert_int_equal(p.caps.graphics, GRAPHICS_SIXEL);
}

static void behind_tmux(void **state)
{
    (void)state;
    START("TERM", "tmux-256color", "TMUX", "/tmp/tmux-0/default,1,0");
    ask();
    assert_null(strstr(asked, "\033_G"));
    assert_non_null(strstr(asked, "\033Ptmux;\033\033[>0q\033\\"));
    hear(TMUX_34);
    assert_int_equal(p.caps.graphics, GRAPHICS_BLOCKS); /* it always says so */
    assert_non_null(strstr(p.caps.why, "allow-passthrough"));
    assert_true(hear(XTERM_340 XTERM_340_DA1));
    assert_int_equal(p.caps.graphics, GRAPHICS_SIXEL);
    assert_string_equal(p.caps.terminal, "tmux 3.4");
    assert_string_equal(p.outer, "XTerm(379)");
    assert_int_equal(p.caps.cell_w, 10); /* tmux's: it scales to the outer one's */
    probe_winsize(&p, 50, 90, 0, 0);     /* attached elsewhere, to something without, */
    ask();
    probe_typed(&p); /* and another new size with the key that lets us ask it */
    probe_winsize(&p, 40, 90, 0, 0);
    ask();
    assert_non_null(strstr(asked, "\033[16t"));
    assert_non_null(strstr(asked, "\033Ptmux;\033\033[c"));
    hear("\033P>|VTE(7600)\033\\\033[?61;1;21;22c");
    assert_int_equal(p.caps.graphics, GRAPHICS_BLOCKS);

    START("TERM", "tmux-256color", "TMUX", "x");
    ask();
    hear(TMUX_34 "\033P>|VTE(7600)\033\\\033[?61;1;21;22c");
    assert_int_equal(p.caps.graphics, GRAPHICS_BLOCKS);
    assert_non_null(strstr(p.caps.why, "VTE(7600)"));

    START("TERM", "tmux-256color", "TMUX", "x"); /* built without */
    ask();
    hear("\033P>|tmux 3.3a\033\\\033[?1;2c" XTERM_340 XTERM_340_DA1);
    assert_int_equal(p.caps.graphics, GRAPHICS_BLOCKS);

    START("TERM", "tmux-256color", "TMUX", "x"); /* in another tmux */
    ask();
    hear(TMUX_34 TMUX_34);
    assert_int_equal(p.caps.graphics, GRAPHICS_BLOCKS);

    START("TERM", "tmux-256color", "TMUX", "x", "LC_TERMINAL", "iTerm2"); /* nor through it */
    ask();
    hear("\033P>|tmux 3.3a\033\\\033[?1;2c\033P>|iTerm2 3.5.4\033\\\033[?62c");
    assert_int_equal(p.caps.graphics, GRAPHICS_BLOCKS);

    START("TERM", "tmux-256color", "TMUX", "x"); /* the fewer colours count */
    ask();
    hear(TMUX_34 "\033[?1;0;16S" XTERM_340_DA1);
    assert_int_equal(p.caps.sixel_registers, 16);
}

static void old_tmux_paints_whole_bands(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool bands;
    } of[] = {{"\033P>|tmux 3.4\033\\", true},       {"\033P>|tmux 3.5a\033\\", true},
              {"\033P>|tmux 3.6\033\\", false},      {"\033P>|tmux 3.10\033\\", false},
              {"\033P>|tmux next-3.9\033\\", false}, {"\033P>|XTerm(379)\033\\", false}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        START("TERM", "tmux-256color", "TMUX", "x");
        ask();
        hear(of[i].name);
        assert_int_equal(p.caps.sixel_bands, of[i].bands);
    }
}

static void tmux_that_the_environment_does_not_tell(void **state)
{
    (void)state;
    START("TERM", "screen-256color", "SSH_TTY", "/dev/pts/1"); /* ssh from inside tmux */
    ask();
    assert_null(strstr(asked, "tmux;"));
    assert_true(hear("\033P>|tmux 3.4\033\\"));
    assert_true(probe_due(&p, 1050));
    ask();
    assert_non_null(strstr(asked, "\033Ptmux;\033\033[c\033\\"));
    assert_null(strstr(asked, "\033[16t"));
    assert_false(probe_due(&p, 1050));
    hear("\033[6;20;10t\033[?1;2;4c" XTERM_340 XTERM_340_DA1);
    assert_int_equal(p.caps.graphics, GRAPHICS_SIXEL);

    START("TERM", "xterm", "TMUX", "x"); /* an xterm started from inside tmux */
    probe_winsize(&p, 24, 80, 484, 316);
    ask();
    hear(XTERM_340 XTERM_340_DA1);
    assert_false(p.caps.tmux);
    assert_int_equal(p.caps.graphics, GRAPHICS_SIXEL);
    assert_string_equal(p.caps.terminal, "XTerm(379)");
}

static void a_silent_outer_terminal_is_asked_again(void **state)
{
    (void)state;
    START("TERM", "tmux-256color", "TMUX", "x");
    ask();                            /* at 1000 ms; tmux was just starting */
    assert_false(probe_due(&p, 1e6)); /* nothing says that there is sixel */
    hear(TMUX_34);
    assert_false(probe_due(&p, 1900));
    assert_true(probe_due(&p, 2000));
    probe_questions(&p, 2000, asked, 1024);
    assert_memory_equal(asked, "\033Ptmux;", 7);
    assert_false(probe_due(&p, 3900));
    assert_true(probe_due(&p, 4000));
    hear(XTERM_340_DA1);
    assert_false(probe_due(&p, 1e6));
    assert_int_equal(p.caps.graphics, GRAPHICS_SIXEL);
    START("TERM", "tmux-256color", "TMUX", "x"); /* and given up in the end */
    ask();
    hear(TMUX_34);
    for (int i = 1; i <= 3; i++) {
        assert_true(probe_due(&p, i * 1e5));
        probe_questions(&p, i * 1e5, asked, 1024);
    }
    assert_false(probe_due(&p, 1e9));
}

/* tmux gives what the terminal around it answers to the pane with the keys, such as a new one. */
static void the_outer_terminal_is_asked_when_the_keys_are_ours(void **state)
{
    (void)state;
    START("TERM", "tmux-256color", "TMUX", "x");
    ask();
    hear(TMUX_34);
    hear(XTERM_340_DA1);
    probe_typed(&p);
    assert_false(probe_due(&p, 1e6)); /* all is known */
    ask();                            /* a new size */
    assert_null(strstr(asked, "tmux;"));
    assert_false(probe_due(&p, 1e6));
    probe_typed(&p);
    assert_true(probe_due(&p, 1e6));
    ask();
    assert_memory_equal(asked, "\033Ptmux;", 7);
    assert_false(probe_due(&p, 1e6));
    hear("\033[?62c"); /* attached elsewhere */
    assert_int_equal(p.caps.graphics, GRAPHICS_BLOCKS);
}

static void no_colour_takes_characters_not_pictures(void **state)
{
    (void)state;
    START("TERM", "xterm", "NO_COLOR", "1");
    probe_winsize(&p, 24, 80, 484, 316);
    assert_int_equal(p.caps.graphics, GRAPHICS_NONE);
    ask();
    hear(XTERM_340 XTERM_340_DA1);
    assert_int_equal(p.caps.colors, COLORS_NONE);
    assert_int_equal(p.caps.graphics, GRAPHICS_SIXEL);
    START("TERM", "xterm", "LANG", "de_DE.ISO-8859-1");
    ask();
    hear("\033[?62c");
    assert_int_equal(p.caps.graphics, GRAPHICS_NONE);
}

static void what_the_user_demands_wins(void **state)
{
    (void)state;
    static const char *const names[] = {"none", "blocks", "iterm", "kitty", "sixel"};
    for (int i = 0; i < 5; i++) {
        const char *const vars[] = {"TERM", "vt100", "SPRITTY_GRAPHICS", names[i], NULL};
        env = vars;
        probe_start(&p, get);
        assert_int_equal(p.caps.graphics, i);
        assert_string_equal(graphics_name(p.caps.graphics), names[i]);
        hear("\033_Gi=31;OK\033\\\033[?62;4c");
        assert_int_equal(p.caps.graphics, i);
        assert_true(i != GRAPHICS_SIXEL || p.caps.cell_w > 0);
    }
}

static void another_size(void **state)
{
    (void)state;
    START("TERM", "foot");
    probe_winsize(&p, 24, 80, 0, 0);
    ask();
    hear("\033P>|foot(1.16.2)\033\\\033[6;20;10t\033[?62;4;22c");
    assert_int_equal(p.caps.cell_w, 10);
    probe_winsize(&p, 48, 160, 0, 0);
    assert_int_equal(p.caps.cell_w, 10);
    ask();
    assert_string_equal(asked, "\033[16t");
    assert_true(hear("\033[6;10;5t"));
    assert_int_equal(p.caps.cell_w, 5);
    assert_int_equal(p.caps.sixel_w, 0);

    START("TERM", "foot"); /* its largest picture is as large as the window */
    ask();
    hear("\033[6;20;10t\033[?2;0;800;480S\033[?62;4;22c");
    assert_int_equal(p.caps.sixel_h, 480);
    ask();
    assert_string_equal(asked, "\033[16t\033[?2;1;0S");
    assert_true(hear("\033[?2;0;1600;960S"));
    assert_int_equal(p.caps.sixel_h, 960);

    START("TERM", "xterm"); /* only the whole area is told */
    probe_winsize(&p, 24, 80, 0, 0);
    ask();
    hear("\033[4;480;800t\033[?62;4c");
    assert_int_equal(p.caps.cell_w, 10);
    assert_int_equal(p.caps.cell_h, 20);
    probe_winsize(&p, 48, 80, 0, 0); /* until it is told again, the cells are what they were */
    assert_int_equal(p.caps.cell_h, 20);
}

static void nonsense_is_not_believed(void **state)
{
    (void)state;
    static const char *const answers[] = {"\033[6;0;10t",
                                          "\033[6;99999;99999t",
                                          "\033[4;1;1t",
                                          "\033[?1;0;0S",
                                          "\033[?1;0;99999999S",
                                          "\033[?1;3;16S",
                                          "\033[?2;0;0;9S",
                                          "\033[?S",
                                          "\033[t",
                                          "\033[0n",
                                          "\033_G\033\\",
                                          "\033_Gi=30;OK\033\\",
                                          "\033P0+r\033\\",
                                          "\033P>",
                                          "\033",
                                          ""};
    START("TERM", "xterm");
    probe_winsize(&p, 24, 80, 5, 5);
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
        assert_false(probe_answer(&p, answers[i], strlen(answers[i]), 1050));
    char name[300] = "\033P>|\n\001";
    memset(name + 6, 'x', 200);
    strcpy(name + 206, "\033\\");
    assert_true(probe_answer(&p, name, strlen(name), 1050)); /* cut, and no controls */
    assert_int_equal(strlen(p.caps.terminal), 63);
    assert_memory_equal(p.caps.terminal, "??xx", 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(colors_from_the_environment),
        cmocka_unit_test(utf8_from_the_environment),
        cmocka_unit_test(before_any_answer),
        cmocka_unit_test(terminals_with_sixel),
        cmocka_unit_test(terminals_without_sixel),
        cmocka_unit_test(konsole_shows_pictures_by_kitty),
        cmocka_unit_test(behind_tmux),
        cmocka_unit_test(old_tmux_paints_whole_bands),
        cmocka_unit_test(tmux_that_the_environment_does_not_tell),
        cmocka_unit_test(a_silent_outer_terminal_is_asked_again),
        cmocka_unit_test(the_outer_terminal_is_asked_when_the_keys_are_ours),
        cmocka_unit_test(no_colour_takes_characters_not_pictures),
        cmocka_unit_test(what_the_user_demands_wins),
        cmocka_unit_test(another_size),
        cmocka_unit_test(nonsense_is_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
