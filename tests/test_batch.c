/*
 * A batch: its pictures are those that each job alone would have, what was stopped goes on without
 * loss or repetition, and what is wrong with one job costs no other.
 */
/* Not under qemu: whole sprites, many minutes, and time limits that an emulator does not keep. */
/* Under the thread sanitizer: several engines at one batch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/fileio.h"
#include "engine/batch_priv.h"
#include "engine/idset.h"
#include "sprite/png.h"

static char folder[] = "/tmp/spritty-batch-XXXXXX";
static char jobs[200], results[200], out[200];

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    setenv("XDG_CONFIG_HOME", folder, 1);
    setenv("XDG_DATA_HOME", folder, 1);
    snprintf(jobs, sizeof jobs, "%s/jobs.jsonl", folder);
    snprintf(results, sizeof results, "%s/results.jsonl", folder);
    snprintf(out, sizeof out, "%s/out", folder);
    struct err e;
    return file_make_folders(out, &e);
}

static int tear_down(void **state)
{
    char command[100];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static int clear(void **state)
{
    char command[300];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s/* && mkdir %s", folder, out);
    return system(command);
}

static void put(const char *path, const char *text)
{
    struct err e = {""};
    if (file_write_atomic(path, text, strlen(text), &e))
        fail_msg("%s", e.text);
}

static char *get(const char *path)
{
    struct err e = {""};
    size_t size;
    char *text = file_read(path, 1 << 24, &size, &e);
    if (!text)
        fail_msg("%s", e.text);
    return text;
}

static int count(const char *text, const char *what)
{
    int n = 0;
    for (; (text = strstr(text, what)); text++)
        n++;
    return n;
}

/* ---- jobs without a model ---- */

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

/* ---- with one ---- */

struct seen {
    atomic_bool stop;
    long stop_after; /* jobs; 0: never */
    char failures[4000], notes[1000];
};

static void on_note(void *user, const char *note)
{
    struct seen *s = user;
    size_t n = strlen(s->notes);
    snprintf(s->notes + n, sizeof s->notes - n, "%s\n", note);
}

static void on_failure(void *user, const char *id, long line, const char *why)
{
    struct seen *s = user;
    size_t n = strlen(s->failures);
    snprintf(s->failures + n, sizeof s->failures - n, "%ld %s: %s\n", line, id, why);
}

static void on_progress(void *user, const struct batch_state *b)
{
    struct seen *s = user;
    if (s->stop_after && b->done + b->failed >= s->stop_after)
        atomic_store(&s->stop, true);
}

static const char *devices = "cpu";

static struct batch_state run(struct seen *s, int at_once)
{
    static const char *const values[][2] = {
        {"model", "tests/golden/small_a"}, {"size", "64"}, {"steps", "2"}, {"raw", "yes"}};
    struct settings flags = {0};
    struct err e = {""};
    for (int i = 0; i < 4; i++)
        assert_int_equal(settings_set(&flags, values[i][0], values[i][1], &e), 0);
    struct batch_options o = {.path = jobs,
                              .folder = out,
                              .results = results,
                              .flags = &flags,
                              .devices = devices,
                              .threads = 1,
                              .at_once = at_once,
                              .stop = &s->stop,
                              .user = s,
                              .tell = on_note,
                              .failed = on_failure,
                              .progress = on_progress};
    struct batch_state b;
    if (batch_run(&o, &b, &e))
        fail_msg("%s", e.text);
    settings_free(&flags);
    return b;
}

/* A file of jobs that go together in fives, with each kind of noise. */
static int many_jobs(int count)
{
    static const char *const kinds[] = {
        "\"sampler\":\"euler\"", "\"sampler\":\"dpmpp_2m_sde\"",
        "\"sampler\":\"euler_ancestral\",\"compat\":\"a1111\"",
        "\"sampler\":\"euler_ancestral\",\"compat\":\"diffusers\",\"batch\":2"};
    char text[4000] = "";
    for (int i = 0; i < count; i++) {
        size_t n = strlen(text);
        snprintf(text + n, sizeof text - n,
                 "{\"id\":\"s%02d\",\"prompt\":\"a (cat:1.2) %d\",\"negative\":\"dog\",\"seed\":%d,"
                 "%s}\n",
                 i, i % 3, 100 + i, kinds[i % 4]);
    }
    put(jobs, text);
    return count;
}

