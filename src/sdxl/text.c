/* See text.h. Reference of the states themselves: StableDiffusionXLPipeline.encode_prompt. */
#include "sdxl/text.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_ROWS = 1024 * CHUNK_POSITIONS };

struct group { /* texts that are encoded together */
    const struct text_encoders *t;
    const struct text_rules *rules;
    struct ops *ops;
    struct err *e;
    const int *times;
    int count, chunks;
    struct text_chunks (*text)[2]; /* by encoder */
    float *states;                 /* count x chunks x 77 x width */
    float *pooled;                 /* count x pooled width */
    int width;
};

static int no_memory(struct err *e)
{
    return err_set(e, "out of memory while encoding the prompt");
}

static int width_of(const struct text_encoders *t)
{
    return (t->first ? 0 : t->clip[0].config.hidden) + t->clip[1].config.hidden;
}

/* ---- tokens ---- */

static struct chunk_rules rules_for(const struct group *g, int encoder)
{
    return (struct chunk_rules){.compat = g->rules->compat,
                                .tokenizer = g->t->tokenizer[encoder],
                                .clip = &g->t->clip[encoder].config,
                                .encoder = encoder,
                                .embeddings = g->rules->embeddings,
                                .notes = g->rules->notes};
}

static int tokenize(const struct group *g, const char *text, int encoder, struct text_chunks *out)
{
    struct chunk_rules r = rules_for(g, encoder);
    if (r.tokenizer)
        return text_chunks(&r, text, out, g->e);
    *out = (struct text_chunks){0}; /* a forecast: one chunk of whatever */
    return text_chunks_fill(&r, out, 1, g->e);
}

/* The length that both encoders' states have: as ComfyUI cuts the longer one, and as A1111 fills
 * the shorter one. Embeddings can make them differ. */
static int common_chunks(const struct group *g, const struct text_chunks text[2])
{
    int a = text[g->t->first].chunks, b = text[1].chunks;
    if (g->rules->compat == COMPAT_COMFYUI)
        return a < b ? a : b;
    return a > b ? a : b;
}

static int tokenize_all(struct group *g, const char *const *texts, int counted[2])
{
    for (int i = 0; i < g->count; i++) {
        for (int k = g->t->first; k < 2; k++) {
            if (tokenize(g, texts[i], k, &g->text[i][k]) < 0)
                return -1;
            counted[k] = g->text[i][k].tokens;
        }
        int chunks = common_chunks(g, g->text[i]);
        g->chunks = chunks > g->chunks ? chunks : g->chunks;
    }
    for (int i = 0; i < g->count; i++)
        for (int k = g->t->first; k < 2; k++) {
            struct chunk_rules r = rules_for(g, k);
            if (text_chunks_fill(&r, &g->text[i][k], g->chunks, g->e) < 0)
                return -1;
        }
    return 0;
}

/* ---- states ---- */

static int layer_skip(const struct group *g, int encoder)
{
    int said = abs(g->rules->clip_skip), layers = g->t->clip[encoder].config.layers;
    if (said == 0 || (g->rules->compat == COMPAT_A1111 && encoder == 1))
        return CLIP_SKIP;
    if (said > layers)
        return err_set(g->e, "clip_skip %d: text encoder %d has %d layers", said, encoder + 1,
                       layers);
    return said - 1;
}

/* The empty text's states behind the others, for ComfyUI's weights. */
static int add_empty(const struct group *g, int encoder, struct text_chunks *c)
{
    struct chunk_rules r = rules_for(g, encoder);
    return text_chunks_fill(&r, c, c->chunks + 1, g->e);
}

/* z of c's chunks, one behind the other, on the host. */
static int run_encoder(const struct group *g, int encoder, const struct text_chunks *c, float *z,
                       float *pooled)
{
    const struct clip *m = &g->t->clip[encoder];
    struct ops *o = g->ops;
    int skip = layer_skip(g, encoder);
    if (skip < 0)
        return -1;
    struct tensor h = ops_alloc(o, c->chunks, CHUNK_POSITIONS, 1, m->config.hidden);
    struct tensor pool = {0};
    if (pooled)
        pool = ops_alloc(o, 1, 1, 1, m->config.projection);
    struct clip_vectors v = {c->use, c->uses};
    ops_enter(o, "clip", encoder);
    int rc = clip_encode(m, o, c->ids, c->chunks, skip, &v, &h, pooled ? &pool : NULL);
    o->download(o, z, &h);
    if (pooled) {
        o->download(o, pooled, &pool);
        o->release(o, &pool);
    }
    o->release(o, &h);
    ops_leave(o);
    return rc < 0 ? no_memory(g->e) : 0;
}

