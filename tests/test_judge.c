/* The background's colour told by bins is what it is colour by colour (src/sprite/judge.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sprite/judge.h"

static const struct {
    uint8_t rgb[3];
    float limit;
} grounds[] = {
    {{240, 240, 240}, 0.03f}, {{255, 255, 255}, 0.08f}, {{0, 0, 0}, 0.05f},
    {{40, 120, 200}, 0.06f},  {{200, 30, 90}, 0.2f},    {{8, 60, 9}, 0.03f},
};

enum { GROUNDS = sizeof grounds / sizeof *grounds };

/* All greens and blues of a red. */
static size_t differ_in(const struct judge *by_bins, const struct judge *each, int red)
{
    uint8_t row[256 * 4];
    size_t wrong = 0;
    for (int g = 0; g < 256; g++) {
        uint64_t ground[2][4], pales[2][4];
        for (int b = 0; b < 256; b++)
            memcpy(row + 4 * b, (const uint8_t[]){(uint8_t)red, (uint8_t)g, (uint8_t)b, 255}, 4);
        judge_row(by_bins, row, 256, ground[0], pales[0]);
        judge_row(each, row, 256, ground[1], pales[1]);
        wrong += memcmp(ground[0], ground[1], sizeof *ground) != 0;
        wrong += memcmp(pales[0], pales[1], sizeof *pales) != 0;
    }
    return wrong;
}

/* Of every kind of ground, a part of all colours: JUDGE_STEP=1 looks at each. */
static void test_bins(void **state)
{
    (void)state;
    const char *said = getenv("JUDGE_STEP");
    int step = said ? atoi(said) : getenv("SPRITTY_QUICK") ? 97 : 13;
    static struct judge by_bins, each;
    for (int i = 0; i < GROUNDS; i++) {
        float limit = grounds[i].limit * grounds[i].limit, pale = 0.16f * 0.16f;
        struct oklab c = oklab_squeeze_dark(oklab_from_srgb(grounds[i].rgb));
        pale = pale > limit ? pale : limit;
        judge_init(&by_bins, c, grounds[i].rgb, limit, pale, true);
        judge_init(&each, c, grounds[i].rgb, limit, pale, false);
        size_t known = 0;
        for (size_t k = 0; k < sizeof by_bins.kind; k++)
            known += by_bins.kind[k] < 3;
        print_message("%d: %.1f%% of the bins are known\n", i,
                      100.0 * (double)known / (double)sizeof by_bins.kind);
        assert_true(known > sizeof by_bins.kind * 9 / 10);
        for (int red = i; red < 256; red += step)
            assert_int_equal(differ_in(&by_bins, &each, red), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bins)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
