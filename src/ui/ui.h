/*
 * The terminal app: what its files share.
 *
 * One thread, one loop (ui.c): poll the terminal, the engine's events, signals and the clock; turn
 * input into actions (keys.h); let the view act; draw one frame when something changed and the line
 * has room; then write down what changed (store.h). Views never wait for anything.
 *
 *   ui.c       the loop, dispatch, start and end       global.c   keys that belong to no view
 *   frame.c    top and bottom line around the views    layout.c   rectangles (pure)
 *   queue.c    jobs: from the studio into the store and the engine
 *   live.c     what the engine told                    errand.c   what is done beside the app
 *   studio.c   and its panels: prompt.c, presets.c, settings.c, jobs.c, meters.c
 *   compare.c, gallery.c, monitor.c, finish_view.c, help.c  the other views
 *   dialog.c   questions, one line, lists              pick_*.c   pickers of files, LoRAs, masks
 *   thumbs.c   sprites from disk
 */
#ifndef SPRITTY_UI_H
#define SPRITTY_UI_H

#include "base/clock.h"
#include "config.h"
#include "engine/engine.h"
#include "engine/machine.h"
#include "engine/pool.h"
#include "store/store.h"
#include "term/input.h"
#include "term/out.h"
#include "term/probe.h"
#include "term/tty.h"
#include "ui/editor.h"
#include "ui/graph.h"
#include "ui/keys.h"
#include "ui/screen.h"
#include "ui/theme.h"

struct ui;

enum view { VIEW_STUDIO, VIEW_COMPARE, VIEW_GALLERY, VIEW_MONITOR, VIEW_FINISH, VIEWS };

/* What a view brings. All get the whole ui; a view's own state hangs in it by name. */
struct view_ops {
    const char *name;
    int (*init)(struct ui *, struct err *); /* once, at start */
    void (*quit)(struct ui *);
    void (*open)(struct ui *); /* it is going to be seen; may be NULL */
    void (*draw)(struct ui *, struct rect);
    unsigned (*contexts)(const struct ui *);                /* without CTX_GLOBAL */
    bool (*act)(struct ui *, enum action);                  /* false: not its own */
    void (*type)(struct ui *, const struct input_event *);  /* text and pastes under CTX_TEXT */
    void (*mouse)(struct ui *, const struct input_event *); /* may be NULL */
    void (*event)(struct ui *, const struct event *);       /* also while not seen; may be NULL */
};
extern const struct view_ops view_studio, view_compare, view_gallery, view_monitor, view_finish;

/* ---- live.c: what the engine told; views read it ---- */

enum { LIVE_STEPS = 2048, LIVE_SAMPLES = 900 };

struct step_record {
    int64_t job;
    double at_ms, ms;
    int work; /* units (base/workload.h) */
};

struct sample { /* once a second */
    double at_ms;
    size_t own, weights, activations, free;
};

struct live {
    char model[64], device[16], precision[8]; /* of the open model */
    bool loading, ready;
    bool warming; /* from the start on, until the engine has warmed up: warm_part of warm_parts */
    int warm_part, warm_parts;
    char trouble[240]; /* why the last job or the opening of the model failed; "" since then */
    size_t bytes_weights, bytes_activations;
    size_t bytes_peak; /* of the last job and what was seen since */
    struct token_counter *tokens;

    int64_t job; /* the one that runs, or 0; of several the one that is shown */
    int shown;   /* the device whose work that is */
    char stage[12];
    int step, steps, width, height, batch;
    uint64_t seed;
    double started_ms, stage_ms; /* monotonic: when the job and its stage began */
    uint64_t stage_from;         /* steps_seen when the stage began */
    double later;                /* what follows the stage takes so many times as long */
    double ahead_ms;             /* predicted when the stage began: until the end; NAN */
    double job_step_ms;          /* median of the stage's steps so far, or predicted; NAN */
    double job_unit_ms;          /* the same of a unit of their work */
    struct workload work;        /* of the stage */
    struct image *preview;
    uint64_t preview_serial;

    struct {                       /* the last finished sprite */
        struct image *image, *raw; /* raw: as the model made it, or NULL */
        int cell;                  /* of the model, or 0 */
        struct keep *keep;         /* what stays of it, or NULL */
        uint64_t serial;
        int64_t sprite, job;
        char *path;
    } last;
    struct { /* stage split of the last finished job, ms */
        double load, text, sample, decode, finish, save, total, step; /* step: NAN if unknown */
        int64_t job;
    } split;