static void save_pixels(const char *name, struct png_file *f)
{
    struct err e = {""};
    char path[300];
    snprintf(path, sizeof path, "%s/%s", out, name);
    if (png_load(path, true, f, &e))
        fail_msg("%s", e.text);
}

/* Jobs enough; fewer under sanitizers. */
static int some(void)
{
    return getenv("SPRITTY_QUICK") ? 8 : 20;
}

/* Every picture of five at once is, byte for byte, the one of its job alone. */
static void pictures_do_not_depend_on_their_company(void **state)
{
    struct seen s = {.stop_after = 0};
    struct png_file one[25], other;
    char name[30];
    int n = many_jobs(some()), k = 0, differ = 0;
    for (int at_once = 1; at_once <= 16; at_once += 15) {
        struct batch_state b = run(&s, at_once);
        assert_int_equal(b.done, n);
        assert_int_equal(b.failed, 0);
        k = 0;
        for (int i = 0; i < n; i++)
            for (int image = 0; image < (i % 4 == 3 ? 2 : 1); image++, k++) {
                snprintf(name, sizeof name, i % 4 == 3 ? "s%02d-%d.png" : "s%02d.png", i, image);
                save_pixels(name, at_once == 1 ? &one[k] : &other);
                if (at_once == 1)
                    continue;
                int before = differ;
                size_t size = (size_t)other.width * (size_t)other.height * 4;
                for (size_t p = 0; p < size; p++)
                    differ += one[k].rgba[p] != other.rgba[p];
                if (differ != before)
                    print_message("%s: %d\n", name, differ - before);
                png_file_free(&other);
                png_file_free(&one[k]);
            }
        clear(state);
        many_jobs(some());
    }
    print_message("%d pictures, %d bytes differ\n", k, differ);
    assert_int_equal(k, some() / 4 * 5);
    assert_int_equal(differ, 0);
}

static void what_was_stopped_goes_on(void **state)
{
    struct seen s = {.stop_after = 3};
    int n = many_jobs(some() + 4);
    char id[30];
    (void)state;
    struct batch_state b = run(&s, 4);
    assert_true(b.done >= 3 && b.done < n);
    char *text = get(results);
    assert_int_equal(count(text, "\n"), b.done);
    free(text);
    struct seen again = {.stop_after = 0};
    struct batch_state c = run(&again, 4);
    assert_int_equal(c.already, b.done);
    assert_int_equal(c.done, n - b.done);
    text = get(results);
    assert_int_equal(count(text, "\n"), n);
    for (int i = 0; i < n; i++) {
        snprintf(id, sizeof id, "\"id\": \"s%02d\"", i);
        assert_int_equal(count(text, id), 1);
    }
    free(text);
    struct batch_state d = run(&again, 4);
    assert_true(d.already == n && d.done == 0 && d.load_ms == 0);
}

/* Each takes what it can; together they have all, once. */
static void devices_share_the_work(void **state)
{
    struct seen s = {.stop_after = 0};
    int n = many_jobs(some());
    (void)state;
    devices = "cpu,cpu";
    struct batch_state b = run(&s, 2);
    devices = "cpu";
    assert_int_equal(b.devices, 2);
    assert_int_equal(b.done, n);
    char *text = get(results);
    assert_int_equal(count(text, "\n"), n);
    free(text);
}

/* A GPU that is not there costs no job. */
static void one_device_is_broken(void **state)
{
    struct seen s = {.stop_after = 0};
    int n = many_jobs(6);
    (void)state;
    devices = "cuda:9,cpu";
    struct batch_state b = run(&s, 2);
    devices = "cpu";
    print_message("%s", s.notes);
    assert_non_null(strstr(s.notes, "cuda:9 is set aside: "));
    assert_non_null(strstr(s.notes, "its jobs go to the others"));
    assert_true(b.done == n && b.failed == 0 && !*s.failures);
    char *text = get(results);
    assert_int_equal(count(text, "\"status\": \"done\""), n);
    free(text);
}

/* Mistakes of every kind among jobs that are right; a picture over the limit, though it is there.
 */
