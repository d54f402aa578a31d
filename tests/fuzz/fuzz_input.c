/*
 * The decoder on any bytes, cut anywhere, and its answers to the probe. Text is text, a paste has
 * no controls but newline and tab, and where the bytes were cut changes nothing, unless time
 * passed.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "term/input.h"
#include "term/probe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds)
        abort();
}

/* What was seen, in one row. */
struct record {
    char *bytes;
    size_t len, cap;
};

static void put(struct record *r, const void *bytes, size_t len)
{
    if (r->len + len > r->cap) {
        r->cap = 2 * (r->len + len) + 256;
        r->bytes = realloc(r->bytes, r->cap);
        check(r->bytes != NULL);
    }
    if (len)
        memcpy(r->bytes + r->len, bytes, len);
    r->len += len;
}

/* A reader of UTF-8 that shares nothing with the decoder's: -1 where it is broken. */
static int32_t next_character(const unsigned char **s, const unsigned char *end)
{
    static const int32_t least[] = {0, 0x80, 0x800, 0x10000};
    const unsigned char *p = *s;
    int more = *p < 0x80 ? 0 : *p >> 5 == 6 ? 1 : *p >> 4 == 14 ? 2 : *p >> 3 == 30 ? 3 : -1;
    if (more < 0 || end - p <= more)
        return -1;
    int32_t cp = more ? *p & (0x3f >> more) : *p;
    for (int i = 1; i <= more; i++) {
        if (p[i] >> 6 != 2)
            return -1;
        cp = cp << 6 | (p[i] & 0x3f);
    }
    *s = p + more + 1;
    return cp < least[more] || cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000) ? -1 : cp;
}

static void check_text(const struct input_event *e)
{
    const unsigned char *p = (const unsigned char *)e->text, *end = p + e->len;
    int n = 0;
    check(e->len > 0 && *end == '\0');
    for (; p < end; n++) {
        int32_t cp = next_character(&p, end);
        int control = cp < 0x20 || (cp >= 0x7f && cp < 0xa0);
        check(cp >= 0 && (!control || (e->kind == INPUT_PASTE && (cp == '\n' || cp == '\t'))));
    }
    check(e->kind == INPUT_PASTE || n == 1);
}

static void check_event(const struct input_event *e)
{
    char name[32];
    switch (e->kind) {
    case INPUT_KEY:
        check((e->code > KC_NONE && e->code < KC_LAST) ||
              (e->code >= 0x20 && e->code <= 0x10ffff && (e->mods & (MOD_CTRL | MOD_ALT))));
        key_name(e->code, e->mods, name, sizeof name);
        check(name[0] != '\0');
        break;
    case INPUT_TEXT:
    case INPUT_PASTE:
        check_text(e);
        break;
    case INPUT_MOUSE:
        check(e->y >= 0 && e->x >= 0 && e->button >= 0 && e->button <= 3);
        break;
    case INPUT_FOCUS:
        break;
    case INPUT_ANSWER:
        check(e->len >= 3 && e->text[0] == '\033' && e->text[e->len] == '\0');
        break;
    }
}

static void drain(struct input *in, struct record *r, struct probe *p)
{
    struct input_event e;
    while (input_next(in, &e)) {
        check_event(&e);
        int head[] = {(int)e.kind, e.code, (int)e.mods, (int)e.what, e.button, e.y, e.x, e.on};
        put(r, head, sizeof head);
        put(r, e.text, e.len);
        if (e.kind == INPUT_ANSWER) {
            probe_answer(p, e.text, e.len, 2);
            check(p->caps.cell_w >= 0 && p->caps.cell_w <= 200 && p->caps.sixel_registers >= 2 &&
                  p->caps.graphics <= GRAPHICS_SIXEL && strlen(p->caps.why) > 0);
        }
    }
}

static const char *no_environment(const char *name)
{
    (void)name;
    return NULL;
}

enum way { WHOLE, CUT, WITH_TIME };

static struct record run(const uint8_t *data, size_t size, enum way way)
{
    struct record r = {0};
    struct probe p;
    struct input *in = input_new();
    uint32_t dice = size ? data[size - 1] + 1u : 1;
    check(in != NULL);
    probe_start(&p, no_environment);
    for (size_t at = 0; at < size;) {
        dice = dice * 1664525 + 1013904223;
        size_t n = way == WHOLE ? size : dice >> 28;
        n = n < size - at ? n : size - at;
        input_feed(in, (const char *)data + at, n);
        at += n;
        drain(in, &r, &p);
        if (way == WITH_TIME && dice & 1 << 20 && input_pending(in)) {
            input_expire(in);
            drain(in, &r, &p);
            check(!input_pending(in));
        }
    }
    input_free(in);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct record whole = run(data, size, WHOLE), cut = run(data, size, CUT);
    struct record timed = run(data, size, WITH_TIME);
    check(whole.len == cut.len && (!cut.len || !memcmp(whole.bytes, cut.bytes, cut.len)));
    free(whole.bytes);
    free(cut.bytes);
    free(timed.bytes);
    return 0;
}
