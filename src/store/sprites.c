/*
 * Finished sprites and the search in their texts; see store.h.
 *
 * What the user types is never FTS5's language: each word becomes a quoted string with a prefix
 * star. Words in which the tokenizer sees nothing (a smiley, a dash) match everything beside other
 * words and nothing alone.
 */
#include "store/store_priv.h"

#include "base/fileio.h"

#include <assert.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#define SPRITE_FIELDS(X)                                                                           \
    X(job, ROW)                                                                                    \
    X(index, INT)                                                                                  \
    X(path, TEXT)                                                                                  \
    X(created, REAL)                                                                               \
    X(prompt, TEXT)                                                                                \
    X(negative, TEXT)                                                                              \
    X(words, TEXT)                                                                                 \
    X(preset, TEXT)                                                                                \
    X(settings, TEXT)                                                                              \
    X(model, TEXT)                                                                                 \
    X(seed, SEED)                                                                                  \
    X(width, INT)                                                                                  \
    X(height, INT)                                                                                 \
    X(colors, INT)                                                                                 \
    X(steps, INT)                                                                                  \
    X(cfg, REAL)                                                                                   \
    X(sampler, TEXT)                                                                               \
    X(scheduler, TEXT)                                                                             \
    X(ms_total, REAL)                                                                              \
    X(ms_step, REAL)                                                                               \
    X(bytes_peak, SIZE)                                                                            \
    X(rating, INT)                                                                                 \
    X(tags, TEXT)                                                                                  \
    X(trashed, REAL)

#define COLUMN(field, kind) {COL_##kind, offsetof(struct store_sprite, field)},

static const struct column columns[] = {COLUMN(id, BIG) SPRITE_FIELDS(COLUMN)};
static const struct row_type sprite_type = {columns, sizeof columns / sizeof *columns,
                                            sizeof(struct store_sprite)};

#define SELECT_SPRITES "SELECT id" SPRITE_FIELDS(COLUMN_NAME) " FROM sprites "

/* The file may hold anything; who draws stars may not. */
static int checked(struct store_sprite *list, int count)
{
    for (int i = 0; i < count; i++)
        list[i].rating = list[i].rating < 0 ? 0 : list[i].rating > 5 ? 5 : list[i].rating;
    return count;
}

int store_add_sprite(struct store *s, struct store_sprite *one, struct err *e)
{
    one->created = now_seconds();
    int64_t id = sql_insert(s, &sprite_type, one,
                            "INSERT INTO sprites (id" SPRITE_FIELDS(
                                COLUMN_NAME) ")"
                                             " VALUES (NULL" SPRITE_FIELDS(COLUMN_MARK) ")",
                            e);
    if (id < 0)
        return -1;
    one->id = id;
    return 0;
}

/* -- search -------------------------------------------------------------------------------------
 */

enum { MOST_QUERY = 1000, MOST_WORDS = 32 }; /* bytes and words; what is beyond narrows nothing */

/* The next word, its length in *n (0: no more). Spaces are ASCII's and U+3000, the wide one. */
static const char *next_word(const char *p, const char *end, size_t *n)
{
    static const char spaces[] = " \t\r\n\v\f";
    while (p < end) {
        if (strchr(spaces, *p))
            p++;
        else if (end - p >= 3 && !memcmp(p, "\xe3\x80\x80", 3))
            p += 3;
        else
            break;
    }
    *n = 0;
    while (p + *n < end && !strchr(spaces, p[*n]) &&
           !(end - p - (long)*n >= 3 && !memcmp(p + *n, "\xe3\x80\x80", 3)))
        ++*n;
    return p;
}

/* "***" is three stars, else 0. */
static int stars_of(const char *word, size_t n)
{
    return n <= 5 && strspn(word, "*") >= n ? (int)n : 0;
}

/* "a b" as FTS5 wants it: "a"* "b"*. Returns how many words there are, but for those of stars,
 * which say the least rating. */
static int make_match(const char *query, char out[2 * MOST_QUERY + 4 * MOST_WORDS + 1], int *rating)
{
    size_t size = strnlen(query, MOST_QUERY), n;
    const char *end = query + size, *p = query;
    int words = 0;
    if (size == MOST_QUERY) /* not in the middle of a character */
        while (end > query && (*end & 0xc0) == 0x80)
            end--;
    *rating = 0;
    while (words < MOST_WORDS && (p = next_word(p, end, &n), n > 0)) {
        int stars = stars_of(p, n);
        if (stars) {
            *rating = stars > *rating ? stars : *rating;
            p += n;
            continue;
        }
        *out++ = '"';
        for (const char *word_end = p + n; p < word_end; p++) {
            if (*p == '"')
                *out++ = '"';
            *out++ = *p;
        }
        memcpy(out, "\"* ", 3);
        out += 3;
        words++;
    }
    *out = '\0';
    return words;
}

