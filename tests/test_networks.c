/* Both text encoders, the UNet and the VAE against diffusers and transformers, on every backend, at
 * two configurations. */
/* Not under qemu: whole networks, many minutes; test_ops has what they compute there. */
#include "golden.h"

#include "sdxl/clip.h"
#include "sdxl/unet.h"
#include "sdxl/vae.h"

struct fixture {
    const char *model;
    struct checkpoint *ck;
    const struct model_config *config;
};

static int open_model(void **state, const char *model)
{
    static struct fixture f;
    char path[64];
    struct err e = {0};
    snprintf(path, sizeof path, "tests/golden/small_%s", model);
    f.model = model;
    f.ck = checkpoint_open(path, NULL, &e);
    if (!f.ck) {
        fprintf(stderr, "%s\n", e.text);
        return -1;
    }
    f.config = checkpoint_config(f.ck);
    *state = &f;
    return 0;
}

static int open_a(void **state)
{
    return open_model(state, "a");
}

static int open_b(void **state)
{
    return open_model(state, "b");
}

static int close_model(void **state)
{
    checkpoint_close(((struct fixture *)*state)->ck);
    return 0;
}

static struct loader loader_for(struct fixture *f, struct ops *o, enum part part, struct err *e)
{
    return (struct loader){.ops = o, .checkpoint = f->ck, .part = part, .err = e};
}

static void check_clip(struct fixture *f, const struct golden_backend *b, int which)
{
    struct err e = {0};
    struct ops *o = golden_ops(b);
    struct loader l = loader_for(f, o, which ? PART_TEXT2 : PART_TEXT1, &e);
    struct safetensors *st = golden_open(f->model, "clip");
    static struct clip m;
    if (clip_load(&m, &l, &f->config->text[which]) < 0)
        fail_msg("%s", e.text);
    const struct st_tensor *ids = golden_find(st, "ids_%d", which + 1);
    float *as_float = golden_floats(ids);
    int prompts = (int)ids->dim[0], width = m.config.hidden;
    int32_t host[8 * 77];
    for (int i = 0; i < prompts * 77; i++)
        host[i] = (int32_t)as_float[i];
    for (int skip = 1; skip <= 2; skip++) {
        char what[32];
        struct tensor h = ops_alloc(o, prompts, 77, 1, width);
        snprintf(what, sizeof what, "encoder %d hidden -%d", which + 1, skip + 1);
        clip_encode(&m, o, host, prompts, skip, NULL, &h, NULL);
        golden_check(b, o, what, &h, golden_find(st, "hidden_%d_%d", skip + 1, which + 1));
        o->release(o, &h);
    }
    if (which == 1) { /* the dump's pooled has one row a prompt; a run pools its first chunk */
        const struct st_tensor *want = golden_find(st, "pooled");
        struct tensor h = ops_alloc(o, 1, 77, 1, width);
        struct tensor all = ops_alloc(o, prompts, 1, 1, m.config.projection);
        for (int i = 0; i < prompts; i++) {
            struct tensor row = tensor_images(all, i, 1);
            clip_encode(&m, o, host + i * 77, 1, 1, NULL, &h, &row);
        }
        golden_check(b, o, "encoder 2 pooled", &all, want);
        o->release(o, &all);
        o->release(o, &h);
    }
    golden_no_leak(o);
    free(as_float);
    clip_free(&m, o);
    o->close(o);
    safetensors_close(st);
}

static void test_clip(void **state)
{
    struct golden_backend b[3];
    int n = golden_backends(b);
    for (int i = 0; i < n; i++)
        for (int which = 0; which < 2; which++)
            check_clip(*state, &b[i], which);
}

static void check_unet_case(const struct unet *u, struct ops *o, const struct golden_backend *b,
                            struct safetensors *st, int at)
{
    struct err e = {0};
    char what[48];
    const struct st_tensor *want = golden_find(st, "%d.output", at);
    float *pooled = golden_floats(golden_find(st, "%d.text_embeds", at));
    float *sizes = golden_floats(golden_find(st, "%d.time_ids", at));
    float *t = golden_floats(golden_find(st, "%d.timestep", at));
    struct tensor x = golden_tensor(o, golden_find(st, "%d.latent", at), o->act);
    struct tensor text = golden_tensor(o, golden_find(st, "%d.encoder_hidden_states", at), o->act);
    struct tensor y = o->alloc_as(o, DT_F32, x.n, x.h, x.w, x.c);
    /* the asked step between two others: the tables of time must be read at the right place */
    float steps[3] = {7, t[0], 900};
    struct tensor row = tensor_as(text, 1, text.n * text.h, 1);
    struct unet_inputs in = {.texts = x.n,
                             .n = x.n,
                             .text = &row,
                             .pooled = pooled,
                             .sizes = sizes,
                             .size_conditions = 6,
                             .timesteps = steps,
                             .steps = 3};
    struct unet_run run;
    assert_int_equal(unet_prepare(u, o, &in, &run, &e), 0);
    unet_before_step(o, &run, 1);
    unet_step(u, o, &run, 1, &x, &y, NULL);
    snprintf(what, sizeof what, "unet %dx%dx%d t %.1f", x.n, x.h, x.w, (double)t[0]);
    golden_check(b, o, what, &y, want);
    unet_finish(o, &run);
    o->release(o, &y);
    o->release(o, &text);
    o->release(o, &x);
    free(pooled);
    free(sizes);
    free(t);
}

