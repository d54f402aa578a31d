/*
 * The optimisations that can be switched alone, and the cases that a mode is made of.
 *
 * baseline is all of them off, optimized is what runs by itself. Those that save memory for time
 * are off in both: each is tried on top of optimized.
 */
#include <stddef.h>
#include <string.h>

#include "bench/measure.h"
#include "bench/measure_priv.h"

static const struct bench_switch table[] = {
    {"flash attention", "attention", "sliced", "auto", false, false,
     "scores stay in the cache instead of going through memory"},
    {"folded upsampling", "fold", "off", "auto", false, false,
     "doubling and convolution as one, in 4/9 of the work"},
    {"Winograd", "winograd", "off", "on", false, false, "convolutions in 16 products for 36"},
    {"NHWC", "nhwc", "off", "auto", false, false,
     "convolutions read the channels of a pixel side by side, as all else does"},
    {"hoisting", "hoist", "off", "auto", false, false,
     "text keys and values and time embeddings once a run"},
    {"low precision", "precision", "fp32", "auto", false, false,
     "bf16 or fp16 where the machine has it"},
    {"graphs", "graph", "off", "auto", true, false, "a step is recorded once and replayed"},
    {"autotuning", "autotune", "off", "measure", true, false, "algorithms chosen by trying"},
    {"vae slicing", "vae_slicing", "off", "on", false, true,
     "the pictures of a batch are decoded one by one"},
    {"offloading", "offload", "off", "on", false, true,
     "the text encoders leave memory once the prompt is read"},
    {"streaming", "stream", "off", "on", false, true,
     "the UNet's weights come for each call and leave again"},
    {"vae tiling", "vae_tiling", "off", "on", false, true, "large pictures are decoded in tiles"},
};

const struct bench_switch *bench_switch(int i)
{
    return i >= 0 && (size_t)i < sizeof table / sizeof *table ? &table[i] : NULL;
}

/* Is it something on this machine? */
static bool applies(const struct bench_switch *s, bool gpu, bool low_precision)
{
    if (!strcmp(s->key, "precision"))
        return low_precision;
    if ((!strcmp(s->key, "nhwc") || !strcmp(s->key, "winograd")) &&
        gpu) /* there is no other way there */
        return false;
    return settings_key_index(s->key) >= 0 && (gpu || !s->gpu);
}

static void add(struct bench_configs *all, enum bench_group group, int item)
{
    if (all->count < BENCH_MAX_CONFIGS)
        all->at[all->count++] = (struct bench_config){group, item};
}

void bench_configs(enum bench_mode mode, bool gpu, bool low_precision, struct bench_configs *all)
{
    bool ablation = mode == MODE_ABLATION || mode == MODE_ALL;
    all->count = 0;
    if (mode != MODE_OPTIMIZED)
        add(all, BENCH_BASELINE, -1);
    if (mode != MODE_BASELINE)
        add(all, BENCH_OPTIMIZED, -1);
    for (int i = 0; ablation && bench_switch(i); i++) {
        const struct bench_switch *s = bench_switch(i);
        if (!applies(s, gpu, low_precision))
            continue;
        if (s->saves) {
            add(all, BENCH_WITH, i);
        } else {
            add(all, BENCH_WITHOUT, i);
            add(all, BENCH_ONLY, i);
        }
    }
}

/* In baseline and only, all are off but one; in without, one is. What saves memory is off but in
 * with. */
static bool is_on(const struct bench_config *c, int i)
{
    bool rest = c->group == BENCH_OPTIMIZED || c->group == BENCH_WITHOUT || c->group == BENCH_WITH;
    if (table[i].saves)
        return c->group == BENCH_WITH && c->item == i;
    if (i == c->item)
        return c->group == BENCH_ONLY;
    return rest;
}

int bench_apply(const struct bench_config *c, bool gpu, struct settings *s, char *said, int size,
                struct err *e)
{
    size_t used = 0;
    *said = '\0';
    for (int i = 0; bench_switch(i); i++) {
        const char *value = is_on(c, i) ? table[i].on : table[i].off;
        if (!applies(&table[i], gpu, true))
            continue;
        if (c->group == BENCH_OPTIMIZED && !table[i].saves)
            continue; /* as it is by itself, or as the user said */
        if (settings_set(s, table[i].key, value, e))
            return err_prefix(e, "%s", table[i].key);
        if (used < (size_t)size)
            used += (size_t)snprintf(said + used, (size_t)size - used, "%s%s=%s", used ? " " : "",
                                     table[i].key, value);
    }
    return 0;
}
