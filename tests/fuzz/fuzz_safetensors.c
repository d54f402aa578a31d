/* Any bytes as a safetensors file: the table is walked and the data read, and for those that look
 * like a single-file checkpoint, a VAE, a tiny one or a ControlNet the architecture is inferred. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "sdxl/infer.h"
#include "sdxl/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned read_all(const struct safetensors *st)
{
    unsigned sum = 0;
    for (int i = 0; i < safetensors_count(st); i++) {
        const struct st_tensor *t = safetensors_at(st, i);
        for (uint64_t k = 0; k < t->bytes; k++)
            sum += t->data[k];
        if (safetensors_find(st, t->name) != t)
            abort();
    }
    return sum;
}

static void check_tiny(const struct vae_config *c)
{
    if (c->levels < 1 || c->levels > MAX_LEVELS || c->channels[0] < 1)
        abort();
    for (int i = 0; i < 2 * c->levels; i++)
        if (c->tiny_blocks[i % 2][i / 2] > MAX_BLOCKS || c->tiny_blocks[i % 2][i / 2] < 0)
            abort();
}

static void infer_control(const struct safetensors *st)
{
    struct model_config m;
    struct err e = {0};
    enum control_names names;
    const struct control_config *c = &m.control;
    if (infer_control_names(st, &names, &e) != 0 || infer_control_config(st, names, &m, &e) != 0)
        return;
    if (c->hint_levels < 1 || c->hint_levels > MAX_LEVELS || c->hint_width[c->hint_levels - 1] < 1)
        abort();
    for (int i = 0; i < c->unet.levels; i++)
        if (c->unet.levels > MAX_LEVELS || c->unet.layers < 1 || c->unet.layers > MAX_BLOCKS ||
            c->unet.channels[i] < 1 || c->unet.heads[i] < 1 || c->unet.mid_depth > MAX_LAYERS)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err e = {0};
    struct safetensors *st = safetensors_parse(data, size, "fuzz", &e);
    if (!st) {
        if (e.text[0] == '\0')
            abort();
        return 0;
    }
    struct model_config config;
    volatile unsigned sum = read_all(st); /* kept: a sanitizer looks at every byte */
    (void)sum;
    safetensors_metadata(st, "format");
    if (infer_config(st, &config, &e) == 0 && config.unet.levels > MAX_LEVELS)
        abort();
    if (infer_vae_config(st, true, &config, &e) == 0 && config.vae.levels > MAX_LEVELS)
        abort();
    if (infer_tiny_vae(st, &config, &e) == 0)
        check_tiny(&config.vae);
    infer_control(st);
    safetensors_close(st);
    return 0;
}
