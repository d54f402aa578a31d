/* Fewer colours; see quantize.h. */
#include "sprite/quantize.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sprite/few.h"
#include "sprite/nearest.h"
#include "sprite/oklab.h"
#include "sprite/wide.h"

enum {
    SWATCHES = 2048, /* different colours that are looked at; more are put in bins */
    KEY_BITS = 18,
    SLOTS = 1 << KEY_BITS,
    HASHED = 2 * SWATCHES, /* slots that are used by hash */
    SPLITS = 128,          /* groups before merging, where fewer are wanted */
    ROUNDS = 8,            /* of k-means */
    PART = 2048,           /* pixels whose places are found together */
    AHEAD = 16,            /* pixels whose bits are on their way while one is counted */
    HIDDEN = 1 << 24,      /* behind the places of all colours */
};

/* Distances in Oklab. */
static const float SAME = 0.02f;   /* cannot be told apart */
static const float NEAR = 0.04f;   /* what a decoder's noise makes of one colour */
static const float FAR = 0.12f;    /* own choice does not merge these, however small they are */
static const float ERROR = 0.025f; /* the error that own choice allows */

/* A colour of the image, or a bin of near ones. */
struct swatch {
    struct oklab lab;
    float weight;     /* pixels */
    uint32_t key;     /* its colour without the bits that bins ignore */
    int group, order; /* order: of its first pixel */
};

/* The image's colours: swatches, found through a table. */
struct swatches {
    int n, shift; /* low bits that are ignored */
    struct swatch at[SWATCHES];
    /* Of the bits that are ignored: red and green, blue and pixels, two to a word. */
    uint64_t sum[SWATCHES][2];
    int16_t slot[SLOTS]; /* swatch + 1; 0 is empty. By a hash while keys are longer than KEY_BITS */
};

struct group {
    struct oklab mean;
    float weight;
    int nearest; /* the group that is merged with least cost */
    float cost;
};

struct groups {
    int n;
    float far; /* squared distance of groups that are not merged */
    struct group at[QUANTIZE_MAX];
};

/* ---- the image's colours ---- */

static uint32_t key_of(const uint8_t *p, int shift)
{
    int bits = 8 - shift;
    return (uint32_t)(p[0] >> shift) << 2 * bits | (uint32_t)(p[1] >> shift) << bits |
           p[2] >> shift;
}

/* The slot where a key is, or the empty one where it goes. */
static inline int16_t *find_slot(struct swatches *s, uint32_t key)
{
    if (3 * (8 - s->shift) <= KEY_BITS)
        return &s->slot[key];
    uint32_t i = (key * 2654435761u) >> 20;
    while (s->slot[i] && s->at[s->slot[i] - 1].key != key)
        i = (i + 1) % HASHED;
    return &s->slot[i];
}

static void clear_slots(struct swatches *s)
{
    int bits = 3 * (8 - s->shift);
    memset(s->slot, 0, (bits <= KEY_BITS ? (size_t)1 << bits : HASHED) * sizeof *s->slot);
}

static bool gather(struct swatches *s, const struct image *m, int shift)
{
    size_t n = (size_t)m->width * (size_t)m->height;
    const uint8_t low = (uint8_t)((1 << shift) - 1);
    s->n = 0;
    s->shift = shift;
    clear_slots(s);
    memset(s->sum, 0, sizeof s->sum);
    for (const uint8_t *p = m->rgba, *end = p + 4 * n; p < end; p += 4) {
        if (!p[3])
            continue;
        uint32_t key = key_of(p, shift);
        int16_t *slot = find_slot(s, key);
        if (!*slot) {
            if (s->n == SWATCHES)
                return false;
            s->at[s->n].key = key;
            s->at[s->n].order = s->n;
            *slot = (int16_t)++s->n;
        }
        uint64_t *sum = s->sum[*slot - 1];
        sum[0] += (uint64_t)(p[0] & low) | (uint64_t)(p[1] & low) << 32;
        sum[1] += (uint64_t)(p[2] & low) | UINT64_C(1) << 32;
    }
    return true;
}

/* The mean of a swatch's pixels, and how many they are. */
static uint64_t mean_of(const struct swatches *s, int i, uint8_t mean[3])
{
    int bits = 8 - s->shift;
    const uint64_t *sum = s->sum[i], n = sum[1] >> 32;
    const uint64_t low[3] = {sum[0] & UINT32_MAX, sum[0] >> 32, sum[1] & UINT32_MAX};
    for (int c = 0; c < 3; c++) {
        uint64_t high = (s->at[i].key >> (2 - c) * bits & ((1u << bits) - 1)) << s->shift;
        mean[c] = (uint8_t)((high * n + low[c] + n / 2) / n);
    }
    return n;
}

