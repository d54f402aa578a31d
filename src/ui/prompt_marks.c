/* Prompts' syntax for the editor; see prompt_marks.h. */
#include "ui/prompt_marks.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEEP = 256, LONGEST_TAG = 512 };

/* ---- marks ---- */

struct scan {
    const char *text;
    size_t len;
    uint8_t *marks;
    struct {
        char bracket;
        size_t at;
    } open[DEEP];
    int depth;
};

static void mark(struct scan *s, size_t from, size_t to, enum syntax_mark m)
{
    memset(s->marks + from, (int)m, to - from);
}

static bool is_letter(char c)
{
    return isalnum((unsigned char)c) || c == '_' || (c & 0x80);
}

static bool starts(const struct scan *s, size_t at, const char *word)
{
    size_t n = strlen(word);
    return s->len - at >= n && !memcmp(s->text + at, word, n);
}

/* Does a number with perhaps spaces around it stand from `from` to `to`? */
static bool is_number(const char *text, size_t from, size_t to)
{
    while (from < to && text[from] == ' ')
        from++;
    while (from < to && text[to - 1] == ' ')
        to--;
    size_t digits = 0;
    for (size_t i = from; i < to; i++) {
        bool sign = i == from && (text[i] == '-' || text[i] == '+');
        if (!sign && text[i] != '.' && !isdigit((unsigned char)text[i]))
            return false;
        digits += isdigit((unsigned char)text[i]) != 0;
    }
    return digits > 0;
}

/* Where the ":1.2" before a closing bracket begins; `close` when there is none. */
static size_t weight_before(const char *text, size_t open, size_t close)
{
    for (size_t i = close; i-- > open + 1;)
        if (text[i] == ':')
            return is_number(text, i + 1, close) ? i : close;
        else if (!isdigit((unsigned char)text[i]) && !strchr(" .+-", text[i]))
            break;
    return close;
}

static void closing(struct scan *s, size_t at, char opening)
{
    enum syntax_mark m = opening == '{' ? SYNTAX_CHOICE : SYNTAX_WEIGHT;
    if (s->depth == 0 || s->open[s->depth - 1].bracket != opening) {
        mark(s, at, at + 1, SYNTAX_BAD);
        return;
    }
    size_t open = s->open[--s->depth].at;
    mark(s, open, open + 1, m);
    mark(s, at, at + 1, m);
    if (opening == '(')
        mark(s, weight_before(s->text, open, at), at, SYNTAX_WEIGHT);
}

/* "<kind:name...>": its end, or `at` where none begins. */
static size_t tag_end(const struct scan *s, size_t at)
{
    size_t i = at + 1;
    while (i < s->len && is_letter(s->text[i]))
        i++;
    if (i == at + 1 || i >= s->len || s->text[i] != ':')
        return at;
    size_t room = s->len - i < LONGEST_TAG ? s->len - i : LONGEST_TAG;
    const char *end = memchr(s->text + i, '>', room);
    const char *line = memchr(s->text + i, '\n', room);
    return end && (!line || end < line) ? (size_t)(end - s->text) + 1 : at;
}

static size_t name_end(const struct scan *s, size_t at)
{
    while (at < s->len && !strchr(" \t\n,()[]{}|<>", s->text[at]))
        at++;
    return at;
}

static size_t wildcard_end(const struct scan *s, size_t at)
{
    for (size_t i = at + 2; i + 1 < s->len; i++) {
        if (s->text[i] == '_' && s->text[i + 1] == '_' && i > at + 2)
            return i + 2;
        if (!is_letter(s->text[i]) && !strchr("/.*-", s->text[i]))
            break;
    }
    return at;
}

/* Things of several bytes that begin here: marks them and returns their end, or `at`. */
static size_t word_here(struct scan *s, size_t at, bool brackets)
{
    bool begins = at == 0 || !is_letter(s->text[at - 1]);
    static const char *const words[] = {"BREAK", "AND"};
    size_t end = at;
    enum syntax_mark m = SYNTAX_NAME;
    if (s->text[at] == '<') {
        end = tag_end(s, at);
    } else if (begins && starts(s, at, "embedding:")) {
        end = name_end(s, at);
    } else if (starts(s, at, "__")) {
        end = wildcard_end(s, at);
        m = SYNTAX_CHOICE;
    }
    for (int i = 0; begins && brackets && i < 2; i++) {
        size_t n = at + strlen(words[i]);
        if (starts(s, at, words[i]) && (n == s->len || !is_letter(s->text[n]))) {
            end = n;
            m = SYNTAX_BREAK;
        }
    }
    mark(s, at, end, m);
    return end;
}

static bool in_choice(const struct scan *s)
{
    for (int i = s->depth; i-- > 0;)
        if (s->open[i].bracket == '{')
            return true;
    return false;
}

