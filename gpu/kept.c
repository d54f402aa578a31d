/* See kept.h. */
#include "kept.h"

#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fileio.h"

static const char first_line[] = "spritty plan 1";

static uint64_t hash(const void *data, size_t size)
{
    const unsigned char *at = data;
    uint64_t h = 14695981039346656037u; /* FNV-1a */
    for (size_t i = 0; i < size; i++)
        h = (h ^ at[i]) * 1099511628211u;
    return h;
}

static bool file_of(const char *dir, const char *name, char path[PATH_MAX])
{
    int n = snprintf(path, PATH_MAX, "%s/%016" PRIx64 ".plan", dir, hash(name, strlen(name)));
    return n > 0 && n < PATH_MAX;
}

/* The head of a file: "spritty plan 1", the name, "NUMBER SIZE HASH", each a line. */
static int head_of(const char *name, int number, const void *data, size_t size, char *to,
                   size_t room)
{
    return snprintf(to, room, "%s\n%s\n%d %zu %016" PRIx64 "\n", first_line, name, number, size,
                    hash(data, size) ^ hash(&number, sizeof number));
}

char *kept_read(const char *dir, const char *name, int *number, size_t *size)
{
    char path[PATH_MAX], head[KEPT_NAME + 128], said[64];
    size_t all = 0, long_name = strlen(name), at = sizeof first_line;
    if (!dir || long_name >= KEPT_NAME || !file_of(dir, name, path))
        return NULL;
    char *text = file_read(path, KEPT_BYTES + sizeof head, &all, NULL);
    if (text && all > at + long_name + 1 && strncmp(text + at, name, long_name) == 0) {
        snprintf(said, sizeof said, "%.63s", text + at + long_name + 1);
        char *end = strchr(said, '\n');
        at += long_name + 1 + (end ? (size_t)(end - said) + 1 : 0);
        *number = atoi(said);
        *size = all - at;
        /* all that stands before is what would stand there */
        int want = head_of(name, *number, text + at, *size, head, sizeof head);
        if (end && want == (int)at && memcmp(text, head, at) == 0) {
            memmove(text, text + at, *size + 1);
            return text;
        }
    }
    free(text);
    return NULL;
}

/* The oldest files go until there is room for one more. */
static void make_room(const char *dir)
{
    for (int again = 0; again < 8; again++) {
        char path[PATH_MAX], oldest[PATH_MAX] = "";
        struct stat s;
        time_t when = 0;
        int count = 0;
        DIR *d = opendir(dir);
        for (struct dirent *e; d && (e = readdir(d));) {
            size_t n = strlen(e->d_name);
            if (n < 5 || strcmp(e->d_name + n - 5, ".plan") != 0 ||
                snprintf(path, sizeof path, "%s/%s", dir, e->d_name) >= PATH_MAX ||
                stat(path, &s) != 0)
                continue;
            if (count++ == 0 || s.st_mtime < when) {
                when = s.st_mtime;
                memcpy(oldest, path, sizeof oldest);
            }
        }
        if (d)
            closedir(d);
        if (count < KEPT_FILES || unlink(oldest) != 0)
            return;
    }
}

int kept_write(const char *dir, const char *name, int number, const void *data, size_t size,
               struct err *err)
{
    char path[PATH_MAX];
    size_t room = KEPT_NAME + 128;
    if (!dir || strlen(name) >= KEPT_NAME || strchr(name, '\n') || size > KEPT_BYTES ||
        !file_of(dir, name, path))
        return err_set(err, "a plan of %zu bytes cannot be kept", size);
    char *text = malloc(room + size);
    if (!text)
        return err_set(err, "no memory");
    int at = head_of(name, number, data, size, text, room), rc = -1;
    memcpy(text + at, data, size);
    if (mkdir(dir, 0700) == 0 || access(dir, W_OK) == 0) {
        make_room(dir);
        rc = file_write_atomic(path, text, (size_t)at + size, err);
    } else {
        err_set(err, "%s cannot be written to", dir);
    }
    free(text);
    return rc;
}
