/*
 * Folder or single file behind one question: the tensor of that name.
 *
 * A folder has one set of files for each part and asks it directly; a single file has one set for
 * all, and names go through keymap.c. Tensors whose data lies at an odd address (a header of odd
 * length; writers may do so) are copied once when they are asked for: everything else in the
 * program may read weights as arrays.
 */
#include "sdxl/checkpoint.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mapfile.h"
#include "ops/half.h"
#include "sdxl/config.h"
#include "sdxl/infer.h"
#include "sdxl/keymap.h"
#include "sdxl/weight_files.h"
#include "sdxl/weights_kind.h"

/* Aligned copies, made on demand. */
struct copies {
    struct copy {
        const struct st_tensor *of;
        void *data;
    } * copy;
    int count, room;
};

struct checkpoint {
    char *path;
    bool single;
    bool bare; /* a VAE's single file: its names are the original ones without the prefix */
    struct model_config config;
    struct weight_files files[PART_COUNT]; /* a single file: all in files[0] */
    struct path tokenizer[2];              /* "": none */
    struct copies *copies;
    struct drawn *drawn; /* NULL: the weights are the files' */
};

/* FP16 values that every drawn tensor is a part of. */
enum { DRAWN_VALUES = 100 << 20, DRAWN_TABLE = 4096, DRAWN_ONES = 1 << 16 };
struct drawn {
    uint16_t *value;
    uint16_t one[DRAWN_ONES];
};

/* -- opening -- */

static int refuse_pickle(const char *path, struct err *e)
{
    static const char *const pickled[] = {".ckpt", ".pt", ".pth", ".bin", ".pkl"};
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < sizeof pickled / sizeof *pickled; i++)
        if (strcasecmp(dot, pickled[i]) == 0)
            return err_set(e,
                           "%s: %s files are pickles, which can run code when they are opened; "
                           "convert it to .safetensors first",
                           path, pickled[i]);
    return 0;
}

static int find_tokenizer(struct path *out, const char *dir, const char *name, struct err *e)
{
    struct path vocab, merges;
    if (path_join(out, dir, name, e) != 0 || path_join(&vocab, out->text, "vocab.json", e) != 0 ||
        path_join(&merges, out->text, "merges.txt", e) != 0)
        return -1;
    if (!file_exists(vocab.text) || !file_exists(merges.text))
        out->text[0] = '\0';
    return 0;
}

static int open_folder(struct checkpoint *c, const char *variant, struct err *e)
{
    static const struct {
        const char *folder, *stem;
    } part[PART_COUNT] = {
        [PART_TEXT1] = {"text_encoder", "model"},
        [PART_TEXT2] = {"text_encoder_2", "model"},
        [PART_UNET] = {"unet", "diffusion_pytorch_model"},
        [PART_VAE] = {"vae", "diffusion_pytorch_model"},
    };
    if (config_read_folder(c->path, &c->config, e) != 0 ||
        find_tokenizer(&c->tokenizer[0], c->path, "tokenizer", e) != 0 ||
        find_tokenizer(&c->tokenizer[1], c->path, "tokenizer_2", e) != 0)
        return -1;
    for (int i = c->config.refiner ? PART_TEXT2 : 0; i <= PART_VAE; i++) {
        struct path dir;
        if (path_join(&dir, c->path, part[i].folder, e) != 0 ||
            weight_files_open_folder(&c->files[i], dir.text, part[i].stem, variant, e) != 0)
            return -1;
    }
    return 0;
}

static int open_single(struct checkpoint *c, struct err *e)
{
    c->single = true;
    if (refuse_pickle(c->path, e) != 0 || weight_files_open(&c->files[0], c->path, e) != 0)
        return -1;
    return infer_config(c->files[0].file[0], &c->config, e);
}

struct checkpoint *checkpoint_open(const char *path, const char *variant, struct err *e)
{
    struct checkpoint *c = calloc(1, sizeof *c);
    if (!c || !(c->path = strdup(path)) || !(c->copies = calloc(1, sizeof *c->copies))) {
        err_set(e, "%s: no memory to open it", path);
        checkpoint_close(c);
        return NULL;
    }
    int rc = folder_exists(path) ? open_folder(c, variant, e) : open_single(c, e);
    if (rc != 0) {
        checkpoint_close(c);
        return NULL;
    }
    return c;
}

