/*
 * Downloads, from a server of our own that cuts, stalls, redirects and lies; nothing here leaves
 * this machine. Whatever it does, a file with a model's name is whole, or not there.
 */
/* Not under qemu: time limits of servers that cut and stall, which an emulator misses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/stat.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fileio.h"
#include "base/digest.h"
#include "pull/check.h"
#include "pull/pull.h"
#include "pull/url.h"
#include "pull_server.h"

enum { SIZE = 300000 };

static char folder[] = "/tmp/spritty-pull-XXXXXX";
static struct server server;
static unsigned char file[SIZE], other[SIZE + 500];
static char hash[70], other_hash[70], git_hash[80];
static const char name[] = "loras/pixel-art-xl.safetensors";

/* A LoRA of one tensor that fills the file. */
static void make_file(unsigned char *to, size_t size, unsigned seed, char tag[70])
{
    char header[200] = "";
    size_t data = size - 8 - 120;
    snprintf(header, sizeof header,
             "{\"lora_unet_x.lora_down.weight\":{\"dtype\":\"U8\",\"shape\":[%zu],"
             "\"data_offsets\":[0,%zu]}}",
             data, data);
    memset(to, 0, 8);
    to[0] = 120;
    memset(to + 8, ' ', 120);
    memcpy(to + 8, header, strlen(header));
    for (size_t i = 0; i < data; i++)
        to[128 + i] = (unsigned char)((i * 2654435761u + seed) >> 13);
    struct digest h;
    digest_start(&h, DIGEST_SHA256);
    digest_add(&h, to, size);
    tag[0] = '"';
    digest_hex(&h, tag + 1);
    strcat(tag, "\"");
}

