/*
 * Images on the screen against images wanted; see place.h.
 *
 * An entry knows what of its slot stands on the screen (where, which content, how large) and holds
 * the bytes of what was encoded last, so that an image that only has to be drawn again, or moved,
 * is not encoded again. Nothing is sent when the two agree.
 *
 * Pace: previews are sent only when the terminal has answered for all that came before, in the
 * largest size that LIVE_MS of the line can carry. Others are always sent in full, but once more
 * than STILL_MS of them are on their way the rest waits for the answer, so that a gallery over a
 * slow line does not hold up the keys.
 *
 * tmux keeps the last few images only (9 in 3.4 to 3.6, later 19). Text over one of them makes it
 * draw its window anew, a moment later and without those that it no longer has. So after such a
 * blow images wait until that has happened, and what was sent long ago is sent again.
 */
#include "term/place.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "term/graphics.h"
#include "term/place_cells.h"

enum {
    MAX_COVERS = 32,
    LIVE_MS = 150,
    STILL_MS = 300,
    STILL_BYTES = 256 << 10, /* while the line's speed is not known */
    QUICK_SIXEL = 400 * 400, /* pixels as shown that take some milliseconds to encode ... */
    QUICK_PNG = 160 * 160,   /* ... as sixel, and as PNG (kitty, iTerm2) */
    TMUX_KEEPS = 9,
    TMUX_DRAWS_MS = 60, /* after its answer; it waits until the terminal around it has taken all */
    SHRINKS = 2,        /* how often a preview is halved below one pixel a pixel */
    ID_BASE = 0x53500000, /* kitty's ids are shared with other programs */
};

/* All that decides what is drawn, but the terminal. */
struct look {
    uint64_t serial;
    int w, h;
    uint8_t ground[3], ground2[3];
    int scale, rows, cols; /* rows and cols: of the area, when shrunk to it; else 0 */
    int y, x;              /* for characters, which hold their place; else 0 */
    struct cells part;     /* as the place's */
};

struct entry {
    bool used;
    unsigned slot;
    bool shown;              /* something of it stands on the screen: rect, look */
    bool hurt;               /* and was written over */
    bool over;               /* in an overlay */
    bool held;               /* kitty has it */
    struct cells rect, edge; /* the cells of the image; those to be cleared (place_edge) */
    struct look look;
    uint64_t sent;     /* which of all images that were sent */
    int variant;       /* how far a preview has to be made smaller */
    int shown_variant; /* and how far what stands there was */
    uint64_t pending;  /* the ticket of what is being encoded elsewhere, or 0 */
    struct {
        char *bytes; /* NULL: nothing */
        size_t len;
        struct look look;
        bool failed; /* this look cannot be encoded */
    } cache;
};

struct place_encoding {
    struct graphics_job job; /* its image is a copy */
    struct caps caps;
    unsigned slot;
    uint64_t ticket;
    struct look look;
    char *bytes;
    size_t len;
};

struct places {
    struct place want[MAX_PLACES];
    int wants;
    struct cells cover[MAX_COVERS];
    int covers;
    struct entry entry[MAX_PLACES];
    struct caps caps; /* that the entries were drawn with */
    char *blank[2];   /* attributes of empty cells, and in overlays; NULL: not told yet */
    size_t flight;    /* bytes of pictures since the last answer */
    int turn;         /* which preview comes first, in turn */
    uint64_t sent;    /* images, ever */
    bool stirred;     /* tmux may be about to draw anew ... */
    double asked_ms;  /* ... and was asked then whether it has seen why; 0: not yet */
    void (*send)(void *user, struct place_encoding *); /* NULL: all is encoded here */
    void *user;
    uint64_t tickets;
};

/* -- a frame ------------------------------------------------------------------------------------
 */

struct places *places_new(void)
{
    return calloc(1, sizeof(struct places));
}

static void entry_drop(struct entry *t)
{
    free(t->cache.bytes);
    *t = (struct entry){0};
}

void places_free(struct places *p)
{
    if (!p)
        return;
    for (int i = 0; i < MAX_PLACES; i++)
        entry_drop(&p->entry[i]);
    free(p->blank[0]);
    free(p->blank[1]);
    free(p);
}

void place_begin(struct places *p)
{
    p->wants = p->covers = 0;
}

static struct place *find_want(struct places *p, unsigned slot)
{
    for (int i = 0; i < p->wants; i++)
        if (p->want[i].slot == slot)
            return &p->want[i];
    return NULL;
}

