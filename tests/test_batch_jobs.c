/*
 * What a batch has to do before any model is open: which jobs of a file, in which order, and what
 * is done already.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <unistd.h>

#include "base/digest.h"
#include "batch_help.h"
#include "engine/batch_jobs.h"
#include "engine/idset.h"

static char told[2000];

static void tell(void *user, const char *why)
{
    (void)user;
    strncat(told, why, sizeof told - strlen(told) - 2);
    strcat(told, "\n");
}

/* What is to be made, "id@line" each; wrong ones "!line". */
static void list(int shard, int shards, char text[2000])
{
    struct err e = {""};
    struct settings flags = {0};
    assert_int_equal(settings_set(&flags, "steps", "1", &e), 0);
    struct results *r = results_open(results, out, &e);
    assert_non_null(r);
    struct batch_jobs_options o = {jobs, &flags, "pixel", shard, shards, r};
    told[0] = text[0] = '\0';
    struct batch_jobs *b = batch_jobs_open(&o, tell, NULL, &e);
    if (!b)
        fail_msg("%s", e.text);
    struct batch_job j;
    for (int rc; (rc = batch_jobs_next(b, &j, &e)) != 0;) {
        size_t n = strlen(text);
        assert_int_not_equal(rc, -2);
        snprintf(text + n, 2000 - n, rc == 1 ? "%s%s@%ld" : "%s!%s%ld", n ? " " : "",
                 rc == 1 ? j.id : "", j.line);
        if (rc == 1) {
            assert_string_equal(j.text.preset, "pixel");
            assert_true(settings_has(&j.text.settings, "steps"));
            job_text_free(&j.text);
        }
    }
    batch_jobs_close(b);
    results_close(r);
    settings_free(&flags);
}

static void order_and_shards(void **state)
{
    char text[2000];
    (void)state;
    put(jobs, "{\"id\":\"a\",\"prompt\":\"x\"}\n"
              "{\"id\":\"b\",\"prompt\":\"x\",\"model\":\"other\"}\n"
              "{\"id\":\"c\",\"prompt\":\"y\",\"cfg\":2}\n"
              "{\"prompt\":1}\n"
              "{\"id\":\"d\",\"prompt\":\"z\",\"model\":\"other\"}\n"
              "{\"id\":\"a\",\"prompt\":\"x\"}\n"
              "{\"id\":\"e\",\"prompt\":\"w\",\"negative\":\"v\",\"seed\":4,\"colors\":\"8\"}\n");
    list(0, 0, text); /* by model, then by what goes together */
    assert_string_equal(text, "a@1 e@7 c@3 b@2 d@5 !4 !6");
    assert_non_null(strstr(told, "jobs.jsonl:4: prompt cannot be that number"));
    assert_non_null(strstr(told, "jobs.jsonl:6: id 'a' is that of line 1"));
    list(1, 3, text);
    assert_string_equal(text, "a@1 e@7 !4");
    list(2, 3, text);
    assert_string_equal(text, "b@2 d@5");
    list(3, 3, text);
    assert_string_equal(text, "c@3 !6"); /* the first a is another shard's, in the same folder */
    assert_non_null(strstr(told, "jobs.jsonl:6: id 'a' is that of line 1"));
    /* Another way of holding weights opens the model anew. */
    put(jobs, "{\"id\":\"a\",\"prompt\":\"x\",\"weights\":\"full\"}\n"
              "{\"id\":\"b\",\"prompt\":\"x\",\"weights\":\"half\"}\n"
              "{\"id\":\"c\",\"prompt\":\"x\",\"weights\":\"full\",\"cfg\":2}\n"
              "{\"id\":\"d\",\"prompt\":\"x\",\"weights\":\"half\",\"cfg\":2}\n");
    list(0, 0, text);
    assert_string_equal(text, "a@1 c@3 b@2 d@4");
    /* Jobs that read the same are several, each with a name of its own that stays. */
    put(jobs, "{\"prompt\":\"x\"}\n{\"prompt\":\"x\"}\n");
    list(0, 0, text);
    char again[2000];
    list(0, 0, again);
    assert_string_equal(text, again);
    assert_int_equal(strlen(text), 16 + 2 + 1 + 16 + 2 + 2);
    assert_memory_equal(text, text + 19, 16);
    assert_string_equal(text + 35, "-2@2");
    list(2, 2, again);
    assert_string_equal(again, text + 19);
}

