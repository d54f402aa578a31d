/*
 * The decoder of terminal bytes. Events are written down as text, one word each, and compared, so a
 * case is two strings: what came in, what it means.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "term/input.h"
#include "ui/keys.h"

static struct input *in;

static int start(void **state)
{
    (void)state;
    in = input_new();
    return in ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    input_free(in);
    return 0;
}

static char *words; /* what was seen so far */
static size_t words_len;

static void say(const char *kind, const char *text, size_t len)
{
    words = realloc(words, words_len + strlen(kind) + 4 * len + 4);
    assert_non_null(words);
    char *p = words + words_len;
    p += sprintf(p, "%s%s", words_len ? " " : "", kind);
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\033')
            p += sprintf(p, "^[");
        else if ((unsigned char)text[i] < 0x20)
            p += sprintf(p, "^%c", text[i] + '@');
        else
            *p++ = text[i];
    }
    *p = '\0';
    words_len = (size_t)(p - words);
}

static void say_event(const struct input_event *e)
{
    static const char *const what[] = {"down", "up", "drag", "wheel-up", "wheel-down"};
    char s[64];
    switch (e->kind) {
    case INPUT_KEY:
        key_name(e->code, e->mods, s, sizeof s);
        say("", s, strlen(s));
        break;
    case INPUT_TEXT:
        assert_int_equal(strlen(e->text), e->len);
        say("'", e->text, e->len);
        break;
    case INPUT_PASTE:
        say("paste:", e->text, e->len);
        break;
    case INPUT_MOUSE:
        snprintf(s, sizeof s, "%s%d@%d,%d+%u", what[e->what], e->button, e->y, e->x, e->mods);
        say("", s, strlen(s));
        break;
    case INPUT_FOCUS:
        say(e->on ? "focus" : "blur", "", 0);
        break;
    case INPUT_ANSWER:
        say("answer:", e->text, e->len);
        break;
    }
}

static void drain(void)
{
    struct input_event e;
    while (input_next(in, &e))
        say_event(&e);
}

static void reset(void)
{
    words_len = 0;
    words = realloc(words, 1);
    assert_non_null(words);
    *words = '\0';
}

static void feed(const char *bytes)
{
    input_feed(in, bytes, strlen(bytes));
    drain();
}

/* No byte for ESC_MS. */
static void quiet(void)
{
    if (input_pending(in))
        input_expire(in);
    drain();
    assert_false(input_pending(in));
}

/* Whole, byte by byte, and byte by byte with the queue left standing: always the same. */
static void expect_n(const char *bytes, size_t len, const char *meaning)
{
    for (int way = 0; way < 3; way++) {
        reset();
        for (size_t i = 0; i < len; i += way ? 1 : len) {
            input_feed(in, bytes + i, way ? 1 : len);
            if (way < 2)
                drain();
        }
        drain();
        assert_string_equal(words, meaning);
        assert_false(input_pending(in));
    }
}

static void expect(const char *bytes, const char *meaning)
{
    expect_n(bytes, strlen(bytes), meaning);
}

static void text_is_utf8(void **state)
{
    (void)state;
    expect("aZ ~", "'a 'Z '  '~");
    expect("\xc3\xa4\xe2\x82\xac\xf0\x9f\x91\xbe", "'\xc3\xa4 '\xe2\x82\xac '\xf0\x9f\x91\xbe");
#define BAD "'\xef\xbf\xbd"
    expect("\x80"
           "a",
           BAD " 'a");               /* alone */
    expect("\xc0\xaf", BAD " " BAD); /* overlong */
    expect("\xe2\x82"
           "a",
           BAD " 'a");                                       /* broken off */
    expect("\xed\xa0\x80", BAD " " BAD " " BAD);             /* a surrogate */
    expect("\xf4\x90\x80\x80", BAD " " BAD " " BAD " " BAD); /* too large */
    expect("\xe2\033[A", BAD " Up");
    expect("\xc2\x9b"
           "31m",
           "'3 '1 'm"); /* C1 as UTF-8: a control, so no text */
}

static void control_keys(void **state)
{
    (void)state;
    expect("\r\n\t\x7f\b", "Enter Ctrl-J Tab Backspace Ctrl-H");
    expect("\x01\x03\x1a", "Ctrl-A Ctrl-C Ctrl-Z");
    expect("\x1c\x1d\x1e\x1f", "Ctrl-\\ Ctrl-] Ctrl-^ Ctrl-_");
    expect_n("\0", 1, "Ctrl-Space");
}

