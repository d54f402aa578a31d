/*
 * The command line's parser, its help, manual page and completion, and the JSON and progress lines
 * that scripts and people read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsonw.h"
#include "cli/options_table.h"
#include "cli/progress.h"

enum { MAX_WORDS = 16 };

/* Parses words separated by '|' ("gen|a slime|-s|5"). */
static int parse(struct cli *c, const char *line, struct err *e)
{
    static char text[500], *argv[MAX_WORDS + 2]; /* c->args points into it */
    char *rest = text, *word;
    int argc = 1;
    memset(argv, 0, sizeof argv);
    argv[0] = "spritty";
    snprintf(text, sizeof text, "%s", line);
    while (*line && argc <= MAX_WORDS && (word = strsep(&rest, "|")))
        argv[argc++] = word;
    return cli_parse(c, argc, argv, e);
}

static void options_and_words_mix(void **state)
{
    (void)state;
    struct cli c;
    struct err e = {""};
    if (parse(&c,
              "--json|gen|-s|5|a green "
              "slime|--steps=8|-qo|x.png|--size|96x64|-d|cpu|-p|preview|--raw",
              &e))
        fail_msg("%s", e.text);
    assert_string_equal(c.command->name, "gen");
    assert_int_equal(c.nargs, 1);
    assert_string_equal(c.args[0], "a green slime");
    assert_int_equal(c.flags.steps, 8);
    assert_int_equal(c.flags.width, 96);
    assert_true(c.flags.seed == 5);
    assert_string_equal(c.flags.output, "x.png");
    assert_string_equal(c.preset, "preview");
    assert_true(c.json && c.quiet && settings_has(&c.flags, "raw"));
    cli_free(&c);
    assert_int_equal(parse(&c, "gen|--|--strange prompt", &e), 0);
    assert_string_equal(c.args[0], "--strange prompt");
    cli_free(&c);
    assert_int_equal(parse(&c, "", &e), 0);
    assert_null(c.command);
    cli_free(&c);
}

static void usage_mistakes_are_named(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"gen", "'spritty gen' needs PROMPT"},
        {"gen|a|slime", "put quotes around"},
        {"gen|a|--setps|3", "there is no option --setps; did you mean --steps?"},
        {"gen|a|--setps=3", "did you mean --steps?"},
        {"gen|a|-z", "there is no option -z"},
        {"gen|a|--steps", "--steps needs N"},
        {"gen|a|--steps|many", "--steps: 'many' is no whole number"},
        {"gen|a|--json=yes", "--json takes no value"},
        {"gen|a|--sampler|foo", "--sampler: there is no sampler 'foo'; there are: euler"},
        {"gne|a", "there is no command 'gne'; did you mean 'gen'?"},
        {"paint|a", "there is no command 'paint'"},
        {"batch", "'spritty batch' needs FILE.jsonl"},
        {"info|x|--steps|3", "--steps is no option of 'spritty info'"},
        {"gen|a|--version", "--version is no option of 'spritty gen'"},
        {"info", "needs FILE"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cli c;
        struct err e = {""};
        assert_int_equal(parse(&c, cases[i][0], &e), -1);
        if (!strstr(e.text, cases[i][1]))
            fail_msg("'%s' said '%s', not '%s'", cases[i][0], e.text, cases[i][1]);
        cli_free(&c);
    }
}

/* Each option stands in the help of its commands, in the manual page and in the completion. */
static void one_table_feeds_all(void **state)
{
    (void)state;
    char *help = NULL, *man = NULL, *completion = NULL, name[64];
    size_t n;
    FILE *f = open_memstream(&help, &n);
    cli_help(f, NULL);
    fclose(f);
    f = open_memstream(&man, &n);
    cli_man(f);
    fclose(f);
    f = open_memstream(&completion, &n);
    cli_completion(f);
    fclose(f);
    const struct option_row *o;
    for (int i = 0; (o = cli_option(i)); i++) {
        snprintf(name, sizeof name, "--%s", o->name);
        assert_non_null(strstr(help, name));
        assert_non_null(strstr(completion, name));
        snprintf(name, sizeof name, "\\-\\-%.*s", (int)strcspn(o->name, "-"), o->name);
        assert_non_null(strstr(man, name));
        assert_true(!o->key || settings_key_index(o->key) >= 0);
    }
    for (char *line = help; line; line = strchr(line, '\n'), line = line ? line + 1 : NULL)
        assert_true(strcspn(line, "\n") < 100);
    free(help);
    free(man);
    free(completion);
}

