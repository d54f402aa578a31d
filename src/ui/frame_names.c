/* Names of frames; see frame_names.h. */
#include "ui/frame_names.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { STEM = 44 }; /* bytes of a name without its number and ending */

static bool is_letter(char c)
{
    return isalnum((unsigned char)c) || (unsigned char)c >= 0x80;
}

/* A weight (":1.3") or an addition ("<lora:...>") is no word; its length. */
static size_t aside(const char *p)
{
    if (*p == '<' && strchr(p, '>'))
        return (size_t)(strchr(p, '>') - p) + 1;
    return *p == ':' ? 1 + strspn(p + 1, "0123456789.") : 0;
}

static bool is_article(const char *word, size_t n)
{
    return (n == 1 && *word == 'a') || (n == 2 && !memcmp(word, "an", 2)) ||
           (n == 3 && !memcmp(word, "the", 3));
}

/* Of a word that goes on behind STEM bytes: those that are whole characters. */
static size_t whole(const char *word)
{
    size_t n = STEM, lead = n - 1;
    while (lead > 0 && ((unsigned char)word[lead] & 0xc0) == 0x80)
        lead--;
    unsigned char c = (unsigned char)word[lead];
    size_t length = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
    return lead + length <= n ? n : lead;
}

/* Words with a dash between them, as many as fit; articles are left out. */
static void stem(const char *words, char out[STEM + 1])
{
    size_t used = 0;
    while (*words) {
        char word[STEM + 1];
        size_t n = 0, skip = aside(words);
        if (skip || !is_letter(*words)) {
            words += skip ? skip : 1;
            continue;
        }
        for (; is_letter(*words); words++, n++)
            if (n < STEM)
                word[n] = (char)tolower((unsigned char)*words);
        if (n <= STEM && is_article(word, n))
            continue;
        if (!used && n > STEM) /* a language without spaces */
            n = whole(word);
        if (used + (used > 0) + n > STEM)
            break;
        if (used)
            out[used++] = '-';
        memcpy(out + used, word, n);
        used += n;
    }
    out[used] = '\0';
    if (!used)
        snprintf(out, STEM + 1, "sprite");
}

static bool taken(char (*names)[FRAME_NAME], int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (!strcmp(names[i], name))
            return true;
    return false;
}

void frame_names(const char *const *words, int n, char (*names)[FRAME_NAME])
{
    char own[STEM + 1], other[STEM + 1];
    for (int i = 0; i < n; i++) {
        int same = 0, number = 1;
        stem(words[i], own);
        for (int k = 0; k < n; k++) {
            stem(words[k], other);
            same += !strcmp(own, other);
            number += k < i && !strcmp(own, other);
        }
        if (same > 1)
            snprintf(names[i], FRAME_NAME, "%s-%d.png", own, number);
        else
            snprintf(names[i], FRAME_NAME, "%s.png", own);
        /* "slime 2" was made, and two of "slime" */
        for (int more = n + 1; taken(names, i, names[i]); more++)
            snprintf(names[i], FRAME_NAME, "%s-%d.png", own, more);
    }
}
