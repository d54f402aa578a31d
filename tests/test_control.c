/*
 * ControlNets against diffusers (tests/golden/golden_control.py): what one says, the UNet's output
 * with it, whole runs; a whole one over small_a, one with a plain middle and other depths than its
 * model's over small_b, and a union over small_a (golden_control_union.py), told a kind or nothing.
 */
/* Not under qemu: whole networks, many minutes; test_ops has what they compute there. */
#include "golden.h"

#include "sdxl/control.h"
#include "sdxl/pipeline.h"
#include "sdxl/sampler.h"

static const char *const models[] = {"a", "b"};

/* What was made with small_a_control and small_b_control, or with small_a_union. */
static struct safetensors *open_dump(const char *form)
{
    struct err e = {0};
    bool is_union = !strcmp(form, "union");
    struct safetensors *st = safetensors_open(is_union ? "tests/golden/control_union.safetensors"
                                                       : "tests/golden/control.safetensors",
                                              &e);
    if (!st)
        fail_msg("%s", e.text);
    return st;
}

/* ---- networks ---- */

struct networks {
    const char *model, *form; /* "control", "union" */
    int kind;                 /* what a union is told; -1: nothing */
    const struct golden_backend *backend;
    struct ops *ops;
    struct checkpoint *base, *added;
    struct unet unet;
    struct control control;
    struct safetensors *inputs, *want;
};

static void networks_open(struct networks *n)
{
    struct err e = {0};
    char base[64], added[64];
    snprintf(base, sizeof base, "tests/golden/small_%s", n->model);
    snprintf(added, sizeof added, "tests/golden/small_%s_%s", n->model, n->form);
    n->ops = golden_ops(n->backend);
    n->inputs = golden_open(n->model, "unet");
    n->want = open_dump(n->form);
    n->base = checkpoint_open(base, NULL, &e);
    n->added = checkpoint_open_control(added, &e);
    if (!n->base || !n->added)
        fail_msg("%s", e.text);
    struct loader l = {.ops = n->ops, .checkpoint = n->base, .part = PART_UNET, .err = &e};
    struct loader more = {.ops = n->ops, .checkpoint = n->added, .part = PART_CONTROL, .err = &e};
    if (unet_load(&n->unet, &l, &checkpoint_config(n->base)->unet) < 0 ||
        control_load(&n->control, &more, &checkpoint_config(n->added)->control) < 0)
        fail_msg("%s", e.text);
}

static void networks_close(struct networks *n)
{
    golden_no_leak(n->ops);
    control_free(&n->control, n->ops);
    unet_free(&n->unet, n->ops);
    n->ops->close(n->ops);
    checkpoint_close(n->added);
    checkpoint_close(n->base);
    safetensors_close(n->want);
    safetensors_close(n->inputs);
}

/* What both networks read of a case, for three steps of which the second is the dump's. */
enum { STEP = 1, STEPS = 3 };
enum { CANNY = 3, LAST_KIND = 7 }; /* of a union's kinds */
struct reads {
    struct unet_inputs in;
    struct tensor x, text, row;
    float *pooled, *sizes, steps[STEPS], *picture;
    int width, height;
};

static void reads_open(struct networks *n, int at, struct reads *r)
{
    struct ops *o = n->ops;
    const struct st_tensor *hint = golden_find(n->want, "%s.%d.hint", n->model, at);
    float *t = golden_floats(golden_find(n->inputs, "%d.timestep", at));
    r->x = golden_tensor(o, golden_find(n->inputs, "%d.latent", at), o->act);
    r->text = golden_tensor(o, golden_find(n->inputs, "%d.encoder_hidden_states", at), o->act);
    r->row = tensor_as(r->text, 1, r->text.n * r->text.h, 1);
    r->pooled = golden_floats(golden_find(n->inputs, "%d.text_embeds", at));
    r->sizes = golden_floats(golden_find(n->inputs, "%d.time_ids", at));
    memcpy(r->steps, (float[STEPS]){7, t[0], 900}, sizeof r->steps);
    r->in = (struct unet_inputs){.texts = r->x.n,
                                 .n = r->x.n,
                                 .text = &r->row,
                                 .pooled = r->pooled,
                                 .sizes = r->sizes,
                                 .size_conditions = 6,
                                 .timesteps = r->steps,
                                 .steps = STEPS};
    r->height = (int)hint->dim[0], r->width = (int)hint->dim[1];
    r->picture = malloc((size_t)hint->count * sizeof *r->picture);
    for (int64_t i = 0; i < hint->count; i++)
        r->picture[i] = (float)hint->data[i] / 255;
    free(t);
}

