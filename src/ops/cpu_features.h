/*
 * What this CPU can do, asked once, and how a kernel is compiled for several kinds of it.
 *
 * The program is built for the oldest CPU it supports; a kernel that gains from newer instructions
 * is compiled again under a target attribute and chosen at run time. CPU_VERSIONS makes those
 * copies from one body of plain C that the compiler vectorises: every copy does the same operations
 * in the same order, but that a * b + c is rounded once where the level has such an instruction.
 */
#ifndef SPRITTY_CPU_FEATURES_H
#define SPRITTY_CPU_FEATURES_H

#include <stdbool.h>
#include <stddef.h>

/* Levels that kernels are compiled for; an index into tables of versions. */
enum cpu_isa { ISA_PORTABLE, ISA_AVX2, ISA_AVX512, ISA_COUNT };

struct cpu_features {
    enum cpu_isa isa; /* AVX2: with FMA and F16C; AVX512: F, BW, VL, DQ besides */
    bool avx512_bf16; /* vdpbf16ps, */
    bool slow_bf16;   /* which adds fewer products in a time than f32's own instructions */
    bool amx_bf16;    /* tdpbf16ps, and the kernel lets us use the tiles */
    bool arm_bf16;    /* aarch64: bfdot, bfmmla */
};

/* Asks the CPU and the operating system. Requests the use of AMX tiles for the process. */
struct cpu_features cpu_features(void);

#define CPU_INLINE static inline __attribute__((always_inline))

#if defined(__x86_64__)
#define CPU_AVX2   __attribute__((target("avx2,fma,f16c")))
#define CPU_AVX512 __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq")))

/* name_body(args) once a level, as name[enum cpu_isa]. */
#define CPU_VERSIONS(name, params, args)                                                           \
    static void name##_portable params                                                             \
    {                                                                                              \
        name##_body args;                                                                          \
    }                                                                                              \
    CPU_AVX2 static void name##_avx2 params                                                        \
    {                                                                                              \
        name##_body args;                                                                          \
    }                                                                                              \
    CPU_AVX512 static void name##_avx512 params                                                    \
    {                                                                                              \
        name##_body args;                                                                          \
    }                                                                                              \
    static void(*const name[ISA_COUNT]) params = {name##_portable, name##_avx2, name##_avx512}
#else
#define CPU_VERSIONS(name, params, args)                                                           \
    static void name##_portable params                                                             \
    {                                                                                              \
        name##_body args;                                                                          \
    }                                                                                              \
    static void(*const name[ISA_COUNT]) params = {name##_portable, name##_portable, name##_portable}
#endif

#endif
