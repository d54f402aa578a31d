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
    if (device_told(cudaDeviceGetDefaultMemPool(&pool, index)) == 0)
        device_told(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &keeps));
}

int device_open(int index, struct device_info *info, struct err *err)
{
    struct cudaDeviceProp p;
    int count = 0;
    *info = (struct device_info){0};
    device_told(cudaDriverGetVersion(&info->driver));
    device_told(cudaRuntimeGetVersion(&info->runtime));
    cudaError_t rc = cudaGetDeviceCount(&count);
    device_told(rc);
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
    if (device_told(rc) != 0)
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
    if (settled >= 0 && device_told(cudaGetDevice(&now)) == 0 && now != settled)
        device_told(cudaSetDevice(settled));
}

int device_memory(int index, size_t *bytes_free, size_t *bytes_total)
{
    int rc = -1;
    if (device_told(cudaSetDevice(index)) == 0)
        rc = device_told(cudaMemGetInfo(bytes_free, bytes_total)) == 0 ? 0 : -1;
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
    return device_told(rc);
}

int stream_open_beside(void **stream)
{
    return stream_open(stream);
}

void stream_close(void *stream)
{
    if (stream)
        device_told(cudaStreamDestroy(stream));
}

int stream_wait(void *stream)
{
    return device_told(cudaStreamSynchronize(stream));
}

int event_open(void **event)
{
    cudaEvent_t e = NULL;
    cudaError_t rc = cudaEventCreateWithFlags(&e, cudaEventDisableTiming);
    *event = e;
    return device_told(rc);
}

void event_close(void *event)
{
    if (event)
        device_told(cudaEventDestroy(event));
}

int event_record(void *event, void *stream)
{
    return device_told(cudaEventRecord(event, stream));
}

int event_wait(void *event)
{
    return device_told(cudaEventSynchronize(event));
}

int event_passed(void *event)
{
    int rc = device_told(cudaEventQuery(event));
    return rc == cudaErrorNotReady ? EVENT_AHEAD : rc;
}

int stream_after(void *stream, void *event)
{
    return device_told(cudaStreamWaitEvent(stream, event, 0));
}

static bool captures(void *stream)
{
    enum cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    return device_told(cudaStreamIsCapturing(stream, &status)) != 0 ||
           status != cudaStreamCaptureStatusNone;
}

int device_alloc(void **p, size_t bytes, void *stream)
{
    *p = NULL;
    if (captures(stream))
        return cudaErrorStreamCaptureUnsupported;
    int rc = device_told(cudaMallocAsync(p, bytes, stream));
    /* What was freed on the stream is given back to the device, or joined with what lies beside it,
     * when somebody waits: a larger slab is asked for right behind the smaller one's end. */
    if (rc == cudaErrorMemoryAllocation && stream_wait(stream) == 0)
        rc = device_told(cudaMallocAsync(p, bytes, stream));
    return rc;
}

void device_free(void *p, void *stream)
{
    if (p)
        device_told(cudaFreeAsync(p, stream));
}

int pinned_alloc(void **p, size_t bytes)
{
    *p = NULL;
    return device_told(cudaHostAlloc(p, bytes, cudaHostAllocDefault));
}

void pinned_free(void *p)
{
    if (p)
        device_told(cudaFreeHost(p));
}

int device_zero(void *p, size_t bytes, void *stream)
{
    return device_told(cudaMemsetAsync(p, 0, bytes, stream));
}

int device_put(void *to, const void *from, size_t bytes, void *stream)
{
    if (captures(stream))
        return cudaErrorStreamCaptureUnsupported;
    return device_told(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream));
}

int device_get(void *to, const void *from, size_t bytes, void *stream)
{
    if (captures(stream))
        return cudaErrorStreamCaptureUnsupported;
    return device_told(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream));
}

/* Relaxed: a library that loads a kernel only now, or asks for an event of its own, does not end
 * the capture by that. What we must not do ourselves is refused above. */
int graph_begin(void *stream)
{
    return device_told(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed));
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
    }
    *graph = ready;
    return device_told(rc);
}

int graph_launch(void *graph, void *stream)
{
    return device_told(cudaGraphLaunch(graph, stream));
}

void graph_close(void *graph)
{
    if (graph)
        device_told(cudaGraphExecDestroy(graph));
}
