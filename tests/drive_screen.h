/*
 * Screens kept as text files in tests/screens and compared with what is seen.
 *
 * What differs from run to run is masked: numbers with units, clock times, long numbers, the home
 * folder, the precision that this machine computes in, and graphs, whose cells say how fast it is.
 * A cell with a picture is a light shade character. Rows with a masked part are compared without
 * regard to the width of gaps; all others as they are. SPRITTY_UPDATE_SCREENS=1 writes the files
 * anew: look at the difference before you commit it.
 */
#ifndef SPRITTY_DRIVE_SCREEN_H
#define SPRITTY_DRIVE_SCREEN_H

#include "drive.h"

#define DRIVE_PICTURE "\u2591" /* a cell of an image */
#define DRIVE_GRAPH   "\u2592" /* cells of a graph */

/* Extended regular expressions and what is written instead. */
static const char *const drive_masks[][2] = {
    {"[0-9][0-9]?:[0-9][0-9](:[0-9][0-9])?", "#:#"},
    {"[0-9]{4}-[0-9]{2}-[0-9]{2}", "#-#-#"},
    {"[0-9]+ (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)", "# Mon"},
    {"just now|[0-9]+ (s|sec|min|h|hours?|days?) ago|yesterday", "# ago"},
    {"[0-9]+ min [0-9]+ s", "# s"},
    {"[0-9]+(\\.[0-9]+)? ?(ms|s|min)([^a-z]|$)", "# s\\3"},
    {"[0-9]+(\\.[0-9]+)? ?([kKMGT]i?)?B([^a-zA-Z]|$)", "# B\\3"},
    {"[0-9]+(\\.[0-9]+)? ?(%|W|°C|MHz|GHz|GFLOPS|it/s)", "# \\2"},
    {"[0-9]+ colours", "# colours"},
    {"[0-9]{6,}", "#"},
    {"bf16|fp16|fp32|f32", "prec"},
    /* What the machine is, and which of its values it tells. */
    {"[^ \u2500\u256d][^\u2500\u256d]* [0-9]+ (cores?|c?o?r?e?\u2026)", "a machine"},
    {"\u2578", "\u2501"},
    {"(temperature|power|clock) +(not told|# [^ ]+)", "\\1  #"},
};

/* Adds `columns` to the next gap or line in a row, so that what stands behind it keeps its place.
 */
static inline void drive_pad(char *rest, int columns)
{
    static const char *const gaps[] = {"  ", "\u2500\u2500", " \u2502"};
    char *at = NULL;
    size_t len = 0;
    for (size_t i = 0; i < sizeof gaps / sizeof *gaps; i++) {
        char *gap = strstr(rest, gaps[i]);
        if (gap && (!at || gap < at))
            at = gap, len = *gap == ' ' ? 1 : 3;
    }
    for (; at && columns > 0; columns--)
        memmove(at + len, at, strlen(at) + 1);
}

/* Replaces all matches; \N in `by` is what group N matched. */
static inline void drive_replace(char *row, size_t size, const char *pattern, const char *by)
{
    regex_t re;
    regmatch_t m[5];
    char out[DRIVE_ROW] = "", *o = out;
    const char *p = row;
    assert(regcomp(&re, pattern, REG_EXTENDED) == 0 && size <= sizeof out);
    while (*p && regexec(&re, p, 5, m, p == row ? 0 : REG_NOTBOL) == 0 && m[0].rm_eo > 0) {
        o += sprintf(o, "%.*s", (int)m[0].rm_so, p);
        const char *put = o;
        for (const char *b = by; *b; b++) {
            if (*b == '\\') {
                const regmatch_t *g = &m[*++b - '0'];
                if (g->rm_so >= 0)
                    o += sprintf(o, "%.*s", (int)(g->rm_eo - g->rm_so), p + g->rm_so);
            } else {
                *o++ = *b;
            }
        }
        p += m[0].rm_eo;
        *o = '\0';
        drive_pad((char *)p, (int)(m[0].rm_eo - m[0].rm_so) - (int)strlen(put));
    }
    snprintf(o, sizeof out - (size_t)(o - out), "%s", p);
    regfree(&re);
    strcpy(row, out);
}

