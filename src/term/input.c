/*
 * The decoder of a terminal's bytes; see input.h.
 *
 * One byte is one step; a step that only finds out that a sequence broke off leaves its byte to be
 * looked at again. What can not be told from the bytes, decided:
 * - ESC, ESC [, ESC O, ESC P ... with nothing behind are a key once nothing came for ESC_MS. If the
 *   rest comes after all (a torn answer or mouse report), its shape gives it away: torn_look.
 * - ESC ESC [ A is Alt-Up as rxvt and PuTTY send it; but ESC before an answer, a mouse report or a
 *   string was the Esc key. ESC ESC is Esc twice.
 * - CSI 1;5R is Ctrl-F3: the cursor's place is never asked for. CSI 24;80R is dropped.
 * - ESC P, ESC ], ESC ^, ESC _ and ESC X begin a string that only its end ends. A user who is stuck
 *   in one (a broken answer) gets out with Esc, any key that begins with ESC, or Ctrl-C; in a paste
 *   whose end was lost, with a Ctrl-C that comes alone and is followed by nothing for ESC_MS.
 */
#include "term/input.h"

#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "term/csi.h"
#include "term/torn.h"

enum { SEQ_MAX = 4096, PASTE_MAX = 4096, QUEUE_MAX = 8, ESC = 0x1b };

enum state {
    GROUND,
    ESCAPE,     /* ESC */
    CSI,        /* ESC [ and parameters */
    CSI_LINUX,  /* ESC [ [ */
    SS3,        /* ESC O */
    MOUSE_X10,  /* ESC [ M: three more bytes */
    STRING,     /* ESC P, ESC ], ESC ^, ESC _, ESC X */
    STRING_ESC, /* ... and an ESC, which begins ST or something else */
    TORN,       /* a beginning was taken for a key: see torn_look */
    TORN_END,   /* the ESC of ST was taken for one */
};

struct utf8 {
    int32_t cp;
    int left;            /* bytes to come */
    uint8_t first, last; /* what the next may be */
};

struct queued {
    struct input_event event;
    char text[8]; /* of a character */
};

struct input {
    char *raw; /* fed, not looked at */
    size_t start, end, cap;
    enum state state;
    bool after_esc; /* ESC before the sequence's own */
    bool alt;       /* ESC before a character */
    bool pasting;
    bool lone_ctrl_c; /* the last feed, in a paste or string: a way out */
    char seq[SEQ_MAX + 1];
    size_t seq_len;
    bool seq_cut; /* it was longer */
    int x10;
    struct utf8 utf8;
    char paste[PASTE_MAX + 1];
    size_t paste_len;
    bool paste_given, paste_cr;
    struct queued queue[QUEUE_MAX + 1]; /* the last one is for what does not fit */
    int head, count;
};

/* -- events -------------------------------------------------------------------------------------*/

static struct queued *push(struct input *in, enum input_kind kind)
{
    if (in->count == QUEUE_MAX) /* more than a step can make: a caller that takes no events */
        return &in->queue[QUEUE_MAX];
    struct queued *q = &in->queue[(in->head + in->count++) % QUEUE_MAX];
    *q = (struct queued){.event.kind = kind};
    return q;
}

static void push_key(struct input *in, int code, unsigned mods)
{
    struct queued *q = push(in, INPUT_KEY);
    q->event.code = code;
    q->event.mods = mods;
}

static void push_bytes(struct input *in, enum input_kind kind, char *text, size_t len)
{
    struct queued *q = push(in, kind);
    text[len] = '\0';
    q->event.text = text;
    q->event.len = len;
}

static void push_text(struct input *in, int32_t cp)
{
    struct queued *q = push(in, INPUT_TEXT);
    q->event.len = (size_t)utf8proc_encode_char(cp, (utf8proc_uint8_t *)q->text);
}

static void flush_paste(struct input *in)
{
    if (in->paste_len == 0 || in->paste_given)
        return;
    push_bytes(in, INPUT_PASTE, in->paste, in->paste_len);
    in->paste_given = true; /* the bytes stay until the next step */
}

/* A character and modifiers, however they were told, in the one form that a key event has. */
static void push_character(struct input *in, int32_t cp, unsigned mods)
{
    if (cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || !utf8proc_codepoint_valid(cp))
        return;
    int32_t lower = utf8proc_tolower(cp), upper = utf8proc_toupper(cp);
    if (!(mods & (MOD_CTRL | MOD_ALT))) {
        push_text(in, mods & MOD_SHIFT ? upper : cp);
        return;
    }
    mods = lower != cp ? mods | MOD_SHIFT : lower == upper ? mods & ~MOD_SHIFT : mods;
    push_key(in, lower, mods);
}