static void cursor_and_function_keys(void **state)
{
    (void)state;
    expect("\033[A\033[B\033[C\033[D\033[H\033[F", "Up Down Right Left Home End");
    expect("\033OA\033OB\033OC\033OD\033OH\033OF", "Up Down Right Left Home End");
    expect("\033[1~\033[4~\033[7~\033[8~", "Home End Home End");
    expect("\033[2~\033[3~\033[5~\033[6~", "Insert Delete PgUp PgDn");
    expect("\033OP\033OQ\033OR\033OS", "F1 F2 F3 F4");
    expect("\033[11~\033[12~\033[13~\033[14~\033[15~", "F1 F2 F3 F4 F5");
    expect("\033[[A\033[[B\033[[C\033[[D\033[[E", "F1 F2 F3 F4 F5");
    expect("\033[17~\033[18~\033[19~\033[20~\033[21~\033[23~\033[24~", "F6 F7 F8 F9 F10 F11 F12");
    expect("\033[Z", "Shift-Tab");
    expect("\033OM\033Ok\033Op", "Enter '+ '0");
}

static void modifiers_of_keys(void **state)
{
    (void)state;
    expect("\033[1;5C\033[1;2A\033[1;3B\033[1;6D", "Ctrl-Right Shift-Up Alt-Down Ctrl-Shift-Left");
    expect("\033[3;5~\033[15;2~\033[1;5P\033O5P", "Ctrl-Delete Shift-F5 Ctrl-F1 Ctrl-F1");
    expect("\033[1;5R\033[1;2S\033[R", "Ctrl-F3 Shift-F4 F3");
    expect("\033[24;80R", "answer:^[[24;80R"); /* that is the cursor's place */
    expect("\033[1;65A\033[1;9A", "Up");       /* caps lock; and Super, which is none of ours */
    expect("\033[3^\033[3$\033[3@\033[a\033[c\033Oc",
           "Ctrl-Delete Shift-Delete Ctrl-Shift-Delete Shift-Up Shift-Right Ctrl-Right");
}

static void keys_by_code_point(void **state)
{
    (void)state;
    expect("\033[27;5;9~\033[27;5;105~\033[27;6;82~", "Ctrl-Tab Ctrl-I Ctrl-Shift-R");
    expect("\033[97u\033[97;2u\033[97;5u\033[97;4u", "'a 'A Ctrl-A Alt-Shift-A");
    expect("\033[13;3u\033[127;5u\033[27u\033[32;5u\033[9;2u",
           "Alt-Enter Ctrl-Backspace Esc Ctrl-Space Shift-Tab");
    expect("\033[57399u\033[57414u\033[57419u\033[57441u", "'0 Enter Up");
    expect("\033[97;1:1u\033[97;1:3u", "'a"); /* a release */
    expect("\033[60;4u", "Alt-<");
    expect("\033[1u\033[155u\033[55296u\033[1114112u\033[99999999999999u", "");
}

static void alt_is_an_esc_before(void **state)
{
    (void)state;
    expect("\033x\033X\033<\033 ", "Alt-X Alt-Shift-X Alt-< Alt-Space");
    expect("\033\r\033\x7f\033\t\033\x18", "Alt-Enter Alt-Backspace Alt-Tab Ctrl-Alt-X");
    expect("\033\xc3\xa4\033\xc3\x84", "Alt-\xc3\xa4 Alt-Shift-\xc3\xa4");
    expect("\033\033[A\033\033OP\033\033[3~", "Alt-Up Alt-F1 Alt-Delete");
    expect("\033\033x", "Esc Alt-X");
    expect("\033_\033_\033x\033]\033x", "Alt-_ Alt-_ Alt-X Alt-] Alt-X");
}

static void esc_alone_takes_time(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"\033", "Esc"},          {"\033\033", "Esc Esc"},    {"\033[", "Alt-["},
        {"\033O", "Alt-Shift-O"}, {"\033P", "Alt-Shift-P"},   {"\033_", "Alt-_"},
        {"\033]", "Alt-]"},       {"\033\033[", "Esc Alt-["},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        reset();
        feed(cases[i][0]);
        assert_true(input_pending(in));
        quiet();
        assert_string_equal(words, cases[i][1]);
        quiet();
        reset();
        feed("ok"); /* and the next keys are keys again */
        assert_string_equal(words, "'o 'k");
    }
}

