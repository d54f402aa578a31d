/*
 * ControlNets in A1111's parameters, see a1111_priv.h: a setting for each unit of the extension
 * sd-webui-controlnet (and of Forge, which has it built in), whose value is a list of its own:
 *
 *     ControlNet 0: "Module: canny, Model: canny_xl [2b69fca4], Weight: 0.8, Guidance End: 0.6"
 *
 * Names: its internal_controlnet/args.py (ControlNetUnit.serialize); before 2024 they were small,
 * and pairs stood in brackets: "preprocessor: canny, starting/ending: (0, 1)".
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "import/a1111_priv.h"

enum { TEXT = 200 };

struct unit {
    const char *key; /* "ControlNet 0" */
    char module[TEXT], model[TEXT], weight[TEXT], start[TEXT], end[TEXT], low[TEXT], high[TEXT];
    char type[TEXT];    /* what a union is told */
    char perfect[TEXT]; /* "True": the picture is scaled to the size before its edges are found */
};

bool a1111_is_control(const char *key)
{
    static const char name[] = "ControlNet";
    size_t n = sizeof name - 1;
    if (strncasecmp(key, name, n) != 0)
        return false;
    const char *number = key + n + (key[n] == ' ');
    return !number[strspn(number, "0123456789")];
}

/* ---- a unit's list ---- */

/* The end of an item: a comma outside of brackets. */
static const char *item_end(const char *s)
{
    int depth = 0;
    for (; *s && (*s != ',' || depth > 0); s++)
        depth += *s == '(' ? 1 : *s == ')' && depth > 0 ? -1 : 0;
    return s;
}

/* Two of a list in brackets, from its `at`th on. */
static void pair_of(const char *list, int at, char first[TEXT], char second[TEXT])
{
    for (list += *list == '('; at > 0 && *list; list++)
        at -= *list == ',';
    sscanf(list, " %199[^,)], %199[^)]", first, second);
}

/* A choice that is made in one way here. */
static void compare(struct recipe *r, const struct unit *u, const char *name, const char *value,
                    const char *here)
{
    if (strcasecmp(value, here) != 0)
        recipe_note(r, "%s: %s: %.80s; here it is as with %s", u->key, name, value, here);
}

static void take(struct recipe *r, struct unit *u, const char *name, const char *value)
{
    static const char *const names[] = {"Module",        "Preprocessor",      "Model",
                                        "Weight",        "Guidance Start",    "Guidance End",
                                        "Threshold A",   "Threshold B",       "Pixel Perfect",
                                        "Pixel_perfect", "Union Control Type"};
    char *const texts[] = {u->module, u->module, u->model,   u->weight,  u->start, u->end,
                           u->low,    u->high,   u->perfect, u->perfect, u->type};
    static const char *const quiet[] = {"Low Vram", "Processor Res", "Save Detected Map"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!strcasecmp(names[i], name)) {
            snprintf(texts[i], TEXT, "%s", value);
            return;
        }
    }
    for (size_t i = 0; i < sizeof quiet / sizeof *quiet; i++)
        if (!strcasecmp(quiet[i], name))
            return;
    if (!strcasecmp(name, "starting/ending"))
        pair_of(value, 0, u->start, u->end);
    else if (!strcasecmp(name, "preprocessor params")) /* resolution, thresholds */
        pair_of(value, 1, u->low, u->high);
    else if (!strcasecmp(name, "Resize Mode"))
        compare(r, u, name, strstr(value, "Inner Fit") ? "Crop and Resize" : value,
                "Crop and Resize");
    else if (!strcasecmp(name, "Control Mode"))
        compare(r, u, name, value, "Balanced");
    else if (!strcasecmp(name, "Hr Option"))
        compare(r, u, name, value, "Both");
    else
        recipe_note(r, "%s: %.60s: %.80s has no setting here", u->key, name, value);
}

static void read_unit(struct recipe *r, struct unit *u, const char *text)
{
    for (const char *s = text; *s;) {
        char item[TEXT], *value;
        const char *end = item_end(s);
        s += strspn(s, " ");
        snprintf(item, sizeof item, "%.*s", (int)(end > s ? end - s : 0), s);
        if ((value = strchr(item, ':'))) {
            *value++ = '\0';
            take(r, u, item, value + strspn(value, " "));
        }
        s = *end ? end + 1 : end;
    }
}

