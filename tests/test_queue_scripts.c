/* The server's scripts, called by hand: who may deliver, how often is tried, what a full one does.
 */
/* Under the thread sanitizer: a connection that threads share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "queue_help.h"

/* Whoever was too slow delivers nothing, and the same words twice store nothing twice. */
static void one_of_two_delivers(void **state)
{
    (void)state;
    submit("10", "queued");
    submit("10", "known");
    assert_int_equal(redis_number(SAY(eye, "XLEN", stream())), 1);
    const char *a = take(SCRIPT_NEXT, "ann", "0");
    assert_string_not_equal(a, "");
    assert_string_equal(take(SCRIPT_NEXT, "bob", "0"), "");
    assert_string_equal(take(SCRIPT_CLAIM, "bob", "600000"), ""); /* it is renewed */
    usleep(20000);
    const char *b = take(SCRIPT_CLAIM, "bob", "10");
    assert_string_equal(a, b);
    struct reply *r = SCRIPT(SCRIPT_TOUCH, 2, stream(), KEY_JOB, PREFIX, "ann", a);
    assert_int_equal(reply_number(reply_at(r, 0)), 0);
    reply_free(r);
    assert_string_equal(deliver("ann", a), "lost");
    assert_int_equal(redis_number(SAY(eye, "EXISTS", KEY_RESULT)), 0);
    assert_string_equal(deliver("bob", b), "stored");
    assert_string_equal(deliver("bob", b), "stored"); /* the answer was not heard */
    assert_string_equal(deliver("ann", a), "lost");
    expect(SAY(eye, "HGET", KEY_RESULT, "worker"), "bob");
    assert_int_equal(redis_number(SAY(eye, "XLEN", KEY_EVENTS)), 1);
    assert_int_equal(redis_number(SAY(eye, "XLEN", stream())), 0);
    expect(SCRIPT(SCRIPT_FAIL, 2, stream(), KEY_JOB, PREFIX, "ann", a, ID, "failed", "x", "1"),
           "lost");
    submit("10", "known"); /* done, and not yet fetched */
}

/* Cancelled while a worker is at it, and sent again before that one has stopped: it is made anew,
 * and the first one's end is not the second one's. */
static void sent_again_after_a_cancel(void **state)
{
    (void)state;
    submit("10", "queued");
    const char *a = take(SCRIPT_NEXT, "ann", "0");
    expect(SCRIPT(SCRIPT_CANCEL, 1, KEY_JOB, PREFIX, ID), "queued");
    submit("10", "queued");
    expect(SCRIPT(SCRIPT_FAIL, 2, stream(), KEY_JOB, PREFIX, "ann", a, ID, "cancelled", "", "0"),
           "lost");
    expect(SAY(eye, "HGET", KEY_JOB, "state"), "queued");
    assert_int_equal(redis_number(SAY(eye, "XLEN", stream())), 1);
    const char *b = take(SCRIPT_NEXT, "bob", "0");
    assert_string_not_equal(b, "");
    assert_string_equal(deliver("ann", a), "lost");
    assert_string_equal(deliver("bob", b), "stored");
}

static void untouched_for(const char *who, const char *msg, const char *ms)
{
    reply_free(SAY(eye, "XCLAIM", stream(), QUEUE_GROUP, who, "0", msg, "IDLE", ms, "JUSTID"));
}

/* What is on its way to a worker is held; what it left to others is not. */
static void held(void **state)
{
    (void)state;
    submit("10", "queued");
    const char *msg = take(SCRIPT_NEXT, "a", "0");
    untouched_for("a", msg, "60000");
    expect(SCRIPT(SCRIPT_HOLD, 1, stream(), PREFIX, "b", "90000"), "OK"); /* it is not b's */
    expect(SCRIPT(SCRIPT_HOLD, 2, stream(), "{spritty}:none", PREFIX, "a", "90000"), "OK");
    assert_string_equal(take(SCRIPT_CLAIM, "b", "50000"), "");
    untouched_for("a", msg, "60000");
    expect(SCRIPT(SCRIPT_HOLD, 1, stream(), PREFIX, "a", "30000"), "OK"); /* it was left */
    assert_string_equal(take(SCRIPT_CLAIM, "b", "50000"), msg);
}

