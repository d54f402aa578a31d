/*
 * Image to image, masks, the second pass, the refiner and guidance: final latents against
 * diffusers' pipelines and against ComfyUI's and A1111's formulas (tests/golden/golden_stages.py);
 * what a mask keeps; pictures that meet their own other side. Which steps each pass takes is
 * test_steps.c's.
 */
/* Not under qemu: whole networks, many minutes; test_ops has what they compute there. */
#include "golden.h"

#include <unistd.h>
#include <sys/stat.h>

#include "base/fileio.h"
#include "ops/half.h"
#include "sdxl/pipeline_priv.h"
#include "sdxl/resample.h"
#include "st_writer.h"

static const char *const MODEL = "tests/golden/small_a",
                         *const REFINER = "tests/golden/small_refiner";

enum { SIZE = 64, PIXELS = SIZE * SIZE };

static uint8_t image[PIXELS * 3], mask[PIXELS];

static struct safetensors *open_dump(void)
{
    struct err e = {0};
    struct safetensors *st = safetensors_open("tests/golden/stages.safetensors", &e);
    if (!st)
        fail_msg("%s", e.text);
    memcpy(image, golden_find(st, "image")->data, sizeof image);
    memcpy(mask, golden_find(st, "mask")->data, sizeof mask);
    return st;
}

static struct gen_params params(int compat)
{
    return (struct gen_params){.prompt = "a red slime, pixel art",
                               .negative = "green cat",
                               .seed = 7,
                               .steps = 10,
                               .cfg = 5,
                               .width = SIZE,
                               .height = SIZE,
                               .batch = 1,
                               .compat = compat,
                               .rng = RNG_CPU,
                               .aesthetic = 6,
                               .negative_aesthetic = 2.5f};
}

struct caught {
    float *values;
    int64_t count;
};

static void catch (void *user, const float *values, int n, int h, int w, int c)
{
    struct caught *t = user;
    t->count = (int64_t)n * h * w * c;
    t->values = malloc((size_t)t->count * sizeof *values);
    memcpy(t->values, values, (size_t)t->count * sizeof *values);
}

static struct pipeline *open_named(const struct golden_backend *b, const char *model,
                                   const char *refiner, const char *vae)
{
    struct err e = {0};
    struct pipeline_options opt = {.device = b->device,
                                   .precision = "fp32",
                                   .refiner = refiner,
                                   .vae = vae,
                                   .tokenizer = MODEL};
    struct pipeline *p = pipeline_open(model, &opt, &e);
    if (!p)
        fail_msg("%s", e.text);
    return p;
}

static struct pipeline *open_model(const struct golden_backend *b, const char *refiner,
                                   const char *vae)
{
    return open_named(b, MODEL, refiner, vae);
}

static struct gen_result run(struct pipeline *p, const struct gen_params *g, struct caught *t)
{
    struct err e = {0};
    struct gen_result r;
    struct gen_hooks hooks = {.user = t, .latents = t ? catch : NULL};
    if (pipeline_run(p, g, &hooks, &r, &e) < 0)
        fail_msg("%s", e.text);
    return r;
}

static void check(const struct golden_backend *b, struct pipeline *p, const struct gen_params *g,
                  struct safetensors *st, const char *key)
{
    struct caught t;
    struct gen_result r = run(p, g, &t);
    const struct st_tensor *want = golden_find(st, "%s", key);
    float *w = golden_floats(want);
    assert_int_equal(t.count, want->count);
    golden_check_host(b->name, key, t.values, w, t.count, b->bound);
    gen_result_free(&r);
    free(t.values);
    free(w);
}

/* The slow reference is left out where a sanitizer slows everything. */
static int first_backend(void)
{
    return getenv("SPRITTY_QUICK") ? 1 : 0;
}

/* It runs one of each kind: the rest is arithmetic of the pipeline, which both share. */
static bool is_slow(const struct golden_backend *b)
{
    return !strcmp(b->device, "ref");
}

/* ---- against the tools ---- */