void place_want(struct places *p, const struct place *want)
{
    struct place *same = find_want(p, want->slot);
    assert(want->image && want->y >= 0 && want->x >= 0);
    if (want->rows < 1 || want->cols < 1)
        return;
    if (same)
        *same = *want;
    else if (p->wants < MAX_PLACES)
        p->want[p->wants++] = *want;
}

void place_cover(struct places *p, int y, int x, int rows, int cols)
{
    struct cells r = {y, x, rows, cols};
    if (p->covers < MAX_COVERS)
        p->cover[p->covers++] = r;
    else
        p->cover[MAX_COVERS - 1] = cells_join(p->cover[MAX_COVERS - 1], r);
}

void place_forget(struct places *p)
{
    for (int i = 0; i < MAX_PLACES; i++)
        p->entry[i].shown = p->entry[i].hurt = false;
}

static bool covered(const struct places *p, const struct place *w, struct cells r)
{
    return place_is_covered(w, r, p->cover, p->covers);
}

bool place_touched(const struct places *p, int y, int x, int rows, int cols)
{
    for (int i = 0; i < p->wants; i++) {
        const struct place *w = &p->want[i];
        struct cells all = place_cells(&p->caps, w);
        if (w->live) /* covered at its edge, it would be left out; others become pieces */
            all = place_edge(&p->caps, w, all);
        if (!w->over && cells_touch(all, (struct cells){y, x, rows, cols}))
            return true;
    }
    return false;
}

/* Will an image in these cells leave nothing to be seen of what the entry shows? */
static bool replaces(const struct entry *t, struct cells rect, struct cells edge)
{
    return cells_contain(rect, t->edge) ||
           (cells_contain(rect, t->rect) && cells_contain(t->rect, rect) &&
            cells_contain(edge, t->edge));
}

/* -- taking away --------------------------------------------------------------------------------
 */

static void put_cursor(struct out *out, int y, int x)
{
    out_printf(out, "\033[%d;%dH", y + 1, x + 1);
}

/* Spaces over an image's cells: never an erase, which would cost tmux every image in the row.
 * Images that touch them have to be drawn again. */
static void blank_cells(struct places *p, struct out *out, const struct entry *t)
{
    static const char spaces[] = "                                ";
    const struct cells r = t->edge;
    const char *blank = p->blank[t->over];
    out_text(out, "\033[0m");
    out_text(out, blank ? blank : "");
    for (int y = r.y; y < r.y + r.rows; y++) {
        put_cursor(out, y, r.x);
        for (int left = r.cols; left > 0; left -= (int)sizeof spaces - 1)
            out_put(out, spaces, left < (int)sizeof spaces ? (size_t)left : sizeof spaces - 1);
    }
    out_text(out, "\033[0m");
    for (int i = 0; i < MAX_PLACES; i++)
        if (p->entry[i].shown && cells_touch(p->entry[i].rect, r))
            p->entry[i].hurt = true;
    p->stirred = p->caps.tmux && p->caps.graphics == GRAPHICS_SIXEL;
    p->asked_ms = 0;
}

static unsigned kitty_id(unsigned slot)
{
    return ID_BASE | (slot & (PIECE_SLOT * MAX_PIECES - 1));
}

static void hide(struct places *p, struct out *out, struct entry *t)
{
    char remove[64];
    if (t->held) {
        graphics_remove(&p->caps, kitty_id(t->slot), remove, sizeof remove);
        out_text(out, remove);
    }
    if (t->shown)
        blank_cells(p, out, t);
    t->shown = t->hurt = t->held = false;
}

static void keep_text(char **kept, const char *text)
{
    if (*kept && !strcmp(*kept, text))
        return;
    free(*kept);
    *kept = strdup(text);
}

void place_clear(struct places *p, struct out *out, const char *blank, const char *blank_over)
{
    keep_text(&p->blank[0], blank);
    keep_text(&p->blank[1], blank_over);
    p->wants = place_cut(&p->caps, p->want, p->wants, p->cover, p->covers);
    for (int i = 0; i < MAX_PLACES; i++) {
        struct entry *t = &p->entry[i];
        struct place *w = t->used ? find_want(p, t->slot) : NULL;
        struct cells full = w ? place_cells(&p->caps, w) : (struct cells){0};
        /* An image that will lie over all of the old one replaces it without a gap. */
        struct cells edge = w ? place_edge(&p->caps, w, full) : full;
        if (t->used && (!w || covered(p, w, edge) || (t->shown && !replaces(t, full, edge))))
            hide(p, out, t);
        if (t->used && !w)
            entry_drop(t);
    }
}

