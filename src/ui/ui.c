/*
 * The loop of the terminal app; see ui.h.
 *
 * One turn: wait for the terminal, the engine, a signal or the clock; take all that is there; draw
 * at most one frame, and only when the line has taken the one before; write drafts down after the
 * frame, so that a key is on the screen before the disk is asked.
 */
#include "ui/ui.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/paths.h"
#include "ui/app.h"
#include "ui/dialog.h"
#include "ui/errand.h"
#include "ui/frame.h"
#include "ui/global.h"
#include "ui/pulls.h"

enum {
    FRAME_ROOM = 4096, /* bytes that may still wait when the next frame is made */
    SAMPLE_MS = 1000,
    STATUS_MS = 6000,
    ENGINE_NICE = 5,
    WORKER_NICE = 2,
};

const struct view_ops *const ui_views[VIEWS] = {&view_studio, &view_compare, &view_gallery,
                                                &view_monitor, &view_finish};

void ui_dirty(struct ui *ui)
{
    ui->dirty = true;
}

void ui_say(struct ui *ui, enum role role, const char *fmt, ...)
{
    char text[sizeof ui->status];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    settings_in_app(text, ui->status, sizeof ui->status);
    text_sanitize(ui->status);
    ui->status_role = role;
    ui->status_until_ms = clock_ms() + STATUS_MS;
    ui_dirty(ui);
}

void ui_unsay(struct ui *ui)
{
    bool older = ui->status_until_ms - STATUS_MS < ui->now_ms; /* than this turn */
    if (older && ui->status_role != ROLE_BAD)
        ui->status[0] = '\0';
}

void ui_view(struct ui *ui, enum view view)
{
    ui_unsay(ui);
    if (view != ui->view)
        ui->view_before = ui->view;
    ui->view = view;
    if (ui_views[view]->open)
        ui_views[view]->open(ui);
    ui_dirty(ui);
}

/* ---- input ---- */

unsigned ui_contexts(const struct ui *ui)
{
    if (ui->dialog)
        return dialog_contexts(ui) | CTX_GLOBAL;
    if (ui->help)
        return CTX_HELP | CTX_GLOBAL;
    return ui_views[ui->view]->contexts(ui) | CTX_GLOBAL;
}

/* While a dialog is open only these reach through it. */
static bool through_dialog(enum action a)
{
    return a == ACT_REDRAW || a == ACT_SUSPEND || a == ACT_CANCEL || a == ACT_CANCEL_ALL;
}

static void act(struct ui *ui, enum action a)
{
    if (ui->dialog) {
        if (!dialog_act(ui, a) && through_dialog(a))
            ui_global_act(ui, a);
    } else if (ui->help && help_act(ui, a)) {
        ;
    } else if (ui->help || !ui_views[ui->view]->act(ui, a)) {
        if (ui->help && a != ACT_HELP && !through_dialog(a))
            help_close(ui);
        ui_global_act(ui, a);
    }
    ui_dirty(ui);
}

/* Esc and a function key that came in one piece, as slow lines bring them, read as that key with
 * Alt: where that is nothing, it was both. */
static bool was_two_keys(const struct ui *ui, const struct input_event *in)
{
    bool function = in->kind == INPUT_KEY && in->code >= KC_F1 && in->code <= KC_F1 + 11;
    return function && in->mods == MOD_ALT && keys_find(ui_contexts(ui), in) == ACT_NOTHING;
}

static void typed(struct ui *ui, const struct input_event *in)
{
    struct input_event second = *in;
    ui->soon = true;
    if (was_two_keys(ui, in)) {
        act(ui, ACT_BACK);
        second.mods = 0;
        in = &second;
    }
    if (in->kind == INPUT_PASTE && !ui->dialog && !ui->help && import_pasted(ui, in->text))
        return;
    enum action a = keys_find(ui_contexts(ui), in);
    if (a != ACT_NOTHING)
        act(ui, a);
    else if (ui->dialog)
        dialog_type(ui, in);
    else if (!ui->help && in->kind != INPUT_KEY)
        ui_views[ui->view]->type(ui, in);
    ui_dirty(ui);
}

static void clicked(struct ui *ui, const struct input_event *in)
{
    ui->soon = true;
    if (ui->dialog)
        dialog_mouse(ui, in);
    else if (ui->help)
        help_act(ui, in->what == MOUSE_WHEEL_UP     ? ACT_UP
                     : in->what == MOUSE_WHEEL_DOWN ? ACT_DOWN
                                                    : ACT_NOTHING);
    else if (!frame_mouse(ui, in) && ui_views[ui->view]->mouse)
        ui_views[ui->view]->mouse(ui, in);
    ui_dirty(ui);
}

static void ask_terminal(struct ui *ui)
{
    char questions[1024];
    size_t n = probe_questions(&ui->probe, clock_ms(), questions, sizeof questions);
    out_put(&ui->out, questions, n);
}