static void check_diffusers(const struct golden_backend *b, struct pipeline *p,
                            struct safetensors *st)
{
    static const char *const ways[][2] = {{"hires.nearest", "latent_nearest"},
                                          {"hires.nearest-exact", "latent_nearest_exact"},
                                          {"hires.bilinear", "latent_bilinear"},
                                          {"hires.bicubic", "latent_bicubic"}};
    struct gen_params g = params(COMPAT_DIFFUSERS);
    g.image = image, g.mask = mask;
    g.denoise = 0.7;
    check(b, p, &g, st, "inpaint");
    if (is_slow(b))
        return;
    g.mask = NULL;
    g.denoise = 0.6;
    check(b, p, &g, st, "img2img");
    g = params(COMPAT_DIFFUSERS);
    check(b, p, &g, st, "base");
    g.cfg_rescale = 0.7f;
    check(b, p, &g, st, "rescale.diffusers");
    g = params(COMPAT_DIFFUSERS);
    g.cfg = 0;
    check(b, p, &g, st, "unguided.diffusers");
    g = params(COMPAT_DIFFUSERS);
    g.hires_width = g.hires_height = 96;
    g.hires_denoise = 0.5;
    for (int i = 0; i < 4; i++) {
        g.hires_upscale = upscale_by_name(ways[i][1]);
        check(b, p, &g, st, ways[i][0]);
    }
}

/* A list of the same levels, so that both count the same steps; the timesteps lie on the trained
 * ones, where nearest and interpolated are the same. */
static void check_others(const struct golden_backend *b, struct pipeline *p, struct safetensors *st)
{
    struct gen_params g = params(COMPAT_COMFYUI);
    g.image = image;
    g.mask = mask;
    g.steps = 7;
    g.denoise = 0.7;
    check(b, p, &g, st, "mask.comfyui");
    if (is_slow(b))
        return;
    uint8_t grown[PIXELS];
    for (int i = 0; i < PIXELS; i++) {
        int x = i % SIZE, y = i / SIZE;
        grown[i] = x > 17 && x < 53 && y > 9 && y < 47 ? 255 : 0;
    }
    g.mask = grown, g.grey = mask;
    g.mask_content = CONTENT_GREY;
    check(b, p, &g, st, "mask.comfyui.grey");
    g.mask = mask, g.grey = NULL;
    g.mask_content = CONTENT_ORIGINAL;
    g.sampler = sampler_by_name("ddim");
    check(b, p, &g, st, "mask.comfyui.ddim");
    g.mask = NULL;
    g.sampler = sampler_by_name("dpmpp_2m_sde");
    check(b, p, &g, st, "brownian.comfyui");
    g = params(COMPAT_A1111);
    g.image = image;
    g.denoise = 0.6;
    g.sampler = sampler_by_name("dpmpp_2m_sde");
    check(b, p, &g, st, "brownian.a1111");
    g = params(COMPAT_A1111);
    g.hires_width = g.hires_height = 96;
    g.hires_denoise = 0.5;
    g.hires_upscale = upscale_by_name("lanczos");
    struct golden_backend bytes = *b; /* a value near a whole one may fall to the other side */
    bytes.bound = 5e-4;
    check(&bytes, p, &g, st, "hires.a1111.lanczos");
    g = params(COMPAT_A1111);
    g.image = image;
    g.denoise = 0.6;
    g.mask = mask;
    g.denoise = 0.6;
    check(b, p, &g, st, "mask.a1111");
    g = params(COMPAT_COMFYUI);
    g.cfg_rescale = 0.7f;
    check(b, p, &g, st, "rescale.comfyui");
}

static void test_against_the_tools(void **state)
{
    (void)state;
    struct golden_backend b[3];
    struct safetensors *st = open_dump();
    golden_backends(b);
    for (int i = first_backend(); i < 2; i++) {
        struct pipeline *p = open_model(&b[i], NULL, NULL);
        check_diffusers(&b[i], p, st);
        check_others(&b[i], p, st);
        pipeline_close(p);
    }
    safetensors_close(st);
}

/* The refiner's own encoder, score and timesteps; and a model that refines itself changes
 * nothing. */
static void test_refiner(void **state)
{
    (void)state;
    struct golden_backend b[3];
    struct safetensors *st = open_dump();
    golden_backends(b);
    for (int i = first_backend(); i < 2; i++) {
        struct gen_params g = params(COMPAT_DIFFUSERS);
        struct pipeline *p = open_model(&b[i], REFINER, NULL), *own;
        g.refiner_switch = 0.6;
        check(&b[i], p, &g, st, "refiner");
        pipeline_close(p);
        if (is_slow(&b[i]))
            continue;
        own = open_model(&b[i], MODEL, NULL);
        check(&b[i], own, &g, st, "base");
        pipeline_close(own);
    }
    safetensors_close(st);
}

