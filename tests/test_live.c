/* What the app makes of the engine's events: how long the running job still takes, and how much
 * memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ui/studio.h"

static struct live l;

static void tell(enum event_kind kind, const char *stage, int step, int steps, double at, double ms,
                 double later)
{
    struct event v = {.kind = kind,
                      .job = 1,
                      .at_ms = at,
                      .step = step,
                      .steps = steps,
                      .work = workload_of_steps(step, steps),
                      .ms = ms,
                      .later = later};
    snprintf(v.stage, sizeof v.stage, "%s", stage);
    live_event(&l, &v);
}

static void about(double left, double want)
{
    if (!(fabs(left - want) < 1e-6))
        fail_msg("%g ms left, not %g", left, want);
}

/* 10 steps of 100 ms, then 4 of 500 and decoding for 600: 1000, 2000, 600. */
static void time_left_is_of_all_passes(void **state)
{
    (void)state;
    l = (struct live){0};
    assert_true(isnan(live_left(&l, 0)));
    tell(EVENT_STARTED, "", 0, 10, 0, 0, 0);
    tell(EVENT_STAGE, "text", 0, 0, 0, 0, 40);
    assert_true(isnan(live_left(&l, 0)));
    tell(EVENT_STAGE, "sample", 0, 10, 0, 0, 2.6);
    assert_true(isnan(live_left(&l, 0))); /* no step yet */
    tell(EVENT_STEP, "sample", 1, 10, 100, 100, 0);
    about(live_left(&l, 100), 900 + 2600);
    about(live_left(&l, 150), 850 + 2600);
    about(live_left(&l, 900), 800 + 2600); /* a step is late: no less than the next ones */
    tell(EVENT_STEP, "sample", 10, 10, 1000, 100, 0);
    about(live_left(&l, 1000), 2600);

    /* Before the second pass has made a step it is taken to be as the forecast has it. */
    tell(EVENT_STAGE, "hires", 0, 4, 1000, 0, 0.3);
    about(live_left(&l, 1000), 2600);
    about(live_left(&l, 1200), 2400);
    tell(EVENT_STEP, "hires", 1, 4, 1400, 400, 0);
    about(live_left(&l, 1400), 3 * 400 + 0.3 * 4 * 400); /* faster than that */
    tell(EVENT_STEP, "hires", 4, 4, 2600, 400, 0);

    tell(EVENT_STAGE, "decode", 0, 1, 2600, 0, 0);
    about(live_left(&l, 2600), 480);
    about(live_left(&l, 2700), 380);
    about(live_left(&l, 9999), 0);
    tell(EVENT_STAGE, "save", 0, 0, 3200, 0, 0);
    assert_true(isnan(live_left(&l, 3200)));
    live_free(&l);
}

/* Where the engine knows nothing of what comes, it is of the pass. */
static void time_left_without_a_forecast(void **state)
{
    (void)state;
    l = (struct live){0};
    tell(EVENT_STARTED, "", 0, 10, 0, 0, 0);
    tell(EVENT_STAGE, "sample", 0, 10, 0, 0, 0);
    tell(EVENT_STEP, "sample", 4, 10, 400, 100, 0);
    about(live_left(&l, 400), 600);
    tell(EVENT_STAGE, "decode", 0, 1, 1000, 0, 0);
    assert_true(isnan(live_left(&l, 1000)));
    live_free(&l);
}

/* A stage that was not told (a queue's workers tell some, a device may be shown from its middle
 * on): the steps say it too. */
static void time_left_from_steps_alone(void **state)
{
    (void)state;
    l = (struct live){0};
    tell(EVENT_STARTED, "", 0, 10, 0, 0, 0);
    tell(EVENT_STEP, "sample", 4, 10, 400, 100, 2.6);
    about(live_left(&l, 400), 600 + 2600);
    tell(EVENT_STEP, "hires", 1, 4, 1500, 500, 0.3);
    about(live_left(&l, 1500), 3 * 500 + 0.3 * 4 * 500);
    assert_string_equal(l.stage, "hires");
    tell(EVENT_STARTED, "", 0, 10, 0, 0, 0);
    tell(EVENT_STEP, "hires", 2, 4, 400, 100, 0.3);
    about(live_left(&l, 400), 2 * 100 + 0.3 * 4 * 100);
    live_free(&l);
}

static void tell_work(int step, int steps, struct workload w, double at, double ms)
{
    struct event v = {.kind = step ? EVENT_STEP : EVENT_STAGE,
                      .job = 1,
                      .at_ms = at,
                      .step = step,
                      .steps = steps,
                      .work = w,
                      .ms = ms,
                      .later = 0.1,
                      .stage = "sample"};
    live_event(&l, &v);
}

