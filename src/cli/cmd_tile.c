/*
 * spritty tile: whether pictures go on where they begin again, and how that looks.
 *
 * A seam is told as a number and as words; the picture of 2x2 or 3x3 goes to the terminal and, with
 * -o, into a PNG.
 */
#include <stdlib.h>
#include <string.h>

#include "base/jsonw.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "sprite/image_file.h"
#include "sprite/tile.h"

static int take_repeat(const char *text, int *times, struct err *e)
{
    *times = 2;
    if (!text || !strcmp(text, "2"))
        return 0;
    *times = 3;
    return !strcmp(text, "3") ? 0 : err_set(e, "--repeat: '%.40s' is neither 2 nor 3", text);
}

static void tell_json(struct jsonw *w, const char *file, const struct tile_score *s)
{
    jsonw_open(w, NULL, '{');
    jsonw_string(w, "file", file);
    jsonw_real(w, "seam_x", s->x, 3);
    jsonw_real(w, "seam_y", s->y, 3);
    jsonw_real(w, "hidden_x", s->hidden_x, 3);
    jsonw_real(w, "hidden_y", s->hidden_y, 3);
    jsonw_bool(w, "tiles_x", s->good_x);
    jsonw_bool(w, "tiles_y", s->good_y);
    jsonw_u64(w, "cell", (uint64_t)s->cell);
    jsonw_close(w, '}');
}

static void tell(FILE *to, const char *file, const struct tile_score *s)
{
    char name[200];
    text_shown(file, name, sizeof name);
    fprintf(to, "%s: %s (seam across %.2f, down %.2f; 1 is a line like any other)\n", name,
            s->good_x && s->good_y ? "tiles"
            : s->good_x            ? "tiles across, not down"
            : s->good_y            ? "tiles down, not across"
                                   : "does not tile",
            s->x, s->y);
}

static int tile_one(const struct cli *cli, const char *file, int times, struct jsonw *w,
                    struct err *e)
{
    struct png_file f;
    struct image m, *all = NULL;
    struct tile_score s;
    struct progress p;
    if (image_load(file, &m, &f, e))
        return -1;
    int rc = tile_measure(&m, &s, e);
    if (!rc && !(all = tile_repeat(&m, times, times, e)))
        rc = -1;
    if (!rc && cli->flags.output)
        rc = image_save(cli->flags.output, all, NULL, 0, e);
    if (!rc) {
        progress_init(&p, stderr, cli->quiet);
        progress_picture(&p, all);
        bool picture = cli->flags.output && !strcmp(cli->flags.output, STDOUT_PATH);
        cli->json ? tell_json(w, file, &s) : tell(picture ? stderr : stdout, file, &s);
    }
    image_free(all);
    png_file_free(&f);
    return rc;
}

int cmd_tile(struct cli *cli)
{
    struct jsonw w = {0};
    struct err e = {""};
    int times, rc = 0;
    if (take_repeat(cli->repeat, &times, &e) ||
        (cli->flags.output && cli->nargs > 1 && err_set(&e, "-o is for the tiles of one picture")))
        return cli_fail(EXIT_USAGE, &e);
    if (cli->flags.output)
        rc = cli_check_output(cli, cli->flags.output, &e);
    jsonw_open(&w, NULL, '{');
    jsonw_open(&w, "files", '[');
    for (int i = 0; i < cli->nargs && !rc; i++)
        rc = tile_one(cli, cli->args[i], times, &w, &e);
    jsonw_close(&w, ']');
    jsonw_close(&w, '}');
    if (!rc && cli->json)
        rc = cli_put_json(&w, &e);
    free(jsonw_take(&w));
    return rc ? cli_fail(EXIT_FAILED, &e) : EXIT_DONE;
}
