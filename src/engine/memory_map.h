/*
 * What is in memory, as named amounts in groups, and snapshots of it that can be kept and compared.
 *
 *   weights   each network as the backend has packed it, and what it made of them while running
 *   peak      when most is in use: tensors by the module that made them, scratch, holes
 *   stages    the most that is in use in each stage, scratch included
 *   ops       the same while operations of a kind run
 *   files     what of the mapped checkpoints belongs to the loaded networks
 *   process   resident, its peak, anonymous, mapped, swapped
 *   system    total, available, swap
 *   device    its memory, where it has its own; ours and everybody's
 *
 * Amounts are bytes. Plain data; a map of some kilobytes.
 */
#ifndef SPRITTY_MEMORY_MAP_H
#define SPRITTY_MEMORY_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum memory_group {
    MEMORY_WEIGHTS,
    MEMORY_PEAK,
    MEMORY_STAGES,
    MEMORY_OPS,
    MEMORY_FILES,
    MEMORY_PROCESS,
    MEMORY_SYSTEM,
    MEMORY_DEVICE,
    MEMORY_GROUPS
};
const char *memory_group_name(int group); /* NULL past the end */

enum { MEMORY_ITEMS = 512 };

struct memory_item {
    int group; /* enum memory_group */
    char name[48];
    uint64_t bytes;
};

struct memory_map {
    char machine[64], device[96], job[200]; /* "small_a, 64x64, 4 steps, batch 1, fp32" */
    int count;
    struct memory_item item[MEMORY_ITEMS]; /* by group, as they were added */
};

/* Adds to the amount of that name, which begins at 0. What finds no room adds to the last. */
void memory_add(struct memory_map *, enum memory_group, const char *name, uint64_t bytes);
/* The larger of the two. */
void memory_most(struct memory_map *, enum memory_group, const char *name, uint64_t bytes);
/* 0 where there is none of that name. */
uint64_t memory_of(const struct memory_map *, enum memory_group, const char *name);
uint64_t memory_sum(const struct memory_map *, enum memory_group);

struct pipeline;
struct profile_book;
struct op_profile;

/* The networks of an open model, and the peak of a book of its runs (or forecasts, which know no
 * ops). The modules of the peak are cut after `depth` names. */
void memory_of_model(struct memory_map *, const struct pipeline *, const struct profile_book *,
                     int depth);
/* shape: as for profile_report_make. */
void memory_of_ops(struct memory_map *, const struct profile_book *,
                   const struct op_profile *shape);
/* Process, system and, where one answers, GPU, as they are now. */
void memory_of_machine(struct memory_map *, const struct profile_book *);

/* ---- snapshots ---- */

struct jsonw;
/* The members of an object that is open in the writer. */
void memory_json(struct jsonw *, const struct memory_map *);
int memory_save(const char *path, const struct memory_map *, struct err *);
/* Any file may come: -1 and err for all that is no snapshot. */
int memory_load(const char *path, struct memory_map *, struct err *);
int memory_parse(const char *text, size_t size, const char *name, struct memory_map *,
                 struct err *);

struct memory_difference {
    int group;
    char name[48];
    uint64_t before, now; /* 0 where there is none */
};
/* All amounts of both, group by group: in the order of `now`, then what only `before` has; up to
 * 2 * MEMORY_ITEMS. Returns how many. */
int memory_compare(const struct memory_map *before, const struct memory_map *now,
                   struct memory_difference *out);

#endif