static void reads_close(struct networks *n, struct reads *r)
{
    n->ops->release(n->ops, &r->text);
    n->ops->release(n->ops, &r->x);
    free(r->pooled);
    free(r->sizes);
    free(r->picture);
}

static void prepare(struct networks *n, struct reads *r, float strength, struct control_run *run)
{
    struct err e = {0};
    struct control_inputs own = {.picture = r->picture,
                                 .w = r->width,
                                 .h = r->height,
                                 .strength = strength,
                                 .kind = n->kind};
    if (control_run_prepare(&n->control, n->ops, &r->in, &own, run, &e) < 0)
        fail_msg("%s", e.text);
}

static void name_stop(char key[48], const char *told, int i, int count)
{
    if (i + 1 < count)
        snprintf(key, 48, "%sdown.%d", told, i);
    else
        snprintf(key, 48, "%smid", told);
}

/* What it adds to nothing is what it says. told: what a union's tensors are called by more. */
static void check_said(struct networks *n, int at, const char *told)
{
    struct ops *o = n->ops;
    struct reads r;
    struct control_run run;
    struct tensor stops[UNET_STOPS];
    char key[48], what[64];
    reads_open(n, at, &r);
    prepare(n, &r, 1, &run);
    int count = n->control.stops;
    for (int i = 0; i < count; i++) {
        name_stop(key, told, i, count);
        const struct st_tensor *want = golden_find(n->want, "%s.%d.%s", n->model, at, key);
        stops[i] = o->alloc_as(o, o->stream, r.x.n, (int)want->dim[2], (int)want->dim[3],
                               (int)want->dim[1]);
        float *zeros = calloc((size_t)tensor_count(&stops[i]), sizeof *zeros);
        o->upload(o, &stops[i], zeros);
        free(zeros);
    }
    control_before_step(o, &run, STEP);
    control_step(o, &run, STEP, &r.x, stops);
    for (int i = 0; i < count; i++) {
        struct tensor first = tensor_images(stops[i], 0, 1);
        name_stop(key, told, i, count);
        snprintf(what, sizeof what, "%s %s", n->model, key);
        golden_check(n->backend, o, what, &first,
                     golden_find(n->want, "%s.%d.%s", n->model, at, key));
    }
    for (int i = count - 1; i >= 0; i--)
        o->release(o, &stops[i]);
    control_run_finish(o, &run);
    reads_close(n, &r);
}

struct adding {
    struct networks *n;
    struct control_run *run;
    struct tensor *x;
};

static void add(void *user, struct tensor *stops)
{
    struct adding *a = user;
    control_step(a->n->ops, a->run, STEP, a->x, stops);
}

static void check_output(struct networks *n, int at, float strength, const char *key)
{
    struct ops *o = n->ops;
    struct err e = {0};
    struct reads r;
    struct unet_run run;
    struct control_run more;
    char what[48];
    reads_open(n, at, &r);
    struct tensor y = o->alloc_as(o, DT_F32, r.x.n, r.x.h, r.x.w, r.x.c);
    assert_int_equal(unet_prepare(&n->unet, o, &r.in, &run, &e), 0);
    prepare(n, &r, strength, &more);
    unet_before_step(o, &run, STEP);
    control_before_step(o, &more, STEP);
    struct unet_between between = {add, &(struct adding){n, &more, &r.x}};
    unet_step(&n->unet, o, &run, STEP, &r.x, &y, &between);
    snprintf(what, sizeof what, "%s.%d.output.%s", n->model, at, key);
    golden_check(n->backend, o, what, &y, golden_find(n->want, "%s", what));
    control_run_finish(o, &more);
    unet_finish(o, &run);
    o->release(o, &y);
    reads_close(n, &r);
}

