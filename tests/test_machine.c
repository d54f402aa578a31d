/*
 * The machine's state from made-up /proc and /sys trees: values, what is since the call before,
 * and files that are missing or nonsense. Then once from this machine.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/machine.h"
#include "tree.h"

static struct machine fresh(void)
{
    struct machine m = {0};
    machine_read_at(&m, root);
    return m;
}

static void nothing_there(void **state)
{
    (void)state;
    struct machine m = fresh();
    machine_read_at(&m, root);
    assert_true(isnan(m.load) && isnan(m.own_load) && isnan(m.watts) && isnan(m.celsius));
    assert_true(isnan(m.mhz));
    assert_int_equal(m.memory_total, 0);
    assert_int_equal(m.memory_free, 0);
    assert_int_equal(m.own_bytes, 0);
    assert_string_equal(m.name, "CPU");
    assert_true(m.cores > 0);
}

static const char *const own = "42 (a) b) c) R 1 1 1 0 -1 4194304 125 0 0 0 %d %d 0 0 20 0 1 0 2";

static void values_and_differences(void **state)
{
    (void)state;
    char text[200];
    tree_put("/proc/cpuinfo",
             "processor\t: 0\nmodel name\t: Some \033CPU 9\ncpu MHz\t\t: 2500.5\n");
    tree_put("/proc/stat", "cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 1 2 3 4\n");
    tree_put("/proc/meminfo", "MemTotal:       1000 kB\nMemFree: 5 kB\nMemAvailable:    600 kB\n"
                              "SwapTotal: 70 kB\nSwapFree: 60 kB\n");
    tree_put("/proc/self/status",
             "Name:\tspritty\nVmHWM:\t  99 kB\nRssAnon:\t 20 kB\nRssFile:\t 7 kB\n"
             "RssShmem:\t 1 kB\nVmSwap:\t 3 kB\n");
    tree_put("/proc/self/statm", "9000 3 2 1 0 4 0\n");
    snprintf(text, sizeof text, own, 5, 5);
    tree_put("/proc/self/stat", text);
    tree_put("/sys/class/powercap/intel-rapl:0/energy_uj", "1000000\n");
    tree_put("/sys/class/hwmon/hwmon0/name", "nvme\n");
    tree_put("/sys/class/hwmon/hwmon0/temp1_input", "99000\n");
    tree_put("/sys/class/hwmon/hwmon3/name", "k10temp\n");
    tree_put("/sys/class/hwmon/hwmon3/temp1_input", "45250\n");
    struct machine m = fresh();
    assert_string_equal(m.name, "Some ?CPU 9");
    assert_true(m.mhz == 2500.5 && m.celsius == 45.25);
    assert_int_equal(m.memory_total, 1000 << 10);
    assert_int_equal(m.memory_free, 600 << 10);
    assert_int_equal(m.swap_total, 70 << 10);
    assert_int_equal(m.swap_free, 60 << 10);
    assert_int_equal(m.own_peak, 99 << 10);
    assert_int_equal(m.own_anonymous, 20 << 10);
    assert_int_equal(m.own_mapped, 8 << 10);
    assert_int_equal(m.own_swapped, 3 << 10);
    assert_int_equal(m.own_bytes, 3 * sysconf(_SC_PAGESIZE));
    assert_true(isnan(m.load) && isnan(m.own_load) && isnan(m.watts)); /* since when? */

    tree_put("/proc/stat", "cpu  150 0 120 800 130 0 0 0 0 0\n"); /* 200 ticks, 70 of them busy */
    snprintf(text, sizeof text, own, 40, 20);
    tree_put("/proc/self/stat", text);
    tree_put("/sys/class/powercap/intel-rapl:0/energy_uj", "3000000\n");
    tree_put("/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "3000000\n");
    m.last.at_ms -= 1000;
    machine_read_at(&m, root);
    assert_float_equal(m.load, 0.35, 1e-6);
    assert_float_equal(m.own_load, 0.25, 1e-6);
    assert_true(m.watts > 0.1 && m.watts <= 2);
    assert_float_equal(m.mhz, 3000, 1e-6);

    tree_put("/sys/class/powercap/intel-rapl:0/energy_uj", "7\n"); /* the counter began anew */
    machine_read_at(&m, root);
    assert_true(isnan(m.watts));
    assert_true(isnan(m.load)); /* no tick has passed */
}

/* Whatever stands there: values are in range or not told. */
static void nonsense(void **state)
{
    (void)state;
    static const char *const files[] = {
        "/proc/cpuinfo",
        "/proc/stat",
        "/proc/meminfo",
        "/proc/self/status",
        "/proc/self/statm",
        "/proc/self/stat",
        "/sys/class/powercap/intel-rapl:0/energy_uj",
        "/sys/class/hwmon/hwmon3/name",
        "/sys/class/hwmon/hwmon3/temp1_input",
        "/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq",
    };
    static const char *const junk[] = {
        "",
        "\n",
        ")",
        "-1",
        "nan",
        "1e999",
        "cpu",
        "cpu -1 -1 -1 -1 -1 -1 -1 -1",
        "cpu 99999999999999999999999999 1 2 3",
        "MemTotal: 99999999999999999999999 kB\nMemAvailable: x",
        "18446744073709551615 18446744073709551615",
        "model name",
        "model name\t:",
        "1 (x) R 18446744073709551615 2 3 4 5 6 7 8 9 10 11 18446744073709551615 -7",
    };
    char long_text[9000];
    memset(long_text, '9', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    struct machine m = {0};
    for (size_t round = 0; round <= sizeof junk / sizeof *junk; round++) {
        for (size_t i = 0; i < sizeof files / sizeof *files; i++)
            tree_put(files[i], round ? junk[round - 1] : long_text);
        for (int again = 0; again < 2; again++) {
            machine_read_at(&m, root);
            assert_true(isnan(m.load) || (m.load >= 0 && m.load <= 1));
            assert_true(isnan(m.own_load) || (m.own_load >= 0 && m.own_load <= 1));
            assert_true(isnan(m.watts) || m.watts >= 0);
            assert_true(isnan(m.celsius) || (m.celsius > -100 && m.celsius < 200));
            assert_true(isnan(m.mhz) || m.mhz > 0);
        }
    }
}

static void this_machine(void **state)
{
    (void)state;
    struct machine m = {0};
    machine_read(&m);
    assert_true(m.memory_total >= m.memory_free && m.own_bytes > 0);
    for (volatile int i = 0; i < 50000000; i++)
        continue;
    machine_read(&m);
    print_message("%s, %d cores, %.0f MHz, load %.2f, own %.2f, %.1f C, %.1f W\n", m.name, m.cores,
                  m.mhz, m.load, m.own_load, m.celsius, m.watts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_there),
        cmocka_unit_test(values_and_differences),
        cmocka_unit_test(nonsense),
        cmocka_unit_test(this_machine),
    };
    return cmocka_run_group_tests(tests, tree_make, tree_drop);
}
