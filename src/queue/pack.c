/* The sender's half of pack.h. */
#include "queue/pack.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fileio.h"
#include "base/jsonw.h"
#include "base/digest.h"
#include "engine/job.h"
#include "engine/job_text.h"
#include "queue/model_hash.h"
#include "sprite/palette.h"

enum { HASH_GOOD_MS = 2000 };

struct packing {
    struct packer *packer;
    const struct command *command;
    struct packed *out;
    struct settings said; /* everything, as it will travel */
    struct job job;
};

/* ---- files ---- */

/* "in:2", and the file of that number read. */
static int send_file(struct packing *p, const char *key, const char *path, char place[16],
                     struct err *e)
{
    struct queue_message *m = &p->out->message;
    if (m->files == QUEUE_INPUTS)
        return err_set(e, "through a queue go at most %d files a job", QUEUE_INPUTS);
    struct queue_file *f = &m->file[m->files];
    void *data = file_read(path, QUEUE_INPUT_MAX, &f->size, e);
    if (!data)
        return err_prefix(e, "%s (through a queue go files of up to %d MiB)", key,
                          QUEUE_INPUT_MAX >> 20);
    const char *dot = strrchr(file_name_of(path), '.');
    size_t n = 0;
    snprintf(f->name, sizeof f->name, "%s-%d", key, m->files);
    n = strlen(f->name);
    for (const char *c = dot ? dot : ""; *c && n < 40 && (isalnum((unsigned char)*c) || c == dot);
         c++)
        f->name[n++] = *c;
    f->name[n] = '\0';
    f->data = p->out->data[m->files] = data;
    snprintf(place, 16, "in:%d", m->files++);
    return 0;
}

static bool is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static bool ships(const char *palette)
{
    const char *name = NULL;
    for (int i = 0; (name = palette_shipped_name(i)) && strcmp(name, palette) != 0;)
        i++;
    return name != NULL;
}

/* Palettes that ship go by name, whatever files are called: as palette_load has it. */
static int send_palette(struct packing *p, const char *name, char out[300], struct err *e)
{
    char place[16];
    snprintf(out, 300, "%s", name);
    if (ships(name))
        return 0;
    if (strlen(name) > 255 || (!is_file(name) && strchr(name, '/')))
        return err_set(e, "palette: there is no file '%.200s'", name);
    if (send_file(p, "palette", name, place, e))
        return -1;
    snprintf(out, 300, "%s", place);
    return 0;
}

static int send_swap(struct packing *p, const char *swap, struct err *e)
{
    char *from = strdup(swap), *to = from ? strchr(from, '=') : NULL;
    char a[300] = "", b[300] = "", both[604];
    int rc = to ? 0 : err_set(e, "swap: out of memory");
    if (to)
        *to++ = '\0';
    if (!rc)
        rc = send_palette(p, from, a, e) || send_palette(p, to, b, e);
    snprintf(both, sizeof both, "%s=%s", a, b);
    free(from);
    return rc ? -1 : settings_set(&p->said, "swap", both, e);
}

static const char *text_of(const struct packing *p, const char *key)
{
    const char *text = settings_text(&p->said, key);
    return text && *text ? text : NULL;
}

static int send_files(struct packing *p, struct err *e)
{
    static const char *const pictures[] = {"image", "mask", "control-image"};
    char place[16], palette[300];
    for (int i = 0; i < 3; i++)
        if (text_of(p, pictures[i]) &&
            (send_file(p, pictures[i], text_of(p, pictures[i]), place, e) ||
             settings_set(&p->said, pictures[i], place, e)))
            return -1;
    if (text_of(p, "palette") && (send_palette(p, text_of(p, "palette"), palette, e) ||
                                  settings_set(&p->said, "palette", palette, e)))
        return -1;
    return text_of(p, "swap") ? send_swap(p, text_of(p, "swap"), e) : 0;
}

/* ---- what the worker has to have ---- */

bool goes_by_name(const char *name)
{
    static const char ending[] = ".safetensors";
    size_t n = strlen(name), m = sizeof ending - 1;
    return n > 0 && n < 200 && !strpbrk(name, "/\\") && *name != '.' &&
           !(n >= m && !strcmp(name + n - m, ending));
}

static int need(struct jsonw *w, const char *key, const char *name, const char *path, struct err *e)
{
    char hash[65];
    if (model_hash(path, hash, e))
        return -1;
    jsonw_open(w, key, '{');
    jsonw_string(w, "name", name);
    jsonw_string(w, "sha256", hash);
    jsonw_close(w, '}');
    return 0;
}

/* "~/vae/nice.safetensors" is "nice" everywhere, and so is the folder "~/vae/nice/". */
static const char *stem(const char *path, char out[200])
{
    char bare[PATH_MAX];
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    snprintf(bare, sizeof bare, "%.*s", (int)n, path);
    snprintf(out, 200, "%s", file_name_of(bare));
    char *end = strstr(out, ".safetensors");
    if (end)
        *end = '\0';
    return out;
}

