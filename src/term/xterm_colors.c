/* xterm's 256 colours; see xterm_colors.h. */
#include "term/xterm_colors.h"

#include <string.h>

void xterm_color(int i, uint8_t rgb[3])
{
    static const uint8_t named[16][3] = {
        {0, 0, 0},       {205, 0, 0},   {0, 205, 0},   {205, 205, 0},
        {0, 0, 238},     {205, 0, 205}, {0, 205, 205}, {229, 229, 229},
        {127, 127, 127}, {255, 0, 0},   {0, 255, 0},   {255, 255, 0},
        {92, 92, 255},   {255, 0, 255}, {0, 255, 255}, {255, 255, 255},
    };
    static const uint8_t level[6] = {0, 95, 135, 175, 215, 255};
    if (i < 16) {
        memcpy(rgb, named[i], 3);
    } else if (i < 232) {
        rgb[0] = level[(i - 16) / 36];
        rgb[1] = level[(i - 16) / 6 % 6];
        rgb[2] = level[(i - 16) % 6];
    } else {
        memset(rgb, 8 + 10 * (i - 232), 3);
    }
}
