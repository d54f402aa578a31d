/* Files for the pickers; see files.h. */
#include "ui/files.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/fileio.h"

/* ---- folders ---- */

static bool ends(const char *name, const char *ending)
{
    size_t n = strlen(name), m = strlen(ending);
    return n > m && !strcasecmp(name + n - m, ending);
}

bool file_fits(enum file_kind kind, const char *name)
{
    static const char *const endings[][7] = {
        [FILE_IMAGE] = {".png"},
        [FILE_WEIGHTS] = {".safetensors"},
        [FILE_FOLDER] = {NULL},
        [FILE_PALETTE] = {".gpl", ".hex", ".pal", ".act", ".txt", ".png"},
        [FILE_RECIPE] = {".json", ".png", ".txt", ".ini"},
    };
    for (int i = 0; *name != '.' && endings[kind][i]; i++)
        if (ends(name, endings[kind][i]))
            return true;
    return false;
}

static bool is_safe(const char *name)
{
    char text[PATH_MAX];
    snprintf(text, sizeof text, "%s", name);
    text_sanitize(text);
    return !strcmp(text, name);
}

/* Without memory the list is shorter. */
static void add(struct file_list *l, const char *path, bool folder, double changed)
{
    struct file_row *more = realloc(l->row, ((size_t)l->count + 1) * sizeof *more);
    if (!more)
        return;
    l->row = more;
    l->row[l->count] = (struct file_row){strdup(path), folder, changed};
    l->count += l->row[l->count].path != NULL;
}

void files_add(struct file_list *l, const char *folder, enum file_kind kind, bool folders,
               const char *prefix)
{
    DIR *d = opendir(*folder ? folder : ".");
    size_t n = strlen(prefix), last = strlen(folder);
    char path[PATH_MAX];
    struct stat st;
    int seen = 0;
    for (struct dirent *f; d && l->count < FILES_MAX && seen < 4 * FILES_MAX && (f = readdir(d));
         seen++) {
        bool dots = !strcmp(f->d_name, ".") || !strcmp(f->d_name, "..");
        bool may_be_folder = f->d_type == DT_DIR || f->d_type == DT_LNK || f->d_type == DT_UNKNOWN;
        bool fits = file_fits(kind, f->d_name), hidden = *f->d_name == '.' && *prefix != '.';
        if (dots || hidden || strncasecmp(f->d_name, prefix, n) || !is_safe(f->d_name) ||
            !(fits || (folders && may_be_folder)))
            continue;
        const char *slash = last > 0 && folder[last - 1] != '/' ? "/" : "";
        int len = snprintf(path, sizeof path, "%s%s%s", folder, slash, f->d_name);
        if (len < 0 || len >= (int)sizeof path || stat(path, &st))
            continue;
        bool is_folder = S_ISDIR(st.st_mode);
        if (is_folder ? folders : fits && S_ISREG(st.st_mode))
            add(l, path, is_folder, (double)st.st_mtime);
    }
    if (d)
        closedir(d);
}

static int newer(const void *a, const void *b)
{
    const struct file_row *x = a, *y = b;
    if (x->changed != y->changed)
        return x->changed > y->changed ? -1 : 1;
    return strcmp(x->path, y->path);
}

static int name_before(const void *a, const void *b)
{
    const struct file_row *x = a, *y = b;
    int order = x->folder == y->folder ? strcasecmp(x->path, y->path) : x->folder ? -1 : 1;
    return order ? order : strcmp(x->path, y->path);
}

void files_by_time(struct file_list *l)
{
    if (l->count > 1)
        qsort(l->row, (size_t)l->count, sizeof *l->row, newer);
}

void files_by_name(struct file_list *l)
{
    if (l->count > 1)
        qsort(l->row, (size_t)l->count, sizeof *l->row, name_before);
}

void files_free(struct file_list *l)
{
    for (int i = 0; i < l->count; i++)
        free(l->row[i].path);
    free(l->row);
    *l = (struct file_list){0};
}

