/* spritty gen on several devices, which are the test's own: what is said of a job on its way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cli/gen_devices.h"
#include "engine/pool.h"

#define WAITS "no worker has begun yet"
#define NOTES "one word\nanother word\none word"

/* Tells why the job waits, then its end. */
struct far {
    int fd, told;
    int64_t job;
};

static bool far_send(void *self, struct command *c)
{
    struct far *f = self;
    if (c->kind == COMMAND_RUN) {
        f->job = c->job;
        f->told = 1;
        eventfd_write(f->fd, 1);
    }
    command_free(c);
    return true;
}

static struct event *far_next(void *self)
{
    struct far *f = self;
    static const enum event_kind kinds[] = {EVENT_STAGE, EVENT_STAGE, EVENT_DONE};
    eventfd_t n;
    if (f->told == 0 || f->told > 3) {
        eventfd_read(f->fd, &n);
        return NULL;
    }
    struct event *v = calloc(1, sizeof *v);
    v->kind = kinds[f->told - 1];
    v->job = f->job;
    strcpy(v->stage, f->told == 1 ? "queue" : f->told == 2 ? "sample" : "");
    v->text = f->told == 2 ? NULL : strdup(f->told == 1 ? WAITS : NOTES);
    v->steps = f->told == 2 ? 4 : 0;
    f->told++;
    return v;
}

static int far_fd(const void *self)
{
    return ((const struct far *)self)->fd;
}

static void far_cancel(void *self, int64_t job)
{
    (void)self, (void)job;
}

static void far_quit(void *self)
{
    (void)self;
}

static void far_stop(void *self)
{
    close(((struct far *)self)->fd);
    free(self);
}

static const struct device_ops far_ops = {.send = far_send,
                                          .next = far_next,
                                          .fd = far_fd,
                                          .cancel = far_cancel,
                                          .quit = far_quit,
                                          .stop = far_stop};

static const struct device_ops *open_far(const struct pool_options *o, const char *name,
                                         void **self, struct err *e)
{
    (void)o, (void)name, (void)e;
    struct far *f = *self = calloc(1, sizeof *f);
    f->fd = eventfd(0, EFD_NONBLOCK);
    return &far_ops;
}

static bool never(void)
{
    return false;
}

/* What is printed. */
static char *run(bool quiet)
{
    static char *file = (char *)"x.png";
    char *text = NULL;
    size_t size;
    struct image *sprite = NULL;
    struct progress progress = {.to = open_memstream(&text, &size), .quiet = quiet};
    struct settings flags = {0};
    struct job job = {
        .params = {.batch = 1, .seed = 7},
        .settings = {.device = (char *)"unix:///nowhere,cpu", .policy = (char *)"round_robin"}};
    struct gen_result result = {0};
    struct job_times times;
    struct err e = {""};
    struct gen_devices g = {.job = &job,
                            .flags = &flags,
                            .words = "a slime",
                            .files = &file,
                            .progress = &progress,
                            .is_interrupted = never,
                            .sprites = &sprite,
                            .result = &result,
                            .times = &times};
    pool_open_other = open_far;
    if (gen_on_devices(&g, &e))
        fail_msg("%s", e.text);
    fclose(progress.to);
    progress_free(&progress);
    return text;
}

static void why_it_waits_is_said(void **state)
{
    (void)state;
    char *text = run(false);
    assert_non_null(strstr(text, "spritty: note: " WAITS "\n"));
    assert_non_null(strstr(text, "sampling")); /* whose progress is shown although it waited */
    assert_string_equal(strstr(text, "spritty: note: one"), /* told at the end, each once */
                        "spritty: note: one word\nspritty: note: another word\n");
    free(text);
    text = run(true);
    assert_string_equal(text, "");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(why_it_waits_is_said)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
