/* See memory_map.h. Where amounts come from; snapshots are in memory_file.c. */
#include "engine/memory_map.h"

#include <stdio.h>
#include <string.h>

#include "engine/gpu_meters.h"
#include "engine/machine.h"
#include "engine/profile_report.h"
#include "sdxl/pipeline.h"

const char *memory_group_name(int group)
{
    static const char *const names[MEMORY_GROUPS] = {"weights", "peak",    "stages", "ops",
                                                     "files",   "process", "system", "device"};
    return group >= 0 && group < MEMORY_GROUPS ? names[group] : NULL;
}

static const struct memory_item *find(const struct memory_map *m, int group, const char *name)
{
    for (int i = 0; i < m->count; i++)
        if (m->item[i].group == group && !strcmp(m->item[i].name, name))
            return &m->item[i];
    return NULL;
}

static struct memory_item *need(struct memory_map *m, enum memory_group group, const char *name)
{
    char key[sizeof m->item->name] = "";
    snprintf(key, sizeof key, "%.47s", name);
    const struct memory_item *there = find(m, group, key);
    if (there)
        return &m->item[there - m->item];
    if (m->count == MEMORY_ITEMS)
        return &m->item[MEMORY_ITEMS - 1];
    struct memory_item *fresh = &m->item[m->count++];
    *fresh = (struct memory_item){.group = group};
    memcpy(fresh->name, key, sizeof key);
    return fresh;
}

void memory_add(struct memory_map *m, enum memory_group group, const char *name, uint64_t bytes)
{
    need(m, group, name)->bytes += bytes;
}

void memory_most(struct memory_map *m, enum memory_group group, const char *name, uint64_t bytes)
{
    struct memory_item *i = need(m, group, name);
    i->bytes = i->bytes > bytes ? i->bytes : bytes;
}

uint64_t memory_of(const struct memory_map *m, enum memory_group group, const char *name)
{
    const struct memory_item *i = find(m, group, name);
    return i ? i->bytes : 0;
}

uint64_t memory_sum(const struct memory_map *m, enum memory_group group)
{
    uint64_t sum = 0;
    for (int i = 0; i < m->count; i++)
        sum += m->item[i].group == (int)group ? m->item[i].bytes : 0;
    return sum;
}

/* ---- the model ---- */

/* "unet.down.1.res.0" after two names: "unet.down". An index is no name. */
static void cut_after(char *path, int depth)
{
    int names = 1;
    for (char *p = path; *p; p++)
        if (*p == '.' && (p[1] < '0' || p[1] > '9') && ++names > depth) {
            *p = '\0';
            return;
        }
}

/* The stage in which most is in use; NULL: there was none. */
static const struct profile_peak *highest(const struct profile_book *b)
{
    const struct profile_peak *most = NULL;
    for (int i = 0; i < b->stages; i++)
        if (!most || b->peak[i].used + b->peak[i].scratch > most->used + most->scratch)
            most = &b->peak[i];
    return most;
}

static void add_peak(struct memory_map *m, const struct profile_book *b, int depth)
{
    const struct profile_peak *p = highest(b);
    size_t told = 0;
    char name[96];
    for (int i = 0; p && i < p->count; i++) {
        const struct profile_tensor *t = &p->tensor[i];
        profile_layer(b, t->scope, name, sizeof name);
        cut_after(name, depth);
        memory_add(m, MEMORY_PEAK, name, t->bytes);
        told += t->bytes;
    }
    if (!p)
        return;
    if (p->used > told) /* blocks are multiples of a cache line; a call may have its own */
        memory_add(m, MEMORY_PEAK, "within calls", p->used - told);
    if (p->scratch > 0)
        memory_add(m, MEMORY_PEAK, "scratch", p->scratch);
    if (b->reach > p->used + p->scratch)
        memory_add(m, MEMORY_PEAK, "holes", b->reach - p->used - p->scratch);
}

void memory_of_model(struct memory_map *m, const struct pipeline *p, const struct profile_book *b,
                     int depth)
{
    struct network_bytes network[MAX_NETWORKS];
    int n = pipeline_networks(p, network);
    size_t all, activations, packed = 0;
    pipeline_memory(p, &all, &activations);
    for (int i = 0; i < n; i++) {
        memory_add(m, MEMORY_WEIGHTS, network[i].name, network[i].packed);
        packed += network[i].packed;
    }
    if (all > packed)
        memory_add(m, MEMORY_WEIGHTS, "made while running", all - packed);
    if (b) {
        add_peak(m, b, depth);
        for (int i = 0; i < b->stages; i++)
            memory_most(m, MEMORY_STAGES, b->scope[b->stage[i]].name, b->scope[b->stage[i]].held);
    }
    for (int i = 0; i < n; i++)
        memory_add(m, MEMORY_FILES, network[i].name, network[i].file);
}

void memory_of_ops(struct memory_map *m, const struct profile_book *b,
                   const struct op_profile *shape)
{
    for (int i = 0; i < b->cells; i++)
        memory_most(m, MEMORY_OPS, op_kind_name(shape[b->cell[i].shape].kind), b->cell[i].held);
}

/* ---- the machine ---- */

void memory_of_machine(struct memory_map *m, const struct profile_book *b)
{
    struct machine here = {0};
    struct gpu_meters gpu;
    struct err ignored;
    machine_read(&here);
    snprintf(m->machine, sizeof m->machine, "%s", here.name);
    memory_add(m, MEMORY_PROCESS, "resident", here.own_bytes);
    memory_add(m, MEMORY_PROCESS, "peak", here.own_peak);
    memory_add(m, MEMORY_PROCESS, "anonymous", here.own_anonymous);
    memory_add(m, MEMORY_PROCESS, "mapped files", here.own_mapped);
    memory_add(m, MEMORY_PROCESS, "swapped", here.own_swapped);
    memory_add(m, MEMORY_SYSTEM, "total", here.memory_total);
    memory_add(m, MEMORY_SYSTEM, "available", here.memory_free);
    memory_add(m, MEMORY_SYSTEM, "swap", here.swap_total);
    memory_add(m, MEMORY_SYSTEM, "swap free", here.swap_free);
    if (b && b->device_peak > 0) {
        memory_add(m, MEMORY_DEVICE, "spritty", b->device_now);
        memory_add(m, MEMORY_DEVICE, "spritty's peak", b->device_peak);
    }
    if (gpu_meters_read(&gpu, &ignored) == 0 && gpu.known & GPU_MEMORY) {
        memory_add(m, MEMORY_DEVICE, "all programs", gpu.memory_used);
        memory_add(m, MEMORY_DEVICE, "total", gpu.memory_total);
        snprintf(m->device, sizeof m->device, "%s", gpu.name);
    }
}
