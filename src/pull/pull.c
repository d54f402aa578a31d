/* See pull.h: what is meant, and the thread. */
#include "pull/pull.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "base/paths.h"
#include "pull/check.h"
#include "pull/fetch.h"

#define HUB "https://huggingface.co"

struct source {
    char hub[URL_MAX], data[PATH_MAX];
    const char *token;
    const struct pull_options *options;
    struct pull_result *result;
};

/* ---- surroundings ---- */

static int take_hub(struct source *s, struct err *e)
{
    const char *said = getenv("SPRITTY_HUB");
    if (!said || !*said)
        said = getenv("HF_ENDPOINT");
    snprintf(s->hub, sizeof s->hub, "%.1000s", said && *said ? said : HUB);
    for (size_t n = strlen(s->hub); n > 8 && s->hub[n - 1] == '/'; n--)
        s->hub[n - 1] = '\0';
    return url_check(s->hub, e);
}

/* A token that could write a header of its own is none. */
static int take_token(struct source *s, struct err *e)
{
    const char *token = getenv("HF_TOKEN");
    if (!token || !*token)
        return 0;
    for (const char *c = token; *c; c++)
        if (*c <= ' ' || *c > '~')
            return err_set(e, "HF_TOKEN holds a character that no token has");
    if (strlen(token) > 500)
        return err_set(e, "HF_TOKEN is too long for a token");
    s->token = token;
    return 0;
}

static int take_folder(struct source *s, struct err *e)
{
    if (!place_path(PLACE_DATA, "", s->data))
        return err_set(e, "there is no folder to put it into: %s", place_advice(PLACE_DATA));
    size_t n = strlen(s->data);
    if (n > 1 && s->data[n - 1] == '/')
        s->data[n - 1] = '\0';
    return 0;
}

static int one_file(const struct source *s, const char *url, const char *to, enum pull_kind kind,
                    int index, int count, struct err *e)
{
    struct fetch f = {.url = url,
                      .token = s->token,
                      .origin = s->hub,
                      .data = s->data,
                      .kind = kind,
                      .options = s->options,
                      .progress = {.index = index, .count = count}};
    snprintf(f.to, sizeof f.to, "%s", to);
    int rc = fetch_file(&f, e);
    if (rc)
        return -1;
    s->result->files++;
    s->result->fetched += f.fetched;
    s->result->unverified |= f.unverified;
    snprintf(s->result->path, sizeof s->result->path, "%s", f.path);
    return 0;
}

static int hub_url(const struct source *s, const char *repo, const char *file, char url[URL_MAX],
                   struct err *e)
{
    int n = snprintf(url, URL_MAX, "%s/%s/resolve/main/%s", s->hub, repo, file);
    return n > 0 && n < URL_MAX ? 0 : err_set(e, "the URL is too long");
}

/* ---- short names ---- */

static int pull_named(const struct source *s, int i, struct err *e)
{
    struct pull_file files[PULL_MAX_FILES];
    char url[URL_MAX];
    int count = pull_files(i, files);
    for (int k = 0; k < count; k++)
        if (hub_url(s, files[k].repo, files[k].file, url, e) ||
            one_file(s, url, files[k].to, files[k].kind, k, count, e))
            return -1;
    return 0;
}

/* ---- owner/repo[/file] ---- */

static int pull_hub_file(const struct source *s, const char *repo, const char *file, struct err *e)
{
    char url[URL_MAX], name[NAME_MAX_BYTES + 1], to[300];
    if (!url_file_name(file, name))
        return err_set(e, "'%.100s' is no name for a file", file);
    if (pull_check_name(name, e) || hub_url(s, repo, file, url, e))
        return -1;
    /* Many repositories call theirs by one of these names: the repository's says more. */
    const char *dot = strrchr(name, '.');
    bool vague = !strcasecmp(dot, ".safetensors") &&
                 (!strncmp(name, "diffusion_pytorch_model.", 24) ||
                  !strncmp(name, "pytorch_lora_weights.", 21) || !strncmp(name, "model.", 6));
    if (vague)
        snprintf(to, sizeof to, "models/%.*s.safetensors", NAME_MAX_BYTES, strchr(repo, '/') + 1);
    else
        snprintf(to, sizeof to, "models/%s", name);
    return one_file(s, url, to, KIND_ANY, 0, 1, e);
}

/* Which of a repository's files is meant, when there is but one that can be. */
static int choose(const struct source *s, const char *repo, struct json root, struct err *e)
{
    char list[400] = "";
    const char *only = NULL;
    int count = 0;
    struct json siblings = json_get(root, "siblings");
    for (struct json v = json_first(siblings); v.node; v = json_next(v)) {
        const char *name = json_as_string(json_get(v, "rfilename"));
        size_t n = name ? strlen(name) : 0, used = strlen(list);
        if (n < 13 || strcasecmp(name + n - 12, ".safetensors") || !url_is_plain_path(name))
            continue;
        only = name;
        count++;
        snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "", name);
    }
    if (count == 1)
        return pull_hub_file(s, repo, only, e);
    if (count == 0)
        return err_set(e, "%s has no .safetensors file that could be pulled", repo);
    return err_set(e, "%s has %d files; name one: spritty pull %s/FILE with one of %.300s", repo,
                   count, repo, list);
}

