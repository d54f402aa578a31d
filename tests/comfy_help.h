/* What the tests of ComfyUI's workflows share. Include after cmocka. */
#ifndef SPRITTY_TESTS_COMFY_HELP_H
#define SPRITTY_TESTS_COMFY_HELP_H

#include <string.h>

#include "import/comfy_nodes.h"

static inline void import(const char *text, struct recipe *r)
{
    struct err e = {""};
    *r = (struct recipe){.count = 0};
    if (comfy_import(text, strlen(text), "test.json", r, &e))
        fail_msg("%s", e.text);
}

/* NULL: nothing is said of it. */
static inline void expect(const struct recipe *r, const char *key, const char *value)
{
    const char *have = recipe_get(r, key);
    if (!value ? have != NULL : !have || strcmp(have, value) != 0)
        fail_msg("%s is '%s', not '%s'", key, have ? have : "(unsaid)", value ? value : "(unsaid)");
}

static inline void expect_note(const struct recipe *r, const char *part)
{
    for (int i = 0; i < r->notes; i++)
        if (strstr(r->note[i], part))
            return;
    fail_msg("no note says '%s' (%d notes; the first: %s)", part, r->notes,
             r->notes ? r->note[0] : "");
}

#endif