static int need_embeddings(struct packing *p, struct jsonw *w, struct err *e)
{
    struct embeddings used;
    struct pipeline_options o = p->job.options;
    o.device = "cpu";
    int rc = pipeline_embeddings(p->job.model, &o, &p->job.params, &used, e);
    jsonw_open(w, "embeddings", '[');
    for (int i = 0; !rc && i < used.count; i++)
        if (embedding_used(&used.at[i]))
            rc = need(w, NULL, used.at[i].name, used.at[i].path, e);
    jsonw_close(w, ']');
    embeddings_free(&used);
    return rc;
}

static int needs(struct packing *p, struct err *e)
{
    const struct job *j = &p->job;
    struct jsonw w = {0};
    char name[200];
    int rc = 0;
    jsonw_open(&w, NULL, '{');
    jsonw_open(&w, "loras", '[');
    for (int i = 0; !rc && i < j->loras->count; i++) {
        const char *lora = j->loras->item[i].name;
        if (!goes_by_name(lora))
            rc = err_set(e,
                         "lora: through a queue they go by name, not as a path ('%.100s'); put "
                         "the file into ~/.local/share/spritty/loras, here and there",
                         lora);
        else
            rc = need(&w, NULL, lora, j->loras->path[i], e);
    }
    jsonw_close(&w, ']');
    rc = rc ? rc : need_embeddings(p, &w, e);
    if (!rc && *j->inputs.vae)
        rc = need(&w, "vae", stem(j->inputs.vae, name), j->inputs.vae, e);
    if (!rc && *j->inputs.refiner)
        rc = need(&w, "refiner", stem(j->inputs.refiner, name), j->inputs.refiner, e);
    if (!rc && *j->inputs.control)
        rc = need(&w, "control", stem(j->inputs.control, name), j->inputs.control, e);
    jsonw_close(&w, '}');
    p->out->needs = jsonw_take(&w);
    return rc || p->out->needs ? rc : err_set(e, "out of memory");
}

/* ---- the text ---- */

static bool all_equal(char *const *text, int n)
{
    for (int i = 1; i < n; i++)
        if (strcmp(text[0], text[i]) != 0)
            return false;
    return true;
}

/* Templates are expanded here, where their wildcards are; what each picture of a batch has
 * differently is expanded there, which wildcards (files) cannot be. */
static int put_prompts(struct packing *p, struct job_text *t, struct err *e)
{
    const struct job_prompts *o = &p->job.prompts;
    bool same = all_equal(o->prompt, o->count) && all_equal(o->negative, o->count);
    if (!same && (strstr(o->template, "__") || strstr(o->negative_template, "__")))
        return err_set(e, "wildcards that differ in the pictures of a batch cannot go through a "
                          "queue: ask for them one by one (batch = 1)");
    if (settings_set(&p->said, "negative", same ? o->negative[0] : o->negative_template, e) ||
        settings_set(&p->said, "dynamic", same ? "no" : "yes", e) ||
        settings_set(&p->said, "styles", "", e))
        return -1;
    t->prompt = strdup(same ? o->prompt[0] : o->template);
    return t->prompt ? 0 : err_set(e, "out of memory");
}

static int write_text(struct packing *p, struct err *e)
{
    static const char *const stay[] = {"device", "threads", "tokenizer", "output",
                                       "prompt", "vae",     "refiner",   "control"};
    struct job_text t = {0};
    char seed[24];
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)p->job.params.seed);
    int rc = put_prompts(p, &t, e) || settings_set(&p->said, "seed", seed, e) ||
             settings_set(&p->said, "model", p->job.model_name, e);
    for (size_t i = 0; i < sizeof stay / sizeof *stay; i++)
        settings_unset(&p->said, stay[i]);
    t.settings = p->said;
    if (!rc && !(p->out->job = job_text_print(&t)))
        rc = err_set(e, "out of memory");
    free(t.prompt);
    return rc ? -1 : 0;
}

/* ---- memory ---- */

/* What a forecast depends on: all but texts and the seed. */
static char *plan_key(const struct packing *p)
{
    static const char *const not [] = {"prompt", "negative", "seed", "wildcard_seed", "output"};
    struct settings s = {0};
    struct err e;
    char *key = NULL, *all = NULL;
    if (settings_fill(&s, &p->said, &e) == 0) {
        for (size_t i = 0; i < sizeof not / sizeof *not ; i++)
            settings_unset(&s, not [i]);
        all = settings_to_text(&s);
    }
    /* Chunks of 75 tokens: a long prompt takes more memory. */
    size_t length = strlen(p->job.prompt);
    if (all && asprintf(&key, "%s\n%zu\n%s", p->job.model, length / 100, all) < 0)
        key = NULL;
    free(all);
    settings_free(&s);
    return key;
}

