/* Jobs as JSON; see job_text.h. */
#include "engine/job_text.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/jsonw.h"
#include "base/digest.h"
#include "base/suggest.h"
#include "import/json_tame.h"
#include "prompt/lora_list.h"

/* ---- one value ---- */

/* Without control characters; a prompt may have line breaks and tabs. */
static int check_text(const char *key, const char *value, bool lines, struct err *e)
{
    if (strlen(value) > JOB_PROMPT_MAX)
        return err_set(e, "%s has %zu bytes; at most %d are taken", key, strlen(value),
                       JOB_PROMPT_MAX);
    if (!text_is_plain(value, lines ? "\n\r\t" : ""))
        return err_set(e, "%s holds a control character, or is no UTF-8", key);
    return 0;
}

static int check_id(const char *id, struct err *e)
{
    size_t n = strlen(id);
    if (n == 0 || n > JOB_ID_MAX || strchr(id, '/') || id[0] == '.' || id[0] == '-')
        return err_set(e,
                       "id '%.60s' cannot name files: 1 to %d bytes, no slash, and no dot or "
                       "hyphen first",
                       id, JOB_ID_MAX);
    return 0;
}

static int put_once(char **to, const char *key, const char *value, struct err *e)
{
    if (*to)
        return err_set(e, "%s is said twice", key);
    *to = strdup(value);
    return *to ? 0 : err_set(e, "out of memory");
}

/* The key as the table has it; one option has two names. NULL: there is none. */
static const char *canonical(const char *key)
{
    int i = settings_key_index(strcmp(key, "strength") ? key : "denoise");
    return i < 0 ? NULL : settings_key(i)->name;
}

static const char *known_key(const void *user, int i)
{
    static const char *const own[] = {"id", "preset"};
    (void)user;
    return i < 2 ? own[i] : settings_key(i - 2) ? settings_key(i - 2)->name : NULL;
}

static int unknown(const char *key, struct err *e)
{
    const char *near = suggest(key, known_key, NULL);
    return err_set(e, "there is no key '%.60s'%s%s%s", key, near ? "; did you mean '" : "",
                   near ? near : "", near ? "'?" : "");
}

int job_text_set(struct job_text *j, const char *key, const char *value, struct err *e)
{
    bool prompt = !strcmp(key, "prompt");
    const char *name = canonical(key);
    if (!strcmp(key, "id") || !strcmp(key, "preset"))
        name = key;
    if (!name)
        return unknown(key, e);
    if (check_text(name, value, prompt || !strcmp(key, "negative"), e))
        return -1;
    if (!strcmp(name, "id"))
        return check_id(value, e) ? -1 : put_once(&j->id, name, value, e);
    if (prompt || !strcmp(name, "preset"))
        return put_once(prompt ? &j->prompt : &j->preset, name, value, e);
    if (settings_has(&j->settings, name))
        return err_set(e, "%s is said twice", name);
    return settings_set(&j->settings, name, value, e) ? err_prefix(e, "%s", name) : 0;
}

void job_text_free(struct job_text *j)
{
    free(j->id);
    free(j->prompt);
    free(j->preset);
    settings_free(&j->settings);
    *j = (struct job_text){0};
}

/* ---- from JSON ---- */

/* Whether a setting's value may be a number, true or false, or two numbers in JSON. */
static bool takes(const char *key, enum json_kind kind)
{
    const char *name = canonical(key);
    const struct settings_key *k = name ? settings_key(settings_key_index(name)) : NULL;
    bool words = !strcmp(key, "prompt") || !strcmp(key, "negative") || !strcmp(key, "preset");
    if (kind == JSON_STRING || (!k && strcmp(key, "id") != 0)) /* unknown keys are told as such */
        return true;
    if (kind == JSON_BOOL)
        return k && k->type == KEY_FLAG;
    if (kind == JSON_ARRAY)
        return k && k->type == KEY_SIZE;
    return kind == JSON_NUMBER && !words && !(k && k->type == KEY_FLAG);
}

/* As the text that a config file would have. */
static const char *value_text(struct json object, struct json v, char room[64], struct err *e)
{
    double x;
    int side[2];
    if (json_kind(v) == JSON_ARRAY) {
        if (json_count(v) != 2 || json_ints(object, json_key(v), 0, 65536, side, 2, e) != 2)
            return NULL;
        snprintf(room, 64, "%dx%d", side[0], side[1]);
        return room;
    }
    const char *text = json_text(v, room), *name = canonical(json_key(v));
    bool real = name && settings_key(settings_key_index(name))->type == KEY_REAL;
    if (real && json_as_double(v, &x) && strchr(text, '.'))
        snprintf(room, 64, "%.17g", x); /* all of it */
    return text;
}

