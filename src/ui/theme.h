/*
 * Colours by role. Panels never name a colour, only what a thing is; a theme (themes/NAME.ini) says
 * how that looks in true colour, and what is nearest in 256, 16 or no colours is worked out here.
 *
 * An INI file: [theme] name, title; [colors] ROLE = #rrggbb [on #rrggbb] [bold] [dim] [underline]
 * [reverse]; a role that is not said takes `text`'s, and one without "on" lies on whatever
 * background is under it. The user's folder (~/.config/spritty/themes) comes before the shipped
 * one. Mistakes are named with file and line.
 */
#ifndef SPRITTY_THEME_H
#define SPRITTY_THEME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "term/probe.h"

#define ROLES(X)                                                                                   \
    X(TEXT, "text", "what is read")                                                                \
    X(DIM, "dim", "what is read second: labels, hints, units")                                     \
    X(STRONG, "strong", "numbers and names that matter")                                           \
    X(TITLE, "title", "a panel's name")                                                            \
    X(TITLE_FOCUS, "title_focus", "the name of the panel that has the keys")                       \
    X(BORDER, "border", "lines between panels")                                                    \
    X(BORDER_FOCUS, "border_focus", "the line of the panel that has the keys")                     \
    X(FIELD, "field", "text that can be edited")                                                   \
    X(FIELD_FOCUS, "field_focus", "the field that is being edited")                                \
    X(SELECT, "select", "the chosen row")                                                          \
    X(ACCENT, "accent", "progress, the current tab")                                               \
    X(KEY, "key", "a key's name")                                                                  \
    X(GOOD, "good", "done, better")                                                                \
    X(WARN, "warn", "slower, nearly full")                                                         \
    X(BAD, "bad", "failed, worse")                                                                 \
    X(GRAPH_A, "graph_a", "first series: step time, weights")                                      \
    X(GRAPH_B, "graph_b", "second series: median, activations")                                    \
    X(GRAPH_C, "graph_c", "third series: 95th percentile, free")                                   \
    X(BAR, "bar", "the top and bottom lines")                                                      \
    X(BAR_STRONG, "bar_strong", "the current view's name in the top line")                         \
    X(CHUNK, "chunk", "a chunk border in the prompt")                                              \
    X(WEIGHT, "weight", "brackets and weights in the prompt")                                      \
    X(NAME, "name", "what the prompt names: a LoRA, an embedding")                                 \
    X(CHOICE, "choice", "what the prompt lets be drawn: {a|b}, __wildcard__")                      \
    X(OVERLAY, "overlay", "dialogs and help")                                                      \
    X(CHECKER_A, "checker_a", "behind transparent pixels")                                         \
    X(CHECKER_B, "checker_b", "behind transparent pixels, the other square")

enum role {
#define X(id, name, help) ROLE_##id,
    ROLES(X)
#undef X
        ROLE_COUNT
};

enum {
    STYLE_BOLD = 1,
    STYLE_DIM = 2,
    STYLE_UNDERLINE = 4,
    STYLE_REVERSE = 8,
    STYLE_OPAQUE = 16, /* has a background of its own: "on" was said; never for ROLE_TEXT */
};

struct role_style {
    uint8_t fg[3], bg[3];
    unsigned attributes;
};

struct theme {
    char name[32], title[48];
    struct role_style role[ROLE_COUNT];
};

/* Names for theme_load, sorted, the shipped order first: dark, light, high-contrast, game-boy,
 * monochrome, then the user's. Caller frees each and the list. */
int theme_names(char ***names);
int theme_load(struct theme *, const char *name, struct err *);
int theme_parse(struct theme *, const char *text, size_t size, const char *where, struct err *);
void theme_default(struct theme *); /* dark, compiled in for when no file is there */

/* The nearest colour of xterm's 256 (16 to 255) or of the 16 (0 to 15), in Oklab; of the 16 by hue
 * more than by strength. */
int color_to_256(const uint8_t rgb[3]);
int color_to_16(const uint8_t rgb[3]);
/* WCAG 2's contrast ratio, 1 to 21. */
double color_contrast(const uint8_t a[3], const uint8_t b[3]);

#endif
