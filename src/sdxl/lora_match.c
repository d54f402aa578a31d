/* See lora_match.h. The model's names are looked up in the file, each in its two spellings. */
#include "sdxl/lora_match.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sdxl/keymap.h"

enum { NAME_ROOM = 512 };

struct lora_target lora_target_of(const struct checkpoint *c, const struct slot *s, int source)
{
    char bias[NAME_MAX_LEN + 8];
    snprintf(bias, sizeof bias, "%s.bias", s->name[source]);
    return (struct lora_target){.out = s->out,
                                .in = s->in,
                                .taps = (int64_t)s->k * s->k,
                                .bias = s->kind != SLOT_TABLE && checkpoint_has(c, s->part, bias)};
}

/* The module's name in the original files, in the common form. False: it has none of its own. */
static bool original_name(const struct model_config *m, const struct slot *s, int source, char *out)
{
    char full[NAME_MAX_LEN + 8];
    struct key key;
    snprintf(full, sizeof full, "%s.weight", s->name[source]);
    if (!keymap_single(m, s->part, full, &key) || key.third >= 0)
        return false;
    const char *rest = key.name + strlen(keymap_prefix(m, s->part));
    size_t n = strlen(rest);
    if (n > 7 && strcmp(rest + n - 7, ".weight") == 0)
        n -= 7;
    char cut[KEY_MAX];
    snprintf(cut, sizeof cut, "%.*s", (int)n, rest);
    lora_common_name(s->part, cut, out, NAME_ROOM);
    return true;
}

static int find_module(const struct lora_file *f, const struct model_config *m,
                       const struct slot *s, int source)
{
    char name[NAME_ROOM];
    lora_common_name(s->part, s->name[source], name, sizeof name);
    int at = lora_file_find(f, s->part, name);
    if (at < 0 && original_name(m, s, source, name))
        at = lora_file_find(f, s->part, name);
    return at;
}

/* -- the report -- */

static const char *any_tensor(const struct lora_module *m)
{
    for (int i = 0; i < LORA_ROLES; i++)
        if (m->tensor[i])
            return m->tensor[i]->name;
    return m->name;
}

static void add_unmatched(struct lora_report *r, const char *name)
{
    if (r->unmatched < 8)
        snprintf(r->first[r->unmatched], sizeof r->first[0], "%s", name);
    r->unmatched++;
}

static void say_why(struct lora_report *r, const struct lora_module *m, const char *why)
{
    if (r->wrong++ == 0)
        snprintf(r->why, sizeof r->why, "%.150s: %.160s", any_tensor(m), why);
}

/* seen[i]: module i was asked for by the model. */
static void report_rest(const struct lora_file *f, const bool *seen, struct lora_report *r)
{
    const char *unknown[8];
    for (int i = 0; i < lora_file_count(f); i++)
        if (!seen[i])
            add_unmatched(r, any_tensor(lora_file_at(f, i)));
    int others = lora_file_unknown(f, unknown, 8);
    for (int i = 0; i < others; i++)
        add_unmatched(r, i < 8 ? unknown[i] : "");
}

/* -- matching -- */

static int sources(const struct slots *slots)
{
    int n = 0;
    for (int i = 0; i < slots->count; i++)
        n += slots->at[i].count;
    return n;
}

static void try_source(const struct lora_file *f, const struct checkpoint *c,
                       const struct slots *slots, struct lora_hit h, bool *seen,
                       struct lora_hits *hits, struct lora_report *r)
{
    const struct slot *s = &slots->at[h.slot];
    char why[160];
    h.module = find_module(f, checkpoint_config(c), s, h.source);
    if (h.module < 0 || seen[h.module])
        return;
    const struct lora_module *m = lora_file_at(f, h.module);
    struct lora_target t = lora_target_of(c, s, h.source);
    seen[h.module] = true;
    if (!lora_fits(m, &t, why, sizeof why)) {
        say_why(r, m, why);
        r->bare += m->form == FORM_NONE;
        return;
    }
    r->used++;
    r->by_part[s->part]++;
    hits->at[hits->count++] = h;
}

int lora_find_hits(const struct lora_file *f, const struct checkpoint *c, const struct slots *slots,
                   struct lora_hits *hits, struct lora_report *r)
{
    bool *seen = calloc((size_t)lora_file_count(f) + 1, sizeof *seen);
    hits->at = calloc((size_t)sources(slots) + 1, sizeof *hits->at);
    hits->count = 0;
    *r = (struct lora_report){.modules = lora_file_count(f)};
    if (!seen || !hits->at) {
        free(seen);
        free(hits->at);
        hits->at = NULL;
        return -1;
    }
    for (int i = 0; i < slots->count; i++)
        for (int k = 0; k < slots->at[i].count && slots->at[i].part != PART_VAE; k++)
            try_source(f, c, slots, (struct lora_hit){i, k, -1}, seen, hits, r);
    report_rest(f, seen, r);
    free(seen);
    return 0;
}

void lora_match(const struct lora_file *f, const struct checkpoint *c, const struct slots *slots,
                struct lora_report *r)
{
    struct lora_hits hits;
    if (lora_find_hits(f, c, slots, &hits, r) == 0)
        free(hits.at);
}

#define OTHER "; leave it out, or take one for this model"

int lora_refuse(const struct lora_file *f, const struct lora_report *r, const char *name,
                struct err *e)
{
    const char *family = lora_file_family(f);
    const char *made = family ? "; it was made for " : "", *what = family ? family : "";
    const char *form = lora_file_other_form(f);
    if (form && r->bare > 0 && (r->used == 0 || r->wrong * 20 >= r->modules))
        return err_set(e, "LoRA %s: holds %s, which spritty does not read", name, form);
    if (r->used == 0 && r->wrong == 0)
        return err_set(e,
                       "LoRA %s: none of its %d modules is one of this model's%s%s (its first is "
                       "%s)" OTHER,
                       name, r->modules, made, what, r->first[0]);
    if (r->used == 0 || r->wrong * 20 >= r->modules)
        return err_set(
            e, "LoRA %s: %d of its %d modules have other sizes than this model's%s%s (%s)" OTHER,
            name, r->wrong, r->modules, made, what, r->why);
    if (r->used * 2 < r->modules)
        return err_set(e,
                       "LoRA %s: only %d of its %d modules are this model's%s%s (the first that is "
                       "not: %s)" OTHER,
                       name, r->used, r->modules, made, what, r->first[0]);
    return 0;
}
