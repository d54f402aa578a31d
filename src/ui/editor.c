/*
 * A text being edited; see editor.h.
 *
 * At most 64 KiB, so the text is one plain buffer and an edit is one memmove. Every change is one
 * splice (what stood at a place, what stands there now), and so is every undo step. The cursor is
 * always on a border between clusters; borders are counted from the start of a line, since
 * a cluster never goes over a newline.
 */
#include "ui/editor_priv.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

enum {
    LONG_PIECE = 2048, /* a paste of more than this may go on with the next one */
    ROWS_MIN = 64,
};

struct editor *editor_new(bool many_lines)
{
    struct editor *ed = calloc(1, sizeof *ed);
    if (!ed)
        return NULL;
    ed->text = malloc(EDITOR_MAX + 1);
    ed->row = malloc(ROWS_MIN * sizeof *ed->row);
    if (!ed->text || !ed->row) {
        editor_free(ed);
        return NULL;
    }
    ed->text[0] = '\0';
    ed->row_cap = ROWS_MIN;
    ed->many_lines = many_lines;
    ed->want = -1;
    ed->version = 1;
    return ed;
}

void editor_free(struct editor *ed)
{
    if (!ed)
        return;
    undo_clear(&ed->undo);
    free(ed->kill);
    free(ed->row);
    free(ed->text);
    free(ed);
}

const char *editor_text(const struct editor *ed)
{
    return ed->text;
}

size_t editor_len(const struct editor *ed)
{
    return ed->len;
}

size_t editor_cursor(const struct editor *ed)
{
    return ed->cursor;
}

unsigned long editor_version(const struct editor *ed)
{
    return ed->version;
}

/* ---- clusters ---- */

static size_t code_point(const char *text, size_t len, utf8proc_int32_t *c)
{
    utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)len, c);
    if (n > 0)
        return (size_t)n;
    *c = 0xfffd;
    return len ? 1 : 0;
}

size_t editor_cluster_end(const struct editor *ed, size_t at, int *columns)
{
    utf8proc_int32_t a, b, state = 0;
    size_t end = at + code_point(ed->text + at, ed->len - at, &a);
    int w = end > at ? utf8proc_charwidth(a) : 0;
    while (end < ed->len) {
        size_t n = code_point(ed->text + end, ed->len - end, &b);
        if (utf8proc_grapheme_break_stateful(a, b, &state))
            break;
        w += utf8proc_charwidth(b);
        end += n;
        a = b;
    }
    if (columns)
        *columns = w;
    return end;
}

static size_t line_start(const struct editor *ed, size_t at)
{
    while (at > 0 && ed->text[at - 1] != '\n')
        at--;
    return at;
}

static size_t line_end(const struct editor *ed, size_t at)
{
    const char *end = memchr(ed->text + at, '\n', ed->len - at);
    return end ? (size_t)(end - ed->text) : ed->len;
}

/* The first border between clusters at or after `at`. */
static size_t border_after(const struct editor *ed, size_t at)
{
    size_t p = line_start(ed, at);
    while (p < at)
        p = editor_cluster_end(ed, p, NULL);
    return p;
}

static size_t next(const struct editor *ed, size_t at)
{
    return editor_cluster_end(ed, at, NULL);
}

static size_t before(const struct editor *ed, size_t at)
{
    size_t p = at ? line_start(ed, at - 1) : 0, end = p;
    while (end < at) {
        p = end;
        end = editor_cluster_end(ed, p, NULL);
    }
    return p;
}

/* ---- changes and undo ---- */

static void splice(struct editor *ed, size_t at, size_t del, const char *ins, size_t n)
{
    memmove(ed->text + at + n, ed->text + at + del, ed->len - at - del);
    memcpy(ed->text + at, ins, n);
    ed->len += n - del;
    ed->text[ed->len] = '\0';
    ed->version++;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\n';
}

/* Is this the same deed as the newest change, going on? A new word is a new one. */
static bool continues(const struct editor *ed, enum kind kind, const struct change *c,
                      const char *ins)
{
    const struct change *s = undo_newest(&ed->undo);
    if (!s || kind != ed->last)
        return false;
    if (kind == KIND_ERASE)
        return c->at == s->at || c->at + c->del == s->at;
    if (s->del || c->at != s->at + s->ins)
        return false;
    if (kind == KIND_PASTE)
        return ed->piece;
    return kind == KIND_TYPE && (is_blank(*ins) || !is_blank(s->bytes[s->ins - 1]));
}

