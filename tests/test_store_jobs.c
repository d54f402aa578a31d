/*
 * Jobs and their queue, prompt history, comparisons and their votes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "store_help.h"

/* -- jobs ---------------------------------------------------------------------------------------
 */

/* Thousands of jobs that are forgotten take no more room than some do. */
static void forgotten_jobs_leave_nothing(void **state)
{
    (void)state;
    struct store *s = open_store();
    struct store_sprite *list;
    struct stat st;
    off_t size = 0;
    char words[2000];
    memset(words, 'w', sizeof words);
    words[sizeof words - 1] = '\0';
    int64_t kept = add_job(s, "another job");
    for (int i = 0; i < 400; i++) {
        int64_t id = add_job(s, words);
        struct store_sprite sprite = {.job = id, .path = "p", .prompt = words};
        OK(store_add_sprite(s, &sprite, &e));
        OK(store_forget_job(s, id, &e));
        assert_int_equal(OK(store_job_sprites(s, id, &list, &e)), 0);
        if (i == 100) {
            s = reopen(s);
            assert_int_equal(stat(in_folder("store.db"), &st), 0);
            size = st.st_size;
        }
    }
    OK(store_forget_job(s, 12345, &e)); /* nothing */
    assert_int_equal(OK(store_find_sprites(s, "", false, 0, 9, &list, NULL, &e)), 0);
    OK(store_set_job_state(s, kept, JOB_DONE, NULL, &e));
    store_close(s);
    assert_int_equal(stat(in_folder("store.db"), &st), 0);
    assert_in_range(st.st_size, 1, size + 40000);
}

static void jobs_are_kept_whole(void **state)
{
    (void)state;
    struct store *s = open_store();
    struct store_run run = {.words = "w", .rows = 2, .cols = 2};
    OK(store_add_run(s, &run, &e));
    struct store_job in = {.run = run.id,
                           .row = 1,
                           .col = 2,
                           .state = JOB_FAILED,
                           .words = "a knight, 'quoted' \"twice\"",
                           .preset = "pixel-art",
                           .settings = "steps = 20\ncfg = 7\n",
                           .label = "cfg 7, steps 20"};
    OK(store_add_job(s, &in, &e));
    assert_int_equal(in.state, JOB_QUEUED);
    assert_true(in.created > 1e9);
    in.ms_total = 1, in.ms_load = 2, in.ms_text = 3, in.ms_sample = 4, in.ms_decode = 5;
    in.ms_finish = 6.5, in.ms_save = 7.25, in.ms_step = NAN, in.bytes_peak = (size_t)5 << 32;
    OK(store_finish_job(s, &in, &e));
    s = reopen(s);
    struct store_job *out;
    assert_int_equal(OK(store_run_jobs(s, run.id, &out, &e)), 1);
    assert_int_equal(out->id, in.id);
    assert_int_equal(out->run, run.id);
    assert_int_equal(out->row, 1);
    assert_int_equal(out->col, 2);
    assert_int_equal(out->state, JOB_DONE);
    assert_true(out->created == in.created);
    assert_string_equal(out->words, in.words);
    assert_string_equal(out->preset, in.preset);
    assert_string_equal(out->settings, in.settings);
    assert_string_equal(out->label, in.label);
    assert_null(out->error);
    assert_true(out->ms_total == 1 && out->ms_load == 2 && out->ms_text == 3);
    assert_true(out->ms_sample == 4 && out->ms_decode == 5 && out->ms_finish == 6.5);
    assert_true(out->ms_save == 7.25 && out->ms_step == 0); /* NaN is not known */
    assert_true(out->bytes_peak == (size_t)5 << 32);
    store_jobs_free(out, 1);
    assert_int_equal(store_run_jobs(s, 999, &out, &e), 0);
    store_close(s);
}

