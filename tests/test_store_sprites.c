/*
 * Sprites in the store: what is known of each, the search, the trash.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>

#include "store_help.h"

/* How many sprites a search finds; both ways of counting must agree. */
static int found(struct store *s, const char *query)
{
    struct store_sprite *list;
    int total = -7, n = store_find_sprites(s, query, false, 0, 1000, &list, &total, &e);
    if (n < 0)
        fail_msg("'%.40s': %s", query, e.text);
    assert_int_equal(n, total);
    store_sprites_free(list, n);
    return n;
}

static void assert_sprite_at(struct store *s, int64_t id, const char *path, bool trashed)
{
    struct store_sprite *one = one_sprite(s, id);
    assert_string_equal(one->path, path);
    assert_int_equal(one->trashed > 0, trashed);
    store_sprites_free(one, 1);
}

/* -- sprites ------------------------------------------------------------------------------------
 */

static void sprites_are_kept_whole(void **state)
{
    (void)state;
    struct store *s = open_store();
    struct store_sprite in = {.job = add_job(s, "w"),
                              .index = 3,
                              .path = "/sprites/1.png",
                              .prompt = "pixel art of a slime",
                              .negative = "blurry",
                              .words = "a slime",
                              .preset = "pixel-art",
                              .settings = "steps = 4\n",
                              .model = "tiny",
                              .seed = UINT64_MAX - 1,
                              .width = 64,
                              .height = 48,
                              .colors = 12,
                              .steps = 20,
                              .cfg = 7.5,
                              .sampler = "euler",
                              .scheduler = "karras",
                              .ms_total = 1234.5,
                              .ms_step = 60.25,
                              .bytes_peak = 123456789,
                              .rating = 2,
                              .tags = "green, round"};
    OK(store_add_sprite(s, &in, &e));
    OK(store_rate(s, in.id, 5, &e));
    OK(store_tag(s, in.id, "blue, round", &e));
    s = reopen(s);
    struct store_sprite *out = one_sprite(s, in.id);
    assert_int_equal(out->id, in.id);
    assert_int_equal(out->job, in.job);
    assert_int_equal(out->index, 3);
    assert_string_equal(out->path, in.path);
    assert_true(out->created == in.created);
    assert_string_equal(out->prompt, in.prompt);
    assert_string_equal(out->negative, in.negative);
    assert_string_equal(out->words, in.words);
    assert_string_equal(out->preset, in.preset);
    assert_string_equal(out->settings, in.settings);
    assert_string_equal(out->model, in.model);
    assert_true(out->seed == UINT64_MAX - 1);
    assert_true(out->width == 64 && out->height == 48 && out->colors == 12 && out->steps == 20);
    assert_true(out->cfg == 7.5 && out->ms_total == 1234.5 && out->ms_step == 60.25);
    assert_string_equal(out->sampler, in.sampler);
    assert_string_equal(out->scheduler, in.scheduler);
    assert_true(out->bytes_peak == 123456789);
    assert_int_equal(out->rating, 5);
    assert_string_equal(out->tags, "blue, round");
    assert_true(out->trashed == 0);
    store_sprites_free(out, 1);
    assert_int_equal(store_sprite(s, 999, &out, &e), 0);
    assert_int_equal(store_rate(s, 999, 1, &e), -1);
    assert_int_equal(store_tag(s, 999, "", &e), -1);
    assert_non_null(strstr(e.text, "no sprite 999"));
    in.job = 999; /* a sprite of no job is a mistake, one without a job is not */
    assert_int_equal(store_add_sprite(s, &in, &e), -1);
    store_close(s);
}

