/*
 * What the GPU is doing: load, memory, power, temperature, clock, by NVML.
 *
 * NVML comes with NVIDIA's driver and is opened at run time (libnvidia-ml.so.1, or what
 * $SPRITTY_NVML says); where it is not, there is nothing to tell. A GPU tells what it can: each
 * value has a bit in `known`, and a value whose bit is not set is no zero but unknown.
 *
 * Which GPU: the first that CUDA_VISIBLE_DEVICES names, by number or UUID, else the first. NVML
 * counts in the order of the PCI bus. CUDA does so too with CUDA_DEVICE_ORDER=PCI_BUS_ID; by itself
 * it puts the fastest first, so between unlike GPUs the two may mean different ones.
 */
#ifndef SPRITTY_GPU_METERS_H
#define SPRITTY_GPU_METERS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum gpu_known {
    GPU_LOAD = 1 << 0,
    GPU_MEMORY = 1 << 1,
    GPU_POWER = 1 << 2,
    GPU_POWER_LIMIT = 1 << 3,
    GPU_CELSIUS = 1 << 4,
    GPU_CLOCK = 1 << 5,
    GPU_CAPABILITY = 1 << 6,
};

struct gpu_meters {
    unsigned known;   /* of enum gpu_known */
    char name[96];    /* "NVIDIA H200"; "GPU" when it does not tell */
    char driver[80];  /* "580.95.05", or "" */
    int major, minor; /* compute capability */
    double load;      /* 0 to 1: share of the time in which a kernel ran */
    double watts, watts_limit;
    double celsius;
    double mhz;                       /* of the multiprocessors */
    size_t memory_used, memory_total; /* bytes, by all programs */
    bool shares_memory;               /* with the host: memory is the machine's */
};

/* Reads all, opening NVML first where that was not done. May take milliseconds. -1 with the reason:
 * no library, no driver, no such GPU, or one that fell off the bus; the next call then begins anew.
 * Any thread; one after the other. */
int gpu_meters_read(struct gpu_meters *, struct err *);
/* Gives NVML back. */
void gpu_meters_close(void);

enum gpu_watch {
    GPU_NONE, /* none that answers, or no answer yet */
    GPU_READ, /* there is a reading */
    GPU_GONE, /* it answered once, and then did not any more */
};

/* The newest reading, at once; asks for another one, which a thread of its own makes (the first
 * call starts it), at most twice a second. Who stops asking leaves the GPU alone. */
enum gpu_watch gpu_meters_latest(struct gpu_meters *);

#endif
