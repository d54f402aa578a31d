/* Any bytes as each of a model folder's JSON files, and as a saved benchmark. What is accepted must
 * keep model.h's promises.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/report.h"
#include "engine/subjects.h"
#include "sdxl/config.h"
#include "sdxl/preview.h"
#include "sdxl/weight_files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds)
        abort();
}

static void parse_networks(struct json root, struct model_config *c)
{
    struct err e = {0};
    int sample = 0;
    if (config_parse_unet(root, &c->unet, &sample, &e) == 0) {
        const struct unet_config *u = &c->unet;
        check(u->levels >= 1 && u->levels <= MAX_LEVELS && u->layers >= 1 && u->mid_depth >= 1);
        for (int i = 0; i < u->levels; i++)
            check(u->channels[i] > 0 && u->channels[i] % u->norm_groups == 0 &&
                  (u->depth[i] == 0 || u->channels[i] % u->heads[i] == 0));
    }
    if (config_parse_vae(root, &c->vae, &e) == 0)
        check(c->vae.levels >= 1 && c->vae.levels <= MAX_LEVELS && c->vae.scaling_factor > 0);
    if (config_parse_schedule(root, &c->schedule, &e) == 0)
        check(c->schedule.train_steps >= 2 && c->schedule.beta_start > 0);
}

static void parse_control(struct json root)
{
    struct err e = {0};
    struct control_config c;
    if (config_parse_control(root, &c, &e) != 0)
        return;
    check(c.hint_levels >= 1 && c.hint_levels <= MAX_LEVELS && c.hint_channels == 3);
    for (int i = 0; i < c.hint_levels; i++)
        check(c.hint_width[i] > 0);
    check(c.unet.levels >= 1 && c.unet.levels <= MAX_LEVELS && c.unet.layers >= 1 &&
          c.unet.layers <= MAX_BLOCKS && c.unet.mid_depth >= 0 && c.unet.mid_depth <= MAX_LAYERS);
    for (int i = 0; i < c.unet.levels; i++)
        check(c.unet.channels[i] > 0 && c.unet.channels[i] % c.unet.norm_groups == 0 &&
              (c.unet.depth[i] == 0 || c.unet.channels[i] % c.unet.heads[i] == 0));
}

static void parse_text(struct json root, struct model_config *c)
{
    struct err e = {0};
    struct token_ids ids;
    for (int encoder = 0; encoder < 2; encoder++) {
        int have = config_parse_tokens(root, root, root, encoder, &ids, &e) == 0;
        if (have)
            check(ids.bos >= 0 && ids.eos >= 0 && ids.pad >= 0);
        struct clip_config *t = &c->text[encoder];
        if (config_parse_clip(root, encoder, have ? &ids : NULL, t, &e) == 0)
            check(t->heads > 0 && t->hidden % t->heads == 0 && t->bos < t->vocab &&
                  t->eos < t->vocab && t->pad < t->vocab);
    }
}

/* What it accepts can be drawn. */
static void parse_preview(struct json root, struct model_config *c)
{
    struct err e = {0};
    c->vae.latent_channels = 4;
    if (config_parse_preview(root, c, &e) != 0)
        return;
    struct preview *p = preview_new(c, 3, 2);
    if (p)
        preview_show(p);
    preview_free(p);
}

/* What it lists can be looked for. */
static void parse_subjects(struct json root)
{
    struct subjects *s = subjects_read(root);
    char joined[80];
    if (!s)
        return;
    check(s->kinds.count > 0 && s->kinds.count <= SUBJECTS_MAX);
    subjects_missed(s, "a golden slime, Slimes");
    subjects_other_colour(s, "a golden slime in lime", subjects_other_colours);
    check(subjects_join(&s->colour_words, 5, joined, sizeof joined) <= 5);
    free(s);
}

/* A saved result of `spritty bench`: what is read can be told. */
static void parse_bench(const char *data, size_t size)
{
    struct err e = {0};
    struct bench_result *r = bench_parse(data, size, "fuzz", &e);
    char *text = NULL;
    size_t n;
    FILE *f = r ? open_memstream(&text, &n) : NULL;
    check(r || e.text[0]);
    if (f) {
        check(r->count <= BENCH_MAX_CASES && r->curves <= BENCH_MAX_CURVES);
        bench_report(f, r);
        bench_report_change(f, r, r);
        fclose(f);
    }
    free(text);
    bench_result_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err e = {0};
    struct model_config c = {0};
    const char *shards[MAX_SHARDS];
    struct json_doc *doc = json_parse((const char *)data, size, "fuzz", &e);
    if (!doc) {
        check(e.text[0] != '\0');
        return 0;
    }
    struct json root = json_root(doc);
    parse_networks(root, &c);
    parse_control(root);
    parse_text(root, &c);
    config_parse_index(root, &c, &e);
    parse_preview(root, &c);
    parse_subjects(root);
    weight_files_shards(root, shards, &e);
    json_free(doc);
    parse_bench((const char *)data, size);
    return 0;
}
