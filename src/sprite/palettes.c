/*
 * The palettes that ship: lists of colours, and where each is described.
 *
 * pico-8: the console's manual, https://www.lexaloffle.com/dl/docs/pico-8_manual.html.
 * gameboy: the four greens by which the first Game Boy's screen is usually shown,
 *   https://en.wikipedia.org/wiki/List_of_video_game_console_palettes.
 * nes: the 2C02 as decoded on https://www.nesdev.org/wiki/PPU_palettes; blacks once.
 * c64: Philip Timmermann's calculation for PAL, https://www.pepto.de/projects/colorvic/2001/.
 * endesga-32: by ENDESGA, https://lospec.com/palette-list/endesga-32.
 */
#include "sprite/palettes.h"

#include <stddef.h>

static const uint32_t pico8[] = {0x000000, 0x1d2b53, 0x7e2553, 0x008751, 0xab5236, 0x5f574f,
                                 0xc2c3c7, 0xfff1e8, 0xff004d, 0xffa300, 0xffec27, 0x00e436,
                                 0x29adff, 0x83769c, 0xff77a8, 0xffccaa};
static const uint32_t gameboy[] = {0x0f380f, 0x306230, 0x8bac0f, 0x9bbc0f};
static const uint32_t nes[] = {
    0x626262, 0x001fb2, 0x2404c8, 0x5200b2, 0x730076, 0x800024, 0x730b00, 0x522800, 0x244400,
    0x005700, 0x005c00, 0x005324, 0x003c76, 0x000000, 0xababab, 0x0d57ff, 0x4b30ff, 0x8a13ff,
    0xbc08d6, 0xd21269, 0xc72e00, 0x9d5400, 0x607b00, 0x209800, 0x00a300, 0x009942, 0x007db4,
    0xffffff, 0x53aeff, 0x9085ff, 0xd365ff, 0xff57ff, 0xff5dcf, 0xff7757, 0xfa9e00, 0xbdc700,
    0x7ae700, 0x43f611, 0x26ef7e, 0x2cd5f6, 0x4e4e4e, 0xb6e1ff, 0xced1ff, 0xe9c3ff, 0xffbcff,
    0xffbdf4, 0xffc6c3, 0xffd59a, 0xe9e681, 0xcef481, 0xb6fb9a, 0xa9fac3, 0xa9f0f4, 0xb8b8b8};
static const uint32_t c64[] = {0x000000, 0xffffff, 0x68372b, 0x70a4b2, 0x6f3d86, 0x588d43,
                               0x352879, 0xb8c76f, 0x6f4f25, 0x433900, 0x9a6759, 0x444444,
                               0x6c6c6c, 0x9ad284, 0x6c5eb5, 0x959595};
static const uint32_t endesga32[] = {
    0xbe4a2f, 0xd77643, 0xead4aa, 0xe4a672, 0xb86f50, 0x733e39, 0x3e2731, 0xa22633,
    0xe43b44, 0xf77622, 0xfeae34, 0xfee761, 0x63c74d, 0x3e8948, 0x265c42, 0x193c3e,
    0x124e89, 0x0099db, 0x2ce8f5, 0xffffff, 0xc0cbdc, 0x8b9bb4, 0x5a6988, 0x3a4466,
    0x262b44, 0x181425, 0xff0044, 0x68386c, 0xb55088, 0xf6757a, 0xe8b796, 0xc28569};

#define ROW(NAME, COLORS)                                                                          \
    {                                                                                              \
        NAME, COLORS, (int)(sizeof COLORS / sizeof *COLORS)                                        \
    }
static const struct shipped_palette table[] = {
    ROW("pico-8", pico8), ROW("gameboy", gameboy),      ROW("nes", nes),
    ROW("c64", c64),      ROW("endesga-32", endesga32),
};

const struct shipped_palette *palettes_row(int i)
{
    return i >= 0 && i < (int)(sizeof table / sizeof *table) ? &table[i] : NULL;
}
