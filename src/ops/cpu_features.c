/*
 * CPUID, XGETBV and the Linux permission for AMX. Bits: Intel SDM volume 2, CPUID; XCR0: volume 1,
 * 13.3; the permission: Linux Documentation/arch/x86/xstate.rst.
 */
#include "ops/cpu_features.h"

#include "ops/ops.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    ARCH_REQ_XCOMP_PERM = 0x1023,
    XFEATURE_XTILEDATA = 18,
    XCR0_AVX = 0x6,     /* xmm and ymm state */
    XCR0_AVX512 = 0xe6, /* and masks, upper halves, zmm16 to 31 */
    XCR0_AMX = 0x60000  /* tile configuration and data */
};

struct leaf {
    unsigned a, b, c, d;
};

static struct leaf cpuid(unsigned number, unsigned sub)
{
    struct leaf l = {0, 0, 0, 0};
    __get_cpuid_count(number, sub, &l.a, &l.b, &l.c, &l.d);
    return l;
}

static bool bit(unsigned word, int at)
{
    return (word >> at) & 1;
}

static uint64_t xcr0(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

struct cpu_features cpu_features(void)
{
    struct cpu_features f = {.isa = ISA_PORTABLE};
    struct leaf one = cpuid(1, 0), seven = cpuid(7, 0), more = cpuid(7, 1);
    if (!bit(one.c, 27)) /* OSXSAVE */
        return f;
    uint64_t state = xcr0();
    bool fma = bit(one.c, 12), f16c = bit(one.c, 29), avx2 = bit(seven.b, 5);
    if ((state & XCR0_AVX) != XCR0_AVX || !fma || !f16c || !avx2)
        return f;
    f.isa = ISA_AVX2;
    bool avx512 = bit(seven.b, 16) && bit(seven.b, 17) && bit(seven.b, 30) && bit(seven.b, 31);
    if ((state & XCR0_AVX512) != XCR0_AVX512 || !avx512)
        return f;
    f.isa = ISA_AVX512;
    f.avx512_bf16 = bit(more.a, 5);
    /* Intel's cores with AMX (from Sapphire Rapids on, all with AVX512-FP16) start one of these
     * every other cycle but two f32 multiply-adds in each: 155 GFLOP/s and 310 were measured. That
     * is what is left where a virtual machine hides AMX. */
    bool intel = cpuid(0, 0).b == 0x756e6547; /* "Genu" */
    f.slow_bf16 = f.avx512_bf16 && intel && bit(seven.d, 23);
    bool amx = bit(seven.d, 22) && bit(seven.d, 24);
    f.amx_bf16 = amx && f.avx512_bf16 && (state & XCR0_AMX) == XCR0_AMX &&
                 syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
    return f;
}

#elif defined(__aarch64__)
#include <sys/auxv.h>

#ifndef HWCAP2_BF16
#define HWCAP2_BF16 (1 << 14)
#endif

struct cpu_features cpu_features(void)
{
    return (struct cpu_features){.isa = ISA_PORTABLE,
                                 .arm_bf16 = (getauxval(AT_HWCAP2) & HWCAP2_BF16) != 0};
}

#else

struct cpu_features cpu_features(void)
{
    return (struct cpu_features){.isa = ISA_PORTABLE};
}
#endif

bool cpu_has_bf16(void)
{
    struct cpu_features f = cpu_features();
    return f.avx512_bf16 || f.amx_bf16;
}

enum dtype cpu_best_dtype(void)
{
    struct cpu_features f = cpu_features();
    return f.amx_bf16 || (f.avx512_bf16 && !f.slow_bf16) ? DT_BF16 : DT_F32;
}
