/*
 * A terminal for tests: libvterm for text and attributes, and in front of it a parser of our own
 * for what libvterm has not: answers to questions (as a chosen kind of terminal gives them) and
 * images with the cells that they cover.
 *
 * An image loses each cell that text, a space or an erase touches later, as in a real sixel
 * terminal. So a test can say "the whole image is seen" (emu_whole) and "nothing is left over of
 * one that should be gone" (emu_rests). kitty's images lie above the text and go when they are
 * taken away. Behind tmux an erase, insert or delete in an image's rows takes all of it.
 */
#ifndef SPRITTY_EMU_H
#define SPRITTY_EMU_H

#include "emu_image.h"

/* ---- questions and answers ---- */

static inline bool emu_is(const struct emu *t, const char *seq)
{
    return strcmp((const char *)t->seq.data, seq) == 0;
}

/* t->seq as a question to a terminal of this kind. */
static inline void emu_question(struct emu *t, const struct emu_kind *kind, double now)
{
    char a[160] = "";
    int item, what;
    if (emu_is(t, "\033[c") || emu_is(t, "\033[0c"))
        snprintf(a, sizeof a, "\033[?%sc", kind->sixel ? "62;4;22" : "62;22");
    else if (emu_is(t, "\033[>c") || emu_is(t, "\033[>0c"))
        snprintf(a, sizeof a, "\033[>41;379;0c");
    else if ((emu_is(t, "\033[>q") || emu_is(t, "\033[>0q")) && kind->version)
        snprintf(a, sizeof a, "\033P>|%s\033\\", kind->version);
    else if (emu_is(t, "\033[16t") && kind->cell_h)
        snprintf(a, sizeof a, "\033[6;%d;%dt", kind->cell_h, kind->cell_w);
    else if (emu_is(t, "\033[14t") && kind->cell_h)
        snprintf(a, sizeof a, "\033[4;%d;%dt", kind->cell_h * t->rows, kind->cell_w * t->cols);
    else if (emu_is(t, "\033[18t"))
        snprintf(a, sizeof a, "\033[8;%d;%dt", t->rows, t->cols);
    else if (emu_is(t, "\033[5n"))
        snprintf(a, sizeof a, "\033[0n");
    else if (emu_is(t, "\033[6n"))
        snprintf(a, sizeof a, "\033[%d;%dR", emu_cursor(t).row + 1, emu_cursor(t).col + 1);
    else if (sscanf((char *)t->seq.data, "\033[?%d;%d", &item, &what) == 2 &&
             t->seq.data[t->seq.size - 1] == 'S' && kind->registers) {
        if (item == 1)
            snprintf(a, sizeof a, "\033[?1;0;%dS", kind->registers);
        else
            snprintf(a, sizeof a, "\033[?2;0;%d;%dS", kind->max_px, kind->max_px);
    } else if (sscanf((char *)t->seq.data, "\033[?%d$", &item) == 1 && t->seq.size > 4 &&
               memcmp(t->seq.data + t->seq.size - 2, "$p", 2) == 0)
        snprintf(a, sizeof a, "\033[?%d;0$y", item);
    if (*a) {
        t->asked++;
        emu_answer(t, now, a);
    }
}

/* ---- what is counted of sequences that libvterm then carries out ---- */

static inline bool emu_mode(const struct emu *t, int mode)
{
    for (int i = 0; i < t->modes; i++)
        if (t->mode[i] == mode)
            return true;
    return false;
}

static inline void emu_set_mode(struct emu *t, int mode, bool on)
{
    for (int i = 0; i < t->modes; i++)
        if (t->mode[i] == mode)
            t->mode[i--] = t->mode[--t->modes];
    if (on && t->modes < EMU_MODES)
        t->mode[t->modes++] = mode;
}

