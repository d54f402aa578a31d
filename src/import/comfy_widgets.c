/* What the editor's form of a workflow leaves unsaid: the names of a node's own values. */
#include <string.h>

#include "import/comfy_graph_priv.h"

/* Names of a class's own values in the editor's order; '*' is what the editor puts behind a seed
 * ("randomize"). */
static const struct {
    const char *type, *names;
} WIDGETS[] = {
    {"CheckpointLoaderSimple", "ckpt_name"},
    {"CheckpointLoader", "config_name ckpt_name"},
    {"LoraLoader", "lora_name strength_model strength_clip"},
    {"LoraLoaderModelOnly", "lora_name strength_model"},
    {"CheckpointLoader|pysssss", "ckpt_name"},
    {"LoraLoader|pysssss", "lora_name strength_model strength_clip"},
    {"SDXL Empty Latent Image (rgthree)", "dimensions clip_scale batch_size"},
    {"SDXLEmptyLatentSizePicker+", "resolution batch_size width_override height_override"},
    {"CR Load LoRA", "switch lora_name strength_model strength_clip"},
    {"CR LoRA Stack", "switch_1 lora_name_1 model_weight_1 clip_weight_1 switch_2 lora_name_2 "
                      "model_weight_2 clip_weight_2 switch_3 lora_name_3 model_weight_3 "
                      "clip_weight_3"},
    {"Lora Loader Stack (rgthree)",
     "lora_01 strength_01 lora_02 strength_02 lora_03 strength_03 lora_04 strength_04"},
    {"Power Lora Loader (rgthree)", /* behind a divider and a heading */
     "- - lora_1 lora_2 lora_3 lora_4 lora_5 lora_6 lora_7 lora_8 lora_9 lora_10 lora_11 lora_12 "
     "lora_13 lora_14 lora_15 lora_16"},
    {"Efficient Loader", "ckpt_name vae_name clip_skip lora_name lora_model_strength "
                         "lora_clip_strength positive negative token_normalization "
                         "weight_interpretation empty_latent_width empty_latent_height batch_size"},
    {"KSampler (Efficient)", "seed * steps cfg sampler_name scheduler denoise preview_method "
                             "vae_decode"},
    {"KSampler Adv. (Efficient)", "add_noise noise_seed * steps cfg sampler_name scheduler "
                                  "start_at_step end_at_step return_with_leftover_noise "
                                  "preview_method vae_decode"},
    {"CLIPTextEncode", "text"},
    {"smZ CLIPTextEncode", "text parser"},
    {"BNK_CLIPTextEncodeAdvanced", "text token_normalization weight_interpretation"},
    {"ImpactWildcardEncode", "wildcard_text populated_text mode"},
    {"Power Prompt (rgthree)", "prompt"},
    {"Power Prompt - Simple (rgthree)", "prompt"},
    {"CLIPTextEncodeSDXL", "width height crop_w crop_h target_width target_height text_g text_l"},
    {"CLIPTextEncodeSDXLRefiner", "ascore width height text"},
    {"EmptyLatentImage", "width height batch_size"},
    {"EmptySD3LatentImage", "width height batch_size"},
    {"LoadImage", "image"},
    {"LoadImageMask", "image channel"},
    {"VAEEncodeForInpaint", "grow_mask_by"},
    {"KSampler", "seed * steps cfg sampler_name scheduler denoise"},
    {"KSamplerAdvanced", "add_noise noise_seed * steps cfg sampler_name scheduler start_at_step "
                         "end_at_step return_with_leftover_noise"},
    {"VAEDecodeTiled", "tile_size overlap"},
    {"VAEEncodeTiled", "tile_size overlap"},
    {"VAELoader", "vae_name"},
    {"CLIPSetLastLayer", "stop_at_clip_layer"},
    {"LatentUpscale", "upscale_method width height crop"},
    {"LatentUpscaleBy", "upscale_method scale_by"},
    {"ImageScale", "upscale_method width height crop"},
    {"ImageScaleBy", "upscale_method scale_by"},
    {"UpscaleModelLoader", "model_name"},
    {"RepeatLatentBatch", "amount"},
    {"RescaleCFG", "multiplier"},
    {"SaveImage", "filename_prefix"},
    {"StringConcatenate", "string_a string_b delimiter"},
    {"JoinStrings", "delimiter"},
    {"CR Text Concatenate", "separator"},
    {"Text Concatenate", "delimiter clean_whitespace"},
    {"ImpactWildcardProcessor", "wildcard_text populated_text mode seed *"},
    {"SDXLPromptStyler", "text_positive text_negative style log_prompt"},
    {"SDXLPromptStylerAdvanced", "text_positive_g text_positive_l text_negative style"},
    {"InpaintModelConditioning", "noise_mask"},
    {"GrowMask", "expand tapered_corners"},
    {"SamplerCustom", "add_noise noise_seed * cfg"},
    {"KSamplerSelect", "sampler_name"},
    {"RandomNoise", "noise_seed *"},
    {"CFGGuider", "cfg"},
    {"DualCFGGuider", "cfg_conds cfg_cond2_negative style"},
    {"BasicScheduler", "scheduler steps denoise"},
    {"KarrasScheduler", "steps sigma_max sigma_min rho"},
    {"ExponentialScheduler", "steps sigma_max sigma_min"},
    {"PolyexponentialScheduler", "steps sigma_max sigma_min rho"},
    {"LaplaceScheduler", "steps sigma_max sigma_min mu beta"},
    {"VPScheduler", "steps beta_d beta_min eps_s"},
    {"SDTurboScheduler", "steps denoise"},
    {"BetaSamplingScheduler", "steps alpha beta"},
    {"AlignYourStepsScheduler", "model_type steps denoise"},
    {"ManualSigmas", "sigmas"},
    {"SplitSigmas", "step"},
    {"SplitSigmasDenoise", "denoise"},
    {"SetFirstSigma", "sigma"},
    {"ExtendIntermediateSigmas", "steps start_at_sigma end_at_sigma spacing"},
    {"SamplerEulerAncestral", "eta s_noise"},
    {"SamplerEulerAncestralCFGPP", "eta s_noise"},
    {"SamplerLMS", "order"},
    {"SamplerDPMPP_3M_SDE", "eta s_noise noise_device"},
    {"SamplerDPMPP_2M_SDE", "solver_type eta s_noise noise_device"},
    {"SamplerDPMPP_SDE", "eta s_noise r noise_device"},
    {"SamplerDPMPP_2S_Ancestral", "eta s_noise"},
    {"ControlNetLoader", "control_net_name"},
    {"DiffControlNetLoader", "control_net_name"},
    {"SetUnionControlNetType", "type"},
    {"ControlNetApply", "strength"},
    {"ControlNetApplyAdvanced", "strength start_percent end_percent"},
    {"ControlNetApplySD3", "strength start_percent end_percent"},
    {"Control Net Stacker", "strength start_percent end_percent"},
    {"ControlNetLoaderAdvanced", "control_net_name"},
    {"ACN_ControlNetLoaderAdvanced", "control_net_name"},
    {"ACN_AdvancedControlNetApply", "strength start_percent end_percent"},
    {"ACN_AdvancedControlNetApply_v2", "strength start_percent end_percent"},
    {"ACN_AdvancedControlNetApplySingle", "strength start_percent end_percent"},
    {"ACN_AdvancedControlNetApplySingle_v2", "strength start_percent end_percent"},
    {"Canny", "low_threshold high_threshold"},
    {"CannyEdgePreprocessor", "low_threshold high_threshold resolution"},
    {"AIO_Preprocessor", "preprocessor resolution"},
};

