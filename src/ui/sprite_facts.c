/* What is known about a sprite, beside its picture in the gallery. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ui/files.h"
#include "ui/sprite_facts.h"
#include "ui/studio.h"

void rating_text(int rating, char *out, size_t size)
{
    size_t n = 0;
    *out = '\0';
    for (int i = 0; i < rating && n < size; i++)
        n += (size_t)snprintf(out + n, size - n, "%s", "★");
}

static int fact(struct ui *ui, struct rect in, int row, const char *name, const char *value)
{
    if (row >= in.h)
        return row;
    draw_text(ui->screen, in.y + row, in.x + 1, 12, ROLE_DIM, name);
    draw_text(ui->screen, in.y + row, in.x + 13, in.w - 14, ROLE_TEXT, value);
    return row + 1;
}

/* A text over several rows, at most `most`. */
static int long_fact(struct ui *ui, struct rect in, int row, const char *name, const char *value,
                     int most)
{
    struct rect at = {in.y + row, in.x + 13, in.h - row < most ? in.h - row : most, in.w - 14};
    if (!value || !*value || at.h < 1)
        return row;
    draw_text(ui->screen, in.y + row, in.x + 1, 12, ROLE_DIM, name);
    return row + draw_wrapped(ui->screen, at, ROLE_STRONG, value);
}

const char *sprite_words(const struct store_sprite *s)
{
    bool typed = s->words && *s->words && !strchr(s->words, '{') && !strstr(s->words, "__");
    return typed ? s->words : s->prompt ? s->prompt : "";
}

/* The palette that its job or its job's preset says: a name or a file; "" for none. */
static void palette_of(struct ui *ui, const struct store_sprite *s, char *out, size_t size)
{
    struct settings all = {0};
    struct err e;
    settings_from_text(&all, s->settings ? s->settings : "", &e);
    if (!settings_has(&all, "palette") && s->preset && *s->preset)
        config_preset(&ui->config, s->preset, &all, &e);
    *out = '\0';
    if (settings_has(&all, "palette"))
        settings_print(&all, "palette", out, size);
    settings_free(&all);
}

void sprite_facts(struct ui *ui, const struct store_sprite *s, struct rect r)
{
    struct rect in = draw_box(ui->screen, r, "About", false);
    char text[400], a[40], b[40];
    int row = long_fact(ui, in, 0, "prompt", s->prompt, in.h / 3 > 1 ? in.h / 3 : 1);
    if (s->words && s->prompt && strcmp(s->words, s->prompt) != 0)
        row = long_fact(ui, in, row, "typed", s->words, in.h / 6 > 1 ? in.h / 6 : 1);
    row = long_fact(ui, in, row, "negative", s->negative, 2);
    row += row < in.h;
    snprintf(text, sizeof text, "%" PRIu64, s->seed);
    row = fact(ui, in, row, "seed", text);
    snprintf(text, sizeof text, "%dx%d, %d colours", s->width, s->height, s->colors);
    row = fact(ui, in, row, "sprite", text);
    snprintf(text, sizeof text, "%d, cfg %g", s->steps, s->cfg);
    row = fact(ui, in, row, "steps", text);
    snprintf(text, sizeof text, "%s, %s", s->sampler, s->scheduler);
    row = fact(ui, in, row, "sampler", text);
    if (s->preset && *s->preset)
        row = fact(ui, in, row, "preset", s->preset);
    palette_of(ui, s, text, sizeof text);
    if (*text)
        row = fact(ui, in, row, "palette", text);
    row = fact(ui, in, row, "model", s->model ? s->model : "");
    text_ms(s->ms_total, a, sizeof a);
    text_ms(s->ms_step, b, sizeof b);
    snprintf(text, sizeof text, "%s, %s a step", a, b);
    row = fact(ui, in, row, "time", text);
    text_bytes((double)s->bytes_peak, a, sizeof a);
    row = fact(ui, in, row, "peak", a);
    text_ago(s->created, (double)time(NULL), a, sizeof a);
    row = fact(ui, in, row, "made", a);
    rating_text(s->rating, a, sizeof a);
    row = fact(ui, in, row, "rating", s->rating ? a : "none");
    row = fact(ui, in, row, "tags", s->tags && *s->tags ? s->tags : "none");
    file_shorten(s->path, text, sizeof text);
    long_fact(ui, in, row, "file", text, 3);
}