/* -- drawing ------------------------------------------------------------------------------------
 */

static bool same_look(const struct look *a, const struct look *b)
{
    return a->serial == b->serial && a->w == b->w && a->h == b->h && a->scale == b->scale &&
           a->rows == b->rows && a->cols == b->cols && a->y == b->y && a->x == b->x &&
           !memcmp(a->ground, b->ground, 3) && !memcmp(a->ground2, b->ground2, 3) &&
           !memcmp(&a->part, &b->part, sizeof a->part);
}

static bool same_caps(const struct caps *a, const struct caps *b)
{
    return a->graphics == b->graphics && a->colors == b->colors && a->cell_w == b->cell_w &&
           a->cell_h == b->cell_h && a->sixel_registers == b->sixel_registers &&
           a->sixel_w == b->sixel_w && a->sixel_h == b->sixel_h && a->tmux == b->tmux &&
           a->sixel_bands == b->sixel_bands;
}

/* The terminal turned out to be another: nothing that was drawn or encoded counts. */
static bool change_caps(struct places *p, const struct caps *caps, struct out *out)
{
    if (same_caps(&p->caps, caps))
        return false;
    for (int i = 0; i < MAX_PLACES; i++) {
        if (p->entry[i].used)
            hide(p, out, &p->entry[i]);
        entry_drop(&p->entry[i]);
    }
    p->caps = *caps;
    return true;
}

static const struct entry *find_entry(const struct places *p, unsigned slot)
{
    for (int i = 0; i < MAX_PLACES; i++)
        if (p->entry[i].used && p->entry[i].slot == slot)
            return &p->entry[i];
    return NULL;
}

static struct entry *entry_of(struct places *p, unsigned slot)
{
    const struct entry *found = find_entry(p, slot);
    struct entry *free_one = NULL;
    if (found)
        return &p->entry[found - p->entry];
    for (int i = 0; i < MAX_PLACES && !free_one; i++)
        if (!p->entry[i].used)
            free_one = &p->entry[i];
    if (free_one)
        *free_one = (struct entry){.used = true, .slot = slot};
    return free_one;
}

struct variant {
    struct look look;
    struct cells rect, edge;
};

/* How a place is drawn, made smaller `n` times: half the factor down to 1, then shrunk into half
 * the area. False when there is no smaller one. */
static bool variant_of(const struct caps *caps, const struct place *w, int n, struct variant *v)
{
    int rows = w->rows, cols = w->cols, iw = w->image->width, ih = w->image->height;
    struct graphics_fit f = graphics_fit(caps, iw, ih, rows, cols);
    int smaller = n;
    for (; smaller > 0 && f.scale > 1; smaller--)
        f.scale /= 2;
    if (smaller > SHRINKS || (smaller && (rows >> smaller < 1 || cols >> smaller < 1)))
        return false;
    rows >>= smaller;
    cols >>= smaller;
    f = graphics_fit_at(caps, iw, ih, rows, cols, smaller ? 0 : f.scale);
    v->rect = (struct cells){w->y + (w->rows - rows) / 2 + f.top,
                             w->x + (w->cols - cols) / 2 + f.left, f.rows, f.cols};
    if (w->part.rows > 0)
        v->rect = place_cells(caps, w);
    v->edge = place_edge(caps, w, v->rect);
    v->look = (struct look){
        .serial = w->serial, .w = iw, .h = ih, .scale = f.scale, .part = w->part};
    memcpy(v->look.ground, w->ground, 3);
    memcpy(v->look.ground2, w->ground2, 3);
    if (f.scale < 1)
        v->look.rows = rows, v->look.cols = cols;
    if (caps->graphics == GRAPHICS_BLOCKS)
        v->look.y = v->rect.y, v->look.x = v->rect.x;
    return f.rows > 0;
}

static struct graphics_job job_of(const struct place *w, const struct variant *v)
{
    struct graphics_job job = {.image = w->image,
                               .rows = v->look.rows ? v->look.rows : w->rows,
                               .cols = v->look.cols ? v->look.cols : w->cols,
                               .scale = v->look.scale,
                               .y = v->rect.y,
                               .x = v->rect.x,
                               .part = v->look.part,
                               .id = kitty_id(w->slot)};
    memcpy(job.ground, w->ground, 3);
    memcpy(job.ground2, w->ground2, 3);
    return job;
}

