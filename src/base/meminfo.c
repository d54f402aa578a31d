/* See meminfo.h. cgroups: version 2's memory.max up the path that /proc/self/cgroup names, and
 * version 1's limit in its usual place. */
#include "base/meminfo.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/proc.h"

/* 0 for "max", and for what is as good as none. */
static size_t number_in(const char *root, const char *path)
{
    char text[64];
    unsigned long long n = 0;
    if (!proc_text(root, path, text, sizeof text) || sscanf(text, "%llu", &n) != 1 ||
        n >= 1ull << 60)
        return 0;
    return (size_t)n;
}

static void tighten(struct meminfo *m, size_t limit, size_t used)
{
    if (limit > 0 && (m->group_limit == 0 || limit < m->group_limit)) {
        m->group_limit = limit;
        m->group_used = used;
    }
}

/* What the group holds without the file pages that it would give up. */
static size_t used_in(const char *root, const char *dir)
{
    char path[1200], text[8192];
    snprintf(path, sizeof path, "%s/memory.current", dir);
    size_t used = number_in(root, path);
    snprintf(path, sizeof path, "%s/memory.stat", dir);
    unsigned long long file = 0;
    const char *at = proc_text(root, path, text, sizeof text) ? strstr(text, "\ninactive_file ")
                                                              : NULL;
    if (at && sscanf(at, " inactive_file %llu", &file) == 1 && file < used)
        used -= (size_t)file;
    return used;
}

static void read_groups(struct meminfo *m, const char *root)
{
    char text[4096], dir[1100], path[1200];
    const char *at = proc_text(root, "/proc/self/cgroup", text, sizeof text) ? strstr(text, "0::/")
                                                                             : NULL;
    int n = at ? (int)strcspn(at + 3, "\n") : -1;
    if (n >= 0 && n < 1000) {
        snprintf(dir, sizeof dir, "/sys/fs/cgroup%.*s", n, at + 3);
        for (char *slash; strlen(dir) >= strlen("/sys/fs/cgroup"); *slash = '\0') {
            snprintf(path, sizeof path, "%s/memory.max", dir);
            tighten(m, number_in(root, path), used_in(root, dir));
            slash = strrchr(dir, '/');
        }
    }
    tighten(m, number_in(root, "/sys/fs/cgroup/memory/memory.limit_in_bytes"),
            number_in(root, "/sys/fs/cgroup/memory/memory.usage_in_bytes"));
}

size_t meminfo_own(const char *root)
{
    char text[128];
    unsigned long long pages = 0;
    proc_text(root, "/proc/self/statm", text, sizeof text);
    if (sscanf(text, "%*u %llu", &pages) != 1 || pages >= SIZE_MAX >> 20)
        return 0;
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

void meminfo_read(struct meminfo *m, const char *root)
{
    char text[4096];
    *m = (struct meminfo){0};
    proc_text(root, "/proc/meminfo", text, sizeof text);
    m->total = proc_kilobytes(text, "MemTotal");
    m->available = proc_kilobytes(text, "MemAvailable");
    m->own = meminfo_own(root);
    read_groups(m, root);
    if (m->group_limit >= m->total && m->total > 0)
        m->group_limit = m->group_used = 0;
}

static size_t lower(size_t a, size_t b)
{
    return b > 0 && b < a ? b : a;
}

size_t meminfo_hard(const struct meminfo *m, size_t limit)
{
    return lower(lower(lower(SIZE_MAX, m->total), m->group_limit), limit);
}

size_t meminfo_soft(const struct meminfo *m, size_t limit)
{
    size_t most = meminfo_hard(m, limit);
    if (m->available > 0) /* a twentieth for the others to breathe */
        most = lower(most, m->own + m->available / 20 * 19);
    if (m->group_limit > m->group_used)
        most = lower(most, m->own + (m->group_limit - m->group_used));
    return most;
}

int memory_limit_read(const char *text, size_t *bytes, double *percent, struct err *e)
{
    static const struct {
        const char *unit;
        double factor;
    } units[] = {{"", 1},         {"B", 1},        {"KB", 1e3},    {"MB", 1e6},
                 {"GB", 1e9},     {"K", 1e3},      {"M", 1e6},     {"G", 1e9},
                 {"KiB", 0x1p10}, {"MiB", 0x1p20}, {"GiB", 0x1p30}};
    char *end;
    double x = strtod(text, &end);
    *bytes = 0;
    *percent = 0;
    if (!*text)
        return 0;
    bool number = end != text && isfinite(x) && x >= 0 &&
                  strspn(text, "0123456789.") == (size_t)(end - text);
    while (*end == ' ')
        end++;
    if (number && !strcmp(end, "%") && x > 0 && x <= 100) {
        *percent = x;
        return 0;
    }
    for (size_t i = 0; number && i < sizeof units / sizeof *units; i++)
        if (!strcasecmp(end, units[i].unit) && x * units[i].factor < 0x1p50) {
            *bytes = (size_t)(x * units[i].factor);
            return 0;
        }
    return err_set(e, "'%.40s' is no amount of memory; write 6GB, 800MB, bytes, or 75%%", text);
}