static void push_control(struct input *in, uint8_t c, unsigned mods)
{
    if (c == '\r')
        push_key(in, KC_ENTER, mods);
    else if (c == '\t')
        push_key(in, KC_TAB, mods);
    else if (c == 0x7f)
        push_key(in, KC_BACKSPACE, mods);
    else if (c == 0)
        push_key(in, ' ', mods | MOD_CTRL);
    else if (c <= 26)
        push_key(in, 'a' + c - 1, mods | MOD_CTRL);
    else
        push_key(in, '@' + c, mods | MOD_CTRL); /* \ ] ^ _ */
}

/* The ESC before something that Alt does not go with was a key of its own. */
static void push_esc_before(struct input *in)
{
    if (in->after_esc)
        push_key(in, KC_ESC, 0);
    in->after_esc = false;
}

/* -- UTF-8 --------------------------------------------------------------------------------------*/

enum utf8_step { UTF8_MORE, UTF8_DONE, UTF8_AGAIN };

/* DONE: u->cp is the character. AGAIN: what came before was broken, cp is U+FFFD, and the byte is
 * still to be looked at. */
static enum utf8_step utf8_step(struct utf8 *u, uint8_t c)
{
    if (u->left == 0) {
        u->first = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
        u->last = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
        u->left = c < 0xc2 || c > 0xf4 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
        u->cp = c < 0x80 ? c : u->left ? c & (0x3f >> u->left) : 0xfffd;
        return u->left ? UTF8_MORE : UTF8_DONE;
    }
    if (c < u->first || c > u->last) {
        *u = (struct utf8){.cp = 0xfffd};
        return UTF8_AGAIN;
    }
    u->cp = u->cp << 6 | (c & 0x3f);
    u->first = 0x80, u->last = 0xbf;
    return --u->left ? UTF8_MORE : UTF8_DONE;
}

/* -- sequences that have ended ------------------------------------------------------------------*/

static void answer(struct input *in)
{
    push_esc_before(in);
    if (!in->seq_cut)
        push_bytes(in, INPUT_ANSWER, in->seq, in->seq_len);
}

static void push_code(struct input *in, int code, unsigned mods)
{
    mods |= in->after_esc ? MOD_ALT : 0;
    if (code > KC_NONE)
        push_key(in, code, mods);
    else if (code < KC_NONE)
        push_character(in, code, mods);
}

static void finish_csi_in_paste(struct input *in)
{
    if (!strcmp(in->seq, "\033[201~")) {
        flush_paste(in);
        in->pasting = false;
    }
}

/* What is no key: true when it was one of these. Alt does not go with them. */
static bool finish_report(struct input *in, const struct csi *c)
{
    struct input_event mouse = {.kind = INPUT_MOUSE};
    bool focus = csi_is(c, 'I', 0) || csi_is(c, 'O', 0), paste = csi_is(c, '~', 200);
    bool x10 = csi_is(c, 'M', 0);
    if (csi_is_answer(c)) {
        answer(in);
        return true;
    }
    if (c->marker != '<' && !focus && !paste && !x10)
        return false;
    push_esc_before(in);
    if (c->marker == '<' && csi_mouse(c, &mouse)) {
        push(in, INPUT_MOUSE)->event = mouse;
    } else if (focus) {
        push(in, INPUT_FOCUS)->event.on = c->final == 'I';
    } else if (paste) {
        in->pasting = true;
        in->paste_cr = false;
    } else if (x10) {
        in->state = MOUSE_X10;
        in->x10 = 3;
    }
    return true;
}

static void finish_csi(struct input *in)
{
    in->state = GROUND;
    if (in->pasting) {
        finish_csi_in_paste(in);
        return;
    }
    struct csi c = csi_parse(in->seq + 2);
    unsigned mods;
    if (in->seq_cut || finish_report(in, &c))
        return;
    int code = csi_key(&c, &mods);
    push_code(in, code, mods);
}

/* -- steps: true when the byte is used up -------------------------------------------------------*/

static void keep(struct input *in, uint8_t c)
{
    if (in->seq_len < SEQ_MAX)
        in->seq[in->seq_len++] = (char)c;
    else
        in->seq_cut = true;
    in->seq[in->seq_len] = '\0';
}

static void begin(struct input *in)
{
    in->state = ESCAPE;
    in->seq_len = 0;
    in->seq_cut = in->after_esc = false;
    keep(in, ESC);
}

static bool step_character(struct input *in, uint8_t c)
{
    enum utf8_step what = utf8_step(&in->utf8, c);
    if (what != UTF8_MORE) {
        push_character(in, in->utf8.cp, in->alt ? MOD_ALT : 0);
        in->alt = false;
    }
    return what != UTF8_AGAIN;
}