/* As exactly as there is room for: with more than SWATCHES colours, low bits are ignored. */
static void gather_all(struct swatches *s, const struct image *m)
{
    int shift = 0;
    while (!gather(s, m, shift))
        shift++; /* 5 bits ignored leave 512 colours, so this ends */
    for (int i = 0; i < s->n; i++) {
        uint8_t mean[3];
        s->at[i].weight = (float)mean_of(s, i, mean);
        s->at[i].lab = oklab_from_srgb(mean);
        s->at[i].group = 0;
    }
}

/* ---- splitting ---- */

/* A run of swatches that may be split. */
struct box {
    int from, n;
    int axis;     /* of its greatest variance */
    float spread; /* weighted variance along it; 0: cannot be split */
};

static float along(struct oklab c, int axis)
{
    return axis == 0 ? c.l : axis == 1 ? c.a : c.b;
}

static void measure(const struct swatch *s, struct box *b)
{
    b->spread = 0;
    for (int axis = 0; axis < 3 && b->n > 1; axis++) {
        double w = 0, sum = 0, squares = 0;
        for (int i = b->from; i < b->from + b->n; i++) {
            double v = along(s[i].lab, axis);
            w += s[i].weight;
            sum += s[i].weight * v;
            squares += s[i].weight * v * v;
        }
        float spread = (float)(squares - sum * sum / w);
        if (spread > b->spread)
            b->spread = spread, b->axis = axis;
    }
}

/* By one coordinate; equal ones by key, so that every qsort gives the same order. */
#define COMPARE(NAME, FIELD)                                                                       \
    static int NAME(const void *p, const void *q)                                                  \
    {                                                                                              \
        const struct swatch *x = p, *y = q;                                                        \
        if (x->lab.FIELD != y->lab.FIELD)                                                          \
            return x->lab.FIELD < y->lab.FIELD ? -1 : 1;                                           \
        return x->key < y->key ? -1 : x->key > y->key;                                             \
    }
COMPARE(by_l, l)
COMPARE(by_a, a)
COMPARE(by_b, b)

/* Where to cut a sorted box so that the two halves vary least: maximal between-group variance. */
static int best_cut(const struct swatch *s, const struct box *b)
{
    double all = 0, sum = 0, w = 0, v = 0, best = -1;
    int cut = 1;
    for (int i = 0; i < b->n; i++) {
        all += s[b->from + i].weight;
        sum += s[b->from + i].weight * (double)along(s[b->from + i].lab, b->axis);
    }
    for (int i = 0; i + 1 < b->n; i++) {
        w += s[b->from + i].weight;
        v += s[b->from + i].weight * (double)along(s[b->from + i].lab, b->axis);
        double d = v / w - (sum - v) / (all - w), gain = w * (all - w) * d * d;
        if (gain > best)
            best = gain, cut = i + 1;
    }
    return cut;
}

/* Sorts the swatches into at most `wanted` boxes and numbers them by box. */
static int split(struct swatch *s, int n, int wanted)
{
    static int (*const compare[3])(const void *, const void *) = {by_l, by_a, by_b};
    struct box box[QUANTIZE_MAX] = {{.n = n}};
    int count = 1;
    measure(s, &box[0]);
    while (count < wanted) {
        struct box *b = box;
        for (int i = 1; i < count; i++)
            b = box[i].spread > b->spread ? &box[i] : b;
        if (b->spread <= 0)
            break;
        qsort(s + b->from, (size_t)b->n, sizeof *s, compare[b->axis]);
        int cut = best_cut(s, b);
        box[count] = (struct box){.from = b->from + cut, .n = b->n - cut};
        b->n = cut;
        measure(s, b);
        measure(s, &box[count++]);
    }
    for (int i = 0; i < count; i++)
        for (int j = 0; j < box[i].n; j++)
            s[box[i].from + j].group = i;
    return count;
}

/* ---- groups ---- */

/* Means of the groups as the swatches are numbered now; empty groups go. Returns the squared
 * error. */
