/*
 * The GPU's meters against a stand-in for the driver's library (tests/fake_nvml): what it tells is
 * told, what it does not is unknown and no zero, and each way to fail has its reason. Where
 * NVIDIA's nvml.h is, our declarations are compared with it when this file is compiled.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/gpu_meters.h"
#include "engine/nvml_abi.h"

#if __has_include(<nvml.h>)
#include <nvml.h>

#define SAME(a, b)  _Static_assert((long)(a) == (long)(b), #a " is not " #b)
#define IS(type, f) _Static_assert(_Generic(&(f), type : 1, default : 0), #f " has another type")
SAME(NVML_OK, NVML_SUCCESS);
SAME(NVML_NOT_SUPPORTED, NVML_ERROR_NOT_SUPPORTED);
SAME(NVML_LOST, NVML_ERROR_GPU_IS_LOST);
SAME(NVML_SENSOR_GPU, NVML_TEMPERATURE_GPU);
SAME(NVML_CLOCK_OF_SM, NVML_CLOCK_SM);
SAME(NVML_NAME_SIZE, NVML_DEVICE_NAME_V2_BUFFER_SIZE);
SAME(NVML_DRIVER_SIZE, NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE);
SAME(sizeof(struct nvml_memory), sizeof(nvmlMemory_t));
SAME(offsetof(struct nvml_memory, total), offsetof(nvmlMemory_t, total));
SAME(offsetof(struct nvml_memory, free), offsetof(nvmlMemory_t, free));
SAME(offsetof(struct nvml_memory, used), offsetof(nvmlMemory_t, used));
SAME(sizeof(struct nvml_utilization), sizeof(nvmlUtilization_t));
SAME(offsetof(struct nvml_utilization, gpu), offsetof(nvmlUtilization_t, gpu));
SAME(offsetof(struct nvml_utilization, memory), offsetof(nvmlUtilization_t, memory));
SAME(sizeof(nvml_device), sizeof(nvmlDevice_t));
SAME(sizeof(int), sizeof(nvmlReturn_t));
SAME(sizeof(int), sizeof(nvmlTemperatureSensors_t));
SAME(sizeof(int), sizeof(nvmlClockType_t));
IS(nvmlReturn_t (*)(nvmlDevice_t, char *, unsigned), nvmlDeviceGetName);
IS(nvmlReturn_t (*)(char *, unsigned), nvmlSystemGetDriverVersion);
IS(nvmlReturn_t (*)(unsigned, nvmlDevice_t *), nvmlDeviceGetHandleByIndex_v2);
IS(nvmlReturn_t (*)(const char *, nvmlDevice_t *), nvmlDeviceGetHandleByUUID);
IS(nvmlReturn_t (*)(nvmlDevice_t, int *, int *), nvmlDeviceGetCudaComputeCapability);
IS(nvmlReturn_t (*)(nvmlDevice_t, nvmlMemory_t *), nvmlDeviceGetMemoryInfo);
IS(nvmlReturn_t (*)(nvmlDevice_t, nvmlUtilization_t *), nvmlDeviceGetUtilizationRates);
IS(nvmlReturn_t (*)(nvmlDevice_t, unsigned *), nvmlDeviceGetPowerUsage);
IS(nvmlReturn_t (*)(nvmlDevice_t, unsigned *), nvmlDeviceGetEnforcedPowerLimit);
IS(nvmlReturn_t (*)(nvmlDevice_t, nvmlTemperatureSensors_t, unsigned *), nvmlDeviceGetTemperature);
IS(nvmlReturn_t (*)(nvmlDevice_t, nvmlClockType_t, unsigned *), nvmlDeviceGetClockInfo);
IS(const char *(*)(nvmlReturn_t), nvmlErrorString);
#endif

enum { ALL = (GPU_CAPABILITY << 1) - 1 };

static struct gpu_meters g;
static struct err e;

static int read_as(const char *library, const char *mode)
{
    gpu_meters_close();
    setenv("SPRITTY_NVML", library, 1);
    setenv("FAKE_NVML", mode, 1);
    return gpu_meters_read(&g, &e);
}

static void test_good(void **state)
{
    (void)state;
    if (read_as(FAKE_NVML, "good") != 0)
        fail_msg("%s", e.text);
    assert_int_equal(g.known, ALL);
    assert_string_equal(g.name, "Fake 0?[31m");
    assert_string_equal(g.driver, "580.95.05");
    assert_int_equal(g.major * 10 + g.minor, 90);
    assert_true(g.memory_used == 20ULL << 30 && g.memory_total == 150ULL << 30);
    assert_false(g.shares_memory);
    assert_true(g.load == 0.63 && g.watts == 512.5 && g.watts_limit == 700);
    assert_true(g.celsius == 61 && g.mhz == 1980);
}

static void test_which(void **state)
{
    (void)state;
    setenv("CUDA_VISIBLE_DEVICES", "1,0", 1);
    assert_int_equal(read_as(FAKE_NVML, "good"), 0);
    assert_memory_equal(g.name, "Fake 1", 6);
    setenv("CUDA_VISIBLE_DEVICES", "GPU-second", 1);
    assert_int_equal(read_as(FAKE_NVML, "good"), 0);
    assert_memory_equal(g.name, "Fake 1", 6);
    static const char *const none[] = {"", "-1", "7", "GPU-third", "MIG-x", "1x"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        setenv("CUDA_VISIBLE_DEVICES", none[i], 1);
        assert_int_equal(read_as(FAKE_NVML, "good"), -1);
    }
    unsetenv("CUDA_VISIBLE_DEVICES");
}

/* GB10: the memory is the machine's. */
static void test_shared(void **state)
{
    (void)state;
    assert_int_equal(read_as(FAKE_NVML, "shared"), 0);
    assert_int_equal(g.known, ALL);
    assert_true(g.shares_memory);
    double machine = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    print_message("%.3f of the machine's memory\n", (double)g.memory_total / machine);
    assert_true((double)g.memory_total > 0.9 * machine && g.memory_used < g.memory_total);
}

