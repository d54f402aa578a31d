/*
 * Brownian trees; see noise_brownian.h.
 *
 * torchsde keeps its nodes; here a query goes down from the root twice, once to each end, and makes
 * again what it passes. Values are made a thousand at a time through all nodes of the way, each
 * node's generator going on where it was, so that memory does not grow with the picture; the nodes
 * share the cores. Every product and sum is rounded to float by itself, as torch does: hence no
 * fused arithmetic.
 */
#include "sdxl/noise_brownian.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parallel.h"

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off")
#endif

/* -- numpy's SeedSequence (O'Neill) -- */

enum { POOL = 24, MAX_ENTROPY = POOL + 8 };

struct words {
    uint32_t w[MAX_ENTROPY];
    int n;
};

/* An integer as 32-bit words, the low one first; 0 is one word. */
static void add_words(struct words *e, uint64_t x)
{
    do {
        assert(e->n < MAX_ENTROPY);
        e->w[e->n++] = (uint32_t)x;
    } while (x >>= 32);
}

static uint32_t hash(uint32_t x, uint32_t *constant, uint32_t factor)
{
    x ^= *constant;
    *constant *= factor;
    x *= *constant;
    return x ^ x >> 16;
}

static uint32_t stir(uint32_t x, uint32_t y)
{
    uint32_t z = 0xca01f9ddu * x - 0x4973f715u * y;
    return z ^ z >> 16;
}

static void fill_pool(const struct words *e, uint32_t pool[POOL])
{
    const uint32_t factor = 0x931e8875u;
    uint32_t constant = 0x43b0d7e5u;
    for (int i = 0; i < POOL; i++)
        pool[i] = hash(i < e->n ? e->w[i] : 0, &constant, factor);
    for (int from = 0; from < POOL; from++)
        for (int to = 0; to < POOL; to++)
            if (from != to)
                pool[to] = stir(pool[to], hash(pool[from], &constant, factor));
    for (int from = POOL; from < e->n; from++)
        for (int to = 0; to < POOL; to++)
            pool[to] = stir(pool[to], hash(e->w[from], &constant, factor));
}

void seed_sequence(uint64_t entropy, const uint64_t *spawn, int spawns, uint32_t *out, int words)
{
    struct words e = {.n = 0};
    uint32_t pool[POOL], constant = 0x8b51f9ddu;
    add_words(&e, entropy);
    while (spawns > 0 && e.n < POOL)
        e.w[e.n++] = 0;
    for (int i = 0; i < spawns; i++)
        add_words(&e, spawn[i]);
    fill_pool(&e, pool);
    for (int i = 0; i < words; i++)
        out[i] = hash(pool[i % POOL], &constant, 0x58f38dedu);
}

/* -- the tree -- */

enum { CHUNK = 1024, MAX_DEPTH = 48, MAX_NODES = 2 * MAX_DEPTH };

/* One node that a query passes: its middle, its generator, and what to do with its halves. */
struct node {
    double start, middle, end;
    struct normals normals;
    uint64_t place; /* spawn key: its number in its row */
    int depth;
    bool adds[2]; /* left, right: that half as a whole belongs to the sum */
    int visit[2]; /* the half's node, of which a part belongs to the sum; or -1 */
};

struct brownian {
    struct node node[MAX_NODES];
    int nodes;
    struct normals root;
    int threads;
    float w[MAX_DEPTH + 1][2 * CHUNK]; /* increments of the nodes on the way, by depth */
    float noise[MAX_NODES][2 * CHUNK]; /* normals that split them, by node */
};

struct brownian *brownian_open(int threads, struct err *e)
{
    struct brownian *b = malloc(sizeof *b);
    if (b)
        b->threads = threads > 0 ? threads : parallel_cores();
    else
        err_set(e, "out of memory for Brownian noise");
    return b;
}

void brownian_close(struct brownian *b)
{
    free(b);
}

/* Python's round(x, 6): the decimal nearest to the exact value. */
static double round_time(double x)
{
    char text[64];
    snprintf(text, sizeof text, "%.6f", x);
    return strtod(text, NULL);
}

/* The node [start, end], of which [from, to] is wanted, and all that is wanted of its halves.
 * Returns its index. */
