/*
 * See schedule.h.
 *
 * The reference parses with a grammar. Here each bracket is tried once as the group that it may
 * begin, and what was found is kept by its place, so that time is linear for any nesting:
 *
 *     text  = { group | one of []():  | plain }
 *     inner = { group | plain }
 *     group = ( inner ) | ( inner : inner ) | [ inner ] | [ inner : number ]
 *           | [ inner : inner : number ] | [ inner | inner { | inner } ]
 */
#include "prompt/schedule.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "prompt/weights.h"
#include "prompt/word.h"

enum { UNKNOWN, NO_GROUP, EMPHASIS, SCHEDULED, ALTERNATE };

struct range {
    int from, to;
};

struct group {
    int kind, end; /* past its closing bracket */
    int option, options;
    int when; /* SCHEDULED: the last step of the first option */
};

struct parser {
    const char *s;
    int len, steps;
    int before;       /* steps of a first pass, or 0 */
    struct group *at; /* by place */
    struct range *option;
    int options, depth;
    bool failed; /* too deep */
};

static int skip_inner(struct parser *p, int pos);

/* ":\s*NUMBER\s*]" at pos, which is behind the colon; returns the place of the bracket, or -1. */
static int number_at(const struct parser *p, int pos, int *when)
{
    const char *s = p->s;
    char text[64];
    pos = (int)skip_space(s, (size_t)pos, (size_t)p->len);
    int from = pos, digits = 0;
    bool point = false;
    pos += s[pos] == '+' || s[pos] == '-';
    for (; is_digit(s[pos]) || (s[pos] == '.' && !point); pos++) {
        digits += is_digit(s[pos]);
        point = point || s[pos] == '.';
    }
    if (digits == 0 || pos - from >= (int)sizeof text - 8)
        return -1;
    int e = pos + 1 + (s[pos] && (s[pos + 1] == '+' || s[pos + 1] == '-'));
    if ((s[pos] == 'e' || s[pos] == 'E') && is_digit(s[e])) {
        for (pos = e; is_digit(s[pos]);)
            pos++;
    }
    if (pos - from >= (int)sizeof text)
        return -1;
    memcpy(text, s + from, (size_t)(pos - from));
    text[pos - from] = '\0';
    double v = strtod(text, NULL);
    v = point ? (v - (p->before > 0)) * p->steps : v - p->before;
    *when = v >= p->steps ? p->steps : v > 0 ? (int)v : 0;
    pos = (int)skip_space(s, (size_t)pos, (size_t)p->len);
    return s[pos] == ']' ? pos : -1;
}

static void add_option(struct parser *p, struct group *g, int from, int to)
{
    p->option[p->options++] = (struct range){from, to};
    g->options++;
}

/* What "[" at pos begins, its first part ending at `end`. */
static void square(struct parser *p, struct group *g, int pos, int end)
{
    const char *s = p->s;
    struct range part[2] = {{pos + 1, end}, {0, 0}};
    int close;
    if (s[end] == ']') {
        *g = (struct group){.kind = EMPHASIS, .end = end + 1};
    } else if (s[end] == ':' && (close = number_at(p, end + 1, &g->when)) >= 0) {
        g->kind = SCHEDULED, g->end = close + 1, g->option = p->options;
        add_option(p, g, pos, pos);
        add_option(p, g, part[0].from, part[0].to);
    } else if (s[end] == ':') {
        part[1] = (struct range){end + 1, skip_inner(p, end + 1)};
        if (s[part[1].to] != ':' || (close = number_at(p, part[1].to + 1, &g->when)) < 0)
            return;
        g->kind = SCHEDULED, g->end = close + 1, g->option = p->options;
        add_option(p, g, part[0].from, part[0].to);
        add_option(p, g, part[1].from, part[1].to);
    }
}

/* "[a|b|c]", its first bar at `end`. Options of groups within it come before its own. */
static void alternate(struct parser *p, struct group *g, int pos, int end)
{
    int bars = 0, last = end;
    while (p->s[last] == '|') {
        bars++;
        last = skip_inner(p, last + 1);
    }
    if (p->s[last] != ']')
        return;
    g->kind = ALTERNATE, g->end = last + 1, g->option = p->options;
    for (int from = pos + 1, to = end; bars >= 0; bars--) {
        add_option(p, g, from, to);
        from = to + 1;
        to = bars > 0 ? skip_inner(p, from) : to;
    }
}

