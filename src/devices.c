/* The syntax of device lists; see devices.h. */
#include "devices.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_number(const char *s, size_t n)
{
    return n > 0 && n < 4 && strspn(s, "0123456789") >= n;
}

bool device_is_queue(const char *name)
{
    return !strncmp(name, "redis://", 8) || !strncmp(name, "rediss://", 9) ||
           !strncmp(name, "unix://", 7);
}

static bool is_device(const char *name)
{
    static const char *const names[] = {"auto", "cpu", "cuda", "ref", "cuda:all"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(name, names[i]))
            return true;
    if (device_is_queue(name))
        return true;
    return !strncmp(name, "cuda:", 5) && is_number(name + 5, strlen(name + 5));
}

/* "cpu*2" of n characters. */
static int parse_item(const char *text, size_t n, struct device_item *item, struct err *e)
{
    bool url = memmem(text, n, "://", 3) != NULL;
    const char *star = url ? NULL : memchr(text, '*', n);
    size_t length = star ? (size_t)(star - text) : n, digits = star ? n - length - 1 : 0;
    item->count = 1;
    if (length >= sizeof item->name)
        return err_set(e, "the name of a device is too long");
    memcpy(item->name, text, length);
    item->name[length] = '\0';
    if (star && is_number(star + 1, digits))
        item->count = atoi(star + 1);
    else if (star)
        item->count = 0;
    bool twice = item->count != 1 && strcmp(item->name, "cpu") != 0 && strcmp(item->name, "ref");
    if (!is_device(item->name) || item->count < 1 || item->count > DEVICES_MAX || twice)
        return err_set(e,
                       "there is no device '%.60s'; there are: auto, cpu, cuda, cuda:N, cuda:all, "
                       "ref, cpu*N for N engines on the CPU, redis://HOST, and lists of them with "
                       "commas",
                       n < 60 && star ? text : item->name);
    return 0;
}

int devices_parse(const char *text, struct device_item item[DEVICES_MAX], struct err *e)
{
    int count = 0, engines = 0;
    for (const char *s = text;; s++) {
        size_t n = strcspn(s, ",");
        if (count == DEVICES_MAX)
            return err_set(e, "more than %d devices", DEVICES_MAX);
        if (parse_item(s, n, &item[count], e))
            return -1;
        engines += item[count++].count;
        if (engines > DEVICES_MAX)
            return err_set(e, "more than %d devices", DEVICES_MAX);
        s += n;
        if (!*s)
            return count;
    }
}

bool devices_many(const char *text)
{
    return strpbrk(text, ",*") != NULL || strstr(text, ":all") != NULL;
}

bool devices_first(const char *text, char name[DEVICE_NAME])
{
    struct device_item item[DEVICES_MAX];
    struct err ignored;
    int n = text && devices_many(text) ? devices_parse(text, item, &ignored) : 0, i = 0;
    while (i < n && device_is_queue(item[i].name))
        i++;
    if (i < n)
        snprintf(name, DEVICE_NAME, "%s", strcmp(item[i].name, "cuda:all") ? item[i].name : "cuda");
    return i < n;
}