/* A VAE's folder, or that of a model which has one. */
static int open_vae_folder(struct checkpoint *c, struct err *e)
{
    struct path config, own;
    if (path_join(&config, c->path, "config.json", e) != 0 ||
        path_join(&own, c->path, "vae", e) != 0)
        return -1;
    const char *dir = !file_exists(config.text) && folder_exists(own.text) ? own.text : c->path;
    return config_read_vae_folder(dir, &c->config, e) != 0
               ? -1
               : weight_files_open_folder(&c->files[PART_VAE], dir, "diffusion_pytorch_model", NULL,
                                          e);
}

/* What else the file is, as an error. */
static int no_vae(const struct checkpoint *c, enum weights_kind kind, struct err *e)
{
    if (weight_files_find(&c->files[0], "1.conv.0.weight") ||
        weight_files_find(&c->files[0], "3.conv.0.weight"))
        return err_set(e,
                       "%s: is half of a tiny VAE, as ComfyUI keeps it in vae_approx; use the one "
                       "file that holds both: spritty pull taesdxl",
                       c->path);
    if (kind == WEIGHTS_OTHER)
        return err_set(e, "%s: is no VAE: it has no decoder", c->path);
    return err_set(e, "%s: is a %s, not a VAE", c->path, weights_kind_name(kind));
}

/* The sizes of a file with diffusers' names: from the config.json beside it, else from its tensors,
 * with what SDXL's VAE has where those do not say. */
static int read_vae_sizes(struct checkpoint *c, bool tiny, struct err *e)
{
    const struct safetensors *st = c->files[PART_VAE].file[0];
    const char *slash = strrchr(c->path, '/');
    struct path dir, config;
    int length = slash ? (int)(slash - c->path) : 1;
    if (tiny)
        return infer_tiny_vae(st, &c->config, e);
    snprintf(dir.text, sizeof dir.text, "%.*s", length, slash ? c->path : ".");
    if (path_join(&config, dir.text, "config.json", e) != 0)
        return -1;
    return file_exists(config.text) ? config_read_vae_folder(dir.text, &c->config, e)
                                    : infer_vae_config(st, true, &c->config, e);
}

/* A folder with config.json, a file of such a folder, a single VAE or a whole model's folder or
 * file. */
static int open_vae(struct checkpoint *c, struct err *e)
{
    struct weight_files *w = &c->files[0];
    if (folder_exists(c->path))
        return open_vae_folder(c, e);
    c->single = true;
    if (refuse_pickle(c->path, e) != 0 || weight_files_open(w, c->path, e) != 0)
        return -1;
    enum weights_kind kind = weights_summary(w->file[0]).kind;
    bool tiny = kind == WEIGHTS_TINY_VAE;
    if (!tiny && kind != WEIGHTS_VAE && kind != WEIGHTS_CHECKPOINT)
        return no_vae(c, kind, e);
    if (!tiny && !weight_files_find(w, "decoder.up_blocks.0.resnets.0.conv1.weight")) {
        c->bare = weight_files_find(w, "decoder.conv_in.weight") != NULL;
        return infer_vae_config(w->file[0], c->bare, &c->config, e);
    }
    c->single = false;
    c->files[PART_VAE] = *w;
    *w = (struct weight_files){0};
    return read_vae_sizes(c, tiny, e);
}

struct checkpoint *checkpoint_open_vae(const char *path, struct err *e)
{
    struct checkpoint *c = calloc(1, sizeof *c);
    if (!c || !(c->path = strdup(path)) || !(c->copies = calloc(1, sizeof *c->copies)))
        err_set(e, "%s: no memory to open it", path);
    else if (open_vae(c, e) == 0)
        return c;
    checkpoint_close(c);
    return NULL;
}

static struct drawn *draw_values(void)
{
    struct drawn *d = calloc(1, sizeof *d);
    if (!d || !(d->value = malloc((size_t)DRAWN_VALUES * sizeof *d->value))) {
        free(d);
        return NULL;
    }
    uint16_t table[DRAWN_TABLE];
    uint64_t seed = 1;
    for (int i = 0; i < DRAWN_TABLE; i++) {
        float sum = 0; /* of four uniforms: about normal, deviation 0.02 */
        for (int k = 0; k < 4; k++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            sum += (float)(seed >> 40) / 16777216.0f - 0.5f;
        }
        table[i] = f16_from_f32(sum * 1.7320508f * 0.02f);
    }
    for (int i = 0; i < DRAWN_VALUES; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        d->value[i] = table[seed >> 52];
    }
    for (int i = 0; i < DRAWN_ONES; i++)
        d->one[i] = f16_from_f32(1);
    return d;
}

