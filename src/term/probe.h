/*
 * What the terminal can do, by asking it.
 *
 * probe_questions is written once at start (and again after SIGWINCH for what a size changes);
 * every answer that comes in, now or a minute later, goes to probe_answer, which updates the caps
 * and says whether something changed. Nothing waits: the first screen is drawn with what the
 * environment tells, and images appear when the answers are there. DA1 comes last and ends it.
 *
 * Behind tmux (TMUX set or XTVERSION says so) the outer terminal is asked as well, through the
 * passthrough; what the outer terminal has not, tmux can not show. tmux answers at once and the
 * outer terminal later, so what comes after the first DA1 is the outer one's. Facts and sources:
 * docs/terminals.md.
 */
#ifndef SPRITTY_PROBE_H
#define SPRITTY_PROBE_H

#include <stdbool.h>
#include <stddef.h>

enum graphics {
    GRAPHICS_NONE,   /* no Unicode or no colours: no images */
    GRAPHICS_BLOCKS, /* half blocks and other symbols */
    GRAPHICS_ITERM,
    GRAPHICS_KITTY,
    GRAPHICS_SIXEL,
};

enum color_depth { COLORS_NONE, COLORS_16, COLORS_256, COLORS_TRUE };

struct caps {
    enum graphics graphics; /* the best of what is there */
    enum color_depth colors;
    bool utf8;
    bool tmux, ssh;
    int cell_w, cell_h;   /* pixels of a character cell; 0: unknown */
    int sixel_registers;  /* colours at once; 256 unless told */
    int sixel_w, sixel_h; /* largest picture, 0: no limit told */
    bool sixel_bands;     /* a picture also covers what is left of its last band of six pixels */
    bool done;            /* DA1 came: what is not known now is not there */
    double round_trip_ms; /* from the questions to DA1 */
    char terminal[64];    /* XTVERSION's text, or TERM */
    char why[200];        /* one line: how `graphics` was decided, for doctor */
};

struct probe {
    struct caps caps;
    double asked_ms, outer_ms; /* when the questions, and those to the outer terminal, were made */
    bool asked, ask_outer;     /* they were; they are to be */
    bool ask_outer_later;      /* with the next key */
    bool new_size;             /* not asked about yet */
    int outer_tries;
    bool da1, outer_da1, sixel, outer_sixel, kitty, iterm, cells_told; /* what was answered */
    bool windows;         /* Windows Terminal, by its DA1 */
    int registers[2];     /* told by the terminal, and by the outer one; 0: not */
    int rows, cols, w, h; /* from probe_winsize */
    int forced;           /* -1, or an enum graphics that the user demanded */
    bool colors_forced;
    char outer[64];
};

/* From the environment alone: TERM, COLORTERM, NO_COLOR, TMUX, SSH_*, TERM_PROGRAM, LC_*, and
 * SPRITTY_GRAPHICS=sixel|kitty|iterm|blocks|none, SPRITTY_COLORS=none|16|256|true, which win over
 * everything. NO_COLOR takes the colours of text and, with them, pictures made of characters; a
 * sixel, kitty or iTerm2 picture stays: it is what was made, no decoration. `get` is getenv (tests
 * bring their own). */
void probe_start(struct probe *, const char *(*get)(const char *name));
/* The questions as bytes; returns the length (at most `size`, which 1024 always satisfies). The
 * first call asks everything, later ones the sizes of cells and pictures, or what was due. */
size_t probe_questions(struct probe *, double now_ms, char *out, size_t size);
/* Is there more to ask? Look now and then, and after answers: then call probe_questions. It may
 * have turned out that this is tmux; and a tmux that is just starting loses what is passed through
 * it, so a silent outer terminal is asked again after one, two and three seconds. */
bool probe_due(const struct probe *, double now_ms);
/* A key came. With a new size there may be another terminal around tmux, but what that one answers
 * goes to the pane that has the keys: so it is asked when they are ours. */
void probe_typed(struct probe *);
/* An INPUT_ANSWER. True when the caps changed. */
bool probe_answer(struct probe *, const char *bytes, size_t len, double now_ms);
/* From TIOCGWINSZ, when the kernel knows pixels; what the terminal itself says wins. */
void probe_winsize(struct probe *, int rows, int cols, int pixels_w, int pixels_h);

const char *graphics_name(enum graphics);
const char *color_depth_name(enum color_depth);

#endif
