/*
 * Workers that are broken or lie: what they deliver is refused once, written down, and the job is
 * made anew; and what is said of a result that is not there.
 */
/* Not under qemu: a Redis server, and time limits that an emulator misses. */
/* Under the thread sanitizer: workers that are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "queue/message.h"
#include "queue_help.h"
#include "sprite/png.h"

#define ABOUT                                                                                      \
    "\"seed\": \"7\", \"width\": 2, \"height\": 2, \"steps\": 1, \"ms\": {\"load\": 0, "           \
    "\"text\": 0, \"sample\": 1, \"decode\": 0, \"finish\": 0, \"save\": 0, \"total\": 1, "        \
    "\"steps\": [1]}"

static char good_png[1000];
static size_t good_size;

static void prepare(void)
{
    char path[100];
    struct err e = {""};
    static const uint8_t rgb[2 * 2 * 3] = {255, 0, 0, 0, 255, 0};
    const struct picture p = {.kind = PICTURE_RGB, .width = 2, .height = 2, .pixels = rgb};
    snprintf(path, sizeof path, "%s/good.png", folder);
    assert_int_equal(png_save(path, &p, NULL, 0, &e), 0);
    void *data = file_read(path, sizeof good_png, &good_size, &e);
    memcpy(good_png, data, good_size);
    free(data);
    reply_free(SAY(eye, "XGROUP", "CREATE", stream(), "workers", "0", "MKSTREAM"));
}

/* A job that the queue has: taken from it by a puppet. */
struct taken {
    char msg[64], id[65];
};

static struct taken take_one(void)
{
    struct taken t = {"", ""};
    for (int i = 0; i < 12000 && !*t.msg; i++) {
        struct reply *r = SCRIPT(SCRIPT_NEXT, 1, stream(), PREFIX, "liar", "3", "0");
        snprintf(t.msg, sizeof t.msg, "%s", reply_text(reply_at(r, 1), NULL));
        snprintf(t.id, sizeof t.id, "%s", reply_text(reply_at(r, 2), NULL));
        reply_free(r);
        if (!*t.msg)
            usleep(10000);
    }
    assert_string_not_equal(t.msg, "");
    return t;
}

static void begin_delivery(struct args *a, const struct taken *t, char job[100], char result[100])
{
    snprintf(job, 100, PREFIX "job:%s", t->id);
    snprintf(result, 100, PREFIX "result:%s", t->id);
    args_text(a, stream());
    args_text(a, job);
    args_text(a, result);
    args_text(a, PREFIX);
    args_text(a, "liar");
    args_text(a, t->msg);
    args_text(a, t->id);
}

static void end_delivery(const struct args *a)
{
    struct reply *r;
    struct err e = {""};
    if (link_script(eye, SCRIPT_DELIVER, 3, a, &r, &e) != LINK_OK)
        fail_msg("%s", e.text);
    expect(r, "stored");
}

/* Delivers so many pictures, each of them `png` or a good one, in the way of result_write. */
static void lie(const char *about, int pictures, const char *png)
{
    struct queue_result out = {.worker = "liar", .about = about, .about_size = strlen(about)};
    struct taken t = take_one();
    struct args a = {0};
    struct err e = {""};
    char job[100], result[100], sha[QUEUE_PICTURES][65];
    for (; out.pictures < pictures; out.pictures++) {
        out.picture[out.pictures].data = png ? png : good_png;
        out.picture[out.pictures].size = png ? strlen(png) : good_size;
    }
    begin_delivery(&a, &t, job, result);
    assert_int_equal(result_write(&out, sha, &a, &e), 0);
    end_delivery(&a);
}

/* Delivers fields as they are. */
static void lie_in_words(int n, const char *const *word)
{
    struct taken t = take_one();
    struct args a = {0};
    char job[100], result[100];
    begin_delivery(&a, &t, job, result);
    for (int i = 0; i < n; i++)
        args_text(&a, word[i]);
    end_delivery(&a);
}

/* The note that says so. */
static void await_refusal(struct remote *r, const char *why)
{
    for (;;) {
        struct event *v = next(r);
        if (v->kind >= EVENT_DONE)
            fail_msg("event %d instead of '%s': %s", v->kind, why, v->text ? v->text : "");
        bool found = v->kind == EVENT_STAGE && v->text && strstr(v->text, "is refused");
        if (found && !strstr(v->text, why))
            fail_msg("'%s' instead of '%s'", v->text, why);
        event_free(v);
        if (found)
            return;
    }
}

static long long count_dead(void)
{
    return redis_number(SAY(eye, "XLEN", "{spritty}:dead"));
}

