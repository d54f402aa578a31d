/* See wildcards.h. */
#include "prompt/wildcards.h"

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fileio.h"
#include "prompt/word.h"

enum { MAX_FILES = 4096, MAX_DEPTH = 6, MAX_BYTES = 1 << 20 };

/* ---- which files ---- */

struct listing {
    char **name; /* below the folder, without .txt */
    int count;
};

/* Backtracks to the last star alone: time is the product of the lengths at most. `**` and `*` are
 * two kinds of star; where both stand, going back to the wider one is enough. */
static bool fits(const char *pattern, const char *name)
{
    const char *back[2] = {NULL, NULL}, *at[2] = {NULL, NULL}; /* of * and of ** */
    while (*name) {
        if (*pattern == '*') {
            bool wide = pattern[1] == '*';
            pattern += 1 + wide;
            back[wide] = pattern, at[wide] = name;
            if (wide)
                back[0] = NULL;
        } else if (*pattern == *name || (*pattern == '?' && *name != '/')) {
            pattern++, name++;
        } else if (back[0] && *at[0] != '/') {
            pattern = back[0], name = ++at[0];
        } else if (back[1]) {
            pattern = back[1], name = ++at[1];
            back[0] = NULL;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

static int add_name(struct listing *l, const char *name, size_t len)
{
    char **more = realloc(l->name, ((size_t)l->count + 1) * sizeof *more);
    if (!more)
        return -1;
    l->name = more;
    if (!(more[l->count] = strndup(name, len)))
        return -1;
    l->count++;
    return 0;
}

static int list(struct listing *l, const char *folder, const char *below, const char *pattern,
                int depth)
{
    char path[PATH_MAX], name[PATH_MAX];
    struct stat st;
    DIR *d = depth < MAX_DEPTH ? opendir(folder) : NULL;
    int rc = 0;
    for (struct dirent *f; d && rc == 0 && l->count < MAX_FILES && (f = readdir(d));) {
        int n = snprintf(path, sizeof path, "%s/%s", folder, f->d_name);
        int m = snprintf(name, sizeof name, "%s%s", below, f->d_name);
        if (f->d_name[0] == '.' || n >= PATH_MAX || m >= PATH_MAX - 1 || stat(path, &st) != 0)
            continue;
        if (S_ISDIR(st.st_mode)) {
            strcat(name, "/");
            rc = list(l, path, name, pattern, depth + 1);
        } else if (S_ISREG(st.st_mode) && m > 4 && !strcmp(name + m - 4, ".txt")) {
            name[m - 4] = '\0';
            rc = fits(pattern, name) ? add_name(l, name, (size_t)m - 4) : 0;
        }
    }
    if (d)
        closedir(d);
    return rc;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void listing_free(struct listing *l)
{
    for (int i = 0; i < l->count; i++)
        free(l->name[i]);
    free(l->name);
}

/* ---- lines ---- */

/* Adds the file's text to w; it is cut into lines when all is there. */
static int add_file(struct wildcard *w, size_t *size, const char *folder, const char *name,
                    struct err *e)
{
    char path[PATH_MAX];
    size_t len;
    if (snprintf(path, sizeof path, "%s/%s.txt", folder, name) >= PATH_MAX)
        return err_set(e, "the path of the wildcard %s is too long", name);
    char *text = file_read(path, MAX_BYTES, &len, e);
    if (!text)
        return -1;
    char *more = *size + len + 2 <= MAX_BYTES ? realloc(w->text, *size + len + 2) : NULL;
    if (!more) {
        free(text);
        return err_set(e, "the wildcard files of __%s__ are over %d KiB", w->name, MAX_BYTES >> 10);
    }
    w->text = more;
    for (size_t i = 0; i < len; i++)
        more[(*size)++] = text[i] ? text[i] : ' ';
    more[(*size)++] = '\n';
    more[*size] = '\0';
    free(text);
    return 0;
}

static char *trim(char *s)
{
    while (is_space(*s))
        s++;
    for (size_t n = strlen(s); n > 0 && is_space(s[n - 1]); n--)
        s[n - 1] = '\0';
    return s;
}

static int cut_lines(struct wildcard *w, struct err *e)
{
    int lines = 0;
    for (const char *s = w->text; *s; s++)
        lines += *s == '\n';
    if (!(w->line = calloc((size_t)lines + 1, sizeof *w->line)))
        return err_set(e, "out of memory");
    char *rest = w->text + (strncmp(w->text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0);
    for (char *line; (line = strsep(&rest, "\n"));) {
        line[strcspn(line, "#")] = '\0'; /* a comment */
        line = trim(line);
        if (*line)
            w->line[w->count++] = line;
    }
    return 0;
}

static int read_all(struct wildcard *w, const struct listing *l, const char *folder, struct err *e)
{
    size_t size = 0;
    for (int i = 0; i < l->count; i++)
        if (add_file(w, &size, folder, l->name[i], e) < 0)
            return -1;
    return w->text ? cut_lines(w, e) : 0;
}

/* ---- names ---- */

static bool is_plain(const char *name)
{
    return !strpbrk(name, "*?");
}

/* Below the folder, whatever it says. */
static bool is_safe(const char *name)
{
    if (!*name || *name == '/' || *name == '.')
        return false;
    for (const char *s = name; *s; s++)
        if ((unsigned char)*s < ' ' || (*s == '/' && (s[1] == '.' || s[1] == '/')))
            return false;
    return true;
}

static int find_files(const char *folder, const char *name, struct listing *l)
{
    char path[PATH_MAX];
    struct stat st;
    if (!folder || !is_safe(name))
        return 0;
    if (!is_plain(name))
        return list(l, folder, "", name, 0);
    int n = snprintf(path, sizeof path, "%s/%s.txt", folder, name);
    bool there = n < PATH_MAX && stat(path, &st) == 0 && S_ISREG(st.st_mode);
    return there ? add_name(l, name, strlen(name)) : 0;
}

int wildcards_find(struct wildcards *all, const char *name, const struct wildcard **found,
                   struct err *e)
{
    *found = NULL;
    for (int i = 0; i < all->count; i++)
        if (!strcmp(all->at[i]->name, name)) {
            *found = all->at[i];
            return 0;
        }
    if (all->count == MAX_WILDCARDS)
        return err_set(e, "the prompt uses more than %d wildcards", MAX_WILDCARDS);
    struct wildcard *w = calloc(1, sizeof *w);
    struct listing l = {0};
    if (!w || !(w->name = strdup(name))) {
        free(w);
        return err_set(e, "out of memory");
    }
    all->at[all->count++] = w;
    int rc = find_files(all->folder, name, &l) < 0 ? err_set(e, "out of memory") : 0;
    if (rc == 0 && l.count > 0) {
        qsort(l.name, (size_t)l.count, sizeof *l.name, by_name);
        rc = read_all(w, &l, all->folder, e);
    }
    listing_free(&l);
    *found = rc == 0 ? w : NULL;
    return rc;
}

void wildcards_free(struct wildcards *all)
{
    for (int i = 0; i < all->count; i++) {
        free(all->at[i]->name);
        free(all->at[i]->text);
        free(all->at[i]->line);
        free(all->at[i]);
    }
    all->count = 0;
}
