/* See names.h. Sizes and licences were written down without asking the hub, so that the list needs
 * no network: for a size the server's own is what counts, for a licence the repository's model
 * card. */
#include "pull/names.h"

#include <string.h>

#include "base/mapfile.h"
#include "base/paths.h"
#include "base/suggest.h"

#define BASE "stabilityai/stable-diffusion-xl-base-1.0"
#define MB   *1000000ull
/* In both, half precision. */
#define CONTROL_HALF  "diffusion_pytorch_model.fp16.safetensors"
#define CONTROL_WHOLE "diffusion_pytorch_model.safetensors"
#define UNION         "xinsir/controlnet-union-sdxl-1.0"

static const struct {
    struct pull_entry entry;
    struct pull_file file; /* of a folder: the list below */
} table[] = {
    {{"sdxl-base", "Stable Diffusion XL base 1.0", "CreativeML Open RAIL++-M", 6938 MB},
     {BASE, "sd_xl_base_1.0.safetensors", "models/sd_xl_base_1.0.safetensors", KIND_CHECKPOINT}},
    {{"sdxl-refiner", "its refiner", "CreativeML Open RAIL++-M", 6076 MB},
     {"stabilityai/stable-diffusion-xl-refiner-1.0", "sd_xl_refiner_1.0.safetensors",
      "models/sd_xl_refiner_1.0.safetensors", KIND_CHECKPOINT}},
    {{"clip-tokenizer", "the vocabulary that single files lack", "CreativeML Open RAIL++-M", 3 MB},
     {NULL, NULL, NULL, KIND_ANY}},
    {{"sdxl-vae-fp16-fix", "a VAE that holds in FP16", "MIT", 335 MB},
     {"madebyollin/sdxl-vae-fp16-fix", "sdxl.vae.safetensors", "vae/sdxl-vae-fp16-fix.safetensors",
      KIND_VAE}},
    {{"taesdxl", "a tiny VAE, softer, 15 times as fast", "MIT", 10 MB},
     {"madebyollin/taesdxl", "diffusion_pytorch_model.safetensors", "vae/taesdxl.safetensors",
      KIND_TINY_VAE}},
    {{"pixel-art-xl", "LoRA: pixel art", "CreativeML Open RAIL-M", 171 MB},
     {"nerijs/pixel-art-xl", "pixel-art-xl.safetensors", "loras/pixel-art-xl.safetensors",
      KIND_LORA}},
    {{"lcm-lora-sdxl", "LoRA: 4 to 8 steps with sampler lcm", "Open RAIL++", 394 MB},
     {"latent-consistency/lcm-lora-sdxl", "pytorch_lora_weights.safetensors",
      "loras/lcm-lora-sdxl.safetensors", KIND_LORA}},
    {{"sdxl-lightning-2step", "LoRA: 2 steps", "Open RAIL++", 394 MB},
     {"ByteDance/SDXL-Lightning", "sdxl_lightning_2step_lora.safetensors",
      "loras/sdxl_lightning_2step_lora.safetensors", KIND_LORA}},
    {{"sdxl-lightning-4step", "LoRA: 4 steps", "Open RAIL++", 394 MB},
     {"ByteDance/SDXL-Lightning", "sdxl_lightning_4step_lora.safetensors",
      "loras/sdxl_lightning_4step_lora.safetensors", KIND_LORA}},
    {{"sdxl-lightning-8step", "LoRA: 8 steps", "Open RAIL++", 394 MB},
     {"ByteDance/SDXL-Lightning", "sdxl_lightning_8step_lora.safetensors",
      "loras/sdxl_lightning_8step_lora.safetensors", KIND_LORA}},
    {{"canny-sdxl", "ControlNet: edges", "Open RAIL++", 2502 MB},
     {"diffusers/controlnet-canny-sdxl-1.0", CONTROL_HALF, "controlnets/canny-sdxl.safetensors",
      KIND_CONTROL}},
    {{"canny-sdxl-small", "ControlNet: edges, an eighth as large", "Open RAIL++", 320 MB},
     {"diffusers/controlnet-canny-sdxl-1.0-small", CONTROL_HALF,
      "controlnets/canny-sdxl-small.safetensors", KIND_CONTROL}},
    {{"depth-sdxl", "ControlNet: depth, near is light", "Open RAIL++", 2502 MB},
     {"diffusers/controlnet-depth-sdxl-1.0", CONTROL_HALF, "controlnets/depth-sdxl.safetensors",
      KIND_CONTROL}},
    {{"scribble-sdxl", "ControlNet: lines, white on black", "Apache 2.0", 2502 MB},
     {"xinsir/controlnet-scribble-sdxl-1.0", CONTROL_WHOLE, "controlnets/scribble-sdxl.safetensors",
      KIND_CONTROL}},
    {{"openpose-sdxl", "ControlNet: a pose in OpenPose's form", "Apache 2.0", 2502 MB},
     {"xinsir/controlnet-openpose-sdxl-1.0", CONTROL_WHOLE, "controlnets/openpose-sdxl.safetensors",
      KIND_CONTROL}},
    {{"tile-sdxl", "ControlNet: a picture's own forms", "Apache 2.0", 2502 MB},
     {"xinsir/controlnet-tile-sdxl-1.0", CONTROL_WHOLE, "controlnets/tile-sdxl.safetensors",
      KIND_CONTROL}},
    {{"controlnet-union", "ControlNet Union: 6 kinds of picture", "Apache 2.0", 2512 MB},
     {UNION, CONTROL_WHOLE, "controlnets/controlnet-union.safetensors", KIND_CONTROL}},
    {{"controlnet-promax", "ControlNet Union: 8 kinds of picture", "Apache 2.0", 2513 MB},
     {UNION, "diffusion_pytorch_model_promax.safetensors",
      "controlnets/controlnet-promax.safetensors", KIND_CONTROL}},
};
enum { ENTRIES = sizeof table / sizeof *table };

