/*
 * LoRAs on an open model: chosen by a job, merged into the packed weights, taken out again.
 *
 * Every packed weight remembers what was merged into it, as a fingerprint of files and strengths.
 * A new choice is matched against the model by names and shapes first; what does not fit is told or
 * refused before anything changes. Then the weights whose fingerprint is not the one that they
 * should have are packed again from the mapped checkpoint: so a LoRA is taken out exactly, weights
 * that no LoRA touches are not touched, and after a failure in between the next choice mends what
 * was left. A job's picture does not depend on what ran before it.
 */
#ifndef SPRITTY_LORA_H
#define SPRITTY_LORA_H

#include "base/notes.h"
#include "sdxl/loader.h"
#include "sdxl/lora_file.h"

enum { MAX_LORAS = 32 };

/* One of a job's LoRAs. */
struct lora_use {
    const char *name; /* what messages call it */
    const char *path;
    double unet, text; /* strengths; 0: not there at all */
};

/* What of a file has found its place in a model. */
struct lora_report {
    int modules;             /* in the file */
    int used;                /* found by name, and of the right shape */
    int wrong;               /* found, but of another shape, */
    int bare;                /* or, of these, with no matrix of a known kind */
    int by_part[PART_COUNT]; /* of the used ones */
    /* The first of those that found none (modules, and tensors of no known kind), and why the first
     * of the wrong ones does not fit. */
    int unmatched;
    char first[8][160], why[320];
};

struct lora_set;

/* takes_changes: as the backend says (ops.h). */
struct lora_set *lora_set_new(const struct checkpoint *, bool takes_changes, int threads,
                              struct err *);
void lora_set_free(struct lora_set *);

/* Makes `count` LoRAs the choice for a model with these slots (all of the model's; any backend's).
 * Files are opened that were not open with the same content, others closed. -1: as before; err
 * names the LoRA, when it cannot be read, or little of it fits (lora_refuse). */
int lora_set_choose(struct lora_set *, const struct slots *, const struct lora_use *, int count,
                    struct err *);
/* What of the choice finds no place in the model. */
void lora_set_notes(const struct lora_set *, struct notes *);

/* For loader.patch, with the set as its user: merges the choice into one slot's params, and writes
 * down in slot->state what was merged. */
int lora_set_patch(void *set, int index, struct slot *, struct param *w, struct param *b,
                   struct err *);

/* How many slots are not as the choice wants them. */
int lora_set_pending(const struct lora_set *, struct slots *);
/* Packs those again. l->slots are the set's; its patch is set here. -1 with l->err: the rest is as
 * it was, and pending. */
int lora_set_apply(struct lora_set *, struct loader *);

/* Gives back the memory that merging took, after slots were loaded through the patch. */
void lora_set_rest(struct lora_set *);

/* The most memory that merging the choice takes at a time, besides the weights. */
size_t lora_set_bytes(const struct lora_set *, const struct slots *);

/* Matches one file against a model, changing nothing: for `spritty info`. */
void lora_match(const struct lora_file *, const struct checkpoint *, const struct slots *,
                struct lora_report *);
/* -1 with err when too little of it fits for the result to be what its maker meant. */
int lora_refuse(const struct lora_file *, const struct lora_report *, const char *name,
                struct err *);

#endif
