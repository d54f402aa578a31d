/*
 * The prompts of a job: from what was typed to what each image of the batch is made with.
 *
 *     words -> into the preset's {prompt} -> styles -> choices and wildcards, image by image
 *           -> without <kind:name> -> text for the encoders
 *
 * Image i of a batch expands the template with seed wildcard_seed + i (the job's seed where none is
 * said), prompt and negative prompt each. What is then weighted, cut into chunks and encoded is
 * src/prompt/weights.h and on.
 */
#ifndef SPRITTY_PROMPTS_H
#define SPRITTY_PROMPTS_H

#include "base/notes.h"
#include "config.h"

struct job_prompts {
    int count;
    char *template, *negative_template; /* not expanded; what was typed, with preset and styles */
    char **prompt, **negative;          /* count: expanded, as a PNG says them */
    char **text;                        /* count: the prompts without tags, for the encoders */
    struct notes notes;
};

/* -1 with err: an unknown style, a template over its limits, no memory. job_prompts_free after
 * either. */
int job_prompts_make(struct job_prompts *, const struct settings *, const char *words,
                     struct err *);
void job_prompts_free(struct job_prompts *);

/* Whether the prompt of an image is not what was typed. */
bool job_prompts_expanded(const struct job_prompts *);

#endif
