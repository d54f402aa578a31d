/*
 * Reading a safetensors header as hostile input.
 *
 * The header is parsed once into an array; one sort by offset proves that the tensors tile the
 * data exactly, a second one by name finds duplicates and serves look-ups.
 */
#include "sdxl/safetensors.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mapfile.h"

enum { HEADER_MAX = 100 * 1000 * 1000, NAME_MAX_BYTES = 500 };

struct safetensors {
    struct mapfile map;      /* zeroed when the memory is the caller's */
    struct json_doc *header; /* owns the names */
    char *path;
    const unsigned char *data; /* after the header */
    uint64_t data_bytes;
    struct st_tensor *tensor;
    int count;
};

/* -- what a file is that is no safetensors file -- */

static bool begins(const unsigned char *p, size_t n, const char *magic, size_t len)
{
    return n >= len && memcmp(p, magic, len) == 0;
}

/* The kinds of file that people hand over instead, by their first bytes; NULL: none of them. */
static const char *other_kind(const unsigned char *p, size_t n)
{
    if (begins(p, n, "PK\x03\x04", 4) || (n >= 2 && p[0] == 0x80 && p[1] >= 2 && p[1] <= 5))
        return "is a pickle (.ckpt, .pt, .bin), which can run code when it is opened; convert it "
               "to .safetensors first";
    if (begins(p, n, "GGUF", 4))
        return "is a GGUF file; spritty reads .safetensors";
    if (begins(p, n, "version https://git-lfs", 23))
        return "is a Git LFS pointer, not the model; run `git lfs pull` where it came from";
    if (begins(p, n, "<", 1))
        return "is a web page, not a model; the download went wrong";
    if (begins(p, n, "{", 1))
        return "is a JSON file, not a safetensors file";
    return NULL;
}

