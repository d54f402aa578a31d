/*
 * The monitor's panel of what is in memory when most is: a bar cut in parts, the parts by name, the
 * largest first, and what the process, the system and the device have. Networks, activations and
 * what the arena costs besides are told by the colour; the list has the bar's order.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/memory_map.h"
#include "ui/monitor.h"

enum { PARTS = 24 };

struct part {
    const char *name;
    double bytes;
    enum role role;
};

static int by_bytes(const void *a, const void *b)
{
    const struct part *x = a, *y = b;
    return (x->bytes < y->bytes) - (x->bytes > y->bytes);
}

static struct part part_of(const struct memory_item *i)
{
    bool weights = i->group == MEMORY_WEIGHTS;
    bool own = !strcmp(i->name, "scratch") || !strcmp(i->name, "holes") ||
               !strcmp(i->name, "within calls");
    return (struct part){.name = i->name,
                         .bytes = (double)i->bytes,
                         .role = weights ? ROLE_GRAPH_A
                                 : own   ? ROLE_DIM
                                         : ROLE_GRAPH_B};
}

/* The parts, the largest first, and what is too many as one; *sum: of all. */
static int parts_of(const struct memory_map *m, struct part out[PARTS], double *sum)
{
    struct part all[MEMORY_ITEMS];
    int n = 0, kept = 0;
    double rest = 0;
    *sum = 0;
    for (int i = 0; i < m->count; i++)
        if (m->item[i].group <= MEMORY_PEAK && m->item[i].bytes > 0)
            all[n++] = part_of(&m->item[i]);
    if (n > 0)
        qsort(all, (size_t)n, sizeof *all, by_bytes);
    for (int i = 0; i < n; i++) {
        *sum += all[i].bytes;
        if (kept < PARTS - 1)
            out[kept++] = all[i];
        else
            rest += all[i].bytes;
    }
    if (rest > 0)
        out[kept++] = (struct part){"others", rest, ROLE_GRAPH_C};
    return kept;
}

/* ---- what the machine has ---- */

static int machine_rows(const struct ui *ui, const struct gpu_meters *gpu)
{
    return 2 + (ui->live.machine.swap_total > 0) + (gpu && gpu->known & GPU_MEMORY);
}

static void pair(struct ui *ui, struct rect in, int y, const char *name, const char *text)
{
    draw_text(ui->screen, y, in.x + 1, 8, ROLE_DIM, name);
    draw_text(ui->screen, y, in.x + 10, in.w - 11, ROLE_TEXT, text);
}

static void draw_machine_rows(struct ui *ui, struct rect in, int y, const struct gpu_meters *gpu)
{
    const struct machine *m = &ui->live.machine;
    char a[32], b[32], c[32], text[160];
    text_bytes((double)m->own_bytes, a, sizeof a);
    text_bytes((double)m->own_mapped, b, sizeof b);
    text_bytes((double)m->own_peak, c, sizeof c);
    snprintf(text, sizeof text, "%s, peak %s, %s of files", a, c, b);
    if ((int)strlen(text) > in.w - 11)
        snprintf(text, sizeof text, "%s, peak %s", a, c);
    pair(ui, in, y++, "process", text);
    text_bytes((double)m->memory_free, a, sizeof a);
    text_bytes((double)m->memory_total, b, sizeof b);
    snprintf(text, sizeof text, "%s of %s free", a, b);
    if ((int)strlen(text) > in.w - 11)
        snprintf(text, sizeof text, "%s free", a);
    pair(ui, in, y++, "system", text);
    if (m->swap_total > 0) {
        text_bytes((double)(m->swap_total - m->swap_free), a, sizeof a);
        text_bytes((double)m->swap_total, b, sizeof b);
        text_bytes((double)m->own_swapped, c, sizeof c);
        snprintf(text, sizeof text, "%s of %s, %s ours", a, b, c);
        pair(ui, in, y++, "swap", text);
    }
    if (gpu && gpu->known & GPU_MEMORY) {
        text_bytes((double)(gpu->memory_total - gpu->memory_used), a, sizeof a);
        text_bytes((double)gpu->memory_total, b, sizeof b);
        snprintf(text, sizeof text, "%s of %s free", a, b);
        pair(ui, in, y, "device", text);
    }
}

