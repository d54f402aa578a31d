/*
 * A ComfyUI workflow as settings: from the node that saves the image back through its links.
 *
 * Known classes (ComfyUI's nodes.py and comfy_extras): CheckpointLoaderSimple, LoraLoader,
 * LoraLoaderModelOnly, CLIPTextEncode, CLIPTextEncodeSDXL, CLIPTextEncodeSDXLRefiner,
 * CLIPSetLastLayer, ConditioningZeroOut, EmptyLatentImage, LoadImage, LoadImageMask, VAEEncode,
 * VAEEncodeForInpaint, InpaintModelConditioning, SetLatentNoiseMask, GrowMask, RepeatLatentBatch,
 * KSampler, KSamplerAdvanced, SamplerCustom and SamplerCustomAdvanced (comfy_sampler.h),
 * LatentUpscale, LatentUpscaleBy, ImageScale, ImageScaleBy, VAEDecode, VAEDecodeTiled, VAELoader,
 * RescaleCFG, SaveImage, PreviewImage, ControlNets (comfy_control.h), reroutes, primitives and
 * strings. Anything else on the way is named in a note and gone through.
 */
#ifndef SPRITTY_COMFY_NODES_H
#define SPRITTY_COMFY_NODES_H

#include "import/recipe.h"

/* text: either form of workflow. -1 when there is none, or no sampler leads to an image. */
int comfy_import(const char *text, size_t size, const char *name, struct recipe *, struct err *);

#endif
