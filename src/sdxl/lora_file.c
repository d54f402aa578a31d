/* Tensors of a LoRA file to modules; see lora_file.h. */
#include "sdxl/lora_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fileio.h"
#include "ops/half.h"
#include "sdxl/lora_names.h"
#include "sdxl/lora_widen.h"

struct lora_file {
    struct safetensors *st;
    struct json_doc *config; /* adapter_config.json, or the header's own; or NULL */
    char *names;             /* of all modules */
    struct lora_module *module;
    int count;
    struct st_tensor *wide; /* tensors in types that weights have; their data is ours */
    int wides;
    int *unknown; /* indices of tensors */
    int unknowns;
    int by_naming[NAMING_COUNT];
};

const char *lora_form_name(enum lora_form form)
{
    static const char *const name[FORM_COUNT] = {"none", "LoRA", "LoHa", "LoKr", "full difference"};
    return name[form];
}

/* -- tensors to modules -- */

/* A tensor with its key read. */
struct entry {
    struct lora_key key;
    const struct st_tensor *tensor;
};

static int by_module(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->key.part != y->key.part)
        return (int)x->key.part - (int)y->key.part;
    int order = strcmp(x->key.name, y->key.name);
    return order ? order : (int)x->key.role - (int)y->key.role;
}

static int put_entry(struct lora_file *f, const struct entry *e, struct err *err)
{
    struct lora_module *m = f->count > 0 ? &f->module[f->count - 1] : NULL;
    if (!m || m->part != e->key.part || strcmp(m->name, e->key.name) != 0) {
        m = &f->module[f->count++];
        size_t len = strlen(e->key.name) + 1;
        m->part = e->key.part;
        m->name = memcpy(f->names, e->key.name, len);
        f->names += len;
    }
    const struct st_tensor **at = &m->tensor[e->key.role];
    if (*at)
        return err_set(err, "%s: %s and %s are the same tensor under two names",
                       safetensors_path(f->st), (*at)->name, e->tensor->name);
    *at = e->tensor;
    return 0;
}

static int group(struct lora_file *f, const struct entry *list, int count, struct err *e)
{
    size_t bytes = 1;
    for (int i = 0; i < count; i++)
        bytes += strlen(list[i].key.name) + 1;
    char *names = malloc(bytes);
    f->names = names;
    f->module = calloc((size_t)count + 1, sizeof *f->module);
    if (!names || !f->module)
        return err_set(e, "%s: no memory for its modules", safetensors_path(f->st));
    int rc = 0;
    for (int i = 0; i < count && rc == 0; i++)
        rc = put_entry(f, &list[i], e);
    f->names = names; /* to be freed */
    return rc;
}

/* The tensor that merging reads in the place of the file's; NULL without memory. */
static const struct st_tensor *readable(struct lora_file *f, const struct st_tensor *t)
{
    if (!lora_is_narrow(t))
        return t;
    struct st_tensor *wide = &f->wide[f->wides];
    if (!lora_widen(t, wide))
        return NULL;
    f->wides++;
    return wide;
}

static int narrow_tensors(const struct safetensors *st)
{
    int n = 0, total = safetensors_count(st);
    for (int i = 0; i < total; i++)
        n += lora_is_narrow(safetensors_at(st, i));
    return n;
}

static int read_keys(struct lora_file *f, struct err *e)
{
    int total = safetensors_count(f->st), count = 0;
    struct entry *list = calloc((size_t)total + 1, sizeof *list);
    f->unknown = calloc((size_t)total + 1, sizeof *f->unknown);
    f->wide = calloc((size_t)narrow_tensors(f->st) + 1, sizeof *f->wide);
    if (!list || !f->unknown || !f->wide) {
        free(list);
        return err_set(e, "%s: no memory for its names", safetensors_path(f->st));
    }
    for (int i = 0; i < total; i++) {
        const struct st_tensor *t = safetensors_at(f->st, i);
        if (!lora_key_read(t->name, &list[count].key))
            f->unknown[f->unknowns++] = i;
        else if (!(list[count].tensor = readable(f, t)))
            break;
        else
            f->by_naming[list[count++].key.naming]++;
    }
    bool all = count + f->unknowns == total;
    qsort(list, (size_t)count, sizeof *list, by_module);
    int rc = all ? group(f, list, count, e)
                 : err_set(e, "%s: no memory for its tensors", safetensors_path(f->st));
    free(list);
    return rc;
}

