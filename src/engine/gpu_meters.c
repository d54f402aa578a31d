/*
 * The GPU's meters; see gpu_meters.h.
 *
 * Only what NVML must have is asked for by force: init, shutdown and a device. Any other function
 * may be missing or say no; then its value is unknown. A GPU that is lost ends the reading.
 */
#include "engine/gpu_meters.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/machine.h"
#include "engine/nvml_abi.h"
#include "ops/cuda.h"

enum { BETWEEN_MS = 500 };

struct nvml {
    void *library;
    int (*init)(void);
    int (*shutdown)(void);
    int (*by_index)(unsigned, nvml_device *);
    int (*by_uuid)(const char *, nvml_device *);
    const char *(*error)(int);
    int (*driver)(char *, unsigned size);
    int (*name)(nvml_device, char *, unsigned size);
    int (*capability)(nvml_device, int *major, int *minor);
    int (*memory)(nvml_device, struct nvml_memory *);
    int (*utilization)(nvml_device, struct nvml_utilization *);
    int (*power)(nvml_device, unsigned *milliwatts);
    int (*power_limit)(nvml_device, unsigned *milliwatts);
    int (*temperature)(nvml_device, int sensor, unsigned *celsius);
    int (*clock)(nvml_device, int which, unsigned *mhz);
    nvml_device device;
};

static pthread_mutex_t reading = PTHREAD_MUTEX_INITIALIZER;
static struct nvml nvml; /* under `reading`; library NULL: not open */

/* ---- opening ---- */

/* A symbol as a pointer to a function, which C has no cast for; NULL when it is not there. */
static void find(void *function, const char *symbol)
{
    void *address = dlsym(nvml.library, symbol);
    memcpy(function, &address, sizeof address);
}

static const char *words(int code)
{
    const char *text = nvml.error ? nvml.error(code) : NULL;
    return text ? text : "an error without a name";
}

static void find_all(void)
{
    find(&nvml.init, "nvmlInit_v2");
    find(&nvml.shutdown, "nvmlShutdown");
    find(&nvml.by_index, "nvmlDeviceGetHandleByIndex_v2");
    find(&nvml.by_uuid, "nvmlDeviceGetHandleByUUID");
    find(&nvml.error, "nvmlErrorString");
    find(&nvml.driver, "nvmlSystemGetDriverVersion");
    find(&nvml.name, "nvmlDeviceGetName");
    find(&nvml.capability, "nvmlDeviceGetCudaComputeCapability");
    find(&nvml.memory, "nvmlDeviceGetMemoryInfo");
    find(&nvml.utilization, "nvmlDeviceGetUtilizationRates");
    find(&nvml.power, "nvmlDeviceGetPowerUsage");
    find(&nvml.power_limit, "nvmlDeviceGetEnforcedPowerLimit");
    find(&nvml.temperature, "nvmlDeviceGetTemperature");
    find(&nvml.clock, "nvmlDeviceGetClockInfo");
}

static int find_device(struct err *e)
{
    const char *seen = getenv("CUDA_VISIBLE_DEVICES");
    char first[128] = "0", *end;
    if (seen)
        snprintf(first, sizeof first, "%.*s", (int)strcspn(seen, ","), seen);
    long index = strtol(first, &end, 10);
    int code;
    if (!strncmp(first, "GPU-", 4) && nvml.by_uuid)
        code = nvml.by_uuid(first, &nvml.device);
    else if (end > first && *end == '\0' && index >= 0 && index < 1 << 16)
        code = nvml.by_index((unsigned)index, &nvml.device);
    else
        return err_set(
            e, "CUDA_VISIBLE_DEVICES=%.100s: names no GPU that NVML could be asked about", seen);
    return code ? err_set(e, "NVML finds no GPU %.100s: %.200s", first, words(code)) : 0;
}

static void close_all(bool started)
{
    if (started)
        nvml.shutdown();
    if (nvml.library)
        dlclose(nvml.library);
    nvml = (struct nvml){0};
}

static int open_all(struct err *e)
{
    const char *said = getenv("SPRITTY_NVML");
    nvml.library = dlopen(said && *said ? said : "libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!nvml.library) {
        const char *why = dlerror();
        return err_set(e, "no NVML (it comes with NVIDIA's driver): %.300s", why ? why : "");
    }
    find_all();
    int code = 0;
    if (!nvml.init || !nvml.shutdown || !nvml.by_index)
        err_set(e, "the NVML here lacks functions that are as old as its second version");
    else if ((code = nvml.init()) != NVML_OK)
        err_set(e, "NVML does not start: %.200s", words(code));
    else if (find_device(e) == 0)
        return 0;
    else
        close_all(true);
    close_all(false);
    return -1;
}

/* ---- reading ---- */

/* Without NVML's word on memory the GPU has none of its own (GB10): what CUDA says, once it runs,
 * or else what the machine has. */
static void read_shared_memory(struct gpu_meters *g)
{
    size_t bytes_free = 0;
    if (ops_cuda_memory(0, &bytes_free, &g->memory_total) != 0) {
        struct machine m = {0};
        machine_read(&m);
        bytes_free = m.memory_free;
        g->memory_total = m.memory_total;
    }
    if (g->memory_total == 0 || bytes_free > g->memory_total)
        return;
    g->memory_used = g->memory_total - bytes_free;
    g->shares_memory = true;
    g->known |= GPU_MEMORY;
}

