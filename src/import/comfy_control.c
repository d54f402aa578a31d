/* See comfy_control.h. */
#include "import/comfy_control.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sdxl/pipeline.h"

/* For one text; where it is the prompt's, ComfyUI lets it work for the negative one too. */
#define SINGLE                                                                                     \
    "ControlNetApply|ACN_AdvancedControlNetApplySingle|ACN_AdvancedControlNetApplySingle_v2"
#define PAIRED                                                                                     \
    "ControlNetApplyAdvanced|ControlNetApplySD3|ACN_AdvancedControlNetApply|"                      \
    "ACN_AdvancedControlNetApply_v2"
#define APPLY_STACK "Apply ControlNet Stack"
#define STACKER     "Control Net Stacker"
#define DIFFERENCE  "DiffControlNetLoader|ACN_DiffControlNetLoaderAdvanced"
#define LOADER      "ControlNetLoader|ControlNetLoaderAdvanced|ACN_ControlNetLoaderAdvanced"

/* ---- on the way to a text ---- */

bool comfy_is_controlled(const struct comfy_walk *w, int node)
{
    return comfy_is(w, node, SINGLE "|" PAIRED "|" APPLY_STACK);
}

struct comfy_input comfy_controlled(struct comfy_walk *w, int node, int slot)
{
    if (comfy_is(w, node, SINGLE))
        return comfy_input(w->g, node, "conditioning");
    return comfy_input(w->g, node, slot == 1 ? "negative" : "positive");
}

static void add(struct comfy_walk *w, int node, struct comfy_way *way)
{
    if (comfy_number(w, node, "strength", 1) == 0)
        return;
    if (way->controls == COMFY_MAX_CONTROLS)
        recipe_note(w->r, "%s: more than %d ControlNets", comfy_name(w, node), COMFY_MAX_CONTROLS);
    else
        way->control[way->controls++] = node;
}

void comfy_add_controls(struct comfy_walk *w, int node, struct comfy_way *way)
{
    int slot;
    if (comfy_is(w, node, SINGLE "|" PAIRED)) {
        add(w, node, way);
        return;
    }
    while ((node = comfy_source(w, node, "cnet_stack", &slot)) >= 0) {
        if (!comfy_is(w, node, STACKER)) {
            comfy_pass(w, node, "");
            return;
        }
        add(w, node, way);
    }
}

/* The same network over the same picture, as much and as long: one node, or two alike. */
static bool alike(struct comfy_walk *w, int a, int b)
{
    static const char *const links[] = {"control_net", "image"};
    static const char *const numbers[] = {"strength", "start_percent", "end_percent"};
    int from, to;
    for (int i = 0; a != b && i < 2; i++)
        if (comfy_source(w, a, links[i], &from) != comfy_source(w, b, links[i], &to) || from != to)
            return false;
    for (int i = 0; a != b && i < 3; i++) {
        double without = i == 1 ? 0 : 1;
        if (comfy_number(w, a, numbers[i], without) != comfy_number(w, b, numbers[i], without))
            return false;
    }
    return true;
}

static bool is_among(struct comfy_walk *w, int node, const struct comfy_way *way)
{
    for (int i = 0; i < way->controls; i++)
        if (alike(w, node, way->control[i]))
            return true;
    return false;
}

/* ---- the network ---- */

/* Of "controlnet-canny-sdxl-1.0/diffusion_pytorch_model.safetensors" the folder's: many files are
 * called so. */
static void network_name(struct recipe *r, const char *file, char name[256])
{
    recipe_file_name(r, file, name);
    if (strncmp(name, "diffusion_pytorch_model", 23) != 0)
        return;
    char *folder = strdup(file), *end = NULL;
    for (char *s = folder; s && *s; s++)
        if (*s == '/' || *s == '\\')
            end = s;
    if (end > folder) {
        *end = '\0';
        recipe_file_name(r, folder, name);
    }
    free(folder);
}

const char *comfy_union_type(const char *type)
{
    return !strcmp(type, "scribble") ? "hed/pidi/scribble/ted"
           : !strcmp(type, "canny")  ? "canny/lineart/anime_lineart/mlsd"
                                     : type;
}

static void put_union_type(struct comfy_walk *w, int node)
{
    char name[80];
    int i = 0;
    comfy_word(w, node, "type", name, sizeof name);
    while (control_type_name(i) && strcmp(comfy_union_type(control_type_name(i)), name) != 0)
        i++;
    if (!control_type_name(i))
        recipe_note(w->r, "%s: type: %s: there is none of that name here", comfy_name(w, node),
                    name);
    else if (i > 0)
        recipe_set(w->r, "control-type", control_type_name(i));
}

