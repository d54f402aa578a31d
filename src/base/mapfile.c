/* Read-only maps of files, and the few questions about paths that go with them. */
#include "base/mapfile.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- files that are cut short ---- */

enum { WATCHED = 1024 };

/* from: 0 a free place, 1 one that is being taken. */
static struct watched {
    atomic_uintptr_t from, end;
    atomic_bool cut;
} watched[WATCHED];
static struct sigaction before;

bool mapfile_mend(const void *address)
{
    uintptr_t at = (uintptr_t)address, page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (int i = 0; i < WATCHED; i++) {
        uintptr_t from = atomic_load(&watched[i].from), start = at / page * page;
        uintptr_t end = atomic_load(&watched[i].end);
        /* Still the same one: another thread may have closed it and opened another meanwhile. */
        if (at < from || at >= end || atomic_load(&watched[i].from) != from)
            continue;
        /* What is behind this page is behind the file's end as well; after a disk's error it is
         * lost with it, which is told all the same: first, or others could read the zeros and
         * believe them. */
        int errno_before = errno;
        atomic_store(&watched[i].cut, true);
        void *p = mmap((void *)start, end - start, PROT_READ,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
        errno = errno_before;
        return p != MAP_FAILED;
    }
    return false;
}

static void on_bus_error(int sig, siginfo_t *info, void *context)
{
    (void)context;
    if (!mapfile_mend(info->si_addr))
        sigaction(sig, &before, NULL); /* it comes again, and is somebody else's */
}

static bool is_ours(const struct sigaction *a)
{
    return (a->sa_flags & SA_SIGINFO) && a->sa_sigaction == on_bus_error;
}

/* Again where somebody else's was put over it. */
static void install(void)
{
    struct sigaction a = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO | SA_ONSTACK}, old;
    if (sigaction(SIGBUS, NULL, &old) == 0 && !is_ours(&old) && sigaction(SIGBUS, &a, &old) == 0 &&
        !is_ours(&old))
        before = old;
}

static void watch(struct mapfile *m)
{
    install();
    for (int i = 0; i < WATCHED; i++) {
        uintptr_t none = 0;
        if (!atomic_compare_exchange_strong(&watched[i].from, &none, 1))
            continue;
        atomic_store(&watched[i].cut, false);
        atomic_store(&watched[i].from, (uintptr_t)m->data);
        atomic_store(&watched[i].end, (uintptr_t)m->data + m->size);
        m->watch = i + 1;
        return;
    }
}

static void unwatch(struct mapfile *m)
{
    if (m->watch > 0) {
        atomic_store(&watched[m->watch - 1].end, 0);
        atomic_store(&watched[m->watch - 1].from, 0);
    }
}

bool mapfile_cut(const struct mapfile *m)
{
    return m->watch > 0 && atomic_load(&watched[m->watch - 1].cut);
}

/* Links are followed. */
static void identify(const struct stat *st, unsigned long long id[4])
{
    id[0] = (unsigned long long)st->st_dev;
    id[1] = (unsigned long long)st->st_ino;
    id[2] = (unsigned long long)st->st_size;
    id[3] = (unsigned long long)st->st_mtim.tv_sec * 1000000000 +
            (unsigned long long)st->st_mtim.tv_nsec;
}

/* What the path leads to now; false: nothing, or the map is none. */
static bool identify_again(const struct mapfile *m, const char *path, unsigned long long id[4])
{
    struct stat st;
    if (!m->data || stat(path, &st) != 0)
        return false;
    identify(&st, id);
    return true;
}

bool mapfile_changed(const struct mapfile *m, const char *path)
{
    unsigned long long id[4];
    return identify_again(m, path, id) && memcmp(id, m->id, sizeof id) != 0;
}

bool mapfile_overwritten(const struct mapfile *m, const char *path)
{
    unsigned long long id[4];
    return identify_again(m, path, id) && memcmp(id, m->id, sizeof id) != 0 &&
           memcmp(id, m->id, 2 * sizeof *id) == 0;
}

