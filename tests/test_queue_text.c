/*
 * What goes through a queue, without a server: URLs and their secrets, messages, events, results,
 * what a job becomes on its way, hashes of models.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fileio.h"
#include "base/secret.h"
#include "queue/model_hash.h"
#include "queue/pack.h"
#include "sprite/png.h"
#include "queue/scripts.h"

#define MODEL "tests/golden/small_a"

/* ---- URLs ---- */

static void urls(void **state)
{
    (void)state;
    static const struct {
        const char *text, *show, *user, *password;
        int port, db;
        bool tls;
    } good[] = {
        {"redis://host", "redis://host:6379", "", "", 6379, 0, false},
        {"redis://host/", "redis://host:6379", "", "", 6379, 0, false},
        {"rediss://ann:p%40ss%25@queue.example:7000/3", "rediss://queue.example:7000", "ann",
         "p@ss%", 7000, 3, true},
        {"redis://:secret@[::1]:6380/0?name=sprites", "redis://::1:6380 (sprites)", "", "secret",
         6380, 0, false},
        {"redis://a:b@c@host:1", "redis://host:1", "a", "b@c", 1, 0, false},
        {"unix:///run/redis.sock?db=2", "unix:///run/redis.sock", "", "", 0, 2, false},
        {"rediss://h?ca=/etc/ca.pem&cert=c.pem&key=k.pem", "rediss://h:6379", "", "", 6379, 0,
         true},
    };
    static const char *const bad[] = {"",
                                      "http://host",
                                      "redis://",
                                      "redis://u:secret@",
                                      "redis://u:secret@host:0",
                                      "redis://u:secret@host:65536",
                                      "redis://u:secret@host:6x",
                                      "redis://u:secret@host/x",
                                      "redis://u:secret%4@host",
                                      "redis://u:secret%00@host",
                                      "redis://u:secret@host?nope=1",
                                      "redis://u:secret@host?name=a/b",
                                      "redis://u:secret@host?name=",
                                      "redis://u:secret@ho\nst",
                                      "redis://u:secret@host:1:2",
                                      "redis://u:secret@[::1]6380",
                                      "unix://relative"};
    struct queue_url u;
    struct err e = {""};
    unsetenv("SPRITTY_REDIS_PASSWORD");
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        if (queue_url_parse(&u, good[i].text, &e))
            fail_msg("%s: %s", good[i].text, e.text);
        assert_string_equal(u.show, good[i].show);
        assert_string_equal(u.user, good[i].user);
        assert_string_equal(u.password, good[i].password);
        assert_true(u.tls == good[i].tls && u.db == good[i].db && u.port == good[i].port);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(queue_url_parse(&u, bad[i], &e), -1);
        assert_null(strstr(e.text, "secret"));
    }
}

/* From the variable, from a file, from what was taken out of a setting; never in a text. */
static void passwords(void **state)
{
    (void)state;
    struct queue_url u;
    struct err e = {""};
    char path[] = "/tmp/spritty-test-pass-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, "from file\r\nmore", 15) == 15);
    close(fd);
    setenv("SPRITTY_REDIS_PASSWORD_FILE", path, 1);
    assert_int_equal(queue_url_parse(&u, "redis://host", &e), 0);
    assert_string_equal(u.password, "from file");
    setenv("SPRITTY_REDIS_PASSWORD", "from variable", 1);
    assert_int_equal(queue_url_parse(&u, "redis://host", &e), 0);
    assert_string_equal(u.password, "from variable");
    char *list = secret_strip("cpu,redis://ann:h%2Cush@host/1,cuda:0,rediss://x:a/b@c@d");
    assert_string_equal(list, "cpu,redis://ann@host/1,cuda:0,rediss://x@d");
    free(list);
    assert_int_equal(queue_url_parse(&u, "redis://ann@host/1", &e), 0);
    assert_string_equal(u.password, "h,ush");
    list = secret_strip("redis://ann:other@host/1");
    free(list);
    assert_int_equal(queue_url_parse(&u, "redis://ann@host/1", &e), 0);
    assert_string_equal(u.password, "other");
    char blot[] = "--queue=redis://ann:hush@host";
    secret_blot(blot);
    assert_string_equal(blot, "--queue=redis://ann:xxxx@host");
    char commas[] = "redis://a:1,redis://ann:hu,s,h@host:5,cpu,rediss://b:hush@c";
    secret_blot(commas);
    assert_non_null(strstr(commas, "redis://a:"));
    assert_non_null(strstr(commas, "@c"));
    assert_null(strstr(commas, "hu"));
    assert_null(strstr(commas, "h@"));
    unsetenv("SPRITTY_REDIS_PASSWORD");
    unsetenv("SPRITTY_REDIS_PASSWORD_FILE");
    unlink(path);
}

