/*
 * Pictures that are there already under the names that a job writes: another job's, which this one
 * was before it was edited or which another file of jobs has, or the user's own. Nothing that was
 * made is lost: they go to the folder `trash` beside them, where the gallery has its own, before
 * the job's are written. Where the new picture shows the same, as after a kill between a picture
 * and its line of results, the old one goes; where none is made, it comes back.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fileio.h"
#include "engine/batch_priv.h"
#include "sprite/png.h"

enum { NAMES_MAX = 100000 };

/* "out/a.png" to "out/trash/a.png", or "a-2.png" where that is taken. NULL with err. */
static char *to_trash(const char *file, struct err *e)
{
    char folder[PATH_MAX], path[PATH_MAX], to[PATH_MAX];
    const char *slash = strrchr(file, '/'), *name = slash ? slash + 1 : file;
    int n = snprintf(folder, sizeof folder, "%.*strash", (int)(name - file), file);
    if (n >= PATH_MAX || snprintf(path, sizeof path, "%s/%s", folder, name) >= PATH_MAX) {
        err_set(e, "%s: the path is too long", file);
        return NULL;
    }
    if (file_make_folders(folder, e))
        return NULL;
    for (int k = 1; k < NAMES_MAX && file_numbered(path, k, to); k++) {
        if (file_rename_new(file, to) == 0)
            return strdup(to);
        if (errno != EEXIST)
            break;
    }
    err_set(e, "cannot move %s, which another job made, to %s: %s", file, folder,
            file_reason(errno));
    return NULL;
}

int older_aside(struct unit *u, struct err *e)
{
    size_t n = (size_t)u->job.params.batch;
    if (!u->older && !(u->older = calloc(n, sizeof *u->older)))
        return err_set(e, "out of memory");
    for (size_t i = 0; i < n; i++) {
        struct stat st;
        if (u->older[i] || lstat(u->files[i], &st) || !S_ISREG(st.st_mode))
            continue;
        if (!(u->older[i] = to_trash(u->files[i], e)))
            return -1;
    }
    return 0;
}

static bool shows_the_same(const char *a, const char *b)
{
    struct png_file x = {0}, y = {0};
    struct err ignored;
    bool same = png_load(a, true, &x, &ignored) == 0 && png_load(b, true, &y, &ignored) == 0 &&
                x.width == y.width && x.height == y.height &&
                !memcmp(x.rgba, y.rgba, (size_t)x.width * (size_t)x.height * 4);
    png_file_free(&x);
    png_file_free(&y);
    return same;
}

static void leave_trash(char *older)
{
    *strrchr(older, '/') = '\0';
    rmdir(older); /* if nothing else is in it */
}

int older_settle(struct unit *u, bool made)
{
    int kept = 0;
    for (int i = 0; u->older && i < u->job.params.batch; i++) {
        char *older = u->older[i];
        if (!older)
            continue;
        bool goes = made ? shows_the_same(older, u->files[i]) && unlink(older) == 0
                         : file_rename_new(older, u->files[i]) == 0;
        if (goes)
            leave_trash(older);
        kept += !goes;
        free(older);
    }
    free(u->older);
    u->older = NULL;
    return kept;
}
