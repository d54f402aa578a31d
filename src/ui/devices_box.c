/* The monitor's box of devices, where there are several: a line each. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ui/monitor.h"

static void doing(const struct pool_device *d, char *out, size_t size)
{
    if (!d->job)
        snprintf(out, size, "idle");
    else if (d->steps > 0 && stage_samples(d->stage))
        snprintf(out, size, "job %lld  %d/%d", (long long)d->job, d->step, d->steps);
    else
        snprintf(out, size, "job %lld  %s", (long long)d->job, *d->stage ? d->stage : "starting");
}

static void draw_device(struct ui *ui, const struct pool_device *d, struct rect r)
{
    char text[300], left[32] = "", bytes[32];
    int name = 9, gauge = r.w >= 100 ? 16 : 8, x = r.x + name + gauge + 7;
    draw_text(ui->screen, r.y, r.x, name - 1, d->aside ? ROLE_BAD : ROLE_STRONG, d->name);
    if (d->aside) {
        snprintf(text, sizeof text, "set aside: %s", d->why);
        draw_text(ui->screen, r.y, r.x + name, r.w - name, ROLE_BAD, text);
        return;
    }
    graph_gauge(ui->screen, r.y, r.x + name, gauge, d->load, ROLE_ACCENT);
    draw_printf(ui->screen, r.y, r.x + name + gauge + 1, 5, ROLE_DIM, "%3.0f%%", 100 * d->load);
    doing(d, text, sizeof text);
    draw_text(ui->screen, r.y, x, 22, d->job ? ROLE_TEXT : ROLE_DIM, text);
    int n = d->waiting > 0 ? snprintf(text, sizeof text, "%d waiting  ", d->waiting) : 0;
    if (d->job && !isnan(d->left_ms)) {
        text_ms(d->left_ms, left, sizeof left);
        n += snprintf(text + n, sizeof text - (size_t)n, "%s left  ", left);
    }
    text_bytes((double)(d->bytes_weights + d->bytes_activations), bytes, sizeof bytes);
    snprintf(text + n, sizeof text - (size_t)n, "%s", bytes);
    draw_right(ui->screen, r.y, x + 23, r.x + r.w - x - 23, ROLE_DIM, text);
}

int devices_box_rows(const struct ui *ui, int rows)
{
    int most = rows / 3 > 3 ? rows / 3 : 3, want = ui->devices + 2;
    return ui->devices < 2 ? 0 : want < most ? want : most;
}

void devices_box_draw(struct ui *ui, struct rect r)
{
    char title[40];
    snprintf(title, sizeof title, "Devices (%d)", ui->devices);
    struct rect in = draw_box(ui->screen, r, title, false);
    for (int i = 0; i < ui->devices && i < in.h; i++)
        draw_device(ui, &ui->device[i], (struct rect){in.y + i, in.x + 1, 1, in.w - 2});
}