/* Whichever shard has the first: they write into one folder. */
static void files_of_other_shards(void **state)
{
    char text[2000];
    (void)state;
    put(jobs, "{\"id\":\"a\",\"prompt\":\"x\",\"output\":\"s/one.png\"}\n"
              "{\"id\":\"b\",\"prompt\":\"x\",\"output\":\"./s//one.png\"}\n"
              "{\"id\":\"c\",\"prompt\":\"x\",\"output\":\"a.png\"}\n"
              "{\"id\":\"two\",\"prompt\":\"x\",\"batch\":2}\n"
              "{\"id\":\"d\",\"prompt\":\"x\",\"output\":\"two-1.png\"}\n"
              "{\"id\":\"e\",\"prompt\":\"x\",\"output\":\"../one.png\"}\n"
              "{\"prompt\":\"y\",\"output\":\"y.png\"}\n{\"prompt\":\"y\",\"output\":\"y.png\"}\n");
    list(1, 2, text); /* e is told when it is made */
    assert_null(strstr(text, "!3"));
    assert_non_null(strstr(told, "jobs.jsonl:5: the job of line 4 writes two-1.png as well"));
    assert_int_equal(count(told, "\n"), 1);
    list(2, 2, text);
    assert_string_equal(text, "two@4 e@6 !2 !8");
    assert_non_null(strstr(told, "jobs.jsonl:2: the job of line 1 writes ./s//one.png as well: "
                                 "name another output"));
    assert_non_null(strstr(told, "jobs.jsonl:8: the job of line 7 writes y.png as well"));
}

static void add(struct results *r, const char *id, const char *job, char *file, const char *why)
{
    struct err e = {""};
    static char sha[1][65] = {"00"};
    struct result l = {.id = id, .job = job, .line = 1, .error = why, .sha256 = sha};
    l.files = &file;
    l.count = 1;
    if (results_add(r, &l, &e))
        fail_msg("%s", e.text);
}

static void lines_of_results(void **state)
{
    struct err e = {""};
    char there[300], gone[300], *text;
    char a[65], b[65], c[65];
    (void)state;
    memset(a, 'a', 64), memset(b, 'b', 64), memset(c, 'c', 64);
    a[64] = b[64] = c[64] = '\0';
    snprintf(there, sizeof there, "%s/there.png", out);
    snprintf(gone, sizeof gone, "%s/gone.png", out);
    put(there, "x");
    struct results *r = results_open(results, out, &e);
    assert_non_null(r);
    assert_null(results_open(results, out, &e)); /* one process at a time */
    assert_non_null(strstr(e.text, "another spritty batch is writing"));
    assert_int_equal(results_start(r, &e), 0);
    add(r, "a", a, there, NULL);
    add(r, "b", b, gone, NULL);
    add(r, "c", c, NULL, "why \"not\"\n");
    results_close(r);
    text = get(results);
    assert_int_equal(count(text, "\n"), 3);
    assert_non_null(strstr(text, "\"error\": \"why \\\"not\\\"\\n\""));
    free(text);

    /* A cut line, a failure and a line without its file go; the job is done, and may be changed. */
    FILE *f = fopen(results, "a");
    fputs("{\"id\": \"d\", \"stat", f);
    fclose(f);
    r = results_open(results, out, &e);
    assert_non_null(r);
    assert_true(results_has(r, a) && !results_has(r, b) && !results_has(r, c));
    assert_int_equal(results_start(r, &e), 0);
    assert_null(results_open(results, out, &e)); /* the new file is locked as well */
    add(r, "b", b, there, NULL);
    results_close(r);
    text = get(results);
    assert_int_equal(count(text, "\n"), 2);
    assert_int_equal(count(text, "\"status\": \"done\""), 2);
    free(text);
    r = results_open(results, out, &e);
    results_forget(r, "a");
    assert_true(!results_has(r, a) && results_has(r, b));
    assert_int_equal(results_start(r, &e), 0);
    results_close(r);
    put(results, "[1]\n");
    assert_null(results_open(results, out, &e));
    assert_non_null(strstr(e.text, "results.jsonl:1: no line of results"));
    put(results, "Milk, eggs"); /* which is no line that was cut either: it stays */
    *e.text = '\0';
    assert_null(results_open(results, out, &e));
    assert_non_null(strstr(e.text, "results.jsonl:1: no line of results"));
    text = get(results);
    assert_string_equal(text, "Milk, eggs");
    free(text);
    put(results, "{\"i"); /* this is one */
    r = results_open(results, out, &e);
    assert_non_null(r);
    results_close(r);
}

/* Jobs that came through a pipe and wrote one file in turn: only the last of them is done. */
static void the_last_to_write_is_done(void **state)
{
    struct err e = {""};
    char file[300], a[65], b[65], *text;
    (void)state;
    memset(a, 'a', 64), memset(b, 'b', 64);
    a[64] = b[64] = '\0';
    snprintf(file, sizeof file, "%s/x.png", out);
    put(file, "x");
    for (int i = 0; i < 5; i++) { /* a, b, a, b, a */
        const char *own = i % 2 ? b : a, *other = i % 2 ? a : b;
        struct results *r = results_open(results, out, &e);
        assert_non_null(r);
        assert_false(results_has(r, own));
        assert_int_equal(results_has(r, other), i > 0);
        assert_int_equal(results_start(r, &e), 0);
        add(r, "x", own, file, NULL);
        results_close(r);
        text = get(results);
        assert_int_equal(count(text, "\n"), i > 0 ? 2 : 1);
        free(text);
    }
    struct results *r = results_open(results, out, &e);
    results_forget(r, "x");
    assert_false(results_has(r, a) || results_has(r, b));
    results_close(r);
}