static void answered(struct ui *ui, const struct input_event *in)
{
    enum color_depth before = ui->probe.caps.colors;
    if (in->len == 4 && !memcmp(in->text, "\033[0n", 4)) {
        out_answered(&ui->out, ui->now_ms);
        if (ui->wake_ms > 0) /* pictures are due */
            ui_dirty(ui);
    } else if (probe_answer(&ui->probe, in->text, in->len, ui->now_ms)) {
        if (ui->probe.caps.colors != before)
            screen_theme(ui->screen, &ui->theme, &ui->probe.caps);
        ui_dirty(ui);
    }
}

static void take_input(struct ui *ui)
{
    struct input_event in;
    while (!ui->quit && input_next(ui->input, &in)) {
        switch (in.kind) {
        case INPUT_KEY:
        case INPUT_TEXT:
        case INPUT_PASTE:
            probe_typed(&ui->probe);
            typed(ui, &in);
            break;
        case INPUT_MOUSE:
            clicked(ui, &in);
            break;
        case INPUT_ANSWER:
            answered(ui, &in);
            break;
        case INPUT_FOCUS:
            break;
        }
    }
}

/* False when the terminal is gone. */
static bool read_terminal(struct ui *ui)
{
    char bytes[4096];
    int n, turns = 0;
    while ((n = tty_read(&ui->tty, bytes, sizeof bytes)) > 0) {
        input_feed(ui->input, bytes, (size_t)n);
        take_input(ui);
        if (++turns == 64) /* a flood: let a frame through */
            return true;
    }
    return n == 0;
}

/* ---- signals, engine, clock ---- */

static void resized(struct ui *ui)
{
    if (!tty_resized(&ui->tty))
        return;
    probe_winsize(&ui->probe, ui->tty.rows, ui->tty.cols, ui->tty.pixels_w, ui->tty.pixels_h);
    screen_resize(ui->screen, ui->tty.rows, ui->tty.cols);
    ask_terminal(ui);
    ui_dirty(ui);
}

/* The number of a signal that ends the program, or 0. */
static int take_signals(struct ui *ui)
{
    int s;
    while ((s = tty_signal(&ui->tty)))
        switch (s) {
        case SIGWINCH:
            resized(ui);
            break;
        case SIGTERM:
        case SIGHUP:
            return s;
        case SIGINT:
            act(ui, ACT_CANCEL);
            break;
        case SIGTSTP:
            ui_suspend(ui);
            break;
        case SIGCONT:
            ui_resumed(ui);
            break;
        }
    return 0;
}

/* What of a prompt was not honoured. */
static void say_notes(struct ui *ui, const struct event *ev)
{
    size_t first = ev->text ? strcspn(ev->text, "\n") : 0;
    if (ev->kind == EVENT_DONE && first > 0)
        ui_say(ui, ROLE_WARN, "%.*s%s", (int)first, ev->text, ev->text[first] ? ", and more" : "");
}

/* Each device has its model. */
static void sum_memory(struct ui *ui)
{
    size_t weights = 0, activations = 0;
    for (int i = 0; i < ui->devices; i++) {
        weights += ui->device[i].bytes_weights;
        activations += ui->device[i].bytes_activations;
    }
    if (ui->devices > 1)
        ui->live.bytes_weights = weights, ui->live.bytes_activations = activations;
}

static void take_events(struct ui *ui)
{
    struct event *ev;
    while (ui->pool && (ev = pool_next(ui->pool))) {
        ui->devices = pool_devices(ui->pool, ui->device, DEVICES_MAX);
        for (int i = 0; i < VIEWS; i++)
            if (ui_views[i]->event)
                ui_views[i]->event(ui, ev);
        live_event(&ui->live, ev);
        sum_memory(ui);
        queue_event(ui, ev);
        warm_event(ui, ev);
        say_notes(ui, ev);
        event_free(ev);
        ui_dirty(ui);
    }
}

static void take_time(struct ui *ui)
{
    if (probe_due(&ui->probe, ui->now_ms))
        ask_terminal(ui);
    const struct live *l = &ui->live;
    double last = l->samples_seen ? l->sample[(l->samples_seen - 1) % LIVE_SAMPLES].at_ms : -1e9;
    if (ui->now_ms - last >= SAMPLE_MS) {
        live_sample(&ui->live, ui->now_ms);
        warm_tick(ui);
        ui->devices = ui->pool ? pool_devices(ui->pool, ui->device, DEVICES_MAX) : 0;
        if (ui->view == VIEW_MONITOR || l->job || l->loading)
            ui_dirty(ui);
    }
    if (*ui->status && ui->now_ms >= ui->status_until_ms) {
        ui->status[0] = '\0';
        ui_dirty(ui);
    }
    if (ui->wake_ms > 0 && ui->now_ms >= ui->wake_ms) {
        ui->wake_ms = 0;
        ui_dirty(ui);
    }
}

