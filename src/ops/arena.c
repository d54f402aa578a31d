/* See arena.h. Best fit over a sorted array: some tens of blocks live at once, so a scan and a
 * memmove cost less than any tree, and an array is easy to check. */
#include "ops/arena.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Under the address sanitizer a released block, and what rounding added to one in use, is out of
 * bounds: a network that uses a tensor after its release is caught. */
#if defined(__has_feature)
#define HAVE_ASAN __has_feature(address_sanitizer)
#elif defined(__SANITIZE_ADDRESS__)
#define HAVE_ASAN 1
#else
#define HAVE_ASAN 0
#endif
#if HAVE_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, bytes)   ((void)(at), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#endif

#define GIB ((size_t)1 << 30)

static const size_t REGION_MOST = 64 * GIB;
static const size_t REGION_LEAST = (size_t)256 << 20;
static const size_t OPEN_STEP = (size_t)64 << 20; /* pages get access in steps of this */

/* No address that x86-64 or aarch64 can map to a process: using it is caught at once. */
static const uintptr_t VIRTUAL_BASE = (uintptr_t)1 << 60;
static const size_t VIRTUAL_LIMIT = (size_t)1 << 50;

static size_t round_up(size_t n, size_t unit)
{
    return (n + unit - 1) / unit * unit;
}

static void *take_region(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

int arena_init(struct arena *a, size_t bytes, struct err *err)
{
    memset(a, 0, offsetof(struct arena, block));
    size_t least = bytes ? bytes : REGION_LEAST;
    size_t size = bytes ? bytes : REGION_MOST;
    if (size > SIZE_MAX / 2)
        return err_set(err, "no memory: an arena of %zu bytes; ask for a smaller image", bytes);
    size = round_up(size, (size_t)sysconf(_SC_PAGESIZE));
    /* A limit on address space (ulimit -v) refuses the large region: take what there is. */
    while (!(a->base = take_region(size)) && size / 2 >= least)
        size /= 2;
    if (!a->base)
        return err_set(err,
                       "no memory: the system refused %zu MiB of address space (%s); see ulimit -v",
                       size >> 20, strerror(errno));
    a->region = a->limit = size;
#ifdef MADV_HUGEPAGE
    madvise(a->base, size, MADV_HUGEPAGE); /* a wish: fewer TLB misses; refusal is harmless */
#endif
    return 0;
}

void arena_init_virtual(struct arena *a)
{
    memset(a, 0, offsetof(struct arena, block));
    a->base = (char *)VIRTUAL_BASE;
    a->limit = a->open = VIRTUAL_LIMIT;
}

void arena_exit(struct arena *a)
{
    if (a->region) {
        ASAN_UNPOISON_MEMORY_REGION(a->base, a->open);
        munmap(a->base, a->region);
    }
    memset(a, 0, offsetof(struct arena, block));
}

/* Gives access to the first `bytes`. Where the system does not overcommit, it says no here. */
static bool open_up_to(struct arena *a, size_t bytes)
{
    if (bytes <= a->open)
        return true;
    if (bytes > a->limit)
        return false;
    size_t end = round_up(bytes, OPEN_STEP);
    end = end < a->limit ? end : a->limit;
    if (mprotect(a->base + a->open, end - a->open, PROT_READ | PROT_WRITE) != 0)
        return false;
    a->open = end;
    return true;
}

int arena_reserve(struct arena *a, size_t bytes, struct err *err)
{
    if (a->region == 0)
        return 0;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t machine = (size_t)sysconf(_SC_PHYS_PAGES) * page;
    if (bytes > machine || !open_up_to(a, bytes))
        return err_set(err,
                       "no memory: %zu MiB for activations, the machine has %zu MiB; ask for a "
                       "smaller image or batch",
                       bytes >> 20, machine >> 20);
    size_t keep = round_up(bytes > a->top ? bytes : a->top, page);
    if (keep < a->open)
        madvise(a->base + keep, a->open - keep, MADV_DONTNEED);
    return 0;
}

static void insert_block(struct arena *a, int at, struct arena_block b)
{
    assert(a->count < ARENA_BLOCKS && "arena: too many blocks, something is not released");
    memmove(&a->block[at + 1], &a->block[at], sizeof b * (size_t)(a->count - at));
    a->block[at] = b;
    a->count++;
}

static void remove_block(struct arena *a, int at)
{
    a->count--;
    memmove(&a->block[at], &a->block[at + 1], sizeof a->block[0] * (size_t)(a->count - at));
}

static int best_hole(const struct arena *a, size_t bytes)
{
    int best = -1;
    for (int i = 0; i < a->count; i++) {
        const struct arena_block *b = &a->block[i];
        if (!b->used && b->bytes >= bytes && (best < 0 || b->bytes < a->block[best].bytes))
            best = i;
    }
    return best;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

void *arena_alloc(struct arena *a, size_t bytes)
{
    if (bytes > a->limit)
        return NULL;
    size_t asked = bytes;
    bytes = bytes ? round_up(bytes, ARENA_ALIGN) : ARENA_ALIGN;
    int i = best_hole(a, bytes);
    if (i >= 0) {
        struct arena_block *b = &a->block[i];
        struct arena_block rest = {b->offset + bytes, b->bytes - bytes, false};
        b->bytes = bytes;
        b->used = true;
        if (rest.bytes)
            insert_block(a, i + 1, rest);
    } else {
        if (bytes > a->limit - a->top || !open_up_to(a, a->top + bytes))
            return NULL;
        i = a->count;
        insert_block(a, i, (struct arena_block){a->top, bytes, true});
        a->top += bytes;
    }
    a->now += bytes;
    a->most = larger(a->most, a->now);
    a->peak = larger(a->peak, a->top);
    a->lap_peak = larger(a->lap_peak, a->top);
    char *p = a->base + a->block[i].offset;
    if (a->region) { /* a virtual one has no shadow either */
        ASAN_POISON_MEMORY_REGION(p, bytes);
        ASAN_UNPOISON_MEMORY_REGION(p, asked);
    }
    return p;
}

/* Index of the block that starts at `offset`, or -1. */
static int find_block(const struct arena *a, size_t offset)
{
    int lo = 0, hi = a->count;
    while (lo < hi) {
        int mid = lo + (hi - lo) / 2;
        if (a->block[mid].offset < offset)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < a->count && a->block[lo].offset == offset ? lo : -1;
}

void arena_free(struct arena *a, void *p)
{
    uintptr_t at = (uintptr_t)p, base = (uintptr_t)a->base;
    int i = at >= base ? find_block(a, at - base) : -1;
    assert(i >= 0 && "arena: not a pointer of this arena");
    assert(a->block[i].used && "arena: released twice");
    if (a->region)
        ASAN_POISON_MEMORY_REGION(p, a->block[i].bytes);
    a->now -= a->block[i].bytes;
    a->block[i].used = false;
    if (i + 1 < a->count && !a->block[i + 1].used) {
        a->block[i].bytes += a->block[i + 1].bytes;
        remove_block(a, i + 1);
    }
    if (i > 0 && !a->block[i - 1].used) {
        a->block[i - 1].bytes += a->block[i].bytes;
        remove_block(a, i--);
    }
    if (i == a->count - 1) {
        a->top = a->block[i].offset;
        a->count--;
    }
}

size_t arena_lap(struct arena *a)
{
    size_t peak = a->lap_peak;
    a->lap_peak = a->top;
    return peak;
}
