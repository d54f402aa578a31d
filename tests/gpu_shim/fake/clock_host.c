/* gpu/clock.h over the fakes' clock, and what the fakes share. */
#include "../../../gpu/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "../shim_run.h"
#include "fake.h"

struct fake_state fake;

bool fake_wrong(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fprintf(stderr, "fake library: ");
    vfprintf(stderr, fmt, args);
    fprintf(stderr, "\n");
    va_end(args);
    fake.complaints++;
    return false;
}

int fake_do(int (*call)(void *), void *context, size_t bytes)
{
    return shim_capturing() ? shim_keep(call, context, bytes) : call(context);
}

int clock_open(void **event)
{
    *event = calloc(1, sizeof(double));
    return *event ? 0 : 2;
}

void clock_close(void *event)
{
    free(event);
}

int clock_record(void *event, void *stream)
{
    (void)stream;
    *(double *)event = fake.ms;
    return 0;
}

int clock_between(void *from, void *to, float *ms)
{
    *ms = (float)(*(double *)to - *(double *)from);
    return 0;
}

bool stream_captures(void *stream)
{
    (void)stream;
    return shim_capturing();
}