static bool step_ground(struct input *in, uint8_t c)
{
    if (in->utf8.left || (c >= 0x20 && c != 0x7f))
        return step_character(in, c);
    if (c == ESC)
        begin(in);
    else
        push_control(in, c, 0);
    return true;
}

static bool step_paste(struct input *in, uint8_t c)
{
    bool again = false;
    if (!in->utf8.left && c == ESC) {
        begin(in);
        return true;
    }
    if (!in->utf8.left && (c == '\r' || c == '\n')) {
        if (c == '\r' || !in->paste_cr)
            in->paste[in->paste_len++] = '\n';
        in->paste_cr = c == '\r';
    } else {
        enum utf8_step what = utf8_step(&in->utf8, c);
        int32_t cp = in->utf8.cp;
        again = what == UTF8_AGAIN;
        in->paste_cr = false;
        if (what != UTF8_MORE && (cp == '\t' || (cp >= 0x20 && (cp < 0x7f || cp >= 0xa0))))
            in->paste_len += (size_t)utf8proc_encode_char(cp, (utf8proc_uint8_t *)in->paste +
                                                                  in->paste_len);
    }
    if (in->paste_len > PASTE_MAX - 4)
        flush_paste(in);
    return !again;
}

/* In a paste, escape sequences are dropped; what is not one loses its ESC only. */
static bool step_escape_in_paste(struct input *in, uint8_t c)
{
    if (c >= 0x20 && c < 0x30) /* as in ESC ( B */
        return true;
    in->state = GROUND;
    return c >= 0x30 && c < 0x7f;
}

static bool step_escape(struct input *in, uint8_t c)
{
    if (c == ESC) {
        push_esc_before(in);
        begin(in);
        in->after_esc = !in->pasting;
        return true;
    }
    keep(in, c);
    if (c == '[')
        in->state = CSI;
    else if (c && strchr("P]_^X", c))
        in->state = STRING;
    else if (in->pasting)
        return step_escape_in_paste(in, c);
    else if (c == 'O')
        in->state = SS3;
    else {
        push_esc_before(in);
        in->state = GROUND;
        if (c < 0x20 || c == 0x7f)
            push_control(in, c, MOD_ALT);
        else {
            in->alt = true;
            return false;
        }
    }
    return true;
}

static bool step_csi(struct input *in, uint8_t c)
{
    if (c < 0x20 || c > 0x7e) { /* broken off; a DEL too */
        in->state = GROUND;
        return false;
    }
    bool only_number = in->seq_len > 2 && strspn(in->seq + 2, "0123456789") == in->seq_len - 2;
    keep(in, c);
    if (c == '[' && in->seq_len == 3 && !in->pasting)
        in->state = CSI_LINUX;
    else if (c >= 0x40 || (c == '$' && only_number))
        finish_csi(in);
    return true;
}

static bool step_csi_linux(struct input *in, uint8_t c)
{
    in->state = GROUND;
    if (c >= 'A' && c <= 'E')
        push_code(in, KC_F1 + c - 'A', 0);
    return c >= 0x20;
}

static bool step_ss3(struct input *in, uint8_t c)
{
    unsigned mods;
    bool broken = c < 0x20 || c > 0x7e;
    if (!broken)
        keep(in, c);
    if (!broken && c >= '0' && c <= ';')
        return true;
    in->state = GROUND;
    if (!broken) {
        int code = csi_ss3_key(in->seq + 2, &mods);
        push_code(in, code, mods);
    }
    return !broken;
}

static bool step_mouse_x10(struct input *in, uint8_t c)
{
    if (c < 0x20 || --in->x10 == 0)
        in->state = GROUND;
    return c >= 0x20;
}

static void finish_string(struct input *in)
{
    in->state = GROUND;
    if (in->pasting)
        return;
    answer(in);
}

static bool step_string(struct input *in, uint8_t c)
{
    bool line = in->pasting && (c == '\r' || c == '\n'); /* no string of a paste goes so far */
    if (c == 0x18 || c == 0x1a || line) {                /* CAN and SUB end all sequences */
        in->state = GROUND;
        return !line;
    }
    keep(in, c);
    if (c == ESC)
        in->state = STRING_ESC;
    else if (c == '\a' && in->seq[1] == ']')
        finish_string(in);
    return true;
}

static void alt_introducer(struct input *in)
{
    push_esc_before(in);
    push_character(in, in->seq[1], MOD_ALT);
}

static bool step_string_esc(struct input *in, uint8_t c)
{
    if (c == '\\') {
        keep(in, c);
        finish_string(in);
        return true;
    }
    if (in->seq_len == 3 && !in->pasting) /* ESC _ ESC: Alt-_ and then something */
        alt_introducer(in);
    begin(in);
    return false;
}

static bool step_torn_end(struct input *in, uint8_t c)
{
    if (c == '\\') {
        keep(in, c);
        finish_string(in);
        return true;
    }
    in->state = GROUND;
    return false;
}

