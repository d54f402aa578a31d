/* The table of palettes that ship; between palettes.c, which has it, and palette.c. */
#ifndef SPRITTY_PALETTES_H
#define SPRITTY_PALETTES_H

#include <stdint.h>

struct shipped_palette {
    const char *name;
    const uint32_t *rgb; /* 0xRRGGBB */
    int n;
};

/* Row i, or NULL past the end. */
const struct shipped_palette *palettes_row(int i);

#endif