static int pull_repo(const struct source *s, const char *repo, struct err *e)
{
    char url[URL_MAX];
    struct fetch like = {.token = s->token, .origin = s->hub, .options = s->options};
    int n = snprintf(url, sizeof url, "%s/api/models/%s", s->hub, repo);
    if (n < 0 || n >= URL_MAX)
        return err_set(e, "the URL is too long");
    snprintf(like.progress.file, sizeof like.progress.file, "%.150s", repo);
    like.progress.count = 1;
    char *text = fetch_text(url, &like, 8 << 20, e);
    struct json_doc *doc = text ? json_parse(text, strlen(text), repo, e) : NULL;
    int rc = doc ? choose(s, repo, json_root(doc), e) : -1;
    json_free(doc);
    free(text);
    return rc;
}

static int pull_path(const struct source *s, const char *what, struct err *e)
{
    char repo[310];
    if (!url_is_plain_path(what))
        return err_set(e, "'%.100s' is no owner/repo/file: letters, digits, '-', '_' and '.' only",
                       what);
    size_t owner = strcspn(what, "/") + 1, end = owner + strcspn(what + owner, "/");
    snprintf(repo, sizeof repo, "%.*s", (int)end, what);
    return what[end] ? pull_hub_file(s, repo, what + end + 1, e) : pull_repo(s, repo, e);
}

/* ---- any URL ---- */

/* The hub's page about a file (/blob/) stands for the file (/resolve/). */
static int pull_url(const struct source *s, const char *what, struct err *e)
{
    char url[URL_MAX], name[NAME_MAX_BYTES + 1];
    struct err ignored;
    const char *blob = strstr(what, "/blob/");
    if (strlen(what) + 8 > sizeof url)
        return err_set(e, "the URL is too long");
    if (blob && url_same_origin(what, s->hub))
        snprintf(url, sizeof url, "%.*s/resolve/%s", (int)(blob - what), what, blob + 6);
    else
        snprintf(url, sizeof url, "%s", what);
    if (url_check(url, e))
        return -1;
    bool pickle = url_file_name(url, name) && pull_check_name(name, e) && strstr(e->text, "pickle");
    if (pickle)
        return -1;
    bool named = url_file_name(url, name) && !pull_check_name(name, &ignored);
    char to[300] = "";
    if (named)
        snprintf(to, sizeof to, "models/%s", name);
    return one_file(s, url, to, KIND_ANY, 0, 1, e);
}

int pull_run(const char *what, const struct pull_options *o, struct pull_result *out, struct err *e)
{
    struct source s = {.options = o, .result = out};
    int named = pull_find(what);
    *out = (struct pull_result){.files = 0};
    if (take_hub(&s, e) || take_token(&s, e) || take_folder(&s, e))
        return -1;
    if (named >= 0)
        return pull_named(&s, named, e);
    if (strstr(what, "://"))
        return pull_url(&s, what, e);
    if (strchr(what, '/'))
        return pull_path(&s, what, e);
    const char *near = pull_suggest(what);
    return err_set(e,
                   "there is no short name '%.60s'%s%s%s; `spritty pull` lists them, and "
                   "owner/repo/file or a URL will do",
                   what, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

/* ---- in a thread ---- */

struct pull {
    pthread_t thread;
    pthread_mutex_t lock; /* over state, running and cancel */
    struct pull_progress state;
    bool running, cancel;
    char *what;
    struct pull_options options;
    struct pull_result result;
    struct err err;
    int rc;
};

static bool note_progress(void *user, const struct pull_progress *now)
{
    struct pull *p = user;
    pthread_mutex_lock(&p->lock);
    p->state = *now;
    bool go = !p->cancel;
    pthread_mutex_unlock(&p->lock);
    return go;
}

static void *work(void *user)
{
    struct pull *p = user;
    struct pull_options o = p->options;
    o.progress = note_progress;
    o.user = p;
    p->rc = pull_run(p->what, &o, &p->result, &p->err);
    pthread_mutex_lock(&p->lock);
    p->running = false;
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

struct pull *pull_start(const char *what, const struct pull_options *o, struct err *e)
{
    struct pull *p = calloc(1, sizeof *p);
    char *copy = strdup(what);
    if (p && copy) {
        p->what = copy;
        p->running = true;
        if (o)
            p->options = *o;
        pthread_mutex_init(&p->lock, NULL);
        if (!pthread_create(&p->thread, NULL, work, p))
            return p;
        pthread_mutex_destroy(&p->lock);
    }
    free(copy);
    free(p);
    err_set(e, "cannot start a download: out of memory or threads");
    return NULL;
}

bool pull_state(struct pull *p, struct pull_progress *out)
{
    pthread_mutex_lock(&p->lock);
    *out = p->state;
    bool running = p->running;
    pthread_mutex_unlock(&p->lock);
    return running;
}

void pull_cancel(struct pull *p)
{
    pthread_mutex_lock(&p->lock);
    p->cancel = true;
    pthread_mutex_unlock(&p->lock);
}

int pull_end(struct pull *p, struct pull_result *out, struct err *e)
{
    pthread_join(p->thread, NULL);
    int rc = p->rc;
    *out = p->result;
    if (rc)
        *e = p->err;
    pthread_mutex_destroy(&p->lock);
    free(p->what);
    free(p);
    return rc;
}
