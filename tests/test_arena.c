/* The arena: blocks never overlap, the peak is the peak, everything free again is one hole, and an
 * arena without memory lays blocks out exactly like one with. */
/* Not under qemu: looks at the memory of its own process, which there is the emulator. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "ops/arena.h"

#if defined(__has_feature)
#define ASAN __has_feature(address_sanitizer)
#define TSAN __has_feature(thread_sanitizer)
#else
#ifdef __SANITIZE_ADDRESS__
#define ASAN 1
#else
#define ASAN 0
#endif
#ifdef __SANITIZE_THREAD__
#define TSAN 1
#else
#define TSAN 0
#endif
#endif

enum { LIVE = 200, STEPS = 20000 };

static uint32_t lcg(uint32_t *s)
{
    *s = *s * 1664525u + 1013904223u;
    return *s >> 8;
}

static size_t offset_of(const struct arena *a, const void *p)
{
    return (uintptr_t)p - (uintptr_t)a->base;
}

static struct arena *real_arena(size_t bytes)
{
    struct arena *a = malloc(sizeof *a);
    struct err err;
    assert_non_null(a);
    if (arena_init(a, bytes, &err) != 0)
        fail_msg("%s", err.text);
    return a;
}

static void done(struct arena *a)
{
    arena_exit(a);
    free(a);
}

/* Fills every block with its own number and looks for it again before the block goes: an overlap
 * would have written over it. The peak is recomputed from the offsets. */
static void test_random(void **state)
{
    (void)state;
    struct arena *a = real_arena(0), *dry = malloc(sizeof *dry);
    assert_non_null(dry);
    arena_init_virtual(dry);
    struct {
        unsigned char *p;
        void *virt;
        size_t bytes;
    } live[LIVE] = {0};
    uint32_t seed = 7;
    size_t peak = 0, now = 0, most = 0;
    for (int step = 0; step < STEPS; step++) {
        unsigned i = lcg(&seed) % LIVE;
        if (live[i].p) {
            for (size_t b = 0; b < live[i].bytes; b++)
                assert_int_equal(live[i].p[b], (unsigned char)i);
            arena_free(a, live[i].p);
            arena_free(dry, live[i].virt);
            live[i].p = NULL;
            now -= (live[i].bytes + 63) / 64 * 64;
            continue;
        }
        unsigned most_bytes = lcg(&seed) % 10 ? 3000 : 100000;
        live[i].bytes = 1 + lcg(&seed) % most_bytes;
        live[i].p = arena_alloc(a, live[i].bytes);
        live[i].virt = arena_alloc(dry, live[i].bytes);
        assert_non_null(live[i].p);
        size_t offset = offset_of(a, live[i].p);
        assert_int_equal(offset % ARENA_ALIGN, 0);
        assert_int_equal((uintptr_t)live[i].p % ARENA_ALIGN, 0);
        assert_int_equal(offset, offset_of(dry, live[i].virt));
        memset(live[i].p, (int)i, live[i].bytes);
        size_t end = offset + (live[i].bytes + 63) / 64 * 64;
        now += end - offset;
        peak = end > peak ? end : peak;
        most = now > most ? now : most;
        assert_int_equal(arena_now(a), now);
        assert_int_equal(arena_peak(a), peak);
    }
    assert_int_equal(arena_most(a), most);
    assert_int_equal(arena_peak(dry), peak);
    printf("peak %zu, in use at most %zu: holes cost %.1f%%\n", peak, most,
           100.0 * (double)(peak - most) / (double)most);
    for (int i = 0; i < LIVE; i++)
        if (live[i].p)
            arena_free(a, live[i].p);
    assert_int_equal(a->count, 0);
    assert_int_equal(a->top, 0);
    assert_int_equal(arena_now(a), 0);
    assert_ptr_equal(arena_alloc(a, 1), a->base);
    free(dry);
    done(a);
}

static void test_placement(void **state)
{
    (void)state;
    struct arena *a = real_arena(1 << 20);
    char *p[5];
    size_t sizes[5] = {256, 64, 128, 64, 64};
    for (int i = 0; i < 5; i++)
        p[i] = arena_alloc(a, sizes[i]);
    arena_free(a, p[0]);
    arena_free(a, p[2]);
    assert_ptr_equal(arena_alloc(a, 100), p[2]); /* the smallest hole that fits */
    assert_ptr_equal(arena_alloc(a, 100), p[0]); /* then the next, split */
    assert_ptr_equal(arena_alloc(a, 100), p[0] + 128);
    assert_ptr_equal(arena_alloc(a, 0), p[4] + 64); /* then the top; nothing is a block too */
    arena_free(a, p[3]);
    arena_free(a, p[2]);
    assert_ptr_equal(arena_alloc(a, 192), p[2]); /* holes have joined */
    done(a);
}

static void test_lap(void **state)
{
    (void)state;
    struct arena *a = real_arena(1 << 20);
    void *keep = arena_alloc(a, 640), *more = arena_alloc(a, 6400);
    arena_free(a, more);
    assert_int_equal(arena_lap(a), 7040);
    more = arena_alloc(a, 64);
    arena_free(a, more);
    arena_free(a, keep);
    assert_int_equal(arena_lap(a), 704);
    assert_int_equal(arena_lap(a), 0);
    assert_int_equal(arena_peak(a), 7040);
    done(a);
}