static int wait_ms(const struct ui *ui)
{
    const struct live *l = &ui->live;
    double until = ui->now_ms + SAMPLE_MS;
    if (l->samples_seen)
        until = l->sample[(l->samples_seen - 1) % LIVE_SAMPLES].at_ms + SAMPLE_MS;
    if (*ui->status)
        until = fmin(until, ui->status_until_ms);
    if (ui->wake_ms > 0)
        until = fmin(until, ui->wake_ms);
    if (input_pending(ui->input))
        until = fmin(until, ui->now_ms + ESC_MS);
    if (ui->dirty && ui->out.pace.rest_until > ui->now_ms)
        until = fmin(until, ui->out.pace.rest_until);
    double ms = until - clock_ms();
    return ms > 0 ? (int)ms + 1 : 0;
}

/* ---- frames ---- */

/* What a key brought is drawn at once; what the engine and the clock bring, when the terminal has
 * seen the frame before: between us and it there may be room for many. */
static bool may_draw(struct ui *ui)
{
    return ui->dirty && out_waiting(&ui->out) <= FRAME_ROOM &&
           (ui->soon || out_is_calm(&ui->out, ui->now_ms));
}

static void draw(struct ui *ui)
{
    uint64_t before = ui->out.total;
    if (!ui->soon)
        ui->live.steps_drawn = ui->live.steps_seen;
    ui->dirty = ui->live.steps_drawn != ui->live.steps_seen;
    ui->soon = false;
    screen_begin(ui->screen);
    frame_draw(ui);
    if (screen_end(ui->screen, &ui->out, &ui->probe.caps, ui->now_ms) > 0)
        ui->wake_ms = ui->wake_ms > 0 ? fmin(ui->wake_ms, ui->now_ms + 50) : ui->now_ms + 50;
    if (ui->out.total != before && !ui->out.pace.waiting)
        out_ask(&ui->out, ui->now_ms);
}

/* A signal's number, or 0 when it was quit by key. */
static int loop(struct ui *ui)
{
    while (!ui->quit) {
        struct pollfd fd[] = {
            {.fd = ui->tty.in, .events = POLLIN},
            {.fd = tty_signal_fd(&ui->tty), .events = POLLIN},
            {.fd = out_waiting(&ui->out) ? ui->tty.out : -1, .events = POLLOUT},
            {.fd = ui->pool ? pool_fd(ui->pool) : -1, .events = POLLIN},
            {.fd = ui->worker ? worker_fd(ui->worker) : -1, .events = POLLIN},
        };
        int timeout = may_draw(ui) ? 0 : wait_ms(ui);
        int n = poll(fd, sizeof fd / sizeof *fd, timeout);
        ui->now_ms = clock_ms();
        int s = take_signals(ui);
        if (s)
            return s;
        if ((fd[0].revents & (POLLIN | POLLHUP | POLLERR)) && !read_terminal(ui))
            return SIGHUP;
        if (n == 0 && input_pending(ui->input)) {
            input_expire(ui->input);
            take_input(ui);
        }
        take_events(ui);
        errands_done(ui);
        take_time(ui);
        pulls_tick(ui);
        if (may_draw(ui))
            draw(ui);
        if (!out_flush(&ui->out))
            return SIGHUP;
        studio_save(ui);
    }
    return 0;
}

/* ---- start and end ---- */

static int start_terminal(struct ui *ui, struct err *e)
{
    if (tty_open(&ui->tty, e))
        return -1;
    out_init(&ui->out, ui->tty.out);
    probe_start(&ui->probe, (const char *(*)(const char *))getenv);
    probe_winsize(&ui->probe, ui->tty.rows, ui->tty.cols, ui->tty.pixels_w, ui->tty.pixels_h);
    ui->input = input_new();
    ui->screen = screen_new(ui->tty.rows, ui->tty.cols, &ui->probe.caps, &ui->theme, e);
    if (!ui->input || !ui->screen)
        return ui->screen ? err_set(e, "out of memory") : -1;
    ask_terminal(ui);
    return 0;
}

