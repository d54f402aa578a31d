/*
 * The config.json files of a diffusers folder -> struct model_config.
 *
 * Keys and their defaults are those of diffusers (UNet2DConditionModel, AutoencoderKL, the
 * schedulers) and transformers (CLIPTextConfig). A key that changes what is computed and that
 * spritty does not compute is refused by name, so that no model runs wrong in silence. Sizes that
 * decide the architecture have no default here: a config without them is broken.
 */
#ifndef SPRITTY_CONFIG_H
#define SPRITTY_CONFIG_H

#include "base/json.h"
#include "sdxl/model.h"

/* What the files of a tokenizer folder say; -1 where they say nothing. */
struct token_ids {
    int bos, eos, pad;
    int largest; /* id in the vocabulary */
};

/* Each fills its struct from a parsed config.json. -1 and err on failure. */
int config_parse_unet(struct json, struct unet_config *, int *sample_size, struct err *);
int config_parse_control(struct json, struct control_config *, struct err *);
int config_parse_vae(struct json, struct vae_config *, struct err *);
int config_parse_schedule(struct json, struct schedule_config *, struct err *);
/* encoder 0 has no projection, whatever its file says. ids come from the encoder's tokenizer, or
 * NULL: then CLIP's own order (the two largest ids) and SDXL's padding. */
int config_parse_clip(struct json, int encoder, const struct token_ids *, struct clip_config *,
                      struct err *);
/* model_index.json: an SDXL pipeline; fills refiner and zeros_for_empty_prompt. */
int config_parse_index(struct json, struct model_config *, struct err *);
/* spritty.json: the model's own preview factors and network. Needs vae.latent_channels. */
int config_parse_preview(struct json, struct model_config *, struct err *);
/* vocab.json with special_tokens_map.json and tokenizer_config.json (either may be missing:
 * node NULL). */
int config_parse_tokens(struct json vocab, struct json special, struct json tokenizer, int encoder,
                        struct token_ids *, struct err *);

/* Begin, end and padding where no tokenizer says: CLIP's vocabulary ends with begin and end, the
 * first encoder pads with end, the second with id 0. */
void config_default_tokens(struct clip_config *, int encoder);

/* What one part must have in common with another, and what follows from both: size_conditions,
 * vae_factor. `where` names the model in errors. */
int config_check(struct model_config *, const char *where, struct err *);

/* All of the above for a folder. */
int config_read_folder(const char *dir, struct model_config *, struct err *);
/* A folder that holds a VAE alone: config.json beside its weights. Fills vae. */
int config_read_vae_folder(const char *dir, struct model_config *, struct err *);
/* One that holds a ControlNet. Fills control. */
int config_read_control_folder(const char *dir, struct model_config *, struct err *);

#endif