static int set_up(void **state)
{
    (void)state;
    struct digest h;
    make_file(file, sizeof file, 1, hash);
    make_file(other, sizeof other, 2, other_hash);
    digest_start(&h, DIGEST_SHA1);
    char head[40];
    digest_add(&h, head, (size_t)snprintf(head, sizeof head, "blob %d", SIZE) + 1);
    digest_add(&h, file, SIZE);
    git_hash[0] = '"';
    digest_hex(&h, git_hash + 1);
    strcat(git_hash, "\"");
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

/* A fresh folder and a fresh server. */
static void begin(enum trick trick, int times)
{
    char text[200];
    snprintf(text, sizeof text, "rm -rf %s/spritty", folder);
    assert_int_equal(system(text), 0);
    assert_true(server_start(&server));
    pthread_mutex_lock(&server.lock); /* which its threads take before they look */
    server.trick = trick;
    server.times = times;
    server.data = file, server.size = sizeof file, server.tag = "\"one\"";
    server.other = other, server.other_size = sizeof other, server.other_tag = "\"two\"";
    server.linked = hash;
    pthread_mutex_unlock(&server.lock);
    snprintf(text, sizeof text, "http://127.0.0.1:%d", server.port[0]);
    setenv("SPRITTY_HUB", text, 1);
    setenv("XDG_DATA_HOME", folder, 1);
    setenv("HF_TOKEN", "secret", 1);
}

static void path_of(const char *what, char out[300])
{
    snprintf(out, 300, "%s/spritty/%s", folder, what);
}

static bool is_there(const char *what)
{
    char path[300];
    path_of(what, path);
    return access(path, F_OK) == 0;
}

static void expect_file(const char *what, const unsigned char *data, size_t size)
{
    char path[300];
    struct err e;
    size_t n;
    path_of(what, path);
    unsigned char *have = file_read(path, 1 << 20, &n, &e);
    if (!have || n != size || memcmp(have, data, size) != 0)
        fail_msg("%s is not what the server has (%zu bytes)\n%s", path, have ? n : 0, server.log);
    free(have);
}

static const struct pull_options quick = {.stall_s = 1, .backoff_ms = 10, .tries = 4};

static int pull(const char *what, struct pull_result *r, struct err *e)
{
    *e = (struct err){""};
    return pull_run(what, &quick, r, e);
}

static void must_pull(struct pull_result *r)
{
    struct err e;
    if (pull("pixel-art-xl", r, &e))
        fail_msg("%s\n%s", e.text, server.log);
    expect_file(name, file, sizeof file);
    assert_false(is_there("loras/pixel-art-xl.safetensors.part"));
    assert_false(is_there("loras/pixel-art-xl.safetensors.part.tag"));
}

/* It fails, says so, and no file has the model's name. */
static void must_fail(const char *says)
{
    struct pull_result r;
    struct err e;
    assert_int_equal(pull("pixel-art-xl", &r, &e), -1);
    if (!strstr(e.text, says))
        fail_msg("said '%s', not '%s'\n%s", e.text, says, server.log);
    assert_null(strstr(e.text, "secret"));
    assert_false(is_there(name));
}

static void plain(void **state)
{
    (void)state;
    struct pull_result r;
    begin(PLAIN, 0);
    must_pull(&r);
    assert_int_equal(r.fetched, 1);
    assert_false(r.unverified);
    char line[120];
    snprintf(line, sizeof line, "%.64s  pixel-art-xl.safetensors\n", hash + 1);
    expect_file("loras/pixel-art-xl.safetensors.sha256", (unsigned char *)line, strlen(line));
    assert_true(server.tokens[0] == 2);
    int gets = server.gets[0];
    assert_int_equal(gets, 1);
    must_pull(&r); /* there already: the server is not asked */
    assert_int_equal(r.fetched, 0);
    assert_int_equal(server.gets[0], gets);
    int i = -1;
    while (pull_entry(++i) && strcmp(pull_entry(i)->name, "pixel-art-xl"))
        continue;
    assert_true(pull_is_here(i, NULL));
    assert_false(pull_is_here(0, NULL));
    server_stop(&server);
}

/* What was recorded of a file that is gone says nothing of the next one. */
static void an_older_record(void **state)
{
    (void)state;
    static const char sum[] = "loras/pixel-art-xl.safetensors.sha256";
    struct pull_result r;
    struct err e;
    char path[300];
    for (int i = 0; i < 2; i++) {
        begin(PLAIN, 0);
        server.linked = i ? hash : NULL;
        path_of("loras", path);
        assert_int_equal(file_make_folders(path, &e), 0);
        path_of(sum, path);
        assert_int_equal(file_write_atomic(path, "older", 5, &e), 0);
        must_pull(&r);
        assert_true(r.unverified == !i);
        char *text = is_there(sum) ? file_read(path, 1000, &(size_t){0}, &e) : NULL;
        assert_true(i ? text && !strncmp(text, hash + 1, 64) : !text);
        free(text);
        server_stop(&server);
    }
}

/* What goes wrong on the way, and is mended. */
static void goes_on_in_spite_of(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        enum trick trick;
        int times, gets;
    } cases[] = {
        {"cuts", CUTS, 5, 6},       {"ignores Range", IGNORES, 1, 2},   {"stalls", STALLS, 1, 2},
        {"416", SAYS_416, 1, 3},    {"another part", OTHER_PART, 1, 3}, {"busy", BUSY, 3, 0},
        {"no HEAD", NO_HEAD, 0, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pull_result r;
        double began = clock_ms();
        begin(cases[i].trick, cases[i].times);
        if (cases[i].trick == NO_HEAD)
            server.linked = NULL;
        must_pull(&r);
        print_message("%s: %d GETs, %.0f ms\n", cases[i].what, server.gets[0], clock_ms() - began);
        if (cases[i].gets)
            assert_int_equal(server.gets[0], cases[i].gets);
        server_stop(&server);
    }
}

static void refuses(void **state)
{
    (void)state;
    static const struct {
        enum trick trick;
        int times;
        const char *says;
    } cases[] = {
        {CUTS, 1000, NULL}, /* as long as it goes on, it goes on: it ends by itself */
        {IGNORES, 1000, "after 4 tries"},
        {LIES_LENGTH, 0, "another length than it said"},
        {SENDS_MORE, 0, "more than it said"},
        {WEB_PAGE, 0, "a web page instead of the file"},
        {BUSY, 1000, "after 4 tries: "},
        {GONE, 0, "there is no such file (404)"},
        {SECRET, 0, "this was refused"},
        {LOOPS, 0, "redirects more than"},
        {TO_HTTP, 0, "only https is loaded from"},
        {TO_FILE, 0, "is no URL"},
        {PACKED, 0, "the server sends it packed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        begin(cases[i].trick, cases[i].times);
        if (cases[i].trick == LIES_LENGTH)
            server.linked = NULL;
        if (cases[i].says)
            must_fail(cases[i].says);
        server_stop(&server);
    }
}

static void wrong_hash(void **state)
{
    (void)state;
    struct pull_result r;
    begin(PLAIN, 0);
    server.linked = other_hash;
    must_fail("its hash is");
    assert_false(is_there("loras/pixel-art-xl.safetensors.part"));
    server_stop(&server);
    /* git's, which the hub gives for small files. */
    begin(PLAIN, 0);
    server.linked = NULL;
    server.tag = git_hash;
    must_pull(&r);
    assert_false(r.unverified);
    server_stop(&server);
    begin(PLAIN, 0);
    server.linked = NULL;
    server.tag = "\"0123456789012345678901234567890123456789\"";
    must_fail("as the server says");
    server_stop(&server);
    begin(PLAIN, 0); /* no hash at all */
    server.linked = NULL;
    must_pull(&r);
    assert_true(r.unverified);
    server_stop(&server);
}

/* The file changes while it is loaded: never half of one and half of the other. */
static void changes_between_parts(void **state)
{
    (void)state;
    for (int lies = 0; lies < 2; lies++) {
        struct pull_result r;
        struct err e;
        begin(lies ? CHANGES_LIES : CHANGES, 1);
        server.linked = NULL;
        /* The length differs from what HEAD said: it is told, and the next pull gets the new one.
         */
        assert_int_equal(pull("pixel-art-xl", &r, &e), -1);
        assert_false(is_there(name));
        if (pull("pixel-art-xl", &r, &e))
            fail_msg("%s\n%s", e.text, server.log);
        expect_file(name, other, sizeof other);
        server_stop(&server);
        /* Of the same length. */
        begin(lies ? CHANGES_LIES : CHANGES, 1);
        server.linked = NULL;
        server.other_size = SIZE;
        make_file(other, SIZE, 3, other_hash);
        if (pull("pixel-art-xl", &r, &e))
            fail_msg("%s\n%s", e.text, server.log);
        expect_file(name, other, SIZE);
        server_stop(&server);
        make_file(other, sizeof other, 2, other_hash);
    }
}

/* What an earlier run left: taken up when it fits, begun anew when it does not. */
static void takes_up_what_is_there(void **state)
{
    (void)state;
    struct pull_result r;
    struct err e;
    char part[300], tag[300], text[300], target[300];
    for (int fits = 0; fits < 2; fits++) {
        begin(PLAIN, 0);
        path_of("loras", part);
        assert_int_equal(file_make_folders(part, &e), 0);
        path_of("loras/pixel-art-xl.safetensors.part", part);
        path_of("loras/pixel-art-xl.safetensors.part.tag", tag);
        snprintf(text, sizeof text, "\"one\"\n%s\n%d\n", fits ? hash : other_hash, SIZE);
        assert_int_equal(file_write_atomic(part, fits ? file : other, 100000, &e), 0);
        assert_int_equal(file_write_atomic(tag, text, strlen(text), &e), 0);
        must_pull(&r);
        assert_int_equal(strstr(server.log, "GET") != NULL, 1);
        server_stop(&server);
    }
    /* Rotten bytes under a tag that fits: the hash finds them, and the next try is clean. */
    begin(PLAIN, 0);
    path_of("loras", target);
    assert_int_equal(file_make_folders(target, &e), 0);
    assert_int_equal(file_write_atomic(part, other, 100000, &e), 0);
    assert_int_equal(file_write_atomic(tag, text, strlen(text), &e), 0);
    must_fail("its hash is");
    must_pull(&r);
    /* A link in place of the part is not followed. */
    path_of(name, target);
    unlink(target);
    snprintf(target, sizeof target, "%s/elsewhere", folder);
    assert_int_equal(symlink(target, part), 0);
    must_fail("cannot write");
    assert_int_equal(access(target, F_OK), -1);
    server_stop(&server);
}

/* The hub's own way: two redirects, the second to another server, which never sees the token. */
static void redirects_keep_the_token(void **state)
{
    (void)state;
    struct pull_result r;
    begin(REDIRECTS, 2);
    must_pull(&r);
    assert_false(r.unverified);
    assert_true(server.tokens[0] >= 4);
    assert_int_equal(server.tokens[1], 0);
    assert_int_equal(server.gets[1], 3);
    server_stop(&server);
    begin(PLAIN, 0);
    setenv("HF_TOKEN", "two\r\nX-Evil: 1", 1);
    must_fail("HF_TOKEN holds a character");
    server_stop(&server);
}

/* Not the kind of file that was asked for. */
static void wrong_kinds(void **state)
{
    (void)state;
    struct pull_result r;
    struct err e;
    begin(PLAIN, 0);
    server.linked = NULL;
    assert_int_equal(pull("sdxl-vae-fp16-fix", &r, &e), -1);
    assert_non_null(strstr(e.text, "it is a LoRA file, not the VAE that was asked for"));
    assert_false(is_there("vae/sdxl-vae-fp16-fix.safetensors"));
    assert_int_equal(pull("canny-sdxl", &r, &e), -1);
    assert_non_null(strstr(e.text, "it is a LoRA file, not the ControlNet that was asked for"));
    assert_false(is_there("controlnets/canny-sdxl.safetensors"));
    /* The vocabulary comes before a checkpoint, which is not begun without it. */
    char path[PATH_MAX];
    assert_int_equal(pull_here("sdxl-base", path), 0);
    assert_int_equal(pull_here("sdxl", path), -1);
    assert_int_equal(pull("sdxl-base", &r, &e), -1);
    assert_non_null(strstr(e.text, "vocab.json"));
    assert_false(is_there("models/sd_xl_base_1.0.safetensors"));
    static const unsigned char page[] = "<html>no</html>";
    server.data = page, server.size = sizeof page - 1;
    assert_int_equal(pull("pixel-art-xl", &r, &e), -1);
    assert_non_null(strstr(e.text, "thrown away"));
    assert_int_equal(pull("clip-tokenizer", &r, &e), -1);
    assert_false(is_there("tokenizer/tokenizer/vocab.json"));
    server_stop(&server);
}

/* By its short name, and found out to be one. */
static void controlnets(void **state)
{
    (void)state;
    static const char was[] = "lora_unet_x.lora_down.weight", is[] = "controlnet_cond_embedding.w1";
    _Static_assert(sizeof was == sizeof is, "the file's header stays as long");
    unsigned char *control = malloc(SIZE);
    struct pull_result r;
    struct err e;
    begin(PLAIN, 0);
    assert_non_null(control);
    memcpy(control, file, SIZE);
    char *at = memmem(control, 128, was, sizeof was - 1);
    assert_non_null(at);
    memcpy(at, is, sizeof is - 1);
    server.data = control;
    server.linked = NULL;
    if (pull("canny-sdxl", &r, &e))
        fail_msg("%s", e.text);
    expect_file("controlnets/canny-sdxl.safetensors", control, SIZE);
    assert_non_null(strstr(server.log, "GET /diffusers/controlnet-canny-sdxl-1.0/resolve/main/"
                                       "diffusion_pytorch_model.fp16.safetensors"));
    assert_int_equal(pull("controlnet-union", &r, &e), 0);
    expect_file("controlnets/controlnet-union.safetensors", control, SIZE);
    assert_int_equal(pull("controlnet-promax", &r, &e), 0);
    expect_file("controlnets/controlnet-promax.safetensors", control, SIZE);
    assert_non_null(strstr(server.log, "GET /xinsir/controlnet-union-sdxl-1.0/resolve/main/"
                                       "diffusion_pytorch_model_promax.safetensors"));
    for (int again = 0; again < 2; again++) {
        assert_int_equal(pull("a/my-net/diffusion_pytorch_model.safetensors", &r, &e), 0);
        expect_file("controlnets/my-net.safetensors", control, SIZE);
        assert_int_equal(r.fetched, !again);
    }
    server_stop(&server);
    free(control);
}

/* owner/repo, owner/repo/file, URLs. */
static void names_and_addresses(void **state)
{
    (void)state;
    struct pull_result r;
    struct err e;
    char url[300];
    begin(PLAIN, 0);
    assert_int_equal(pull("a/b/sub/x.safetensors", &r, &e), 0);
    expect_file("loras/x.safetensors", file, SIZE); /* found out to be a LoRA */
    assert_non_null(strstr(server.log, "GET /a/b/resolve/main/sub/x.safetensors"));
    assert_int_equal(pull("a/b/x.safetensors", &r, &e), 0);
    assert_int_equal(r.fetched, 0);
    assert_int_equal(pull("a/my-lora/pytorch_lora_weights.safetensors", &r, &e), 0);
    expect_file("loras/my-lora.safetensors", file, SIZE);
    server.linked = NULL, server.data = (const unsigned char *)"{}", server.size = 2;
    assert_int_equal(pull("a/b/model.json", &r, &e), 0); /* no weights, so called as it is */
    assert_true(is_there("models/model.json"));
    server.linked = hash, server.data = file, server.size = SIZE;
    server.disposition = "{\"siblings\":[{\"rfilename\":\"README.md\"},{\"rfilename\":"
                         "\"y.safetensors\"}]}";
    assert_int_equal(pull("a/b", &r, &e), 0);
    assert_true(is_there("loras/y.safetensors"));
    server.disposition = "{\"siblings\":[{\"rfilename\":\"1.safetensors\"},{\"rfilename\":"
                         "\"../2.safetensors\"},{\"rfilename\":\"3.safetensors\"}]}";
    assert_int_equal(pull("a/b", &r, &e), -1);
    assert_non_null(strstr(e.text, "has 2 files; name one"));
    server.disposition = "attachment; filename=\"../../evil\\.\x01z.safetensors\"";
    snprintf(url, sizeof url, "http://127.0.0.1:%d/download/5", server.port[1]);
    assert_int_equal(pull(url, &r, &e), -1); /* begins with a dot */
    server.disposition = "attachment; filename=\"../../z%2f\x1b.safetensors\"";
    assert_int_equal(pull(url, &r, &e), 0);
    assert_true(is_there("loras/_.safetensors"));
    server.disposition = "attachment; filename=\"../../z.safetensors\"";
    if (pull(url, &r, &e))
        fail_msg("%s", e.text);
    assert_true(is_there("loras/z.safetensors"));
    assert_true(r.unverified);
    assert_int_equal(server.tokens[1], 0); /* not the hub */
    snprintf(url, sizeof url, "http://127.0.0.1:%d/a/b/blob/main/w.safetensors", server.port[0]);
    assert_int_equal(pull(url, &r, &e), 0);
    assert_non_null(strstr(server.log, "GET /a/b/resolve/main/w.safetensors"));
    static const char *const bad[][2] = {
        {"nothing", "there is no short name 'nothing'"},
        {"pixelart-xl", "did you mean 'pixel-art-xl'"},
        {"a/../b", "is no owner/repo/file"},
        {"a/b/c d", "is no owner/repo/file"},
        {"a/b/.hidden.safetensors", "is no owner/repo/file"},
        {"a/b/x.ckpt", "is a pickle"},
        {"a/b/x.gguf", "only .safetensors"},
        {"http://example.com/x.safetensors", "only https is loaded from"},
        {"file:///etc/passwd", "is no URL"},
        {"ftp://example.com/x.safetensors", "only https"},
        {"https://u:p@example.com/x.safetensors", "a user or password"},
        {"https://example.com/x.ckpt", "is a pickle"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(pull(bad[i][0], &r, &e), -1);
        if (!strstr(e.text, bad[i][1]))
            fail_msg("%s said '%s'", bad[i][0], e.text);
    }
    setenv("SPRITTY_HUB", "http://huggingface.co", 1);
    assert_int_equal(pull("pixel-art-xl", &r, &e), -1);
    assert_non_null(strstr(e.text, "only https"));
    server_stop(&server);
}

/* ---- two at once, cancel, a thread ---- */

static void wait_for(const char *what, bool there)
{
    for (int i = 0; i < 24000 && is_there(what) != there; i++)
        usleep(5000);
    assert_int_equal(is_there(what), there);
}

static void two_at_once(void **state)
{
    (void)state;
    struct pull_result r;
    struct pull_progress now;
    struct err e = {""};
    begin(SLOW, 0);
    struct pull *first = pull_start("pixel-art-xl", &quick, &e);
    assert_non_null(first);
    wait_for("loras/pixel-art-xl.safetensors.part.tag", true);
    assert_int_equal(pull("pixel-art-xl", &r, &e), -1);
    assert_non_null(strstr(e.text, "by another spritty right now"));
    assert_true(pull_state(first, &now));
    assert_string_equal(now.file, name);
    atomic_store(&server.let_go, true);
    if (pull_end(first, &r, &e))
        fail_msg("%s", e.text);
    expect_file(name, file, SIZE);
    server_stop(&server);
    /* Cancelled: what is there stays, and the next one goes on. */
    begin(SLOW, 0);
    first = pull_start("pixel-art-xl", &quick, &e);
    wait_for("loras/pixel-art-xl.safetensors.part.tag", true);
    pull_cancel(first);
    assert_int_equal(pull_end(first, &r, &e), -1);
    assert_non_null(strstr(e.text, "cancelled; what was loaded stays"));
    assert_true(is_there("loras/pixel-art-xl.safetensors.part"));
    assert_false(is_there(name));
    atomic_store(&server.let_go, true);
    must_pull(&r);
    server_stop(&server);
}

/* Killed in the middle, again and again. */
static void killed(void **state)
{
    (void)state;
    struct pull_result r;
    begin(SLOW, 0);
    for (int i = 0; i < 5; i++) {
        pid_t child = fork();
        if (child == 0) {
            struct err e;
            pull("pixel-art-xl", &r, &e);
            _exit(0);
        }
        usleep(20000 + 15000 * (unsigned)i);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        assert_false(is_there(name));
    }
    atomic_store(&server.let_go, true);
    must_pull(&r);
    server_stop(&server);
}

/* Addresses that are signed for GET alone, as the hub sends us to. */
static void head_is_refused_elsewhere(void **state)
{
    (void)state;
    struct pull_result r;
    begin(REDIRECTS, 0);
    server.no_head_there = true;
    must_pull(&r);
    assert_false(r.unverified);
    assert_int_equal(server.tokens[1], 0);
    /* An address without a name, as model sites have: then the file's is that of where it leads. */
    struct err e;
    char url[100];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/download/models/5", server.port[0]);
    if (pull(url, &r, &e))
        fail_msg("%s\n%s", e.text, server.log);
    expect_file("loras/q.safetensors", file, SIZE);
    server_stop(&server);
}

/* The user's word on who needs no proxy holds beside our own. */
static void proxies(void **state)
{
    (void)state;
    char proxy[60];
    struct pull_result r;
    struct err e;
    for (int said = 0; said < 2; said++) {
        begin(PLAIN, 0);
        snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d", server.port[1]);
        setenv("https_proxy", proxy, 1);
        setenv("no_proxy", said ? "other.example,127.0.0.2" : "other.example", 1);
        setenv("SPRITTY_HUB", "https://127.0.0.2:9", 1);
        assert_int_equal(pull("pixel-art-xl", &r, &e), -1);
        assert_true((strstr(server.log, "CONNECT 127.0.0.2") != NULL) == !said);
        assert_int_equal(server.tokens[1], 0);
        unsetenv("https_proxy");
        unsetenv("no_proxy");
        server_stop(&server);
    }
}

/* Asked before a byte comes, and as they come: of a file whose length no one says, too. */
static void no_room(void **state)
{
    (void)state;
    static const struct {
        enum trick trick;
        const char *says;
    } cases[] = {{PLAIN, "MB free on that disk"}, {ENDLESS, "does not say how large"}};
    struct pull_options o = quick;
    o.spare = UINT64_MAX / 2;
    for (int i = 0; i < 2; i++) {
        struct pull_result r;
        struct err e;
        begin(cases[i].trick, 0);
        server.linked = cases[i].trick == ENDLESS ? NULL : hash;
        assert_int_equal(pull_run("pixel-art-xl", &o, &r, &e), -1);
        print_message("%s\n", e.text);
        assert_non_null(strstr(e.text, cases[i].says));
        assert_false(is_there(name));
        server_stop(&server);
    }
}

static void a_full_disk(void **state)
{
    (void)state;
    static const struct {
        int megabytes;
        enum trick trick;
        const char *says;
    } cases[] = {{4, PLAIN, "MB free on that disk"}, {40, ENDLESS, "does not say how much more"}};
    for (int i = 0; i < 2; i++) {
        struct pull_result r;
        struct err e;
        struct stat st;
        char command[300], part[300];
        begin(cases[i].trick, 0);
        server.linked = cases[i].trick == ENDLESS ? NULL : hash;
        snprintf(command, sizeof command,
                 "mkdir -p %s/spritty && mount -t tmpfs -o size=%dm tmpfs %s/spritty 2>/dev/null",
                 folder, cases[i].megabytes, folder);
        if (geteuid() != 0 || system(command)) {
            server_stop(&server);
            print_message("skipped: a small file system takes root to mount\n");
            skip();
        }
        int rc = pull("pixel-art-xl", &r, &e);
        path_of("loras/pixel-art-xl.safetensors.part", part);
        assert_int_equal(stat(part, &st), 0);
        snprintf(command, sizeof command, "umount %s/spritty", folder);
        assert_int_equal(system(command), 0);
        print_message("%s\n", e.text);
        assert_int_equal(rc, -1);
        assert_non_null(strstr(e.text, cases[i].says));
        assert_in_range(st.st_size, 0, 28 << 20);
        server_stop(&server);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain),
        cmocka_unit_test(an_older_record),
        cmocka_unit_test(goes_on_in_spite_of),
        cmocka_unit_test(refuses),
        cmocka_unit_test(wrong_hash),
        cmocka_unit_test(changes_between_parts),
        cmocka_unit_test(takes_up_what_is_there),
        cmocka_unit_test(redirects_keep_the_token),
        cmocka_unit_test(wrong_kinds),
        cmocka_unit_test(controlnets),
        cmocka_unit_test(names_and_addresses),
        cmocka_unit_test(two_at_once),
        cmocka_unit_test(killed),
        cmocka_unit_test(no_room),
        cmocka_unit_test(a_full_disk),
        cmocka_unit_test(head_is_refused_elsewhere),
        cmocka_unit_test(proxies),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
