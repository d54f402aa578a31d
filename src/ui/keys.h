/*
 * Every key, once: what it does, where it counts, what help says. Help, hints and the manual are
 * read off this table.
 *
 * A context is where the keys are going: a view, a panel, a text. While CTX_TEXT is in force, a key
 * that types a character is text and nothing else (keys_find does not even look). Contexts stand
 * from wide to narrow, and a key that several of those in force know means what the narrowest says:
 * a dialog over a text over a panel over a view over the whole app. So Delete in a search field
 * deletes a character, not a sprite, and Up in a list under a filter line moves in the list.
 */
#ifndef SPRITTY_KEYS_H
#define SPRITTY_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "term/input.h"

enum context {
    CTX_GLOBAL = 1,
    CTX_STUDIO = 2,
    CTX_COMPARE = 4,
    CTX_GALLERY = 8,
    CTX_MONITOR = 16,
    CTX_PRESETS = 32,
    CTX_SETTINGS = 64,
    CTX_QUEUE = 128,
    CTX_SPRITE = 256,  /* one sprite of the gallery, opened */
    CTX_TEXT = 512,    /* a text is being typed */
    CTX_PROMPT = 1024, /* ... and it is the prompt or the negative prompt */
    CTX_DIALOG = 2048,
    CTX_HELP = 4096,
    CTX_FINISH = 8192,
    CTX_MASK = 16384, /* a mask is drawn */
};

