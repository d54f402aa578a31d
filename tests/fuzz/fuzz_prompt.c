/*
 * Fuzzes what reads prompts. The first byte chooses:
 *   0 1 2  weights in the rules of ComfyUI, A1111, diffusers
 *   3      A1111's changing prompts and AND
 *   4      <kind:name:args>
 *   5      choices (no wildcard files)
 *   6      styles.csv, and its first style put to a prompt
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "prompt/dynamic.h"
#include "prompt/schedule.h"
#include "prompt/styles.h"
#include "prompt/tags.h"
#include "prompt/weights.h"

static void weights(enum prompt_syntax syntax, const char *text)
{
    struct prompt_parts p;
    size_t total = 0;
    if (prompt_parse(syntax, text, &p, NULL) == 0)
        for (int i = 0; i < p.count; i++) {
            assert(p.part[i].at + p.part[i].len <= p.size);
            total += p.part[i].len;
        }
    assert(total <= strlen(text));
    prompt_parts_free(&p);
    prompt_ignored_syntax(syntax, text);
}

static void schedule(const char *text)
{
    enum { STEPS = 7 };
    struct prompt_clauses c;
    int rc = prompt_clauses(text, &c, NULL);
    for (int i = 0; i < c.count && rc == 0; i++) {
        struct prompt_schedule s;
        if (prompt_schedule(c.text[i], STEPS, &s, NULL) == 0) {
            assert(s.changes >= 1 && s.change[s.changes - 1].until == STEPS);
            for (int call = 0; call < 2 * STEPS; call++) {
                int at = prompt_schedule_at(&s, call);
                assert(at >= 0 && at < s.texts && strlen(s.text[at]) <= strlen(c.text[i]));
            }
        }
        prompt_schedule_free(&s);
    }
    prompt_clauses_free(&c);
}

static void tags(const char *text)
{
    struct prompt_tags t;
    if (prompt_tags_cut(text, true, &t, NULL) == 0)
        for (int i = 0; i < t.count; i++)
            assert(strlen(t.at[i].name) + strlen(t.at[i].args) <= strlen(text));
    prompt_tags_free(&t);
}

static void choices(const char *text)
{
    struct notes notes = {0};
    char *out = prompt_expand(text, NULL, strlen(text), &notes, NULL);
    assert(!out || strlen(out) <= DYNAMIC_BYTES);
    if (out && !prompt_is_dynamic(text) && !strchr(text, '\\'))
        assert(!strcmp(out, text));
    free(out);
    notes_free(&notes);
}

static void styles(const char *text, size_t size)
{
    struct styles s;
    if (styles_parse(&s, text, size, "styles.csv", NULL) == 0 && s.count > 0) {
        char *a = style_apply(s.at[0].prompt, "a slime");
        assert(styles_find(&s, s.at[s.count - 1].name) == &s.at[s.count - 1]);
        free(a);
    }
    styles_free(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    char *text = malloc(size);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    int what = data[0] % 7;
    if (what < 3)
        weights((enum prompt_syntax)what, text);
    else if (what == 3)
        schedule(text);
    else if (what == 4)
        tags(text);
    else if (what == 5)
        choices(text);
    else
        styles(text, size - 1);
    free(text);
    return 0;
}
