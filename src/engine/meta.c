/* Text chunks and JSON of a job; see meta.h. */
#include "engine/meta.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/digest.h"
#include "base/fileio.h"
#include "base/version.h"
#include "engine/meta_more.h"

/* ---- A1111's form ---- */

/* A value with a comma, colon or newline is JSON-quoted (A1111's infotext_utils.quote). */
static void put_value(FILE *f, const char *value)
{
    if (!strpbrk(value, ",:\n")) {
        fputs(value, f);
        return;
    }
    struct jsonw w = {0};
    jsonw_string(&w, NULL, value);
    char *quoted = jsonw_take(&w);
    fputs(quoted ? quoted : "", f);
    free(quoted);
}

/* A1111's name for the random numbers: NV are a GPU's, made on the CPU. */
static const char *rng_label(const struct gen_params *g)
{
    return g->compat == COMPAT_A1111 && g->rng != RNG_CPU ? "NV" : "CPU";
}

/* As it was typed, and for LoRAs that the setting has what stands for them in a prompt. */
static void put_prompt(FILE *f, const struct job *j, int index)
{
    fputs(j->prompts.prompt[index], f);
    for (int i = 0; i < j->loras->from_setting; i++) {
        const struct lora_item *l = &j->loras->item[i];
        fprintf(f, "%s<lora:%s:%.10g", i ? "" : " ", l->name, l->text);
        if (l->unet != l->text)
            fprintf(f, ":%.10g", l->unet);
        fputc('>', f);
    }
    fputc('\n', f);
}

/* "name: hash, other: hash", of those whose hash is known. */
static void put_lora_hashes(FILE *f, const struct job_loras *l)
{
    char *list = NULL, hash[13];
    size_t size = 0;
    FILE *to = l->count ? open_memstream(&list, &size) : NULL;
    for (int i = 0; to && i < l->count; i++) {
        lora_hash(l->path[i], hash);
        if (*hash)
            fprintf(to, "%s%s: %s", ftell(to) > 0 ? ", " : "", l->item[i].name, hash);
    }
    if (to && fclose(to) == 0 && size > 0) {
        fputs(", Lora hashes: ", f);
        put_value(f, list);
    }
    free(list);
}

char *meta_parameters(const struct job *j, const char *hash, int index)
{
    const struct gen_params *g = &j->params;
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    if (!f)
        return NULL;
    const char *negative = j->prompts.negative[index];
    put_prompt(f, j, index);
    if (*negative)
        fprintf(f, "Negative prompt: %s\n", negative);
    uint64_t seed = g->compat == COMPAT_A1111 ? g->seed + (uint64_t)index : g->seed;
    fprintf(f, "Steps: %d, Sampler: %s, Schedule type: %s, CFG scale: %g, Seed: %" PRIu64, g->steps,
            sampler_label(g->sampler), schedule_label(g->scheduler), (double)g->cfg, seed);
    fprintf(f, ", Size: %dx%d", g->width, g->height);
    if (*hash)
        fprintf(f, ", Model hash: %s", hash);
    fputs(", Model: ", f);
    put_value(f, j->model_name);
    if (g->batch > 1)
        fprintf(f, ", Batch size: %d, Batch pos: %d", g->batch, index);
    put_lora_hashes(f, j->loras);
    meta_more_parameters(f, &j->settings, j->inputs.control);
    if (j->settings.clip_skip)
        fprintf(f, ", Clip skip: %d", abs(j->settings.clip_skip));
    fprintf(f, ", RNG: %s", rng_label(g));
    if (g->compat != COMPAT_A1111) /* which A1111 leaves alone, and `spritty import` reads */
        fprintf(f, ", Compat: %s", compat_name(g->compat));
    fprintf(f, ", Version: spritty %s", SPRITTY_VERSION);
    if (fclose(f)) {
        free(text);
        return NULL;
    }
    return text;
}

