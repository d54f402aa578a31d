/* Reads which special tokens a tokenizer folder has, as transformers 5 does: named ones (bos_token
 * and so on) and those listed by id under added_tokens_decoder. */
#include "sdxl/special.h"

#include <stdlib.h>
#include <string.h>

/* Every special is looked for at every place of a prompt: few and short keep that cheap. */
enum { MAX_SPECIALS = 256, MAX_NAME = 128, MAX_ID = 1 << 20 };

static struct special *find(const struct specials *s, const char *name)
{
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->at[i].name, name) == 0)
            return &s->at[i];
    return NULL;
}

static bool set_text(struct special *special)
{
    struct points raw = {0};
    special->text.count = 0;
    bool ok = text_decode(special->name, strlen(special->name), &raw);
    if (ok && special->normalized) {
        ok = text_normalize(raw.at, raw.count, &special->text);
        points_free(&raw);
    } else {
        points_free(&special->text);
        special->text = raw;
    }
    return ok;
}

/* Adds a token, or changes the flag of one that is there: the last word counts. */
static int add(struct specials *s, const char *name, bool normalized, int32_t id, struct err *e)
{
    struct special *special = find(s, name);
    if (special == NULL) {
        if (s->count == MAX_SPECIALS)
            return err_set(e, "tokenizer_config.json: more than %d special tokens", MAX_SPECIALS);
        if (strlen(name) > MAX_NAME)
            return err_set(e, "tokenizer_config.json: \"%.30s...\" is too long for a special token",
                           name);
        struct special *at = realloc(s->at, (s->count + 1) * sizeof *at);
        if (at == NULL)
            return err_set(e, "out of memory");
        s->at = at;
        special = &s->at[s->count++];
        *special = (struct special){.name = strdup(name), .id = id};
        if (special->name == NULL) {
            s->count--;
            return err_set(e, "out of memory");
        }
    }
    special->normalized = normalized;
    return set_text(special) ? 0 : err_set(e, "out of memory");
}

/* The text of a token that is written as a string or as an object; NULL when it is neither. */
static const char *content(struct json token)
{
    const char *plain = json_as_string(token);
    return plain ? plain : json_as_string(json_get(token, "content"));
}

/* added_tokens_decoder: {"49406": {"content": "<|startoftext|>", "normalized": true, ...}, ...} */
static int add_listed(struct specials *s, struct json list, const struct bpe *bpe, struct err *e)
{
    for (struct json item = json_first(list); item.node; item = json_next(item)) {
        const char *key = json_key(item), *name = content(item);
        char *end;
        bool normalized;
        long id = key ? strtol(key, &end, 10) : -1;
        if (id < 0 || id >= MAX_ID || end == key || *end != '\0' || name == NULL || name[0] == '\0')
            return err_set(e,
                           "tokenizer_config.json: added_tokens_decoder: entry \"%.30s\" is no "
                           "token with an id",
                           key ? key : "");
        if (json_bool_or(item, "normalized", false, &normalized, e) != 0)
            return -1;
        int32_t known = bpe_id(bpe, name);
        if (known < 0 && bpe_text(bpe, (int32_t)id) != NULL)
            return err_set(e,
                           "tokenizer_config.json: \"%.60s\" takes the id %ld, which is \"%.60s\" "
                           "in vocab.json",
                           name, id, bpe_text(bpe, (int32_t)id));
        if (add(s, name, normalized, known < 0 ? (int32_t)id : known, e) != 0)
            return -1;
    }
    return 0;
}

/* One of bos_token, eos_token, ...: its id, or -1. A plain string is looked for in the raw text. */
static int add_named(struct specials *s, struct json token, const char *name, bool listed,
                     const struct bpe *bpe, struct err *e)
{
    const struct special *known = find(s, name);
    if (known != NULL && listed)
        return known->id;
    int32_t id = known ? known->id : bpe_id(bpe, name);
    bool normalized = false;
    if (id < 0)
        return err_set(e, "vocab.json: the special token \"%.60s\" is not in it", name);
    if (token.node && json_bool_or(token, "normalized", false, &normalized, e) != 0)
        return -1;
    return add(s, name, normalized, id, e) == 0 ? id : -1;
}

int specials_read(struct specials *s, struct json config, struct json map, const struct bpe *bpe,
                  struct err *e)
{
    static const struct {
        const char *key, *otherwise;
    } named[] = {
        {"bos_token", "<|startoftext|>"},
        {"eos_token", "<|endoftext|>"},
        {"unk_token", "<|endoftext|>"},
        {"pad_token", "<|endoftext|>"},
    };
    int32_t unk = -1, pad = -1; /* the padding token is the last of them */
    *s = (struct specials){.bos = -1, .eos = -1};
    struct json list = json_get(config, "added_tokens_decoder");
    bool listed = json_kind(list) == JSON_OBJECT;
    if (listed && add_listed(s, list, bpe, e) != 0)
        return -1;
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++) {
        struct json token = json_get(map, named[i].key);
        if (listed || !json_is_set(token))
            token = json_get(config, named[i].key);
        const char *name = json_is_set(token) ? content(token) : named[i].otherwise;
        if (name == NULL || name[0] == '\0')
            return err_set(e, "tokenizer_config.json: \"%s\" is no text", named[i].key);
        int32_t id = add_named(s, token, name, listed, bpe, e);
        if (id < 0)
            return -1;
        s->bos = i == 0 ? id : s->bos;
        s->eos = i == 1 ? id : s->eos;
        unk = i == 2 ? id : unk;
        pad = id;
    }
    for (size_t i = 0; i < s->count; i++)
        s->at[i].only_pads = s->at[i].id == pad && pad != s->bos && pad != s->eos && pad != unk;
    return 0;
}

void specials_free(struct specials *s)
{
    for (size_t i = 0; i < s->count; i++) {
        free(s->at[i].name);
        points_free(&s->at[i].text);
    }
    free(s->at);
    *s = (struct specials){0};
}

const struct special *specials_match(const struct specials *s, bool normalized, bool pads,
                                     const int32_t *text, size_t count)
{
    const struct special *best = NULL;
    for (size_t i = 0; i < s->count; i++) {
        const struct special *x = &s->at[i];
        size_t n = x->text.count;
        if (x->normalized == normalized && (pads || !x->only_pads) && n > 0 && n <= count &&
            x->text.at[0] == text[0] && memcmp(x->text.at, text, n * sizeof *text) == 0 &&
            (!best || n > best->text.count))
            best = x;
    }
    return best;
}
