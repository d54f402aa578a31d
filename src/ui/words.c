/* Words that are typed to find a row of a list; see words.h. */
#include "ui/words.h"

#include <string.h>

bool words_match(const char *text, const char *words)
{
    char word[64];
    while (*words) {
        size_t n = strcspn(words, " ");
        size_t take = n < sizeof word ? n : sizeof word - 1;
        memcpy(word, words, take);
        word[take] = '\0';
        if (!strcasestr(text, word))
            return false;
        words += n + (words[n] == ' ');
    }
    return true;
}