/* ---- messages ---- */

static void to_fields(const struct args *a, struct fields *f)
{
    f->n = 0;
    for (int i = 0; i + 1 < a->n; i += 2)
        f->at[f->n++] = (struct field){.name = a->text[i],
                                       .data = a->text[i + 1],
                                       .name_size = a->size[i],
                                       .size = a->size[i + 1]};
}

static void replace(struct fields *f, const char *name, const char *data, size_t size)
{
    for (int i = 0; i < f->n; i++)
        if (f->at[i].name_size == strlen(name) && !memcmp(f->at[i].name, name, strlen(name)))
            f->at[i].data = data, f->at[i].size = size;
}

static char sums[QUEUE_INPUTS][65];

static struct queue_message sample(void)
{
    struct queue_message m = {.id = "0123abcd",
                              .job = "{\"prompt\": \"a slime\"}",
                              .needs = "{}",
                              .files = 1,
                              .file = {{.name = "image-0.png", .data = "\0\1\2", .size = 3}}};
    memset(m.model, 'a', 64);
    m.job_size = strlen(m.job);
    m.needs_size = 2;
    return m;
}

static void messages(void **state)
{
    (void)state;
    struct queue_message in = sample(), out;
    struct args a = {0};
    struct fields f;
    struct err e = {""};
    assert_int_equal(message_write(&in, sums, &a, &e), 0);
    to_fields(&a, &f);
    if (message_read(&out, &f, &e))
        fail_msg("%s", e.text);
    assert_string_equal(out.id, in.id);
    assert_memory_equal(out.job, in.job, in.job_size);
    assert_int_equal(out.files, 1);
    assert_memory_equal(out.file[0].data, "\0\1\2", 3);
    static const struct {
        const char *field, *data, *why;
    } wrong[] = {{"v", "0",
                  "it is of version 0 of the protocol and this spritty speaks 1: update "
                  "who sent it"},
                 {"v", "2", "update this one"},
                 {"v", "x", "no version"},
                 {"id", "a b", "its id"},
                 {"id", "", "its id"},
                 {"model", "abc", "no SHA-256"},
                 {"in:0:name", "../x", "no plain name"},
                 {"in:0:name", ".x", "no plain name"},
                 {"in:0:sha256", "00", "is missing"},
                 {"in:0:data", "other", "its SHA-256 is another"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        to_fields(&a, &f);
        replace(&f, wrong[i].field, wrong[i].data, strlen(wrong[i].data));
        assert_int_equal(message_read(&out, &f, &e), -1);
        if (!strstr(e.text, wrong[i].why))
            fail_msg("%s = %s: %s", wrong[i].field, wrong[i].data, e.text);
    }
    to_fields(&a, &f);
    f.at[f.n++] = (struct field){.name = "more\033", .name_size = 5, .data = "", .size = 0};
    assert_int_equal(message_read(&out, &f, &e), -1);
    assert_string_equal(e.text, "it has a field 'more?', which this spritty does not know");
}

/* Over the caps on either side: refused with both numbers. */
static void limits(void **state)
{
    (void)state;
    struct err e = {""};
    struct args a = {0};
    struct fields f;
    char *big = calloc(1, QUEUE_INPUT_MAX + 1);
    struct queue_message m = sample(), out;
    m.job = big;
    m.job_size = QUEUE_JOB_MAX + 1;
    assert_int_equal(message_write(&m, sums, &a, &e), -1);
    assert_non_null(strstr(e.text, "the job's text has 262145 bytes and may have 262144"));
    m = sample();
    m.file[0].data = big;
    m.file[0].size = QUEUE_INPUT_MAX + 1;
    assert_int_equal(message_write(&m, sums, &a, &e), -1);
    assert_non_null(strstr(e.text, "image-0.png has 16777217 bytes"));
    m = sample();
    for (m.files = 0; m.files < 3; m.files++)
        m.file[m.files] = (struct queue_file){.name = "a", .data = big, .size = QUEUE_INPUT_MAX};
    assert_int_equal(message_write(&m, sums, &a, &e), -1);
    assert_non_null(strstr(e.text, "files have 50331671 bytes together"));
    m = sample();
    a = (struct args){0};
    assert_int_equal(message_write(&m, sums, &a, &e), 0);
    to_fields(&a, &f);
    replace(&f, "job", big, QUEUE_JOB_MAX + 1);
    assert_int_equal(message_read(&out, &f, &e), -1);
    to_fields(&a, &f);
    replace(&f, "in:0:data", big, QUEUE_INPUT_MAX + 1);
    assert_int_equal(message_read(&out, &f, &e), -1);
    free(big);
    /* The scripts have some of the numbers as text. */
    char text[40];
    snprintf(text, sizeof text, "size > %d ", QUEUE_MESSAGE_MAX);
    assert_non_null(strstr(script_shared(), text));
    snprintf(text, sizeof text, "'MAXLEN', '~', %d,", QUEUE_EVENTS_KEPT);
    assert_non_null(strstr(script_shared(), text));
    assert_int_equal(queue_class_of(1), 1);
    assert_int_equal(queue_class_of(5ull << 30), 6);
    assert_int_equal(queue_class_of(1ull << 40), 0);
}

static void events(void **state)
{
    (void)state;
    struct args a = {0};
    struct fields f;
    struct err e = {""};
    char id[QUEUE_ID_MAX + 1];
    bool result;
    struct image *m = image_new(3, 2);
    m->rgba[23] = 7;
    struct event v = {.kind = EVENT_PREVIEW,
                      .step = 3,
                      .steps = 4,
                      .work = {2, 6, 7},
                      .ms = 1.25,
                      .later = 2.5,
                      .width = 3,
                      .height = 2,
                      .seed = UINT64_MAX,
                      .stage = "sample",
                      .image = m,
                      .text = (char *)"a text"};
    static const char *const head[] = {"v", "1", "id", "job-1"};
    for (int i = 0; i < 4; i++)
        args_text(&a, head[i]);
    assert_int_equal(event_write(&v, &a), 0);
    to_fields(&a, &f);
    struct event *got = event_read(&f, id, &result, &e);
    if (!got)
        fail_msg("%s", e.text);
    assert_string_equal(id, "job-1");
    assert_true(got->step == 3 && got->steps == 4 && got->ms == 1.25 && got->seed == UINT64_MAX);
    assert_true(got->later == 2.5);
    assert_true(got->work.step == 2 && got->work.done == 6 && got->work.all == 7);
    assert_string_equal(got->stage, "sample");
    assert_memory_equal(got->image->rgba, m->rgba, 24);
    event_free(got);
    to_fields(&a, &f);
    replace(&f, "work_all", "0", 1); /* as of a worker that counts steps alone */
    got = event_read(&f, id, &result, &e);
    assert_non_null(got);
    assert_true(got->work.step == 1 && got->work.done == 3 && got->work.all == 4);
    event_free(got);
    char much[1000];
    memset(much, 'a', sizeof much);
    to_fields(&a, &f);
    replace(&f, "text", much, sizeof much); /* is no reason to give the job up */
    got = event_read(&f, id, &result, &e);
    assert_true(got && strlen(got->text) > 100 && strlen(got->text) < sizeof much);
    event_free(got);
    static const char *const wrong[][2] = {{"width", "4"},  {"width", "-1"}, {"step", "9999"},
                                           {"kind", "boo"}, {"v", "7"},      {"image", "x"},
                                           {"id", ""}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        to_fields(&a, &f);
        replace(&f, wrong[i][0], wrong[i][1], strlen(wrong[i][1]));
        assert_null(event_read(&f, id, &result, &e));
    }
    image_free(m);
}

/* ---- packing ---- */

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/spritty-test-pack-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    setenv("XDG_DATA_HOME", folder, 1);
    setenv("XDG_CACHE_HOME", folder, 1);
    setenv("XDG_CONFIG_HOME", folder, 1);
    return 0;
}

