/* One glyph into the screen's cells; between screen.c and draw.c. */
#ifndef SPRITTY_SCREEN_PUT_H
#define SPRITTY_SCREEN_PUT_H

#include "ui/glyph.h"
#include "ui/screen.h"

enum { SCREEN_HERE = -1 }; /* as a ground: the one that is there */

/* Its left column at x. Halves that the screen's edge cuts off leave a space. */
void screen_put(struct screen *, int y, int x, const struct glyph *, enum role, int ground);

/* One character of one column. */
static inline void screen_put_code(struct screen *s, int y, int x, int32_t code, enum role role,
                                   int ground)
{
    screen_put(s, y, x, &(struct glyph){{code}, 1, 1}, role, ground);
}

#endif
