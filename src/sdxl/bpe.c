/*
 * Vocabulary, merges and the merging itself. Two open-addressing hash tables, both at most half
 * full and filled once: text -> id, and pair of ids -> merge.
 */
#include "sdxl/bpe.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "sdxl/textnorm.h"

enum { MAX_ID = 1 << 20 };

static const char end_of_word[] = "</w>";

struct pair {
    uint64_t key; /* left id << 32 | right id; EMPTY_PAIR: a free slot */
    uint32_t rank;
    int32_t id;
};

#define EMPTY_PAIR UINT64_MAX

struct bpe {
    int vocab;
    char **text;   /* by id, NULL where an id is unused */
    int32_t *slot; /* text -> id: ids, or -1 */
    size_t slots;  /* a power of two, like pair_slots */
    struct pair *pairs;
    size_t pair_slots;
    int32_t byte_id[2][256]; /* [1]: at the end of a word */
};

/* --- tables ----------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t x) /* the finalizer of splitmix64 */
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static uint64_t hash_text(const char *s, size_t len) /* FNV-1a */
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < len; i++)
        h = (h ^ (uint8_t)s[i]) * 0x100000001b3u;
    return mix(h);
}

static size_t table_size(size_t entries)
{
    size_t size = 16;
    while (size < entries * 2)
        size *= 2;
    return size;
}

/* The slot that holds this text, or the free one where it belongs. */
static int32_t *find_text(const struct bpe *b, const char *s, size_t len)
{
    size_t mask = b->slots - 1, i = hash_text(s, len) & mask;
    for (; b->slot[i] >= 0; i = (i + 1) & mask) {
        const char *held = b->text[b->slot[i]];
        if (strnlen(held, len + 1) == len && memcmp(held, s, len) == 0) /* `s` may hold zeros */
            break;
    }
    return &b->slot[i];
}

