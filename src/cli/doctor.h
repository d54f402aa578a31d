/*
 * spritty doctor: checks over facts.
 *
 * Each subject has a file: facts_* asks the machine (below another root than "/" in tests), the
 * function beside it turns facts into lines and asks nothing, so that each machine that a test can
 * describe is one that doctor was seen on. cmd_doctor.c puts them together and prints.
 */
#ifndef SPRITTY_DOCTOR_H
#define SPRITTY_DOCTOR_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/gpu_meters.h"
#include "ops/cpu_features.h"
#include "ops/cuda.h"
#include "term/probe.h"

enum check_status { CHECK_GOOD, CHECK_WARNING, CHECK_MISSING };
const char *check_status_name(enum check_status); /* "good" */

struct check {
    char name[40];
    enum check_status status;
    bool needed; /* missing, it keeps jobs from running: doctor fails */
    char value[400], hint[600];
};

enum { MAX_CHECKS = 96 };

struct checks {
    struct check row[MAX_CHECKS];
    int count; /* rows past MAX_CHECKS are dropped */
};

/* A new row; its value is printed from fmt. */
struct check *check_add(struct checks *, const char *name, enum check_status, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void check_hint(struct check *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* {"checks": [{"name", "status", "value", "hint"}]}, malloc'd; NULL without memory. */
char *checks_json(const struct checks *);

/* ---- CPU and memory: doctor_cpu.c ---- */

struct cpu_facts {
    char name[64];
    int cores, allowed; /* of the machine; that this process may run on */
    double quota;       /* cores' worth of time that a container may take; 0: no limit */
    bool arm;
    struct cpu_features can; /* what spritty takes */
    char flags[6000]; /* as /proc/cpuinfo has them, a space on both sides; "" when not told */
    size_t memory, available, swap, memory_limit; /* bytes; limit of the container, 0: none */
    char huge_pages[16]; /* "always", "madvise", "never", "" when not told */
    double load;         /* average of the last minute; < 0: not told */
};
void facts_cpu(struct cpu_facts *, const char *root);
void doctor_cpu(struct checks *, const struct cpu_facts *);
void doctor_memory(struct checks *, const struct cpu_facts *);

/* ---- GPU: doctor_gpu.c ---- */

struct gpu_facts {
    bool driver; /* NVIDIA's kernel module is loaded */
    bool has_cuda, has_nvml;
    struct cuda_info cuda; /* when has_cuda */
    struct gpu_meters nvml;
    struct err why_cuda, why_nvml; /* why not */
};
void facts_gpu(struct gpu_facts *);
void doctor_gpu(struct checks *, const struct gpu_facts *);

/* ---- terminal: doctor_terminal.c ---- */

/* there: a terminal answered; else the caps are what the environment says. */
void doctor_terminal(struct checks *, const struct caps *, bool there);

/* ---- models and checksums: doctor_models.c ---- */

enum sum_state {
    SUM_NONE,    /* nothing to compare with */
    SUM_GOOD,    /* as recorded */
    SUM_BAD,     /* a file is not what was recorded */
    SUM_UNREAD,  /* recorded, not read again (large) */
    SUM_MISSING, /* a recorded file is not there */
};

struct model_facts {
    char name[256], path[PATH_MAX];
    bool opens;
    bool wanted; /* the one that jobs run with */
    struct err why;
    uint64_t bytes; /* of its weights */
    enum sum_state sum;
    char digits[65]; /* SHA-256 of a single file, read or recorded; "" for folders */
    char file[200];  /* SUM_BAD, SUM_MISSING: which */
};

/* all: read files of any size. */
void facts_model(struct model_facts *, const char *name, const char *path, bool all);
void doctor_model(struct checks *, const struct model_facts *);
/* The one that jobs take, then all others that have names. */
void doctor_models(struct checks *, const char *wanted, bool all);

/* ---- folders and disk: doctor_disk.c ---- */

struct disk_facts {
    char folder[PATH_MAX]; /* "": there is none */
    bool writable;
    uint64_t free_bytes, bytes; /* of its file system; 0 when not told */
};
/* The folder, or the nearest one above it that is there. */
void facts_disk(struct disk_facts *, const char *folder);
void doctor_disk(struct checks *, const char *name, const struct disk_facts *, bool models);

#endif