/* The group that begins at pos, or one of NO_GROUP. */
static const struct group *group_at(struct parser *p, int pos)
{
    struct group *g = &p->at[pos];
    if (g->kind != UNKNOWN)
        return g;
    struct group found = {.kind = NO_GROUP};
    if (++p->depth > MAX_PROMPT_NESTING) {
        p->failed = true;
    } else {
        int end = skip_inner(p, pos + 1);
        if (p->s[pos] == '[' && p->s[end] == '|') {
            alternate(p, &found, pos, end);
        } else if (p->s[pos] == '[') {
            square(p, &found, pos, end);
        } else {
            end = p->s[end] == ':' ? skip_inner(p, end + 1) : end;
            if (p->s[end] == ')')
                found = (struct group){.kind = EMPHASIS, .end = end + 1};
        }
    }
    p->depth--;
    *g = found;
    return g;
}

/* Past the groups and the plain text at pos. */
static int skip_inner(struct parser *p, int pos)
{
    while (p->s[pos] && !p->failed) {
        char c = p->s[pos];
        if (c == '(' || c == '[') {
            const struct group *g = group_at(p, pos);
            if (g->kind == NO_GROUP)
                return pos;
            pos = g->end;
        } else if (strchr(")]:|", c) || (c == '\\' && (!p->s[pos + 1] || p->s[pos + 1] == '\n'))) {
            return pos;
        } else {
            pos += c == '\\' ? 2 : 1;
        }
    }
    return pos;
}

/* False when the text as a whole is not well formed. */
static bool parse(struct parser *p)
{
    for (int pos = 0; (pos = skip_inner(p, pos)) < p->len && !p->failed; pos++)
        if (p->s[pos] == '|' || p->s[pos] == '\\')
            return false;
    return !p->failed;
}

/* ---- what it says at a step ---- */

struct writer {
    const struct parser *p;
    char *out;
    size_t size;
    int step;
};

static void write_range(struct writer *w, int pos, int to)
{
    const struct parser *p = w->p;
    while (pos < to) {
        const struct group *g = &p->at[pos];
        int option = 0;
        if (g->kind == SCHEDULED)
            option = w->step > g->when;
        else if (g->kind == ALTERNATE)
            option = (w->step - 1) % g->options;
        if (g->kind == SCHEDULED || g->kind == ALTERNATE) {
            const struct range *r = &p->option[g->option + option];
            write_range(w, r->from, r->to);
            pos = g->end;
        } else {
            if (p->s[pos] == '\\' && pos + 1 < to)
                w->out[w->size++] = p->s[pos++];
            w->out[w->size++] = p->s[pos++];
        }
    }
}

static int find_text(const struct prompt_schedule *s, const char *text)
{
    int i = 0;
    while (i < s->texts && strcmp(s->text[i], text) != 0)
        i++;
    return i;
}

static int add_change(struct prompt_schedule *s, const char *text, int until, struct err *e)
{
    int i = find_text(s, text);
    if (i == MAX_SCHEDULE_TEXTS)
        return err_set(e, "the prompt changes into more than %d texts", MAX_SCHEDULE_TEXTS);
    if (i == s->texts && !(s->text[s->texts++] = strdup(text)))
        return err_set(e, "out of memory while reading the prompt");
    s->times[i]++;
    s->change[s->changes++] = (struct prompt_change){until, i};
    return 0;
}

/* The steps after which anything may change: all of them where something alternates. */
static void mark_steps(const struct parser *p, bool *ends)
{
    for (int pos = 0; pos < p->len; pos++) {
        const struct group *g = &p->at[pos];
        if (g->kind == SCHEDULED && g->when >= 1)
            ends[g->when] = true;
        for (int i = 1; g->kind == ALTERNATE && i <= p->steps; i++)
            ends[i] = true;
    }
    ends[p->steps] = true;
}

