/* Exchanging the LoRAs of an open model before a run. */
#include "sdxl/pipeline_priv.h"

struct exchange {
    const struct gen_hooks *hooks;
    int done, all;
    double began;
};

/* After each weight. Not to be cancelled in between: it takes a moment, and what is half exchanged
 * would have to be exchanged again. */
static void repacked(void *user)
{
    struct exchange *x = user;
    struct gen_progress p = {.stage = "lora", .step = ++x->done, .steps = x->all};
    if (!x->hooks || !x->hooks->step || (x->done % 16 != 0 && x->done != x->all))
        return;
    process_memory(&p.bytes_now, &p.bytes_peak);
    x->hooks->step(x->hooks->user, &p);
}

/* LoRAs are made for the base's shapes; a refiner's are others. ComfyUI and A1111 would merge, and
 * log what does not fit. */
static void note_refiner(const struct pipeline *p, const struct gen_params *g, struct notes *to)
{
    if (p->refiner && g->lora_count > 0)
        notes_add(to, "the LoRA%s change%s the base model alone; the refiner works without",
                  g->lora_count > 1 ? "s" : "", g->lora_count > 1 ? "" : "s");
}

int pipeline_use_loras(struct pipeline *p, const struct gen_params *g, const struct gen_hooks *h,
                       struct gen_result *out, struct err *e)
{
    struct exchange x = {.hooks = h, .began = clock_ms()};
    struct loader l = {.ops = p->ops,
                       .checkpoint = p->checkpoint,
                       .err = e,
                       .packed = repacked,
                       .user = &x,
                       .slots = &p->slots};
    if (lora_set_choose(p->loras, &p->slots, g->loras, g->lora_count, e) < 0)
        return -1;
    lora_set_notes(p->loras, &out->notes);
    note_refiner(p, g, &out->notes);
    x.all = lora_set_pending(p->loras, &p->slots);
    if (x.all == 0)
        return 0;
    if (lora_set_apply(p->loras, &l) < 0)
        return -1;
    out->ms.lora = clock_ms() - x.began;
    return p->ops->sync(p->ops, e);
}