struct json comfy_get(struct json object, const char *key)
{
    int left = 64;
    struct json v = json_first(object);
    while (v.node && left-- > 0 && (!json_key(v) || strcmp(json_key(v), key) != 0))
        v = json_next(v);
    return left < 0 ? (struct json){.node = NULL} : v;
}

const char *comfy_widget_names(const char *type)
{
    for (size_t i = 0; i < sizeof WIDGETS / sizeof *WIDGETS; i++)
        if (!strcmp(WIDGETS[i].type, type))
            return WIDGETS[i].names;
    return NULL;
}

/* "fixed" and its like, or a bool as old editors had it, or null as for a seed widget of a pack. */
bool comfy_is_control(struct json v)
{
    static const char *const words[] = {"fixed", "increment", "decrement", "randomize"};
    const char *s = json_as_string(v);
    for (int i = 0; s && i < 4; i++)
        if (!strcmp(s, words[i]))
            return true;
    return json_kind(v) == JSON_BOOL || json_kind(v) == JSON_NULL;
}

bool comfy_is_row(const struct comfy_read *r, const char *name, size_t length)
{
    int left = COMFY_MAX_INPUTS;
    for (struct json v = json_first(r->inputs); v.node && left-- > 0; v = json_next(v)) {
        const char *s = json_as_string(comfy_get(v, "name"));
        if (s && strlen(s) == length && !memcmp(s, name, length))
            return json_kind(comfy_get(v, "widget")) == JSON_OBJECT;
    }
    return false;
}
