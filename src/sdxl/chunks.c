/* See chunks.h. */
#include "sdxl/chunks.h"

#include <stdlib.h>
#include <string.h>

#include "prompt/weights.h"
#include "prompt/word.h"

enum { BACKTRACK = 20, LARGE_WORD = 8 };

static const char EMBEDDING[] = "embedding:";
enum { EMBEDDING_LEN = sizeof EMBEDDING - 1 };

struct builder {
    const struct chunk_rules *rules;
    struct text_chunks *out;
    struct err *e;
    int used;       /* tokens in the chunk at hand; -1: none was begun */
    int last_comma; /* A1111: place of the last comma in it, or -1 */
    int32_t comma;  /* its id, or -1 */
};

struct word { /* tokens that came together: of text, or vectors */
    int32_t *ids;
    int count;
    const float *vectors; /* count of them in place of the ids, or NULL */
    float weight;
};

/* ---- chunks ---- */

static int32_t *row(struct builder *b)
{
    return b->out->ids + (size_t)(b->out->chunks - 1) * CHUNK_POSITIONS;
}

/* What fills a chunk up behind its first end. */
static int32_t pad_of(const struct chunk_rules *r)
{
    if (r->compat == COMPAT_DIFFUSERS)
        return r->clip->pad;
    return r->encoder == 0 ? r->clip->eos : 0;
}

static int begin_chunk(struct builder *b)
{
    struct text_chunks *t = b->out;
    const struct clip_config *c = b->rules->clip;
    size_t count = ((size_t)t->chunks + 1) * CHUNK_POSITIONS;
    if (t->chunks == MAX_CHUNKS)
        return err_set(b->e, "the prompt is too long: over %d tokens", MAX_CHUNKS * CHUNK_TOKENS);
    int32_t *ids = realloc(t->ids, count * sizeof *ids);
    t->ids = ids ? ids : t->ids;
    float *weight = realloc(t->weight, count * sizeof *weight);
    t->weight = weight ? weight : t->weight;
    if (!ids || !weight)
        return err_set(b->e, "out of memory while reading the prompt");
    int32_t pad = pad_of(b->rules);
    t->chunks++;
    for (int i = 0; i < CHUNK_POSITIONS; i++) {
        row(b)[i] = i == 0 ? c->bos : i == 1 ? c->eos : pad;
        weight[count - CHUNK_POSITIONS + (size_t)i] = 1;
    }
    b->used = 0;
    b->last_comma = -1;
    return 0;
}

/* The next token of the chunk at hand, which is not full. */
static int push(struct builder *b, int32_t id, float weight, const float *vector)
{
    struct text_chunks *t = b->out;
    const struct clip_config *c = b->rules->clip;
    int at = (t->chunks - 1) * CHUNK_POSITIONS + 1 + b->used++;
    t->ids[at] = id;
    t->ids[at + 1] = c->eos;
    t->weight[at] = weight;
    t->weighted = t->weighted || weight != 1;
    t->tokens++;
    if (!vector)
        return 0;
    if (t->uses == t->room) {
        int room = t->room ? 2 * t->room : 16;
        struct vector_use *more = realloc(t->use, (size_t)room * sizeof *more);
        if (!more)
            return err_set(b->e, "out of memory while reading the prompt");
        t->use = more;
        t->room = room;
    }
    t->use[t->uses++] = (struct vector_use){at, vector};
    return 0;
}

static int push_some(struct builder *b, const struct word *w, int from, int count)
{
    size_t width = (size_t)b->rules->clip->hidden;
    for (int i = from; i < from + count; i++)
        if (push(b, w->vectors ? 0 : w->ids[i], w->weight,
                 w->vectors ? w->vectors + (size_t)i * width : NULL) < 0)
            return -1;
    return 0;
}

/* Moves what stands from `at` on in the chunk at hand into a new one. */
static int move_tail(struct builder *b, int at)
{
    struct text_chunks *t = b->out;
    int count = b->used - at, from = (t->chunks - 1) * CHUNK_POSITIONS + 1 + at;
    int uses = t->uses, first = uses;
    int32_t pad = pad_of(b->rules);
    if (begin_chunk(b) < 0)
        return -1;
    while (first > 0 && t->use[first - 1].at >= from)
        first--;
    t->tokens -= count;
    t->uses = first;
    for (int i = 0; i < count; i++) {
        const float *vector = NULL;
        if (first < uses && t->use[first].at == from + i)
            vector = t->use[first++].vector;
        if (push(b, t->ids[from + i], t->weight[from + i], vector) < 0)
            return -1;
        t->ids[from + i] = i == 0 ? b->rules->clip->eos : pad;
        t->weight[from + i] = 1;
    }
    t->ids[from + count] = count > 0 ? pad : b->rules->clip->eos;
    return 0;
}

