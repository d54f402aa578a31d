/* See lora.h. */
#include "sdxl/lora.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bigmem.h"
#include "base/parallel.h"
#include "sdxl/lora_changes.h"
#include "sdxl/lora_match.h"

/* What a path held when it was opened. */
struct identity {
    dev_t device;
    ino_t file;
    off_t size;
    struct timespec changed;
};

struct opened {
    char *path;
    struct identity identity;
    struct lora_file *file;
    struct lora_hits hits;
    uint64_t serial; /* of its opening: no two have the same */
    struct notes notes;
};

struct chosen {
    struct opened *lora;
    double unet, text;
};

struct choice {
    struct opened *opened[MAX_LORAS];
    int files;
    struct chosen use[MAX_LORAS];
    int uses;
};

struct lora_set {
    const struct checkpoint *checkpoint;
    struct lora_merger *merger;
    int threads;
    bool takes_changes; /* the backend merges what it can */
    struct choice now;
    uint64_t serials;
    float *w[MAX_STACK], *b[MAX_STACK]; /* the sources of the slot that is being packed */
    size_t w_room[MAX_STACK], b_room[MAX_STACK];
    struct lora_changes changes[MAX_STACK];
};

struct lora_set *lora_set_new(const struct checkpoint *c, bool takes_changes, int threads,
                              struct err *e)
{
    struct lora_set *s = calloc(1, sizeof *s);
    if (!s || !(s->merger = lora_merger_new(threads, e))) {
        free(s);
        err_set(e, "out of memory");
        return NULL;
    }
    s->checkpoint = c;
    s->threads = threads > 0 ? threads : parallel_cores();
    s->takes_changes = takes_changes;
    return s;
}

static void close_opened(struct opened *o)
{
    if (!o)
        return;
    notes_free(&o->notes);
    lora_file_close(o->file);
    free(o->hits.at);
    free(o->path);
    free(o);
}

/* Closes what `keep` does not have. */
static void close_all(struct choice *c, const struct choice *keep)
{
    for (int i = 0; i < c->files; i++) {
        bool kept = false;
        for (int k = 0; keep && k < keep->files; k++)
            kept = kept || keep->opened[k] == c->opened[i];
        if (!kept)
            close_opened(c->opened[i]);
    }
}

static void shrink(struct lora_set *s)
{
    for (int i = 0; i < MAX_STACK; i++) {
        free(s->w[i]);
        free(s->b[i]);
        free(s->changes[i].at);
        s->w[i] = s->b[i] = NULL;
        s->w_room[i] = s->b_room[i] = 0;
        s->changes[i] = (struct lora_changes){0};
    }
    lora_merger_shrink(s->merger);
}

void lora_set_free(struct lora_set *s)
{
    if (!s)
        return;
    close_all(&s->now, NULL);
    shrink(s);
    lora_merger_free(s->merger);
    free(s);
}

/* ---- choosing ---- */

static int identify(const char *path, struct identity *out, struct err *e)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return err_set(e, "%s: there is no such file", path);
    memset(out, 0, sizeof *out); /* compared as bytes */
    out->device = st.st_dev;
    out->file = st.st_ino;
    out->size = st.st_size;
    out->changed = st.st_mtim;
    return 0;
}

static struct opened *find_opened(const struct choice *c, const char *path,
                                  const struct identity *is)
{
    for (int i = 0; i < c->files; i++)
        if (!strcmp(c->opened[i]->path, path) && !memcmp(&c->opened[i]->identity, is, sizeof *is))
            return c->opened[i];
    return NULL;
}

static void describe(const struct lora_report *r, const char *name, struct notes *n)
{
    char list[400] = "";
    for (int i = 0; i < r->unmatched && i < 4; i++) {
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%.90s", i ? ", " : "", r->first[i]);
    }
    if (r->unmatched > 0)
        notes_add(n, "LoRA %s: %d of its modules match nothing in this model: %s%s", name,
                  r->unmatched, list, r->unmatched > 4 ? ", ..." : "");
    if (r->wrong > 0)
        notes_add(n,
                  "LoRA %s: %d of its modules have other sizes than the model's and are left out "
                  "(%s)",
                  name, r->wrong, r->why);
}

