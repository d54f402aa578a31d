/* Ctrl-C and SIGTERM in commands: once is a polite request, twice is the end. */
#ifndef SPRITTY_INTERRUPT_H
#define SPRITTY_INTERRUPT_H

#include <stdatomic.h>
#include <stdbool.h>

/* From now on. */
void interrupts_catch(void);
/* Was it asked for? */
bool interrupted(void);
/* The same, for threads that look for themselves. */
extern atomic_bool interrupt_flag;

#endif
