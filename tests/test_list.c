/* Lists: which rows are seen, and what a scroll bar says about it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ui/list.h"

static void the_chosen_row_is_seen(void **state)
{
    (void)state;
    for (int count = 0; count < 30; count++)
        for (int rows = 1; rows < 12; rows++)
            for (int row = 0, top = 0; row < count; row++) {
                top = list_top(top, row, rows, count);
                assert_true(top >= 0 && top <= row && row < top + rows);
            }
}

/* Nothing where all is seen; at an end of the bar only at an end of the list, where the bar has
 * room to say so; never backwards. */
static void thumbs_tell_the_ends(void **state)
{
    (void)state;
    int from, length;
    for (int rows = 0; rows < 20; rows++)
        for (int count = 0; count < 400; count++) {
            int hidden = count - rows, before = 0;
            list_thumb(0, rows, count, &from, &length);
            assert_true((length > 0) == (rows > 0 && hidden > 0));
            for (int top = 0; length > 0 && top <= hidden; top++) {
                list_thumb(top, rows, count, &from, &length);
                assert_true(from >= before && length >= 1 && from + length <= rows);
                if (rows - length > 1) {
                    assert_int_equal(from == 0, top == 0);
                    assert_int_equal(from + length == rows, top == hidden);
                }
                before = from;
            }
        }
}

static void steps_stay_inside(void **state)
{
    (void)state;
    int row = 3;
    assert_true(list_step(ACT_PAGE_DOWN, 5, 6, &row));
    assert_int_equal(row, 6);
    assert_true(list_step(ACT_PAGE_UP, 50, 6, &row));
    assert_int_equal(row, 0);
    assert_true(list_step(ACT_LAST, 5, -1, &row)); /* an empty list */
    assert_int_equal(row, 0);
    assert_false(list_step(ACT_RUN, 5, 6, &row));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_chosen_row_is_seen),
        cmocka_unit_test(thumbs_tell_the_ends),
        cmocka_unit_test(steps_stay_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
