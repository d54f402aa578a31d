/* Any bytes as a safetensors file: the table is walked and the data read, and for those that look
 * like a single-file checkpoint the architecture is inferred. */
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
    safetensors_close(st);
    return 0;
}