static const char *const kind_text[] = {
    [JSON_NULL] = "null",
    [JSON_BOOL] = "true or false",
    [JSON_NUMBER] = "that number",
    [JSON_STRING] = "text",
    [JSON_ARRAY] = "a list, unless it is the two sides of a size",
    [JSON_OBJECT] = "an object",
};

static int take_member(struct job_text *j, struct json object, struct json v, struct err *e)
{
    char room[64];
    const char *key = json_key(v), *text;
    if (json_kind(v) == JSON_NULL)
        return !canonical(key) && strcmp(key, "id") != 0 && strcmp(key, "preset") != 0
                   ? unknown(key, e)
                   : 0;
    if (!takes(key, json_kind(v)) || !(text = value_text(object, v, room, e)))
        return err_set(e, "%.60s cannot be %s", key, kind_text[json_kind(v)]);
    return job_text_set(j, key, text, e);
}

static int take_all(struct job_text *j, struct json root, struct err *e)
{
    for (struct json v = json_first(root); v.node; v = json_next(v))
        if (take_member(j, root, v, e))
            return -1;
    return j->prompt ? 0 : err_set(e, "there is no prompt; \"prompt\": \"\" is one without words");
}

int job_text_parse(const char *json, size_t size, const char *where, struct job_text *j,
                   struct err *e)
{
    *j = (struct job_text){0};
    if (size > JOB_TEXT_MAX)
        return err_set(e, "%s: %zu bytes are too many for a job; at most %d", where, size,
                       JOB_TEXT_MAX);
    struct json_doc *doc = json_parse_tame(json, size, where, e);
    if (!doc && strstr(e->text, ": broken JSON"))
        return err_set(e, "%s: no JSON; a job is one object on one line: {\"prompt\": \"a cat\"}",
                       where);
    if (!doc)
        return -1;
    int rc = 0;
    if (json_kind(json_root(doc)) != JSON_OBJECT)
        rc = err_set(e, "a job is one object: {\"prompt\": \"a cat\"}");
    if (!rc)
        rc = take_all(j, json_root(doc), e);
    json_free(doc);
    if (!rc)
        return 0;
    job_text_free(j);
    return err_prefix(e, "%s", where);
}

/* ---- to JSON ---- */

/* With as many places as it takes to be read back. */
static void put_real(struct jsonw *w, const char *key, double x)
{
    char room[64];
    int digits = 0;
    do
        snprintf(room, sizeof room, "%.*f", digits, x);
    while (strtod(room, NULL) != x && ++digits < 17);
    jsonw_real(w, key, x, digits);
}

static void put_setting(struct jsonw *w, const struct settings *s, const struct settings_key *k)
{
    char room[64];
    const void *at = (const char *)s + k->at;
    switch (k->type) {
    case KEY_TEXT:
    case KEY_CHOICE:
        jsonw_string(w, k->name, *(char *const *)at);
        break;
    case KEY_INT:
        jsonw_real(w, k->name, *(const int *)at, 0);
        break;
    case KEY_REAL:
        put_real(w, k->name, *(const double *)at);
        break;
    case KEY_FLAG:
        jsonw_bool(w, k->name, *(const bool *)at);
        break;
    case KEY_SIZE:
        settings_print(s, k->name, room, sizeof room);
        jsonw_string(w, k->name, room);
        break;
    case KEY_SEED:
        if (s->random_seed)
            jsonw_string(w, k->name, "random");
        else
            jsonw_u64(w, k->name, s->seed);
        break;
    }
}

/* Which machine, and where to; neither makes another picture. */
static bool is_place(const struct settings_key *k)
{
    return !strcmp(k->name, "output") || !strcmp(k->name, "device") || !strcmp(k->name, "threads");
}

static char *print(const struct job_text *j, bool places)
{
    struct jsonw w = {0};
    jsonw_open(&w, NULL, '{');
    if (j->id)
        jsonw_string(&w, "id", j->id);
    jsonw_string(&w, "prompt", j->prompt ? j->prompt : "");
    if (j->preset)
        jsonw_string(&w, "preset", j->preset);
    for (int i = 0; settings_key(i); i++)
        if (settings_has(&j->settings, settings_key(i)->name) &&
            (places || !is_place(settings_key(i))))
            put_setting(&w, &j->settings, settings_key(i));
    jsonw_close(&w, '}');
    return jsonw_take(&w);
}

char *job_text_print(const struct job_text *j)
{
    return print(j, true);
}

int job_text_identity(const struct job_text *j, char out[65], struct err *e)
{
    static const char kind[] = "spritty job 1\n";
    struct digest h;
    char *text = print(j, false);
    if (!text)
        return err_set(e, "out of memory");
    digest_start(&h, DIGEST_SHA256);
    digest_add(&h, kind, sizeof kind - 1);
    digest_add(&h, text, strlen(text));
    digest_hex(&h, out);
    free(text);
    return 0;
}