static void esc_before_a_report_is_a_key(void **state)
{
    (void)state;
    expect("\033\033[0n", "Esc answer:^[[0n");
    expect("\033\033[I\033\033[<0;1;1M", "Esc focus Esc down1@0,0+0");
    expect("\033\033_Gi=1;OK\033\\", "Esc answer:^[_Gi=1;OK^[\\");
    expect("\033\033[200~x\033[201~", "Esc paste:x");
}

static void mouse_and_focus(void **state)
{
    (void)state;
    expect("\033[<0;1;1M\033[<0;10;5m", "down1@0,0+0 up1@4,9+0");
    expect("\033[<2;3;4M\033[<34;3;4M\033[<1;3;4M", "down3@3,2+0 drag3@3,2+0 down2@3,2+0");
    expect("\033[<64;3;4M\033[<65;3;4M\033[<66;3;4M", "wheel-up0@3,2+0 wheel-down0@3,2+0");
    expect("\033[<28;300;90M", "down1@89,299+7");
    expect("\033[<35;3;4M\033[<0;0;4M\033[<0;3M\033[<0;3;4;5M\033[<128;1;1M\033[<0;1;99999M", "");
    expect("\033[I\033[O", "focus blur");
    expect("\033[M !!x\033[32;10;10Mx", "'x 'x"); /* X10 and urxvt: swallowed */
    expect("\033[M\xff\xff\xffx", "'x");
}

static void answers_are_whole(void **state)
{
    (void)state;
    static const char *const answers[] = {
        "\033[?64;4;22c",
        "\033[>41;379;0c",
        "\033[0n",
        "\033[6;20;10t",
        "\033[?1;0;256S",
        "\033[?2026;2$y",
        "\033[?1;1R",
        "\033[?0u",
        "\033P>|XTerm(379)\033\\",
        "\033_Gi=31;OK\033\\",
        "\033]11;rgb:0/0/0\033\\",
        "\033]11;rgb:0/0/0\a",
        "\033P1$r0m\033\\",
        "\033^x\033\\",
        "\033Xx\xff\a\033\\",
    };
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        char bytes[64];
        struct input_event e;
        snprintf(bytes, sizeof bytes, "%s", answers[i]);
        input_feed(in, bytes, strlen(bytes));
        assert_true(input_next(in, &e));
        assert_int_equal(e.kind, INPUT_ANSWER);
        assert_int_equal(e.len, strlen(bytes));
        assert_memory_equal(e.text, bytes, e.len);
        assert_false(input_next(in, &e));
        snprintf(bytes, sizeof bytes, "a%sb", answers[i]);
        reset();
        for (const char *p = bytes; *p; p++) { /* cut up anywhere: never text */
            input_feed(in, p, 1);
            drain();
        }
        assert_memory_equal(words, "'a answer:", 10);
        assert_string_equal(words + words_len - 3, " 'b");
    }
}

/* Cut at any one place, with a pause there that ends a lone ESC: a key may appear, text never. */
static void torn_answers_are_no_text(void **state)
{
    (void)state;
    static const char *const whole[] = {
        "\033[?64;4;22c",      "\033[>41;379;0c", "\033[0n",
        "\033[6;20;10t",       "\033[?1;0;256S",  "\033P>|XTerm(379)\033\\",
        "\033_Gi=31;OK\033\\", "\033[<0;10;10M",
    };
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        for (size_t cut = 1; cut < strlen(whole[i]); cut++) {
            reset();
            input_feed(in, whole[i], cut);
            drain();
            quiet();
            feed(whole[i] + cut);
            quiet();
            assert_null(strchr(words, '\''));
            assert_true(strstr(words, "answer:") || strstr(words, "down1@9,9"));
            reset();
            feed("k\033[A");
            assert_string_equal(words, "'k Up");
        }
}

/* What is begun stays begun, however long each byte takes. */
static void slow_answers_are_no_text(void **state)
{
    (void)state;
    static const char *const begun[][2] = {
        {"\033[?", "64;4c"},        {"\033[6;", "20;10t"},       {"\033P>", "|XTerm\033\\"},
        {"\033_G", "i=1;OK\033\\"}, {"\033]1", "1;rgb:0/0/0\a"}, {"\033[<0;", "1;1M"},
    };
    for (size_t i = 0; i < sizeof begun / sizeof *begun; i++) {
        reset();
        feed(begun[i][0]);
        for (const char *p = begun[i][1]; *p; p++) {
            quiet();
            input_feed(in, p, 1);
            drain();
        }
        assert_null(strchr(words, '\''));
        reset();
        feed("k");
        assert_string_equal(words, "'k");
    }
}

