/* See gen_queue.h. */
#include "cli/gen_queue.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/jsonw.h"
#include "queue/once.h"
#include "sprite/image_file.h"
#include "sprite/png.h"

struct going {
    const struct cli *cli;
    struct progress *progress;
    bool (*stop)(void);
    double total, finish, save; /* milliseconds */
};

static bool on_step(void *user, const struct gen_progress *p)
{
    struct going *g = user;
    progress_event(g->progress, p);
    return !g->stop();
}

static void on_note(void *user, const char *text)
{
    struct going *g = user;
    progress_note(g->progress, text);
}

/* Is it JSON, with nothing in it that a terminal would obey? A worker wrote most of it. */
static bool is_good(const char *text)
{
    struct err ignored;
    struct json_doc *doc = json_parse(text, strlen(text), "the picture", &ignored);
    char *safe = doc ? strdup(text) : NULL;
    if (safe)
        text_sanitize(safe);
    bool good = safe && strcmp(safe, text) == 0;
    free(safe);
    json_free(doc);
    return good;
}

/* The first picture's own story, behind the names of all, with the times that no picture knows. */
static int report_json(const struct going *g, const struct png_file *png, char *const *files,
                       int count, struct err *e)
{
    struct jsonw w = {0};
    const char *chunk = png_find_text(png, "spritty");
    jsonw_open(&w, NULL, '{');
    jsonw_open(&w, "files", '[');
    for (int i = 0; i < count; i++)
        jsonw_string(&w, NULL, files[i]);
    jsonw_close(&w, ']');
    jsonw_close(&w, '}');
    char *text = jsonw_take(&w);
    const char *ms = chunk ? strstr(chunk, "\"ms\": {") : NULL,
               *at = ms ? strchr(ms, '{') + 1 : NULL;
    char *all = NULL;
    if (text && at && *chunk == '{' &&
        asprintf(&all, "%.*s, %.*s\"total\": %.2f, \"finish\": %.2f, \"save\": %.2f, %s",
                 (int)strlen(text) - 1, text, (int)(at - chunk - 1), chunk + 1, g->total, g->finish,
                 g->save, at) < 0)
        all = NULL;
    bool good = all && is_good(all);
    if (good)
        puts(all);
    free(all);
    free(text);
    return good ? 0
                : err_set(e, "%s: the worker's picture does not tell how it was made", files[0]);
}

static int report(const struct going *g, const struct job *j, char *const *files, struct err *e)
{
    struct png_file png;
    if (png_load(files[0], true, &png, e))
        return -1;
    const struct image first = {png.width, png.height, png.rgba};
    if (!g->cli->quiet) {
        progress_picture(g->progress, &first);
        fprintf(stderr, "%dx%d  %d colours  seed %llu  %.2f s\n", first.width, first.height,
                image_colors(&first), (unsigned long long)j->params.seed, g->total / 1e3);
    }
    int rc = g->cli->json ? report_json(g, &png, files, j->params.batch, e) : 0;
    for (int i = 0; !g->cli->json && !rc && i < j->params.batch; i++)
        rc = cli_put_file(files[i], e);
    png_file_free(&png);
    return rc;
}

int gen_through_queue(const struct cli *cli, const struct job *j, char *const *files,
                      struct progress *progress, bool (*stop)(void), struct err *e)
{
    struct going g = {.cli = cli, .progress = progress, .stop = stop};
    struct once o = {.url = j->settings.device,
                     .settings = &j->settings, /* all layers, with the seed that was drawn */
                     .words = cli->args[0],
                     .files = files,
                     .count = j->params.batch,
                     .step = on_step,
                     .note = on_note,
                     .user = &g};
    double start = clock_ms();
    int rc = queue_once(&o, &g.finish, &g.save, e);
    g.total = clock_ms() - start;
    progress_finish(progress);
    return rc ? -1 : report(&g, j, files, e);
}
