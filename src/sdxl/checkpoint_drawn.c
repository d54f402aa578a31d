/* Weights that are drawn instead of read, for measuring a model's sizes. */
#include <stdlib.h>
#include <string.h>

#include "ops/half.h"
#include "sdxl/checkpoint_priv.h"
#include "sdxl/config.h"

/* FP16 values that every drawn tensor is a part of. */
enum { DRAWN_VALUES = 100 << 20, DRAWN_TABLE = 4096, DRAWN_ONES = 1 << 16 };
struct drawn {
    uint16_t *value;
    uint16_t one[DRAWN_ONES];
};

static struct drawn *draw_values(void)
{
    struct drawn *d = calloc(1, sizeof *d);
    if (!d || !(d->value = malloc((size_t)DRAWN_VALUES * sizeof *d->value))) {
        free(d);
        return NULL;
    }
    uint16_t table[DRAWN_TABLE];
    uint64_t seed = 1;
    for (int i = 0; i < DRAWN_TABLE; i++) {
        float sum = 0; /* of four uniforms: about normal, deviation 0.02 */
        for (int k = 0; k < 4; k++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            sum += (float)(seed >> 40) / 16777216.0f - 0.5f;
        }
        table[i] = f16_from_f32(sum * 1.7320508f * 0.02f);
    }
    for (int i = 0; i < DRAWN_VALUES; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        d->value[i] = table[seed >> 52];
    }
    for (int i = 0; i < DRAWN_ONES; i++)
        d->one[i] = f16_from_f32(1);
    return d;
}

void drawn_free(struct drawn *d)
{
    if (d)
        free(d->value);
    free(d);
}

struct checkpoint *checkpoint_open_drawn(const char *path, struct err *e)
{
    struct checkpoint *c = checkpoint_new(path, e);
    if (c && !(c->drawn = draw_values()))
        err_set(e, "%s: no memory to draw its weights", path);
    else if (c && config_read_folder(c->path, &c->config, e) == 0)
        return c;
    checkpoint_close(c);
    return NULL;
}

bool checkpoint_draw(const struct checkpoint *c, const char *name, const int64_t *dim, int rank,
                     struct param *out)
{
    if (!c->drawn)
        return false;
    uint64_t hash = 0xcbf29ce484222325u, count = 1;
    size_t n = strlen(name);
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ (unsigned char)name[i]) * 0x100000001b3u;
    *out = (struct param){.dtype = DT_F16, .rank = rank};
    for (int i = 0; i < rank; i++)
        count *= (uint64_t)(out->dim[i] = dim[i]);
    assert(count <= DRAWN_VALUES);
    bool norm = rank == 1 && n > 7 && !strcmp(name + n - 7, ".weight");
    assert(!norm || count <= DRAWN_ONES);
    out->data = norm ? c->drawn->one : c->drawn->value + hash % (DRAWN_VALUES - count + 1);
    return true;
}