static const struct {
    const char *about;
    int pictures;
    const char *png, *why;
} lies[] = {
    {"{" ABOUT ", \"pictures\": [{}, {}]}", 2, NULL, "it has 2 pictures, and 1 were asked for"},
    {"{" ABOUT ", \"pictures\": []}", 0, NULL, "it has 0 pictures, and 1 were asked for"},
    {"{" ABOUT ", \"pictures\": [{}, {}]}", 1, NULL, "it has 1 pictures and tells of 2"},
    {"{" ABOUT ", \"pictures\": [{}]}", 1, "rubbish", "picture 0 is none"},
    {"{" ABOUT ", \"pictures\": [{\"colors\": -1}]}", 1, NULL, "colors"},
    {"{\"seed\": \"-1\", \"pictures\": [{}]}", 1, NULL, "seed"},
    {"{\"seed\": ", 1, NULL, "the result"},
    {"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", 1, NULL, "the result"},
    {"\"\xff\xfe\"", 1, NULL, "the result"},
};
enum { LIES = sizeof lies / sizeof *lies };

/* Each is refused once, for its reason; then an honest worker makes all the jobs, each once. */
static void refused_once(void **state)
{
    (void)state;
    static const char *const gap[] = {"v", "1", "worker", "liar", "about", "{}", "png:1", "x"};
    static const char *const strange[] = {"v",     "1",  "worker", "liar",
                                          "about", "{}", "x",      "\033[2J"};
    static const char *const huge_name[] = {"v",
                                            "1",
                                            "worker",
                                            "liar",
                                            "about",
                                            "{}",
                                            "a name that is longer than forty characters are",
                                            ""};
    struct store *s = open_store();
    struct remote *r = start_remote();
    char steps[8];
    int jobs = 0;
    prepare();
    for (int i = 0; i < LIES; i++) {
        snprintf(steps, sizeof steps, "%d", ++jobs);
        post(r, s, steps);
        lie(lies[i].about, lies[i].pictures, lies[i].png);
        await_refusal(r, lies[i].why);
        struct taken t = take_one(); /* it is there again; kept back from the next lie */
        reply_free(SAY(eye, "XCLAIM", stream(), "workers", "nobody", "0", t.msg, "IDLE", "60000"));
    }
    const char *const *words[] = {gap, strange, huge_name};
    static const char *const why[] = {"counted from 0 on", "a field 'x'", "a field 'a name"};
    for (int i = 0; i < 3; i++) {
        snprintf(steps, sizeof steps, "%d", ++jobs);
        post(r, s, steps);
        lie_in_words(8, words[i]);
        await_refusal(r, why[i]);
        struct taken t = take_one();
        reply_free(SAY(eye, "XCLAIM", stream(), "workers", "nobody", "0", t.msg, "IDLE", "60000"));
    }
    assert_int_equal(count_dead(), jobs);
    hire(0);
    int sprites = 0;
    for (int i = 0; i < jobs; i++) {
        struct event *v = await_end(r, &sprites);
        if (v->kind != EVENT_DONE)
            fail_msg("event %d: %s", v->kind, v->text ? v->text : "");
        event_free(v);
    }
    assert_int_equal(sprites, jobs);
    assert_int_equal(count_dead(), jobs);
    remote_stop(r);
    store_close(s);
}

/* Workers that all lie: the job fails, nothing of it is left, and sent once more it is tried again.
 */
static void three_times_fail(void **state)
{
    (void)state;
    struct store *s = open_store();
    struct remote *r = start_remote();
    struct store_sprite *list;
    struct err e = {""};
    prepare();
    int64_t id = post(r, s, "1");
    for (int i = 0; i < 3; i++)
        lie(lies[0].about, lies[0].pictures, lies[0].png);
    int sprites = 0;
    struct event *v = await_end(r, &sprites);
    assert_int_equal(v->kind, EVENT_FAILED);
    print_message("%s\n", v->text);
    assert_non_null(strstr(v->text, "the result that liar sent is refused"));
    event_free(v);
    assert_int_equal(sprites, 0);
    assert_int_equal(store_job_sprites(s, id, &list, &e), 0);
    assert_int_equal(count_dead(), 3);
    struct reply *keys = SAY(eye, "KEYS", "{spritty}:result:*");
    assert_int_equal(reply_count(keys), 0);
    reply_free(keys);
    hire(0);
    finishes(r, s, post(r, s, "1"));
    remote_stop(r);
    store_close(s);
}

