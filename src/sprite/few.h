/*
 * The numbers of up to 256 colours, for loops over pixels of few.
 *
 * Pixels of few colours often alternate (dither), so a jump that depends on them is guessed wrong.
 * A colour has one of two places beside each other, and which of them costs no jump; only where
 * more than two colours want them it does.
 */
#ifndef SPRITTY_FEW_H
#define SPRITTY_FEW_H

#include <stdint.h>

enum {
    FEW_MOST = 256,
    FEW_SLOTS = 4096, /* 2 a bucket */
    FEW_EMPTY = 0x100 /* a hidden pixel of some colour: no pixel's value */
};

struct few {
    int count;
    uint32_t key[FEW_SLOTS];
    uint16_t number[FEW_SLOTS];
};

/* A pixel as one word; all hidden ones are 0. */
static inline uint32_t few_value(const uint8_t p[4])
{
    return p[3] ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3] : 0;
}

static inline void few_init(struct few *f)
{
    f->count = 0;
    for (int i = 0; i < FEW_SLOTS; i++)
        f->key[i] = FEW_EMPTY;
}

/* From 0 in order of appearance; FEW_MOST for every colour that comes when those are taken. */
static inline int few_number(struct few *f, uint32_t value)
{
    uint32_t i = (value * 2654435761u) >> 21 << 1;
    i += f->key[i + 1] == value;
    if (f->key[i] == value)
        return f->number[i];
    i &= ~1u;
    while (f->key[i] != value && f->key[i] != FEW_EMPTY)
        i = (i + 1) % FEW_SLOTS;
    if (f->key[i] == value)
        return f->number[i];
    if (f->count == FEW_MOST)
        return FEW_MOST;
    f->key[i] = value;
    f->number[i] = (uint16_t)f->count;
    return f->count++;
}

#endif
