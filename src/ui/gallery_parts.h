/* The gallery's own state, shared by its files: gallery.c draws and moves, gallery_acts.c acts. */
#ifndef SPRITTY_GALLERY_PARTS_H
#define SPRITTY_GALLERY_PARTS_H

#include "ui/marks.h"
#include "ui/play.h"
#include "ui/studio.h"

struct gallery {
    struct store_sprite *sprite; /* the page that is seen */
    int count, first, total;     /* sprite[0] is number `first` of `total` */
    int at;                      /* the selected one, of total */
    bool open, searching, trash, stale;
    bool grows;                  /* a sprite came while it was seen: the chosen one stays chosen */
    struct marks marks, trashed; /* trashed: those that were last put into the trash */
    struct editor *query;
    int rows, cols; /* of the grid that is drawn */
    struct rect grid;
    struct play play;  /* on only while a sprite is open */
    bool plays_marked; /* ... or what is marked plays in its place */
    struct tiled tiled;
};

/* The chosen sprite, or NULL; valid until the next call. */
const struct store_sprite *gallery_chosen(struct ui *);

void gallery_mark(struct ui *);
void gallery_mark_all(struct ui *); /* all that the search finds; none, where some are marked */
/* Of what is marked, or else of the chosen one: */
void gallery_rate(struct ui *, int rating);
void gallery_ask_tags(struct ui *);
void gallery_trash(struct ui *); /* in the trash's view: back out of it */
void gallery_untrash(struct ui *);
/* Of what is marked, or else of what the job of the chosen one made: */
void gallery_play(struct ui *);
void gallery_stop(struct gallery *); /* playing */
void gallery_write_sheet(struct ui *);
/* Its prompt, its seed, all its settings or its picture go into the studio. */
void gallery_use(struct ui *, const struct store_sprite *, enum action);

#endif
