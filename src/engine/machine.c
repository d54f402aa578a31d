/*
 * The machine's state; see machine.h.
 *
 * Every file may be missing, cut short or say nonsense (containers, virtual machines, kernels that
 * keep energy counters to root): whatever is not understood is not told.
 */
#include "engine/machine.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/proc.h"

#define HWMON "/sys/class/hwmon"

enum { MAX_SAMPLED_CORES = 8 };

/* The number that the file holds, or NAN. */
static double number_in(const char *root, const char *path)
{
    char text[64], *end;
    if (!proc_text(root, path, text, sizeof text))
        return NAN;
    double x = strtod(text, &end);
    return end > text && isfinite(x) ? x : NAN;
}

/* ---- load: ticks since the call before ---- */

/* The first line of /proc/stat: user nice system idle iowait irq softirq steal. */
static bool read_ticks(const char *root, uint64_t *busy, uint64_t *all)
{
    char text[512];
    unsigned long long t[8] = {0};
    if (!proc_text(root, "/proc/stat", text, sizeof text) ||
        sscanf(text, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &t[0], &t[1], &t[2], &t[3],
               &t[4], &t[5], &t[6], &t[7]) < 4)
        return false;
    *all = 0;
    for (int i = 0; i < 8; i++)
        *all += t[i];
    *busy = *all - t[3] - t[4];
    return true;
}

/* utime and stime, counted from behind the name, which may hold anything but ends with the last
 * bracket. */
static bool read_own_ticks(const char *root, uint64_t *own)
{
    char text[1024];
    unsigned long long user, system;
    char *at = proc_text(root, "/proc/self/stat", text, sizeof text) ? strrchr(text, ')') : NULL;
    if (!at || sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user,
                      &system) != 2)
        return false;
    *own = user + system;
    return true;
}

/* A share of `all` ticks, NAN when time stood still or a counter ran backwards. */
static double share(uint64_t now, uint64_t before, uint64_t all)
{
    return all > 0 && now >= before ? fmin((double)(now - before) / (double)all, 1) : NAN;
}

static void read_load(struct machine *m, const char *root)
{
    uint64_t busy, all, own;
    m->load = m->own_load = NAN;
    if (!read_ticks(root, &busy, &all))
        return;
    bool again = m->last.all > 0 && all > m->last.all;
    uint64_t passed = again ? all - m->last.all : 0;
    m->load = share(busy, m->last.busy, passed);
    if (read_own_ticks(root, &own)) {
        m->own_load = share(own, m->last.own, passed);
        m->last.own = own;
    }
    m->last.busy = busy;
    m->last.all = all;
}

/* ---- memory ---- */

