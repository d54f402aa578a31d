/*
 * What can happen while a model is loaded: it is cancelled, the program ends, another model is
 * asked for, another engine loads as well, a part of the file turns out to be missing. The same for
 * weights that come back in a run.
 */
/* Under the thread sanitizer: threads that load and cancel. */
/* Not under qemu: loads whole models over and over, two minutes there. */
#include <pthread.h>

#include "base/mapfile.h"
#include "engine_help.h"
#include "sdxl/pipeline_priv.h"
#include "sdxl/safetensors.h"
#include "st_writer.h"

/* ---- the pipeline ---- */

/* Says no at the `no`-th question of a stage, and counts the questions that come after that. */
struct asked {
    const char *stage;
    int no, yes, after;
};

static bool on_step(void *user, const struct gen_progress *p)
{
    struct asked *a = user;
    if (a->yes == a->no) {
        a->after++;
        return false;
    }
    if (strcmp(p->stage, a->stage) != 0 || ++a->yes < a->no)
        return true;
    return false;
}

static struct pipeline *open_small(const struct gen_hooks *hooks, int memory, struct err *e)
{
    const struct pipeline_options opt = {.device = "cpu",
                                         .precision = "fp32",
                                         .threads = 1,
                                         .hooks = hooks,
                                         .tuning = {.memory = memory}};
    return pipeline_open(MODEL, &opt, e);
}

static struct gen_params small_job(int memory)
{
    return (struct gen_params){.prompt = "a slime",
                               .seed = 1,
                               .steps = 1,
                               .cfg = 1,
                               .width = 64,
                               .height = 64,
                               .batch = 1,
                               .tuning = {.memory = memory}};
}

/* The first weight is asked about, and none is read after the answer. */
static void a_load_ends_at_the_next_weight(void **state)
{
    (void)state;
    for (int memory = MEMORY_SPEED; memory < MEMORY_MODES; memory++) {
        struct asked a = {.stage = "load", .no = 1};
        const struct gen_hooks hooks = {.user = &a, .step = on_step};
        struct err e = {""};
        assert_null(open_small(&hooks, memory, &e));
        assert_string_equal(e.text, "cancelled");
        assert_int_equal(a.yes, 1);
        assert_int_equal(a.after, 0);
    }
}

static void check_run(struct pipeline *p, struct gen_params g, const struct gen_result *want)
{
    struct gen_result r;
    struct err e = {""};
    if (pipeline_run(p, &g, NULL, &r, &e) < 0)
        fail_msg("%s", e.text);
    assert_memory_equal(r.rgb, want->rgb, 64 * 64 * 3);
    gen_result_free(&r);
}

/* So do weights that come in a run, which is the longest of its stages where the disk is slow. What
 * is there then is as good as if all had come. */
static void weights_on_their_way_can_be_cancelled(void **state)
{
    static const struct {
        int memory;
        const char *stage; /* in which they come */
    } cases[] = {{MEMORY_SPEED, "text"}, {MEMORY_BALANCED, "sample"}};
    (void)state;
    struct err e = {""};
    struct gen_result want;
    struct pipeline *p = open_small(NULL, MEMORY_SPEED, &e);
    struct gen_params g = small_job(MEMORY_SPEED);
    assert_non_null(p);
    assert_int_equal(pipeline_run(p, &g, NULL, &want, &e), 0);
    pipeline_close(p);
    for (int i = 0; i < 2; i++) {
        struct asked a = {.stage = cases[i].stage, .no = 2}; /* the first is the stage's begin */
        const struct gen_hooks hooks = {.user = &a, .step = on_step};
        struct gen_result r;
        p = open_small(NULL, MEMORY_BALANCED, &e);
        g = small_job(cases[i].memory);
        assert_int_equal(pipeline_run(p, &g, &hooks, &r, &e), -1);
        assert_true(r.cancelled);
        assert_int_equal(a.yes, 2);
        assert_int_equal(a.after, 0);
        gen_result_free(&r);
        check_run(p, g, &want);
        pipeline_close(p);
    }
    gen_result_free(&want);
}

