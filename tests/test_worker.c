/* The small-work thread: order, wake-up, what is left over. */
/* Under the thread sanitizer: the thread for small work. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <stdlib.h>

#include "base/worker.h"

struct piece {
    struct work work; /* first */
    int number, result;
};

static void triple(struct work *w)
{
    struct piece *p = (struct piece *)w;
    p->result = 3 * p->number;
}

static int dropped;

static void drop(struct work *w)
{
    dropped++;
    free(w);
}

static void give(struct worker *wk, int number)
{
    struct piece *p = calloc(1, sizeof *p);
    assert_non_null(p);
    *p = (struct piece){.work = {.run = triple}, .number = number};
    worker_give(wk, &p->work);
}

static void all_come_back_in_order(void **state)
{
    (void)state;
    enum { PIECES = 2000 };
    struct err e = {""};
    struct worker *wk = worker_new(5, &e);
    assert_non_null(wk);
    struct pollfd fd = {.fd = worker_fd(wk), .events = POLLIN};
    assert_int_equal(poll(&fd, 1, 0), 0);
    int given = 0, taken = 0;
    while (taken < PIECES) {
        for (int i = 0; i < 7 && given < PIECES; i++)
            give(wk, given++);
        if (given == PIECES)
            assert_int_equal(poll(&fd, 1, 120000), 1);
        for (struct work *w; (w = worker_take(wk)); free(w)) {
            assert_int_equal(((struct piece *)w)->result, 3 * taken);
            taken++;
        }
    }
    assert_int_equal(poll(&fd, 1, 0), 0); /* cleared */
    worker_free(wk, drop);
    assert_int_equal(dropped, 0);
}

static void what_is_left_is_dropped(void **state)
{
    (void)state;
    struct err e = {""};
    struct worker *wk = worker_new(0, &e);
    assert_non_null(wk);
    dropped = 0;
    for (int i = 0; i < 100; i++)
        give(wk, i);
    worker_free(wk, drop);
    assert_int_equal(dropped, 100);
    worker_free(NULL, drop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_come_back_in_order),
        cmocka_unit_test(what_is_left_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
