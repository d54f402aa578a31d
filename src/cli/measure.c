/* See measure.h. */
#include "cli/measure.h"

#include <string.h>

static int said(const char *text, enum rates_from *from, struct err *e)
{
    if (!text || !strcmp(text, "auto"))
        *from = RATES_NEEDED;
    else if (!strcmp(text, "never"))
        *from = RATES_KEPT;
    else if (!strcmp(text, "again"))
        *from = RATES_ANEW;
    else
        return err_set(e, "--measure: '%.40s' is neither auto, never nor again", text);
    return 0;
}

int cli_measure_check(const struct cli *cli, struct err *e)
{
    enum rates_from from;
    return said(cli->measure, &from, e);
}

int cli_measure(const struct cli *cli, const struct pipeline_options *o, struct rates *r,
                bool (*go_on)(void *), struct err *e)
{
    enum rates_from from;
    if (said(cli->measure, &from, e))
        return -1;
    int rc = from == RATES_ANEW ? 1 : pipeline_rates(o, RATES_KEPT, r, NULL, NULL, e);
    if (rc < 0 || from == RATES_KEPT || (rc == 0 && !rates_doubtful(r)))
        return rc;
    if (!cli->quiet)
        fprintf(stderr, "spritty: measuring this machine%s\n",
                rc == 0 ? " again: others were using it the last time" : "; this is done once");
    return pipeline_rates(o, from, r, go_on, NULL, e);
}
