/* See weights.h. */
#include "prompt/weights.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "prompt/word.h"

static const double UP = 1.1, DOWN = 1 / 1.1, LIMIT = 1e6;

/* ---- the list ---- */

static int add_part(struct prompt_parts *p, const char *text, size_t len, double weight,
                    struct err *e)
{
    if (p->count == p->capacity) {
        int more = p->capacity ? 2 * p->capacity : 16;
        struct prompt_part *grown = realloc(p->part, (size_t)more * sizeof *grown);
        if (!grown)
            return err_set(e, "out of memory while reading the prompt");
        p->part = grown;
        p->capacity = more;
    }
    /* Text is never longer than the prompt, for which there is room from the start. */
    p->part[p->count++] = (struct prompt_part){.at = p->size, .len = len, .weight = weight};
    memcpy(p->text + p->size, text, len);
    p->size += len;
    return 0;
}

static int too_deep(struct err *e)
{
    return err_set(e, "the prompt's brackets are nested over %d deep", MAX_PROMPT_NESTING);
}

/* ---- A1111 ---- */

struct a1111 {
    struct prompt_parts *parts;
    int round[MAX_PROMPT_NESTING], square[MAX_PROMPT_NESTING]; /* part at which each opened */
    int rounds, squares;
    struct err *e;
};

static void multiply(struct a1111 *a, int from, double by)
{
    for (int i = from; i < a->parts->count; i++)
        a->parts->part[i].weight *= by;
}

/* ":\s*([+-]?[.\d]+)\s*\)" at s: its length and the number; 0 when it is not there, or "1.2.3". */
static size_t close_weight(const char *s, double *weight)
{
    char number[64];
    size_t n = skip_space(s, 1, SIZE_MAX);
    size_t len = s[n] == '+' || s[n] == '-', digits = strspn(s + n + len, ".0123456789");
    len += digits;
    if (digits == 0 || len >= sizeof number)
        return 0;
    memcpy(number, s + n, len);
    number[len] = '\0';
    n = skip_space(s, n + len, SIZE_MAX);
    char *end;
    *weight = strtod(number, &end);
    return s[n] == ')' && !*end && end != number ? n + 1 : 0;
}

/* Plain text, cut at BREAKs; what they leave between them is a part of its own, even when empty. */
static int add_text(struct a1111 *a, const char *s, size_t len)
{
    size_t from = 0;
    for (size_t i = 0; i + 5 <= len;) {
        if (s[i] != 'B' || strncmp(s + i, "BREAK", 5) != 0 || word_before(s, i) ||
            word_at(s, i + 5, len)) {
            i++;
            continue;
        }
        size_t end = from + trim_space(s + from, i - from);
        if (add_part(a->parts, s + from, end - from, 1, a->e) < 0 ||
            add_part(a->parts, "BREAK", 5, -1, a->e) < 0)
            return -1;
        from = i = skip_space(s, i + 5, len);
    }
    return add_part(a->parts, s + from, len - from, 1, a->e);
}

static int open_bracket(struct a1111 *a, int *stack, int *depth)
{
    if (*depth == MAX_PROMPT_NESTING)
        return too_deep(a->e);
    stack[(*depth)++] = a->parts->count;
    return 0;
}

/* One token of the reference's regular expression; returns its length, 0 on failure. */
static size_t take(struct a1111 *a, const char *s)
{
    double weight = 0;
    size_t n = 1, closing = *s == ':' ? close_weight(s, &weight) : 0;
    int rc = 0;
    if (*s == '\\') {
        n += s[1] && strchr("()[]\\", s[1]);
        rc = add_part(a->parts, s + 1, n - 1, 1, a->e);
    } else if (*s == '(') {
        rc = open_bracket(a, a->round, &a->rounds);
    } else if (*s == '[') {
        rc = open_bracket(a, a->square, &a->squares);
    } else if (closing && a->rounds) {
        multiply(a, a->round[--a->rounds], weight);
        n = closing;
    } else if (*s == ')' && a->rounds) {
        multiply(a, a->round[--a->rounds], UP);
    } else if (*s == ']' && a->squares) {
        multiply(a, a->square[--a->squares], DOWN);
    } else {
        n = closing ? closing : strchr(")]:", *s) ? 1 : strcspn(s, "\\()[]:");
        rc = add_text(a, s, n);
    }
    return rc < 0 ? 0 : n;
}

/* Runs of one weight become one, so that "(un)(sure)" is one word. Texts follow each other. */
static void merge(struct prompt_parts *p)
{
    int kept = 0;
    for (int i = 1; i < p->count; i++) {
        struct prompt_part *last = &p->part[kept], *next = &p->part[i];
        if (next->weight == last->weight)
            last->len += next->len;
        else
            p->part[++kept] = *next;
    }
    p->count = p->count ? kept + 1 : 0;
    for (int i = 0; i < p->count; i++)
        p->part[i].ends_chunk = p->part[i].weight == -1 && p->part[i].len == 5 &&
                                !memcmp(p->text + p->part[i].at, "BREAK", 5);
}

static int parse_a1111(const char *text, struct prompt_parts *p, struct err *e)
{
    struct a1111 a = {.parts = p, .e = e};
    for (size_t n; *text; text += n)
        if ((n = take(&a, text)) == 0)
            return -1;
    while (a.rounds > 0)
        multiply(&a, a.round[--a.rounds], UP);
    while (a.squares > 0)
        multiply(&a, a.square[--a.squares], DOWN);
    merge(p);
    return 0;
}

/* ---- ComfyUI ---- */

/* Escaped brackets while it is parsed: a NUL, which no prompt has, and one of these. */
static const char CLOSE = 1, OPEN = 2;