static void networks_are_diffusers(void **state)
{
    (void)state;
    struct golden_backend b[3];
    int backends = golden_backends(b);
    for (int i = 0; i < 2 * backends; i++) {
        struct networks n = {
            .model = models[i % 2], .form = "control", .kind = -1, .backend = &b[i / 2]};
        networks_open(&n);
        check_said(&n, 1, "");
        check_output(&n, 1, 0.6f, "0.6");
#if !defined(GOLDEN_GPU) /* where the others take a minute */
        check_output(&n, 1, 1, "1");
        check_output(&n, 0, 1, "1");
        check_output(&n, 0, 0.6f, "0.6");
#endif
        networks_close(&n);
    }
}

/* Told a kind, in every tool (diffusers' second token changes nothing, says the script), and told
 * nothing, in ComfyUI. */
static void unions_are_those_of_the_tools(void **state)
{
    (void)state;
    struct golden_backend b[3];
    int backends = golden_backends(b);
    for (int i = 0; i < backends; i++) {
        struct networks n = {.model = "a", .form = "union", .kind = CANNY, .backend = &b[i]};
        networks_open(&n);
        check_said(&n, 1, "canny.");
        check_output(&n, 1, 0.6f, "canny.part");
        n.kind = -1;
        check_said(&n, 1, "auto.");
#if !defined(GOLDEN_GPU)
        check_output(&n, 1, 1, "auto");
        check_output(&n, 0, 1, "auto");
        n.kind = CANNY;
        check_output(&n, 0, 1, "canny");
        n.kind = LAST_KIND;
        check_output(&n, 1, 1, "other");
#endif
        networks_close(&n);
    }
}

#if !defined(GOLDEN_CUDA) && !defined(GOLDEN_GPU)

/* ---- whole runs ---- */

enum { SIZE = 64 };

