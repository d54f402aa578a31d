/*
 * Figures of the queue, with a Redis server and workers of its own: `make bench`, or by itself
 *
 *     build/bench_queue cost [JOBS]               what the queue costs a job, one job at a time
 *     build/bench_queue rate JOBS WORKERS         jobs of one step over so many workers
 *     build/bench_queue kill JOBS WORKERS KILLS   the same, with kill -9 of one at random, again
 *                                                 and again; counts what came
 *
 * Jobs: one step of the model that ships, 64x64 pixels. Workers are build/spritty (or $SPRITTY)
 * with one thread each. Files and databases lie in /dev/shm: what a disk takes is not the queue's.
 * The server keeps an append-only file that is synced at each write ("always"), or each second with
 * FSYNC=everysec.
 *
 * The cost of a job is what passes from sending it to its last event, less what the engine says
 * that the job took: packing, two ways through the server, storing, events. Beside it, the same of
 * an engine in this process.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "queue/queue.h"
#include "queue/remote.h"
#include "redis.h"
#include "store/store.h"

enum { PATIENCE_MS = 600000, WORKERS_MAX = 64 };

static struct redis server;
static char folder[64], database[100];
static pid_t worker[WORKERS_MAX];

#undef fail_msg /* a bench just ends */
#define fail_msg(...) (fprintf(stderr, __VA_ARGS__), fputc('\n', stderr), clean(), exit(1))

static void clean(void)
{
    for (int i = 0; i < WORKERS_MAX; i++)
        if (worker[i] > 0) {
            kill(worker[i], SIGTERM);
            waitpid(worker[i], NULL, 0);
            worker[i] = 0;
        }
    redis_end(&server);
    if (*folder)
        nftw(folder, redis_drop, 16, FTW_DEPTH | FTW_PHYS);
}

static void set_up(void)
{
    char config[200];
    const char *fsync = getenv("FSYNC");
    snprintf(config, sizeof config, "appendfsync %s", fsync ? fsync : "always");
    bool memory = access("/dev/shm", W_OK) == 0;
    snprintf(folder, sizeof folder, "%s/spritty-bench-XXXXXX", memory ? "/dev/shm" : "/tmp");
    if (!mkdtemp(folder))
        fail_msg("no folder can be made");
    if (!redis_start_with(&server, config))
        fail_msg("there is no redis-server here, or it does not start");
    snprintf(database, sizeof database, "%s/jobs.db", folder);
    setenv("XDG_DATA_HOME", folder, 1);
    setenv("XDG_CACHE_HOME", folder, 1);
    setenv("XDG_CONFIG_HOME", folder, 1);
    setenv("TMPDIR", folder, 1);
    setenv("OMP_WAIT_POLICY", "passive", 0);
}

static void hire(int i)
{
    const char *program = getenv("SPRITTY");
    char *argv[] = {
        (char *)"spritty", (char *)"worker",  (char *)"--queue", server.url,   (char *)"-m",
        (char *)"tiny",    (char *)"-d",      (char *)"cpu",     (char *)"-t", (char *)"1",
        (char *)"-q",      (char *)"--lease", (char *)"2",       NULL};
    if (posix_spawn(&worker[i], program ? program : "build/spritty", NULL, NULL, argv, environ))
        fail_msg("the worker does not start");
}

static struct command *job(struct store *s, unsigned seed)
{
    struct err e = {""};
    struct store_job row = {.words = "a slime", .settings = "", .label = ""};
    struct command *c = command_new(COMMAND_RUN);
    char text[24];
    snprintf(text, sizeof text, "%u", seed);
    if (store_add_job(s, &row, &e))
        fail_msg("%s", e.text);
    c->job = row.id;
    c->words = strdup("a slime");
    const char *said[][2] = {{"model", "tiny"}, {"size", "64x64"}, {"steps", "1"},
                             {"device", "cpu"}, {"threads", "1"},  {"seed", text}};
    for (size_t i = 0; i < sizeof said / sizeof *said; i++)
        if (settings_set(&c->settings, said[i][0], said[i][1], &e))
            fail_msg("%s", e.text);
    return c;
}

static struct store *open_store(void)
{
    struct err e = {""};
    struct store *s = store_open(database, &e);
    if (!s)
        fail_msg("%s", e.text);
    return s;
}

static struct remote *start_remote(void)
{
    struct err e = {""};
    struct remote *r = remote_start(
        &(struct remote_options){.url = server.url, .store = database, .folder = folder}, &e);
    if (!r)
        fail_msg("%s", e.text);
    return r;
}

/* ---- cost ---- */

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Until the job has ended; how long the engine says that it took. */
static double await(void *device, struct event *(*next)(void *), int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    for (;;) {
        struct event *v = next(device);
        if (!v) {
            if (poll(&p, 1, PATIENCE_MS) != 1)
                fail_msg("nothing happens");
            continue;
        }
        enum event_kind kind = v->kind;
        double ms = v->times.total;
        if (kind == EVENT_FAILED)
            fail_msg("%s", v->text);
        event_free(v);
        if (kind == EVENT_DONE)
            return ms;
    }
}

static void print_cost(const char *what, double *ms, int n)
{
    double sum = 0;
    qsort(ms, (size_t)n, sizeof *ms, by_size);
    for (int i = 0; i < n; i++)
        sum += ms[i];
    printf("%-28s %7.2f ms a job (median of %d; mean %.2f, lowest %.2f, 90%% under %.2f)\n", what,
           ms[n / 2], n, sum / n, ms[0], ms[n * 9 / 10]);
}