/* What was recorded of a file when it was loaded down: NAME.sha256 beside it, no older than it. */
static bool recorded(const char *path, const struct stat *file, char out[11])
{
    char name[PATH_MAX + 80];
    struct stat st;
    size_t size;
    snprintf(name, sizeof name, "%s.sha256", path);
    if (stat(name, &st) || st.st_mtime < file->st_mtime)
        return false;
    char *text = file_read(name, 4096, &size, NULL);
    bool good = text && strspn(text, "0123456789abcdef") == 64;
    if (good)
        snprintf(out, 11, "%.10s", text);
    free(text);
    return good;
}

void meta_model_hash(const char *model, char out[11])
{
    static const char *const unet[] = {"", "/unet/diffusion_pytorch_model.safetensors",
                                       "/unet/diffusion_pytorch_model.fp16.safetensors"};
    enum { LIMIT = 64 << 20 };
    struct stat st;
    char path[PATH_MAX + 64], hex[65];
    out[0] = '\0';
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s%s", model, unet[i]);
        if (stat(path, &st) || !S_ISREG(st.st_mode))
            continue;
        if (!recorded(path, &st, out) && st.st_size <= LIMIT && digest_file(path, hex, NULL) == 0)
            snprintf(out, 11, "%.10s", hex);
        return;
    }
}

/* ---- JSON ---- */

/* All of them, also the prompt's, as the setting has them. */
static void put_loras(struct jsonw *w, const struct job_loras *l)
{
    char *list = NULL, one[LORA_ITEM_NAME + 64];
    size_t size;
    FILE *f = l->count ? open_memstream(&list, &size) : NULL;
    for (int i = 0; f && i < l->count; i++) {
        lora_item_print(&l->item[i], one, sizeof one);
        fprintf(f, "%s%s", i ? ", " : "", one);
    }
    if (f && fclose(f) == 0)
        jsonw_string(w, "lora", list);
    free(list);
}

/* index: of the image, or -1: of them all. What the prompts were made from is told where that is
 * something else. */
static void put_prompts(struct jsonw *w, const struct job *j, int index)
{
    const struct job_prompts *p = &j->prompts;
    const struct settings *s = &j->settings;
    bool expanded = job_prompts_expanded(p);
    int i = index < 0 ? 0 : index;
    jsonw_string(w, "prompt", p->text[i]); /* LoRAs are listed by themselves */
    jsonw_string(w, "negative", p->negative[i]);
    if (expanded) {
        jsonw_string(w, "template", p->template);
        jsonw_string(w, "negative_template", p->negative_template);
        bool own = settings_has(s, "wildcard-seed");
        jsonw_u64(w, "wildcard-seed", own ? (uint64_t)s->wildcard_seed : s->seed);
    }
    if (expanded && index < 0) {
        jsonw_open(w, "prompts", '[');
        for (i = 0; i < p->count; i++)
            jsonw_string(w, NULL, p->text[i]);
        jsonw_close(w, ']');
    }
    if (*s->styles)
        jsonw_string(w, "styles", s->styles);
    if (s->clip_skip)
        jsonw_u64(w, "clip-skip", (uint64_t)abs(s->clip_skip));
    if (j->params.empty_negative != EMPTY_AUTO)
        jsonw_string(w, "empty-negative", s->empty_negative);
}

static void put_params(struct jsonw *w, const struct job *j, const char *device,
                       const char *precision, int index)
{
    const struct gen_params *g = &j->params;
    char size[32];
    snprintf(size, sizeof size, "%dx%d", g->width, g->height);
    jsonw_open(w, "params", '{');
    put_prompts(w, j, index);
    jsonw_u64(w, "steps", (uint64_t)g->steps);
    jsonw_real(w, "cfg", (double)g->cfg, 4);
    jsonw_string(w, "size", size);
    jsonw_u64(w, "batch", (uint64_t)g->batch);
    jsonw_string(w, "sampler", sampler_name(g->sampler));
    jsonw_string(w, "scheduler", schedule_name(g->scheduler));
    if (g->sigmas && *g->sigmas)
        jsonw_string(w, "sigmas", g->sigmas);
    jsonw_string(w, "compat", compat_name(g->compat));
    jsonw_string(w, "rng", rng_name(g->rng));
    put_loras(w, j->loras);
    meta_more_json(w, &j->settings);
    jsonw_string(w, "model", j->model_name);
    jsonw_string(w, "device", device);
    jsonw_string(w, "precision", precision);
    jsonw_close(w, '}');
}

