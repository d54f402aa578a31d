/*
 * Recordings are CUDA graphs.
 *
 * A graph holds addresses: of weights, of activations, of scratch. The arena gives the same places
 * for the same calls, so a recording stays good for as long as what is allocated around it is the
 * same; a mark over all that says whether it is. While a graph is captured nothing may wait,
 * allocate or be copied from or to the host: what would do so fails, as any call may, and the
 * recording is given up.
 */
#include <stdlib.h>

#include "backend.h"

struct recording {
    void *graph;
    uint64_t mark;
    struct cost cost;
};

static uint64_t add(uint64_t h, uint64_t value)
{
    return (h ^ value) * 0x100000001b3u; /* FNV-1a, by words */
}

static uint64_t mark_of(const struct gpu *g)
{
    uint64_t h = arena_mark(&g->arena);
    h = add(h, (uintptr_t)g->slab);
    h = add(h, (uintptr_t)g->scratch);
    h = add(h, g->weights);
    h = add(h, (uint64_t)(g->tuning.attention << 2 | g->tuning.fold));
    for (int i = 0; i < g->strays; i++)
        h = add(h, (uintptr_t)g->stray[i].data);
    return h;
}

void gpu_record_begin(struct ops *o)
{
    struct gpu *g = gpu_of(o);
    assert(!g->recording);
    g->recording = !g->failed;
    g->before = g->cost;
    g->mark = mark_of(g);
    if (g->recording)
        gpu_ok(g, graph_begin(g->stream), "recording");
}

struct recording *gpu_record_end(struct ops *o)
{
    struct gpu *g = gpu_of(o);
    void *graph = NULL;
    if (!g->recording) /* something had failed before, and sync is to say so */
        return NULL;
    struct recording *r = calloc(1, sizeof *r);
    int rc = graph_end(g->stream, &graph);
    bool good = r && rc == 0 && !g->failed;
    g->recording = false;
    if (good)
        *r = (struct recording){
            graph, g->mark, {g->cost.flops - g->before.flops, g->cost.bytes - g->before.bytes}};
    g->cost = g->before;
    g->recordings += good;
    if (good)
        return r;
    g->failed = false; /* nothing was run; what is wrong shows again when the calls are made */
    graph_close(graph);
    free(r);
    return NULL;
}

bool gpu_replay(struct ops *o, struct recording *r)
{
    struct gpu *g = gpu_of(o);
    assert(!g->recording);
    if (r->mark != mark_of(g))
        return false;
    if (g->failed)
        return true;
    if (gpu_ok(g, graph_launch(r->graph, g->stream), "replay")) {
        g->cost.flops += r->cost.flops;
        g->cost.bytes += r->cost.bytes;
        g->replays++;
    }
    return true;
}

void gpu_free_recording(struct ops *o, struct recording *r)
{
    (void)o;
    if (r)
        graph_close(r->graph);
    free(r);
}
