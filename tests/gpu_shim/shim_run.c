/*
 * See shim_run.h. One block at a time: fibers, barriers, shuffles, shared memory.
 *
 * A fiber is a stack and a stack pointer; switching saves what a call must preserve, so it costs a
 * few nanoseconds, which is what makes thousands of threads of some microseconds each bearable.
 * Machines other than x86-64 and aarch64 use ucontext.
 */
#include "shim_run.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if !defined(__x86_64__) && !defined(__aarch64__)
#define USE_UCONTEXT
#include <ucontext.h>
#endif

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

enum {
    THREADS = 1024, /* most in a block */
    LANES = 32,
    STACK = 256 << 10,
    FRAMES = 4 << 10, /* holds the frames that a thread which ended has left */
    GUARD = 4096,     /* below each stack: a fiber that overflows it dies */
    SHARED_BYTES = 48 << 10,
    PARTS = 16, /* declarations of shared memory in a kernel */
    CANARY = 64,
    KERNELS = 512 /* of as many it is known whether they were launched before */
};

enum fiber_state { READY, AT_BARRIER, AT_SHUFFLE, ENDED };

struct fiber {
#ifdef USE_UCONTEXT
    ucontext_t at;
#else
    void *at;
#endif
    char *stack; /* lowest address */
    struct uint3 index;
    enum fiber_state state;
    unsigned meeting; /* the barrier or shuffle that it waits for */
};

/* A shuffle under way. */
struct warp {
    unsigned mask, arrived; /* lanes */
    int line;
    unsigned meeting;
    uint64_t slot[2][LANES]; /* turn by turn: a fast lane must not overwrite what others read */
};

/* What one declaration of shared memory got. */
struct part {
    int line;
    size_t bytes, offset;
};

struct uint3 threadIdx, blockIdx, shim_grid, shim_block;

static struct {
    struct fiber fiber[THREADS], main;
    struct fiber *now;
    struct warp warp[THREADS / LANES];
    int threads, ended;
    int warps, warp_at[THREADS / LANES], lane_at[LANES]; /* the order of this launch */
    int arrived, line;                                   /* the barrier under way */
    unsigned meeting;
    bool failed, abandoned; /* this launch; some launch before */
    char error[256];
    void (*run)(void *);
    void *context;
    struct part part[PARTS];
    int parts;
    size_t used;
    unsigned launches;
    void (*kernel[KERNELS])(void); /* that were launched */
    int kernels;
} b;

static _Alignas(64) unsigned char shared[SHARED_BYTES + PARTS * 3 * CANARY];

const char *shim_error(void)
{
    return b.error;
}

unsigned shim_launches(void)
{
    return b.launches;
}

static int thread_now(void)
{
    return (int)(b.now - b.fiber);
}

/* -- switching ----------------------------------------------------------------------------------
 */

#if defined(__x86_64__)
void shim_switch(void **save, void *load);
__asm__(".text\n.globl shim_switch\n.type shim_switch,@function\nshim_switch:\n"
        "pushq %rbp\npushq %rbx\npushq %r12\npushq %r13\npushq %r14\npushq %r15\n"
        "movq %rsp,(%rdi)\nmovq %rsi,%rsp\n"
        "popq %r15\npopq %r14\npopq %r13\npopq %r12\npopq %rbx\npopq %rbp\nret\n"
        ".size shim_switch,.-shim_switch\n");
enum { WORDS = 8, ENTRY = 6 }; /* of a new stack: its size, and where the first address lies */
#elif defined(__aarch64__)
void shim_switch(void **save, void *load);
__asm__(".text\n.globl shim_switch\n.type shim_switch,%function\nshim_switch:\n"
        "sub sp,sp,#160\n"
        "stp x19,x20,[sp]\nstp x21,x22,[sp,#16]\nstp x23,x24,[sp,#32]\nstp x25,x26,[sp,#48]\n"
        "stp x27,x28,[sp,#64]\nstp x29,x30,[sp,#80]\nstp d8,d9,[sp,#96]\nstp d10,d11,[sp,#112]\n"
        "stp d12,d13,[sp,#128]\nstp d14,d15,[sp,#144]\n"
        "mov x9,sp\nstr x9,[x0]\nmov sp,x1\n"
        "ldp x19,x20,[sp]\nldp x21,x22,[sp,#16]\nldp x23,x24,[sp,#32]\nldp x25,x26,[sp,#48]\n"
        "ldp x27,x28,[sp,#64]\nldp x29,x30,[sp,#80]\nldp d8,d9,[sp,#96]\nldp d10,d11,[sp,#112]\n"
        "ldp d12,d13,[sp,#128]\nldp d14,d15,[sp,#144]\n"
        "add sp,sp,#160\nret\n.size shim_switch,.-shim_switch\n");