static void typing_after_esc_is_typing(void **state)
{
    (void)state;
    static const char *const typed[] = {"[", "[1girl", "Pixel", "]", "_", "P>x", "[12;", "[?"};
    for (size_t i = 0; i < sizeof typed / sizeof *typed; i++) {
        char want[128], *w = want + sprintf(want, "Esc");
        for (const char *p = typed[i]; *p; p++)
            w += sprintf(w, " '%c", *p);
        reset();
        feed("\033");
        quiet();
        feed(typed[i]);
        quiet();
        assert_string_equal(words, want);
    }
}

static void a_way_out_of_a_string_without_end(void **state)
{
    (void)state;
    static const char *const ways[][2] = {
        {"\033[A", "Up 'k"}, {"\033", "'k"}, {"\003", "Ctrl-C 'k"}, {"\x18", "'k"}, {"\x1a", "'k"}};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        reset();
        feed("\033P>|never");
        feed(ways[i][0]);
        quiet();
        feed("k");
        assert_string_equal(words, ways[i][1]);
    }
}

static void long_strings_are_swallowed(void **state)
{
    (void)state;
    reset();
    feed("\033_G");
    for (int i = 0; i < 100000; i++)
        feed("0123456789");
    feed("\033\\k\033[");
    for (int i = 0; i < 1000; i++)
        feed("0123456789");
    feed("~k");
    assert_string_equal(words, "'k 'k");
}

static void pastes(void **state)
{
    (void)state;
    expect("\033[200~a b\033[201~c", "paste:a b 'c");
    expect("\033[200~\033[201~", "");
    expect("\033[200~a\r\nb\rc\nd\n\ne\r\r\nf\033[201~", "paste:a^Jb^Jc^Jd^J^Je^J^Jf");
    expect("\033[200~\t\x01\x03\x7f\xc2\x85x\033[201~", "paste:^Ix");
    expect("\033[200~\033[31mred\033[0m \033(Bx\033]8;;http://a\033\\y\033]0;t\az\033[201~",
           "paste:red xyz");
    expect("\033[200~\033Ptitle\nnext\033[201~", "paste:^Jnext");
    expect("\033[200~\xc3\xa4\xff\xe2\033[201~", "paste:\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd");
    reset();
    feed("\033[200~a\033[201");
    quiet(); /* the end of a paste may be slow as well */
    feed("~b");
    assert_string_equal(words, "paste:a 'b");
}

static void a_paste_hides_its_end_nowhere(void **state)
{
    (void)state;
    static const char *const traps[] = {"\033",      "\033[", "\033P",  "\033]0;",
                                        "\033P\033", "\033(", "\033[M", "\033[1;",
                                        "\xe2",      "\033O", "\033[[", "\x18"};
    for (size_t i = 0; i < sizeof traps / sizeof *traps; i++) {
        reset();
        feed("\033[200~x");
        feed(traps[i]);
        feed("\033[201~k");
        assert_string_equal(words + words_len - 3, " 'k");
    }
    expect("\033[200~\033[0n\033[?64;4c\033[A\033[<0;1;1M\033[Ix\033[201~",
           "paste:x"); /* no forgery */
}

static void a_large_paste_in_pieces(void **state)
{
    (void)state;
    enum { CHARS = 1 << 20 };
    struct input_event e;
    size_t got = 0, pieces = 0;
    char block[3 * 1001];
    for (int i = 0; i < 1001; i++)
        memcpy(block + 3 * i, "\xe2\x82\xac", 3);
    input_feed(in, "\033[200~", 6);
    for (size_t sent = 0; sent < 3 * CHARS;) {
        size_t n = 3 * CHARS - sent < 2999 ? 3 * CHARS - sent : 2999; /* cuts characters */
        input_feed(in, block + sent % 3, n);
        sent += n;
        for (; input_next(in, &e); pieces++) {
            assert_int_equal(e.kind, INPUT_PASTE);
            assert_int_equal(e.len % 3, 0);
            for (size_t i = 0; i < e.len; i += 3)
                assert_memory_equal(e.text + i, "\xe2\x82\xac", 3);
            got += e.len;
        }
    }
    input_feed(in, "\033[201~", 6);
    assert_true(input_next(in, &e));
    assert_int_equal(got + e.len, 3 * CHARS);
    assert_in_range(pieces, 2, 2000);
}

