/*
 * The UNet's steps as recordings (ops.h): a step that was run once is recorded when it comes again,
 * and replayed from then on, over all runs of an open model.
 *
 * A few are kept, as a run may have steps of several kinds (prompts that change on the way), and
 * the app sizes in turn.
 */
#ifndef SPRITTY_UNET_RECORD_H
#define SPRITTY_UNET_RECORD_H

#include "sdxl/unet.h"

enum { UNET_RECORDINGS = 6 };

/* NULL without memory, or where the backend has none. */
struct unet_recordings *unet_recordings_new(const struct ops *);
void unet_recordings_free(struct unet_recordings *, struct ops *);

/* What a step is, besides what lies in its tensors. */
struct unet_step_key {
    int n, h, w, spans;
    uint64_t addresses; /* of all its tensors, and which image reads which text */
};

enum unet_way {
    UNET_PLAIN,  /* run it */
    UNET_RECORD, /* record it: record_begin, run it, unet_recorded */
    UNET_DONE    /* it was replayed */
};
enum unet_way unet_replay(struct unet_recordings *, struct ops *, const struct unet_step_key *);
/* Ends the recording and replays it. False: it could not be recorded; run it. */
bool unet_recorded(struct unet_recordings *, struct ops *, const struct unet_step_key *);

#endif
