/* See write_preset.h. */
#include "import/write_preset.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fileio.h"
#include "base/jsonw.h"

/* inih takes 198 bytes a line; a line of a value ends here, with a backslash behind. */
enum { LINE_MAX_BYTES = 150, VALUE_MAX = RECIPE_MAX_TEXT + 64, CONFIG_MAX = 1 << 20 };

/* Does the value stand in a line of its own as it is? */
static bool is_plain(const char *value)
{
    size_t n = strlen(value);
    return n > 0 && n <= LINE_MAX_BYTES && !strchr(value, '\n') && !strchr(value, ';') &&
           value[0] != ' ' && value[n - 1] != ' ' && value[0] != '"';
}

/* In quotes; see config.h. A line may be broken between any two characters. */
static void put_quoted(FILE *f, const char *value)
{
    int column = 0;
    fputc('"', f);
    for (const char *s = value; *s; s++) {
        bool whole = ((unsigned char)*s & 0xc0) != 0x80;
        if (column >= LINE_MAX_BYTES && whole) {
            fputs("\\\n  ", f);
            column = 0;
            if (*s == ' ' || *s == '#') { /* lost, or a comment, at a line's beginning */
                fputs(*s == ' ' ? "\\s" : "\\#", f);
                continue;
            }
        }
        const char *escape = strchr("\\\";", *s);
        column += 1 + (escape || *s == '\n');
        if (*s == '\n')
            fputs("\\n", f);
        else
            fprintf(f, "%s%c", escape ? "\\" : "", *s);
    }
    fputc('"', f);
}

static void put_setting(FILE *f, const char *key, const char *value)
{
    fprintf(f, "%s = ", key);
    if (is_plain(value))
        fputs(value, f);
    else
        put_quoted(f, value);
    fputc('\n', f);
}

static void put_notes(FILE *f, const struct recipe *r)
{
    for (int i = 0; i < r->notes; i++) {
        const char *s = r->note[i];
        size_t n = strlen(s), take = n < LINE_MAX_BYTES ? n : LINE_MAX_BYTES;
        while (take < n && ((unsigned char)s[take] & 0xc0) == 0x80)
            take--;
        fprintf(f, "# not honoured: %.*s%s\n", (int)take, s, take < n ? " ..." : "");
    }
    if (r->untold)
        fprintf(f, "# not honoured: %d more\n", r->untold);
}

char *preset_ini(const struct settings *s, const struct recipe *r, const char *name,
                 const char *base)
{
    char *text = NULL, *value = malloc(VALUE_MAX);
    size_t size;
    FILE *f = value ? open_memstream(&text, &size) : NULL;
    if (!f) {
        free(value);
        return NULL;
    }
    if (r)
        put_notes(f, r);
    fprintf(f, "[preset %s]\n", name);
    if (base)
        fprintf(f, "base = %s\n", base);
    for (int i = 0; settings_key(i); i++) {
        const char *key = settings_key(i)->name;
        if (!settings_has(s, key))
            continue;
        settings_print(s, key, value, VALUE_MAX);
        put_setting(f, key, value);
    }
    free(value);
    if (fclose(f)) {
        free(text);
        return NULL;
    }
    return text;
}

/* ---- JSON ---- */

static void put_json(struct jsonw *w, const struct settings *s, const struct settings_key *k,
                     const char *text)
{
    double x = 0;
    if (k->type == KEY_REAL)
        memcpy(&x, (const char *)s + k->at, sizeof x);
    if (k->type == KEY_INT)
        jsonw_real(w, k->name, strtod(text, NULL), 0);
    else if (k->type == KEY_REAL)
        jsonw_real(w, k->name, x, 10);
    else if (k->type == KEY_SEED && !s->random_seed)
        jsonw_u64(w, k->name, s->seed);
    else if (k->type == KEY_FLAG)
        jsonw_bool(w, k->name, !strcmp(text, "yes"));
    else
        jsonw_string(w, k->name, text);
}

char *preset_json(const struct settings *s)
{
    struct jsonw w = {0};
    char *value = malloc(VALUE_MAX);
    if (!value)
        return NULL;
    jsonw_open(&w, NULL, '{');
    for (int i = 0; settings_key(i); i++) {
        if (!settings_has(s, settings_key(i)->name))
            continue;
        settings_print(s, settings_key(i)->name, value, VALUE_MAX);
        put_json(&w, s, settings_key(i), value);
    }
    jsonw_close(&w, '}');
    free(value);
    return jsonw_take(&w);
}

/* ---- into config.ini ---- */

int preset_name_check(const char *name, struct err *e)
{
    size_t n = strlen(name);
    struct err clean = {""};
    err_set(&clean, "%s", name);
    if (n == 0 || n > 60 || strpbrk(name, "[];#\"\\/") || name[0] == ' ' || name[n - 1] == ' ' ||
        strcmp(clean.text, name) != 0)
        return err_set(e,
                       "'%.60s' cannot be a preset's name: 1 to 60 bytes, no brackets, quotes, "
                       "slashes, semicolons or spaces at an end",
                       name);
    return 0;
}

