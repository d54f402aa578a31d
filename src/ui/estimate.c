/*
 * What the next job will take, before Enter: time and peak memory of what is set, and why it cannot
 * run where it cannot.
 *
 * The forecast is worked out beside the app (errand.h), one at a time, for the settings as they are
 * when the one before has come back; the prompt is not among them, as hardly anything depends on
 * it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/forecast.h"
#include "ui/errand.h"
#include "ui/studio.h"

struct estimate_errand {
    struct errand errand; /* first */
    struct settings said;
    char preset[64];
    size_t held; /* by the open model */
    int failed;
    struct forecast f;
};

static void run(struct work *work)
{
    struct estimate_errand *w = (struct estimate_errand *)work;
    struct err ignored; /* a job says it when it runs */
    w->failed = engine_forecast(&w->said, w->preset, "", w->held, &w->f, &ignored);
}

/* What a forecast is of: preset and settings as they are now. NULL without memory. */
static char *set_now(struct ui *ui)
{
    char *text = settings_to_text(studio_settings(ui)), *of = NULL;
    if (!text || asprintf(&of, "%s\n%s", studio_preset(ui), text) < 0)
        of = NULL;
    free(text);
    return of;
}

static bool is_asked(const struct studio *st, const char *of)
{
    return of && st->estimate.of && !strcmp(of, st->estimate.of);
}

static void done(struct ui *ui, struct errand *errand)
{
    struct estimate_errand *w = (struct estimate_errand *)errand;
    struct studio *st = ui->studio;
    char *now = set_now(ui); /* which may have changed meanwhile */
    st->estimate.asked = false;
    st->estimate.known = !w->failed && is_asked(st, now);
    free(now);
    if (!w->failed) {
        const struct forecast_mode *m = &w->f.mode[w->f.taken];
        st->estimate.fits = m->fits;
        st->estimate.ms = m->ms;
        st->estimate.load_ms = w->f.load_ms;
        st->estimate.peak = m->peak;
        snprintf(st->estimate.advice, sizeof st->estimate.advice, "%s", w->f.advice);
    }
    if (st->estimate.again) {
        st->estimate.again = false;
        estimate_renew(ui);
    }
}

static void errand_free(struct errand *errand)
{
    struct estimate_errand *w = (struct estimate_errand *)errand;
    settings_free(&w->said);
    free(w);
}

/* Of several devices the first that works: one that is set aside gets no job. */
static void take_device(const struct ui *ui, struct settings *s)
{
    char name[DEVICE_NAME];
    int i = 0;
    while (i < ui->devices && ui->device[i].aside)
        i++;
    if (i == 0 || i == ui->devices || device_is_queue(ui->device[i].name))
        return;
    snprintf(name, sizeof name, "%s", ui->device[i].name);
    name[strcspn(name, " ")] = '\0'; /* "cpu 2" */
    settings_set(s, "device", name, NULL);
}

void estimate_want(struct ui *ui)
{
    struct studio *st = ui->studio;
    char *of = set_now(ui);
    bool same = is_asked(st, of);
    if (st->estimate.of && !same) /* renewed, the old one stands until the new is there */
        st->estimate.known = false;
    st->estimate.again = st->estimate.again || (of && !same && st->estimate.asked);
    if (!of || same || st->estimate.asked) { /* asked: once that one is back */
        free(of);
        return;
    }
    struct estimate_errand *w = calloc(1, sizeof *w);
    if (!w || settings_fill(&w->said, studio_settings(ui), NULL)) {
        free(w);
        free(of);
        return;
    }
    free(st->estimate.of);
    st->estimate.of = of;
    st->estimate.asked = true;
    take_device(ui, &w->said);
    w->errand = (struct errand){{.run = run}, done, errand_free};
    snprintf(w->preset, sizeof w->preset, "%s", st->preset);
    w->held = ui->live.ready ? ui->live.bytes_weights + ui->live.bytes_activations : 0;
    errand_send(ui, &w->errand);
}

void estimate_renew(struct ui *ui)
{
    struct studio *st = ui->studio;
    if (st->estimate.asked) {
        st->estimate.again = true;
        return;
    }
    estimate_free(st);
    estimate_want(ui);
}

void estimate_text(const struct ui *ui, char *out, size_t size)
{
    const struct studio *st = ui->studio;
    char ms[32], bytes[16];
    *out = '\0';
    if (!st->estimate.known)
        return;
    forecast_bytes(st->estimate.peak, bytes);
    if (st->estimate.ms > 0) {
        double spent = ui->live.ready ? st->estimate.load_ms : 0; /* its model is open */
        text_ms(st->estimate.ms - spent, ms, sizeof ms);
        snprintf(out, size, "next: about %s, %s", ms, bytes);
    } else {
        snprintf(out, size, "next: %s", bytes);
    }
    if (!st->estimate.fits)
        snprintf(out, size, "next: %s, which does not fit", bytes);
}

const char *estimate_refusal(const struct ui *ui)
{
    const struct studio *st = ui->studio;
    return st->estimate.known && !st->estimate.fits ? st->estimate.advice : NULL;
}

void estimate_free(struct studio *st)
{
    free(st->estimate.of);
    st->estimate.of = NULL;
}
