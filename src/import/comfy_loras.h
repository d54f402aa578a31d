/*
 * Nodes of a ComfyUI workflow that load LoRAs: ComfyUI's own, and those of packs that many use,
 * which load several. Classes and inputs: nodes.py; rgthree-comfy's power_lora_loader.py and
 * lora_stack.py; Comfyroll's nodes_lora.py; efficiency-nodes-comfyui's efficiency_nodes.py.
 */
#ifndef SPRITTY_COMFY_LORAS_H
#define SPRITTY_COMFY_LORAS_H

#include "import/comfy_walk.h"

/* Takes a model and gives it, changed. An Efficient Loader is none: it gives a checkpoint's. */
bool comfy_loads_loras(const struct comfy_walk *, int node);

/* What such a node or an Efficient Loader loads, behind the others: the last to be applied first.
 */
void comfy_add_loras(struct comfy_walk *, int node);

#endif