/* ---- paths ---- */

bool file_is_path(const char *typed)
{
    return *typed == '~' || strchr(typed, '/');
}

bool file_expand(const char *typed, char out[PATH_MAX])
{
    const char *home = getenv("HOME");
    bool below = *typed == '~' && (typed[1] == '/' || !typed[1]);
    if (below && (!home || *home != '/'))
        return false;
    int n = snprintf(out, PATH_MAX, "%s%s", below ? home : "", below ? typed + 1 : typed);
    return n >= 0 && n < PATH_MAX;
}

void file_shorten(const char *path, char *out, unsigned size)
{
    const char *home = getenv("HOME");
    size_t n = home ? strlen(home) : 0;
    bool below = n > 1 && !strncmp(path, home, n) && (path[n] == '/' || !path[n]);
    snprintf(out, size, "%s%s", below ? "~" : "", below ? path + n : path);
}

bool file_complete(const struct file_list *l, const char *typed, char out[PATH_MAX])
{
    if (l->count == 0)
        return false;
    const char *first = file_name_of(l->row[0].path), *part = file_name_of(typed);
    size_t same = strlen(first);
    for (int i = 1; i < l->count; i++) {
        const char *name = file_name_of(l->row[i].path);
        size_t n = 0;
        while (n < same && name[n] == first[n])
            n++;
        same = n;
    }
    while (same > 0 && ((unsigned char)first[same] & 0xc0) == 0x80)
        same--; /* whole characters */
    bool whole = l->count == 1 && l->row[0].folder;
    if (same < strlen(part))
        return false;
    int n = snprintf(out, PATH_MAX, "%.*s%.*s%s", (int)(part - typed), typed, (int)same, first,
                     whole ? "/" : "");
    return n >= 0 && n < PATH_MAX && strcmp(out, typed) != 0;
}

/* ---- pastes ---- */

static int hex(char c)
{
    return isdigit((unsigned char)c)    ? c - '0'
           : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10
                                        : -1;
}

/* %20 and so on. False for what is no such number, or a zero. */
static bool unescape_url(const char *text, char *out, size_t size)
{
    size_t n = 0;
    for (; *text && n + 1 < size; text++) {
        char c = *text;
        if (c == '%') {
            int high = hex(text[1]), low = high < 0 ? -1 : hex(text[2]);
            if (low < 0 || high + low == 0)
                return false;
            c = (char)(16 * high + low);
            text += 2;
        }
        out[n++] = c;
    }
    out[n] = '\0';
    return !*text;
}

/* What a shell would take for one word: quotes around it, or backslashes in it. */
static bool unquote(const char *text, char *out, size_t size)
{
    char quote = *text == '\'' || *text == '"' ? *text++ : '\0';
    size_t n = 0;
    for (; *text && *text != quote && n + 1 < size; text++) {
        if (*text == '\\' && quote != '\'' && text[1])
            text++;
        out[n++] = *text;
    }
    out[n] = '\0';
    return quote ? *text == quote && !text[1] : !*text;
}

bool file_pasted(const char *text, char out[PATH_MAX])
{
    char line[PATH_MAX], plain[PATH_MAX];
    text += strspn(text, " \n");
    size_t n = strlen(text);
    while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == '\n'))
        n--;
    if (n < 2 || n >= sizeof line || memchr(text, '\n', n))
        return false;
    memcpy(line, text, n);
    line[n] = '\0';
    bool url = !strncasecmp(line, "file://", 7);
    const char *path = url ? strchr(line + 7, '/') : line; /* file://host/path */
    if (!path ||
        !(url ? unescape_url(path, plain, sizeof plain) : unquote(path, plain, sizeof plain)))
        return false;
    return (*plain == '/' || !strncmp(plain, "~/", 2)) && file_expand(plain, out) && is_safe(out);
}
