/* The LoRA picker's rows; see lora_rows.h. */
#include "ui/lora_rows.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "prompt/lora_list.h"

static const double LIMIT = 4;

static bool add(struct lora_rows *rows, const char *name, const struct lora_item *used)
{
    for (int i = 0; i < rows->count; i++)
        if (!strcmp(rows->at[i].name, name) && !used)
            return true;
    struct lora_row *more = realloc(rows->at, ((size_t)rows->count + 1) * sizeof *more);
    if (!more)
        return false;
    rows->at = more;
    more[rows->count] = (struct lora_row){strdup(name), used, used ? used->unet : 1,
                                          used ? used->text : 1};
    return more[rows->count].name && ++rows->count;
}

int lora_rows_make(struct lora_rows *rows, const char *const *names, int count, const char *setting,
                   struct err *e)
{
    struct lora_item *item = calloc(LORA_ITEMS, sizeof *item);
    *rows = (struct lora_rows){0};
    int used = item ? lora_list_parse(setting, item, e) : err_set(e, "out of memory");
    bool whole = used >= 0;
    for (int i = 0; whole && i < used; i++)
        whole = add(rows, item[i].name, &item[i]);
    for (int i = 0; whole && i < count; i++)
        whole = add(rows, names[i], NULL);
    free(item);
    if (!whole && used >= 0)
        err_set(e, "out of memory");
    return whole ? 0 : -1;
}

void lora_rows_free(struct lora_rows *rows)
{
    for (int i = 0; i < rows->count; i++)
        free(rows->at[i].name);
    free(rows->at);
    *rows = (struct lora_rows){0};
}

static double stepped(double v, int by)
{
    v = round((v + 0.05 * by) * 100) / 100;
    return v < -LIMIT ? -LIMIT : v > LIMIT ? LIMIT : v + 0.0; /* no -0 */
}

void lora_row_step(struct lora_row *r, int by, bool text_only)
{
    if (!r->used) {
        r->used = true;
        return;
    }
    r->text = stepped(r->text, by);
    if (!text_only)
        r->unet = stepped(r->unet, by);
}

char *lora_rows_text(const struct lora_rows *rows)
{
    char *text = NULL, one[2 * LORA_ITEM_NAME + 80];
    size_t size;
    FILE *f = open_memstream(&text, &size);
    struct lora_item *item = calloc(1, sizeof *item);
    bool any = false;
    for (int i = 0; f && item && i < rows->count; i++) {
        const struct lora_row *r = &rows->at[i];
        if (!r->used)
            continue;
        snprintf(item->name, sizeof item->name, "%s", r->name);
        item->unet = r->unet;
        item->text = r->text;
        lora_item_print(item, one, sizeof one);
        fprintf(f, "%s%s", any ? ", " : "", one);
        any = true;
    }
    bool whole = item && f;
    if ((f && fclose(f)) || !whole) {
        free(text);
        text = NULL;
    }
    free(item);
    return text;
}