enum { WORDS = 20, ENTRY = 11 };
#endif

#if defined(__SANITIZE_ADDRESS__)
/* The sanitizer has to be told whose stack is in use. */
static const void *main_stack;
static size_t main_size;

static void leaving(void **fake, const struct fiber *to)
{
    bool home = to == &b.main;
    __sanitizer_start_switch_fiber(fake, home ? main_stack : to->stack, home ? main_size : STACK);
}

static void arrived(void *fake)
{
    const void *from;
    size_t size;
    __sanitizer_finish_switch_fiber(fake, &from, &size);
    if (b.now != &b.main) /* a fiber is only ever reached from the main stack */
        main_stack = from, main_size = size;
}
#else
static void leaving(void **fake, const struct fiber *to)
{
    (void)fake, (void)to;
}

static void arrived(void *fake)
{
    (void)fake;
}
#endif

/* Goes on with `to`; returns when something switches back. */
static void switch_to(struct fiber *to)
{
    struct fiber *from = b.now;
    void *fake = NULL;
    b.now = to;
    threadIdx = to->index;
    leaving(from->state == ENDED ? NULL : &fake, to);
#ifdef USE_UCONTEXT
    swapcontext(&from->at, &to->at);
#else
    shim_switch(&from->at, to->at);
#endif
    arrived(fake);
}

/* Ends the launch. A thread that calls it never goes on. */
static void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (!b.failed)
        vsnprintf(b.error, sizeof b.error, format, arguments);
    va_end(arguments);
    b.failed = true;
    if (b.now != &b.main)
        switch_to(&b.main);
}

void shim_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(b.error, sizeof b.error, format, arguments);
    va_end(arguments);
}

static void fiber_main(void)
{
    arrived(NULL);
    b.run(b.context);
    if (b.arrived > 0)
        fail("thread %d ended while others wait at the barrier of line %d", thread_now(), b.line);
    b.now->state = ENDED;
    b.ended++;
    switch_to(&b.main);
}

static bool map_stack(struct fiber *f)
{
    char *p = mmap(NULL, STACK + GUARD, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED || mprotect(p, GUARD, PROT_NONE) != 0)
        return false;
    f->stack = p + GUARD;
    return true;
}

/* Makes thread i of the block ready to start. */
static bool start(int i)
{
    struct fiber *f = &b.fiber[i];
    unsigned n = (unsigned)i, x = shim_block.x, y = shim_block.y;
    f->index = (struct uint3){n % x, n / x % y, n / x / y};
    f->state = READY;
    if (!f->stack && !map_stack(f))
        return false;
#if defined(__SANITIZE_ADDRESS__)
    size_t stale = b.abandoned ? STACK : FRAMES; /* of the thread that had this stack before */
    ASAN_UNPOISON_MEMORY_REGION(f->stack + STACK - stale, stale);
#endif
#ifdef USE_UCONTEXT
    getcontext(&f->at);
    f->at.uc_stack.ss_sp = f->stack;
    f->at.uc_stack.ss_size = STACK;
    makecontext(&f->at, fiber_main, 0);
#else
    uintptr_t *top = (uintptr_t *)(void *)(f->stack + STACK) - WORDS - 2;
    memset(top, 0, sizeof *top * (WORDS + 2));
    top[ENTRY] = (uintptr_t)fiber_main;
    f->at = top;
#endif
    return true;
}

/* -- threads that meet --------------------------------------------------------------------------
 */

void shim_barrier(int line)
{
    if (b.ended > 0)
        fail("thread %d is at the barrier of line %d, others have ended", thread_now(), line);
    if (b.arrived > 0 && b.line != line)
        fail("thread %d is at the barrier of line %d, others at that of line %d", thread_now(),
             line, b.line);
    b.line = line;
    if (++b.arrived == b.threads) {
        b.arrived = 0;
        b.meeting++;
        return;
    }
    b.now->state = AT_BARRIER;
    b.now->meeting = b.meeting;
    switch_to(&b.main);
}

