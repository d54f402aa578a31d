/*
 * A worker's folder: in memory where that is to be had, locked while the worker lives, so that the
 * next one knows what a kill left behind and takes it away.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "queue/worker_priv.h"

#define PREFIX "spritty-worker-"

static int drop(const char *path, const struct stat *st, int flag, struct FTW *f)
{
    (void)st, (void)flag, (void)f;
    remove(path);
    return 0;
}

static void remove_folder(const char *path)
{
    nftw(path, drop, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* A folder of ours whose worker is gone: its lock can be had. One without a lock file is being made
 * or taken away. */
static bool is_left_behind(const char *path)
{
    char lock[PATH_MAX];
    struct stat st;
    if (lstat(path, &st) || !S_ISDIR(st.st_mode) || st.st_uid != geteuid() ||
        snprintf(lock, sizeof lock, "%s/lock", path) >= PATH_MAX)
        return false;
    int fd = open(lock, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    bool free = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
    if (fd >= 0)
        close(fd);
    return free;
}

static void tidy(const char *base)
{
    char path[PATH_MAX];
    DIR *d = opendir(base);
    for (struct dirent *f; d && (f = readdir(d));)
        if (!strncmp(f->d_name, PREFIX, sizeof PREFIX - 1) &&
            snprintf(path, sizeof path, "%s/%s", base, f->d_name) < PATH_MAX &&
            is_left_behind(path))
            remove_folder(path);
    if (d)
        closedir(d);
}

static const char *base_folder(void)
{
    const char *said = getenv("TMPDIR");
    if (said && *said)
        return said;
    return access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
}

int scratch_open(struct scratch *s, struct err *e)
{
    char path[PATH_MAX], unlocked[PATH_MAX];
    const char *base = base_folder();
    s->lock = -1;
    tidy(base);
    int n = snprintf(s->folder, sizeof s->folder, "%s/" PREFIX "XXXXXX", base);
    if (n < 0 || n > PATH_MAX - 20 || !mkdtemp(s->folder)) {
        s->folder[0] = '\0';
        return err_set(e, "%s: no folder can be made there: %s", base, strerror(errno));
    }
    snprintf(path, sizeof path, "%.*s/lock", PATH_MAX - 20, s->folder);
    snprintf(unlocked, sizeof unlocked, "%.*s/lock.new", PATH_MAX - 20, s->folder);
    snprintf(s->store, sizeof s->store, "%.*s/jobs.db", PATH_MAX - 20, s->folder);
    /* Its name comes once it is locked: a worker that starts now would take the folder away. */
    s->lock = open(unlocked, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->lock < 0 || flock(s->lock, LOCK_EX | LOCK_NB) || rename(unlocked, path))
        return err_set(e, "%s: %s", path, strerror(errno));
    return 0;
}

void scratch_close(struct scratch *s)
{
    if (*s->folder)
        remove_folder(s->folder);
    if (s->lock >= 0)
        close(s->lock);
}