/* ---- what it means ---- */

static void put_number(struct recipe *r, const char *key, const char *value, double usual)
{
    if (*value && atof(value) != usual)
        recipe_set(r, key, value);
}

static void put_thresholds(struct recipe *r, const struct unit *u)
{
    double low = *u->low ? atof(u->low) : -1, high = *u->high ? atof(u->high) : -1;
    long a = low < 0 ? 100 : lround(fmin(low, 1e6)), b = high < 0 ? 200 : lround(fmin(high, 1e6));
    if (a != 100 || b != 200) {
        recipe_setf(r, "control-low", "%ld", a);
        recipe_setf(r, "control-high", "%ld", b);
    }
}

/* Its picture is in no text: of what it is to be, and how that is prepared. */
static void put_picture(struct recipe *r, const struct unit *u, bool ours)
{
    bool canny = !strcasecmp(u->module, "canny"), invert = !strncasecmp(u->module, "invert", 6);
    bool other = *u->module && strcasecmp(u->module, "none") != 0 && !canny && !invert;
    if (canny || invert)
        recipe_set(r, "control-prepare", canny ? "canny" : "invert");
    if (canny)
        put_thresholds(r, u);
    if (canny && !ours && strcasecmp(u->perfect, "True") != 0)
        recipe_note(r,
                    "%s: its edges were found at its Processor Res; here they are found at the "
                    "sprite's size, as with Pixel Perfect",
                    u->key);
    if (other)
        recipe_note(r,
                    "%s: its picture, which is not in the text, was prepared by %.80s: name one "
                    "that is prepared, with --control-image",
                    u->key, u->module);
    else
        recipe_note(r, "%s: its picture is not in the text; name it with --control-image", u->key);
}

/* ControlNetUnionControlType in scripts/enums.py. The extension takes it from a unit's text, but
 * writes it into none: what a union was told is to be named then. */
static void put_type(struct recipe *r, const struct unit *u, bool ours)
{
    static const char *const types[][2] = {
        {"OpenPose", "openpose"}, {"Depth", "depth"},       {"Soft Edge", "scribble"},
        {"Hard Edge", "canny"},   {"Normal Map", "normal"}, {"Segmentation", "segment"},
        {"Tile", "tile"},         {"Inpaint", "repaint"},   {"Unknown", "auto"}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcasecmp(types[i][0], u->type) != 0)
            continue;
        if (strcmp(types[i][1], "auto") != 0)
            recipe_set(r, "control-type", types[i][1]);
        return;
    }
    if (*u->type)
        recipe_note(r, "%s: Union Control Type: %.80s: there is none of that name here", u->key,
                    u->type);
    else if (!ours && strcasestr(u->model, "union"))
        recipe_note(r,
                    "%s: what it was told of its picture is not in the text; name it with "
                    "--control-type",
                    u->key);
}

static bool is_adapter(const char *model)
{
    static const char *const parts[] = {"ip-adapter", "ip_adapter", "t2i", "lllite"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strcasestr(model, parts[i]))
            return true;
    return false;
}

/* Is it one that works here? If not, why. */
static bool check_unit(struct recipe *r, const struct unit *u, const char *text)
{
    if (!*u->model && !*u->module)
        recipe_note(r, "%s: %.120s has no setting here", u->key, text);
    else if (!*u->model || !strcasecmp(u->model, "None"))
        recipe_note(r, "%s: %.80s works without a ControlNet and has no setting here", u->key,
                    u->module);
    else if (is_adapter(u->model))
        recipe_note(r, "%s: %.80s is an adapter and no ControlNet, which is not run here", u->key,
                    u->model);
    else
        return true;
    return false;
}

void a1111_set_control(struct recipe *r, const char *key, const char *text, bool ours)
{
    struct unit u = {.key = key};
    if (recipe_get(r, "control")) {
        recipe_note(r, "%s: %.120s: one ControlNet works at a time here", key, text);
        return;
    }
    read_unit(r, &u, text);
    if (!check_unit(r, &u, text))
        return;
    a1111_set_file(r, "control", u.model);
    put_type(r, &u, ours);
    put_picture(r, &u, ours);
    put_number(r, "control-strength", u.weight, 1);
    put_number(r, "control-start", u.start, 0);
    put_number(r, "control-end", u.end, 1);
}