/* action, contexts, first key, second key or "", what it does ("" hides a row from help) */
#define KEYS(X)                                                                                    \
    X(HELP, CTX_GLOBAL, "F1", "?", "this help")                                                    \
    X(STUDIO, CTX_GLOBAL, "F2", "", "studio: prompt, settings, queue")                             \
    X(COMPARE, CTX_GLOBAL, "F3", "", "compare presets side by side")                               \
    X(GALLERY, CTX_GLOBAL, "F4", "", "gallery: what was made")                                     \
    X(MONITOR, CTX_GLOBAL, "F5", "", "monitor: time and memory")                                   \
    X(FINISH, CTX_GLOBAL, "F8", "", "finishing: a picture before and after, step by step")         \
    X(NEXT_PANEL, CTX_GLOBAL, "Tab", "", "next panel")                                             \
    X(PREV_PANEL, CTX_GLOBAL, "S-Tab", "", "panel before")                                         \
    X(CANCEL, CTX_GLOBAL, "C-x", "C-c", "cancel the job that runs")                                \
    X(CANCEL_ALL, CTX_GLOBAL, "M-x", "", "cancel all jobs")                                        \
    X(IMPORT, CTX_GLOBAL, "C-o", "", "import a picture or workflow; a pasted path does it too")    \
    X(PULL, CTX_GLOBAL, "F7", "", "download models")                                               \
    X(THEME, CTX_GLOBAL, "F9", "C-t", "next theme")                                                \
    X(REDRAW, CTX_GLOBAL, "C-l", "", "draw the screen anew")                                       \
    X(SUSPEND, CTX_GLOBAL, "C-z", "", "suspend; fg brings it back")                                \
    X(QUIT, CTX_GLOBAL, "C-q", "F10", "quit")                                                      \
    X(RUN, CTX_STUDIO, "Enter", "", "queue the prompt")                                            \
    X(COMPARE_THIS, CTX_STUDIO, "F6", "", "compare presets on this prompt")                        \
    X(SEED_LOCK, CTX_STUDIO, "C-s", "", "lock the seed, or draw a new one each time")              \
    X(SEED_ROLL, CTX_STUDIO, "C-g", "", "draw a new seed now")                                     \
    X(PRESET_NEXT, CTX_STUDIO, "M-Down", "", "next preset")                                        \
    X(PRESET_PREV, CTX_STUDIO, "M-Up", "", "preset before")                                        \
    X(PRESET_SAVE, CTX_STUDIO, "M-s", "", "save what is set as a preset of your own")              \
    X(PREVIEW_FINISHED, CTX_STUDIO, "M-p", "",                                                     \
      "previews as they will be finished, or as they are")                                         \
    X(TILED, CTX_STUDIO | CTX_SPRITE, "M-t", "", "the picture 2x2, to see whether it tiles")       \
    X(HISTORY, CTX_PROMPT, "C-r", "", "search the prompts of before")                              \
    X(HISTORY_PREV, CTX_PROMPT, "C-p", "", "prompt before")                                        \
    X(HISTORY_NEXT, CTX_PROMPT, "C-n", "", "prompt after")                                         \
    X(WEIGHT_MORE, CTX_PROMPT, "C-Up", "", "the word under the cursor counts more: (word:1.1)")    \
    X(WEIGHT_LESS, CTX_PROMPT, "C-Down", "", "it counts less")                                     \
    X(NEWLINE, CTX_PROMPT, "M-Enter", "C-j", "new line")                                           \
    X(LEFT, CTX_TEXT, "Left", "C-b", "character left")                                             \
    X(RIGHT, CTX_TEXT, "Right", "C-f", "character right")                                          \
    X(WORD_LEFT, CTX_TEXT, "C-Left", "M-b", "word left")                                           \
    X(WORD_RIGHT, CTX_TEXT, "C-Right", "M-f", "word right")                                        \
    X(LINE_UP, CTX_TEXT, "Up", "", "line up")                                                      \
    X(LINE_DOWN, CTX_TEXT, "Down", "", "line down")                                                \
    X(LINE_START, CTX_TEXT, "Home", "C-a", "start of the line")                                    \
    X(LINE_END, CTX_TEXT, "End", "C-e", "end of the line")                                         \
    X(TEXT_START, CTX_TEXT, "C-Home", "M-<", "start of the text")                                  \
    X(TEXT_END, CTX_TEXT, "C-End", "M->", "end of the text")                                       \
    X(BACKSPACE, CTX_TEXT, "Backspace", "C-h", "delete before the cursor")                         \
    X(DELETE, CTX_TEXT, "Delete", "C-d", "delete under the cursor")                                \
    X(KILL_WORD_LEFT, CTX_TEXT, "C-w", "M-Backspace", "cut the word before")                       \
    X(KILL_WORD_RIGHT, CTX_TEXT, "M-d", "C-Delete", "cut the word after")                          \
    X(KILL_START, CTX_TEXT, "C-u", "", "cut to the start of the line")                             \
    X(KILL_END, CTX_TEXT, "C-k", "", "cut to the end of the line")                                 \
    X(YANK, CTX_TEXT, "C-y", "", "put back what was cut")                                          \
    X(UNDO, CTX_TEXT, "C-_", "M-u", "undo")                                                        \
    X(REDO, CTX_TEXT, "M-r", "", "redo")                                                           \
    X(PRESET_USE, CTX_PRESETS, "Enter", "Space", "use the preset")                                 \
    X(PRESET_FIND, CTX_PRESETS, "/", "", "find a preset")                                          \
    X(PRESET_DELETE, CTX_PRESETS, "Delete", "d", "delete a preset of your own")                    \
    X(VALUE_EDIT, CTX_SETTINGS, "Enter", "Space", "change it, or open and close a group")          \
    X(VALUE_LESS, CTX_SETTINGS, "Left", "-", "smaller, or the choice before")                      \
    X(VALUE_MORE, CTX_SETTINGS, "Right", "+", "larger, or the next choice")                        \
    X(VALUE_RESET, CTX_SETTINGS, "Delete", "Backspace", "back to the preset's value")              \
    X(VALUE_FIND, CTX_SETTINGS, "/", "", "find a setting")                                         \
    X(JOB_EARLIER, CTX_QUEUE, "S-Up", "K", "move the job up")                                      \
    X(JOB_LATER, CTX_QUEUE, "S-Down", "J", "move the job down")                                    \
    X(JOB_CANCEL, CTX_QUEUE, "Delete", "d", "cancel the job")                                      \
    X(JOB_AGAIN, CTX_QUEUE, "r", "Enter", "run the job again")                                     \
    X(JOB_EDIT, CTX_QUEUE, "e", "", "its prompt and settings into the studio")                     \
    X(CMP_NEW, CTX_COMPARE, "n", "", "new comparison")                                             \
    X(CMP_GRID, CTX_COMPARE, "g", "", "new grid over two settings")                                \
    X(CMP_WIN, CTX_COMPARE, "w", "Enter", "pick the winner")                                       \
    X(CMP_DIFF, CTX_COMPARE, "d", "", "pixel difference against the first, on or off")             \
    X(CMP_PROMPT, CTX_COMPARE, "p", "", "another prompt, run all again")                           \
    X(CMP_SEED, CTX_COMPARE, "s", "", "another seed, run all again")                               \
    X(CMP_PREV, CTX_COMPARE, "PgUp", "[", "comparison before")                                     \
    X(CMP_NEXT, CTX_COMPARE, "PgDn", "]", "next comparison")                                       \
    X(CMP_EXPORT, CTX_COMPARE, "x", "", "write all winners as CSV")                                \
    X(GAL_SEARCH, CTX_GALLERY, "/", "", "search prompts and tags; *** are those with 3 stars")     \
    X(GAL_OPEN, CTX_GALLERY, "Enter", "", "open the sprite")                                       \
    X(GAL_MARK, CTX_GALLERY, "m", "", "mark it, or not: a sheet has them in this order")           \
    X(GAL_MARK_ALL, CTX_GALLERY, "M", "", "mark all that are found, or none")                      \
    X(GAL_PLAY, CTX_GALLERY | CTX_SPRITE, "Space", "",                                             \
      "play what is marked, or what its job made, as frames; or stop")                             \
    X(GAL_FASTER, CTX_GALLERY | CTX_SPRITE, "+", "", "more frames a second")                       \
    X(GAL_SLOWER, CTX_GALLERY | CTX_SPRITE, "-", "", "fewer frames a second")                      \
    X(GAL_TRASH, CTX_GALLERY | CTX_SPRITE, "Delete", "d", "to the trash, or back out of it")       \
    X(GAL_UNTRASH, CTX_GALLERY | CTX_SPRITE, "u", "", "take the last ones back out of the trash")  \
    X(GAL_TRASHED, CTX_GALLERY, "T", "", "show the trash, or what is not in it")                   \
    X(GAL_RATE, CTX_GALLERY | CTX_SPRITE, "*", "", "rate: 1 to 5 set it as well, 0 takes it away") \
    X(GAL_TAG, CTX_GALLERY | CTX_SPRITE, "t", "", "tags")                                          \
    X(GAL_USE_PROMPT, CTX_GALLERY | CTX_SPRITE, "p", "", "its prompt into the studio")             \
    X(GAL_USE_SEED, CTX_GALLERY | CTX_SPRITE, "s", "", "its seed into the studio")                 \
    X(GAL_USE_ALL, CTX_GALLERY | CTX_SPRITE, "a", "", "all its settings into the studio")          \
    X(GAL_USE_IMAGE, CTX_GALLERY | CTX_SPRITE, "i", "", "start from its picture (image to image)") \
    X(GAL_USE_CONTROL, CTX_GALLERY | CTX_SPRITE, "c", "", "follow its edges, with a ControlNet")   \
    X(GAL_SHEET, CTX_GALLERY | CTX_SPRITE, "x", "",                                                \
      "write what is marked, or what its job made, as a sheet or GIF")                             \
    X(GAL_EXPORT, CTX_GALLERY | CTX_SPRITE, "e", "", "write it as a ComfyUI workflow")             \
    X(GAL_FINISH, CTX_GALLERY | CTX_SPRITE, "f", "", "finish it: its steps, before and after")     \
    X(FIN_LESS, CTX_FINISH, "Left", "-", "smaller, or the choice before")                          \
    X(FIN_MORE, CTX_FINISH, "Right", "+", "larger, or the next choice")                            \
    X(FIN_TOGGLE, CTX_FINISH, "Space", "", "the step on or off")                                   \
    X(FIN_EDIT, CTX_FINISH, "Enter", "", "type its value")                                         \
    X(FIN_RESET, CTX_FINISH, "Delete", "Backspace", "what it is by itself")                        \
    X(FIN_UNDO, CTX_FINISH, "u", "C-_", "undo")                                                    \
    X(FIN_REDO, CTX_FINISH, "r", "M-r", "redo")                                                    \
    X(FIN_BEFORE, CTX_FINISH, "b", "", "compare with the cells, without the step, or by pixels")   \
    X(FIN_SAVE, CTX_FINISH, "s", "", "save as a new sprite")                                       \
    X(FIN_PRESET, CTX_FINISH, "p", "", "save the steps as a preset")                               \
    X(FIN_USE, CTX_FINISH, "a", "", "finish the next sprites so")                                  \
    X(MASK_CORNER, CTX_MASK, "Space", "", "a corner; at the second, what is between is masked")    \
    X(MASK_KEEP, CTX_MASK, "x", "Delete", "from the corner to here it is kept, or this point")     \
    X(MASK_INVERT, CTX_MASK, "i", "", "what is masked is kept, and the other way round")           \
    X(MASK_GROW, CTX_MASK, "+", "", "the mask grows by a pixel")                                   \
    X(MASK_SHRINK, CTX_MASK, "-", "", "it shrinks by a pixel")                                     \
    X(MASK_FAR_LEFT, CTX_MASK, "S-Left", "H", "far left")                                          \
    X(MASK_FAR_RIGHT, CTX_MASK, "S-Right", "L", "far right")                                       \
    X(MASK_UNDO, CTX_MASK, "u", "C-_", "undo")                                                     \
    X(MON_PROFILE, CTX_MONITOR, "p", "", "time every operation of the next jobs, on or off")       \
    X(UP, CTX_LISTS, "Up", "k", "up")                                                              \
    X(DOWN, CTX_LISTS, "Down", "j", "down")                                                        \
    X(GO_LEFT, CTX_GRIDS, "Left", "h", "left")                                                     \
    X(GO_RIGHT, CTX_GRIDS, "Right", "l", "right")                                                  \
    X(PAGE_UP, CTX_PAGES, "PgUp", "", "page up")                                                   \
    X(PAGE_DOWN, CTX_PAGES, "PgDn", "", "page down")                                               \
    X(FIRST, CTX_LISTS, "Home", "", "first")                                                       \
    X(LAST, CTX_LISTS, "End", "", "last")                                                          \
    X(ACCEPT, CTX_DIALOG, "Enter", "", "")                                                         \
    X(BACK, CTX_GLOBAL, "Esc", "", "close, or back")