static inline void emu_watch_csi(struct emu *t)
{
    const char *s = (const char *)t->seq.data + 2;
    char last = s[strlen(s) - 1];
    if (*s == '?' && (last == 'h' || last == 'l')) {
        for (const char *p = s; *p == '?' || *p == ';'; p += 1 + strspn(p + 1, "0123456789"))
            emu_set_mode(t, atoi(p + 1), last == 'h');
        return;
    }
    if (*s == '>' && (last == 'u' || last == 'm'))
        t->keyboard_modes += last == 'u' || strchr(s, ';') ? 1 : -t->keyboard_modes;
    if (*s == '<' && last == 'u')
        t->keyboard_modes--;
    if (strchr("?><=!", *s))
        return;
    int y = emu_cursor(t).row, n = atoi(s);
    switch (last) {
    case 'K':
    case 'X':
    case '@':
    case 'P':
        emu_erase_rows(t, y, y + 1);
        break;
    case 'L':
    case 'M':
        emu_erase_rows(t, y, t->rows);
        break;
    case 'S':
    case 'T':
        emu_erase_rows(t, 0, t->rows);
        break;
    case 'J':
        if (n == 2 || n == 3 || (n == 0 && y == 0 && emu_cursor(t).col == 0)) {
            t->clears++;
            emu_kitty_delete(t, "d=a");
        } else {
            emu_erase_rows(t, n == 1 ? 0 : y, n == 1 ? y + 1 : t->rows);
        }
        break;
    default:
        break;
    }
}

/* ---- the parser ---- */

static inline void emu_feed(struct emu *t, const char *bytes, size_t len, double now);

/* ESC P tmux; ... with every ESC doubled: questions for the terminal around tmux. */
static inline void emu_passthrough(struct emu *t, double now)
{
    struct bytes in = t->seq;
    if (!t->kind.outer) {
        return;
    }
    memset(&t->seq, 0, sizeof t->seq);
    struct emu_kind own = t->kind;
    t->kind = *own.outer;
    t->kind.late_ms += own.late_ms;
    t->state = EMU_GROUND;
    for (size_t i = strlen("\033Ptmux;"); i + 2 < in.size; i++) {
        i += in.data[i] == '\033' && in.data[i + 1] == '\033';
        emu_feed(t, (char *)in.data + i, 1, now);
    }
    t->kind = own;
    free(t->seq.data);
    t->seq = in;
}

static inline void emu_string(struct emu *t, double now)
{
    const char *s = (const char *)t->seq.data;
    if (s[1] == 'P' && strncmp(s + 2, "tmux;", 5) == 0) {
        emu_passthrough(t, now);
    } else if (s[1] == 'P' && s[2 + strspn(s + 2, "0123456789;")] == 'q') {
        if (t->kind.sixel)
            emu_sixel_string(t);
    } else if (s[1] == '_' && s[2] == 'G') {
        emu_kitty_string(t, &t->kind, now);
    } else if (s[1] == ']' && strncmp(s + 2, "1337;File=", 10) == 0) {
        emu_iterm_string(t);
    } else if (s[1] == ']') {
        vterm_input_write(t->vt, s, t->seq.size);
    }
}

static inline void emu_byte(struct emu *t, unsigned char c, double now)
{
    if (c == 0x18 || c == 0x1a) { /* CAN, SUB */
        t->state = EMU_GROUND;
        return;
    }
    bytes_add(&t->seq, &c, 1);
    t->seq.data[t->seq.size] = '\0';
    const char *s = (const char *)t->seq.data;
    switch (t->state) {
    case EMU_ESC:
        if (c == '[') {
            t->state = EMU_CSI;
        } else if (c == 'P' || c == ']' || c == '_' || c == '^' || c == 'X') {
            t->state = EMU_STRING;
        } else if (c < 0x20 || c >= 0x30) {
            t->state = EMU_GROUND;
            vterm_input_write(t->vt, s, t->seq.size);
        }
        break;
    case EMU_CSI:
        if (c < 0x40 || c > 0x7e)
            break;
        t->state = EMU_GROUND;
        emu_question(t, &t->kind, now);
        emu_watch_csi(t);
        vterm_input_write(t->vt, s, t->seq.size);
        break;
    case EMU_STRING:
        if (c == '\033')
            t->state = EMU_STRING_ESC;
        if (c == '\a' && s[1] == ']') {
            t->state = EMU_GROUND;
            emu_string(t, now);
        }
        break;
    case EMU_STRING_ESC:
        /* tmux's passthrough doubles ESC inside of the string */
        t->state = c == '\\' ? EMU_GROUND : EMU_STRING;
        if (c == '\\')
            emu_string(t, now);
        break;
    case EMU_GROUND:
        break;
    }
}