/* ---- maps ---- */

static int open_regular(const char *path, size_t *size, struct err *e)
{
    /* O_NONBLOCK: a named pipe must not make us wait for its writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return err_set(e, "%s: cannot open: %s", path, strerror(errno));
    struct stat st;
    const char *why = NULL;
    if (fstat(fd, &st) != 0)
        why = strerror(errno);
    else if (S_ISDIR(st.st_mode))
        why = "is a folder, where a file is needed";
    else if (!S_ISREG(st.st_mode))
        why = "is not a regular file";
    else if (st.st_size == 0)
        why = "is empty; download or copy it again";
    else if ((uintmax_t)st.st_size > SIZE_MAX / 2)
        why = "is too large to map";
    if (why) {
        close(fd);
        return err_set(e, "%s: %s", path, why);
    }
    *size = (size_t)st.st_size;
    return fd;
}

int mapfile_open(struct mapfile *m, const char *path, struct err *e)
{
    *m = (struct mapfile){0};
    size_t size = 0;
    int fd = open_regular(path, &size, e);
    if (fd < 0)
        return -1;
    void *p = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    int map_errno = errno;
    struct stat st;
    bool same = fstat(fd, &st) == 0 && (size_t)st.st_size == size;
    close(fd);
    if (p == MAP_FAILED)
        return err_set(e, "%s: cannot map %zu bytes: %s", path, size, strerror(map_errno));
    if (!same) {
        munmap(p, size);
        return err_set(e, "%s: is being written to; try again when it is complete", path);
    }
    *m = (struct mapfile){.data = p, .size = size};
    identify(&st, m->id);
    watch(m);
    return 0;
}

void mapfile_close(struct mapfile *m)
{
    unwatch(m);
    if (m->data)
        munmap((void *)m->data, m->size);
    *m = (struct mapfile){0};
}

void mapfile_drop(const struct mapfile *m, const void *from, size_t size)
{
    uintptr_t base = (uintptr_t)m->data, start = (uintptr_t)from;
    if (!m->data || start < base || start - base > m->size || size > m->size - (start - base))
        return;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t first = (start + page - 1) / page * page, last = (start + size) / page * page;
    if (first < last)
        madvise((void *)first, last - first, MADV_DONTNEED); /* advice: a refusal costs nothing */
}

void mapfile_soon(const struct mapfile *m, const void *from, size_t size)
{
    uintptr_t base = (uintptr_t)m->data, start = (uintptr_t)from;
    if (!m->data || start < base || start - base > m->size || size > m->size - (start - base))
        return;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), first = start / page * page;
    madvise((void *)first, start + size - first, MADV_WILLNEED);
}

size_t mapfile_cold(const struct mapfile *m)
{
    enum { PAGES = 1 << 16 };
    size_t page = (size_t)sysconf(_SC_PAGESIZE), cold = 0;
    unsigned char *there = m->data ? malloc(PAGES) : NULL;
    for (size_t at = 0; there && at < m->size; at += PAGES * page) {
        size_t size = m->size - at < PAGES * page ? m->size - at : PAGES * page;
        if (mincore((void *)(m->data + at), size, (void *)there))
            break;
        for (size_t i = 0; i < (size + page - 1) / page; i++)
            cold += there[i] & 1 ? 0 : page;
    }
    free(there);
    return cold < m->size ? cold : m->size;
}

bool file_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

bool folder_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int path_join(struct path *out, const char *dir, const char *name, struct err *e)
{
    size_t len = strlen(dir);
    const char *slash = len > 0 && dir[len - 1] == '/' ? "" : "/";
    int n = snprintf(out->text, sizeof out->text, "%s%s%s", dir, slash, name);
    if (n < 0 || (size_t)n >= sizeof out->text)
        return err_set(e, "%.100s.../%.100s: the path is too long", dir, name);
    return 0;
}
