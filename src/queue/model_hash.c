/* See model_hash.h. */
#include "queue/model_hash.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fileio.h"
#include "base/paths.h"
#include "base/digest.h"

enum { FILES_MAX = 1000, DEPTH_MAX = 4, BLOCK = 1 << 20 };

/* ---- what is remembered: a file a file, named by the SHA-256 of what identifies it ---- */

static void identify(const char *path, const struct stat *st, char out[65])
{
    char text[PATH_MAX + 200];
    int n = snprintf(text, sizeof text, "%s\n%lld\n%lld.%09ld\n%lld.%09ld\n%llu", path,
                     (long long)st->st_size, (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec,
                     (long long)st->st_ctim.tv_sec, st->st_ctim.tv_nsec,
                     (unsigned long long)st->st_ino);
    digest_of(text, (size_t)n, out);
}

static bool memory_of(const char *path, const struct stat *st, char out[PATH_MAX])
{
    char real[PATH_MAX], name[100], hex[65];
    if (!realpath(path, real))
        return false;
    identify(real, st, hex);
    snprintf(name, sizeof name, "sha256/%s", hex);
    return place_path(PLACE_CACHE, name, out);
}

static bool is_sha(const char *s, size_t n)
{
    return n >= 64 && strspn(s, "0123456789abcdef") >= 64;
}

static bool recall(const char *memory, char out[65])
{
    size_t n;
    char *text = file_read(memory, 100, &n, NULL);
    bool good = text && is_sha(text, n);
    if (good)
        snprintf(out, 65, "%.64s", text);
    free(text);
    return good;
}

/* Not being able to remember is no failure. */
static void keep(const char *memory, const char *sha)
{
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(memory, '/') - memory), memory);
    if (file_make_folders(folder, NULL) == 0)
        file_write_atomic(memory, sha, 64, NULL);
}

/* ---- files ---- */

static int read_all(int fd, const char *path, char out[65], struct err *e)
{
    struct digest h;
    char *block = malloc(BLOCK);
    ssize_t n = block ? 1 : -1;
    digest_start(&h, DIGEST_SHA256);
    while (n > 0 && (n = read(fd, block, BLOCK)) > 0)
        digest_add(&h, block, (size_t)n);
    free(block);
    if (n < 0)
        return err_set(e, "%s: %s", path, block ? strerror(errno) : "out of memory");
    digest_hex(&h, out);
    return 0;
}

static int hash_file(const char *path, char out[65], struct err *e)
{
    char memory[PATH_MAX];
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st)) {
        int why = errno;
        if (fd >= 0)
            close(fd);
        return err_set(e, "%s: %s", path, strerror(why));
    }
    bool has = memory_of(path, &st, memory);
    int rc = 0;
    if (!has || !recall(memory, out)) {
        rc = read_all(fd, path, out, e);
        if (!rc && has)
            keep(memory, out);
    }
    close(fd);
    return rc;
}

static int stamp_file(const char *path, char out[65], struct err *e)
{
    struct stat st;
    if (stat(path, &st))
        return err_set(e, "%s: %s", path, strerror(errno));
    identify(path, &st, out);
    return 0;
}

/* ---- folders ---- */

typedef int of_file(const char *path, char out[65], struct err *);

struct list {
    char *at[FILES_MAX]; /* relative paths */
    int n;
};

static bool counts(const char *name)
{
    static const char *const ends[] = {".safetensors", ".json", ".txt"};
    size_t n = strlen(name);
    for (int i = 0; i < 3; i++) {
        size_t k = strlen(ends[i]);
        if (n > k && !strcmp(name + n - k, ends[i]))
            return true;
    }
    return false;
}

static int collect(struct list *l, const char *root, const char *below, int depth, struct err *e)
{
    char full[PATH_MAX], path[PATH_MAX];
    int rc = 0;
    if (snprintf(full, sizeof full, "%s%s%s", root, *below ? "/" : "", below) >= PATH_MAX)
        return err_set(e, "%s: a path is too long", root);
    DIR *d = opendir(full);
    if (!d)
        return err_set(e, "%s: %s", full, strerror(errno));
    for (struct dirent *f; !rc && (f = readdir(d));) {
        struct stat st;
        if (f->d_name[0] == '.')
            continue;
        int n = snprintf(path, sizeof path, "%s%s%s", below, *below ? "/" : "", f->d_name);
        if (n >= PATH_MAX || fstatat(dirfd(d), f->d_name, &st, 0))
            continue;
        if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX)
            rc = collect(l, root, path, depth + 1, e);
        else if (S_ISREG(st.st_mode) && counts(f->d_name) &&
                 (l->n == FILES_MAX || !(l->at[l->n++] = strdup(path))))
            rc = err_set(e, "%s: over %d files, or out of memory", root, FILES_MAX);
    }
    closedir(d);
    return rc;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int hash_folder(const char *path, of_file *hash, char out[65], struct err *e)
{
    struct list *l = calloc(1, sizeof *l);
    struct digest h;
    char full[PATH_MAX], sha[65];
    int rc = l ? collect(l, path, "", 0, e) : err_set(e, "out of memory");
    if (!rc && l->n == 0)
        rc = err_set(e, "%s: there is no model in it", path);
    if (!rc)
        qsort(l->at, (size_t)l->n, sizeof *l->at, by_path);
    digest_start(&h, DIGEST_SHA256);
    for (int i = 0; !rc && i < l->n; i++) {
        if (snprintf(full, sizeof full, "%s/%s", path, l->at[i]) >= PATH_MAX)
            rc = err_set(e, "%s: a path is too long", path);
        else if (!(rc = hash(full, sha, e))) {
            digest_add(&h, sha, 64);
            digest_add(&h, "  ", 2);
            digest_add(&h, l->at[i], strlen(l->at[i]));
            digest_add(&h, "\n", 1);
        }
    }
    digest_hex(&h, out);
    for (int i = 0; l && i < l->n; i++)
        free(l->at[i]);
    free(l);
    return rc;
}

static int hash_all(const char *path, of_file *hash, char out[65], struct err *e)
{
    struct stat st;
    if (stat(path, &st))
        return err_set(e, "%s: %s", path, strerror(errno));
    return S_ISDIR(st.st_mode) ? hash_folder(path, hash, out, e) : hash(path, out, e);
}

int model_hash(const char *path, char out[65], struct err *e)
{
    return hash_all(path, hash_file, out, e);
}

int model_stamp(const char *path, char out[65], struct err *e)
{
    return hash_all(path, stamp_file, out, e);
}
