/*
 * INI text through inih, with the line of each mistake.
 *
 * inih hands over one "name = value" at a time and does not say the line that it stands on, so
 * lines are counted where they are read; and it cuts a line that is longer than its own buffer,
 * which is an error here.
 */
#ifndef SPRITTY_INIFILE_H
#define SPRITTY_INIFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct inifile {
    const char *name; /* of the file, for errors */
    const char *text; /* size bytes */
    size_t size;
    const char *form; /* of a setting, for errors: "name = value" */
    /* One setting. 0, or what inifile_complain gives, and it is not called again. A value that goes
     * on in a line that begins with a space comes line by line. */
    int (*take)(struct inifile *, const char *section, const char *name, const char *value);
    void *user;
    struct err *err;
    /* while it is read */
    size_t at;
    int line;       /* counted from 1 */
    bool continues; /* this line begins with a space */
    bool failed;    /* and *err says why: the first complaint */
};

/* 0, or -1 with "NAME:LINE: what is wrong" in *err. */
int inifile_read(struct inifile *);
int inifile_complain(struct inifile *, const char *text); /* -1 */

#endif
