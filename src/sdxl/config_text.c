/*
 * Text encoders and their token ids.
 *
 * Three files have a say in begin, end and padding, and SDXL's own config.json files are wrong
 * about them (bos 0, eos 2, pad 1 are leftovers). The tokenizer's are right, so they count. The one
 * thing that the config decides is where transformers takes the pooled state: at the first
 * eos_token_id, or, when that is the old 2, at the largest id (CLIPTextTransformer.forward). Both
 * are the first end-of-text for every model that works; a model where they are not is refused.
 */
#include <string.h>

#include "sdxl/config.h"

enum { CLIP_VOCAB = 49408, CLIP_BOS = 49406, VOCAB_MAX = 1 << 20 };

void config_default_tokens(struct clip_config *c, int encoder)
{
    /* A textual inversion may have added rows behind CLIP's own. */
    c->bos = c->vocab >= CLIP_VOCAB ? CLIP_BOS : c->vocab - 2;
    c->eos = c->bos + 1;
    c->pad = encoder == 0 ? c->eos : 0;
}

static int use_tokens(struct json root, const struct token_ids *ids, int config_eos,
                      struct clip_config *c, struct err *e)
{
    if (ids->largest >= c->vocab)
        return err_set(e, "%s: the tokenizer has ids up to %d, the encoder only %d",
                       json_name(root), ids->largest, c->vocab);
    if (config_eos == 2 && ids->eos != ids->largest)
        return err_set(e,
                       "%s: \"eos_token_id\" 2 means the largest id, but the tokenizer's end of "
                       "text is %d of %d",
                       json_name(root), ids->eos, ids->largest);
    if (config_eos != 2 && config_eos != ids->eos)
        return err_set(e, "%s: \"eos_token_id\" is %d, but the tokenizer's end of text is %d",
                       json_name(root), config_eos, ids->eos);
    c->bos = ids->bos;
    c->eos = ids->eos;
    c->pad = ids->pad;
    return 0;
}

int config_parse_clip(struct json root, int encoder, const struct token_ids *ids,
                      struct clip_config *c, struct err *e)
{
    *c = (struct clip_config){0};
    const char *act;
    double eps;
    int config_eos;
    if (json_kind(root) != JSON_OBJECT)
        return err_set(e, "%s: is not a JSON object", json_name(root));
    if (json_int_or(root, "vocab_size", CLIP_VOCAB, 4, VOCAB_MAX, &c->vocab, e) != 0 ||
        json_int_or(root, "max_position_embeddings", 77, 77, 1 << 12, &c->positions, e) != 0 ||
        json_int(root, "hidden_size", 1, 1 << 14, &c->hidden, e) != 0 ||
        json_int(root, "intermediate_size", 1, 1 << 16, &c->ffn, e) != 0 ||
        json_int(root, "num_hidden_layers", 2, MAX_LAYERS, &c->layers, e) != 0 ||
        json_int(root, "num_attention_heads", 1, 1 << 10, &c->heads, e) != 0 ||
        json_double_or(root, "layer_norm_eps", 1e-5, 1e-12, 1, &eps, e) != 0 ||
        json_string_or(root, "hidden_act", "quick_gelu", &act, e) != 0 ||
        json_int_or(root, "eos_token_id", CLIP_BOS + 1, 0, VOCAB_MAX, &config_eos, e) != 0)
        return -1;
    if (encoder == 1 && json_int(root, "projection_dim", 1, 1 << 14, &c->projection, e) != 0)
        return -1;
    if (c->hidden % c->heads != 0)
        return err_set(e, "%s: \"hidden_size\" %d does not divide into %d heads", json_name(root),
                       c->hidden, c->heads);
    c->eps = (float)eps;
    c->act = strcmp(act, "gelu") == 0 ? ACT_GELU : ACT_QUICK_GELU;
    if (c->act == ACT_QUICK_GELU && strcmp(act, "quick_gelu") != 0)
        return err_set(e, "%s: \"hidden_act\" %s is not supported (gelu, quick_gelu)",
                       json_name(root), act);
    config_default_tokens(c, encoder);
    return ids ? use_tokens(root, ids, config_eos, c, e) : 0;
}

/* -- the tokenizer's files -- */

/* A special token's text: a string, or an object with "content". NULL: not said. */
static const char *token_text(struct json file, const char *key)
{
    struct json v = json_get(file, key);
    return json_as_string(json_kind(v) == JSON_OBJECT ? json_get(v, "content") : v);
}

static const char *special_text(struct json special, struct json tokenizer, const char *key,
                                const char *fallback)
{
    const char *text = token_text(tokenizer, key);
    if (!text)
        text = token_text(special, key);
    return text ? text : fallback;
}

int config_parse_tokens(struct json vocab, struct json special, struct json tokenizer, int encoder,
                        struct token_ids *ids, struct err *e)
{
    const char *text[3] = {special_text(special, tokenizer, "bos_token", "<|startoftext|>"),
                           special_text(special, tokenizer, "eos_token", "<|endoftext|>"),
                           special_text(special, tokenizer, "pad_token", NULL)};
    int found[3] = {-1, -1, -1};
    ids->largest = -1;
    if (json_kind(vocab) != JSON_OBJECT)
        return err_set(e, "%s: is not a JSON object", json_name(vocab));
    for (struct json v = json_first(vocab); v.node; v = json_next(v)) {
        uint64_t id;
        if (!json_as_u64(v, &id) || id >= VOCAB_MAX)
            return err_set(e, "%s: token %s has no valid id", json_name(vocab), json_key(v));
        if ((int)id > ids->largest)
            ids->largest = (int)id;
        for (int i = 0; i < 3; i++)
            if (text[i] && strcmp(json_key(v), text[i]) == 0)
                found[i] = (int)id;
    }
    if (!text[2]) /* not said: SDXL's own padding */
        found[2] = encoder == 0 ? found[1] : 0;
    static const char *const role[3] = {"begin", "end", "padding"};
    for (int i = 0; i < 3; i++)
        if (found[i] < 0)
            return err_set(e, "%s: the %s token %s is not in the vocabulary", json_name(vocab),
                           role[i], text[i] ? text[i] : "");
    ids->bos = found[0];
    ids->eos = found[1];
    ids->pad = found[2];
    return 0;
}
