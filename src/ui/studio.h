/* The studio's own state, shared by its panels: prompt.c, presets.c, settings.c, jobs.c, meters.c.
 */
#ifndef SPRITTY_STUDIO_H
#define SPRITTY_STUDIO_H

#include "engine/subjects.h"
#include "ui/frame.h"
#include "ui/layout.h"
#include "ui/list.h"
#include "ui/tiled.h"
#include "ui/ui.h"

enum focus { FOCUS_PROMPT, FOCUS_NEGATIVE, FOCUS_PRESETS, FOCUS_SETTINGS, FOCUS_JOBS, FOCUSES };
enum { SHOWN_MAX = 16 };

/* settings.c's own */
struct settings_panel {
    int row, top;  /* the chosen line, the first that is seen */
    unsigned open; /* groups, a bit each */
    bool editing;  /* a value is being typed */
    bool searching;
    int before; /* the row where the search began */
    struct editor *value, *search;
    struct rect list; /* the lines as drawn */
};

struct studio_names {
    char **at;
    int count;
};

struct studio {
    struct rect main;
    struct studio_layout at; /* where the panels were drawn */
    enum focus focus;

    struct editor *prompt, *negative;
    int prompt_top, negative_top; /* first row that is seen */
    struct prompt_marks {
        uint8_t *mark;         /* enum syntax_mark a byte */
        unsigned long version; /* of the text and ... */
        bool brackets, any;    /* ... syntax that they are of; there are some */
    } marks[2];                /* of the prompt, of the negative one */
    struct token_counts counts;
    unsigned long counted; /* the prompt's version that they are of */
    bool counted_any;
    char counted_as[48]; /* rules */
    int history_at;      /* 0: not in the history, else that many prompts back */
    char *draft[2];      /* both prompts as they stood before the history was entered */

    struct settings said, effective; /* `said` without the negative prompt until it is asked for */
    char preset[64];                 /* "": none */
    char effective_negative[200];    /* the preset's, shown while ours is empty */
    int preset_row, preset_top, preset_rows; /* chosen, first seen, rows seen */

    struct subjects *subjects; /* what the model says that it draws, or NULL */
    char subjects_of[256];     /* that model, as the settings have it; "": none was looked at */

    struct settings_panel setting;
    struct studio_names models, controls; /* that are there */

    int job_row, job_top;

    struct { /* the last job's sprites */
        struct image *image;
        uint64_t serial;
        struct tiled tiled;
    } shown[SHOWN_MAX];
    int shown_count;
    int64_t shown_job;
    int shown_colors;
    uint64_t shown_seed;

    struct {      /* estimate.c: what the next job will take */
        char *of; /* the settings and preset that it is of or was asked for; NULL: none */
        bool asked, known, fits, again;
        double ms, load_ms;
        size_t peak;
        char advice[240];
    } estimate;

    unsigned long saved_prompt, saved_negative;
    bool unsaved; /* settings or preset changed */
};

/* Works `effective` out anew. */
void studio_settle(struct ui *);
void studio_models(struct ui *); /* reads the names of models and ControlNets anew */
/* Those that a setting is one of; NULL: it is no such name. */
const struct studio_names *studio_names_for(const struct ui *, const struct settings_key *);
/* Chooses a preset by its row: 0 is none. Values of ours that it says something about go. */
void studio_choose_preset(struct ui *, int row);
void studio_run(struct ui *);

/* ---- estimate.c ---- */

/* Asks for the forecast of what is set now, beside the app, where it is not the one that is known
 * or asked for. */
void estimate_want(struct ui *);
void estimate_renew(struct ui *); /* the same settings too: something else may have changed */
/* "about 12 s, 13.4 GB"; "" where there is none of what is set now. */
void estimate_text(const struct ui *, char *out, size_t size);
/* Why what is set now cannot run; NULL: it can, or that is not known. */
const char *estimate_refusal(const struct ui *);
void estimate_free(struct studio *);

/* The panels. Keys come as actions; false: not for this panel. */
void prompt_draw(struct ui *, struct rect, bool negative);
bool prompt_act(struct ui *, enum action, bool negative);
void prompt_click(struct ui *, const struct input_event *, bool negative);
void prompt_history(struct ui *);

void presets_draw(struct ui *, struct rect);
bool presets_act(struct ui *, enum action);
int presets_row(const struct ui *, const char *name); /* 0: none, or not there */
/* Is it the user's own, from their config.ini alone? */
bool presets_own(const struct ui *, int row);
/* "balanced  20 ancestral steps: ...", a line a row; `none` is the first. NULL without memory. */
char **presets_lines(const struct ui *, const char *none);
void presets_lines_free(const struct ui *, char **lines);
/* Reads config.ini anew: what was saved is there, and whatever was written by hand meanwhile. */
int presets_reload(struct ui *, struct err *);
const char *presets_hint(const struct ui *, enum action, const char *word); /* as settings_hint */
void presets_click(struct ui *, const struct input_event *);

void settings_draw(struct ui *, struct rect);
bool settings_act(struct ui *, enum action);
void settings_type(struct ui *, const struct input_event *);
void settings_click(struct ui *, const struct input_event *);
unsigned settings_contexts(const struct ui *);
/* What the bottom line says of a key here: `word`, another, or NULL where the key does nothing. */
const char *settings_hint(const struct ui *, enum action, const char *word);
void settings_leave(struct ui *); /* the keys go to another panel */
/* Sets one value as if it had been typed. */
void settings_say(struct ui *, const char *key, const char *value);
void settings_reset(struct ui *, const char *key); /* as if it had not been said */

/* Opens the picker of a setting; `now` is its value, `typed` what was typed for it; `say` gets what
 * is picked (LoRAs, styles and masks are the studio's). False: it has none, it is typed. */
bool setting_pick(struct ui *, const struct settings_key *, const char *now, const char *typed,
                  void (*say)(struct ui *, const char *key, const char *value));

void jobs_draw(struct ui *, struct rect);
bool jobs_act(struct ui *, enum action);
void jobs_click(struct ui *, const struct input_event *);
const char *jobs_hint(const struct ui *, enum action, const char *word); /* as settings_hint */
/* One line of words: newlines as spaces. */
void one_line(const char *words, char *out, size_t size);

void progress_draw(struct ui *, struct rect);
void preview_draw(struct ui *, struct rect);
/* What the model draws and how to begin, in the preview's place; false: it is not the time for it,
 * or there is nothing to say. */
bool welcome_draw(struct ui *, struct rect in);
void timing_draw(struct ui *, struct rect);
void memory_draw(struct ui *, struct rect);

#endif