static bool step(struct input *in, uint8_t c)
{
    switch (in->state) {
    case ESCAPE:
        return step_escape(in, c);
    case CSI:
        return step_csi(in, c);
    case CSI_LINUX:
        return step_csi_linux(in, c);
    case SS3:
        return step_ss3(in, c);
    case MOUSE_X10:
        return step_mouse_x10(in, c);
    case STRING:
        return step_string(in, c);
    case STRING_ESC:
        return step_string_esc(in, c);
    case TORN_END:
        return step_torn_end(in, c);
    case GROUND:
    case TORN: /* settled before a step */
        break;
    }
    return in->pasting ? step_paste(in, c) : step_ground(in, c);
}

/* -- time ---------------------------------------------------------------------------------------*/

/* True when it is decided what comes after the beginning that was taken for a key. */
static bool settle_torn(struct input *in)
{
    char s[40]; /* from what follows the ESC on */
    size_t n = in->seq_len - 1, more = in->end - in->start;
    memcpy(s, in->seq + 1, n);
    more = more < sizeof s - 1 - n ? more : sizeof s - 1 - n;
    memcpy(s + n, in->raw + in->start, more);
    s[n + more] = '\0';
    enum torn torn = torn_look(s, n + more);
    if (torn == TORN_MAYBE)
        return false;
    bool in_csi = in->seq_len == 2 && in->seq[1] == '[';
    in->state = torn == TORN_NO ? GROUND : in->seq_len == 1 ? ESCAPE : in_csi ? CSI : STRING;
    return true;
}

static bool nothing_behind(const struct input *in)
{
    return (in->state == CSI || in->state == SS3 || in->state == STRING) && in->seq_len == 2;
}

bool input_pending(const struct input *in)
{
    if (in->pasting)
        return in->lone_ctrl_c || (in->paste_len > 0 && !in->paste_given);
    return in->lone_ctrl_c || in->state == ESCAPE || in->state == STRING_ESC ||
           nothing_behind(in) || (in->state == TORN && in->start < in->end);
}

static void leave_by_ctrl_c(struct input *in)
{
    flush_paste(in);
    in->pasting = in->after_esc = in->lone_ctrl_c = false;
    in->utf8.left = 0;
    in->state = GROUND;
    push_key(in, 'c', MOD_CTRL);
}

void input_expire(struct input *in)
{
    if (in->lone_ctrl_c) {
        leave_by_ctrl_c(in);
    } else if (in->pasting) {
        flush_paste(in);
    } else if (in->state == ESCAPE) {
        push_esc_before(in);
        push_key(in, KC_ESC, 0);
        in->state = TORN;
    } else if (nothing_behind(in)) {
        alt_introducer(in);
        in->state = TORN;
    } else if (in->state == STRING_ESC) {
        in->state = TORN_END;
    } else if (in->state == TORN) {
        in->state = GROUND;
    }
}

/* -- in and out ---------------------------------------------------------------------------------*/

struct input *input_new(void)
{
    return calloc(1, sizeof(struct input));
}

void input_free(struct input *in)
{
    if (in)
        free(in->raw);
    free(in);
}

void input_feed(struct input *in, const char *bytes, size_t len)
{
    size_t held = in->end - in->start;
    bool stuck = in->pasting || in->state == STRING || in->state == STRING_ESC;
    in->lone_ctrl_c = stuck && held == 0 && len == 1 && bytes[0] == 3;
    if (held && in->start)
        memmove(in->raw, in->raw + in->start, held);
    in->start = 0, in->end = held;
    if (len > in->cap - held) {
        size_t cap = held + len < 4096 ? 4096 : held + len;
        char *grown = cap > len ? realloc(in->raw, cap) : NULL;
        if (!grown)
            return; /* no memory: the bytes are lost, like those that nobody typed */
        in->raw = grown, in->cap = cap;
    }
    memcpy(in->raw + held, bytes, len);
    in->end += len;
}

static bool take(struct input *in, struct input_event *e)
{
    if (in->count == 0)
        return false;
    struct queued *q = &in->queue[in->head];
    *e = q->event;
    if (e->kind == INPUT_TEXT)
        e->text = q->text; /* stays until QUEUE_MAX more events */
    in->head = (in->head + 1) % QUEUE_MAX;
    in->count--;
    return true;
}

bool input_next(struct input *in, struct input_event *e)
{
    while (!take(in, e)) {
        if (in->start == in->end)
            return false;
        if (in->paste_given)
            in->paste_len = 0, in->paste_given = false;
        if (in->state == TORN && !settle_torn(in))
            return false;
        if (step(in, (uint8_t)in->raw[in->start]))
            in->start++;
    }
    return true;
}