#define CTX_LISTS                                                                                  \
    (CTX_PRESETS | CTX_SETTINGS | CTX_QUEUE | CTX_COMPARE | CTX_GALLERY | CTX_SPRITE |             \
     CTX_MONITOR | CTX_DIALOG | CTX_HELP | CTX_FINISH | CTX_MASK)
#define CTX_GRIDS (CTX_COMPARE | CTX_GALLERY | CTX_SPRITE | CTX_MASK)
#define CTX_PAGES                                                                                  \
    (CTX_SETTINGS | CTX_QUEUE | CTX_GALLERY | CTX_SPRITE | CTX_MONITOR | CTX_DIALOG | CTX_HELP |   \
     CTX_MASK)

enum action {
    ACT_NOTHING,
#define X(id, contexts, key, other, help) ACT_##id,
    KEYS(X)
#undef X
        ACTIONS
};

struct key_row {
    enum action action;
    unsigned contexts;
    const char *key, *other, *help;
};

/* Row i of the table, or NULL past the end. */
const struct key_row *keys_row(int i);
const struct key_row *keys_of(enum action);

/* What an INPUT_KEY or INPUT_TEXT event means where `contexts` are in force: the narrowest context
 * wins (the highest bit). Ctrl-H, -I, -M, -J and -[ are Backspace, Tab, Enter, Enter and Esc where
 * they are nothing of their own. ACT_NOTHING: nothing, or text. */
enum action keys_find(unsigned contexts, const struct input_event *);

/* "Ctrl-R" for hints: the first key's name; "" for ACT_NOTHING. */
void keys_hint(enum action, char *out, size_t size);
/* "Ctrl-R, F5": both keys' names. */
void keys_names(const struct key_row *, char *out, size_t size);

/* Contexts in the order in which help and the manual have them; 0 past the end. Rows that move
 * through any list are said once, after all others. */
unsigned keys_section(int i);
bool keys_moves(const struct key_row *);
const char *context_title(enum context); /* "Prompt", as help heads the rows */

#endif
