/*
 * What the settings panel lists, and how a value is stepped: pure, over the one table of settings,
 * so that a new row of it is in the app without another line.
 */
#ifndef SPRITTY_SETTING_LIST_H
#define SPRITTY_SETTING_LIST_H

#include "config.h"

/* A line of the panel: a setting, or (key -1) the title of a group. */
struct setting_line {
    enum settings_group group;
    int key;
};

enum { SETTING_LINES = SETTINGS_MAX + GROUPS };

/* Group by group: its title, then its settings if bit `group` of `open` is set. While something is
 * searched for (words not "") instead only settings that have all the words in their name, label,
 * help or group's title, under their titles. Returns the count. */
int setting_lines(unsigned open, const char *words, struct setting_line line[SETTING_LINES]);
/* The line of a setting, or -1. */
int setting_line_of(const struct setting_line *, int count, int key);

/* The value beside `now` (as settings_print has it; "" for none): the next choice, a step more of a
 * number within its range, the other side of a size, yes for no. `by` is 1 or -1. False for texts,
 * which have no next one. */
bool setting_step(const struct settings_key *, const char *now, int by, char *out, size_t size);

/* What the line below the panel says: the help, with the range of a number. */
void setting_help(const struct settings_key *, char *out, size_t size);

#endif