void lora_set_notes(const struct lora_set *s, struct notes *to)
{
    for (int i = 0; i < s->now.files; i++)
        for (int k = 0; k < s->now.opened[i]->notes.count; k++)
            notes_add(to, "%s", s->now.opened[i]->notes.line[k]);
}

static struct opened *open_one(struct lora_set *s, const struct slots *slots,
                               const struct lora_use *u, const struct identity *is, struct err *e)
{
    struct lora_report r;
    struct opened *o = calloc(1, sizeof *o);
    if (!o || !(o->path = strdup(u->path))) {
        err_set(e, "out of memory");
        close_opened(o);
        return NULL;
    }
    o->identity = *is;
    o->serial = ++s->serials;
    if (!(o->file = lora_file_open(u->path, e))) {
        close_opened(o);
        return NULL;
    }
    if (lora_find_hits(o->file, s->checkpoint, slots, &o->hits, &r) < 0) {
        err_set(e, "out of memory");
    } else if (lora_refuse(o->file, &r, u->name, e) == 0) {
        describe(&r, u->name, &o->notes);
        return o;
    }
    close_opened(o);
    return NULL;
}

/* Open already, in the next choice or the present one, or new. */
static struct opened *need(struct lora_set *s, struct choice *next, const struct slots *slots,
                           const struct lora_use *u, struct err *e)
{
    struct identity is;
    if (identify(u->path, &is, e) < 0)
        return NULL;
    struct opened *o = find_opened(next, u->path, &is);
    if (o)
        return o;
    o = find_opened(&s->now, u->path, &is);
    if (!o)
        o = open_one(s, slots, u, &is, e);
    if (o)
        next->opened[next->files++] = o;
    return o;
}

int lora_set_choose(struct lora_set *s, const struct slots *slots, const struct lora_use *use,
                    int count, struct err *e)
{
    struct choice next = {0};
    if (count > MAX_LORAS)
        return err_set(e, "%d LoRAs at once; %d are the most", count, MAX_LORAS);
    for (int i = 0; i < count; i++) {
        if (use[i].unet == 0 && use[i].text == 0)
            continue;
        struct opened *o = need(s, &next, slots, &use[i], e);
        if (!o) {
            close_all(&next, &s->now);
            return -1;
        }
        next.use[next.uses++] = (struct chosen){o, use[i].unet, use[i].text};
    }
    close_all(&s->now, &next);
    s->now = next;
    return 0;
}

/* ---- one slot ---- */

/* The first hit of a slot, or NULL; the slot's others follow it. */
static const struct lora_hit *hits_of(const struct opened *o, int slot)
{
    int low = 0, high = o->hits.count;
    while (low < high) {
        int mid = low + (high - low) / 2;
        if (o->hits.at[mid].slot < slot)
            low = mid + 1;
        else
            high = mid;
    }
    return low < o->hits.count && o->hits.at[low].slot == slot ? &o->hits.at[low] : NULL;
}

static double strength_of(const struct chosen *u, const struct slot *s)
{
    return s->part == PART_UNET ? u->unet : u->text;
}

static uint64_t mix(uint64_t h, const void *data, size_t size)
{
    const unsigned char *p = data; /* FNV-1a */
    for (size_t i = 0; i < size; i++)
        h = (h ^ p[i]) * UINT64_C(0x100000001b3);
    return h;
}

/* What the slot should have merged into it; 0: nothing. */
static uint64_t wanted(const struct lora_set *s, const struct slot *slot, int index)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    bool any = false;
    for (int i = 0; i < s->now.uses; i++) {
        const struct chosen *u = &s->now.use[i];
        double strength = strength_of(u, slot);
        if (strength == 0 || !hits_of(u->lora, index))
            continue;
        h = mix(h, &u->lora->serial, sizeof u->lora->serial);
        h = mix(h, &strength, sizeof strength);
        any = true;
    }
    return any ? h | 1 : 0;
}