static double settle(struct groups *g, struct swatch *s, int n)
{
    double sum[QUANTIZE_MAX][4] = {{0}}, error = 0;
    int name[QUANTIZE_MAX], count = 0;
    for (int i = 0; i < n; i++) {
        double *to = sum[s[i].group], w = s[i].weight;
        to[0] += w * s[i].lab.l, to[1] += w * s[i].lab.a, to[2] += w * s[i].lab.b, to[3] += w;
    }
    for (int i = 0; i < g->n; i++) {
        float w = (float)sum[i][3];
        name[i] = count;
        if (w > 0)
            g->at[count++] = (struct group){.mean = {(float)(sum[i][0] / sum[i][3]),
                                                     (float)(sum[i][1] / sum[i][3]),
                                                     (float)(sum[i][2] / sum[i][3])},
                                            .weight = w};
    }
    g->n = count;
    for (int i = 0; i < n; i++) {
        s[i].group = name[s[i].group];
        error += s[i].weight * (double)oklab_distance2(s[i].lab, g->at[s[i].group].mean);
    }
    return error;
}

/* The groups' means side by side, for searches. */
static void take_means(const struct groups *g, struct colours *k)
{
    k->count = g->n, k->n = (g->n + 7) / 8;
    for (int i = 0; i < k->n * 8; i++) {
        struct oklab c = i < g->n ? g->at[i].mean : (struct oklab){1e6f, 0, 0};
        k->l[i / 8][i % 8] = c.l, k->a[i / 8][i % 8] = c.a, k->b[i / 8][i % 8] = c.b;
    }
}

static void refine(struct groups *g, struct swatch *s, int n)
{
    struct colours means;
    settle(g, s, n);
    for (int round = 0; round < ROUNDS; round++) {
        bool moved = false;
        take_means(g, &means);
        for (int i = 0; i < n; i++) {
            int to = colours_nearest(&means, s[i].lab);
            moved |= to != s[i].group;
            s[i].group = to;
        }
        if (!moved)
            break;
        settle(g, s, n);
    }
}

/* ---- merging ---- */

/* What merging adds to the squared error (Ward). */
static float ward(const struct group *p, const struct group *q)
{
    return p->weight * q->weight / (p->weight + q->weight) * oklab_distance2(p->mean, q->mean);
}

/* Groups that went into another have no weight. */
static void find_nearest(struct groups *g, int i)
{
    struct group *p = &g->at[i];
    p->cost = FLT_MAX;
    for (int j = 0; j < g->n && p->weight > 0; j++) {
        const struct group *q = &g->at[j];
        if (j == i || q->weight <= 0 || oklab_distance2(p->mean, q->mean) >= g->far)
            continue;
        float cost = ward(p, q);
        if (cost < p->cost)
            p->cost = cost, p->nearest = j;
    }
}

/* Group i takes in j. */
static void absorb(struct groups *g, int i, int j)
{
    struct group *p = &g->at[i], *q = &g->at[j];
    float w = p->weight + q->weight, a = p->weight / w, b = q->weight / w;
    p->mean = (struct oklab){a * p->mean.l + b * q->mean.l, a * p->mean.a + b * q->mean.a,
                             a * p->mean.b + b * q->mean.b};
    p->weight = w;
    q->weight = 0;
    q->cost = FLT_MAX;
    for (int k = 0; k < g->n; k++)
        if (k == i || ((g->at[k].nearest == i || g->at[k].nearest == j) && g->at[k].cost < FLT_MAX))
            find_nearest(g, k);
}

/* Merges the cheapest pair again and again, none that is `far` apart: down to `most` groups, and
 * further while the squared error stays below `allowed`. */
static void merge(struct groups *g, struct swatch *s, int n, int most, double allowed, float far)
{
    int into[QUANTIZE_MAX];
    double error = settle(g, s, n);
    int left = g->n;
    g->far = far * far;
    for (int i = 0; i < g->n; i++) {
        into[i] = i;
        find_nearest(g, i);
    }
    while (left > 1) {
        int i = 0;
        for (int k = 1; k < g->n; k++)
            i = g->at[k].cost < g->at[i].cost ? k : i;
        int j = g->at[i].nearest;
        error += g->at[i].cost;
        if (g->at[i].cost == FLT_MAX || (left <= most && error > allowed))
            break;
        absorb(g, i, j);
        for (int k = 0; k < g->n; k++)
            into[k] = into[k] == j ? i : into[k];
        left--;
    }
    for (int i = 0; i < n; i++)
        s[i].group = into[s[i].group];
    settle(g, s, n);
}