struct checkpoint *checkpoint_open_drawn(const char *path, struct err *e)
{
    struct checkpoint *c = calloc(1, sizeof *c);
    if (!c || !(c->path = strdup(path)) || !(c->copies = calloc(1, sizeof *c->copies)) ||
        !(c->drawn = draw_values()))
        err_set(e, "%s: no memory to open it", path);
    else if (config_read_folder(c->path, &c->config, e) == 0)
        return c;
    checkpoint_close(c);
    return NULL;
}

bool checkpoint_draw(const struct checkpoint *c, const char *name, const int64_t *dim, int rank,
                     struct param *out)
{
    if (!c->drawn)
        return false;
    uint64_t hash = 0xcbf29ce484222325u, count = 1;
    size_t n = strlen(name);
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ (unsigned char)name[i]) * 0x100000001b3u;
    *out = (struct param){.dtype = DT_F16, .rank = rank};
    for (int i = 0; i < rank; i++)
        count *= (uint64_t)(out->dim[i] = dim[i]);
    assert(count <= DRAWN_VALUES);
    bool norm = rank == 1 && n > 7 && !strcmp(name + n - 7, ".weight");
    assert(!norm || count <= DRAWN_ONES);
    out->data = norm ? c->drawn->one : c->drawn->value + hash % (DRAWN_VALUES - count + 1);
    return true;
}

void checkpoint_close(struct checkpoint *c)
{
    if (!c)
        return;
    for (int i = 0; i < PART_COUNT; i++)
        weight_files_close(&c->files[i]);
    for (int i = 0; c->copies && i < c->copies->count; i++)
        free(c->copies->copy[i].data);
    if (c->copies)
        free(c->copies->copy);
    free(c->copies);
    if (c->drawn)
        free(c->drawn->value);
    free(c->drawn);
    free(c->path);
    free(c);
}

/* -- asking -- */

const struct model_config *checkpoint_config(const struct checkpoint *c)
{
    return &c->config;
}

const char *checkpoint_tokenizer(const struct checkpoint *c, int encoder)
{
    assert(encoder == 0 || encoder == 1);
    return c->tokenizer[encoder].text[0] ? c->tokenizer[encoder].text : NULL;
}

const char *checkpoint_path(const struct checkpoint *c)
{
    return c->path;
}

bool checkpoint_is_single_file(const struct checkpoint *c)
{
    return c->single;
}

static const struct weight_files *files_of(const struct checkpoint *c, enum part part)
{
    return &c->files[c->single ? 0 : part];
}

static size_t bare_prefix(const struct checkpoint *c, enum part part)
{
    return c->bare ? strlen(keymap_prefix(&c->config, part)) : 0;
}

/* The tensor, and in *key how to read it. */
static const struct st_tensor *look_up(const struct checkpoint *c, enum part part, const char *name,
                                       struct key *key)
{
    const struct weight_files *w = files_of(c, part);
    const struct st_tensor *t = NULL;
    *key = (struct key){.third = -1};
    if (!c->single) {
        t = weight_files_find(w, name);
        if (!t && keymap_folder_alias(part, name, key))
            t = weight_files_find(w, key->name);
        return t;
    }
    if (keymap_single(&c->config, part, name, key))
        t = weight_files_find(w, key->name + bare_prefix(c, part));
    struct key alias;
    if (!t && keymap_single_alias(&c->config, part, name, &alias) &&
        (t = weight_files_find(w, alias.name)) != NULL)
        *key = alias;
    return t;
}

/* The data of t where it can be read as an array; NULL without memory. */
static const void *aligned_data(const struct checkpoint *c, enum part part,
                                const struct st_tensor *t)
{
    if (t->aligned)
        return t->data;
    struct copies *all = c->copies;
    for (int i = 0; i < all->count; i++)
        if (all->copy[i].of == t)
            return all->copy[i].data;
    if (all->count == all->room) {
        int room = all->room ? all->room * 2 : 64;
        struct copy *more = realloc(all->copy, (size_t)room * sizeof *more);
        if (!more)
            return NULL;
        all->copy = more;
        all->room = room;
    }
    void *data = malloc((size_t)t->bytes);
    if (!data)
        return NULL;
    memcpy(data, t->data, (size_t)t->bytes);
    weight_files_drop(files_of(c, part), t->data, (size_t)t->bytes);
    all->copy[all->count++] = (struct copy){.of = t, .data = data};
    return data;
}

static int no_weight(const struct checkpoint *c, const struct st_tensor *t, struct err *e)
{
    if (t->rank < 1 || t->rank > 4 || t->count == 0)
        return err_set(e, "%s: tensor %s has %d dimensions and %" PRId64 " elements, no weight has",
                       c->path, t->name, t->rank, t->count);
    return err_set(e,
                   "%s: tensor %s is of type %s; weights must be F32, F16 or BF16: look for such a "
                   "file of this model",
                   c->path, t->name, t->type);
}

