/*
 * Jobs as JSON and CSV: what is taken, what is refused and in which words, the canonical text and
 * the identity that resuming and queues rest on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/job_text.h"

static struct job_text read_json(const char *text)
{
    struct job_text j;
    struct err e = {""};
    if (job_text_parse(text, strlen(text), "jobs.jsonl:3", &j, &e))
        fail_msg("%s: %s", text, e.text);
    return j;
}

static void expect_canonical(const char *text, const char *canonical)
{
    struct job_text j = read_json(text);
    char *printed = job_text_print(&j);
    assert_string_equal(printed, canonical);
    struct job_text back = read_json(printed);
    char *again = job_text_print(&back);
    assert_string_equal(again, canonical);
    free(again);
    free(printed);
    job_text_free(&back);
    job_text_free(&j);
}

static void canonical_text(void **state)
{
    (void)state;
    expect_canonical("{\"steps\":4,\"prompt\":\"a cat\"}", "{\"prompt\": \"a cat\", \"steps\": 4}");
    /* seeds of 64 bits, fractions, sizes as lists, hyphens, aliases, numbers as text, null */
    expect_canonical(
        "{\"seed\":18446744073709551615,\"size\":[96,64],\"cfg\":7.3,\"id\":12,"
        "\"prompt\":\"\",\"outline_color\":\"#ff0000\",\"strength\":0.1,\"cell\":7.5,"
        "\"lock\":true,\"raw\":\"no\",\"mask_grow\":-3,\"sampler\":null}",
        "{\"id\": \"12\", \"prompt\": \"\", \"seed\": 18446744073709551615, \"size\": "
        "\"96x64\", \"cfg\": 7.3, \"denoise\": 0.1, \"mask-grow\": -3, \"raw\": false, "
        "\"cell\": \"7.5\", \"lock\": true, \"outline-color\": \"#ff0000\"}");
    expect_canonical(
        "{\"prompt\":\"zwei\\nZeilen \\u00e9 \\\"\",\"seed\":\"random\","
        "\"preset\":\"hero\",\"output\":\"a b.png\",\"cfg\":0.30000000000000004}",
        "{\"prompt\": \"zwei\\nZeilen \xc3\xa9 \\\"\", \"preset\": \"hero\", \"seed\": "
        "\"random\", \"cfg\": 0.30000000000000004, \"output\": \"a b.png\"}");
}

static void identity(const char *text, char out[65])
{
    struct job_text j = read_json(text);
    struct err e;
    assert_int_equal(job_text_identity(&j, out, &e), 0);
    job_text_free(&j);
}

static void identities(void **state)
{
    char a[65], b[65];
    (void)state;
    identity("{\"prompt\":\"a cat\",\"seed\":1}", a);
    /* Fixed for good: results that were written once are found again by it. */
    assert_string_equal(a, "b91fab89870f549becafdae988eeba043379963208acf4c1426ab677f1ed3949");
    identity("{ \"seed\": 1.0, \"device\":\"cpu\", \"threads\":2, \"output\":\"x.png\", "
             "\"prompt\":\"a cat\"}",
             b);
    assert_string_equal(a, b);
    identity("{\"prompt\":\"a cat\",\"seed\":2}", b);
    assert_string_not_equal(a, b);
    identity("{\"prompt\":\"a cat\",\"seed\":1,\"id\":\"x\"}", b);
    assert_string_not_equal(a, b);
}

static void refuse(const char *text, const char *why)
{
    struct job_text j;
    struct err e = {""};
    if (!job_text_parse(text, strlen(text), "jobs.jsonl:3", &j, &e))
        fail_msg("taken: %s", text);
    if (strncmp(e.text, "jobs.jsonl:3: ", 14) != 0 || !strstr(e.text, why))
        fail_msg("%.200s\n gives '%s', not '%s'", text, e.text, why);
}