static uint64_t pair_key(int32_t left, int32_t right)
{
    return (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
}

/* The slot of this pair, or the free one where it belongs. */
static struct pair *find_pair(const struct bpe *b, int32_t left, int32_t right)
{
    uint64_t key = pair_key(left, right);
    size_t mask = b->pair_slots - 1, i = mix(key) & mask;
    while (b->pairs[i].key != key && b->pairs[i].key != EMPTY_PAIR)
        i = (i + 1) & mask;
    return &b->pairs[i];
}

int bpe_vocab(const struct bpe *b)
{
    return b->vocab;
}

const char *bpe_text(const struct bpe *b, int32_t id)
{
    return id >= 0 && id < b->vocab ? b->text[id] : NULL;
}

int32_t bpe_id(const struct bpe *b, const char *text)
{
    return *find_text(b, text, strlen(text));
}

/* --- reading ---------------------------------------------------------------------------------- */

/* The largest id and the number of entries; checks each entry's form. */
static int measure_vocab(struct json object, int *largest, size_t *count, struct err *e)
{
    *largest = -1;
    *count = 0;
    if (json_kind(object) != JSON_OBJECT)
        return err_set(e, "vocab.json: expected an object from token to id");
    for (struct json item = json_first(object); item.node; item = json_next(item)) {
        uint64_t id;
        if (!json_as_u64(item, &id) || id >= MAX_ID)
            return err_set(e, "vocab.json: the id of \"%.60s\" is no whole number from 0 to %d",
                           json_key(item), MAX_ID - 1);
        *largest = (int)id > *largest ? (int)id : *largest;
        ++*count;
    }
    return *count > 0 ? 0 : err_set(e, "vocab.json: expected an object from token to id");
}

static int add_entry(struct bpe *b, struct json item, struct err *e)
{
    const char *text = json_key(item);
    uint64_t id;
    if (text == NULL || !json_as_u64(item, &id))
        return err_set(e, "vocab.json: expected an object from token to id");
    if (b->text[id] != NULL)
        return err_set(e, "vocab.json: \"%.60s\" and \"%.60s\" share the id %d", b->text[id], text,
                       (int)id);
    int32_t *slot = find_text(b, text, strlen(text));
    if (*slot >= 0)
        return err_set(e, "vocab.json: \"%.60s\" stands there twice (ids %d and %d)", text, *slot,
                       (int)id);
    b->text[id] = strdup(text);
    if (b->text[id] == NULL)
        return err_set(e, "out of memory");
    *slot = (int32_t)id;
    return 0;
}

static int fill_vocab(struct bpe *b, struct json object, struct err *e)
{
    size_t count;
    int largest;
    if (measure_vocab(object, &largest, &count, e) != 0)
        return -1;
    b->vocab = largest + 1;
    b->text = calloc((size_t)b->vocab, sizeof *b->text);
    b->slots = table_size(count);
    b->slot = malloc(b->slots * sizeof *b->slot);
    if (b->text == NULL || b->slot == NULL)
        return err_set(e, "out of memory");
    memset(b->slot, 0xff, b->slots * sizeof *b->slot);
    for (struct json item = json_first(object); item.node; item = json_next(item))
        if (add_entry(b, item, e) != 0)
            return -1;
    return 0;
}

static int read_vocab(struct bpe *b, const char *text, size_t len, struct err *e)
{
    struct json_doc *doc = json_parse(text, len, "vocab.json", e);
    int status = doc ? fill_vocab(b, json_root(doc), e) : -1;
    json_free(doc);
    return status;
}

/* GPT-2's printable stand-in for a byte: itself where it is visible Latin-1, else one of the code
 * points from U+0100 up, in order. */
static int32_t byte_symbol(int byte, int *invisible)
{
    bool visible = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    return visible ? byte : 0x100 + (*invisible)++;
}

static int find_bytes(struct bpe *b, struct err *e)
{
    int invisible = 0;
    for (int byte = 0; byte < 256; byte++) {
        char symbol[4 + sizeof end_of_word];
        int n = text_encode(byte_symbol(byte, &invisible), (uint8_t *)symbol);
        for (int end = 0; end < 2; end++) {
            memcpy(symbol + n, end ? end_of_word : "", end ? sizeof end_of_word : 1);
            b->byte_id[end][byte] = bpe_id(b, symbol);
            if (b->byte_id[end][byte] < 0)
                return err_set(e,
                               "vocab.json: no entry \"%s\" (byte %d%s): not a byte-level "
                               "vocabulary of CLIP's kind",
                               symbol, byte, end ? " at the end of a word" : "");
        }
    }
    return 0;
}

static int unknown(const char *text, size_t len, struct err *e)
{
    return err_set(e, "\"%.*s\" is not in vocab.json", len < 60 ? (int)len : 60, text);
}

/* One line without its end: "left right". joined has room for it. */
static int add_merge(struct bpe *b, const char *line, size_t len, uint32_t rank, char *joined,
                     struct err *e)
{
    const char *space = memchr(line, ' ', len);
    size_t n = space ? (size_t)(space - line) : 0, m = len - n - 1;
    if (n == 0 || m == 0 || memchr(space + 1, ' ', m) != NULL)
        return err_set(e, "expected two tokens with one space between");
    memcpy(joined, line, n);
    memcpy(joined + n, space + 1, m);
    int32_t left = *find_text(b, line, n);
    int32_t right = *find_text(b, space + 1, m);
    int32_t id = *find_text(b, joined, n + m);
    if (left < 0)
        return unknown(line, n, e);
    if (right < 0)
        return unknown(space + 1, m, e);
    if (id < 0)
        return unknown(joined, n + m, e);
    /* A pair that stands there twice takes its last rank, as in the reference. */
    struct pair *pair = find_pair(b, left, right);
    *pair = (struct pair){pair_key(left, right), rank, id};
    return 0;
}

static int read_merges(struct bpe *b, const char *text, size_t len, struct err *e)
{
    size_t lines = 1, number = 0;
    uint32_t rank = 0;
    for (size_t i = 0; i < len; i++)
        lines += text[i] == '\n';
    b->pair_slots = table_size(lines);
    b->pairs = malloc(b->pair_slots * sizeof *b->pairs);
    char *joined = malloc(len + 1);
    int status = b->pairs && joined ? 0 : err_set(e, "out of memory");
    for (size_t i = 0; status == 0 && i < b->pair_slots; i++)
        b->pairs[i].key = EMPTY_PAIR;
    for (size_t i = 0; status == 0 && i < len;) {
        const char *line = text + i, *end = memchr(line, '\n', len - i);
        size_t n = end ? (size_t)(end - line) : len - i;
        i += n + 1;
        number++;
        n -= n > 0 && line[n - 1] == '\r';
        if (n == 0 || (n >= 8 && memcmp(line, "#version", 8) == 0))
            continue;
        status = add_merge(b, line, n, rank++, joined, e);
        if (status != 0)
            err_prefix(e, "merges.txt:%zu", number);
    }
    free(joined);
    return status;
}

struct bpe *bpe_new(const char *vocab_json, size_t vocab_len, const char *merges, size_t merges_len,
                    struct err *e)
{
    struct bpe *b = calloc(1, sizeof *b);
    if (b == NULL) {
        err_set(e, "out of memory");
        return NULL;
    }
    if (read_vocab(b, vocab_json, vocab_len, e) != 0 || find_bytes(b, e) != 0 ||
        read_merges(b, merges, merges_len, e) != 0) {
        bpe_free(b);
        return NULL;
    }
    return b;
}

void bpe_free(struct bpe *b)
{
    if (b == NULL)
        return;
    for (int i = 0; b->text != NULL && i < b->vocab; i++)
        free(b->text[i]);
    free(b->text);
    free(b->slot);
    free(b->pairs);
    free(b);
}

/* --- merging ---------------------------------------------------------------------------------- */

/* Symbols form a doubly linked list through an array; -1 ends it. A swallowed one has id -1. */
struct symbol {
    int32_t id, before, after;
};

/* A pair that could be merged: the symbol at `at` with its right neighbour, into `id`. It may have
 * gone stale by the time it is taken. */
struct merge {
    uint32_t rank;
    int32_t at, id;
};

static bool comes_first(struct merge a, struct merge b)
{
    return a.rank != b.rank ? a.rank < b.rank : a.at < b.at;
}

static void heap_push(struct merge *heap, size_t *count, struct merge m)
{
    size_t i = (*count)++;
    for (; i > 0 && comes_first(m, heap[(i - 1) / 2]); i = (i - 1) / 2)
        heap[i] = heap[(i - 1) / 2];
    heap[i] = m;
}

static struct merge heap_pop(struct merge *heap, size_t *count)
{
    struct merge top = heap[0], last = heap[--*count];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < *count; i = child) {
        child += child + 1 < *count && comes_first(heap[child + 1], heap[child]);
        if (!comes_first(heap[child], last))
            break;
        heap[i] = heap[child];
    }
    heap[i] = last;
    return top;
}