static float *room_for(float **at, size_t *room, size_t count)
{
    size_t bytes = count * sizeof(float);
    if (*room < bytes) {
        free(*at);
        *at = bigmem_alloc(bytes);
        *room = *at ? bytes : 0;
    }
    return *at;
}

/* A module that changes a source, and how much. */
struct change {
    const struct lora_module *m;
    double strength;
    const char *file;
};

/* Calls fn for each, in their order, until it returns something else than 0, which is returned. */
static int each_change(const struct lora_set *s, int index, const struct slot *slot, int source,
                       int (*fn)(void *user, const struct change *), void *user)
{
    int rc = 0;
    for (int i = 0; i < s->now.uses && rc == 0; i++) {
        const struct chosen *u = &s->now.use[i];
        const struct lora_hits *all = &u->lora->hits;
        const struct lora_hit *h = hits_of(u->lora, index);
        double strength = strength_of(u, slot);
        for (; strength != 0 && h && h < all->at + all->count && h->slot == index && rc == 0; h++) {
            struct change c = {lora_file_at(u->lora->file, h->module), strength, u->lora->path};
            rc = h->source == source ? fn(user, &c) : 0;
        }
    }
    return rc;
}

/* A source on its way. */
struct merging {
    struct lora_set *s;
    struct lora_target t;
    int source;
    float *w, *bias; /* w: NULL where the backend merges; bias: NULL where there is none */
    struct err *err;
};

static int merge_one(void *user, const struct change *c)
{
    struct merging *k = user;
    struct lora_set *s = k->s;
    if (k->w)
        return lora_merge(s->merger, c->m, &k->t, c->strength, k->w, k->bias, c->file, k->err);
    if (lora_changes_add(&s->changes[k->source], c->m, &k->t, c->strength, s->threads, c->file,
                         k->err) < 0)
        return -1;
    return lora_merge_bias(s->merger, c->m, &k->t, c->strength, k->bias, c->file, k->err);
}

static int is_other(void *user, const struct change *c)
{
    (void)user;
    return !lora_is_change(c->m);
}

/* Can the backend make all that changes this source? */
static bool left_to_backend(const struct lora_set *s, int index, const struct slot *slot,
                            int source)
{
    return s->takes_changes && each_change(s, index, slot, source, is_other, NULL) == 0;
}

/* The source's values in f32, for the host to merge into. */
static int read_base(struct merging *k, struct param *w)
{
    struct lora_set *s = k->s;
    int64_t cols = k->t.in * k->t.taps;
    k->w = room_for(&s->w[k->source], &s->w_room[k->source], (size_t)(k->t.out * cols));
    if (!k->w)
        return -1;
    lora_read_base(s->merger, w->data, w->dtype, w->transposed, k->t.out, cols, k->w);
    if (w->transposed)
        w->dim[0] = k->t.out, w->dim[1] = k->t.in;
    w->data = k->w, w->was = w->dtype, w->dtype = DT_F32, w->transposed = false;
    return 0;
}

/* Its biases. */
static int read_bias(struct merging *k, struct param *b)
{
    struct lora_set *s = k->s;
    k->bias = room_for(&s->b[k->source], &s->b_room[k->source], (size_t)k->t.out);
    if (!k->bias)
        return -1;
    lora_read_base(s->merger, b->data, b->dtype, false, 1, k->t.out, k->bias);
    b->data = k->bias, b->dtype = DT_F32;
    return 0;
}

/* A source in f32, merged; or as it is, with what the backend is to make of it. */
static int merge_source(struct lora_set *s, int index, const struct slot *slot, int source,
                        struct param *w, struct param *b, struct err *e)
{
    struct merging k = {s, lora_target_of(s->checkpoint, slot, source), source, NULL, NULL, e};
    bool ours = !left_to_backend(s, index, slot, source);
    struct lora_changes *changes = &s->changes[source];
    changes->count = 0;
    if ((ours && read_base(&k, w) < 0) || (b->data && read_bias(&k, b) < 0))
        return err_set(e, "out of memory while merging a LoRA into %s", slot->name[source]);
    if (each_change(s, index, slot, source, merge_one, &k) < 0)
        return -1;
    w->changes = changes->at, w->change_count = changes->count;
    return 0;
}

