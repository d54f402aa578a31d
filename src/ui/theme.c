/*
 * Themes; see theme.h. The dark theme is here as text as well, so that there is always one (tests
 * hold it equal to themes/dark.ini).
 */
#include "ui/theme.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fileio.h"
#include "base/inifile.h"
#include "base/mapfile.h"
#include "base/paths.h"
#include "base/suggest.h"
#include "sprite/oklab.h"
#include "term/xterm_colors.h"

enum { MAX_THEME = 64 << 10, MAX_NAMES = 200 };

static const char dark[] = "[theme]\n"
                           "name = dark\n"
                           "title = Dark\n"
                           "[colors]\n"
                           "text = #d3d6e0 on #101014\n"
                           "dim = #9499ad\n"
                           "strong = #f3f4f9 bold\n"
                           "title = #a4a9bd\n"
                           "title_focus = #9fb0ff bold\n"
                           "border = #33353f\n"
                           "border_focus = #6373b8\n"
                           "field = #d3d6e0 on #17181d\n"
                           "field_focus = #eceef5 on #1d1f27\n"
                           "select = #f3f4f9 on #2a3050\n"
                           "accent = #9fb0ff\n"
                           "key = #b9c3f2\n"
                           "good = #8ccf9c\n"
                           "warn = #e6c274\n"
                           "bad = #f0868a\n"
                           "graph_a = #8ba0ff\n"
                           "graph_b = #6fcbb8\n"
                           "graph_c = #e3a878\n"
                           "bar = #a0a5b8 on #191a20\n"
                           "bar_strong = #f3f4f9 on #2a3050 bold\n"
                           "chunk = #c3a0e6\n"
                           "weight = #8ba0ff\n"
                           "name = #6fcbb8\n"
                           "choice = #e3a878\n"
                           "overlay = #d3d6e0 on #1b1c23\n"
                           "checker_a = #33353d on #33353d\n"
                           "checker_b = #3e414b on #3e414b\n";

static const char *const shipped[] = {"dark", "light", "high-contrast", "game-boy", "monochrome"};
enum { SHIPPED = sizeof shipped / sizeof *shipped };

static const char *const role_names[] = {
#define X(id, name, help) name,
    ROLES(X)
#undef X
};

static const char *role_name(const void *user, int i)
{
    (void)user;
    return i < ROLE_COUNT ? role_names[i] : NULL;
}

/* -- one file ---------------------------------------------------------------------------------- */

/* A theme that is being read. */
struct reading {
    struct theme *theme;
    bool said[ROLE_COUNT];
};

static bool parse_color(const char *word, uint8_t rgb[3])
{
    if (word[0] != '#' || strlen(word) != 7 || strspn(word + 1, "0123456789abcdefABCDEF") != 6)
        return false;
    unsigned long v = strtoul(word + 1, NULL, 16);
    rgb[0] = (uint8_t)(v >> 16), rgb[1] = (uint8_t)(v >> 8), rgb[2] = (uint8_t)v;
    return true;
}

static unsigned parse_attribute(const char *word)
{
    static const char *const names[] = {"bold", "dim", "underline", "reverse"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(word, names[i]))
            return 1u << i;
    return 0;
}

/* "#rrggbb [on #rrggbb] [bold] ..." The background stays as it is when none is said. */
static bool parse_style(struct role_style *style, const char *value)
{
    char copy[256], *rest, *word;
    struct role_style new = *style;
    snprintf(copy, sizeof copy, "%s", value);
    word = strtok_r(copy, " \t", &rest);
    if (!word || !parse_color(word, new.fg))
        return false;
    new.attributes = 0;
    for (bool first = true; (word = strtok_r(NULL, " \t", &rest)); first = false) {
        unsigned attribute = parse_attribute(word);
        if (first && !strcmp(word, "on")) {
            word = strtok_r(NULL, " \t", &rest);
            if (!word || !parse_color(word, new.bg))
                return false;
            attribute = STYLE_OPAQUE;
        }
        if (!attribute)
            return false;
        new.attributes |= attribute;
    }
    *style = new;
    return true;
}

