/* See swarm.h. */
#include "import/swarm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "import/json_tame.h"
#include "prompt/lora_list.h"
#include "sdxl/sampler.h"

static const char *const plain[][2] = {
    {"prompt", "prompt"},
    {"negativeprompt", "negative"},
    {"seed", "seed"},
    {"steps", "steps"},
    {"cfgscale", "cfg"},
    {"sampler", "sampler"},
    {"comfyuisampler", "sampler"}, /* of older versions */
    {"scheduler", "scheduler"},
    {"comfyuischeduler", "scheduler"},
};

/* Read elsewhere, or nothing that changes the picture. */
static const char *const quiet[] = {
    "width",          "height",          "model",           "vae",
    "loras",          "loraweights",     "aspectratio",     "images",
    "automaticvae",   "nopreviews",      "swarm_version",   "date",
    "imageformat",    "original_prompt", "generation_time", "wildcardseed",
    "used_wildcards", "donotsave",       "personalnote",
};

static bool among(const char *const *list, size_t count, const char *key)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(list[i], key))
            return true;
    return false;
}

static void put_file(struct recipe *r, struct json params, const char *from, const char *key)
{
    char name[256];
    const char *file = json_as_string(json_get(params, from));
    if (!file || !*file || !strcasecmp(file, "None") || !strcasecmp(file, "Automatic"))
        return;
    recipe_file_name(r, file, name);
    recipe_set(r, key, name);
}

/* Lists of the same length, of names and of weights, which are numbers or texts. */
static void put_loras(struct recipe *r, struct json params)
{
    char *text = NULL, one[LORA_ITEM_NAME + 64], room[40];
    size_t size;
    struct json name = json_get(params, "loras"), weight = json_get(params, "loraweights");
    if (json_kind(name) != JSON_ARRAY)
        return;
    FILE *f = open_memstream(&text, &size);
    name = json_first(name);
    weight = json_kind(weight) == JSON_ARRAY ? json_first(weight) : (struct json){.node = NULL};
    for (int i = 0; f && name.node && i < LORA_ITEMS; i++, name = json_next(name)) {
        char file[256];
        const char *said = weight.node ? json_text(weight, room) : NULL;
        double x = said ? atof(said) : 1;
        struct lora_item item = {.unet = x, .text = x};
        if (json_as_string(name)) {
            recipe_file_name(r, json_as_string(name), file);
            snprintf(item.name, sizeof item.name, "%s", file);
            lora_item_print(&item, one, sizeof one);
            fprintf(f, "%s%s", i > 0 ? ", " : "", one);
        }
        if (weight.node)
            weight = json_next(weight);
    }
    if (f && fclose(f) == 0 && *text)
        recipe_set(r, "lora", text);
    free(text);
}

/* Trees that a GPU draws are a name of their own in ComfyUI. */
static void put_sampler(struct recipe *r, const char *name)
{
    int on_gpu = sampler_by_gpu_name(name);
    recipe_set(r, "sampler", on_gpu >= 0 ? sampler_name(on_gpu) : name);
    if (on_gpu >= 0)
        recipe_set(r, "rng", "gpu");
}

static void put_all(struct recipe *r, struct json params)
{
    char room[40];
    uint64_t width, height;
    recipe_set(r, "compat", "comfyui");
    recipe_set(r, "negative", "");
    for (struct json v = json_first(params); v.node; v = json_next(v)) {
        const char *value = json_text(v, room), *key = NULL;
        for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
            if (!strcmp(plain[i][0], json_key(v)))
                key = plain[i][1];
        if (key && value && !strcmp(key, "sampler"))
            put_sampler(r, value);
        else if (key && value)
            recipe_set(r, key, value);
        else if (!among(quiet, sizeof quiet / sizeof *quiet, json_key(v)))
            recipe_note(r, "%.60s: %.120s has no setting here", json_key(v), value ? value : "");
    }
    if (!recipe_get(r, "sampler"))
        recipe_note(r, "the text does not say which sampler SwarmUI took");
    if (json_as_u64(json_get(params, "width"), &width) &&
        json_as_u64(json_get(params, "height"), &height) && width < 100000 && height < 100000)
        recipe_setf(r, "size", "%dx%d", (int)width, (int)height);
    put_file(r, params, "model", "model");
    put_file(r, params, "vae", "vae");
    put_loras(r, params);
    recipe_literal(r);
}

int swarm_import(const char *text, size_t size, const char *name, struct recipe *r, struct err *e)
{
    struct err ignored = {""};
    struct json_doc *doc = json_parse_tame(text, size, name, &ignored);
    bool object = doc && json_kind(json_root(doc)) == JSON_OBJECT;
    struct json params = object ? json_get(json_root(doc), "sui_image_params")
                                : (struct json){.node = NULL};
    bool ours = json_kind(params) == JSON_OBJECT;
    if (ours) {
        r->source = "SwarmUI parameters";
        put_all(r, params);
    }
    json_free(doc);
    if (ours)
        return r->failed ? err_set(e, "out of memory") : 0;
    return object ? err_set(e,
                            "%s: its text `parameters` is JSON, but not SwarmUI's: of another tool "
                            "(Fooocus writes such), which is not read here",
                            name)
                  : 1;
}