/* ---- a model that reads mask and picture ---- */

/* All tensors of some files in one, but the UNet's first convolution, which is `conv` as F16 (its
 * values are exact in that). */
static void write_nine(const char *const *files, const char *key, const struct st_tensor *conv,
                       const char *path)
{
    static uint16_t half[32 * 9 * 9];
    struct safetensors *st[4] = {NULL};
    struct st_writer w = {0};
    struct err e = {""};
    assert_int_equal(conv->count, 32 * 9 * 9);
    for (int i = 0; i < 32 * 9 * 9; i++) {
        float x;
        memcpy(&x, conv->data + 4 * i, 4);
        half[i] = f16_from_f32(x);
    }
    for (int f = 0; files[f]; f++) {
        char from[200];
        snprintf(from, sizeof from, "tests/golden/%s.safetensors", files[f]);
        assert_non_null(st[f] = safetensors_open(from, &e));
        for (int i = 0; i < safetensors_count(st[f]); i++) {
            const struct st_tensor *t = safetensors_at(st[f], i);
            if (!strcmp(t->name, key))
                st_add(&w, key, "F16", 4, conv->dim, half, sizeof half);
            else
                st_add(&w, t->name, t->type, t->rank, t->dim, t->data, t->bytes);
        }
    }
    struct bytes b = st_finish(&w, -1);
    bytes_save(&b, path);
    free(b.data);
    for (int f = 0; files[f]; f++)
        safetensors_close(st[f]);
}

/* small_a's folder with another UNet: links to all but that. */
static void make_folder(const char *dir, const struct st_tensor *conv)
{
    static const char *const links[] = {
        "model_index.json", "scheduler",   "text_encoder", "text_encoder_2",
        "tokenizer",        "tokenizer_2", "vae"};
    static const char *const shards[] = {"small_a/unet/diffusion_pytorch_model.fp16-00001-of-00003",
                                         "small_a/unet/diffusion_pytorch_model.fp16-00002-of-00003",
                                         "small_a/unet/diffusion_pytorch_model.fp16-00003-of-00003",
                                         NULL};
    char from[4096], to[200], here[2048];
    size_t size;
    struct err e = {""};
    assert_non_null(getcwd(here, sizeof here));
    snprintf(to, sizeof to, "%s/unet", dir);
    assert_int_equal(mkdir(to, 0700), 0);
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        snprintf(from, sizeof from, "%s/%s/%s", here, MODEL, links[i]);
        snprintf(to, sizeof to, "%s/%s", dir, links[i]);
        assert_int_equal(symlink(from, to), 0);
    }
    snprintf(from, sizeof from, "%s/unet/config.json", MODEL);
    char *config = file_read(from, 1 << 20, &size, &e), *at = strstr(config, "\"in_channels\": 4");
    assert_non_null(at);
    at[strlen("\"in_channels\": ")] = '9';
    snprintf(to, sizeof to, "%s/unet/config.json", dir);
    assert_int_equal(file_write_atomic(to, config, size, &e), 0);
    free(config);
    snprintf(to, sizeof to, "%s/unet/diffusion_pytorch_model.fp16.safetensors", dir);
    write_nine(shards, "conv_in.weight", conv, to);
}

static void check_nine(const struct golden_backend *b, struct pipeline *p, struct safetensors *st)
{
    struct gen_params g = params(COMPAT_DIFFUSERS);
    g.image = image, g.mask = mask;
    g.denoise = 0.7;
    check(b, p, &g, st, "inpaint9");
    if (is_slow(b))
        return;
    g.denoise = 1;
    check(b, p, &g, st, "inpaint9.full");
    g.compat = COMPAT_A1111;
    g.denoise = 0.6;
    check(b, p, &g, st, "mask9.a1111");
    g.compat = COMPAT_COMFYUI;
    g.steps = 7;
    g.denoise = 0.7;
    check(b, p, &g, st, "mask9.comfyui");
    g = params(COMPAT_A1111);
    check(b, p, &g, st, "text9.a1111");
    g.compat = COMPAT_COMFYUI;
    check(b, p, &g, st, "text9.comfyui");
}

