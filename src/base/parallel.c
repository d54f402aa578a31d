/*
 * parallel_for over OpenMP, and how many cores there are.
 */
#include "base/parallel.h"

#include <sched.h>
#include <stddef.h>

#if defined(_OPENMP)
#include <omp.h>
#endif

void parallel_for(int threads, int64_t count, parallel_fn *fn, void *context)
{
    if (threads > count)
        threads = (int)count;
#if defined(_OPENMP)
    if (threads > 1) {
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
        for (int64_t i = 0; i < count; i++)
            fn(context, i, omp_get_thread_num());
        return;
    }
#endif
    for (int64_t i = 0; i < count; i++)
        fn(context, i, 0);
}

int parallel_cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return CPU_COUNT(&set);
    return 1;
}

void parallel_set_threads(int threads)
{
#if defined(_OPENMP)
    omp_set_num_threads(threads > 0 ? threads : 1);
#else
    (void)threads;
#endif
}
