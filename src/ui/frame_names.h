/* What the frames of a sheet are called: a game asks for "green-slime", not for a job's number. */
#ifndef SPRITTY_FRAME_NAMES_H
#define SPRITTY_FRAME_NAMES_H

enum { FRAME_NAME = 64 };

/* Names of n frames after the words that made them: "green-slime.png". Those of the same words are
 * numbered ("slime-1.png", "slime-2.png"), so that a sheet's description sees one run in them. No
 * name comes twice. */
void frame_names(const char *const *words, int n, char (*names)[FRAME_NAME]);

#endif
