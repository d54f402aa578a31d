/* Downloads and their dialog; see pulls.h. */
#include "ui/pulls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ui/dialog.h"
#include "ui/studio.h"
#include "ui/words.h"

enum { WIDTH = 96, MAX_ENTRIES = 64, LOOK_MS = 250, NAME = 23, SIZE = 9, STATE = 12 };

struct pulls {
    struct pull *pull; /* NULL: nothing is loaded */
    char name[64];     /* of what is loaded, as it is told */
    struct pull_progress progress;
    double look_ms;   /* when to look again */
    char failed[300]; /* why the last one did; "" since the next began */
};

/* ---- the download ---- */

bool pulls_running(const struct ui *ui)
{
    return ui->pulls && ui->pulls->pull;
}

/* "b.safetensors" of "https://host/a/b.safetensors?download=true": a row has no room for more. */
static void name_it(struct pulls *p, const char *what)
{
    int len = (int)strcspn(what, "?#"), at = len;
    while (at > 0 && what[at - 1] != '/')
        at--;
    if (at == len)
        at = 0;
    snprintf(p->name, sizeof p->name, "%.*s", len - at, what + at);
}

static void begin(struct ui *ui, const char *what)
{
    struct err e = {"out of memory"};
    if (!ui->pulls)
        ui->pulls = calloc(1, sizeof *ui->pulls);
    struct pulls *p = ui->pulls;
    if (p && p->pull) {
        ui_say(ui, ROLE_WARN, "%s is still being downloaded", p->name);
        return;
    }
    if (p)
        p->pull = pull_start(what, &(struct pull_options){0}, &e);
    if (!p || !p->pull) {
        ui_say(ui, ROLE_BAD, "%s", e.text);
        return;
    }
    name_it(p, what);
    p->progress = (struct pull_progress){0};
    p->look_ms = ui->now_ms;
    *p->failed = '\0';
}

/* New models, LoRAs and VAEs are there: whoever lists them looks again. */
static void ended(struct ui *ui)
{
    struct pulls *p = ui->pulls;
    struct pull_result result;
    struct err e = {""};
    int rc = pull_end(p->pull, &result, &e);
    p->pull = NULL;
    if (rc) {
        ui_say(ui, ROLE_BAD, "%s", e.text);
        snprintf(p->failed, sizeof p->failed, "%.*s", (int)sizeof p->failed - 1, e.text);
    } else if (result.fetched == 0)
        ui_say(ui, ROLE_GOOD, "%s was here already", p->name);
    else
        ui_say(ui, ROLE_GOOD, "%s is here%s", p->name,
               result.unverified ? ", though nobody tells its hash" : "");
    studio_models(ui);
    pulls_look(ui);
    studio_settle(ui);
}

void pulls_tick(struct ui *ui)
{
    struct pulls *p = ui->pulls;
    if (!p || !p->pull)
        return;
    if (ui->now_ms >= p->look_ms) {
        p->look_ms = ui->now_ms + LOOK_MS;
        if (!pull_state(p->pull, &p->progress))
            ended(ui);
        ui_dirty(ui);
    }
    if (p->pull && (ui->wake_ms <= 0 || p->look_ms < ui->wake_ms))
        ui->wake_ms = p->look_ms;
}

void pulls_cancel(struct ui *ui)
{
    if (pulls_running(ui))
        pull_cancel(ui->pulls->pull);
}

void pulls_free(struct ui *ui)
{
    struct pull_result result;
    struct err e;
    if (pulls_running(ui)) {
        pull_cancel(ui->pulls->pull);
        pull_end(ui->pulls->pull, &result, &e);
    }
    free(ui->pulls);
    ui->pulls = NULL;
}

/* A reason without the address that it begins with: there is little room, and the name is said. */
static const char *without_address(const char *why)
{
    const char *end = strstr(why, "://") ? strstr(why, ": ") : NULL;
    return end ? end + 2 : why;
}

