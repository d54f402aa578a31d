/* Finishing options from text; see finish_text.h. */
#include "sprite/finish_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sprite/quantize.h"

/* A whole or broken number, nothing behind it, and no hex, inf or nan. */
static bool number(const char *text, double min, double max, double *out)
{
    char *end;
    *out = strtod(text, &end);
    return end != text && !*end && strspn(text, "0123456789.") == strlen(text) && *out >= min &&
           *out <= max;
}

static int take_cell(struct finish_options *o, const char *text, struct err *e)
{
    o->cell = FINISH_FIND;
    o->grid = 0;
    if (!strcmp(text, "auto") || number(text, 1, IMAGE_MAX_SIDE, &o->grid))
        return 0;
    o->grid = 0;
    o->cell = 1;
    return !strcmp(text, "none")
               ? 0
               : err_set(e, "'%.40s' is neither auto, none nor a number of pixels", text);
}

static int take_colors(struct finish_options *o, const char *text, struct err *e)
{
    double n = 0;
    o->colors = !strcmp(text, "all") ? -1 : 0;
    if (o->colors || !strcmp(text, "auto"))
        return 0;
    if (!number(text, 1, QUANTIZE_MAX, &n) || strchr(text, '.'))
        return err_set(e, "'%.40s' is neither auto, all nor a number from 1 to %d", text,
                       QUANTIZE_MAX);
    o->colors = (int)n;
    return 0;
}

static int clean_bit(const char *name)
{
    for (int i = 0; clean_name(i); i++)
        if (!strcmp(name, clean_name(i)))
            return i;
    return -1;
}

/* "near,lone", "all", "none" or nothing */
static int take_clean(struct finish_options *o, const char *text, struct err *e)
{
    o->clean = !strcmp(text, "all") ? CLEAN_ALL : 0;
    if (o->clean || !*text || !strcmp(text, "none"))
        return 0;
    for (const char *at = text; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        char name[41];
        at += strspn(at, " ");
        snprintf(name, sizeof name, "%.*s", (int)strcspn(at, ", "), at);
        int bit = clean_bit(name);
        if (bit < 0)
            return err_set(e, "'%.40s' is none of near, lone, double, jagged, all, none", name);
        o->clean |= 1u << bit;
    }
    return 0;
}

static int check_rgb(const char *text, struct err *e)
{
    const char *hex = text + (*text == '#');
    bool good = strlen(hex) == 6 && strspn(hex, "0123456789abcdefABCDEF") == 6;
    return good || !*text || !strcmp(text, "auto")
               ? 0
               : err_set(e, "'%.40s' is neither auto nor RRGGBB", text);
}

static int check_swap(const char *text, struct err *e)
{
    const char *sign = strchr(text, '=');
    bool good = sign && sign > text && sign[1];
    return good || !*text || !strcmp(text, "none") ? 0 : err_set(e, "'%.40s' is no FROM=TO", text);
}

int finish_check(const char *key, const char *value, struct err *e)
{
    struct finish_options o;
    if (!strcmp(key, "cell"))
        return take_cell(&o, value, e);
    if (!strcmp(key, "colors"))
        return take_colors(&o, value, e);
    if (!strcmp(key, "clean"))
        return take_clean(&o, value, e);
    if (!strcmp(key, "outline-color"))
        return check_rgb(value, e);
    return !strcmp(key, "swap") ? check_swap(value, e) : 0;
}

void finish_take(struct finish_options *o, const char *key, const char *value)
{
    struct err e;
    if (!strcmp(key, "cell"))
        take_cell(o, value, &e);
    else if (!strcmp(key, "colors"))
        take_colors(o, value, &e);
    else if (!strcmp(key, "clean"))
        take_clean(o, value, &e);
}

bool finish_take_rgb(const char *value, uint8_t rgb[3])
{
    struct err e;
    const char *hex = value + (*value == '#');
    if (check_rgb(value, &e) || strlen(hex) != 6)
        return false;
    unsigned long v = strtoul(hex, NULL, 16);
    for (int c = 0; c < 3; c++)
        rgb[c] = (uint8_t)(v >> (16 - 8 * c));
    return true;
}