static void the_queue_keeps_its_order(void **state)
{
    (void)state;
    struct store *s = open_store();
    int64_t a = add_job(s, "a"), b = add_job(s, "b"), c = add_job(s, "c"), d = add_job(s, "d");
    assert_string_equal(queue(s), "a b c d");
    OK(store_move_job(s, d, b, &e));
    assert_string_equal(queue(s), "a d b c");
    OK(store_move_job(s, a, 0, &e));
    assert_string_equal(queue(s), "d b c a");
    OK(store_move_job(s, c, c, &e));
    OK(store_move_job(s, c, d, &e));
    assert_string_equal(queue(s), "c d b a");
    s = reopen(s);
    assert_string_equal(queue(s), "c d b a");
    OK(store_set_job_state(s, b, JOB_RUNNING, NULL, &e));
    assert_string_equal(queue(s), "b* c d a"); /* what runs comes first */
    OK(store_move_job(s, a, c, &e));
    assert_string_equal(queue(s), "b* a c d");

    assert_int_equal(store_move_job(s, b, a, &e), -1); /* it runs */
    OK(store_set_job_state(s, c, JOB_CANCELLED, NULL, &e));
    assert_int_equal(store_move_job(s, a, c, &e), -1); /* c has left */
    assert_non_null(strstr(e.text, "left the queue"));
    assert_int_equal(store_move_job(s, c, a, &e), -1);
    assert_int_equal(store_move_job(s, 999, a, &e), -1);
    assert_string_equal(queue(s), "b* a d");
    add_job(s, "e");
    OK(store_set_job_state(s, c, JOB_QUEUED, NULL, &e)); /* again: at the end */
    assert_string_equal(queue(s), "b* a d e c");
    assert_int_equal(store_set_job_state(s, 999, JOB_DONE, NULL, &e), -1);
    assert_int_equal(store_finish_job(s, &(struct store_job){.id = 999}, &e), -1);
    assert_non_null(strstr(e.text, "no job 999"));
    store_close(s);
}

static void past_jobs_newest_first(void **state)
{
    (void)state;
    struct store *s = open_store();
    int64_t a = add_job(s, "a"), b = add_job(s, "b"), c = add_job(s, "c");
    add_job(s, "d");
    OK(store_set_job_state(s, b, JOB_FAILED, "the disk is full", &e));
    OK(store_finish_job(s, &(struct store_job){.id = c}, &e));
    OK(store_set_job_state(s, a, JOB_CANCELLED, NULL, &e));
    struct store_job *list;
    assert_int_equal(OK(store_past_jobs(s, 9, &list, &e)), 3);
    assert_string_equal(list[0].words, "a");
    assert_int_equal(list[0].state, JOB_CANCELLED);
    assert_string_equal(list[1].words, "c");
    assert_int_equal(list[1].state, JOB_DONE);
    assert_string_equal(list[2].words, "b");
    assert_int_equal(list[2].state, JOB_FAILED);
    assert_string_equal(list[2].error, "the disk is full");
    assert_null(list[0].error);
    store_jobs_free(list, 3);
    assert_int_equal(OK(store_past_jobs(s, 2, &list, &e)), 2);
    store_jobs_free(list, 2);
    assert_int_equal(OK(store_past_jobs(s, 0, &list, &e)), 0);
    store_close(s);
}

static void running_jobs_are_recovered_to_the_front(void **state)
{
    (void)state;
    struct store *s = open_store();
    assert_int_equal(store_recover(s, &e), 0);
    int64_t a = add_job(s, "a");
    add_job(s, "b");
    int64_t c = add_job(s, "c"), d = add_job(s, "d");
    OK(store_finish_job(s, &(struct store_job){.id = a}, &e));
    OK(store_set_job_state(s, d, JOB_RUNNING, NULL, &e));
    OK(store_set_job_state(s, c, JOB_RUNNING, NULL, &e));
    s = reopen(s);
    assert_int_equal(store_recover(s, &e), 2);
    assert_string_equal(queue(s), "c d b");
    assert_int_equal(store_recover(s, &e), 0);
    add_job(s, "e");
    assert_string_equal(queue(s), "c d b e");
    store_close(s);
}

/* States, numbers and blobs that no spritty wrote. */
static void hostile_rows_are_read_tamely(void **state)
{
    (void)state;
    struct store *s = open_store();
    add_job(s, "a");
    int64_t one = add_sprite(s, "p", "q", NULL);
    store_close(s);
    raw("UPDATE jobs SET state = -5, [row] = 1e300, col = 'x', words = x'ff00fe', bytes_peak = -1");
    raw("INSERT INTO jobs (position, state) VALUES (1, 99), (2, 'text')");
    raw("UPDATE sprites SET rating = 1 << 40, prompt = NULL, path = 77, trashed = 'no'");
    s = open_store();
    struct store_job *list;
    int n = OK(store_queue(s, &list, &e));
    for (int i = 0; i < n; i++)
        assert_in_range(list[i].state, JOB_QUEUED, JOB_CANCELLED);
    store_jobs_free(list, n);
    n = OK(store_past_jobs(s, 10, &list, &e));
    assert_int_equal(n, 2);
    for (int i = 0; i < n; i++)
        assert_in_range(list[i].state, JOB_QUEUED, JOB_CANCELLED);
    store_jobs_free(list, n);
    struct store_sprite *sprite = one_sprite(s, one);
    assert_in_range(sprite->rating, 0, 5);
    assert_string_equal(sprite->prompt, "");
    assert_string_equal(sprite->path, "77");
    store_sprites_free(sprite, 1);
    store_close(s);
}