static uint64_t le64(const unsigned char *p)
{
    uint64_t v = 0;
    for (int i = 7; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

static int read_header(struct safetensors *st, const unsigned char *p, size_t size, struct err *e)
{
    /* A short JSON header's length starts with arbitrary bytes too: only a length that cannot be
     * one makes the file something else. */
    uint64_t len = size >= 8 ? le64(p) : UINT64_MAX;
    if (len > HEADER_MAX || len > size - 8 || len < 2) {
        const char *kind = other_kind(p, size);
        if (kind)
            return err_set(e, "%s: %s", st->path, kind);
        if (size < 8 || len < 2)
            return err_set(e, "%s: too short for a safetensors file; download it again", st->path);
        if (len <= HEADER_MAX)
            return err_set(e,
                           "%s: the header should be %" PRIu64
                           " bytes, the file has %zu; it is cut short, download it again",
                           st->path, len, size);
        return err_set(e,
                       "%s: not a safetensors file (its header would be %" PRIu64
                       " bytes, at most 100 MB are allowed)",
                       st->path, len);
    }
    st->data = p + 8 + len;
    st->data_bytes = size - 8 - len;
    st->header = json_parse((const char *)p + 8, (size_t)len, st->path, e);
    if (!st->header)
        return -1;
    if (json_kind(json_root(st->header)) != JSON_OBJECT)
        return err_set(e, "%s: the safetensors header is not a JSON object", st->path);
    return 0;
}

/* -- one entry of the table -- */

/* Bytes an element has; 0: not known, so its size is not checked. */
static unsigned type_size(const char *type)
{
    static const struct {
        const char *name;
        unsigned size;
    } known[] = {{"F32", 4},     {"F16", 2}, {"BF16", 2}, {"F64", 8},     {"I64", 8},
                 {"I32", 4},     {"I16", 2}, {"I8", 1},   {"U8", 1},      {"U16", 2},
                 {"U32", 4},     {"U64", 8}, {"BOOL", 1}, {"F8_E4M3", 1}, {"F8_E5M2", 1},
                 {"F8_E8M0", 1}, {"C64", 8}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(type, known[i].name) == 0)
            return known[i].size;
    return 0;
}

static int check_name(const struct safetensors *st, const char *name, struct err *e)
{
    char copy[NAME_MAX_BYTES + 1];
    size_t len = strlen(name);
    if (len == 0 || len > NAME_MAX_BYTES)
        return err_set(e, "%s: a tensor's name is %zu bytes long (1 to %d are allowed)", st->path,
                       len, NAME_MAX_BYTES);
    memcpy(copy, name, len + 1);
    text_sanitize(copy);
    if (strcmp(copy, name) != 0)
        return err_set(e, "%s: a tensor's name holds control characters or broken UTF-8: %s",
                       st->path, name);
    return 0;
}

/* dim, rank and count; a product over 2^62 is refused. */
static int read_shape(const struct safetensors *st, struct json entry, struct st_tensor *t,
                      struct err *e)
{
    struct json shape = json_get(entry, "shape");
    uint64_t product = 1, d = 0;
    if (json_kind(shape) != JSON_ARRAY)
        return err_set(e, "%s: tensor %s has no shape; the file is damaged", st->path, t->name);
    for (struct json v = json_first(shape); v.node; v = json_next(v)) {
        if (t->rank == ST_MAX_RANK)
            return err_set(e, "%s: tensor %s has more than %d dimensions", st->path, t->name,
                           ST_MAX_RANK);
        if (!json_as_u64(v, &d))
            return err_set(e, "%s: tensor %s has a bad size in its shape; the file is damaged",
                           st->path, t->name);
        if (d > 0 && product > (UINT64_C(1) << 62) / d)
            return err_set(e, "%s: tensor %s is impossibly large", st->path, t->name);
        product *= d;
        t->dim[t->rank++] = (int64_t)d;
    }
    t->count = (int64_t)product;
    return 0;
}

static int read_type(const struct safetensors *st, struct json entry, struct st_tensor *t,
                     struct err *e)
{
    const char *type = json_as_string(json_get(entry, "dtype"));
    if (!type || strlen(type) >= sizeof t->type)
        return err_set(e, "%s: tensor %s has no valid dtype; the file is damaged", st->path,
                       t->name);
    strcpy(t->type, type);
    text_sanitize(t->type);
    t->dtype = strcmp(type, "F32") == 0 ? DT_F32 : strcmp(type, "F16") == 0 ? DT_F16 : DT_BF16;
    bool is_float = t->dtype != DT_BF16 || strcmp(type, "BF16") == 0;
    t->is_weight = is_float && t->rank >= 1 && t->rank <= 4 && t->count > 0;
    return 0;
}

static int read_place(const struct safetensors *st, struct json entry, struct st_tensor *t,
                      struct err *e)
{
    struct json offsets = json_get(entry, "data_offsets");
    struct json first = json_first(offsets);
    struct json second = first.node ? json_next(first) : first;
    uint64_t begin, end;
    if (json_kind(offsets) != JSON_ARRAY || json_count(offsets) != 2 ||
        !json_as_u64(first, &begin) || !json_as_u64(second, &end) || begin > end)
        return err_set(e, "%s: tensor %s has no valid data_offsets; the file is damaged", st->path,
                       t->name);
    if (end > st->data_bytes)
        return err_set(e,
                       "%s: tensor %s ends at byte %" PRIu64 " of the data, which has %" PRIu64
                       "; the file is cut short, download it again",
                       st->path, t->name, end, st->data_bytes);
    t->data = st->data + begin;
    t->bytes = end - begin;
    unsigned size = type_size(t->type);
    if (size > 0 && (t->bytes % size != 0 || t->bytes / size != (uint64_t)t->count))
        return err_set(e,
                       "%s: tensor %s: %" PRId64 " elements of %s do not fill its %" PRIu64
                       " bytes; the file is damaged",
                       st->path, t->name, t->count, t->type, t->bytes);
    t->aligned = size > 0 && (uintptr_t)t->data % size == 0;
    return 0;
}

static int read_table(struct safetensors *st, struct err *e)
{
    struct json root = json_root(st->header);
    st->tensor = calloc((size_t)json_count(root) + 1, sizeof *st->tensor);
    if (!st->tensor)
        return err_set(e, "%s: no memory for a table of %d tensors", st->path, json_count(root));
    for (struct json v = json_first(root); v.node; v = json_next(v)) {
        struct st_tensor *t = &st->tensor[st->count];
        t->name = json_key(v);
        if (strcmp(t->name, "__metadata__") == 0)
            continue;
        if (check_name(st, t->name, e) != 0 || read_shape(st, v, t, e) != 0 ||
            read_type(st, v, t, e) != 0 || read_place(st, v, t, e) != 0)
            return -1;
        st->count++;
    }
    return 0;
}

/* -- the table as a whole -- */

static int by_place(const void *a, const void *b)
{
    const struct st_tensor *x = a, *y = b;
    if (x->data != y->data)
        return x->data < y->data ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes); /* empty ones first */
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct st_tensor *)a)->name, ((const struct st_tensor *)b)->name);
}

