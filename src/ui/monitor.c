/*
 * Monitor: what each step took, where memory goes, what the machine does, and which operations are
 * slowest while profiling is on.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ui/list.h"
#include "ui/monitor.h"

enum { COLUMNS = 512 };

enum { MACHINE_ROWS = 6, GPU_ROWS = 4 };

struct monitor {
    int top, seen; /* of the profile: the first row that is seen, how many are */
    enum gpu_watch watch;
    struct gpu_meters gpu;
    double values[3 * COLUMNS];
    enum role marks[COLUMNS];
};

static int min_int(int a, int b)
{
    return a < b ? a : b;
}

/* ---- steps ---- */

static void draw_steps(struct ui *ui, struct rect r)
{
    struct monitor *m = ui->monitor;
    char mid[32], high[32], best[32], title[160] = "Steps", brief[60] = "";
    struct rect in = draw_box(ui->screen, r, NULL, false);
    int n = live_step_times(&ui->live, m->values, min_int(in.w - 8, COLUMNS));
    double top = 0, median = graph_percentile(m->values, n, 0.5),
           p95 = graph_percentile(m->values, n, 0.95);
    for (int i = 0; i < n; i++) {
        top = fmax(top, m->values[i]);
        m->marks[i] = m->values[i] > p95 ? ROLE_WARN : ROLE_GRAPH_A;
    }
    if (n > 0) {
        text_ms(median, mid, sizeof mid);
        text_ms(p95, high, sizeof high);
        text_ms(graph_percentile(m->values, n, 0), best, sizeof best);
        snprintf(title, sizeof title, "Last %d steps  median %s  95%% %s  best %s", n, mid, high,
                 best);
        snprintf(brief, sizeof brief, "Steps  median %s", mid);
    }
    draw_box(ui->screen, r, that_fits(title_room(r), title, *brief ? brief : title), false);
    if (n == 0) {
        draw_text(ui->screen, in.y, in.x + 1, in.w - 2, ROLE_DIM, "no steps yet");
        return;
    }
    double axis = graph_top(top);
    text_ms(axis, mid, sizeof mid);
    draw_right(ui->screen, in.y, in.x, 7, ROLE_DIM, mid);
    text_ms(axis / 2, mid, sizeof mid);
    draw_right(ui->screen, in.y + in.h / 2, in.x, 7, ROLE_DIM, mid);
    draw_right(ui->screen, in.y + in.h - 1, in.x, 7, ROLE_DIM, "0");
    graph_bars(ui->screen, (struct rect){in.y, in.x + 8, in.h, in.w - 8}, m->values, n, axis,
               ROLE_GRAPH_A, m->marks);
    graph_level(ui->screen, (struct rect){in.y, in.x + 8, in.h, in.w - 8}, median, axis,
                ROLE_GRAPH_B);
    graph_level(ui->screen, (struct rect){in.y, in.x + 8, in.h, in.w - 8}, p95, axis, ROLE_GRAPH_C);
}

/* ---- memory ---- */

static void legend(struct ui *ui, int y, int *x, int end, enum role role, const char *name,
                   double bytes)
{
    char text[80], size[32];
    text_bytes(bytes, size, sizeof size);
    snprintf(text, sizeof text, isnan(bytes) ? "%s" : "%s %s", name, size);
    if (*x + 2 + (int)strlen(text) > end)
        return;
    draw_text(ui->screen, y, *x, 1, role, "■");
    *x += 2 + draw_text(ui->screen, y, *x + 2, end - *x - 2, ROLE_TEXT, text);
    *x += isnan(bytes) ? 1 : 2;
}

static void draw_memory(struct ui *ui, struct rect r)
{
    static const enum role roles[3] = {ROLE_GRAPH_A, ROLE_GRAPH_B, ROLE_GRAPH_C};
    struct monitor *m = ui->monitor;
    const struct live *l = &ui->live;
    char text[32], title[60] = "Memory";
    if (l->samples_seen) {
        text_bytes((double)l->sample[(l->samples_seen - 1) % LIVE_SAMPLES].own, text, sizeof text);
        snprintf(title, sizeof title, "Memory  %s", text);
    }
    struct rect in = draw_box(ui->screen, r, title, false);
    uint64_t have = l->samples_seen < LIVE_SAMPLES ? l->samples_seen : LIVE_SAMPLES;
    int n = min_int(min_int(in.w - 8, COLUMNS), (int)have), x = in.x + 8;
    double *v = m->values;
    if (n < 1 || in.h < 3)
        return;
    double axis = graph_top(live_memory(l, v, n));
    const struct sample *last = &l->sample[(l->samples_seen - 1) % LIVE_SAMPLES];
    bool brief = in.w < 78; /* names alone */
    if (brief)
        x = in.x + 1;
    legend(ui, in.y, &x, in.x + in.w, ROLE_GRAPH_A, "model", brief ? NAN : v[n - 1]);
    legend(ui, in.y, &x, in.x + in.w, ROLE_GRAPH_B, "activations", brief ? NAN : v[2 * n - 1]);
    legend(ui, in.y, &x, in.x + in.w, ROLE_GRAPH_C, "program", brief ? NAN : v[3 * n - 1]);
    if (!brief)
        legend(ui, in.y, &x, in.x + in.w, ROLE_DIM, "free", (double)last->free);
    text_bytes(axis, text, sizeof text);
    draw_right(ui->screen, in.y + 1, in.x, 7, ROLE_DIM, text);
    draw_right(ui->screen, in.y + in.h - 1, in.x, 7, ROLE_DIM, "0");
    graph_stack(ui->screen, (struct rect){in.y + 1, in.x + 8, in.h - 1, in.w - 8}, v, 3, n, axis,
                roles);
}