/* The closest two groups, as the squared distance of the colours they will be. */
static float closest(const struct groups *g, int *first, int *second)
{
    float least = FLT_MAX;
    for (int i = 0; i < g->n; i++)
        for (int j = 0; j < i; j++) {
            float d = oklab_distance2(g->at[i].mean, g->at[j].mean);
            if (d < least)
                least = d, *first = i, *second = j;
        }
    return least;
}

/* Merges groups that look like one, whatever they weigh. */
static void merge_near(struct groups *g, struct swatch *s, int n)
{
    int i, j;
    while (closest(g, &i, &j) < NEAR * NEAR) {
        for (int k = 0; k < n; k++)
            s[k].group = s[k].group == i ? j : s[k].group;
        refine(g, s, n);
    }
}

/* ---- the whole ---- */

/* Is there nothing to do? Only where every colour is its own swatch. */
static bool is_settled(const struct swatches *s, int colors)
{
    if (s->shift || s->n > (colors ? colors : QUANTIZE_CHOOSE_MAX))
        return false;
    for (int i = 0; i < s->n && !colors; i++)
        for (int j = 0; j < i; j++)
            if (oklab_distance2(s->at[i].lab, s->at[j].lab) < SAME * SAME)
                return false;
    return true;
}

static void choose_groups(struct groups *g, struct swatch *s, int n, int colors)
{
    double weight = 0;
    for (int i = 0; i < n; i++)
        weight += s[i].weight;
    int most = colors ? colors : QUANTIZE_CHOOSE_MAX;
    g->n = split(s, n, most > SPLITS / 2 ? QUANTIZE_MAX : SPLITS);
    refine(g, s, n);
    if (!colors)
        merge(g, s, n, most, weight * ERROR * ERROR, FAR);
    merge(g, s, n, most, 0, INFINITY);
    refine(g, s, n);
    if (!colors)
        merge_near(g, s, n);
}

/* Puts every visible pixel's group in its place. */
static void paint(struct image *m, struct swatches *s, uint8_t rgb[][3])
{
    clear_slots(s); /* splitting changed the order */
    for (int i = 0; i < s->n; i++)
        *find_slot(s, s->at[i].key) = (int16_t)(i + 1);
    size_t n = (size_t)m->width * (size_t)m->height;
    for (uint8_t *p = m->rgba, *end = p + 4 * n; p < end; p += 4)
        if (p[3])
            memcpy(p, rgb[s->at[*find_slot(s, key_of(p, s->shift)) - 1].group], 3);
}

/* The groups' colours as bytes. Returns how many different ones they are. */
static int to_bytes(const struct groups *g, uint8_t rgb[][3])
{
    int count = g->n;
    for (int i = 0; i < g->n; i++) {
        oklab_to_srgb(g->at[i].mean, rgb[i]);
        for (int j = 0; j < i; j++)
            if (!memcmp(rgb[i], rgb[j], 3)) {
                count--;
                break;
            }
    }
    return count;
}

int quantize_image(struct image *m, int colors, struct quantize_report *r, struct err *e)
{
    assert(colors >= 0 && colors <= QUANTIZE_MAX);
    *r = (struct quantize_report){0};
    struct swatches *s = malloc(sizeof *s);
    if (!s)
        return err_set(e, "out of memory for the palette");
    gather_all(s, m);
    r->before = r->after = s->shift ? quantize_count(m) : s->n;
    if (r->before >= 0 && !is_settled(s, colors)) {
        struct groups g;
        uint8_t rgb[QUANTIZE_MAX][3];
        choose_groups(&g, s->at, s->n, colors);
        r->after = to_bytes(&g, rgb);
        paint(m, s, rgb);
    }
    free(s);
    return r->before < 0 ? err_set(e, "out of memory for the palette") : 0;
}

/* The swatches' own colours, or their groups', as bytes by the order of their first pixels. */
static int in_order(const struct swatches *s, uint8_t (*rgb)[3], uint8_t to[QUANTIZE_MAX][3])
{
    int order[SWATCHES], count = 0;
    for (int i = 0; i < s->n; i++)
        order[s->at[i].order] = i;
    for (int i = 0; i < s->n; i++) {
        const struct swatch *w = &s->at[order[i]];
        const uint8_t own[3] = {(uint8_t)(w->key >> 16), (uint8_t)(w->key >> 8), (uint8_t)w->key};
        const uint8_t *from = rgb ? rgb[w->group] : own;
        int k = 0;
        while (k < count && memcmp(to[k], from, 3) != 0)
            k++;
        if (k == count)
            memcpy(to[count++], from, 3);
    }
    return count;
}