/* Every byte of the data belongs to exactly one tensor, as the format demands. */
static int check_tiling(struct safetensors *st, struct err *e)
{
    qsort(st->tensor, (size_t)st->count, sizeof *st->tensor, by_place);
    const unsigned char *at = st->data;
    for (int i = 0; i < st->count; i++) {
        const struct st_tensor *t = &st->tensor[i];
        if (t->data != at)
            return err_set(e, "%s: tensor %s %s; the file is damaged", st->path, t->name,
                           t->data < at ? "overlaps another one" : "leaves a hole before it");
        at += t->bytes;
    }
    uint64_t rest = st->data_bytes - (uint64_t)(at - st->data);
    if (rest > 0)
        return err_set(e,
                       "%s: %" PRIu64 " bytes at the end belong to no tensor; the file is damaged",
                       st->path, rest);
    return 0;
}

static int check_duplicates(struct safetensors *st, struct err *e)
{
    qsort(st->tensor, (size_t)st->count, sizeof *st->tensor, by_name);
    for (int i = 1; i < st->count; i++)
        if (strcmp(st->tensor[i - 1].name, st->tensor[i].name) == 0)
            return err_set(e, "%s: tensor %s is there twice; the file is damaged", st->path,
                           st->tensor[i].name);
    return 0;
}

struct safetensors *safetensors_parse(const void *data, size_t size, const char *name,
                                      struct err *e)
{
    struct safetensors *st = calloc(1, sizeof *st);
    if (!st || !(st->path = strdup(name))) {
        err_set(e, "%s: no memory", name);
        free(st);
        return NULL;
    }
    if (read_header(st, data, size, e) != 0 || read_table(st, e) != 0 || check_tiling(st, e) != 0 ||
        check_duplicates(st, e) != 0) {
        safetensors_close(st);
        return NULL;
    }
    return st;
}

static int was_cut(const char *path, struct err *e)
{
    return err_set(e,
                   "%s: was cut short while it was read, or its disk fails; try again when it is "
                   "complete",
                   path);
}

bool safetensors_changed(const struct safetensors *st)
{
    return mapfile_changed(&st->map, st->path);
}

int safetensors_was_read(const struct safetensors *st, struct err *e)
{
    if (mapfile_cut(&st->map))
        return was_cut(st->path, e);
    return mapfile_overwritten(&st->map, st->path)
               ? err_set(e, "%s: was written over while it was read; try again when it is complete",
                         st->path)
               : 0;
}

struct safetensors *safetensors_open(const char *path, struct err *e)
{
    struct mapfile map;
    if (mapfile_open(&map, path, e) != 0)
        return NULL;
    struct safetensors *st = safetensors_parse(map.data, map.size, path, e);
    if (mapfile_cut(&map)) {
        was_cut(path, e);
        safetensors_close(st);
        st = NULL;
    }
    if (!st) {
        mapfile_close(&map);
        return NULL;
    }
    st->map = map;
    return st;
}

void safetensors_close(struct safetensors *st)
{
    if (!st)
        return;
    mapfile_close(&st->map);
    json_free(st->header);
    free(st->tensor);
    free(st->path);
    free(st);
}

/* -- reading it -- */

int safetensors_count(const struct safetensors *st)
{
    return st->count;
}

const struct st_tensor *safetensors_at(const struct safetensors *st, int index)
{
    assert(index >= 0 && index < st->count);
    return &st->tensor[index];
}

const struct st_tensor *safetensors_find(const struct safetensors *st, const char *name)
{
    struct st_tensor key = {.name = name};
    return bsearch(&key, st->tensor, (size_t)st->count, sizeof key, by_name);
}

int safetensors_prefix(const struct safetensors *st, const char *prefix, int *first)
{
    size_t len = strlen(prefix);
    int low = 0, high = st->count;
    while (low < high) { /* the first name that is not below the prefix */
        int mid = low + (high - low) / 2;
        if (strncmp(st->tensor[mid].name, prefix, len) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    int end = low;
    while (end < st->count && strncmp(st->tensor[end].name, prefix, len) == 0)
        end++;
    if (first)
        *first = low;
    return end - low;
}

const char *safetensors_metadata(const struct safetensors *st, const char *key)
{
    return json_as_string(json_get(json_get(json_root(st->header), "__metadata__"), key));
}

const char *safetensors_path(const struct safetensors *st)
{
    return st->path;
}

size_t safetensors_cold(const struct safetensors *st)
{
    return mapfile_cold(&st->map);
}

void safetensors_drop(const struct safetensors *st, const void *from, size_t size)
{
    mapfile_drop(&st->map, from, size);
}

void safetensors_soon(const struct safetensors *st, const void *from, size_t size)
{
    mapfile_soon(&st->map, from, size);
}
