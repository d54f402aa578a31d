/*
 * A library named libcuda.so.1 for machines without a driver: the few public functions that cuDNN
 * calls when it has compiled a kernel and loads it, which here lead nowhere. CUDA's runtime finds
 * no driver in it, and says so; so nothing can be run, and plans can be made whole.
 *
 * Not against cuda.h, whose names of some functions stand for newer versions of them.
 */
#include <stddef.h>

#define DOOR __attribute__((visibility("default")))

enum { DONE = 0, ABSENT_HERE = 34 }; /* CUDA_SUCCESS, CUDA_ERROR_STUB_LIBRARY */

static int somewhere;

/* Asked for by name, and called by nobody who only plans. */
#define ABSENT(name)                                                                               \
    DOOR int name(void);                                                                           \
    int name(void)                                                                                 \
    {                                                                                              \
        return ABSENT_HERE;                                                                        \
    }
ABSENT(cuCtxGetCurrent)
ABSENT(cuCtxGetLimit)
ABSENT(cuCtxPopCurrent)
ABSENT(cuCtxPushCurrent)
ABSENT(cuDeviceGet)
ABSENT(cuDeviceGetCount)
ABSENT(cuDriverGetVersion)
ABSENT(cuLaunchCooperativeKernel)
ABSENT(cuLaunchKernel)
ABSENT(cuLaunchKernelEx)
ABSENT(cuLibraryLoadFromFile)
ABSENT(cuLinkAddData)
ABSENT(cuLinkComplete)
ABSENT(cuLinkCreate)
ABSENT(cuLinkDestroy)
ABSENT(cuOccupancyMaxPotentialClusterSize)
ABSENT(cuStreamGetCtx)

DOOR int cuGetErrorName(int, const char **);
int cuGetErrorName(int rc, const char **text)
{
    *text = rc == DONE ? "CUDA_SUCCESS" : "CUDA_ERROR_STUB_LIBRARY";
    return DONE;
}

DOOR int cuGetErrorString(int, const char **);
int cuGetErrorString(int rc, const char **text)
{
    *text = rc == DONE ? "no error" : "there is no driver";
    return DONE;
}

/* -- what was compiled is taken, and lies nowhere ------------------------------------------------
 */

DOOR int cuLibraryLoadData(void **, const void *, void *, void *, unsigned, void *, void *,
                           unsigned);
int cuLibraryLoadData(void **to, const void *code, void *options, void *values, unsigned count,
                      void *more, void *more_values, unsigned more_count)
{
    (void)options, (void)values, (void)count, (void)more, (void)more_values, (void)more_count;
    *to = &somewhere;
    return code ? DONE : ABSENT_HERE;
}

DOOR int cuLibraryUnload(void *);
int cuLibraryUnload(void *library)
{
    (void)library;
    return DONE;
}

DOOR int cuLibraryGetKernel(void **, void *, const char *);
int cuLibraryGetKernel(void **to, void *library, const char *name)
{
    (void)library, (void)name;
    *to = &somewhere;
    return DONE;
}

DOOR int cuKernelSetAttribute(int, int, void *, int);
int cuKernelSetAttribute(int attribute, int value, void *kernel, int device)
{
    (void)attribute, (void)value, (void)kernel, (void)device;
    return DONE;
}

DOOR int cuKernelGetAttribute(int *, int, void *, int);
int cuKernelGetAttribute(int *to, int attribute, void *kernel, int device)
{
    (void)attribute, (void)kernel, (void)device;
    *to = 0;
    return DONE;
}
