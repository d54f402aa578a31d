/*
 * spritty profile: one run, every operation timed, everything in memory named.
 *
 * What takes its time once is done before: the machine's limits are measured (or kept from the last
 * time), the model is loaded, and a short run warms caches up. Files that are to be compared with
 * or written are looked at first of all.
 */
#include <stdlib.h>
#include <string.h>

#include "base/fileio.h"
#include "cli/interrupt.h"
#include "cli/measure.h"
#include "cli/options.h"
#include "cli/profile_print.h"
#include "cli/progress.h"
#include "engine/job.h"
#include "engine/machine.h"

static bool go_on(void *user)
{
    (void)user;
    return !interrupted();
}

struct profiling {
    struct cli *cli;
    struct job job;
    struct pipeline *pipeline;
    struct progress progress;
    struct gen_hooks hooks;
    struct ceilings limits;
    struct rates rates;
    struct op_profile shape[PROFILE_SHAPES + 1];
    struct profile_report report;
    struct memory_map memory, before; /* before: what --compare names */
    bool times, memories, glance;     /* glance: end after the first step */
    int warmups;
};

static bool on_step(void *user, const struct gen_progress *g)
{
    struct profiling *p = user;
    progress_event(&p->progress, g);
    return !interrupted() && !(p->glance && g->step > 0);
}

/* ---- what was asked for ---- */

static int read_options(struct profiling *p, struct err *e)
{
    const struct cli *c = p->cli;
    const char *show = c->profile.show;
    bool kept = c->save || c->bench.compare;
    if (show && strcmp(show, "time") && strcmp(show, "memory") && strcmp(show, "all"))
        return err_set(e, "--show: '%.40s' is neither time, memory nor all", show);
    p->times = !show || strcmp(show, "memory") != 0;
    p->memories = show ? strcmp(show, "time") != 0 : kept;
    p->warmups = 1;
    return cli_measure_check(c, e) || cli_number("warmup", c->bench.warmup, 0, 100, &p->warmups, e)
               ? -1
               : 0;
}

static int look_at_files(struct profiling *p, struct err *e)
{
    const struct cli *c = p->cli;
    if (c->bench.compare && memory_load(c->bench.compare, &p->before, e) < 0)
        return -1;
    if ((c->save && file_check_target(c->save, e)) ||
        (c->profile.trace && file_check_target(c->profile.trace, e)))
        return -1;
    return 0;
}

static int find_limits(struct profiling *p, struct err *e)
{
    struct rates *r = &p->rates;
    int rc = cli_measure(p->cli, &p->job.options, r, go_on, e);
    if (rc == 0)
        p->limits = (struct ceilings){rates_gemm_flops(r), rates_conv_flops(r),
                                      rates_attention_flops(r), rates_memory_bytes(r)};
    return rc < 0 ? -1 : 0;
}

/* ---- the runs ---- */

static int run_once(struct profiling *p, const struct gen_params *g, struct err *e)
{
    struct gen_result r;
    int rc = pipeline_run(p->pipeline, g, &p->hooks, &r, e);
    if (rc < 0 && p->glance && r.cancelled && !interrupted())
        rc = 0;
    progress_finish(&p->progress);
    if (g->profile)
        cli_notes(p->cli, &r.notes);
    gen_result_free(&r);
    return rc;
}

/* Each set of sizes once: those that depend on the number of steps come up before the first one,
 * all others in a run of one. */
static int warm_up(struct profiling *p, struct err *e)
{
    struct gen_params all = p->job.params, one = all;
    one.steps = 1;
    one.hires_steps = one.hires_width > 0 ? 1 : 0;
    for (int i = 0; i < p->warmups; i++) {
        p->glance = all.steps > 1;
        int rc = p->glance ? run_once(p, &all, e) : 0;
        p->glance = false;
        if (rc < 0 || run_once(p, &one, e) < 0)
            return -1;
    }
    return 0;
}

static void describe(const struct profiling *p, char *out, size_t size)
{
    const struct gen_params *g = &p->job.params;
    snprintf(out, size, "%.100s, %dx%d, %d steps of %s, cfg %g, batch %d, %s %s", p->job.model_name,
             g->width, g->height, g->steps, sampler_name(g->sampler), (double)g->cfg, g->batch,
             pipeline_device(p->pipeline), pipeline_precision(p->pipeline));
    text_sanitize(out);
}

