/*
 * LoRA files and their merging, and LoRAs as text. The first byte says what the rest is: a file as
 * it is; a list of shapes from which a file of one module is made, so that the merge is reached
 * often; peft's configuration for such a file; or a list of names and strengths.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "prompt/lora_list.h"
#include "sdxl/lora_merge.h"
#include "st_writer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Everything that fits is merged: what fits must be safe. */
static void merge_all(const struct lora_file *f)
{
    static const struct lora_target target[] = {
        {8, 12, 1, true}, {4, 2, 9, true}, {6, 6, 1, false}, {16, 1, 1, true}};
    static float w[8 * 12 + 4 * 18 + 64], bias[16];
    struct err e = {""};
    char why[160];
    struct lora_merger *g = lora_merger_new(1, &e);
    for (int i = 0; g && i < lora_file_count(f) && i < 8; i++)
        for (size_t t = 0; t < sizeof target / sizeof *target; t++)
            if (lora_fits(lora_file_at(f, i), &target[t], why, sizeof why)) {
                lora_merge_bytes(lora_file_at(f, i), &target[t]);
                memset(w, 0, sizeof w);
                lora_merge(g, lora_file_at(f, i), &target[t], 0.7, w, target[t].bias ? bias : NULL,
                           "fuzz", &e);
            }
    lora_merger_free(g);
}

static void as_file(const void *data, size_t size, const char *config)
{
    struct err e = {""};
    struct lora_file *f = lora_file_parse(data, size, "fuzz", config, &e);
    if (!f) {
        if (!e.text[0])
            abort();
        return;
    }
    const char *names[4];
    lora_file_naming(f);
    lora_file_family(f);
    lora_file_unknown(f, names, 4);
    for (int i = 0; i < lora_file_count(f); i++) {
        const struct lora_module *m = lora_file_at(f, i);
        if (lora_file_find(f, m->part, m->name) != i)
            abort();
    }
    merge_all(f);
    lora_file_close(f);
}

static const char *const suffix[] = {"lora_down.weight", "lora_up.weight",
                                     "lora_mid.weight",  "alpha",
                                     "hada_w1_a",        "hada_w1_b",
                                     "hada_w2_a",        "hada_w2_b",
                                     "hada_t1",          "hada_t2",
                                     "lokr_w1",          "lokr_w1_a",
                                     "lokr_w1_b",        "lokr_w2",
                                     "lokr_w2_a",        "lokr_w2_b",
                                     "lokr_t2",          "diff",
                                     "diff_b",           "lora_B.bias",
                                     "dora_scale",       "lora_magnitude_vector"};
enum { SUFFIXES = sizeof suffix / sizeof *suffix };

/* Four bytes a tensor: its kind, its rank and type, its sizes (two to a byte). */
static struct bytes from_shapes(const uint8_t *data, size_t size)
{
    static const char *const type[] = {"F32", "F16", "BF16", "F64"};
    static const size_t width[] = {4, 2, 2, 8};
    struct st_writer w = {0};
    bool there[SUFFIXES] = {false};
    for (; size >= 4; data += 4, size -= 4) {
        int kind = data[0] % SUFFIXES, rank = data[1] % 5, t = data[1] / 5 % 4;
        int64_t dim[4] = {data[2] % 16, data[2] / 16, data[3] % 16, data[3] / 16}, count = 1;
        char name[64];
        if (there[kind])
            continue;
        there[kind] = true;
        for (int i = 0; i < rank; i++)
            count *= dim[i];
        snprintf(name, sizeof name, "x.%s", suffix[kind]);
        st_add(&w, name, type[t], rank, dim, NULL, (size_t)count * width[t]);
    }
    return st_finish(&w, -1);
}

static void as_list(const char *text)
{
    static struct lora_item item[LORA_ITEMS], again[LORA_ITEMS];
    struct err e = {""};
    struct prompt_tags tags;
    int n = lora_list_parse(text, item, &e);
    for (int i = 0; i < n; i++) {
        char one[LORA_ITEM_NAME + 64];
        lora_item_print(&item[i], one, sizeof one);
        bool quote = strchr(item[i].name, '"') != NULL; /* cannot be said in a list */
        if (!quote &&
            (lora_list_parse(one, again, &e) != 1 || strcmp(again[0].name, item[i].name) != 0))
            abort();
    }
    if (prompt_tags_cut(text, false, &tags, &e) == 0)
        lora_list_tags(&tags, item, 0, &e);
    prompt_tags_free(&tags);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    char *text = malloc(size);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    if (data[0] % 4 == 0) {
        as_file(data + 1, size - 1, NULL);
    } else if (data[0] % 4 == 1) {
        struct bytes b = from_shapes(data + 1, size - 1);
        as_file(b.data, b.size, NULL);
        free(b.data);
    } else if (data[0] % 4 == 2) {
        static const uint8_t plain[] = {0, 2, 0xc2, 0, 1, 2, 0x28, 0};
        struct bytes b = from_shapes(plain, sizeof plain);
        as_file(b.data, b.size, text);
        free(b.data);
    } else {
        as_list(text);
    }
    free(text);
    return 0;
}
