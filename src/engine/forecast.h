/*
 * What a job will take before it runs: time and memory in each memory mode, and whether this
 * machine has that memory. What cannot fit is refused, with what would.
 *
 * Times are there when this machine's rates are known (pipeline_rates); the forecast never
 * measures. All of it runs the networks over the backend that computes nothing: some milliseconds
 * for the embedded model, some tenths of a second for SDXL; any thread.
 *
 * This header knows nothing of networks: the UI includes it.
 */
#ifndef SPRITTY_FORECAST_H
#define SPRITTY_FORECAST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct job;
struct plan_result;
struct promise;
struct rates;
struct settings;

enum { FORECAST_MODES = 3 };

struct forecast {
    struct forecast_mode {
        char name[16]; /* "speed", "balanced", "constrained" */
        size_t peak;   /* bytes of the process, or on a GPU of its memory */
        double ms;     /* from opening the model to the last pixel; 0: not known */
        bool fits;
    } mode[FORECAST_MODES]; /* from the fastest to the smallest */
    int modes;              /* filled in: all, or up to the first that fits */
    int taken;              /* the mode that the job runs with: what was said; for auto the first
                             * that fits, or the last */
    size_t before;          /* of the peaks: what the process has already, open models apart */
    size_t room;            /* bytes that the job can have; 0: not known */
    double load_ms;         /* of its ms: opening the model */
    bool gpu;
    char advice[240]; /* of a job that does not fit: what it needs, what there is, what would fit */
};

/* Of a job that is prepared; its memory setting is left as `taken` has it. rates or NULL: without
 * times. all: every mode, else only as many as it takes to find one that fits. plan, if not NULL,
 * gets the taken mode's forecast, its notes for notes_free. held: bytes of open models in this
 * process, whose place the job's takes. 0; -1 with err when the model or a setting is wrong: that a
 * job does not fit is no error. */
int forecast_job(struct job *, size_t held, const struct rates *, bool all, struct forecast *,
                 struct plan_result *plan, struct err *);

/* Who is let in, where several engines share a memory. */
struct admission {
    struct promise *promise; /* made with what the job needs; promise_end after it */
    bool (*stopped)(void *user);
    void *user;
};

/* Before a prepared job's model is opened: chooses its memory mode, or -1 with the advice where
 * none fits. by, or NULL for the only engine: what others were promised and have not taken is not
 * free; where that alone is in the way, waits until they have it or are done. */
int job_admit(struct job *, size_t held, const struct admission *by, struct err *);

/* The forecast of what was said over a preset, with every mode and what is known of times; of
 * several devices, on the first. */
int engine_forecast(const struct settings *said, const char *preset, const char *words, size_t held,
                    struct forecast *, struct err *);

/* Which of `modes` is taken: `said` is the index of a mode, or -1 for auto. */
int forecast_choose(const struct forecast_mode *, int modes, int said);
/* Bytes as people say them: "13.4 GB", "88 MB". */
void forecast_bytes(size_t, char out[16]);

#endif
