/* See comfy_known.h. Classes: ComfyUI's nodes.py and comfy_extras, and packs that many use. */
#include "import/comfy_known.h"

#include <stddef.h>
#include <string.h>

/* By the class's name, or by how it begins ("A*"). */
static const struct {
    const char *type, *does;
} KNOWN[] = {
    {"FreeU*", "weighs the UNet's skips and backbone against each other"},
    {"PatchModelAddDownscale", "shrinks the picture inside the UNet for the first steps"},
    {"HyperTile", "lets the UNet attend within tiles, which is faster"},
    {"TomePatchModel", "merges tokens, which is faster"},
    {"PerturbedAttentionGuidance", "guides away from what the model makes without attention"},
    {"SelfAttentionGuidance", "guides away from what the model makes of a blurred picture"},
    {"PAG*", "guides away from what the model makes without attention"},
    {"DynamicThresholding*", "lowers the contrast that a high cfg brings"},
    {"DifferentialDiffusion", "lets grey parts of the mask be made anew in later steps only"},
    {"ModelSamplingDiscrete", "says by which rule the model was trained"},
    {"ModelSampling*", "says by which rule the model was trained, or shifts its noise levels"},
    {"HypernetworkLoader", "changes the attention by a hypernetwork"},
    {"IPAdapter*", "takes the look from a picture"},
    {"unCLIPConditioning", "takes the subject from a picture"},
    {"StyleModelApply", "takes the style from a picture"},
    {"GLIGENTextBoxApply", "puts a text's thing into a box of the picture"},
    {"ControlNetInpaintingAliMamaApply", "holds what is not masked to a picture, by a ControlNet"},
    {"ConditioningCombine", "mixes the answers to two prompts"},
    {"ConditioningConcat", "reads a second prompt behind the first"},
    {"ConditioningAverage", "mixes two prompts"},
    {"ConditioningSetArea*", "keeps the prompt to a part of the picture"},
    {"ConditioningSetMask", "keeps the prompt to a part of the picture"},
    {"ConditioningSetTimestepRange", "keeps the prompt to a part of the steps"},
    {"ImageUpscaleWithModel", "enlarges the picture with a model"},
    {"UpscaleModelLoader", "loads a model that enlarges"},
    {"ImageQuantize", "takes colours away: here the setting colors does"},
    {"ImageSharpen", "sharpens the picture"},
    {"ImageBlur", "blurs the picture"},
    {"LatentComposite*", "puts one latent over another"},
    {"ImageCompositeMasked", "puts one picture over another"},
    {"PixelArtDetector*", "makes pixels of the picture: here the settings pixels and colors do"},
    {"Image Pixelate", "makes pixels of the picture: here the settings pixels and colors do"},
    {"LayeredDiffusion*", "makes the background transparent: here the setting background does"},
    {"Image Rembg (Remove Background)", "cuts out the thing: here the setting background does"},
    {"BRIA_RMBG*", "cuts out the thing: here the setting background does"},
    {"PerpNegGuider", "takes from the negative prompt what the prompt itself has"},
    {"FaceDetailer*", "paints faces anew, larger"},
    {"UltimateSDUpscale*", "enlarges the picture and paints it anew in tiles"},
};

/* The editor's form calls a subgraph by the id of its definition, a group by its name. */
static const char *group_kind(const char *type)
{
    if (!strncmp(type, "workflow>", 9) || !strncmp(type, "workflow/", 9))
        return "group of nodes";
    bool uuid = strlen(type) == 36 && strspn(type, "0123456789abcdefABCDEF-") == 36 &&
                type[8] == '-' && type[13] == '-' && type[18] == '-' && type[23] == '-';
    return uuid ? "subgraph" : NULL;
}

static const char *would(const char *type)
{
    for (size_t i = 0; i < sizeof KNOWN / sizeof *KNOWN; i++) {
        size_t n = strcspn(KNOWN[i].type, "*");
        if (KNOWN[i].type[n] ? !strncmp(type, KNOWN[i].type, n) : !strcmp(type, KNOWN[i].type))
            return KNOWN[i].does;
    }
    return NULL;
}

void comfy_note_ignored(struct comfy_walk *w, int node)
{
    const char *type = comfy_class(w->g, node), *does = would(type), *kind = group_kind(type);
    const char *why = comfy_closed(w->g, node);
    if (kind || why)
        recipe_note(w->r,
                    "%s is ignored: it is a %s %s: in ComfyUI's editor unpack it, or export the "
                    "workflow in its API form",
                    comfy_name(w, node), kind ? kind : "subgraph",
                    why ? why : "whose nodes are not in this file");
    else if (does)
        recipe_note(w->r, "%s is ignored: it %s", comfy_name(w, node), does);
    else
        recipe_note(w->r, "%s is unknown here: what it does is ignored", comfy_name(w, node));
}