static struct gen_params params(const struct safetensors *st, const char *model, int steps)
{
    static char control[2][64];
    char key[16];
    char *path = control[model[0] - 'a'];
    snprintf(path, sizeof control[0], "tests/golden/small_%s_control", model);
    snprintf(key, sizeof key, "%s.run.hint", model);
    const struct st_tensor *hint = safetensors_find(st, key);
    assert_true(hint && hint->count == SIZE * SIZE * 3);
    return (struct gen_params){.prompt = "a red slime, pixel art",
                               .negative = "green cat",
                               .seed = 7,
                               .steps = steps,
                               .cfg = 5,
                               .width = SIZE,
                               .height = SIZE,
                               .batch = 1,
                               .compat = COMPAT_DIFFUSERS,
                               .rng = RNG_CPU,
                               .control = path,
                               .control_picture = hint->data,
                               .control_width = SIZE,
                               .control_height = SIZE,
                               .control_strength = 1,
                               .control_end = 1};
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

static struct caught run(struct pipeline *p, const struct gen_params *g)
{
    struct err e = {0};
    struct gen_result r;
    struct caught t = {0};
    struct gen_hooks hooks = {.user = &t, .latents = catch};
    if (pipeline_run(p, g, &hooks, &r, &e) < 0)
        fail_msg("%s", e.text);
    gen_result_free(&r);
    return t;
}

static void check(const struct golden_backend *b, struct pipeline *p, const struct gen_params *g,
                  struct safetensors *st, const char *key)
{
    struct caught t = run(p, g);
    const struct st_tensor *want = golden_find(st, "%s", key);
    float *w = golden_floats(want);
    assert_int_equal(t.count, want->count);
    golden_check_host(b->name, key, t.values, w, t.count, b->bound);
    free(t.values);
    free(w);
}

static struct pipeline *open_model(const char *device, const char *model)
{
    struct err e = {0};
    char path[64];
    snprintf(path, sizeof path, "tests/golden/small_%s", model);
    struct pipeline_options opt = {.device = device, .precision = "fp32"};
    struct pipeline *p = pipeline_open(path, &opt, &e);
    if (!p)
        fail_msg("%s", e.text);
    return p;
}

static struct gen_params part_of(struct gen_params g)
{
    g.control_strength = 0.6;
    g.control_start = 0.25, g.control_end = 0.75;
    return g;
}

/* The reference is slow, and what it shares with the other is the pipeline. */
static bool is_slow(const struct golden_backend *b)
{
    return !strcmp(b->device, "ref");
}

static void check_runs(const struct golden_backend *b, const char *model, struct safetensors *st)
{
    struct pipeline *p = open_model(b->device, model);
    char key[32];
    for (int steps = 4; steps <= 10; steps += 6) {
        if (steps == 10 && (is_slow(b) || model[0] == 'b'))
            break;
        struct gen_params g = params(st, model, steps);
        snprintf(key, sizeof key, "%s.run.%d", model, steps);
        if (!is_slow(b))
            check(b, p, &g, st, key);
        g = part_of(g);
        snprintf(key, sizeof key, "%s.run.%d.part", model, steps);
        check(b, p, &g, st, key);
        g.compat = COMPAT_COMFYUI; /* the same steps and, in these, the same timesteps */
        if (!is_slow(b) && steps == 10)
            check(b, p, &g, st, key);
    }
    pipeline_close(p);
}

static void runs_are_diffusers(void **state)
{
    (void)state;
    struct golden_backend b[3];
    struct safetensors *st = open_dump("control");
    int n = golden_backends(b);
    for (int i = 0; i < n; i++)
        for (int m = 0; m < 2 && b[i].act == DT_F32; m++)
            if (!is_slow(&b[i]) || (m == 0 && !getenv("SPRITTY_QUICK")))
                check_runs(&b[i], models[m], st);
    safetensors_close(st);
}

/* The tools count shares of the steps in their own ways. */
static void each_tool_has_its_own_steps(void **state)
{
    (void)state;
    struct golden_backend b = {"cpu f32", "cpu", DT_F32, 1e-4};
    struct safetensors *st = open_dump("control");
    struct pipeline *p = open_model(b.device, "a");
    struct gen_params g = params(st, "a", 4);
    g.control_start = 0.3, g.control_end = 0.9;
    check(&b, p, &g, st, "a.range.diffusers");
    g.compat = COMPAT_COMFYUI;
    check(&b, p, &g, st, "a.range.comfyui");
    pipeline_close(p);
    safetensors_close(st);
}

/* Told a kind and told nothing, in one pipeline. */
static void runs_with_a_union(void **state)
{
    (void)state;
    struct golden_backend b = {"cpu f32", "cpu", DT_F32, 1e-4};
    struct safetensors *st = open_dump("union");
    struct pipeline *p = open_model(b.device, "a");
    struct gen_params told = params(st, "a", 4);
    told.control = "tests/golden/small_a_union";
    told.control_type = control_type_by_name("canny");
    for (int comfyui = 0; comfyui < 2; comfyui++) { /* these runs are the same in both */
        told.compat = comfyui ? COMPAT_COMFYUI : COMPAT_DIFFUSERS;
        struct gen_params part = part_of(told), untold = told;
        untold.control_type = control_type_by_name("auto");
        check(&b, p, &told, st, "a.run.canny");
        check(&b, p, &untold, st, "a.run.auto");
        check(&b, p, &part, st, "a.run.canny.part");
    }
    pipeline_close(p);
    safetensors_close(st);
}

static double difference(const struct caught *a, const struct caught *b)
{
    double sum = 0;
    assert_int_equal(a->count, b->count);
    for (int64_t i = 0; i < a->count; i++)
        sum += fabs((double)a->values[i] - (double)b->values[i]);
    return sum;
}

/* Without one, with one of no strength, and in no step: the same values to the bit, before a run
 * with one and after it. */
static void it_leaves_no_trace(void **state)
{
    (void)state;
    struct safetensors *st = open_dump("control");
    struct pipeline *p = open_model("cpu", "a");
    struct gen_params with = params(st, "a", 4), without = with, weak = with, never = with;
    without.control = NULL;
    weak.control_strength = 0;
    never.control_start = 0.9;
    never.control_end = 0.95;
    struct caught plain = run(p, &without), steered = run(p, &with), one;
    assert_true(difference(&plain, &steered) > 1);
    const struct gen_params *const none[] = {&weak, &never, &without};
    for (int i = 0; i < 3; i++) {
        one = run(p, none[i]);
        assert_true(difference(&plain, &one) == 0);
        free(one.values);
    }
    one = run(p, &with);
    assert_true(difference(&steered, &one) == 0);
    free(one.values);
    free(plain.values);
    free(steered.values);
    pipeline_close(p);
    safetensors_close(st);
}

/* A ControlNet that is no union is not told a kind, and that is said. */
static void what_is_no_union_is_not_told(void **state)
{
    (void)state;
    struct safetensors *st = open_dump("control");
    struct pipeline *p = open_model("cpu", "a");
    struct gen_params g = params(st, "a", 4);
    struct gen_result r;
    struct gen_hooks hooks = {0};
    struct err e = {0};
    g.control_type = control_type_by_name("canny");
    assert_int_equal(pipeline_run(p, &g, &hooks, &r, &e), 0);
    assert_int_equal(r.notes.count, 1);
    assert_string_equal(r.notes.line[0],
                        "control-type canny: tests/golden/small_a_control is no union, so it is "
                        "not told");
    gen_result_free(&r);
    g.control = "tests/golden/small_a_union";
    assert_int_equal(pipeline_run(p, &g, &hooks, &r, &e), 0);
    assert_int_equal(r.notes.count, 0);
    gen_result_free(&r);
    pipeline_close(p);
    safetensors_close(st);
}

static void one_of_another_model_is_refused(void **state)
{
    (void)state;
    struct safetensors *st = open_dump("control");
    struct pipeline *p = open_model("cpu", "a");
    struct gen_params g = params(st, "a", 4);
    struct gen_result r;
    struct gen_hooks hooks = {0};
    struct err e = {0};
    g.control = "tests/golden/small_b_control";
    assert_int_equal(pipeline_run(p, &g, &hooks, &r, &e), -1);
    if (!strstr(e.text, "was made for another kind of model"))
        fail_msg("%s", e.text);
    g.control = "tests/golden/small_a/unet";
    assert_int_equal(pipeline_run(p, &g, &hooks, &r, &e), -1);
    if (!strstr(e.text, "describes a UNet2DConditionModel"))
        fail_msg("%s", e.text);
    g = params(st, "a", 4);
    struct caught t = run(p, &g);
    free(t.values);
    pipeline_close(p);
    safetensors_close(st);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_are_diffusers),
        cmocka_unit_test(unions_are_those_of_the_tools),
#if !defined(GOLDEN_CUDA) && !defined(GOLDEN_GPU)
        cmocka_unit_test(runs_are_diffusers),
        cmocka_unit_test(each_tool_has_its_own_steps),
        cmocka_unit_test(runs_with_a_union),
        cmocka_unit_test(it_leaves_no_trace),
        cmocka_unit_test(what_is_no_union_is_not_told),
        cmocka_unit_test(one_of_another_model_is_refused),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
