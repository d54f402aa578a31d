/* What the files of a batch's jobs are called; see batch_jobs.h. */
#include <stdio.h>
#include <string.h>

#include "engine/batch_jobs.h"

/* Spelt in one way, so that two jobs' names can be compared. */
static int plain_output(const char *said, char out[PATH_MAX], struct err *e)
{
    size_t used = 0, size = strlen(said);
    if (size >= PATH_MAX)
        return err_set(e, "output is too long");
    for (const char *at = said; *at;) {
        size_t n = strcspn(at, "/");
        if (*said == '/' || (n == 2 && !memcmp(at, "..", 2)))
            return err_set(e, "output '%.200s' leaves the folder of -o; name a file in it", said);
        if (n > 0 && !(n == 1 && *at == '.')) {
            memcpy(out + used, at, n);
            used += n;
            if (at[n])
                out[used++] = '/';
        }
        at += n + (at[n] == '/');
    }
    out[used] = '\0';
    return used > 0 && out[used - 1] != '/' ? 0 : err_set(e, "output '%.200s' is no file", said);
}

int batch_output(const struct batch_job *j, char full[PATH_MAX], struct err *e)
{
    const char *said = settings_text(&j->text.settings, "output");
    if (said && *said)
        return plain_output(said, full, e);
    snprintf(full, PATH_MAX, "%s.png", j->id);
    return 0;
}
