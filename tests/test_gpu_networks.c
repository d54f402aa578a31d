/* The networks of test_networks.c on the CUDA backend, which runs on the CPU through gpu_shim: its
 * own kernels, weights and memory, in f32, fp16 and bf16. */
#ifdef NO_SHIM

#define SKIPPED NO_SHIM
#include "skipped.h"

#else

#define GOLDEN_GPU
#include "test_networks.c"

#endif
