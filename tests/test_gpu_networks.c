/* The networks of test_networks.c on the CUDA backend, which runs on the CPU through gpu_shim: its
 * own kernels, weights and memory, in f32, fp16 and bf16. */
/* Not under qemu: many minutes; test_gpu_kernels and test_gpu_turns run the same there. */
/* Not under sanitizers: a minute and more, over code that test_gpu has there too. */
/* Started first: the slowest of all. */
#ifdef NO_SHIM

#define SKIPPED NO_SHIM
#include "skipped.h"

#else

#define GOLDEN_GPU
#include "test_networks.c"

#endif