static void sprites_of_a_job(void **state)
{
    (void)state;
    struct store *s = open_store();
    int64_t job = add_job(s, "w");
    for (int i = 2; i >= 0; i--) {
        struct store_sprite one = {.job = job, .index = i};
        OK(store_add_sprite(s, &one, &e));
    }
    add_sprite(s, "p", "other", "");
    struct store_sprite *list;
    assert_int_equal(OK(store_job_sprites(s, job, &list, &e)), 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(list[i].index, i);
    store_sprites_free(list, 3);
    store_close(s);
}

static void search_finds_words(void **state)
{
    (void)state;
    struct store *s = open_store();
    add_sprite(s, "1", "a green slime with a crown", "boss");
    int64_t two = add_sprite(s, "2", "a red knight, pixel-art, Ch\xc3\xa2teau", "");
    add_sprite(s, "3", "\xe7\xb7\x91\xe3\x81\xae\xe3\x82\xb9\xe3\x83\xa9\xe3\x82\xa4\xe3\x83\xa0",
               "");
    struct store_sprite neg = {.prompt = "x", .negative = "watermark, text"};
    OK(store_add_sprite(s, &neg, &e));
    assert_int_equal(found(s, ""), 4);
    assert_int_equal(found(s, "  \t\n"), 4);
    assert_int_equal(found(s, "slime"), 1);
    assert_int_equal(found(s, "SLI"), 1);
    assert_int_equal(found(s, "lime"), 0);
    assert_int_equal(found(s, "crown green"), 1); /* any order, all of them */
    assert_int_equal(found(s, "green boss"), 1);  /* over columns */
    assert_int_equal(found(s, "green knight"), 0);
    assert_int_equal(found(s, "chateau"), 1);
    assert_int_equal(found(s, "pixel-art"), 1);
    assert_int_equal(found(s, "art-pixel"), 0);
    assert_int_equal(found(s, "watermark"), 1);
    assert_int_equal(found(s, "\xe7\xb7\x91"), 1);
    assert_int_equal(found(s, "slime\xe3\x80\x80green"), 1); /* the wide space */
    assert_int_equal(found(s, "slime -"), 1);
    OK(store_tag(s, two, "hero", &e));
    assert_int_equal(found(s, "hero"), 1);
    OK(store_tag(s, two, NULL, &e));
    assert_int_equal(found(s, "hero"), 0);
    s = reopen(s);
    assert_int_equal(found(s, "knight"), 1);
    store_close(s);
}

static void stars_are_the_least_rating(void **state)
{
    (void)state;
    struct store *s = open_store();
    int64_t one = add_sprite(s, "1", "a green slime", ""), two = add_sprite(s, "2", "a slime", "");
    add_sprite(s, "3", "a knight", "");
    OK(store_rate(s, one, 3, &e));
    OK(store_rate(s, two, 5, &e));
    assert_int_equal(found(s, "*"), 2);
    assert_int_equal(found(s, "***"), 2);
    assert_int_equal(found(s, "****"), 1);
    assert_int_equal(found(s, "*** green"), 1);
    assert_int_equal(found(s, "slime *****"), 1);
    assert_int_equal(found(s, "** ****"), 1); /* the most stars */
    assert_int_equal(found(s, "******"), 0);  /* a word */
    store_close(s);
}

static void pages_are_newest_first(void **state)
{
    (void)state;
    struct store *s = open_store();
    char words[32];
    for (int i = 0; i < 40; i++) {
        snprintf(words, sizeof words, "%s %d", i % 2 ? "odd" : "even", i);
        add_sprite(s, "p", words, "");
    }
    struct store_sprite *list;
    int total;
    assert_int_equal(store_find_sprites(s, "odd", false, 5, 10, &list, &total, &e), 10);
    assert_int_equal(total, 20);
    assert_string_equal(list[0].prompt, "odd 29");
    assert_string_equal(list[9].prompt, "odd 11");
    store_sprites_free(list, 10);
    assert_int_equal(store_find_sprites(s, "", false, 38, 10, &list, NULL, &e), 2);
    assert_string_equal(list[1].prompt, "even 0");
    store_sprites_free(list, 2);
    assert_int_equal(store_find_sprites(s, "", false, 99, 10, &list, &total, &e), 0);
    assert_int_equal(total, 40);
    store_close(s);
}

/* No text is an error, whatever FTS5 would make of it. */
static void hostile_searches(void **state)
{
    (void)state;
    static const char texts[] =
        "\"\n\"\"\n\"\"\"\n'\n*\na*\n*a\n^a\na:b\nprompt:a\n{prompt}:a\n(a\na)\nNEAR(a b)\n"
        "a AND\nOR\nNOT a\na NOT b\n-a\n- -\n+\na+b\n\\\n%\n_\n;--\n/**/\n?1\n:x\n@x\n"
        "\x01\x02\x7f\n\xff\xfe\n\xf0\x9f\n\xf0\x9f\x90\xb8\n\xf0\x9f\x90\xb8 slime\n"
        "\xe6\x97\xa5\xe6\x9c\xac\n\xcc\x81\n!!! ??? ...\n\xe3\x80\x80\n\xe2\x80\x8b\n"
        "a\"b c\"d\nsprite_text\nrank MATCH\n";
    struct store *s = open_store();
    add_sprite(s, "p", "a slime AND b NEAR prompt", "OR NOT");
    char one[64];
    for (const char *p = texts; *p; p += strcspn(p, "\n") + 1) {
        snprintf(one, sizeof one, "%.*s", (int)strcspn(p, "\n"), p);
        found(s, one);
    }
    assert_int_equal(found(s, "AND"), 1);
    assert_int_equal(found(s, "\xf0\x9f\x90\xb8 slime"), 1);
    assert_int_equal(found(s, "slime OR"), 1);
    assert_int_equal(found(s, "NOT slime"), 1);

    enum { LONG = 100 << 10 };
    char *text = malloc(LONG + 1);
    static const char *const parts[] = {"a", "a ", "\"", "\" ", "\xf0\x9f\x90\xb8", "a,", "\xe6"};
    for (int i = 0; i < 7; i++) {
        size_t n = strlen(parts[i]);
        for (size_t at = 0; at < LONG; at++)
            text[at] = parts[i][at % n];
        text[LONG] = '\0';
        for (size_t cut = 0; cut < 8; cut++) /* every place in a character */
            found(s, text + cut);
    }
    free(text);
    store_close(s);
}

/* -- trash --------------------------------------------------------------------------------------
 */

static int64_t add_file(struct store *s, const char *name)
{
    write_file(in_folder(name), name);
    return add_sprite(s, in_folder(name), name, "");
}

static void trash_and_back(void **state)
{
    (void)state;
    struct store *s = open_store();
    int64_t a = add_file(s, "a.png"), b = add_file(s, "b.png");
    OK(store_trash(s, a, &e));
    OK(store_trash(s, a, &e)); /* twice is once */
    assert_sprite_at(s, a, in_folder("trash/a.png"), true);
    assert_file(in_folder("trash/a.png"), "a.png");
    assert_false(is_there(in_folder("a.png")));
    assert_int_equal(found(s, ""), 1);
    assert_int_equal(found(s, "a.png"), 0);
    struct store_sprite *list;
    int total;
    assert_int_equal(store_find_sprites(s, "", true, 0, 9, &list, &total, &e), 1);
    assert_int_equal(total, 1);
    assert_int_equal(list->id, a);
    store_sprites_free(list, 1);
    assert_int_equal(store_find_sprites(s, "png", true, 0, 9, &list, &total, &e), 1);
    store_sprites_free(list, 1);
    s = reopen(s);
    OK(store_untrash(s, a, &e));
    OK(store_untrash(s, a, &e));
    OK(store_untrash(s, b, &e));
    assert_sprite_at(s, a, in_folder("a.png"), false);
    assert_sprite_at(s, b, in_folder("b.png"), false);
    assert_file(in_folder("a.png"), "a.png");
    assert_int_equal(found(s, ""), 2);
    assert_int_equal(store_trash(s, 999, &e), -1);
    assert_int_equal(store_untrash(s, 999, &e), -1);
    store_close(s);
}

static void trash_never_overwrites(void **state)
{
    (void)state;
    struct store *s = open_store();
    int64_t id[3];
    for (int i = 0; i < 3; i++) {
        id[i] = add_file(s, "x.y.png");
        OK(store_trash(s, id[i], &e));
    }
    assert_sprite_at(s, id[0], in_folder("trash/x.y.png"), true);
    assert_sprite_at(s, id[1], in_folder("trash/x.y-2.png"), true);
    assert_sprite_at(s, id[2], in_folder("trash/x.y-3.png"), true);
    write_file(in_folder("x.y.png"), "a new one");
    OK(store_untrash(s, id[0], &e));
    assert_sprite_at(s, id[0], in_folder("x.y-2.png"), false);
    assert_file(in_folder("x.y.png"), "a new one");
    assert_file(in_folder("x.y-2.png"), "x.y.png");
    store_close(s);
}

/* A name in the trash stays its row's own, though the file was thrown away by hand. */
static void gone_files_are_no_error(void **state)
{
    (void)state;
    struct store *s = open_store();
    int64_t a = add_file(s, "a.png");
    assert_int_equal(remove(in_folder("a.png")), 0);
    OK(store_trash(s, a, &e));
    assert_sprite_at(s, a, in_folder("a.png"), true);
    OK(store_untrash(s, a, &e));
    assert_sprite_at(s, a, in_folder("a.png"), false);
    int64_t b = add_file(s, "b.png");
    OK(store_trash(s, b, &e));
    assert_int_equal(remove(in_folder("trash/b.png")), 0);
    int64_t c = add_file(s, "b.png");
    OK(store_trash(s, c, &e));
    assert_sprite_at(s, c, in_folder("trash/b-2.png"), true);
    OK(store_untrash(s, b, &e));
    assert_false(is_there(in_folder("b.png"))); /* not c's file */
    OK(store_untrash(s, c, &e));
    assert_sprite_at(s, c, in_folder("b-2.png"), false);
    store_close(s);
}

static void trash_that_cannot_be(void **state)
{
    (void)state;
    struct store *s = open_store();
    int64_t a = add_file(s, "a.png");
    write_file(in_folder("trash"), "a file where the folder should be");
    assert_int_equal(store_trash(s, a, &e), -1);
    assert_non_null(strstr(e.text, "trash"));
    assert_sprite_at(s, a, in_folder("a.png"), false);
    assert_string_equal(raw("SELECT count(*) FROM sprites WHERE moving IS NOT NULL"), "0");
    store_close(s);
}

/* Killed after the row was written, before or after the file was moved. */
static void halved_moves_are_ended(void **state)
{
    (void)state;
    struct store *s = open_store();
    int64_t a = add_file(s, "a.png"), b = add_file(s, "b.png"), c = add_file(s, "c.png");
    int64_t d = add_file(s, "d.png"), x = add_file(s, "evil.png");
    OK(store_trash(s, c, &e));
    char sql[1024];
    store_close(s);
    static const char to_trash[] = "UPDATE sprites SET moving = path, trashed = 5, path ="
                                   " replace(path, '%s.png', 'trash/%s.png') WHERE id = %d";
    for (int i = 0; i < 2; i++) {
        const char *name = i ? "b" : "a";
        snprintf(sql, sizeof sql, to_trash, name, name, (int)(i ? b : a));
        raw(sql);
    }
    assert_int_equal(rename(in_folder("b.png"), in_folder("trash/b.png")), 0);
    snprintf(sql, sizeof sql,
             "UPDATE sprites SET moving = path, trashed = 0, path = replace(path, 'trash/', '')"
             " WHERE id = %d",
             (int)c);
    raw(sql);
    snprintf(sql, sizeof sql, to_trash, "d", "d", (int)d); /* its new name was taken meanwhile */
    raw(sql);
    write_file(in_folder("trash/d.png"), "someone else");
    snprintf(sql, sizeof sql, "UPDATE sprites SET moving = path, path = '%s' WHERE id = %d",
             in_folder("elsewhere.png"), (int)x);
    raw(sql);

    s = open_store();
    assert_sprite_at(s, a, in_folder("trash/a.png"), true);
    assert_sprite_at(s, b, in_folder("trash/b.png"), true);
    assert_sprite_at(s, c, in_folder("c.png"), false);
    assert_sprite_at(s, d, in_folder("d.png"), false);
    assert_file(in_folder("trash/a.png"), "a.png");
    assert_file(in_folder("trash/b.png"), "b.png");
    assert_file(in_folder("c.png"), "c.png");
    assert_file(in_folder("d.png"), "d.png");
    assert_file(in_folder("trash/d.png"), "someone else");
    assert_file(in_folder("evil.png"), "evil.png"); /* no rename to just anywhere */
    assert_string_equal(raw("SELECT count(*) FROM sprites WHERE moving IS NOT NULL"), "0");
    store_close(s);
}

/* A database that was lost counted the same jobs: what they made stays, a job's own is written
 * again. */
static void names_are_nobody_elses(void **state)
{
    (void)state;
    struct store *s = open_store();
    struct store_job job = {.words = "w", .settings = "", .label = ""};
    char path[PATH_MAX];
    OK(store_add_job(s, &job, &e));
    const char *wanted = in_folder("sprite-1-0-7.png");
    assert_true(store_sprite_path(s, job.id, wanted, path));
    assert_string_equal(path, wanted);
    write_file(wanted, "written by this job, which was killed before it had a row");
    assert_true(store_sprite_path(s, job.id, wanted, path));
    assert_string_equal(path, wanted);
    struct timespec before[2] = {{.tv_sec = (time_t)job.created - 60},
                                 {.tv_sec = (time_t)job.created - 60}};
    assert_int_equal(utimensat(AT_FDCWD, wanted, before, 0), 0);
    assert_true(store_sprite_path(s, job.id, wanted, path));
    assert_string_equal(path, in_folder("sprite-1-0-7-2.png"));
    struct store_sprite row = {.job = job.id,
                               .path = (char *)(uintptr_t)wanted,
                               .prompt = "",
                               .negative = "",
                               .words = "",
                               .preset = "",
                               .settings = "",
                               .model = ""};
    OK(store_add_sprite(s, &row, &e));
    assert_true(store_sprite_path(s, job.id, wanted, path));
    assert_string_equal(path, wanted);
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sprites_are_kept_whole),
        TEST(sprites_of_a_job),
        TEST(search_finds_words),
        TEST(pages_are_newest_first),
        TEST(stars_are_the_least_rating),
        TEST(hostile_searches),
        TEST(trash_and_back),
        TEST(trash_never_overwrites),
        TEST(gone_files_are_no_error),
        TEST(trash_that_cannot_be),
        TEST(halved_moves_are_ended),
        TEST(names_are_nobody_elses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