/* Text to libvterm, which takes no character in two pieces: one that is cut waits for its rest. */
static inline void emu_text(struct emu *t, const char *bytes, size_t len)
{
    bytes_add(&t->part, bytes, len);
    const unsigned char *p = t->part.data;
    size_t whole = t->part.size, lead = whole;
    while (lead > 0 && whole - lead < 3 && (p[lead - 1] & 0xc0) == 0x80)
        lead--;
    if (lead > 0 && p[lead - 1] >= 0xc0) {
        size_t need = p[lead - 1] >= 0xf0 ? 4 : p[lead - 1] >= 0xe0 ? 3 : 2;
        if (whole - lead + 1 < need)
            whole = lead - 1;
    }
    vterm_input_write(t->vt, (const char *)p, whole);
    memmove(t->part.data, p + whole, t->part.size -= whole);
}

/* How many bytes of a string are no control characters. */
static inline size_t emu_plain_run(const char *bytes, size_t len)
{
    size_t n = 0;
    while (n < len && (unsigned char)bytes[n] >= ' ')
        n++;
    return n;
}

static inline void emu_feed(struct emu *t, const char *bytes, size_t len, double now)
{
    while (len > 0) {
        size_t n = 1;
        if (t->state == EMU_STRING && emu_plain_run(bytes, len) > 0) {
            n = emu_plain_run(bytes, len);
            bytes_add(&t->seq, bytes, n);
        } else if (t->state != EMU_GROUND) {
            emu_byte(t, (unsigned char)*bytes, now);
        } else if (*bytes == '\033') {
            t->state = EMU_ESC;
            t->part.size = 0;
            t->seq.size = 0;
            bytes_add(&t->seq, bytes, 1);
        } else {
            const char *esc = memchr(bytes, '\033', len);
            n = esc ? (size_t)(esc - bytes) : len;
            emu_text(t, bytes, n);
        }
        bytes += n;
        len -= n;
    }
}

/* ---- life ---- */

static inline int emu_prop(VTermProp prop, VTermValue *v, void *user)
{
    struct emu *t = user;
    if (prop == VTERM_PROP_ALTSCREEN)
        t->alt = v->boolean;
    if (prop == VTERM_PROP_CURSORVISIBLE)
        t->cursor = v->boolean;
    return 1;
}

static inline void emu_no_output(const char *s, size_t len, void *user)
{
    (void)s, (void)len, (void)user; /* libvterm's own answers: ours are given instead */
}

static inline struct emu *emu_new(int rows, int cols, const struct emu_kind *kind)
{
    static const VTermScreenCallbacks calls = {.damage = emu_damage, .settermprop = emu_prop};
    struct emu *t = calloc(1, sizeof *t);
    assert(t);
    t->kind = *kind;
    t->rows = rows;
    t->cols = cols;
    t->cursor = true;
    t->vt = vterm_new(rows, cols);
    assert(t->vt);
    vterm_set_utf8(t->vt, 1);
    vterm_output_set_callback(t->vt, emu_no_output, NULL);
    t->screen = vterm_obtain_screen(t->vt);
    vterm_screen_set_callbacks(t->screen, &calls, t);
    vterm_screen_set_damage_merge(t->screen, VTERM_DAMAGE_CELL);
    vterm_screen_enable_altscreen(t->screen, 1);
    vterm_screen_reset(t->screen, 1);
    return t;
}