uint64_t shim_exchange(unsigned mask, uint64_t value, int from, int line)
{
    int lane = thread_now() % LANES;
    struct warp *w = &b.warp[thread_now() / LANES];
    if (!(mask >> lane & 1) || !(mask >> from & 1))
        fail("line %d: lane %d or %d is not in the shuffle's mask %x", line, lane, from, mask);
    if (w->arrived && (w->mask != mask || w->line != line))
        fail("lane %d of a warp is at the shuffle of line %d, others at that of line %d", lane,
             line, w->line);
    uint64_t *slot = w->slot[w->meeting & 1];
    w->mask = mask;
    w->line = line;
    slot[lane] = value;
    w->arrived |= 1u << lane;
    if (w->arrived == mask) {
        w->arrived = 0;
        w->meeting++;
        return slot[from];
    }
    b.now->state = AT_SHUFFLE;
    b.now->meeting = w->meeting;
    switch_to(&b.main);
    return slot[from];
}

/* Can thread i run? */
static bool ready(int i)
{
    struct fiber *f = &b.fiber[i];
    if (f->state == AT_BARRIER && f->meeting != b.meeting)
        f->state = READY;
    if (f->state == AT_SHUFFLE && f->meeting != b.warp[i / LANES].meeting)
        f->state = READY;
    return f->state == READY;
}

void shim_misaligned(uintptr_t p, unsigned bytes)
{
    fail("thread %d moves a vector of %u bytes at an address that ends in %x", thread_now(), bytes,
         (unsigned)(p & 255));
}

static void stuck(void)
{
    int barrier = 0, shuffle = 0, line = 0;
    for (int i = 0; i < b.threads; i++) {
        barrier += b.fiber[i].state == AT_BARRIER;
        shuffle += b.fiber[i].state == AT_SHUFFLE;
        line = b.fiber[i].state == AT_SHUFFLE ? b.warp[i / LANES].line : line;
    }
    fail("%d threads wait at the barrier of line %d, %d at a shuffle (one of line %d), %d have "
         "ended",
         barrier, b.line, shuffle, line, b.ended);
}

/* -- shared memory ------------------------------------------------------------------------------
 */

static void set_canary(unsigned char *at)
{
    memset(at, 0xa5, CANARY);
#if defined(__SANITIZE_ADDRESS__)
    ASAN_POISON_MEMORY_REGION(at, CANARY);
#endif
}

static bool canary_lives(unsigned char *at)
{
#if defined(__SANITIZE_ADDRESS__)
    ASAN_UNPOISON_MEMORY_REGION(at, CANARY);
#endif
    for (int i = 0; i < CANARY; i++)
        if (at[i] != 0xa5)
            return false;
    return true;
}

/* All ones: a NaN in every type of float. */
static void *new_part(size_t bytes, int line)
{
    size_t room = (bytes + CANARY - 1) / CANARY * CANARY, total = bytes;
    for (int i = 0; i < b.parts; i++)
        total += b.part[i].bytes;
    if (b.parts == PARTS || total > SHARED_BYTES) {
        fail("line %d: more than %d bytes of shared memory", line, (int)SHARED_BYTES);
        return NULL;
    }
    unsigned char *p = shared + b.used + CANARY;
    set_canary(p - CANARY);
    memset(p, 0xff, room);
    memset(p + bytes, 0xa5, room - bytes);
    set_canary(p + room);
    b.part[b.parts++] = (struct part){line, bytes, b.used + CANARY};
    b.used += room + 2 * CANARY;
    return p;
}

void *shim_shared(size_t bytes, int line)
{
    for (int i = 0; i < b.parts; i++)
        if (b.part[i].line == line && b.part[i].bytes == bytes)
            return shared + b.part[i].offset;
    return new_part(bytes, line);
}

static void check_shared(void)
{
    for (int i = 0; i < b.parts; i++) {
        const struct part *p = &b.part[i];
        size_t room = (p->bytes + CANARY - 1) / CANARY * CANARY;
        unsigned char *at = shared + p->offset;
        bool alive = canary_lives(at - CANARY) && canary_lives(at + room);
        for (size_t c = p->bytes; c < room; c++)
            alive = alive && at[c] == 0xa5;
        if (!alive)
            fail("wrote beyond the shared memory of line %d", p->line);
    }
    b.parts = 0;
    b.used = 0;
}

/* -- launches -----------------------------------------------------------------------------------
 */

/* The order of this launch: from the front or the back, starting anywhere. */
static int nth(int i, int count)
{
    int from = (int)(b.launches * 2654435761u >> 8) % count;
    return ((b.launches & 1 ? count - 1 - i : i) + from) % count;
}

