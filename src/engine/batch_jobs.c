/* See batch_jobs.h. */
#include "engine/batch_jobs.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "engine/finishing.h"
#include "engine/idset.h"
#include "engine/job.h"
#include "engine/save.h"

struct taken {     /* the lines that have it already, or 0 */
    long id, file; /* the id; one of the files that the job would write */
};

struct entry { /* a job of a file that is to be made */
    long long at;
    long line;
    struct taken taken;
    int model, kind; /* ranks: of what it needs, of what it goes together with */
    long times;      /* so many jobs of the file that read the same, with this one */
    uint64_t mark;   /* of its identity */
};

struct batch_jobs {
    struct batch_jobs_options o;
    struct job_reader *reader;
    char folder[PATH_MAX];
    struct idset ids, identities, files, models, kinds;
    long records; /* read so far, for shards */
    struct batch_counts counts;
    struct entry *entry;
    long entries, room, next;
};

bool batch_key_is_own(const struct settings_key *k)
{
    static const char *const own[] = {"prompt",  "negative", "seed",   "wildcard-seed", "styles",
                                      "dynamic", "output",   "device", "threads",       "raw"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (!strcmp(k->name, own[i]))
            return true;
    return finishing_key(k);
}

/* ---- a job as it is meant ---- */

static int complete(struct batch_jobs *b, struct batch_job *j, struct err *e)
{
    if (job_text_resolve(&j->text, b->folder, e) ||
        (b->o.flags && settings_fill(&j->text.settings, b->o.flags, e)))
        return -1;
    if (b->o.preset && !j->text.preset && !(j->text.preset = strdup(b->o.preset)))
        return err_set(e, "out of memory");
    return job_text_identity(&j->text, j->identity, e);
}

/* Its id: its own, or its identity's beginning. The second job that reads the same gets -2 behind
 * it, and an identity of its own. */
static void name(struct batch_job *j, long times)
{
    char all[100];
    if (j->text.id) {
        snprintf(j->id, sizeof j->id, "%s", j->text.id);
        return;
    }
    snprintf(j->id, sizeof j->id, "%.16s", j->identity);
    if (times < 2)
        return;
    snprintf(j->id + 16, sizeof j->id - 16, "-%ld", times);
    snprintf(all, sizeof all, "%s %ld", j->identity, times);
    struct idset_entry k = idset_key(all);
    snprintf(j->identity, sizeof j->identity, "%016llx%016llx%016llx%016llx",
             (unsigned long long)k.a, (unsigned long long)k.b, (unsigned long long)~k.a,
             (unsigned long long)~k.b);
}

/* Names a job that is read for the first time. */
static int name_new(struct batch_jobs *b, struct batch_job *j, long *times, struct taken *taken,
                    struct err *e)
{
    bool added;
    long *seen = j->text.id ? NULL : idset_put(&b->identities, idset_key(j->identity), 0, &added);
    if (!j->text.id && !seen)
        return err_set(e, "out of memory");
    if (seen)
        *times = ++*seen;
    name(j, *times);
    long *line = idset_put(&b->ids, idset_key(j->id), j->line, &added);
    if (!line)
        return err_set(e, "out of memory");
    taken->id = added ? 0 : *line;
    return 0;
}

/* Notes which files it writes, as far as the line itself says how many: those of a preset's batch
 * are compared when it is made (batch_feed.c). */
static int name_files(struct batch_jobs *b, const struct batch_job *j, long *taken, struct err *e)
{
    const struct settings *s = &j->text.settings;
    int n = settings_has(s, "batch") ? s->batch : 1;
    char full[PATH_MAX];
    struct err wrong; /* told when it is made */
    bool added;
    if (batch_output(j, full, &wrong))
        return 0;
    for (int i = 0; i < n; i++) {
        char *file = sprite_file(full, n, i);
        const long *line = file ? idset_put(&b->files, idset_key(file), j->line, &added) : NULL;
        free(file);
        if (!line)
            return err_set(e, "out of memory");
        if (!added && !*taken)
            *taken = *line;
    }
    return 0;
}

/* Another job has its id, and then this one has none, or one of its files; what was done with that
 * stays done. */
static int refuse_taken(const struct batch_jobs *b, struct batch_job *j, const struct taken *taken,
                        struct err *e)
{
    if (taken->id) {
        err_set(e, "%s:%ld: id '%s' is that of line %ld", b->o.path, j->line, j->id, taken->id);
        j->id[0] = '\0';
        return -1;
    }
    if (!taken->file || results_has(b->o.results, j->identity))
        return 0;
    const char *output = settings_text(&j->text.settings, "output");
    return err_set(e, "%s:%ld: the job of line %ld writes %.200s as well: name another output",
                   b->o.path, j->line, taken->file, output && *output ? output : j->id);
}

/* The reader's next one of this shard, named. As job_reader_next. Those of other shards are named
 * as well: they write into the same folder. */
static int read_one(struct batch_jobs *b, struct batch_job *j, long *times, struct taken *taken,
                    struct err *e)
{
    for (;;) {
        *j = (struct batch_job){.line = 0};
        *times = 0;
        *taken = (struct taken){0};
        int rc = job_reader_next(b->reader, &j->text, e);
        if (rc != 1 && rc != -1)
            return rc;
        bool ours = b->o.shards < 2 || b->records % b->o.shards == b->o.shard - 1;
        b->records++;
        j->line = job_reader_line(b->reader);
        b->counts.total += ours;
        if (rc == 1 && (complete(b, j, e) || name_new(b, j, times, taken, e)))
            rc = -1;
        if (rc == 1 && !taken->id && name_files(b, j, &taken->file, e))
            rc = -1;
        if (rc == 1 && ours && refuse_taken(b, j, taken, e))
            rc = -1;
        if (ours)
            return rc;
        job_text_free(&j->text);
    }
}

/* ---- the first reading ---- */

static int rank(struct idset *s, const struct job_text *t, struct err *e)
{
    bool added;
    char *text = job_text_print(t);
    long *at = text ? idset_put(s, idset_key(text), (long)s->used, &added) : NULL;
    free(text);
    return at ? (int)*at : err_set(e, "out of memory");
}

/* Takes from the text what does not matter for each rank. */
static int take_ranks(struct batch_jobs *b, struct job_text *t, struct entry *to, struct err *e)
{
    free(t->id);
    free(t->prompt);
    t->id = NULL;
    t->prompt = NULL;
    for (int i = 0; settings_key(i); i++)
        if (batch_key_is_own(settings_key(i)) && settings_has(&t->settings, settings_key(i)->name))
            settings_unset(&t->settings, settings_key(i)->name);
    if ((to->kind = rank(&b->kinds, t, e)) < 0)
        return -1;
    for (int i = 0; settings_key(i); i++) {
        const char *key = settings_key(i)->name;
        bool model = job_opens_model(key) || !strcmp(key, "lora") || !strcmp(key, "control");
        if (!model && settings_has(&t->settings, key))
            settings_unset(&t->settings, key);
    }
    return (to->model = rank(&b->models, t, e)) < 0 ? -1 : 0;
}

static struct entry *add_entry(struct batch_jobs *b, struct err *e)
{
    if (b->entries == b->room) {
        long room = b->room ? 2 * b->room : 256;
        struct entry *more = realloc(b->entry, (size_t)room * sizeof *more);
        if (!more) {
            err_set(e, "out of memory");
            return NULL;
        }
        b->entry = more;
        b->room = room;
    }
    struct entry *n = &b->entry[b->entries++];
    *n = (struct entry){.at = job_reader_at(b->reader), .line = job_reader_line(b->reader)};
    return n;
}

/* A job that is wrong comes last: what it needs is not known. */
static int note_wrong(struct batch_jobs *b, struct err *e)
{
    struct entry *n = add_entry(b, e);
    b->counts.wrong++;
    if (n)
        n->model = n->kind = INT_MAX;
    return n ? 0 : -1;
}

static int note_job(struct batch_jobs *b, struct batch_job *j, long times, struct err *e)
{
    if (results_has(b->o.results, j->identity)) {
        b->counts.already++;
        return 0;
    }
    results_forget(b->o.results, j->id);
    struct entry *n = add_entry(b, e);
    if (!n)
        return -1;
    n->times = times;
    n->mark = idset_key(j->identity).a;
    return take_ranks(b, &j->text, n, e);
}

static int by_rank(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->model != y->model)
        return x->model < y->model ? -1 : 1;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

static int read_all(struct batch_jobs *b, void (*tell)(void *, const char *), void *user,
                    struct err *e)
{
    struct batch_job j;
    struct taken taken;
    long times;
    int rc;
    while ((rc = read_one(b, &j, &times, &taken, e)) == 1 || rc == -1) {
        bool wrong = rc == -1;
        if (wrong && tell)
            tell(user, e->text);
        int failed = wrong ? note_wrong(b, e) : note_job(b, &j, times, e);
        if (wrong && !failed) {
            b->entry[b->entries - 1].taken = taken;
            b->entry[b->entries - 1].times = times;
        }
        if (wrong && j.id[0]) /* its line will say that it failed */
            results_forget(b->o.results, j.id);
        job_text_free(&j.text);
        if (failed)
            return -1;
    }
    if (b->entries > 0)
        qsort(b->entry, (size_t)b->entries, sizeof *b->entry, by_rank);
    return rc;
}

struct batch_jobs *batch_jobs_open(const struct batch_jobs_options *o,
                                   void (*tell)(void *, const char *), void *user, struct err *e)
{
    struct batch_jobs *b = calloc(1, sizeof *b);
    if (!b) {
        err_set(e, "out of memory");
        return NULL;
    }
    b->o = *o;
    const char *slash = strrchr(o->path, '/');
    snprintf(b->folder, sizeof b->folder, "%.*s",
             slash ? slash == o->path ? 1 : (int)(slash - o->path) : 1, slash ? o->path : ".");
    if ((b->reader = job_reader_open(o->path, e))) {
        b->counts.piped = !job_reader_goes_back(b->reader);
        if (b->counts.piped || read_all(b, tell, user, e) == 0)
            return b;
    }
    batch_jobs_close(b);
    return NULL;
}

void batch_jobs_close(struct batch_jobs *b)
{
    if (!b)
        return;
    job_reader_close(b->reader);
    idset_free(&b->ids);
    idset_free(&b->identities);
    idset_free(&b->files);
    idset_free(&b->models);
    idset_free(&b->kinds);
    free(b->entry);
    free(b);
}

void batch_jobs_counts(const struct batch_jobs *b, struct batch_counts *c)
{
    *c = b->counts;
}

/* ---- one after the other ---- */

/* From a pipe: the next that is not done. */
static int next_piped(struct batch_jobs *b, struct batch_job *j, struct err *e)
{
    for (;;) {
        struct taken taken;
        long times;
        int rc = read_one(b, j, &times, &taken, e);
        bool again = rc == 1 && results_has(b->o.results, j->identity);
        if (again || rc == -1)
            job_text_free(&j->text);
        b->counts.wrong += rc == -1;
        b->counts.already += again;
        if (!again)
            return rc;
    }
}

/* Of a file: what the first reading found. */
static int next_listed(struct batch_jobs *b, struct batch_job *j, struct err *e)
{
    if (b->next == b->entries)
        return 0;
    const struct entry *n = &b->entry[b->next++];
    *j = (struct batch_job){.line = n->line};
    if (job_reader_seek(b->reader, n->at, n->line, e))
        return -2;
    int rc = job_reader_next(b->reader, &j->text, e);
    if (rc == 0 || rc == -2)
        return rc ? -2 : err_set(e, "the file of jobs became shorter while it was read");
    if (rc == 1 && complete(b, j, e))
        rc = -1;
    if (rc == 1)
        name(j, n->times);
    if (rc == 1 && (n->taken.id || n->taken.file))
        rc = refuse_taken(b, j, &n->taken, e);
    else if (rc == 1 && idset_key(j->identity).a != n->mark)
        rc = err_set(e, "line %ld was changed while the file was read; run it again", n->line);
    if (rc == -1)
        job_text_free(&j->text);
    return rc;
}

int batch_jobs_next(struct batch_jobs *b, struct batch_job *j, struct err *e)
{
    return b->counts.piped ? next_piped(b, j, e) : next_listed(b, j, e);
}
