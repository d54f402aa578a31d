/* A compiled terminfo entry; see terminfo.h. The format is term(5)'s, with 32-bit numbers and one
 * extended capability: RGB, which lets colour numbers be colours. */
#include "ui/terminfo.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Places in a compiled entry, which never change: see <term.h>. */
enum { BOOL_MSGR = 14, BOOL_XENL = 4, BOOLS = 15 };
enum { NUM_COLS = 0, NUM_LINES = 2, NUM_COLORS = 13, NUM_PAIRS = 14, NUMS = 15 };
enum { STRINGS = 361 };

/* 30 to 37, 90 to 97, 38;5;N or 38;2;R;G;B, by the number's size; for backgrounds 10 more. */
#define COLOR(few, bright, many)                                                                   \
    "\033[%?%p1%{8}%<%t" few "%p1%d%e%p1%{16}%<%t%p1%{" bright "}%+%d%e%p1%{256}%<%t" many         \
    ";5;%p1%d%e" many ";2;%p1%{65536}%/%{255}%&%d;%p1%{256}%/%{255}%&%d;%p1%{255}%&%d%;m"

static const struct {
    int at;
    const char *value;
} strings[] = {
    {5, "\033[H"},                 /* clear_screen: screen.c has cleared it */
    {8, "\033[%i%p1%dG"},          /* column_address */
    {10, "\033[%i%p1%d;%p2%dH"},   /* cursor_address */
    {27, "\033[1m"},               /* enter_bold_mode */
    {30, "\033[2m"},               /* enter_dim_mode */
    {34, "\033[7m"},               /* enter_reverse_mode */
    {36, "\033[4m"},               /* enter_underline_mode */
    {39, "\033[m"},                /* exit_attribute_mode */
    {297, "\033[39;49m"},          /* orig_pair */
    {359, COLOR("3", "82", "38")}, /* set_a_foreground */
    {360, COLOR("4", "92", "48")}, /* set_a_background */
};
enum { SAID = sizeof strings / sizeof *strings };

struct entry {
    uint8_t bytes[4096];
    size_t n;
};

static void put(struct entry *e, const void *bytes, size_t n)
{
    assert(n <= sizeof e->bytes - e->n);
    memcpy(e->bytes + e->n, bytes, n);
    e->n += n;
}

static void put16(struct entry *e, int v)
{
    put(e, (uint8_t[]){(uint8_t)v, (uint8_t)((unsigned)v >> 8)}, 2);
}

static void put32(struct entry *e, int v)
{
    put16(e, v);
    put16(e, (int)((unsigned)v >> 16));
}

static void put_even(struct entry *e)
{
    if (e->n % 2)
        put(e, "", 1);
}

static void put_strings(struct entry *e)
{
    int offset[STRINGS], used = 0;
    memset(offset, 0xff, sizeof offset); /* -1: there is none */
    for (int i = 0; i < SAID; i++) {
        offset[strings[i].at] = used;
        used += (int)strlen(strings[i].value) + 1;
    }
    for (int i = 0; i < STRINGS; i++)
        put16(e, offset[i]);
    for (int i = 0; i < SAID; i++)
        put(e, strings[i].value, strlen(strings[i].value) + 1);
    put_even(e);
}

static void put_extended(struct entry *e)
{
    static const int counts[] = {1, 0, 0, 1, 4}; /* one flag, one name, four bytes of names */
    for (int i = 0; i < 5; i++)
        put16(e, counts[i]);
    put(e, "\1", 2);
    put16(e, 0);
    put(e, "RGB", 4);
}

static void build(struct entry *e, int rows, int cols)
{
    static const char name[] = TERMINFO_NAME "|what all terminals of spritty share";
    int size = 0, number[NUMS];
    uint8_t flag[BOOLS] = {0};
    for (int i = 0; i < SAID; i++)
        size += (int)strlen(strings[i].value) + 1;
    put16(e, 01036);
    put16(e, sizeof name);
    put16(e, BOOLS);
    put16(e, NUMS);
    put16(e, STRINGS);
    put16(e, size);
    put(e, name, sizeof name);
    /* Behind the last column the cursor is nowhere, and attributes do not hinder motion. No
     * auto_right_margin: the last cell of the screen is written like any other. */
    flag[BOOL_XENL] = flag[BOOL_MSGR] = 1;
    put(e, flag, sizeof flag);
    put_even(e);
    memset(number, 0xff, sizeof number);
    number[NUM_COLS] = cols;
    number[NUM_LINES] = rows;
    number[NUM_COLORS] = 2 * TERMINFO_RGB;
    number[NUM_PAIRS] = 32767;
    for (int i = 0; i < NUMS; i++)
        put32(e, number[i]);
    put_strings(e);
    put_extended(e);
}

char *terminfo_hex(int rows, int cols)
{
    struct entry e = {.n = 0};
    build(&e, rows, cols);
    char *hex = malloc(4 + 2 * e.n + 1);
    if (!hex)
        return NULL;
    strcpy(hex, "hex:");
    for (size_t i = 0; i < e.n; i++)
        sprintf(hex + 4 + 2 * i, "%02x", e.bytes[i]);
    return hex;
}
