/* spritty pull: downloads with a bar; without a name, what there is to download. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/jsonw.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "pull/pull.h"

/* ---- the bar ---- */

struct view {
    struct progress to; /* where to, how wide */
    enum pull_stage stage;
    char file[160];
    bool drawn;
};

static void put_time(double s, char *out, size_t size)
{
    if (s < 0 || s > 99 * 3600)
        *out = '\0';
    else if (s < 90)
        snprintf(out, size, "  %.0f s left", s);
    else
        snprintf(out, size, "  %.0f min left", s / 60);
}

static void put_bar(const struct view *v, double share, int cells, char *out, size_t size)
{
    size_t n = 0;
    for (int i = 0; i < cells && n + 4 < size; i++)
        n += (size_t)snprintf(out + n, size - n, "%s",
                              v->to.utf8 ? (share * cells > i ? "━" : "─")
                                         : (share * cells > i ? "#" : "-"));
}

static void draw(const struct view *v, const struct pull_progress *p)
{
    char bar[120] = "", left[40] = "";
    double share = p->total ? (double)p->bytes / (double)p->total : 0;
    int cells = v->to.columns - 70;
    put_bar(v, share, cells > 24 ? 24 : cells, bar, sizeof bar);
    if (p->stage == PULL_LOADING && p->rate > 0 && p->total)
        put_time((double)(p->total - p->bytes) / p->rate, left, sizeof left);
    fprintf(v->to.to, "\r\033[K");
    if (p->stage == PULL_WAITING)
        fprintf(v->to.to, "%.*s; trying again", v->to.columns - 20, p->why);
    else if (p->stage == PULL_ASKING)
        fprintf(v->to.to, "%.40s  asking", p->file);
    else
        fprintf(v->to.to, "%.40s  %s%s %.1f of %.1f MB%s", p->file,
                p->stage == PULL_CHECKING ? "checking " : "", bar, (double)p->bytes / 1e6,
                (double)p->total / 1e6, left);
    fflush(v->to.to);
}

/* Not on a terminal: a line a file, and one for each new try. */
static void say(struct view *v, const struct pull_progress *p)
{
    bool other = strcmp(v->file, p->file) != 0;
    if (p->stage == v->stage && !other)
        return;
    if (p->stage == PULL_LOADING && (other || v->stage == PULL_ASKING))
        fprintf(v->to.to, "%s  from %.1f of %.1f MB\n", p->file, (double)p->bytes / 1e6,
                (double)p->total / 1e6);
    if (p->stage == PULL_WAITING)
        fprintf(v->to.to, "%s; trying again\n", p->why);
    fflush(v->to.to);
}

static bool on_progress(void *user, const struct pull_progress *p)
{
    struct view *v = user;
    if (!v->to.quiet && v->to.terminal) {
        draw(v, p);
        v->drawn = true;
    } else if (!v->to.quiet) {
        say(v, p);
    }
    v->stage = p->stage;
    snprintf(v->file, sizeof v->file, "%s", p->file);
    return !interrupted();
}

/* ---- the list ---- */

static int list_json(struct err *e)
{
    struct jsonw w = {0};
    const struct pull_entry *p;
    char path[PATH_MAX];
    jsonw_open(&w, NULL, '{');
    jsonw_open(&w, "names", '[');
    for (int i = 0; (p = pull_entry(i)); i++) {
        bool here = pull_is_here(i, path);
        jsonw_open(&w, NULL, '{');
        jsonw_string(&w, "name", p->name);
        jsonw_string(&w, "what", p->what);
        jsonw_string(&w, "licence", p->licence);
        jsonw_u64(&w, "bytes", p->bytes);
        jsonw_string(&w, "path", here ? path : NULL);
        jsonw_close(&w, '}');
    }
    jsonw_close(&w, ']');
    jsonw_close(&w, '}');
    return cli_put_json(&w, e);
}

static void list(void)
{
    const struct pull_entry *p;
    for (int i = 0; (p = pull_entry(i)); i++)
        printf("%-21s %7.0f MB  %-9s %-38s %s\n", p->name, (double)p->bytes / 1e6,
               pull_is_here(i, NULL) ? "here" : "-", p->what, p->licence);
    printf("\nAlso owner/repo/FILE.safetensors of the Hugging Face hub, or an https URL.\n");
}

/* ---- the command ---- */

static int report(const struct cli *cli, const struct pull_result *r, struct err *e)
{
    struct jsonw w = {0};
    if (r->unverified)
        cli_note(cli, "the server gives no hash: length and form alone were checked");
    if (!cli->json) {
        char *path = strdup(r->path);
        if (!path)
            return err_set(e, "out of memory");
        text_sanitize(path);
        printf("%s%s\n", path, r->fetched ? "" : " (there already)");
        free(path);
        return 0;
    }
    jsonw_open(&w, NULL, '{');
    jsonw_string(&w, "path", r->path);
    jsonw_u64(&w, "files", (uint64_t)r->files);
    jsonw_u64(&w, "fetched", (uint64_t)r->fetched);
    jsonw_bool(&w, "verified", !r->unverified);
    jsonw_close(&w, '}');
    return cli_put_json(&w, e);
}

int cmd_pull(struct cli *cli)
{
    struct view v = {.stage = PULL_DONE};
    struct pull_options o = {.progress = on_progress, .user = &v};
    struct pull_result r;
    struct err e = {""};
    int rc = 0;
    if (cli->nargs == 0 && cli->json)
        rc = list_json(&e);
    else if (cli->nargs == 0)
        list();
    if (cli->nargs == 0)
        return rc ? cli_fail(EXIT_FAILED, &e) : EXIT_DONE;
    interrupts_catch();
    progress_init(&v.to, stderr, cli->quiet);
    rc = pull_run(cli->args[0], &o, &r, &e);
    if (v.drawn)
        fputs("\r\033[K", stderr);
    if (!rc)
        rc = report(cli, &r, &e);
    return rc ? cli_fail(EXIT_FAILED, &e) : EXIT_DONE;
}
