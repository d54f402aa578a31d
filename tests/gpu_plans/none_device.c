/* gpu/device.h and gpu/clock.h over nothing; see none.h. */
#include "none.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../../gpu/clock.h"
#include "../../gpu/device.h"

static char last[200]; /* what was wrong last */

enum { FULL = 2 }; /* cudaErrorMemoryAllocation */

/* -- the device ---------------------------------------------------------------------------------
 */

const struct none_device *none_device(void)
{
    static const struct none_device all[] = {
        {"h200", "NVIDIA H200", 9, 0, 132, 232448, 233472, 2048, 32, 1980000, 3201000, 6144,
         60 << 20, (size_t)141 << 30},
        {"h100", "NVIDIA H100 80GB HBM3", 9, 0, 132, 232448, 233472, 2048, 32, 1980000, 2619000,
         5120, 50 << 20, (size_t)80 << 30},
        {"a100", "NVIDIA A100-SXM4-40GB", 8, 0, 108, 166912, 167936, 2048, 32, 1410000, 1215000,
         5120, 40 << 20, (size_t)40 << 30},
        {"3090", "NVIDIA GeForce RTX 3090", 8, 6, 82, 101376, 102400, 1536, 16, 1695000, 9751000,
         384, 6 << 20, (size_t)24 << 30},
        {"4090", "NVIDIA GeForce RTX 4090", 8, 9, 128, 101376, 102400, 1536, 24, 2520000, 10501000,
         384, 72 << 20, (size_t)24 << 30},
        {"b200", "NVIDIA B200", 10, 0, 148, 232448, 233472, 2048, 32, 1965000, 3996000, 8192,
         126 << 20, (size_t)180 << 30},
        {"5090", "NVIDIA GeForce RTX 5090", 12, 0, 170, 101376, 102400, 1536, 24, 2407000, 14001000,
         512, 96 << 20, (size_t)32 << 30},
    };
    const char *key = getenv("PLANS_DEVICE");
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!key || !*key || !strcmp(key, all[i].key))
            return &all[i];
    return NULL;
}

void none_describe(const struct none_device *d, char *to, size_t size)
{
    snprintf(to, size,
             "{\"deviceName\": \"%s\", \"deviceVer\": %d, \"cudaDeviceId\": 0, \"driverVer\": "
             "13000, \"pciDeviceId\": 0, \"isTccDriver\": 0, \"supportCoopLaunch\": 1, "
             "\"maxGridSize\": [2147483647, 65535, 65535], \"maxBlockSize\": [1024, 1024, 64], "
             "\"regsPerBlock\": 65536, \"multiProcessorCount\": %d, \"warpSize\": 32, "
             "\"maxSharedMemoryPerBlock\": 49152, \"maxSharedMemoryPerBlockOptin\": %d, "
             "\"reservedSharedMemoryPerBlock\": 1024, \"maxRegistersPerSM\": 65536, "
             "\"maxCtasPerSM\": %d, \"maxThreadsPerBlock\": 1024, \"maxThreadsPerSM\": %d, "
             "\"smClockRateKHz\": %d, \"memClockRateKHz\": %d, \"l2CacheSize\": %d, "
             "\"totalGlobalMem\": %zu}",
             d->name, d->major * 100 + d->minor * 10, d->processors, d->shared_optin, d->blocks_sm,
             d->threads_sm, d->clock_khz, d->memory_khz, d->l2_bytes, d->memory);
}

/* The driver that is none (no_driver.c), which lies beside this object: before cuDNN looks for one.
 */
static bool open_driver(void)
{
    static void *driver;
    char path[4096];
    Dl_info self;
    if (driver || !dladdr(&last, &self))
        return driver != NULL;
    const char *slash = strrchr(self.dli_fname, '/');
    int n = slash ? (int)(slash - self.dli_fname) : 0;
    snprintf(path, sizeof path, "%.*s/libcuda.so.1", n, slash ? self.dli_fname : ".");
    driver = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    return driver != NULL;
}