static void put_network(struct comfy_walk *w, int apply)
{
    int slot, at = comfy_source(w, apply, "control_net", &slot);
    bool typed = false; /* of several types the last one counts, which is met first */
    char name[256];
    while (at >= 0 && !comfy_is(w, at, LOADER "|" DIFFERENCE)) {
        if (comfy_is(w, at, "SetUnionControlNetType")) {
            if (!typed)
                put_union_type(w, at);
            typed = true;
            at = comfy_source(w, at, "control_net", &slot);
        } else {
            at = comfy_follow(w, comfy_pass(w, at, "control_net"), &slot);
        }
    }
    char *file = at >= 0 ? comfy_get_text(w, at, "control_net_name") : NULL;
    if (at >= 0 && comfy_is(w, at, DIFFERENCE))
        recipe_note(w->r, "%s: a file that holds a ControlNet less the model is not read here",
                    comfy_name(w, at));
    if (file) {
        network_name(w->r, file, name);
        recipe_set(w->r, "control", name);
    } else {
        recipe_note(w->r, "%s: no ControlNet leads to it", comfy_name(w, apply));
    }
    free(file);
}

/* ---- its picture ---- */

/* What was done to the picture, found backwards. */
struct hint {
    bool edges, inverted;
    long low, high;
};

/* What nodes of comfyui_controlnet_aux make, by a part of their class's name; the first that fits.
 */
static const struct {
    const char *part, *makes;
} PREPARATIONS[] = {
    {"Depth", "depths"},
    {"LeReS", "depths"},
    {"Pose", "a pose"},
    {"DWPre", "a pose"},
    {"FaceMesh", "a face"},
    {"Normal", "surfaces"},
    {"Scribble", "a scribble"},
    {"LineArt", "lines"},
    {"Lineart", "lines"},
    {"M-LSD", "straight lines"},
    {"HED", "soft edges"},
    {"PiDiNet", "soft edges"},
    {"TEED", "soft edges"},
    {"DiffusionEdge", "edges"},
    {"Binary", "black and white"},
    {"Seg", "areas"},
    {"SAM", "areas"},
    {"Tile", "a coarser picture"},
    {"Color", "patches of colour"},
    {"Shuffle", "a muddle"},
};

static const char *preparation(const char *name)
{
    if (!strstr(name, "Preprocessor"))
        return NULL;
    for (size_t i = 0; i < sizeof PREPARATIONS / sizeof *PREPARATIONS; i++)
        if (strstr(name, PREPARATIONS[i].part))
            return PREPARATIONS[i].makes;
    return "a hint";
}

static void find_edges(struct comfy_walk *w, int node, struct hint *h)
{
    if (h->inverted)
        recipe_note(w->r, "%s: its edges are made black on white; here they are white on black",
                    comfy_name(w, node));
    if (h->edges)
        recipe_note(w->r, "%s is ignored: edges are found once here", comfy_name(w, node));
    h->inverted = false;
    h->edges = true;
}

/* ComfyUI's own. */
static void canny(struct comfy_walk *w, int node, struct hint *h)
{
    double low = comfy_number(w, node, "low_threshold", 0.4);
    double high = comfy_number(w, node, "high_threshold", 0.8);
    find_edges(w, node, h);
    h->low = lround(low * COMFY_CANNY_SCALE);
    h->high = lround(high * COMFY_CANNY_SCALE);
    recipe_note(w->r,
                "%s: it measures edges otherwise: low_threshold %.3g and high_threshold %.3g are "
                "about control_low = %ld and control_high = %ld",
                comfy_name(w, node), low, high, h->low, h->high);
}

/* The pack's, which is OpenCV's over a picture that it scales first. */
static void canny_of_pack(struct comfy_walk *w, int node, struct hint *h)
{
    find_edges(w, node, h);
    h->low = lround(comfy_number(w, node, "low_threshold", 100));
    h->high = lround(comfy_number(w, node, "high_threshold", 200));
    recipe_note(w->r,
                "%s: it finds edges in a picture of which the shorter side is %.0f pixels; here in "
                "the picture as it is",
                comfy_name(w, node), comfy_number(w, node, "resolution", 512));
}

static void prepare(struct comfy_walk *w, int node, struct hint *h)
{
    char chosen[80] = "";
    const char *name = comfy_class(w->g, node);
    if (comfy_is(w, node, "AIO_Preprocessor")) {
        comfy_word(w, node, "preprocessor", chosen, sizeof chosen);
        name = chosen;
    }
    if (!strcmp(name, "CannyEdgePreprocessor"))
        canny_of_pack(w, node, h);
    else if (strcmp(name, "none") != 0)
        recipe_note(w->r,
                    "%s: it would make %s of the picture, which is taken as it is here: give one "
                    "that is prepared, with --control-image",
                    comfy_name(w, node), preparation(name) ? preparation(name) : name);
}

static void picture_file(struct comfy_walk *w, int node, int slot)
{
    char channel[16], *file = comfy_image_file(w, node);
    comfy_word(w, node, "channel", channel, sizeof channel);
    if (comfy_is(w, node, "LoadImageMask") || slot == 1)
        recipe_note(w->r, "%s: of '%.100s' it takes the channel %s; here the picture is read",
                    comfy_name(w, node), file ? file : "?", *channel ? channel : "alpha");
    if (file)
        recipe_set(w->r, "control-image", file);
    free(file);
}

