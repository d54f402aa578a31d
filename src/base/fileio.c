/* Atomic file writing; see fileio.h. */
#include "base/fileio.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

const char *file_reason(int error)
{
    switch (error) {
    case ENOSPC:
        return "the disk is full; free some space or choose another folder";
    case EDQUOT:
        return "your disk quota is used up; free some space or choose another folder";
    case EFBIG:
        return "the file would be larger than this system allows (ulimit -f)";
    case EACCES:
    case EPERM:
        return "permission denied; choose a folder that you may write to";
    case EROFS:
        return "the file system is read-only; choose another folder";
    case ENOENT:
        return "no such folder; create it first";
    case ENXIO:
        return "nobody reads from it";
    case EPIPE:
        return "nobody reads from it any more";
    case ENOTDIR:
        return "a part of the path is no folder";
    default:
        return strerror(error);
    }
}

static int write_all(int fd, const void *data, size_t size)
{
    const char *p = data;
    while (size > 0) {
        ssize_t n = write(fd, p, size < (1u << 30) ? size : (1u << 30));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        p += n;
        size -= (size_t)n;
    }
    return 0;
}

/* Where the file really goes: behind symbolic links, so that a link stays a link. */
static void resolve(const char *path, char out[PATH_MAX])
{
    if (!realpath(path, out))
        snprintf(out, PATH_MAX, "%s", path);
}

