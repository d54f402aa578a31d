/* The bars around the views and the help page; between ui.c and frame.c, help.c. */
#ifndef SPRITTY_FRAME_H
#define SPRITTY_FRAME_H

#include "ui/layout.h"
#include "ui/ui.h"

extern const struct view_ops *const ui_views[VIEWS];

/* Everything that is seen now. */
void frame_draw(struct ui *);
/* A click on the top line; false when it is not there. */
bool frame_mouse(struct ui *, const struct input_event *);

/* Text over several rows, as far as there are some; returns how many it took. Without a screen it
 * only counts. */
int draw_wrapped(struct screen *, struct rect, enum role, const char *text);

/* The help page over the view; NULL in ui->help while it is closed. */
void help_open(struct ui *);
void help_close(struct ui *);
void help_draw(struct ui *, struct rect main);
bool help_act(struct ui *, enum action);
bool help_goes_on(const struct ui *); /* there is more below */

/* What is in force where the keys are going. */
unsigned ui_contexts(const struct ui *);

/* Writes the drafts down if they changed. */
void studio_save(struct ui *);

#endif