/* One node on the way from the picture; the input through which to go on. */
static struct comfy_input picture_node(struct comfy_walk *w, int node, struct hint *h)
{
    if (comfy_is(w, node, "Canny"))
        canny(w, node, h);
    else if (comfy_is(w, node, "ImageInvert"))
        h->inverted ^= !h->edges; /* the edges of a negative are the same */
    else if (comfy_is(w, node, "ImageScale|ImageScaleBy|ImageScaleToTotalPixels"))
        recipe_note(w->r, "%s is ignored: the ControlNet's picture is fitted to the size by itself",
                    comfy_name(w, node));
    else if (comfy_is(w, node, "AIO_Preprocessor") || preparation(comfy_class(w->g, node)))
        prepare(w, node, h);
    else if (comfy_is(w, node, "MaskToImage"))
        return comfy_input(w->g, node, "mask");
    else
        return comfy_pass(w, node, "image|images|pixels");
    return comfy_input(w->g, node, "image");
}

static void put_picture(struct comfy_walk *w, int apply)
{
    struct hint h = {.edges = false};
    struct comfy_input in = comfy_input(w->g, apply, "image");
    int slot, node;
    while ((node = comfy_follow(w, in, &slot)) >= 0) {
        if (comfy_is(w, node, "LoadImage|LoadImageMask")) {
            picture_file(w, node, slot);
            break;
        }
        if (comfy_is(w, node, "VAEDecode|VAEDecodeTiled|" COMFY_EFFICIENT_SAMPLERS))
            break;
        in = picture_node(w, node, &h);
    }
    if (!recipe_get(w->r, "control-image"))
        recipe_note(w->r, "%s: its picture is no file; name one with --control-image",
                    comfy_name(w, apply));
    if (h.edges || h.inverted)
        recipe_set(w->r, "control-prepare", h.edges ? "canny" : "invert");
    if (h.edges && (h.low != 100 || h.high != 200)) {
        recipe_setf(w->r, "control-low", "%ld", h.low);
        recipe_setf(w->r, "control-high", "%ld", h.high);
    }
}

/* ---- the settings ---- */

static void put_number(struct comfy_walk *w, int node, const char *input, const char *key,
                       double usual)
{
    double x = comfy_number(w, node, input, usual);
    if (x != usual)
        recipe_setf(w->r, key, "%.10g", x);
}

/* Inputs that tell it more than the settings can. */
static void note_more(struct comfy_walk *w, int node)
{
    static const char *const more[] = {"vae",         "vae_optional",       "mask_optional",
                                       "timestep_kf", "latent_kf_override", "weights_override"};
    for (size_t i = 0; i < sizeof more / sizeof *more; i++)
        if (comfy_input(w->g, node, more[i]).kind == COMFY_LINK)
            recipe_note(w->r, "%s: its %s is ignored%s", comfy_name(w, node), more[i],
                        i < 2 ? ", which ControlNets for SDXL have no use for" : "");
}

/* ComfyUI's sampler gives a negative prompt without one of its own that of a SINGLE (samplers.py,
 * process_conds). */
static void note_texts(struct comfy_walk *w, const struct comfy_stage *s, int node,
                       const struct comfy_way *negative)
{
    bool both = comfy_is(w, node, SINGLE) && negative->controls == 0;
    if (s->negative && atof(s->cfg) != 1 && !both && !is_among(w, node, negative))
        recipe_note(w->r, "%s: it works for the prompt alone; here for the negative prompt too",
                    comfy_name(w, node));
}

void comfy_put_control(struct comfy_walk *w, const struct comfy_stage *s,
                       const struct comfy_way *positive, const struct comfy_way *negative)
{
    for (int i = 0; i < negative->controls; i++)
        if (!is_among(w, negative->control[i], positive))
            recipe_note(w->r, "%s is ignored: it works for the negative prompt alone",
                        comfy_name(w, negative->control[i]));
    for (int i = 1; i < positive->controls; i++)
        recipe_note(w->r, "%s is ignored: one ControlNet works at a time here",
                    comfy_name(w, positive->control[i]));
    if (positive->controls == 0)
        return;
    int node = positive->control[0];
    note_texts(w, s, node, negative);
    note_more(w, node);
    put_network(w, node);
    put_picture(w, node);
    put_number(w, node, "strength", "control-strength", 1);
    put_number(w, node, "start_percent", "control-start", 0);
    put_number(w, node, "end_percent", "control-end", 1);
}

void comfy_compare_controls(struct comfy_walk *w, const struct comfy_stage *later,
                            const struct comfy_way *first, const struct comfy_way *way)
{
    if (first->controls && !way->controls)
        recipe_note(w->r, "%s: it has no ControlNet; here that of the first sampler works on",
                    comfy_name(w, later->node));
    else if (way->controls && !first->controls)
        recipe_note(w->r, "%s is ignored: the first sampler works without it",
                    comfy_name(w, way->control[0]));
    else if (way->controls && !alike(w, first->control[0], way->control[0]))
        recipe_note(w->r, "%s is ignored: here the ControlNet of the first sampler works on",
                    comfy_name(w, way->control[0]));
}
