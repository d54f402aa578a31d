/* See clock.h: the CUDA runtime. */
#include "clock.h"

#include <stddef.h>

#include <cuda_runtime_api.h>

#include "device.h"

int clock_open(void **event)
{
    cudaEvent_t e = NULL;
    cudaError_t rc = cudaEventCreate(&e);
    *event = e;
    return device_told(rc);
}

void clock_close(void *event)
{
    if (event)
        device_told(cudaEventDestroy(event));
}

int clock_record(void *event, void *stream)
{
    return device_told(cudaEventRecord(event, stream));
}

int clock_between(void *from, void *to, float *ms)
{
    cudaError_t rc = cudaEventSynchronize(to);
    return device_told(rc == cudaSuccess ? cudaEventElapsedTime(ms, from, to) : rc);
}

bool stream_captures(void *stream)
{
    enum cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    return cudaStreamIsCapturing(stream, &status) == cudaSuccess &&
           status != cudaStreamCaptureStatusNone;
}