static void moved(char sha[65], const char *now, bool is_done)
{
    struct err e = {""};
    char job[65], line[700];
    memset(job, 'a', 64);
    job[64] = '\0';
    snprintf(line, sizeof line,
             "{\"id\": \"a\", \"status\": \"done\", \"files\": [\"sprites/knights/1.png\"], "
             "\"sha256\": [\"%s\"], \"job\": \"%s\"}\n",
             sha, job);
    put(results, line);
    put(now, "x");
    struct results *r = results_open(results, out, &e);
    assert_non_null(r);
    assert_int_equal(results_has(r, job), is_done);
    results_close(r);
    unlink(now);
}

/* What was made is known where it was moved to, by its contents: another job's picture of the same
 * name is not it. */
static void results_moved(void **state)
{
    char sub[300], flat[300], knights[300], sha[65], other[65];
    struct err e;
    (void)state;
    snprintf(knights, sizeof knights, "%s/knights", out);
    snprintf(sub, sizeof sub, "%s/knights/1.png", out);
    snprintf(flat, sizeof flat, "%s/1.png", out);
    assert_int_equal(file_make_folders(knights, &e), 0);
    digest_of("x", 1, sha);
    digest_of("y", 1, other);
    moved(sha, sub, true);
    moved(sha, flat, true);
    moved(other, sub, false);
    moved(other, flat, false);
}

/* Lines that move to another part, or into another number of parts, are done where they were done.
 */
static void results_of_other_parts(void **state)
{
    static const char *const names[] = {"results-1of2.jsonl", "results-2of2.jsonl"};
    char path[300], file[600], identity[65];
    struct settings flags = {0};
    struct err e = {""};
    (void)state;
    put(jobs, "{\"id\":\"a\",\"prompt\":\"x\"}\n{\"id\":\"b\",\"prompt\":\"y\"}\n");
    assert_int_equal(settings_set(&flags, "steps", "1", &e), 0);
    for (int part = 1; part <= 2; part++) { /* each does its line */
        struct batch_job j;
        snprintf(path, sizeof path, "%s/%s", folder, names[part - 1]);
        struct results *r = results_open(path, out, &e);
        struct batch_jobs_options o = {jobs, &flags, "pixel", part, 2, r};
        struct batch_jobs *b = batch_jobs_open(&o, tell, NULL, &e);
        assert_true(r && b && batch_jobs_next(b, &j, &e) == 1);
        snprintf(file, sizeof file, "%s/%s.png", out, j.id);
        memcpy(identity, j.identity, sizeof identity);
        put(file, "x");
        add(r, j.id, identity, file, NULL);
        job_text_free(&j.text);
        batch_jobs_close(b);
        results_close(r);
    }
    settings_free(&flags);
    put(jobs, "{\"id\":\"c\",\"prompt\":\"z\"}\n"
              "{\"id\":\"a\",\"prompt\":\"x\"}\n{\"id\":\"b\",\"prompt\":\"y\"}\n");
    char text[2000], before[200];
    memcpy(before, results, sizeof before);
    for (int parts = 1; parts <= 3; parts++)
        for (int part = 1; part <= parts; part++) {
            snprintf(results, sizeof results, "%s/results-%dof%d.jsonl", folder, part, parts);
            if (parts == 1)
                memcpy(results, before, sizeof before);
            list(part, parts, text);
            assert_string_equal(text, part == 1 ? "c@1" : "");
        }
    memcpy(results, before, sizeof before);
    unlink(file); /* of b */
    list(0, 0, text);
    assert_string_equal(text, "c@1 b@3");
    snprintf(path, sizeof path, "%s/results-2of2.jsonl", folder);
    put(path, "no results\n{\"status\": \"done\", \"job\": \"\"}\n\n");
    list(0, 0, text);
    assert_string_equal(text, "c@1 b@3");
}

static void sets(void **state)
{
    struct idset s = {0};
    char text[20];
    bool added;
    (void)state;
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 5000; i++) {
            snprintf(text, sizeof text, "%d", i);
            long *v = idset_put(&s, idset_key(text), i, &added);
            assert_true(v && *v == i && added == (round == 0));
        }
    assert_null(idset_find(&s, idset_key("x")));
    idset_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(order_and_shards, clear),
        cmocka_unit_test_setup(files_of_other_shards, clear),
        cmocka_unit_test_setup(results_moved, clear),
        cmocka_unit_test_setup(lines_of_results, clear),
        cmocka_unit_test_setup(the_last_to_write_is_done, clear),
        cmocka_unit_test_setup(results_of_other_parts, clear),
        cmocka_unit_test(sets),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