bool pulls_text(const struct ui *ui, char *out, size_t size, double *share)
{
    const struct pulls *p = ui->pulls;
    char total[32], rate[32];
    if (!pulls_running(ui))
        return false;
    const struct pull_progress *g = &p->progress;
    *share = g->total > 0 ? (double)g->bytes / (double)g->total : 0;
    text_bytes((double)g->total, total, sizeof total);
    text_bytes(g->rate, rate, sizeof rate);
    if (g->stage == PULL_LOADING && g->total > 0)
        snprintf(out, size, "%s  %.0f%% of %s, %s/s", p->name, 100 * *share, total, rate);
    else if (g->stage == PULL_WAITING)
        snprintf(out, size, "%s  waiting: %s", p->name, without_address(g->why));
    else
        snprintf(out, size, "%s  %s", p->name,
                 g->stage == PULL_CHECKING  ? "checking"
                 : g->stage == PULL_LOADING ? "downloading"
                                            : "asking");
    return true;
}

/* ---- the dialog ---- */

struct pull_dialog {
    struct editor *text;
    int scroll, count, shown[MAX_ENTRIES];
    bool here[MAX_ENTRIES];
    struct listbox list;
};

static const struct dialog_ops ops;

static void look(struct pull_dialog *d)
{
    for (d->count = 0; d->count < MAX_ENTRIES && pull_entry(d->count); d->count++)
        d->here[d->count] = pull_is_here(d->count, NULL);
}

void pulls_look(struct ui *ui)
{
    struct pull_dialog *d = dialog_own(ui, &ops);
    if (d)
        look(d);
}

static void relist(struct pull_dialog *d)
{
    char words[400];
    d->list.count = d->list.row = d->list.top = 0;
    for (int i = 0; i < d->count; i++) {
        snprintf(words, sizeof words, "%s %s", pull_entry(i)->name, pull_entry(i)->what);
        if (words_match(words, editor_text(d->text)))
            d->shown[d->list.count++] = i;
    }
}

static void draw_row(struct ui *ui, const struct pull_dialog *d, int i, struct rect at, bool here)
{
    const struct pull_entry *p = pull_entry(i);
    char size[32], state[32] = "";
    double share;
    char text[300];
    enum role bg = here ? ROLE_SELECT : ROLE_OVERLAY, role = ROLE_GOOD;
    draw_fill(ui->screen, at, bg);
    text_bytes((double)p->bytes, size, sizeof size);
    if (pulls_running(ui) && !strcmp(ui->pulls->name, p->name)) {
        pulls_text(ui, text, sizeof text, &share);
        snprintf(state, sizeof state, "%.0f%%", 100 * share);
        role = ROLE_ACCENT;
    } else if (d->here[i]) {
        snprintf(state, sizeof state, "here");
    }
    int x = at.x + 1, what = at.w - 2 - NAME - SIZE - STATE;
    draw_on(ui->screen, at.y, x, NAME - 1, d->here[i] ? ROLE_TEXT : ROLE_STRONG, bg, p->name);
    int w = text_columns(size, strlen(size));
    draw_on(ui->screen, at.y, x + NAME + SIZE - 2 - w, w, ROLE_DIM, bg, size);
    draw_on(ui->screen, at.y, x + NAME + SIZE, what, ROLE_TEXT, bg, p->what);
    w = text_columns(state, strlen(state));
    draw_on(ui->screen, at.y, at.x + at.w - 1 - w, w, role, bg, state);
}

/* Of the chosen one, and how far the download is. */
static void draw_about(struct ui *ui, const struct pull_dialog *d, struct rect at)
{
    char text[400];
    double share = 0;
    if (d->list.count > 0) {
        const struct pull_entry *p = pull_entry(d->shown[d->list.row]);
        snprintf(text, sizeof text, "%s. Licence: %s", p->what, p->licence);
        draw_text(ui->screen, at.y, at.x, at.w, ROLE_TEXT, text);
    }
    if (pulls_text(ui, text, sizeof text, &share)) {
        int gauge = at.w / 3;
        graph_gauge(ui->screen, at.y + 1, at.x, gauge - 2, share, ROLE_ACCENT);
        draw_text(ui->screen, at.y + 1, at.x + gauge, at.w - gauge, ROLE_TEXT, text);
    }
}