static void one_job_costs_no_other(void **state)
{
    struct seen s = {.stop_after = 0};
    char large[300], text[1000];
    (void)state;
    snprintf(large, sizeof large, "%s/large.png", folder);
    put(large, "x");
    assert_int_equal(truncate(large, (64 << 20) + 1), 0);
    snprintf(text, sizeof text, "%s",
             "{\"id\":\"a\",\"prompt\":\"x\"}\n"
             "{\"id\":\"b\",\"prompt\":\"x\",\"image\":\"large.png\"}\n"
             "{\"id\":\"c\",\"prompt\":\"x\",\"image\":\"none.png\"}\n"
             "{\"id\":\"d\",\"prompt\":\"x\",\"size\":72}\n"
             "{\"id\":\"e\",\"prompt\":\"x\",\"preset\":\"none\"}\n"
             "{\"id\":\"f\",\"prompt\":\"y\",\"output\":\"a.png\"}\n"
             "{\"id\":\"g\",\"prompt\":\"y\",\"output\":\"sub/g\"}\n"
             "{\"id\":\"h\",\"prompt\":\"y\",\"steps\":\"many\"}\n"
             "{\"id\":\"i\",\"prompt\":\"y\",\"model\":\"no/model\"}\n"
             "{\"id\":\"j\",\"prompt\":\"y\",\"device\":\"cuda:7\"}\n"
             "{\"id\":\"k\",\"prompt\":\"y\",\"output\":\".//sub/./g\"}\n"
             "{\"id\":\"l\",\"prompt\":\"y\",\"output\":\"sub/../../l.png\"}\n"
             "{\"id\":\"m\",\"prompt\":\"y\",\"output\":\"/tmp/m.png\"}\n");
    put(jobs, text);
    struct batch_state b = run(&s, 0);
    print_message("%s", s.failures);
    static const char *const why[] = {"2 b: image ",
                                      "has 64 MiB",
                                      "3 c: cannot read",
                                      "5 e: there is no preset 'none'",
                                      "jobs.jsonl:6: the job of line 1 writes ",
                                      "8 : ",
                                      "jobs.jsonl:8: steps: 'many'",
                                      "9 i: there is no model",
                                      "jobs.jsonl:11: the job of line 7 writes ",
                                      "12 l: output 'sub/../../l.png' leaves the folder",
                                      "13 m: output '/tmp/m.png' leaves the folder"};
    for (size_t i = 0; i < sizeof why / sizeof *why; i++)
        if (!strstr(s.failures, why[i]))
            fail_msg("no '%s'", why[i]);
    assert_int_equal(b.done + b.failed, 13);
    assert_int_equal(b.failed, count(s.failures, "\n"));
    snprintf(text, sizeof text, "%s/sub/g", out);
    assert_int_equal(access(text, F_OK), 0);
    char *all = get(results);
    assert_int_equal(count(all, "\n"), 13);
    assert_int_equal(count(all, "\"status\": \"failed\""), b.failed);
    free(all);
    /* What is done keeps its file, as long as the file of jobs has it. */
    put(jobs, "{\"id\":\"n\",\"prompt\":\"y\",\"output\":\"a.png\"}\n"
              "{\"id\":\"a\",\"prompt\":\"x\"}\n"
              "{\"id\":\"o\",\"prompt\":\"y\",\"output\":\"sub/g\"}\n");
    b = run(&s, 0);
    assert_int_equal(b.already, 1);
    assert_int_equal(b.done, 1);
    assert_non_null(strstr(s.failures, "a.png is another job's, which is done"));
}

/* ---- what is there already ---- */

static void out_path(const char *name, char path[300])
{
    snprintf(path, 300, "%s/%s", out, name);
}

static bool is_there(const char *name)
{
    char path[300];
    out_path(name, path);
    return access(path, F_OK) == 0;
}

/* The picture of a job that was edited, or of another file of jobs, is kept; one that comes again
 * as it was, after a kill before its line, is there once. */
static void older_pictures_are_kept(void **state)
{
    static const char *const text = "{\"id\":\"a\",\"prompt\":\"x\",\"seed\":%d}\n";
    struct seen s = {.stop_after = 0};
    char one[200], path[300];
    struct png_file first, kept;
    (void)state;
    snprintf(one, sizeof one, text, 1);
    put(jobs, one);
    run(&s, 1);
    save_pixels("a.png", &first);
    for (int seed = 2; seed < 4; seed++) {
        snprintf(one, sizeof one, text, seed);
        put(jobs, one);
        assert_int_equal(run(&s, 1).done, 1);
    }
    print_message("%s", s.notes);
    assert_int_equal(count(s.notes, "1 older picture under names that were written anew: kept in "
                                    "the folder trash beside them"),
                     2);
    save_pixels("trash/a.png", &kept);
    assert_memory_equal(kept.rgba, first.rgba, (size_t)first.width * (size_t)first.height * 4);
    png_file_free(&kept);
    png_file_free(&first);
    assert_true(is_there("trash/a-2.png"));
    s.notes[0] = '\0';
    assert_int_equal(unlink(results), 0); /* the line was not written */
    assert_int_equal(run(&s, 1).done, 1);
    assert_string_equal(s.notes, "");
    assert_true(is_there("a.png") && !is_there("trash/a-3.png"));
    /* Not a picture at all. */
    out_path("a.png", path);
    put(path, "mine");
    assert_int_equal(unlink(results), 0);
    assert_int_equal(run(&s, 1).done, 1);
    out_path("trash/a-3.png", path);
    char *mine = get(path);
    assert_string_equal(mine, "mine");
    free(mine);
}