/* -- what a module is -- */

/* One number of any float type or a whole one. */
static bool scalar(const struct st_tensor *t, double *out)
{
    uint16_t h;
    float f;
    int64_t n = 0;
    if (t->count != 1)
        return false;
    if (!strcmp(t->type, "F32") && t->bytes == 4) {
        memcpy(&f, t->data, 4);
        *out = (double)f;
    } else if (!strcmp(t->type, "F64") && t->bytes == 8) {
        memcpy(out, t->data, 8);
    } else if ((!strcmp(t->type, "F16") || !strcmp(t->type, "BF16")) && t->bytes == 2) {
        memcpy(&h, t->data, 2);
        *out = (double)(t->type[0] == 'F' ? f32_from_f16(h) : f32_from_bf16(h));
    } else if ((!strcmp(t->type, "I64") && t->bytes == 8) ||
               (!strcmp(t->type, "I32") && t->bytes == 4)) {
        memcpy(&n, t->data, (size_t)t->bytes); /* little-endian, as the file */
        *out = t->bytes == 4 ? (double)(int32_t)n : (double)n;
    } else {
        return false;
    }
    return isfinite(*out);
}

static enum lora_form form_of(const struct lora_module *m)
{
    const struct st_tensor *const *t = m->tensor;
    if (t[LORA_DOWN] || t[LORA_UP])
        return FORM_LORA;
    if (t[HADA_W1A] || t[HADA_W1B])
        return FORM_LOHA;
    if (t[LOKR_W1] || t[LOKR_W1A] || t[LOKR_W2] || t[LOKR_W2A])
        return FORM_LOKR;
    if (t[LORA_DIFF] || t[LORA_DIFF_B])
        return FORM_DIFF;
    return FORM_NONE;
}

static int64_t rank_of(const struct lora_module *m)
{
    const struct st_tensor *const *t = m->tensor;
    const struct st_tensor *d = NULL;
    if (m->form == FORM_LORA)
        d = t[LORA_DOWN]; /* also with a mid: alpha is over down's rank, as in ComfyUI */
    else if (m->form == FORM_LOHA)
        d = t[HADA_W1B];
    else if (m->form == FORM_LOKR) /* of w2 where both are products, as in ComfyUI */
        d = !t[LOKR_W2] ? t[LOKR_W2B] : !t[LOKR_W1] ? t[LOKR_W1B] : NULL;
    return d && d->rank > 0 ? d->dim[0] : 0;
}

/* Rank and alpha as peft's configuration has them for a module; see lora_names.h. */
static void set_scale(struct lora_file *f, struct lora_module *m)
{
    struct peft_scale peft;
    m->alpha = (double)m->rank;
    m->scale = 1;
    if (m->has_alpha && scalar(m->tensor[LORA_ALPHA], &m->alpha)) {
        m->scale = m->rank > 0 ? m->alpha / (double)m->rank : 1;
    } else if (f->config && m->form != FORM_DIFF &&
               lora_peft_scale(json_root(f->config), m->part, m->name, m->rank, &peft)) {
        m->alpha = peft.alpha;
        m->scale = peft.scale;
    }
}

static int settle_module(struct lora_file *f, struct lora_module *m, struct err *e)
{
    const struct st_tensor *alpha = m->tensor[LORA_ALPHA];
    double value;
    m->form = form_of(m);
    m->rank = rank_of(m);
    m->has_alpha = alpha != NULL;
    if (alpha && !scalar(alpha, &value))
        return err_set(e, "%s: %s is no number", safetensors_path(f->st), alpha->name);
    set_scale(f, m);
    return 0;
}

