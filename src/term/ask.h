/*
 * Asking the terminal and waiting for its answers, for commands that are no app (doctor).
 */
#ifndef SPRITTY_ASK_H
#define SPRITTY_ASK_H

#include "term/probe.h"

/* Asks the controlling terminal and waits at most timeout_ms for the last answer. The terminal is
 * in raw mode meanwhile; what is typed in that time is lost. False when there is no terminal: the
 * caps are then what the environment tells. */
bool probe_ask(struct probe *, int timeout_ms);

#endif
