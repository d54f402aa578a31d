/* Gallery: to be built. */
#include "ui/ui.h"

static void gallery_draw(struct ui *ui, struct rect r)
{
    draw_box(ui->screen, r, "Gallery", true);
}

static unsigned gallery_contexts(const struct ui *ui)
{
    (void)ui;
    return CTX_GALLERY;
}

static bool gallery_act(struct ui *ui, enum action a)
{
    (void)ui, (void)a;
    return false;
}

static void gallery_type(struct ui *ui, const struct input_event *in)
{
    (void)ui, (void)in;
}

const struct view_ops view_gallery = {
    .name = "Gallery",
    .draw = gallery_draw,
    .contexts = gallery_contexts,
    .act = gallery_act,
    .type = gallery_type,
};
