/* See lora_changes.h. */
#include "sdxl/lora_changes.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/parallel.h"
#include "sdxl/lora_product.h"

enum { BLOCK = 4096 };

bool lora_is_change(const struct lora_module *m)
{
    return m->form == FORM_LORA && !m->tensor[LORA_MID] && !m->tensor[LORA_DORA] &&
           !m->tensor[LORA_MAGNITUDE];
}

struct scan {
    const unsigned char *data;
    enum dtype type;
    int64_t count;
    atomic_bool bad;
};

static void scan_block(void *context, int64_t at, int thread)
{
    float room[BLOCK]; /* stays in the nearest cache */
    struct scan *s = context;
    int64_t from = at * BLOCK, some = s->count - from < BLOCK ? s->count - from : BLOCK;
    (void)thread;
    if (!values_to_f32(room, s->data + (size_t)from * dtype_size(s->type), s->type, some))
        s->bad = true;
}

/* The host's merge finds such values on its way; a device would pass them on. */
static bool is_finite(const struct st_tensor *t, int threads)
{
    struct scan s = {.data = t->data, .type = t->dtype, .count = t->count};
    int64_t blocks = (t->count + BLOCK - 1) / BLOCK;
    parallel_for(blocks < 16 ? 1 : threads, blocks, scan_block, &s);
    return !s.bad;
}

static int check(const struct lora_module *m, int threads, const char *file, struct err *e)
{
    static const enum lora_role roles[] = {LORA_UP, LORA_DOWN};
    for (int i = 0; i < 2; i++) {
        const struct st_tensor *t = m->tensor[roles[i]];
        if (!is_finite(t, threads))
            return err_set(e, "%s: %s holds values that are no finite numbers; the file is broken",
                           file, t->name);
    }
    return 0;
}

int lora_changes_add(struct lora_changes *c, const struct lora_module *m,
                     const struct lora_target *t, double strength, int threads, const char *file,
                     struct err *e)
{
    const struct st_tensor *up = m->tensor[LORA_UP], *down = m->tensor[LORA_DOWN];
    int64_t rank = down->dim[0];
    assert(lora_is_change(m) && up->count == t->out * rank &&
           down->count == rank * t->in * t->taps);
    if (check(m, threads, file, e) < 0)
        return -1;
    if (c->count == c->room) {
        int room = c->room ? 2 * c->room : 4;
        struct low_rank *more = realloc(c->at, (size_t)room * sizeof *more);
        if (!more)
            return err_set(e, "%s: out of memory while merging %s", file, m->name);
        c->at = more, c->room = room;
    }
    c->at[c->count++] = (struct low_rank){
        .up = up->data,
        .down = down->data,
        .up_type = up->dtype,
        .down_type = down->dtype,
        .rank = rank,
        .factor = (float)(strength * m->scale),
    };
    return 0;
}

size_t lora_change_bytes(const struct lora_module *m, const struct lora_target *t)
{
    int64_t cols = t->in * t->taps, rank = m->tensor[LORA_DOWN]->dim[0];
    return (size_t)(t->out * cols + rank * (t->out + cols)) * sizeof(float);
}