static inline void emu_free(struct emu *t)
{
    if (!t)
        return;
    while (t->images > 0)
        emu_drop_image(t, 0);
    free(t->seq.data);
    free(t->kitty.data);
    free(t->part.data);
    vterm_free(t->vt);
    free(t);
}

static inline void emu_resize(struct emu *t, int rows, int cols)
{
    t->rows = rows;
    t->cols = cols;
    vterm_set_size(t->vt, rows, cols);
    for (int i = t->images; i-- > 0;)
        if (t->image[i].y + t->image[i].rows > rows || t->image[i].x + t->image[i].cols > cols)
            emu_drop_image(t, i);
}

/* ---- looking ---- */

static inline VTermScreenCell emu_cell(const struct emu *t, int y, int x)
{
    VTermScreenCell c = {0};
    vterm_screen_get_cell(t->screen, (VTermPos){y, x}, &c);
    return c;
}

/* The topmost image that is seen in a cell, or NULL. */
static inline const struct emu_image *emu_image_at(const struct emu *t, int y, int x)
{
    for (int i = t->images; i-- > 0;) {
        const struct emu_image *m = &t->image[i];
        if (y >= m->y && y < m->y + m->rows && x >= m->x && x < m->x + m->cols &&
            m->covered[(y - m->y) * m->cols + x - m->x])
            return m;
    }
    return NULL;
}

/* Images that are seen as a whole; images of which only a part is left. */
static inline int emu_whole(const struct emu *t)
{
    int n = 0;
    for (int i = 0; i < t->images; i++)
        n += t->image[i].left == t->image[i].rows * t->image[i].cols;
    return n;
}

static inline int emu_rests(const struct emu *t)
{
    return t->images - emu_whole(t);
}

static inline size_t emu_utf8(uint32_t c, char *out)
{
    if (c < 0x80)
        return out[0] = (char)c, 1;
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n; i-- > 1; c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    return out[0] = (char)(lead[n] | c), n;
}

/* A row as UTF-8 without the spaces at its end; cells with an image are `mark`s unless NULL.
 * `out`: room for 24 bytes a column. */
static inline void emu_row(const struct emu *t, int y, const char *mark, char *out)
{
    char *p = out, *end = out;
    for (int x = 0; x < t->cols; x++) {
        VTermScreenCell c = emu_cell(t, y, x);
        if (mark && emu_image_at(t, y, x)) {
            p += strlen(strcpy(p, mark));
            end = p;
            continue;
        }
        if (c.chars[0] == (uint32_t)-1) /* the right half of a wide character */
            continue;
        if (!c.chars[0])
            c.chars[0] = ' ';
        for (int i = 0; i < VTERM_MAX_CHARS_PER_CELL && c.chars[i]; i++)
            p += emu_utf8(c.chars[i], p);
        if (c.chars[0] != ' ' || c.chars[1])
            end = p;
    }
    *end = '\0';
}

/* How the cells on screen are coloured: the most that any of them uses. */
enum emu_colors { EMU_NO_COLORS, EMU_16_COLORS, EMU_256_COLORS, EMU_TRUE_COLORS };

static inline enum emu_colors emu_color_of(const VTermColor *c)
{
    if (VTERM_COLOR_IS_DEFAULT_FG(c) || VTERM_COLOR_IS_DEFAULT_BG(c))
        return EMU_NO_COLORS;
    if (VTERM_COLOR_IS_RGB(c))
        return EMU_TRUE_COLORS;
    return c->indexed.idx < 16 ? EMU_16_COLORS : EMU_256_COLORS;
}

static inline enum emu_colors emu_colors(const struct emu *t)
{
    enum emu_colors most = EMU_NO_COLORS;
    for (int y = 0; y < t->rows; y++)
        for (int x = 0; x < t->cols; x++) {
            VTermScreenCell c = emu_cell(t, y, x);
            enum emu_colors fg = emu_color_of(&c.fg), bg = emu_color_of(&c.bg);
            fg = fg > bg ? fg : bg;
            most = fg > most ? fg : most;
        }
    return most;
}

#endif