static int take_color(struct inifile *f, const char *name, const char *value)
{
    struct reading *r = f->user;
    char text[200];
    int role = 0;
    while (role < ROLE_COUNT && strcmp(role_names[role], name))
        role++;
    if (role == ROLE_COUNT) {
        const char *near = suggest(name, role_name, NULL);
        snprintf(text, sizeof text, "there is no role '%.40s'%s%s%s", name,
                 near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
        return inifile_complain(f, text);
    }
    if (r->said[role])
        return inifile_complain(f, "this role was said before");
    r->said[role] = true;
    if (!parse_style(&r->theme->role[role], value)) {
        snprintf(text, sizeof text,
                 "'%.60s' is no style; write #rrggbb [on #rrggbb] [bold] [dim] [underline] "
                 "[reverse]",
                 value);
        return inifile_complain(f, text);
    }
    return 0;
}

static int take_title(struct inifile *f, const char *name, const char *value)
{
    struct reading *r = f->user;
    bool is_name = !strcmp(name, "name");
    char *to = is_name ? r->theme->name : r->theme->title;
    size_t room = is_name ? sizeof r->theme->name : sizeof r->theme->title;
    if (!is_name && strcmp(name, "title"))
        return inifile_complain(f, "[theme] has name and title, nothing else");
    if (!*value || strlen(value) >= room)
        return inifile_complain(f, *value ? "this is too long" : "this is empty");
    strcpy(to, value);
    text_sanitize(to);
    return 0;
}

static int take_setting(struct inifile *f, const char *section, const char *name, const char *value)
{
    if (!strcmp(section, "theme"))
        return take_title(f, name, value);
    if (!strcmp(section, "colors"))
        return take_color(f, name, value);
    return inifile_complain(f, "the sections are [theme] and [colors]");
}

int theme_parse(struct theme *t, const char *text, size_t size, const char *where, struct err *e)
{
    struct theme new = {.name = "", .title = ""};
    struct reading r = {.theme = &new};
    struct inifile f = {.name = where,
                        .text = text,
                        .size = size,
                        .form = "name = value",
                        .take = take_setting,
                        .user = &r,
                        .err = e};
    if (inifile_read(&f))
        return -1;
    if (!r.said[ROLE_TEXT] || !(new.role[ROLE_TEXT].attributes &STYLE_OPAQUE))
        return err_set(e, "%s: [colors] has no 'text = #rrggbb on #rrggbb'", where);
    for (int i = 0; i < ROLE_COUNT; i++) {
        if (!r.said[i])
            new.role[i] = new.role[ROLE_TEXT];
        if (!(new.role[i].attributes &STYLE_OPAQUE))
            memcpy(new.role[i].bg, new.role[ROLE_TEXT].bg, 3);
        if (!r.said[i])
            new.role[i].attributes &= ~(unsigned)STYLE_OPAQUE;
    }
    new.role[ROLE_TEXT].attributes &= ~(unsigned)STYLE_OPAQUE;
    *t = new;
    return 0;
}

void theme_default(struct theme *t)
{
    if (theme_parse(t, dark, sizeof dark - 1, "dark", NULL))
        abort(); /* tests parse it */
}

/* -- finding them ------------------------------------------------------------------------------ */

/* A name that can be a file's and leads nowhere else. */
static bool plain_name(const char *name)
{
    size_t n = strlen(name);
    return n > 0 && n < sizeof((struct theme *)0)->name && name[0] != '.' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == n;
}

/* Only files: to open a pipe that nobody writes into would wait for ever. */
static bool find_file(const char *name, char path[PATH_MAX])
{
    char file[80];
    snprintf(file, sizeof file, "themes/%s.ini", name);
    return (place_path(PLACE_CONFIG, file, path) && file_exists(path)) ||
           (place_path(PLACE_SHARE, file, path) && file_exists(path));
}

int theme_load(struct theme *t, const char *name, struct err *e)
{
    char path[PATH_MAX];
    if (!plain_name(name))
        return err_set(e, "'%.40s' is no name of a theme", name);
    if (!find_file(name, path)) {
        if (strcmp(name, "dark"))
            return err_set(e, "there is no theme '%s': no themes/%s.ini", name, name);
        theme_default(t);
        return 0;
    }
    size_t size;
    char *text = file_read(path, MAX_THEME, &size, e);
    if (!text)
        return -1;
    int rc = theme_parse(t, text, size, path, e);
    free(text);
    if (!rc)
        snprintf(t->name, sizeof t->name, "%s", name); /* the file's name is what is asked for */
    if (!rc && !t->title[0])
        snprintf(t->title, sizeof t->title, "%s", name);
    return rc;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool has_name(char **names, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (!strcmp(names[i], name))
            return true;
    return false;
}

static int add_name(char **names, int count, const char *name)
{
    if (count < MAX_NAMES && !has_name(names, count, name) && (names[count] = strdup(name)))
        count++;
    return count;
}

static int add_folder(char **names, int count, enum home place)
{
    char path[PATH_MAX], file[PATH_MAX];
    DIR *d = place_path(place, "themes", path) ? opendir(path) : NULL;
    for (struct dirent *f; d && (f = readdir(d));) {
        size_t n = strlen(f->d_name);
        if (n <= 4 || strcmp(f->d_name + n - 4, ".ini"))
            continue;
        f->d_name[n - 4] = '\0';
        if (plain_name(f->d_name) && find_file(f->d_name, file))
            count = add_name(names, count, f->d_name);
    }
    if (d)
        closedir(d);
    return count;
}

int theme_names(char ***names)
{
    char path[PATH_MAX];
    int count = 0;
    *names = calloc(MAX_NAMES, sizeof **names);
    if (!*names)
        return 0;
    for (int i = 0; i < SHIPPED; i++)
        if (i == 0 || find_file(shipped[i], path))
            count = add_name(*names, count, shipped[i]);
    int first = count;
    count = add_folder(*names, count, PLACE_CONFIG);
    count = add_folder(*names, count, PLACE_SHARE);
    qsort(*names + first, (size_t)(count - first), sizeof **names, compare_names);
    return count;
}

/* -- fewer colours ----------------------------------------------------------------------------- */

int color_to_256(const uint8_t rgb[3])
{
    struct oklab want = oklab_from_srgb(rgb);
    float least = INFINITY;
    int best = 16;
    for (int i = 16; i < 256; i++) {
        uint8_t c[3];
        xterm_color(i, c);
        float d = oklab_distance2(oklab_from_srgb(c), want);
        if (d < least)
            least = d, best = i;
    }
    return best;
}

/* The 16 are far apart and loud; by distance alone all that is soft would be grey. So colours are
 * made loud before they are compared, greys stay among greys, and only the faint may be either. */
int color_to_16(const uint8_t rgb[3])
{
    struct oklab want = oklab_from_srgb(rgb);
    float chroma = hypotf(want.a, want.b), least = INFINITY;
    int best = 0;
    bool grey = chroma<0.045f, colored = chroma> 0.07f;
    if (!grey && chroma < 0.2f)
        want.a *= 0.2f / chroma, want.b *= 0.2f / chroma;
    for (int i = 0; i < 16; i++) {
        uint8_t c[3];
        xterm_color(i, c);
        bool is_grey = c[0] == c[1] && c[1] == c[2];
        float d = oklab_distance2(oklab_from_srgb(c), want);
        if (d < least && !(is_grey && colored) && !(!is_grey && grey))
            least = d, best = i;
    }
    return best;
}

static double luminance(const uint8_t rgb[3])
{
    return 0.2126 * (double)srgb_to_linear(rgb[0]) + 0.7152 * (double)srgb_to_linear(rgb[1]) +
           0.0722 * (double)srgb_to_linear(rgb[2]);
}

double color_contrast(const uint8_t a[3], const uint8_t b[3])
{
    double x = luminance(a), y = luminance(b);
    return ((x > y ? x : y) + 0.05) / ((x > y ? y : x) + 0.05);
}