/* Of ten steps the first five ask for two answers of 100 ms. */
static void time_left_is_of_the_work_and_not_of_the_steps(void **state)
{
    (void)state;
    l = (struct live){0};
    tell(EVENT_STARTED, "", 0, 10, 0, 0, 0);
    tell_work(0, 10, (struct workload){0, 0, 15}, 0, 0);
    tell_work(1, 10, (struct workload){2, 2, 15}, 200, 200);
    about(live_left(&l, 200), 1300 + 150);
    assert_true(l.job_step_ms == 200);
    about(live_left(&l, 300), 1200 + 150);
    tell_work(5, 10, (struct workload){2, 10, 15}, 1000, 200);
    tell_work(6, 10, (struct workload){1, 11, 15}, 1100, 100);
    about(live_left(&l, 1100), 400 + 150);
    about(live_left(&l, 1900), 300 + 150); /* late by no more than a step */
    tell(EVENT_STAGE, "decode", 0, 1, 1500, 0, 0);
    about(live_left(&l, 1500), 150);
    live_free(&l);
}

static void sample(size_t own)
{
    l.sample[l.samples_seen++ % LIVE_SAMPLES].own = own;
}

/* Measuring the machine, once, takes more than most jobs, and is no job's. The sizes are more than
 * this process has, but for the last. */
static void peak_is_of_jobs(void **state)
{
    (void)state;
    const size_t tb = (size_t)1 << 40;
    l = (struct live){0};
    sample(2 * tb);
    l.bytes_peak = 3 * tb;
    assert_int_equal(live_peak(&l, 1), 3 * tb);
    live_event(&l, &(struct event){.kind = EVENT_WARM, .step = 3, .steps = 4});
    assert_int_equal(live_peak(&l, 1), 3 * tb);
    live_event(&l, &(struct event){.kind = EVENT_WARM, .step = 4, .steps = 4});
    assert_true(live_peak(&l, 1) > 0 && live_peak(&l, 1) < tb);
    sample(5 * tb); /* of a job */
    sample(tb);
    assert_int_equal(live_peak(&l, 3), 5 * tb);
    assert_int_equal(live_peak(&l, 1), tb); /* which the graph shows no more */
    struct event v = {.kind = EVENT_STEP,
                      .job = 1,
                      .step = 1,
                      .steps = 2,
                      .bytes_peak = 4 * tb,
                      .stage = "sample"};
    live_event(&l, &v);
    assert_int_equal(live_peak(&l, 1), 4 * tb);
    live_free(&l);
}

/* Of several devices one is shown as it works; a sprite of another has its own seed. */
static void a_sprite_has_its_own_seed(void **state)
{
    (void)state;
    static struct studio studio;
    static struct ui ui = {.studio = &studio, .live.seed = 1, .live.job = 1};
    struct event v = {.kind = EVENT_SPRITE, .job = 2, .seed = 22, .image = image_new(1, 1)};
    view_studio.event(&ui, &v);
    assert_int_equal(studio.shown_count, 1);
    assert_int_equal(studio.shown_seed, 22);
    image_free(studio.shown[0].image);
    image_free(v.image);
}

/* One line of a prompt, cut between characters and nowhere else. */
static void words_on_one_line(void **state)
{
    (void)state;
    static const struct {
        const char *words, *line;
    } rows[] = {
        {"", ""},
        {"a\nb", "a b"},
        {"abcdefg", "abcdefg"},
        {"abcdefgh", "abcdefg"},
        {"\u00e9\u00e9\u00e9z", "\u00e9\u00e9\u00e9z"}, /* seven bytes */
        {"\u00e9\u00e9\u00e9\u00e9", "\u00e9\u00e9\u00e9"},
        {"abc\U0001f600d", "abc\U0001f600"},
        {"abcd\U0001f600", "abcd"},
        {"abcde\u2605", "abcde"},
    };
    char line[8];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        one_line(rows[i].words, line, sizeof line);
        assert_string_equal(line, rows[i].line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_left_is_of_all_passes),
        cmocka_unit_test(time_left_without_a_forecast),
        cmocka_unit_test(time_left_from_steps_alone),
        cmocka_unit_test(time_left_is_of_the_work_and_not_of_the_steps),
        cmocka_unit_test(peak_is_of_jobs),
        cmocka_unit_test(a_sprite_has_its_own_seed),
        cmocka_unit_test(words_on_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