/* One byte that stands for itself, or for more. */
static void one(struct scan *s, size_t at, bool brackets)
{
    char c = s->text[at];
    bool opens = c == '(' || c == '{' || (c == '[' && brackets);
    if (opens && s->depth < DEEP) {
        s->open[s->depth].bracket = c;
        s->open[s->depth++].at = at;
    } else if (c == ')' || c == '}' || (c == ']' && brackets)) {
        closing(s, at, c == ')' ? '(' : c == '}' ? '{' : '[');
    } else if (in_choice(s) && (c == '|' || starts(s, at, "$$"))) {
        mark(s, at, at + (c == '|' ? 1 : 2), SYNTAX_CHOICE);
    }
}

void syntax_marks(const char *text, size_t len, bool brackets, uint8_t *marks)
{
    struct scan s = {.text = text, .len = len, .marks = marks};
    memset(marks, SYNTAX_TEXT, len);
    for (size_t at = 0; at < len;) {
        size_t end = word_here(&s, at, brackets);
        if (end > at) {
            at = end;
        } else if (text[at] == '\\') {
            at += 2;
        } else {
            one(&s, at, brackets);
            at++;
        }
    }
    for (int i = 0; i < s.depth; i++)
        mark(&s, s.open[i].at, s.open[i].at + 1, SYNTAX_BAD);
}

/* ---- weights ---- */

/* The text with [at, at + del) replaced. */
static char *replaced(const char *text, size_t at, size_t del, const char *by, size_t by_len)
{
    size_t len = strlen(text);
    char *out = malloc(len - del + by_len + 1);
    if (!out)
        return NULL;
    memcpy(out, text, at);
    memcpy(out + at, by, by_len);
    memcpy(out + at + by_len, text + at + del, len - at - del + 1);
    return out;
}

static double stepped(double weight, double by)
{
    double w = round((weight + by) * 100) / 100;
    return w < 0 ? 0 : w > 10 ? 10 : w;
}

/* A tag's last argument. */
static char *weigh_tag(const char *text, size_t from, size_t to, int by)
{
    char number[40];
    size_t colon = to - 1;
    while (colon > from && text[colon] != ':')
        colon--;
    bool has = is_number(text, colon + 1, to - 1);
    double w = stepped(has ? strtod(text + colon + 1, NULL) : 1, by * 0.05);
    int n = snprintf(number, sizeof number, ":%g", w);
    return has ? replaced(text, colon, to - 1 - colon, number, (size_t)n)
               : replaced(text, to - 1, 0, number, (size_t)n);
}

/* "(x:1.1)" around [from, to), or without brackets for a weight of 1. */
static char *weigh_part(const char *text, size_t at, size_t del, size_t from, size_t to, double w)
{
    bool plain = fabs(w - 1) < 1e-3;
    size_t n = to - from;
    char *part = malloc(n + 40), *out = NULL;
    if (part) {
        int size = plain ? snprintf(part, n + 40, "%.*s", (int)n, text + from)
                         : snprintf(part, n + 40, "(%.*s:%g)", (int)n, text + from, w);
        out = replaced(text, at, del, part, (size_t)size);
    }
    free(part);
    return out;
}

/* The innermost (...) around the cursor; false when there is none. */
static bool around(const char *text, size_t cursor, size_t *open, size_t *close)
{
    size_t stack[DEEP], depth = 0, best = SIZE_MAX;
    for (size_t i = 0; text[i]; i++) {
        if (text[i] == '\\' && text[i + 1]) {
            i++;
        } else if (text[i] == '(' && depth < DEEP) {
            stack[depth++] = i;
        } else if (text[i] == ')' && depth > 0) {
            size_t from = stack[--depth];
            if (from < cursor && cursor <= i && best == SIZE_MAX) {
                best = from;
                *close = i;
            }
        }
    }
    *open = best;
    return best != SIZE_MAX;
}

static bool is_word_byte(char c)
{
    return c && !strchr(" \t\n,.;:!?()[]{}|<>\"\\", c);
}

char *syntax_weigh(const char *text, size_t cursor, int by, size_t *new_cursor)
{
    struct scan s = {.text = text, .len = strlen(text)};
    size_t open, close, from = cursor, to = cursor;
    *new_cursor = cursor;
    for (size_t i = 0; i < cursor && i < s.len; i++) {
        size_t end = text[i] == '<' ? tag_end(&s, i) : i;
        if (end >= cursor && end > i)
            return weigh_tag(text, i, end, by);
    }
    if (around(text, cursor, &open, &close)) {
        size_t colon = weight_before(text, open, close);
        double w = colon < close ? strtod(text + colon + 1, NULL) : 1.1;
        w = stepped(w, by * 0.1);
        *new_cursor = fabs(w - 1) < 1e-3 ? cursor - 1 : cursor;
        if (cursor > colon) /* it stood in the number */
            *new_cursor = fabs(w - 1) < 1e-3 ? colon - 1 : colon;
        return weigh_part(text, open, close + 1 - open, open + 1, colon, w);
    }
    while (from > 0 && is_word_byte(text[from - 1]))
        from--;
    while (is_word_byte(text[to]))
        to++;
    if (to == from)
        return NULL;
    if (from >= 10 && !memcmp(text + from - 10, "embedding:", 10))
        from -= 10;
    *new_cursor = cursor + 1;
    return weigh_part(text, from, to - from, from, to, stepped(1, by * 0.1));
}