/* Images of one step that read texts of different lengths, out of order, are what each is alone. */
static void check_unet_texts(const struct unet *u, struct ops *o, const struct golden_backend *b,
                             struct safetensors *st)
{
    enum { TEXTS = 3, N = 4, STEPS = 2 };
    static const int tokens[TEXTS] = {77, 154, 77}, reads[STEPS * N] = {0, 2, 1, 1, 1, 2, 0, 0};
    struct err e = {0};
    float *pooled = golden_floats(golden_find(st, "2.text_embeds"));
    float *sizes = golden_floats(golden_find(st, "2.time_ids"));
    float steps[STEPS] = {400, 10};
    int pool = (int)golden_find(st, "2.text_embeds")->count, c = u->config.in_channels;
    struct tensor text = o->alloc_as(o, o->act, 1, 308, 1, u->config.context);
    struct tensor x = o->alloc_as(o, o->act, N, 8, 8, c);
    struct tensor y = o->alloc_as(o, DT_F32, N, 8, 8, u->config.out_channels);
    int64_t count = 308 * u->config.context, part = tensor_count(&y) / N;
    float *states = malloc((size_t)count * sizeof *states), *pools = malloc(TEXTS * 4096);
    float *size = malloc(TEXTS * 6 * sizeof *size), *got = malloc((size_t)part * N * sizeof *got);
    float *alone = malloc((size_t)part * sizeof *alone), *in = calloc((size_t)tensor_count(&x), 4);
    for (int64_t i = 0; i < count; i++)
        states[i] = sinf((float)i * 0.7f);
    for (int64_t i = 0; i < tensor_count(&x); i++)
        in[i] = cosf((float)i * 0.3f);
    for (int i = 0; i < TEXTS; i++) {
        memcpy(size + i * 6, sizes, 6 * sizeof *size);
        for (int k = 0; k < pool; k++)
            pools[i * pool + k] = pooled[k] + (float)i;
    }
    o->upload(o, &text, states);
    o->upload(o, &x, in);
    struct unet_inputs all = {.texts = TEXTS,
                              .tokens = tokens,
                              .text = &text,
                              .pooled = pools,
                              .sizes = size,
                              .size_conditions = 6,
                              .timesteps = steps,
                              .steps = STEPS,
                              .n = N,
                              .reads = reads};
    struct unet_run run;
    assert_int_equal(unet_prepare(u, o, &all, &run, &e), 0);
    assert_int_equal(run.spans[0], 3);
    assert_int_equal(run.spans[1], 3);
    for (int s = 0; s < STEPS; s++) {
        unet_before_step(o, &run, s);
        unet_step(u, o, &run, s, &x, &y, NULL);
        o->download(o, got, &y);
        for (int i = 0; i < N; i++) {
            int which = reads[s * N + i], from = which * 77 + (which > 1) * 77;
            struct tensor own = tensor_row(text, 0, from), image = tensor_images(x, i, 1);
            own.h = tokens[which];
            struct tensor out = tensor_images(y, i, 1);
            struct unet_inputs one = {.texts = 1,
                                      .text = &own,
                                      .pooled = pools + which * pool,
                                      .sizes = size,
                                      .size_conditions = 6,
                                      .timesteps = steps,
                                      .steps = 2,
                                      .n = 1};
            struct unet_run single;
            assert_int_equal(unet_prepare(u, o, &one, &single, &e), 0);
            unet_before_step(o, &single, s);
            unet_step(u, o, &single, s, &image, &out, NULL);
            unet_finish(o, &single);
            o->download(o, alone, &out);
            golden_check_host(b->name, "  its own text", got + i * part, alone, part, b->bound);
        }
    }
    unet_finish(o, &run);
    o->release(o, &y);
    o->release(o, &x);
    o->release(o, &text);
    free(pooled), free(sizes), free(states), free(pools), free(size), free(got), free(alone);
    free(in);
}

