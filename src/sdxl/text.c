/* Reference: diffusers' StableDiffusionXLPipeline.encode_prompt; chunks as A1111 makes them. */
#include "sdxl/text.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_CHUNKS = 256 };

struct chunked { /* one prompt for one encoder */
    int32_t *ids;
    int chunks, tokens;
};

static int tokenize(const struct tokenizer *t, const struct clip_config *c, const char *prompt,
                    struct chunked *out, struct err *e)
{
    int32_t *ids = NULL;
    *out = (struct chunked){0};
    if (!t) { /* a forecast: one chunk of whatever */
        out->chunks = 1;
        out->ids = calloc((size_t)c->positions, sizeof *out->ids);
        return out->ids ? 0 : err_set(e, "out of memory");
    }
    out->tokens = tokenizer_encode(t, prompt ? prompt : "", prompt ? strlen(prompt) : 0, &ids, e);
    if (out->tokens < 0)
        return -1;
    out->chunks = tokenizer_chunks(t, ids, out->tokens, c->pad, &out->ids);
    free(ids);
    if (out->chunks < 0)
        return err_set(e, "out of memory while reading the prompt");
    if (out->chunks > MAX_CHUNKS)
        return err_set(e, "the prompt has %d tokens; at most %d are taken, so shorten it",
                       out->tokens, MAX_CHUNKS * 75);
    return 0;
}

/* Makes `chunks` of them, the new ones empty: begin, end, padding. */
static int fill_chunks(const struct tokenizer *t, const struct clip_config *c, struct chunked *p,
                       int chunks, struct err *e)
{
    if (p->chunks >= chunks)
        return 0;
    size_t width = (size_t)c->positions;
    int32_t *empty = NULL;
    int32_t *more = realloc(p->ids, (size_t)chunks * width * sizeof *more);
    if (!more || tokenizer_chunks(t, NULL, 0, c->pad, &empty) < 0)
        return err_set(e, "out of memory while reading the prompt");
    p->ids = more;
    for (int i = p->chunks; i < chunks; i++)
        memcpy(more + (size_t)i * width, empty, width * sizeof *more);
    free(empty);
    p->chunks = chunks;
    return 0;
}

/* One condition: both encoders into its image of the states. */
static void encode_one(const struct text_encoders *t, struct ops *o, const struct chunked p[2],
                       struct tensor *into, float *pooled)
{
    const struct clip *a = &t->clip[0], *b = &t->clip[1];
    int chunks = p[0].chunks, positions = a->config.positions;
    struct tensor ha = ops_alloc(o, chunks, positions, 1, a->config.hidden);
    struct tensor hb = ops_alloc(o, chunks, positions, 1, b->config.hidden);
    struct tensor pool = ops_alloc(o, 1, 1, 1, b->config.projection);
    clip_encode(a, o, p[0].ids, chunks, CLIP_SKIP, &ha, NULL);
    clip_encode(b, o, p[1].ids, chunks, CLIP_SKIP, &hb, &pool);
    struct tensor view = tensor_as(*into, chunks, positions, 1);
    o->concat(o, &view, &ha, &hb);
    o->download(o, pooled, &pool);
    o->release(o, &pool);
    o->release(o, &hb);
    o->release(o, &ha);
}

static int encode_zeros(struct ops *o, struct tensor *into, float *pooled, int width)
{
    float *zeros = calloc((size_t)tensor_count(into), sizeof *zeros);
    if (!zeros)
        return -1;
    o->upload(o, into, zeros);
    memset(pooled, 0, (size_t)width * sizeof *pooled);
    free(zeros);
    return 0;
}

static int tokenize_all(const struct text_encoders *t, const char *const *prompts, int conds,
                        struct chunked p[][2], struct text_states *s, struct err *e)
{
    s->chunks = 1;
    for (int i = 0; i < conds; i++)
        for (int k = 0; k < 2; k++) {
            if (tokenize(t->tokenizer[k], &t->clip[k].config, prompts[i], &p[i][k], e) < 0)
                return -1;
            s->tokens[k] = p[i][k].tokens;
            s->chunks = p[i][k].chunks > s->chunks ? p[i][k].chunks : s->chunks;
        }
    for (int i = 0; i < conds; i++)
        for (int k = 0; k < 2; k++)
            if (fill_chunks(t->tokenizer[k], &t->clip[k].config, &p[i][k], s->chunks, e) < 0)
                return -1;
    return 0;
}

int text_encoders_run(const struct text_encoders *t, struct ops *o, const char *const *prompts,
                      int conds, struct text_states *s, struct err *e)
{
    struct chunked p[MAX_CONDS][2] = {0};
    const struct clip_config *a = &t->clip[0].config, *b = &t->clip[1].config;
    assert(conds >= 1 && conds <= MAX_CONDS && a->positions == b->positions);
    *s = (struct text_states){.conds = conds};
    int rc = tokenize_all(t, prompts, conds, p, s, e);
    if (rc == 0) {
        size_t width = (size_t)b->projection;
        s->states = ops_alloc(o, conds, s->chunks * a->positions, 1, a->hidden + b->hidden);
        s->pooled = malloc((size_t)conds * width * sizeof *s->pooled);
        if (!s->pooled)
            rc = err_set(e, "out of memory while encoding the prompt");
        for (int i = 0; i < conds && rc == 0; i++) {
            struct tensor into = tensor_images(s->states, i, 1);
            if (!prompts[i]) {
                if (encode_zeros(o, &into, s->pooled + (size_t)i * width, b->projection) < 0)
                    rc = err_set(e, "out of memory while encoding the prompt");
            } else {
                encode_one(t, o, p[i], &into, s->pooled + (size_t)i * width);
            }
        }
    }
    for (int i = 0; i < conds; i++)
        for (int k = 0; k < 2; k++)
            free(p[i][k].ids);
    if (rc < 0)
        text_states_free(o, s);
    return rc;
}

void text_states_free(struct ops *o, struct text_states *s)
{
    o->release(o, &s->states);
    free(s->pooled);
    *s = (struct text_states){0};
}