static int measure(struct profiling *p, struct err *e)
{
    struct gen_params g = p->job.params;
    g.profile = p->cli->profile.trace ? PROFILE_TRACE : PROFILE_CALLS;
    if (warm_up(p, e) < 0 || run_once(p, &g, e) < 0)
        return -1;
    const struct profile_book *b = pipeline_book(p->pipeline);
    pipeline_shapes(p->pipeline, p->shape);
    if (profile_report_make(b, p->shape, &p->limits, &p->report) < 0)
        return err_set(e, "out of memory");
    memory_of_model(&p->memory, p->pipeline, b, 3);
    memory_of_ops(&p->memory, b, p->shape);
    memory_of_machine(&p->memory, b);
    describe(p, p->memory.job, sizeof p->memory.job);
    return 0;
}

/* ---- what becomes of it ---- */

static int write_trace(struct profiling *p, struct err *e)
{
    const struct profile_book *b = pipeline_book(p->pipeline);
    size_t weights = memory_sum(&p->memory, MEMORY_WEIGHTS);
    char *text = profile_trace_json(b, p->shape, p->memory.job, weights);
    if (!text)
        return err_set(e, "out of memory for the trace");
    int rc = file_write_atomic(p->cli->profile.trace, text, strlen(text), e);
    free(text);
    if (rc == 0 && b->dropped > 0)
        cli_note(p->cli, "the trace lacks its last %d events; take fewer steps", b->dropped);
    return rc;
}

static int report_json(struct profiling *p, struct err *e)
{
    struct jsonw w = {0};
    jsonw_open(&w, NULL, '{');
    json_times(&w, &p->report, &p->limits);
    jsonw_open(&w, "memory", '{');
    memory_json(&w, &p->memory);
    if (p->cli->bench.compare)
        json_difference(&w, &p->before, &p->memory);
    jsonw_close(&w, '}');
    jsonw_close(&w, '}');
    return cli_put_json(&w, e);
}

static void report(struct profiling *p)
{
    printf("%s\n", p->memory.job);
    if (p->times)
        print_times(&p->report, &p->limits);
    if (p->memories) {
        print_memory(&p->memory);
        print_tensors(pipeline_book(p->pipeline));
    }
    if (p->cli->bench.compare)
        print_difference(&p->before, &p->memory);
}

static int profile(struct profiling *p, struct err *e)
{
    const struct cli *c = p->cli;
    if (job_prepare(&p->job, &c->flags, c->preset, c->nargs ? c->args[0] : "", e) < 0 ||
        find_limits(p, e) < 0)
        return -1;
    machine_reset_peak(); /* measuring is no part of the run */
    p->hooks = (struct gen_hooks){.user = p, .step = on_step};
    p->job.options.hooks = &p->hooks;
    p->pipeline = pipeline_open(p->job.model, &p->job.options, e);
    if (!p->pipeline || measure(p, e) < 0 || (c->profile.trace && write_trace(p, e) < 0) ||
        (c->save && memory_save(c->save, &p->memory, e) < 0))
        return -1;
    if (c->json)
        return report_json(p, e);
    report(p);
    return 0;
}

int cmd_profile(struct cli *cli)
{
    struct err e = {""};
    struct profiling *p = calloc(1, sizeof *p);
    if (!p)
        return cli_fail(EXIT_FAILED, &(struct err){"out of memory"});
    p->cli = cli;
    interrupts_catch();
    progress_init(&p->progress, stderr, cli->quiet);
    int usage = read_options(p, &e);
    int rc = usage || look_at_files(p, &e) ? -1 : 0;
    if (rc == 0)
        rc = profile(p, &e);
    if (rc < 0 && interrupted())
        err_set(&e, "cancelled");
    profile_report_free(&p->report);
    if (p->pipeline)
        pipeline_close(p->pipeline);
    job_free(&p->job);
    free(p);
    return usage ? cli_fail(EXIT_USAGE, &e) : rc ? cli_fail(EXIT_FAILED, &e) : EXIT_DONE;
}
