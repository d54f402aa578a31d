/* Errands; see errand.h. */
#include "ui/errand.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "ui/files.h"

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

static void agreed(struct ui *ui, void *errand)
{
    errand_send(ui, errand);
}

static void refused(void *errand)
{
    errand_drop(errand);
}

void errand_send_over(struct ui *ui, struct errand *e, const char *to)
{
    char shown[PATH_MAX], question[PATH_MAX + 60];
    if (access(to, F_OK)) {
        errand_send(ui, e);
        return;
    }
    file_shorten(to, shown, sizeof shown);
    snprintf(question, sizeof question, "%s is there already. Write over it?", shown);
    dialog_ask(ui, question, agreed, e);
    dialog_owns(ui, refused);
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

/* ---- large pictures for the screen ---- */

struct encode_errand {
    struct errand errand; /* first */
    struct place_encoding *encoding;
};

static void encode(struct work *work)
{
    place_encoding_run(((struct encode_errand *)work)->encoding);
}

static void encoded(struct ui *ui, struct errand *e)
{
    struct encode_errand *w = (struct encode_errand *)e;
    screen_encoded(ui->screen, w->encoding);
    w->encoding = NULL;
}

static void encode_free(struct errand *e)
{
    place_encoding_free(((struct encode_errand *)e)->encoding);
    free(e);
}

static void send_encoding(void *user, struct place_encoding *encoding)
{
    struct encode_errand *w = calloc(1, sizeof *w);
    if (!w) { /* it is never drawn: nothing else is either without memory */
        place_encoding_free(encoding);
        return;
    }
    *w = (struct encode_errand){{{.run = encode}, encoded, encode_free}, encoding};
    errand_send(user, &w->errand);
}

void errands_start(struct ui *ui, int nice)
{
    ui->worker = worker_new(nice, NULL);
    if (ui->worker)
        screen_encode_with(ui->screen, send_encoding, ui);
}
