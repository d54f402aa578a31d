/* See tags.h. */
#include "prompt/tags.h"

#include <stdlib.h>
#include <string.h>

#include "prompt/word.h"

static bool is_known(const char *kind, size_t len)
{
    static const char *const known[] = {"lora", "lyco", "hypernet"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strlen(known[i]) == len && !strncmp(kind, known[i], len))
            return true;
    return false;
}

/* The length of the tag that begins at s, or 0. *kind: of the word behind "<". */
static size_t match(const char *s, bool any_kind, size_t *kind)
{
    size_t n = 1;
    if (*s != '<')
        return 0;
    while (is_word(s[n]))
        n++;
    *kind = n - 1;
    if (n == 1 || s[n] != ':' || s[n + 1] == '\0' || s[n + 1] == '>')
        return 0;
    if (!any_kind && !is_known(s + 1, n - 1))
        return 0;
    const char *end = strchr(s + n, '>');
    return end ? (size_t)(end - s) + 1 : 0;
}

/* "<lora:name:0.8>" in place: the marks between its parts become ends. */
static struct prompt_tag split(char *s, size_t len, size_t kind)
{
    struct prompt_tag t = {.kind = s + 1, .name = s + kind + 2};
    s[kind + 1] = s[len - 1] = '\0';
    char *colon = strchr(t.name, ':');
    t.args = colon ? colon + 1 : s + len - 1;
    if (colon)
        *colon = '\0';
    return t;
}

int prompt_tags_cut(const char *text, bool any_kind, struct prompt_tags *t, struct err *e)
{
    size_t kind = 0, used = 0, len;
    memset(t, 0, sizeof *t);
    t->own = strdup(text);
    t->text = malloc(strlen(text) + 1);
    if (!t->own || !t->text)
        return err_set(e, "out of memory while reading the prompt");
    const char *last = strrchr(text, '>'); /* no tag ends behind it: nothing is looked at twice */
    for (char *s = t->own; *s; s += len) {
        bool may = last && s - t->own < last - text;
        len = may ? match(s, any_kind, &kind) : 0;
        if (len == 0) {
            len = 1;
            t->text[used++] = *s;
        } else if (t->count == MAX_PROMPT_TAGS) {
            return err_set(e, "the prompt has more than %d <...:...> in it", MAX_PROMPT_TAGS);
        } else {
            t->at[t->count++] = split(s, len, kind);
        }
    }
    t->text[used] = '\0';
    return 0;
}

void prompt_tags_free(struct prompt_tags *t)
{
    free(t->text);
    free(t->own);
    memset(t, 0, sizeof *t);
}
