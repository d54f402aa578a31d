/*
 * The part of NVML's binary interface that gpu_meters.c calls, so that no header of NVIDIA's is
 * needed to build. tests/test_gpu_meters.c compares it with nvml.h where that is.
 *
 * All functions return a code, 0 for success. A device is a pointer that only NVML looks into.
 */
#ifndef SPRITTY_NVML_ABI_H
#define SPRITTY_NVML_ABI_H

typedef struct nvml_device_opaque *nvml_device;

enum {
    NVML_OK = 0,
    NVML_NOT_SUPPORTED = 3,
    NVML_LOST = 15,
    NVML_SENSOR_GPU = 0, /* the die's temperature */
    NVML_CLOCK_OF_SM = 1,
    NVML_NAME_SIZE = 96,
    NVML_DRIVER_SIZE = 80,
};

struct nvml_memory {
    unsigned long long total, free, used; /* bytes */
};

struct nvml_utilization {
    unsigned gpu, memory; /* percent */
};

#endif