static int open_folder(const char *path)
{
    char dir[PATH_MAX];
    snprintf(dir, sizeof dir, "%s", path);
    char *slash = strrchr(dir, '/');
    if (!slash)
        strcpy(dir, ".");
    else
        slash[slash == dir ? 1 : 0] = '\0';
    return open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* A device, or a pipe once somebody reads from it; a signal ends the wait. */
static int open_special(const char *path)
{
    enum { TRIES = 200, NAP_NS = 50 * 1000 * 1000 };
    const struct timespec nap = {.tv_nsec = NAP_NS};
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
    for (int i = 0; fd < 0 && errno == ENXIO && i < TRIES; i++)
        if (nanosleep(&nap, NULL) == 0)
            fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
        else
            i = TRIES, errno = ENXIO;
    if (fd >= 0)
        fcntl(fd, F_SETFL, 0); /* writes wait */
    return fd;
}

static int write_special(const char *path, const void *data, size_t size, struct err *e)
{
    int fd = open_special(path);
    int rc = fd < 0 ? -1 : write_all(fd, data, size);
    if (rc)
        err_set(e, "cannot write %s: %s", path, file_reason(errno));
    if (fd >= 0 && close(fd) && !rc)
        rc = err_set(e, "cannot write %s: %s", path, file_reason(errno));
    return rc;
}

/* Some file systems know no rights, and only root gives files away: both are no failure. */
static void keep_rights(int fd, const struct stat *like)
{
    struct stat own;
    mode_t mode = like->st_mode & 0777;
    if (fstat(fd, &own))
        return;
    bool mine = own.st_uid == like->st_uid && own.st_gid == like->st_gid;
    if (!mine && fchown(fd, like->st_uid, like->st_gid))
        mode &= 0700 | (mode >> 3 & mode & 7); /* another group: no more than all others may */
    if (fchmod(fd, mode))
        return;
}

/* Makes a new file in the folder and puts the bytes on the disk. Leaves its name only on success.
 * like: what it takes the place of, whose rights it keeps, and its owner where that is allowed, or
 * NULL: a private file stays private. */
static int write_temporary(int dir, char name[32], const struct stat *like, const void *data,
                           size_t size)
{
    mode_t mode = like ? 0600 : 0666;
    int fd = -1;
    for (int tries = 0; fd < 0 && tries < 16; tries++) {
        uint64_t r;
        if (getrandom(&r, sizeof r, 0) != sizeof r)
            r = (uint64_t)getpid() * 65536 + (uint64_t)tries;
        snprintf(name, 32, ".spritty-%012llx", (unsigned long long)(r & 0xffffffffffff));
        fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (fd < 0 && errno != EEXIST)
            return -1;
    }
    if (fd < 0)
        return -1;
    if (like)
        keep_rights(fd, like);
    int rc = write_all(fd, data, size) || fsync(fd) ? -1 : 0, error = errno;
    if (close(fd) && !rc)
        rc = -1, error = errno;
    if (rc)
        unlinkat(dir, name, 0);
    errno = error;
    return rc;
}

/* A file that has no name before it is whole, so that a kill leaves nothing behind. For names that
 * are not there yet, where the file system knows such files. 1: not here. */
static int write_unnamed(int dir, const char *name, const void *data, size_t size)
{
    char link[40];
    int fd = openat(dir, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
    if (fd < 0)
        return 1;
    int rc = write_all(fd, data, size) || fsync(fd) ? -1 : 0, error = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (rc == 0 && linkat(AT_FDCWD, link, dir, name, AT_SYMLINK_FOLLOW))
        rc = 1;
    close(fd);
    errno = error;
    return rc;
}

/* The same through a temporary name, over whatever has the name. */
static int write_renamed(int dir, const char *name, const struct stat *like, const void *data,
                         size_t size)
{
    char temporary[32];
    if (write_temporary(dir, temporary, like, data, size))
        return -1;
    if (!renameat(dir, temporary, dir, name))
        return 0;
    int error = errno;
    unlinkat(dir, temporary, 0);
    errno = error;
    return -1;
}

int file_write_atomic(const char *path, const void *data, size_t size, struct err *e)
{
    char target[PATH_MAX];
    struct stat st;
    if (file_check_target(path, e))
        return -1;
    resolve(path, target);
    bool there = !stat(target, &st);
    if (there && !S_ISREG(st.st_mode))
        return write_special(target, data, size, e);
    int dir = open_folder(target);
    if (dir < 0)
        return err_set(e, "cannot write %s: %s", path, file_reason(errno));
    const char *name = file_name_of(target);
    int rc = there ? 1 : write_unnamed(dir, name, data, size);
    if (rc == 1)
        rc = write_renamed(dir, name, there ? &st : NULL, data, size);
    int error = errno;
    /* The name is in the folder only once the folder is on the disk. Some file systems cannot. */
    if (!rc && fsync(dir) && errno != EINVAL && errno != EROFS)
        rc = -1, error = errno;
    close(dir);
    return rc ? err_set(e, "cannot write %s: %s", path, file_reason(error)) : 0;
}

int file_check_target(const char *path, struct err *e)
{
    char target[PATH_MAX];
    struct stat st;
    size_t n = strlen(path);
    if (n == 0 || n >= PATH_MAX - 1)
        return err_set(e, "cannot write a file with %s name", n ? "so long a" : "an empty");
    resolve(path, target);
    if (!stat(target, &st)) {
        if (S_ISDIR(st.st_mode))
            return err_set(e, "cannot write %s: it is a folder; give a file name", path);
        if (!S_ISREG(st.st_mode))
            return 0;
    }
    if (path[n - 1] == '/')
        return err_set(e, "cannot write %s: give a file name, not a folder", path);
    int dir = open_folder(target);
    if (dir < 0)
        return err_set(e, "cannot write %s: %s", path, file_reason(errno));
    int rc = faccessat(dir, ".", W_OK | X_OK, AT_EACCESS), error = errno;
    close(dir);
    return rc ? err_set(e, "cannot write %s: %s", path, file_reason(error)) : 0;
}

void *file_read(const char *path, size_t limit, size_t *size, struct err *e)
{
    FILE *f = fopen(path, "rbe");
    struct stat st;
    if (!f || fstat(fileno(f), &st)) {
        err_set(e, "cannot read %s: %s", path, strerror(errno));
        if (f)
            fclose(f);
        return NULL;
    }
    char *data = NULL;
    size_t cap = S_ISREG(st.st_mode) && (uintmax_t)st.st_size < limit ? (size_t)st.st_size : 0;
    size_t n = 0;
    bool more = !S_ISDIR(st.st_mode);
    if (!more)
        err_set(e, "cannot read %s: it is a folder", path);
    for (cap += 4096; more; cap *= 2) {
        char *grown = realloc(data, cap + 1);
        if (!grown) {
            err_set(e, "cannot read %s: out of memory", path);
            break;
        }
        data = grown;
        n += fread(data + n, 1, cap - n, f);
        more = n == cap && n <= limit;
    }
    bool failed = more || !data || ferror(f) || n > limit;
    if (data && !more && ferror(f))
        err_set(e, "cannot read %s: %s", path, strerror(errno));
    else if (data && n > limit)
        err_set(e, "cannot read %s: it is larger than %zu bytes", path, limit);
    fclose(f);
    if (failed) {
        free(data);
        return NULL;
    }
    data[n] = '\0';
    *size = n;
    return data;
}

int file_make_folders(const char *path, struct err *e)
{
    char dir[PATH_MAX];
    struct stat st;
    int n = snprintf(dir, sizeof dir, "%s/", path);
    if (n < 2 || n >= PATH_MAX)
        return err_set(e, "the path %.200s is too long", path);
    for (char *p = strchr(dir + 1, '/'); p; p = strchr(p + 1, '/')) {
        *p = '\0';
        /* On a read-only system a folder that is there gives EROFS. */
        if (mkdir(dir, 0777) && errno != EEXIST) {
            int error = errno;
            if (stat(dir, &st))
                return err_set(e, "cannot make the folder %s: %s", dir, file_reason(error));
        }
        *p = '/';
    }
    return 0;
}

/* ---- names ---- */

const char *file_name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

int file_rename_new(const char *from, const char *to)
{
    if (!renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE))
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    struct stat st;
    if (lstat(to, &st) == 0) { /* a file system that cannot: almost the same */
        errno = EEXIST;
        return -1;
    }
    return rename(from, to);
}

bool file_numbered(const char *path, int number, char out[PATH_MAX])
{
    const char *name = file_name_of(path);
    const char *dot = *name ? strrchr(name + 1, '.') : NULL;
    int stem = (int)(dot ? dot - path : (long)strlen(path)), n;
    if (number == 1)
        n = snprintf(out, PATH_MAX, "%s", path);
    else
        n = snprintf(out, PATH_MAX, "%.*s-%d%s", stem, path, number, dot ? dot : "");
    return n >= 0 && n < PATH_MAX;
}
