/*
 * The store: what was said to be kept is kept, through reopening, kill -9, two threads, full disks
 * and broken files.
 */
/* Under the thread sanitizer: two threads at one database. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "store_help.h"

/* -- values, files, versions --------------------------------------------------------------------
 */

static void values_are_kept(void **state)
{
    (void)state;
    struct store *s = open_store();
    assert_null(store_get(s, "draft"));
    OK(store_put(s, "draft", "a slime", &e));
    OK(store_put(s, "draft", "a 'green' slime\n\xf0\x9f\x90\xb8; DROP TABLE vals", &e));
    OK(store_put(s, "empty", "", &e));
    OK(store_put(s, "gone", "x", &e));
    OK(store_put(s, "gone", NULL, &e));
    s = reopen(s);
    char *draft = store_get(s, "draft"), *empty = store_get(s, "empty");
    assert_string_equal(draft, "a 'green' slime\n\xf0\x9f\x90\xb8; DROP TABLE vals");
    assert_string_equal(empty, "");
    assert_null(store_get(s, "gone"));
    free(draft);
    free(empty);
    store_close(s);
    store_close(NULL);
}

static void folders_are_made_and_private(void **state)
{
    (void)state;
    struct stat st;
    mode_t old = umask(0);
    struct store *s = store_open(in_folder("a/b/store.db"), &e);
    umask(old);
    assert_non_null(s);
    OK(store_put(s, "k", "v", &e));
    assert_int_equal(stat(in_folder("a"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(stat(in_folder("a/b"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    static const char *const files[] = {"a/b/store.db", "a/b/store.db-wal", "a/b/store.db-shm"};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(stat(in_folder(files[i]), &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
    store_close(s);
}

static void impossible_places_are_told(void **state)
{
    (void)state;
    write_file(in_folder("file"), "x");
    assert_int_equal(mkdir(in_folder("dir"), 0700), 0);
    assert_int_equal(symlink("nowhere/at/all", in_folder("link")), 0);
    static const char *const names[] = {"file/store.db", "file/x/store.db", "dir", "link"};
    for (int i = 0; i < 4; i++) {
        e.text[0] = '\0';
        assert_null(store_open(in_folder(names[i]), &e));
        assert_non_null(strstr(e.text, folder)); /* says where */
        assert_null(store_open(in_folder(names[i]), NULL));
    }
    assert_null(store_open("", &e));
    assert_null(store_open("/proc/spritty/store.db", &e));
    assert_non_null(strstr(e.text, "/proc/spritty"));
    assert_file(in_folder("file"), "x");
    assert_int_equal(count_files(folder, ""), 3);
}

/* Names that mean something to SQLite are names of files all the same. */
static void names_are_plain(void **state)
{
    (void)state;
    char old[PATH_MAX];
    assert_non_null(getcwd(old, sizeof old));
    assert_int_equal(chdir(folder), 0);
    static const char *const names[] = {":memory:", "file:x?mode=memory", "sp ace%20#?"};
    for (int i = 0; i < 3; i++) {
        struct store *s = store_open(names[i], &e);
        assert_non_null(s);
        assert_int_equal(store_put(s, "k", "v", &e), 0);
        store_close(s);
        s = store_open(names[i], &e);
        char *v = store_get(s, "k");
        assert_string_equal(v, "v");
        free(v);
        store_close(s);
        assert_true(is_there(in_folder(names[i])));
    }
    assert_int_equal(chdir(old), 0);
}

static void other_versions(void **state)
{
    (void)state;
    /* An empty file and a database that holds nothing are version 0. */
    write_file(in_folder("store.db"), "");
    store_close(reopen(open_store()));
    assert_int_equal(remove(in_folder("store.db")), 0);
    raw("CREATE TABLE t (x); DROP TABLE t");
    struct store *s = open_store();
    assert_string_equal(e.text, "");
    OK(store_put(s, "k", "v", &e));
    store_close(s);
    assert_string_equal(raw("PRAGMA user_version"), "1");
    assert_string_equal(raw("PRAGMA journal_mode"), "wal");

    raw("PRAGMA user_version = 2");
    assert_null(store_open(in_folder("store.db"), &e));
    assert_non_null(strstr(e.text, "newer spritty"));
    assert_string_equal(raw("SELECT value FROM vals"), "v"); /* untouched */
    raw("PRAGMA user_version = 1");
    s = open_store();
    store_close(s);

    /* Someone else's: refused, whole. */
    raw("PRAGMA application_id = 7");
    assert_null(store_open(in_folder("store.db"), &e));
    assert_non_null(strstr(e.text, "not spritty's"));
    raw("PRAGMA user_version = 0");
    assert_null(store_open(in_folder("store.db"), &e));
    raw("PRAGMA application_id = 0"); /* tables of our names, but not made by us */
    assert_null(store_open(in_folder("store.db"), &e));
    assert_non_null(strstr(e.text, "move that file away to begin anew"));
    assert_string_equal(raw("PRAGMA user_version"), "0");
    assert_string_equal(raw("SELECT value FROM vals"), "v");
    assert_int_equal(count_files(folder, "store.db.broken"), 0);
}

static void broken_files_are_moved_aside(void **state)
{
    (void)state;
    static const char junk[] = "this is no database, but it is long enough to be looked at as one: "
                               "a header has a hundred bytes, so here are some more of them.";
    for (int i = 1; i <= 3; i++) { /* in the same second: names must not clash */
        write_file(in_folder("store.db"), junk);
        struct store *s = store_open(in_folder("store.db"), &e);
        assert_non_null(s);
        assert_non_null(strstr(e.text, "store.db.broken-"));
        assert_non_null(strstr(e.text, "damaged"));
        OK(store_put(s, "k", "v", &e));
        s = reopen(s); /* no note the second time */
        store_close(s);
        assert_int_equal(count_files(folder, "store.db.broken-"), i);
        assert_int_equal(remove(in_folder("store.db")), 0);
    }
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (struct dirent *f; (f = readdir(d));)
        if (!strncmp(f->d_name, "store.db.broken-", 16))
            assert_file(in_folder(f->d_name), junk);
    closedir(d);
}

/* A page in the middle is overwritten; what stood in the log goes along. */
static void damaged_pages_are_noticed(void **state)
{
    (void)state;
    struct store *s = open_store();
    for (int i = 0; i < 200; i++)
        add_job(s, "some words to fill pages with, so that there are pages to break");
    store_close(s);
    int fd = open(in_folder("store.db"), O_RDWR | O_CLOEXEC);
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    char noise[1024];
    memset(noise, 0xa5, sizeof noise);
    for (off_t at = 4096; at < st.st_size; at += 4096)
        assert_int_equal(pwrite(fd, noise, sizeof noise, at), sizeof noise);
    close(fd);
    write_file(in_folder("store.db-wal"), "not a log");
    s = store_open(in_folder("store.db"), &e);
    assert_non_null(s);
    assert_non_null(strstr(e.text, "damaged"));
    assert_string_equal(queue(s), "");
    store_close(s);
    assert_true(count_files(folder, "store.db.broken-") >= 1);
}

static void break_pages(void)
{
    char command[PATH_MAX + 100]; /* not by ourselves: closing the file would end SQLite's locks */
    snprintf(command, sizeof command,
             "dd if=/dev/zero of=%s bs=64 seek=0 count=2 conv=notrunc status=none",
             in_folder("store.db"));
    assert_int_equal(system(command), 0);
}

/* What someone has open is not moved from under them, in this program or another. */
static void a_broken_file_in_use_stays(void **state)
{
    (void)state;
    struct store *s = open_store();
    int told[2], status;
    char c;
    add_job(s, "a job");
    s = reopen(s); /* all of it is in the file, nothing in the log */
    break_pages();
    assert_null(store_open(in_folder("store.db"), &e));
    assert_non_null(strstr(e.text, "another spritty has it open"));
    assert_int_equal(count_files(folder, "store.db.broken-"), 0);
    store_close(s);
    s = store_open(in_folder("store.db"), &e); /* alone with it */
    assert_non_null(s);
    store_close(s);
    assert_int_equal(count_files(folder, "store.db.broken-"), 1);

    assert_int_equal(pipe(told), 0);
    pid_t child = fork();
    if (child == 0) {
        s = store_open(in_folder("store.db"), &e);
        bool good = s && write(told[1], "x", 1) == 1;
        pause();
        _exit(good);
    }
    assert_int_equal(read(told[0], &c, 1), 1);
    break_pages();
    assert_null(store_open(in_folder("store.db"), &e));
    assert_int_equal(count_files(folder, "store.db.broken-"), 1);
    kill(child, SIGKILL); /* whatever ends it ends its claim */
    assert_int_equal(waitpid(child, &status, 0), child);
    s = store_open(in_folder("store.db"), &e);
    assert_non_null(s);
    store_close(s);
    assert_true(count_files(folder, "store.db.broken-") >= 2); /* with its log */
    close(told[0]);
    close(told[1]);
}

/* A search index that is damaged is made again: a table of sprites that is whole is not given up.
 */
static void a_broken_index_is_mended(void **state)
{
    (void)state;
    struct store *s = open_store();
    struct store_sprite *list;
    add_sprite(s, "p", "a slime", "");
    store_close(s);
    raw("DELETE FROM sprite_text_data WHERE id > 10");
    s = open_store();
    /* SQLite sees it when the file is opened, from 3.44 on, or when something is searched. */
    if (sqlite3_libversion_number() >= 3044000) {
        assert_int_equal(OK(store_find_sprites(s, "slime", false, 0, 9, &list, NULL, &e)), 1);
        store_sprites_free(list, 1);
    } else {
        assert_int_equal(store_find_sprites(s, "slime", false, 0, 9, &list, NULL, &e), -1);
        assert_non_null(strstr(e.text, "start spritty again"));
    }
    assert_int_equal(OK(store_find_sprites(s, "", false, 0, 9, &list, NULL, &e)), 1);
    store_sprites_free(list, 1);
    s = reopen(s); /* without a note: nothing was lost */
    assert_int_equal(OK(store_find_sprites(s, "slime", false, 0, 9, &list, NULL, &e)), 1);
    store_sprites_free(list, 1);
    add_sprite(s, "p", "a knight", "");
    store_close(s);
    assert_int_equal(count_files(folder, ""), 1); /* no mark, nothing put aside */
}

/* -- hard times ---------------------------------------------------------------------------------
 */

/* Writes and says after each what must be there from now on; never returns. */
static void write_until_killed(int pipe_fd, int round)
{
    struct err why = {""};
    struct store *s = store_open(in_folder("store.db"), &why);
    char text[128];
    for (int i = 1; s; i++) {
        struct store_job job = {.words = text};
        snprintf(text, sizeof text, "job %d %d", round, i);
        bool good = !store_add_job(s, &job, &why);
        good = good && !store_put(s, "last", text, &why) && !store_remember(s, text, "", &why);
        struct store_sprite sprite = {.job = job.id, .path = text, .prompt = text};
        snprintf(text, sizeof text, "%s/%d-%d.png", folder, round, i);
        int fd = open(text, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        good = good && fd >= 0 && !close(fd) && !store_add_sprite(s, &sprite, &why);
        good = good && !store_trash(s, sprite.id, &why);
        if (!good || write(pipe_fd, &i, sizeof i) != sizeof i)
            break;
    }
    fprintf(stderr, "the writer ended: %s\n", why.text);
    _exit(1);
}

/* Runs the writer and kills it some time after its first word; how far it had come. */
static int killed_writer(int round)
{
    int fds[2], last = 0, i;
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0)
        write_until_killed(fds[1], round);
    assert_true(pid > 0);
    close(fds[1]);
    if (read(fds[0], &last, sizeof last) != sizeof last)
        fail_msg("the writer never came to write");
    nanosleep(&(struct timespec){.tv_nsec = (round * 7919 % 23) * 1000000}, NULL);
    kill(pid, SIGKILL);
    while (read(fds[0], &i, sizeof i) == sizeof i)
        last = i;
    close(fds[0]);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    return last;
}

static void nothing_is_lost_by_kill(void **state)
{
    (void)state;
    int rounds = getenv("SPRITTY_QUICK") ? 4 : 10;
    char sql[256];
    for (int round = 0; round < rounds; round++) {
        int last = killed_writer(round);
        struct store *s = open_store();
        assert_string_equal(e.text, "");
        assert_string_equal(raw("PRAGMA integrity_check"), "ok");
        char *value = store_get(s, "last");
        int kept_round = -1, kept = -1;
        assert_int_equal(sscanf(value, "job %d %d", &kept_round, &kept), 2);
        assert_int_equal(kept_round, round);
        assert_in_range(kept, last, last + 1);
        free(value);
        static const char *const tables[] = {"jobs", "prompts", "sprites"};
        for (int t = 0; t < 3; t++) {
            const char *column = t == 2 ? "prompt" : "words";
            snprintf(sql, sizeof sql, "SELECT count(*) FROM %s WHERE %s LIKE '%s%d %%'", tables[t],
                     column, t == 2 ? "%/" : "job ", round);
            if (t == 2)
                snprintf(sql, sizeof sql,
                         "SELECT count(*) FROM sprites WHERE prompt LIKE '%%/%d-%%'", round);
            assert_in_range(atoi(raw(sql)), last, last + 1);
        }
        /* Every file is where its row says. */
        struct store_sprite *list;
        for (int trash = 0; trash < 2; trash++) {
            int n = OK(store_find_sprites(s, "", trash, 0, 1 << 20, &list, NULL, &e));
            for (int i = 0; i < n; i++)
                assert_true(is_there(list[i].path));
            store_sprites_free(list, n);
        }
        store_close(s);
    }
}

/* Killed while it makes the file: the next start finds nothing to complain of. */
static void killed_while_opening(void **state)
{
    (void)state;
    for (int i = 0; i < 12; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            struct store *s = store_open(in_folder("store.db"), NULL);
            _exit(!s || store_put(s, "k", "v", NULL));
        }
        assert_true(pid > 0);
        nanosleep(&(struct timespec){.tv_nsec = i * 400000}, NULL);
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        struct store *s = open_store();
        assert_string_equal(e.text, "");
        OK(store_put(s, "k", "v", &e));
        store_close(s);
        assert_int_equal(count_files(folder, ""), 1);
        assert_int_equal(remove(in_folder("store.db")), 0);
    }
}

enum { THREAD_WRITES = 150 };

static void *write_in_thread(void *name)
{
    struct err why;
    struct store *s = store_open(in_folder("store.db"), &why);
    char words[32], *problem = s ? NULL : strdup(why.text);
    for (int i = 0; i < THREAD_WRITES && !problem; i++) {
        struct store_job job = {.words = words};
        snprintf(words, sizeof words, "%s %d", (const char *)name, i);
        if (store_add_job(s, &job, &why) || store_put(s, name, words, &why) ||
            store_set_job_state(s, job.id, JOB_RUNNING, NULL, &why) ||
            store_set_job_state(s, job.id, JOB_QUEUED, NULL, &why) ||
            store_remember(s, words, "", &why) || store_move_job(s, job.id, 0, &why))
            problem = strdup(why.text);
    }
    store_close(s);
    return problem;
}

/* From the making of the file on. */
static void threads_do_not_lock_each_other_out(void **state)
{
    (void)state;
    pthread_t thread[3];
    static char names[3][4] = {"one", "two", "six"};
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, write_in_thread, names[i]), 0);
    for (int i = 0; i < 3; i++) {
        void *problem;
        assert_int_equal(pthread_join(thread[i], &problem), 0);
        if (problem)
            fail_msg("%s", (char *)problem);
    }
    struct store *s = open_store();
    struct store_job *list;
    int n = OK(store_queue(s, &list, &e)), next[3] = {0};
    assert_int_equal(n, 3 * THREAD_WRITES);
    for (int i = 0; i < n; i++) { /* each thread's jobs in its order */
        int t = list[i].words[0] == 'o' ? 0 : list[i].words[0] == 't' ? 1 : 2;
        assert_int_equal(atoi(list[i].words + 4), next[t]++);
    }
    store_jobs_free(list, n);
    store_close(s);
}

static void *open_in_thread(void *name)
{
    struct err why = {""};
    struct store *s = store_open(in_folder("store.db"), &why);
    bool good = s && !store_put(s, name, "v", &why);
    store_close(s);
    return good ? NULL : strdup(why.text);
}

/* One puts the broken file aside; the others must not do the same with the new one. */
static void threads_open_a_broken_file(void **state)
{
    (void)state;
    static char names[4][4] = {"a", "b", "c", "d"};
    for (int round = 1; round <= 10; round++) {
        pthread_t thread[4];
        char junk[200] = "";
        memset(junk, 'j', sizeof junk - 1);
        write_file(in_folder("store.db"), junk);
        for (int i = 0; i < 4; i++)
            assert_int_equal(pthread_create(&thread[i], NULL, open_in_thread, names[i]), 0);
        for (int i = 0; i < 4; i++) {
            void *problem;
            assert_int_equal(pthread_join(thread[i], &problem), 0);
            if (problem)
                fail_msg("%s", (char *)problem);
        }
        assert_string_equal(raw("SELECT count(*) FROM vals"), "4");
        assert_int_equal(count_files(folder, "store.db.broken-"), round);
        assert_int_equal(remove(in_folder("store.db")), 0);
    }
}

/* In a child, whose files may not grow: what was there stays, and later there is room again. */
static void fill_the_disk(void)
{
    struct err why;
    struct store *s = store_open(in_folder("store.db"), &why);
    char *text = malloc(1 << 20), *value;
    struct rlimit limit = {300 << 10, RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    memset(text, 'x', (1 << 20) - 1);
    text[(1 << 20) - 1] = '\0';
    if (!s || store_put(s, "small", "kept", &why) || setrlimit(RLIMIT_FSIZE, &limit))
        _exit(1);
    struct store_job job = {.words = text};
    if (!store_put(s, "big", text, &why) || !strstr(why.text, "store.db: "))
        _exit(2);
    if (!store_add_job(s, &job, &why) || !store_remember(s, text, "", &why))
        _exit(3);
    if (!(value = store_get(s, "small")) || strcmp(value, "kept") || store_get(s, "big"))
        _exit(4);
    limit.rlim_cur = RLIM_INFINITY;
    if (setrlimit(RLIMIT_FSIZE, &limit) || store_put(s, "big", text, &why))
        _exit(5);
    store_close(s);
    free(text);
    free(value);
    _exit(0);
}

static void a_full_disk_loses_nothing(void **state)
{
    (void)state;
    int status;
    pid_t pid = fork();
    if (pid == 0)
        fill_the_disk();
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    struct store *s = open_store();
    char *big = store_get(s, "big"), *small = store_get(s, "small");
    assert_int_equal(strlen(big), (1 << 20) - 1);
    assert_string_equal(small, "kept");
    free(big);
    free(small);
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(values_are_kept),
        TEST(folders_are_made_and_private),
        TEST(impossible_places_are_told),
        TEST(names_are_plain),
        TEST(other_versions),
        TEST(broken_files_are_moved_aside),
        TEST(damaged_pages_are_noticed),
        TEST(a_broken_file_in_use_stays),
        TEST(a_broken_index_is_mended),
        TEST(nothing_is_lost_by_kill),
        TEST(killed_while_opening),
        TEST(threads_do_not_lock_each_other_out),
        TEST(threads_open_a_broken_file),
        TEST(a_full_disk_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
