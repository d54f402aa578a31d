/*
 * A stand-in for NVIDIA's libnvidia-ml.so with two GPUs. $FAKE_NVML says how it behaves: "good",
 * "shared" (no memory of its own: not supported), "init" (does not start), "lost" (the GPU falls
 * off the bus after the first whole reading), "mute" (nothing but the name is told).
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/nvml_abi.h"

struct nvml_device_opaque {
    int index;
};

static struct nvml_device_opaque gpu[2] = {{0}, {1}};
static bool started;
static int readings;

static bool mode(const char *name)
{
    const char *said = getenv("FAKE_NVML");
    return said && !strcmp(said, name);
}

static int answer(void)
{
    return !started ? 1 : mode("lost") && readings > 0 ? NVML_LOST : mode("mute") ? 3 : NVML_OK;
}

int nvmlInit_v2(void)
{
    if (mode("init"))
        return 9;
    started = true;
    readings = 0;
    return 0;
}

int nvmlShutdown(void)
{
    started = false;
    return 0;
}

const char *nvmlErrorString(int code)
{
    return code == 9 ? "Driver Not Loaded" : code == NVML_LOST ? "GPU is lost" : "Not Found";
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, nvml_device *d)
{
    if (!started || index > 1)
        return 6;
    *d = &gpu[index];
    return 0;
}

int nvmlDeviceGetHandleByUUID(const char *uuid, nvml_device *d)
{
    return strcmp(uuid, "GPU-second") ? 6 : nvmlDeviceGetHandleByIndex_v2(1, d);
}

int nvmlSystemGetDriverVersion(char *out, unsigned size)
{
    snprintf(out, size, "580.95.05");
    return 0;
}

int nvmlDeviceGetName(nvml_device d, char *out, unsigned size)
{
    snprintf(out, size, "Fake %d\033[31m",
             d->index); /* a control character that must not get out */
    return 0;
}

int nvmlDeviceGetCudaComputeCapability(nvml_device d, int *major, int *minor)
{
    (void)d;
    *major = 9, *minor = 0;
    return answer();
}

int nvmlDeviceGetMemoryInfo(nvml_device d, struct nvml_memory *m)
{
    (void)d;
    if (mode("shared"))
        return NVML_NOT_SUPPORTED;
    *m = (struct nvml_memory){.total = 150ULL << 30, .free = 130ULL << 30, .used = 20ULL << 30};
    return answer();
}

int nvmlDeviceGetUtilizationRates(nvml_device d, struct nvml_utilization *u)
{
    (void)d;
    *u = (struct nvml_utilization){63, 20};
    return answer();
}

int nvmlDeviceGetPowerUsage(nvml_device d, unsigned *milliwatts)
{
    (void)d;
    *milliwatts = 512500;
    return answer();
}

int nvmlDeviceGetEnforcedPowerLimit(nvml_device d, unsigned *milliwatts)
{
    (void)d;
    *milliwatts = 700000;
    return answer();
}

int nvmlDeviceGetTemperature(nvml_device d, int sensor, unsigned *celsius)
{
    (void)d;
    *celsius = 61;
    return sensor == NVML_SENSOR_GPU ? answer() : 2;
}

int nvmlDeviceGetClockInfo(nvml_device d, int which, unsigned *mhz)
{
    (void)d;
    int code = answer();
    *mhz = 1980;
    readings++; /* the last of a reading */
    return which == NVML_CLOCK_OF_SM ? code : 2;
}
