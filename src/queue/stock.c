/* See stock.h. */
#include "queue/stock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "engine/job.h"
#include "queue/model_hash.h"

int stock_add(struct stock *s, const char *name, struct err *e)
{
    if (s->n == STOCK_MAX)
        return err_set(e, "over %d models: name those that it is to work with (-m)", STOCK_MAX);
    char *path = s->at[s->n].path;
    if (find_model(name, path, e) || model_stamp(path, s->at[s->n].stamp, e) ||
        model_hash(path, s->at[s->n].hash, e))
        return -1;
    s->n++;
    return 0;
}

int stock_add_all(struct stock *s, void (*say)(void *user, const char *line), void *user,
                  struct err *e)
{
    char **names, line[400];
    int n = engine_models(&names);
    for (int i = 0; i < n; i++) {
        struct err why;
        if (stock_add(s, names[i], &why))
            snprintf(line, sizeof line, "%.60s is left out: %.300s", names[i], why.text);
        else
            snprintf(line, sizeof line, "model %.200s is %.12s", names[i], s->at[s->n - 1].hash);
        say(user, line);
        free(names[i]);
    }
    free(names);
    return s->n ? 0 : err_set(e, "there is no model here to work with");
}

/* Whether it is what it was when it was added. */
static bool is_still(const char *path, const char *stamp, const char *hash)
{
    char now[65];
    if (model_stamp(path, now, NULL) == 0 && !strcmp(now, stamp))
        return true;
    return model_hash(path, now, NULL) == 0 && !strcmp(now, hash);
}

const char *stock_find(const struct stock *s, const char *hash)
{
    for (int i = 0; i < s->n; i++)
        if (!strcmp(s->at[i].hash, hash) && is_still(s->at[i].path, s->at[i].stamp, hash))
            return s->at[i].path;
    return NULL;
}
