/*
 * Checks as lines of JSON, appended to the file that $SPRITTY_RESULTS names: `make gpu-test` makes
 * its report of them, and has those that were made when something crashes.
 */
#ifndef SPRITTY_RESULTS_H
#define SPRITTY_RESULTS_H

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static inline void result_line(const char *suite, const char *backend, const char *check,
                               double error, double bound, bool passed, const char *why)
{
    const char *path = getenv("SPRITTY_RESULTS");
    FILE *f = path && *path ? fopen(path, "a") : NULL;
    if (!f)
        return;
    fprintf(f, "{\"suite\": \"%s\", \"backend\": \"%s\", \"check\": \"", suite, backend);
    for (; *check; check++)
        if (*check >= ' ' && *check != '"' && *check != '\\')
            fputc(*check, f);
    fprintf(f, isfinite(error) ? "\", \"error\": %.3g" : "\", \"error\": null", error);
    fprintf(f, ", \"bound\": %.3g, \"passed\": %s, \"why\": \"", bound, passed ? "true" : "false");
    for (; why && *why; why++)
        if (*why >= ' ' && *why != '"' && *why != '\\')
            fputc(*why, f);
    fprintf(f, "\"}\n");
    fclose(f);
}

#endif
