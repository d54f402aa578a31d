/*
 * Loops written once and compiled twice: for any machine, and with eight lanes for x86-64 with
 * AVX2.
 *
 * The loop is an always-inlined function; two wrappers take it in. No multiplication is fused with
 * an addition in either (C17 without extensions), so both give the same numbers.
 */
#ifndef SPRITTY_WIDE_H
#define SPRITTY_WIDE_H

#include <stdbool.h>
#include <stdint.h>

/* Eight lanes that lie anywhere. (Handed on by pointer: by value the calls of the two twins would
 * differ.) */
typedef float lanes8 __attribute__((vector_size(32), aligned(4)));
typedef int32_t ints8 __attribute__((vector_size(32), aligned(4)));

/* Lane by lane a where the mask, of a comparison, is set, and b elsewhere. */
#define LANES_PICK(mask, a, b) ((lanes8)(((mask) & (ints8)(a)) | (~(mask) & (ints8)(b))))

#define ALWAYS_INLINE static inline __attribute__((always_inline))

#if defined __x86_64__ && !defined __AVX2__
#define WIDE __attribute__((target("avx2")))
static inline bool is_wide(void)
{
    return __builtin_cpu_supports("avx2");
}
#else
#define WIDE
static inline bool is_wide(void)
{
    return false;
}
#endif

/* A static NAME(PARAMS) that is NAME_loop(ARGS), as wide as the machine is. */
#define WIDE_TWINS(NAME, PARAMS, ARGS)                                                             \
    WIDE static void NAME##_wide PARAMS                                                            \
    {                                                                                              \
        NAME##_loop ARGS;                                                                          \
    }                                                                                              \
    static void NAME##_plain PARAMS                                                                \
    {                                                                                              \
        NAME##_loop ARGS;                                                                          \
    }                                                                                              \
    static void NAME PARAMS                                                                        \
    {                                                                                              \
        if (is_wide())                                                                             \
            NAME##_wide ARGS;                                                                      \
        else                                                                                       \
            NAME##_plain ARGS;                                                                     \
    }

#endif
