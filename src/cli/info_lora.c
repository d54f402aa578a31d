/*
 * What a LoRA is: whose names, which form, ranks and alphas, what its trainer wrote into it, and
 * how much of it a model takes. All text of the file is made safe before it is printed.
 */
#include "cli/info_lora.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fileio.h"
#include "base/json.h"
#include "base/jsonw.h"
#include "cli/options.h"
#include "engine/loras.h"
#include "sdxl/pipeline.h"

enum { TAGS_SHOWN = 12, TAGS_READ = 50000, TEXT_SHOWN = 160 };

/* ---- trigger words ---- */

struct tag {
    const char *text;
    double count;
};

struct tags {
    struct json_doc *doc; /* owns the texts */
    struct tag *at;
    int count;
};

static int by_text(const void *a, const void *b)
{
    return strcmp(((const struct tag *)a)->text, ((const struct tag *)b)->text);
}

static int by_count(const void *a, const void *b)
{
    const struct tag *x = a, *y = b;
    if (x->count != y->count)
        return x->count < y->count ? 1 : -1;
    return strcmp(x->text, y->text);
}

/* Adds up what stands in several folders. */
static void merge_tags(struct tags *t)
{
    int n = 0;
    if (t->count > 0)
        qsort(t->at, (size_t)t->count, sizeof *t->at, by_text);
    for (int i = 0; i < t->count; i++)
        if (n > 0 && strcmp(t->at[n - 1].text, t->at[i].text) == 0)
            t->at[n - 1].count += t->at[i].count;
        else
            t->at[n++] = t->at[i];
    t->count = n;
    if (n > 0)
        qsort(t->at, (size_t)n, sizeof *t->at, by_count);
}

/* ss_tag_frequency: {"folder": {"tag": count}}, most frequent first. A broken one is none. */
static struct tags read_tags(const struct safetensors *s)
{
    struct tags t = {0};
    struct err e;
    const char *text = safetensors_metadata(s, "ss_tag_frequency");
    t.doc = text ? json_parse(text, strlen(text), "ss_tag_frequency", &e) : NULL;
    t.at = t.doc ? calloc(TAGS_READ, sizeof *t.at) : NULL;
    if (!t.at)
        return t;
    for (struct json f = json_first(json_root(t.doc)); f.node; f = json_next(f))
        for (struct json v = json_first(f); v.node && t.count < TAGS_READ; v = json_next(v))
            if (json_key(v) && json_as_double(v, &t.at[t.count].count))
                t.at[t.count++].text = json_key(v);
    merge_tags(&t);
    return t;
}

static void tags_free(struct tags *t)
{
    free(t->at);
    json_free(t->doc);
}

/* ---- what the modules are ---- */

struct counts {
    int part[PART_COUNT], form[FORM_COUNT], dora;
    int64_t rank[2]; /* least and most */
    double alpha[2];
};

static struct counts count_modules(const struct lora_file *f)
{
    struct counts c = {.rank = {INT64_MAX, 0}, .alpha = {1e300, -1e300}};
    for (int i = 0; i < lora_file_count(f); i++) {
        const struct lora_module *m = lora_file_at(f, i);
        c.part[m->part]++;
        c.form[m->form]++;
        c.dora += m->tensor[LORA_DORA] || m->tensor[LORA_MAGNITUDE];
        if (m->rank == 0)
            continue;
        c.rank[0] = m->rank < c.rank[0] ? m->rank : c.rank[0];
        c.rank[1] = m->rank > c.rank[1] ? m->rank : c.rank[1];
        c.alpha[0] = m->alpha < c.alpha[0] ? m->alpha : c.alpha[0];
        c.alpha[1] = m->alpha > c.alpha[1] ? m->alpha : c.alpha[1];
    }
    return c;
}

static void sizes(const struct safetensors *s, int64_t *parameters, int64_t *bytes)
{
    *parameters = *bytes = 0;
    for (int i = 0; i < safetensors_count(s); i++) {
        *parameters += safetensors_at(s, i)->count;
        *bytes += (int64_t)safetensors_at(s, i)->bytes;
    }
}

/* ---- as a table ---- */

static void safe_line(const char *label, const char *text)
{
    char copy[TEXT_SHOWN + 8];
    if (!text || !*text || !strcmp(text, "None"))
        return;
    snprintf(copy, sizeof copy, "%.*s", TEXT_SHOWN, text);
    text_sanitize(copy);
    printf("  %-14s %s%s\n", label, copy, strlen(text) > TEXT_SHOWN ? "..." : "");
}

