/* Prompts to text states, for the model and for its refiner, which has encoders of its own. */
#include "sdxl/pipeline_priv.h"

#include <string.h>

#include "prompt/weights.h"

/* The same prompt for all images, or one for each. */
static const char *const *for_each(const char *const *each, const char *same, const char **list,
                                   const struct gen_params *g)
{
    for (int i = 0; i < gen_images(g); i++)
        list[i] = each ? each[g->first + i] : same ? same : "";
    return list;
}

static void note_ignored(struct run *r, const char *const *prompts, const char *const *negatives)
{
    const struct gen_params *g = r->params;
    enum prompt_syntax syntax = (enum prompt_syntax)g->compat;
    for (int i = 0; i < gen_images(g); i++)
        for (int k = 0; k < 2; k++) {
            const char *what = prompt_ignored_syntax(syntax, k ? negatives[i] : prompts[i]);
            if (what)
                notes_add(&r->out->notes,
                          "%s in the prompt is plain text to %s; --compat a1111 "
                          "reads it",
                          what, compat_name(g->compat));
        }
}

/* diffusers guides above 1 alone, so that its guidance_scale of 0 asks for the prompt as it is. */
bool readings_guided(const struct gen_params *g)
{
    bool says = g->compat == COMPAT_DIFFUSERS ? g->cfg > 1 : g->cfg != 1.0f;
    return says || sampler_needs_uncond(g->sampler);
}

/* Whether zeros stand for an empty negative prompt where `reader` reads it. */
static bool zeros_for_empty(const struct run *r, const struct pipeline *reader)
{
    const struct gen_params *g = r->params;
    return conditioning_zeros((enum empty_negative)g->empty_negative, (enum compat)g->compat,
                              reader->config->zeros_for_empty_prompt);
}

/* A1111 counts on in the second pass, so what changes in the first has changed there. */
static int plan_hires(struct run *r, struct conditioning_request q)
{
    struct pass *hires = &r->pass[PASS_HIRES];
    if (hires->steps == 0 || q.compat != COMPAT_A1111)
        return 0;
    q.before = q.steps;
    q.steps = conditioning_steps(hires->steps, hires->steps, hires->calls);
    hires->reading = &r->hires_reading;
    return conditioning_plan(&r->hires_reading.cond, &q, r->err);
}

/* A refiner reads the same prompts, with what its model says of empty ones. */
static int plan_refiner(struct run *r, struct conditioning_request q)
{
    if (r->pass[PASS_REFINER].steps == 0)
        return 0;
    q.zeros = zeros_for_empty(r, r->p->refiner);
    return conditioning_plan(&r->refiner_reading.cond, &q, r->err);
}

int readings_plan(struct run *r)
{
    const struct gen_params *g = r->params;
    const struct pass *base = &r->pass[PASS_BASE], *refiner = &r->pass[PASS_REFINER];
    int taken = base->steps + refiner->steps, calls = base->calls + refiner->calls;
    int steps = g->sigmas && *g->sigmas ? taken : g->steps;
    const char *prompts[MAX_BATCH], *negatives[MAX_BATCH];
    struct conditioning_request q = {
        .prompts = for_each(g->prompts, g->prompt, prompts, g),
        .negatives = for_each(g->negatives, g->negative, negatives, g),
        .images = gen_images(g),
        .guided = readings_guided(g),
        .zeros = zeros_for_empty(r, r->p),
        .compat = (enum compat)g->compat,
        .steps = conditioning_steps(steps > 0 ? steps : 1, taken, calls)};
    note_ignored(r, q.prompts, q.negatives);
    return conditioning_plan(&r->reading.cond, &q, r->err) < 0 || plan_refiner(r, q) < 0 ||
                   plan_hires(r, q) < 0
               ? -1
               : 0;
}

int readings_encode(struct run *r)
{
    const struct gen_params *g = r->params;
    struct pipeline *p = r->p;
    int width[2] = {p->text.clip[0].config.hidden, p->text.clip[1].config.hidden};
    struct text_rules rules = {.compat = (enum compat)g->compat,
                               .clip_skip = g->clip_skip,
                               .embeddings = &r->embeddings,
                               .notes = &r->out->notes};
    if (embeddings_open(&r->embeddings, g->embeddings, width, r->err) < 0 ||
        conditioning_encode(&r->reading.cond, &p->text, p->ops, &rules, &r->reading.states,
                            r->err) < 0)
        return -1;
    memcpy(r->out->tokens, r->reading.states.counted, sizeof r->out->tokens);
    if (r->pass[PASS_HIRES].reading == &r->hires_reading) {
        struct text_rules quiet = rules; /* its notes are said */
        quiet.notes = NULL;
        if (conditioning_encode(&r->hires_reading.cond, &p->text, p->ops, &quiet,
                                &r->hires_reading.states, r->err) < 0)
            return -1;
    }
    if (r->pass[PASS_REFINER].steps > 0) {
        rules.notes = NULL; /* said already */
        if (p->refiner->text.clip[1].config.hidden != width[1])
            rules.embeddings = NULL;
        if (conditioning_encode(&r->refiner_reading.cond, &p->refiner->text, p->ops, &rules,
                                &r->refiner_reading.states, r->err) < 0)
            return -1;
    }
    return p->ops->sync(p->ops, r->err);
}

void readings_free(struct run *r)
{
    text_states_free(&r->reading.states);
    text_states_free(&r->refiner_reading.states);
    text_states_free(&r->hires_reading.states);
    conditioning_free(&r->reading.cond);
    conditioning_free(&r->refiner_reading.cond);
    conditioning_free(&r->hires_reading.cond);
    embeddings_free(&r->embeddings);
}
