/* The nearest name; see suggest.h. */
#include "base/suggest.h"

#include <stddef.h>
#include <string.h>

enum { LONGEST = 40 };

static int min3(int a, int b, int c)
{
    int m = a < b ? a : b;
    return m < c ? m : c;
}

/* row[i][j]: from the first i letters of a to the first j of b. */
static int distance(const char *a, const char *b)
{
    int row[LONGEST + 1][LONGEST + 1];
    int n = (int)strlen(a), m = (int)strlen(b);
    for (int i = 0; i <= n; i++) {
        for (int j = 0; j <= m; j++) {
            if (i == 0 || j == 0) {
                row[i][j] = i + j;
                continue;
            }
            int change = row[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            row[i][j] = min3(row[i - 1][j] + 1, row[i][j - 1] + 1, change);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                row[i - 2][j - 2] + 1 < row[i][j])
                row[i][j] = row[i - 2][j - 2] + 1;
        }
    }
    return row[n][m];
}

const char *suggest(const char *word, const char *(*names)(const void *user, int i),
                    const void *user)
{
    const char *best = NULL, *name;
    int least = LONGEST;
    if (strlen(word) > LONGEST)
        return NULL;
    for (int i = 0; (name = names(user, i)); i++) {
        size_t length = strlen(name);
        int d = length <= LONGEST ? distance(word, name) : LONGEST;
        if (d < least && d <= 1 + (int)length / 4)
            best = name, least = d;
    }
    return best;
}
