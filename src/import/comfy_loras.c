/* See comfy_loras.h. */
#include "import/comfy_loras.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 50 }; /* in one node: LoRA Stacker's */

bool comfy_loads_loras(const struct comfy_walk *w, int node)
{
    return comfy_is(w, node,
                    "LoraLoader|LoraLoaderModelOnly|CR Load LoRA|CR Apply LoRA Stack|"
                    "Power Lora Loader (rgthree)|Lora Loader Stack (rgthree)");
}

static void add(struct comfy_walk *w, int node, const char *file, double unet, double text)
{
    if (!file || !*file || !strcmp(file, "None"))
        return;
    if (w->loras == COMFY_MAX_LORAS) {
        recipe_note(w->r, "%s: more than %d LoRAs", comfy_name(w, node), COMFY_MAX_LORAS);
        return;
    }
    struct comfy_lora *l = &w->lora[w->loras++];
    *l = (struct comfy_lora){.node = node, .unet = unet, .text = text};
    recipe_file_name(w->r, file, l->name);
}

/* Inputs of one of a node's LoRAs; `text` NULL: its strength is the UNet's. */
struct names {
    const char *file, *unet, *text;
};

/* The node `at` says it, for `owner`, through which it is applied. */
static void add_named(struct comfy_walk *w, int owner, int at, struct names n)
{
    char *file = comfy_get_text(w, at, n.file);
    if (file) {
        double unet = comfy_number(w, at, n.unet, 1);
        add(w, owner, file, unet, n.text ? comfy_number(w, at, n.text, 1) : unet);
    }
    free(file);
}

/* "stem_7"; four at a time. */
static const char *numbered(const char *stem, int i, int digits)
{
    static _Thread_local char names[4][40];
    static _Thread_local int turn;
    char *out = names[turn++ & 3];
    snprintf(out, sizeof names[0], "%s_%0*d", stem, digits, i);
    return out;
}

static bool is_off(struct comfy_walk *w, int node, const char *input)
{
    char word[8];
    comfy_word(w, node, input, word, sizeof word);
    return !strcmp(word, "Off");
}

/* Inputs lora_1, lora_2 ..., each {"on", "lora", "strength", "strengthTwo"}, the latter for the
 * text where it is no null. */
static void power(struct comfy_walk *w, int node)
{
    for (int i = MOST; i > 0; i--) {
        struct comfy_input in = comfy_input(w->g, node, numbered("lora", i, 1));
        bool on = false;
        double unet = 1, text;
        if (in.kind != COMFY_VALUE)
            continue;
        json_as_bool(comfy_member(in.value, "on"), &on);
        json_as_double(comfy_member(in.value, "strength"), &unet);
        if (!json_as_double(comfy_member(in.value, "strengthTwo"), &text))
            text = unet;
        if (on)
            add(w, node, json_as_string(comfy_member(in.value, "lora")), unet, text);
    }
}

static void comfyroll(struct comfy_walk *w, int owner, int at)
{
    for (int i = 3; i > 0; i--)
        if (!is_off(w, at, numbered("switch", i, 1)))
            add_named(w, owner, at,
                      (struct names){numbered("lora_name", i, 1), numbered("model_weight", i, 1),
                                     numbered("clip_weight", i, 1)});
}

static void stacker(struct comfy_walk *w, int owner, int at)
{
    char mode[16];
    double count = comfy_number(w, at, "lora_count", 3);
    comfy_word(w, at, "input_mode", mode, sizeof mode);
    bool advanced = !strcmp(mode, "advanced");
    for (int i = count > MOST ? MOST : (int)count; i > 0; i--)
        add_named(w, owner, at,
                  (struct names){numbered("lora_name", i, 1),
                                 numbered(advanced ? "model_str" : "lora_wt", i, 1),
                                 advanced ? numbered("clip_str", i, 1) : NULL});
}

/* The nodes whose lists go into an input lora_stack, one behind the other. */
static void stacks(struct comfy_walk *w, int owner)
{
    int slot, at = comfy_source(w, owner, "lora_stack", &slot);
    for (; at >= 0; at = comfy_source(w, at, "lora_stack", &slot)) {
        if (comfy_is(w, at, "CR LoRA Stack"))
            comfyroll(w, owner, at);
        else if (comfy_is(w, at, "LoRA Stacker"))
            stacker(w, owner, at);
        else
            comfy_pass(w, at, "");
    }
}

void comfy_add_loras(struct comfy_walk *w, int node)
{
    if (comfy_is(w, node, "Power Lora Loader (rgthree)")) {
        power(w, node);
    } else if (comfy_is(w, node, "Lora Loader Stack (rgthree)")) {
        for (int i = 4; i > 0; i--)
            add_named(w, node, node,
                      (struct names){numbered("lora", i, 2), numbered("strength", i, 2), NULL});
    } else if (comfy_is(w, node, "CR Apply LoRA Stack")) {
        stacks(w, node);
    } else if (comfy_is(w, node, "Efficient Loader")) {
        stacks(w, node);
        add_named(w, node, node,
                  (struct names){"lora_name", "lora_model_strength", "lora_clip_strength"});
    } else if (!is_off(w, node, "switch")) {
        add_named(w, node, node, (struct names){"lora_name", "strength_model", "strength_clip"});
    }
}