/* -- the whole file -- */

/* What a file is that has no LoRA in it. */
static int refuse(const struct lora_file *f, struct err *e)
{
    const char *path = safetensors_path(f->st);
    if (safetensors_prefix(f->st, "model.diffusion_model.", NULL) > 0 ||
        safetensors_prefix(f->st, "first_stage_model.", NULL) > 0 ||
        safetensors_find(f->st, "conv_in.weight"))
        return err_set(e, "%s: is a whole model, not a LoRA; give it with -m", path);
    if (safetensors_find(f->st, "emb_params") || safetensors_find(f->st, "clip_g"))
        return err_set(e, "%s: is a textual inversion, not a LoRA", path);
    const char *form = lora_file_other_form(f);
    if (form)
        return err_set(e, "%s: holds %s, which spritty does not read, and no LoRA besides", path,
                       form);
    if (f->unknowns > 0)
        return err_set(e, "%s: is no LoRA that spritty knows; its first tensor is %s", path,
                       safetensors_at(f->st, f->unknown[0])->name);
    return err_set(e, "%s: is no LoRA: it is empty", path);
}

static int settle(struct lora_file *f, struct err *e)
{
    int useful = 0;
    for (int i = 0; i < f->count; i++) {
        if (settle_module(f, &f->module[i], e) < 0)
            return -1;
        useful += f->module[i].form != FORM_NONE;
    }
    return useful ? 0 : refuse(f, e);
}

/* The configuration of peft: beside adapter_model.safetensors, or in diffusers' header. */
static int find_config(struct lora_file *f, const char *path, struct err *e)
{
    char beside[4096];
    const char *inside = safetensors_metadata(f->st, "lora_adapter_metadata");
    const char *name = file_name_of(path);
    if (inside) {
        f->config = json_parse(inside, strlen(inside), path, e);
        return f->config ? 0 : err_prefix(e, "its lora_adapter_metadata");
    }
    if (strcmp(name, "adapter_model.safetensors") != 0)
        return 0;
    int n = snprintf(beside, sizeof beside, "%.*sadapter_config.json", (int)(name - path), path);
    FILE *there = n > 0 && n < (int)sizeof beside ? fopen(beside, "rbe") : NULL;
    if (!there)
        return 0;
    fclose(there);
    return (f->config = json_load(beside, 1 << 20, e)) ? 0 : -1;
}

static struct lora_file *understand(struct safetensors *st, const char *path, const char *config,
                                    struct err *e)
{
    struct lora_file *f = st ? calloc(1, sizeof *f) : NULL;
    if (!f) {
        if (st)
            err_set(e, "%s: no memory", path);
        safetensors_close(st);
        return NULL;
    }
    f->st = st;
    int rc = 0;
    if (config)
        rc = (f->config = json_parse(config, strlen(config), "adapter_config.json", e)) ? 0 : -1;
    else
        rc = find_config(f, path, e);
    if (rc < 0 || read_keys(f, e) < 0 || settle(f, e) < 0) {
        lora_file_close(f);
        return NULL;
    }
    return f;
}

struct lora_file *lora_file_open(const char *path, struct err *e)
{
    return understand(safetensors_open(path, e), path, NULL, e);
}

struct lora_file *lora_file_parse(const void *data, size_t size, const char *name,
                                  const char *config, struct err *e)
{
    return understand(safetensors_parse(data, size, name, e), name, config, e);
}

void lora_file_close(struct lora_file *f)
{
    if (!f)
        return;
    safetensors_close(f->st);
    json_free(f->config);
    for (int i = 0; i < f->wides; i++)
        free((void *)f->wide[i].data);
    free(f->wide);
    free(f->names);
    free(f->module);
    free(f->unknown);
    free(f);
}

/* -- asking -- */