/* ---- text to ids ---- */

static int encode(const struct chunk_rules *r, const char *text, size_t len, int32_t **ids,
                  struct err *e)
{
    return r->compat == COMPAT_DIFFUSERS ? tokenizer_encode(r->tokenizer, text, len, ids, e)
                                         : tokenizer_encode_plain(r->tokenizer, text, len, ids, e);
}

static int encode_name(void *user, const char *text, int32_t **ids)
{
    return encode(user, text, strlen(text), ids, NULL);
}

/* ---- A1111 ---- */

/* The vectors that the name at ids[0] stands for; *used: how many ids the name has. */
static const struct embedding *named_vectors(struct builder *b, const int32_t *ids, int count,
                                             int *used)
{
    const struct chunk_rules *r = b->rules;
    if (!r->embeddings || r->embeddings->count == 0)
        return NULL;
    const struct embedding *x = embeddings_at(r->embeddings, encode_name, (void *)(uintptr_t)r, ids,
                                              count, r->notes);
    if (!x || x->count[r->encoder] == 0)
        return NULL;
    *used = x->id_count;
    return x;
}

static int add_a1111(struct builder *b, const struct word *w)
{
    for (int i = 0, used; i < w->count; i += used) {
        bool full = b->used == CHUNK_TOKENS;
        used = 1;
        if (w->ids[i] == b->comma)
            b->last_comma = b->used;
        else if (full && b->last_comma >= 0 && b->used - b->last_comma <= BACKTRACK &&
                 move_tail(b, b->last_comma + 1) < 0)
            return -1;
        if (b->used == CHUNK_TOKENS && begin_chunk(b) < 0)
            return -1;
        const struct embedding *x = named_vectors(b, w->ids + i, w->count - i, &used);
        if (!x) {
            if (push_some(b, w, i, 1) < 0)
                return -1;
            continue;
        }
        int k = b->rules->encoder;
        struct word vectors = {NULL, x->count[k], x->vector[k], w->weight};
        if ((b->used + x->count[k] > CHUNK_TOKENS && begin_chunk(b) < 0) ||
            push_some(b, &vectors, 0, vectors.count) < 0)
            return -1;
    }
    return 0;
}

/* ---- ComfyUI ---- */

static int add_comfyui(struct builder *b, const struct word *w)
{
    int from = 0;
    bool large = w->count >= LARGE_WORD;
    while (from < w->count) {
        int left = w->count - from, room = CHUNK_TOKENS - b->used;
        int now = left <= room ? left : large ? room : 0;
        if (push_some(b, w, from, now) < 0 || (now < left && begin_chunk(b) < 0))
            return -1;
        from += now;
    }
    return 0;
}

static int add_text(struct builder *b, const char *text, size_t len, float weight)
{
    struct word w = {.weight = weight};
    w.count = encode(b->rules, text, len, &w.ids, b->e);
    if (w.count < 0)
        return -1;
    int rc = b->rules->compat == COMPAT_A1111 ? add_a1111(b, &w) : add_comfyui(b, &w);
    free(w.ids);
    return rc;
}

/* "embedding:name rest": name is up to a blank, and without its commas if there is none with them.
 * What is left is text. */
