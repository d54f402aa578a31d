/* What a job will take in each memory mode, which is chosen, and how one that cannot fit is
 * refused: on the embedded model, from its tables alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/forecast.h"
#include "engine/job.h"
#include "engine/promise.h"

static void test_choice(void **state)
{
    (void)state;
    struct forecast_mode m[3] = {
        {"speed", 30, 1, false}, {"balanced", 20, 2, true}, {"", 10, 3, true}};
    assert_int_equal(forecast_choose(m, 3, -1), 1); /* the fastest that fits */
    assert_int_equal(forecast_choose(m, 3, 0), 0);  /* what was said, fits or not */
    assert_int_equal(forecast_choose(m, 3, 2), 2);
    m[0].fits = true;
    assert_int_equal(forecast_choose(m, 1, -1), 0);
    m[0].fits = m[1].fits = m[2].fits = false;
    assert_int_equal(forecast_choose(m, 3, -1), 2); /* the smallest is refused */
}

static void test_words(void **state)
{
    (void)state;
    char text[16];
    forecast_bytes(0, text);
    assert_string_equal(text, "0 MB");
    forecast_bytes(88149000, text);
    assert_string_equal(text, "88 MB");
    forecast_bytes(13370000000, text);
    assert_string_equal(text, "13.4 GB");
    forecast_bytes((size_t)-1, text);
    assert_string_equal(text, "18446744073.7 G"); /* cut, not written past */
}

static void say(struct settings *s, const char *key, const char *value)
{
    struct err e = {""};
    if (settings_set(s, key, value, &e))
        fail_msg("%s", e.text);
}

static struct forecast ask(const char *size, const char *batch, const char *memory)
{
    struct settings said = {0};
    struct forecast f;
    struct err e = {""};
    say(&said, "device", "cpu");
    say(&said, "model", "models/tiny");
    say(&said, "size", size);
    say(&said, "batch", batch);
    say(&said, "memory", memory);
    say(&said, "steps", "2");
    if (engine_forecast(&said, NULL, "a slime", 0, &f, &e))
        fail_msg("%s", e.text);
    settings_free(&said);
    return f;
}

static double decode_flops(const char *size, const char *batch, const char *memory)
{
    struct settings flags = {0};
    struct forecast f;
    struct plan_result plan = {0};
    struct err e = {""};
    struct job j;
    say(&flags, "device", "cpu");
    say(&flags, "model", "models/tiny");
    say(&flags, "size", size);
    say(&flags, "batch", batch);
    say(&flags, "memory", memory);
    if (job_prepare(&j, &flags, NULL, "a slime", &e) ||
        forecast_job(&j, 0, NULL, false, &f, &plan, &e))
        fail_msg("%s", e.text);
    assert_string_equal(plan.stage[plan.nstages - 1].name, "decode");
    double flops = plan.stage[plan.nstages - 1].flops;
    notes_free(&plan.notes);
    job_free(&j);
    settings_free(&flags);
    return flops;
}

/* The forecast makes one picture and one tile of many alike. */
static void test_repeated(void **state)
{
    (void)state;
    assert_true(decode_flops("128x128", "6", "speed") == 6 * decode_flops("128x128", "1", "speed"));
    double tile = decode_flops("512x512", "1", "constrained");
    assert_true(decode_flops("896x512", "3", "constrained") ==
                6 * tile); /* two tiles, three times */
}

static void test_fits(void **state)
{
    (void)state;
    struct forecast f = ask("128x128", "1", "auto"), held;
    assert_int_equal(f.modes, FORECAST_MODES);
    assert_string_equal(f.mode[0].name, "speed");
    assert_string_equal(f.mode[2].name, "constrained");
    assert_int_equal(f.taken, 0);
    assert_true(f.mode[0].fits && f.room > f.mode[0].peak && !*f.advice && !f.gpu);
    assert_true(f.mode[2].peak <= f.mode[0].peak);
    f = ask("128x128", "1", "constrained");
    assert_int_equal(f.taken, 2);
    struct forecast large = ask("1024x1024", "1", "speed");
    assert_true(large.mode[0].peak > f.mode[0].peak && large.mode[2].peak < large.mode[0].peak);
    /* An open model's place is taken, not added to. */
    struct settings said = {0};
    struct err e = {""};
    say(&said, "device", "cpu");
    say(&said, "model", "models/tiny");
    assert_int_equal(engine_forecast(&said, NULL, "a slime", 4096, &held, &e), 0);
    assert_true(held.before > 0 && held.before < held.mode[0].peak);
    settings_free(&said);
}

