/* Progress on stderr; see progress.h. */
#include "cli/progress.h"

#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"

void progress_init(struct progress *p, FILE *to, bool quiet)
{
    struct winsize size;
    const char *term = getenv("TERM");
    *p = (struct progress){.to = to, .quiet = quiet, .columns = 80};
    p->terminal = isatty(fileno(to)) && term && strcmp(term, "dumb");
    if (p->terminal && !ioctl(fileno(to), TIOCGWINSZ, &size) && size.ws_col > 0)
        p->columns = size.ws_col;
    setlocale(LC_CTYPE, "");
    p->utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8");
}

static const char *title(const char *stage)
{
    static const char *const names[][2] = {{"load", "loading"},
                                           {"lora", "exchanging LoRAs"},
                                           {"text", "reading the prompt"},
                                           {"encode", "encoding the image"},
                                           {"sample", "sampling"},
                                           {"refine", "refining"},
                                           {"hires", "second pass"},
                                           {"decode", "decoding"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(stage, names[i][0]))
            return names[i][1];
    return stage;
}

/* Appends, and never past the end. */
#define APPEND(...) n += (size_t)snprintf(out + n, n < size ? size - n : 0, __VA_ARGS__)

/* `cells` wide; a half cell shows half a step. */
static size_t bar(const struct progress *p, int cells, char *out, size_t size)
{
    size_t n = 0;
    int halves = (int)(2.0 * cells * p->step / p->steps);
    for (int i = 0; i < cells; i++) {
        int full = halves - 2 * i;
        if (p->utf8)
            APPEND("%s", full >= 2 ? "━" : full == 1 ? "╸" : "─");
        else
            APPEND("%c", full >= 2 ? '#' : '-');
        if (n >= size)
            return size ? size - 1 : 0;
    }
    return n;
}

static void duration(double ms, char *out, size_t size)
{
    if (ms < 999.5)
        snprintf(out, size, "%.0f ms", ms);
    else
        snprintf(out, size, "%.1f s", ms / 1e3);
}

void progress_line(const struct progress *p, double now, char *out, size_t size)
{
    char each[32], left[32], memory[32] = "";
    size_t n = 0;
    if (p->bytes)
        snprintf(memory, sizeof memory, "  %.0f MB", (double)p->bytes / 1e6);
    if (p->steps == 0) {
        duration(now - p->began, each, sizeof each);
        snprintf(out, size, "%s  %s%s", title(p->stage), each, memory);
        return;
    }
    APPEND("%s  %d/%d ", title(p->stage), p->step, p->steps);
    int cells = p->columns - 60;
    if (cells >= 4)
        n += bar(p, cells < 24 ? cells : 24, out + n, size - n);
    if (p->step > 0 && p->stepping > 0) {
        double ms = p->stepping / p->step;
        duration(ms, each, sizeof each);
        double rest = 0;
        if (p->worked > 0)
            rest = workload_left(p->work, p->later, p->stepping / p->worked);
        duration(rest, left, sizeof left);
        APPEND("  %s/step%s", each, memory);
        if (rest > 0)
            APPEND("  %s left", left);
    } else {
        APPEND("%s", memory);
    }
}

static void draw(const struct progress *p)
{
    char line[600];
    progress_line(p, clock_ms(), line, sizeof line);
    fprintf(p->to, "\r%s\033[K", line);
    fflush(p->to);
}

static void end_stage(struct progress *p)
{
    char time[32], each[80] = "";
    if (!*p->stage || p->quiet)
        return;
    if (p->terminal) {
        fputs("\r\033[K", p->to);
        fflush(p->to);
        return;
    }
    duration(clock_ms() - p->began, time, sizeof time);
    if (p->stepping > 0 && p->step > 0) {
        char ms[32];
        duration(p->stepping / p->step, ms, sizeof ms);
        snprintf(each, sizeof each, "  %d steps of %s", p->step, ms);
    }
    fprintf(p->to, "%s  %s%s  %.0f MB\n", title(p->stage), time, each, (double)p->bytes / 1e6);
    fflush(p->to);
}

void progress_event(struct progress *p, const struct gen_progress *g)
{
    if (strcmp(p->stage, g->stage) != 0) {
        end_stage(p);
        snprintf(p->stage, sizeof p->stage, "%s", g->stage);
        p->began = clock_ms();
        p->stepping = 0;
        p->worked = 0;
        p->later = g->later;
    }
    p->step = g->step;
    p->steps = g->steps;
    p->bytes = g->bytes_now;
    p->work = g->work;
    p->stepping += g->ms;
    p->worked += g->work.step;
    if (p->terminal && !p->quiet)
        draw(p);
}

void progress_finish(struct progress *p)
{
    end_stage(p);
    p->stage[0] = '\0';
}

void progress_note(struct progress *p, const char *lines)
{
    for (size_t n; *lines; lines += n + (lines[n] == '\n')) {
        n = strcspn(lines, "\n");
        int before = p->told.count;
        notes_add(&p->told, "%.*s", (int)n, lines);
        if (p->told.count == before || p->quiet)
            continue;
        progress_finish(p);
        fprintf(p->to, "spritty: note: %s\n", p->told.line[before]);
    }
}

void progress_notes(struct progress *p, const struct notes *n)
{
    for (int i = 0; i < n->count; i++)
        progress_note(p, n->line[i]);
}

void progress_free(struct progress *p)
{
    notes_free(&p->told);
}

/* ---- the picture ---- */

/* A pixel as the terminal shows it; what is transparent takes the terminal's own background. */
static void half(FILE *to, int layer, const uint8_t *pixel)
{
    if (pixel && pixel[3] >= 128)
        fprintf(to, "\033[%d;2;%d;%d;%dm", layer, pixel[0], pixel[1], pixel[2]);
    else
        fprintf(to, "\033[%dm", layer + 1);
}

static bool seen(const uint8_t *pixel)
{
    return pixel && pixel[3] >= 128;
}

void progress_picture(const struct progress *p, const struct image *sprite)
{
    int cells = p->columns - 4 < 64 ? p->columns - 4 : 64;
    if (!p->terminal || p->quiet || !p->utf8 || getenv("NO_COLOR") || cells < 1)
        return;
    struct image *small = image_shrink(sprite, cells, 64);
    for (int y = 0; small && y < small->height; y += 2) {
        fputs("  ", p->to);
        for (int x = 0; x < small->width; x++) {
            const uint8_t *top = small->rgba + ((size_t)y * (size_t)small->width + (size_t)x) * 4;
            const uint8_t *low = y + 1 < small->height ? top + (size_t)small->width * 4 : NULL;
            bool upper = seen(top);
            half(p->to, 38, upper ? top : low);
            half(p->to, 48, upper ? low : NULL);
            fputs(upper ? "▀" : seen(low) ? "▄" : " ", p->to);
        }
        fputs("\033[0m\n", p->to);
    }
    image_free(small);
}

/* Of a picture: so many lines the cursor goes up before the next one is drawn over it. */
static int lines_of(const struct progress *p, const struct image *m)
{
    int w = m->width, h = m->height, cells = p->columns - 4 < 64 ? p->columns - 4 : 64;
    image_shrunk_size(&w, &h, cells, 64);
    return (h + 1) / 2;
}

/* Ctrl-C ends the program, as ever: nothing of the terminal's is changed. */
void progress_play(const struct progress *p, const struct sheet_frame *f, int n, int ms, int times)
{
    int lines = 0;
    for (int i = 0; i < n * times && p->terminal && !p->quiet; i++) {
        struct image *m = sheet_canvas(f, n, i % n);
        if (!m)
            return;
        if (lines)
            fprintf(p->to, "\033[%dA", lines);
        progress_picture(p, m);
        fflush(p->to);
        lines = lines_of(p, m);
        image_free(m);
        usleep((useconds_t)ms * 1000);
    }
}
