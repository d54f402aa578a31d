/* The safetensors table: what it gives, and that no file gets past its checks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sdxl/safetensors.h"
#include "st_writer.h"

/* One line, naming the file, with `want` in it. */
static void check_error(const struct err *e, const char *want)
{
    if (!strstr(e->text, want) || strchr(e->text, '\n') || e->text[0] == '\0')
        fail_msg("error \"%s\" should say \"%s\"", e->text, want);
}

static void refuse(struct bytes b, const char *want)
{
    struct err e = {0};
    b.data = realloc(b.data, b.size); /* no slack, so that a sanitizer sees overreads */
    assert_non_null(b.data);
    struct safetensors *st = safetensors_parse(b.data, b.size, "evil.safetensors", &e);
    free(b.data);
    if (st)
        fail_msg("accepted, should say \"%s\"", want);
    check_error(&e, want);
    check_error(&e, "evil.safetensors");
}

static void test_table(void **state)
{
    (void)state;
    struct st_writer w = {0};
    float f[6] = {1, 2, 3, 4, 5, 6};
    uint16_t h[4] = {10, 11, 12, 13};
    int64_t ids[2] = {0, 1};
    st_add(&w, "b.weight", "F32", 2, (int64_t[]){2, 3}, f, sizeof f);
    st_add(&w, "b.bias", "F16", 1, (int64_t[]){4}, h, sizeof h);
    st_add(&w, "a.position_ids", "I64", 2, (int64_t[]){1, 2}, ids, sizeof ids);
    st_add(&w, "c.scalar", "BF16", 0, NULL, h, 2);
    st_add(&w, "c.empty", "F32", 1, (int64_t[]){0}, NULL, 0);
    st_add(&w, "c.new", "F4_X", 1, (int64_t[]){4}, NULL, 2);
    struct bytes b = st_finish(&w, -1);
    struct err e = {0};
    struct safetensors *st = safetensors_parse(b.data, b.size, "good", &e);
    assert_non_null(st);
    assert_int_equal(safetensors_count(st), 6);
    for (int i = 1; i < 6; i++)
        assert_true(strcmp(safetensors_at(st, i - 1)->name, safetensors_at(st, i)->name) < 0);

    const struct st_tensor *t = safetensors_find(st, "b.weight");
    assert_non_null(t);
    assert_true(t->is_weight && t->aligned && t->dtype == DT_F32);
    assert_int_equal(t->rank, 2);
    assert_int_equal(t->dim[0], 2);
    assert_int_equal(t->dim[1], 3);
    assert_memory_equal(t->data, f, sizeof f);
    t = safetensors_find(st, "b.bias");
    assert_true(t && t->is_weight && t->dtype == DT_F16);
    assert_memory_equal(t->data, h, sizeof h);
    /* kept for listing, never read as weights */
    const char *others[] = {"a.position_ids", "c.scalar", "c.empty", "c.new"};
    for (int i = 0; i < 4; i++)
        assert_true((t = safetensors_find(st, others[i])) != NULL && !t->is_weight);

    assert_null(safetensors_find(st, "b"));
    assert_null(safetensors_find(st, "zzz"));
    int first;
    assert_int_equal(safetensors_prefix(st, "b.", &first), 2);
    assert_string_equal(safetensors_at(st, first)->name, "b.bias");
    assert_int_equal(safetensors_prefix(st, "", NULL), 6);
    assert_int_equal(safetensors_prefix(st, "bb", NULL), 0);
    safetensors_close(st);
    free(b.data);
}

static void test_metadata_and_empty(void **state)
{
    (void)state;
    struct err e = {0};
    struct bytes b = st_file("{\"__metadata__\":{\"format\":\"pt\",\"n\":3}}", 0, NULL, 0);
    struct safetensors *st = safetensors_parse(b.data, b.size, "meta", &e);
    assert_non_null(st);
    assert_int_equal(safetensors_count(st), 0);
    assert_string_equal(safetensors_metadata(st, "format"), "pt");
    assert_null(safetensors_metadata(st, "n"));
    assert_null(safetensors_metadata(st, "absent"));
    assert_null(safetensors_find(st, "__metadata__"));
    safetensors_close(st);
    free(b.data);
}

/* A header of odd length puts every tensor at an odd address: flagged, not refused. */
static void test_misaligned(void **state)
{
    (void)state;
    for (int pad = 0; pad < 8; pad++) {
        struct st_writer w = {0};
        float f = 2.5f;
        st_add(&w, "x", "F32", 1, (int64_t[]){1}, &f, 4);
        struct bytes b = st_finish(&w, pad);
        struct err e = {0};
        struct safetensors *st = safetensors_parse(b.data, b.size, "odd", &e);
        assert_non_null(st);
        const struct st_tensor *t = safetensors_at(st, 0);
        assert_int_equal(t->aligned, (uintptr_t)t->data % 4 == 0);
        assert_memory_equal(t->data, &f, 4);
        safetensors_close(st);
        free(b.data);
    }
}

