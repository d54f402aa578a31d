/*
 * Prompts that were queued, newest first; see store.h.
 *
 * Saying a prompt again replaces its row: ids only grow, so the order is theirs and a clock that
 * jumps does not disturb it.
 */
#include "store/store_priv.h"

#include <assert.h>

#define PROMPT_FIELDS(X)                                                                           \
    X(words, TEXT)                                                                                 \
    X(negative, TEXT)                                                                              \
    X(used, REAL)

#define COLUMN(field, kind) {COL_##kind, offsetof(struct store_prompt, field)},

static const struct column columns[] = {COLUMN(id, BIG) PROMPT_FIELDS(COLUMN)};
static const struct row_type prompt_type = {columns, sizeof columns / sizeof *columns,
                                            sizeof(struct store_prompt)};

enum { MOST_PROMPTS = 10000 };

static int remember(struct store *s, const char *words, const char *negative, struct err *e)
{
    if (sql_run(s, e, "INSERT OR REPLACE INTO prompts (words, negative, used) VALUES (?1, ?2, ?3)",
                "ssd", words, negative, now_seconds()) < 0)
        return -1;
    return sql_run(s, e,
                   "DELETE FROM prompts WHERE id <="
                   " (SELECT id FROM prompts ORDER BY id DESC LIMIT 1 OFFSET ?1)",
                   "i", MOST_PROMPTS);
}

int store_remember(struct store *s, const char *words, const char *negative, struct err *e)
{
    if (sql_begin(s, e))
        return -1;
    return sql_end(s, remember(s, words ? words : "", negative ? negative : "", e) < 0, e);
}

/* instr and not LIKE: nothing to escape, and no bound on the pattern. Case is that of ASCII. */
int store_history(struct store *s, const char *query, int limit, struct store_prompt **list,
                  struct err *e)
{
    int n;
    assert(limit >= 0);
    *list = sql_rows(
        s, &prompt_type, &n, e,
        "SELECT id" PROMPT_FIELDS(
            COLUMN_NAME) " FROM prompts"
                         " WHERE instr(lower(words), lower(?1)) ORDER BY id DESC LIMIT ?2",
        "si", query, limit);
    return n;
}

void store_prompts_free(struct store_prompt *list, int count)
{
    rows_free(&prompt_type, list, count);
}