static void test_unet(void **state)
{
    struct fixture *f = *state;
    struct golden_backend b[3];
    int n = golden_backends(b);
    for (int i = 0; i < n; i++) {
        struct err e = {0};
        struct ops *o = golden_ops(&b[i]);
        struct loader l = loader_for(f, o, PART_UNET, &e);
        struct safetensors *st = golden_open(f->model, "unet");
        static struct unet u;
        if (unet_load(&u, &l, &f->config->unet) < 0)
            fail_msg("%s", e.text);
        for (int at = 0; at < 3; at++)
            check_unet_case(&u, o, &b[i], st, at);
        check_unet_texts(&u, o, &b[i], st);
        golden_no_leak(o);
        unet_free(&u, o);
        o->close(o);
        safetensors_close(st);
    }
}

static void check_decode(const struct vae *v, struct ops *o, const struct golden_backend *b,
                         struct safetensors *st, int at)
{
    const struct st_tensor *want = golden_find(st, "decode.%d.image", at);
    struct tensor z = golden_tensor(o, golden_find(st, "decode.%d.z", at), DT_F32);
    struct tensor y = o->alloc_as(o, DT_F32, z.n, (int)want->dim[2], (int)want->dim[3],
                                  (int)want->dim[1]);
    float k = v->config.scaling_factor;
    o->combine(o, &z, 1, &k, (const struct tensor *const[]){&z}); /* decode undoes it */
    vae_decode(v, o, &z, &y);
    golden_check(b, o, at ? "vae decode, wide" : "vae decode", &y, want);
    o->release(o, &y);
    o->release(o, &z);
}

static void check_encode(const struct vae *v, struct ops *o, const struct golden_backend *b,
                         struct safetensors *st, int at)
{
    const struct st_tensor *mean = golden_find(st, "encode.%d.mean", at);
    int z = v->config.latent_channels;
    struct tensor x = golden_tensor(o, golden_find(st, "encode.%d.image", at), DT_F32);
    struct tensor y = o->alloc_as(o, DT_F32, x.n, (int)mean->dim[2], (int)mean->dim[3], 2 * z);
    struct tensor half = o->alloc_as(o, DT_F32, x.n, y.h, y.w, z);
    struct tensor first = tensor_channels(y, 0, z), second = tensor_channels(y, z, z);
    vae_encode(v, o, &x, &y);
    o->copy(o, &half, &first);
    golden_check(b, o, "vae encode mean", &half, mean);
    o->copy(o, &half, &second);
    golden_check(b, o, "vae encode logvar", &half, golden_find(st, "encode.%d.logvar", at));
    o->release(o, &half);
    o->release(o, &y);
    o->release(o, &x);
}

static void test_vae(void **state)
{
    struct fixture *f = *state;
    struct golden_backend b[3];
    int n = golden_backends(b);
    for (int i = 0; i < n; i++) {
        struct err e = {0};
        struct ops *o = golden_ops(&b[i]);
        struct loader l = loader_for(f, o, PART_VAE, &e);
        struct safetensors *st = golden_open(f->model, "vae");
        static struct vae v;
        vae_init(&v, &f->config->vae);
        if (vae_load_decoder(&v, &l) < 0 || vae_load_encoder(&v, &l) < 0)
            fail_msg("%s", e.text);
        for (int at = 0; at < 2; at++) {
            check_decode(&v, o, &b[i], st, at);
            check_encode(&v, o, &b[i], st, at);
        }
        golden_no_leak(o);
        vae_free(&v, o);
        o->close(o);
        safetensors_close(st);
    }
}

/* What a tiny VAE gives for a golden tensor: an image for "decode", a latent for "encode". */
static void check_tiny(const struct vae *v, struct ops *o, const struct golden_backend *b,
                       struct safetensors *st, bool decode, int at)
{
    const struct st_tensor *want = golden_find(st, decode ? "decode.%d.image" : "encode.%d.mean",
                                               at);
    struct tensor x = golden_tensor(
        o, golden_find(st, decode ? "decode.%d.z" : "encode.%d.image", at), DT_F32);
    int c = (int)want->dim[1], h = (int)want->dim[2], w = (int)want->dim[3];
    struct tensor y = o->alloc_as(o, DT_F32, x.n, h, w, c);
    if (decode) {
        vae_decode(v, o, &x, &y);
    } else {
        struct tensor both = o->alloc_as(o, DT_F32, x.n, h, w, 2 * c);
        struct tensor mean = tensor_channels(both, 0, c);
        vae_encode(v, o, &x, &both);
        o->copy(o, &y, &mean);
        o->release(o, &both);
    }
    golden_check(b, o, decode ? "tiny vae decode" : "tiny vae encode", &y, want);
    o->release(o, &y);
    o->release(o, &x);
}