/* ---- stages and machine ---- */

static void draw_stages(struct ui *ui, struct rect r)
{
    const struct live *l = &ui->live;
    const struct {
        const char *name;
        double ms;
        enum role role;
    } part[] = {
        {"load", l->split.load, ROLE_DIM},           {"text", l->split.text, ROLE_GRAPH_B},
        {"sampling", l->split.sample, ROLE_GRAPH_A}, {"decode", l->split.decode, ROLE_GRAPH_C},
        {"finish", l->split.finish, ROLE_GOOD},      {"save", l->split.save, ROLE_WARN},
    };
    enum { PARTS = sizeof part / sizeof *part };
    char title[80] = "Last job", text[32];
    if (l->split.job) {
        text_ms(l->split.total, text, sizeof text);
        snprintf(title, sizeof title, "Last job  %s", text);
    }
    struct rect in = draw_box(ui->screen, r, title, false);
    if (!l->split.job) {
        draw_text(ui->screen, in.y, in.x + 1, in.w - 2, ROLE_DIM, "no job is done yet");
        return;
    }
    double ms[PARTS], sum = 0;
    enum role roles[PARTS];
    for (int i = 0; i < PARTS; i++)
        ms[i] = part[i].ms, roles[i] = part[i].role, sum += part[i].ms;
    graph_split(ui->screen, in.y, in.x + 1, in.w - 2, ms, PARTS, roles);
    for (int i = 0; i < PARTS && 1 + i < in.h; i++) {
        int y = in.y + 1 + i;
        text_ms(ms[i], text, sizeof text);
        draw_text(ui->screen, y, in.x + 1, 1, roles[i], "■");
        draw_text(ui->screen, y, in.x + 3, 10, ROLE_TEXT, part[i].name);
        draw_right(ui->screen, y, in.x + 12, 9, ROLE_STRONG, text);
        if (sum > 0)
            draw_printf(ui->screen, y, in.x + 23, in.w - 24, ROLE_DIM, "%.0f%%", 100 * ms[i] / sum);
    }
}

/* One line: name, value, gauge if it is a share. */
static void reading(struct ui *ui, struct rect in, int row, const char *name, const char *value,
                    double share)
{
    if (row >= in.h)
        return;
    int y = in.y + row;
    draw_text(ui->screen, y, in.x + 1, 13, ROLE_DIM, name);
    int used = draw_text(ui->screen, y, in.x + 14, in.w - 15, ROLE_TEXT, value);
    if (!isnan(share) && in.w - 17 - used > 6)
        graph_gauge(ui->screen, y, in.x + 15 + (used > 9 ? used : 9),
                    in.w - 16 - (used > 9 ? used : 9), share,
                    share > 0.95 ? ROLE_WARN : ROLE_GRAPH_A);
}

static void value_or(char *out, size_t size, const char *format, double value)
{
    if (isnan(value))
        snprintf(out, size, "not told");
    else
        snprintf(out, size, format, value);
}

/* " of 700 W": a piece of a line, only when it is known. */
static void piece(char *out, size_t size, bool known, const char *format, double value)
{
    size_t n = strlen(out);
    if (known)
        snprintf(out + n, size - n, format, value);
}

