/*
 * ControlNets of a ComfyUI workflow: nodes on the way from a text to a sampler that let a network
 * hold the picture to another one. One of them works at a time here; others are named.
 *
 * Classes and inputs: nodes.py and comfy_extras/nodes_controlnet.py, nodes_canny.py; of packs
 * comfyui_controlnet_aux's node_wrappers, ComfyUI-Advanced-ControlNet's nodes and
 * efficiency-nodes-comfyui's efficiency_nodes.py.
 */
#ifndef SPRITTY_COMFY_CONTROL_H
#define SPRITTY_COMFY_CONTROL_H

#include "import/comfy_walk.h"

enum { COMFY_MAX_CONTROLS = 8 };

/* From a sampler to a text that it reads. */
struct comfy_way {
    int encoder;                               /* the text's node; -1: none */
    bool zero;                                 /* what was encoded is set to zero */
    int controls, control[COMFY_MAX_CONTROLS]; /* nodes; the last to be applied first */
};

/* Takes conditioning and gives it, with a ControlNet. */
bool comfy_is_controlled(const struct comfy_walk *, int node);
/* The input through which the text of its output `slot` comes. */
struct comfy_input comfy_controlled(struct comfy_walk *, int node, int slot);
/* What it adds to the way, or what an Efficient Loader's stack does: nothing at a strength of 0. */
void comfy_add_controls(struct comfy_walk *, int node, struct comfy_way *);

/* The settings, from the ways to both texts of the first sampler. */
void comfy_put_control(struct comfy_walk *, const struct comfy_stage *,
                       const struct comfy_way *positive, const struct comfy_way *negative);
/* Names what a later sampler's way has otherwise than the first's. */
void comfy_compare_controls(struct comfy_walk *, const struct comfy_stage *later,
                            const struct comfy_way *first, const struct comfy_way *way);

/* SetUnionControlNetType's name for a control-type (comfy/cldm/control_types.py). */
const char *comfy_union_type(const char *type);

/* Canny's thresholds as ComfyUI's own node has them (kornia's: of the gradient's length in a
 * blurred picture from 0 to 1), times this, are about OpenCV's, which A1111 and this have (of the
 * sum of both directions in the strongest channel, from 0 to 255). No number makes them find the
 * same edges. Of 200 to 600 this one had them agree best over seven pictures and three pairs of
 * thresholds: 0.80 of 1 (F1, within a pixel), where 255 gives 0.62. */
#define COMFY_CANNY_SCALE 550

#endif
