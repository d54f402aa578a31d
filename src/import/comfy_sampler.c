/* See comfy_sampler.h. Classes and inputs: ComfyUI's nodes.py,
 * comfy_extras/nodes_custom_sampler.py.
 */
#include "import/comfy_sampler.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "import/comfy_sigmas.h"
#include "sdxl/sampler.h"

bool comfy_is_sampler(const struct comfy_walk *w, int node)
{
    return comfy_is(w, node,
                    "KSampler|KSamplerAdvanced|SamplerCustom|SamplerCustomAdvanced"
                    "|" COMFY_EFFICIENT_SAMPLERS);
}

/* A switch, as a word of the node's or as a boolean. */
static bool is_off(struct comfy_walk *w, int node, const char *input)
{
    char word[16];
    comfy_word(w, node, input, word, sizeof word);
    return !strcmp(word, "disable") || !strcmp(word, "no") || !strcmp(word, "false");
}

/* ---- which sampler ---- */

static const struct {
    const char *type, *name;
} KINDS[] = {
    {"SamplerEulerAncestral", "euler_ancestral"},
    {"SamplerEulerAncestralCFGPP", "euler_ancestral_cfg_pp"},
    {"SamplerEulerCFGpp", "euler_cfg_pp"},
    {"SamplerLMS", "lms"},
    {"SamplerDPMPP_3M_SDE", "dpmpp_3m_sde"},
    {"SamplerDPMPP_2M_SDE", "dpmpp_2m_sde"},
    {"SamplerDPMPP_SDE", "dpmpp_sde"},
    {"SamplerDPMPP_2S_Ancestral", "dpmpp_2s_ancestral"},
    {"SamplerDPMAdaptative", "dpm_adaptive"},
    {"SamplerER_SDE", "er_sde"},
    {"SamplerSASolver", "sa_solver"},
};

/* What nodes for one sampler may change, and what it is here. */
static void compare_options(struct comfy_walk *w, int node)
{
    static const struct {
        const char *input;
        double ours;
    } numbers[] = {{"eta", 1}, {"s_noise", 1}, {"r", 0.5}, {"order", 4}};
    char word[24];
    for (int i = 0; i < 4; i++) {
        double x = comfy_number(w, node, numbers[i].input, numbers[i].ours);
        if (fabs(x - numbers[i].ours) > 1e-9)
            recipe_note(w->r, "%s: %s %.6g; here it is %.6g", comfy_name(w, node), numbers[i].input,
                        x, numbers[i].ours);
    }
    comfy_word(w, node, "solver_type", word, sizeof word);
    if (!strcmp(word, "heun"))
        recipe_note(w->r, "%s: solver_type heun; here it is midpoint", comfy_name(w, node));
    comfy_word(w, node, "noise_device", word, sizeof word);
    if (!strcmp(word, "gpu"))
        recipe_set(w->r, "rng", "gpu");
}

static void put_name(struct comfy_walk *w, const char *name, struct comfy_stage *s)
{
    int on_gpu = sampler_by_gpu_name(name);
    snprintf(s->sampler, sizeof s->sampler, "%s", on_gpu >= 0 ? sampler_name(on_gpu) : name);
    if (on_gpu >= 0)
        recipe_set(w->r, "rng", "gpu");
}

static void named_sampler(struct comfy_walk *w, int node, struct comfy_stage *s)
{
    char name[64];
    comfy_word(w, node, "sampler_name", name, sizeof name);
    put_name(w, name, s);
}

static void sampler_object(struct comfy_walk *w, struct comfy_stage *s)
{
    int slot, node = comfy_source(w, s->node, "sampler", &slot);
    if (node < 0)
        return;
    if (comfy_is(w, node, "KSamplerSelect")) {
        named_sampler(w, node, s);
        return;
    }
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++)
        if (comfy_is(w, node, KINDS[i].type)) {
            snprintf(s->sampler, sizeof s->sampler, "%s", KINDS[i].name);
            compare_options(w, node);
            return;
        }
    comfy_pass(w, node, "");
}

/* ---- the classes ---- */

bool comfy_is_spared(const char *sampler)
{
    static const char *const names[] = {"dpm_2", "dpm_2_ancestral", "uni_pc", "uni_pc_bh2"};
    for (int i = 0; i < 4; i++)
        if (!strcmp(names[i], sampler))
            return true;
    return false;
}