static void weigh_comfyui(const struct text_chunks *c, int chunks, int width, float *z)
{
    const float *empty = z + (size_t)chunks * CHUNK_POSITIONS * (size_t)width;
    for (int i = 0; i < chunks * CHUNK_POSITIONS; i++)
        for (int k = 0; k < width && c->weight[i] != 1; k++) {
            float *v = &z[(size_t)i * (size_t)width + (size_t)k];
            float e = empty[(size_t)(i % CHUNK_POSITIONS) * (size_t)width + (size_t)k];
            *v = (*v - e) * c->weight[i] + e;
        }
}

/* Text i's states of one encoder into their channels of the group's. */
static int encode_text(struct group *g, int i, int encoder, int channel)
{
    const struct clip_config *config = &g->t->clip[encoder].config;
    struct text_chunks *c = &g->text[i][encoder];
    size_t width = (size_t)config->hidden, total = (size_t)g->width;
    bool comfyui = g->rules->compat == COMPAT_COMFYUI && c->weighted;
    int chunks = c->chunks, rows = g->chunks * CHUNK_POSITIONS;
    if (comfyui && add_empty(g, encoder, c) < 0)
        return -1;
    float *z = malloc((size_t)c->chunks * CHUNK_POSITIONS * width * sizeof *z);
    float *pooled = encoder == 1 ? g->pooled + (size_t)i * (size_t)config->projection : NULL;
    int rc = z ? run_encoder(g, encoder, c, z, pooled) : no_memory(g->e);
    if (rc == 0 && comfyui)
        weigh_comfyui(c, chunks, config->hidden, z);
    float *to = g->states + (size_t)i * (size_t)rows * total + (size_t)channel;
    for (int r = 0; r < rows && rc == 0; r++)
        memcpy(to + (size_t)r * total, z + (size_t)r * width, width * sizeof *z);
    free(z);
    return rc;
}

/* A1111: times the weights, then times what gives the chunk its mean back. The mean is that of one
 * encoder's states of this chunk in all texts. */
static void weigh_a1111(struct group *g, int encoder, int chunk, int channel)
{
    size_t width = (size_t)g->t->clip[encoder].config.hidden, total = (size_t)g->width;
    double before = 0, after = 0;
    bool weighted = false;
    for (int pass = 0; pass < 2; pass++) {
        float back = after != 0 ? (float)(before / after) : 1;
        for (int i = 0; i < g->count; i++) {
            double times = g->times ? g->times[i] : 1;
            for (int r = chunk * CHUNK_POSITIONS; r < (chunk + 1) * CHUNK_POSITIONS; r++) {
                float w = g->text[i][encoder].weight[r];
                size_t row = (size_t)(i * g->chunks * CHUNK_POSITIONS + r);
                float *z = g->states + row * total + (size_t)channel;
                weighted = weighted || w != 1;
                for (size_t k = 0; k < width && pass == 0; k++) {
                    before += times * (double)z[k];
                    after += times * (double)(z[k] * w);
                }
                for (size_t k = 0; k < width && pass == 1; k++)
                    z[k] = z[k] * w * back;
            }
        }
        if (!weighted)
            return;
    }
}

static int encode_all(struct group *g)
{
    int channel = 0;
    for (int k = g->t->first; k < 2; k++) {
        for (int i = 0; i < g->count; i++)
            if (encode_text(g, i, k, channel) < 0)
                return -1;
        for (int c = 0; c < g->chunks && g->rules->compat == COMPAT_A1111; c++)
            weigh_a1111(g, k, c, channel);
        channel += g->t->clip[k].config.hidden;
    }
    return 0;
}

/* ---- the list of states ---- */

static int too_long(struct err *e)
{
    return err_set(e, "the prompts have more than %d chunks of %d tokens in all",
                   MAX_ROWS / CHUNK_POSITIONS, CHUNK_TOKENS);
}

