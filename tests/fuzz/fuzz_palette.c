/* The palette readers on any bytes, under a name of each kind; what is read is a palette. */
#include <stdlib.h>
#include <string.h>

#include "sprite/palette.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"a.gpl", "a.hex", "a.pal", "a.act"};
    struct palette p;
    struct err e;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (palette_parse(data, size, names[i], &p, &e))
            continue;
        if (p.n < 1 || p.n > PALETTE_MAX)
            abort();
        for (int k = 1; k < p.n; k++)
            if (!memcmp(p.rgb[0], p.rgb[k], 3))
                abort();
    }
    return 0;
}
