/* INI text through inih; see inifile.h. This is inih's only home. */
#include "base/inifile.h"

#include <stdio.h>
#include <string.h>

#include <ini.h>

int inifile_complain(struct inifile *f, const char *text)
{
    if (!f->failed)
        err_set(f->err, "%s:%d: %s", f->name, f->line, text);
    f->failed = true;
    return -1;
}

/* inih's fgets: one line, never a part of one. */
static char *next_line(char *to, int room, void *stream)
{
    struct inifile *f = stream;
    const char *from = f->text + f->at;
    size_t left = f->size - f->at;
    if (!left || f->failed)
        return NULL;
    const char *newline = memchr(from, '\n', left);
    size_t n = newline ? (size_t)(newline - from) + 1 : left;
    f->line++;
    f->continues = *from == ' ' || *from == '\t';
    if (n >= (size_t)room) {
        char text[120];
        snprintf(text, sizeof text,
                 "the line is longer than %d bytes; break it, lines that begin with a space "
                 "continue a value",
                 room - 2);
        inifile_complain(f, text);
        return NULL;
    }
    if (memchr(from, '\0', n)) {
        inifile_complain(f, "a zero byte; this is no text file");
        return NULL;
    }
    memcpy(to, from, n);
    to[n] = '\0';
    f->at += n;
    return to;
}

static int take(void *user, const char *section, const char *name, const char *value)
{
    struct inifile *f = user;
    return !f->failed && !f->take(f, section, name, value);
}

int inifile_read(struct inifile *f)
{
    char text[80];
    int bad_line = ini_parse_stream(next_line, f, take, f);
    /* inih's first bad line may stand above the one that was complained about. */
    if (bad_line && (!f->failed || bad_line < f->line)) {
        f->line = bad_line;
        f->failed = false;
        snprintf(text, sizeof text, "neither a [section] nor '%s'", f->form);
        inifile_complain(f, text);
    }
    return f->failed ? -1 : 0;
}