int checkpoint_find(const struct checkpoint *c, enum part part, const char *name, struct param *p,
                    struct err *e)
{
    struct key key;
    const struct st_tensor *t = look_up(c, part, name, &key);
    *p = (struct param){0};
    if (!t)
        return err_set(e, "%s: missing tensor %s", c->path, key.name[0] ? key.name : name);
    if (!t->is_weight)
        return no_weight(c, t, e);
    if (key.third >= 0 && t->dim[0] % 3 != 0)
        return err_set(e, "%s: tensor %s should hold q, k and v, but has %" PRId64 " rows", c->path,
                       t->name, t->dim[0]);
    if (key.transposed && t->rank != 2)
        return err_set(e, "%s: tensor %s should be a matrix", c->path, t->name);
    const char *data = aligned_data(c, part, t);
    if (!data)
        return err_set(e, "%s: no memory for a copy of tensor %s", c->path, t->name);
    *p = (struct param){
        .data = data, .dtype = t->dtype, .rank = t->rank, .transposed = key.transposed};
    memcpy(p->dim, t->dim, sizeof p->dim);
    if (key.third >= 0) {
        p->data = data + t->bytes / 3 * (uint64_t)key.third;
        p->dim[0] /= 3;
    }
    return 0;
}

bool checkpoint_has(const struct checkpoint *c, enum part part, const char *name)
{
    struct key key;
    return look_up(c, part, name, &key) != NULL;
}

static size_t param_bytes(const struct param *p)
{
    size_t bytes = dtype_size(p->dtype);
    for (int i = 0; i < p->rank; i++)
        bytes *= (size_t)p->dim[i]; /* no overflow: it lies in the map */
    return bytes;
}

void checkpoint_drop(const struct checkpoint *c, const struct param *p)
{
    for (int i = 0; p->data && i < PART_COUNT; i++)
        weight_files_drop(&c->files[i], p->data, param_bytes(p));
}

void checkpoint_soon(const struct checkpoint *c, const struct param *p)
{
    for (int i = 0; p->data && i < PART_COUNT; i++)
        weight_files_soon(&c->files[i], p->data, param_bytes(p));
}

int checkpoint_was_read(const struct checkpoint *c, struct err *e)
{
    for (int i = 0; i < PART_COUNT; i++)
        if (weight_files_were_read(&c->files[i], e) != 0)
            return -1;
    return 0;
}

bool checkpoint_changed(const struct checkpoint *c)
{
    bool changed = false;
    for (int i = 0; i < PART_COUNT; i++)
        changed = changed || weight_files_changed(&c->files[i]);
    return changed;
}

/* -- listing -- */

static void count_tensor(struct part_summary *s, const struct st_tensor *t)
{
    s->tensors++;
    s->parameters += t->count;
    s->bytes += (int64_t)t->bytes;
    if (t->is_weight)
        s->dtypes |= 1 << t->dtype;
}

/* The part of a tensor in a single file; PART_COUNT: none. */
static enum part part_of(const struct checkpoint *c, const char *name)
{
    int part = 0;
    while (part < PART_COUNT && strncmp(name, keymap_prefix(&c->config, (enum part)part),
                                        strlen(keymap_prefix(&c->config, (enum part)part))) != 0)
        part++;
    return (enum part)part;
}

size_t checkpoint_cold(const struct checkpoint *c)
{
    size_t bytes = 0;
    for (int i = 0; i < PART_COUNT && !c->drawn; i++)
        bytes += weight_files_cold(&c->files[i]);
    return bytes;
}

void checkpoint_summary(const struct checkpoint *c, struct part_summary out[PART_COUNT])
{
    memset(out, 0, PART_COUNT * sizeof *out);
    for (int i = 0; i < PART_COUNT; i++)
        for (int t = 0; t < c->files[i].count; t++) {
            const struct st_tensor *tensor = c->files[i].tensor[t];
            int part = c->single ? (int)part_of(c, tensor->name) : i;
            if (part < PART_COUNT)
                count_tensor(&out[part], tensor);
        }
}

int checkpoint_unused(const struct checkpoint *c, const char **names, int max)
{
    int n = 0;
    for (int t = 0; c->single && t < c->files[0].count; t++)
        if (part_of(c, c->files[0].tensor[t]->name) == PART_COUNT) {
            if (n < max)
                names[n] = c->files[0].tensor[t]->name;
            n++;
        }
    return n;
}
