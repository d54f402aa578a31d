/*
 * The first sprite against the tenth, after a start with and without warming up. Each start is a
 * process of its own, since what is met for the first time is met once a process.
 *
 *     build/bench_warmup [MODEL [SIZE [STEPS [STARTS]]]]
 *
 * A time is from the command to its last event: prompt, sampling, finishing, file, row.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/stats.h"
#include "engine/engine.h"
#include "store/store.h"

enum { SPRITES = 10, MOST_STARTS = 64 };

static const char *model = "models/tiny", *size = "", *steps = "";

static void die(const char *what)
{
    fprintf(stderr, "bench_warmup: %s\n", what);
    exit(1);
}

static void say(struct command *c, const char *key, const char *value)
{
    struct err e;
    if (*value && settings_set(&c->settings, key, value, &e))
        die(e.text);
}

static struct command *command(enum command_kind kind)
{
    struct command *c = command_new(kind);
    say(c, "model", model);
    say(c, "size", size);
    say(c, "steps", steps);
    say(c, "seed", "1");
    return c;
}

/* Waits for the event that ends what was asked for. */
static void until(struct engine *x, enum event_kind last)
{
    struct pollfd p = {.fd = engine_fd(x), .events = POLLIN};
    for (bool over = false; !over;) {
        struct event *v = engine_next(x);
        if (!v) {
            poll(&p, 1, -1);
            continue;
        }
        if (v->kind == EVENT_FAILED)
            die(v->text);
        over = v->kind == last && (v->kind != EVENT_WARM || v->step == v->steps);
        event_free(v);
    }
}

static double sprite(struct engine *x, struct store *s)
{
    struct err e;
    struct store_job job = {.words = "a slime", .settings = "", .label = ""};
    struct command *c = command(COMMAND_RUN);
    if (store_add_job(s, &job, &e))
        die(e.text);
    c->job = job.id;
    c->words = strdup("a green slime with a crown");
    double began = clock_ms();
    engine_send(x, c);
    until(x, EVENT_DONE);
    return clock_ms() - began;
}

/* One start: opening (with the warm-up), then SPRITES. Into ms[SPRITES + 1]. */
static void one_start(bool warm, double *ms)
{
    char folder[] = "/tmp/spritty-bench-warmup-XXXXXX", path[100];
    struct err e;
    if (!mkdtemp(folder))
        die("no folder");
    snprintf(path, sizeof path, "%s/spritty.db", folder);
    struct store *s = store_open(path, &e);
    struct engine *x = s ? engine_start(&(struct engine_options){.store = path, .folder = folder},
                                        &e)
                         : NULL;
    if (!x)
        die(e.text);
    struct command *c = command(COMMAND_OPEN);
    c->warm = warm;
    double began = clock_ms();
    engine_send(x, c);
    until(x, warm ? EVENT_WARM : EVENT_READY);
    ms[SPRITES] = clock_ms() - began;
    for (int i = 0; i < SPRITES; i++)
        ms[i] = sprite(x, s);
    engine_stop(x);
    store_close(s);
    snprintf(path, sizeof path, "rm -r %s", folder);
    if (system(path) != 0)
        die("the folder stays");
}

static void in_a_process(bool warm, double *ms)
{
    int fd[2];
    size_t wanted = (SPRITES + 1) * sizeof *ms;
    if (pipe(fd))
        die("no pipe");
    pid_t child = fork();
    if (child == 0) {
        one_start(warm, ms);
        _exit(write(fd[1], ms, wanted) == (ssize_t)wanted ? 0 : 1);
    }
    close(fd[1]);
    if (child < 0 || read(fd[0], ms, wanted) != (ssize_t)wanted)
        die("a start failed");
    close(fd[0]);
    waitpid(child, NULL, 0);
}

static struct bench_stats column(double (*all)[SPRITES + 1], int starts, int i)
{
    double v[MOST_STARTS];
    for (int k = 0; k < starts; k++)
        v[k] = all[k][i];
    return bench_stats(v, starts);
}

/* As src/main.c does: beside other programs, threads that spin for each other take twenty times as
 * long. */
static void limit_spinning(char **argv)
{
    if (!getenv("GOMP_SPINCOUNT") && setenv("GOMP_SPINCOUNT", "1000", 1) == 0)
        execv("/proc/self/exe", argv);
}

int main(int argc, char **argv)
{
    static double all[2][MOST_STARTS][SPRITES + 1];
    limit_spinning(argv);
    model = argc > 1 ? argv[1] : model;
    size = argc > 2 ? argv[2] : size;
    steps = argc > 3 ? argv[3] : steps;
    int starts = argc > 4 ? atoi(argv[4]) : 7;
    if (starts < 1 || starts > MOST_STARTS)
        die("1 to 64 starts");
    for (int k = 0; k < starts; k++) /* in turn, so that others disturb both alike */
        for (int warm = 0; warm < 2; warm++)
            in_a_process(warm, all[warm][k]);
    printf("%s, milliseconds, medians of %d starts (and spread)\n", model, starts);
    printf("%-10s %18s %18s %18s %18s  first / tenth\n", "", "open (and warm)", "first sprite",
           "second", "tenth");
    for (int warm = 0; warm < 2; warm++) {
        static const int shown[] = {SPRITES, 0, 1, 9};
        printf("%-10s", warm ? "warmed up" : "cold");
        for (int i = 0; i < 4; i++) {
            struct bench_stats s = column(all[warm], starts, shown[i]);
            printf(" %10.1f (%5.1f)", s.median, s.spread);
        }
        double ratio[MOST_STARTS];
        for (int k = 0; k < starts; k++)
            ratio[k] = all[warm][k][0] / all[warm][k][9];
        printf("  %.2f\n", bench_stats(ratio, starts).median);
    }
    return 0;
}