/* LoRAs are exchanged weight by weight as well. */
static void an_exchange_of_loras_can_be_cancelled(void **state)
{
    static const struct lora_use slime = {"slime", "tests/golden/lora/kohya.safetensors", 0.8, 0.5};
    (void)state;
    struct gen_params g = small_job(MEMORY_SPEED), plain = g;
    struct gen_result want, without, r;
    struct err e = {""};
    struct asked a = {.stage = "lora", .no = 1};
    const struct gen_hooks hooks = {.user = &a, .step = on_step};
    g.loras = &slime;
    g.lora_count = 1;
    const struct pipeline_options opt = {.device = "cpu", .precision = "fp32", .threads = 1};
    struct pipeline *p = pipeline_open("tests/golden/small_b", &opt, &e); /* which it is made for */
    assert_non_null(p);
    assert_int_equal(pipeline_run(p, &plain, NULL, &without, &e), 0);
    if (pipeline_run(p, &g, NULL, &want, &e) != 0)
        fail_msg("%s", e.text);
    assert_memory_not_equal(want.rgb, without.rgb, 64 * 64 * 3);
    for (int i = 0; i < 2; i++) { /* out and in again, each cancelled first */
        const struct gen_params *to = i ? &g : &plain;
        a = (struct asked){.stage = "lora", .no = 1};
        assert_int_equal(pipeline_run(p, to, &hooks, &r, &e), -1);
        assert_true(r.cancelled);
        assert_int_equal(a.after, 0);
        gen_result_free(&r);
        check_run(p, *to, i ? &want : &without);
    }
    gen_result_free(&want);
    gen_result_free(&without);
    pipeline_close(p);
}

/* The VAE of small_a without what reads pixels. */
static void write_decoder(const char *dir)
{
    struct err e = {""};
    struct st_writer w = {0};
    char text[900];
    snprintf(text, sizeof text, "mkdir %s && cp %s/vae/config.json %s", dir, MODEL, dir);
    assert_int_equal(system(text), 0);
    snprintf(text, sizeof text, "%s/vae/diffusion_pytorch_model.fp16.safetensors", MODEL);
    struct safetensors *st = safetensors_open(text, &e);
    assert_non_null(st);
    for (int i = 0; i < safetensors_count(st); i++) {
        const struct st_tensor *t = safetensors_at(st, i);
        if (strncmp(t->name, "encoder.", 8) != 0)
            st_add(&w, t->name, t->type, t->rank, t->dim, t->data, t->bytes);
    }
    struct bytes b = st_finish(&w, -1);
    snprintf(text, sizeof text, "%s/diffusion_pytorch_model.safetensors", dir);
    bytes_save(&b, text);
    free(b.data);
    safetensors_close(st);
}

/* What is loaded when it is needed first, and is not there: each run says so. */
static void a_missing_encoder_is_told_each_time(void **state)
{
    (void)state;
    static uint8_t image[64 * 64 * 3];
    char dir[400], text[900];
    struct err e = {""};
    snprintf(dir, sizeof dir, "%s/vae", folder);
    write_decoder(dir);
    const struct pipeline_options opt = {
        .device = "cpu", .precision = "fp32", .threads = 1, .vae = dir};
    struct pipeline *p = pipeline_open(MODEL, &opt, &e);
    if (!p)
        fail_msg("%s", e.text);
    for (int i = 0; i < 3; i++) {
        struct gen_params g = small_job(MEMORY_SPEED);
        struct gen_result r;
        g.image = i < 2 ? image : NULL;
        g.denoise = 0.9;
        e = (struct err){""};
        assert_int_equal(pipeline_run(p, &g, NULL, &r, &e), i < 2 ? -1 : 0);
        assert_true(i == 2 || strstr(e.text, "missing tensor encoder."));
        gen_result_free(&r);
    }
    pipeline_close(p);
    snprintf(text, sizeof text, "rm -r %s", dir);
    assert_int_equal(system(text), 0);
}

/* ---- the engine ---- */

/* Asked by engines at each step: tells the test that one loads, and holds it there until the test
 * has done what it wants to. */
struct gate {
    pthread_mutex_t lock;
    pthread_cond_t news;
    int loading, wanted; /* engines that load; with so many all go on */
    bool open;
};

static int at_gate(void *user, const struct command *c, const char *stage, int step, struct err *e)
{
    struct gate *g = user;
    (void)c, (void)step, (void)e;
    if (strcmp(stage, "load") != 0)
        return 0;
    pthread_mutex_lock(&g->lock);
    if (!g->open) {
        g->loading++;
        pthread_cond_broadcast(&g->news);
    }
    g->open = g->open || (g->wanted && g->loading == g->wanted);
    while (!g->open)
        pthread_cond_wait(&g->news, &g->lock);
    pthread_cond_broadcast(&g->news);
    pthread_mutex_unlock(&g->lock);
    return 0;
}

static struct gate new_gate(int wanted)
{
    return (struct gate){PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, wanted, false};
}

static void wait_for_load(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    while (g->loading == 0)
        pthread_cond_wait(&g->news, &g->lock);
    pthread_mutex_unlock(&g->lock);
}

static void open_gate(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    g->open = true;
    pthread_cond_broadcast(&g->news);
    pthread_mutex_unlock(&g->lock);
}

static struct engine *start_gated(struct gate *g)
{
    struct err e = {""};
    struct engine *x = engine_start(
        &(struct engine_options){
            .store = database, .folder = folder, .threads = 1, .fault = at_gate, .fault_user = g},
        &e);
    if (!x)
        fail_msg("%s", e.text);
    return x;
}