/* ... and where it comes to nothing, it lies where it was. */
static void older_pictures_come_back(void **state)
{
    char path[300];
    char *files[] = {path};
    struct unit u = {.files = files, .job.params.batch = 1};
    struct err e = {""};
    (void)state;
    out_path("a.png", path);
    put(path, "mine");
    assert_int_equal(older_aside(&u, &e), 0);
    assert_int_equal(older_aside(&u, &e), 0);
    assert_true(!is_there("a.png") && is_there("trash/a.png"));
    assert_int_equal(older_settle(&u, false), 0);
    assert_true(is_there("a.png") && !is_there("trash"));
    assert_int_equal(older_aside(&u, &e), 0);
    put(path, "new"); /* by someone else, meanwhile */
    assert_int_equal(older_settle(&u, false), 1);
    char *text = get(path);
    assert_string_equal(text, "new");
    assert_true(is_there("trash/a.png"));
    free(text);
}

/* ---- a model that is replaced ---- */

static void shell(const char *text)
{
    char command[1000];
    snprintf(command, sizeof command, "cd %s && %s", folder, text);
    assert_int_equal(system(command), 0);
}

/* The second job when the first is done, and the model another one. */
static void *feed_slowly(void *arg)
{
    static const char
        *const line = "{\"id\":\"%s\",\"prompt\":\"x\",\"seed\":1,\"model\":\"%s/model\"}\n";
    FILE *f = fopen(jobs, "w");
    (void)arg;
    fprintf(f, line, "a", folder);
    fflush(f);
    for (int i = 0; i < 60000 && !is_there("a.png"); i++)
        usleep(1000);
    shell("cd model/vae && for f in *.safetensors; do head -c -40000 $f >new && "
          "head -c 40000 /dev/zero >>new && mv new $f; done");
    fprintf(f, line, "b", folder);
    fclose(f);
    return NULL;
}

static void a_replaced_model_is_opened_anew(void **state)
{
    struct seen s = {.stop_after = 0};
    struct png_file a, b;
    pthread_t feeder;
    char *from = realpath("tests/golden/small_a", NULL), copy[600];
    (void)state;
    snprintf(copy, sizeof copy, "cp -r '%s' model && chmod -R u+w model && mkfifo '%s'", from,
             jobs);
    free(from);
    shell(copy);
    assert_int_equal(pthread_create(&feeder, NULL, feed_slowly, NULL), 0);
    assert_int_equal(run(&s, 1).done, 2);
    pthread_join(feeder, NULL);
    save_pixels("a.png", &a);
    save_pixels("b.png", &b);
    assert_memory_not_equal(a.rgba, b.rgba, (size_t)a.width * (size_t)a.height * 4);
    png_file_free(&a);
    png_file_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(order_and_shards, clear),
        cmocka_unit_test_setup(files_of_other_shards, clear),
        cmocka_unit_test_setup(results_moved, clear),
        cmocka_unit_test_setup(lines_of_results, clear),
        cmocka_unit_test(sets),
        cmocka_unit_test_setup(pictures_do_not_depend_on_their_company, clear),
        cmocka_unit_test_setup(what_was_stopped_goes_on, clear),
        cmocka_unit_test_setup(devices_share_the_work, clear),
        cmocka_unit_test_setup(one_device_is_broken, clear),
        cmocka_unit_test_setup(one_job_costs_no_other, clear),
        cmocka_unit_test_setup(older_pictures_are_kept, clear),
        cmocka_unit_test_setup(older_pictures_come_back, clear),
        cmocka_unit_test_setup(a_replaced_model_is_opened_anew, clear),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
