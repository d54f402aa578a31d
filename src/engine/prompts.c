/* See prompts.h. */
#include "engine/prompts.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/paths.h"
#include "prompt/dynamic.h"
#include "prompt/styles.h"
#include "prompt/tags.h"
#include "sdxl/compat.h"

/* `words` into the preset's {prompt}; without that slot, before its text. */
static char *join_prompt(const char *frame, const char *words)
{
    char *out = NULL;
    const char *slot = frame ? strstr(frame, "{prompt}") : NULL;
    int n;
    if (!frame || !*frame)
        n = asprintf(&out, "%s", words);
    else if (slot)
        n = asprintf(&out, "%.*s%s%s", (int)(slot - frame), frame, words, slot + 8);
    else
        n = asprintf(&out, "%s%s%s", words, *words ? ", " : "", frame);
    return n < 0 ? NULL : out;
}

static int no_memory(struct err *e)
{
    return err_set(e, "out of memory for the prompts");
}

static int apply_styles(struct job_prompts *p, const char *list, struct err *e)
{
    char path[PATH_MAX];
    struct styles all;
    if (!list || !*list)
        return 0;
    if (!place_path(PLACE_CONFIG, "styles.csv", path))
        return err_set(e, "styles: there is no home folder to look for styles.csv in");
    int rc = styles_read(&all, path, e);
    if (rc == 0 && all.count == 0)
        rc = err_set(e, "styles: there are none in %s; put A1111's styles.csv there", path);
    if (rc == 0)
        rc = styles_apply(&all, list, &p->template, &p->negative_template, e);
    styles_free(&all);
    return rc;
}

static char *expand(struct job_prompts *p, bool dynamic, const char *template, uint64_t seed,
                    struct err *e)
{
    char folder[PATH_MAX];
    if (!dynamic || !prompt_is_dynamic(template)) {
        char *copy = strdup(template);
        if (!copy)
            no_memory(e);
        return copy;
    }
    bool has = place_path(PLACE_DATA, "wildcards", folder);
    return prompt_expand(template, has ? folder : NULL, seed, &p->notes, e);
}

static bool is_lora(const struct prompt_tag *t)
{
    return !strcmp(t->kind, "lora") || !strcmp(t->kind, "lyco") || !strcmp(t->kind, "hypernet");
}

static bool same_tags(const struct prompt_tags *a, const struct prompt_tags *b)
{
    for (int i = 0; i < a->count && i < b->count; i++)
        if (strcmp(a->at[i].kind, b->at[i].kind) != 0 || strcmp(a->at[i].name, b->at[i].name) ||
            strcmp(a->at[i].args, b->at[i].args) != 0)
            return false;
    return a->count == b->count;
}

/* A1111 cuts tags of any kind out; elsewhere what is no LoRA is text. LoRAs are engine/loras.h's,
 * which takes those of the first image for all. */
static char *cut_tags(struct job_prompts *p, const char *prompt, bool a1111, struct err *e)
{
    struct prompt_tags t, first = {0};
    char *text = NULL;
    if (prompt_tags_cut(prompt, a1111, &t, e) == 0 &&
        prompt_tags_cut(p->prompt[0], a1111, &first, e) == 0) {
        text = t.text;
        t.text = NULL;
    }
    for (int i = 0; text && i < t.count; i++)
        if (!is_lora(&t.at[i]))
            notes_add(&p->notes, "<%s:%s> in the prompt is not supported; it was left out",
                      t.at[i].kind, t.at[i].name);
    if (text && !same_tags(&t, &first))
        notes_add(&p->notes, "the batch's prompts differ in their LoRAs; all images have those of "
                             "the first");
    prompt_tags_free(&t);
    prompt_tags_free(&first);
    return text;
}

static int expand_all(struct job_prompts *p, const struct settings *s, struct err *e)
{
    bool dynamic = !settings_has(s, "dynamic") || s->dynamic;
    bool a1111 = compat_by_name(s->compat) == COMPAT_A1111;
    uint64_t seed = settings_has(s, "wildcard-seed") ? (uint64_t)s->wildcard_seed : s->seed;
    size_t n = (size_t)s->batch;
    p->prompt = calloc(n, sizeof *p->prompt);
    p->negative = calloc(n, sizeof *p->negative);
    p->text = calloc(n, sizeof *p->text);
    if (!p->prompt || !p->negative || !p->text)
        return no_memory(e);
    for (p->count = 0; p->count < s->batch;) {
        int i = p->count++;
        uint64_t own = seed + (uint64_t)i;
        if (!(p->prompt[i] = expand(p, dynamic, p->template, own, e)) ||
            !(p->negative[i] = expand(p, dynamic, p->negative_template, ~own, e)) ||
            !(p->text[i] = cut_tags(p, p->prompt[i], a1111, e)))
            return -1;
    }
    return 0;
}

int job_prompts_make(struct job_prompts *p, const struct settings *s, const char *words,
                     struct err *e)
{
    *p = (struct job_prompts){0};
    p->template = join_prompt(s->prompt, words);
    p->negative_template = strdup(s->negative ? s->negative : "");
    if (!p->template || !p->negative_template)
        return no_memory(e);
    return apply_styles(p, settings_text(s, "styles"), e) < 0 ? -1 : expand_all(p, s, e);
}

void job_prompts_free(struct job_prompts *p)
{
    for (int i = 0; i < p->count; i++) {
        free(p->prompt[i]);
        free(p->negative[i]);
        free(p->text[i]);
    }
    free(p->prompt);
    free(p->negative);
    free(p->text);
    free(p->template);
    free(p->negative_template);
    notes_free(&p->notes);
    *p = (struct job_prompts){0};
}

bool job_prompts_expanded(const struct job_prompts *p)
{
    for (int i = 0; i < p->count; i++)
        if (strcmp(p->prompt[i], p->template) != 0 ||
            strcmp(p->negative[i], p->negative_template) != 0)
            return true;
    return false;
}