/* Both, since they pad differently. The order counts: a folder that is cut short lacks its last. */
static const struct pull_file tokenizer[] = {
    {BASE, "tokenizer/vocab.json", "tokenizer/tokenizer/vocab.json", KIND_JSON},
    {BASE, "tokenizer/merges.txt", "tokenizer/tokenizer/merges.txt", KIND_TEXT},
    {BASE, "tokenizer/tokenizer_config.json", "tokenizer/tokenizer/tokenizer_config.json",
     KIND_JSON},
    {BASE, "tokenizer/special_tokens_map.json", "tokenizer/tokenizer/special_tokens_map.json",
     KIND_JSON},
    {BASE, "tokenizer_2/vocab.json", "tokenizer/tokenizer_2/vocab.json", KIND_JSON},
    {BASE, "tokenizer_2/merges.txt", "tokenizer/tokenizer_2/merges.txt", KIND_TEXT},
    {BASE, "tokenizer_2/tokenizer_config.json", "tokenizer/tokenizer_2/tokenizer_config.json",
     KIND_JSON},
    {BASE, "tokenizer_2/special_tokens_map.json", "tokenizer/tokenizer_2/special_tokens_map.json",
     KIND_JSON},
};
_Static_assert(sizeof tokenizer / sizeof *tokenizer < PULL_MAX_FILES, "pull_files has the room");

const struct pull_entry *pull_entry(int i)
{
    return i >= 0 && i < ENTRIES ? &table[i].entry : NULL;
}

int pull_find(const char *name)
{
    for (int i = 0; i < ENTRIES; i++)
        if (!strcmp(table[i].entry.name, name))
            return i;
    return -1;
}

int pull_files(int i, struct pull_file out[PULL_MAX_FILES])
{
    const bool single = table[i].file.repo, brings = table[i].file.kind == KIND_CHECKPOINT;
    int count = 0;
    if (!single || brings) {
        memcpy(out, tokenizer, sizeof tokenizer);
        count = sizeof tokenizer / sizeof *tokenizer;
    }
    if (single)
        out[count++] = table[i].file;
    return count;
}

bool pull_is_here(int i, char path[PATH_MAX])
{
    struct pull_file files[PULL_MAX_FILES];
    int count = pull_files(i, files);
    char at[PATH_MAX];
    for (int k = count - 1; k >= 0; k--) {
        if (!place_path(PLACE_DATA, files[k].to, at) || !file_exists(at))
            return false;
        if (k == count - 1 && path)
            memcpy(path, at, sizeof at);
    }
    return true;
}

int pull_here(const char *name, char path[PATH_MAX])
{
    int i = pull_find(name);
    return i < 0 ? -1 : pull_is_here(i, path);
}

const char *pull_name_for(const char *model)
{
    for (int i = 0; i < ENTRIES; i++) {
        const char *to = table[i].file.to, *slash = to ? strrchr(to, '/') : NULL;
        size_t n = strlen(model);
        if (!strcmp(table[i].entry.name, model) ||
            (slash && !strncmp(slash + 1, model, n) &&
             (!slash[1 + n] || !strcmp(slash + 1 + n, ".safetensors"))))
            return table[i].entry.name;
    }
    return NULL;
}

static const char *name_at(const void *user, int i)
{
    (void)user;
    return i < ENTRIES ? table[i].entry.name : NULL;
}

const char *pull_suggest(const char *name)
{
    return suggest(name, name_at, NULL);
}
