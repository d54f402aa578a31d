/*
 * What a foreign file says, in our words: settings as text, and notes about the rest.
 *
 * The parsers of this folder fill one of these and know nothing of the table of settings: a value
 * that this version has no setting for, or that its setting refuses, becomes a note that names it
 * (recipe_settle). Nothing is dropped in silence.
 */
#ifndef SPRITTY_RECIPE_H
#define SPRITTY_RECIPE_H

#include "config.h"

enum { RECIPE_MAX_TEXT = 64 << 10, RECIPE_MAX_NOTES = 40 };

struct recipe {
    struct recipe_value {
        char *key, *value; /* UTF-8 without control characters but line breaks */
    } * at;
    int count;
    char **note; /* one line each, safe to print */
    int notes, untold;
    const char *source; /* "ComfyUI workflow", "A1111 parameters", "spritty" */
    bool failed;        /* no memory; ask once, at the end */
};

/* Sets or replaces a value. It is cleaned: control characters go, and what is longer than
 * RECIPE_MAX_TEXT is left out; either is noted. */
void recipe_set(struct recipe *, const char *key, const char *value);
void recipe_setf(struct recipe *, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
const char *recipe_get(const struct recipe *, const char *key); /* or NULL */
void recipe_drop(struct recipe *, const char *key);

/* What is not honoured, once each. Past RECIPE_MAX_NOTES they are counted. */
void recipe_note(struct recipe *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Lays the values under what `s` says already. -1: no memory. */
int recipe_settle(struct recipe *, struct settings *s, struct err *);
void recipe_free(struct recipe *);

/* The prompts are what was read in the end: braces and __ in them choose nothing any more. */
void recipe_literal(struct recipe *);

/* The name of a model, LoRA or VAE as `spritty` looks for it, from another tool's file name:
 * without folder and .safetensors. out[256]. A pickle is noted. */
void recipe_file_name(struct recipe *, const char *file, char out[256]);

#endif
