/* Finishing beside the terminal: the last question is answered, whoever asks or leaves when. */
/* Not under qemu: whole sprites, many minutes, and time limits that an emulator does not keep. */
/* Under the thread sanitizer: finishing beside the terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include "engine/finisher.h"

static struct finisher *start(int side)
{
    struct err e;
    struct finisher *f = finisher_new(&e);
    assert_non_null(f);
    struct image *m = image_new(side, side);
    for (int i = 0; i < side * side; i++)
        memcpy(m->rgba + 4 * i, (uint8_t[]){(uint8_t)(i * 7), (uint8_t)(i / 3), 90, 255}, 4);
    assert_int_equal(finisher_picture(f, m, 4, NULL), 0);
    image_free(m); /* it was copied */
    return f;
}

/* Every answer that comes while `question` is open; its own is the last. */
static void wait_for(struct finisher *f, uint64_t question, int side)
{
    struct finished got = {0};
    for (int i = 0; got.question != question && i < 120000; i++) {
        if (!finisher_take(f, &got)) {
            usleep(1000);
            continue;
        }
        assert_true(got.question <= question);
        assert_non_null(got.after);
        assert_non_null(got.before);
        assert_int_equal(got.before->width, side);
        image_free(got.after);
        image_free(got.before);
    }
    assert_true(got.question == question);
    assert_false(finisher_busy(f));
}

static void the_last_question_is_answered(void **state)
{
    (void)state;
    struct finisher *f = start(64);
    struct settings s = {0};
    struct err e;
    assert_int_equal(settings_set(&s, "cell", "4", &e), 0);
    for (int round = 0; round < 20; round++) {
        uint64_t last = 0;
        for (int i = 0; i < 10; i++) {
            uint64_t q = finisher_ask(f, &s, i % 2 ? "colors" : NULL);
            assert_true(q > last);
            last = q;
        }
        assert_true(finisher_busy(f));
        wait_for(f, last, 16);
    }
    finisher_free(f);
    settings_free(&s);
}

static void leaving_waits_for_what_runs(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct settings s = {0};
        struct finisher *f = start(128);
        assert_true(finisher_ask(f, &s, NULL) > 0);
        if (i % 2)
            usleep((unsigned)i * 300);
        finisher_free(f);
    }
    finisher_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_question_is_answered),
        cmocka_unit_test(leaving_waits_for_what_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
