/*
 * Files for the pickers: what lies in useful folders, what a typed path may become, what a pasted
 * one means. No curses; folders are read, nothing else is touched.
 *
 * Folders are read in the terminal's thread: names and times of at most FILES_MAX entries, no
 * folder below another.
 */
#ifndef SPRITTY_FILES_H
#define SPRITTY_FILES_H

#include <limits.h>
#include <stdbool.h>

enum file_kind {
    FILE_IMAGE,   /* .png */
    FILE_WEIGHTS, /* .safetensors */
    FILE_FOLDER,  /* none: only folders */
    FILE_PALETTE, /* .gpl .hex .pal .act .txt .png */
    FILE_RECIPE,  /* what can be imported: .json .png .txt .ini */
};

enum { FILES_MAX = 4096 };

struct file_row {
    char *path;
    bool folder;
    double changed; /* seconds since 1970 */
};

struct file_list {
    struct file_row *row;
    int count;
};

/* By its ending, in any case. No hidden file does. */
bool file_fits(enum file_kind, const char *name);
/* Adds the folder's files of the kind, and its folders if wanted (not hidden ones, unless `prefix`
 * begins with a dot), whose names begin with `prefix`. A folder that cannot be read adds nothing;
 * names that are not safe to show are left out. */
void files_add(struct file_list *, const char *folder, enum file_kind, bool folders,
               const char *prefix);
/* Newest first; or folders before files, by name. */
void files_by_time(struct file_list *);
void files_by_name(struct file_list *);
void files_free(struct file_list *);

/* Is what was typed a path ("/...", "~/...", "./...", "a/b") and not words to find? */
bool file_is_path(const char *typed);
/* "~" and "~/x" become the home folder. False when that is too long or there is none. */
bool file_expand(const char *typed, char out[PATH_MAX]);
/* And back, for showing. */
void file_shorten(const char *path, char *out, unsigned size);
/* What all rows' names begin with is put in the place of the last part of `typed`; a single folder
 * gets its slash. False when that is no more than what was typed. */
bool file_complete(const struct file_list *, const char *typed, char out[PATH_MAX]);

/* A path that was dropped on the terminal or pasted: quoted, with backslashes, or as a file:// URL;
 * one line with an absolute path or one below "~". False for anything else. */
bool file_pasted(const char *text, char out[PATH_MAX]);

#endif