static int drop_folder(void **state)
{
    char command[100];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static void set(struct command *c, const char *key, const char *value)
{
    struct err e = {""};
    if (settings_set(&c->settings, key, value, &e))
        fail_msg("%s", e.text);
}

static struct command *job(const char *words)
{
    struct command *c = command_new(COMMAND_RUN);
    c->job = 1;
    c->words = strdup(words);
    set(c, "model", MODEL);
    set(c, "size", "64x64");
    set(c, "steps", "2");
    return c;
}

static void packed_and_unpacked(void **state)
{
    (void)state;
    struct packer r = {.client = "me", .store = "db"};
    struct packed p, q;
    struct stock stock = {0};
    struct err e = {""};
    struct command *c = job("a {slime|slime}, 50% \"done\""), *got = NULL;
    char path[100], *value;
    const char *png = "tests/fuzz/fuzz_import/a1111.png";
    if (access(png, R_OK))
        png = "docs/pictures/slime.png";
    set(c, "seed", "18446744073709551615");
    set(c, "cfg", "5.25");
    set(c, "device", "cpu");
    set(c, "output", "/tmp/mine.png");
    snprintf(path, sizeof path, "%s/two.hex", folder);
    assert_int_equal(file_write_atomic(path, "000000\nffffff\n", 14, &e), 0);
    set(c, "palette", path);
    if (job_pack(&r, c, &p, &e))
        fail_msg("%s", e.text);
    print_message("%s\nneeds %s, %d GiB, %d files\n", p.job, p.needs, p.class, p.message.files);
    assert_null(strstr(p.job, "mine.png"));
    assert_null(strstr(p.job, "/tmp"));
    assert_null(strstr(p.job, "device"));
    assert_non_null(strstr(p.job, "\"a slime, 50% \\\"done\\\"\""));
    assert_int_equal(p.message.files, 1);
    assert_int_equal(p.class, 1);
    /* The same again is the same job; another row is another. */
    assert_int_equal(job_pack(&r, c, &q, &e), 0);
    assert_string_equal(p.message.id, q.message.id);
    packed_free(&q);
    c->job = 2;
    assert_int_equal(job_pack(&r, c, &q, &e), 0);
    assert_string_not_equal(p.message.id, q.message.id);
    packed_free(&q);
    c->job = 1;
    assert_int_equal(file_write_atomic(path, "000000\nfffffe\n", 14, &e), 0); /* edited since */
    assert_int_equal(job_pack(&r, c, &q, &e), 0);
    assert_string_not_equal(p.message.id, q.message.id);
    packed_free(&q);

    assert_int_equal(stock_add(&stock, MODEL, &e), 0);
    assert_string_equal(stock.at[0].hash, p.message.model);
    struct workplace w = {.stock = &stock, .device = "cpu", .threads = 1, .folder = folder};
    if (job_unpack(&p.message, &w, &got, &e))
        fail_msg("%s", e.text);
    assert_string_equal(got->words, "a slime, 50% \"done\"");
    assert_string_equal(settings_text(&got->settings, "model"), MODEL);
    assert_true(got->settings.seed == UINT64_MAX && got->settings.cfg == 5.25);
    assert_true(got->settings.steps == 2 && got->settings.threads == 1);
    value = got->settings.palette;
    assert_int_equal(access(value, R_OK), 0);
    job_unpack_clean(&p.message, &w);
    assert_int_equal(access(value, R_OK), -1);
    command_free(got);
    packed_free(&p);
    packer_free(&r);
    command_free(c);
}

/* A ControlNet goes by its name and hash, its picture as bytes; another file of that name is not
 * taken for it. */
static void a_control_travels(void **state)
{
    (void)state;
    struct packer r = {.client = "me", .store = "db"};
    struct packed p;
    struct stock stock = {0};
    struct err e = {""};
    struct command *c = job("a slime"), *got = NULL;
    static const uint8_t grey[3] = {99, 99, 99};
    char command[300];
    snprintf(command, sizeof command,
             "mkdir -p %s/spritty/controlnets && cp -r tests/golden/small_a_control "
             "%s/spritty/controlnets/lines",
             folder, folder);
    assert_int_equal(system(command), 0);
    set(c, "seed", "1");
    set(c, "control", "lines");
    snprintf(command, sizeof command, "%s/slime.png", folder);
    assert_int_equal(
        png_save(command, &(struct picture){PICTURE_RGB, 1, 1, grey, NULL, 0}, NULL, 0, &e), 0);
    set(c, "control-image", command);
    set(c, "control-prepare", "canny");
    set(c, "control-strength", "0.75");
    set(c, "control-type", "depth");
    if (job_pack(&r, c, &p, &e))
        fail_msg("%s", e.text);
    assert_int_equal(p.message.files, 1);
    assert_non_null(strstr(p.needs, "\"control\": {\"name\": \"lines\""));
    packed_free(&p);
    snprintf(command, sizeof command, "%s/spritty/controlnets/lines/",
             folder); /* as shells end it */
    set(c, "control", command);
    assert_int_equal(job_pack(&r, c, &p, &e), 0);
    assert_non_null(strstr(p.needs, "\"control\": {\"name\": \"lines\""));
    assert_null(strstr(p.job, "slime.png"));
    assert_int_equal(stock_add(&stock, MODEL, &e), 0);
    struct workplace w = {.stock = &stock, .device = "cpu", .threads = 1, .folder = folder};
    if (job_unpack(&p.message, &w, &got, &e))
        fail_msg("%s", e.text);
    assert_string_equal(got->settings.control, "lines"); /* no path of the worker's is told */
    assert_int_equal(access(got->settings.control_image, R_OK), 0);
    assert_string_equal(got->settings.control_prepare, "canny");
    assert_true(got->settings.control_strength == 0.75);
    assert_string_equal(got->settings.control_type, "depth");
    job_unpack_clean(&p.message, &w);
    command_free(got);
    snprintf(command, sizeof command, "echo >>%s/spritty/controlnets/lines/config.json", folder);
    assert_int_equal(system(command), 0);
    assert_int_equal(job_unpack(&p.message, &w, &got, &e), -1);
    assert_string_equal(e.text, "the ControlNet 'lines' of this worker is another file than the "
                                "sender's");
    job_unpack_clean(&p.message, &w);
    packed_free(&p);
    packer_free(&r);
    command_free(c);
}

/* Jobs from outside that mean the worker's files, or what it does not have. */
static void hostile_jobs(void **state)
{
    (void)state;
    static const struct {
        const char *job, *needs, *why;
    } wrong[] = {
        {"{\"prompt\": \"a\", \"image\": \"/etc/passwd\"}", "{}", "names no file of the worker's"},
        {"{\"prompt\": \"a\", \"image\": \"in:1\"}", "{}", "names a file 1"},
        {"{\"prompt\": \"a\", \"palette\": \"README.md\"}", "{}", "names no file of the worker's"},
        {"{\"prompt\": \"a\", \"palette\": \"../x\"}", "{}", "names no file of the worker's"},
        {"{\"prompt\": \"a\", \"swap\": \"nes=/etc/passwd\"}", "{}", "no file of the worker's"},
        {"{\"prompt\": \"a\", \"output\": \"/tmp/x\"}", "{}", "output is not the sender's"},
        {"{\"prompt\": \"a\", \"device\": \"ref\"}", "{}", "device is not the sender's"},
        {"{\"prompt\": \"a\", \"vae\": \"/etc/passwd\"}", "{}", "vae is not the sender's"},
        {"{\"prompt\": \"a\", \"styles\": \"x\"}", "{}", "styles have to be applied"},
        {"{\"prompt\": \"a\", \"preset\": \"x\"}", "{}", "presets have to be applied"},
        {"{\"prompt\": \"a <lora:/etc/passwd:1>\", \"seed\": 1}", "{}", "lora: a job from a queue"},
        {"{\"prompt\": \"a {<lora:x:1>|<lora:../x:1>}\"}", "{}", "no seed"},
        {"{\"prompt\": \"a <lora:x:1>\", \"seed\": \"random\"}", "{}", "no seed"},
        {"{\"prompt\": \"a __mine__\", \"dynamic\": true}", "{}", "wildcards have to be expanded"},
        {"{\"prompt\": \"a\", \"negative\": \"__**__\"}", "{}", "wildcards have to be expanded"},
        {"{\"prompt\": \"a\"}", "{\"vae\": {\"name\": \"../x\", \"sha256\": \"0\"}}", "no path"},
        {"{\"prompt\": \"a\"}", "{\"refiner\": {\"name\": \"x\", \"sha256\": \"0\"}}",
         "no refiner"},
        {"{\"prompt\": \"a\", \"control\": \"x\"}", "{}", "control is not the sender's"},
        {"{\"prompt\": \"a\", \"control-image\": \"README.md\"}", "{}", "no file of the worker's"},
        {"{\"prompt\": \"a\"}", "{\"control\": {\"name\": \"x\", \"sha256\": \"0\"}}",
         "no ControlNet 'x'"},
        {"{\"prompt\": \"a\"}", "{\"control\": {\"name\": \"../x\", \"sha256\": \"0\"}}",
         "no path"},
        {"{\"prompt\": \"a\", \"nope\": 1}", "{}", "nope"},
        {"{\"prompt\": \"a\", \"steps\": 100000}", "{}", "steps"},
        {"{\"prompt\": ", "{}", "the job"},
        {"{\"prompt\": \"a\"}", "[", "needs"},
    };
    struct stock stock = {0};
    struct err e = {""};
    struct command *got;
    assert_int_equal(stock_add(&stock, MODEL, &e), 0);
    struct workplace w = {.stock = &stock, .device = "cpu", .threads = 1, .folder = folder};
    struct queue_message m = sample();
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        strcpy(m.model, stock.at[0].hash);
        m.job = wrong[i].job;
        m.job_size = strlen(m.job);
        m.needs = wrong[i].needs;
        m.needs_size = strlen(m.needs);
        if (job_unpack(&m, &w, &got, &e) == 0)
            fail_msg("%s was taken", wrong[i].job);
        if (!strstr(e.text, wrong[i].why))
            fail_msg("%s: %s", wrong[i].job, e.text);
        job_unpack_clean(&m, &w);
    }
    m = sample();
    assert_int_equal(job_unpack(&m, &w, &got, &e), -1);
    assert_string_equal(e.text, "this worker does not have the model");
}