static struct event *remote_next_of(void *r)
{
    return remote_next(r);
}

static struct event *engine_next_of(void *x)
{
    return engine_next(x);
}

static void cost(int n)
{
    struct store *s = open_store();
    struct remote *r = start_remote();
    struct err e = {""};
    struct engine *x = engine_start(
        &(struct engine_options){.store = database, .folder = folder, .threads = 1}, &e);
    double *near = calloc((size_t)n, sizeof *near), *far = calloc((size_t)n, sizeof *far);
    if (!x || !near || !far)
        fail_msg("%s", e.text);
    hire(0);
    for (int i = -2; i < n; i++) { /* two to open the models */
        struct command *c = job(s, (unsigned)(i + 10));
        double start = clock_ms();
        engine_send(x, c);
        double took = await(x, engine_next_of, engine_fd(x));
        if (i >= 0)
            near[i] = clock_ms() - start - took;
        c = job(s, (unsigned)(i + 10));
        start = clock_ms();
        remote_send(r, c);
        took = await(r, remote_next_of, remote_fd(r));
        if (i >= 0)
            far[i] = clock_ms() - start - took;
    }
    print_cost("in this process (rings)", near, n);
    print_cost("through Redis", far, n);
    free(near);
    free(far);
    engine_stop(x);
    remote_stop(r);
    store_close(s);
}

/* ---- many jobs ---- */

struct tally {
    int done, failed, twice;
    int *seen; /* by job's row */
};

static void take(struct remote *r, struct tally *t)
{
    for (struct event *v; (v = remote_next(r));) {
        if (v->kind == EVENT_DONE) {
            t->twice += t->seen[v->job]++ > 0;
            t->done++;
        }
        if (v->kind == EVENT_FAILED) {
            fprintf(stderr, "%s\n", v->text);
            t->failed++;
        }
        event_free(v);
    }
}

/* Kills one at random and puts another in its place, `kills` times over the run. */
static void maybe_kill(const struct tally *t, int n, int workers, int kills, int *killed)
{
    if (*killed >= kills || t->done < (*killed + 1) * n / (kills + 1))
        return;
    int i = rand() % workers;
    kill(worker[i], SIGKILL);
    waitpid(worker[i], NULL, 0);
    hire(i);
    ++*killed;
}

static void rate(int n, int workers, int kills)
{
    struct store *s = open_store();
    struct remote *r = start_remote();
    struct tally t = {.seen = calloc((size_t)n + 2, sizeof(int))};
    struct pollfd p = {.fd = remote_fd(r), .events = POLLIN};
    int sent = 0, killed = 0, rows = 0, missing = 0;
    struct rusage before, after;
    srand(1);
    for (int i = 0; i < workers; i++)
        hire(i);
    struct command *c = job(s, 1); /* the first opens models: not counted */
    while (!remote_send(r, c))
        usleep(1000);
    while (t.done == 0 && t.failed == 0)
        poll(&p, 1, 100), take(r, &t);
    t.done = 0;
    double start = clock_ms();
    getrusage(RUSAGE_SELF, &before);
    c = NULL;
    while (t.done + t.failed < n) {
        if (!c && sent < n)
            c = job(s, (unsigned)sent + 2);
        while (c && remote_send(r, c)) {
            sent++;
            c = sent < n ? job(s, (unsigned)sent + 2) : NULL;
        }
        poll(&p, 1, 20);
        take(r, &t);
        maybe_kill(&t, n, workers, kills, &killed);
    }
    double ms = clock_ms() - start;
    getrusage(RUSAGE_SELF, &after);
    for (int i = 2; i < n + 2; i++) {
        struct store_sprite *list;
        struct err e;
        int k = store_job_sprites(s, i, &list, &e);
        rows += k > 0 ? k : 0;
        missing += k < 1;
        if (k > 0)
            store_sprites_free(list, k);
    }
    double own = (double)(after.ru_utime.tv_sec - before.ru_utime.tv_sec) * 1e3 +
                 (double)(after.ru_utime.tv_usec - before.ru_utime.tv_usec) / 1e3;
    printf("%d jobs, %d workers, %d kills: %.1f s, %.1f jobs a second; %d done, %d failed, %d told "
           "twice, %d rows, %d without; the sender's CPU %.2f ms a job\n",
           n, workers, killed, ms / 1e3, n / ms * 1e3, t.done, t.failed, t.twice, rows, missing,
           own / n);
    free(t.seen);
    remote_stop(r);
    store_close(s);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "cost";
    int n = argc > 2 ? atoi(argv[2]) : 50, workers = argc > 3 ? atoi(argv[3]) : 2;
    if (!redis_program()) {
        printf("skipped: there is no redis-server here (Debian: redis-tools)\n");
        return 0;
    }
    if (n < 1 || n > 1000000 || workers < 1 || workers > WORKERS_MAX) {
        fprintf(stderr, "usage: bench_queue cost [JOBS] | rate JOBS WORKERS | kill JOBS WORKERS "
                        "KILLS\n");
        return 2;
    }
    set_up();
    if (!strcmp(what, "cost"))
        cost(n);
    else
        rate(n, workers, !strcmp(what, "kill") && argc > 4 ? atoi(argv[4]) : 0);
    clean();
    return 0;
}
