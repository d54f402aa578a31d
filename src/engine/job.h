/*
 * From flags, presets, config files and the model's own recommendations to one job.
 */
#ifndef SPRITTY_JOB_H
#define SPRITTY_JOB_H

#include <limits.h>

#include "config.h"
#include "engine/loras.h"
#include "engine/finishing.h"
#include "engine/inputs.h"
#include "engine/prompts.h"
#include "engine/subjects.h"
#include "sdxl/pipeline.h"

struct job {
    struct settings settings; /* all layers in one */
    bool drawn_seed;          /* no layer says one, so job_prepare drew it */
    char model[PATH_MAX];     /* the folder or file */
    char model_name[256];     /* "tiny": what the PNG calls it */
    char tokenizer[PATH_MAX]; /* for models that bring none; "" when there is none */
    struct job_prompts prompts;
    const char *prompt; /* of the first image */
    char embeddings[EMBEDDING_FOLDERS][PATH_MAX];
    struct job_loras *loras;   /* of the setting and the first image's prompt */
    int steps_asked;           /* more than the setting max-steps allows, or 0 */
    char instead[100];         /* settings that the model has its own of in this preset, or "" */
    int cell;                  /* of the model's pixel art (spritty.json), or 0 */
    struct subjects *subjects; /* what the model says that it draws, until prepared; or NULL */
    struct finishing finishing;
    struct inputs inputs;
    struct gen_params params; /* points into this struct */
    struct pipeline_options options;
};

/* The settings, model and tokenizer of a job; its seed is not drawn, its prompt not put together.
 * Does not open weights. job_free after either outcome. */
int job_settle(struct job *, const struct settings *flags, const char *preset, struct err *);

/* Fills everything from what was said (flags), over the preset (or NULL), over the files; an empty
 * prompt is allowed. Does not open weights. job_free after either outcome. */
int job_prepare(struct job *, const struct settings *flags, const char *preset, const char *prompt,
                struct err *);
/* The same, with config files that were read already. */
int job_prepare_with(struct job *, const struct config *, const struct settings *flags,
                     const char *preset, const char *prompt, struct err *);
/* enum memory_mode in the place of what was said; what else its settings say goes to the job's
 * parameters again. */
void job_set_memory(struct job *, int mode);
/* Whether a model is opened with that setting: another value of it takes opening it anew. LoRAs
 * come and go over an open model. */
bool job_opens_model(const char *key);
/* All of them, with what they were found to be, and where it is open: jobs of one key run over one
 * open model. To be freed; NULL without memory. */
char *job_model_key(const struct job *, const char *device, int threads);
void job_free(struct job *);

/* A path, or the name of a model in ~/.local/share/spritty/models or among the shipped ones. */
int find_model(const char *name, char path[PATH_MAX], struct err *);

#endif