/* What a job from outside is told must not depend on files that are none of its business, and
 * nothing of the worker's own may be written over. */
static void unpack_says(const char *text, const char *needs, char out[512])
{
    struct stock stock = {0};
    struct err e = {""};
    struct command *got;
    struct queue_message m = sample();
    assert_int_equal(stock_add(&stock, MODEL, &e), 0);
    struct workplace w = {.stock = &stock, .device = "cpu", .threads = 1, .folder = folder};
    strcpy(m.model, stock.at[0].hash);
    m.job = text;
    m.job_size = strlen(text);
    m.needs = needs;
    m.needs_size = strlen(needs);
    strcpy(m.file[0].name, "jobs.db");
    if (job_unpack(&m, &w, &got, &e) == 0)
        command_free(got);
    job_unpack_clean(&m, &w);
    snprintf(out, 512, "%s", e.text);
}

static void probing_jobs(void **state)
{
    (void)state;
    static const char *const forms[] = {"{\"prompt\": \"a <lora:%s:1>\", \"seed\": 1}",
                                        "{\"prompt\": \"a\", \"lora\": \"%s\", \"seed\": 1}",
                                        "{\"prompt\": \"a\", \"palette\": \"%s\", \"seed\": 1}",
                                        "{\"prompt\": \"a\", \"swap\": \"nes=%s\", \"seed\": 1}"};
    static const char *const pairs[][2] = {{"/etc/passwd", "/etc/passwx"},
                                           {"Makefile", "Makefilx"},
                                           {"tests", "testx"},
                                           {"README.md", "REDAME.md"}};
    char text[200], has[512], lacks[512], path[100];
    struct err e;
    snprintf(path, sizeof path, "%s/jobs.db", folder);
    assert_int_equal(file_write_atomic(path, "mine", 4, &e), 0);
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        for (size_t k = 0; k < sizeof pairs / sizeof *pairs; k++) {
            char *at;
            snprintf(text, sizeof text, forms[i], pairs[k][0]);
            unpack_says(text, "{}", has);
            snprintf(text, sizeof text, forms[i], pairs[k][1]);
            unpack_says(text, "{}", lacks);
            if ((at = strstr(lacks, pairs[k][1]))) /* the name is as long */
                memcpy(at, pairs[k][0], strlen(pairs[k][0]));
            assert_string_equal(has, lacks);
        }
    assert_int_equal(access(path, R_OK), 0);
}

