/* Doctor's lines about the terminal: what it answered, or else what the environment says. */
#include <string.h>

#include "cli/doctor.h"

static void check_graphics(struct checks *all, const struct caps *k, bool there)
{
    bool pixels = k->graphics > GRAPHICS_BLOCKS;
    struct check *c = check_add(all, "terminal", there && pixels ? CHECK_GOOD : CHECK_WARNING,
                                "%.60s: pictures by %s%s", k->terminal, graphics_name(k->graphics),
                                k->ssh ? ", over SSH" : "");
    if (!there)
        check_hint(c, "there is no terminal to ask here: this is what the environment says");
    else
        check_hint(c, "%s%s", k->why,
                   pixels ? ""
                          : "; one with sixel (xterm -ti vt340, foot, WezTerm, mlterm) shows "
                            "every pixel of a sprite");
    bool sixel = k->graphics == GRAPHICS_SIXEL;
    if (sixel)
        c = check_add(all, "sixel", CHECK_GOOD, "%d colours at once", k->sixel_registers);
    else if (pixels)
        c = check_add(all, "sixel", CHECK_GOOD, "not needed: %s does the same",
                      graphics_name(k->graphics));
    else
        c = check_add(all, "sixel", CHECK_MISSING, "none");
    if (sixel && k->sixel_w > 0)
        check_hint(c, "pictures up to %dx%d", k->sixel_w, k->sixel_h);
    else if (!pixels)
        check_hint(c, "pictures are made of characters; SPRITTY_GRAPHICS=sixel insists, where the "
                      "terminal has it and does not say so");
}

static void check_cells(struct checks *all, const struct caps *k)
{
    bool known = k->cell_w > 0 && k->cell_h > 0;
    struct check *c = check_add(all, "cell size", known ? CHECK_GOOD : CHECK_WARNING,
                                known ? "%dx%d pixels" : "not told", k->cell_w, k->cell_h);
    if (!known)
        check_hint(c, "pictures cannot be fitted to cells; a terminal that answers CSI 16 t or "
                      "whose window has a size in pixels is needed for sixel");
}

void doctor_terminal(struct checks *all, const struct caps *k, bool there)
{
    check_graphics(all, k, there);
    bool colors = k->colors == COLORS_TRUE || k->colors == COLORS_256;
    struct check *c = check_add(all, "colours", colors ? CHECK_GOOD : CHECK_WARNING, "%s",
                                color_depth_name(k->colors));
    if (!colors)
        check_hint(c, "themes need 256: set COLORTERM=truecolor or TERM=xterm-256color where the "
                      "terminal has them, or SPRITTY_COLORS=256");
    check_cells(all, k);
    c = check_add(all, "unicode", k->utf8 ? CHECK_GOOD : CHECK_WARNING, k->utf8 ? "UTF-8" : "none");
    if (!k->utf8)
        check_hint(c, "lines and pictures of characters need it: set LANG=C.UTF-8");
    bool dull = k->tmux && k->graphics <= GRAPHICS_BLOCKS;
    c = check_add(all, "tmux", dull ? CHECK_WARNING : CHECK_GOOD, k->tmux ? "yes" : "not in it");
    if (dull)
        check_hint(c, "pixels through tmux need one that was built with sixel, 'set -g "
                      "allow-passthrough on', and a terminal with sixel around it");
}
