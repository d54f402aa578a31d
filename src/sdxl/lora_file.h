/*
 * A LoRA file, mapped and understood: which module of which network each tensor changes, and how.
 *
 * Trainers and tools write the same few matrices under many names. All of them are brought to one:
 * the part, and the module's name with underscores for dots
 * ("down_blocks_1_attentions_0_..._to_q"), because kohya's names have underscores and cannot be
 * turned back. The model's names, in diffusers' and in the original spelling, are written the same
 * way when they are looked up (lora_match.c).
 *
 * Facts from ComfyUI's comfy/lora.py and comfy/weight_adapter/, diffusers'
 * loaders/lora_conversion_utils.py and utils/state_dict_utils.py, peft's tuners, and LyCORIS.
 * The file is hostile: what a module's shapes have to be is checked against the model's weight
 * before a byte is multiplied (lora_match.h).
 */
#ifndef SPRITTY_LORA_FILE_H
#define SPRITTY_LORA_FILE_H

#include "sdxl/checkpoint.h"
#include "sdxl/safetensors.h"

enum lora_role {
    LORA_DOWN, /* [r, in] or [r, in, k, k] */
    LORA_UP,   /* [out, r] */
    LORA_MID,  /* [r, r', k, k]: then down is [r', in] */
    HADA_W1A,  /* LoHa: (w1_a w1_b) * (w2_a w2_b), elementwise */
    HADA_W1B,
    HADA_W2A,
    HADA_W2B,
    HADA_T1, /* [r, r', k, k]: then w1_a is [r, out] and w1_b is [r', in] */
    HADA_T2,
    LOKR_W1, /* LoKr: kron(w1, w2), each whole or as a product */
    LOKR_W1A,
    LOKR_W1B,
    LOKR_W2,
    LOKR_W2A,
    LOKR_W2B,
    LOKR_T2,
    LORA_DIFF,      /* the difference itself */
    LORA_DIFF_B,    /* of the bias */
    LORA_UP_BIAS,   /* peft's bias of lora_B: of the bias, scaled as the rest */
    LORA_DORA,      /* [out, 1] or [1, in]: the norms that rows or columns get (LyCORIS) */
    LORA_MAGNITUDE, /* [out] in any shape: the same for rows (peft) */
    LORA_ALPHA,
    LORA_ROLES
};

enum lora_form { FORM_NONE, FORM_LORA, FORM_LOHA, FORM_LOKR, FORM_DIFF, FORM_COUNT };
const char *lora_form_name(enum lora_form); /* "LoRA" */

struct lora_module {
    enum part part;
    const char *name; /* the common form */
    const struct st_tensor *tensor[LORA_ROLES];
    enum lora_form form;
    int64_t rank;   /* of low-rank forms; 0: none */
    bool has_alpha; /* the file says it */
    double alpha;   /* else the rank, so that the scale is one */
    double scale;   /* what the difference is multiplied by: alpha / rank */
};

struct lora_file;

/* No more: what a hostile file can make us compute is bounded by it. */
enum { LORA_MAX_RANK = 4096, LORA_MAX_CORE_RANK = 512 };

/* Maps and sorts; reads no matrix. Fails when there is nothing of a LoRA in it (with what it is
 * instead, as far as that can be told) or the same tensor is there under two names. */
struct lora_file *lora_file_open(const char *path, struct err *);
/* Over memory, for tests; config: text of an adapter_config.json, or NULL. */
struct lora_file *lora_file_parse(const void *data, size_t size, const char *name,
                                  const char *config, struct err *);
void lora_file_close(struct lora_file *);

const char *lora_file_path(const struct lora_file *);
const struct safetensors *lora_file_tensors(const struct lora_file *);
int lora_file_count(const struct lora_file *);
const struct lora_module *lora_file_at(const struct lora_file *, int); /* by part, then name */
/* The index of a module, or -1. */
int lora_file_find(const struct lora_file *, enum part, const char *name);
/* Tensors of no known kind: names, up to max; returns how many there are. */
int lora_file_unknown(const struct lora_file *, const char **names, int max);

/* What the first of them that can be told is of: "OFT", "GLoRA", "IA3" ...; NULL: none can. */
const char *lora_file_other_form(const struct lora_file *);

/* "kohya", "diffusers", "peft": whose names most of the modules have. */
const char *lora_file_naming(const struct lora_file *);
/* What it was made for, by its names and widths: "SDXL", "Stable Diffusion 1", "Flux" ...; NULL:
 * cannot be told. */
const char *lora_file_family(const struct lora_file *);

/* The common form of a module's name: underscores, without "processor" and "text_model". */
void lora_common_name(enum part, const char *name, char *out, size_t size);

#endif
