/* The names of a LoRA file's tensors, read from the left and from the right; for lora_file.c. */
#ifndef SPRITTY_LORA_NAMES_H
#define SPRITTY_LORA_NAMES_H

#include "base/json.h"
#include "sdxl/lora_file.h"

enum lora_naming { NAMING_KOHYA, NAMING_DIFFUSERS, NAMING_PEFT, NAMING_ORIGINAL, NAMING_COUNT };
enum { LORA_NAME_MAX = 512 };

struct lora_key {
    enum part part;
    enum lora_role role;
    enum lora_naming naming;
    char name[LORA_NAME_MAX]; /* the common form */
};

/* False: a tensor of no known kind. */
bool lora_key_read(const char *name, struct lora_key *);
/* What such a tensor belongs to where it is of a kind that others know ("OFT"), or NULL. */
const char *lora_other_form(const char *name);

/* peft's configuration: lora_alpha (LoHa, LoKr: alpha) over r, for LoRA over its root with
 * use_rslora; alpha_pattern for single modules. In diffusers' header all keys begin with "unet.",
 * "text_encoder." or "text_encoder_2.". False: it says nothing for this module. */
struct peft_scale {
    double alpha, scale;
};
bool lora_peft_scale(struct json config, enum part, const char *module, int64_t rank,
                     struct peft_scale *);

#endif