    struct step_record step_log[LIVE_STEPS]; /* a ring: entry i is at (i % LIVE_STEPS) */
    uint64_t steps_seen;
    uint64_t steps_drawn; /* a frame for a key does not move the graph: it is to be small */
    struct sample sample[LIVE_SAMPLES]; /* the same */
    uint64_t samples_seen;
    uint64_t peak_from; /* samples before that one are no job's: the machine was measured */
    struct machine machine;
    struct profile_row *profile;
    int profile_rows;
    bool profiling;            /* the next jobs are to be timed by operation */
    struct memory_map *memory; /* what the last job has at its peak; NULL: there was none */
};

void live_event(struct live *, const struct event *); /* takes image and profile over */
void live_sample(struct live *, double now_ms);
/* What the process held in the last `count` samples (there are so many), oldest first: the model's
 * weights, activations, and the rest of it, count values each. Returns the most of one sample. */
double live_memory(const struct live *, double *values, int count);
/* The last `count` step times, oldest first, into `ms`; returns how many there were. */
int live_step_times(const struct live *, double *ms, int count);
/* The most that the process held: the last job's peak, or what is more among the last `samples`,
 * but for measuring the machine, which no job does. */
size_t live_peak(const struct live *, int samples);
/* Milliseconds until the running job ends, all its passes and decoding, or NAN while there is
 * nothing to go by. */
double live_left(const struct live *, double now_ms);
void live_free(struct live *);

/* ---- queue.c ---- */

struct queue {
    struct store_job *job; /* queued and running, in order; the running one first */
    int count;
    struct store_job *past; /* the newest that ended */
    int past_count;
    int64_t sent[DEVICES_MAX]; /* the jobs that the pool has, the oldest first */
    int sent_count;
    double *took; /* one a job: what the newest that ended and asked for the same took; NAN: none */
};

/* What a new job is made of. Strings are copied. */
struct order {
    const char *words, *preset;      /* preset "" or NULL: none */
    const struct settings *settings; /* what was said, negative and seed included */
    int64_t run;                     /* comparison, or 0 */
    int row, col;
    const char *label;
};
/* Into the store, then towards the engine. A random seed is drawn here, so that the row says which.
 * Returns the job's id, or -1 with a message on the status line. */
int64_t queue_add(struct ui *, const struct order *);
void queue_cancel(struct ui *, int64_t job);
void queue_cancel_all(struct ui *);
void queue_move(struct ui *, int64_t job, int by); /* -1 up, 1 down */
int64_t queue_again(struct ui *, const struct store_job *);
void queue_reload(struct ui *); /* from the store */
void queue_pump(struct ui *);   /* sends jobs while a device is idle */
bool queue_has_sent(const struct ui *, int64_t job);
/* Milliseconds until all is done, from what jobs of the same settings took; NAN: one of them is
 * the first of its kind, or others' machines make them. *waiting: how many the pool has not got. */
double queue_left(const struct ui *, int *waiting);
/* The device that works on the job, or NULL. */
const struct pool_device *queue_device(const struct ui *, int64_t job);
void queue_event(struct ui *, const struct event *);

/* ---- warm.c ---- */

int warm_send(struct ui *, struct err *); /* has the engine warm up with ui->warm.settings */
void warm_event(struct ui *, const struct event *);
void warm_tick(struct ui *); /* once a second: goes on with it if it gave way */
void warm_free(struct ui *);

/* ---- dialog.c ---- */

/* A question with yes and no. */
void dialog_ask(struct ui *, const char *question, void (*yes)(struct ui *, void *), void *user);
/* One line of text. `done` gets the text when Enter was pressed. */
void dialog_line(struct ui *, const char *title, const char *text,
                 void (*done)(struct ui *, const char *text, void *), void *user);
/* A choice from a list with a filter line: `rows` strings are copied, `at` is the first chosen one;
 * `done` gets the index. */
void dialog_list(struct ui *, const char *title, const char *const *rows, int count, int at,
                 void (*done)(struct ui *, int index, void *), void *user);
/* The same with several marked by Space: `marked` has `count` flags. */
void dialog_marks(struct ui *, const char *title, const char *const *rows, int count, int most,
                  void (*done)(struct ui *, const bool *marked, int count, void *), void *user);

/* Marks a row of the dialog that dialog_marks just opened. */
void dialog_mark(struct ui *, int row);

