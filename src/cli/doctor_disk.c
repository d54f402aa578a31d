/* Doctor's lines about folders: are they there, may we write, and how much fits? */
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/mapfile.h"
#include "cli/doctor.h"

void facts_disk(struct disk_facts *f, const char *folder)
{
    struct statvfs s;
    memset(f, 0, sizeof *f);
    snprintf(f->folder, sizeof f->folder, "%s", folder);
    for (size_t n = strlen(f->folder); n > 1 && f->folder[n - 1] == '/'; n--)
        f->folder[n - 1] = '\0';
    char *slash;
    while (!folder_exists(f->folder) && (slash = strrchr(f->folder, '/')) && slash > f->folder)
        *slash = '\0';
    if (!folder_exists(f->folder))
        snprintf(f->folder, sizeof f->folder, "/");
    f->writable = access(f->folder, W_OK | X_OK) == 0;
    if (statvfs(f->folder, &s) == 0) {
        f->free_bytes = (uint64_t)s.f_bavail * s.f_frsize;
        f->bytes = (uint64_t)s.f_blocks * s.f_frsize;
    }
}

/* models: it is where downloads go, so a whole SDXL should fit. */
void doctor_disk(struct checks *all, const char *name, const struct disk_facts *f, bool models)
{
    double gb = (double)f->free_bytes / 1e9;
    bool tight = gb < (models ? 8 : 0.5);
    enum check_status status = !f->writable ? CHECK_MISSING : tight ? CHECK_WARNING : CHECK_GOOD;
    struct check *c = check_add(all, name, status, "%.1f GB free of %.1f GB in %.200s", gb,
                                (double)f->bytes / 1e9, f->folder);
    text_sanitize(c->value);
    if (!f->writable)
        check_hint(c, "nothing can be written there: set XDG_DATA_HOME to a folder of your own");
    else if (tight && models)
        check_hint(c, "sprites fit, a download of SDXL (7 GB) does not: make room, or set "
                      "XDG_DATA_HOME to a larger disk");
    else if (tight)
        check_hint(c, "make room");
}