static int is_any(void *user, const struct change *c)
{
    (void)user, (void)c;
    return 1;
}

static bool touches_source(const struct lora_set *s, int index, const struct slot *slot, int source)
{
    return each_change(s, index, slot, source, is_any, NULL) != 0;
}

int lora_set_patch(void *set, int index, struct slot *slot, struct param *w, struct param *b,
                   struct err *e)
{
    struct lora_set *s = set;
    uint64_t want = wanted(s, slot, index);
    for (int i = 0; want && i < slot->count; i++)
        if (touches_source(s, index, slot, i) &&
            merge_source(s, index, slot, i, &w[i], &b[i], e) < 0)
            return -1;
    for (int i = 0; want && i < s->now.files; i++)
        if (safetensors_was_read(lora_file_tensors(s->now.opened[i]->file), e) < 0)
            return -1;
    slot->state = want;
    return 0;
}

/* ---- all slots ---- */

int lora_set_pending(const struct lora_set *s, struct slots *slots)
{
    int n = 0;
    for (int i = 0; i < slots->count; i++) {
        struct slot *slot = &slots->at[i];
        bool other = slot->state != wanted(s, slot, i);
        n += !slot->gone && other;
        slot->parked = slot->parked && !other;
    }
    return n;
}

/* The LoRAs' own pages need not stay in memory. */
static void drop_files(const struct lora_set *s)
{
    for (int i = 0; i < s->now.files; i++) {
        const struct safetensors *st = lora_file_tensors(s->now.opened[i]->file);
        int n = safetensors_count(st);
        for (int k = 0; k < n; k++) {
            const struct st_tensor *t = safetensors_at(st, k);
            safetensors_drop(st, t->data, (size_t)t->bytes);
        }
    }
}

void lora_set_rest(struct lora_set *s)
{
    shrink(s);
    drop_files(s);
}

int lora_set_apply(struct lora_set *s, struct loader *l)
{
    int rc = 0;
    l->patch = lora_set_patch;
    l->patch_user = s;
    for (int i = 0; i < l->slots->count && rc == 0; i++) {
        struct slot *slot = &l->slots->at[i];
        uint64_t was = slot->state;
        if (slot->gone || was == wanted(s, slot, i)) /* what is gone comes back with them */
            continue;
        l->part = slot->part;
        if ((rc = loader_repack(l, i)) < 0)
            slot->state = was;
    }
    lora_set_rest(s);
    return rc;
}

/* The most that one of a source's modules takes. */
struct measuring {
    struct lora_target t;
    bool left; /* to the backend */
    size_t most;
};

static int measure(void *user, const struct change *c)
{
    struct measuring *k = user;
    size_t bytes = k->left ? lora_change_bytes(c->m, &k->t) : lora_merge_bytes(c->m, &k->t);
    k->most = bytes > k->most ? bytes : k->most;
    return 0;
}

size_t lora_set_bytes(const struct lora_set *s, const struct slots *slots)
{
    size_t most = 0;
    for (int i = 0; i < slots->count; i++) {
        const struct slot *slot = &slots->at[i];
        size_t bytes = 0, merge = 0;
        if (!wanted(s, slot, i))
            continue;
        for (int k = 0; k < slot->count; k++) {
            struct measuring m = {lora_target_of(s->checkpoint, slot, k),
                                  left_to_backend(s, i, slot, k), 0};
            if (!touches_source(s, i, slot, k))
                continue;
            each_change(s, i, slot, k, measure, &m);
            merge = merge > m.most ? merge : m.most;
            bytes += m.left ? 0 : (size_t)(m.t.out * m.t.in * m.t.taps) * sizeof(float);
        }
        most = most > bytes + merge ? most : bytes + merge;
    }
    return most;
}