/* The GPU's rows under the machine's; none where none answers. */
static void draw_gpu(struct ui *ui, struct rect in, int row)
{
    const struct monitor *m = ui->monitor;
    const struct gpu_meters *g = &m->gpu;
    char text[120], used[32], total[32];
    bool read = m->watch == GPU_READ, load = read && g->known & GPU_LOAD;
    if (m->watch == GPU_NONE)
        return;
    if (in.h >= row + GPU_ROWS)
        reading(ui, in, row, "GPU", g->name, NAN);
    else
        row--; /* low terminals go without the name */
    value_or(text, sizeof text, "%.0f%%", load ? g->load * 100 : NAN);
    reading(ui, in, row + 1, "GPU load", read ? text : "does not answer any more",
            load ? g->load : NAN);
    if (!read)
        return;
    bool memory = g->known & GPU_MEMORY;
    text_bytes((double)g->memory_used, used, sizeof used);
    text_bytes((double)g->memory_total, total, sizeof total);
    snprintf(text, sizeof text, "%s of %s%s", used, total, g->shares_memory ? ", shared" : "");
    reading(ui, in, row + 2, "GPU memory", memory ? text : "not told",
            memory ? (double)g->memory_used / (double)g->memory_total : NAN);
    *text = '\0';
    piece(text, sizeof text, g->known & GPU_POWER, "%.0f", g->watts);
    piece(text, sizeof text, g->known & GPU_POWER && g->known & GPU_POWER_LIMIT, " of %.0f",
          g->watts_limit);
    if (*text)
        strcat(text, " W  ");
    piece(text, sizeof text, g->known & GPU_CELSIUS, "%.0f C  ", g->celsius);
    piece(text, sizeof text, g->known & GPU_CLOCK, "%.0f MHz", g->mhz);
    reading(ui, in, row + 3, "GPU state", *text ? text : "not told", NAN);
}

/* "Intel(R) Xeon(R) Processor @ 2.00GHz" as "Intel Xeon Processor": the clock has a row. */
static void plain_name(const char *name, char *out, size_t size)
{
    static const char *const marks[] = {"(R)", "(TM)", "(r)", "(tm)"};
    size_t n = 0;
    for (const char *p = name; *p && strncmp(p, " @ ", 3) != 0 && n + 1 < size;) {
        size_t mark = 0;
        for (size_t i = 0; i < sizeof marks / sizeof *marks && !mark; i++)
            mark = !strncmp(p, marks[i], strlen(marks[i])) ? strlen(marks[i]) : 0;
        if (!mark)
            out[n++] = *p;
        p += mark ? mark : 1;
    }
    out[n] = '\0';
}

/* "NAME  2 cores", of which the name is cut where both are too long. */
static void machine_title(const struct machine *m, int columns, char *out, size_t size)
{
    char name[sizeof m->name], cores[32];
    plain_name(*m->name ? m->name : "Machine", name, sizeof name);
    snprintf(cores, sizeof cores, "  %d cores", m->cores);
    int room = columns - (int)strlen(cores);
    snprintf(out, size, "%.*s%s", room > 0 ? room : 0, name, cores);
}

static void draw_machine(struct ui *ui, struct rect r)
{
    const struct live *l = &ui->live;
    const struct machine *m = &l->machine;
    char text[100], free_bytes[32], total[32], title[120];
    machine_title(m, r.w - 6, title, sizeof title); /* corners, a line and a space on each side */
    struct rect in = draw_box(ui->screen, r, title, false);
    value_or(text, sizeof text, "%.0f%%", m->load * 100);
    reading(ui, in, 0, "load", text, m->load);
    value_or(text, sizeof text, "%.0f%%", m->own_load * 100);
    reading(ui, in, 1, "spritty", text, m->own_load);
    text_bytes((double)m->memory_free, free_bytes, sizeof free_bytes);
    text_bytes((double)m->memory_total, total, sizeof total);
    snprintf(text, sizeof text, "%s of %s", free_bytes, total);
    reading(ui, in, 2, "free memory", that_fits(in.w - 15, text, free_bytes), NAN);
    value_or(text, sizeof text, "%.0f C", m->celsius);
    reading(ui, in, 3, "temperature", text, NAN);
    value_or(text, sizeof text, "%.0f W", m->watts);
    reading(ui, in, 4, "power", text, NAN);
    value_or(text, sizeof text, "%.0f MHz", m->mhz);
    reading(ui, in, 5, "clock", text, NAN);
    draw_gpu(ui, in, MACHINE_ROWS);
}

/* ---- the slowest operations ---- */

