/*
 * Following a workflow's links, for comfy_nodes.c: through reroutes, bypassed nodes and those that
 * bundle links, with a bound on how many are followed in all, so that circles end.
 */
#ifndef SPRITTY_COMFY_WALK_H
#define SPRITTY_COMFY_WALK_H

#include "import/comfy_graph.h"
#include "import/recipe.h"

enum { COMFY_BUDGET = 4000, COMFY_MAX_STAGES = 4, COMFY_MAX_LORAS = 32, COMFY_MAX_LEVELS = 1001 };

/* What happens to the image between two samplers. */
struct comfy_upscale {
    int node; /* -1: nothing */
    bool pixels;
    char method[32];
    double by;
    int width, height; /* 0: `by` */
};

/* Noise levels: a schedule by name, or a list; and which steps of it are taken. */
struct comfy_levels {
    char scheduler[64]; /* "" with a list */
    float list[COMFY_MAX_LEVELS];
    int count;             /* of the list; 0: a name */
    int total, start, end; /* steps */
    double denoise;        /* of a name: the last `total` of int(total / denoise) steps */
};

/* One sampler, of any class. */
struct comfy_stage {
    int node;
    bool cuts;                       /* it says from and to which step: others make all of them */
    int guider;                      /* whose model and conditionings: itself, or a guider */
    const char *positive, *negative; /* the names of its inputs; negative NULL: none */
    char seed[40], cfg[40], sampler[64];
    bool noise; /* it begins with noise of its own */
    bool full;  /* what noise is left where it ends, it takes in its last step */
    struct comfy_levels levels;
    struct comfy_upscale up; /* before this sampler */
};

struct comfy_lora {
    int node;
    char name[256];
    double unet, text;
    bool text_used;
};

/* Of efficiency-nodes-comfyui: checkpoint, LoRAs, prompts and an empty latent in one; and samplers
 * that hand on what they were given, and decode (output 5). */
#define COMFY_EFFICIENT_LOADER   "Efficient Loader"
#define COMFY_EFFICIENT_SAMPLERS "KSampler (Efficient)|KSampler Adv. (Efficient)"

/* A node that gives what comes into it a name. */
struct comfy_setter {
    const char *name;
    int scope, node;
};

struct comfy_walk {
    const struct comfy_graph *g;
    struct recipe *r;
    bool *seen; /* nodes that the image depends on */
    int budget;
    struct comfy_setter *setter; /* sorted */
    int setters;
    int unpacking;                              /* bundles in each other */
    struct comfy_stage stage[COMFY_MAX_STAGES]; /* the last sampler first */
    int stages;
    struct comfy_lora lora[COMFY_MAX_LORAS];
    int loras;
};

/* Is its class one of these, "A|B"? */
bool comfy_is(const struct comfy_walk *, int node, const char *classes);
/* "node 5 (KSampler)", in one of a few buffers that take turns. */
const char *comfy_name(const struct comfy_walk *, int node);

/* Fills in `setter`, malloc'd, before anything is followed. -1: no memory. */
int comfy_find_setters(struct comfy_walk *);

/* The node that an input comes from in the end, and its output; -1 when there is none (said why,
 * unless nothing is linked). */
int comfy_follow(struct comfy_walk *, struct comfy_input, int *slot);
int comfy_source(struct comfy_walk *, int node, const char *input, int *slot);

/* An unknown node on the way: named as ignored; the input through which to go on, the first linked
 * one of `names` ("model|clip") or else the first at all. */
struct comfy_input comfy_pass(struct comfy_walk *, int node, const char *names);

/* A member of an object, if it is one of its first few: some nodes' values are small objects. */
struct json comfy_member(struct json object, const char *key);

/* Values, through primitive and string nodes. Text: malloc'd, NULL when there is none. */
char *comfy_get_text(struct comfy_walk *, int node, const char *input);
/* The file of a LoadImage or the like, without the name of ComfyUI's folder that may stand behind
 * it ("a.png [input]"). malloc'd or NULL. */
char *comfy_image_file(struct comfy_walk *, int node);
bool comfy_get_number(struct comfy_walk *, int node, const char *input, double *);
double comfy_number(struct comfy_walk *, int node, const char *input, double fallback);
/* A short text; "" when there is none. */
void comfy_word(struct comfy_walk *, int node, const char *input, char *out, size_t size);

#endif