/* What was said about finishing, by whomever. */
static void put_finishing(struct jsonw *w, const struct job *j)
{
    char value[PATH_MAX];
    if (!j->finishing.wanted)
        return;
    jsonw_open(w, "finish", '{');
    for (int i = 0; settings_key(i); i++) {
        const char *name = settings_key(i)->name;
        settings_print(&j->settings, name, value, sizeof value);
        if (finishing_key(settings_key(i)) && *value)
            jsonw_string(w, name, value);
    }
    jsonw_close(w, '}');
}

static void put_times(struct jsonw *w, const struct gen_result *r, const struct job_times *t)
{
    jsonw_open(w, "ms", '{');
    if (t)
        jsonw_real(w, "total", t->total, 2);
    jsonw_real(w, "load", r->ms.load, 2);
    if (r->ms.lora > 0)
        jsonw_real(w, "lora", r->ms.lora, 2);
    jsonw_real(w, "text", r->ms.text, 2);
    if (r->ms.encode > 0)
        jsonw_real(w, "encode", r->ms.encode, 2);
    jsonw_real(w, "sample", r->ms.sample, 2);
    if (r->ms.refine > 0)
        jsonw_real(w, "refine", r->ms.refine, 2);
    if (r->ms.hires > 0)
        jsonw_real(w, "hires", r->ms.hires, 2);
    jsonw_real(w, "decode", r->ms.decode, 2);
    if (t) {
        jsonw_real(w, "finish", t->finish, 2);
        jsonw_real(w, "save", t->save, 2);
    }
    jsonw_open(w, "steps", '[');
    for (int i = 0; i < r->ms.nsteps; i++)
        jsonw_real(w, NULL, r->ms.steps[i], 2);
    jsonw_close(w, ']');
    jsonw_close(w, '}');
}

static void put_bytes(struct jsonw *w, const struct gen_result *r)
{
    jsonw_open(w, "bytes", '{');
    jsonw_u64(w, "peak", r->bytes_peak);
    jsonw_u64(w, "weights", r->bytes_weights);
    jsonw_u64(w, "activations", r->bytes_activations);
    jsonw_close(w, '}');
}

static void put_notes(struct jsonw *w, const struct notes *n)
{
    for (int i = 0; i < n->count; i++)
        jsonw_string(w, NULL, n->line[i]);
}

static void put_all(struct jsonw *w, const struct job *j, const char *device, const char *precision,
                    const struct gen_result *r, const struct job_times *t, int index)
{
    jsonw_u64(w, "seed", j->params.seed);
    put_params(w, j, device, precision, index);
    put_finishing(w, j);
    put_times(w, r, t);
    put_bytes(w, r);
    if (j->prompts.notes.count + r->notes.count == 0)
        return;
    jsonw_open(w, "notes", '[');
    put_notes(w, &j->prompts.notes);
    put_notes(w, &r->notes);
    jsonw_close(w, ']');
}

void meta_json(struct jsonw *w, const struct job *j, const struct pipeline *p,
               const struct gen_result *r, const struct job_times *t)
{
    meta_json_on(w, j, pipeline_device(p), pipeline_precision(p), r, t);
}

void meta_json_on(struct jsonw *w, const struct job *j, const char *device, const char *precision,
                  const struct gen_result *r, const struct job_times *t)
{
    put_all(w, j, device, precision, r, t, -1);
}

char *meta_chunk(const struct job *j, const struct pipeline *p, const struct gen_result *r,
                 int index)
{
    struct jsonw w = {0};
    jsonw_open(&w, NULL, '{');
    jsonw_string(&w, "version", SPRITTY_VERSION);
    jsonw_u64(&w, "index", (uint64_t)index);
    put_all(&w, j, pipeline_device(p), pipeline_precision(p), r, NULL, index);
    jsonw_close(&w, '}');
    return jsonw_take(&w);
}
