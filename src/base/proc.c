/* See proc.h. */
#include "base/proc.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool proc_text(const char *root, const char *path, char *out, size_t size)
{
    char full[4096];
    size_t n = 0;
    int fd = -1;
    if (snprintf(full, sizeof full, "%s%s", root, path) < (int)sizeof full)
        fd = open(full, O_RDONLY | O_CLOEXEC);
    for (ssize_t got; fd >= 0 && n + 1 < size && (got = read(fd, out + n, size - 1 - n)) > 0;)
        n += (size_t)got;
    if (fd >= 0)
        close(fd);
    out[n] = '\0';
    return n > 0;
}

size_t proc_kilobytes(const char *text, const char *key)
{
    const char *at = strstr(text, key);
    unsigned long long kb = 0;
    if (!at || sscanf(at + strlen(key), ": %llu", &kb) != 1 || kb > SIZE_MAX >> 10)
        return 0;
    return (size_t)kb << 10;
}

const char *proc_value(char *text, const char *key)
{
    char *at = strstr(text, key);
    at = at ? strchr(at, ':') : NULL;
    if (!at)
        return NULL;
    at += 1 + strspn(at + 1, " \t");
    at[strcspn(at, "\n")] = '\0';
    return *at ? at : NULL;
}
