/* Parse, dispatch, exit status. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fileio.h"
#include "base/jsonw.h"
#include "base/secret.h"
#include "cli/options.h"
#include "queue/device.h"
#include "ui/app.h"
#include "base/version.h"

static const char *command_said = ""; /* whose help a mistake in usage points at */

int cli_fail(int status, const struct err *e)
{
    fprintf(stderr, "spritty: %s\n", e->text);
    if (status == EXIT_USAGE)
        fprintf(stderr, "Try 'spritty %s%s--help'.\n", command_said, *command_said ? " " : "");
    return status;
}

void cli_note(const struct cli *c, const char *fmt, ...)
{
    char *line;
    va_list ap;
    if (c->quiet)
        return;
    va_start(ap, fmt);
    int n = vasprintf(&line, fmt, ap);
    va_end(ap);
    if (n < 0)
        return;
    text_sanitize(line);
    fprintf(stderr, "spritty: note: %s\n", line);
    free(line);
}

void cli_notes(const struct cli *c, const struct notes *n)
{
    for (int i = 0; i < n->count; i++)
        cli_note(c, "%s", n->line[i]);
}

int cli_put_json(struct jsonw *w, struct err *e)
{
    char *text = jsonw_take(w);
    if (!text)
        return err_set(e, "out of memory");
    puts(text);
    free(text);
    return 0;
}

int cli_put_line(const char *text, struct err *e)
{
    char *line = strdup(text);
    if (!line)
        return err_set(e, "out of memory");
    text_sanitize(line);
    puts(line);
    free(line);
    return 0;
}

int cli_put_file(const char *path, struct err *e)
{
    return strcmp(path, STDOUT_PATH) ? cli_put_line(path, e) : 0;
}

static bool is_same_file(const char *a, const char *b)
{
    struct stat p, q;
    return !stat(a, &p) && !stat(b, &q) && S_ISREG(p.st_mode) && p.st_dev == q.st_dev &&
           p.st_ino == q.st_ino;
}

int cli_check_output(const struct cli *c, const char *path, struct err *e)
{
    for (int i = 0; i < c->nargs; i++)
        if (is_same_file(path, c->args[i]))
            return err_set(e, "%s would be written over: name another file with -o", c->args[i]);
    return file_check_target(path, e);
}

/* What was printed has to arrive: a full disk behind stdout is a failure too. */
static int flush_stdout(int status)
{
    struct err e;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    err_set(&e, "cannot write to standard output: %s", strerror(errno));
    return cli_fail(EXIT_FAILED, &e);
}

static int print_presets(void)
{
    struct config all = {0};
    struct err e;
    int rc = config_load(&all, &e);
    for (int i = 0; rc == 0 && i < all.count; i++)
        rc = cli_put_line(all.presets[i].name, &e);
    config_free(&all);
    return rc ? cli_fail(EXIT_FAILED, &e) : EXIT_DONE;
}

static int run(struct cli *c)
{
    if (c->version)
        printf("spritty %s\n", SPRITTY_VERSION);
    else if (c->man)
        cli_man(stdout);
    else if (c->completion)
        cli_completion(stdout);
    else if (c->presets)
        return print_presets();
    else if (c->help)
        cli_help(stdout, c->command);
    else if (c->command)
        return c->command->run(c);
    else if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
        return ui_run(&c->flags, c->preset);
    else {
        cli_help(stderr, NULL);
        return EXIT_USAGE;
    }
    return EXIT_DONE;
}

/* A password in a URL is not for the list of processes; by now it is known where it is needed. */
static void hide_passwords(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strstr(argv[i], "redis://") || strstr(argv[i], "rediss://"))
            secret_blot(argv[i]);
}

/* An option that is wrong ends the parsing before the command is looked at. */
static const char *first_command(const char *word)
{
    const struct cli_command *c;
    for (int i = 0; (c = cli_command(i)); i++)
        if (!strcmp(c->name, word))
            return c->name;
    return "";
}

/* A standard stream that was closed before we came would be the next file that is opened: messages
 * would go into a picture. What takes its place cannot be written to (0: read), so it is told. */
static void hold_streams(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd ? O_RDONLY : O_WRONLY) < 0)
            return;
}

int cli_main(int argc, char **argv)
{
    struct cli c;
    struct err e;
    hold_streams();
    /* A file that grows past `ulimit -f` is an error that write() reports, not a death. */
    signal(SIGXFSZ, SIG_IGN);
    queue_device_register();
    const char *first = argc > 1 ? first_command(argv[1]) : ""; /* parsing sorts the words anew */
    int wrong = cli_parse(&c, argc, argv, &e);
    hide_passwords(argc, argv);
    command_said = c.command ? c.command->name : wrong ? first : "";
    int status = wrong ? cli_fail(EXIT_USAGE, &e) : run(&c);
    cli_free(&c);
    return flush_stdout(status);
}
