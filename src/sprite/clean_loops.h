/*
 * The single pixels that clean.c mends, written once for labels of any width: included with LABEL,
 * the type of a label, NAME(x), what its functions are called, and MEND, the one that is used.
 *
 * A vector of labels is 32 bytes, so pictures of few colours (a byte each) are done 32 pixels at a
 * time and others (their colours) 8. Label 0 is hidden. Around the picture are MARGIN labels of 0
 * and room for a vector, so nothing need ask where it ends; a label of 0 among zeros stays 0.
 */
typedef LABEL NAME(lanes) __attribute__((vector_size(32), aligned(sizeof(LABEL)), may_alias));

enum { NAME(LANES) = 32 / sizeof(LABEL) };

#define LANES_AT(p)        (*(const NAME(lanes) *)(p))
#define CHOOSE(mask, a, b) (((NAME(lanes))(mask) & (a)) | (~(NAME(lanes))(mask) & (b)))

ALWAYS_INLINE bool NAME(any)(const NAME(lanes) * v)
{
    uint64_t w[4];
    memcpy(w, v, sizeof w);
    return w[0] | w[1] | w[2] | w[3];
}

/* A pixel unlike all around it, of which six are the same: so one of the first three is among
 * them. Returns whether `to` is another. */
ALWAYS_INLINE bool NAME(lone)(const LABEL *p, ptrdiff_t row, LABEL *to)
{
    const NAME(lanes) here = LANES_AT(p);
    NAME(lanes) around[8], alike = {0}, value = here;
    for (int i = 0; i < 8; i++) {
        int k = i + (i > 3);
        around[i] = LANES_AT(p + (k / 3 - 1) * row + k % 3 - 1);
        alike |= (NAME(lanes))(around[i] == here);
    }
    NAME(lanes) unlike = ~alike;
    if (!NAME(any)(&unlike)) {
        memcpy(to, &here, sizeof here);
        return false;
    }
    for (int k = 8 - SAME_AROUND; k >= 0; k--) {
        NAME(lanes) same = {0};
        for (int i = 0; i < 8; i++)
            same -= (NAME(lanes))(around[i] == around[k]);
        value = CHOOSE(same >= SAME_AROUND, around[k], value);
    }
    value = CHOOSE(alike, here, value);
    memcpy(to, &value, sizeof value);
    NAME(lanes) changed = value ^ here;
    return NAME(any)(&changed);
}

/* The outer pixel of an outline that is two pixels thick. All 3x3 pixels around are its colour or
 * hidden, one of the corners is a square of 2x2, so that it is no thin line, and another colour is
 * two pixels away. */
ALWAYS_INLINE bool NAME(doubled)(const LABEL *p, ptrdiff_t row, LABEL *to)
{
    const NAME(lanes) here = LANES_AT(p), none = {0};
    NAME(lanes)
    outside = (NAME(lanes))(LANES_AT(p - 1) == none) | (NAME(lanes))(LANES_AT(p + 1) == none) |
              (NAME(lanes))(LANES_AT(p - row) == none) | (NAME(lanes))(LANES_AT(p + row) == none);
    outside &= (NAME(lanes))(here != none);
    NAME(lanes) other = none, others = none, square = none, same[9];
    memcpy(to, &here, sizeof here);
    if (!NAME(any)(&outside))
        return false;
    for (int k = 0; k < 25; k++) {
        int y = k / 5 - 2, x = k % 5 - 2;
        NAME(lanes)
        v = LANES_AT(p + y * row + x), is_same = (NAME(lanes))(v == here),
        empty = (NAME(lanes))(v == none);
        others |= ~is_same & ~empty;
        if (y < -1 || y > 1 || x < -1 || x > 1)
            continue;
        other |= ~is_same & ~empty;
        same[3 * (y + 1) + x + 1] = is_same;
    }
    for (int k = 0; k < 4; k++) {
        int side = k % 2 ? 5 : 3, end = k / 2 ? 7 : 1;
        square |= same[side] & same[end] & same[end + side - 4];
    }
    NAME(lanes) goes = outside & ~other & square & others;
    NAME(lanes) value = here & ~goes;
    memcpy(to, &value, sizeof value);
    return NAME(any)(&goes);
}