int quantize_palette(const struct image *m, int colors, uint8_t rgb[QUANTIZE_MAX][3], struct err *e)
{
    struct swatches *s = malloc(sizeof *s);
    if (!s)
        return err_set(e, "out of memory for the palette");
    gather_all(s, m);
    bool settled = is_settled(s, colors);
    uint8_t chosen[QUANTIZE_MAX][3];
    if (!settled) {
        struct groups g;
        choose_groups(&g, s->at, s->n, colors);
        to_bytes(&g, chosen);
    }
    int n = in_order(s, settled ? NULL : chosen, rgb);
    free(s);
    return n;
}

/* -1: more than FEW_MOST. */
static int count_few(const struct image *m)
{
    struct few few;
    size_t n = (size_t)m->width * (size_t)m->height;
    few_init(&few);
    few_number(&few, 0); /* what is hidden */
    for (const uint8_t *p = m->rgba, *end = p + 4 * n; p < end; p += 4)
        if (few_number(&few, p[3] ? few_value(p) | 255 : 0) == FEW_MOST)
            return -1;
    return few.count - 1;
}

ALWAYS_INLINE void count_bits_loop(const uint64_t *bits, size_t n, int *count)
{
    *count = 0;
    for (size_t i = 0; i < n; i++)
        *count += __builtin_popcountll(bits[i]);
}

WIDE_TWINS(count_bits, (const uint64_t *bits, size_t n, int *count), (bits, n, count))

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "red is a word's lowest byte");

/* A colour's place among 2^24, those of a cube of 8x8x8 side by side: what is near is in the same
 * line of a cache. Hidden pixels have the place behind all. */
ALWAYS_INLINE void places_of_loop(const uint8_t *p, int n, uint32_t *place)
{
    for (int i = 0; i < n; i++) {
        uint32_t v;
        memcpy(&v, p + 4 * (size_t)i, 4);
        uint32_t cube = (v & 0xf8) << 16 | (v & 0xf800) << 3 | (v & 0xf80000) >> 10;
        uint32_t in = (v & 7) << 6 | (v >> 5 & 0x38) | (v >> 16 & 7);
        place[i] = v >> 24 ? cube | in : HIDDEN;
    }
}

WIDE_TWINS(places_of, (const uint8_t *p, int n, uint32_t *place), (p, n, place))

/* By a bit for each colour there is: fast where there are many pixels. */
static int count_by_bits(const struct image *m)
{
    uint64_t *seen = calloc(HIDDEN / 64 + 1, sizeof *seen);
    if (!seen)
        return -1;
    size_t n = (size_t)m->width * (size_t)m->height;
    int count;
    for (size_t from = 0; from < n; from += PART) {
        uint32_t place[PART + AHEAD];
        int part = n - from < PART ? (int)(n - from) : PART;
        places_of(m->rgba + 4 * from, part, place);
        for (int i = part; i < part + AHEAD; i++)
            place[i] = HIDDEN;
        for (int i = 0; i < part; i++) {
            __builtin_prefetch(&seen[place[i + AHEAD] / 64], 1);
            seen[place[i] / 64] |= UINT64_C(1) << (place[i] & 63);
        }
    }
    count_bits(seen, HIDDEN / 64, &count);
    free(seen);
    return count;
}

/* By a table that has room for each pixel to be different. */
static int count_by_table(const struct image *m, size_t pixels)
{
    size_t slots = 256;
    int bits = 8, count = 0;
    for (; slots < 2 * pixels; slots *= 2)
        bits++;
    uint32_t *slot = calloc(slots, sizeof *slot), last = UINT32_MAX;
    if (!slot)
        return -1;
    for (size_t i = 0; i < pixels; i++) {
        const uint8_t *p = m->rgba + 4 * i;
        uint32_t key = key_of(p, 0);
        if (!p[3] || key == last)
            continue;
        last = key;
        size_t at = (key * 2654435761u) >> (32 - bits);
        while (slot[at] && slot[at] != key + 1)
            at = (at + 1) % slots;
        count += !slot[at];
        slot[at] = key + 1;
    }
    free(slot);
    return count;
}

int quantize_count(const struct image *m)
{
    size_t pixels = (size_t)m->width * (size_t)m->height;
    int few = count_few(m);
    if (few >= 0)
        return few;
    return pixels <= 1 << 16 ? count_by_table(m, pixels) : count_by_bits(m);
}