/* However many older jobs are under way, one whose worker is gone is found behind them. */
static void claimed_behind_many(void **state)
{
    (void)state;
    const char *msg = "";
    for (int i = 0; i < 25; i++) {
        char id[8], key[40];
        snprintf(id, sizeof id, "j%d", i);
        snprintf(key, sizeof key, PREFIX "job:%s", id);
        reply_free(SCRIPT(SCRIPT_SUBMIT, 2, stream(), key, PREFIX, id, KEY_EVENTS, "99", "id", id));
        msg = take(SCRIPT_NEXT, "ann", "0");
    }
    untouched_for("ann", msg, "90000");
    assert_string_equal(take(SCRIPT_CLAIM, "bob", "60000"), msg);
}

/* What three took and none brought back is given up, with its reason; a released one is not. */
static void tries_have_an_end(void **state)
{
    (void)state;
    submit("10", "queued");
    const char *msg = take(SCRIPT_NEXT, "a", "0");
    expect(SCRIPT(SCRIPT_RELEASE, 2, stream(), KEY_JOB, PREFIX, "a", msg), "stored");
    msg = take(SCRIPT_NEXT, "a", "0");
    assert_string_not_equal(msg, "");
    usleep(20000);
    assert_string_equal(take(SCRIPT_CLAIM, "b", "10"), msg);
    usleep(20000);
    assert_string_equal(take(SCRIPT_CLAIM, "c", "10"), msg);
    usleep(20000);
    assert_string_equal(take(SCRIPT_CLAIM, "d", "10"), "");
    expect(SAY(eye, "HGET", KEY_JOB, "state"), "failed");
    struct reply *r = SAY(eye, "XRANGE", "{spritty}:dead", "-", "+");
    const struct reply *fields = reply_at(reply_at(r, 0), 1);
    assert_true(reply_is(reply_at(fields, 1), "given up: 3 workers took it, and none came back "
                                              "with a result"));
    reply_free(r);
    assert_int_equal(redis_number(SAY(eye, "XLEN", stream())), 0);
    submit("10", "queued"); /* sent again it is tried again */
}

/* A stream with as much in it as may wait, and a server without memory: refused, nothing done. */
static void full(void **state)
{
    (void)state;
    submit("1", "queued");
    struct reply *r = SCRIPT(SCRIPT_SUBMIT, 2, stream(), "{spritty}:job:x", PREFIX, "x", KEY_EVENTS,
                             "1", "v", "1");
    assert_true(reply_is(reply_at(r, 0), "full"));
    assert_int_equal(reply_number(reply_at(r, 1)), 1);
    reply_free(r);
    reply_free(SAY(eye, "CONFIG", "SET", "maxmemory", "1"));
    const char *submitting[] = {stream(), "{spritty}:job:y", PREFIX, "y", KEY_EVENTS, "9", "v",
                                "1"};
    script(SCRIPT_SUBMIT, 2, 8, submitting, LINK_FULL);
    const char *msg = take(SCRIPT_NEXT, "ann", "0"); /* taking needs no memory */
    assert_string_not_equal(msg, "");
    const char *delivering[] = {stream(), KEY_JOB, KEY_RESULT, PREFIX, "ann", msg, ID, "v", "1"};
    script(SCRIPT_DELIVER, 3, 9, delivering, LINK_FULL);
    assert_int_equal(redis_number(SAY(eye, "EXISTS", KEY_RESULT)), 0);
    r = SCRIPT(SCRIPT_TOUCH, 2, stream(), KEY_JOB, PREFIX, "ann", msg);
    assert_int_equal(reply_number(reply_at(r, 0)), 1);
    reply_free(r);
    reply_free(SAY(eye, "CONFIG", "SET", "maxmemory", "0"));
    assert_int_equal(redis_number(SAY(eye, "EXISTS", "{spritty}:job:y")), 0);
    assert_string_equal(deliver("ann", msg), "stored");
}

int main(int argc, char **argv)
{
    if (!redis_program()) {
        print_message("skipped: there is no redis-server here (Debian: redis-tools)\n");
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_of_two_delivers, begin, end),
        cmocka_unit_test_setup_teardown(sent_again_after_a_cancel, begin, end),
        cmocka_unit_test_setup_teardown(held, begin, end),
        cmocka_unit_test_setup_teardown(claimed_behind_many, begin, end),
        cmocka_unit_test_setup_teardown(tries_have_an_end, begin, end),
        cmocka_unit_test_setup_teardown(full, begin, end),
    };
    if (argc > 1) /* one of them, or a pattern */
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
