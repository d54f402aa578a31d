/* Where things lie; see paths.h. */
#include "base/paths.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool join(char out[PATH_MAX], const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(out, PATH_MAX, fmt, ap);
    va_end(ap);
    return n >= 0 && n < PATH_MAX;
}

static bool holds_config(const char *dir)
{
    char file[PATH_MAX];
    return join(file, "%s/config.ini", dir) && access(file, R_OK) == 0;
}

static bool share_folder(char out[PATH_MAX])
{
    const char *said = getenv("SPRITTY_SHARE");
    if (said && *said)
        return join(out, "%s", said);
    char dir[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", dir, sizeof dir - 1);
    if (n < 0)
        return false;
    dir[n] = '\0';
    /* PREFIX/bin/spritty, or CHECKOUT/build/[asan/]spritty. */
    for (int up = 0; up < 3; up++) {
        char *slash = strrchr(dir, '/');
        if (!slash || slash == dir)
            return false;
        *slash = '\0';
        if (join(out, "%s/share/spritty", dir) && holds_config(out))
            return true;
        if (up > 0 && holds_config(dir))
            return join(out, "%s", dir);
    }
    return false;
}

/* An XDG folder: the variable when it holds an absolute path, or the fallback under $HOME. */
static bool xdg_folder(const char *variable, const char *fallback, char out[PATH_MAX])
{
    const char *dir = getenv(variable), *home = getenv("HOME");
    if (dir && dir[0] == '/')
        return join(out, "%s/spritty", dir);
    return home && home[0] == '/' && join(out, "%s/%s/spritty", home, fallback);
}

const char *place_advice(enum home place)
{
    switch (place) {
    case PLACE_SHARE:
        return "set SPRITTY_SHARE to the folder with spritty's config.ini";
    case PLACE_CONFIG:
        return "set HOME or XDG_CONFIG_HOME to a folder's full path";
    case PLACE_CACHE:
        return "set HOME or XDG_CACHE_HOME to a folder's full path";
    case PLACE_DATA:
        break;
    }
    return "set HOME or XDG_DATA_HOME to a folder's full path";
}

bool place_path(enum home place, const char *name, char out[PATH_MAX])
{
    char dir[PATH_MAX];
    bool there = place == PLACE_SHARE    ? share_folder(dir)
                 : place == PLACE_CONFIG ? xdg_folder("XDG_CONFIG_HOME", ".config", dir)
                 : place == PLACE_CACHE  ? xdg_folder("XDG_CACHE_HOME", ".cache", dir)
                                         : xdg_folder("XDG_DATA_HOME", ".local/share", dir);
    return there && join(out, "%s/%s", dir, name);
}

bool place_weights(enum home place, const char *folder, const char *name, char out[PATH_MAX])
{
    static const char *const endings[] = {"", ".safetensors"};
    char relative[300];
    if (!*name || *name == '.' || strlen(name) > 200 || strchr(name, '/'))
        return false;
    for (int i = 0; i < 2; i++) {
        snprintf(relative, sizeof relative, "%s/%s%s", folder, name, endings[i]);
        if (place_path(place, relative, out) && access(out, F_OK) == 0)
            return true;
    }
    return false;
}
