/* See recipe.h. */
#include "import/recipe.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static char *format(const char *fmt, va_list ap)
{
    char *text;
    return vasprintf(&text, fmt, ap) < 0 ? NULL : text;
}

/* Line by line, so that line breaks stay. Returns whether anything was taken out. */
static bool clean(char *text)
{
    bool changed = false;
    char *to = text;
    for (const char *s = text; *s; s++)
        if (*s != '\r')
            *to++ = *s == '\t' ? ' ' : *s;
    *to = '\0';
    for (char *line = text; line;) {
        char *end = strchr(line, '\n');
        if (end)
            *end = '\0';
        char *before = strdup(line);
        text_sanitize(line);
        changed = changed || !before || strcmp(before, line) != 0;
        free(before);
        if (end)
            *end = '\n';
        line = end ? end + 1 : NULL;
    }
    return changed;
}

static struct recipe_value *find(const struct recipe *r, const char *key)
{
    for (int i = 0; i < r->count; i++)
        if (!strcmp(r->at[i].key, key))
            return &r->at[i];
    return NULL;
}

static struct recipe_value *add(struct recipe *r, const char *key)
{
    struct recipe_value *grown = realloc(r->at, sizeof *grown * (size_t)(r->count + 1));
    char *name = strdup(key);
    if (grown)
        r->at = grown;
    if (!grown || !name) {
        free(name);
        r->failed = true;
        return NULL;
    }
    grown[r->count] = (struct recipe_value){.key = name};
    return &grown[r->count++];
}

void recipe_set(struct recipe *r, const char *key, const char *value)
{
    if (strlen(value) > RECIPE_MAX_TEXT) {
        recipe_note(r, "%s: longer than %d bytes", key, RECIPE_MAX_TEXT);
        return;
    }
    char *copy = strdup(value);
    struct recipe_value *v = find(r, key);
    if (copy && !v)
        v = add(r, key);
    if (!copy || !v) {
        free(copy);
        r->failed = true;
        return;
    }
    if (clean(copy))
        recipe_note(r, "%s: control characters in it became '?'", key);
    free(v->value);
    v->value = copy;
}

void recipe_setf(struct recipe *r, const char *key, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *text = format(fmt, ap);
    va_end(ap);
    if (text)
        recipe_set(r, key, text);
    else
        r->failed = true;
    free(text);
}

const char *recipe_get(const struct recipe *r, const char *key)
{
    const struct recipe_value *v = find(r, key);
    return v ? v->value : NULL;
}

void recipe_drop(struct recipe *r, const char *key)
{
    struct recipe_value *v = find(r, key);
    if (!v)
        return;
    free(v->key);
    free(v->value);
    memmove(v, v + 1, (size_t)(r->at + --r->count - v) * sizeof *v);
}

void recipe_note(struct recipe *r, const char *fmt, ...)
{
    struct err line = {""};
    va_list ap;
    va_start(ap, fmt);
    char *text = format(fmt, ap);
    va_end(ap);
    if (text)
        err_set(&line, "%.400s", text);
    free(text);
    for (int i = 0; i < r->notes; i++)
        if (!strcmp(r->note[i], line.text))
            return;
    char **grown = r->notes < RECIPE_MAX_NOTES
                       ? realloc(r->note, sizeof *grown * (size_t)(r->notes + 1))
                       : NULL;
    if (!grown) {
        r->untold++;
        return;
    }
    r->note = grown;
    grown[r->notes] = strdup(line.text);
    r->notes += grown[r->notes] != NULL;
}

int recipe_settle(struct recipe *r, struct settings *s, struct err *e)
{
    if (r->failed)
        return err_set(e, "out of memory");
    for (int i = 0; i < r->count; i++) {
        struct err why;
        const struct recipe_value *v = &r->at[i];
        if (settings_key_index(v->key) < 0)
            recipe_note(r, "%s = %.200s: this version has no such setting", v->key, v->value);
        else if (!settings_has(s, v->key) && settings_set(s, v->key, v->value, &why))
            recipe_note(r, "%s: %s", v->key, why.text);
    }
    return 0;
}

void recipe_free(struct recipe *r)
{
    for (int i = 0; i < r->count; i++) {
        free(r->at[i].key);
        free(r->at[i].value);
    }
    for (int i = 0; i < r->notes; i++)
        free(r->note[i]);
    free(r->at);
    free(r->note);
    memset(r, 0, sizeof *r);
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && !strcasecmp(text + n - m, end);
}

void recipe_file_name(struct recipe *r, const char *file, char out[256])
{
    static const char *const pickles[] = {".ckpt", ".pt", ".pth", ".bin"};
    const char *start = file;
    for (const char *s = file; *s; s++)
        if ((*s == '/' || *s == '\\') && s[1])
            start = s + 1;
    snprintf(out, 256, "%s", start);
    for (size_t i = 0; i < sizeof pickles / sizeof *pickles; i++)
        if (ends_with(out, pickles[i]))
            recipe_note(r, "%.200s is a pickle, which is not read: convert it to safetensors",
                        file);
    if (ends_with(out, ".safetensors"))
        out[strlen(out) - strlen(".safetensors")] = '\0';
}

void recipe_literal(struct recipe *r)
{
    static const char *const keys[] = {"prompt", "negative"};
    for (int i = 0; i < 2; i++) {
        const char *text = recipe_get(r, keys[i]);
        if (text && (strchr(text, '{') || strstr(text, "__")) && settings_key_index("dynamic") >= 0)
            recipe_set(r, "dynamic", "no");
    }
}