static void print_forms(const struct counts *c)
{
    char line[200] = "";
    for (int i = FORM_LORA; i < FORM_COUNT; i++)
        if (c->form[i])
            snprintf(line + strlen(line), sizeof line - strlen(line), "%s%s of %d modules",
                     *line ? ", " : "", lora_form_name((enum lora_form)i), c->form[i]);
    if (c->dora)
        snprintf(line + strlen(line), sizeof line - strlen(line), ", %d of them with DoRA",
                 c->dora);
    printf("  %-14s %s\n", "form", line);
    if (c->rank[1] == 0)
        return;
    printf("  %-14s %lld", "rank", (long long)c->rank[0]);
    if (c->rank[1] != c->rank[0])
        printf(" to %lld", (long long)c->rank[1]);
    printf(", alpha %g", c->alpha[0]);
    if (c->alpha[1] != c->alpha[0])
        printf(" to %g", c->alpha[1]);
    printf("\n  %-14s UNet %d, text encoders %d and %d\n", "modules", c->part[PART_UNET],
           c->part[PART_TEXT1], c->part[PART_TEXT2]);
}

static void print_metadata(const struct safetensors *s)
{
    static const char *const told[][2] = {
        {"title", "modelspec.title"},
        {"trained as", "ss_output_name"},
        {"base model", "ss_base_model_version"},
        {"", "ss_sd_model_name"},
        {"architecture", "modelspec.architecture"},
        {"author", "modelspec.author"},
        {"license", "modelspec.license"},
        {"trigger", "modelspec.trigger_phrase"},
        {"resolution", "ss_resolution"},
        {"pictures", "ss_num_train_images"},
        {"comment", "ss_training_comment"},
    };
    for (size_t i = 0; i < sizeof told / sizeof *told; i++)
        safe_line(told[i][0], safetensors_metadata(s, told[i][1]));
}

static void print_tags(const struct tags *t)
{
    for (int i = 0; i < t->count && i < TAGS_SHOWN; i++) {
        char copy[80];
        snprintf(copy, sizeof copy, "%.70s", t->at[i].text);
        text_sanitize(copy);
        printf(i ? "%-2s%s (%g)" : "  %-14s %s (%g)", i ? "," : "captions", copy, t->at[i].count);
    }
    if (t->count > 0)
        printf("%s\n", t->count > TAGS_SHOWN ? ", ..." : "");
}

static void print_match(const char *model, const struct lora_report *r, int refused,
                        const struct err *why)
{
    char safe[512];
    printf("\n  in %s: %d of %d modules", text_shown(model, safe, sizeof safe), r->used,
           r->modules);
    if (r->wrong)
        printf(", %d of other sizes (%s)", r->wrong, r->why);
    for (int i = 0; i < r->unmatched && i < 8; i++)
        printf("%s%s", i ? ", " : "; not in it: ", r->first[i]);
    printf("%s\n", r->unmatched > 8 ? ", ..." : "");
    if (refused)
        printf("  it would be refused: %s\n", why->text);
}

static void table(const struct lora_file *f, const struct tags *tags)
{
    const struct safetensors *s = lora_file_tensors(f);
    struct counts c = count_modules(f);
    const char *family = lora_file_family(f), *unknown[8];
    char hash[13];
    int64_t parameters, bytes;
    sizes(s, &parameters, &bytes);
    char path[512];
    printf("%s, LoRA in %s's naming\n\n", text_shown(lora_file_path(f), path, sizeof path),
           lora_file_naming(f));
    print_forms(&c);
    safe_line("made for", family);
    printf("  %-14s %lld parameters, %.1f MB\n", "size", (long long)parameters,
           (double)bytes / 1e6);
    print_metadata(s);
    print_tags(tags);
    lora_hash(lora_file_path(f), hash);
    safe_line("hash", hash);
    int others = lora_file_unknown(f, unknown, 8);
    for (int i = 0; i < others && i < 8; i++)
        printf("  %-14s %s\n", i ? "" : "not known", unknown[i]);
}

/* ---- as JSON ---- */

