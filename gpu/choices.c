/* See choices.h. */
#include "choices.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fileio.h"

static int find(const struct choices *c, const char *where, const char *key)
{
    for (int i = 0; i < c->count; i++)
        if (strcmp(c->all[i].key, key) == 0 && strcmp(c->all[i].where, where) == 0)
            return i;
    return -1;
}

int choices_get(const struct choices *c, const char *where, const char *key)
{
    int i = find(c, where, key);
    return i < 0 ? -1 : c->all[i].number;
}

static bool grow(struct choices *c)
{
    int room = c->room ? 2 * c->room : 64;
    if (c->count >= CHOICES_MAX)
        return false;
    if (c->count < c->room)
        return true;
    struct choice *all = realloc(c->all, (size_t)room * sizeof *all);
    if (!all)
        return false;
    c->all = all;
    c->room = room;
    return true;
}

static void add(struct choices *c, const char *where, const char *key, int number)
{
    size_t a = strlen(where) + 1, b = strlen(key) + 1;
    char *text = grow(c) ? malloc(a + b) : NULL;
    if (!text)
        return;
    memcpy(text, where, a);
    memcpy(text + a, key, b);
    c->all[c->count++] = (struct choice){text, text + a, number};
}

void choices_put(struct choices *c, const char *where, const char *key, int number)
{
    int i = find(c, where, key);
    if (i >= 0 && c->all[i].number == number)
        return;
    c->news = true;
    if (i >= 0)
        c->all[i].number = number;
    else
        add(c, where, key, number);
}

/* A number from 0 to CHOICE_NUMBER_MAX with nothing behind it, or -1. */
static int number_of(const char *text)
{
    int n = 0;
    if (!*text)
        return -1;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return -1;
        n = n * 10 + (*text - '0');
        if (n > CHOICE_NUMBER_MAX)
            return -1;
    }
    return n;
}

void choices_parse(struct choices *c, char *text)
{
    for (char *line = text, *next; line && *line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        char *key = strchr(line, '\t'), *number = key ? strchr(key + 1, '\t') : NULL;
        if (!number)
            continue;
        *key++ = '\0', *number++ = '\0';
        int n = number_of(number);
        if (*line && *key && n >= 0 && find(c, line, key) < 0)
            add(c, line, key, n);
    }
}

void choices_read(struct choices *c, const char *path)
{
    size_t size = 0;
    char *text = path ? file_read(path, CHOICES_FILE_MAX, &size, NULL) : NULL;
    *c = (struct choices){NULL, 0, 0, false};
    if (text)
        choices_parse(c, text);
    free(text);
}

int choices_write(struct choices *c, const char *path, struct err *err)
{
    char *text = NULL;
    size_t size = 0;
    if (!path || !c->news)
        return 0;
    FILE *f = open_memstream(&text, &size);
    if (!f)
        return err_set(err, "no memory");
    for (int i = 0; i < c->count; i++)
        fprintf(f, "%s\t%s\t%d\n", c->all[i].where, c->all[i].key, c->all[i].number);
    int rc = fclose(f) == 0 ? file_write_atomic(path, text, size, err) : err_set(err, "no memory");
    free(text);
    c->news = c->news && rc != 0;
    return rc;
}

void choices_free(struct choices *c)
{
    for (int i = 0; i < c->count; i++)
        free(c->all[i].where);
    free(c->all);
    *c = (struct choices){NULL, 0, 0, false};
}