/* Makes the entry's cache hold the bytes of this variant. */
static bool encode(struct places *p, struct entry *t, const struct place *w,
                   const struct variant *v)
{
    if (t->cache.bytes && same_look(&t->cache.look, &v->look))
        return true;
    struct graphics_job job = job_of(w, v);
    free(t->cache.bytes);
    t->cache.bytes = graphics_encode(&p->caps, &job, &t->cache.len, NULL);
    t->cache.look = v->look;
    return t->cache.bytes;
}

/* -- elsewhere ----------------------------------------------------------------------------------
 */

void place_encode_with(struct places *p, void (*send)(void *user, struct place_encoding *),
                       void *user)
{
    p->send = send;
    p->user = user;
}

void place_encoding_run(struct place_encoding *e)
{
    e->bytes = graphics_encode(&e->caps, &e->job, &e->len, NULL);
}

void place_encoding_free(struct place_encoding *e)
{
    if (!e)
        return;
    image_free((struct image *)(uintptr_t)e->job.image);
    free(e->bytes);
    free(e);
}

void place_encoded(struct places *p, struct place_encoding *e)
{
    for (int i = 0; i < MAX_PLACES; i++) {
        struct entry *t = &p->entry[i];
        if (!t->used || t->slot != e->slot || t->pending != e->ticket)
            continue;
        t->pending = 0;
        free(t->cache.bytes);
        t->cache.bytes = e->bytes;
        t->cache.len = e->len;
        t->cache.look = e->look;
        t->cache.failed = !e->bytes;
        e->bytes = NULL;
    }
    place_encoding_free(e);
}

static bool takes_long(const struct places *p, const struct look *look)
{
    int scale = look->scale > 0 ? look->scale : 1;
    double shown = (double)look->w * look->h * scale * scale;
    return p->caps.graphics == GRAPHICS_SIXEL    ? shown > QUICK_SIXEL
           : p->caps.graphics == GRAPHICS_BLOCKS ? (double)look->w * look->h > QUICK_SIXEL
                                                 : shown > QUICK_PNG;
}

/* Sends it away, unless that has been done. */
static void encode_elsewhere(struct places *p, struct entry *t, const struct place *w,
                             const struct variant *v)
{
    struct place_encoding *e = NULL;
    bool failed = t->cache.failed && same_look(&t->cache.look, &v->look);
    struct image *copy = failed || t->pending ? NULL : image_copy(w->image);
    if (copy)
        e = calloc(1, sizeof *e);
    if (!e) {
        image_free(copy);
        return;
    }
    *e = (struct place_encoding){.job = job_of(w, v),
                                 .caps = p->caps,
                                 .slot = w->slot,
                                 .ticket = ++p->tickets,
                                 .look = v->look};
    e->job.image = copy;
    t->pending = e->ticket;
    p->send(p->user, e);
}

/* The same, but what takes long comes later: false until then. */
static bool encode_still(struct places *p, struct entry *t, const struct place *w,
                         const struct variant *v)
{
    bool cached = t->cache.bytes && same_look(&t->cache.look, &v->look);
    if (cached || !p->send || !takes_long(p, &v->look))
        return encode(p, t, w, v);
    encode_elsewhere(p, t, w, v);
    return false;
}

/* The largest variant of a preview that the line can carry in time, encoded. A size once found too
 * large is not tried again before there is plenty of room. */
static bool encode_live(struct places *p, struct entry *t, const struct place *w, size_t budget,
                        struct variant *v)
{
    bool fresh = !t->cache.bytes || t->cache.look.serial != w->serial;
    if (fresh && t->variant > 0 && t->cache.bytes && t->cache.len < budget / 4)
        t->variant--;
    while (t->variant > 0 && !variant_of(&p->caps, w, t->variant, v))
        t->variant--;
    for (;; t->variant++) {
        struct variant smaller;
        if (!variant_of(&p->caps, w, t->variant, v) || !encode(p, t, w, v))
            return false;
        if (t->cache.len <= budget || !variant_of(&p->caps, w, t->variant + 1, &smaller))
            return true;
    }
}

static void send(struct places *p, struct out *out, struct entry *t, const struct place *w,
                 const struct variant *v)
{
    if (t->shown && !replaces(t, v->rect, v->edge))
        blank_cells(p, out, t);
    /* Where an image ends, a cursor that is seen would leave a blank in the one below it. */
    out_text(out, "\033[?25l");
    put_cursor(out, v->rect.y, v->rect.x);
    out_put(out, t->cache.bytes, t->cache.len);
    t->shown = true;
    t->hurt = false;
    t->over = w->over;
    t->held = p->caps.graphics == GRAPHICS_KITTY;
    t->rect = v->rect;
    t->edge = v->edge;
    t->look = v->look;
    t->shown_variant = t->variant;
    t->sent = ++p->sent;
    p->flight += t->cache.len;
}