static void simple(struct comfy_walk *w, int node, struct comfy_stage *s)
{
    bool advanced = comfy_is(w, node, "KSamplerAdvanced|KSampler Adv. (Efficient)");
    struct comfy_levels *l = &s->levels;
    l->total = (int)comfy_number(w, node, "steps", 20);
    l->denoise = advanced ? 1 : comfy_number(w, node, "denoise", 1);
    l->start = advanced ? (int)comfy_number(w, node, "start_at_step", 0) : 0;
    int end = advanced ? (int)comfy_number(w, node, "end_at_step", 10000) : l->total;
    l->end = end < l->total ? end : l->total;
    s->cuts = advanced;
    comfy_word(w, node, "scheduler", l->scheduler, sizeof l->scheduler);
    comfy_word(w, node, advanced ? "noise_seed" : "seed", s->seed, sizeof s->seed);
    comfy_word(w, node, "cfg", s->cfg, sizeof s->cfg);
    named_sampler(w, node, s);
    if (advanced && !comfy_is_spared(s->sampler))
        comfy_sigmas_from_front(l, end);
    s->noise = !advanced || !is_off(w, node, "add_noise");
    s->full = advanced && is_off(w, node, "return_with_leftover_noise");
    if (comfy_input(w->g, node, "script").kind == COMFY_LINK)
        recipe_note(w->r, "%s: its script is ignored", comfy_name(w, node));
}

static void guider(struct comfy_walk *w, struct comfy_stage *s)
{
    int slot, node = comfy_source(w, s->node, "guider", &slot);
    if (node < 0) {
        recipe_note(w->r, "%s: no guider leads to it", comfy_name(w, s->node));
        return;
    }
    s->guider = node;
    if (comfy_is(w, node, "BasicGuider")) {
        s->positive = "conditioning";
        s->negative = NULL;
        snprintf(s->cfg, sizeof s->cfg, "1");
    } else if (comfy_is(w, node, "DualCFGGuider")) {
        recipe_note(w->r, "%s: guided by two prompts; here by cond1 alone", comfy_name(w, node));
        s->positive = "cond1";
        comfy_word(w, node, "cfg_conds", s->cfg, sizeof s->cfg);
    } else {
        if (!comfy_is(w, node, "CFGGuider"))
            comfy_pass(w, node, "");
        comfy_word(w, node, "cfg", s->cfg, sizeof s->cfg);
    }
}

static void noise(struct comfy_walk *w, struct comfy_stage *s)
{
    int slot, node = comfy_source(w, s->node, "noise", &slot);
    s->noise = node >= 0 && !comfy_is(w, node, "DisableNoise");
    if (s->noise && !comfy_is(w, node, "RandomNoise"))
        comfy_pass(w, node, "");
    if (s->noise)
        comfy_word(w, node, "noise_seed", s->seed, sizeof s->seed);
}

static int custom(struct comfy_walk *w, int node, int slot, struct comfy_stage *s)
{
    s->cuts = true;
    if (comfy_is(w, node, "SamplerCustom")) {
        comfy_word(w, node, "noise_seed", s->seed, sizeof s->seed);
        comfy_word(w, node, "cfg", s->cfg, sizeof s->cfg);
        s->noise = !is_off(w, node, "add_noise");
    } else {
        guider(w, s);
        noise(w, s);
    }
    sampler_object(w, s);
    if (comfy_sigmas(w, node, &s->levels))
        return -1;
    if (comfy_is_spared(s->sampler))
        comfy_sigmas_expand(&s->levels);
    if (slot == 1 && s->levels.end < s->levels.total)
        recipe_note(w->r,
                    "%s: its denoised output is taken before the last step; here the last "
                    "step's is",
                    comfy_name(w, node));
    return 0;
}

int comfy_sampler(struct comfy_walk *w, int node, int slot, struct comfy_stage *s)
{
    *s = (struct comfy_stage){.node = node,
                              .guider = node,
                              .positive = "positive",
                              .negative = "negative",
                              .up = {.node = -1}};
    s->levels.denoise = 1;
    if (comfy_is(w, node, "SamplerCustom|SamplerCustomAdvanced"))
        return custom(w, node, slot, s);
    simple(w, node, s);
    return 0;
}
