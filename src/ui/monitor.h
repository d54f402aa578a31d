/* The monitor's panels that have a file of their own. */
#ifndef SPRITTY_MONITOR_H
#define SPRITTY_MONITOR_H

#include "engine/gpu_meters.h"
#include "ui/ui.h"

/* What makes up the last job's peak of memory; under it the process, the system and, if gpu is not
 * NULL, the device. */
void draw_composition(struct ui *, struct rect, const struct gpu_meters *gpu);
/* Rows that it would like, its frame included. */
int composition_rows(const struct ui *, const struct gpu_meters *gpu);

/* ---- devices_box.c ---- */

/* Rows of the box over a monitor that is so high; 0 with one device. */
int devices_box_rows(const struct ui *, int rows);
void devices_box_draw(struct ui *, struct rect);

#endif