/* -- history ------------------------------------------------------------------------------------
 */

static void history_moves_to_the_front(void **state)
{
    (void)state;
    struct store *s = open_store();
    OK(store_remember(s, "a Slime", "blurry", &e));
    OK(store_remember(s, "100% gold_coin", "", &e));
    OK(store_remember(s, "a Slime", NULL, &e));
    OK(store_remember(s, "a Slime", "blurry", &e));
    s = reopen(s);
    struct store_prompt *list;
    assert_int_equal(OK(store_history(s, "", 9, &list, &e)), 3);
    assert_string_equal(list[0].words, "a Slime");
    assert_string_equal(list[0].negative, "blurry");
    assert_true(list[0].used > 1e9);
    assert_string_equal(list[1].negative, "");
    assert_string_equal(list[2].words, "100% gold_coin");
    store_prompts_free(list, 3);
    static const struct {
        const char *query;
        int count;
    } cases[] = {{"sLIM", 2}, {"%", 1}, {"_", 1}, {"d_c", 1}, {"100%g", 0}, {"'", 0}, {"\\", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(OK(store_history(s, cases[i].query, 9, &list, &e)), cases[i].count);
        store_prompts_free(list, cases[i].count);
    }
    assert_int_equal(OK(store_history(s, "", 1, &list, &e)), 1);
    store_prompts_free(list, 1);
    char *text = malloc(100001);
    memset(text, '%', 100000);
    text[100000] = '\0';
    assert_int_equal(OK(store_history(s, text, 9, &list, &e)), 0);
    free(text);
    store_close(s);
}

static void history_has_a_bound(void **state)
{
    (void)state;
    struct store *s = open_store();
    OK(store_remember(s, "the first", "", &e));
    raw("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)"
        " INSERT INTO prompts (words, negative, used) SELECT 'w' || i, '', 1 FROM n");
    struct store_prompt *list;
    int n = OK(store_history(s, "", 20000, &list, &e));
    assert_int_equal(n, 10000);
    store_prompts_free(list, n);
    OK(store_remember(s, "one more", "", &e));
    n = OK(store_history(s, "", 20000, &list, &e));
    assert_int_equal(n, 10000);
    assert_string_equal(list[0].words, "one more");
    assert_string_equal(list[n - 1].words, "w1");
    store_prompts_free(list, n);
    store_close(s);
}

/* -- comparisons --------------------------------------------------------------------------------
 */

static int64_t add_cell(struct store *s, int64_t run, int row, int col, const char *label)
{
    struct store_job job = {.run = run,
                            .row = row,
                            .col = col,
                            .words = "w",
                            .preset = "=2+3",
                            .label = (char *)label,
                            .bytes_peak = 1};
    OK(store_add_job(s, &job, &e));
    job.ms_total = 1234.56;
    OK(store_finish_job(s, &job, &e));
    return job.id;
}

static void votes_are_kept(void **state)
{
    (void)state;
    struct store *s = open_store();
    struct store_run run = {
        .words = "w", .negative = "n", .seed = UINT64_MAX, .rows = 2, .cols = 1};
    run.title = "draft | fine";
    OK(store_add_run(s, &run, &e));
    int64_t b = add_cell(s, run.id, 1, 0, "fine"), a = add_cell(s, run.id, 0, 0, "draft");
    int64_t other = add_job(s, "other");
    struct store_job *jobs;
    assert_int_equal(OK(store_run_jobs(s, run.id, &jobs, &e)), 2);
    assert_int_equal(jobs[0].id, a); /* by row, not by age */
    store_jobs_free(jobs, 2);
    OK(store_vote(s, run.id, a, &e));
    OK(store_vote(s, run.id, b, &e));
    assert_int_equal(store_vote(s, run.id, other, &e), -1);
    assert_int_equal(store_vote(s, run.id, 999, &e), -1);
    assert_int_equal(store_vote(s, 999, 0, &e), -1);
    struct store_run second = {.words = "later", .rows = 1, .cols = 1}, *list;
    struct store_run damaged = {.words = "no cells", .rows = 3};
    OK(store_add_run(s, &second, &e));
    OK(store_add_run(s, &damaged, &e)); /* is not listed */
    s = reopen(s);
    assert_int_equal(OK(store_runs(s, 9, &list, &e)), 2);
    assert_string_equal(list[0].words, "later");
    assert_int_equal(list[0].winner, 0);
    assert_int_equal(list[1].id, run.id);
    assert_int_equal(list[1].winner, b);
    assert_true(list[1].seed == UINT64_MAX && list[1].created == run.created);
    assert_int_equal(list[1].rows, 2);
    assert_int_equal(list[1].cols, 1);
    assert_string_equal(list[1].words, "w");
    assert_string_equal(list[1].negative, "n");
    assert_string_equal(list[1].title, "draft | fine");
    store_runs_free(list, 2);
    OK(store_vote(s, run.id, 0, &e));
    assert_int_equal(OK(store_runs(s, 9, &list, &e)), 2);
    assert_int_equal(list[1].winner, 0);
    store_runs_free(list, 2);
    store_close(s);
}

/* One field of RFC 4180; returns what stands behind it: ',', '\r' or '\0'. */
static const char *read_field(const char *p, char *out)
{
    if (*p != '"') {
        while (*p && *p != ',' && *p != '\r')
            *out++ = *p++;
    } else {
        for (p++; *p && (*p != '"' || p[1] == '"'); p++) {
            *out++ = *p;
            p += *p == '"';
        }
        assert_int_equal(*p++, '"');
    }
    *out = '\0';
    return p;
}

static void votes_as_csv(void **state)
{
    (void)state;
    enum { FIELDS = 18 };
    struct store *s = open_store();
    char *csv = store_votes_csv(s, &e), field[3][FIELDS][512];
    assert_non_null(strstr(csv, "date,prompt,"));
    assert_string_equal(strchr(csv, '\r'), "\r\n"); /* the head alone */
    free(csv);
    struct store_run run = {.words = "=HYPERLINK(\"http://x\"),\r\nnext \"line\"",
                            .negative = "-1, plain",
                            .seed = UINT64_MAX,
                            .title = "cfg by steps"};
    for (int i = 0; i < 2; i++) {
        OK(store_add_run(s, &run, &e));
        int64_t win = add_cell(s, run.id, 0, 0, i ? "plain" : "@cfg 7, steps 20");
        add_cell(s, run.id, 0, 1, "cfg 9");
        add_cell(s, run.id, 0, 2, "cfg 11");
        struct store_sprite sprite = {.job = win, .path = "/a b/\xc3\xa4.png"};
        OK(store_add_sprite(s, &sprite, &e));
        OK(store_vote(s, run.id, win, &e));
        run.words = "plain";
    }
    OK(store_add_run(s, &run, &e)); /* without a vote: not in it */
    csv = store_votes_csv(s, &e);
    assert_non_null(csv);
    const char *p = csv;
    for (int row = 0; row < 3; row++) {
        for (int i = 0; i < FIELDS; i++) {
            p = read_field(p, field[row][i]);
            if (i + 1 < FIELDS)
                assert_int_equal(*p++, ',');
        }
        assert_memory_equal(p, "\r\n", 2);
        p += 2;
    }
    assert_int_equal(*p, '\0');
    free(csv);
    assert_int_equal(strlen(field[1][0]), 20);
    assert_true(field[1][0][10] == 'T' && field[1][0][19] == 'Z');
    assert_string_equal(field[1][1], "'=HYPERLINK(\"http://x\"),\r\nnext \"line\"");
    assert_string_equal(field[2][1], "plain");
    assert_string_equal(field[1][2], "'-1, plain");
    assert_string_equal(field[1][3], "18446744073709551615");
    assert_string_equal(field[1][4], "cfg by steps");
    assert_string_equal(field[1][5], "'@cfg 7, steps 20");
    assert_string_equal(field[2][5], "plain");
    assert_string_equal(field[1][6], "'=2+3");
    assert_string_equal(field[1][7], "1234.6");
    assert_string_equal(field[1][15], "1");
    assert_string_equal(field[1][16], "/a b/\xc3\xa4.png");
    assert_string_equal(field[1][17], "cfg 9 | cfg 11");
    assert_string_equal(field[0][17], "losers");
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(jobs_are_kept_whole),
        TEST(forgotten_jobs_leave_nothing),
        TEST(the_queue_keeps_its_order),
        TEST(past_jobs_newest_first),
        TEST(running_jobs_are_recovered_to_the_front),
        TEST(hostile_rows_are_read_tamely),
        TEST(history_moves_to_the_front),
        TEST(history_has_a_bound),
        TEST(votes_are_kept),
        TEST(votes_as_csv),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