/* ---- embeddings ---- */

static void copy_embedding(int last_byte)
{
    char path[100];
    size_t n;
    struct err e = {""};
    char *data = file_read("tests/golden/embeddings/zorp.safetensors", 1 << 20, &n, &e);
    assert_non_null(data);
    data[n - 1] = (char)(data[n - 1] + last_byte);
    snprintf(path, sizeof path, "%s/spritty/embeddings", folder);
    assert_int_equal(file_make_folders(path, &e), 0);
    strcat(path, "/zorp.safetensors");
    assert_int_equal(file_write_atomic(path, data, n, &e), 0);
    free(data);
}

static void drop_embedding(void)
{
    char path[100];
    snprintf(path, sizeof path, "%s/spritty/embeddings/zorp.safetensors", folder);
    unlink(path);
}

/* Packed as here (with: the sender has the file), unpacked where the file is as `worker` says: -1
 * gone, 0 the same, 1 another. "" when it is taken. */
static void send_embedding(struct command *c, bool with, int worker, char out[512])
{
    struct packer r = {.client = "me", .store = "db"};
    struct packed p;
    struct stock stock = {0};
    struct err e = {""};
    struct command *got;
    drop_embedding();
    if (with)
        copy_embedding(0);
    if (job_pack(&r, c, &p, &e))
        fail_msg("%s", e.text);
    assert_int_equal(stock_add(&stock, settings_text(&c->settings, "model"), &e), 0);
    struct workplace w = {.stock = &stock, .device = "cpu", .threads = 1, .folder = folder};
    drop_embedding();
    if (worker >= 0)
        copy_embedding(worker);
    e.text[0] = '\0';
    if (job_unpack(&p.message, &w, &got, &e) == 0)
        command_free(got);
    job_unpack_clean(&p.message, &w);
    packed_free(&p);
    packer_free(&r);
    snprintf(out, 512, "%s", e.text);
    print_message("with %d, worker %d: %s\n", with, worker, out);
}