static void a_way_out_of_a_paste_without_end(void **state)
{
    (void)state;
    reset();
    feed("\033[200~half");
    quiet(); /* what came is given, the paste goes on */
    feed("\003");
    feed("more");
    quiet();
    feed("\003");
    assert_true(input_pending(in));
    quiet();
    feed("k");
    assert_string_equal(words, "paste:half paste:more Ctrl-C 'k");
}

static void unknown_sequences_vanish(void **state)
{
    (void)state;
    expect("\033[99~a\033[5yb\033[1;2;3;4;5;6;7;8;9;10;11zc", "'a answer:^[[5y 'b 'c");
    expect("\033Ozq\033[201~\033[x", "'q");
    expect("\033[12\rx", "Enter 'x"); /* broken off by a key */
    expect("\033[12\xc3\xa4", "'\xc3\xa4");
    expect("\033[12\033[A", "Up");
}

static void every_key_of_the_table_has_a_name(void **state)
{
    (void)state;
#define X(id, contexts, key, other, help) key, other,
    static const char *const all[] = {KEYS(X)};
#undef X
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        int code, again;
        unsigned mods, mods_again;
        char name[32];
        if (!all[i][0])
            continue;
        assert_true(key_parse(all[i], &code, &mods));
        key_name(code, mods, name, sizeof name);
        assert_true(key_parse(name, &again, &mods_again));
        assert_int_equal(code, again);
        assert_int_equal(mods, mods_again);
    }
}

static void names_of_keys(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"C-r", "Ctrl-R"},
                                           {"M-x", "Alt-X"},
                                           {"S-Tab", "Shift-Tab"},
                                           {"F5", "F5"},
                                           {"F12", "F12"},
                                           {"?", "?"},
                                           {"K", "K"},
                                           {"k", "k"},
                                           {"-", "-"},
                                           {"C--", "Ctrl--"},
                                           {"M-S-x", "Alt-Shift-X"},
                                           {"Space", "Space"},
                                           {"C-Space", "Ctrl-Space"},
                                           {"M-C-Up", "Ctrl-Alt-Up"},
                                           {"C-_", "Ctrl-_"},
                                           {"M-<", "Alt-<"}};
    int code;
    unsigned mods;
    char name[32];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(key_parse(cases[i][0], &code, &mods));
        key_name(code, mods, name, sizeof name);
        assert_string_equal(name, cases[i][1]);
    }
    assert_true(key_parse("M-X", &code, &mods)); /* a letter's case is Shift's to say */
    assert_int_equal(code, 'x');
    assert_int_equal(mods, MOD_ALT);
    static const char *const no[] = {"",    "C-", "F0",  "F13", "F1x",
                                     "Foo", "ab", "S-a", "S-<", "C-C-x"};
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        assert_false(key_parse(no[i], &code, &mods));
    key_name(KC_F1, MOD_CTRL, name, 4); /* cut, and ended */
    assert_string_equal(name, "Ctr");
}

static int free_words(void **state)
{
    (void)state;
    free(words);
    return 0;
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, start, stop)
    const struct CMUnitTest tests[] = {
        CASE(text_is_utf8),
        CASE(control_keys),
        CASE(cursor_and_function_keys),
        CASE(modifiers_of_keys),
        CASE(keys_by_code_point),
        CASE(alt_is_an_esc_before),
        CASE(esc_alone_takes_time),
        CASE(esc_before_a_report_is_a_key),
        CASE(mouse_and_focus),
        CASE(answers_are_whole),
        CASE(torn_answers_are_no_text),
        CASE(slow_answers_are_no_text),
        CASE(typing_after_esc_is_typing),
        CASE(a_way_out_of_a_string_without_end),
        CASE(long_strings_are_swallowed),
        CASE(pastes),
        CASE(a_paste_hides_its_end_nowhere),
        CASE(a_large_paste_in_pieces),
        CASE(a_way_out_of_a_paste_without_end),
        CASE(unknown_sequences_vanish),
        CASE(every_key_of_the_table_has_a_name),
        CASE(names_of_keys),
    };
    return cmocka_run_group_tests(tests, NULL, free_words);
}
