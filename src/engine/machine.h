/*
 * What the machine is doing: load, memory, temperature, power, where the system tells.
 *
 * Linux's /proc and /sys, read in some tens of microseconds; a value that the machine does not
 * tell is NAN (0 for bytes). Loads are since the call before, so the caller keeps the struct.
 */
#ifndef SPRITTY_MACHINE_H
#define SPRITTY_MACHINE_H

#include <stddef.h>
#include <stdint.h>

struct machine {
    double load;                      /* of all cores, 0 to 1 */
    double own_load;                  /* of this process, 0 to 1 of all cores */
    double watts;                     /* of the CPU package (RAPL) */
    double celsius;                   /* of the CPU */
    double mhz;                       /* mean of the cores */
    size_t memory_total, memory_free; /* free: what could be had without swapping */
    size_t swap_total, swap_free;
    size_t own_bytes;     /* resident */
    size_t own_peak;      /* at most so far */
    size_t own_anonymous; /* of own_bytes: what it made itself; */
    size_t own_mapped;    /* and files, which the system may take back */
    size_t own_swapped;   /* not resident */
    char name[64];        /* "AMD EPYC 9R14" */
    int cores;
    struct {
        uint64_t busy, all, own, microjoules;
        double at_ms;
    } last; /* private */
};

/* own_peak from now on, where the system can (Linux 4.0); else it stays the process's. */
void machine_reset_peak(void);

/* Zero the struct before the first call. */
void machine_read(struct machine *);
/* The same below another root than "/", for tests. */
void machine_read_at(struct machine *, const char *root);

#endif
