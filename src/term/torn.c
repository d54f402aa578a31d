/* What a torn answer looks like; see torn.h. */
#include "term/torn.h"

#include <string.h>

enum torn torn_look(const char *s, size_t len)
{
    static const char *const shapes[] = {"[?#", "[>#", "[<#", "P>|", "P1$",
                                         "P0$", "P1+", "P0+", "_Gi", "]##"};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        size_t n = 0;
        while (n < 3 && n < len &&
               (shapes[i][n] == '#' ? s[n] >= '0' && s[n] <= '9' : s[n] == shapes[i][n]))
            n++;
        if (n == 3)
            return TORN_YES;
        if (n == len)
            return TORN_MAYBE;
    }
    size_t n = s[0] == '[' ? 1 + strspn(s + 1, "0123456789;") : 0;
    if (n > 1 && n < 32)
        return n == len ? TORN_MAYBE : s[n] == 'n' || s[n] == 't' ? TORN_YES : TORN_NO;
    return TORN_NO;
}
