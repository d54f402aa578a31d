/* spritty export: a ComfyUI workflow that makes a sprite of ours, or any picture that import reads.
 */
#include <stdlib.h>
#include <string.h>

#include "base/fileio.h"
#include "base/mapfile.h"
#include "cli/options.h"
#include "engine/job.h"
#include "import/comfy_export.h"
#include "import/source.h"
#include "import/write_preset.h"

/* What a picture of ours always says, for texts that do not. */
static int fill_in(struct settings *s, struct err *e)
{
    static const char *const usual[][2] = {{"steps", "20"},         {"cfg", "7"},
                                           {"size", "1024x1024"},   {"sampler", "euler"},
                                           {"scheduler", "normal"}, {"seed", "0"}};
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        if (!settings_has(s, usual[i][0]) && settings_set(s, usual[i][0], usual[i][1], e))
            return -1;
    return 0;
}

static int export(struct cli *cli, struct recipe *r, struct settings *s, struct err *e)
{
    char prefix[64], model[PATH_MAX];
    struct err ignored;
    if (settings_has(&cli->flags, "output") && cli_check_output(cli, cli->flags.output, e))
        return -1;
    if (import_file(cli->args[0], r, e) || recipe_settle(r, s, e) || fill_in(s, e))
        return -1;
    preset_name_from(cli->args[0], prefix);
    char *text = comfy_export(s, prefix, r, e);
    if (text && settings_has(s, "model") && !find_model(s->model, model, &ignored) &&
        folder_exists(model))
        recipe_note(r,
                    "model = %s is a folder; ComfyUI loads single files: put one of that name, "
                    "ending in .safetensors, into its models/checkpoints",
                    s->model);
    if (!text)
        return err_prefix(e, "%s", cli->args[0]);
    int rc = 0;
    if (settings_has(&cli->flags, "output"))
        rc = file_write_atomic(cli->flags.output, text, strlen(text), e);
    else
        puts(text);
    free(text);
    for (int i = 0; i < r->notes; i++)
        cli_note(cli, "%s", r->note[i]);
    return rc;
}

int cmd_export(struct cli *cli)
{
    struct recipe r = {.count = 0};
    struct settings s = {.width = 0};
    struct err e = {""};
    int rc = export(cli, &r, &s, &e);
    settings_free(&s);
    recipe_free(&r);
    return rc ? cli_fail(EXIT_FAILED, &e) : EXIT_DONE;
}
