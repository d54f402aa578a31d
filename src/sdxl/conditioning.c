/* See conditioning.h. */
#include "sdxl/conditioning.h"

#include <stdlib.h>
#include <string.h>

#include "base/choices.h"
#include "prompt/schedule.h"

struct text_group {
    char *prompt;
    bool negative, zeros;
    struct prompt_schedule schedule; /* one text where nothing changes */
    int first;                       /* of its texts among all */
};

CHOICES(empty_negative, "auto", "zeros", "encode")

int conditioning_steps(int steps, int taken, int calls)
{
    return calls > taken ? 2 * steps : steps;
}

bool conditioning_zeros(enum empty_negative said, enum compat compat, bool model_says_zeros)
{
    if (said != EMPTY_AUTO)
        return said == EMPTY_ZEROS;
    return compat == COMPAT_A1111 || (compat == COMPAT_DIFFUSERS && model_says_zeros);
}

static int no_memory(struct err *e)
{
    return err_set(e, "out of memory while reading the prompts");
}

/* ---- groups ---- */

static int one_text(struct prompt_schedule *s, const char *text, int steps, struct err *e)
{
    *s = (struct prompt_schedule){.texts = 1, .times = {1}, .changes = 1};
    s->text[0] = strdup(text);
    s->change = malloc(sizeof *s->change);
    if (!s->text[0] || !s->change)
        return no_memory(e);
    s->change[0] = (struct prompt_change){steps, 0};
    return 0;
}

static bool all_empty(const struct prompt_schedule *s)
{
    return s->texts == 1 && !*s->text[0];
}

/* The group of this prompt, made if there is none yet; -1 on failure. */
static int group_of(struct conditioning *c, const struct conditioning_request *r, const char *text,
                    bool negative, struct err *e)
{
    for (int i = 0; i < c->groups; i++)
        if (c->group[i].negative == negative && !strcmp(c->group[i].prompt, text))
            return i;
    if (c->groups == c->room) {
        int room = c->room ? 2 * c->room : 4;
        struct text_group *more = realloc(c->group, (size_t)room * sizeof *more);
        if (!more)
            return no_memory(e);
        c->group = more;
        c->room = room;
    }
    struct text_group *g = &c->group[c->groups];
    *g = (struct text_group){.prompt = strdup(text), .negative = negative, .first = c->texts};
    c->groups++;
    if (!g->prompt)
        return no_memory(e);
    int rc = r->compat == COMPAT_A1111
                 ? prompt_schedule_second(text, r->steps, r->before, &g->schedule, e)
                 : one_text(&g->schedule, text, r->steps, e);
    if (rc < 0)
        return -1;
    g->zeros = negative && r->zeros && all_empty(&g->schedule);
    c->texts += g->schedule.texts;
    if (c->texts > MAX_TEXTS)
        return err_set(e, "the prompts are more than %d different texts", MAX_TEXTS);
    return c->groups - 1;
}

/* ---- the plan ---- */

static int read_clauses(const struct conditioning_request *r, struct prompt_clauses *clauses,
                        struct conditioning *c, struct err *e)
{
    c->parts = 1;
    for (int i = 0; i < r->images; i++) {
        if (r->compat == COMPAT_A1111) {
            if (prompt_clauses(r->prompts[i], &clauses[i], e) < 0)
                return -1;
        } else {
            clauses[i] = (struct prompt_clauses){1, {strdup(r->prompts[i])}, {1}};
            if (!clauses[i].text[0])
                return no_memory(e);
        }
        c->parts = clauses[i].count > c->parts ? clauses[i].count : c->parts;
        c->plain = c->plain && clauses[i].count == 1 && clauses[i].weight[0] == 1;
    }
    return 0;
}

