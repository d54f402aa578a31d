/* The tables and the JSON of `spritty profile`; between cmd_profile.c and profile_print.c. */
#ifndef SPRITTY_PROFILE_PRINT_H
#define SPRITTY_PROFILE_PRINT_H

#include "base/jsonw.h"
#include "engine/memory_map.h"
#include "engine/profile_report.h"

void print_times(const struct profile_report *, const struct ceilings *);
void print_memory(const struct memory_map *);
/* The largest tensors at the peak. */
void print_tensors(const struct profile_book *);
void print_difference(const struct memory_map *before, const struct memory_map *now);

/* Members of the object that is open. */
void json_times(struct jsonw *, const struct profile_report *, const struct ceilings *);
void json_difference(struct jsonw *, const struct memory_map *before, const struct memory_map *now);

#endif
