/*
 * A1111's prompts that change on the way, and prompts that are several.
 *
 * [from:to:when], [to:when], [from::when]: from step `when` on (whole number), or after that part
 * of the steps (with a point in it), the text is another. [a|b|c] is another text each step, in
 * turn. "a AND b :0.5" are two prompts whose guidance is added up with their weights; so is a lone
 * "a :1.5" one prompt with a weight.
 * Reference: AUTOMATIC1111's modules/prompt_parser.py (get_learned_conditioning_prompt_schedules,
 * get_multicond_prompt_list); as there, a text that is not well formed (a bar outside of brackets)
 * does not change at all.
 */
#ifndef SPRITTY_PROMPT_SCHEDULE_H
#define SPRITTY_PROMPT_SCHEDULE_H

#include "base/err.h"

enum { MAX_SCHEDULE_TEXTS = 64, MAX_CLAUSES = 16 };

struct prompt_schedule {
    int texts; /* different ones, at least 1 */
    char *text[MAX_SCHEDULE_TEXTS];
    int times[MAX_SCHEDULE_TEXTS]; /* how often A1111 encodes it: once for each change to it */
    int changes;
    struct prompt_change {
        int until; /* the last step of A1111's counting that it is for */
        int text;
    } * change; /* in order; the last one's `until` is the number of steps */
};

/* steps: as A1111 counts them (twice as many for samplers that it calls second order). -1 with
 * err: more than MAX_SCHEDULE_TEXTS, too deep, no memory. prompt_schedule_free after either. */
int prompt_schedule(const char *text, int steps, struct prompt_schedule *, struct err *);
/* The same for a second pass of `steps` after a first one of `before`: whole numbers count on from
 * it, and parts of the steps from 1 on ("[a:b:1.5]" is half-way through the second). */
int prompt_schedule_second(const char *text, int steps, int before, struct prompt_schedule *,
                           struct err *);
/* The text of call `call` (from 0) of the model. */
int prompt_schedule_at(const struct prompt_schedule *, int call);
void prompt_schedule_free(struct prompt_schedule *);

struct prompt_clauses {
    int count; /* at least 1 */
    char *text[MAX_CLAUSES];
    double weight[MAX_CLAUSES];
};

int prompt_clauses(const char *text, struct prompt_clauses *, struct err *);
void prompt_clauses_free(struct prompt_clauses *);

#endif
