/*
 * Values of a workflow's nodes, for comfy_walk.h: through primitives, and through nodes that make
 * one text of some. Classes and inputs: ComfyUI's nodes_string.py, WAS Node Suite, Comfyroll,
 * KJNodes, Impact Pack, sdxl_prompt_styler.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "import/comfy_walk.h"
#include "import/json_tame.h"

struct json comfy_member(struct json object, const char *key)
{
    struct json v = {.node = NULL};
    if (json_kind(object) == JSON_OBJECT)
        v = json_first(object);
    for (int left = 16; v.node && left > 0; left--, v = json_next(v))
        if (json_key(v) && !strcmp(json_key(v), key))
            return v;
    return (struct json){.node = NULL};
}

static bool write_value(struct comfy_walk *w, struct comfy_input in, int depth, FILE *f);

/* What could be followed of it, malloc'd; or NULL. */
static char *value_text(struct comfy_walk *w, struct comfy_input in, int depth)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    if (!f) {
        w->r->failed = true;
        return NULL;
    }
    bool any = write_value(w, in, depth, f);
    if (fclose(f))
        w->r->failed = true;
    else if (any)
        return text;
    free(text);
    return NULL;
}

static void note_lost(struct comfy_walk *w, int node, const char *input)
{
    recipe_note(w->r, "%s: its %s could not be followed", comfy_name(w, node), input);
}

/* ---- nodes that make one text of some ---- */

static const struct joiner {
    const char *type, *between; /* between: the input that stands between two parts */
    const char *part[5];
    bool spare; /* what is empty is left out, with what would stand before it */
} JOINERS[] = {
    {"StringConcatenate", "delimiter", {"string_a", "string_b"}, false},
    {"JoinStrings", "delimiter", {"string1", "string2"}, false},
    {"CR Text Concatenate", "separator", {"text1", "text2"}, false},
    {"Text Concatenate", "delimiter", {"text_a", "text_b", "text_c", "text_d"}, true},
};

static const struct joiner *joiner_of(const struct comfy_walk *w, int node)
{
    for (size_t i = 0; i < sizeof JOINERS / sizeof *JOINERS; i++)
        if (comfy_is(w, node, JOINERS[i].type))
            return &JOINERS[i];
    return NULL;
}

/* Text Concatenate takes the blanks at a part's ends away, unless it is told not to, and between
 * parts a backslash with an n stands for a line's end. */
static char *join_part(struct comfy_walk *w, int node, const struct joiner *j, const char *name,
                       int depth)
{
    char word[8];
    struct comfy_input in = comfy_input(w->g, node, name);
    char *text = in.kind == COMFY_MISSING ? NULL : value_text(w, in, depth);
    if (in.kind != COMFY_MISSING && !text)
        note_lost(w, node, name);
    if (!text || !j->spare)
        return text;
    if (!strcmp(name, j->between)) {
        if (!strcmp(text, "\\n"))
            strcpy(text, "\n");
        return text;
    }
    comfy_word(w, node, "clean_whitespace", word, sizeof word);
    if (strcmp(word, "false") != 0) {
        size_t skip = strspn(text, " \t\r\n"), n = strlen(text + skip);
        while (n > 0 && strchr(" \t\r\n", text[skip + n - 1]))
            n--;
        memmove(text, text + skip, n);
        text[n] = '\0';
    }
    return text;
}

static bool write_joined(struct comfy_walk *w, int node, const struct joiner *j, int depth, FILE *f)
{
    char *between = join_part(w, node, j, j->between, depth + 1);
    bool any = false, began = false;
    for (int i = 0; j->part[i] && ftell(f) <= RECIPE_MAX_TEXT; i++) {
        char *text = join_part(w, node, j, j->part[i], depth + 1);
        if (!j->spare || (text && *text)) {
            if (began && between)
                fputs(between, f);
            if (text)
                fputs(text, f);
            began = true;
        }
        any |= text != NULL;
        free(text);
    }
    free(between);
    return any;
}

/* ---- nodes with an input for each output ---- */

static const struct chooser {
    const char *type;
    const char *of_slot[6];
} CHOOSERS[] = {
    {"ImpactWildcardProcessor", {"populated_text"}},
    {"ImpactWildcardEncode", {NULL, NULL, NULL, "populated_text"}},
    {"Power Prompt (rgthree)", {NULL, NULL, NULL, "prompt"}},
    {"Power Prompt - Simple (rgthree)", {NULL, "prompt"}},
    {"SDXLPromptStyler", {"text_positive", "text_negative"}},
    {"SDXLPromptStylerAdvanced",
     {"text_positive_g", "text_positive_l", "text_positive_g", "text_negative", "text_negative",
      "text_negative"}},
};

