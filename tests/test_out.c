/*
 * The queue to the terminal against a pipe that nobody empties, and its pace against a line made
 * of numbers: so many bytes a millisecond, so long a delay, and buffers that swallow everything at
 * once, as ssh's do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "term/out.h"

/* -- the queue ----------------------------------------------------------------------------------*/

static void make_pipe(int fd[2])
{
    assert_int_equal(pipe2(fd, O_CLOEXEC | O_NONBLOCK), 0);
    signal(SIGPIPE, SIG_IGN);
}

static void a_full_pipe_makes_nobody_wait(void **state)
{
    (void)state;
    enum { LINES = 100000 };
    int fd[2];
    struct out o;
    char want[32], got[1 << 16];
    uint64_t checked = 0, line = 0;
    size_t at = 0;
    make_pipe(fd);
    out_init(&o, fd[1]);
    for (int i = 0; i < LINES; i++)
        out_printf(&o, "line %d\n", i);
    uint64_t total = o.total;
    assert_true(out_flush(&o));
    assert_true(out_waiting(&o) > 0);
    snprintf(want, sizeof want, "line 0\n");
    while (checked < total) { /* all of it comes, in order */
        ssize_t n = read(fd[0], got, sizeof got);
        assert_true(n > 0);
        for (ssize_t i = 0; i < n; i++, checked++) {
            assert_int_equal(got[i], want[at++]);
            if (got[i] == '\n') {
                snprintf(want, sizeof want, "line %d\n", (int)++line);
                at = 0;
            }
        }
        assert_true(out_flush(&o));
    }
    assert_int_equal(out_waiting(&o), 0);
    close(fd[0]); /* the terminal is gone */
    out_text(&o, "x");
    assert_false(out_flush(&o));
    assert_true(o.failed);
    out_text(&o, "y");
    assert_int_equal(out_waiting(&o), 1);
    out_free(&o);
    close(fd[1]);
}

static void a_queue_without_memory_has_failed(void **state)
{
    (void)state;
    struct out o;
    out_init(&o, -1);
    out_text(&o, "x");
    out_put(&o, "x", SIZE_MAX / 2);
    assert_true(o.failed);
    assert_false(out_flush(&o));
    out_free(&o);
}

/* -- the pace -----------------------------------------------------------------------------------*/

static struct {
    double now, rate, delay; /* ms, bytes a ms, ms there and back */
    double free_at;          /* when all that was taken has been seen */
    double answers[64];
    int count;
    bool deaf;
} line;

static struct out out;

static void connect_line(double rate, double delay)
{
    memset(&line, 0, sizeof line);
    line.now = 1000;
    line.rate = rate;
    line.delay = delay;
    out_free(&out);
    out_init(&out, -1);
}

static void take_all(void)
{
    const char *p = out.bytes + out.start, *end = out.bytes + out.end;
    for (; p < end; p++) {
        line.free_at = (line.free_at > line.now ? line.free_at : line.now) + 1 / line.rate;
        if (*p == 'n' && p - (out.bytes + out.start) >= 3 && !memcmp(p - 3, "\033[5n", 4) &&
            !line.deaf) {
            assert_true(line.count < 64);
            line.answers[line.count++] = line.free_at + line.delay;
        }
    }
    out.start = out.end = 0;
}

static void tick(void)
{
    take_all();
    line.now += 5;
    while (line.count > 0 && line.answers[0] <= line.now) {
        memmove(line.answers, line.answers + 1, (size_t)--line.count * sizeof line.answers[0]);
        out_answered(&out, line.now);
    }
}

/* The first request is answered by a question only. */
static void learn_delay(void)
{
    assert_false(out_may_send(&out, 1, 1, line.now));
    while (out.pace.waiting)
        tick();
    assert_true(out.pace.round_trip >= line.delay && out.pace.round_trip < line.delay + 10);
}

static void picture(size_t bytes)
{
    static char zeros[1 << 20];
    assert_true(bytes <= sizeof zeros);
    out_put(&out, zeros, bytes);
    out_ask(&out, line.now);
}

/* Offers a preview every 100 ms for a time; how many were let through, and the longest that a key
 * typed meanwhile would have had to wait for the line. */
static int previews(size_t bytes, double budget, double ms, double *longest)
{
    int sent = 0;
    double next = line.now, end = line.now + ms;
    *longest = 0;
    for (; line.now < end; tick()) {
        if (line.now >= next) {
            next += 100;
            if (out_may_send(&out, bytes, budget, line.now)) {
                picture(bytes);
                sent++;
            }
        }
        take_all();
        if (line.free_at - line.now > *longest)
            *longest = line.free_at - line.now;
    }
    return sent;
}

static void a_fast_line_takes_all(void **state)
{
    (void)state;
    double longest;
    connect_line(10000, 1);
    assert_true(previews(20000, 30, 10000, &longest) >= 98);
    assert_true(longest < 30);
    assert_true(out.pace.rate > 1000); /* no less than a preview in a tick of 5 ms shows */
}