const char *lora_file_path(const struct lora_file *f)
{
    return safetensors_path(f->st);
}

const struct safetensors *lora_file_tensors(const struct lora_file *f)
{
    return f->st;
}

int lora_file_count(const struct lora_file *f)
{
    return f->count;
}

const struct lora_module *lora_file_at(const struct lora_file *f, int i)
{
    assert(i >= 0 && i < f->count);
    return &f->module[i];
}

int lora_file_find(const struct lora_file *f, enum part part, const char *name)
{
    int low = 0, high = f->count;
    while (low < high) {
        int mid = low + (high - low) / 2;
        const struct lora_module *m = &f->module[mid];
        int order = m->part != part ? (int)m->part - (int)part : strcmp(m->name, name);
        if (order == 0)
            return mid;
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return -1;
}

int lora_file_unknown(const struct lora_file *f, const char **names, int max)
{
    for (int i = 0; i < f->unknowns && i < max; i++)
        names[i] = safetensors_at(f->st, f->unknown[i])->name;
    return f->unknowns;
}

const char *lora_file_other_form(const struct lora_file *f)
{
    const char *form = NULL;
    for (int i = 0; i < f->unknowns && !form; i++)
        form = lora_other_form(safetensors_at(f->st, f->unknown[i])->name);
    return form;
}

const char *lora_file_naming(const struct lora_file *f)
{
    static const char *const name[NAMING_COUNT] = {"kohya", "diffusers", "peft", "original"};
    int best = 0;
    for (int i = 1; i < NAMING_COUNT; i++)
        if (f->by_naming[i] > f->by_naming[best])
            best = i;
    return name[best];
}

/* -- what it was made for -- */

/* Inputs of the module's difference; 0: not to be told. */
static int64_t inputs_of(const struct lora_module *m)
{
    const struct st_tensor *t = m->form == FORM_LORA   ? m->tensor[LORA_DOWN]
                                : m->form == FORM_LOHA ? m->tensor[HADA_W1B]
                                : m->form == FORM_DIFF ? m->tensor[LORA_DIFF]
                                                       : NULL;
    return t && t->rank >= 2 ? t->dim[1] : 0;
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

/* Names that only another kind of network has. */
static const char *foreign_name(const char *name)
{
    static const char *const sign[][2] = {
        {"single_transformer_blocks", "Flux"},
        {"double_blocks", "Flux"},
        {"single_blocks", "Flux"},
        {"joint_blocks", "Stable Diffusion 3"},
        {"img_mod", "Qwen-Image"},
        {"context_refiner", "Lumina or Z-Image"},
        {"cross_attn", "Wan or Cosmos"},
        {"joint_transformer_blocks", "AuraFlow"},
        {"add_q_proj", "Flux or Stable Diffusion 3"},
    };
    static const char *const begin[] = {"transformer_", "lora_transformer_", "blocks_", "layers_"};
    for (size_t i = 0; i < sizeof sign / sizeof *sign; i++)
        if (strstr(name, sign[i][0]))
            return sign[i][1];
    for (size_t i = 0; i < sizeof begin / sizeof *begin; i++)
        if (strncmp(name, begin[i], strlen(begin[i])) == 0)
            return "a diffusion transformer (SD 3, Wan, Qwen-Image ...)";
    return NULL;
}

const char *lora_file_family(const struct lora_file *f)
{
    for (int i = 0; i < f->count; i++) {
        const struct lora_module *m = &f->module[i];
        const char *other = foreign_name(m->name);
        if (other)
            return other;
        if (m->part != PART_UNET ||
            !(ends_with(m->name, "attn2_to_k") || ends_with(m->name, "attn2_to_v")))
            continue;
        switch (inputs_of(m)) {
        case 768:
            return "Stable Diffusion 1";
        case 1024:
            return "Stable Diffusion 2";
        case 1280:
            return "the SDXL refiner";
        case 2048:
            return "SDXL";
        }
    }
    return NULL;
}
