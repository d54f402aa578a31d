/*
 * Sprites of one job, or marked ones, played as the frames of an animation.
 *
 * Which frame is seen follows from the clock, so a slow line leaves frames out and keeps the time.
 * Frames of different sizes stand as they would in a sheet: at the bottom in the middle.
 */
#ifndef SPRITTY_PLAY_H
#define SPRITTY_PLAY_H

#include "ui/ui.h"

enum { PLAY_FRAMES = 64, PLAY_RATE = 8, PLAY_RATE_MAX = 30 };

struct play {
    bool on;
    int rate;                    /* frames a second, 1 to PLAY_RATE_MAX; 0: not asked for yet */
    struct store_sprite *sprite; /* until their pictures are read */
    int sprites;
    struct image *frame[PLAY_FRAMES]; /* all, or none while they are being read */
    int count;
    uint64_t serial; /* of the first frame's picture */
    double began_ms;
};

/* Frames a second, as they were last chosen. */
int play_rate(struct ui *);
/* Begins with these sprites, which it takes over; false with a word on the status line where they
 * are less than two. */
bool play_start(struct play *, struct ui *, struct store_sprite *, int count);
void play_stop(struct play *);
/* Frames a second more, or less (by < 0); remembered in the store. */
void play_faster(struct play *, struct ui *, int by);

/* Draws the frame that is due and asks to be drawn again when the next one is. */
void play_draw(struct play *, struct ui *, struct rect, unsigned slot);
/* "frame 3 of 8, 8 a second". */
void play_title(const struct play *, const struct ui *, char *out, size_t size);

#endif
