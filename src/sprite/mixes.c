/* Mixes of two colours; see mixes.h. */
#include "sprite/mixes.h"

#include <math.h>
#include <stdlib.h>

/* How much of the squared distance of two colours their mix costs: a mix must be worth its grain.
 */
static const float GRAIN = 0.05f;

int mixes_init(struct mixes *k, const struct palette *p)
{
    *k = (struct mixes){.palette = p};
    colours_take(&k->colours, p);
    for (int i = 0; i < p->n; i++)
        k->lab[i] = oklab_from_srgb(p->rgb[i]);
    k->partners = malloc((size_t)p->n * (size_t)k->colours.n * sizeof *k->partners);
    return k->partners ? 0 : -1;
}

void mixes_free(struct mixes *k)
{
    free(k->partners);
    k->partners = NULL;
}

const struct partners *mixes_with(struct mixes *k, int first)
{
    struct partners *to = k->partners + first * k->colours.n;
    struct oklab p = k->lab[first];
    for (int i = 0; i < k->colours.n && !k->known[first]; i++) {
        const lanes8 none = {0};
        lanes8 l = k->colours.l[i] - p.l, a = k->colours.a[i] - p.a, b = k->colours.b[i] - p.b;
        lanes8 length = l * l + a * a + b * b, inverse = 1 / length;
        to[i] = (struct partners){l, a, b, LANES_PICK(length > 0, inverse, none), {0}, {0}};
        to[i].grain = 4 * GRAIN * length;
        to[i].rest = length - to[i].grain;
    }
    k->known[first] = true;
    return to;
}

uint8_t mixes_places(float share, int count)
{
    return (uint8_t)ceilf(share * (float)count - 0.5f);
}
