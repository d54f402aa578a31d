/* See styles.h. */
#include "prompt/styles.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fileio.h"
#include "base/suggest.h"
#include "prompt/word.h"

enum { MAX_BYTES = 4 << 20, COLUMNS = 16, PROMPT_BYTES = 1 << 20 };

/* ---- CSV ---- */

/* One row: its fields are unquoted in place, each with a NUL behind it. Returns where the next
 * begins; *count may be over COLUMNS, whose rest is not kept. */
static char *read_row(char *s, char *field[COLUMNS], int *count)
{
    for (*count = 0;; ++*count) {
        while (*s == ' ') /* skipinitialspace */
            s++;
        char *to = s;
        bool quoted = *s == '"';
        if (*count < COLUMNS)
            field[*count] = s;
        s += quoted;
        while (*s && (quoted || (*s != ',' && *s != '\n' && *s != '\r'))) {
            if (quoted && *s == '"' && s[1] != '"') {
                quoted = false;
                s++;
                continue;
            }
            s += quoted && *s == '"';
            *to++ = *s++;
        }
        char end = *s;
        s += end != '\0';
        s += end == '\r' && *s == '\n';
        *to = '\0';
        if (end != ',') {
            ++*count;
            return s;
        }
    }
}

static int column(char *const field[COLUMNS], int count, const char *name)
{
    for (int i = 0; i < count && i < COLUMNS; i++)
        if (!strcmp(field[i], name))
            return i;
    return -1;
}

static int add_row(struct styles *all, const struct style *s, const char *where, struct err *e)
{
    if (all->count == MAX_STYLES)
        return err_set(e, "%s: more than %d styles", where, MAX_STYLES);
    if (all->count % 64 == 0) {
        struct style *more = realloc(all->at, ((size_t)all->count + 64) * sizeof *more);
        if (!more)
            return err_set(e, "out of memory while reading %s", where);
        all->at = more;
    }
    all->at[all->count++] = *s;
    return 0;
}

static const char *value(char *const field[COLUMNS], int count, int at)
{
    return at >= 0 && at < count ? field[at] : "";
}

int styles_parse(struct styles *all, const char *text, size_t size, const char *where,
                 struct err *e)
{
    char *field[COLUMNS];
    int count;
    *all = (struct styles){0};
    if (size > MAX_BYTES)
        return err_set(e, "%s is over %d MiB", where, MAX_BYTES >> 20);
    if (!(all->text = malloc(size + 1)))
        return err_set(e, "out of memory while reading %s", where);
    for (size_t i = 0; i < size; i++)
        all->text[i] = text[i] ? text[i] : ' ';
    all->text[size] = '\0';
    char *s = all->text + (strncmp(all->text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0);
    s = read_row(s, field, &count);
    int name = column(field, count, "name"), prompt = column(field, count, "prompt");
    int negative = column(field, count, "negative_prompt");
    prompt = prompt < 0 ? column(field, count, "text") : prompt;
    if (name < 0 || prompt < 0)
        return err_set(e, "%s: the first line must name the columns: name,prompt,negative_prompt",
                       where);
    while (*s) {
        s = read_row(s, field, &count);
        count = count < COLUMNS ? count : COLUMNS;
        struct style row = {value(field, count, name), value(field, count, prompt),
                            value(field, count, negative)};
        if (*row.name && *row.name != '#' && add_row(all, &row, where, e) < 0)
            return -1;
    }
    return 0;
}

int styles_read(struct styles *all, const char *path, struct err *e)
{
    size_t size;
    *all = (struct styles){0};
    if (access(path, F_OK) != 0)
        return 0;
    char *text = file_read(path, MAX_BYTES, &size, e);
    int rc = text ? styles_parse(all, text, size, path, e) : -1;
    free(text);
    return rc;
}

void styles_free(struct styles *all)
{
    free(all->at);
    free(all->text);
    *all = (struct styles){0};
}

const struct style *styles_find(const struct styles *all, const char *name)
{
    for (int i = all->count - 1; i >= 0; i--)
        if (!strcmp(all->at[i].name, name))
            return &all->at[i];
    return NULL;
}

/* ---- putting together ---- */

static size_t blanks(const char *s)
{
    size_t n = 0;
    while (is_space(s[n]))
        n++;
    return n;
}

/* The length of s without blanks at its end. */
static int trimmed(const char *s)
{
    size_t n = strlen(s);
    while (n > 0 && is_space(s[n - 1]))
        n--;
    return (int)n;
}

/* A style full of slots must not multiply a long prompt. */
static bool is_too_long(const char *style, const char *prompt)
{
    size_t size = strlen(style), each = strlen(prompt);
    for (const char *s = style; size <= PROMPT_BYTES && (s = strstr(s, "{prompt}")); s += 8)
        size += each;
    return size + each > PROMPT_BYTES;
}

char *style_apply(const char *style, const char *prompt)
{
    char *out = NULL;
    size_t size;
    const char *slot = strstr(style, "{prompt}");
    FILE *f = is_too_long(style, prompt) ? NULL : open_memstream(&out, &size);
    if (!f)
        return NULL;
    for (; slot; slot = strstr(style, "{prompt}")) {
        fprintf(f, "%.*s%s", (int)(slot - style), style, prompt);
        style = slot + 8;
        if (!strstr(style, "{prompt}")) {
            fputs(style, f);
            return fclose(f) == 0 ? out : NULL;
        }
    }
    prompt += blanks(prompt);
    style += blanks(style);
    fprintf(f, "%.*s%s%.*s", trimmed(prompt), prompt, *prompt && *style ? ", " : "", trimmed(style),
            style);
    return fclose(f) == 0 ? out : NULL;
}

static const char *name_at(const void *user, int i)
{
    const struct styles *all = user;
    return i < all->count ? all->at[i].name : NULL;
}

static int apply_one(const struct styles *all, const char *name, char **prompt, char **negative,
                     struct err *e)
{
    const struct style *s = styles_find(all, name);
    if (!s) {
        const char *near = suggest(name, name_at, all);
        return err_set(e, "there is no style '%.60s' in styles.csv%s%s%s", name,
                       near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
    char *p = style_apply(s->prompt, *prompt), *n = style_apply(s->negative, *negative);
    if (!p || !n) {
        free(p);
        free(n);
        return err_set(e, "the prompt with style '%.60s' is too long, or there is no memory", name);
    }
    free(*prompt);
    free(*negative);
    *prompt = p;
    *negative = n;
    return 0;
}

int styles_apply(const struct styles *all, const char *list, char **prompt, char **negative,
                 struct err *e)
{
    char *copy = strdup(list), *rest = copy, *name;
    int rc = copy ? 0 : err_set(e, "out of memory");
    while (rc == 0 && (name = strsep(&rest, ","))) {
        name += blanks(name);
        name[trimmed(name)] = '\0';
        rc = *name ? apply_one(all, name, prompt, negative, e) : 0;
    }
    free(copy);
    return rc;
}