/* Every change goes through here: noted for undo, done, and the cursor behind it. */
static void change(struct editor *ed, enum kind kind, size_t at, size_t del, const char *ins,
                   size_t n)
{
    struct change c = {at, ed->cursor, del, n, NULL};
    if (del + n == 0)
        return;
    undo_note(&ed->undo, c, ed->text + at, ins, continues(ed, kind, &c, ins));
    splice(ed, at, del, ins, n);
    ed->cursor = border_after(ed, at + n);
    ed->last = kind;
    ed->piece = kind == KIND_PASTE && n >= LONG_PIECE;
    ed->want = -1;
}

static void erase(struct editor *ed, enum kind kind, size_t from, size_t to)
{
    change(ed, kind, from, to - from, "", 0);
}

static void undo(struct editor *ed)
{
    const struct change *c = undo_back(&ed->undo);
    if (!c)
        return;
    splice(ed, c->at, c->ins, c->bytes, c->del);
    ed->cursor = c->cursor;
}

static void redo(struct editor *ed)
{
    const struct change *c = undo_forth(&ed->undo);
    if (!c)
        return;
    splice(ed, c->at, c->del, c->bytes + c->del, c->ins);
    ed->cursor = border_after(ed, c->at + c->ins);
}

/* ---- what comes in ---- */

/* What a character becomes: itself, a space or newline, or nothing (0). Controls and the format
 * characters that nobody sees (direction, zero width) have no place in a prompt; those that join
 * or choose a glyph do. */
static utf8proc_int32_t admitted(const struct editor *ed, utf8proc_int32_t c, bool newline_follows)
{
    if (c == '\r' && newline_follows)
        return 0;
    if (c == '\n' || c == '\r' || c == 0x85 || c == 0x2028 || c == 0x2029)
        return ed->many_lines ? '\n' : ' ';
    if (c == '\t')
        return ' ';
    return utf8proc_get_property(c)->boundclass == UTF8PROC_BOUNDCLASS_CONTROL ? 0 : c;
}

/* Makes text from outside fit to stand here, at most `room` bytes of it. False when it was cut. */
static bool admit(const struct editor *ed, const char *text, size_t len, char *out, size_t room,
                  size_t *out_len)
{
    size_t n = 0;
    for (size_t i = 0; i < len;) {
        utf8proc_int32_t c;
        utf8proc_uint8_t bytes[4];
        i += code_point(text + i, len - i, &c);
        c = admitted(ed, c, i < len && text[i] == '\n');
        size_t size = c ? (size_t)utf8proc_encode_char(c, bytes) : 0;
        if (size > room - n) {
            *out_len = n;
            return false;
        }
        memcpy(out + n, bytes, size);
        n += size;
    }
    *out_len = n;
    return true;
}

/* Puts text in the place of `del` bytes at `at`. */
static bool put(struct editor *ed, enum kind kind, size_t at, size_t del, const char *text,
                size_t len)
{
    size_t room = EDITOR_MAX - (ed->len - del), n = 0;
    char *clean = malloc(room + 1);
    if (!clean)
        return false;
    bool all = admit(ed, text, len, clean, room, &n);
    utf8proc_int32_t c;
    if (kind == KIND_PASTE && n > 0 && code_point(clean, n, &c) == n)
        kind = KIND_TYPE;
    if (del != n || memcmp(ed->text + at, clean, n) != 0)
        change(ed, kind, at, del, clean, n);
    free(clean);
    return all;
}

void editor_set(struct editor *ed, const char *text)
{
    editor_set_at(ed, text, SIZE_MAX);
}

void editor_set_at(struct editor *ed, const char *text, size_t cursor)
{
    put(ed, KIND_OTHER, 0, ed->len, text, strlen(text));
    ed->cursor = cursor < ed->len ? cursor : ed->len;
    ed->want = -1;
    ed->last = KIND_NONE;
    ed->killing = false;
}

bool editor_insert(struct editor *ed, const char *text, size_t len)
{
    ed->killing = false;
    return put(ed, KIND_PASTE, ed->cursor, 0, text, len);
}

/* ---- words ---- */

static bool is_word(const struct editor *ed, size_t at)
{
    utf8proc_int32_t c;
    code_point(ed->text + at, ed->len - at, &c);
    utf8proc_category_t k = utf8proc_category(c);
    return (k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO) ||
           (k >= UTF8PROC_CATEGORY_MN && k <= UTF8PROC_CATEGORY_ME) ||
           (k >= UTF8PROC_CATEGORY_ND && k <= UTF8PROC_CATEGORY_NO);
}

