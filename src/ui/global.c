/* See global.h. */
#include "ui/global.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ui/dialog.h"
#include "ui/frame.h"
#include "ui/pulls.h"

static void next_theme(struct ui *ui)
{
    char **names;
    struct err e = {""};
    struct theme theme;
    int count = theme_names(&names), at = 0;
    for (int i = 0; i < count; i++)
        if (!strcmp(names[i], ui->theme.name))
            at = (i + 1) % count;
    int tries = count, bad = count > 0;
    while (tries-- > 0 && (bad = theme_load(&theme, names[at], *e.text ? NULL : &e)))
        at = (at + 1) % count; /* one that is broken does not keep those behind it away */
    if (tries < 0 || bad) {
        ui_say(ui, ROLE_BAD, "%s", count ? e.text : "no themes were found");
    } else {
        ui->theme = theme;
        screen_theme(ui->screen, &ui->theme, &ui->probe.caps);
        store_put(ui->store, "theme", theme.name, NULL);
        const char *title = *theme.title ? theme.title : theme.name;
        if (*e.text)
            ui_say(ui, ROLE_WARN, "theme: %s. Left out: %s", title, e.text);
        else
            ui_say(ui, ROLE_TEXT, "theme: %s", title);
    }
    for (int i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

static void quit_now(struct ui *ui, void *user)
{
    (void)user;
    ui->quit = true;
}

/* "A job is running, 2 waiting, a download. Quit? They go on next time. ..." */
static void ask_to_quit(struct ui *ui)
{
    char question[160];
    int running = ui->queue.sent_count, waiting = ui->queue.count - running;
    int jobs = running + waiting;
    bool pull = pulls_running(ui);
    if (!jobs && !pull) {
        ui->quit = true;
        return;
    }
    snprintf(question, sizeof question, "%s%s%.0d%s%s. Quit?%s%s",
             running > 1 ? "Jobs are running"
             : running   ? "A job is running"
                         : "",
             running && waiting ? ", " : "", waiting, waiting ? " waiting" : "",
             !pull  ? ""
             : jobs ? ", a download"
                    : "A download is running",
             jobs > 1    ? " They go on next time."
             : jobs == 1 ? " It goes on next time."
                         : "",
             pull ? " What was downloaded is kept." : "");
    dialog_ask(ui, question, quit_now, NULL);
}

static void cancel_all(struct ui *ui, void *user)
{
    (void)user;
    queue_cancel_all(ui);
}

/* A few are soon queued again; a night's work is not for a slip of the hand. */
static void ask_to_cancel(struct ui *ui)
{
    enum { FEW = 5 };
    char question[80];
    snprintf(question, sizeof question, "Cancel all %d jobs?", ui->queue.count);
    if (ui->queue.count <= FEW)
        queue_cancel_all(ui);
    else if (ui->dialog)
        ui_say(ui, ROLE_TEXT, "%d jobs: close this first, then cancel them", ui->queue.count);
    else
        dialog_ask(ui, question, cancel_all, NULL);
}

void ui_resumed(struct ui *ui)
{
    if (tty_resized(&ui->tty))
        screen_resize(ui->screen, ui->tty.rows, ui->tty.cols);
    screen_redraw(ui->screen);
    ui_dirty(ui);
}

void ui_note_answers(struct ui *ui)
{
    ui->tty.answers_due = !ui->probe.caps.done || ui->out.pace.waiting;
}

void ui_suspend(struct ui *ui)
{
    while (out_waiting(&ui->out) && out_flush(&ui->out))
        poll(&(struct pollfd){.fd = ui->tty.out, .events = POLLOUT}, 1, 100);
    ui_note_answers(ui);
    tty_suspend(&ui->tty);
    ui_resumed(ui);
}

void ui_global_act(struct ui *ui, enum action a)
{
    switch (a) {
    case ACT_HELP:
        ui->help ? help_close(ui) : help_open(ui);
        break;
    case ACT_STUDIO:
    case ACT_COMPARE:
    case ACT_GALLERY:
    case ACT_MONITOR:
    case ACT_FINISH:
        ui_view(ui, (enum view)(a - ACT_STUDIO));
        break;
    case ACT_CANCEL:
        if (ui->queue.sent_count)
            queue_cancel(ui, ui->live.job ? ui->live.job : ui->queue.sent[0]);
        else
            ui_say(ui, ROLE_DIM, "nothing is running; Ctrl-Q quits");
        break;
    case ACT_CANCEL_ALL:
        ask_to_cancel(ui);
        break;
    case ACT_THEME:
        next_theme(ui);
        break;
    case ACT_IMPORT:
        import_ask(ui);
        break;
    case ACT_PULL:
        pulls_open(ui);
        break;
    case ACT_REDRAW:
        screen_redraw(ui->screen);
        break;
    case ACT_SUSPEND:
        ui_suspend(ui);
        break;
    case ACT_QUIT:
        ask_to_quit(ui);
        break;
    default:
        break;
    }
    ui_dirty(ui);
}
