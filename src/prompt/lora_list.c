/* See lora_list.h. */
#include "prompt/lora_list.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A strength: any finite number that is not absurd. */
static bool number(const char *s, double *out)
{
    char *end;
    if (!*s || strspn(s, "+-.0123456789eE") != strlen(s)) /* no hex, inf or nan */
        return false;
    *out = strtod(s, &end);
    return !*end && fabs(*out) <= 100;
}

static char *trim(char *s)
{
    s += strspn(s, " \t\n");
    for (size_t n = strlen(s); n > 0 && strchr(" \t\n", s[n - 1]); n--)
        s[n - 1] = '\0';
    return s;
}

static int bad_argument(const char *name, const char *arg, struct err *e)
{
    return err_set(e,
                   "LoRA %.100s: '%.40s' is no strength; write name:0.8, or "
                   "name:te=0.5:unet=1",
                   name, arg);
}

/* One argument; position counts those without a name. */
static int take(struct lora_item *to, const char *arg, int *position, double said[2], bool has[2],
                struct err *e)
{
    int which = -1;
    if (!strncmp(arg, "te=", 3))
        which = 0, arg += 3;
    else if (!strncmp(arg, "unet=", 5))
        which = 1, arg += 5;
    else if (*position < 2 && !strchr(arg, '='))
        which = (*position)++;
    if (which < 0 || !number(arg, &said[which]))
        return bad_argument(to->name, arg, e);
    has[which] = true;
    return 0;
}

/* args: cut at colons, in place. */
static int read_args(struct lora_item *to, char *args, struct err *e)
{
    double said[2] = {1, 1};
    bool has[2] = {false, false};
    int position = 0;
    for (char *arg; args && (arg = strsep(&args, ":"));)
        if (*(arg = trim(arg)) && take(to, arg, &position, said, has, e) < 0)
            return -1;
    to->text = said[0];
    to->unet = has[1] ? said[1] : said[0];
    return 0;
}

static bool is_argument(const char *s, size_t n)
{
    char arg[64];
    double x;
    if (n >= sizeof arg)
        return false;
    snprintf(arg, sizeof arg, "%.*s", (int)n, s);
    char *t = trim(arg);
    return !strncmp(t, "te=", 3) || !strncmp(t, "unet=", 5) || number(t, &x);
}

/* Where the arguments begin: behind the first colon that only arguments follow, which becomes the
 * name's end. */
static char *arguments(char *s)
{
    char *at = NULL;
    for (size_t end = strlen(s); end > 0;) {
        size_t colon = end;
        while (colon > 0 && s[colon - 1] != ':')
            colon--;
        if (colon == 0 || !is_argument(s + colon, end - colon))
            break;
        at = s + colon;
        end = colon - 1;
    }
    if (at)
        at[-1] = '\0';
    return at;
}

static int put_name(struct lora_item *to, const char *name, struct err *e)
{
    if (!*name)
        return err_set(e, "a LoRA without a name");
    if (strlen(name) >= sizeof to->name)
        return err_set(e, "a LoRA's name of %zu bytes; %d are the most", strlen(name),
                       LORA_ITEM_NAME - 1);
    strcpy(to->name, name);
    return 0;
}

/* One item of the list, which it cuts up. */
static int read_item(struct lora_item *to, char *s, struct err *e)
{
    s = trim(s);
    if (*s == '"') {
        char *end = strchr(s + 1, '"');
        if (!end || (end[1] && end[1] != ':'))
            return err_set(e, "'%.60s': a quote is not closed before ':' or ','", s);
        *end = '\0';
        return put_name(to, s + 1, e) < 0 ? -1 : read_args(to, end[1] ? end + 2 : NULL, e);
    }
    char *args = arguments(s);
    char *tail = args ? NULL : strrchr(s, ':');
    if (tail && strspn(tail + 1, "+-.0123456789 eEinfa") == strlen(tail + 1))
        return bad_argument(s, tail + 1, e); /* was meant as a strength */
    return put_name(to, trim(s), e) < 0 ? -1 : read_args(to, args, e);
}

/* The comma that ends the item, outside of quotes; NULL: it is the last. */
static char *item_end(char *s)
{
    bool quoted = false;
    for (; *s; s++)
        if (*s == '"')
            quoted = !quoted;
        else if ((*s == ',' || *s == '\n') && !quoted)
            return s;
    return NULL;
}

int lora_list_parse(const char *text, struct lora_item out[LORA_ITEMS], struct err *e)
{
    char *copy = strdup(text), *rest = copy;
    int n = 0;
    if (!copy)
        return err_set(e, "out of memory");
    while (rest && n >= 0) {
        char *item = rest, *end = item_end(rest);
        if (end)
            *end = '\0';
        rest = end ? end + 1 : NULL;
        if (!*trim(item))
            continue;
        if (n == LORA_ITEMS)
            n = err_set(e, "more than %d LoRAs", LORA_ITEMS);
        else
            n = read_item(&out[n], item, e) < 0 ? -1 : n + 1;
    }
    free(copy);
    return n;
}

int lora_list_tags(const struct prompt_tags *t, struct lora_item out[LORA_ITEMS], int count,
                   struct err *e)
{
    for (int i = 0; i < t->count; i++) {
        const struct prompt_tag *tag = &t->at[i];
        char args[256];
        if (!strcmp(tag->kind, "hypernet"))
            return err_set(e, "<hypernet:%.100s>: hypernetworks are not supported", tag->name);
        if (strcmp(tag->kind, "lora") != 0 && strcmp(tag->kind, "lyco") != 0)
            continue;
        if (count == LORA_ITEMS)
            return err_set(e, "more than %d LoRAs", LORA_ITEMS);
        if (snprintf(args, sizeof args, "%s", tag->args) >= (int)sizeof args)
            return bad_argument(tag->name, tag->args, e);
        if (put_name(&out[count], tag->name, e) < 0 || read_args(&out[count], args, e) < 0)
            return -1;
        count++;
    }
    return count;
}

void lora_item_print(const struct lora_item *i, char *out, int size)
{
    size_t n = strlen(i->name);
    bool bare = n > 0 && !strpbrk(i->name, ",:\"\n") && !strchr(" \t", i->name[0]) &&
                !strchr(" \t", i->name[n - 1]);
    const char *quote = bare ? "" : "\"";
    if (i->unet == i->text)
        snprintf(out, (size_t)size, "%s%s%s:%.10g", quote, i->name, quote, i->unet);
    else
        snprintf(out, (size_t)size, "%s%s%s:te=%.10g:unet=%.10g", quote, i->name, quote, i->text,
                 i->unet);
}
