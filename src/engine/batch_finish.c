/* The finishers: decoded pictures to sprites on the disk; see batch_priv.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/fileio.h"
#include "engine/batch_priv.h"
#include "engine/save.h"

static int save_all(struct unit *u, struct image *const *images, struct err *e)
{
    if (older_aside(u, e))
        return -1;
    for (int i = 0; i < u->result.count; i++) {
        const struct origin origin = {&u->job, u->device->pipeline, &u->result, u->device->hash, i};
        if (sprite_save(u->files[i], images[i], &origin, e) ||
            digest_file(u->files[i], u->sha256[i], e))
            return -1;
    }
    return 0;
}

bool batch_disk_is_gone(const struct err *e)
{
    static const int reasons[] = {ENOSPC, EDQUOT, EROFS};
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (strstr(e->text, file_reason(reasons[i])))
            return true;
    return false;
}

/* Returns the milliseconds that it took. */
static double finish(struct unit *u)
{
    struct err e = {""};
    double began = clock_ms();
    struct image **images = calloc((size_t)u->result.count, sizeof(*images));
    int rc = images ? sprites_finish(&u->job, &u->result, images, &e)
                    : err_set(&e, "out of memory for the sprites");
    if (rc == 0 && (rc = save_all(u, images, &e)) != 0)
        u->fatal = batch_disk_is_gone(&e);
    for (int i = 0; images && i < u->result.count; i++)
        image_free(images[i]);
    free(images);
    if (rc)
        unit_fail(u, &e);
    free(u->result.rgb); /* its notes are told */
    u->result.rgb = NULL;
    double ms = clock_ms() - began;
    u->ms += ms;
    return ms;
}

void *batch_finish(void *arg)
{
    struct batch *b = arg;
    pthread_mutex_lock(&b->lock);
    for (;;) {
        struct unit *u = queue_get(&b->computed);
        if (!u && b->ended)
            break;
        if (!u) {
            pthread_cond_wait(&b->changed, &b->lock);
            continue;
        }
        b->finishing++;
        pthread_mutex_unlock(&b->lock);
        double ms = finish(u);
        pthread_mutex_lock(&b->lock);
        b->finish_ms += ms;
        b->finishing--;
        u->device->outstanding--;
        queue_put(&b->done, u);
        pthread_cond_broadcast(&b->changed);
    }
    pthread_mutex_unlock(&b->lock);
    return NULL;
}