/* ---- paths ---- */

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && !strcmp(text + n - m, end);
}

/* `value` seen from the folder, the caller's; NULL with err. */
static char *joined(const char *folder, const char *value, struct err *e)
{
    char *out = NULL;
    bool here = *value == '/' || !*folder || !strcmp(folder, ".");
    while (!here && value[0] == '.' && value[1] == '/')
        value += 2;
    int n = asprintf(&out, "%s%s%s", here ? "" : folder, here || ends_with(folder, "/") ? "" : "/",
                     value);
    if (n < 0 || n >= PATH_MAX) {
        free(n < 0 ? NULL : out);
        err_set(e, n < 0 ? "out of memory" : "the path %.100s is too long", value);
        return NULL;
    }
    return out;
}

static int replace(struct settings *s, const char *key, char *value, struct err *e)
{
    int rc = value ? settings_set(s, key, value, e) : -1;
    free(value);
    return rc ? err_prefix(e, "%s", key) : 0;
}

/* The list with its paths seen from the folder. */
static int resolve_loras(struct settings *s, const char *folder, struct err *e)
{
    enum { ROOM = PATH_MAX + 64 };
    struct lora_item *item = calloc(LORA_ITEMS, sizeof *item);
    char *list = NULL, one[LORA_ITEM_NAME + 64];
    size_t size;
    FILE *f = item ? open_memstream(&list, &size) : NULL;
    int n = f ? lora_list_parse(settings_text(s, "lora"), item, e) : err_set(e, "out of memory");
    int rc = n < 0 ? -1 : 0;
    bool any = false;
    for (int i = 0; i < n && !rc; i++) {
        char *name = item[i].name;
        if (!strncmp(name, "./", 2) || !strncmp(name, "../", 3) ||
            ends_with(name, ".safetensors")) {
            char *full = joined(folder, name, e);
            any = true;
            if (!full || strlen(full) >= sizeof item[i].name)
                rc = full ? err_set(e, "the path %.100s is too long", full) : -1;
            else
                strcpy(name, full);
            free(full);
        }
        lora_item_print(&item[i], one, sizeof one);
        fprintf(f, "%s%s", i ? ", " : "", one);
    }
    if (f && fclose(f) && !rc)
        rc = err_set(e, "out of memory");
    if (!rc && any)
        rc = settings_set(s, "lora", list, e);
    free(list);
    free(item);
    return rc ? err_prefix(e, "lora") : 0;
}

static bool is_spelt(const char *value)
{
    return strchr(value, '/') || ends_with(value, ".safetensors");
}

/* FROM=TO, each a name or a file. */
static int resolve_swap(struct settings *s, const char *folder, struct err *e)
{
    const char *text = settings_text(s, "swap"), *cut = strchr(text, '=');
    if (!cut)
        return 0;
    char *from = strndup(text, (size_t)(cut - text)), *to = strdup(cut + 1), *both = NULL;
    char *end[2] = {NULL, NULL};
    bool ok = from && to;
    for (int i = 0; ok && i < 2; i++) {
        const char *one = i ? to : from;
        end[i] = strpbrk(one, "./") ? joined(folder, one, e) : strdup(one);
        ok = end[i] != NULL;
    }
    if (!ok || asprintf(&both, "%s=%s", end[0], end[1]) < 0)
        both = NULL, err_set(e, "out of memory, or too long a path");
    free(from);
    free(to);
    free(end[0]);
    free(end[1]);
    return replace(s, "swap", both, e);
}

int job_text_resolve(struct job_text *j, const char *folder, struct err *e)
{
    /* Always paths; names unless they are spelt as paths are; shipped palettes. */
    static const char *const files[] = {"image", "mask",    "control-image", "tokenizer", "model",
                                        "vae",   "refiner", "control",       "palette"};
    enum { NAMED = 4, PALETTE = 8, FILES };
    struct settings *s = &j->settings;
    if (!*folder || !strcmp(folder, "."))
        return 0;
    for (int i = 0; i < FILES; i++) {
        const char *value = settings_text(s, files[i]);
        bool path = value && *value && *value != '/' && strcmp(value, "none") != 0;
        if (path && i >= NAMED)
            path = i == PALETTE ? strpbrk(value, "./") != NULL : is_spelt(value);
        if (path && replace(s, files[i], joined(folder, value, e), e))
            return -1;
    }
    const char *lora = settings_text(s, "lora"), *swap = settings_text(s, "swap");
    if (lora && *lora && resolve_loras(s, folder, e))
        return -1;
    return swap && strpbrk(swap, "./") ? resolve_swap(s, folder, e) : 0;
}
