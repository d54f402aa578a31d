/* Where an image's edges lie; see edges.h. */
#include "sprite/edges.h"

#include <stdlib.h>
#include <string.h>

#include "sprite/wide.h"

enum {
    OPAQUE = 128,
    RED = 2,
    GREEN = 3,
    BLUE = 1,      /* weights of the channels in a difference */
    HIDDEN = 1000, /* added where one of two pixels is hidden */
    GREATEST = 6 * 255 + HIDDEN,
    LEAST = 16,   /* smaller differences are never edges */
    SAMPLE = 8,   /* every so many rows are looked at for the noise */
    QUANTILE = 3, /* noise is what so many tenths of the differences stay below */
    NOISE = 5,    /* times that is too small to be an edge */
};

/* A row as planes, which is what compilers turn into vector code. */
struct row {
    int16_t *r, *g, *b, *hidden;
};

struct work {
    int w, floor;   /* differences up to `floor` count nothing */
    int16_t *block; /* all of the arrays below */
    struct row row[2];
    int16_t *across;  /* [w + 3]: differences within a row, two zeros at both ends */
    int16_t *down[5]; /* [w]: differences between rows; the one above row y is y % 5 */
    int32_t *sum;     /* [w + 1]: of each column */
    int32_t counts[GREATEST + 1];
};

static int work_init(struct work *k, int w)
{
    size_t stride = ((size_t)w + 31) & ~(size_t)15;
    memset(k, 0, sizeof *k);
    k->w = w;
    k->block = calloc(14 * stride, sizeof *k->block);
    k->sum = calloc((size_t)w + 2, sizeof *k->sum);
    if (!k->block || !k->sum)
        return -1;
    int16_t *p = k->block;
    for (int i = 0; i < 2; i++, p += 4 * stride)
        k->row[i] = (struct row){p, p + stride, p + 2 * stride, p + 3 * stride};
    for (int i = 0; i < 5; i++, p += stride)
        k->down[i] = p;
    k->across = p;
    return 0;
}

ALWAYS_INLINE void take_row(const struct image *m, int y, struct row *to)
{
    const uint8_t *p = m->rgba + (size_t)y * (size_t)m->width * 4;
    for (int x = 0; x < m->width; x++, p += 4) {
        int16_t there = p[3] >= OPAQUE;
        to->r[x] = (int16_t)(RED * p[0] * there);
        to->g[x] = (int16_t)(GREEN * p[1] * there);
        to->b[x] = (int16_t)(BLUE * p[2] * there);
        to->hidden[x] = (int16_t)(there ? 0 : HIDDEN);
    }
}

ALWAYS_INLINE int16_t apart(int16_t p, int16_t q)
{
    return (int16_t)(p > q ? p - q : q - p);
}

/* out[i]: how far p's pixel i + shift is from q's pixel i. */
ALWAYS_INLINE void differences(const struct row *p, const struct row *q, int shift, int n,
                               int16_t *restrict out)
{
    const int16_t *r = p->r + shift, *g = p->g + shift, *b = p->b + shift, *h = p->hidden + shift;
    for (int i = 0; i < n; i++)
        out[i] = (int16_t)(apart(r[i], q->r[i]) + apart(g[i], q->g[i]) + apart(b[i], q->b[i]) +
                           apart(h[i], q->hidden[i]));
}

/* What counts of difference c, between a, b before and d, e behind: all of it at a peak, and
 * beside one. */
ALWAYS_INLINE int16_t counts(int16_t a, int16_t b, int16_t c, int16_t d, int16_t e, int16_t floor)
{
    int here = (c >= b) & (c > d) & (c > floor);
    int before = (b >= a) & (b > c) & (b > floor);
    int behind = (d >= c) & (d > e) & (d > floor);
    return (int16_t)(c & -(here | before | behind));
}