#define ALL      "WHERE (trashed > 0) = ?1 AND ifnull(rating, 0) >= ?4"
#define MATCHING ALL " AND id IN (SELECT rowid FROM sprite_text WHERE sprite_text MATCH ?5)"
#define PAGE     " ORDER BY id DESC LIMIT ?3 OFFSET ?2"
#define COUNT    "SELECT count(*), ?2, ?3 FROM sprites "

static int find(struct store *s, const char *match, int rating, bool trash, int offset, int limit,
                struct store_sprite **list, int *total, struct err *e)
{
    const char *count = match ? COUNT MATCHING : COUNT ALL;
    const char *page = match ? SELECT_SPRITES MATCHING PAGE : SELECT_SPRITES ALL PAGE;
    const char *format = match ? "iiiis" : "iiii";
    int64_t all = 0;
    int n;
    if (total && sql_int(s, e, &all, count, format, trash, offset, limit, rating, match) != 1)
        return -1;
    if (total)
        *total = all > INT_MAX ? INT_MAX : (int)all;
    *list = sql_rows(s, &sprite_type, &n, e, page, format, trash, offset, limit, rating, match);
    return checked(*list, n);
}

int store_find_sprites(struct store *s, const char *query, bool trash, int offset, int limit,
                       struct store_sprite **list, int *total, struct err *e)
{
    char match[2 * MOST_QUERY + 4 * MOST_WORDS + 1];
    assert(offset >= 0 && limit >= 0);
    *list = NULL;
    int rating;
    bool any = make_match(query, match, &rating) > 0;
    if (sql_run(s, e, "BEGIN", "") < 0) /* count and list see the same rows */
        return -1;
    int n = find(s, any ? match : NULL, rating, trash, offset, limit, list, total, e);
    sql_run(s, NULL, "COMMIT", "");
    return n;
}

int store_job_sprites(struct store *s, int64_t job, struct store_sprite **list, struct err *e)
{
    int n;
    *list = sql_rows(s, &sprite_type, &n, e, SELECT_SPRITES "WHERE job = ?1 ORDER BY [index], id",
                     "I", job);
    return checked(*list, n);
}

/* File times come from a clock that is some milliseconds behind. */
static bool is_own(struct store *s, int64_t job, const char *path, const struct stat *st)
{
    enum { BEHIND_MS = 50 };
    int64_t known = 0, queued_ms = INT64_MAX;
    int64_t written_ms = (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000;
    sql_int(s, NULL, &known, "SELECT count(*) FROM sprites WHERE job = ?1 AND path = ?2", "Is", job,
            path);
    sql_int(s, NULL, &queued_ms, "SELECT CAST(created * 1000 AS INTEGER) FROM jobs WHERE id = ?1",
            "I", job);
    return known > 0 || written_ms >= queued_ms - BEHIND_MS;
}

bool store_sprite_path(struct store *s, int64_t job, const char *wanted, char out[PATH_MAX])
{
    struct stat st;
    for (int k = 1; k < 10000 && file_numbered(wanted, k, out); k++)
        if (lstat(out, &st) || is_own(s, job, out, &st))
            return true;
    return false;
}

int store_sprite(struct store *s, int64_t id, struct store_sprite **one, struct err *e)
{
    int n;
    *one = sql_rows(s, &sprite_type, &n, e, SELECT_SPRITES "WHERE id = ?1", "I", id);
    return checked(*one, n);
}

void store_sprites_free(struct store_sprite *list, int count)
{
    rows_free(&sprite_type, list, count);
}

/* -- what the user says of one ------------------------------------------------------------------
 */

int store_rate(struct store *s, int64_t sprite, int rating, struct err *e)
{
    assert(rating >= 0 && rating <= 5);
    return row_changed(
        sql_run(s, e, "UPDATE sprites SET rating = ?2 WHERE id = ?1", "Ii", sprite, rating),
        "sprite", sprite, e);
}

int store_tag(struct store *s, int64_t sprite, const char *tags, struct err *e)
{
    return row_changed(
        sql_run(s, e, "UPDATE sprites SET tags = ?2 WHERE id = ?1", "Is", sprite, tags ? tags : ""),
        "sprite", sprite, e);
}