static void read_memory(struct machine *m, const char *root)
{
    char text[2048];
    unsigned long long pages = 0;
    proc_text(root, "/proc/meminfo", text, sizeof text);
    m->memory_total = proc_kilobytes(text, "MemTotal");
    m->memory_free = proc_kilobytes(text, "MemAvailable");
    m->swap_total = proc_kilobytes(text, "SwapTotal");
    m->swap_free = proc_kilobytes(text, "SwapFree");
    proc_text(root, "/proc/self/status", text, sizeof text);
    m->own_peak = proc_kilobytes(text, "VmHWM");
    m->own_anonymous = proc_kilobytes(text, "RssAnon");
    m->own_mapped = proc_kilobytes(text, "RssFile") + proc_kilobytes(text, "RssShmem");
    m->own_swapped = proc_kilobytes(text, "VmSwap");
    proc_text(root, "/proc/self/statm", text, sizeof text);
    if (sscanf(text, "%*u %llu", &pages) != 1 || pages > SIZE_MAX >> 20)
        pages = 0;
    m->own_bytes = (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
    if (m->own_peak < m->own_bytes) /* the kernel's counts lag */
        m->own_peak = m->own_bytes;
}

/* ---- sensors ---- */

static bool measures_cpu(const char *driver)
{
    static const char *const drivers[] = {"k10temp", "coretemp", "zenpower", "cpu_thermal"};
    for (size_t i = 0; i < sizeof drivers / sizeof *drivers; i++)
        if (!strcmp(driver, drivers[i]))
            return true;
    return false;
}

/* Of one driver's folder, or NAN. */
static double celsius_of(const char *root, const char *folder)
{
    char path[400], name[64];
    snprintf(path, sizeof path, HWMON "/%s/name", folder);
    proc_text(root, path, name, sizeof name);
    name[strcspn(name, "\n")] = '\0';
    if (!measures_cpu(name))
        return NAN;
    snprintf(path, sizeof path, HWMON "/%s/temp1_input", folder);
    double celsius = number_in(root, path) / 1000;
    return celsius > -100 && celsius < 200 ? celsius : NAN;
}

static double cpu_celsius(const char *root)
{
    char path[PATH_MAX];
    double celsius = NAN;
    snprintf(path, sizeof path, "%s" HWMON, root);
    DIR *d = opendir(path);
    for (struct dirent *f; d && isnan(celsius) && (f = readdir(d));)
        celsius = celsius_of(root, f->d_name);
    if (d)
        closedir(d);
    return celsius;
}

static void read_power(struct machine *m, const char *root, double now)
{
    double energy = number_in(root, "/sys/class/powercap/intel-rapl:0/energy_uj");
    double seconds = (now - m->last.at_ms) / 1e3;
    uint64_t before = m->last.microjoules;
    m->watts = NAN;
    m->last.microjoules = 0;
    if (!(energy > 0 && energy < 0x1p63))
        return;
    m->last.microjoules = (uint64_t)energy;
    if (before > 0 && m->last.microjoules >= before && seconds > 0) /* else it began anew */
        m->watts = (double)(m->last.microjoules - before) / 1e6 / seconds;
}

/* Mean of some cores, evenly spread: asking hundreds would take longer than all the rest. */
static double mean_mhz(const char *root, int cores)
{
    char path[96];
    double sum = 0;
    int n = 0, step = cores / MAX_SAMPLED_CORES > 1 ? cores / MAX_SAMPLED_CORES : 1;
    for (int i = 0; i < cores && n < MAX_SAMPLED_CORES; i += step) {
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/cpufreq/scaling_cur_freq", i);
        double khz = number_in(root, path);
        if (!(khz > 0))
            break;
        sum += khz / 1000;
        n++;
    }
    return n ? sum / n : NAN;
}

/* ---- what does not change ---- */

/* Once: the name, the cores, and the clock where no driver will tell it again. */
static void read_identity(struct machine *m, const char *root)
{
    static const char *const keys[] = {"model name", "Model", "Hardware"};
    char text[4096];
    const char *name = NULL;
    m->cores = (int)sysconf(_SC_NPROCESSORS_ONLN);
    m->mhz = NAN;
    for (int i = 0; i < 3 && !name; i++)
        if (proc_text(root, "/proc/cpuinfo", text, sizeof text))
            name = proc_value(text, keys[i]);
    snprintf(m->name, sizeof m->name, "%.63s", name ? name : "CPU");
    text_sanitize(m->name);
    proc_text(root, "/proc/cpuinfo", text, sizeof text);
    const char *mhz = proc_value(text, "cpu MHz");
    if (mhz && strtod(mhz, NULL) > 0)
        m->mhz = strtod(mhz, NULL);
}

void machine_reset_peak(void)
{
    int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t n = write(fd, "5", 1); /* a refusal is harmless */
    (void)n;
    close(fd);
}

void machine_read_at(struct machine *m, const char *root)
{
    double now = clock_ms();
    if (m->cores == 0)
        read_identity(m, root);
    read_load(m, root);
    read_memory(m, root);
    read_power(m, root, now);
    m->celsius = cpu_celsius(root);
    double mhz = mean_mhz(root, m->cores);
    if (mhz > 0)
        m->mhz = mhz;
    m->last.at_ms = now;
}

void machine_read(struct machine *m)
{
    machine_read_at(m, "");
}
