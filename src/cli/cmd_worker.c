/*
 * spritty worker: takes jobs from a queue until it is told to end.
 *
 * What it needs is found wrong before it begins: the URL, the models, the server. The first Ctrl-C
 * or SIGTERM lets the job that runs be finished, the second gives it back to the queue.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/jsonw.h"
#include "cli/options.h"
#include "devices.h"
#include "engine/machine.h"
#include "ops/cuda.h"
#include "queue/queue.h"
#include "queue/worker.h"
#include "sdxl/pipeline.h"

static atomic_int stop;

static void on_signal(int signal)
{
    (void)signal;
    atomic_fetch_add(&stop, 1);
}

static void catch_signals(void)
{
    struct sigaction a = {.sa_handler = on_signal};
    sigemptyset(&a.sa_mask);
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
}

static void say(void *user, const char *line)
{
    const struct cli *cli = user;
    if (!cli->quiet)
        fprintf(stderr, "spritty: %s\n", line);
}

/* ---- what it works with ---- */

/* What -m says, a list with commas between, or all models that there are. */
static int find_models(struct stock *s, struct cli *cli, struct err *e)
{
    const char *said = settings_text(&cli->flags, "model");
    if (!said)
        return stock_add_all(s, say, cli, e);
    char *copy = strdup(said), *rest = copy, *name;
    int rc = copy ? 0 : err_set(e, "out of memory");
    while (!rc && (name = strsep(&rest, ",")))
        rc = stock_add(s, name, e);
    free(copy);
    return rc;
}

/* Of the device that the engine will take. */
static unsigned long long memory_of(const char *device)
{
    struct cuda_info info = {0};
    struct machine m = {0};
    struct err e;
    bool gpu = strcmp(device, "cpu") != 0 && strcmp(device, "ref") != 0;
    if (gpu && ops_cuda_look(pipeline_device_index(device), &info, &e) == 0)
        return info.bytes_total;
    machine_read(&m);
    return m.memory_free;
}

static int number(const char *option, const char *text, double min, double max, double fallback,
                  double *out, struct err *e)
{
    char *end;
    *out = fallback;
    if (!text)
        return 0;
    *out = strtod(text, &end);
    return end != text && !*end && *out >= min && *out <= max
               ? 0
               : err_set(e, "--%s is a number from %g to %g", option, min, max);
}

static int read_options(struct worker_options *o, const struct cli *cli, struct err *e)
{
    const char *url = cli->worker.queue ? cli->worker.queue : getenv("SPRITTY_QUEUE");
    double room, lease, idle;
    if (!url || !*url)
        return err_set(e, "'spritty worker' needs --queue redis://HOST (or SPRITTY_QUEUE)");
    o->device = settings_has(&cli->flags, "device") ? cli->flags.device : "auto";
    if (devices_many(o->device) || queue_url_is(o->device))
        return err_set(e,
                       "--device: a worker computes on one device, not on %.100s; start a worker "
                       "for each",
                       o->device);
    o->threads = settings_has(&cli->flags, "threads") ? cli->flags.threads : 0;
    if (queue_url_parse(&o->url, url, e) ||
        number("room", cli->worker.room, 0.1, 100000, 0, &room, e) ||
        number("lease", cli->worker.lease, 1, 3600, QUEUE_LEASE_MS / 1e3, &lease, e) ||
        cli_number("jobs", cli->worker.jobs, 1, 1000000000, &o->max_jobs, e) ||
        number("idle", cli->worker.idle, 0, 1e6, 0, &idle, e))
        return -1;
    o->memory = room > 0 ? (unsigned long long)(room * (1 << 30)) : memory_of(o->device);
    o->lease_ms = (int)(lease * 1000);
    o->max_idle_ms = cli->worker.idle ? (int)(idle * 1000) + 1 : 0;
    return 0;
}

/* ---- the command ---- */

static int report(const struct cli *cli, struct worker_count *c, double seconds)
{
    struct jsonw w = {0};
    if (!cli->json) {
        if (!cli->quiet)
            fprintf(stderr,
                    "spritty: %ld jobs done, %ld failed, %ld given up, %ld cancelled, %ld went to "
                    "others, in %.1f s\n",
                    atomic_load(&c->done), atomic_load(&c->failed), atomic_load(&c->buried),
                    atomic_load(&c->cancelled), atomic_load(&c->lost), seconds);
        return 0;
    }
    jsonw_open(&w, NULL, '{');
    jsonw_u64(&w, "done", (uint64_t)c->done);
    jsonw_u64(&w, "failed", (uint64_t)c->failed);
    jsonw_u64(&w, "given_up", (uint64_t)c->buried);
    jsonw_u64(&w, "cancelled", (uint64_t)c->cancelled);
    jsonw_u64(&w, "lost", (uint64_t)c->lost);
    jsonw_real(&w, "seconds", seconds, 3);
    jsonw_close(&w, '}');
    struct err e;
    return cli_put_json(&w, &e);
}

int cmd_worker(struct cli *cli)
{
    struct worker_options o = {.stop = &stop, .say = say, .user = cli};
    struct worker_count count = {0};
    struct stock *stock = calloc(1, sizeof *stock);
    struct err e = {""};
    double start = clock_ms();
    int status = EXIT_DONE;
    if (!stock)
        return err_set(&e, "out of memory"), cli_fail(EXIT_FAILED, &e);
    o.stock = stock;
    if (read_options(&o, cli, &e)) {
        status = cli_fail(EXIT_USAGE, &e);
    } else {
        catch_signals();
        int rc = find_models(stock, cli, &e);
        if (!rc) {
            rc = queue_work(&o, &count, &e);
            report(cli, &count, (clock_ms() - start) / 1e3);
        }
        status = rc ? cli_fail(EXIT_FAILED, &e) : EXIT_DONE;
    }
    explicit_bzero(o.url.password, sizeof o.url.password);
    free(stock);
    return status;
}