/* In two bytes a weight where the precision is the worker's to choose: the least that will do. */
static int class_of(struct packing *p, struct err *e)
{
    struct packer *r = p->packer;
    struct plan_result plan = {0};
    struct pipeline_options o = p->job.options;
    char *key = plan_key(p);
    if (key && r->planned && !strcmp(key, r->planned)) {
        free(key);
        p->out->class = r->class;
        return 0;
    }
    bool said = strcmp(o.precision, "fp32") == 0;
    o.device = "cpu";
    o.precision = said ? "fp32" : "bf16";
    int rc = pipeline_plan(p->job.model, &o, &p->job.params, &plan, e);
    notes_free(&plan.notes);
    p->out->class = rc ? 0 : queue_class_of(plan.bytes_peak);
    if (!rc && p->out->class == 0)
        rc = err_set(e, "the job needs %.0f GB: no worker has so much",
                     (double)plan.bytes_peak / 1e9);
    free(r->planned);
    r->planned = rc ? (free(key), NULL) : key;
    r->class = p->out->class;
    return rc;
}

/* ---- all of it ---- */

static int find_hash(struct packing *p, struct err *e)
{
    struct packer *r = p->packer;
    if (strcmp(r->path, p->job.model) != 0 || clock_ms() - r->hashed_at > HASH_GOOD_MS) {
        if (model_hash(p->job.model, r->hash, e))
            return -1;
        snprintf(r->path, sizeof r->path, "%s", p->job.model);
        r->hashed_at = clock_ms();
    }
    snprintf(p->out->message.model, sizeof p->out->message.model, "%s", r->hash);
    return 0;
}

/* From what the user said, not from what came of it: a seed that was drawn changes nothing. What
 * files hold counts, not what they are called: a result must not be that of a picture before it was
 * edited. */
static int name_job(struct packing *p, struct err *e)
{
    const struct command *c = p->command;
    char row[32], hex[65], *text = settings_to_text(&c->settings);
    const struct queue_message *m = &p->out->message;
    const char *parts[] = {"spritty queue job 2",
                           p->packer->client,
                           p->packer->store,
                           row,
                           c->words,
                           c->preset,
                           m->model,
                           text,
                           p->out->needs};
    struct digest h;
    if (!text)
        return err_set(e, "out of memory");
    snprintf(row, sizeof row, "%lld", (long long)c->job);
    digest_start(&h, DIGEST_SHA256);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (parts[i])
            digest_add(&h, parts[i], strlen(parts[i]) + 1);
        else
            digest_add(&h, "\1", 2);
    for (int i = 0; i < m->files; i++) {
        char sha[65];
        digest_of(m->file[i].data, m->file[i].size, sha);
        digest_add(&h, sha, sizeof sha);
    }
    digest_hex(&h, hex);
    free(text);
    snprintf(p->out->message.id, sizeof p->out->message.id, "%.32s", hex);
    return 0;
}

/* All layers in one, and of what no layer says, what that means: else the worker's config files
 * would say it. */
static int settle(struct packing *p, struct err *e)
{
    static const char *const silent[] = {"negative", "image", "mask", "lora", "control-image"};
    const struct command *c = p->command;
    if (job_prepare(&p->job, &c->settings, c->preset, c->words ? c->words : "", e) ||
        settings_fill(&p->said, &p->job.settings, e))
        return -1;
    for (size_t i = 0; i < sizeof silent / sizeof *silent; i++)
        if (!settings_has(&p->said, silent[i]) && settings_set(&p->said, silent[i], "", e))
            return -1;
    if (!settings_has(&p->said, "raw") && settings_set(&p->said, "raw", "no", e))
        return -1;
    return finishing_fill(&p->said, e);
}

static int pack(struct packing *p, struct err *e)
{
    if (settle(p, e))
        return -1;
    snprintf(p->out->model, sizeof p->out->model, "%s", p->job.model_name);
    p->out->pictures = p->job.params.batch;
    return find_hash(p, e) || class_of(p, e) || needs(p, e) || send_files(p, e) || name_job(p, e) ||
                   write_text(p, e)
               ? -1
               : 0;
}

int job_pack(struct packer *r, const struct command *c, struct packed *out, struct err *e)
{
    struct packing *p = calloc(1, sizeof *p);
    *out = (struct packed){0};
    if (!p)
        return err_set(e, "out of memory");
    p->packer = r;
    p->command = c;
    p->out = out;
    int rc = pack(p, e);
    out->message.job = out->job;
    out->message.job_size = out->job ? strlen(out->job) : 0;
    out->message.needs = out->needs;
    out->message.needs_size = out->needs ? strlen(out->needs) : 0;
    settings_free(&p->said);
    job_free(&p->job);
    free(p);
    return rc;
}

void packed_free(struct packed *p)
{
    for (int i = 0; i < QUEUE_INPUTS; i++)
        free(p->data[i]);
    free(p->job);
    free(p->needs);
    *p = (struct packed){0};
}

void packer_free(struct packer *r)
{
    free(r->planned);
    r->planned = NULL;
}
