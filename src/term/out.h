/*
 * What is sent to the terminal, and when: a queue that never blocks, and a pace for pictures.
 *
 * Everything goes through one queue in order. out_flush writes what the descriptor takes; the rest
 * waits for poll. A frame of text is only made when the queue has run (nearly) empty, so a slow
 * line skips frames instead of lagging behind. Pictures are paced by the terminal itself: after
 * one is queued a status question (CSI 5 n) follows, and its answer says that all before it has
 * been seen. From bytes and time the speed of the line is estimated, ssh's and tmux's buffers
 * included, which a mere write() cannot see.
 */
#ifndef SPRITTY_OUT_H
#define SPRITTY_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct out {
    int fd; /* non-blocking; -1 in tests: nothing is written */
    char *bytes;
    size_t start, end, cap;
    bool failed; /* the terminal is gone, or no memory */
    uint64_t total;
    struct {
        bool waiting; /* a question is out */
        double asked_ms;
        size_t bytes;      /* since the question before */
        double rate;       /* bytes a ms, smoothed; 0: not known yet */
        double round_trip; /* ms of the shortest answer: the line's delay without load */
    } pace;
};

void out_init(struct out *, int fd);
void out_free(struct out *);
void out_put(struct out *, const void *bytes, size_t len);
void out_text(struct out *, const char *text);
void out_printf(struct out *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Writes what can be written. False when the terminal is gone. */
bool out_flush(struct out *);
size_t out_waiting(const struct out *); /* bytes in the queue */

/* Queues the question behind what is queued. */
void out_ask(struct out *, double now_ms);
/* The answer (CSI 0 n) came. */
void out_answered(struct out *, double now_ms);
/* May a picture of about `bytes` that nobody waits for (a preview) be sent now, so that it takes
 * at most budget_ms of the line? False while an answer is out (up to two seconds: then the terminal
 * is one that does not answer, and only the queue counts). */
bool out_may_send(struct out *, size_t bytes, double budget_ms, double now_ms);
/* The largest picture in bytes that fits budget_ms; SIZE_MAX while the rate is not known. */
size_t out_budget(const struct out *, double budget_ms);

#endif
