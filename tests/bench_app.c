/*
 * The terminal app, measured from outside through a pseudo-terminal: how soon the first screen is
 * there, how soon a key is seen while every core computes, what an idle app costs, and how many
 * bytes pictures take. What is measured includes this program's own reading and parsing.
 *
 *     bench_app [--json] [--idle SECONDS] [--keys N]
 *
 * Uses the embedded model. Runs in the repository's top folder; $SPRITTY names another program.
 */
#include <stdio.h>
#include <stdlib.h>

#define DRIVE_GIVE_UP() exit(1)
#include "drive.h"

enum { STARTS = 15, MAX_KEYS = 5000, RESULTS = 32 };

static struct {
    const char *name, *unit;
    double value;
} result[RESULTS];
static int results;

static void say(const char *name, double value, const char *unit)
{
    assert(results < RESULTS);
    result[results].name = name;
    result[results].unit = unit;
    result[results++].value = value;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The smallest value that `share` of all do not exceed. Sorts. */
static double percentile(double *v, int n, double share)
{
    qsort(v, (size_t)n, sizeof *v, by_value);
    int i = (int)(share * n + 0.999999) - 1;
    return v[i < 0 ? 0 : i];
}

static void write_config(const char *home, const char *text)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "mkdir -p %s/.config/spritty", home);
    assert(system(path) == 0);
    snprintf(path, sizeof path, "%s/.config/spritty/config.ini", home);
    FILE *f = fopen(path, "w");
    assert(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

/* An app at rest: started, model open, nothing more to draw. */
static struct drive *app(const char *home, int rows, int cols, const struct emu_kind *kind)
{
    struct drive *d = drive_start(
        &(struct drive_options){.rows = rows, .cols = cols, .home = home, .kind = kind});
    drive_wait_text(d, "Prompt");
    drive_wait_text(d, "ready");
    drive_wait_quiet(d, 300);
    return d;
}

static void quit(struct drive *d)
{
    kill(d->pid, SIGTERM);
    drive_wait_end(d);
    drive_close(d);
}

/* Seconds of processor that the program's threads have used. */
static double cpu_seconds(pid_t pid)
{
    char path[64], line[1024] = "";
    unsigned long user = 0, kernel = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "r");
    char *end = f && fgets(line, sizeof line, f) ? strrchr(line, ')') : NULL;
    if (f)
        fclose(f);
    if (end)
        sscanf(end + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &kernel);
    return (double)(user + kernel) / (double)sysconf(_SC_CLK_TCK);
}

/* ---- start ---- */

static void bench_start(void)
{
    double first[STARTS], echo[STARTS];
    const char *home = drive_home();
    for (int i = 0; i < STARTS; i++) {
        double t0 = drive_now();
        struct drive *d = drive_start(&(struct drive_options){.home = home});
        while (!drive_sees(d, "Prompt") && drive_now() - t0 < drive_patience())
            drive_pump(d, 20);
        first[i] = drive_now() - t0;
        drive_type(d, "~");
        while (!drive_sees(d, "~") && drive_now() - t0 < drive_patience())
            drive_pump(d, 20);
        echo[i] = drive_now() - t0;
        drive_key(d, "Backspace");
        drive_wait_text(d, "ready"); /* the model comes in behind it */
        quit(d);
    }
    say("start to the first screen, median", percentile(first, STARTS, 0.5), "ms");
    say("start to the first screen, slowest", first[STARTS - 1], "ms");
    say("start to a typed character, median", percentile(echo, STARTS, 0.5), "ms");
    say("start to a typed character, slowest", echo[STARTS - 1], "ms");
    drive_home_drop(home);
}

/* ---- idle ---- */

static void bench_idle(double seconds)
{
    const char *home = drive_home();
    struct drive *d = app(home, 40, 120, &emu_sixel);
    double t0 = drive_now(), cpu = cpu_seconds(d->pid);
    uint64_t bytes = d->bytes;
    while (drive_now() - t0 < seconds * 1e3)
        drive_pump(d, 100);
    double s = (drive_now() - t0) / 1e3;
    say("idle processor load", 100 * (cpu_seconds(d->pid) - cpu) / s, "% of a core");
    say("bytes sent in an idle minute", (double)(d->bytes - bytes) * 60 / s, "B");
    quit(d);
    drive_home_drop(home);
}

/* ---- keys while all cores compute ---- */

static unsigned random_state = 1;

static unsigned next_random(void)
{
    random_state = random_state * 1664525u + 1013904223u;
    return random_state >> 8;
}

static bool cell_is(const struct drive *d, VTermPos at, uint32_t c)
{
    uint32_t now = emu_cell(d->emu, at.row, at.col).chars[0];
    return now == c || (c == ' ' && now == 0);
}

/* Types letters at the cursor's cell and takes them away again, each at an irregular time; ms from
 * the write to the letter on the screen, or gone from it. */
static int measure_keys(struct drive *d, VTermPos at, int keys, double *ms)
{
    int n = 0;
    while (n < keys && drive_sees(d, "Queue \\([0-9]")) {
        double wait = drive_now() + 5 + next_random() % 60;
        while (drive_now() < wait)
            drive_pump(d, wait - drive_now());
        bool back = n % 2;
        uint32_t letter = 'a' + next_random() % 26;
        double t0 = drive_now();
        if (back)
            drive_key(d, "Backspace");
        else
            drive_type(d, (char[]){(char)letter, '\0'});
        while (!cell_is(d, at, back ? ' ' : letter) && drive_now() - t0 < 2e3)
            drive_pump(d, 20);
        ms[n++] = drive_now() - t0;
    }
    return n;
}