static size_t word_end(const struct editor *ed, size_t at)
{
    while (at < ed->len && !is_word(ed, at))
        at = next(ed, at);
    while (at < ed->len && is_word(ed, at))
        at = next(ed, at);
    return at;
}

/* Forward only, line by line from the cursor's upwards: stepping back one cluster at a time would
 * count each line's clusters anew at every step. */
static size_t word_start(const struct editor *ed, size_t at)
{
    for (;;) {
        size_t from = line_start(ed, at), found = at;
        bool any = false, in_word = false;
        for (size_t p = from; p < at; p = next(ed, p)) {
            bool word = is_word(ed, p);
            if (word && !in_word)
                found = p;
            any = any || word;
            in_word = word;
        }
        if (any)
            return found;
        if (from == 0)
            return 0;
        at = from - 1;
    }
}

/* ---- cut and put back ---- */

/* Cuts go together while nothing else is done: those to the right are added behind. */
static void cut(struct editor *ed, size_t from, size_t to)
{
    size_t n = to - from, keep = ed->killing ? ed->kill_len : 0;
    if (n == 0)
        return;
    char *kill = malloc(keep + n);
    if (kill) {
        bool behind = from == ed->cursor;
        memcpy(kill + (behind ? keep : 0), ed->text + from, n);
        if (keep)
            memcpy(kill + (behind ? 0 : n), ed->kill, keep);
        free(ed->kill);
        ed->kill = kill;
        ed->kill_len = keep + n;
    }
    erase(ed, KIND_OTHER, from, to);
    ed->killing = true;
}

static void yank(struct editor *ed)
{
    if (ed->kill)
        put(ed, KIND_OTHER, ed->cursor, 0, ed->kill, ed->kill_len);
}

/* ---- keys ---- */

static bool is_edit(enum action a)
{
    return a == ACT_BACKSPACE || a == ACT_DELETE || a == ACT_NEWLINE;
}

static bool is_cut(enum action a)
{
    return a == ACT_KILL_WORD_LEFT || a == ACT_KILL_WORD_RIGHT || a == ACT_KILL_START ||
           a == ACT_KILL_END;
}

/* Where a motion leads, or a cut reaches; SIZE_MAX: the action is neither. */
static size_t target(const struct editor *ed, enum action a)
{
    size_t at = ed->cursor, end;
    switch (a) {
    case ACT_LEFT:
    case ACT_BACKSPACE:
        return before(ed, at);
    case ACT_RIGHT:
    case ACT_DELETE:
        return next(ed, at);
    case ACT_WORD_LEFT:
    case ACT_KILL_WORD_LEFT:
        return word_start(ed, at);
    case ACT_WORD_RIGHT:
    case ACT_KILL_WORD_RIGHT:
        return word_end(ed, at);
    case ACT_LINE_START:
    case ACT_KILL_START:
        return line_start(ed, at);
    case ACT_LINE_END:
        return line_end(ed, at);
    case ACT_KILL_END: /* at the end of a line: the newline */
        end = line_end(ed, at);
        return end == at && at < ed->len ? at + 1 : end;
    case ACT_TEXT_START:
        return 0;
    case ACT_TEXT_END:
        return ed->len;
    default:
        return SIZE_MAX;
    }
}

/* Actions without a target; false: not an editor's. */
static bool act_otherwise(struct editor *ed, enum action a, int width)
{
    switch (a) {
    case ACT_LINE_UP:
    case ACT_LINE_DOWN:
        return editor_line_by(ed, a == ACT_LINE_UP ? -1 : 1, width);
    case ACT_NEWLINE:
        return ed->many_lines && (put(ed, KIND_TYPE, ed->cursor, 0, "\n", 1), true);
    case ACT_YANK:
        yank(ed);
        return true;
    case ACT_UNDO:
        undo(ed);
        return true;
    case ACT_REDO:
        redo(ed);
        return true;
    default:
        return false;
    }
}

bool editor_act(struct editor *ed, enum action a, int width)
{
    size_t to = target(ed, a), at = ed->cursor;
    bool mine = true;
    if (a != ACT_LINE_UP && a != ACT_LINE_DOWN)
        ed->want = -1;
    if (to == SIZE_MAX)
        mine = act_otherwise(ed, a, width);
    else if (is_cut(a))
        cut(ed, to < at ? to : at, to < at ? at : to);
    else if (is_edit(a))
        erase(ed, KIND_ERASE, to < at ? to : at, to < at ? at : to);
    else
        ed->cursor = to;
    if (!mine)
        return false;
    if (!is_edit(a))
        ed->last = KIND_NONE;
    if (!is_cut(a))
        ed->killing = false;
    return true;
}