static void refusals(void **state)
{
    static const char *const table[][2] = {
        {"", "no JSON"},
        {"{", "no JSON"},
        {"{\"prompt\":\"a\"} {}", "no JSON"},
        {"[{\"prompt\":\"a\"}]", "a job is one object"},
        {"17", "a job is one object"},
        {"{}", "there is no prompt"},
        {"{\"seed\":1}", "there is no prompt"},
        {"{\"prompt\":null}", "there is no prompt"},
        {"{\"prompt\":\"a\",\"stpes\":4}", "there is no key 'stpes'; did you mean 'steps'?"},
        {"{\"prompt\":\"a\",\"nothing\":null}", "there is no key 'nothing'"},
        {"{\"prompt\":\"a\",\"steps\":0}", "steps: '0' is no whole number from 1"},
        {"{\"prompt\":\"a\",\"steps\":2.5}", "is no whole number"},
        {"{\"prompt\":\"a\",\"sampler\":\"eulr\"}", "there is no sampler 'eulr'"},
        {"{\"prompt\":\"a\",\"seed\":18446744073709551616}", "is no seed"},
        {"{\"prompt\":\"a\",\"steps\":4,\"steps\":4}", "steps is said twice"},
        {"{\"prompt\":\"a\",\"denoise\":0.5,\"strength\":0.5}", "denoise is said twice"},
        {"{\"prompt\":\"a\",\"prompt\":\"a\"}", "prompt is said twice"},
        {"{\"prompt\":\"a\",\"id\":\"x\",\"id\":\"y\"}", "id is said twice"},
        {"{\"prompt\":\"\\u001b[2J\"}", "prompt holds a control character"},
        {"{\"prompt\":\"a\",\"output\":\"a\\nb.png\"}", "output holds a control character"},
        {"{\"prompt\":\"a\",\"output\":\"a\xff.png\"}", "output holds a control character"},
        {"{\"prompt\":\"a\\u0000b\"}", "\\u0000"},
        {"{\"prompt\":17}", "prompt cannot be that number"},
        {"{\"prompt\":\"a\",\"steps\":true}", "steps cannot be true or false"},
        {"{\"prompt\":\"a\",\"lock\":1}", "lock cannot be that number"},
        {"{\"prompt\":\"a\",\"size\":[1,2,3]}", "size cannot be a list"},
        {"{\"prompt\":\"a\",\"lora\":[\"x\"]}", "lora cannot be a list"},
        {"{\"prompt\":\"a\",\"lora\":{\"x\":1}}", "lora cannot be an object"},
        {"{\"prompt\":\"a\",\"id\":\"../x\"}", "cannot name files"},
        {"{\"prompt\":\"a\",\"id\":\".x\"}", "cannot name files"},
        {"{\"prompt\":\"a\",\"id\":\"\"}", "cannot name files"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        refuse(table[i][0], table[i][1]);
}

/* {"prompt":"aaaa..."} of so many bytes of prompt. */
static char *long_job(size_t n)
{
    char *text = malloc(n + 32);
    assert_non_null(text);
    size_t k = (size_t)sprintf(text, "{\"prompt\":\"");
    memset(text + k, 'a', n);
    strcpy(text + k + n, "\"}");
    return text;
}

static void limits(void **state)
{
    (void)state;
    char *text = long_job(JOB_PROMPT_MAX);
    struct job_text j = read_json(text);
    job_text_free(&j);
    free(text);
    text = long_job(JOB_PROMPT_MAX + 1);
    refuse(text, "prompt has 65537 bytes; at most 65536 are taken");
    free(text);
    text = long_job(JOB_TEXT_MAX);
    refuse(text, "bytes are too many for a job");
    free(text);
    char deep[400] = "{\"prompt\":";
    memset(deep + 10, '[', 300);
    refuse(deep, "nested too deep");
}

static void paths(void **state)
{
    struct err e = {""};
    (void)state;
    struct job_text j = read_json(
        "{\"prompt\":\"a\",\"image\":\"in/x.png\",\"mask\":\"/abs/m.png\",\"model\":"
        "\"tiny\",\"vae\":\"v.safetensors\",\"palette\":\"pico-8\",\"swap\":"
        "\"nes=./mine.hex\",\"lora\":\"pixel/outline:0.5, ./l.safetensors:te=0:unet=1\"}");
    assert_int_equal(job_text_resolve(&j, "/data/jobs", &e), 0);
    char *text = job_text_print(&j);
    assert_string_equal(
        text, "{\"prompt\": \"a\", \"model\": \"tiny\", \"lora\": \"pixel/outline:0.5, "
              "/data/jobs/l.safetensors:te=0:unet=1\", \"image\": \"/data/jobs/in/x.png\", "
              "\"mask\": \"/abs/m.png\", \"vae\": \"/data/jobs/v.safetensors\", \"palette\": "
              "\"pico-8\", \"swap\": \"nes=/data/jobs/mine.hex\"}");
    free(text);
    job_text_free(&j);
}

/* ---- files ---- */

/* All jobs of the text, a line each: their line, then the canonical text or the error. */
static char *read_all(const char *name, const char *text, size_t size)
{
    struct err e = {""};
    struct job_text j;
    char *out = NULL;
    size_t n;
    FILE *in = fmemopen((char *)(uintptr_t)text, size, "r"), *to = open_memstream(&out, &n);
    struct job_reader *r = job_reader_from(in, name, &e);
    assert_true(in && to && r);
    for (int rc; (rc = job_reader_next(r, &j, &e)) != 0;) {
        char *one = rc == 1 ? job_text_print(&j) : NULL;
        fprintf(to, "%ld %s\n", job_reader_line(r), one ? one : e.text);
        free(one);
        if (rc == 1)
            job_text_free(&j);
        if (rc == -2)
            break;
    }
    job_reader_close(r);
    fclose(to);
    return out;
}

static void expect_file(const char *name, const char *text, const char *all)
{
    char *out = read_all(name, text, strlen(text));
    assert_string_equal(out, all);
    free(out);
}

static void lines(void **state)
{
    (void)state;
    expect_file("j", "\xef\xbb\xbf{\"prompt\":\"a\"}\r\n\n  \n{\"prompt\":1}\n{\"prompt\":\"b\"}",
                "1 {\"prompt\": \"a\"}\n4 j:4: prompt cannot be that number\n5 {\"prompt\": "
                "\"b\"}\n");
    expect_file("j", "[\n", "0 j: a list; write one job a line: {\"prompt\": \"a cat\"}\n");
    expect_file("j", "\n\n", "");
}

static void tables(void **state)
{
    (void)state;
    /* RFC 4180: quotes, doubled quotes, line breaks and commas in cells; CRLF; the last line's end
     * may be missing. */
    expect_file(
        "j.csv",
        "\xef\xbb\xbfid,prompt, mask-grow ,size\r\n"
        "a,\"a \"\"big\"\" cat, \r\nwith hat\",,96x64\r\n"
        "\r\n"
        "b,,4,\"\"",
        "2 {\"id\": \"a\", \"prompt\": \"a \\\"big\\\" cat, \\u000d\\nwith hat\", \"size\": "
        "\"96x64\"}\n5 {\"id\": \"b\", \"prompt\": \"\", \"mask-grow\": 4}\n");
    expect_file("stdin", "prompt,steps\na,1\nb,x\nc\nd,1,2\ne,\"2\"x\nf\"g,1\n\"h,1\n",
                "2 {\"prompt\": \"a\", \"steps\": 1}\n"
                "3 stdin:3: steps: 'x' is no whole number from 1 to 1000\n"
                "4 stdin:4: 1 cells, but the first row names 2 columns\n"
                "5 stdin:5: 3 cells, but the first row names 2 columns\n"
                "6 stdin:6: text behind a closing quote; quotes in a cell are doubled\n"
                "7 stdin:7: a quote in a cell without quotes around it\n"
                "8 stdin:8: a quote is not closed\n");
    expect_file("j.csv", "prompt,prompt\n",
                "1 j.csv:1: the row of keys: column prompt stands there twice\n");
    expect_file(
        "j.csv", "prompt,negtive\n",
        "1 j.csv:1: the row of keys: there is no key 'negtive'; did you mean 'negative'?\n");
    expect_file("j.csv", "steps\n4\n", "2 j.csv:2: there is no column prompt\n");
    expect_file("j.csv", "\n", "2 j.csv: the file is empty\n");
}

/* One line that is far too long costs itself alone, and going back gives the same job again. */
static void long_lines(void **state)
{
    struct err e = {""};
    struct job_text j;
    size_t n = 2 * JOB_TEXT_MAX;
    char *text = malloc(n + 64);
    (void)state;
    assert_non_null(text);
    memset(text, 'x', n);
    strcpy(text, "{\"prompt\":\"a\"}\n{");
    text[strlen(text)] = '"';
    strcpy(text + n, "\n{\"prompt\":\"b\"}\n");
    struct job_reader *r = job_reader_from(fmemopen(text, n + 16, "r"), "j", &e);
    assert_non_null(r);
    assert_int_equal(job_reader_next(r, &j, &e), 1);
    job_text_free(&j);
    assert_int_equal(job_reader_next(r, &j, &e), -1);
    assert_string_equal(e.text, "j:2: longer than 1048576 bytes, which a job may have");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(job_reader_next(r, &j, &e), 1);
        assert_string_equal(j.prompt, "b");
        assert_int_equal(job_reader_line(r), 3);
        job_text_free(&j);
        assert_int_equal(job_reader_seek(r, job_reader_at(r), 3, &e), 0);
    }
    job_reader_close(r);
    free(text);
}

/* What turns the direction of writing is part of prompts, but is never shown of names. */
static void directions(void **state)
{
    static const char turned[] = "gnp.\xe2\x80\xaespoof \xe2\x81\xa6x\xe2\x80\x8f";
    struct err e = {""};
    (void)state;
    assert_int_equal(err_set(&e, "%s", turned), -1);
    assert_string_equal(e.text, "gnp.???spoof ???x???");
    err_set(&e, "%s", "caf\xc3\xa9 \xe2\x80\x94 \xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x8e\xa8");
    assert_null(strchr(e.text, '?'));
    expect_canonical("{\"prompt\": \"\\u05d0\\u200f!\"}",
                     "{\"prompt\": \"\xd7\x90\xe2\x80\x8f!\"}");
    assert_true(text_is_plain(turned, ""));
    assert_true(text_is_plain("a\tb\n", "\n\t"));
    assert_false(text_is_plain("a\tb\n", "\n"));
    assert_false(text_is_plain("a\xc2\x9b", "\n\x9b"));
    assert_false(text_is_plain("a\x7f", "\n"));
    assert_false(text_is_plain("a\xe2\x80", ""));
}

static ssize_t broken_read(void *part, char *to, size_t size)
{
    const char **text = part;
    if (!*text) {
        errno = EIO;
        return -1;
    }
    size_t n = strlen(*text) < size ? strlen(*text) : size;
    memcpy(to, *text, n);
    *text = NULL;
    return (ssize_t)n;
}

/* Half a row is no job, where the disk gives no more of it. */
static void a_broken_disk(void **state)
{
    (void)state;
    const char *text = "prompt\na cat\na slime wi";
    struct job_text j;
    struct err e = {""};
    FILE *f = fopencookie(&text, "r", (cookie_io_functions_t){.read = broken_read});
    struct job_reader *r = job_reader_from(f, "jobs.csv", &e);
    assert_non_null(r);
    assert_int_equal(job_reader_next(r, &j, &e), 1);
    job_text_free(&j);
    assert_int_equal(job_reader_next(r, &j, &e), -2);
    assert_non_null(strstr(e.text, "cannot read jobs.csv: "));
    job_reader_close(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(canonical_text), cmocka_unit_test(identities),
        cmocka_unit_test(refusals),       cmocka_unit_test(limits),
        cmocka_unit_test(paths),          cmocka_unit_test(lines),
        cmocka_unit_test(tables),         cmocka_unit_test(long_lines),
        cmocka_unit_test(directions),     cmocka_unit_test(a_broken_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
