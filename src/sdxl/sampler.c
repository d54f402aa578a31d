/*
 * The one loop over the steps, and the names. What a step does is a rule's (sampler_rules.c).
 *
 * A mix of more tensors than a backend adds up in one call (OPS_TERMS) is added up in parts.
 */
#include "sdxl/sampler_rules.h"

#include <string.h>
#include <strings.h>

enum { TERMS = HISTORY + 4 }; /* of a mix, at most: x, held, uncond, noise, each d */

/* The tensors of one run. What the model saw moves on by copies and not by pointers, which costs
 * next to nothing and makes the turns of the loop alike (ops.h). */
struct bank {
    struct tensor held, uncond, noise;
    struct tensor d[HISTORY]; /* now, one call before, ... */
    int history;
};

const char *sampler_name(int i)
{
    return sampler_at(i) ? sampler_at(i)->name : NULL;
}

const char *sampler_label(int i)
{
    return sampler_at(i) ? sampler_at(i)->label : NULL;
}

int sampler_by_name(const char *name)
{
    for (int i = 0; sampler_at(i); i++) {
        const struct sampler *s = sampler_at(i);
        if (!strcasecmp(name, s->name) || !strcasecmp(name, s->label) ||
            (s->alias && !strcasecmp(name, s->alias)))
            return i;
    }
    return -1;
}

const char *sampler_on_gpu(int i)
{
    return sampler_at(i) ? sampler_at(i)->on_gpu : NULL;
}

int sampler_by_gpu_name(const char *name)
{
    for (int i = 0; sampler_at(i); i++)
        if (sampler_at(i)->on_gpu && !strcasecmp(name, sampler_at(i)->on_gpu))
            return i;
    return -1;
}

/* Does `name` end with " word"? Where, or 0. */
static size_t tail(const char *name, const char *word)
{
    size_t n = strlen(name), m = strlen(word);
    return n > m + 1 && name[n - m - 1] == ' ' && !strcasecmp(name + n - m, word) ? n - m - 1 : 0;
}

bool sampler_with_schedule(const char *name, int *sampler, int *schedule)
{
    char first[100];
    if (strlen(name) >= sizeof first)
        return false;
    for (int i = 0; schedule_name(i); i++) {
        size_t at = tail(name, schedule_label(i));
        if (!at)
            at = tail(name, schedule_name(i));
        if (!at)
            continue;
        memcpy(first, name, at);
        first[at] = '\0';
        *sampler = sampler_by_name(first);
        *schedule = i;
        if (*sampler >= 0)
            return true;
    }
    return false;
}

const char *sampler_and_schedule(int i)
{
    static const char *const names[] = {"LMS Karras",          "DPM2 Karras",
                                        "DPM2 a Karras",       "DPM++ 2S a Karras",
                                        "DPM++ 2M Karras",     "DPM++ SDE Karras",
                                        "DPM++ 2M SDE Karras", "DPM++ 2M SDE Exponential",
                                        "DPM++ 3M SDE Karras", "DPM++ 3M SDE Exponential"};
    return i >= 0 && i < (int)(sizeof names / sizeof *names) ? names[i] : NULL;
}

enum sampler_noise sampler_noise(int i)
{
    assert(sampler_at(i));
    return sampler_at(i)->noise;
}

bool sampler_needs_uncond(int i)
{
    assert(sampler_at(i));
    return sampler_at(i)->uncond;
}

bool sampler_masks_afresh(int i)
{
    assert(sampler_at(i));
    return sampler_at(i)->masks_afresh;
}

int sampler_sigmas(const struct noise_levels *l, int sampler, int schedule, int steps,
                   enum compat compat, float *sigma)
{
    enum drops who = sampler_at(sampler)->drops;
    bool drops = (compat == COMPAT_COMFYUI && who & DROPS_COMFYUI) ||
                 (compat == COMPAT_A1111 && who & DROPS_A1111);
    float all[MAX_STEPS + 2];
    int n = schedule_sigmas(l, schedule, steps + drops, compat, all);
    if (drops && n > 1) {
        all[n - 1] = all[n];
        n--;
    }
    memcpy(sigma, all, (size_t)(n + 1) * sizeof *sigma);
    return n;
}

