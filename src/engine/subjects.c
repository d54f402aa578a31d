/* See subjects.h. */
#include "engine/subjects.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mapfile.h"
#include "engine/job.h"

/* ---- reading ---- */

/* False: something was left out. */
static bool take_list(struct json list, struct subject_list *to)
{
    bool all = json_kind(list) == JSON_ARRAY || !json_is_set(list);
    for (struct json v = json_first(list); v.node; v = json_next(v)) {
        const char *text = json_as_string(v);
        if (!text || !*text || strlen(text) >= SUBJECT_BYTES || to->count == SUBJECTS_MAX ||
            !text_is_plain(text, "")) {
            all = false;
            continue;
        }
        strcpy(to->text[to->count], text);
        text_sanitize(to->text[to->count++]); /* marks of direction */
    }
    return all;
}

/* All lists of an object. False: something was left out. */
static bool take_lists(struct json lists, struct subject_list *to)
{
    bool all = json_kind(lists) == JSON_OBJECT || !json_is_set(lists);
    for (struct json v = json_first(lists); v.node; v = json_next(v))
        all &= take_list(v, to);
    return all;
}

struct subjects *subjects_read(struct json root)
{
    struct json kinds = json_get(root, "kinds");
    struct subjects *s = json_is_set(kinds) ? calloc(1, sizeof *s) : NULL;
    if (!s)
        return NULL;
    s->cut = !take_list(kinds, &s->kinds);
    s->cut |= !take_lists(json_get(root, "kind_words"), &s->words);
    take_list(json_get(root, "colours"), &s->colours);
    take_lists(json_get(root, "colour_words"), &s->colour_words);
    take_list(json_get(root, "example_prompts"), &s->examples);
    if (s->kinds.count > 0)
        return s;
    free(s);
    return NULL;
}

struct subjects *engine_subjects(const char *model)
{
    struct path path;
    char folder[PATH_MAX];
    struct err ignored; /* whoever runs the model says it */
    if (find_model(model, folder, &ignored) || path_join(&path, folder, "spritty.json", &ignored) ||
        !file_exists(path.text))
        return NULL;
    struct json_doc *doc = json_load(path.text, 1 << 20, &ignored);
    struct subjects *s = doc ? subjects_read(json_root(doc)) : NULL;
    json_free(doc);
    return s;
}

/* ---- saying ---- */

int subjects_join(const struct subject_list *l, int most, char *out, size_t size)
{
    enum { MORE = 16 }; /* " and 256 more" */
    size_t at = 0;
    int n = 0;
    *out = '\0';
    for (; n < l->count && n < most; n++) {
        size_t need = strlen(l->text[n]) + 2 + (n + 1 < l->count ? MORE : 0);
        if (at + need >= size)
            break;
        at += (size_t)snprintf(out + at, size - at, "%s%s", n ? ", " : "", l->text[n]);
    }
    if (n > 0 && n < l->count)
        snprintf(out + at, size - at, " and %d more", l->count - n);
    return n;
}

/* ---- looking ---- */

static bool in_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (unsigned char)c >= 0x80;
}

static size_t word_length(const char *s)
{
    size_t n = 0;
    while (in_word(s[n]))
        n++;
    return n;
}

static const char *next_word(const char *s)
{
    while (*s && !in_word(*s))
        s++;
    return s;
}

/* "slime" is "slime", "Slimes", "swampslime" and "slimeball"; "cat" is neither "cattle" nor
 * "muscat"; "cherry" is "cherries". */
static bool same_word(const char *word, size_t n, const char *kind, size_t k)
{
    enum { TELLING = 4 }; /* letters of a kind that are hardly part of a longer word by chance */
    if (n < k)
        return false;
    if (k >= TELLING && (!strncasecmp(word, kind, k) || !strncasecmp(word + n - k, kind, k)))
        return true;
    if (k > 1 && n == k + 2 && strchr("yY", kind[k - 1]) && !strncasecmp(word, kind, k - 1))
        return !strncasecmp(word + k - 1, "ies", 3);
    return !strncasecmp(word, kind, k) && (n == k || (n == k + 1 && strchr("sS", word[k])) ||
                                           (n == k + 2 && !strncasecmp(word + k, "es", 2)));
}

/* Do the words of `kind` stand here, one after the other? */
static bool stands_at(const char *text, const char *kind)
{
    for (kind = next_word(kind); *kind; kind = next_word(kind)) {
        size_t n = word_length(text), k = word_length(kind);
        if (!same_word(text, n, kind, k))
            return false;
        text = next_word(text + n);
        kind += k;
    }
    return true;
}

static bool names_one(const char *prompt, const struct subject_list *of)
{
    for (const char *p = next_word(prompt); *p; p = next_word(p + word_length(p)))
        for (int i = 0; i < of->count; i++)
            if (stands_at(p, of->text[i]))
                return true;
    return false;
}

bool subjects_missed(const struct subjects *s, const char *prompt)
{
    return !s->cut && *next_word(prompt) && !names_one(prompt, &s->kinds) &&
           !names_one(prompt, &s->words);
}

/* ---- colours ---- */

/* Not here: what is a thing as well (rose, lemon, ruby). */
const struct other_colour subjects_other_colours[] = {
    {"gold", "yellow"},  {"golden", "yellow"}, {"amber", "yellow"},  {"silver", "grey"},
    {"scarlet", "red"},  {"maroon", "red"},    {"burgundy", "red"},  {"vermilion", "red"},
    {"magenta", "pink"}, {"fuchsia", "pink"},  {"indigo", "purple"}, {"lavender", "purple"},
    {"lilac", "purple"}, {"mauve", "purple"},  {"navy", "blue"},     {"azure", "blue"},
    {"cobalt", "blue"},  {"aqua", "cyan"},     {"lime", "green"},    {"olive", "green"},
    {"beige", "brown"},  {"tan", "brown"},     {"bronze", "brown"},  {"copper", "orange"},
    {"ivory", "white"},  {"ebony", "black"},   {NULL, NULL}};

/* As a word of its own: "gold" is not in "goldfish". "A golden crown" is how the model that ships
 * was taught crowns. */
static bool has_word(const char *text, const char *word)
{
    for (const char *p = next_word(text); *p;) {
        size_t n = word_length(p), k = strlen(word);
        const char *after = next_word(p + n);
        if (n == k && !strncasecmp(p, word, k) &&
            (strcmp(word, "golden") != 0 || strncasecmp(after, "crown", 5) != 0))
            return true;
        p = after;
    }
    return false;
}

static bool lists_word(const struct subject_list *l, const char *word)
{
    for (int i = 0; i < l->count; i++)
        if (has_word(l->text[i], word))
            return true;
    return false;
}

const struct other_colour *subjects_other_colour(const struct subjects *s, const char *prompt,
                                                 const struct other_colour *from)
{
    for (; from->word && !s->cut; from++)
        if (has_word(prompt, from->word) && lists_word(&s->colours, from->near) &&
            !lists_word(&s->colours, from->word) && !lists_word(&s->colour_words, from->word) &&
            !lists_word(&s->kinds, from->word) && !lists_word(&s->words, from->word))
            return from;
    return NULL;
}