/* Offers the pair that starts at symbol `at`. */
static void offer(const struct bpe *b, struct bpe_scratch *s, size_t *heaped, int32_t at)
{
    if (at < 0 || s->symbols[at].after < 0)
        return;
    const struct pair *pair = find_pair(b, s->symbols[at].id, s->symbols[s->symbols[at].after].id);
    if (pair->key != EMPTY_PAIR)
        heap_push(s->heap, heaped, (struct merge){pair->rank, at, pair->id});
}

static void merge_all(const struct bpe *b, struct bpe_scratch *s, size_t count)
{
    size_t heaped = 0;
    for (size_t i = 0; i < count; i++)
        offer(b, s, &heaped, (int32_t)i);
    while (heaped > 0) {
        struct merge m = heap_pop(s->heap, &heaped);
        struct symbol *left = &s->symbols[m.at];
        if (left->id < 0 || left->after < 0)
            continue;
        struct symbol *right = &s->symbols[left->after];
        const struct pair *pair = find_pair(b, left->id, right->id);
        if (pair->key == EMPTY_PAIR || pair->id != m.id)
            continue;
        left->id = m.id;
        left->after = right->after;
        right->id = -1;
        if (left->after >= 0)
            s->symbols[left->after].before = m.at;
        offer(b, s, &heaped, left->before);
        offer(b, s, &heaped, m.at);
    }
}

/* Room for a word: it makes count - 1 pairs at first, and at most two new ones with every merge. */
static int make_room(struct bpe_scratch *s, size_t count, struct err *e)
{
    if (count <= s->room)
        return 0;
    if (count > INT32_MAX / 4)
        return err_set(e, "a word of %zu bytes is too long", count);
    size_t room = count < 64 ? 64 : count + count / 2;
    bpe_scratch_free(s);
    s->symbols = malloc(room * sizeof *s->symbols);
    s->heap = malloc(3 * room * sizeof *s->heap);
    if (s->symbols == NULL || s->heap == NULL) {
        bpe_scratch_free(s);
        return err_set(e, "out of memory");
    }
    s->room = room;
    return 0;
}

void bpe_scratch_free(struct bpe_scratch *s)
{
    free(s->symbols);
    free(s->heap);
    *s = (struct bpe_scratch){0};
}

int ids_push(struct ids *ids, int32_t id, struct err *e)
{
    if (ids->count == ids->room) {
        size_t room = ids->room ? 2 * ids->room : 64;
        int32_t *at = realloc(ids->at, room * sizeof *at);
        if (at == NULL)
            return err_set(e, "out of memory");
        ids->at = at;
        ids->room = room;
    }
    ids->at[ids->count++] = id;
    return 0;
}

int bpe_encode(const struct bpe *b, const uint8_t *word, size_t count, struct bpe_scratch *s,
               struct ids *out, struct err *e)
{
    assert(count > 0);
    if (make_room(s, count, e) != 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        bool last = i + 1 == count;
        s->symbols[i] = (struct symbol){b->byte_id[last][word[i]], (int32_t)i - 1,
                                        last ? -1 : (int32_t)i + 1};
    }
    merge_all(b, s, count);
    for (int32_t i = 0; i >= 0; i = s->symbols[i].after)
        if (ids_push(out, s->symbols[i].id, e) != 0)
            return -1;
    return 0;
}
