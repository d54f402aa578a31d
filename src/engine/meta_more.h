/*
 * What a sprite's texts say of image to image, second passes, refiner, VAE, ControlNet, tiling and
 * guidance: only what was asked for, so that a plain sprite's texts stay short.
 */
#ifndef SPRITTY_META_MORE_H
#define SPRITTY_META_MORE_H

#include <stdio.h>

#include "base/jsonw.h"
#include "config.h"

/* Members of an open object, under the settings' names. */
void meta_more_json(struct jsonw *, const struct settings *);
/* ", Hires upscale: 1.5, ..." under A1111's names (modules/processing.py), where it has one.
 * control: the ControlNet's file or folder. */
void meta_more_parameters(FILE *, const struct settings *, const char *control);

#endif