/* That order of warps and lanes, once a launch: it is asked for at every barrier and shuffle. */
static void order_threads(void)
{
    b.warps = (b.threads + LANES - 1) / LANES;
    for (int w = 0; w < b.warps; w++)
        b.warp_at[w] = nth(w, b.warps);
    for (int l = 0; l < LANES; l++)
        b.lane_at[l] = nth(l, LANES);
}

/* Gives each thread that can run a turn. False if there was none. */
static bool turn(void)
{
    bool ran = false;
    for (int w = 0; w < b.warps; w++) {
        int first = b.warp_at[w] * LANES;
        int lanes = b.threads - first < LANES ? b.threads - first : LANES;
        for (int l = 0; l < lanes && !b.failed; l++) {
            int i = first + (lanes == LANES ? b.lane_at[l] : nth(l, lanes));
            if (ready(i)) {
                switch_to(&b.fiber[i]);
                ran = true;
            }
        }
    }
    return ran;
}

static void run_block(void)
{
    b.ended = b.arrived = 0;
    memset(b.warp, 0, sizeof b.warp);
    for (int i = 0; i < b.threads; i++)
        if (!start(i)) {
            fail("no memory for %d threads", b.threads);
            return;
        }
    while (b.ended < b.threads && !b.failed)
        if (!turn() && !b.failed)
            stuck();
    check_shared();
}

static bool size_valid(struct uint3 grid, struct uint3 block)
{
    uint64_t threads = (uint64_t)block.x * block.y * block.z;
    return grid.x > 0 && grid.x <= INT32_MAX && grid.y > 0 && grid.y <= 65535 && grid.z > 0 &&
           grid.z <= 65535 && threads > 0 && threads <= THREADS && block.x <= THREADS &&
           block.y <= THREADS && block.z <= 64;
}

/* A launch with the arguments behind it, as a graph keeps it. */
struct kept {
    void (*kernel)(void);
    struct uint3 grid, block;
    void (*run)(void *);
    size_t bytes;
    _Alignas(16) char context[];
};

static int launch_kept(void *context)
{
    struct kept *k = context;
    return shim_launch(k->kernel, k->grid, k->block, k->run, k->context, k->bytes);
}

static int keep(void (*kernel)(void), struct uint3 grid, struct uint3 block, void (*run)(void *),
                const void *context, size_t bytes)
{
    struct kept *k = malloc(sizeof *k + bytes);
    if (!k)
        return shim_spoil("no memory");
    *k = (struct kept){kernel, grid, block, run, bytes};
    memcpy(k->context, context, bytes);
    int rc = shim_keep(launch_kept, k, sizeof *k + bytes);
    free(k);
    return rc;
}

/* Launches a kernel's code for the first time, which loads it. */
static bool is_first(void (*kernel)(void))
{
    for (int i = 0; i < b.kernels; i++)
        if (b.kernel[i] == kernel)
            return false;
    if (b.kernels < KERNELS && !shim_capturing())
        b.kernel[b.kernels++] = kernel;
    return b.kernels < KERNELS;
}

int shim_launch(void (*kernel)(void), struct uint3 grid, struct uint3 block, void (*run)(void *),
                void *context, size_t bytes)
{
    bool first = is_first(kernel);
    if (shim_capturing())
        return first ? shim_spoil("a kernel's first launch")
                     : keep(kernel, grid, block, run, context, bytes);
    b.now = &b.main;
    b.failed = false;
    b.run = run;
    b.context = context;
    b.launches++;
    if (!size_valid(grid, block)) {
        fail("no device takes a grid of %u x %u x %u blocks of %u x %u x %u threads", grid.x,
             grid.y, grid.z, block.x, block.y, block.z);
        return SHIM_FAILED;
    }
    shim_grid = grid;
    shim_block = block;
    b.threads = (int)(block.x * block.y * block.z);
    order_threads();
    int plane = (int)(grid.x * grid.y), blocks = plane * (int)grid.z;
    for (int i = 0; i < blocks && !b.failed; i++) {
        unsigned at = (unsigned)nth(i, blocks);
        blockIdx = (struct uint3){at % grid.x, at / grid.x % grid.y, at / grid.x / grid.y};
        run_block();
    }
    b.abandoned = b.abandoned || b.failed;
    return b.failed ? SHIM_FAILED : 0;
}
