/*
 * The command line: one table of commands and one of options.
 *
 * Parsing, --help, the manual page and shell completion are all read off the same two tables
 * (options.c). An option that is a setting (config.h) has its range and its words from there.
 * Mistakes in usage end the program with 2, failures with 1.
 */
#ifndef SPRITTY_OPTIONS_H
#define SPRITTY_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"
#include "base/notes.h"
#include "config.h"

struct jsonw;

#define STDOUT_PATH "/dev/stdout" /* what "-o -" stands for */

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* Options of `spritty sheet` as they were said; NULL: not. cmd_sheet.c reads them. */
struct cli_sheet {
    char *pack, *columns, *spacing, *format, *duration, *animation, *sprites;
    bool preview;
};

/* Options of `spritty bench`; cmd_bench.c reads them, and cmd_profile.c compare and warmup. */
struct cli_bench {
    char *mode, *compare, *batches, *repeats, *warmup, *plots;
    bool across;
};

/* Options of `spritty worker`; NULL: not said. cmd_worker.c reads them. */
struct cli_worker {
    char *queue, *room, *lease, *jobs, *idle;
};

/* Options of `spritty profile` that no other command has. */
struct cli_profile {
    char *show, *trace;
};

struct cli {
    const struct cli_command *command; /* NULL when none was named */
    const char **args;                 /* what stands beside the options, after the command */
    int nargs;
    struct settings flags; /* the options that are settings */
    char *preset, *show_diff, *save;
    struct cli_sheet sheet;
    struct cli_bench bench;
    struct cli_worker worker;
    struct cli_profile profile;
    bool command_line, run; /* spritty import */
    char *repeat, *variants, *results, *shard;
    bool checksums; /* spritty doctor */
    char *measure;  /* spritty plan and profile */
    bool json, quiet, help, version, man, completion, presets;
};

struct cli_command {
    const char *name;
    const char *args;    /* "PROMPT" */
    const char *summary; /* one line */
    int min_args, max_args;
    int (*run)(struct cli *); /* exit status */
};

/* Row i of the commands, or NULL past the end. */
const struct cli_command *cli_command(int i);

/* argv may be permuted. -1: a mistake in usage. */
int cli_parse(struct cli *, int argc, char **argv, struct err *);
void cli_free(struct cli *);

/* command NULL: the program as a whole. */
void cli_help(FILE *, const struct cli_command *);
void cli_man(FILE *);
void cli_completion(FILE *); /* bash */

/* A whole number that an option has which is no setting; text NULL: it was not said, and *out stays
 * as it is. -1 with err. */
int cli_number(const char *option, const char *text, int min, int max, int *out, struct err *);

/* The whole program: parse, dispatch, exit status. */
int cli_main(int argc, char **argv);

int cmd_gen(struct cli *);
int cmd_plan(struct cli *);
int cmd_profile(struct cli *);
int cmd_info(struct cli *);
int cmd_doctor(struct cli *);
int cmd_bench(struct cli *);
int cmd_finish(struct cli *);
int cmd_sheet(struct cli *);
int cmd_import(struct cli *);
int cmd_export(struct cli *);
int cmd_tile(struct cli *);
int cmd_variants(struct cli *);
int cmd_pull(struct cli *);
int cmd_batch(struct cli *);
int cmd_worker(struct cli *);

/* Prints "spritty: ..." (and where help is, for EXIT_USAGE) on stderr; returns the status. */
int cli_fail(int status, const struct err *);
/* A line "spritty: note: ..." on stderr, unless -q was given. Control characters are replaced. */
void cli_note(const struct cli *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void cli_notes(const struct cli *, const struct notes *);
/* Writes what was built to stdout, and frees it. -1 and err without memory. */
int cli_put_json(struct jsonw *, struct err *);
/* May a file of that name be written, and is it none of those that the command reads? */
int cli_check_output(const struct cli *, const char *path, struct err *);
/* A line on stdout: a name or a path, without its control characters. -1 and err without memory. */
int cli_put_line(const char *text, struct err *);
/* The same of a file that was written; nothing where stdout itself is that file (-o -). */
int cli_put_file(const char *path, struct err *);

#endif
