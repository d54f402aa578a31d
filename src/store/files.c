/*
 * Folders, private files and renames that never overwrite; see store_priv.h.
 *
 * A broken database is moved with what SQLite keeps beside it, and that first: a write-ahead log
 * left alone beside a new database would be played into it.
 */
#include "store/store_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fileio.h"

bool is_there(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

int make_folders(const char *path, unsigned mode, struct err *e)
{
    char dir[PATH_MAX];
    if (!*path)
        return err_set(e, "the database needs a path");
    if (strlen(path) >= sizeof dir)
        return err_set(e, "the path %.200s... is too long", path);
    strcpy(dir, path);
    for (char *p = strchr(dir + 1, '/'); p; p = strchr(p + 1, '/')) {
        *p = '\0';
        if (mkdir(dir, mode) && errno != EEXIST) {
            int error = errno;
            struct stat st;
            if (stat(dir, &st)) /* on a read-only system a folder that is there gives EROFS */
                return err_set(e, "cannot make the folder %s: %s", dir, file_reason(error));
        }
        *p = '/';
    }
    return 0;
}

int make_private_file(const char *path, struct err *e)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno != EEXIST)
        return err_set(e, "cannot make the database %s: %s", path, file_reason(errno));
    if (fd >= 0)
        close(fd);
    return 0;
}

/* Waits for some seconds at most. */
static bool lock_within(int fd, int how)
{
    for (int waited = 0; flock(fd, how | LOCK_NB); waited += 5) {
        if (errno != EWOULDBLOCK || waited >= BUSY_MS)
            return false;
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
    return true;
}

int lock_folder(const char *path)
{
    char dir[PATH_MAX];
    const char *slash = strrchr(path, '/');
    snprintf(dir, sizeof dir, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || lock_within(fd, LOCK_EX))
        return fd;
    close(fd);
    return -1;
}

void unlock_folder(int lock)
{
    if (lock >= 0)
        close(lock);
}

static bool use_path(const char *path, char out[PATH_MAX])
{
    return snprintf(out, PATH_MAX, "%s-use", path) < PATH_MAX;
}

int use_database(const char *path)
{
    char beside[PATH_MAX];
    struct stat mine, there;
    for (int tries = 0; tries < 100 && use_path(path, beside); tries++) {
        int fd = open(beside, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        bool locked = fd >= 0 && lock_within(fd, LOCK_SH);
        /* The last one may have taken it away in between. */
        if (locked && !fstat(fd, &mine) && !lstat(beside, &there) && mine.st_ino == there.st_ino)
            return fd;
        if (fd >= 0)
            close(fd);
        if (!locked)
            break;
    }
    return -1;
}

void leave_database(const char *path, int use)
{
    char beside[PATH_MAX];
    if (use < 0)
        return;
    if (flock(use, LOCK_EX | LOCK_NB) == 0 && use_path(path, beside))
        unlink(beside);
    close(use);
}

bool own_database(int use)
{
    return use < 0 || flock(use, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
}

void share_database(int use)
{
    if (use >= 0)
        flock(use, LOCK_SH);
}

/* A name for the broken one that nothing has yet. */
static int aside_name(const char *path, char out[PATH_MAX])
{
    char stamp[32];
    struct tm tm;
    time_t now = time(NULL);
    localtime_r(&now, &tm);
    strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", &tm);
    for (int k = 1; k < 1000; k++) {
        char more[16] = "";
        if (k > 1)
            snprintf(more, sizeof more, "-%d", k);
        if (snprintf(out, PATH_MAX, "%s.broken-%s%s", path, stamp, more) >= PATH_MAX - 8)
            break;
        if (!is_there(out))
            return 0;
    }
    errno = ENAMETOOLONG;
    return -1;
}

int move_aside(const char *path, char aside[PATH_MAX], struct err *e)
{
    static const char *const parts[] = {"-wal", "-shm", ""}; /* in this order: see above */
    char from[PATH_MAX], to[PATH_MAX];
    int rc = aside_name(path, aside);
    for (int i = 0; i < 3 && !rc; i++) {
        snprintf(from, sizeof from, "%s%s", path, parts[i]);
        if (snprintf(to, sizeof to, "%s%s", aside, parts[i]) >= PATH_MAX)
            continue;
        rc = file_rename_new(from, to);
        if (rc && errno == ENOENT && *parts[i])
            rc = 0;
    }
    if (rc)
        return err_set(e, "the database %s is damaged and cannot be moved aside: %s", path,
                       file_reason(errno));
    return 0;
}

/* -- the mark -----------------------------------------------------------------------------------
 */

static bool mark_path(const char *path, char out[PATH_MAX])
{
    return snprintf(out, PATH_MAX, "%s-damaged", path) < PATH_MAX;
}

void mark_damaged(const char *path)
{
    char mark[PATH_MAX];
    if (mark_path(path, mark))
        make_private_file(mark, NULL);
}

bool is_marked(const char *path)
{
    char mark[PATH_MAX];
    return mark_path(path, mark) && is_there(mark);
}

void unmark(const char *path)
{
    char mark[PATH_MAX];
    if (mark_path(path, mark))
        unlink(mark);
}