static void embeddings_travel(void **state)
{
    (void)state;
    char said[512];
    static const char *const words[] = {"a embedding:zorp slime", "a slime zorp", "a slime, {a|b}"};
    for (int i = 0; i < 3; i++) {
        struct command *c = job(words[i]);
        set(c, "model", "tests/golden/small_b");
        set(c, "compat", i == 1 ? "a1111" : "comfyui");
        bool names = i < 2;
        send_embedding(c, true, 0, said);
        assert_string_equal(said, "");
        send_embedding(c, true, -1, said);
        assert_string_equal(said, names ? "this worker has no embedding 'zorp' in "
                                          "~/.local/share/spritty/embeddings"
                                        : "");
        send_embedding(c, true, 1, said);
        assert_string_equal(said, names ? "the embedding 'zorp' of this worker is another file "
                                          "than the sender's"
                                        : "");
        send_embedding(c, false, 0, said);
        assert_string_equal(
            said, names ? "it names the embedding 'zorp' and does not say which file that is" : "");
        send_embedding(c, false, -1, said);
        assert_string_equal(said, "");
        command_free(c);
    }
}

/* By content alone; what is remembered does not outlive a change. */
static void hashes_of_models(void **state)
{
    (void)state;
    char path[100], first[65], second[65];
    struct err e = {""};
    snprintf(path, sizeof path, "%s/m.safetensors", folder);
    assert_int_equal(file_write_atomic(path, "abc", 3, &e), 0);
    assert_int_equal(model_hash(path, first, &e), 0);
    assert_string_equal(first, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(model_hash(path, second, &e), 0);
    assert_string_equal(first, second);
    assert_int_equal(file_write_atomic(path, "abd", 3, &e), 0);
    assert_int_equal(model_hash(path, second, &e), 0);
    assert_string_not_equal(first, second);
    assert_int_equal(model_hash("/nowhere", second, &e), -1);
    assert_int_equal(model_hash("src/queue", second, &e), -1);
    print_message("%s\n", e.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls),
        cmocka_unit_test(passwords),
        cmocka_unit_test(messages),
        cmocka_unit_test(limits),
        cmocka_unit_test(events),
        cmocka_unit_test_setup_teardown(packed_and_unpacked, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(a_control_travels, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(hostile_jobs, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(probing_jobs, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(embeddings_travel, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(hashes_of_models, make_folder, drop_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
