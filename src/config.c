/* Config files and presets; see config.h. A line that begins with a space continues the value above
 * it. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fileio.h"
#include "base/inifile.h"
#include "base/paths.h"
#include "base/suggest.h"

/* ---- files ---- */

enum { MAX_CONFIG = 1 << 20, MAX_PRESETS = 1000 };

static struct preset *find_preset(const struct config *c, const char *name)
{
    for (int i = 0; i < c->count; i++)
        if (!strcmp(c->presets[i].name, name))
            return &c->presets[i];
    return NULL;
}

/* A new one at the end, or NULL without memory. */
static struct preset *add_preset(struct config *c, const char *name, const char *where)
{
    struct preset *grown = realloc(c->presets, sizeof *grown * (size_t)(c->count + 1));
    if (!grown)
        return NULL;
    c->presets = grown;
    struct preset *p = &grown[c->count];
    *p = (struct preset){.name = strdup(name), .where = strdup(where)};
    if (!p->name || !p->where) {
        free(p->name);
        free(p->where);
        return NULL;
    }
    c->count++;
    return p;
}

/* The settings that a section fills, or NULL. *preset is set for a preset's. */
static struct settings *section_settings(struct inifile *f, const char *section,
                                         struct preset **preset)
{
    struct config *file = f->user;
    char where[400], text[200];
    const char *name = section + 7;
    *preset = NULL;
    if (!strcmp(section, "defaults"))
        return &file->defaults;
    if (strncmp(section, "preset ", 7) || !*(name += strspn(name, " "))) {
        snprintf(text, sizeof text,
                 "there is no section [%.60s]; there are [defaults] and "
                 "[preset NAME]",
                 section);
        inifile_complain(f, *section ? text
                                     : "a setting outside of any section; begin with [defaults]");
        return NULL;
    }
    snprintf(where, sizeof where, "%s:%d", f->name, f->line);
    *preset = find_preset(file, name);
    if (!*preset && file->count < MAX_PRESETS)
        *preset = add_preset(file, name, where);
    if (!*preset)
        inifile_complain(f, "too many presets");
    return *preset ? &(*preset)->values : NULL;
}

/* A further line of a text. */
static int append_line(struct settings *s, const struct settings_key *k, const char *value,
                       struct err *e)
{
    const char *old = k->type == KEY_TEXT ? settings_text(s, k->name) : NULL;
    char *joined;
    if (!old)
        return err_set(e, "%s takes one line; settings begin at the line's start", k->name);
    if (asprintf(&joined, "%s %s", old, value) < 0)
        return err_set(e, "out of memory");
    int rc = settings_set(s, k->name, joined, e);
    free(joined);
    return rc;
}

/* What a preset has beside settings: one line. */
static int take_word(struct inifile *f, char **to, const char *name, const char *value)
{
    char text[120];
    if (*to) {
        snprintf(text, sizeof text,
                 f->continues ? "%s takes one line" : "%s is set twice in this section", name);
        return inifile_complain(f, text);
    }
    *to = strdup(value);
    if (*to)
        text_sanitize(*to);
    return *to ? 0 : inifile_complain(f, "out of memory");
}

/* One setting. */
static int take_setting(struct inifile *f, const char *section, const char *name, const char *value)
{
    struct preset *preset;
    struct err e;
    struct settings *s = section_settings(f, section, &preset);
    if (!s)
        return -1;
    if (preset && !strcmp(name, "base"))
        return take_word(f, &preset->base, name, value);
    if (preset && !strcmp(name, "about"))
        return take_word(f, &preset->about, name, value);
    int i = settings_key_index(name), rc;
    bool there = i >= 0 && settings_has(s, name);
    if (there && !f->continues)
        rc = err_set(&e, "%s is set twice in this section", name);
    else if (there)
        rc = append_line(s, settings_key(i), value, &e);
    else /* some are looked at before quotes go, and nothing is nothing to them */
        rc = settings_set(s, name, strcmp(value, "\"\"") != 0 ? value : "", &e);
    return rc ? inifile_complain(f, e.text) : 0;
}

static void overlay_word(char **old, char **new)
{
    if (!*new)
        return;
    free(*old);
    *old = *new;
    *new = NULL;
}

