/* The engine's open model. It stays open until a job has another key (job_model_key), or until its
 * files are replaced. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine_priv.h"
#include "engine/meta.h"

void model_close(struct engine *x)
{
    struct open_model *m = &x->model;
    token_counter_release(m->tokens);
    pipeline_close(m->pipeline);
    free(m->key);
    *m = (struct open_model){0};
}

static int load(struct open_model *m, const struct job *j, const struct gen_hooks *hooks,
                struct err *e)
{
    struct pipeline_options options = j->options;
    options.hooks = hooks;
    if (!(m->pipeline = pipeline_open(j->model, &options, e)))
        return -1;
    m->tokens = token_counter_new(pipeline_tokenizer(m->pipeline, 0),
                                  pipeline_tokenizer(m->pipeline, 1));
    if (!m->tokens)
        return err_set(e, "out of memory");
    return 0;
}

static void tell_ready(struct engine *x, const struct job *j, int64_t id)
{
    const struct open_model *m = &x->model;
    struct event *v = event_new(EVENT_READY, id);
    if (!v)
        return;
    v->text = safe_text(j->model_name);
    v->tokens = token_counter_hold(m->tokens);
    snprintf(v->device, sizeof v->device, "%s", pipeline_device(m->pipeline));
    snprintf(v->precision, sizeof v->precision, "%s", pipeline_precision(m->pipeline));
    pipeline_memory(m->pipeline, &v->bytes_weights, &v->bytes_activations);
    emit(x, v);
}

bool model_is_open(const struct engine *x, const struct job *j)
{
    char *key = job_model_key(j, j->options.device, j->options.threads);
    bool same = key && x->model.key && !strcmp(x->model.key, key) &&
                !pipeline_changed(x->model.pipeline);
    free(key);
    return same;
}

int model_open(struct engine *x, const struct job *j, const struct gen_hooks *hooks, int64_t id,
               struct err *e)
{
    struct event *v = event_new(EVENT_LOADING, id);
    if (v)
        v->text = safe_text(j->model_name);
    emit(x, v);
    model_close(x); /* two at once may be more than the memory holds */
    if (!(x->model.key = job_model_key(j, j->options.device, j->options.threads)))
        return err_set(e, "out of memory");
    if (load(&x->model, j, hooks, e) < 0) {
        model_close(x);
        return -1;
    }
    tell_ready(x, j, id);
    meta_model_hash(j->model, x->model.hash); /* takes a moment */
    return 0;
}
