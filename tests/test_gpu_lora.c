/* LoRAs of test_lora_golden.c on the CUDA backend, which merges plain ones itself; on the CPU,
 * through gpu_shim. */
/* Not under qemu: many minutes; test_gpu_kernels and test_gpu_turns run the same there. */
#ifdef NO_SHIM

#define SKIPPED NO_SHIM
#include "skipped.h"

#else

#define GOLDEN_GPU
#include "test_lora_golden.c"

#endif
