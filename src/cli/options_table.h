/* A row of the table of options; between options.c, which has the table, and help.c. */
#ifndef SPRITTY_OPTIONS_TABLE_H
#define SPRITTY_OPTIONS_TABLE_H

#include "cli/options.h"

struct option_row {
    char letter; /* 0: none */
    const char *name;
    const char *arg;   /* NULL: a switch */
    const char *key;   /* the setting that it sets, or NULL */
    size_t at;         /* without a key: offset of a bool or char * in struct cli */
    unsigned commands; /* bits; 0: the program without a command */
    const char *help;  /* NULL: the setting's */
};

/* A variable of the environment that users may set (environment.c). */
struct env_row {
    const char *name, *help;
};
const struct env_row *cli_environment(int i); /* NULL past the end */

/* Row i, or NULL past the end. */
const struct option_row *cli_option(int i);
bool cli_option_is_for(const struct option_row *, const struct cli_command *);

#endif
