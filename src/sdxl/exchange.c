/* Exchanging the LoRAs of an open model before a run. */
#include "sdxl/pipeline_priv.h"

/* After each weight. Cancelled in between, each slot knows what is merged into it: the next run
 * exchanges the rest, or what it wants instead. */
static bool repacked(void *user)
{
    struct waiting *w = user;
    if (++w->step % 16 == 0 || w->step == w->steps)
        w->asked = 0; /* so that a short one is told of as well */
    return waiting_goes_on(w);
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
    struct waiting w = {.p = p, .hooks = h, .stage = "lora"};
    double began = clock_ms();
    struct loader l = {.ops = p->ops,
                       .checkpoint = p->checkpoint,
                       .err = e,
                       .packed = repacked,
                       .user = &w,
                       .slots = &p->slots};
    if (lora_set_choose(p->loras, &p->slots, g->loras, g->lora_count, e) < 0)
        return -1;
    lora_set_notes(p->loras, &out->notes);
    note_refiner(p, g, &out->notes);
    w.steps = lora_set_pending(p->loras, &p->slots);
    if (w.steps == 0)
        return 0;
    int rc = lora_set_apply(p->loras, &l);
    out->cancelled = w.cancelled;
    if (rc < 0)
        return -1;
    out->ms.lora = clock_ms() - began;
    return p->ops->sync(p->ops, e);
}