static void json_match(struct jsonw *w, const struct lora_report *r, int refused,
                       const struct err *why)
{
    jsonw_open(w, "match", '{');
    jsonw_u64(w, "modules", (uint64_t)r->modules);
    jsonw_u64(w, "used", (uint64_t)r->used);
    jsonw_u64(w, "other_sizes", (uint64_t)r->wrong);
    jsonw_u64(w, "unmatched", (uint64_t)r->unmatched);
    jsonw_open(w, "unmatched_names", '[');
    for (int i = 0; i < r->unmatched && i < 8; i++)
        jsonw_string(w, NULL, r->first[i]);
    jsonw_close(w, ']');
    jsonw_string(w, "refused", refused ? why->text : NULL);
    jsonw_close(w, '}');
}

static void json_members(struct jsonw *w, const struct lora_file *f, const struct tags *tags)
{
    static const char *const told[] = {"ss_output_name",         "ss_base_model_version",
                                       "ss_sd_model_name",       "modelspec.title",
                                       "modelspec.architecture", "modelspec.trigger_phrase",
                                       "modelspec.author",       "modelspec.license"};
    static const char *const part[] = {"text_encoder", "text_encoder_2", "unet"};
    const struct safetensors *s = lora_file_tensors(f);
    struct counts c = count_modules(f);
    char hash[13];
    int64_t parameters, bytes;
    sizes(s, &parameters, &bytes);
    jsonw_string(w, "kind", "LoRA");
    jsonw_string(w, "path", lora_file_path(f));
    jsonw_string(w, "naming", lora_file_naming(f));
    jsonw_string(w, "made_for", lora_file_family(f));
    jsonw_u64(w, "parameters", (uint64_t)parameters);
    jsonw_u64(w, "bytes", (uint64_t)bytes);
    jsonw_open(w, "forms", '{');
    for (int i = FORM_LORA; i < FORM_COUNT; i++)
        if (c.form[i])
            jsonw_u64(w, lora_form_name((enum lora_form)i), (uint64_t)c.form[i]);
    jsonw_close(w, '}');
    jsonw_u64(w, "dora", (uint64_t)c.dora);
    jsonw_open(w, "modules", '{');
    for (int i = 0; i < 3; i++)
        jsonw_u64(w, part[i], (uint64_t)c.part[i]);
    jsonw_close(w, '}');
    jsonw_open(w, "rank", '[');
    for (int i = 0; i < 2 && c.rank[1] > 0; i++)
        jsonw_u64(w, NULL, (uint64_t)c.rank[i]);
    jsonw_close(w, ']');
    jsonw_open(w, "alpha", '[');
    for (int i = 0; i < 2 && c.rank[1] > 0; i++)
        jsonw_real(w, NULL, c.alpha[i], 6);
    jsonw_close(w, ']');
    lora_hash(lora_file_path(f), hash);
    jsonw_string(w, "hash", *hash ? hash : NULL);
    jsonw_open(w, "metadata", '{');
    for (size_t i = 0; i < sizeof told / sizeof *told; i++)
        if (safetensors_metadata(s, told[i]))
            jsonw_string(w, told[i], safetensors_metadata(s, told[i]));
    jsonw_close(w, '}');
    jsonw_open(w, "captions", '[');
    for (int i = 0; i < tags->count && i < TAGS_SHOWN; i++)
        jsonw_string(w, NULL, tags->at[i].text);
    jsonw_close(w, ']');
}

/* ---- both ---- */

struct matched {
    struct lora_report report;
    int refused;
    struct err why;
};

static int tell(const struct lora_file *f, const char *model, const struct matched *m, bool json,
                struct err *e)
{
    struct tags tags = read_tags(lora_file_tensors(f));
    struct jsonw w = {0};
    int rc = 0;
    if (json) {
        jsonw_open(&w, NULL, '{');
        json_members(&w, f, &tags);
        if (model)
            json_match(&w, &m->report, m->refused, &m->why);
        jsonw_close(&w, '}');
        rc = cli_put_json(&w, e);
    } else {
        table(f, &tags);
        if (model)
            print_match(model, &m->report, m->refused, &m->why);
    }
    tags_free(&tags);
    return rc;
}

int info_lora(const char *path, const char *model, bool json, struct err *e)
{
    struct matched m = {.why = {""}};
    struct lora_file *f = lora_file_open(path, e);
    if (!f)
        return -1;
    int rc = model ? pipeline_match_lora(model, f, &m.report, e) : 0;
    if (rc == 0 && model)
        m.refused = lora_refuse(f, &m.report, file_name_of(path), &m.why);
    if (rc == 0)
        rc = tell(f, model, &m, json, e);
    lora_file_close(f);
    return rc;
}
