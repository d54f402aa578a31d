/*
 * Special tokens: texts that stand for one id and are cut out before anything is split.
 *
 * Some are looked for in the raw text, some in the normalised one; a folder's tokenizer_config.json
 * and special_tokens_map.json say which. In SDXL's tokenizer_2 the padding token is "!", so there
 * every "!" of a prompt is one.
 */
#ifndef SPRITTY_SPECIAL_H
#define SPRITTY_SPECIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "sdxl/bpe.h"
#include "sdxl/textnorm.h"

struct special {
    char *name;
    struct points text; /* what is looked for: the name, normalised if `normalized` */
    int32_t id;
    bool normalized; /* looked for in the normalised text */
    bool only_pads;  /* a padding token that is no other special one: "!" in tokenizer_2 */
};

struct specials {
    struct special *at;
    size_t count;
    int32_t bos, eos;
};

/* config: the root of tokenizer_config.json, map: of special_tokens_map.json; either may be missing
 * (node NULL). Then the names are CLIP's own, looked for in the raw text. Every one must be in the
 * vocabulary or bring its id along. 0, or -1 and err; specials_free in both cases. */
int specials_read(struct specials *, struct json config, struct json map, const struct bpe *,
                  struct err *);
void specials_free(struct specials *);

/* The longest special of that kind which `text` begins with, or NULL. pads: those that only pad are
 * looked for as well. */
const struct special *specials_match(const struct specials *, bool normalized, bool pads,
                                     const int32_t *text, size_t count);

#endif
