/*
 * Settings as text and back; see config.h. One "key = value" a line; a line break in a value is \n,
 * a backslash \\. And what the app and other tools call groups and choices.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config.h"
#include "sdxl/sampler.h"
#include "sdxl/schedule.h"

#define PULL "'spritty pull "

enum { VALUE_MAX = (64 << 10) + 64 };

static void put_escaped(FILE *f, const char *value)
{
    for (; *value; value++)
        if (*value == '\n')
            fputs("\\n", f);
        else if (*value == '\\')
            fputs("\\\\", f);
        else
            fputc(*value, f);
}

char *settings_to_text(const struct settings *s)
{
    char *text = NULL, *value = malloc(VALUE_MAX);
    size_t size;
    FILE *f = value ? open_memstream(&text, &size) : NULL;
    for (int i = 0; f && settings_key(i); i++) {
        const char *key = settings_key(i)->name;
        if (!settings_has(s, key))
            continue;
        settings_print(s, key, value, VALUE_MAX);
        fprintf(f, "%s = ", key);
        put_escaped(f, value);
        fputc('\n', f);
    }
    free(value);
    if (f && fclose(f)) {
        free(text);
        text = NULL;
    }
    return text;
}

static void unescape(char *s)
{
    char *to = s;
    for (; *s; s++)
        if (*s == '\\' && s[1])
            *to++ = *++s == 'n' ? '\n' : *s;
        else
            *to++ = *s;
    *to = '\0';
}

/* One line, cut into key and value in place. */
static int set_line(struct settings *s, char *line, struct err *e)
{
    char *value = strstr(line, " = ");
    if (!value)
        return err_set(e, "a stored setting has no value: '%.60s'", line);
    *value = '\0';
    value += 3;
    unescape(value);
    if (settings_key_index(line) < 0)
        return err_set(e, "there is no setting '%.60s' in this version", line);
    return settings_set(s, line, value, e);
}

int settings_from_text(struct settings *s, const char *text, struct err *e)
{
    char *copy = strdup(text), *rest = copy, *line;
    int rc = copy ? 0 : err_set(e, "out of memory");
    while (rc == 0 && (line = strsep(&rest, "\n")))
        if (*line)
            rc = set_line(s, line, e);
    free(copy);
    return rc;
}

/* The label of the option that begins here, and its length; NULL: there is none. */
static const char *option_here(const char *text, size_t *length)
{
    char name[40];
    if (!strncmp(text, "-m", 2) && !isalnum((unsigned char)text[2]) && text[2] != '-') {
        *length = 2;
        return settings_key(settings_key_index("model"))->label;
    }
    size_t n = strncmp(text, "--", 2) ? 0
                                      : strspn(text + 2, "abcdefghijklmnopqrstuvwxyz0123456789-");
    if (n == 0 || n >= sizeof name)
        return NULL;
    snprintf(name, sizeof name, "%.*s", (int)n, text + 2);
    int i = settings_key_index(name);
    *length = 2 + n;
    return i >= 0 && settings_key(i)->group != GROUP_NONE ? settings_key(i)->label : NULL;
}

void settings_in_app(const char *text, char *out, size_t size)
{
    const char *from = text, *label, *end;
    size_t n = 0, length;
    while (*from && n + 1 < size) {
        bool begins = from == text || strchr(" (,", from[-1]);
        if (begins && (label = option_here(from, &length))) {
            n += (size_t)snprintf(out + n, size - n, "'%s'", label);
            from += length;
        } else if (!strncmp(from, PULL, strlen(PULL)) && (end = strchr(from + 1, '\''))) {
            n += (size_t)snprintf(out + n, size - n, "F7");
            from = end + 1;
        } else {
            out[n++] = *from++;
        }
    }
    if (size > 0)
        out[n < size ? n : size - 1] = '\0';
}

/* ---- names ---- */

const char *settings_group_title(enum settings_group group)
{
    static const char *const titles[GROUPS] = {
        [GROUP_NONE] = "",
        [GROUP_PICTURE] = "Picture",
        [GROUP_NOISE] = "Seed and noise",
        [GROUP_MODEL] = "Model",
        [GROUP_IMAGE] = "Image to image",
        [GROUP_CONTROL] = "ControlNet",
        [GROUP_GUIDANCE] = "Guidance",
        [GROUP_TEXT] = "Text",
        [GROUP_FINISH] = "Finishing",
        [GROUP_MACHINE] = "Machine",
        [GROUP_TUNING] = "Speed and memory",
    };
    return titles[group];
}

const char *settings_choice_label(const struct settings_key *k, int i)
{
    const char *label = NULL;
    if (k->choice == sampler_name)
        label = sampler_label(i);
    else if (k->choice == schedule_name)
        label = schedule_label(i);
    return label && strcasecmp(label, k->choice(i)) != 0 ? label : NULL;
}

const char *settings_choice_pair(const struct settings_key *k, int i)
{
    int n = 0;
    if (k->choice != sampler_name)
        return NULL;
    for (; sampler_and_schedule(n); n++)
        if (n == i)
            return sampler_and_schedule(n);
    for (int sampler = 0; sampler_name(sampler); sampler++)
        if (sampler_on_gpu(sampler) && n++ == i)
            return sampler_on_gpu(sampler);
    return NULL;
}
