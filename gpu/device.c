/* See device.h: the CUDA runtime. */
#include "device.h"

#include <stdint.h>
#include <stdio.h>

#include <cuda_runtime_api.h>

/* Freed memory that the pool keeps when somebody waits: the place of one weight, so that exchanging
 * hundreds for a LoRA does not map and unmap each. Without it all works, slower. */
enum { POOL_KEEPS = 64 << 20 };

static void keep_some(int index)
{
    cudaMemPool_t pool;
    uint64_t keeps = POOL_KEEPS;
    if (cudaDeviceGetDefaultMemPool(&pool, index) != cudaSuccess ||
        cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &keeps) != cudaSuccess)
        cudaGetLastError();
}

int device_open(int index, struct device_info *info, struct err *err)
{
    struct cudaDeviceProp p;
    int count = 0;
    *info = (struct device_info){0};
    cudaDriverGetVersion(&info->driver);
    cudaRuntimeGetVersion(&info->runtime);
    cudaError_t rc = cudaGetDeviceCount(&count);
    if (info->driver == 0)
        return err_set(err, "there is no NVIDIA driver here");
    if (rc == cudaErrorInsufficientDriver)
        return err_set(err,
                       "the NVIDIA driver takes CUDA %d.%d at most, this build needs %d.%d; update "
                       "the driver, or build with an older toolkit",
                       info->driver / 1000, info->driver % 1000 / 10, info->runtime / 1000,
                       info->runtime % 1000 / 10);
    if (rc != cudaSuccess)
        return err_set(err, "CUDA: %s", cudaGetErrorString(rc));
    info->count = count;
    if (index < 0 || index >= count)
        return err_set(err, "there is no CUDA device %d; %d can be seen (cuda:0 is the first)",
                       index, count);
    rc = cudaSetDevice(index);
    if (rc == cudaSuccess)
        rc = cudaGetDeviceProperties(&p, index);
    if (rc == cudaSuccess)
        rc = cudaMemGetInfo(&info->bytes_free, &info->bytes_total);
    if (rc != cudaSuccess)
        return err_set(err, "CUDA device %d: %s", index, cudaGetErrorString(rc));
    snprintf(info->name, sizeof info->name, "%s", p.name);
    info->major = p.major;
    info->minor = p.minor;
    info->processors = p.multiProcessorCount;
    info->shares_memory = p.integrated != 0;
    keep_some(index);
    return 0;
}

/* Streams and memory are a device's, launches the thread's current device's: the two must agree. */
static _Thread_local int settled = -1;

void device_settle(int index)
{
    settled = index;
}

void device_return(void)
{
    int now = settled;
    if (settled >= 0 && cudaGetDevice(&now) == cudaSuccess && now != settled)
        cudaSetDevice(settled);
}

int device_memory(int index, size_t *bytes_free, size_t *bytes_total)
{
    int rc = -1;
    if (cudaSetDevice(index) == cudaSuccess)
        rc = cudaMemGetInfo(bytes_free, bytes_total) == cudaSuccess ? 0 : -1;
    device_return();
    return rc;
}

bool device_is_full(int code)
{
    return code == cudaErrorMemoryAllocation;
}

const char *device_error(int code)
{
    return cudaGetErrorString((cudaError_t)code);
}

void device_forget(void)
{
    cudaGetLastError();
}

int stream_open(void **stream)
{
    cudaStream_t s = NULL;
    cudaError_t rc = cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking);
    *stream = s;
    return (int)rc;
}

int stream_open_beside(void **stream)
{
    return stream_open(stream);
}

void stream_close(void *stream)
{
    if (stream)
        cudaStreamDestroy(stream);
}

int stream_wait(void *stream)
{
    return (int)cudaStreamSynchronize(stream);
}

int event_open(void **event)
{
    cudaEvent_t e = NULL;
    cudaError_t rc = cudaEventCreateWithFlags(&e, cudaEventDisableTiming);
    *event = e;
    return (int)rc;
}

void event_close(void *event)
{
    if (event)
        cudaEventDestroy(event);
}

int event_record(void *event, void *stream)
{
    return (int)cudaEventRecord(event, stream);
}

int event_wait(void *event)
{
    return (int)cudaEventSynchronize(event);
}

int event_passed(void *event)
{
    cudaError_t rc = cudaEventQuery(event);
    if (rc == cudaErrorNotReady) {
        cudaGetLastError(); /* or the next launch would take it for its own */
        return EVENT_AHEAD;
    }
    return (int)rc;
}

int stream_after(void *stream, void *event)
{
    return (int)cudaStreamWaitEvent(stream, event, 0);
}

static bool captures(void *stream)
{
    enum cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    return cudaStreamIsCapturing(stream, &status) != cudaSuccess ||
           status != cudaStreamCaptureStatusNone;
}

int device_alloc(void **p, size_t bytes, void *stream)
{
    *p = NULL;
    if (captures(stream))
        return cudaErrorStreamCaptureUnsupported;
    return (int)cudaMallocAsync(p, bytes, stream);
}

void device_free(void *p, void *stream)
{
    if (p)
        cudaFreeAsync(p, stream);
}

int pinned_alloc(void **p, size_t bytes)
{
    *p = NULL;
    return (int)cudaHostAlloc(p, bytes, cudaHostAllocDefault);
}

void pinned_free(void *p)
{
    if (p)
        cudaFreeHost(p);
}

int device_zero(void *p, size_t bytes, void *stream)
{
    return (int)cudaMemsetAsync(p, 0, bytes, stream);
}

int device_put(void *to, const void *from, size_t bytes, void *stream)
{
    if (captures(stream))
        return cudaErrorStreamCaptureUnsupported;
    return (int)cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream);
}

int device_get(void *to, const void *from, size_t bytes, void *stream)
{
    if (captures(stream))
        return cudaErrorStreamCaptureUnsupported;
    return (int)cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream);
}

int graph_begin(void *stream)
{
    return (int)cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal);
}

int graph_end(void *stream, void **graph)
{
    cudaGraph_t calls = NULL;
    cudaGraphExec_t ready = NULL;
    cudaError_t rc = cudaStreamEndCapture(stream, &calls);
    if (rc == cudaSuccess)
        rc = cudaGraphInstantiate(&ready, calls, 0);
    if (calls)
        cudaGraphDestroy(calls);
    if (rc == cudaSuccess)
        rc = cudaGraphUpload(ready, stream);
    if (rc != cudaSuccess) {
        graph_close(ready);
        ready = NULL;
        cudaGetLastError(); /* it is told once, here */
    }
    *graph = ready;
    return (int)rc;
}

int graph_launch(void *graph, void *stream)
{
    return (int)cudaGraphLaunch(graph, stream);
}

void graph_close(void *graph)
{
    if (graph)
        cudaGraphExecDestroy(graph);
}