/* Cancelled while its model loads, with a job for another model behind it. */
static void cancelled_while_loading(void **state)
{
    (void)state;
    struct gate gate = new_gate(0);
    struct engine *x = start_gated(&gate);
    struct store *s = open_store();
    int64_t first = send_job(x, s, "1000"), second = add_job(s);
    struct command *c = job_command(second, "1");
    set(&c->settings, "model", "tests/golden/small_a_single.safetensors");
    set(&c->settings, "tokenizer", MODEL);
    assert_true(engine_send(x, c));
    wait_for_load(&gate);
    engine_cancel(x, first);
    open_gate(&gate);
    struct event *v;
    while ((v = next(x))->kind != EVENT_CANCELLED) {
        assert_true(v->kind != EVENT_READY && v->kind < EVENT_DONE);
        event_free(v);
    }
    assert_int_equal(v->job, first);
    event_free(v);
    assert_int_equal(state_of(s, first), JOB_CANCELLED);
    v = await(x, EVENT_READY);
    assert_int_equal(v->job, second);
    event_free(v);
    await_end(x, EVENT_DONE, second);
    store_close(s);
    engine_stop(x);
}

static void *stop_it(void *engine)
{
    engine_stop(engine);
    return NULL;
}

/* The end of the program does not wait for a model; what wanted it is queued again. */
static void stopped_while_loading(void **state)
{
    (void)state;
    struct gate gate = new_gate(0);
    struct engine *x = start_gated(&gate);
    struct store *s = open_store();
    pthread_t stopping;
    int64_t id = send_job(x, s, "1000");
    wait_for_load(&gate);
    assert_int_equal(pthread_create(&stopping, NULL, stop_it, x), 0);
    usleep(20000);
    open_gate(&gate);
    pthread_join(stopping, NULL);
    assert_int_equal(state_of(s, id), JOB_QUEUED);
    store_close(s);
}

/* Two engines load one model, with a refiner beside it, at the same time. */
static void two_load_at_once(void **state)
{
    (void)state;
    struct gate gate = new_gate(2);
    struct engine *x[2] = {start_gated(&gate), start_gated(&gate)};
    struct store *s = open_store();
    int64_t id[2];
    for (int i = 0; i < 2; i++) {
        struct command *c = job_command(id[i] = add_job(s), "2");
        set(&c->settings, "refiner", MODEL);
        assert_true(engine_send(x[i], c));
    }
    for (int i = 0; i < 2; i++)
        await_end(x[i], EVENT_DONE, id[i]);
    for (int i = 0; i < 2; i++)
        engine_stop(x[i]);
    store_close(s);
}

/* ---- the table of mapped files ---- */

enum { ROUNDS = 40, PAGES = 4 };

/* Maps a file of its own, cuts it, reads what is gone, closes; again and again. */
static void *map_and_cut(void *user)
{
    const char *path = user;
    long page = sysconf(_SC_PAGESIZE);
    for (int i = 0; i < ROUNDS; i++) {
        struct mapfile m;
        struct err e = {""};
        FILE *f = fopen(path, "wb");
        if (!f || ftruncate(fileno(f), PAGES * page) != 0 || mapfile_open(&m, path, &e) < 0)
            return "no map";
        bool was_cut = mapfile_cut(&m);
        if (ftruncate(fileno(f), page) != 0 || m.data[(PAGES - 1) * page + 1] != 0)
            return "no zeros";
        bool is_cut = mapfile_cut(&m);
        mapfile_close(&m);
        fclose(f);
        if (was_cut || !is_cut)
            return "cut is told wrongly";
    }
    return NULL;
}

static void files_are_cut_on_many_threads(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    pthread_t thread[THREADS];
    char path[THREADS][400];
    for (int i = 0; i < THREADS; i++) {
        snprintf(path[i], sizeof path[i], "%s/cut-%d", folder, i);
        assert_int_equal(pthread_create(&thread[i], NULL, map_and_cut, path[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *wrong;
        pthread_join(thread[i], &wrong);
        if (wrong)
            fail_msg("%s", (char *)wrong);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_load_ends_at_the_next_weight, clean_up),
        cmocka_unit_test_teardown(weights_on_their_way_can_be_cancelled, clean_up),
        cmocka_unit_test_teardown(an_exchange_of_loras_can_be_cancelled, clean_up),
        cmocka_unit_test_teardown(a_missing_encoder_is_told_each_time, clean_up),
        cmocka_unit_test_teardown(cancelled_while_loading, clean_up),
        cmocka_unit_test_teardown(stopped_while_loading, clean_up),
        cmocka_unit_test_teardown(two_load_at_once, clean_up),
        cmocka_unit_test_teardown(files_are_cut_on_many_threads, clean_up),
    };
    return cmocka_run_group_tests(tests, start, drop_folder);
}
