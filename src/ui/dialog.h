/* The open dialog, for the loop; what opens one is in ui.h. */
#ifndef SPRITTY_DIALOG_H
#define SPRITTY_DIALOG_H

#include "ui/ui.h"

/* All of these only while ui->dialog is set. */
void dialog_draw(struct ui *, struct rect main);
unsigned dialog_contexts(const struct ui *);
bool dialog_act(struct ui *, enum action);
void dialog_type(struct ui *, const struct input_event *);
void dialog_mouse(struct ui *, const struct input_event *);
void dialog_close(struct ui *); /* no answer is given */

#endif