static const char *chosen_input(struct comfy_walk *w, int node, int slot)
{
    for (size_t i = 0; i < sizeof CHOOSERS / sizeof *CHOOSERS; i++)
        if (comfy_is(w, node, CHOOSERS[i].type))
            return slot < 6 ? CHOOSERS[i].of_slot[slot] : NULL;
    return NULL;
}

/* A style's words are in the pack's files alone. */
static void note_style(struct comfy_walk *w, int node)
{
    char style[80];
    comfy_word(w, node, "style", style, sizeof style);
    if (*style && strcmp(style, "base") != 0)
        recipe_note(w->r, "%s: what its style '%s' adds is not in this file", comfy_name(w, node),
                    style);
}

/* ---- all others ---- */

/* Does it give what it is given? Those of one input do. */
static bool is_plain(const struct comfy_walk *w, int node)
{
    const char *type = comfy_class(w->g, node);
    return !strncmp(type, "Primitive", 9) || !strcmp(type, "ShowText|pysssss") ||
           comfy_inputs(w->g, node) < 2 ||
           comfy_is(w, node, "Seed (rgthree)|Seed|CR Seed|easy seed|Display Any (rgthree)");
}

static bool write_given(struct comfy_walk *w, int node, struct comfy_input in, const char *name,
                        int depth, FILE *f)
{
    if (in.kind == COMFY_MISSING || !write_value(w, in, depth + 1, f))
        return false;
    if (!is_plain(w, node))
        recipe_note(w->r, "%s is unknown here: its %.60s is taken as it is", comfy_name(w, node),
                    name ? name : "first value");
    return true;
}

/* The text that a primitive or string node gives. */
static bool write_node(struct comfy_walk *w, int node, int slot, int depth, FILE *f)
{
    static const char *const names[] = {"value",  "text",  "string",  "String", "Text",
                                        "prompt", "int",   "float",   "INT",    "seed",
                                        "number", "Value", "string_1"};
    const struct joiner *j = joiner_of(w, node);
    if (j)
        return write_joined(w, node, j, depth, f);
    const char *chosen = chosen_input(w, node, slot);
    if (chosen) {
        note_style(w, node);
        return write_value(w, comfy_input(w->g, node, chosen), depth + 1, f);
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (write_given(w, node, comfy_input(w->g, node, names[i]), names[i], depth, f))
            return true;
    struct comfy_input in = comfy_widget(w->g, node, 0);
    if (in.kind == COMFY_MISSING)
        in = comfy_link(w->g, node);
    return write_given(w, node, in, in.name, depth, f);
}

static bool write_value(struct comfy_walk *w, struct comfy_input in, int depth, FILE *f)
{
    char room[40];
    int slot;
    if (depth > 8 || ftell(f) > RECIPE_MAX_TEXT)
        return false;
    if (in.kind == COMFY_VALUE) {
        struct json content = comfy_member(in.value, "content"); /* pictured */
        const char *text = json_text(json_is_set(content) ? content : in.value, room);
        if (text)
            fwrite(text, 1, strnlen(text, RECIPE_MAX_TEXT + 1), f);
        return text != NULL;
    }
    int node = comfy_follow(w, in, &slot);
    return node >= 0 && write_node(w, node, slot, depth, f);
}

char *comfy_get_text(struct comfy_walk *w, int node, const char *input)
{
    struct comfy_input in = comfy_input(w->g, node, input);
    if (in.kind == COMFY_MISSING)
        return NULL;
    char *text = value_text(w, in, 0);
    if (!text)
        note_lost(w, node, input);
    return text;
}

/* folder_paths.py, annotated_filepath. */
char *comfy_image_file(struct comfy_walk *w, int node)
{
    static const char *const folders[] = {" [input]", " [output]", " [temp]"};
    char *file = comfy_get_text(w, node, "image");
    size_t n = file ? strlen(file) : 0;
    for (int i = 0; i < 3; i++) {
        size_t m = strlen(folders[i]);
        if (n > m && !strcmp(file + n - m, folders[i])) {
            file[n - m] = '\0';
            break;
        }
    }
    return file;
}

bool comfy_get_number(struct comfy_walk *w, int node, const char *input, double *out)
{
    char *text = comfy_get_text(w, node, input), *end = NULL;
    double x = text ? strtod(text, &end) : 0;
    bool good = text && end != text && x > -1e9 && x < 1e9;
    free(text);
    if (good)
        *out = x;
    return good;
}

double comfy_number(struct comfy_walk *w, int node, const char *input, double fallback)
{
    double x;
    return comfy_get_number(w, node, input, &x) ? x : fallback;
}

void comfy_word(struct comfy_walk *w, int node, const char *input, char *out, size_t size)
{
    char *text = comfy_get_text(w, node, input);
    snprintf(out, size, "%s", text ? text : "");
    free(text);
}
