/*
 * Which texts a run has, and which of them each image reads at each call of the model.
 *
 * A prompt is more than a text: each image of a batch may have its own, in A1111 it may change from
 * step to step, and be several joined by AND (prompt/schedule.h). All that becomes a list of texts
 * that are encoded once, and a table for unet_inputs.reads. The images of a call stand so: the
 * negatives of all images (under guidance), then the first part of each prompt, then the second.
 *
 *     conditioning_plan    reads the prompts; no model
 *     conditioning_encode  with the text encoders of one model (again for a refiner's)
 *     conditioning_reads   for each sampling
 */
#ifndef SPRITTY_CONDITIONING_H
#define SPRITTY_CONDITIONING_H

#include "sdxl/text.h"

enum { MAX_TEXTS = 512 };

/* What stands for an empty negative prompt: ComfyUI encodes "", A1111 takes zeros, diffusers what
 * model_index.json says (force_zeros_for_empty_prompt). */
enum empty_negative { EMPTY_AUTO, EMPTY_ZEROS, EMPTY_ENCODE };
const char *empty_negative_name(int); /* NULL past the end */
int empty_negative_by_name(const char *);

struct conditioning_request {
    const char *const *prompts, *const *negatives; /* `images` of them */
    int images;
    bool guided; /* negatives are needed */
    bool zeros;  /* zeros stand for an empty negative */
    enum compat compat;
    int steps;  /* as A1111 counts them, for prompts that change: conditioning_steps */
    int before; /* those of the first pass, when this is for a second one */
};

/* A1111 counts two steps for each of samplers that ask the model twice, which made `calls` in
 * `taken` steps; an image leaves out the beginning of the `steps` that were asked for, and the
 * prompt changes as if nothing was left out. */
int conditioning_steps(int steps, int taken, int calls);
bool conditioning_zeros(enum empty_negative, enum compat, bool model_says_zeros);

struct conditioning {
    int images, parts, n; /* n: images of a call */
    bool guided;
    float *weight; /* images x parts: of each part's guidance */
    bool plain;    /* one part of weight 1 each */
    int groups, room;
    struct text_group *group; /* prompts that are encoded together; negatives first */
    int *reads;               /* n: the group of each */
    int texts;                /* in all */
};

/* guided may be found to be needed (parts that are weighed): see the result. -1 with err: prompts
 * that cannot be read, more than MAX_TEXTS texts, no memory. conditioning_free after either. */
int conditioning_plan(struct conditioning *, const struct conditioning_request *, struct err *);
/* Adds all texts to empty states. */
int conditioning_encode(const struct conditioning *, const struct text_encoders *, struct ops *,
                        const struct text_rules *, struct text_states *, struct err *);
/* reads: calls x n of them. */
void conditioning_reads(const struct conditioning *, int calls, int *reads);
/* Whether text i is a negative one. */
bool conditioning_is_negative(const struct conditioning *, int text);
void conditioning_free(struct conditioning *);

#endif
