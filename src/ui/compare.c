/* Compare: to be built. */
#include "ui/ui.h"

static void compare_draw(struct ui *ui, struct rect r)
{
    draw_box(ui->screen, r, "Compare", true);
}

static unsigned compare_contexts(const struct ui *ui)
{
    (void)ui;
    return CTX_COMPARE;
}

static bool compare_act(struct ui *ui, enum action a)
{
    (void)ui, (void)a;
    return false;
}

static void compare_type(struct ui *ui, const struct input_event *in)
{
    (void)ui, (void)in;
}

const struct view_ops view_compare = {
    .name = "Compare",
    .draw = compare_draw,
    .contexts = compare_contexts,
    .act = compare_act,
    .type = compare_type,
};

void compare_start(struct ui *ui)
{
    ui_view(ui, VIEW_COMPARE);
}
