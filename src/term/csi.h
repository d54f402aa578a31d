/*
 * Control sequences taken apart, and what they mean: keys, mouse reports, answers. Pure.
 */
#ifndef SPRITTY_CSI_H
#define SPRITTY_CSI_H

#include "term/input.h"

struct csi {
    char marker, inter, final; /* 0: none. rxvt's CSI 3 $ has a final $ */
    int p[8];                  /* 0: not given */
    int n;                     /* parameters, as many as there were: may be more than 8 */
    int event;                 /* after the second's colon, as in CSI u: 3 is a key's release */
};

/* What comes behind ESC [ or ESC O: any text; numbers stop growing at nine digits. */
struct csi csi_parse(const char *s);

/* Is it CSI n final, with no more to it? */
bool csi_is(const struct csi *, char final, int n);

/* The key that it stands for: one of enum key_code, or a character that is still to be looked at
 * (a control, upper case), or KC_NONE. */
int csi_key(const struct csi *, unsigned *mods);
/* The same for what comes behind ESC O. */
int csi_ss3_key(const char *s, unsigned *mods);

/* CSI < ... M or m. False for what is none of ours: motion without a button, more buttons. */
bool csi_mouse(const struct csi *, struct input_event *);

/* Is it something that terminals say only when asked? */
bool csi_is_answer(const struct csi *);

#endif
