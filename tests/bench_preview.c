/*
 * What a preview costs, as a share of the sampling step that it shows, both measured in one run.
 *
 *   bench_preview [MODEL [SIZE...]]      models/tiny at 128, 256 and 512 unless told
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "sdxl/pipeline.h"
#include "sdxl/preview.h"

enum { STEPS = 20, SHOWS = 200 };

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v, int n)
{
    qsort(v, (size_t)n, sizeof *v, by_size);
    return v[n / 2];
}

static double step_ms(struct pipeline *p, int size, struct err *e)
{
    struct gen_result r = {0};
    struct gen_params g = {.prompt = "a green slime with a crown",
                           .seed = 1,
                           .steps = STEPS,
                           .cfg = 3.5f,
                           .width = size,
                           .height = size,
                           .batch = 1,
                           .sampler = sampler_by_name("euler"),
                           .scheduler = schedule_by_name("normal")};
    int rc = pipeline_run(p, &g, NULL, &r, e);
    double ms = rc ? -1 : median(r.ms.steps, r.ms.nsteps);
    gen_result_free(&r);
    return ms;
}

static double show_ms(const struct model_config *m, int latent)
{
    static double ms[SHOWS];
    struct preview *v = preview_new(m, latent, latent);
    if (!v)
        return -1;
    for (int i = 0; i < latent * latent * m->vae.latent_channels; i++)
        v->latent[i] = (float)(i % 17) / 8 - 1;
    for (int i = 0; i < SHOWS; i++) {
        double began = clock_ms();
        preview_show(v);
        ms[i] = clock_ms() - began;
    }
    preview_free(v);
    return median(ms, SHOWS);
}

int main(int argc, char **argv)
{
    static const char *const usual[] = {"128", "256", "512"};
    struct err e = {""};
    struct pipeline *p = pipeline_open(argc > 1 ? argv[1] : "models/tiny", NULL, &e);
    int sizes = argc > 2 ? argc - 2 : 3;
    if (!p) {
        fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    for (int i = 0; i < sizes; i++) {
        int size = atoi(argc > 2 ? argv[2 + i] : usual[i]);
        step_ms(p, size, &e); /* the first run of a size also sets it up */
        double step = step_ms(p, size, &e);
        if (step < 0) {
            fprintf(stderr, "%s\n", e.text);
            break;
        }
        double show = show_ms(pipeline_config(p), size / pipeline_config(p)->vae_factor);
        printf("%4dx%-4d  step %8.2f ms  preview %7.3f ms  %.2f%%\n", size, size, step, show,
               100 * show / step);
    }
    pipeline_close(p);
    return *e.text ? 1 : 0;
}
