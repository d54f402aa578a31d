/*
 * Sprites to the trash and back; see store.h.
 *
 * A file system and a database have no transaction in common, so a move is written down first: the
 * row gets its new path, and the old one as `moving`; then the file is renamed; then `moving` is
 * cleared. Whoever opens the store after a kill in between ends the move. No file is ever renamed
 * over another, nor to or from anywhere but a folder and the folder `trash` in it: the database may
 * have come from anywhere.
 */
#include "store/store_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fileio.h"

struct move {
    int64_t id;
    char *path, *moving;
    double trashed;
};

static const struct column columns[] = {{COL_BIG, offsetof(struct move, id)},
                                        {COL_TEXT, offsetof(struct move, path)},
                                        {COL_TEXT, offsetof(struct move, moving)},
                                        {COL_REAL, offsetof(struct move, trashed)}};
static const struct row_type move_type = {columns, 4, sizeof(struct move)};

#define SELECT_MOVES "SELECT id, path, moving, trashed FROM sprites "

/* ".../a.png" to ".../trash/a.png". False: too long. */
static bool trash_path(const char *path, char out[PATH_MAX])
{
    const char *name = file_name_of(path);
    int n = snprintf(out, PATH_MAX, "%.*strash/%s", (int)(name - path), path, name);
    return n > 0 && n < PATH_MAX;
}

/* ".../trash/a.png" to ".../a.png". False: it is in no trash. */
static bool home_path(const char *path, char out[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    const char *folder = slash ? slash - strlen("trash") : NULL;
    if (!folder || folder < path || strncmp(folder, "trash/", 6) ||
        (folder > path && folder[-1] != '/'))
        return false;
    int n = snprintf(out, PATH_MAX, "%.*s%s", (int)(folder - path), path, slash + 1);
    return n > 0 && n < PATH_MAX;
}

/* How long the part of a path before its file's name is. */
static size_t folder_length(const char *path)
{
    return (size_t)(file_name_of(path) - path);
}

/* Are these a folder and its trash, either way? */
static bool is_move(const char *from, const char *to)
{
    char home[PATH_MAX];
    const char *other = home_path(to, home) ? from : to;
    if (other == to && !home_path(from, home))
        return false;
    size_t n = folder_length(home);
    return n == folder_length(other) && !strncmp(home, other, n);
}

static int end_move(struct store *s, int64_t id, struct err *e)
{
    return sql_run(s, e, "UPDATE sprites SET moving = NULL WHERE id = ?1", "I", id) < 0 ? -1 : 0;
}

static void undo_move(struct store *s, int64_t id)
{
    sql_run(s, NULL,
            "UPDATE sprites SET path = moving, moving = NULL,"
            " trashed = CASE WHEN trashed > 0 THEN 0 ELSE ?2 END"
            " WHERE id = ?1 AND moving IS NOT NULL",
            "Id", id, now_seconds());
}

/* The second and third part of a move that is written down; a file that is gone is no error. 1: the
 * new name was taken in the meantime, and all is as before. */
static int carry_out(struct store *s, int64_t id, const char *from, const char *to, struct err *e)
{
    if (!file_rename_new(from, to))
        return end_move(s, id, e);
    int error = errno;
    if (!is_there(from)) /* it is gone, or another thread has ended this move */
        return end_move(s, id, e);
    undo_move(s, id);
    if (error == EEXIST)
        return 1;
    return err_set(e, "cannot move %s to %s: %s", from, to, file_reason(error));
}

static int write_down(struct store *s, int64_t id, const char *from, const char *to, bool trash,
                      struct err *e)
{
    static const char sql[] = "UPDATE sprites SET path = ?2, moving = ?3, trashed = ?4"
                              " WHERE id = ?1";
    double when = trash ? now_seconds() : 0;
    return row_changed(sql_run(s, e, sql, "Issd", id, to, from, when), "sprite", id, e);
}

/* Neither a file nor another row has it: a row's file may be gone, and its name is still its own.
 */
static int is_free(struct store *s, const char *path, struct err *e)
{
    int64_t one;
    if (is_there(path))
        return 0;
    int found = sql_int(s, e, &one, "SELECT 1 FROM sprites WHERE path = ?1", "s", path);
    return found < 0 ? -1 : !found;
}

static int move_file(struct store *s, int64_t id, const char *from, const char *wanted, bool trash,
                     struct err *e)
{
    char to[PATH_MAX];
    if (make_folders(wanted, 0777, e))
        return -1;
    for (int k = 1; k < 10000 && file_numbered(wanted, k, to); k++) {
        int rc = is_free(s, to, e);
        if (rc < 0)
            return -1;
        if (rc == 0)
            continue;
        rc = write_down(s, id, from, to, trash, e) ? -1 : carry_out(s, id, from, to, e);
        if (rc <= 0)
            return rc;
    }
    return err_set(e, "cannot move %s: there is no free name like %s", from, wanted);
}

static int to_or_from_trash(struct store *s, int64_t id, bool trash, struct err *e)
{
    char wanted[PATH_MAX];
    int n, rc = 0;
    struct move *m = sql_rows(s, &move_type, &n, e, SELECT_MOVES "WHERE id = ?1", "I", id);
    if (n <= 0)
        return row_changed(n, "sprite", id, e);
    bool known = trash ? trash_path(m->path, wanted) : home_path(m->path, wanted);
    if ((m->trashed > 0) == trash)
        rc = 0;
    else if (known && is_there(m->path))
        rc = move_file(s, id, m->path, wanted, trash, e);
    else
        rc = write_down(s, id, NULL, m->path, trash, e);
    rows_free(&move_type, m, n);
    return rc;
}

int store_trash(struct store *s, int64_t sprite, struct err *e)
{
    return to_or_from_trash(s, sprite, true, e);
}

int store_untrash(struct store *s, int64_t sprite, struct err *e)
{
    return to_or_from_trash(s, sprite, false, e);
}

void finish_moves(struct store *s)
{
    int n;
    struct move *m = sql_rows(s, &move_type, &n, NULL, SELECT_MOVES "WHERE moving IS NOT NULL", "");
    for (int i = 0; i < n; i++) {
        if (is_move(m[i].moving, m[i].path))
            carry_out(s, m[i].id, m[i].moving, m[i].path, NULL);
        else
            end_move(s, m[i].id, NULL);
    }
    rows_free(&move_type, m, n);
}