/* Lays `file` over c: its values win. Takes what it needs from `file`. */
static int overlay(struct config *c, struct config *file, struct err *e)
{
    struct settings old = c->defaults;
    c->defaults = file->defaults;
    memset(&file->defaults, 0, sizeof file->defaults);
    int rc = settings_fill(&c->defaults, &old, e);
    settings_free(&old);
    for (int i = 0; i < file->count && !rc; i++) {
        struct preset *new = &file->presets[i], *p = find_preset(c, new->name);
        if (!p)
            p = add_preset(c, new->name, new->where);
        if (!p)
            return err_set(e, "out of memory");
        overlay_word(&p->base, &new->base);
        overlay_word(&p->about, &new->about);
        old = p->values;
        p->values = new->values;
        memset(&new->values, 0, sizeof new->values);
        rc = settings_fill(&p->values, &old, e) || rc ? -1 : 0;
        settings_free(&old);
    }
    return rc;
}

/* ---- quotes ---- */

/* Is it all one text in quotes? */
static bool is_quoted(const char *s)
{
    if (*s++ != '"')
        return false;
    for (; *s && *s != '"'; s++)
        if (*s == '\\' && s[1])
            s++;
    return *s == '"' && !s[1];
}

/* "a\nb" without its quotes: \n is a line break, \s a space, a backslash before a space (where a
 * line was continued) takes both away, before anything else itself. */
static void unquote(char *s)
{
    char *to = s;
    for (s++; s[1]; s++) {
        if (*s != '\\')
            *to++ = *s;
        else if (*++s != ' ')
            *to++ = *s == 'n' ? '\n' : *s == 's' ? ' ' : *s;
    }
    *to = '\0';
}

static void unquote_texts(struct settings *s)
{
    for (int i = 0; settings_key(i); i++) {
        const char *key = settings_key(i)->name;
        if (settings_key(i)->type != KEY_TEXT || !settings_has(s, key))
            continue;
        char *text = (char *)(uintptr_t)settings_text(s, key);
        if (is_quoted(text))
            unquote(text);
    }
}

int config_parse(struct config *c, const char *text, size_t size, const char *name, struct err *e)
{
    struct config file = {0};
    struct inifile f = {.name = name,
                        .text = text,
                        .size = size,
                        .form = "setting = value",
                        .take = take_setting,
                        .user = &file,
                        .err = e};
    int rc = inifile_read(&f);
    unquote_texts(&file.defaults);
    for (int i = 0; i < file.count; i++)
        unquote_texts(&file.presets[i].values);
    if (!rc)
        rc = overlay(c, &file, e);
    config_free(&file);
    return rc;
}

int config_read(struct config *c, const char *path, struct err *e)
{
    size_t size;
    char *text = file_read(path, MAX_CONFIG, &size, e);
    if (!text)
        return -1;
    int rc = config_parse(c, text, size, path, e);
    free(text);
    return rc;
}

int config_load(struct config *c, struct err *e)
{
    char path[PATH_MAX];
    for (int user = 0; user < 2; user++) {
        if (place_path(user ? PLACE_CONFIG : PLACE_SHARE, "config.ini", path) &&
            access(path, F_OK) == 0 && config_read(c, path, e))
            return -1;
    }
    return 0;
}

void config_free(struct config *c)
{
    for (int i = 0; i < c->count; i++) {
        free(c->presets[i].name);
        free(c->presets[i].base);
        free(c->presets[i].about);
        free(c->presets[i].where);
        settings_free(&c->presets[i].values);
    }
    free(c->presets);
    settings_free(&c->defaults);
    memset(c, 0, sizeof *c);
}

/* ---- presets ---- */

static const char *preset_name(const void *user, int i)
{
    const struct config *c = user;
    return i < c->count ? c->presets[i].name : NULL;
}

static int no_preset(const struct config *c, const char *name, struct err *e)
{
    char list[300] = "";
    const char *near = suggest(name, preset_name, c);
    for (int i = 0; i < c->count; i++) {
        size_t n = strlen(list);
        snprintf(list + n, sizeof list - n, "%s%s", i ? ", " : "", c->presets[i].name);
    }
    if (near)
        return err_set(e, "there is no preset '%.60s'; did you mean '%.60s'?", name, near);
    return err_set(e, "there is no preset '%.60s'; there are: %s", name, c->count ? list : "none");
}

int config_preset(const struct config *c, const char *name, struct settings *s, struct err *e)
{
    const struct preset *p = find_preset(c, name);
    if (!p)
        return no_preset(c, name, e);
    for (int depth = 0; p; depth++) {
        if (depth > c->count)
            return err_set(e, "%s: preset '%.60s' is based on itself", p->where, p->name);
        if (settings_fill(s, &p->values, e))
            return -1;
        const struct preset *base = p->base ? find_preset(c, p->base) : NULL;
        if (p->base && !base) {
            no_preset(c, p->base, e);
            return err_prefix(e, "%s", p->where);
        }
        p = base;
    }
    return 0;
}