enum drawn { DRAWN_NOTHING, DRAWN_SENT, DRAWN_LATER };

/* Is it there as wanted? A preview that had to be made smaller is. */
static bool is_shown(const struct places *p, const struct entry *t, const struct place *w)
{
    struct variant v;
    return t->shown && !t->hurt && variant_of(&p->caps, w, w->live ? t->shown_variant : 0, &v) &&
           same_look(&t->look, &v.look) && cells_contain(v.rect, t->rect) &&
           cells_contain(t->rect, v.rect);
}

static enum drawn draw(struct places *p, const struct place *w, struct out *out, bool idle,
                       double now_ms)
{
    struct variant v;
    struct entry *t;
    if (!variant_of(&p->caps, w, 0, &v) || covered(p, w, v.edge) || !(t = entry_of(p, w->slot)))
        return DRAWN_NOTHING;
    if (is_shown(p, t, w))
        return DRAWN_NOTHING;
    if (w->live) {
        if (!idle)
            return DRAWN_LATER;
        if (!encode_live(p, t, w, out_budget(out, LIVE_MS), &v))
            return DRAWN_NOTHING;
        if (!out_may_send(out, p->flight + t->cache.len, LIVE_MS, now_ms))
            return DRAWN_LATER;
    } else {
        size_t most = out_budget(out, STILL_MS);
        if (p->flight >= (most < STILL_BYTES ? most : STILL_BYTES))
            return DRAWN_LATER;
        t->variant = 0;
        if (!encode_still(p, t, w, &v))
            return DRAWN_NOTHING;
    }
    send(p, out, t, w, &v);
    return DRAWN_SENT;
}

/* -- tmux ---------------------------------------------------------------------------------------
 */

static bool tmux_forgot(const struct places *p, const struct entry *t)
{
    return t->shown && t->sent + TMUX_KEEPS <= p->sent;
}

/* By now, or by what this frame sends. */
static bool tmux_may_forget(const struct places *p)
{
    uint64_t sent = p->sent;
    bool may = p->wants > TMUX_KEEPS;
    for (int i = 0; i < p->wants; i++) {
        const struct entry *t = find_entry(p, p->want[i].slot);
        sent += !t || !is_shown(p, t, &p->want[i]);
    }
    for (int i = 0; i < MAX_PLACES; i++)
        may |= p->entry[i].shown && p->entry[i].sent + TMUX_KEEPS <= sent;
    return may;
}

/* False while tmux is about to draw its window anew; then what it forgot is known as hurt. */
static bool tmux_has_drawn(struct places *p, struct out *out, bool idle, double now_ms)
{
    if (!p->stirred || !tmux_may_forget(p)) {
        p->stirred = false;
        return true;
    }
    if (idle && !p->asked_ms) {
        out_ask(out, now_ms);
        p->asked_ms = now_ms;
        return false;
    }
    if (!idle || now_ms < p->asked_ms + TMUX_DRAWS_MS)
        return false;
    for (int i = 0; i < MAX_PLACES; i++)
        p->entry[i].hurt |= tmux_forgot(p, &p->entry[i]);
    p->stirred = false;
    return true;
}

int place_draw(struct places *p, const struct caps *caps, struct out *out, double now_ms)
{
    int due = 0, wants = p->wants, first = wants ? p->turn % wants : 0;
    bool sent = false, idle = out_may_send(out, 0, LIVE_MS, now_ms);
    if (change_caps(p, caps, out) && p->covers > 0)
        return 1; /* pieces were cut for the terminal before */
    if (idle)
        p->flight = 0;
    if (!tmux_has_drawn(p, out, idle, now_ms))
        return 1;
    for (int i = 0; i < wants; i++) {
        int k = (first + i) % wants;
        enum drawn d = draw(p, &p->want[k], out, idle, now_ms);
        due += d == DRAWN_LATER;
        sent |= d == DRAWN_SENT;
        if (d == DRAWN_SENT && p->want[k].live)
            p->turn = k + 1;
    }
    if (sent)
        out_text(out, "\033[0m");
    if (sent && idle)
        out_ask(out, now_ms);
    return due;
}
