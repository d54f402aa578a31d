/* Errands; see errand.h. */
#include "ui/errand.h"

static void finish(struct ui *ui, struct errand *e)
{
    e->done(ui, e);
    e->free(e);
    ui_dirty(ui);
}

void errand_send(struct ui *ui, struct errand *e)
{
    if (ui->worker) {
        worker_give(ui->worker, &e->work);
    } else {
        e->work.run(&e->work);
        finish(ui, e);
    }
}

void errands_done(struct ui *ui)
{
    struct work *w;
    while (ui->worker && (w = worker_take(ui->worker)))
        finish(ui, (struct errand *)w);
}

void errand_drop(struct work *w)
{
    struct errand *e = (struct errand *)w;
    e->free(e);
}
