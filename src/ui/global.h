/* What keys do that belong to no view: themes, leaving, cancelling, handing the terminal over. */
#ifndef SPRITTY_GLOBAL_H
#define SPRITTY_GLOBAL_H

#include "ui/ui.h"

/* Does it, whatever view or dialog is open. */
void ui_global_act(struct ui *, enum action);
/* Hands the terminal to the shell, and goes on after "fg". */
void ui_suspend(struct ui *);
/* After someone else had the terminal. */
void ui_resumed(struct ui *);
/* Answers still on their way must not land in the shell: the terminal is left only after them. */
void ui_note_answers(struct ui *);

#endif
