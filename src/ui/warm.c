/*
 * Warming up, from the terminal's side. It gives way to the first job, and with it what would have
 * been learnt of this machine's speed, which the time in forecasts comes from. So it is asked for
 * again once nothing has been going on for a while; not for another model than the one it was for,
 * which would have to be loaded.
 */
#include "base/clock.h"
#include "ui/ui.h"

enum { QUIET_MS = 4000, MOST_TRIES = 3 };

int warm_send(struct ui *ui, struct err *e)
{
    struct warm *w = &ui->warm;
    struct command *c = command_new(COMMAND_OPEN);
    if (c)
        c->warm = true;
    if (!c || settings_fill(&c->settings, &w->settings, e) || !pool_send(ui->pool, c)) {
        command_free(c);
        return err_set(e, "out of memory");
    }
    w->cut = false;
    w->tries++;
    return 0;
}

void warm_event(struct ui *ui, const struct event *ev)
{
    struct warm *w = &ui->warm;
    w->quiet_from_ms = clock_ms();
    if (ev->kind == EVENT_LOADING && ++w->loads > ui->devices)
        w->tries = MOST_TRIES; /* another model is open now */
    else if (ev->kind == EVENT_WARM && ev->step == ev->steps)
        w->cut = !*ev->stage;
}

void warm_tick(struct ui *ui)
{
    const struct warm *w = &ui->warm;
    struct err ignored;
    bool quiet = ui->queue.count == 0 && clock_ms() - w->quiet_from_ms >= QUIET_MS;
    if (w->cut && quiet && w->tries < MOST_TRIES && ui->pool)
        warm_send(ui, &ignored);
}

void warm_free(struct ui *ui)
{
    settings_free(&ui->warm.settings);
}