/* Room for `texts` more of `rows` rows each. */
static int grow(struct text_states *s, const struct text_encoders *t, int texts, int rows,
                struct err *e)
{
    if (s->rows + (int64_t)texts * rows > MAX_ROWS)
        return too_long(e);
    s->width = width_of(t);
    s->pooled_width = t->clip[1].config.projection;
    size_t n = (size_t)(s->texts + texts), all = (size_t)s->rows + (size_t)texts * (size_t)rows;
    int *tokens = realloc(s->tokens, n * sizeof *tokens);
    s->tokens = tokens ? tokens : s->tokens;
    float *states = realloc(s->states, all * (size_t)s->width * sizeof *states);
    s->states = states ? states : s->states;
    float *pooled = realloc(s->pooled, n * (size_t)s->pooled_width * sizeof *pooled);
    s->pooled = pooled ? pooled : s->pooled;
    return tokens && states && pooled ? 0 : no_memory(e);
}

static int add_group(struct group *g, struct text_states *s)
{
    int rows = g->chunks * CHUNK_POSITIONS;
    if (grow(s, g->t, g->count, rows, g->e) < 0)
        return -1;
    g->width = s->width;
    g->states = s->states + (size_t)s->rows * (size_t)s->width;
    g->pooled = s->pooled + (size_t)s->texts * (size_t)s->pooled_width;
    if (encode_all(g) < 0)
        return -1;
    for (int i = 0; i < g->count; i++)
        s->tokens[s->texts++] = rows;
    s->rows += g->count * rows;
    return 0;
}

int text_states_add(const struct text_encoders *t, struct ops *o, const struct text_rules *rules,
                    const char *const *texts, const int *times, int count, struct text_states *s,
                    struct err *e)
{
    struct group g = {
        .t = t, .rules = rules, .ops = o, .e = e, .times = times, .count = count, .chunks = 1};
    assert(count >= 1);
    g.text = calloc((size_t)count, sizeof *g.text);
    int rc = g.text ? tokenize_all(&g, texts, s->counted) : no_memory(e);
    if (rc == 0)
        rc = add_group(&g, s);
    for (int i = 0; g.text && i < count; i++)
        for (int k = 0; k < 2; k++)
            text_chunks_free(&g.text[i][k]);
    free(g.text);
    return rc;
}

int text_states_add_zeros(const struct text_encoders *t, struct text_states *s, struct err *e)
{
    if (grow(s, t, 1, CHUNK_POSITIONS, e) < 0)
        return -1;
    size_t width = (size_t)s->width, pooled = (size_t)s->pooled_width;
    memset(s->states + (size_t)s->rows * width, 0, CHUNK_POSITIONS * width * sizeof *s->states);
    memset(s->pooled + (size_t)s->texts * pooled, 0, pooled * sizeof *s->pooled);
    s->tokens[s->texts++] = CHUNK_POSITIONS;
    s->rows += CHUNK_POSITIONS;
    s->counted[0] = s->counted[1] = 0;
    return 0;
}

int text_states_stretch(struct text_states *s, const int *rows, struct err *e)
{
    int64_t all = 0;
    for (int i = 0; i < s->texts; i++)
        all += rows[i];
    if (all > MAX_ROWS)
        return too_long(e);
    size_t width = (size_t)s->width;
    float *states = malloc((size_t)all * width * sizeof *states), *to = states;
    if (!states)
        return no_memory(e);
    const float *from = s->states;
    for (int i = 0; i < s->texts; i++) {
        for (int r = 0; r < rows[i]; r++, to += width) {
            memcpy(to, from, width * sizeof *to);
            from += r + 1 < s->tokens[i] ? width : 0;
        }
        from += width;
        s->tokens[i] = rows[i];
    }
    free(s->states);
    s->states = states;
    s->rows = (int)all;
    return 0;
}

struct tensor text_states_upload(const struct text_states *s, struct ops *o)
{
    struct tensor t = ops_alloc(o, 1, s->rows, 1, s->width);
    o->upload(o, &t, s->states);
    return t;
}

void text_states_free(struct text_states *s)
{
    free(s->tokens);
    free(s->states);
    free(s->pooled);
    *s = (struct text_states){0};
}