int device_open(int index, struct device_info *info, struct err *err)
{
    const struct none_device *d = none_device();
    *info = (struct device_info){0};
    if (!d)
        return err_set(err, "PLANS_DEVICE: there is no description of %s", getenv("PLANS_DEVICE"));
    if (index != 0)
        return err_set(err, "there is no device %d; one is described", index);
    if (!open_driver())
        return err_set(err, "there is no libcuda.so.1 beside this object: %s", dlerror());
    *info = (struct device_info){.bytes_total = d->memory,
                                 .bytes_free = d->memory,
                                 .major = d->major,
                                 .minor = d->minor,
                                 .processors = d->processors,
                                 .count = 1,
                                 .driver = 13000,
                                 .runtime = 13000};
    snprintf(info->name, sizeof info->name, "%s, described", d->name);
    return 0;
}

void device_settle(int index)
{
    (void)index;
}

void device_return(void)
{
}

/* -- the log ------------------------------------------------------------------------------------
 */

FILE *none_log(void)
{
    static FILE *log;
    const char *path = getenv("PLANS_LOG");
    if (!log && path && *path)
        log = fopen(path, "a");
    if (log)
        setvbuf(log, NULL, _IOLBF, 0);
    return log;
}

void none_quote(FILE *f, const char *text)
{
    for (; *text; text++)
        if (*text >= ' ' && *text != '"' && *text != '\\')
            fputc(*text, f);
}

int none_wrong(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(last, sizeof last, fmt, args);
    va_end(args);
    fprintf(stderr, "against the rules: %s\n", last);
    FILE *f = none_log();
    if (f) {
        fprintf(f, "{\"kind\": \"wrong\", \"what\": \"");
        none_quote(f, last);
        fprintf(f, "\"}\n");
    }
    return NONE_WRONG;
}

bool device_is_full(int code)
{
    return code == FULL;
}

const char *device_error(int code)
{
    return code == NONE_WRONG ? last : code == FULL ? "out of memory" : "an error";
}

void device_forget(void)
{
}

/* -- captures -----------------------------------------------------------------------------------
 */

static bool capturing, spoilt;

bool none_captures(void)
{
    return capturing;
}

static int spoil(const char *what)
{
    spoilt = true;
    return none_wrong("%s while a graph is captured", what);
}

int graph_begin(void *stream)
{
    (void)stream;
    capturing = true;
    spoilt = false;
    return 0;
}

int graph_end(void *stream, void **graph)
{
    (void)stream;
    capturing = false;
    *graph = spoilt ? NULL : calloc(1, 1);
    return spoilt ? NONE_WRONG : 0;
}

int graph_launch(void *graph, void *stream)
{
    (void)stream;
    return capturing ? spoil("a graph's launch") : graph ? 0 : NONE_WRONG;
}

void graph_close(void *graph)
{
    if (graph && capturing)
        spoil("closing a graph");
    free(graph);
}

/* -- memory: pieces, in the order of their addresses --------------------------------------------
 */

struct piece {
    char *at;
    size_t bytes;
    bool freed;
};
static struct piece *pieces;
static int count, room;
static size_t held;

/* Addresses that nothing is behind: a terabyte at a time. */
static char *addresses(size_t bytes)
{
    static char *at, *end;
    const size_t more = (size_t)1 << 40;
    bytes = (bytes + 511) / 512 * 512;
    if ((size_t)(end - at) < bytes || !at) {
        void *p = mmap(NULL, more, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p == MAP_FAILED || (at && (char *)p < at))
            return NULL;
        at = p;
        end = at + more;
    }
    at += bytes;
    return at - bytes;
}

int device_alloc(void **p, size_t bytes, void *stream)
{
    (void)stream;
    *p = NULL;
    if (capturing)
        return spoil("allocating");
    if (held + bytes > none_device()->memory)
        return FULL;
    if (count == room) {
        struct piece *more = realloc(pieces,
                                     (size_t)(room = room ? 2 * room : 1024) * sizeof *more);
        if (!more)
            return FULL;
        pieces = more;
    }
    char *at = addresses(bytes);
    if (!at)
        return FULL;
    pieces[count++] = (struct piece){at, bytes, false};
    held += bytes;
    *p = at;
    return 0;
}

