/*
 * From the LoRAs that a job names to files: the setting, the prompt's tags, and where files lie.
 */
#ifndef SPRITTY_LORAS_H
#define SPRITTY_LORAS_H

#include <limits.h>

#include "prompt/lora_list.h"
#include "sdxl/lora.h"

struct job_loras {
    struct lora_use use[MAX_LORAS]; /* names and paths point into the arrays below */
    int count;
    int from_setting; /* so many of them, the first; the others are in the prompt */
    struct lora_item item[LORA_ITEMS];
    char path[MAX_LORAS][PATH_MAX];
};

/* setting: a list, or NULL. prompts: of the images of the batch, which all go through one model:
 * they have to name the same LoRAs. model: its path, beside which files are looked for as well.
 * NULL and err on failure. */
struct job_loras *job_loras_find(const char *setting, char *const *prompts, int count,
                                 const char *model, struct err *);

/* The file of a LoRA: a path (also of a folder that holds adapter_model.safetensors or
 * pytorch_lora_weights.safetensors), or a name among ~/.local/share/spritty/loras with all its
 * subfolders, those that ship, and those beside the model: its folder and the loras folder in it. A
 * name is a file's without ".safetensors", with or without its subfolders before it, or what its
 * trainer called it (ss_output_name). The error suggests a near name. */
int find_lora(const char *name, const char *model, char path[PATH_MAX], struct err *);

/* The same among the folders alone: no path, and nothing else of the file system is looked at. */
bool lora_listed(const char *name, const char *model, char path[PATH_MAX]);

/* What the setting (or NULL) and a prompt name, as yet without files: how many; -1 with err. */
int job_lora_names(const char *setting, const char *prompt, struct lora_item item[LORA_ITEMS],
                   struct err *);

/* A1111's short hash of a LoRA: of the header's sshs_model_hash, or of the data when that is quick;
 * else "". */
void lora_hash(const char *path, char out[13]);

#endif
