/*
 * How far a stage of steps is, and how long it and what follows it still take.
 *
 * Steps are not alike: a guided one asks the model for two answers and one outside of cfg_start to
 * cfg_end for one, and some samplers ask twice in every step but the last. So a stage is measured
 * in units of work, one evaluation of the UNet for one picture each, and every forecast of the time
 * left is made here.
 */
#ifndef SPRITTY_WORKLOAD_H
#define SPRITTY_WORKLOAD_H

struct workload {  /* units */
    int step;      /* of the step that was just done; 0: none was */
    int done, all; /* of the stage so far, and of the whole stage */
};

/* Where only steps were counted: one unit each. */
static inline struct workload workload_of_steps(int step, int steps)
{
    return (struct workload){step > 0, step, steps};
}

/* 0 to 1. */
static inline double workload_share(struct workload w)
{
    return w.all <= 0 ? 0 : w.done < w.all ? (double)w.done / w.all : 1;
}

/* Milliseconds from the end of the last step on, at so many a unit. later: the time of all stages
 * after this one, over this one's. */
static inline double workload_left(struct workload w, double later, double ms_per_unit)
{
    return ms_per_unit * (w.all - w.done + later * w.all);
}

#endif