/* Adds what counts within a row to the sums of the columns. */
ALWAYS_INLINE void add_across(struct work *k, const struct row *row)
{
    int n = k->w - 1;
    int16_t *d = k->across + 2;
    if (n < 1)
        return;
    differences(row, row, 1, n, d);
    d[-2] = d[-1] = d[n] = d[n + 1] = 0;
    int16_t floor = (int16_t)k->floor;
    for (int i = 0; i < n; i++)
        k->sum[i + 1] += counts(d[i - 2], d[i - 1], d[i], d[i + 1], d[i + 2], floor);
}

/* What counts between rows j - 1 and j. */
ALWAYS_INLINE float add_down(const struct work *k, int j)
{
    const int16_t *d[5];
    for (int i = 0; i < 5; i++)
        d[i] = k->down[(j + 3 + i) % 5]; /* j - 2 to j + 2 */
    int16_t floor = (int16_t)k->floor;
    int64_t sum = 0;
    for (int from = 0; from < k->w; from += 1024) {
        int end = from + 1024 < k->w ? from + 1024 : k->w;
        int32_t part = 0;
        for (int i = from; i < end; i++)
            part += counts(d[0][i], d[1][i], d[2][i], d[3][i], d[4][i], floor);
        sum += part;
    }
    return (float)sum;
}

/* Differences that are noise: most of a picture is flat, so its smaller differences tell. */
static void find_floor(struct work *k, const struct image *m)
{
    int64_t all = 0, sum = 0;
    int noise = 0;
    for (int y = m->height > SAMPLE ? SAMPLE / 2 : 0; y < m->height && k->w > 1; y += SAMPLE) {
        take_row(m, y, &k->row[0]);
        differences(&k->row[0], &k->row[0], 1, k->w - 1, k->across + 2);
        for (int i = 1; i < k->w; i++)
            k->counts[k->across[i + 1]]++;
        all += k->w - 1;
    }
    while (noise < GREATEST && (sum += k->counts[noise]) * 10 < all * QUANTILE)
        noise++;
    k->floor = NOISE * noise > LEAST ? NOISE * noise : LEAST;
}

/* Rows are read once; a difference between rows is judged when the two behind it are known. */
ALWAYS_INLINE void run_loop(struct work *k, const struct image *m, float *columns, float *rows)
{
    for (int y = 0; y < m->height + 2; y++) {
        int16_t *down = k->down[y % 5];
        memset(down, 0, (size_t)k->w * sizeof *down);
        if (y < m->height) {
            take_row(m, y, &k->row[y & 1]);
            add_across(k, &k->row[y & 1]);
        }
        if (y > 0 && y < m->height)
            differences(&k->row[y & 1], &k->row[1 - (y & 1)], 0, k->w, down);
        if (y > 2)
            rows[y - 2] = add_down(k, y - 2);
    }
    for (int x = 0; x < k->w; x++)
        columns[x] = (float)k->sum[x];
}

WIDE_TWINS(run, (struct work * k, const struct image *m, float *columns, float *rows),
           (k, m, columns, rows))

static int edges_new(struct edges *e, int n)
{
    e->n = n;
    e->at = calloc((size_t)n, sizeof *e->at);
    return e->at ? 0 : -1;
}

static void add_up(struct edges *e)
{
    e->total = 0;
    for (int i = 0; i < e->n; i++)
        e->total += (double)e->at[i];
}

int edges_find(const struct image *m, struct edges *columns, struct edges *rows, struct err *e)
{
    struct work k;
    *columns = *rows = (struct edges){0};
    bool good = !work_init(&k, m->width) && !edges_new(columns, m->width) &&
                !edges_new(rows, m->height);
    if (good) {
        find_floor(&k, m);
        run(&k, m, columns->at, rows->at);
        add_up(columns);
        add_up(rows);
    }
    free(k.block);
    free(k.sum);
    return good ? 0
                : err_set(e, "out of memory for the edges of %dx%d pixels", m->width, m->height);
}

void edges_free(struct edges *e)
{
    free(e->at);
    *e = (struct edges){0};
}