static void draw_profile(struct ui *ui, struct rect r)
{
    struct monitor *m = ui->monitor;
    const struct live *l = &ui->live;
    char title[80];
    snprintf(title, sizeof title, "Slowest operations%s", l->profiling ? "  (timing)" : "");
    struct rect in = draw_box(ui->screen, r, title, false);
    if (l->profile_rows == 0) {
        draw_text(ui->screen, in.y, in.x + 1, in.w - 2, ROLE_DIM,
                  l->profiling ? "the next job will be timed" : "p times every operation");
        return;
    }
    m->seen = in.h;
    if (m->top > l->profile_rows - in.h)
        m->top = l->profile_rows > in.h ? l->profile_rows - in.h : 0;
    for (int i = 0; i < in.h && m->top + i < l->profile_rows; i++) {
        const struct profile_row *p = &l->profile[m->top + i];
        char ms[32];
        text_ms(p->ms, ms, sizeof ms);
        int name = in.w - 27, x = in.x + 2 + name;
        draw_text(ui->screen, in.y + i, in.x + 1, name, ROLE_TEXT, p->name);
        draw_printf(ui->screen, in.y + i, x, 5, ROLE_DIM, "x%d", p->calls);
        draw_right(ui->screen, in.y + i, x + 5, 8, ROLE_STRONG, ms);
        if (p->gflops > 0)
            draw_printf(ui->screen, in.y + i, x + 14, 10, ROLE_DIM, "%.0f GF/s", p->gflops);
    }
    draw_scroll(ui->screen, in.y, r.x + r.w - 1, in.h, m->top, l->profile_rows, true);
}

/* ---- the view ---- */

static int monitor_init(struct ui *ui, struct err *e)
{
    ui->monitor = calloc(1, sizeof *ui->monitor);
    return ui->monitor ? 0 : err_set(e, "out of memory");
}

static void monitor_quit(struct ui *ui)
{
    free(ui->monitor);
    ui->monitor = NULL;
}

/* Over time, and what it is made of: side by side, or where that is narrow one over the other. */
static void draw_memories(struct ui *ui, struct rect r)
{
    struct monitor *m = ui->monitor;
    const struct gpu_meters *gpu = m->watch == GPU_READ ? &m->gpu : NULL;
    if (r.w >= 64) {
        int parts = r.w / 2;
        draw_memory(ui, (struct rect){r.y, r.x, r.h, r.w - parts});
        draw_composition(ui, (struct rect){r.y, r.x + r.w - parts, r.h, parts}, gpu);
        return;
    }
    int rows = min_int(composition_rows(ui, gpu), (r.h + 1) / 2);
    draw_memory(ui, (struct rect){r.y, r.x, r.h - rows, r.w});
    draw_composition(ui, (struct rect){r.y + r.h - rows, r.x, rows, r.w}, gpu);
}

static void monitor_draw(struct ui *ui, struct rect r)
{
    int devices = devices_box_rows(ui, r.h);
    if (devices)
        devices_box_draw(ui, (struct rect){r.y, r.x, devices, r.w});
    r.y += devices;
    r.h -= devices;
    int right = r.w >= 100 ? r.w * 2 / 5 : r.w / 2, left = r.w - right;
    int upper = r.h / 2, lower = r.h - upper;
    int stages = r.h >= 32 ? 9 : upper;
    ui->monitor->watch = gpu_meters_latest(&ui->monitor->gpu);
    int machine = 2 + MACHINE_ROWS + (ui->monitor->watch != GPU_NONE ? GPU_ROWS : 0);
    draw_steps(ui, (struct rect){r.y, r.x, upper, left});
    draw_memories(ui, (struct rect){r.y + upper, r.x, lower, left});
    struct rect side = {r.y, r.x + left, stages, right};
    if (r.h >= 32) {
        draw_stages(ui, side);
        draw_machine(ui, (struct rect){r.y + stages, r.x + left, machine, right});
        draw_profile(
            ui, (struct rect){r.y + stages + machine, r.x + left, r.h - stages - machine, right});
    } else {
        draw_stages(ui, side);
        if (ui->live.profiling || ui->live.profile_rows)
            draw_profile(ui, (struct rect){r.y + upper, r.x + left, lower, right});
        else
            draw_machine(ui, (struct rect){r.y + upper, r.x + left, lower, right});
    }
}

static unsigned monitor_contexts(const struct ui *ui)
{
    (void)ui;
    return CTX_MONITOR;
}

static bool monitor_act(struct ui *ui, enum action a)
{
    struct monitor *m = ui->monitor;
    int page = m->seen > 1 ? m->seen - 1 : 1;
    if (list_step(a, page, ui->live.profile_rows - m->seen, &m->top))
        return true;
    switch (a) {
    case ACT_MON_PROFILE:
        ui->live.profiling = !ui->live.profiling;
        ui_say(ui, ROLE_TEXT,
               ui->live.profiling ? "the next jobs are timed by operation"
                                  : "operations are not timed any more");
        return true;
    case ACT_BACK:
        ui_view(ui, VIEW_STUDIO);
        return true;
    default:
        return false;
    }
}

static void monitor_type(struct ui *ui, const struct input_event *in)
{
    (void)ui, (void)in;
}

const struct view_ops view_monitor = {
    .name = "Monitor",
    .init = monitor_init,
    .quit = monitor_quit,
    .draw = monitor_draw,
    .contexts = monitor_contexts,
    .act = monitor_act,
    .type = monitor_type,
};