static void a_slow_line_holds_previews_to_their_budget(void **state)
{
    (void)state;
    double longest;
    connect_line(10, 150); /* a preview of 4000 bytes takes 400 ms of it */
    int sent = previews(4000, 100, 60000, &longest);
    assert_in_range(sent, 2, 20);
    assert_true(longest < 2 * 400);
    /* What does fit is let through, and out_budget says what that is. */
    size_t fits = out_budget(&out, 100);
    assert_in_range(fits, 300, 2000);
    assert_true(out_may_send(&out, fits, 100, line.now + 1000));
    connect_line(100, 150);
    assert_true(previews(4000, 100, 60000, &longest) > 100); /* 40 ms each: all but what waits */
    assert_true(longest < 100);
}

static void nothing_is_sent_while_an_answer_is_out(void **state)
{
    (void)state;
    connect_line(100, 500);
    learn_delay();
    assert_true(out_may_send(&out, 5000, 100, line.now));
    picture(5000);
    for (int i = 0; i < 100; i++) { /* 50 ms of line and 500 of delay */
        assert_false(out_may_send(&out, 1, 100, line.now));
        tick();
    }
    while (line.count)
        tick();
    assert_true(out_may_send(&out, 1, 100, line.now));
}

/* A line that takes a second for each frame is free for keys two thirds of the time. */
static void frames_leave_the_line_to_keys(void **state)
{
    (void)state;
    double busy = 0, begin;
    connect_line(4, 100);
    for (int i = 0; i < 10; i++) {
        if (i == 0) /* the delay of the empty line */
            out_may_send(&out, 0, 100, line.now);
        while (out.pace.waiting)
            tick();
        begin = line.now;
        picture(4000);
        while (out.pace.waiting)
            tick();
        busy = line.now - begin;
        assert_false(out_is_calm(&out, line.now));
        while (!out_is_calm(&out, line.now))
            tick();
    }
    assert_true(busy > 1000 && busy < 1200);
    assert_true(line.now - begin > 2.7 * busy && line.now - begin < 3.2 * busy);
}

static void finished_images_always_go(void **state)
{
    (void)state;
    double longest;
    connect_line(10, 100);
    previews(1000, 100, 3000, &longest);
    for (int i = 0; i < 20; i++) /* more than there are questions to tell apart */
        picture(20000);
    assert_true(out_waiting(&out) >= 20 * 20000);
    /* 40 s of line: far beyond the patience, but this terminal is known to answer. */
    for (double end = line.now + 39000; line.now < end; tick())
        assert_false(out_may_send(&out, 100, 100, line.now));
    while (line.count || out.pace.waiting)
        tick();
    assert_true(out.pace.rate > 7 && out.pace.rate < 13);
    assert_true(out_may_send(&out, 100, 100, line.now));
}

static void a_terminal_that_does_not_answer(void **state)
{
    (void)state;
    connect_line(100, 10);
    line.deaf = true;
    picture(5000);
    take_all();
    double begin = line.now;
    assert_true(out_is_calm(&out, line.now)); /* a few frames of text, not many */
    out_put(&out, (char[9000]){0}, 9000);
    take_all();
    while (line.now < begin + 10000 && !out_may_send(&out, 5000, 100, line.now)) {
        assert_false(out_is_calm(&out, line.now));
        tick();
    }
    assert_true(line.now >= begin + 2000 && line.now < begin + 8000);
    assert_true(out_is_calm(&out, line.now));
    picture(5000);
    assert_false(out_may_send(&out, 5000, 100, line.now)); /* the queue still counts */
    take_all();
    assert_true(out_may_send(&out, 5000, 100, line.now));
    out_answered(&out, line.now); /* it does, after all */
    picture(5000);
    take_all();
    assert_false(out_may_send(&out, 5000, 100, line.now));
}

static void one_bad_moment_is_forgotten(void **state)
{
    (void)state;
    double longest;
    connect_line(1000, 20);
    assert_true(previews(5000, 50, 5000, &longest) > 40);
    line.rate = 1; /* five seconds for one preview */
    previews(5000, 50, 200, &longest);
    while (line.count)
        tick();
    line.rate = 1000;
    previews(5000, 50, 20000, &longest);
    assert_true(previews(5000, 50, 5000, &longest) > 40);
}

static void answers_that_nobody_asked_for(void **state)
{
    (void)state;
    connect_line(100, 10);
    for (int i = 0; i < 20; i++)
        out_answered(&out, line.now);
    learn_delay();
    assert_true(out_may_send(&out, 1 << 20, 1, line.now));
    picture(5000);
    out_answered(&out, line.now - 100); /* nor from before */
    assert_true(out.pace.rate >= 0 && out.pace.round_trip >= 0);
    assert_int_equal(out_budget(&out, -5), out.pace.rate > 0 ? 0 : SIZE_MAX);
}

static int clean_up(void **state)
{
    (void)state;
    out_free(&out);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_pipe_makes_nobody_wait),
        cmocka_unit_test(a_queue_without_memory_has_failed),
        cmocka_unit_test(a_fast_line_takes_all),
        cmocka_unit_test(a_slow_line_holds_previews_to_their_budget),
        cmocka_unit_test(nothing_is_sent_while_an_answer_is_out),
        cmocka_unit_test(frames_leave_the_line_to_keys),
        cmocka_unit_test(finished_images_always_go),
        cmocka_unit_test(a_terminal_that_does_not_answer),
        cmocka_unit_test(one_bad_moment_is_forgotten),
        cmocka_unit_test(answers_that_nobody_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, clean_up);
}
