/*
 * What is sent to the terminal, and when: a queue that never blocks, and a pace for pictures.
 *
 * Everything goes through one queue in order. out_flush writes what the descriptor takes; the rest
 * waits for poll. A frame of text is only made when the queue has run (nearly) empty, so a slow
 * line skips frames instead of lagging behind. Pictures are paced by the terminal itself: after
 * one is queued a status question (CSI 5 n) follows, and its answer says that all before it has
 * been seen. From bytes and time the speed of the line is estimated, ssh's and tmux's buffers
 * included, which a mere write() cannot see. Only previews ask (out_may_send); what is finished is
 * put into the queue whatever the line is like.
 */
#ifndef SPRITTY_OUT_H
#define SPRITTY_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OUT_QUESTIONS = 8 };

struct out {
    int fd; /* non-blocking; -1 in tests: nothing is written */
    char *bytes;
    size_t start, end, cap;
    bool failed;    /* the terminal is gone, or no memory */
    uint64_t total; /* bytes ever queued */
    struct {
        bool waiting;      /* an answer is out, and may still be expected */
        double rate;       /* bytes a ms, smoothed; 0: not known yet */
        double round_trip; /* ms of the shortest answer: the line's delay without load */
        bool tried;        /* ... asked for with nothing before it */
        bool deaf;         /* no answer in time: this terminal may never answer */
        bool skipped;      /* too many questions are out: one more when an answer comes */
        double doubt_ms;   /* how long a bad measurement is believed ... */
        double doubt_at;   /* ... that is, until then */
        double rest_until; /* for frames that nobody asked for */
        double asked_ms;   /* when the last question was queued ... */
        uint64_t asked_at; /* ... and what `total` was then */
        double answered_ms;
        int count; /* questions out, the oldest first */
        struct out_question {
            double ms;
            size_t bytes; /* queued since the question before, itself included */
        } questions[OUT_QUESTIONS];
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

/* Queues the question behind what is queued: after every picture. */
void out_ask(struct out *, double now_ms);
/* The answer (CSI 0 n) came. */
void out_answered(struct out *, double now_ms);
/* Is the line free for a frame that nobody asked for? Not while an answer is out that may still
 * come (buffers on the way would take many frames, and the next key would come behind all of them),
 * and then, so that a key finds it free more often than not, twice as long as the last took. Before
 * the first answer of all a few frames may go: it may come late, or never. */
bool out_is_calm(struct out *, double now_ms);
/* May a picture of about `bytes` that nobody waits for (a preview) be sent now, so that it takes
 * at most budget_ms of the line? False while an answer is out (up to two seconds, and four times as
 * long as what is on its way should take: then the terminal is one that does not answer, and only
 * the queue counts). The first call only asks, to learn the delay of the empty line. A line that
 * was too slow is thought twice as fast after two seconds, and again each second, so that a bad
 * moment does not end the previews; each time that this was wrong it takes twice as long, up to a
 * minute. */
bool out_may_send(struct out *, size_t bytes, double budget_ms, double now_ms);
/* The largest picture in bytes that fits budget_ms; SIZE_MAX while the rate is not known. */
size_t out_budget(const struct out *, double budget_ms);

#endif
