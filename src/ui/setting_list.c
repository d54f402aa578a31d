/* The settings panel's pure part; see setting_list.h. */
#include "ui/setting_list.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ui/words.h"

static bool has_words(const struct settings_key *k, const char *words)
{
    char text[400];
    words += strspn(words, "-"); /* "--compat", as messages name it */
    snprintf(text, sizeof text, "%s %s %s %s", k->name, k->label, k->help,
             settings_group_title(k->group));
    return words_match(text, words);
}

int setting_lines(unsigned open, const char *words, struct setting_line line[SETTING_LINES])
{
    int n = 0;
    for (int g = GROUP_NONE + 1; g < GROUPS; g++) {
        int title = n;
        line[n++] = (struct setting_line){(enum settings_group)g, -1};
        for (int i = 0; settings_key(i); i++) {
            const struct settings_key *k = settings_key(i);
            bool listed = *words ? has_words(k, words) : open >> g & 1;
            if ((int)k->group == g && listed)
                line[n++] = (struct setting_line){k->group, i};
        }
        bool empty = true;
        for (int i = 0; settings_key(i) && empty; i++)
            empty = (int)settings_key(i)->group != g;
        if (empty || (*words && n == title + 1))
            n = title;
    }
    return n;
}

int setting_line_of(const struct setting_line *line, int count, int key)
{
    for (int i = 0; i < count; i++)
        if (line[i].key == key)
            return i;
    return -1;
}

/* ---- steps ---- */

/* Sizes that are walked through, as sides of squares. */
static const int sides[] = {64, 96, 128, 192, 256, 384, 512, 640, 768, 896, 1024, 1280, 1536};

static void step_size(const char *now, int by, char *out, size_t size)
{
    int count = sizeof sides / sizeof *sides, at = 0, width = atoi(now);
    while (at < count - 1 && sides[at] < width)
        at++;
    if (by > 0 && sides[at] > width) /* between two of them */
        by = 0;
    at = at + by < 0 ? 0 : at + by >= count ? count - 1 : at + by;
    snprintf(out, size, "%dx%d", sides[at], sides[at]);
}

/* The choice after `now` is the first one where `now` is none of them. */
static void step_choice(const struct settings_key *k, const char *now, int by, char *out,
                        size_t size)
{
    int count = 0, at = by > 0 ? -1 : 0;
    for (; k->choice(count); count++)
        if (!strcmp(k->choice(count), now))
            at = count;
    snprintf(out, size, "%s", count > 0 ? k->choice((at + by + count) % count) : "");
}

static void step_number(const struct settings_key *k, const char *now, int by, char *out,
                        size_t size)
{
    double range = k->max - k->min;
    double step = k->type == KEY_INT ? 1 : range <= 2 ? 0.05 : range <= 20 ? 0.1 : 0.5;
    double v = *now ? strtod(now, NULL) + by * step : k->min;
    v = round(v / step * 1e6) / 1e6 * step;
    v = v > k->max ? k->max : v >= k->min ? v : k->min;
    snprintf(out, size, k->type == KEY_INT ? "%.0f" : "%.6g", v);
}

bool setting_step(const struct settings_key *k, const char *now, int by, char *out, size_t size)
{
    switch (k->type) {
    case KEY_TEXT:
        return false;
    case KEY_CHOICE:
        step_choice(k, now, by, out, size);
        return true;
    case KEY_INT:
    case KEY_REAL:
        step_number(k, now, by, out, size);
        return true;
    case KEY_SIZE:
        step_size(now, by, out, size);
        return true;
    case KEY_SEED:
        snprintf(out, size, "%llu",
                 strtoull(now, NULL, 10) + (unsigned long long)by); /* "random": from 0 */
        return true;
    case KEY_FLAG:
        snprintf(out, size, "%s", strcmp(now, "yes") ? "yes" : "no");
        return true;
    }
    return false;
}

void setting_help(const struct settings_key *k, char *out, size_t size)
{
    bool number = k->type == KEY_INT || k->type == KEY_REAL;
    snprintf(out, size, "%s", k->help);
    if (number && size > strlen(out))
        snprintf(out + strlen(out), size - strlen(out), " (%g to %g)", k->min, k->max);
}