/* Nine channels: latent, mask, the picture without what is masked; as a folder and as one file,
 * with and without a mask, and with a second pass, which has a mask and a picture of its size. */
static void test_inpainting_model(void **state)
{
    (void)state;
    static const char *const one[] = {"small_a_single", NULL};
    char dir[] = "/tmp/spritty-inpaint-XXXXXX", single[100], command[100];
    struct golden_backend b[3];
    struct safetensors *st = open_dump();
    assert_non_null(mkdtemp(dir));
    snprintf(single, sizeof single, "%s.safetensors", dir);
    make_folder(dir, golden_find(st, "inpaint9.conv_in"));
    write_nine(one, "model.diffusion_model.input_blocks.0.0.weight",
               golden_find(st, "inpaint9.conv_in"), single);
    golden_backends(b);
    for (int i = first_backend(); i < 2; i++) {
        struct pipeline *p = open_named(&b[i], dir, NULL, NULL);
        check_nine(&b[i], p, st);
        pipeline_close(p);
    }
    struct pipeline *p = open_named(&b[1], single, NULL, NULL);
    struct gen_params g = params(COMPAT_DIFFUSERS);
    g.image = image, g.mask = mask;
    g.denoise = 0.7;
    check(&b[1], p, &g, st, "inpaint9");
    g = params(COMPAT_COMFYUI);
    g.steps = 2;
    g.hires_width = g.hires_height = 96;
    g.hires_denoise = 0.5;
    struct gen_result r = run(p, &g, NULL);
    assert_int_equal(r.width, 96);
    gen_result_free(&r);
    pipeline_close(p);
    safetensors_close(st);
    unlink(single);
    snprintf(command, sizeof command, "rm -r %s", dir);
    assert_int_equal(system(command), 0);
}

/* ---- what a mask keeps ---- */

static void test_masks_keep_bytes(void **state)
{
    (void)state;
    struct golden_backend b[3];
    safetensors_close(open_dump());
    golden_backends(b);
    struct pipeline *p = open_model(&b[1], NULL, NULL);
    for (int compat = 0; compat < 3; compat++)
        for (int content = 0; content_name(content); content++) {
            struct gen_params g = params(compat);
            int changed = 0;
            g.steps = 3;
            g.image = image, g.mask = mask;
            g.denoise = 1;
            g.mask_content = content;
            struct gen_result r = run(p, &g, NULL);
            for (int k = 0; k < 3 * PIXELS; k++) {
                if (mask[k / 3] == 0)
                    assert_int_equal(r.rgb[k], image[k]);
                changed += mask[k / 3] > 0 && r.rgb[k] != image[k];
            }
            assert_true(changed > 1000);
            gen_result_free(&r);
        }
    pipeline_close(p);
}

/* ---- circular padding ---- */

/* `by` latents to the right and down, around the edges. */
static void roll(const float *in, float *out, int h, int w, int c, int by)
{
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            memcpy(out + (size_t)((y + by) % h * w + (x + by) % w) * (size_t)c,
                   in + (size_t)(y * w + x) * (size_t)c, (size_t)c * sizeof *in);
}

static void unet_once(struct pipeline *p, const float *latent, float *out)
{
    struct ops *o = p->ops;
    struct err e = {0};
    const struct unet_config *c = &p->config->unet;
    int texts = 77, pooled = c->added_inputs - 6 * c->added_time_dim;
    float *states = malloc((size_t)(texts * c->context) * sizeof *states);
    float *pool = calloc((size_t)pooled, sizeof *pool), sizes[6] = {64, 64, 0, 0, 64, 64};
    float time = 500;
    for (int i = 0; i < texts * c->context; i++)
        states[i] = sinf((float)i);
    struct tensor text = o->alloc_as(o, o->act, 1, texts, 1, c->context);
    struct tensor x = o->alloc_as(o, o->act, 1, 8, 8, 4), y = o->alloc_as(o, DT_F32, 1, 8, 8, 4);
    o->upload(o, &text, states);
    o->upload(o, &x, latent);
    struct unet_inputs in = {.texts = 1,
                             .text = &text,
                             .pooled = pool,
                             .sizes = sizes,
                             .size_conditions = 6,
                             .timesteps = &time,
                             .steps = 1,
                             .n = 1,
                             .pad = PAD_CIRCULAR_X | PAD_CIRCULAR_Y};
    struct unet_run r;
    assert_int_equal(unet_prepare(&p->unet, o, &in, &r, &e), 0);
    unet_before_step(o, &r, 0);
    unet_step(&p->unet, o, &r, 0, &x, &y, NULL);
    unet_finish(o, &r);
    o->download(o, out, &y);
    assert_int_equal(o->sync(o, &e), 0);
    o->release(o, &y);
    o->release(o, &x);
    o->release(o, &text);
    free(states);
    free(pool);
}