/* By its folder and by its file alone, whose sizes are read off the tensors. */
static void test_tiny_vae(void **state)
{
    static const char *const paths[] = {
        "tests/golden/small_tiny_vae",
        "tests/golden/small_tiny_vae/diffusion_pytorch_model.safetensors"};
    struct golden_backend b[3];
    int n = golden_backends(b);
    (void)state;
    for (int i = 0; i < 2 * n; i++) {
        struct err e = {0};
        struct checkpoint *ck = checkpoint_open_vae(paths[i % 2], &e);
        struct ops *o = golden_ops(&b[i / 2]);
        struct loader l = {.ops = o, .checkpoint = ck, .part = PART_VAE, .err = &e};
        struct safetensors *st = safetensors_open("tests/golden/tiny_vae.safetensors", &e);
        static struct vae v;
        if (!ck || !st)
            fail_msg("%s", e.text);
        vae_init(&v, &checkpoint_config(ck)->vae);
        if (vae_load_decoder(&v, &l) < 0 || vae_load_encoder(&v, &l) < 0)
            fail_msg("%s", e.text);
        for (int k = 0; k < 4; k++)
            check_tiny(&v, o, &b[i / 2], st, k % 2, k / 2);
        golden_no_leak(o);
        vae_free(&v, o);
        o->close(o);
        safetensors_close(st);
        checkpoint_close(ck);
    }
}

/* One decode of the first golden latent; malloc'd. */
static float *decoded(struct fixture *f, const struct golden_backend *b, struct safetensors *st,
                      float stream, int64_t *count)
{
    struct err e = {0};
    struct ops *o = golden_ops(b);
    struct loader l = loader_for(f, o, PART_VAE, &e);
    struct vae v;
    vae_init(&v, &f->config->vae);
    v.stream = stream;
    if (vae_load_decoder(&v, &l) < 0)
        fail_msg("%s", e.text);
    const struct st_tensor *want = golden_find(st, "decode.0.image");
    struct tensor z = golden_tensor(o, golden_find(st, "decode.0.z"), DT_F32);
    struct tensor y = o->alloc_as(o, DT_F32, z.n, (int)want->dim[2], (int)want->dim[3], 3);
    float *got = malloc((size_t)want->count * sizeof *got);
    float k = v.config.scaling_factor;
    o->combine(o, &z, 1, &k, (const struct tensor *const[]){&z});
    vae_decode(&v, o, &z, &y);
    o->download(o, got, &y);
    if (o->sync(o, &e) != 0)
        fail_msg("%s", e.text);
    o->release(o, &y);
    o->release(o, &z);
    vae_free(&v, o);
    o->close(o);
    *count = want->count;
    return got;
}

/* The scaled stream changes nothing in f32: powers of two go through all of it exactly. In FP16 a
 * stream that is too large for it becomes NaN, and the scaled one holds. */
static void test_vae_stream(void **state)
{
    struct fixture *f = *state;
    struct golden_backend b[3];
    struct safetensors *st = golden_open(f->model, "vae");
    int n = golden_backends(b);
    for (int i = 0; i < n; i++) {
        int64_t count, bad = 0;
        if (b[i].act == DT_BF16)
            continue;
        bool half = b[i].act == DT_F16;
        float *plain = decoded(f, &b[i], st, half ? 0x1p17f : 1, &count);
        float *scaled = decoded(f, &b[i], st, 1.0f / 64, &count);
        float *want = golden_floats(golden_find(st, "decode.0.image"));
        for (int64_t k = 0; k < count; k++)
            bad += !isfinite(plain[k]);
        if (half) {
            printf("  %-9s stream of 2^17: %lld of %lld values are no numbers\n", b[i].name,
                   (long long)bad, (long long)count);
            assert_true(bad > 0);
            golden_check_host(b[i].name, "vae decode, scaled", scaled, want, count, b[i].bound);
        } else {
            golden_check_host(b[i].name, "vae decode, scaled", scaled, plain, count, 1e-6);
        }
        free(plain), free(scaled), free(want);
    }
    safetensors_close(st);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_clip, open_a, close_model),
        cmocka_unit_test_setup_teardown(test_clip, open_b, close_model),
        cmocka_unit_test_setup_teardown(test_unet, open_a, close_model),
        cmocka_unit_test_setup_teardown(test_unet, open_b, close_model),
        cmocka_unit_test_setup_teardown(test_vae, open_a, close_model),
        cmocka_unit_test_setup_teardown(test_vae, open_b, close_model),
        cmocka_unit_test(test_tiny_vae),
        cmocka_unit_test_setup_teardown(test_vae_stream, open_a, close_model),
        cmocka_unit_test_setup_teardown(test_vae_stream, open_b, close_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