/* Sizes from outside end in NULL or an error text, never in a wrapped sum. */
static void test_full(void **state)
{
    (void)state;
    struct arena *a = real_arena(1 << 20);
    struct err err;
    assert_null(arena_alloc(a, SIZE_MAX));
    assert_null(arena_alloc(a, SIZE_MAX - 63));
    assert_null(arena_alloc(a, (1 << 20) + 1));
    char *all = arena_alloc(a, 1 << 20);
    assert_non_null(all);
    all[(1 << 20) - 1] = 1;
    assert_null(arena_alloc(a, 1));
    assert_int_equal(arena_reserve(a, 1 << 20, &err), 0);
    assert_int_equal(arena_reserve(a, (1 << 20) + 1, &err), -1);
    assert_int_equal(arena_reserve(a, SIZE_MAX, &err), -1);
    printf("%s\n", err.text);
    struct arena *b = malloc(sizeof *b);
    assert_non_null(b);
    assert_int_equal(arena_init(b, SIZE_MAX / 4, &err), -1);
    assert_int_equal(arena_init(b, SIZE_MAX, &err), -1);
    printf("%s\n", err.text);
    free(b);
    done(a);
}

static size_t resident(void)
{
    size_t total = 0, pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f)
        return 0;
    if (fscanf(f, "%zu %zu", &total, &pages) != 2)
        pages = 0;
    fclose(f);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void test_costs_nothing_untouched(void **state)
{
    (void)state;
#if ASAN || TSAN
    print_message("skipped: the sanitizer's shadow of the memory would be counted too\n");
    skip();
#endif
    size_t before = resident(), mib = (size_t)1 << 20;
    struct arena *a = real_arena(0);
    char *p = arena_alloc(a, 512 * mib);
    assert_int_equal(arena_reserve(a, 512 * mib, NULL), 0);
    size_t untouched = resident() - before;
    memset(p, 1, 64 * mib);
    size_t touched = resident() - before;
    arena_free(a, p);
    assert_int_equal(arena_reserve(a, 8 * mib, NULL), 0);
    size_t returned = resident() - before;
    printf("resident: untouched %zu, touched %zu, after a smaller reserve %zu KiB\n",
           untouched >> 10, touched >> 10, returned >> 10);
    assert_true(untouched < 4 * mib);
    assert_true(touched >= 60 * mib);
    assert_true(returned < 16 * mib);
    done(a);
}

static void run_in_child(void (*f)(struct arena *, void *), int *status)
{
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        signal(SIGABRT, SIG_DFL);
        if (!freopen("/dev/null", "w", stderr))
            _exit(3);
        struct arena *a = malloc(sizeof *a);
        if (!a || arena_init(a, 1 << 20, NULL) != 0)
            _exit(3);
        f(a, arena_alloc(a, 256));
        _exit(0);
    }
    assert_int_equal(waitpid(pid, status, 0), pid);
}

static void free_twice(struct arena *a, void *p)
{
    arena_alloc(a, 64);
    arena_free(a, p);
    arena_free(a, p);
}

static void free_inside(struct arena *a, void *p)
{
    arena_free(a, (char *)p + 64);
}

static void free_foreign(struct arena *a, void *p)
{
    (void)p;
    arena_free(a, &p);
}

static void test_asserts(void **state)
{
    (void)state;
    void (*bad[])(struct arena *, void *) = {free_twice, free_inside, free_foreign};
    for (int i = 0; i < 3; i++) {
        int status = 0;
        run_in_child(bad[i], &status);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    }
}

/* Under ulimit -v the arena takes less address space instead of failing. */
static void limited(struct arena *a, void *p)
{
    (void)p;
    arena_exit(a);
    struct rlimit four = {(rlim_t)4 << 30, (rlim_t)4 << 30};
    if (setrlimit(RLIMIT_AS, &four) != 0 || arena_init(a, 0, NULL) != 0)
        _exit(1);
    char *q = arena_alloc(a, 1 << 20);
    if (!q || a->region > (size_t)4 << 30)
        _exit(2);
    q[0] = 1;
}

static void test_address_limit(void **state)
{
    (void)state;
#if ASAN || TSAN
    print_message("skipped: the sanitizer itself needs more address space than the limit\n");
    skip();
#endif
    int status = 0;
    run_in_child(limited, &status);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* With the address sanitizer, use after release is seen; without it, there is nothing to test. */
static void use_after_free(struct arena *a, void *p)
{
    arena_alloc(a, 64);
    arena_free(a, p);
    *(volatile char *)p = 1;
}

static void test_poison(void **state)
{
    (void)state;
    int status = 0;
    if (!ASAN) {
        print_message("skipped: needs the address sanitizer (make asan)\n");
        skip();
    }
    run_in_child(use_after_free, &status);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),        cmocka_unit_test(test_placement),
        cmocka_unit_test(test_lap),           cmocka_unit_test(test_full),
        cmocka_unit_test(test_asserts),       cmocka_unit_test(test_costs_nothing_untouched),
        cmocka_unit_test(test_address_limit), cmocka_unit_test(test_poison),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
