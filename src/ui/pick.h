/* Pickers: dialogs that choose what a setting names. Each has a file of its own. */
#ifndef SPRITTY_PICK_H
#define SPRITTY_PICK_H

#include "ui/files.h"
#include "ui/ui.h"

/* A file (or, for FILE_FOLDER, a folder); `typed` stands in the field at first. `done` gets its
 * whole path. */
void pick_file(struct ui *, const char *title, enum file_kind, const char *typed,
               void (*done)(struct ui *, const char *path, void *user), void *user);

/* Several LoRAs with their strengths: a list (prompt/lora_list.h) as the setting `key`. */
void pick_loras(struct ui *, const char *key, const char *now);

/* The setting `mask`, drawn over the picture of `image`. */
void pick_mask(struct ui *);

/* "sampler: what the step rule is", as pickers are headed; the label alone is not said twice. */
void setting_title(const struct settings_key *, char *out, size_t size);

/* A palette's name, or a file, as ui->picked gets it. */
void pick_palette(struct ui *, const struct settings_key *, const char *now);

/* Styles of styles.csv as the setting `styles`. */
void pick_styles(struct ui *, const char *now); /* those that are used are marked */

#endif