static struct piece *find(const void *p)
{
    int from = 0, to = count; /* the last that begins at p or before is in [from, to) */
    while (to - from > 1) {
        int middle = (from + to) / 2;
        if (pieces[middle].at <= (const char *)p)
            from = middle;
        else
            to = middle;
    }
    return count && pieces[from].at <= (const char *)p ? &pieces[from] : NULL;
}

void device_free(void *p, void *stream)
{
    (void)stream;
    struct piece *q = p ? find(p) : NULL;
    if (!p)
        return;
    if (capturing)
        spoil("freeing");
    if (!q || q->at != p || q->freed) {
        none_wrong("%p is freed and was not allocated", p);
        return;
    }
    q->freed = true;
    held -= q->bytes;
}

int none_holds(const char *what, const void *p, size_t bytes)
{
    const struct piece *q = find(p);
    if (bytes == 0)
        return 0;
    if (!p || !q || q->freed || (const char *)p + bytes > q->at + q->bytes)
        return none_wrong("%s: %zu bytes at %p are not all in one piece of memory", what, bytes, p);
    return 0;
}

int device_memory(int index, size_t *bytes_free, size_t *bytes_total)
{
    *bytes_total = none_device()->memory;
    *bytes_free = *bytes_total - held;
    return index == 0 ? 0 : -1;
}

int pinned_alloc(void **p, size_t bytes)
{
    *p = NULL;
    if (capturing)
        return spoil("allocating");
    return posix_memalign(p, 256, bytes) == 0 ? 0 : FULL;
}

void pinned_free(void *p)
{
    if (p && capturing)
        spoil("freeing pinned memory");
    free(p);
}

int device_zero(void *p, size_t bytes, void *stream)
{
    (void)stream;
    return none_holds("zeros", p, bytes);
}

int device_put(void *to, const void *from, size_t bytes, void *stream)
{
    (void)stream, (void)from;
    return capturing ? spoil("a copy from the host")
                     : none_holds("a copy from the host", to, bytes);
}

int device_get(void *to, const void *from, size_t bytes, void *stream)
{
    (void)stream;
    memset(to, 0, bytes);
    return capturing ? spoil("a copy to the host") : none_holds("a copy to the host", from, bytes);
}

/* -- streams, events, the clock: all is done at once, in no time --------------------------------
 */

int stream_open(void **stream)
{
    *stream = calloc(1, 1);
    return *stream ? 0 : FULL;
}

int stream_open_beside(void **stream)
{
    return stream_open(stream);
}

void stream_close(void *stream)
{
    free(stream);
}

int stream_wait(void *stream)
{
    (void)stream;
    return capturing ? spoil("waiting for the stream") : 0;
}

int event_open(void **event)
{
    return stream_open(event);
}

void event_close(void *event)
{
    free(event);
}

int event_record(void *event, void *stream)
{
    (void)event, (void)stream;
    return capturing ? spoil("an event that the host waits for") : 0;
}

int event_wait(void *event)
{
    (void)event;
    return capturing ? spoil("waiting for an event") : 0;
}

int event_passed(void *event)
{
    (void)event;
    return capturing ? spoil("asking for an event") : 0;
}

int stream_after(void *stream, void *event)
{
    (void)stream, (void)event;
    return capturing ? spoil("waiting for another stream") : 0;
}

int clock_open(void **event)
{
    return stream_open(event);
}

void clock_close(void *event)
{
    free(event);
}

int clock_record(void *event, void *stream)
{
    (void)event, (void)stream;
    return 0;
}

int clock_between(void *from, void *to, float *ms)
{
    (void)from, (void)to;
    *ms = 1;
    return 0;
}

bool stream_captures(void *stream)
{
    (void)stream;
    return capturing;
}