/* Pictures that no machine holds at once, a whole batch or a device's part of it; what is proposed
 * would fit. */
static void refused(int first, int count, const char *words)
{
    struct settings flags = {0};
    struct err e = {""};
    struct job j;
    say(&flags, "device", "cpu");
    say(&flags, "model", "models/tiny");
    say(&flags, "size", "8192x8192");
    say(&flags, "batch", "64");
    say(&flags, "steps", "1");
    assert_int_equal(job_prepare(&j, &flags, NULL, "a slime", &e), 0);
    j.params.first = first;
    j.params.count = count;
    int rc = job_admit(&j, 0, NULL, &e);
    printf("%s\n", e.text);
    if (rc == 0) {
        printf("this machine has room for it\n");
    } else {
        assert_non_null(strstr(e.text, words));
        assert_non_null(strstr(e.text, " would fit"));
        assert_int_equal(j.settings.batch, 64);
        assert_int_equal(j.params.batch, 64);
        assert_int_equal(j.params.width, 8192);
        assert_int_equal(j.params.first, first);
        assert_int_equal(j.params.count, count);
    }
    job_free(&j);
    settings_free(&flags);
}

static void test_refused(void **state)
{
    (void)state;
    refused(0, 0, "8192x8192, 64 at a time, needs ");
    refused(30, 34, "8192x8192, 34 at a time, needs ");
}

/* ---- several engines ---- */

static struct promise others;
static int asked;

static bool they_took_it(void *user)
{
    (void)user;
    asked++;
    promise_take(&others, others.bytes);
    return false;
}

static bool enough(void *user)
{
    (void)user;
    return true;
}

static void promise_all(void)
{
    promises_lock();
    promise_make(&others, PROMISE_OF_SYSTEM, (size_t)1 << 60);
    promises_unlock();
}

/* What others were promised is not free until they have taken it; then it is what it is. */
static void test_promised(void **state)
{
    (void)state;
    struct settings flags = {0};
    struct err e = {""};
    struct job j;
    struct promise mine = {0};
    struct admission by = {.promise = &mine, .stopped = they_took_it};
    say(&flags, "device", "cpu");
    say(&flags, "model", "models/tiny");
    assert_int_equal(job_prepare(&j, &flags, NULL, "a slime", &e), 0);
    promise_all();
    if (job_admit(&j, 0, &by, &e))
        fail_msg("%s", e.text);
    assert_int_equal(asked, 1);
    assert_string_equal(j.settings.memory, "speed");
    assert_int_equal(j.prompts.notes.count, 0); /* no word of a smaller mode */
    assert_true(mine.made && mine.left > 20000000 && mine.left < 1000000000);
    promises_lock();
    assert_int_equal(promises_left(PROMISE_OF_SYSTEM, NULL), mine.left);
    assert_int_equal(promises_left(PROMISE_OF_SYSTEM, &mine), 0);
    assert_int_equal(promises_left(0, NULL), 0); /* a GPU's is its own */
    promises_unlock();
    promise_take(&mine, 100);
    assert_int_equal(mine.left, mine.bytes - 100);
    promise_take(&mine, 50);
    assert_int_equal(mine.left, mine.bytes - 100);

    promise_all();
    by.stopped = enough;
    assert_int_equal(job_admit(&j, 0, &by, &e), -1);
    assert_string_equal(e.text, "stopped");
    assert_false(mine.made);
    promise_end(&others);
    promises_lock();
    assert_int_equal(promises_left(PROMISE_OF_SYSTEM, NULL), 0);
    promises_unlock();
    job_free(&j);
    settings_free(&flags);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choice),   cmocka_unit_test(test_words),
        cmocka_unit_test(test_repeated), cmocka_unit_test(test_fits),
        cmocka_unit_test(test_refused),  cmocka_unit_test(test_promised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
