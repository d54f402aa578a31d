/*
 * The calls of CUDA's runtime (gpu/device.h, gpu/clock.h) in front of a runtime that refuses all of
 * them, and keeps each error for whoever asks for the last one, as the real one does: a launch asks
 * for it, and would fail for what somebody else has been told already.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#ifdef NO_LIBRARY

#define SKIPPED NO_LIBRARY
#include "skipped.h"

#else

#include <cuda_runtime_api.h>

#include "../gpu/clock.h"
#include "../gpu/device.h"

#pragma GCC diagnostic ignored "-Wunused-parameter"

static cudaError_t last;
static bool waits, waited; /* a wait works, and what was freed before it is free then */

static cudaError_t refused(void)
{
    return last = cudaErrorMemoryAllocation;
}

cudaError_t cudaGetLastError(void)
{
    cudaError_t was = last;
    last = cudaSuccess;
    return was;
}

const char *cudaGetErrorString(cudaError_t code)
{
    return code == cudaErrorMemoryAllocation ? "out of memory" : "another error";
}

cudaError_t cudaStreamIsCapturing(cudaStream_t s, enum cudaStreamCaptureStatus *status)
{
    *status = cudaStreamCaptureStatusNone;
    return cudaSuccess;
}

#define REFUSES(name, ...)                                                                         \
    cudaError_t name(__VA_ARGS__)                                                                  \
    {                                                                                              \
        return refused();                                                                          \
    }

cudaError_t cudaStreamSynchronize(cudaStream_t s)
{
    waited = waits;
    return waits ? cudaSuccess : refused();
}

cudaError_t cudaMallocAsync(void **p, size_t bytes, cudaStream_t s)
{
    *p = &last;
    return waited ? cudaSuccess : refused();
}

REFUSES(cudaDriverGetVersion, int *v)
REFUSES(cudaRuntimeGetVersion, int *v)
REFUSES(cudaGetDeviceCount, int *count)
REFUSES(cudaGetDevice, int *device)
REFUSES(cudaSetDevice, int device)
REFUSES(cudaGetDeviceProperties, struct cudaDeviceProp *p, int device)
REFUSES(cudaMemGetInfo, size_t *left, size_t *total)
REFUSES(cudaDeviceGetDefaultMemPool, cudaMemPool_t *pool, int device)
REFUSES(cudaMemPoolSetAttribute, cudaMemPool_t pool, enum cudaMemPoolAttr a, void *value)
REFUSES(cudaStreamCreateWithFlags, cudaStream_t *s, unsigned flags)
REFUSES(cudaStreamDestroy, cudaStream_t s)
REFUSES(cudaStreamWaitEvent, cudaStream_t s, cudaEvent_t e, unsigned flags)
REFUSES(cudaStreamBeginCapture, cudaStream_t s, enum cudaStreamCaptureMode mode)
REFUSES(cudaStreamEndCapture, cudaStream_t s, cudaGraph_t *g)
REFUSES(cudaEventCreate, cudaEvent_t *e)
REFUSES(cudaEventCreateWithFlags, cudaEvent_t *e, unsigned flags)
REFUSES(cudaEventDestroy, cudaEvent_t e)
REFUSES(cudaEventRecord, cudaEvent_t e, cudaStream_t s)
REFUSES(cudaEventSynchronize, cudaEvent_t e)
REFUSES(cudaEventQuery, cudaEvent_t e)
REFUSES(cudaEventElapsedTime, float *ms, cudaEvent_t from, cudaEvent_t to)
REFUSES(cudaFreeAsync, void *p, cudaStream_t s)
REFUSES(cudaHostAlloc, void **p, size_t bytes, unsigned flags)
REFUSES(cudaFreeHost, void *p)
REFUSES(cudaMemsetAsync, void *p, int value, size_t bytes, cudaStream_t s)
REFUSES(cudaMemcpyAsync, void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind,
        cudaStream_t s)
REFUSES(cudaGraphInstantiate, cudaGraphExec_t *to, cudaGraph_t g, unsigned long long flags)
REFUSES(cudaGraphDestroy, cudaGraph_t g)
REFUSES(cudaGraphUpload, cudaGraphExec_t g, cudaStream_t s)
REFUSES(cudaGraphLaunch, cudaGraphExec_t g, cudaStream_t s)
REFUSES(cudaGraphExecDestroy, cudaGraphExec_t g)

/* Does the call say so, and leave nothing for the next launch? */
#define CHECK(call)                                                                                \
    do {                                                                                           \
        assert_int_equal(call, cudaErrorMemoryAllocation);                                         \
        if (cudaGetLastError() != cudaSuccess)                                                     \
            fail_msg("%s: its error is kept", #call);                                              \
    } while (0)
#define CHECK_SILENT(call)                                                                         \
    do {                                                                                           \
        call;                                                                                      \
        if (cudaGetLastError() != cudaSuccess)                                                     \
            fail_msg("%s: its error is kept", #call);                                              \
    } while (0)

static void errors_are_told_once(void **state)
{
    (void)state;
    void *p, *some = &p;
    size_t a, b;
    float ms;
    CHECK(device_alloc(&p, 1, NULL));
    CHECK(pinned_alloc(&p, 1));
    CHECK(device_zero(some, 1, NULL));
    CHECK(device_put(some, some, 1, NULL));
    CHECK(device_get(some, some, 1, NULL));
    CHECK(stream_open(&p));
    CHECK(stream_open_beside(&p));
    CHECK(stream_wait(NULL));
    CHECK(stream_after(NULL, some));
    CHECK(event_open(&p));
    CHECK(event_record(some, NULL));
    CHECK(event_wait(some));
    CHECK(event_passed(some));
    CHECK(graph_begin(NULL));
    CHECK(graph_end(NULL, &p));
    CHECK(graph_launch(some, NULL));
    CHECK(clock_open(&p));
    CHECK(clock_record(some, NULL));
    CHECK(clock_between(some, some, &ms));
    CHECK_SILENT(device_free(some, NULL));
    CHECK_SILENT(pinned_free(some));
    CHECK_SILENT(stream_close(some));
    CHECK_SILENT(event_close(some));
    CHECK_SILENT(clock_close(some));
    CHECK_SILENT(graph_close(some));
    CHECK_SILENT(assert_int_equal(device_memory(0, &a, &b), -1));
    assert_true(device_is_full(cudaErrorMemoryAllocation));
}

/* Memory that was freed on the stream just before is waited for. */
static void freed_memory_is_waited_for(void **state)
{
    (void)state;
    void *p;
    waits = true;
    CHECK_SILENT(assert_int_equal(device_alloc(&p, 1, NULL), 0));
    assert_ptr_equal(p, &last);
    waits = waited = false;
}

static void no_device_leaves_no_error(void **state)
{
    (void)state;
    struct device_info info;
    struct err e = {""};
    CHECK_SILENT(assert_int_equal(device_open(0, &info, &e), -1));
    assert_non_null(strstr(e.text, "no NVIDIA driver"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_are_told_once),
        cmocka_unit_test(freed_memory_is_waited_for),
        cmocka_unit_test(no_device_leaves_no_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