/* Block elements and braille (U+2580-259F but the picture's, U+2800-28FF) become one mark a run. */
static inline void drive_mask_graphs(char *row)
{
    char *o = row;
    bool in_run = false;
    for (const char *p = row; *p;) {
        const unsigned char *c = (const unsigned char *)p;
        bool picture = !strncmp(p, DRIVE_PICTURE, 3);
        bool graph = !picture && c[0] == 0xe2 &&
                     ((c[1] == 0x96 && c[2] <= 0x9f) || (c[1] >= 0xa0 && c[1] <= 0xa3));
        if (graph) {
            if (!in_run)
                o = (char *)memcpy(o, DRIVE_GRAPH, 3) + 3;
            p += 3;
        } else {
            *o++ = *p++;
        }
        in_run = graph;
    }
    *o = '\0';
}

/* Row `y` with masks, `room` for DRIVE_ROW bytes. */
static inline void drive_masked_row(const struct drive *d, int y, char *row)
{
    emu_row(d->emu, y, DRIVE_PICTURE, row);
    drive_mask_graphs(row);
    if (d->home) {
        for (char *at; (at = strstr(row, d->home));) {
            *at = '~';
            memmove(at + 1, at + strlen(d->home), strlen(at + strlen(d->home)) + 1);
        }
    }
    for (size_t i = 0; i < sizeof drive_masks / sizeof *drive_masks; i++)
        drive_replace(row, DRIVE_ROW, drive_masks[i][0], drive_masks[i][1]);
}

/* Graph marks and runs of spaces become one space, runs of lines one; no space at the end. */
static inline void drive_squeeze(const char *row, char *out)
{
    bool gap = false;
    while (*row) {
        bool graph = !strncmp(row, DRIVE_GRAPH, 3);
        if (graph || *row == ' ') {
            gap = true;
            row += graph ? 3 : 1;
            continue;
        }
        if (!strncmp(row, "\u2500\u2500", 6)) {
            row += 3;
            continue;
        }
        if (gap)
            *out++ = ' ';
        gap = false;
        *out++ = *row++;
    }
    *out = '\0';
}

static inline bool drive_same_row(const char *want, const char *got)
{
    static char a[DRIVE_ROW], b[DRIVE_ROW];
    bool masked = strchr(want, '#') || strchr(got, '#') || strstr(want, DRIVE_GRAPH) ||
                  strstr(got, DRIVE_GRAPH) || strstr(want, "prec") || strchr(want, '~');
    if (!masked)
        return strcmp(want, got) == 0;
    drive_squeeze(want, a);
    drive_squeeze(got, b);
    return strcmp(a, b) == 0;
}

/* Compares with the file; tells of each row that differs when `tell`. */
static inline bool drive_same_screen(const struct drive *d, const char *path, bool tell)
{
    static char want[DRIVE_ROW], got[DRIVE_ROW];
    FILE *f = fopen(path, "r");
    bool same = f != NULL;
    if (!f && tell)
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
    for (int y = 0; f && y < d->rows; y++) {
        if (!fgets(want, sizeof want, f))
            *want = '\0';
        want[strcspn(want, "\n")] = '\0';
        drive_masked_row(d, y, got);
        if (drive_same_row(want, got))
            continue;
        same = false;
        if (tell)
            fprintf(stderr, "%s:%d:\n-%s\n+%s\n", path, y + 1, want, got);
    }
    if (f)
        fclose(f);
    return same;
}

static inline void drive_write_screen(const struct drive *d, const char *path)
{
    static char row[DRIVE_ROW];
    FILE *f = fopen(path, "w");
    assert(f);
    for (int y = 0; y < d->rows; y++) {
        drive_masked_row(d, y, row);
        fprintf(f, "%s\n", row);
    }
    fclose(f);
}

/* Waits until the screen is as tests/screens/NAME.txt has it. */
static inline void drive_expect_screen(struct drive *d, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "tests/screens/%s.txt", name);
    if (getenv("SPRITTY_UPDATE_SCREENS")) {
        drive_wait_quiet(d, 400);
        drive_write_screen(d, path);
        return;
    }
    double until = drive_now() + drive_patience();
    while (!drive_same_screen(d, path, false)) {
        if (drive_now() > until) {
            drive_same_screen(d, path, true);
            drive_fail(d, "%s: the screen differs", path);
            return;
        }
        drive_pump(d, 100);
    }
}

#endif
