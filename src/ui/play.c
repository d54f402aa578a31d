/* Sprites as an animation; see play.h. */
#include "ui/play.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sprite/sheet.h"

static const char *const rate_key = "play-rate";

int play_rate(struct ui *ui)
{
    char *text = store_get(ui->store, rate_key);
    int rate = text ? atoi(text) : 0;
    free(text);
    return rate >= 1 && rate <= PLAY_RATE_MAX ? rate : PLAY_RATE;
}

void play_stop(struct play *p)
{
    for (int i = 0; i < p->count; i++)
        image_free(p->frame[i]);
    memset(p->frame, 0, sizeof p->frame);
    store_sprites_free(p->sprite, p->sprites);
    p->serial += (unsigned)p->count; /* no picture of before is taken for one to come */
    p->sprite = NULL;
    p->sprites = p->count = 0;
    p->on = false;
}

bool play_start(struct play *p, struct ui *ui, struct store_sprite *sprites, int count)
{
    play_stop(p);
    p->rate = p->rate ? p->rate : play_rate(ui);
    p->sprite = sprites;
    p->sprites = count;
    if (count < 2) {
        play_stop(p);
        ui_say(ui, ROLE_TEXT,
               "nothing to play: its job made no other sprite; m marks others to play with it");
        return false;
    }
    if (count > PLAY_FRAMES)
        ui_say(ui, ROLE_TEXT, "the first %d of %d are played", PLAY_FRAMES, count);
    p->on = true;
    return true;
}

void play_faster(struct play *p, struct ui *ui, int by)
{
    struct err e;
    char text[12];
    int rate = p->rate + by;
    rate = rate < 1 ? 1 : rate > PLAY_RATE_MAX ? PLAY_RATE_MAX : rate;
    if (rate == p->rate)
        return;
    /* The frame that is seen stays. */
    double frames = (ui->now_ms - p->began_ms) * p->rate;
    p->began_ms = ui->now_ms - frames / rate;
    p->rate = rate;
    snprintf(text, sizeof text, "%d", rate);
    (void)store_put(ui->store, rate_key, text, &e); /* only a convenience */
}

static int frame_now(const struct play *p, const struct ui *ui)
{
    double frames = floor((ui->now_ms - p->began_ms) * p->rate / 1000 + 1e-6);
    return frames > 0 ? (int)fmod(frames, p->count) : 0;
}

/* All frames once they are there; broken files are left out. False: some are still being read. */
static bool take_frames(struct play *p, struct ui *ui)
{
    struct sheet_frame f[PLAY_FRAMES] = {{0}};
    int n = 0;
    bool waits = false;
    for (int i = 0; i < p->sprites && n < PLAY_FRAMES; i++) {
        struct thumb t = thumb_get(ui, p->sprite[i].path);
        waits |= !t.image && !t.broken;
        if (t.image)
            f[n++].image = t.image;
    }
    if (waits)
        return false;
    while (p->count < n && (p->frame[p->count] = sheet_canvas(f, n, p->count)))
        p->count++;
    if (n < 1 || p->count < n) {
        ui_say(ui, ROLE_BAD, n < 1 ? "the files of these sprites are gone" : "out of memory");
        play_stop(p);
        return false;
    }
    p->began_ms = ui->now_ms;
    return true;
}

void play_draw(struct play *p, struct ui *ui, struct rect r, unsigned slot)
{
    if (!p->frame[0] && !take_frames(p, ui))
        return;
    int i = frame_now(p, ui);
    draw_image(ui->screen, r, slot, p->frame[i], p->serial + (unsigned)i, true, true);
    double passed = floor((ui->now_ms - p->began_ms) * p->rate / 1000 + 1e-6);
    double due = p->began_ms + (passed + 1) * 1000 / p->rate;
    ui->wake_ms = ui->wake_ms > 0 ? fmin(ui->wake_ms, due) : due;
}

void play_title(const struct play *p, const struct ui *ui, char *out, size_t size)
{
    if (p->frame[0])
        snprintf(out, size, "frame %d of %d, %d a second (+ -)", frame_now(p, ui) + 1, p->count,
                 p->rate);
    else
        snprintf(out, size, "%d sprites", p->sprites);
}
