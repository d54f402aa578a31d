/* spritty info on a ControlNet; for cmd_info.c. */
#ifndef SPRITTY_INFO_CONTROL_H
#define SPRITTY_INFO_CONTROL_H

#include "base/jsonw.h"
#include "sdxl/checkpoint.h"

/* Of one that checkpoint_open_control opened. Prints; -1 with err. */
int info_control(const struct checkpoint *, bool json, struct err *);

/* For cmd_info.c's tables as well: "F16+F32"; "320 640 1280", and as a JSON array. */
void info_dtypes(int mask, char out[32]);
void info_levels(const int *values, int count, char *out, size_t size);
void info_put_levels(struct jsonw *, const char *key, const int *values, int count);

#endif
