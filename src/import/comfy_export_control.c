/* A ControlNet of an exported workflow, see comfy_export.h: nodes of nodes.py and of comfy_extras'
 * nodes_canny.py. Whatever samples after it has it; the refiner's texts are others. */
#include <math.h>
#include <string.h>

#include "base/fileio.h"
#include "import/comfy_control.h"
#include "import/comfy_export_priv.h"

/* ComfyUI has them in a folder of its own. */
static int network(struct comfy_writer *x)
{
    const char *name = file_name_of(x->s->control);
    int node = comfy_open(x, "ControlNetLoader");
    comfy_put_file(x, "control_net_name", *name ? name : x->s->control);
    comfy_close(x);
    return node;
}

/* A union is told by a node of its own. */
static int told(struct comfy_writer *x, int net)
{
    const char *type = comfy_text_or(x->s, "control-type", "auto");
    if (!strcmp(type, "auto"))
        return net;
    int node = comfy_open(x, "SetUnionControlNetType");
    comfy_put_link(x, "control_net", net, 0);
    jsonw_string(&x->w, "type", comfy_union_type(type));
    comfy_close(x);
    return node;
}

/* As ComfyUI's Canny measures it, within what that node takes. */
static double threshold(struct comfy_writer *x, const char *key, int value)
{
    double as = (double)value / COMFY_CANNY_SCALE, taken = fmin(fmax(as, 0.01), 0.99);
    if (taken != as)
        recipe_note(x->r, "%s = %d: exported as %.4g, for ComfyUI's Canny goes no further", key,
                    value, taken);
    return taken;
}

static int edges(struct comfy_writer *x, int picture)
{
    const struct settings *s = x->s;
    int low = settings_has(s, "control-low") ? s->control_low : 100;
    int high = settings_has(s, "control-high") ? s->control_high : 200;
    int node = comfy_open(x, "Canny");
    comfy_put_link(x, "image", picture, 0);
    jsonw_real(&x->w, "low_threshold", threshold(x, "control_low", low), 10);
    jsonw_real(&x->w, "high_threshold", threshold(x, "control_high", high), 10);
    comfy_close(x);
    recipe_note(x->r, "control_prepare = canny: ComfyUI's Canny blurs the picture first, so its "
                      "edges are a little different");
    return node;
}

static int prepared(struct comfy_writer *x, int picture)
{
    const char *how = comfy_text_or(x->s, "control-prepare", "none");
    if (!strcmp(how, "canny"))
        return edges(x, picture);
    if (strcmp(how, "invert") != 0)
        return picture;
    int node = comfy_open(x, "ImageInvert");
    comfy_put_link(x, "image", picture, 0);
    comfy_close(x);
    return node;
}

void comfy_control(struct comfy_writer *x)
{
    const struct settings *s = x->s;
    if (!comfy_text_or(s, "control", NULL) || !comfy_text_or(s, "control-image", NULL))
        return;
    int net = told(x, network(x)), picture = prepared(x, comfy_load_image(x, "control-image"));
    int node = comfy_open(x, "ControlNetApplyAdvanced");
    comfy_put_link(x, "positive", x->positive, 0);
    comfy_put_link(x, "negative", x->negative, x->negative_slot);
    comfy_put_link(x, "control_net", net, 0);
    comfy_put_link(x, "image", picture, 0);
    jsonw_real(&x->w, "strength", settings_has(s, "control-strength") ? s->control_strength : 1,
               10);
    jsonw_real(&x->w, "start_percent", settings_has(s, "control-start") ? s->control_start : 0, 10);
    jsonw_real(&x->w, "end_percent", settings_has(s, "control-end") ? s->control_end : 1, 10);
    comfy_close(x);
    x->positive = x->negative = node;
    x->negative_slot = 1;
}