static struct rule_input input_of(const struct sampler_run *r, int step)
{
    return (struct rule_input){
        .sigma = r->sigma, .i = step, .steps = r->steps, .compat = r->compat, .levels = r->levels};
}

int sampler_calls(const struct sampler_run *r, float *sigma, int *step)
{
    const struct sampler *s = sampler_at(r->sampler);
    int n = 0;
    for (int i = 0; i < r->steps; i++) {
        int before = n;
        sigma[n++] = r->sigma[i];
        double again = s->rule(input_of(r, i)).again;
        if (again > 0)
            sigma[n++] = (float)again;
        for (int k = before; k < n && step; k++)
            step[k] = i;
    }
    return n;
}

/* ---- a step ---- */

struct sum {
    float k[TERMS];
    const struct tensor *in[TERMS];
    int n;
};

static void term(struct sum *s, double k, const struct tensor *t)
{
    if (k != 0) {
        s->in[s->n] = t;
        s->k[s->n++] = (float)k;
    }
}

/* y = the mix. Terms of no weight are left out, so that they need not exist. x and held come first:
 * when y is one of them, it is read before it is written. */
static void apply(struct ops *o, const struct mix *m, const struct tensor *x, struct bank *b,
                  struct tensor *y)
{
    struct sum s = {.n = 0};
    term(&s, m->x, x);
    term(&s, m->held, &b->held);
    for (int i = 0; i < b->history; i++)
        term(&s, m->d[i], &b->d[i]);
    term(&s, m->uncond, &b->uncond);
    term(&s, m->noise, &b->noise);
    int done = s.n < OPS_TERMS ? s.n : OPS_TERMS;
    o->combine(o, y, done, s.k, s.in);
    while (done < s.n) {
        float k[OPS_TERMS] = {1};
        const struct tensor *in[OPS_TERMS] = {y};
        int n = 1;
        while (n < OPS_TERMS && done < s.n)
            k[n] = s.k[done], in[n++] = s.in[done++];
        o->combine(o, y, n, k, in);
    }
}

/* Whether the mix of a move from one sigma to another has noise in it, and between which. */
static bool draws(const struct mix *m, const struct move *move, double *from, double *to)
{
    if (move->noise_from > 0)
        *from = move->noise_from, *to = move->noise_to;
    return m->noise != 0;
}

static void draw(const struct sampler_run *r, const struct mix *m, const struct move *move,
                 double from, double to, struct bank *b)
{
    if (draws(m, move, &from, &to))
        r->noise(r->user, from, to, &b->noise);
}

/* A move's draws, behind the n before them. */
static int note_draws(const struct move *m, double sigma, double next, double (*at)[2], int n)
{
    const struct mix *mix[] = {&m->held, &m->x};
    bool made[] = {m->holds, m->again == 0};
    for (int i = 0; i < 2; i++) {
        double from = sigma, to = m->again > 0 ? m->again : next;
        if (!made[i] || !draws(mix[i], m, &from, &to))
            continue;
        if (at)
            at[n][0] = from, at[n][1] = to;
        n++;
    }
    return n;
}

int sampler_draws(const struct sampler_run *r, double (*at)[2])
{
    const struct sampler *s = sampler_at(r->sampler);
    int n = 0;
    for (int i = 0; i < r->steps && s->noise != NOISE_NONE; i++) {
        struct rule_input here = input_of(r, i);
        struct move m = s->rule(here);
        n = note_draws(&m, (double)r->sigma[i], (double)r->sigma[i + 1], at, n);
        for (; m.again > 0; n = note_draws(&m, (double)r->sigma[i], (double)r->sigma[i + 1], at, n))
            here.call++, m = s->rule(here);
    }
    return n;
}

