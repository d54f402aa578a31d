/* See comfy_graph.h. */
#include "import/comfy_graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "import/json_tame.h"

struct node {
    char *id;
    const char *type;
    struct json json;
    int mode; /* the editor's: 2 muted, 4 bypassed */
};

struct link {
    uint64_t id;
    struct json from; /* id of a node */
    int slot;
};

struct comfy_graph {
    struct json_doc *doc;
    bool editor; /* the editor's form */
    struct node *node;
    int count, *by_id; /* indexes, sorted by id */
    struct link *link;
    int links;
};

/* ---- the tables ---- */

/* By id; of two that have the same, which JSON should not have, the later counts, as in Python. */
static int by_id(const void *a, const void *b, void *graph)
{
    const struct comfy_graph *g = graph;
    int x = *(const int *)a, y = *(const int *)b, order = strcmp(g->node[x].id, g->node[y].id);
    return order ? order : (x > y) - (x < y);
}

static int by_link(const void *a, const void *b)
{
    const struct link *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

static int find_node(const struct comfy_graph *g, const char *id)
{
    int low = 0, high = g->count; /* the first that comes behind id */
    while (low < high) {
        int mid = low + (high - low) / 2;
        if (strcmp(g->node[g->by_id[mid]].id, id) > 0)
            high = mid;
        else
            low = mid + 1;
    }
    bool found = low > 0 && !strcmp(g->node[g->by_id[low - 1]].id, id);
    return found ? g->by_id[low - 1] : -1;
}

static int find_json_node(const struct comfy_graph *g, struct json id)
{
    char room[40];
    const char *text = json_text(id, room);
    return text ? find_node(g, text) : -1;
}

static int add_node(struct comfy_graph *g, const char *id, struct json json, const char *type)
{
    struct node *n = &g->node[g->count];
    uint64_t mode = 0;
    json_as_u64(json_get(json, "mode"), &mode);
    *n = (struct node){strdup(id), type ? type : "", json, (int)(mode & 7)};
    if (!n->id)
        return -1;
    g->by_id[g->count] = g->count;
    g->count++;
    return 0;
}

static int read_api(struct comfy_graph *g, struct json root)
{
    for (struct json v = json_first(root); v.node; v = json_next(v)) {
        const char *type = json_as_string(json_get(v, "class_type"));
        if (type && json_kind(json_get(v, "inputs")) == JSON_OBJECT &&
            add_node(g, json_key(v), v, type))
            return -1;
    }
    return 0;
}

static void read_link(struct comfy_graph *g, struct json v)
{
    struct json part[3] = {json_get(v, "id"), json_get(v, "origin_id"), json_get(v, "origin_slot")};
    struct json item = json_first(v);
    if (json_kind(v) == JSON_ARRAY)
        for (int i = 0; i < 3; i++, item = item.node ? json_next(item) : item)
            part[i] = item;
    uint64_t id, slot;
    if (part[2].node && json_as_u64(part[0], &id) && json_as_u64(part[2], &slot) && slot < 1000)
        g->link[g->links++] = (struct link){id, part[1], (int)slot};
}

static int read_editor(struct comfy_graph *g, struct json root)
{
    char room[40];
    struct json links = json_get(root, "links");
    for (struct json v = json_first(json_get(root, "nodes")); v.node; v = json_next(v)) {
        const char *id = json_text(json_get(v, "id"), room);
        const char *type = json_as_string(json_get(v, "type"));
        if (id && type && add_node(g, id, v, type))
            return -1;
    }
    g->link = calloc((size_t)json_count(links) + 1, sizeof *g->link);
    if (!g->link)
        return -1;
    for (struct json v = json_first(links); v.node; v = json_next(v))
        read_link(g, v);
    qsort(g->link, (size_t)g->links, sizeof *g->link, by_link);
    return 0;
}

static int read_graph(struct comfy_graph *g, struct err *e)
{
    struct json root = json_root(g->doc), inner = json_get(root, "prompt");
    /* As it is posted to the server, {"prompt": {...}, "extra_data": ...}. */
    if (json_kind(inner) == JSON_OBJECT && !json_get(inner, "class_type").node)
        root = inner;
    struct json nodes = json_get(root, "nodes");
    g->editor = json_kind(nodes) == JSON_ARRAY;
    size_t most = (size_t)json_count(g->editor ? nodes : root) + 1;
    g->node = calloc(most, sizeof *g->node);
    g->by_id = calloc(most, sizeof *g->by_id);
    if (!g->node || !g->by_id || (g->editor ? read_editor(g, root) : read_api(g, root)))
        return err_set(e, "out of memory for %zu nodes", most);
    qsort_r(g->by_id, (size_t)g->count, sizeof *g->by_id, by_id, g);
    if (g->count == 0)
        return err_set(e, "%s: no ComfyUI workflow: there is no node in it", json_name(root));
    return 0;
}

struct comfy_graph *comfy_graph_parse(const char *text, size_t size, const char *name,
                                      struct err *e)
{
    struct comfy_graph *g = calloc(1, sizeof *g);
    if (size > COMFY_MAX_TEXT)
        err_set(e, "%s: %zu bytes are too many for a workflow", name, size);
    else if (!g)
        err_set(e, "out of memory");
    else
        g->doc = json_parse_tame(text, size, name, e);
    if (g && g->doc && !read_graph(g, e))
        return g;
    comfy_graph_free(g);
    return NULL;
}

void comfy_graph_free(struct comfy_graph *g)
{
    if (!g)
        return;
    for (int i = 0; i < g->count; i++)
        free(g->node[i].id);
    free(g->node);
    free(g->by_id);
    free(g->link);
    json_free(g->doc);
    free(g);
}

bool comfy_is_editors(const struct comfy_graph *g)
{
    return g->editor;
}

int comfy_count(const struct comfy_graph *g)
{
    return g->count;
}

const char *comfy_id(const struct comfy_graph *g, int node)
{
    return g->node[node].id;
}

const char *comfy_class(const struct comfy_graph *g, int node)
{
    return g->node[node].type;
}

bool comfy_muted(const struct comfy_graph *g, int node)
{
    return g->node[node].mode == 2;
}

bool comfy_bypassed(const struct comfy_graph *g, int node)
{
    return g->node[node].mode == 4;
}

/* ---- inputs ---- */

/* Names of a class's own values in the editor's order; '*' is what the editor puts behind a seed
 * ("randomize"). */
static const struct {
    const char *type, *names;
} WIDGETS[] = {
    {"CheckpointLoaderSimple", "ckpt_name"},
    {"CheckpointLoader", "config_name ckpt_name"},
    {"LoraLoader", "lora_name strength_model strength_clip"},
    {"LoraLoaderModelOnly", "lora_name strength_model"},
    {"CLIPTextEncode", "text"},
    {"CLIPTextEncodeSDXL", "width height crop_w crop_h target_width target_height text_g text_l"},
    {"CLIPTextEncodeSDXLRefiner", "ascore width height text"},
    {"EmptyLatentImage", "width height batch_size"},
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
    {"RepeatLatentBatch", "amount"},
    {"RescaleCFG", "multiplier"},
    {"SaveImage", "filename_prefix"},
    {"StringConcatenate", "string_a string_b delimiter"},
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
    {"ControlNetApply", "strength"},
    {"ControlNetApplyAdvanced", "strength start_percent end_percent"},
};

/* "fixed" and its like, or a bool as old editors had it. */
static bool is_control(struct json v)
{
    static const char *const words[] = {"fixed", "increment", "decrement", "randomize"};
    const char *s = json_as_string(v);
    for (int i = 0; s && i < 4; i++)
        if (!strcmp(s, words[i]))
            return true;
    return json_kind(v) == JSON_BOOL;
}

static struct json widget_value(const struct comfy_graph *g, int node, const char *name)
{
    struct json values = json_get(g->node[node].json, "widgets_values"), none = {.node = NULL};
    const char *names = NULL;
    size_t length = strlen(name);
    if (json_kind(values) == JSON_OBJECT)
        return json_get(values, name);
    for (size_t i = 0; i < sizeof WIDGETS / sizeof *WIDGETS && !names; i++)
        if (!strcmp(WIDGETS[i].type, g->node[node].type))
            names = WIDGETS[i].names;
    struct json v = json_first(values);
    while (names && *names && v.node) {
        size_t n = strcspn(names, " ");
        bool control = *names == '*';
        if (n == length && !memcmp(names, name, n))
            return v;
        if (!control || is_control(v))
            v = json_next(v);
        names += n + (names[n] == ' ');
    }
    return none;
}

static struct comfy_input link_to(int node, int slot, const char *name)
{
    return (struct comfy_input){
        .kind = node < 0 ? COMFY_BROKEN : COMFY_LINK, .node = node, .slot = slot, .name = name};
}

/* An input of the API's form: ["id", slot] is a link. */
static struct comfy_input api_input(const struct comfy_graph *g, struct json v)
{
    uint64_t slot;
    struct json id = json_first(v), at = id.node ? json_next(id) : id;
    if (json_kind(v) == JSON_ARRAY && at.node && !json_next(at).node && json_as_u64(at, &slot) &&
        slot < 1000)
        return link_to(find_json_node(g, id), (int)slot, json_key(v));
    return (struct comfy_input){.kind = COMFY_VALUE, .value = v, .name = json_key(v)};
}

/* A row of `inputs` of the editor's form. */
static struct comfy_input editor_input(const struct comfy_graph *g, struct json row)
{
    struct json link = json_get(row, "link");
    const char *name = json_as_string(json_get(row, "name"));
    struct link want = {.id = 0}, *found;
    if (!json_is_set(link))
        return (struct comfy_input){.kind = COMFY_MISSING};
    found = json_as_u64(link, &want.id) && g->links
                ? bsearch(&want, g->link, (size_t)g->links, sizeof want, by_link)
                : NULL;
    return found ? link_to(find_json_node(g, found->from), found->slot, name)
                 : link_to(-1, 0, name);
}

struct comfy_input comfy_input(const struct comfy_graph *g, int node, const char *name)
{
    struct comfy_input none = {.kind = COMFY_MISSING, .name = name};
    int left = COMFY_MAX_INPUTS;
    struct json v = json_first(json_get(g->node[node].json, "inputs"));
    for (; v.node && left-- > 0; v = json_next(v)) {
        const char *key = g->editor ? json_as_string(json_get(v, "name")) : json_key(v);
        if (!key || strcmp(key, name) != 0)
            continue;
        struct comfy_input in = g->editor ? editor_input(g, v) : api_input(g, v);
        if (in.kind != COMFY_MISSING)
            return in;
    }
    if (!g->editor)
        return none;
    struct json value = widget_value(g, node, name);
    return json_is_set(value)
               ? (struct comfy_input){.kind = COMFY_VALUE, .value = value, .name = name}
               : none;
}

struct comfy_input comfy_link(const struct comfy_graph *g, int node, int i)
{
    int left = COMFY_MAX_INPUTS;
    struct json v = json_first(json_get(g->node[node].json, "inputs"));
    for (; v.node && left-- > 0; v = json_next(v)) {
        struct comfy_input in = g->editor ? editor_input(g, v) : api_input(g, v);
        if ((in.kind == COMFY_LINK || in.kind == COMFY_BROKEN) && i-- == 0)
            return in;
    }
    return (struct comfy_input){.kind = COMFY_MISSING};
}

struct comfy_input comfy_bypass(const struct comfy_graph *g, int node, int slot)
{
    struct json out = json_first(json_get(g->node[node].json, "outputs"));
    for (int i = 0; i < slot && out.node && i < COMFY_MAX_INPUTS; i++)
        out = json_next(out);
    const char *want = out.node ? json_as_string(json_get(out, "type")) : NULL;
    int left = COMFY_MAX_INPUTS;
    struct json v = json_first(json_get(g->node[node].json, "inputs"));
    for (; want && v.node && left-- > 0; v = json_next(v)) {
        const char *type = json_as_string(json_get(v, "type"));
        if (type && !strcmp(type, want))
            return editor_input(g, v);
    }
    return (struct comfy_input){.kind = COMFY_MISSING};
}

struct comfy_input comfy_widget(const struct comfy_graph *g, int node, int i)
{
    struct json v = json_first(json_get(g->node[node].json, "widgets_values"));
    for (int k = 0; k < i && v.node && k < COMFY_MAX_INPUTS; k++)
        v = json_next(v);
    if (!v.node)
        return (struct comfy_input){.kind = COMFY_MISSING};
    return (struct comfy_input){.kind = COMFY_VALUE, .value = v};
}
