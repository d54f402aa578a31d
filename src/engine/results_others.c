/* See results_others.h. */
#include "engine/results_others.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mapfile.h"
#include "engine/idset.h"

enum { JOB_DIGITS = 64 };

struct line {
    int file;
    size_t at, size;
};

struct results_others {
    char **path;
    int paths;
    struct line *line;
    long lines, room;
    struct idset jobs; /* to the line */
};

/* ---- names ---- */

/* A file's name without its part and ending: "jobs-results" of jobs-results-1of4.jsonl. */
struct name {
    size_t stem;
    const char *ending;
};

static const char *digits_before(const char *from, const char *end)
{
    while (end > from && isdigit((unsigned char)end[-1]))
        end--;
    return end;
}

static struct name take_apart(const char *name)
{
    const char *dot = strrchr(name, '.');
    const char *end = dot && dot > name ? dot : name + strlen(name);
    const char *of = digits_before(name, end);
    struct name n = {(size_t)(end - name), end};
    if (of == end || of < name + 2 || strncmp(of - 2, "of", 2) != 0)
        return n;
    const char *part = digits_before(name, of - 2);
    if (part < of - 2 && part > name && part[-1] == '-')
        n.stem = (size_t)(part - 1 - name);
    return n;
}

static bool is_other(const char *name, const char *own)
{
    struct name a = take_apart(name), b = take_apart(own);
    return a.stem == b.stem && !strncmp(name, own, a.stem) && !strcmp(a.ending, b.ending) &&
           strcmp(name, own) != 0;
}

/* ---- reading ---- */

/* As results.c writes it: who did, "status": "done", ..., "job": "<64 hex digits>"}. */
static const char *job_of(const char *line, size_t size)
{
    static const char done[] = "\"status\": \"done\"", end[] = "\"}";
    size_t tail = JOB_DIGITS + sizeof end - 1;
    if (size < tail || memcmp(line + size - 2, end, 2) != 0 ||
        !memmem(line, size, done, sizeof done - 1))
        return NULL;
    return line + size - tail;
}

static bool add_line(struct results_others *o, const char *job, struct line l)
{
    char text[JOB_DIGITS + 1];
    bool added;
    if (o->lines == o->room) {
        long room = o->room ? 2 * o->room : 256;
        struct line *more = realloc(o->line, (size_t)room * sizeof *more);
        if (!more)
            return false;
        o->line = more;
        o->room = room;
    }
    memcpy(text, job, JOB_DIGITS);
    text[JOB_DIGITS] = '\0';
    if (!idset_put(&o->jobs, idset_key(text), o->lines, &added))
        return false;
    o->line[o->lines] = l;
    o->lines += added;
    return true;
}

static void read_lines(struct results_others *o, int file, const char *data, size_t size)
{
    size_t at = 0;
    for (const char *end; at < size && (end = memchr(data + at, '\n', size - at));) {
        size_t n = (size_t)(end - data) - at;
        const char *job = job_of(data + at, n);
        if (job && !add_line(o, job, (struct line){file, at, n}))
            return;
        at += n + 1;
    }
}

static void read_file(struct results_others *o, const char *folder, const char *name)
{
    struct path path;
    struct mapfile m;
    struct err ignored;
    char **more = realloc(o->path, ((size_t)o->paths + 1) * sizeof *more);
    if (!more)
        return;
    o->path = more;
    if (path_join(&path, folder, name, &ignored) || mapfile_open(&m, path.text, &ignored))
        return;
    if ((o->path[o->paths] = strdup(path.text))) {
        o->paths++;
        read_lines(o, o->paths - 1, (const char *)m.data, m.size);
    }
    mapfile_close(&m);
}

struct results_others *results_others_open(const char *path)
{
    struct results_others *o = calloc(1, sizeof *o);
    const char *slash = strrchr(path, '/'), *own = slash ? slash + 1 : path;
    char *folder = slash ? strndup(path, (size_t)(own - path)) : strdup("./");
    DIR *d = o && folder ? opendir(folder) : NULL;
    for (struct dirent *f; d && (f = readdir(d));)
        if (is_other(f->d_name, own))
            read_file(o, folder, f->d_name);
    if (d)
        closedir(d);
    free(folder);
    if (o && o->lines > 0)
        return o;
    results_others_close(o);
    return NULL;
}

char *results_others_line(const struct results_others *o, const char *job, size_t *size)
{
    const long *at = o ? idset_find(&o->jobs, idset_key(job)) : NULL;
    if (!at)
        return NULL;
    const struct line *l = &o->line[*at];
    char *text = malloc(l->size + 1);
    int fd = text ? open(o->path[l->file], O_RDONLY | O_CLOEXEC) : -1;
    ssize_t n = fd >= 0 ? pread(fd, text, l->size, (off_t)l->at) : -1;
    if (fd >= 0)
        close(fd);
    if (n != (ssize_t)l->size) {
        free(text);
        return NULL;
    }
    text[l->size] = '\0';
    *size = l->size;
    return text;
}

void results_others_close(struct results_others *o)
{
    if (!o)
        return;
    for (int i = 0; i < o->paths; i++)
        free(o->path[i]);
    free(o->path);
    free(o->line);
    idset_free(&o->jobs);
    free(o);
}
