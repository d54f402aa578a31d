/*
 * spritty batch: many jobs from a file.
 *
 * What is on the command line holds for jobs that do not say it themselves. Pictures go to a
 * folder, what became of each job to a file of results, and the same command goes on where it was
 * stopped. In a Slurm array each task takes its share of the jobs by itself.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <limits.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/fileio.h"
#include "base/jsonw.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "engine/batch.h"
#include "queue/device.h"

enum { SHOWN_FAILURES = 20 };

struct failure {
    char id[BATCH_ID_MAX + 1];
    long line;
    struct err why;
};

struct run {
    struct cli *cli;
    struct batch_options o;
    struct batch_state state;
    struct settings flags;
    char folder[PATH_MAX], results[PATH_MAX];
    struct failure failure[SHOWN_FAILURES];
    long failures;
    bool terminal, line; /* line: a progress line stands there */
    double told;
};

/* ---- progress ---- */

static void clear_line(struct run *r)
{
    if (r->line)
        fputs("\r\033[K", stderr);
    r->line = false;
}

static void tell(void *user, const char *note)
{
    struct run *r = user;
    if (r->cli->quiet)
        return;
    clear_line(r);
    fprintf(stderr, "spritty: %s\n", note);
}

static void failed(void *user, const char *id, long line, const char *why)
{
    struct run *r = user;
    long i = r->failures++;
    if (i < SHOWN_FAILURES) {
        snprintf(r->failure[i].id, sizeof r->failure[i].id, "%s", id);
        r->failure[i].line = line;
        err_set(&r->failure[i].why, "%s", why);
    }
}