static int plan_node(struct brownian *b, const struct brownian_tree *t, struct node self,
                     double from, double to)
{
    int me = b->nodes++;
    uint64_t key[2] = {self.place, (uint64_t)self.depth};
    uint32_t seed;
    assert(me < MAX_NODES && self.depth < MAX_DEPTH);
    seed_sequence(t->seed, key, 2, &seed, 1);
    normals_seed(&self.normals, seed, t->gpu);
    self.middle = round_time(0.5 * (self.end + self.start));
    self.visit[0] = self.visit[1] = -1;
    for (int right = 0; right < 2; right++) {
        double low = right ? self.middle : self.start, high = right ? self.end : self.middle;
        double a = fmax(from, low), z = fmin(to, high);
        if (!(a < z))
            continue;
        if (a == low && z == high) {
            self.adds[right] = true;
            continue;
        }
        struct node half = {.start = low,
                            .end = high,
                            .place = 2 * self.place + (uint64_t)right,
                            .depth = self.depth + 1};
        self.visit[right] = plan_node(b, t, half, a, z);
    }
    b->node[me] = self;
    return me;
}

/* The increment of one of a node's halves from its own; both halves are made of the same normals.
 */
static void make_half(struct brownian *b, const struct node *s, bool right, size_t n, float *out)
{
    double before = s->middle - s->start, after = s->end - s->middle,
           part = 1 / (s->end - s->start);
    float share = (float)before, inverse = (float)part, root = (float)sqrt(before * after * part);
    const float *w = b->w[s->depth], *noise = b->noise[s - b->node];
    for (size_t i = 0; i < n; i++) {
        float left = share * w[i] * inverse + root * noise[i];
        out[i] = right ? w[i] - left : left;
    }
}

static void add(float *sum, const float *w, size_t n, bool *first)
{
    for (size_t i = 0; i < n; i++)
        sum[i] = *first ? w[i] : sum[i] + w[i];
    *first = false;
}

/* Adds, from left to right, what is wanted of a node whose increment is in w[depth]. */
static void walk(struct brownian *b, int at, size_t n, float *sum, bool *first)
{
    struct node *s = &b->node[at];
    for (int right = 0; right < 2; right++) {
        float *half = b->w[s->depth + 1];
        if (!s->adds[right] && s->visit[right] < 0)
            continue;
        make_half(b, s, right, n, half);
        if (s->adds[right])
            add(sum, half, n, first);
        else
            walk(b, s->visit[right], n, sum, first);
    }
}

struct drawing {
    struct brownian *b;
    size_t n;
};

/* The next normals of one node; of the root's own increment behind the last. */
static void draw(void *context, int64_t node, int thread)
{
    struct drawing *d = context;
    struct brownian *b = d->b;
    (void)thread;
    if (node < b->nodes)
        normals_part(&b->node[node].normals, b->noise[node], d->n);
    else
        normals_part(&b->root, b->w[0], d->n);
}

void brownian_increment(struct brownian *b, const struct brownian_tree *t, double from, double to,
                        float *out)
{
    struct node root = {.start = round_time(t->low), .end = round_time(t->high)};
    double a = fmax(round_time(from), root.start), z = fmin(round_time(to), root.end);
    float scale = (float)sqrt(t->high - t->low);
    uint32_t seed;
    memset(out, 0, t->count * sizeof *out);
    if (!(a < z))
        return;
    b->nodes = 0;
    if (a > root.start || z < root.end)
        plan_node(b, t, root, a, z);
    seed_sequence(t->seed, NULL, 0, &seed, 1);
    normals_seed(&b->root, seed, t->gpu);
    for (size_t done = 0, n; done < t->count; done += n) {
        n = t->count - done < 2 * CHUNK ? t->count - done : CHUNK;
        bool first = true;
        parallel_for(b->threads, b->nodes + 1, draw, &(struct drawing){b, n});
        for (size_t i = 0; i < n; i++)
            b->w[0][i] *= scale;
        if (b->nodes > 0)
            walk(b, 0, n, out + done, &first);
        else
            add(out + done, b->w[0], n, &first);
    }
}
