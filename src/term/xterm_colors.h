/* xterm's 256 colours, which those of most terminals come near. */
#ifndef SPRITTY_XTERM_COLORS_H
#define SPRITTY_XTERM_COLORS_H

#include <stdint.h>

/* Colour i, 0 to 255: 16 named ones, which users may have changed, then a cube of 6 x 6 x 6, then
 * 24 greys. */
void xterm_color(int i, uint8_t rgb[3]);

#endif