/* An image with fewer parts than another has some of weight 0. */
static int place(struct conditioning *c, const struct conditioning_request *r,
                 const struct prompt_clauses *clauses, struct err *e)
{
    int base = c->guided ? c->images : 0;
    for (int i = 0; i < c->images && c->guided; i++)
        if ((c->reads[i] = group_of(c, r, r->negatives[i], true, e)) < 0)
            return -1;
    for (int part = 0; part < c->parts; part++)
        for (int i = 0; i < c->images; i++) {
            const struct prompt_clauses *p = &clauses[i];
            bool has = part < p->count;
            int g = group_of(c, r, p->text[has ? part : 0], false, e);
            if (g < 0)
                return -1;
            c->reads[base + part * c->images + i] = g;
            c->weight[i * c->parts + part] = has ? (float)p->weight[part] : 0;
        }
    return 0;
}

int conditioning_plan(struct conditioning *c, const struct conditioning_request *r, struct err *e)
{
    struct prompt_clauses *clauses = calloc((size_t)r->images, sizeof *clauses);
    *c = (struct conditioning){.images = r->images, .plain = true};
    int rc = clauses ? read_clauses(r, clauses, c, e) : no_memory(e);
    if (rc == 0) {
        c->guided = r->guided || !c->plain;
        c->n = c->images * (c->parts + c->guided);
        c->reads = calloc((size_t)c->n, sizeof *c->reads);
        c->weight = calloc((size_t)(c->images * c->parts), sizeof *c->weight);
        rc = c->reads && c->weight ? place(c, r, clauses, e) : no_memory(e);
    }
    for (int i = 0; clauses && i < r->images; i++)
        prompt_clauses_free(&clauses[i]);
    free(clauses);
    return rc;
}

/* A1111 makes the parts of a prompt that are joined by AND equally long, by the last state of the
 * shorter ones (stack_conds in its prompt_parser.py); it does so to all prompts of a batch, here an
 * image does not depend on the others. A part that images share is as long as any needs it. */
static int stretch_parts(const struct conditioning *c, struct text_states *s, struct err *e)
{
    int *rows = malloc((size_t)s->texts * sizeof *rows), base = c->guided ? c->images : 0;
    if (!rows)
        return no_memory(e);
    memcpy(rows, s->tokens, (size_t)s->texts * sizeof *rows);
    for (int i = 0; i < c->images; i++) {
        int most = 0;
        for (int k = 0; k < c->parts; k++) {
            int first = c->group[c->reads[base + k * c->images + i]].first;
            most = s->tokens[first] > most ? s->tokens[first] : most;
        }
        for (int k = 0; k < c->parts; k++) {
            const struct text_group *g = &c->group[c->reads[base + k * c->images + i]];
            for (int t = 0; t < g->schedule.texts; t++)
                rows[g->first + t] = most > rows[g->first + t] ? most : rows[g->first + t];
        }
    }
    int rc = text_states_stretch(s, rows, e);
    free(rows);
    return rc;
}

int conditioning_encode(const struct conditioning *c, const struct text_encoders *t, struct ops *o,
                        const struct text_rules *rules, struct text_states *s, struct err *e)
{
    for (int i = 0; i < c->groups; i++) {
        const struct text_group *g = &c->group[i];
        int rc = g->zeros ? text_states_add_zeros(t, s, e)
                          : text_states_add(t, o, rules, (const char *const *)g->schedule.text,
                                            g->schedule.times, g->schedule.texts, s, e);
        if (rc < 0)
            return -1;
    }
    return c->parts > 1 ? stretch_parts(c, s, e) : 0;
}

void conditioning_reads(const struct conditioning *c, int calls, int *reads)
{
    for (int call = 0; call < calls; call++)
        for (int i = 0; i < c->n; i++) {
            const struct text_group *g = &c->group[c->reads[i]];
            *reads++ = g->first + prompt_schedule_at(&g->schedule, call);
        }
}

bool conditioning_is_negative(const struct conditioning *c, int text)
{
    int i = 0;
    while (i + 1 < c->groups && c->group[i + 1].first <= text)
        i++;
    return c->group[i].negative;
}

void conditioning_free(struct conditioning *c)
{
    for (int i = 0; i < c->groups; i++) {
        free(c->group[i].prompt);
        prompt_schedule_free(&c->group[i].schedule);
    }
    free(c->group);
    free(c->reads);
    free(c->weight);
    *c = (struct conditioning){0};
}
