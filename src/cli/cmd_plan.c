/* spritty plan: the forecast of a job by stage, from the model's tables alone. */
#include <stdlib.h>

#include "base/jsonw.h"
#include "cli/options.h"
#include "engine/job.h"

static int plan_json(const struct plan_result *r, struct err *e)
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
        jsonw_close(&w, '}');
    }
    jsonw_close(&w, ']');
    if (r->ms > 0)
        jsonw_real(&w, "ms", r->ms, 1);
    else
        jsonw_string(&w, "ms", NULL); /* this machine's rates are not known */
    jsonw_close(&w, '}');
    char *text = jsonw_take(&w);
    if (!text)
        return err_set(e, "out of memory");
    puts(text);
    free(text);
    return 0;
}

static double mb(size_t bytes)
{
    return (double)bytes / 1e6;
}

static void plan_table(const struct job *j, const struct plan_result *r)
{
    const struct gen_params *g = &j->params;
    printf("%s, %dx%d, %d steps of %s, cfg %g, batch %d\n\n", j->model_name, g->width, g->height,
           g->steps, sampler_name(g->sampler), (double)g->cfg, g->batch);
    printf("  %-16s %12s %12s\n", "stage", "GFLOP", "MB");
    for (int i = 0; i < r->nstages; i++)
        printf("  %-16s %12.2f %12.1f\n", r->stage[i].name, r->stage[i].flops / 1e9,
               mb(r->stage[i].bytes));
    printf("  %-16s %12.2f\n\n", "all", r->flops / 1e9);
    printf("  %-16s %12s %12.1f\n", "weights", "", mb(r->bytes_weights));
    printf("  %-16s %12s %12.1f\n", "activations", "", mb(r->bytes_activations));
    printf("  %-16s %12s %12.1f\n", "peak", "", mb(r->bytes_peak));
    if (r->ms > 0)
        printf("\n  about %.1f s\n", r->ms / 1e3);
}

int cmd_plan(struct cli *cli)
{
    struct job j;
    struct plan_result r = {0};
    struct err e = {""};
    int rc = job_prepare(&j, &cli->flags, cli->preset, cli->nargs ? cli->args[0] : "", &e);
    if (!rc)
        rc = pipeline_plan(j.model, &j.options, &j.params, &r, &e);
    if (!rc && cli->json)
        rc = plan_json(&r, &e);
    else if (!rc)
        plan_table(&j, &r);
    for (int i = 0; i < r.notes.count && !cli->quiet; i++)
        fprintf(stderr, "spritty: note: %s\n", r.notes.line[i]);
    notes_free(&r.notes);
    job_free(&j);
    return rc ? cli_fail(EXIT_FAILED, &e) : EXIT_DONE;
}
