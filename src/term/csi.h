/*
 * Control sequences taken apart, and the keys that their letters and numbers stand for.
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

/* A key's code, or KC_NONE. */
int csi_letter_key(char c);
int csi_number_key(int n); /* CSI n ~ */
int csi_pad_key(int n);    /* CSI n u, kitty's private numbers: may be a character */

#endif