/* k of "step k of n", or 0. */
static int step_shown(const struct drive *d)
{
    int k = 0, n, y = drive_find(d, "step [0-9]+ of [0-9]+");
    const char *at = y < 0 ? NULL : drive_row(d, y);
    while (at && (at = strstr(at, "step ")) && sscanf(at, "step %d of %d", &k, &n) != 2)
        at++;
    return at ? k : 0;
}

/* Big pictures, so that all cores are busy with each step. */
static void bench_keys(int keys)
{
    static double ms[MAX_KEYS];
    const char *home = drive_home();
    write_config(home, "[defaults]\nsteps = 1000\nsize = 512x512\nbatch = 1\n");
    struct drive *d = app(home, 40, 120, &emu_sixel);
    drive_type(d, "a green slime");
    drive_wait_text(d, "a green slime");
    drive_wait_quiet(d, 200);
    VTermPos at = emu_cursor(d->emu);
    drive_key(d, "Enter");
    drive_key(d, "Enter");
    drive_wait_text(d, "Queue \\(2\\)");
    drive_wait(d, d->emu->pictures > 1); /* it samples */
    double t0 = drive_now(), cpu = cpu_seconds(d->pid), own = cpu_seconds(getpid());
    int n = measure_keys(d, at, keys, ms);
    double s = (drive_now() - t0) / 1e3;
    if (n < keys)
        drive_fail(d, "the queue ended after %d keys", n);
    say("keys typed while sampling", n, "");
    say("key to screen, median", percentile(ms, n, 0.5), "ms");
    say("key to screen, 99th percentile", percentile(ms, n, 0.99), "ms");
    say("key to screen, slowest", ms[n - 1], "ms");
    say("cores in use meanwhile, app", (cpu_seconds(d->pid) - cpu) / s, "");
    say("cores in use meanwhile, this bench", (cpu_seconds(getpid()) - own) / s, "");
    quit(d);
    drive_home_drop(home);
}

/* ---- pictures ---- */

static void bench_previews(double seconds)
{
    const char *home = drive_home();
    write_config(home, "[defaults]\nsteps = 1000\nsize = 512x512\nbatch = 1\n");
    struct drive *d = app(home, 40, 120, &emu_sixel);
    drive_type(d, "a green slime\r");
    drive_wait(d, d->emu->pictures > 1);
    double t0 = drive_now();
    uint64_t bytes = d->bytes, image_bytes = d->emu->image_bytes;
    int pictures = d->emu->pictures, first = step_shown(d);
    while (drive_now() - t0 < seconds * 1e3)
        drive_pump(d, 100);
    double s = (drive_now() - t0) / 1e3;
    int images = d->emu->pictures - pictures;
    say("steps a second while sampling", (step_shown(d) - first) / s, "");
    say("previews sent a second", images / s, "");
    say("bytes sent a second", (double)(d->bytes - bytes) / s, "B/s");
    say("bytes a preview", images ? (double)(d->emu->image_bytes - image_bytes) / images : 0, "B");
    quit(d);
    drive_home_drop(home);
}

static const struct emu_image *largest(const struct emu *t)
{
    const struct emu_image *best = NULL;
    for (int i = 0; i < t->images; i++)
        if (!best || t->image[i].w > best->w)
            best = &t->image[i];
    return best;
}

/* One job; its sprite's picture. */
static void bench_sprite(void)
{
    const char *home = drive_home();
    write_config(home, "[defaults]\nsteps = 10\nsize = 256x256\nseed = 7\n");
    struct drive *d = app(home, 50, 150, &emu_sixel);
    uint64_t bytes = d->bytes;
    drive_type(d, "a green slime");
    drive_key(d, "Enter");
    drive_wait_text(d, "\u2713 +a green slime");
    drive_wait_quiet(d, 500);
    const struct emu_image *m = largest(d->emu);
    if (!m)
        drive_fail(d, "no picture is seen");
    say("a sprite's picture, width", m->w, "px");
    say("a sprite's picture, height", m->h, "px");
    say("a sprite's picture", (double)m->data.size, "B");
    say("a job of 10 steps with its previews, all", (double)(d->bytes - bytes), "B");
    quit(d);
    drive_home_drop(home);
}

/* ---- the table ---- */

static void print_table(void)
{
    for (int i = 0; i < results; i++)
        printf("%-44s %10.*f %s\n", result[i].name, result[i].value < 100 ? 2 : 0, result[i].value,
               result[i].unit);
}

static void print_json(void)
{
    printf("{\"results\": [");
    for (int i = 0; i < results; i++)
        printf("%s\n {\"name\": \"%s\", \"value\": %.6g, \"unit\": \"%s\"}", i ? "," : "",
               result[i].name, result[i].value, result[i].unit);
    printf("\n]}\n");
}

int main(int argc, char **argv)
{
    bool json = false;
    double idle = 60;
    int keys = 600;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--json"))
            json = true;
        else if (!strcmp(argv[i], "--idle") && i + 1 < argc)
            idle = atof(argv[++i]);
        else if (!strcmp(argv[i], "--keys") && i + 1 < argc)
            keys = atoi(argv[++i]);
        else
            return fprintf(stderr, "usage: bench_app [--json] [--idle SECONDS] [--keys N]\n"), 2;
    }
    if (!drive_app())
        return fprintf(stderr, "bench_app: build/spritty is not there; make all first\n"), 1;
    bench_start();
    bench_idle(idle);
    bench_keys(keys < 1 ? 1 : keys > MAX_KEYS ? MAX_KEYS : keys);
    bench_previews(10);
    bench_sprite();
    json ? print_json() : print_table();
    return 0;
}
