/*
 * Which weights are in memory.
 *
 * Every packed weight of text encoders and UNet has a slot (loader.h) that can be emptied and
 * packed again from the mapped file, through the LoRAs that are wanted: the same bits. A backend
 * asks before each call whether its weights have values (ops.h, want), so what is missing comes
 * when it is needed, whoever took it away; the rest of the program need not know.
 *
 *   resident   all are there
 *   offload    text encoders leave when the prompts are read, and come back for the next
 *   stream     the UNet's leave as soon as the next one comes; meanwhile the system already reads
 *              the file where those after it lie
 */
#ifndef SPRITTY_RESIDENCY_H
#define SPRITTY_RESIDENCY_H

#include "sdxl/loader.h"

enum { KEEP_TEXT = 1, KEEP_UNET = 2 /* and a ControlNet's */ };

struct residency; /* of one model */

/* After the slots are known. They, the checkpoint and the LoRAs stay the caller's; the backend's
 * want is set. NULL: no memory. `with`: a refiner's over the same backend asks for the base's as
 * well, and stands in front of it; NULL: none. */
struct residency *residency_new(const struct loader *, struct residency *with, struct err *);
void residency_free(struct residency *); /* NULL: nothing */

/* Whether weights of the UNet leave behind each call from now on. */
void residency_stream(struct residency *, bool on);
/* KEEP bits: their values leave; or come, those that are not there. -1 with err. packed, or NULL:
 * as the loader's. */
int residency_drop(struct residency *, int parts, struct err *);
int residency_bring(struct residency *, int parts, bool (*packed)(void *), void *user,
                    struct err *);
/* What they hold when they are there. */
size_t residency_bytes(const struct residency *, int parts);
bool residency_has(const struct residency *, int parts); /* all values of them */

#endif