#define ENTRY(name, type, shape, from, to)                                                         \
    "\"" name "\":{\"dtype\":\"" type "\",\"shape\":" shape ",\"data_offsets\":[" #from "," #to "]}"

static void test_hostile_headers(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t data;
        const char *want;
    } cases[] = {
        {"{" ENTRY("a", "F32", "[2]", 0, 8) "," ENTRY("b", "F32", "[2]", 4, 12) "}", 12,
         "overlaps"},
        {"{" ENTRY("a", "F32", "[2]", 0, 8) "," ENTRY("b", "F32", "[2]", 0, 8) "}", 8, "overlaps"},
        {"{" ENTRY("a", "F32", "[1]", 0, 4) "," ENTRY("b", "F32", "[1]", 8, 12) "}", 12, "hole"},
        {"{" ENTRY("a", "F32", "[1]", 4, 8) "}", 8, "hole"},
        {"{" ENTRY("a", "F32", "[1]", 0, 4) "}", 8, "belong to no tensor"},
        {"{" ENTRY("a", "F32", "[2]", 0, 8) "}", 4, "cut short"},
        {"{" ENTRY("a", "F32", "[2]", 8, 0) "}", 8, "data_offsets"},
        {"{" ENTRY("a", "F32", "[2]", -8, 0) "}", 8, "data_offsets"},
        {"{" ENTRY("a", "F32", "[2]", 0.5, 8) "}", 8, "data_offsets"},
        {"{" ENTRY("a", "F32", "[2]", 0, 1e300) "}", 8, "data_offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}}", 8, "data_offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8,9]}}", 8, "data_offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, "data_offsets"},
        {"{" ENTRY("a", "F32", "[3]", 0, 8) "}", 8, "do not fill its 8 bytes; the file is damaged"},
        {"{" ENTRY("a", "F32", "[]", 0, 8) "}", 8, "do not fill"},
        {"{" ENTRY("a", "F16", "[1]", 0, 3) "}", 3, "do not fill"},
        {"{" ENTRY("a", "F32", "[4294967296,4294967296]", 0, 8) "}", 8, "impossibly large"},
        {"{" ENTRY("a", "F32", "[4611686018427387904]", 0, 8) "}", 8, "bad size"},
        {"{" ENTRY("a", "F32", "[-2]", 0, 8) "}", 8, "bad size"},
        {"{" ENTRY("a", "F32", "[1,1,1,1,1,1,1,1,2]", 0, 8) "}", 8, "more than 8 dim"},
        {"{" ENTRY("a", "F32", "{}", 0, 8) "}", 8, "no shape"},
        {"{" ENTRY("a", "A_VERY_LONG_DTYPE", "[2]", 0, 8) "}", 8, "dtype"},
        {"{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "dtype"},
        {"{\"a\":7}", 0, "shape"},
        {"{" ENTRY("a", "F32", "[0]", 0, 0) "," ENTRY("a", "F32", "[1]", 0, 4) "}", 4, "twice"},
        {"{" ENTRY("a\\u001b[2J", "F32", "[1]", 0, 4) "}", 4, "control characters"},
        {"{" ENTRY("a\\n", "F32", "[1]", 0, 4) "}", 4, "control characters"},
        {"{" ENTRY("a\xff", "F32", "[1]", 0, 4) "}", 4, "broken UTF-8"},
        {"{" ENTRY("a\\u0000b", "F32", "[1]", 0, 4) "}", 4, "u0000"},
        {"{" ENTRY("", "F32", "[1]", 0, 4) "}", 4, "name is 0 bytes"},
        {"[1,2]", 0, "not a JSON object"},
        {"{\"a\":", 0, "broken JSON"},
        {"{}{}", 0, "broken JSON"},
        {"{\"a\n\":1}", 0, "control character"},
        {"        ", 0, "broken JSON"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refuse(st_file(cases[i].header, 0, NULL, cases[i].data), cases[i].want);
}

static void test_hostile_lengths(void **state)
{
    (void)state;
    refuse(st_file("{}", 3, NULL, 0), "cut short");
    refuse(st_file("{}", 100 * 1000 * 1000, NULL, 0), "cut short");
    refuse(st_file("{}", 100 * 1000 * 1000 + 1, NULL, 0), "at most 100 MB");
    refuse(st_file("{}", UINT64_MAX, NULL, 0), "at most 100 MB");
    refuse(st_file("{}", UINT64_MAX - 7, NULL, 0), "at most 100 MB");
    refuse(st_file("{}", 1, NULL, 0), "too short");

    struct bytes deep = {0}; /* more levels than the parser may recurse */
    for (int i = 0; i < 100000; i++)
        bytes_add(&deep, "[", 1);
    bytes_add(&deep, "", 1);
    refuse(st_file((char *)deep.data, 0, NULL, 0), "nested too deep");
    free(deep.data);

    char *name = malloc(1001);
    struct st_writer w = {0};
    memset(name, 'x', 1000);
    name[501] = '\0';
    st_add(&w, name, "F32", 1, (int64_t[]){1}, NULL, 4);
    refuse(st_finish(&w, -1), "name is 501 bytes");
    free(name);
}

/* What people hand over instead. */
static void test_other_files(void **state)
{
    (void)state;
    static const struct {
        const char *head, *want;
        size_t len;
    } cases[] = {
        {"PK\x03\x04\x14\x00\x00\x00\x08\x00 archive/data.pkl", "pickle", 26},
        {"\x80\x02}q\x00(X\x05\x00\x00\x00", "pickle", 11},
        {"GGUF\x03\x00\x00\x00\x01\x00\x00\x00", "GGUF", 12},
        {"version https://git-lfs.github.com/spec/v1\n", "git lfs pull", 43},
        {"<!DOCTYPE html><html>", "web page", 21},
        {"{\"error\": \"no access\"}", "JSON file", 22},
        {"abc", "too short", 3},
        {"random bytes of no kind", "not a safetensors file", 23},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bytes b = {0};
        bytes_add(&b, cases[i].head, cases[i].len);
        refuse(b, cases[i].want);
    }
}

/* Every shorter version of a good file is refused. */
static void test_truncated(void **state)
{
    (void)state;
    struct st_writer w = {0};
    st_add(&w, "a", "F32", 2, (int64_t[]){2, 2}, NULL, 16);
    st_add(&w, "b", "F16", 1, (int64_t[]){3}, NULL, 6);
    struct bytes b = st_finish(&w, -1);
    for (size_t n = 0; n < b.size; n++) {
        struct err e = {0};
        unsigned char *cut = malloc(n + 1); /* exact size, so that a sanitizer sees overreads */
        memcpy(cut, b.data, n);
        unsigned char *tight = realloc(cut, n ? n : 1);
        struct safetensors *st = safetensors_parse(tight, n, "cut", &e);
        assert_null(st);
        check_error(&e, "cut");
        free(tight);
    }
    free(b.data);
}

static void test_files(void **state)
{
    (void)state;
    struct err e = {0};
    char dir[] = "/tmp/spritty_st_XXXXXX", path[64];
    assert_non_null(mkdtemp(dir));
    assert_null(safetensors_open("/nowhere/x.safetensors", &e));
    check_error(&e, "/nowhere/x.safetensors: cannot open: No such file");
    assert_null(safetensors_open(dir, &e));
    check_error(&e, "is a folder");
    snprintf(path, sizeof path, "%s/f", dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_null(safetensors_open(path, &e)); /* must not wait for a writer */
    check_error(&e, "not a regular file");
    unlink(path);
    bytes_save(&(struct bytes){0}, path);
    assert_null(safetensors_open(path, &e));
    check_error(&e, "is empty");

    struct st_writer w = {0};
    st_add(&w, "a", "F32", 1, (int64_t[]){2}, (float[]){7, 8}, 8);
    struct bytes b = st_finish(&w, -1);
    bytes_save(&b, path);
    free(b.data);
    struct safetensors *st = safetensors_open(path, &e);
    assert_non_null(st);
    const float *v = (const float *)(const void *)safetensors_at(st, 0)->data;
    safetensors_drop(st, v, 8);
    assert_true(v[0] == 7 && v[1] == 8);
    safetensors_close(st);
    unlink(path);
    rmdir(dir);
}

/* Of this thread alone: others may be busy. */
static double cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* SDXL has some 2,500 tensors; opening must not be felt (bound loose for sanitizers). */
static void test_speed(void **state)
{
    (void)state;
    struct st_writer w = {0};
    char name[128];
    for (int i = 0; i < 2600; i++) {
        snprintf(name, sizeof name,
                 "model.diffusion_model.input_blocks.%d.1.transformer_blocks.%d.attn1.to_q.weight",
                 i / 10, i % 10);
        st_add(&w, name, "F16", 2, (int64_t[]){2, 3}, NULL, 12);
    }
    struct bytes b = st_finish(&w, -1);
    struct err e = {0};
    double t0 = cpu_ms();
    struct safetensors *st = safetensors_parse(b.data, b.size, "big", &e);
    double t1 = cpu_ms();
    assert_non_null(st);
    for (int i = 0; i < 2600; i++)
        assert_non_null(safetensors_find(st, safetensors_at(st, i)->name));
    double t2 = cpu_ms();
    printf("2600 tensors: header of %zu bytes in %.2f ms, all found in %.2f ms (at most 300)\n",
           b.size - 2600 * 12, t1 - t0, t2 - t1);
    assert_true(t2 - t0 < 300);
    safetensors_close(st);
    free(b.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),           cmocka_unit_test(test_metadata_and_empty),
        cmocka_unit_test(test_misaligned),      cmocka_unit_test(test_hostile_headers),
        cmocka_unit_test(test_hostile_lengths), cmocka_unit_test(test_other_files),
        cmocka_unit_test(test_truncated),       cmocka_unit_test(test_files),
        cmocka_unit_test(test_speed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
