/*
 * Looking on while the device works: marks in the stream that the host asks for without waiting,
 * and values that go to pinned memory over a second stream.
 *
 * What is sent is first copied on the device, in the stream: the calls that follow may overwrite
 * its tensor at once. The second stream waits for that copy, and the next copy into the same place
 * waits for the second stream, both on the device; the host never waits.
 */
#include "backend.h"

static int open_slot(struct slot_seen *s)
{
    void **all[] = {&s->done, &s->there, &s->sent, &s->counted};
    int rc = 0;
    for (int i = 0; i < 4 && rc == 0; i++)
        if (!*all[i])
            rc = event_open(all[i]);
    return rc;
}

static bool ready(struct gpu *g, struct slot_seen *s)
{
    int rc = open_slot(s);
    if (rc == 0 && !g->beside)
        rc = stream_open_beside(&g->beside);
    return gpu_ok(g, rc, "looking on");
}

void gpu_mark(struct ops *o, int slot)
{
    struct gpu *g = gpu_of(o);
    struct slot_seen *s = &g->seen[slot];
    if (ready(g, s))
        gpu_ok(g, event_record(s->done, g->stream), "a mark");
}

/* Room on both sides. Larger than before only where a larger picture is looked at. */
static bool make_room(struct gpu *g, struct slot_seen *s, size_t bytes)
{
    if (bytes <= s->bytes)
        return true;
    /* the old ones may still be on their way */
    gpu_ok(g, stream_wait(g->beside), "looking on");
    device_free(s->copy, g->stream);
    pinned_free(s->host);
    s->copy = s->host = NULL;
    s->bytes = 0;
    int rc = device_alloc(&s->copy, bytes, g->stream);
    if (!gpu_ok(g, rc ? rc : pinned_alloc(&s->host, bytes), "looking on"))
        return false;
    s->bytes = bytes;
    return true;
}

/* What src holds, or with `rgb` its colours. */
static void send(struct gpu *g, struct slot_seen *s, const struct tensor *src, const float *rgb)
{
    size_t bytes = rgb ? 3 * (size_t)tensor_rows(src) : (size_t)tensor_count(src) * sizeof(float);
    assert(src->dtype == DT_F32 && tensor_dense(src));
    if (g->failed || !ready(g, s) || !make_room(g, s, bytes))
        return;
    struct tensor copy = *src;
    copy.data = s->copy;
    int rc = s->sends ? stream_after(g->stream, s->sent) : 0;
    if (rc == 0)
        rc = rgb ? gpu_preview(s->copy, src, rgb, g->stream) : gpu_copy(&copy, src, 1, g->stream);
    rc = rc ? rc : event_record(s->there, g->stream);
    rc = rc ? rc : stream_after(g->beside, s->there);
    rc = rc ? rc : device_get(s->host, s->copy, bytes, g->beside);
    rc = rc ? rc : event_record(s->sent, g->beside);
    s->sends = gpu_ok(g, rc, "a look");
}

void gpu_send(struct ops *o, int slot, const struct tensor *src)
{
    send(gpu_of(o), &gpu_of(o)->seen[slot], src, NULL);
}

void gpu_send_rgb(struct ops *o, int slot, const struct tensor *src, const float *rgb)
{
    send(gpu_of(o), &gpu_of(o)->seen[slot], src, rgb);
}

/* As what is sent, but that the copy's place is zeroed and counted in, by the stream itself. */
void gpu_watch(struct ops *o, int slot, const struct tensor *x)
{
    struct gpu *g = gpu_of(o);
    struct slot_seen *s = &g->seen[slot];
    if (g->failed || !ready(g, s))
        return;
    int rc = s->count ? 0 : device_alloc((void **)&s->count, sizeof *s->count, g->stream);
    rc = rc || s->bad ? rc : pinned_alloc((void **)&s->bad, sizeof *s->bad);
    rc = rc || !s->counts ? rc : stream_after(g->stream, s->counted);
    rc = rc ? rc : device_zero(s->count, sizeof *s->count, g->stream);
    rc = rc ? rc : gpu_count_bad(x, s->count, g->stream);
    rc = rc ? rc : event_record(s->there, g->stream);
    rc = rc ? rc : stream_after(g->beside, s->there);
    rc = rc ? rc : device_get(s->bad, s->count, sizeof *s->bad, g->beside);
    rc = rc ? rc : event_record(s->counted, g->beside);
    s->counts = gpu_ok(g, rc, "a look");
}

size_t gpu_bad(struct ops *o, int slot)
{
    const struct slot_seen *s = &gpu_of(o)->seen[slot];
    return s->counts ? *s->bad : 0;
}

/* The count lies before the bytes. */
void gpu_bytes(struct ops *o, uint8_t *bytes, size_t *bad, const struct tensor *image)
{
    enum { BEFORE = 256 };
    struct gpu *g = gpu_of(o);
    size_t count = (size_t)tensor_count(image);
    unsigned found = 0;
    *bad = 0;
    if (g->failed)
        return;
    char *room = gpu_grow(g, &g->raw, &g->raw_bytes, BEFORE + count);
    if (!room)
        return;
    int rc = device_zero(room, sizeof found, g->stream);
    rc = rc ? rc : gpu_pixels((uint8_t *)room + BEFORE, image, (unsigned *)room, g->stream);
    if (gpu_ok(g, rc, "pixels"))
        gpu_get(g, &found, room, sizeof found);
    if (!g->failed)
        gpu_get(g, bytes, room + BEFORE, count);
    *bad = found;
}

int gpu_passed(struct ops *o, int slot, struct err *e)
{
    struct gpu *g = gpu_of(o);
    const struct slot_seen *s = &g->seen[slot];
    int rc = g->failed ? 0 : event_passed(s->done);
    if (rc == 0 && !g->failed && s->sends)
        rc = event_passed(s->sent);
    if (rc == 0 && !g->failed && s->counts)
        rc = event_passed(s->counted);
    if (rc != EVENT_AHEAD)
        gpu_ok(g, rc, "computing");
    if (g->failed) {
        g->failed = false;
        return err_pass(e, &g->err);
    }
    return rc == 0;
}

const void *gpu_sent(struct ops *o, int slot)
{
    return gpu_of(o)->seen[slot].host;
}

void gpu_looking_close(struct gpu *g)
{
    if (g->beside)
        stream_wait(g->beside);
    for (int i = 0; i < OPS_SLOTS; i++) {
        struct slot_seen *s = &g->seen[i];
        event_close(s->done);
        event_close(s->there);
        event_close(s->sent);
        event_close(s->counted);
        device_free(s->copy, g->stream);
        device_free(s->count, g->stream);
        pinned_free(s->host);
        pinned_free(s->bad);
    }
    stream_close(g->beside);
}