static void decode_once(struct pipeline *p, const float *latent, float *out)
{
    struct ops *o = p->ops;
    struct err e = {0};
    struct tensor z = o->alloc_as(o, DT_F32, 1, 8, 8, 4), y = o->alloc_as(o, DT_F32, 1, 64, 64, 3);
    o->upload(o, &z, latent);
    vae_decode(&p->vae, o, &z, &y);
    o->download(o, out, &y);
    assert_int_equal(o->sync(o, &e), 0);
    o->release(o, &y);
    o->release(o, &z);
}

/* What goes in rolled comes out rolled, through both networks: no edge is left. The UNet halves
 * twice, so by four. */
static void test_tiling_rolls(void **state)
{
    (void)state;
    static float latent[256], rolled[256], a[3 * PIXELS], b[3 * PIXELS], want[3 * PIXELS];
    struct golden_backend backend[3];
    golden_backends(backend);
    for (int i = 0; i < 256; i++)
        latent[i] = sinf(3.7f * (float)i);
    roll(latent, rolled, 8, 8, 4, 4);
    for (int i = first_backend(); i < 2; i++) {
        struct pipeline *p = open_model(&backend[i], NULL, NULL);
        unet_once(p, latent, a);
        unet_once(p, rolled, b);
        roll(a, want, 8, 8, 4, 4);
        golden_check_host(backend[i].name, "UNet, rolled", b, want, 256, 1e-5);
        p->vae.pad = PAD_CIRCULAR_X | PAD_CIRCULAR_Y;
        decode_once(p, latent, a);
        decode_once(p, rolled, b);
        roll(a, want, 64, 64, 3, 32);
        golden_check_host(backend[i].name, "VAE, rolled", b, want, 3 * PIXELS, 1e-5);
        p->vae.pad = 0;
        decode_once(p, rolled, b);
        double off = 0;
        for (int k = 0; k < 3 * PIXELS; k++)
            off = fmax(off, fabs((double)b[k] - (double)want[k]));
        assert_true(off > 0.05); /* the test sees an edge where there is one */
        pipeline_close(p);
    }
}

/* ComfyUI's two samplers of base and refiner draw from one seed each: the second's noise is the
 * first's once more. */
static void test_noise_of_a_refiner(void **state)
{
    (void)state;
    struct golden_backend b[3];
    golden_backends(b);
    struct safetensors *st = open_dump();
    struct pipeline *p = open_model(&b[1], MODEL, NULL);
    struct gen_params g = params(COMPAT_COMFYUI);
    g.sampler = sampler_by_name("euler_ancestral");
    g.refiner_switch = 0.6;
    check(&b[1], p, &g, st, "refiner.comfyui");
    pipeline_close(p);
    safetensors_close(st);
}

/* Guidance within a part of the steps gives what it gives; outside of it one answer is asked for,
 * which the forecast's arithmetic shows. */