static void print_time(double seconds, char out[24])
{
    long s = (long)(seconds + 0.5);
    if (s < 3600)
        snprintf(out, 24, "%ld:%02ld", s / 60, s % 60);
    else
        snprintf(out, 24, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
}

/* A line that is drawn again on a terminal, one every ten seconds anywhere else. */
static void progress(void *user, const struct batch_state *s)
{
    struct run *r = user;
    double now = clock_ms();
    char left[24], total[24] = "", bad[32] = "";
    r->state = *s;
    if (r->cli->quiet || (!r->terminal && now - r->told < 10e3))
        return;
    r->told = now;
    if (s->total >= 0)
        snprintf(total, sizeof total, "/%ld", s->total);
    if (s->failed)
        snprintf(bad, sizeof bad, ", %ld failed", s->failed);
    fprintf(stderr, "%s%ld%s done%s  %.0f a minute, %d at once", r->terminal ? "\r\033[K" : "",
            s->already + s->done, total, bad, s->per_minute, s->at_once);
    if (s->left >= 0) {
        print_time(s->left, left);
        fprintf(stderr, "  %s left", left);
    }
    fprintf(stderr, "  %.0f MB%s", (double)s->bytes / 1e6, r->terminal ? "" : "\n");
    fflush(stderr);
    r->line = r->terminal;
}

/* ---- which jobs ---- */

static bool environment(const char *name, long *out)
{
    const char *text = getenv(name);
    char *end;
    if (!text || !*text)
        return false;
    *out = strtol(text, &end, 10);
    return !*end;
}

/* As Slurm numbers the tasks of an array: from MIN on, STEP apart. */
static int slurm_shard(struct run *r, struct err *e)
{
    long id, first = 0, step = 1, last = 0, count = 0;
    if (!environment("SLURM_ARRAY_TASK_ID", &id))
        return 0;
    environment("SLURM_ARRAY_TASK_MIN", &first);
    environment("SLURM_ARRAY_TASK_STEP", &step);
    bool known = environment("SLURM_ARRAY_TASK_COUNT", &count);
    if (!known && environment("SLURM_ARRAY_TASK_MAX", &last) && step > 0) {
        count = (last - first) / step + 1;
        known = true;
    }
    long at = step > 0 ? (id - first) / step : -1;
    if (!known || at < 0 || at >= count || count > 1000000 || (id - first) % step)
        return err_set(e,
                       "this is task %ld of a Slurm array whose numbers are not plain "
                       "(SLURM_ARRAY_TASK_MIN, _STEP, _COUNT); say --shard i/n",
                       id);
    r->o.shard = (int)at + 1;
    r->o.shards = (int)count;
    return 0;
}

static int choose_shard(struct run *r, struct err *e)
{
    int used = 0;
    long at, count; /* of more than 32 bits, or else 4294967297 is 1 */
    const char *said = r->cli->shard;
    if (!said)
        return slurm_shard(r, e);
    if (sscanf(said, "%ld/%ld%n", &at, &count, &used) != 2 || said[used] || at < 1 ||
        count > 1000000 || at > count)
        return err_set(e, "--shard %.40s: write i/n, the i-th of n parts: 1/4 to 4/4", said);
    r->o.shard = (int)at;
    r->o.shards = (int)count;
    return 0;
}

/* ---- where to ---- */

/* Of a path without its ending. */
static int stem_length(const char *path)
{
    const char *slash = strrchr(path, '/'), *dot = strrchr(path, '.');
    return dot && dot > (slash ? slash + 1 : path) ? (int)(dot - path) : (int)strlen(path);
}

/* What results and folder are called after: the jobs' file. Standard input, pipes and devices
 * have no folder of their own. */
static const char *called_after(const struct run *r)
{
    struct stat st;
    bool named = strcmp(r->o.path, "-") && (stat(r->o.path, &st) || S_ISREG(st.st_mode));
    return named ? r->o.path : "batch";
}

static int name_results(struct run *r, struct err *e)
{
    const char *said = r->cli->results, *jobs = called_after(r);
    char part[40] = "";
    if (r->o.shards > 1)
        snprintf(part, sizeof part, "-%dof%d", r->o.shard, r->o.shards);
    const char *base = said ? said : jobs;
    int stem = stem_length(base);
    int n = snprintf(r->results, sizeof r->results, "%.*s%s%s%s", stem, base,
                     said ? "" : "-results", part, said ? said + stem : ".jsonl");
    return n < 0 || n >= (int)sizeof r->results ? err_set(e, "the path of the results is too long")
                                                : 0;
}

static int name_folder(struct run *r, struct err *e)
{
    const struct settings *f = &r->cli->flags;
    const char *jobs = called_after(r);
    int n = settings_has(f, "output")
                ? snprintf(r->folder, sizeof r->folder, "%s", f->output)
                : snprintf(r->folder, sizeof r->folder, "%.*s-sprites", stem_length(jobs), jobs);
    if (n < 1 || n >= (int)sizeof r->folder)
        return err_set(e, "-o needs a folder's name");
    for (size_t k = strlen(r->folder); k > 1 && r->folder[k - 1] == '/'; k--)
        r->folder[k - 1] = '\0';
    if (strcmp(r->o.path, "-") && access(r->o.path, R_OK)) /* before a folder is made for it */
        return err_set(e, "cannot read %s: %s", r->o.path, strerror(errno));
    return file_make_folders(r->folder, e);
}

/* What the options say of the batch as a whole is not for its jobs. */
static int take_flags(struct run *r, struct err *e)
{
    static const char *const own[] = {"output", "device", "threads", "batch"};
    const struct settings *f = &r->cli->flags;
    r->o.devices = settings_text(f, "device");
    r->o.threads = f->threads;
    r->o.at_once = settings_has(f, "batch") ? f->batch : 0;
    if (settings_fill(&r->flags, f, e))
        return -1;
    for (int i = 0; i < 4; i++)
        if (settings_has(&r->flags, own[i]))
            settings_unset(&r->flags, own[i]);
    r->o.flags = &r->flags;
    r->o.preset = r->cli->preset;
    return 0;
}

/* ---- what came of it ---- */

static void print_failures(const struct run *r)
{
    char text[512];
    long shown = r->failures < SHOWN_FAILURES ? r->failures : SHOWN_FAILURES;
    for (long i = 0; i < shown; i++) {
        const struct failure *f = &r->failure[i];
        text_shown(f->id, text, sizeof text);
        fprintf(stderr, "failed: line %ld%s%s: %s\n", f->line, *text ? ", " : "", text,
                f->why.text);
    }
    if (r->failures > shown)
        fprintf(stderr, "failed: %ld more; all of them are in %s\n", r->failures - shown,
                text_shown(r->results, text, sizeof text));
}

static int print_json(const struct run *r, bool complete)
{
    const struct batch_state *s = &r->state;
    struct jsonw w = {0};
    jsonw_open(&w, NULL, '{');
    jsonw_bool(&w, "complete", complete);
    if (s->total >= 0)
        jsonw_u64(&w, "jobs", (uint64_t)s->total);
    jsonw_u64(&w, "already", (uint64_t)s->already);
    jsonw_u64(&w, "done", (uint64_t)s->done);
    jsonw_u64(&w, "failed", (uint64_t)s->failed);
    jsonw_real(&w, "seconds", s->seconds, 3);
    jsonw_real(&w, "per_second", s->seconds > 0 ? (double)s->done / s->seconds : 0, 3);
    jsonw_open(&w, "ms", '{');
    jsonw_u64(&w, "devices", (uint64_t)s->devices);
    jsonw_real(&w, "load", s->load_ms, 1);
    jsonw_real(&w, "run", s->run_ms, 1);
    jsonw_real(&w, "finish", s->finish_ms, 1);
    jsonw_real(&w, "feed", s->feed_ms, 1);
    jsonw_close(&w, '}');
    jsonw_u64(&w, "bytes", s->bytes);
    jsonw_string(&w, "folder", r->folder);
    jsonw_string(&w, "results", r->results);
    jsonw_open(&w, "failures", '[');
    for (long i = 0; i < r->failures && i < SHOWN_FAILURES; i++) {
        jsonw_open(&w, NULL, '{');
        jsonw_string(&w, "id", *r->failure[i].id ? r->failure[i].id : NULL);
        jsonw_u64(&w, "line", (uint64_t)r->failure[i].line);
        jsonw_string(&w, "error", r->failure[i].why.text);
        jsonw_close(&w, '}');
    }
    jsonw_close(&w, ']');
    jsonw_close(&w, '}');
    struct err e;
    return cli_put_json(&w, &e);
}

static void print_end(const struct run *r)
{
    const struct batch_state *s = &r->state;
    char time[24], folder[512], results[512];
    print_time(s->seconds, time);
    fprintf(stderr, "%ld done", s->done);
    if (s->already)
        fprintf(stderr, ", %ld were done before", s->already);
    if (s->failed)
        fprintf(stderr, ", %ld failed", s->failed);
    fprintf(stderr, ", in %s; sprites in %s, results in %s\n", time,
            text_shown(r->folder, folder, sizeof folder),
            text_shown(r->results, results, sizeof results));
}

static int report(struct run *r, int rc, const struct err *e)
{
    bool stopped = interrupted(), complete = rc == 0 && !stopped;
    clear_line(r);
    if (!r->cli->quiet && (rc == 0 || r->state.already || r->state.done || r->state.failed))
        print_end(r);
    print_failures(r);
    if (r->cli->json && print_json(r, complete))
        return EXIT_FAILED;
    if (rc)
        return cli_fail(EXIT_FAILED, e);
    if (stopped)
        fputs("spritty: stopped; the same command goes on from here\n", stderr);
    return stopped || r->failures ? EXIT_FAILED : EXIT_DONE;
}

int cmd_batch(struct cli *cli)
{
    struct run *r = calloc(1, sizeof *r);
    struct err e = {""};
    if (!r)
        return cli_fail(EXIT_FAILED, &(struct err){"out of memory"});
    r->cli = cli;
    r->terminal = isatty(STDERR_FILENO);
    r->o = (struct batch_options){.path = cli->args[0],
                                  .folder = r->folder,
                                  .results = r->results,
                                  .stop = &interrupt_flag,
                                  .open = queue_device_open,
                                  .user = r,
                                  .tell = tell,
                                  .failed = failed,
                                  .progress = progress};
    int status = EXIT_FAILED;
    interrupts_catch();
    if (choose_shard(r, &e))
        status = cli_fail(EXIT_USAGE, &e);
    else if (take_flags(r, &e) || name_results(r, &e) || name_folder(r, &e))
        cli_fail(EXIT_FAILED, &e);
    else {
        int rc = batch_run(&r->o, &r->state, &e);
        status = report(r, rc, &e);
    }
    settings_free(&r->flags);
    free(r);
    return status;
}
