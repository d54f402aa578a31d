/*
 * Finishing as settings say it: from struct settings to finish_options, palettes read.
 *
 * A picture is finished when anything says so: a setting of the group "Finishing" on the command
 * line, in a preset, in a config file, or the model's own spritty.json, which for a model of pixel
 * art names its cell. Where nothing does, the picture stays as the model made it.
 */
#ifndef SPRITTY_FINISHING_H
#define SPRITTY_FINISHING_H

#include "config.h"
#include "sprite/finish.h"

/* Points into itself once it is prepared: it stays where it is. */
struct finishing {
    bool wanted; /* anything at all is to be done */
    bool lock;   /* one palette for all images */
    int cell;    /* of the model's pictures, from their corner on; 0: not known */
    struct finish_options o;
    struct keep keep;
    struct palette palette, swap_from, swap_to;
    uint8_t outline_rgb[3];
};

/* Reads palettes. cell: the model's own, or 0; a job that says the same takes it without looking
 * for its place. What was not said has `spritty finish`'s defaults. -1 and err for palettes that
 * cannot be read and for options that do not go together. */
int finishing_prepare(struct finishing *, const struct settings *, int cell, struct err *);

/* For pictures that were made anew in a part: what stays of them. The pointers stay the caller's; a
 * mask of NULL: nothing stays. */
void finishing_keep(struct finishing *, const struct keep *);

/* The same for a sprite that was made before, by its job's settings, settled: their mask, a pixel
 * of the sprite standing for a square of the job's, and the sprite's own alpha. One block, the
 * caller's to free. NULL where nothing stays, where a sprite was trimmed or put on a canvas and so
 * is elsewhere than its mask, and with err where the mask cannot be read. */
struct keep *finishing_kept(const struct settings *, const struct image *, struct err *);

/* images[i] to out[i], new ones, the caller's to free; all or none. reports: one each. */
int finishing_run(const struct finishing *, const struct image *const *images, int count,
                  struct image **out, struct finish_report *reports, struct err *);

/* The image as it is before its colours are chosen, for palette_of_images, where images come one by
 * one; and the palette that came of it, which stays the caller's. */
int finishing_cut(const struct finishing *, const struct image *, struct image **out, struct err *);
void finishing_use(struct finishing *, const struct palette *);

/* What `clean` changes; where it is not asked for, what all of finishing changes in the cells. A
 * picture of three: before, after, and the pixels that differ; NULL and err on failure. */
struct image *finishing_difference(const struct finishing *, const struct image *, struct err *);

/* Does anything say that pictures are to be finished? "raw" wins. */
bool finishing_wanted(const struct settings *);
/* What is said where nobody said anything; for pictures that are not to be finished, what leaves
 * them as they are. */
int finishing_fill(struct settings *, struct err *);
/* Is this setting one of finishing's? */
bool finishing_key(const struct settings_key *);

#endif
