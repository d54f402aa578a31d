/* NAME.part and the tag beside it; see fetch_priv.h. */
#include "pull/fetch_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fileio.h"

enum { SPARE = 16 << 20, LOOK_EACH = 4 << 20 };

int part_open(struct load *l, struct err *e)
{
    for (int tries = 0; tries < 3; tries++) {
        struct stat mine, there;
        l->fd = open(l->part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (l->fd < 0)
            return err_set(e, "cannot write %s: %s", l->part, file_reason(errno));
        if (flock(l->fd, LOCK_EX | LOCK_NB))
            return err_set(e, "%s is being loaded by another spritty right now", l->f->to);
        /* The other one may have finished, and renamed it, in between. */
        if (!fstat(l->fd, &mine) && !lstat(l->part, &there) && mine.st_ino == there.st_ino &&
            S_ISREG(mine.st_mode)) {
            l->have = (uint64_t)mine.st_size;
            return 0;
        }
        close(l->fd);
        l->fd = -1;
    }
    return err_set(e, "%s is no regular file, or another spritty keeps it busy", l->part);
}

int part_begin_anew(struct load *l, struct err *e)
{
    l->have = 0;
    l->marked = 0;
    l->tag[0] = '\0';
    if (ftruncate(l->fd, 0))
        return err_set(e, "cannot write %s: %s", l->part, file_reason(errno));
    return 0;
}

/* "tag\nhash\nsize\n" of what lies in the part. */
int part_keep_tag(struct load *l)
{
    char text[2 * TAG_MAX + 40];
    int n = snprintf(text, sizeof text, "%s\n%s\n%lld\n", l->tag, l->hash, (long long)l->size);
    return file_write_atomic(l->tag_file, text, (size_t)n, &l->why);
}

bool part_goes_on(struct load *l)
{
    size_t size;
    struct err ignored;
    char *text = file_read(l->tag_file, 2 * TAG_MAX + 40, &size, &ignored), *rest = text;
    char *tag = text ? strsep(&rest, "\n") : NULL, *hash = rest ? strsep(&rest, "\n") : NULL;
    char *bytes = rest ? strsep(&rest, "\n") : NULL;
    long long said = bytes ? strtoll(bytes, NULL, 10) : -1;
    bool same = bytes && !strcmp(hash, l->hash) && (*tag || *hash) &&
                (l->size < 0 || said < 0 || said == l->size) &&
                (l->size < 0 || (int64_t)l->have <= l->size);
    if (same)
        snprintf(l->tag, sizeof l->tag, "%s", tag);
    free(text);
    return same;
}

int part_has_room(struct load *l, struct err *e)
{
    const struct fetch *f = l->f;
    struct statvfs v;
    uint64_t rest = l->size > 0 ? (uint64_t)l->size - l->have : 0;
    uint64_t spare = f->options && f->options->spare ? f->options->spare : SPARE;
    bool soon = l->have >= l->looked_at && l->have - l->looked_at < LOOK_EACH;
    if ((soon && l->looked_at) || (l->size >= 0 && !rest))
        return 0;
    l->looked_at = l->have ? l->have : 1;
    if (fstatvfs(l->fd, &v))
        return 0;
    uint64_t room = (uint64_t)v.f_bavail * v.f_frsize;
    if (room >= spare && room - spare >= rest)
        return 0;
    if (l->size >= 0)
        return err_set(e, "%s takes %.0f MB more, and there are %.0f MB free on that disk%s", f->to,
                       (double)(rest + spare) / 1e6, (double)room / 1e6,
                       l->have ? "; what was loaded stays for the next time" : "");
    if (!l->have)
        return err_set(e,
                       "%s: the server does not say how large it is, and there are %.0f MB free "
                       "on that disk",
                       f->to, (double)room / 1e6);
    return err_set(e,
                   "%s: %.0f MB of it came, the server does not say how much more there is, and "
                   "there are %.0f MB free on that disk; to have those of %s back, delete it",
                   f->to, (double)l->have / 1e6, (double)room / 1e6, l->part);
}
