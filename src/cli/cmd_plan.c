/* spritty plan: the forecast of a job by stage, from the model's tables alone. */
#include <stdio.h>

#include "base/jsonw.h"
#include "cli/measure.h"
#include "cli/options.h"
#include "devices.h"
#include "engine/forecast.h"
#include "engine/job.h"

/* null where this machine's rates are not known */
static void put_ms(struct jsonw *w, double ms, bool known)
{
    if (known)
        jsonw_real(w, "ms", ms, 2);
    else
        jsonw_string(w, "ms", NULL);
}

static void put_modes(struct jsonw *w, const struct forecast *f)
{
    jsonw_open(w, "modes", '[');
    for (int i = 0; i < f->modes; i++) {
        jsonw_open(w, NULL, '{');
        jsonw_string(w, "name", f->mode[i].name);
        jsonw_u64(w, "peak", f->mode[i].peak);
        put_ms(w, f->mode[i].ms, f->mode[i].ms > 0);
        jsonw_bool(w, "fits", f->mode[i].fits);
        jsonw_close(w, '}');
    }
    jsonw_close(w, ']');
    jsonw_string(w, "mode", f->mode[f->taken].name);
    jsonw_u64(w, "room", f->room);
    jsonw_bool(w, "fits", f->mode[f->taken].fits);
    jsonw_string(w, "advice", *f->advice ? f->advice : NULL);
}

static int plan_json(const struct forecast *f, const struct plan_result *r, struct err *e)
{
    struct jsonw w = {0};
    jsonw_open(&w, NULL, '{');
    jsonw_real(&w, "flops", r->flops, 0);
    jsonw_open(&w, "bytes", '{');
    jsonw_u64(&w, "peak", r->bytes_peak);
    jsonw_u64(&w, "weights", r->bytes_weights);
    jsonw_u64(&w, "activations", r->bytes_activations);
    jsonw_close(&w, '}');
    jsonw_open(&w, "stages", '[');
    for (int i = 0; i < r->nstages; i++) {
        jsonw_open(&w, NULL, '{');
        jsonw_string(&w, "name", r->stage[i].name);
        jsonw_real(&w, "flops", r->stage[i].flops, 0);
        jsonw_u64(&w, "bytes", r->stage[i].bytes);
        put_ms(&w, r->stage[i].ms, r->ms > 0);
        jsonw_close(&w, '}');
    }
    jsonw_close(&w, ']');
    put_ms(&w, r->ms, r->ms > 0);
    put_modes(&w, f);
    jsonw_close(&w, '}');
    return cli_put_json(&w, e);
}

static double mb(size_t bytes)
{
    return (double)bytes / 1e6;
}

static void put_seconds(double ms, bool known)
{
    if (known)
        printf(" %12.3f", ms / 1e3);
    putchar('\n');
}

static void mode_table(const struct forecast *f, bool timed)
{
    printf("  %-16s %12s %12s %12s\n", "memory mode", "", "peak MB", timed ? "s" : "");
    for (int i = 0; i < f->modes; i++) {
        const struct forecast_mode *m = &f->mode[i];
        printf("%c %-16s %12s %12.1f", i == f->taken ? '>' : ' ', m->name,
               m->fits ? "" : "does not fit", mb(m->peak));
        put_seconds(m->ms, timed);
    }
    if (f->room > 0)
        printf("  %-16s %12s %12.1f\n", f->gpu ? "free on the GPU" : "free", "", mb(f->room));
    if (*f->advice)
        printf("\n  %s\n", f->advice);
}

static void plan_table(const struct job *j, const struct forecast *f, const struct plan_result *r)
{
    const struct gen_params *g = &j->params;
    char name[512];
    printf("%s, %dx%d, %d steps of %s, cfg %g, batch %d\n\n",
           text_shown(j->model_name, name, sizeof name), g->width, g->height, g->steps,
           sampler_name(g->sampler), (double)g->cfg, g->batch);
    printf("  %-16s %12s %12s %12s\n", "stage", "GFLOP", "MB", r->ms > 0 ? "s" : "");
    for (int i = 0; i < r->nstages; i++) {
        const struct plan_stage *s = &r->stage[i];
        printf("  %-16s %12.2f %12.1f", s->name, s->flops / 1e9, mb(s->bytes));
        put_seconds(s->ms, r->ms > 0);
    }
    printf("  %-16s %12.2f %12s", "all", r->flops / 1e9, "");
    put_seconds(r->ms, r->ms > 0);
    putchar('\n');
    printf("  weights %.1f MB, activations %.1f MB\n\n", mb(r->bytes_weights),
           mb(r->bytes_activations));
    mode_table(f, r->ms > 0);
}

/* Memory is forecast first: measuring would be in it. */
static int forecast(const struct cli *cli, struct job *j, struct forecast *f, struct plan_result *r,
                    struct err *e)
{
    static struct rates rates;
    struct forecast timed;
    struct plan_result plan = {0};
    int said = memory_by_name(j->settings.memory);
    if (forecast_job(j, 0, NULL, true, f, r, e) < 0)
        return -1;
    int rc = cli_measure(cli, &j->options, &rates, NULL, e);
    if (rc != 0)
        return rc < 0 ? -1 : 0;
    job_set_memory(j, f->taken + MEMORY_SPEED);
    rc = forecast_job(j, 0, &rates, true, &timed, &plan, e);
    notes_free(&plan.notes);
    job_set_memory(j, said);
    for (int i = 0; i < r->nstages; i++)
        r->stage[i].ms = plan.stage[i].ms;
    for (int i = 0; i < f->modes; i++)
        f->mode[i].ms = timed.mode[i].ms;
    r->ms = plan.ms;
    return rc;
}

int cmd_plan(struct cli *cli)
{
    char first[DEVICE_NAME];
    struct job j;
    struct plan_result r = {0};
    struct forecast f;
    struct err e = {""};
    if (cli_measure_check(cli, &e))
        return cli_fail(EXIT_USAGE, &e);
    int rc = job_prepare(&j, &cli->flags, cli->preset, cli->nargs ? cli->args[0] : "", &e);
    if (!rc && devices_first(j.options.device, first)) {
        cli_note(cli, "of several devices the first is asked: %s", first);
        j.options.device = first;
    }
    if (!rc)
        rc = forecast(cli, &j, &f, &r, &e);
    if (!rc && cli->json)
        rc = plan_json(&f, &r, &e);
    else if (!rc)
        plan_table(&j, &f, &r);
    cli_notes(cli, &r.notes);
    notes_free(&r.notes);
    job_free(&j);
    return rc ? cli_fail(EXIT_FAILED, &e) : EXIT_DONE;
}
