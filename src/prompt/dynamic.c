/* See dynamic.h. Only what is picked is expanded, so the work is that of the result. */
#include "prompt/dynamic.h"

#include <stdlib.h>
#include <string.h>

#include "prompt/wildcards.h"
#include "prompt/word.h"

struct text { /* a template, and for each "{" the place of its "}", or 0 */
    const char *s;
    int len;
    int *close;
};

struct expander {
    struct wildcards files;
    uint64_t random;
    char *out;
    size_t size;
    int depth, choices;
    struct notes *notes;
    struct err *e;
};

struct option {
    const struct text *text; /* NULL: `line`, a template of its own */
    const char *line;
    int from, to;
    double weight;
};

struct options {
    struct option *at;
    int count, room;
};

static int expand(struct expander *x, const struct text *t, int from, int to);

/* ---- chance ---- */

/* splitmix64 (Steele, Lea, Flood 2014): any seed is a good one. */
static double uniform(struct expander *x)
{
    uint64_t z = x->random += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

/* Takes one by weight out of those from `first` on, and brings it to `first`. */
static void pick(struct expander *x, struct options *o, int first)
{
    double sum = 0;
    for (int i = first; i < o->count; i++)
        sum += o->at[i].weight;
    double at = uniform(x) * sum;
    int hit = first;
    while (hit + 1 < o->count && (at -= o->at[hit].weight) >= 0)
        hit++;
    struct option chosen = o->at[hit];
    memmove(&o->at[first + 1], &o->at[first], (size_t)(hit - first) * sizeof chosen);
    o->at[first] = chosen;
}

/* ---- reading ---- */

static bool match_braces(struct text *t, struct err *e)
{
    int *open = malloc(((size_t)t->len + 1) * sizeof *open), depth = 0;
    t->close = calloc((size_t)t->len + 1, sizeof *t->close);
    if (!open || !t->close) {
        free(open);
        err_set(e, "out of memory while reading the prompt");
        return false;
    }
    for (int i = 0; i < t->len; i++) {
        if (t->s[i] == '\\' && i + 1 < t->len)
            i++;
        else if (t->s[i] == '{')
            open[depth++] = i;
        else if (t->s[i] == '}' && depth > 0)
            t->close[open[--depth]] = i;
    }
    free(open);
    return true;
}

/* Past what begins at i: a group in braces, an escaped character, or one character. */
static int next(const struct text *t, int i)
{
    if (t->s[i] == '{' && t->close[i])
        return t->close[i] + 1;
    return i + 1 + (t->s[i] == '\\' && i + 1 < t->len);
}

/* "$$" at i? */
static bool is_mark(const struct text *t, int i, int to)
{
    return i + 2 <= to && t->s[i] == '$' && t->s[i + 1] == '$';
}

struct how_many {
    int low, high; /* high -1: all */
    const char *between;
    int between_len;
};

static int digits(const struct text *t, int *i, int to)
{
    int n = 0;
    for (; *i < to && is_digit(t->s[*i]); ++*i)
        n = n < 1000000 ? 10 * n + t->s[*i] - '0' : n;
    return n;
}

/* Past the blanks at i, and one of the marks of how the reference picks, which are all one here. */
static int past_sampler(const struct text *t, int i, int to)
{
    while (i < to && is_space(t->s[i]))
        i++;
    return i + (i < to && strchr("~!@", t->s[i]) != NULL);
}

/* "2$$", "1-3$$", "2$$ and $$" at `from`; returns where it ends, `from` where there is none. */
static int read_count(const struct text *t, int from, int to, struct how_many *h)
{
    int i = from, low, high;
    *h = (struct how_many){1, 1, ",", 1};
    low = high = digits(t, &i, to);
    bool said = i > from;
    if (i < to && t->s[i] == '-') {
        int begin = ++i;
        high = digits(t, &i, to);
        high = i > begin ? high : -1;
        low = said ? low : 1;
        said = said || i > begin;
    }
    if (!said || !is_mark(t, i, to))
        return from;
    h->low = low, h->high = high;
    int end = i += 2;
    while (end < to && !strchr("${}", t->s[end]))
        end++;
    if (end > i && is_mark(t, end, to)) {
        h->between = t->s + i;
        h->between_len = end - i;
        i = end + 2;
    }
    return i;
}

/* Past the blanks at `from` and a "0.5::" behind them. */
static int read_weight(const char *s, int from, int to, double *weight)
{
    char number[32];
    int i, n = 0;
    *weight = 1;
    while (from < to && is_space(s[from]))
        from++;
    i = from;
    while (i < to && n < (int)sizeof number - 1 && (is_digit(s[i]) || s[i] == '.'))
        number[n++] = s[i++];
    number[n] = '\0';
    char *end;
    double w = strtod(number, &end);
    if (n == 0 || *end || i + 2 > to || s[i] != ':' || s[i + 1] != ':')
        return from;
    *weight = w;
    return i + 2;
}

static int add_option(struct expander *x, struct options *o, struct option option)
{
    if (o->count == DYNAMIC_CHOICES)
        return err_set(x->e, "the prompt has a choice of over %d alternatives", DYNAMIC_CHOICES);
    if (o->count == o->room) {
        int room = o->room ? 2 * o->room : 16;
        struct option *more = realloc(o->at, (size_t)room * sizeof *more);
        if (!more)
            return err_set(x->e, "out of memory while reading the prompt");
        o->at = more;
        o->room = room;
    }
    o->at[o->count++] = option;
    return 0;
}

static int read_options(struct expander *x, const struct text *t, int from, int to,
                        struct options *o)
{
    for (int i = from, end; i <= to; i = end + 1) {
        for (end = i; end < to && t->s[end] != '|';)
            end = next(t, end);
        struct option option = {.text = t, .to = end};
        option.from = read_weight(t->s, i, end, &option.weight);
        if (add_option(x, o, option) < 0)
            return -1;
    }
    return 0;
}

/* ---- writing ---- */

static int put(struct expander *x, const char *s, size_t len)
{
    if (x->size + len > DYNAMIC_BYTES)
        return err_set(x->e, "the prompt expands to over %d KiB", DYNAMIC_BYTES >> 10);
    memcpy(x->out + x->size, s, len);
    x->size += len;
    return 0;
}

static int count_choice(struct expander *x)
{
    if (++x->choices > DYNAMIC_CHOICES)
        return err_set(x->e, "the prompt takes more than %d choices", DYNAMIC_CHOICES);
    return 0;
}

static int expand_line(struct expander *x, const char *line)
{
    struct text t = {.s = line, .len = (int)strlen(line)};
    int rc = match_braces(&t, x->e) ? expand(x, &t, 0, t.len) : -1;
    free(t.close);
    return rc;
}

static int put_option(struct expander *x, const struct option *o)
{
    if (count_choice(x) < 0)
        return -1;
    return o->text ? expand(x, o->text, o->from, o->to) : expand_line(x, o->line);
}

static int put_choice(struct expander *x, struct options *o, const struct how_many *h)
{
    int low = h->low, high = h->high >= 0 ? h->high : o->count;
    if (low > high) {
        int other = low;
        low = high, high = other;
    }
    low = low < o->count ? low : o->count;
    high = high < o->count ? high : o->count;
    int n = low + (int)(uniform(x) * (high - low + 1));
    for (int i = 0; i < n; i++) {
        pick(x, o, i);
        if ((i > 0 && put(x, h->between, (size_t)h->between_len) < 0) ||
            put_option(x, &o->at[i]) < 0)
            return -1;
    }
    return 0;
}

/* ---- wildcards ---- */

/* The end of "__name__" at i, or i. */
static int wildcard_end(const struct text *t, int i, int to)
{
    if (i + 5 > to || t->s[i] != '_' || t->s[i + 1] != '_')
        return i;
    for (int k = i + 2; k + 1 < to && k - i < WILDCARD_NAME; k++) {
        if (strchr("{}|$\n,()<>\"", t->s[k]))
            return i;
        if (k > i + 2 && t->s[k] == '_' && t->s[k + 1] == '_')
            return k + 2;
    }
    return i;
}

static int read_lines(struct expander *x, const struct text *t, int from, int to, struct options *o)
{
    char name[WILDCARD_NAME];
    const struct wildcard *w;
    memcpy(name, t->s + from + 2, (size_t)(to - from - 4));
    name[to - from - 4] = '\0';
    if (wildcards_find(&x->files, name + (strchr("~!@", *name) != NULL), &w, x->e) < 0)
        return -1;
    if (!w || w->count == 0)
        notes_add(x->notes, "there is no wildcard file for __%s__; it is left as it is", name);
    for (int i = 0; w && i < w->count; i++) {
        struct option option = {.line = w->line[i]};
        int len = (int)strlen(option.line);
        option.line += read_weight(option.line, 0, len, &option.weight);
        if (add_option(x, o, option) < 0)
            return -1;
    }
    return 0;
}

static int put_wildcard(struct expander *x, const struct text *t, int from, int to,
                        const struct how_many *h)
{
    struct options o = {0};
    int rc = read_lines(x, t, from, to, &o);
    if (rc == 0)
        rc = o.count > 0 ? put_choice(x, &o, h) : put(x, t->s + from, (size_t)(to - from));
    free(o.at);
    return rc;
}

/* ---- a template ---- */

/* "{...}" at i: whether it is a choice. */
static bool is_choice(const struct text *t, int i)
{
    struct how_many h;
    int to = t->close[i];
    bool variable = i > 0 && t->s[i - 1] == '$' && !(i > 1 && t->s[i - 2] == '$');
    if (t->s[i] != '{' || to == 0 || variable)
        return false;
    int from = past_sampler(t, i + 1, to);
    if (read_count(t, from, to, &h) > from)
        return true;
    for (int k = i + 1; k < to; k = next(t, k))
        if (t->s[k] == '|')
            return true;
    return false;
}

static int put_group(struct expander *x, const struct text *t, int i)
{
    struct how_many h;
    struct options o = {0};
    int to = t->close[i], from = read_count(t, past_sampler(t, i + 1, to), to, &h);
    if (wildcard_end(t, from, to) == to && to > from)
        return put_wildcard(x, t, from, to, &h);
    int rc = read_options(x, t, from, to, &o);
    if (rc == 0)
        rc = put_choice(x, &o, &h);
    free(o.at);
    return rc;
}

static int expand(struct expander *x, const struct text *t, int from, int to)
{
    static const struct how_many one = {1, 1, ",", 1};
    int rc = 0;
    if (++x->depth > DYNAMIC_DEPTH)
        return err_set(x->e, "the prompt's choices and wildcards are over %d deep", DYNAMIC_DEPTH);
    for (int i = from, n; i < to && rc == 0; i = n) {
        n = wildcard_end(t, i, to);
        if (n > i) {
            rc = count_choice(x) < 0 ? -1 : put_wildcard(x, t, i, n, &one);
        } else if (is_choice(t, i)) {
            n = t->close[i] + 1;
            rc = put_group(x, t, i);
        } else {
            bool escaped = t->s[i] == '\\' && i + 1 < to && strchr("{}|", t->s[i + 1]);
            n = i + 1 + escaped;
            rc = put(x, t->s + n - 1, 1);
        }
    }
    x->depth--;
    return rc;
}

bool prompt_is_dynamic(const char *text)
{
    struct text t = {.s = text, .len = (int)strnlen(text, DYNAMIC_BYTES + 1)};
    bool found = false;
    if (!strchr(text, '{') && !strstr(text, "__"))
        return false;
    if (t.len > DYNAMIC_BYTES || !match_braces(&t, NULL))
        return true; /* expanding it says why it cannot be */
    for (int i = 0; i < t.len && !found; i++)
        found = wildcard_end(&t, i, t.len) > i || is_choice(&t, i);
    free(t.close);
    return found;
}

char *prompt_expand(const char *template, const char *folder, uint64_t seed, struct notes *notes,
                    struct err *e)
{
    struct expander x = {.random = seed, .notes = notes, .e = e, .files = {.folder = folder}};
    if (strnlen(template, DYNAMIC_BYTES + 1) > DYNAMIC_BYTES) {
        err_set(e, "the prompt has choices and is over %d KiB long", DYNAMIC_BYTES >> 10);
        return NULL;
    }
    if (!(x.out = malloc(DYNAMIC_BYTES + 1))) {
        err_set(e, "out of memory while reading the prompt");
        return NULL;
    }
    int rc = expand_line(&x, template);
    wildcards_free(&x.files);
    if (rc < 0) {
        free(x.out);
        return NULL;
    }
    x.out[x.size] = '\0';
    return x.out;
}
