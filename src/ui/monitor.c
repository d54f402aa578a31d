/* Monitor: to be built. */
#include "ui/ui.h"

static void monitor_draw(struct ui *ui, struct rect r)
{
    draw_box(ui->screen, r, "Monitor", true);
}

static unsigned monitor_contexts(const struct ui *ui)
{
    (void)ui;
    return CTX_MONITOR;
}

static bool monitor_act(struct ui *ui, enum action a)
{
    (void)ui, (void)a;
    return false;
}

static void monitor_type(struct ui *ui, const struct input_event *in)
{
    (void)ui, (void)in;
}

const struct view_ops view_monitor = {
    .name = "Monitor",
    .draw = monitor_draw,
    .contexts = monitor_contexts,
    .act = monitor_act,
    .type = monitor_type,
};
