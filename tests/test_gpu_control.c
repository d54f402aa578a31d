/* The networks of test_control.c on the CUDA backend, which runs on the CPU through gpu_shim. */
/* Not under qemu: many minutes; test_gpu_kernels and test_gpu_turns run the same there. */
/* Not under sanitizers: over code that test_gpu has there too. */
#ifdef NO_SHIM

#define SKIPPED NO_SHIM
#include "skipped.h"

#else

#define GOLDEN_GPU
#include "test_control.c"

#endif