/* One call of the model and what comes of it. */
struct call {
    const struct sampler_run *run;
    const struct sampler *sampler;
    struct bank *bank;
    struct tensor *x;
    const struct tensor *seen; /* what the model looks at */
    double sigma;              /* of that */
    int number;
    struct move move;
    int rc;
};

static void shift(struct ops *o, const struct sampler *s, struct bank *b)
{
    for (int i = b->history - 1; i > 0; i--)
        o->copy(o, &b->d[i], i == 1 && s->keeps_held ? &b->held : &b->d[i - 1]);
}

static void make_call(void *user)
{
    struct call *c = user;
    const struct sampler_run *r = c->run;
    struct bank *b = c->bank;
    if (c->number > 0)
        shift(r->ops, c->sampler, b);
    c->rc = r->denoise(r->user, c->number, c->sigma, c->seen, &b->d[0],
                       c->sampler->uncond ? &b->uncond : NULL);
    if (c->rc)
        return;
    if (c->move.holds)
        apply(r->ops, &c->move.held, c->x, b, &b->held);
    if (c->move.again == 0)
        apply(r->ops, &c->move.x, c->x, b, c->x);
}

/* From x at sigma[i] to x at sigma[i + 1]; *calls counts the model's. A rule says beforehand what
 * will become of the answer, so its noise is drawn first. */
static int step(const struct sampler_run *r, const struct sampler *s, struct rule_input at,
                struct tensor *x, struct bank *b, int *calls)
{
    struct call c = {r, s, b, x, x, r->sigma[at.i], 0, s->rule(at), 0};
    for (;; at.call++, c.move = s->rule(at)) {
        bool again = c.move.again > 0;
        double to = again ? c.move.again : r->sigma[at.i + 1];
        if (c.move.holds)
            draw(r, &c.move.held, &c.move, r->sigma[at.i], to, b);
        if (!again)
            draw(r, &c.move.x, &c.move, r->sigma[at.i], to, b);
        c.number = (*calls)++;
        if (r->before)
            r->before(r->user, c.number);
        ops_run_turn(r->ops, make_call, &c);
        if (c.rc || !again)
            return c.rc;
        c.sigma = to;
        c.seen = &b->held;
    }
}

/* ---- the run ---- */

static void bank_open(struct ops *o, const struct sampler *s, const struct tensor *x,
                      struct bank *b)
{
    bool wanted[] = {s->holds, s->uncond, s->noise != NOISE_NONE};
    struct tensor *t[] = {&b->held, &b->uncond, &b->noise};
    *b = (struct bank){.history = s->history};
    for (int i = 0; i < s->history; i++)
        b->d[i] = o->alloc_as(o, DT_F32, x->n, x->h, x->w, x->c);
    for (int i = 0; i < 3; i++)
        if (wanted[i])
            *t[i] = o->alloc_as(o, DT_F32, x->n, x->h, x->w, x->c);
}

static void bank_close(struct ops *o, struct bank *b)
{
    o->release(o, &b->noise);
    o->release(o, &b->uncond);
    o->release(o, &b->held);
    for (int i = b->history - 1; i >= 0; i--)
        o->release(o, &b->d[i]);
}

int sampler_run(const struct sampler_run *r, struct tensor *x)
{
    const struct sampler *s = sampler_at(r->sampler);
    struct bank b;
    int rc = 0, calls = 0;
    assert(s && x->dtype == DT_F32);
    bank_open(r->ops, s, x, &b);
    for (int i = 0; i < r->steps && rc == 0; i++) {
        ops_enter_turn(r->ops, "step", i);
        rc = step(r, s, input_of(r, i), x, &b, &calls);
        if (rc == 0 && r->stepped)
            rc = r->stepped(r->user, i, x, &b.d[0]);
        ops_leave(r->ops);
    }
    bank_close(r->ops, &b);
    return rc;
}
