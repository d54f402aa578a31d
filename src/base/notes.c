/* See notes.h. */
#include "base/notes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

void notes_add(struct notes *n, const char *fmt, ...)
{
    struct err line;
    va_list args;
    if (!n)
        return;
    char *text;
    va_start(args, fmt);
    int len = vasprintf(&text, fmt, args);
    va_end(args);
    if (len < 0)
        return;
    err_set(&line, "%s", text); /* cut and made safe as errors are */
    free(text);
    for (int i = 0; i < n->count; i++)
        if (!strcmp(n->line[i], line.text))
            return;
    if (n->count < MAX_NOTES && (text = strdup(line.text)))
        n->line[n->count++] = text;
}

void notes_free(struct notes *n)
{
    for (int i = 0; i < n->count; i++)
        free(n->line[i]);
    *n = (struct notes){0};
}