/* Returns the code that NVML gave. */
static int read_memory(struct gpu_meters *g)
{
    struct nvml_memory m = {0};
    int code = nvml.memory ? nvml.memory(nvml.device, &m) : NVML_NOT_SUPPORTED;
    if (code == NVML_NOT_SUPPORTED) {
        read_shared_memory(g);
    } else if (code == NVML_OK && m.total > 0 && m.used <= m.total) {
        g->memory_used = m.used;
        g->memory_total = m.total;
        g->known |= GPU_MEMORY;
    }
    return code;
}

static void read_identity(struct gpu_meters *g)
{
    if (!nvml.name || nvml.name(nvml.device, g->name, sizeof g->name) || !*g->name)
        snprintf(g->name, sizeof g->name, "GPU");
    if (!nvml.driver || nvml.driver(g->driver, sizeof g->driver))
        *g->driver = '\0';
    g->name[sizeof g->name - 1] = g->driver[sizeof g->driver - 1] = '\0';
    text_sanitize(g->name);
    text_sanitize(g->driver);
    if (nvml.capability && nvml.capability(nvml.device, &g->major, &g->minor) == NVML_OK)
        g->known |= GPU_CAPABILITY;
}

/* Takes a value over when NVML gave one; notes that the GPU is lost. */
static void take(struct gpu_meters *g, int code, enum gpu_known bit, double *to, double value,
                 bool *lost)
{
    *lost |= code == NVML_LOST;
    if (code != NVML_OK)
        return;
    *to = value;
    g->known |= bit;
}

static int read_all(struct gpu_meters *g, struct err *e)
{
    struct nvml_utilization u = {0};
    unsigned x = 0;
    bool lost = false;
    int code;
    *g = (struct gpu_meters){0};
    read_identity(g);
    lost = read_memory(g) == NVML_LOST;
    code = nvml.utilization ? nvml.utilization(nvml.device, &u) : NVML_NOT_SUPPORTED;
    take(g, code, GPU_LOAD, &g->load, u.gpu < 100 ? u.gpu / 100.0 : 1, &lost);
    code = nvml.power ? nvml.power(nvml.device, &x) : NVML_NOT_SUPPORTED;
    take(g, code, GPU_POWER, &g->watts, x / 1e3, &lost);
    code = nvml.power_limit ? nvml.power_limit(nvml.device, &x) : NVML_NOT_SUPPORTED;
    take(g, code, GPU_POWER_LIMIT, &g->watts_limit, x / 1e3, &lost);
    code = nvml.temperature ? nvml.temperature(nvml.device, NVML_SENSOR_GPU, &x)
                            : NVML_NOT_SUPPORTED;
    take(g, code, GPU_CELSIUS, &g->celsius, x, &lost);
    code = nvml.clock ? nvml.clock(nvml.device, NVML_CLOCK_OF_SM, &x) : NVML_NOT_SUPPORTED;
    take(g, code, GPU_CLOCK, &g->mhz, x, &lost);
    return lost ? err_set(e, "%s does not answer any more: %.200s", g->name, words(NVML_LOST)) : 0;
}

int gpu_meters_read(struct gpu_meters *g, struct err *e)
{
    pthread_mutex_lock(&reading);
    int rc = nvml.library ? 0 : open_all(e);
    if (rc == 0 && (rc = read_all(g, e)) != 0)
        close_all(true);
    pthread_mutex_unlock(&reading);
    return rc ? -1 : 0;
}

void gpu_meters_close(void)
{
    pthread_mutex_lock(&reading);
    if (nvml.library)
        close_all(true);
    pthread_mutex_unlock(&reading);
}

/* ---- the thread that waits, so that the terminal's need not ---- */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t asked;
    struct gpu_meters newest;
    enum gpu_watch state;
    bool started, wanted;
} watch = {.lock = PTHREAD_MUTEX_INITIALIZER, .asked = PTHREAD_COND_INITIALIZER};

/* Until a reading fails. Nobody waits for it at the end: a driver may hang. */
static void *watch_run(void *unused)
{
    struct gpu_meters g;
    struct err e = {""};
    while (gpu_meters_read(&g, &e) == 0) {
        pthread_mutex_lock(&watch.lock);
        watch.newest = g;
        watch.state = GPU_READ;
        watch.wanted = false;
        while (!watch.wanted)
            pthread_cond_wait(&watch.asked, &watch.lock);
        pthread_mutex_unlock(&watch.lock);
        nanosleep(&(struct timespec){.tv_nsec = BETWEEN_MS * 1000000L}, NULL);
    }
    pthread_mutex_lock(&watch.lock);
    watch.state = watch.state == GPU_READ ? GPU_GONE : GPU_NONE;
    pthread_mutex_unlock(&watch.lock);
    return unused;
}

enum gpu_watch gpu_meters_latest(struct gpu_meters *g)
{
    pthread_t thread;
    pthread_mutex_lock(&watch.lock);
    if (!watch.started && pthread_create(&thread, NULL, watch_run, NULL) == 0)
        pthread_detach(thread);
    watch.started = true;
    watch.wanted = true;
    pthread_cond_signal(&watch.asked);
    *g = watch.newest;
    enum gpu_watch state = watch.state;
    pthread_mutex_unlock(&watch.lock);
    return state;
}
