/*
 * ControlNets: where their files lie, and the picture that one follows.
 *
 * The picture goes to the pipeline as it is, flattened as an image to start from is: the pipeline
 * fits it to each pass. Of two kinds the hint is made here: the edges of a picture (sprite/canny.h)
 * and its inverse. Edges are a pixel wide, and only so of use at the size of what is made. So a
 * smaller picture is enlarged first, and with compat=a1111 a larger one shrunk, as A1111 does with
 * "Pixel Perfect"; ComfyUI and diffusers take edges of the picture as it is.
 */
#ifndef SPRITTY_CONTROLS_H
#define SPRITTY_CONTROLS_H

#include <limits.h>

#include "config.h"

struct hint {
    uint8_t *rgb; /* width x height x 3; NULL: none */
    int width, height;
};

/* A path, or a name: of a folder in ~/.local/share/spritty/controlnets, or of a file there with or
 * without ".safetensors"; else of a ControlNet's folder that ships beside the embedded model. */
int find_control(const char *name, char path[PATH_MAX], struct err *);
/* The same of names alone: nothing else of the file system is looked at. */
bool control_listed(const char *name, char path[PATH_MAX]);
/* " (there are: a, b)" for an error's end: the first five names, or "" where there is none. */
void controls_here(char *out, size_t size);

/* The picture of settings that are settled, as the ControlNet is to see it; what is transparent in
 * it shows the setting backdrop, else the background. -1 with err; rgb is the caller's. */
int control_read(const struct settings *, const uint8_t background[3], struct hint *, struct err *);

#endif