/* Where `jagged` (below) finds something as the pixels are now: of the pixels beside, one to the
 * left or right is the same and one above or below, and so on. */
ALWAYS_INLINE bool NAME(may_turn)(const LABEL *p, ptrdiff_t row, LABEL *turns)
{
    const NAME(lanes) here = LANES_AT(p), none = {0};
    NAME(lanes) same[9], turn = none;
    for (int k = 0; k < 9; k++)
        same[k] = (NAME(lanes))(LANES_AT(p + (k / 3 - 1) * row + k % 3 - 1) == here);
    NAME(lanes) ends = (same[3] ^ same[5]) & (same[1] ^ same[7]) & (NAME(lanes))(here != none);
    memcpy(turns, &turn, sizeof turn);
    if (!NAME(any)(&ends))
        return false;
    for (int k = 0; k < 4; k++) {
        int across = k & 1 ? 1 : -1, along = k & 2 ? 3 : -3;
        NAME(lanes)
        beside = (NAME(lanes))(LANES_AT(p - (along > 0 ? row : -row)) == LANES_AT(p - across));
        turn |= ends & same[4 + across] & same[4 + along] & beside & ~same[4 + across + along] &
                ~same[4 - across - along] & (same[4 + along - across] | same[4 + across - along]);
    }
    memcpy(turns, &turn, sizeof turn);
    return NAME(any)(&turn);
}

/* A thin line that comes from one side, turns here, and at the next pixel turns back. */
ALWAYS_INLINE LABEL NAME(jagged)(const LABEL *p, ptrdiff_t row)
{
    bool left = p[-1] == *p, up = p[-row] == *p;
    if (!*p || left == (p[1] == *p) || up == (p[row] == *p))
        return *p;
    ptrdiff_t across = left ? -1 : 1, along = up ? -row : row;
    LABEL side = p[-along], ahead = p[-across];
    if (side != ahead || p[across + along] == *p || p[-across - along] == *p)
        return *p;
    return p[along - across] == *p || p[across - along] == *p ? side : *p;
}

/* In place, so that of the two corners of a step only the first goes. What changes a pixel changes
 * what the next one may do. */
ALWAYS_INLINE int NAME(jagged_row)(LABEL *p, ptrdiff_t row, int width)
{
    int changed = 0;
    bool before = false;
    for (int x = 0; x < width; x += NAME(LANES)) {
        LABEL turns[NAME(LANES)];
        if (!NAME(may_turn)(p + x, row, turns) && !before)
            continue;
        for (int i = 0; i < NAME(LANES) && x + i < width; i++) {
            if (!turns[i] && !before)
                continue;
            LABEL value = NAME(jagged)(p + x + i, row);
            before = value != p[x + i];
            changed += before;
            p[x + i] = value;
        }
    }
    return changed;
}

ALWAYS_INLINE void MEND(const struct labels *from, const struct labels *to, unsigned what,
                        int *changed)
{
    int sum = 0;
    for (int y = 0; y < from->height; y++) {
        const LABEL *p = (const LABEL *)from->at + y * from->row;
        LABEL *q = (LABEL *)to->at + y * to->row;
        if (what == CLEAN_JAGGED) {
            sum += NAME(jagged_row)(q, to->row, to->width);
            continue;
        }
        for (int x = 0; x < from->width; x += NAME(LANES)) {
            bool other = what == CLEAN_LONE ? NAME(lone)(p + x, from->row, q + x)
                                            : NAME(doubled)(p + x, from->row, q + x);
            int end = other ? (from->width - x < NAME(LANES) ? from->width - x : NAME(LANES)) : 0;
            for (int i = x; i < x + end; i++)
                sum += p[i] != q[i];
        }
    }
    *changed = sum;
}

#undef LANES_AT
#undef CHOOSE
#undef LABEL
#undef NAME
#undef MEND