void preset_name_from(const char *path, char out[64])
{
    snprintf(out, 61, "%s", file_name_of(path));
    char *dot = strrchr(out, '.');
    if (dot && dot != out)
        *dot = '\0';
    text_sanitize(out);
    for (char *s = out; *s; s++)
        if (strchr("[];#\"\\?", *s))
            *s = '-';
    struct err e;
    if (preset_name_check(out, &e))
        snprintf(out, 64, "imported");
}

static bool has_preset(const struct config *c, const char *name)
{
    for (int i = 0; i < c->count; i++)
        if (!strcmp(c->presets[i].name, name))
            return true;
    return false;
}

/* Old and new in one, checked by reading it back. */
static int join(const char *path, const char *old, size_t size, const char *name, const char *text,
                struct err *e)
{
    struct config c = {0};
    char *all = NULL;
    bool breaks = size > 0 && old[size - 1] != '\n';
    int rc = size ? config_parse(&c, old, size, path, e) : 0;
    if (!rc && has_preset(&c, name))
        rc = err_set(e, "%s has a preset '%.60s' already; choose another name", path, name);
    config_free(&c);
    int n = rc ? -1
               : asprintf(&all, "%.*s%s%s%s", (int)size, old, breaks ? "\n" : "",
                          size && *text ? "\n" : "", text);
    if (!rc && n < 0)
        rc = err_set(e, "out of memory");
    if (!rc && (size_t)n > CONFIG_MAX)
        rc = err_set(e, "%s would be longer than %d bytes", path, CONFIG_MAX);
    if (!rc && n > 0)
        rc = config_parse(&c, all, (size_t)n, path, e);
    if (!rc && *text && !has_preset(&c, name)) /* a section of no lines is none */
        rc = err_set(e, "the preset '%.60s' would have no settings, so it was not saved", name);
    config_free(&c);
    if (!rc)
        rc = file_write_atomic(path, all, (size_t)n, e);
    if (n >= 0)
        free(all);
    return rc;
}

/* The folder, made when it is not there, and locked. */
static int lock_folder(const char *path, struct err *e)
{
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash && slash != folder)
        *slash = '\0';
    else
        snprintf(folder, sizeof folder, "%s", slash ? "/" : ".");
    if (file_make_folders(folder, e))
        return -1;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        flock(fd, LOCK_EX);
    return fd >= 0 ? fd : err_set(e, "cannot open the folder %s", folder);
}

/* Is this line the header of a preset's section? */
static bool is_header(const char *line, size_t n, const char *name)
{
    size_t from = 1 + strlen("preset"), m = strlen(name);
    if (n < from || memcmp(line, "[preset", from) != 0)
        return false;
    while (from < n && line[from] == ' ')
        from++;
    return n > from + m && !memcmp(line + from, name, m) && line[from + m] == ']';
}

/* Takes the sections of a preset out: each from its header to its last setting. Comments behind
 * that may be about what follows, and stay. Returns the new size. */
static size_t cut(char *text, size_t size, const char *name)
{
    size_t kept = 0, held = 0; /* held: bytes behind `kept` that go if a setting follows */
    bool inside = false;
    for (size_t at = 0, n; at < size; at += n) {
        const char *end = memchr(text + at, '\n', size - at);
        n = end ? (size_t)(end - text) + 1 - at : size - at;
        bool header = text[at] == '[', empty = strchr("\n\r;#", text[at]) != NULL;
        if (header)
            inside = is_header(text + at, n, name);
        if (header) {
            kept += inside ? 0 : held;
            held = 0;
        }
        if (header && inside && kept > 1 && text[kept - 1] == '\n' && text[kept - 2] == '\n')
            kept--; /* the empty line that was put before it */
        if (inside && !empty) {
            held = 0;
            continue;
        }
        memmove(text + kept + held, text + at, n);
        if (inside)
            held += n;
        else
            kept += n;
    }
    return kept + held;
}

static int put(const char *path, const char *name, const char *text, bool replace, struct err *e)
{
    size_t size = 0;
    char *old = NULL;
    int lock = lock_folder(path, e), rc = 0;
    if (lock < 0)
        return -1;
    if (access(path, F_OK) == 0 && !(old = file_read(path, CONFIG_MAX, &size, e)))
        rc = -1;
    if (!rc && old && replace)
        size = cut(old, size, name);
    if (!rc)
        rc = join(path, old ? old : "", size, name, text, e);
    free(old);
    close(lock);
    return rc;
}

int preset_append(const char *path, const char *name, const char *text, struct err *e)
{
    return put(path, name, text, false, e);
}

int preset_replace(const char *path, const char *name, const char *text, struct err *e)
{
    return put(path, name, text, true, e);
}