static void test_mute(void **state)
{
    (void)state;
    assert_int_equal(read_as(FAKE_NVML, "mute"), 0);
    assert_int_equal(g.known & ~GPU_MEMORY, 0);
}

static void test_failures(void **state)
{
    (void)state;
    assert_int_equal(read_as("/nowhere/libnvidia-ml.so.1", "good"), -1);
    assert_non_null(strstr(e.text, "no NVML"));
    assert_non_null(strstr(e.text, "/nowhere/libnvidia-ml.so.1"));
    assert_int_equal(read_as("libm.so.6", "good"), -1);
    assert_non_null(strstr(e.text, "lacks functions"));
    assert_int_equal(read_as(FAKE_NVML, "init"), -1);
    assert_non_null(strstr(e.text, "Driver Not Loaded"));
}

/* Falls off the bus between two readings: said, and NVML is opened anew by the next. */
static void test_lost(void **state)
{
    (void)state;
    assert_int_equal(read_as(FAKE_NVML, "lost"), 0);
    assert_int_equal(gpu_meters_read(&g, &e), -1);
    assert_non_null(strstr(e.text, "does not answer any more: GPU is lost"));
    assert_int_equal(gpu_meters_read(&g, &e), 0);
}

/* By the thread: first nothing, then a reading, then the loss, with the last reading kept. */
static void test_watch(void **state)
{
    (void)state;
    enum gpu_watch w = GPU_NONE;
    gpu_meters_close();
    setenv("FAKE_NVML", "lost", 1);
    for (int i = 0; i < 12000 && (w = gpu_meters_latest(&g)) == GPU_NONE; i++)
        usleep(10000);
    assert_int_equal(w, GPU_READ);
    assert_int_equal(g.known, ALL);
    for (int i = 0; i < 12000 && (w = gpu_meters_latest(&g)) == GPU_READ; i++)
        usleep(10000);
    assert_int_equal(w, GPU_GONE);
    assert_memory_equal(g.name, "Fake 0", 6);
}

int main(void)
{
    unsetenv("CUDA_VISIBLE_DEVICES");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),     cmocka_unit_test(test_which),
        cmocka_unit_test(test_shared),   cmocka_unit_test(test_mute),
        cmocka_unit_test(test_failures), cmocka_unit_test(test_lost),
        cmocka_unit_test(test_watch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
