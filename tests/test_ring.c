/*
 * The ring between two threads: nothing is lost, doubled or reordered, a full one refuses, and a
 * reader that sleeps on the descriptor is always woken.
 */
/* Under the thread sanitizer: two threads at each ring. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "engine/ring.h"

static struct ring *fresh(unsigned capacity)
{
    struct err e = {""};
    struct ring *r = ring_new(capacity, &e);
    if (!r)
        fail_msg("%s", e.text);
    return r;
}

/* Items are numbers from 1 on, dressed up as pointers. */
static void *item(uintptr_t n)
{
    return (void *)n;
}

static bool readable(const struct ring *r)
{
    struct pollfd p = {.fd = ring_fd(r), .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

static void full_and_empty(void **state)
{
    (void)state;
    struct ring *r = fresh(4);
    assert_null(ring_pop(r));
    assert_int_equal(ring_room(r), 4);
    for (uintptr_t i = 1; i <= 4; i++) {
        assert_true(ring_push(r, item(i)));
        assert_int_equal(ring_room(r), 4 - i);
    }
    assert_false(ring_push(r, item(5)));
    assert_ptr_equal(ring_pop(r), item(1));
    assert_true(ring_push(r, item(5)));
    assert_false(ring_push(r, item(6)));
    for (uintptr_t i = 2; i <= 5; i++)
        assert_ptr_equal(ring_pop(r), item(i));
    assert_null(ring_pop(r));
    ring_free(r, NULL);
}

/* A ring of one is full and empty in turn; the counters pass zero after two items. */
static void counters_wrap(void **state)
{
    (void)state;
    for (unsigned capacity = 1; capacity <= 8; capacity *= 2) {
        struct ring *r = fresh(capacity);
        uintptr_t in = 0, out = 0;
        for (int round = 0; round < 5; round++) {
            while (ring_push(r, item(in + 1)))
                in++;
            assert_int_equal(in - out, capacity);
            assert_int_equal(ring_room(r), 0);
            for (void *got; (got = ring_pop(r)); out++)
                assert_ptr_equal(got, item(out + 1));
            assert_int_equal(in, out);
        }
        ring_free(r, NULL);
    }
}

static void count_drop(void *p)
{
    int *counter = p;
    (*counter)++;
}

static void what_is_left_is_dropped(void **state)
{
    (void)state;
    int counter = 0;
    struct ring *r = fresh(8);
    for (int i = 0; i < 5; i++)
        ring_push(r, &counter);
    ring_pop(r);
    ring_free(r, count_drop);
    assert_int_equal(counter, 4);
    ring_free(NULL, count_drop);
}

static void the_descriptor_tells(void **state)
{
    (void)state;
    struct ring *r = fresh(8);
    assert_false(readable(r));
    ring_push(r, item(1));
    ring_push(r, item(2));
    assert_true(readable(r));
    ring_clear(r);
    assert_false(readable(r)); /* what was not popped does not tell again */
    ring_push(r, item(3));
    assert_true(readable(r));
    ring_clear(r);
    for (uintptr_t i = 1; i <= 3; i++)
        assert_ptr_equal(ring_pop(r), item(i));
    ring_wait(r, 0);
    ring_wait(r, 1);
    ring_push(r, item(4));
    ring_wait(r, -1); /* returns: there is something */
    assert_ptr_equal(ring_pop(r), item(4));
    ring_free(r, NULL);
}

/* ---- two threads ---- */

struct race {
    struct ring *ring;
    uintptr_t count;
    unsigned yields; /* how often a side gives way: once in so many items; 0: never */
    int refused;
    bool sleeps;       /* the reader sleeps on the descriptor instead of asking again and again */
    struct ring *back; /* an answer is awaited after each item */
};

static uint32_t random_number(uint32_t *x)
{
    *x = *x * 1664525 + 1013904223;
    return *x >> 8;
}

static void *produce(void *user)
{
    struct race *race = user;
    uint32_t x = 1;
    for (uintptr_t i = 1; i <= race->count; i++) {
        while (!ring_push(race->ring, item(i))) {
            race->refused++;
            sched_yield();
        }
        if (race->yields && random_number(&x) % race->yields == 0)
            sched_yield();
        while (race->back && !ring_pop(race->back))
            ring_wait(race->back, -1);
    }
    return NULL;
}

/* Returns how many items were not the next one. */
static int consume(struct race *race)
{
    int wrong = 0;
    uint32_t x = 7;
    for (uintptr_t next = 1; next <= race->count;) {
        void *got = ring_pop(race->ring);
        if (got) {
            wrong += got != item(next++);
            if (race->back)
                ring_push(race->back, got);
        } else if (race->sleeps) {
            ring_wait(race->ring, -1);
        } else {
            sched_yield();
        }
        if (race->yields && random_number(&x) % race->yields == 0)
            sched_yield();
    }
    return wrong;
}

static void run_race(struct race *race)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, produce, race), 0);
    int wrong = consume(race);
    pthread_join(thread, NULL);
    assert_int_equal(wrong, 0);
    assert_null(ring_pop(race->ring));
    ring_free(race->ring, NULL);
    ring_free(race->back, NULL);
}

static uintptr_t items(uintptr_t count)
{
    return getenv("SPRITTY_QUICK") ? count / 10 : count;
}

static void nothing_is_lost(void **state)
{
    (void)state;
    for (unsigned capacity = 8; capacity <= 1024; capacity *= 128) {
        struct race race = {.ring = fresh(capacity), .count = items(2000000), .yields = 1000};
        run_race(&race);
        print_message("ring of %u: refused %d times\n", capacity, race.refused);
    }
}

/* A missed wake-up would hang here: the reader has no time limit. */
static void a_sleeper_is_woken(void **state)
{
    (void)state;
    for (unsigned capacity = 1; capacity <= 1024; capacity *= 32) {
        struct race race = {
            .ring = fresh(capacity), .count = items(50000), .yields = 20, .sleeps = true};
        run_race(&race);
    }
}

/* Ping-pong: each side sleeps until the other one has answered, so no later push can make up for
 * a wake-up that was missed. */
static void each_push_wakes(void **state)
{
    (void)state;
    struct race race = {.ring = fresh(1), .back = fresh(1), .count = items(20000), .sleeps = true};
    run_race(&race);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_and_empty),          cmocka_unit_test(counters_wrap),
        cmocka_unit_test(what_is_left_is_dropped), cmocka_unit_test(the_descriptor_tells),
        cmocka_unit_test(nothing_is_lost),         cmocka_unit_test(a_sleeper_is_woken),
        cmocka_unit_test(each_push_wakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