static char *escape(const char *text, size_t *len)
{
    char *out = malloc(strlen(text) + 1);
    *len = 0;
    for (; out && *text; text++) {
        bool escaped = *text == '\\' && (text[1] == '(' || text[1] == ')');
        out[(*len)++] = escaped ? '\0' : *text;
        if (escaped)
            out[(*len)++] = *++text == '(' ? OPEN : CLOSE;
    }
    return out;
}

static void unescape(char *s, size_t *len)
{
    size_t to = 0;
    for (size_t i = 0; i < *len; i++)
        s[to++] = s[i] ? s[i] : s[++i] == OPEN ? '(' : ')';
    *len = to;
}

/* The piece of s that comes first: up to a bracket that opens at level 0, or past the one that
 * closes it. */
static size_t piece(const char *s, size_t len)
{
    int level = 0;
    for (size_t i = 0; i < len; i++) {
        if (s[i] == '(' && level++ == 0 && i > 0)
            return i;
        if (s[i] == ')' && --level == 0)
            return i + 1;
    }
    return len;
}

/* Python's float() of s, as far as weights go. */
static bool is_number(const char *s, size_t len, double *x)
{
    char number[64], *end;
    size_t blank = skip_space(s, 0, len);
    s += blank, len -= blank;
    len = trim_space(s, len);
    if (len == 0 || len >= sizeof number)
        return false;
    memcpy(number, s, len);
    number[len] = '\0';
    *x = strtod(number, &end);
    return strspn(number, "0123456789.+-eE") == len && !*end;
}

/* The weight behind the last colon of "(...:1.3)"; cuts it off. */
static double inner_weight(const char *s, size_t *len, double weight)
{
    double said;
    size_t colon = *len;
    while (colon > 0 && s[colon - 1] != ':')
        colon--;
    if (colon < 2 || !is_number(s + colon, *len - colon, &said))
        return weight * UP;
    *len = colon - 1;
    return said;
}

static int parse_comfyui(struct prompt_parts *p, const char *s, size_t len, double weight,
                         int depth, struct err *e)
{
    if (depth > MAX_PROMPT_NESTING)
        return too_deep(e);
    for (size_t n; len > 0; s += n, len -= n) {
        n = piece(s, len);
        size_t inner = n >= 2 ? n - 2 : 0;
        if (n < 2 || s[0] != '(' || s[n - 1] != ')') {
            size_t at = p->size;
            if (add_part(p, s, n, weight, e) < 0)
                return -1;
            struct prompt_part *part = &p->part[p->count - 1];
            unescape(p->text + at, &part->len);
            p->size = at + part->len;
            continue;
        }
        double w = inner_weight(s + 1, &inner, weight);
        if (parse_comfyui(p, s + 1, inner, w, depth + 1, e) < 0)
            return -1;
    }
    return 0;
}

/* ---- all of them ---- */

static int check_weights(const struct prompt_parts *p, struct err *e)
{
    for (int i = 0; i < p->count; i++) {
        const struct prompt_part *part = &p->part[i];
        if (!isfinite(part->weight) || fabs(part->weight) > LIMIT)
            return err_set(e, "the prompt gives '%.*s' the weight %g; at most %g is possible",
                           part->len > 40 ? 40 : (int)part->len, p->text + part->at, part->weight,
                           LIMIT);
    }
    return 0;
}

int prompt_parse(enum prompt_syntax syntax, const char *text, struct prompt_parts *p, struct err *e)
{
    size_t len = strlen(text);
    memset(p, 0, sizeof *p);
    if (len > MAX_PROMPT_BYTES)
        return err_set(e, "the prompt is too long: %zu bytes, at most %d", len, MAX_PROMPT_BYTES);
    if (!(p->text = malloc(len + 1)))
        return err_set(e, "out of memory while reading the prompt");
    int rc = 0;
    if (syntax == PROMPT_A1111) {
        rc = parse_a1111(text, p, e);
    } else if (syntax == PROMPT_COMFYUI) {
        char *escaped = escape(text, &len);
        rc = escaped ? parse_comfyui(p, escaped, len, 1, 0, e) : err_set(e, "out of memory");
        free(escaped);
    } else if (len > 0) {
        rc = add_part(p, text, len, 1, e);
    }
    return rc < 0 ? rc : check_weights(p, e);
}

void prompt_parts_free(struct prompt_parts *p)
{
    free(p->text);
    free(p->part);
    memset(p, 0, sizeof *p);
}

/* ---- what is text here and means something there ---- */

static bool has_word(const char *text, const char *word)
{
    size_t n = strlen(word), len = strlen(text);
    for (const char *s = text; (s = strstr(s, word)); s += n)
        if (!word_before(text, (size_t)(s - text)) && !word_at(text, (size_t)(s - text) + n, len))
            return true;
    return false;
}

/* "[", a colon or bar, "]" with no bracket between: an editing or an alternation. */
static bool has_editing(const char *text)
{
    for (const char *s = text; (s = strchr(s, '[')); s++) {
        size_t n = strcspn(s + 1, "[]");
        if (s[1 + n] == ']' && (memchr(s + 1, ':', n) || memchr(s + 1, '|', n)))
            return true;
    }
    return false;
}

static bool has_weight(const char *text)
{
    double weight;
    for (const char *s = text; (s = strchr(s, ':')); s++)
        if (close_weight(s, &weight))
            return true;
    return false;
}

const char *prompt_ignored_syntax(enum prompt_syntax syntax, const char *text)
{
    if (syntax == PROMPT_A1111)
        return NULL;
    if (has_word(text, "BREAK"))
        return "BREAK";
    if (has_word(text, "AND"))
        return "AND";
    if (has_editing(text))
        return "[from:to:when]";
    return syntax == PROMPT_PLAIN && has_weight(text) ? "(text:weight)" : NULL;
}