static void draw(struct ui *ui, void *own, struct rect main)
{
    static const char *const hints[] = {"Enter",  "download", "Ctrl-X",
                                        "cancel", "Esc",      "close; a download goes on"};
    struct pull_dialog *d = own;
    int rows = d->count < main.h - 10 ? d->count : main.h - 10;
    struct rect in = dialog_frame(ui, main, "Download models", rows + 6, WIDTH);
    struct rect field = {in.y, in.x, 1, in.w};
    dialog_field(ui, d->text, field, &d->scroll);
    dialog_field_for(ui, d->text, field,
                     "words to find one; owner/repo/file of the Hugging Face hub; or a URL");
    listbox_place(ui, &d->list, (struct rect){in.y + 2, in.x, in.h - 6, in.w}, in);
    for (int i = 0; i < d->list.at.h && d->list.top + i < d->list.count; i++)
        draw_row(ui, d, d->shown[d->list.top + i], (struct rect){in.y + 2 + i, in.x, 1, in.w},
                 d->list.top + i == d->list.row);
    if (d->list.count == 0)
        draw_text(ui->screen, in.y + 2, in.x + 1, in.w - 2, ROLE_DIM,
                  "Enter downloads it: owner/repo/file of the Hugging Face hub, or a URL");
    struct rect below = {in.y + in.h - 3, in.x + 1, 2, in.w - 2};
    if (ui->pulls && *ui->pulls->failed)
        draw_wrapped(ui->screen, below, ROLE_BAD, ui->pulls->failed);
    else
        draw_about(ui, d, below);
    dialog_hints(ui, in, hints, 6);
}

static void accept(struct ui *ui, const struct pull_dialog *d)
{
    const char *typed = editor_text(d->text);
    if (d->list.count > 0)
        begin(ui, pull_entry(d->shown[d->list.row])->name);
    else if (*typed)
        begin(ui, typed);
}

static bool act(struct ui *ui, void *own, enum action a)
{
    struct pull_dialog *d = own;
    unsigned long version = editor_version(d->text);
    ui_dirty(ui);
    if (a == ACT_ACCEPT)
        accept(ui, d);
    else if (a == ACT_BACK)
        dialog_close(ui);
    else if (a == ACT_CANCEL && pulls_running(ui))
        pulls_cancel(ui);
    else if (!listbox_act(&d->list, a) && !editor_act(d->text, a, EDITOR_UNWRAPPED))
        return false;
    else if (editor_version(d->text) != version)
        relist(d);
    return true;
}

static void type(struct ui *ui, void *own, const struct input_event *in)
{
    struct pull_dialog *d = own;
    if (in->kind != INPUT_TEXT && in->kind != INPUT_PASTE)
        return;
    editor_insert(d->text, in->text, in->len);
    relist(d);
    ui_dirty(ui);
}

static void mouse(struct ui *ui, void *own, const struct input_event *in)
{
    struct pull_dialog *d = own;
    if (listbox_click(&d->list, in))
        accept(ui, d);
}

static void drop(void *own)
{
    struct pull_dialog *d = own;
    editor_free(d->text);
    free(d);
}

static const struct dialog_ops ops = {
    .draw = draw, .act = act, .type = type, .mouse = mouse, .free = drop};

void pulls_open(struct ui *ui)
{
    struct pull_dialog *d = calloc(1, sizeof *d);
    if (d && !(d->text = editor_new(false))) {
        free(d);
        d = NULL;
    }
    if (d) {
        look(d);
        relist(d);
    }
    dialog_open(ui, &ops, d);
}
