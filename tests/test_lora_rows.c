/* The LoRA picker's rows: from names and the setting, and back to the setting's text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "ui/lora_rows.h"

static const char *const names[] = {"a", "folder/b", "c, with a comma", "d"};

static void to_text(const struct lora_rows *rows, const char *want)
{
    char *text = lora_rows_text(rows);
    assert_non_null(text);
    assert_string_equal(text, want);
    free(text);
}

static void used_ones_come_first(void **state)
{
    (void)state;
    struct lora_rows rows;
    struct err e = {""};
    assert_int_equal(lora_rows_make(&rows, names, 4, "d:0.5, gone:te=0:unet=1", &e), 0);
    assert_int_equal(rows.count, 5);
    assert_string_equal(rows.at[0].name, "d");
    assert_true(rows.at[0].used && rows.at[1].used && !rows.at[2].used);
    assert_string_equal(rows.at[2].name, "a");
    to_text(&rows, "d:0.5, gone:te=0:unet=1");
    lora_row_step(&rows.at[4], 1, false); /* taken at full strength first */
    lora_row_step(&rows.at[4], -1, false);
    lora_row_step(&rows.at[0], 1, true);
    rows.at[1].used = false;
    to_text(&rows, "d:te=0.55:unet=0.5, \"c, with a comma\":0.95");
    /* What is written is read again as the same. */
    char *text = lora_rows_text(&rows);
    struct lora_rows again;
    assert_int_equal(lora_rows_make(&again, names, 4, text, &e), 0);
    to_text(&again, text);
    free(text);
    lora_rows_free(&again);
    lora_rows_free(&rows);
    assert_int_equal(lora_rows_make(&rows, names, 4, "", &e), 0);
    assert_int_equal(rows.count, 4);
    to_text(&rows, "");
    for (int i = 0; i < 300; i++)
        lora_row_step(&rows.at[0], -1, false);
    to_text(&rows, "a:-4");
    lora_rows_free(&rows);
}

static void a_broken_setting_is_told(void **state)
{
    (void)state;
    struct lora_rows rows;
    struct err e = {""};
    assert_int_equal(lora_rows_make(&rows, names, 4, "\"a, b:1", &e), -1);
    assert_true(*e.text);
    lora_rows_free(&rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(used_ones_come_first),
        cmocka_unit_test(a_broken_setting_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
