/*
 * Names to choose from, in the order of an enum.
 *
 *     CHOICES(switch, "auto", "on", "off")
 *
 * defines switch_name(i), which is NULL past the end, and switch_by_name(name): its index, or -1;
 * capital letters are small ones. Their header declares both.
 */
#ifndef SPRITTY_CHOICES_H
#define SPRITTY_CHOICES_H

#include <stddef.h>
#include <strings.h>

/* Of lists that end with NULL. */
static inline const char *choice_at(const char *const *list, int i)
{
    for (int k = 0; list[k]; k++)
        if (k == i)
            return list[k];
    return NULL;
}

static inline int choice_find(const char *const *list, const char *name)
{
    for (int k = 0; list[k]; k++)
        if (!strcasecmp(list[k], name))
            return k;
    return -1;
}

#define CHOICES(what, ...)                                                                         \
    static const char *const what##_choices[] = {__VA_ARGS__, NULL};                               \
    const char *what##_name(int i)                                                                 \
    {                                                                                              \
        return choice_at(what##_choices, i);                                                       \
    }                                                                                              \
    int what##_by_name(const char *name)                                                           \
    {                                                                                              \
        return choice_find(what##_choices, name);                                                  \
    }

#endif
