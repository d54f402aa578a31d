/*
 * Folder or single file behind one question: the tensor of that name.
 *
 * A folder has one set of files for each part and asks it directly; a single file has one set for
 * all, and names go through keymap.c. Tensors whose data lies at an odd address (a header of odd
 * length; writers may do so) are copied once when they are asked for: everything else in the
 * program may read weights as arrays.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sdxl/checkpoint_priv.h"
#include "sdxl/keymap.h"

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
        (t = weight_files_find(w, alias.name + bare_prefix(c, part))) != NULL)
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
    if (c->bare)
        return c->bare_part;
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
