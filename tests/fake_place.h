/* place.h without images: keeps what it was told, and sends what the test says. */
#ifndef SPRITTY_FAKE_PLACE_H
#define SPRITTY_FAKE_PLACE_H

#include <stdio.h>
#include <stdlib.h>

#include "term/place.h"

static struct {
    struct place want[MAX_PLACES];
    int wanted, begun, covered, forgotten;
    const char *clear, *draw; /* what the two send */
    char blank[64];
} places;

struct places *places_new(void)
{
    return malloc(1);
}

void places_free(struct places *p)
{
    free(p);
}

void place_begin(struct places *p)
{
    (void)p;
    places.begun++;
    places.wanted = 0;
}

void place_want(struct places *p, const struct place *want)
{
    (void)p;
    places.want[places.wanted++] = *want;
}

void place_cover(struct places *p, int y, int x, int rows, int cols)
{
    (void)p;
    places.covered += y + x + rows + cols;
}

bool place_touched(const struct places *p, int y, int x, int rows, int cols)
{
    (void)p;
    bool touched = false;
    for (int i = 0; i < places.wanted; i++) {
        const struct place *w = &places.want[i];
        touched |= cells_touch((struct cells){w->y, w->x, w->rows, w->cols},
                               (struct cells){y, x, rows, cols});
    }
    return touched;
}

void place_clear(struct places *p, struct out *out, const char *blank, const char *blank_over)
{
    (void)p, (void)blank_over;
    snprintf(places.blank, sizeof places.blank, "%s", blank);
    if (places.clear)
        out_text(out, places.clear);
}

int place_draw(struct places *p, const struct caps *caps, struct out *out, double now_ms)
{
    (void)p, (void)caps, (void)now_ms;
    if (places.draw)
        out_text(out, places.draw);
    return 3;
}

void place_forget(struct places *p)
{
    (void)p;
    places.forgotten++;
}

void place_encode_with(struct places *p, void (*send)(void *user, struct place_encoding *),
                       void *user)
{
    (void)p, (void)send, (void)user;
}

void place_encoded(struct places *p, struct place_encoding *e)
{
    (void)p, (void)e;
}

#endif