/* ---- the panel ---- */

int composition_rows(const struct ui *ui, const struct gpu_meters *gpu)
{
    struct part part[PARTS];
    double sum;
    int n = ui->live.memory ? parts_of(ui->live.memory, part, &sum) : 0;
    return 2 + 2 + n + machine_rows(ui, gpu);
}

static void draw_part(struct ui *ui, struct rect in, int y, const struct part *p, double sum)
{
    char size[32];
    int name = in.w - 2 - 2 - 9 - 6;
    text_bytes(p->bytes, size, sizeof size);
    draw_text(ui->screen, y, in.x + 1, 1, p->role, "■");
    draw_text(ui->screen, y, in.x + 3, name, ROLE_TEXT, p->name);
    draw_right(ui->screen, y, in.x + in.w - 1 - 6 - 9, 9, ROLE_STRONG, size);
    draw_printf(ui->screen, y, in.x + in.w - 6, 5, ROLE_DIM, "%3.0f%%", 100 * p->bytes / sum);
}

/* What the colours mean, with what they come to. */
static void draw_legend(struct ui *ui, struct rect in, int y, const struct part *part, int n)
{
    static const struct {
        enum role role;
        const char *name;
    } kinds[] = {{ROLE_GRAPH_A, "weights"}, {ROLE_GRAPH_B, "tensors"}, {ROLE_DIM, "arena"}};
    int x = in.x + 1;
    for (int k = 0; k < 3; k++) {
        double sum = 0;
        char size[32], text[64];
        for (int i = 0; i < n; i++)
            sum += part[i].role == kinds[k].role ? part[i].bytes : 0;
        text_bytes(sum, size, sizeof size);
        snprintf(text, sizeof text, "%s %s", kinds[k].name, size);
        if (sum <= 0)
            continue;
        if (x + 2 + (int)strlen(text) > in.x + in.w - 1)
            return;
        draw_text(ui->screen, y, x, 1, kinds[k].role, "■");
        x += 3 + draw_text(ui->screen, y, x + 2, in.x + in.w - 3 - x, ROLE_DIM, text);
    }
}

static void draw_parts(struct ui *ui, struct rect in, int rows)
{
    struct part part[PARTS];
    double bytes[PARTS], sum;
    enum role roles[PARTS];
    int n = parts_of(ui->live.memory, part, &sum);
    for (int i = 0; i < n; i++)
        bytes[i] = part[i].bytes, roles[i] = part[i].role;
    if (n == 0 || rows < 1)
        return;
    graph_split(ui->screen, in.y, in.x + 1, in.w - 2, bytes, n, roles);
    int head = rows > 4 ? 2 : 1, shown = n < rows - head ? n : rows - head;
    if (head == 2)
        draw_legend(ui, in, in.y + 1, part, n);
    for (int i = 0; i < shown; i++)
        draw_part(ui, in, in.y + head + i, &part[i], sum);
}

void draw_composition(struct ui *ui, struct rect r, const struct gpu_meters *gpu)
{
    char title[80] = "Memory at the peak", brief[80] = "At the peak", size[32];
    struct part part[PARTS];
    double sum = 0;
    if (ui->live.memory)
        parts_of(ui->live.memory, part, &sum);
    if (sum > 0) {
        text_bytes(sum, size, sizeof size);
        snprintf(title, sizeof title, "Memory at the peak  %s", size);
        snprintf(brief, sizeof brief, "At the peak  %s", size);
    }
    struct rect in = draw_box(ui->screen, r, that_fits(title_room(r), title, brief), false);
    int below = machine_rows(ui, gpu);
    if (in.h < below + 4) /* low terminals go without */
        below = 0;
    if (sum > 0)
        draw_parts(ui, in, in.h - below);
    else
        draw_text(ui->screen, in.y, in.x + 1, in.w - 2, ROLE_DIM, "no job yet");
    if (below > 0)
        draw_machine_rows(ui, in, in.y + in.h - below, gpu);
}
