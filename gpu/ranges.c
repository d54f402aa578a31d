/*
 * Modules as NVTX ranges: Nsight Systems and Compute show stages, steps and layers above the
 * kernels that they launch.
 *
 * NVTX is headers alone (they come with the toolkit) and does nothing until a tool puts itself
 * behind it. A recorded step (CUDA graph) is replayed without its layers; `spritty profile`, and
 * --graph off, run it plainly.
 */
#include <stdio.h>

#include "backend.h"

#if defined(__has_include)
#if __has_include(<nvtx3/nvToolsExt.h>)
#include <nvtx3/nvToolsExt.h>
#define HAVE_NVTX 1
#endif
#endif

#ifdef HAVE_NVTX

static void range_enter(struct ops *o, const char *name, int index, bool turn)
{
    char text[80];
    (void)o;
    if (index < 0)
        snprintf(text, sizeof text, "%.60s", name);
    else if (turn)
        snprintf(text, sizeof text, "%.60s %d", name, index + 1);
    else
        snprintf(text, sizeof text, "%.60s.%d", name, index);
    nvtxRangePushA(text);
}

static void range_leave(struct ops *o)
{
    (void)o;
    nvtxRangePop();
}

void gpu_range_on(struct ops *o)
{
    o->enter = range_enter;
    o->leave = range_leave;
}

#else

void gpu_range_on(struct ops *o)
{
    (void)o; /* there were no headers */
}

#endif