/* `user` of the dialog that was just opened belongs to it until an answer gives it to `done`. */
void dialog_owns(struct ui *, void (*drop)(void *user));

/* ---- thumbs.c: PNGs from disk, a few a frame, kept while there is room ---- */

struct thumb {
    const struct image *image; /* NULL: not there yet (it will be drawn again), or broken */
    uint64_t serial;
    bool broken;
};
/* Valid until the end of the frame. */
struct thumb thumb_get(struct ui *, const char *path);
void thumbs_free(struct ui *);

/* ---- the studio's face to other views ---- */

/* Puts things into the studio; NULL leaves what is there. settings: all that they say. */
void studio_use(struct ui *, const char *words, const char *preset, const struct settings *);
const char *studio_words(struct ui *);
const char *studio_preset(struct ui *);              /* "" for none */
const struct settings *studio_settings(struct ui *); /* what was said, negative included */
void studio_clear(struct ui *);                      /* nothing is said any more */

/* ---- import.c, preset_save.c, export.c, sheet_export.c ---- */

void import_ask(struct ui *);                    /* which file */
void import_open(struct ui *, const char *path); /* shows what it says */
/* A pasted path of a file that can be imported; false: it is text. */
bool import_pasted(struct ui *, const char *text);
/* Asks for the name; prompt: the preset's words, "" for none. */
void preset_save(struct ui *, const char *name, const char *prompt, const struct settings *);
/* Asks where to write a ComfyUI workflow that makes the sprite in this PNG. */
void export_ask(struct ui *, const char *path);
/* Asks where to write these sprites, which it takes over: a sheet, or an animation of `rate` frames
 * a second. marked: they are, else they are those of one job. At least one. */
void sheet_export_ask(struct ui *, struct store_sprite *, int count, bool marked, int rate);

/* ---- compare's face ---- */

/* Two to four presets on the studio's prompt; asks which. */
void compare_start(struct ui *);
const char *compare_hint(const struct ui *, enum action, const char *word); /* as finish_hint */

/* ---- gallery's face ---- */

const char *gallery_hint(const struct ui *, enum action, const char *word); /* as finish_hint */

/* ---- finish_view.c ---- */

/* Opens the view on a picture of disk; sprite: its row in the store, or 0. The last sprite is
 * finished from the picture that the model made. */
void finish_open_file(struct ui *, const char *path, int64_t sprite);
/* What the bottom line says of a key there: `word`, or NULL while there is no picture. */
const char *finish_hint(const struct ui *, const char *word);

/* ---- ui.c ---- */

struct ui {
    struct tty tty;
    struct input *input;
    struct probe probe;
    struct out out;
    struct screen *screen;
    struct theme theme;
    struct config config;
    struct store *store;
    struct pool *pool;
    struct pool_device device[DEVICES_MAX]; /* as they stood last */
    int devices;
    struct worker *worker; /* for what would hold up the loop; NULL: it does so */
    char folder[4096];     /* finished sprites */

    enum view view, view_before;
    bool tiled; /* pictures are seen 2x2 */
    bool dirty; /* a frame is due */
    bool soon;  /* ... for someone pressed a key: it does not wait for the line */
    bool quit;
    double now_ms;  /* monotonic, of this turn of the loop */
    double wake_ms; /* a view wants a frame then, at the latest; 0: no */
    char status[300];
    enum role status_role;
    double status_until_ms;

    struct live live;
    struct warm {
        struct settings settings; /* that the app began with */
        int loads, tries;
        bool cut; /* it gave way */
        double quiet_from_ms;
    } warm;
    struct queue queue;
    struct studio *studio;
    struct compare *compare;
    struct gallery *gallery;
    struct monitor *monitor;
    struct finish_view *finish;
    bool finish_previews;  /* previews are shown as they will be finished */
    struct dialog *dialog; /* NULL: none is open */
    void (*picked)(struct ui *, const char *key, const char *value); /* of setting_pick's dialog */
    struct thumbs *thumbs;
    struct pulls *pulls; /* NULL: there was none yet */
    struct help *help;
};

void ui_dirty(struct ui *);
void ui_view(struct ui *, enum view);
/* One line at the bottom for some seconds. */
void ui_say(struct ui *, enum role, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Takes back what was said before this turn, but for errors: the keys go elsewhere, and hints of
 * what they do there stand in its place. */
void ui_unsay(struct ui *);

#endif