static void take_help(const struct cli_command *c, char **text)
{
    size_t n;
    FILE *f = open_memstream(text, &n);
    cli_help(f, c);
    fclose(f);
}

/* Settings stand under the headings of the app's panel, other options under no heading, or in the
 * list of all under their command's. */
static void help_has_headings(void **state)
{
    (void)state;
    char *all = NULL, *gen = NULL;
    take_help(NULL, &all);
    take_help(cli_command(0), &gen);
    const char *model = strstr(all, "\nModel:\n"), *sheet = strstr(all, "\nspritty sheet:\n");
    assert_true(model && sheet && model < sheet);
    assert_true(strstr(all, "--output") < strstr(all, "\nPicture:\n"));
    assert_true(strstr(all, "\nPicture:\n") < strstr(all, "--seed"));
    assert_true(strstr(all, "--seed") < model && model < strstr(all, "--lora"));
    assert_true(strstr(all, "--columns") > sheet);
    assert_non_null(strstr(gen, "\nPicture:\n"));
    assert_null(strstr(gen, "spritty sheet"));
    free(all);
    free(gen);
}

static void json_is_written_exactly(void **state)
{
    (void)state;
    struct jsonw w = {0};
    jsonw_open(&w, NULL, '{');
    jsonw_u64(&w, "seed", UINT64_MAX);
    jsonw_real(&w, "ms", 12.5, 3);
    jsonw_real(&w, "zero", -0.0001, 2);
    jsonw_real(&w, "flops", 6.76e12, 0);
    jsonw_real(&w, "nan", NAN, 2);
    jsonw_string(&w, "text", "a\"b\\c\n\x01\xc2\x9b\xff\xc3\xa9\xf0\x9f\x90\xb1\xed\xa0\x80");
    jsonw_open(&w, "list", '[');
    jsonw_bool(&w, NULL, true);
    jsonw_open(&w, NULL, '{');
    jsonw_close(&w, '}');
    jsonw_string(&w, NULL, NULL);
    jsonw_close(&w, ']');
    jsonw_close(&w, '}');
    char *text = jsonw_take(&w);
    assert_string_equal(text, "{\"seed\": 18446744073709551615, \"ms\": 12.5, \"zero\": 0, "
                              "\"flops\": 6760000000000, \"nan\": null, \"text\": "
                              "\"a\\\"b\\\\c\\n\\u0001\\u009b\xef\xbf\xbd\xc3\xa9\xf0\x9f\x90\xb1"
                              "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\", "
                              "\"list\": [true, {}, null]}");
    free(text);
}

static void progress_lines(void **state)
{
    (void)state;
    struct progress p = {.columns = 72,
                         .utf8 = true,
                         .stage = "sample",
                         .step = 13,
                         .steps = 20,
                         .stepping = 13 * 41,
                         .worked = 13,
                         .work = {1, 13, 20},
                         .bytes = 212000000};
    char line[300];
    progress_line(&p, 0, line, sizeof line);
    assert_string_equal(line, "sampling  13/20 ━━━━━━━╸────  41 ms/step  212 MB  287 ms left");
    p.utf8 = false;
    progress_line(&p, 0, line, sizeof line);
    assert_string_equal(line, "sampling  13/20 #######-----  41 ms/step  212 MB  287 ms left");
    p.columns = 20; /* no room for a bar */
    progress_line(&p, 0, line, sizeof line);
    assert_string_equal(line, "sampling  13/20   41 ms/step  212 MB  287 ms left");
    p.later = 2; /* passes to come and decoding */
    progress_line(&p, 0, line, sizeof line);
    assert_string_equal(line, "sampling  13/20   41 ms/step  212 MB  1.9 s left");
    p.worked = 26, p.work = (struct workload){2, 26, 33}, p.later = 0; /* guided until now */
    progress_line(&p, 0, line, sizeof line);
    assert_string_equal(line, "sampling  13/20   41 ms/step  212 MB  144 ms left");
    p = (struct progress){.columns = 80, .stage = "load", .began = 1000};
    progress_line(&p, 2500, line, sizeof line);
    assert_string_equal(line, "loading  1.5 s");
    for (size_t room = 1; room < 40; room++) {
        p = (struct progress){.columns = 200, .utf8 = true, .stage = "sample", .step = 1};
        p.steps = 2, p.stepping = 5;
        progress_line(&p, 0, line, room);
        assert_true(strlen(line) < room);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_and_words_mix),   cmocka_unit_test(usage_mistakes_are_named),
        cmocka_unit_test(one_table_feeds_all),     cmocka_unit_test(help_has_headings),
        cmocka_unit_test(json_is_written_exactly), cmocka_unit_test(progress_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