static void test_guidance_interval(void **state)
{
    (void)state;
    struct golden_backend b[3];
    struct err e;
    golden_backends(b);
    struct pipeline *p = open_model(&b[1], NULL, NULL);
    struct gen_params g = params(COMPAT_COMFYUI), none = g, half = g, never = g;
    struct plan_result all, one, some;
    struct pipeline_options opt = {.device = "cpu", .precision = "fp32"};
    none.cfg = 1;
    half.cfg_start = 0.3, half.cfg_end = 0.8; /* 5 of 10 */
    never.cfg_start = 0.95;                   /* no step begins so late */
    assert_int_equal(pipeline_plan(MODEL, &opt, &g, &all, &e), 0);
    assert_int_equal(pipeline_plan(MODEL, &opt, &none, &one, &e), 0);
    assert_int_equal(pipeline_plan(MODEL, &opt, &half, &some, &e), 0);
    double cost[3] = {0};
    const struct plan_result *plans[] = {&all, &one, &some};
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < plans[k]->nstages; i++)
            if (!strcmp(plans[k]->stage[i].name, "sample"))
                cost[k] = plans[k]->stage[i].flops;
    printf("  of a guided run: none %.3f, half %.3f\n", cost[1] / cost[0], cost[2] / cost[0]);
    assert_true(fabs(cost[2] / cost[0] - 0.75) < 0.03); /* both texts are read all the same */
    struct caught a, c;
    struct gen_result ra = run(p, &none, &a), rc = run(p, &never, &c);
    golden_check_host("cpu f32", "never is cfg 1", c.values, a.values, a.count, 1e-5);
    gen_result_free(&ra);
    gen_result_free(&rc);
    free(a.values);
    free(c.values);
    pipeline_close(p);
}

/* Another VAE in each form it comes in decodes as the model's own does. */
static void test_other_vae(void **state)
{
    (void)state;
    static const char *const forms[] = {
        "tests/golden/small_a/vae",
        "tests/golden/small_a/vae/diffusion_pytorch_model.fp16.safetensors",
        "tests/golden/small_a_single.safetensors"};
    struct golden_backend b[3];
    struct gen_params g = params(COMPAT_COMFYUI);
    golden_backends(b);
    g.steps = 1;
    struct pipeline *p = open_model(&b[1], NULL, NULL);
    struct gen_result own = run(p, &g, NULL);
    pipeline_close(p);
    for (int i = 0; i < 3; i++) {
        p = open_model(&b[1], NULL, forms[i]);
        struct gen_result r = run(p, &g, NULL);
        assert_memory_equal(r.rgb, own.rgb, 3 * PIXELS);
        gen_result_free(&r);
        pipeline_close(p);
    }
    gen_result_free(&own);
}

/* ---- the forecast knows each stage ---- */

static void test_forecast(void **state)
{
    (void)state;
    struct err e;
    struct golden_backend b[3];
    struct plan_result plan;
    struct pipeline_options opt = {.device = "cpu", .precision = "fp32", .refiner = REFINER};
    golden_backends(b);
    safetensors_close(open_dump());
    struct gen_params g = params(COMPAT_COMFYUI);
    g.steps = 4;
    g.refiner_switch = 0.5;
    g.image = image;
    g.denoise = 0.8;
    g.hires_width = g.hires_height = 128;
    g.hires_denoise = 0.5;
    g.hires_upscale = upscale_by_name("lanczos");
    assert_int_equal(pipeline_plan(MODEL, &opt, &g, &plan, &e), 0);
    static const char *const stages[] = {"text", "encode", "sample", "refine", "hires", "decode"};
    for (int k = 0; k < 6; k++) {
        bool found = false;
        for (int i = 0; i < plan.nstages; i++)
            found |= !strcmp(plan.stage[i].name, stages[k]) && plan.stage[i].flops > 0;
        if (!found)
            fail_msg("no stage %s in the forecast", stages[k]);
    }
    struct pipeline *p = open_model(&b[1], REFINER, NULL);
    struct gen_result r = run(p, &g, NULL);
    double weights = (double)plan.bytes_weights / (double)r.bytes_weights - 1;
    double activations = (double)plan.bytes_activations / (double)r.bytes_activations - 1;
    printf("  all stages: weights %+.1f%%, activations %+.1f%% (bound 10%%)\n", 100 * weights,
           100 * activations);
    assert_true(fabs(weights) < 0.1 && fabs(activations) < 0.1);
    gen_result_free(&r);
    pipeline_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_the_tools),  cmocka_unit_test(test_refiner),
        cmocka_unit_test(test_inpainting_model),   cmocka_unit_test(test_masks_keep_bytes),
        cmocka_unit_test(test_tiling_rolls),       cmocka_unit_test(test_guidance_interval),
        cmocka_unit_test(test_other_vae),          cmocka_unit_test(test_forecast),
        cmocka_unit_test(test_noise_of_a_refiner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
