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

#include <unistd.h>

#include "batch_help.h"
#include "engine/batch_priv.h"
#include "sprite/png.h"

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

/* One more, which lasts until it is stopped, however late that comes. */
static void add_endless_job(int number)
{
    char text[5000], *jobs_before = get(jobs);
    snprintf(text, sizeof text,
             "%s{\"id\":\"s%02d\",\"prompt\":\"a cat\",\"size\":\"512\",\"steps\":1000}\n",
             jobs_before, number);
    free(jobs_before);
    put(jobs, text);
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
        assert_in_range(b.at_once, 1, at_once);
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

/* A job that is made alone leaves those of its kind behind it together. */
static void one_alone(void **state)
{
    struct seen s = {.stop_after = 0};
    char text[1000] = "";
    (void)state;
    for (int i = 0; i < 5; i++) {
        size_t n = strlen(text);
        snprintf(text + n, sizeof text - n,
                 "{\"prompt\":\"a cat%s\",\"seed\":%d,\"compat\":\"a1111\"}\n",
                 i ? "" : " AND a dog", i);
    }
    put(jobs, text);
    struct batch_state b = run(&s, 4);
    assert_int_equal(b.done, 5);
    assert_int_equal(b.at_once, 4);
}

static void what_was_stopped_goes_on(void **state)
{
    struct seen s = {.stop_after = 3};
    int n = many_jobs(some() + 3) + 1;
    char id[30];
    (void)state;
    add_endless_job(n - 1);
    struct batch_state b = run(&s, 4);
    assert_true(b.done >= 3 && b.done < n);
    many_jobs(n);
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

/* ---- models that are opened anew ---- */

static double weights_of(const char *name)
{
    struct png_file f;
    char key[] = "\"weights\": ";
    save_pixels(name, &f);
    const char *text = png_find_text(&f, "spritty"), *at = text ? strstr(text, key) : NULL;
    if (!at)
        fail_msg("%s: %s", name, text ? text : "no text");
    double bytes = strtod(at + strlen(key), NULL);
    png_file_free(&f);
    return bytes;
}

/* Held in 16 bits they take half the memory, so the sprites tell how their model was open. */
static void another_way_of_holding_weights(void **state)
{
    struct seen s = {.stop_after = 0};
    (void)state;
    put(jobs, "{\"id\":\"a\",\"prompt\":\"x\",\"precision\":\"fp32\",\"weights\":\"full\"}\n"
              "{\"id\":\"b\",\"prompt\":\"x\",\"precision\":\"fp32\",\"weights\":\"half\"}\n");
    assert_int_equal(run(&s, 1).done, 2);
    print_message("full %.0f, half %.0f\n", weights_of("a.png"), weights_of("b.png"));
    assert_true(weights_of("b.png") < 0.6 * weights_of("a.png"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(pictures_do_not_depend_on_their_company, clear),
        cmocka_unit_test_setup(one_alone, clear),
        cmocka_unit_test_setup(what_was_stopped_goes_on, clear),
        cmocka_unit_test_setup(devices_share_the_work, clear),
        cmocka_unit_test_setup(one_device_is_broken, clear),
        cmocka_unit_test_setup(one_job_costs_no_other, clear),
        cmocka_unit_test_setup(older_pictures_are_kept, clear),
        cmocka_unit_test_setup(older_pictures_come_back, clear),
        cmocka_unit_test_setup(a_replaced_model_is_opened_anew, clear),
        cmocka_unit_test_setup(another_way_of_holding_weights, clear),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