static int write_all(const struct parser *p, struct prompt_schedule *s, struct err *e)
{
    bool *ends = calloc((size_t)p->steps + 1, sizeof *ends);
    char *text = malloc((size_t)p->len + 1);
    int rc = ends && text ? 0 : err_set(e, "out of memory while reading the prompt");
    if (rc == 0)
        mark_steps(p, ends);
    for (int step = 1; step <= p->steps && rc == 0; step++) {
        if (!ends[step])
            continue;
        struct writer w = {.p = p, .out = text, .step = step};
        write_range(&w, 0, p->len);
        text[w.size] = '\0';
        rc = add_change(s, text, step, e);
    }
    free(ends);
    free(text);
    return rc;
}

int prompt_schedule(const char *text, int steps, struct prompt_schedule *s, struct err *e)
{
    return prompt_schedule_second(text, steps, 0, s, e);
}

int prompt_schedule_second(const char *text, int steps, int before, struct prompt_schedule *s,
                           struct err *e)
{
    size_t len = strlen(text);
    memset(s, 0, sizeof *s);
    if (len > MAX_PROMPT_BYTES)
        return err_set(e, "the prompt is too long: %zu bytes, at most %d", len, MAX_PROMPT_BYTES);
    struct parser p = {.s = text, .len = (int)len, .steps = steps, .before = before};
    p.at = calloc(len + 1, sizeof *p.at);
    p.option = calloc(2 * len + 2, sizeof *p.option);
    s->change = calloc((size_t)steps, sizeof *s->change);
    int rc = p.at && p.option && s->change ? 0 : err_set(e, "out of memory: the prompt is long");
    if (rc == 0 && parse(&p))
        rc = write_all(&p, s, e);
    else if (rc == 0 && p.failed)
        rc = err_set(e, "the prompt's brackets are nested over %d deep", MAX_PROMPT_NESTING);
    else if (rc == 0)
        rc = add_change(s, text, steps, e);
    free(p.at);
    free(p.option);
    return rc;
}

int prompt_schedule_at(const struct prompt_schedule *s, int call)
{
    for (int i = 0; i < s->changes; i++)
        if (call <= s->change[i].until)
            return s->change[i].text;
    return s->change[0].text; /* as the reference does past the end */
}

void prompt_schedule_free(struct prompt_schedule *s)
{
    for (int i = 0; i < s->texts; i++)
        free(s->text[i]);
    free(s->change);
    memset(s, 0, sizeof *s);
}

/* ---- AND ---- */

static const char *next_and(const char *s, const char *begin)
{
    for (; (s = strstr(s, "AND")); s += 3)
        if (!word_before(begin, (size_t)(s - begin)) && !word_at(s, 3, strlen(s)))
            return s;
    return NULL;
}

/* "text : 1.5 " into text and weight: ^(.*?)(\s*:\s*([-+]?(\d+\.?|\d*\.\d+)))?\s*$ */
static size_t clause_weight(const char *s, size_t len, double *weight)
{
    char number[64];
    len = trim_space(s, len);
    size_t at = len, points = 0;
    while (at > 0 && (is_digit(s[at - 1]) || s[at - 1] == '.'))
        points += s[--at] == '.';
    size_t digits = len - at - points;
    at -= at > 0 && (s[at - 1] == '+' || s[at - 1] == '-');
    size_t n = len - at, colon = trim_space(s, at);
    *weight = 1;
    if (digits == 0 || points > 1 || n >= sizeof number || colon == 0 || s[colon - 1] != ':')
        return len;
    memcpy(number, s + at, n);
    number[n] = '\0';
    *weight = strtod(number, NULL);
    return trim_space(s, colon - 1);
}

int prompt_clauses(const char *text, struct prompt_clauses *c, struct err *e)
{
    memset(c, 0, sizeof *c);
    for (const char *s = text, *end; s; s = end ? end + 3 : NULL) {
        end = next_and(s, text);
        if (c->count == MAX_CLAUSES)
            return err_set(e, "the prompt has more than %d parts joined by AND", MAX_CLAUSES);
        size_t len = clause_weight(s, end ? (size_t)(end - s) : strlen(s), &c->weight[c->count]);
        if (!(c->text[c->count] = strndup(s, len)))
            return err_set(e, "out of memory while reading the prompt");
        c->count++;
    }
    return 0;
}

void prompt_clauses_free(struct prompt_clauses *c)
{
    for (int i = 0; i < c->count; i++)
        free(c->text[i]);
    memset(c, 0, sizeof *c);
}
