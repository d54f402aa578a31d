/*
 * What the files of the finishing view share: finish_view.c draws it and takes its keys,
 * finish_steps.c has the steps' values and their past, finish_keep.c saves.
 */
#ifndef SPRITTY_UI_FINISH_PARTS_H
#define SPRITTY_UI_FINISH_PARTS_H

#include "engine/finisher.h"
#include "ui/ui.h"

enum { STEPS_MAX = 40, PAST_MAX = 200, LOOK_MS = 8 };

enum compared { WITH_CELLS, WITHOUT_STEP, DIFFERENCE, COMPARISONS };

struct finish_view {
    struct finisher *finisher;
    const struct settings_key *step[STEPS_MAX];
    int steps, at, top;
    struct settings said; /* of the steps; all are said */
    char *past[PAST_MAX]; /* settings as texts: past[now] is what is seen */
    int now, last;
    enum compared compared;
    struct image *raw, *before, *after, *difference;
    uint64_t serial;
    int64_t seen; /* the last sprite when the view was opened: a newer one is shown */
    struct finish_report report;
    char text[200]; /* what went wrong */
    int64_t sprite; /* the row that it comes from */
    char *path;     /* its file */
    struct rect list;
};

static inline const struct settings_key *finish_step(const struct finish_view *v)
{
    return v->step[v->at];
}

/* Has the picture finished anew; the result comes through the finisher. */
void finish_ask(struct ui *);

/* The value of a step, as text. What changes goes to the past and is finished. */
void finish_say(struct ui *, const char *key, const char *value);
void finish_walk(struct ui *, const struct settings_key *, int by); /* the next one, or one back */
void finish_toggle(struct ui *); /* the step under the cursor: off, or on as it last was */
void finish_reset(struct ui *);  /* that step as it is when nothing is said */
bool finish_is_on(const struct finish_view *, const char *key);

void finish_remember(struct ui *);
void finish_forget(struct finish_view *);
void finish_go_to_past(struct ui *, int to); /* 0 to last; says so where there is nothing */

/* A new sprite; a preset of this name; the steps for the next jobs. */
void finish_save(struct ui *);
void finish_name_said(struct ui *, const char *name, void *user);
void finish_use(struct ui *);

#endif