/* What no connection takes, and what is no hash at all. */
static void too_large_or_of_another_kind(void **state)
{
    (void)state;
    struct store *s = open_store();
    struct remote *r = start_remote();
    prepare();
    for (int i = 0; i < 2; i++) {
        char result[100], *much = calloc(1, WIRE_MAX + (1 << 20));
        post(r, s, i ? "2" : "1");
        struct taken t = take_one();
        struct args a = {0};
        struct err e = {""};
        struct reply *reply;
        snprintf(result, sizeof result, PREFIX "result:%s", t.id);
        args_text(&a, i ? "SET" : "HSET");
        args_text(&a, result);
        args_text(&a, "png:0");
        if (!i)
            args_bytes(&a, much, WIRE_MAX + (1 << 20));
        assert_int_equal(link_call(eye, &a, 0, &reply, &e), LINK_OK);
        reply_free(reply);
        free(much);
        snprintf(result, sizeof result, PREFIX "job:%s", t.id);
        reply_free(SAY(eye, "XACK", stream(), "workers", t.msg));
        reply_free(SAY(eye, "XDEL", stream(), t.msg));
        reply_free(SAY(eye, "HSET", result, "state", "done", "taker", "liar"));
        await_refusal(r, i ? "WRONGTYPE" : "96 MiB");
        t = take_one();
        reply_free(SAY(eye, "XCLAIM", stream(), "workers", "nobody", "0", t.msg, "IDLE", "60000"));
    }
    hire(0);
    for (int i = 0; i < 2; i++) {
        struct event *v = await_end(r, NULL);
        assert_int_equal(v->kind, EVENT_DONE);
        event_free(v);
    }
    remote_stop(r);
    store_close(s);
}

/* Many small parts are as much as a large one. */
static void too_large_in_parts(void **state)
{
    (void)state;
    struct reply *reply;
    struct err e = {""};
    struct args a = {0};
    static const char *const words[] = {"EVAL",
                                        "local t, s = {}, string.rep('x', 1048576)\n"
                                        "for i = 1, tonumber(ARGV[1]) do t[i] = s end\n"
                                        "return t",
                                        "0"};
    for (int i = 0; i < 3; i++)
        args_text(&a, words[i]);
    args_number(&a, 64);
    assert_int_equal(link_call(eye, &a, 0, &reply, &e), LINK_OK); /* what a result may have */
    assert_int_equal(reply_count(reply), 64);
    reply_free(reply);
    a.n--;
    args_number(&a, (WIRE_MAX >> 20) + 1);
    assert_int_equal(link_call(eye, &a, 0, &reply, &e), LINK_TOO_LARGE);
    assert_int_equal(redis_number(SAY(eye, "EXISTS", "a")), 0); /* and it goes on */
}

/* Someone says that a job is done whose worker is still at it: that one's result counts. */
static void said_too_early(void **state)
{
    (void)state;
    struct store *s = open_store();
    struct remote *r = start_remote();
    prepare();
    int64_t id = post(r, s, "1");
    struct taken t = take_one();
    char job[100];
    snprintf(job, sizeof job, PREFIX "job:%s", t.id);
    struct reply *events = SAY(eye, "HGET", job, "reply");
    char key[200];
    snprintf(key, sizeof key, "%s", reply_text(events, NULL));
    reply_free(events);
    for (int i = 0; i < 5; i++)
        reply_free(SAY(eye, "XADD", key, "*", "v", "1", "kind", "result", "id", t.id));
    usleep(300000);
    struct queue_result out = {.worker = "honest",
                               .about = "{" ABOUT ", \"pictures\": [{}]}",
                               .pictures = 1,
                               .picture = {{.data = good_png, .size = good_size}}};
    struct args a = {0};
    struct err e = {""};
    char result[100], sha[QUEUE_PICTURES][65];
    out.about_size = strlen(out.about);
    begin_delivery(&a, &t, job, result);
    assert_int_equal(result_write(&out, sha, &a, &e), 0);
    end_delivery(&a);
    finishes(r, s, id);
    assert_int_equal(count_dead(), 0);
    remote_stop(r);
    store_close(s);
}

int main(int argc, char **argv)
{
    if (!redis_program()) {
        print_message("skipped: there is no redis-server here (Debian: redis-tools)\n");
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(refused_once, begin, end),
        cmocka_unit_test_setup_teardown(three_times_fail, begin, end),
        cmocka_unit_test_setup_teardown(too_large_or_of_another_kind, begin, end),
        cmocka_unit_test_setup_teardown(too_large_in_parts, begin, end),
        cmocka_unit_test_setup_teardown(said_too_early, begin, end),
    };
    if (argc > 1) /* one of them, or a pattern */
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