static int add_embedding(struct builder *b, const char *s, size_t len, float weight)
{
    const struct chunk_rules *r = b->rules;
    size_t n, cut;
    for (s += EMBEDDING_LEN, len -= EMBEDDING_LEN; len > 0 && is_space(*s);)
        s++, len--;
    for (n = 0; n < len && !is_space(s[n]);)
        n++;
    const struct embedding *x = NULL;
    if (r->embeddings)
        x = embeddings_find(r->embeddings, s, n, r->notes);
    for (cut = n; !x && cut > 0 && s[cut - 1] == ',';)
        cut--;
    if (!x && cut < n && r->embeddings)
        x = embeddings_find(r->embeddings, s, cut, r->notes);
    n = cut;
    if (!x)
        notes_add(r->notes, "there is no embedding '%.*s' to be used; the prompt goes without it",
                  n > 200 ? 200 : (int)n, s);
    else if (x->count[r->encoder] == 0)
        notes_add(r->notes, "the embedding '%s' has nothing for text encoder %d", x->name,
                  r->encoder + 1);
    int k = r->encoder;
    struct word w = {NULL, x ? x->count[k] : 0, x ? x->vector[k] : NULL, weight};
    if (w.count > 0 && add_comfyui(b, &w) < 0)
        return -1;
    return add_text(b, s + n, len - n, weight);
}

/* Where the next " embedding:" or "\nembedding:" begins, or len. */
static size_t next_embedding(const char *s, size_t len)
{
    for (size_t i = 0; i + 1 + EMBEDDING_LEN <= len; i++)
        if ((s[i] == ' ' || s[i] == '\n') && !memcmp(s + i + 1, EMBEDDING, EMBEDDING_LEN))
            return i;
    return len;
}

static int add_words(struct builder *b, const char *s, size_t len, float weight)
{
    while (len > 0) {
        size_t n = next_embedding(s, len);
        bool named = n >= EMBEDDING_LEN && !memcmp(s, EMBEDDING, EMBEDDING_LEN);
        if (n > 0 && (named ? add_embedding : add_text)(b, s, n, weight) < 0)
            return -1;
        n += n < len; /* the blank */
        s += n, len -= n;
    }
    return 0;
}

/* ---- diffusers ---- */

static int add_cut(struct builder *b, const char *text, size_t len)
{
    struct word w = {.weight = 1};
    w.count = encode(b->rules, text, len, &w.ids, b->e);
    if (w.count < 0)
        return -1;
    if (w.count > CHUNK_TOKENS)
        notes_add(b->rules->notes,
                  "as diffusers does it, only the first %d of the prompt's %d tokens are read; "
                  "--compat comfyui or a1111 reads them all",
                  CHUNK_TOKENS, w.count);
    int rc = push_some(b, &w, 0, w.count < CHUNK_TOKENS ? w.count : CHUNK_TOKENS);
    free(w.ids);
    return rc;
}

/* ---- all of them ---- */

static int find_comma(struct builder *b)
{
    int32_t *ids;
    int n = encode(b->rules, ",", 1, &ids, b->e);
    b->comma = n == 1 ? ids[0] : -1;
    free(ids);
    return n < 0 ? -1 : 0;
}

int text_chunks(const struct chunk_rules *r, const char *text, struct text_chunks *out,
                struct err *e)
{
    struct builder b = {.rules = r, .out = out, .e = e, .comma = -1};
    struct prompt_parts parts;
    *out = (struct text_chunks){0};
    int rc = prompt_parse((enum prompt_syntax)r->compat, text, &parts, e);
    if (rc == 0)
        rc = begin_chunk(&b);
    if (rc == 0 && r->compat == COMPAT_A1111)
        rc = find_comma(&b);
    for (int i = 0; i < parts.count && rc == 0; i++) {
        const struct prompt_part *p = &parts.part[i];
        const char *s = parts.text + p->at;
        float weight = (float)p->weight;
        if (p->ends_chunk)
            rc = begin_chunk(&b);
        else if (r->compat == COMPAT_A1111)
            rc = add_text(&b, s, p->len, weight);
        else if (r->compat == COMPAT_COMFYUI)
            rc = add_words(&b, s, p->len, weight);
        else
            rc = add_cut(&b, s, p->len);
    }
    if (rc == 0 && r->compat == COMPAT_A1111 && b.used == 0 && out->chunks > 1)
        out->chunks--; /* a BREAK at the end begins nothing */
    prompt_parts_free(&parts);
    return rc;
}

int text_chunks_fill(const struct chunk_rules *r, struct text_chunks *t, int chunks, struct err *e)
{
    struct builder b = {.rules = r, .out = t, .e = e};
    while (t->chunks < chunks)
        if (begin_chunk(&b) < 0)
            return -1;
    return 0;
}

void text_chunks_free(struct text_chunks *t)
{
    free(t->ids);
    free(t->weight);
    free(t->use);
    *t = (struct text_chunks){0};
}