/* One app a data folder: two would both run the same queue. The lock goes with the process. */
static int lock_folder(struct err *e)
{
    char path[PATH_MAX];
    if (!place_path(PLACE_DATA, "lock", path))
        return err_set(e, "the path of your data folder is too long");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set(e, "cannot open %s: %s", path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    close(fd);
    return err_set(e,
                   "spritty is already running with this data folder; go on there, or start this "
                   "one with another XDG_DATA_HOME");
}

static int open_store(struct ui *ui, char path[PATH_MAX], struct err *e)
{
    if (!place_path(PLACE_DATA, "spritty.db", path))
        return err_set(e, "no folder for your work: %s", place_advice(PLACE_DATA));
    ui->store = store_open(path, e);
    if (!ui->store || lock_folder(e))
        return -1;
    if (*e->text)
        ui_say(ui, ROLE_WARN, "%s", e->text);
    e->text[0] = '\0';
    if (!place_path(PLACE_DATA, "sprites", ui->folder))
        return err_set(e, "the path of your data folder is too long");
    if (mkdir(ui->folder, 0777) && errno != EEXIST)
        return err_set(e, "cannot make the folder %s: %s", ui->folder, strerror(errno));
    int again = store_recover(ui->store, e);
    queue_reload(ui);
    int left = ui->queue.count;
    if (left > 0)
        ui_say(ui, ROLE_TEXT, "going on with %d job%s of last time", left, left > 1 ? "s" : "");
    return again < 0 ? -1 : 0;
}

static void choose_theme(struct ui *ui)
{
    char *name = store_get(ui->store, "theme");
    struct theme theme;
    if (name && strcmp(name, ui->theme.name) && theme_load(&theme, name, NULL) == 0)
        ui->theme = theme;
    free(name);
}

static int start_engine(struct ui *ui, const char *path, struct err *e)
{
    struct pool_options o = {.store = path, .folder = ui->folder, .nice = ENGINE_NICE};
    ui->pool = pool_start(&o, e);
    if (!ui->pool)
        return -1;
    if (settings_fill(&ui->warm.settings, studio_settings(ui), e) || warm_send(ui, e))
        return -1;
    ui->live.warming = true;
    queue_reload(ui);
    queue_pump(ui);
    return 0;
}

/* A model or preset of the command line that is not there is an error now, not a draft for ever. */
static int check_said(const struct settings *said, const char *preset, struct err *e)
{
    struct settings settled = {0};
    int rc = settings_any(said) || preset ? engine_settle(said, preset, &settled, e) : 0;
    settings_free(&settled);
    return rc;
}

static int start(struct ui *ui, const struct settings *said, const char *preset, struct err *e)
{
    char path[PATH_MAX];
    if (check_said(said, preset, e))
        return -1;
    if (config_load(&ui->config, e) || open_store(ui, path, e))
        return -1;
    choose_theme(ui);
    for (int i = 0; i < VIEWS; i++)
        if (ui_views[i]->init && ui_views[i]->init(ui, e))
            return -1;
    studio_use(ui, NULL, preset, said);
    if (start_terminal(ui, e))
        return -1;
    ui->now_ms = clock_ms();
    draw(ui);
    out_flush(&ui->out);
    errands_start(ui, WORKER_NICE);
    return start_engine(ui, path, e);
}

/* A job that runs is not waited for: it stays "running" in the store, and the next start begins it
 * again. */
static void leave(struct ui *ui, int status)
{
    fflush(NULL);
    if (ui->live.job || ui->live.loading || ui->queue.sent_count || pulls_running(ui))
        _exit(status);
    pool_stop(ui->pool);
    worker_free(ui->worker, errand_drop);
    pulls_free(ui);
    for (int i = 0; i < VIEWS; i++)
        if (ui_views[i]->quit)
            ui_views[i]->quit(ui);
    live_free(&ui->live);
    warm_free(ui);
    thumbs_free(ui);
    store_jobs_free(ui->queue.job, ui->queue.count);
    store_jobs_free(ui->queue.past, ui->queue.past_count);
    free(ui->queue.took);
    config_free(&ui->config);
    input_free(ui->input);
    out_free(&ui->out);
    screen_free(ui->screen);
    free(ui);
}

/* What is still queued gets a moment to be seen. */
static void drain(struct ui *ui)
{
    double until = clock_ms() + 300;
    while (out_waiting(&ui->out) && clock_ms() < until && out_flush(&ui->out))
        poll(&(struct pollfd){.fd = ui->tty.out, .events = POLLOUT}, 1, 20);
}

int ui_run(const struct settings *said, const char *preset)
{
    struct ui *ui = calloc(1, sizeof *ui);
    struct err e = {""};
    int signal_number = 0;
    if (!ui)
        return 1;
    theme_default(&ui->theme);
    int rc = start(ui, said, preset, &e);
    if (rc == 0) {
        signal_number = loop(ui);
        if (!signal_number)
            drain(ui);
        studio_save(ui);
    }
    ui_note_answers(ui);
    tty_close(&ui->tty);
    if (ui->dialog)
        dialog_close(ui);
    help_close(ui);
    if (ui->store)
        store_close(ui->store);
    if (rc)
        fprintf(stderr, "spritty: %s\n", e.text);
    int status = rc ? 1 : signal_number ? 128 + signal_number : 0;
    leave(ui, status);
    return status;
}
