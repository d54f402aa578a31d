/*
 * The sheet's JSON held to what Aseprite's export has (https://www.aseprite.org/docs/cli/ and what
 * its readers rely on), read by cJSON: every key with its type and no other, rectangles inside the
 * picture, sizes that agree, tags and pivots within the frames.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "sprite/sheet_json.h"

enum { FRAMES = 7, DURATION = 120 };

static const char *const names[FRAMES] = {"walk-0.png",     "walk-1.png", "walk-2.png",
                                          "idle \"1\".png", "7.png",      "jump_1.png",
                                          "jump_2.png"};

/* Of different sizes, with transparent borders; frame 4 is empty. */
static struct image *draw(int i)
{
    struct image *m = image_new(9 + 3 * i, 20 - 2 * i);
    for (int y = i; y < m->height - 1 && i != 4; y++)
        for (int x = 2; x < m->width - i; x++)
            memset(m->rgba + 4 * (y * m->width + x), 255, 4);
    return m;
}

/* An object with these members, in any order, and no others. */
static void assert_keys(struct json object, const char *keys)
{
    int n = 0;
    char word[40];
    assert_int_equal(json_kind(object), JSON_OBJECT);
    for (const char *p = keys; sscanf(p, "%39s", word) == 1; n++) {
        if (!json_is_set(json_get(object, word)))
            fail_msg("there is no '%s'", word);
        p = strstr(p, word) + strlen(word);
    }
    assert_int_equal(json_count(object), n);
}

static int whole(struct json object, const char *key)
{
    uint64_t v = 0;
    assert_true(json_as_u64(json_get(object, key), &v));
    assert_true(v <= IMAGE_MAX_SIDE);
    return (int)v;
}

static const char *string(struct json object, const char *key)
{
    const char *s = json_as_string(json_get(object, key));
    assert_non_null(s);
    return s;
}

struct box {
    int x, y, w, h;
};

static struct box box_of(struct json frame, const char *key)
{
    struct json r = json_get(frame, key);
    assert_keys(r, "x y w h");
    return (struct box){whole(r, "x"), whole(r, "y"), whole(r, "w"), whole(r, "h")};
}

static struct box size_of(struct json object, const char *key)
{
    struct json r = json_get(object, key);
    assert_keys(r, "w h");
    return (struct box){0, 0, whole(r, "w"), whole(r, "h")};
}

static void assert_inside(struct box in, struct box out)
{
    assert_true(in.w > 0 && in.h > 0);
    assert_true(in.x + in.w <= out.w && in.y + in.h <= out.h);
}

/* What the frame showed is what its place in the sheet shows. */
static void assert_pixels(const struct image *sheet, const struct image *frame, struct box place,
                          struct box part, bool tight)
{
    for (int y = 0; tight && y < part.h; y++)
        assert_memory_equal(sheet->rgba + 4 * ((place.y + y) * sheet->width + place.x),
                            frame->rgba + 4 * ((part.y + y) * frame->width + part.x),
                            4 * (size_t)part.w);
}

static void check_frame(struct json f, bool array, int i, const struct image *sheet,
                        const struct image *frame, bool tight)
{
    bool rotated, trimmed;
    assert_keys(f, array ? "filename frame rotated trimmed spriteSourceSize sourceSize duration"
                         : "frame rotated trimmed spriteSourceSize sourceSize duration");
    assert_string_equal(array ? string(f, "filename") : json_key(f), names[i]);
    struct box place = box_of(f, "frame"), part = box_of(f, "spriteSourceSize"),
               full = size_of(f, "sourceSize");
    assert_inside(place, (struct box){0, 0, sheet->width, sheet->height});
    assert_inside(part, full);
    assert_true(part.w == place.w && part.h == place.h);
    assert_true(json_as_bool(json_get(f, "rotated"), &rotated) && !rotated);
    assert_true(json_as_bool(json_get(f, "trimmed"), &trimmed));
    assert_int_equal(trimmed, part.w != full.w || part.h != full.h);
    assert_int_equal(whole(f, "duration"), DURATION);
    if (tight)
        assert_true(full.w == frame->width && full.h == frame->height);
    assert_pixels(sheet, frame, place, part, tight);
}

static void check_tags(struct json tags)
{
    static const struct {
        const char *name;
        int from, to;
    } want[] = {{"walk", 0, 2}, {"idle \"1\"", 3, 3}, {"jump", 5, 6}};
    int i = 0;
    assert_int_equal(json_kind(tags), JSON_ARRAY);
    assert_int_equal(json_count(tags), 3);
    for (struct json t = json_first(tags); t.node; t = json_next(t), i++) {
        assert_keys(t, "name from to direction");
        assert_string_equal(string(t, "name"), want[i].name);
        assert_int_equal(whole(t, "from"), want[i].from);
        assert_int_equal(whole(t, "to"), want[i].to);
        assert_string_equal(string(t, "direction"), "forward");
    }
}

/* Where frame i stands in what its sourceSize shows (grid: at the bottom in the middle of a cell),
 * and there the middle of its feet: its lowest eighth, as draw() draws it. */
static void assert_at_feet(const struct image *frame, int i, struct box full, int x, int y)
{
    int left = (full.w - frame->width) / 2, top = full.h - frame->height;
    if (i == 4) /* empty: anywhere inside */
        return;
    assert_int_equal(y, top + frame->height - 1); /* draw() leaves the last row free */
    int feet = 2 + frame->width - i; /* twice the middle of columns 2 to width - i - 1 */
    assert_true(2 * (x - left) == feet || 2 * (x - left) == feet - 1);
}

/* Aseprite's rule (https://www.aseprite.org/docs/slices/): a key holds from its frame on; its pivot
 * is relative to its bounds, which are in the sprite before trimming. Read so, each pivot is at
 * the frame's feet. */
static void check_pivots(struct json slices, struct json frames, const struct sheet_frame *drawn)
{
    struct json slice = json_first(slices), f = json_first(frames);
    assert_int_equal(json_kind(slices), JSON_ARRAY);
    assert_int_equal(json_count(slices), 1);
    assert_keys(slice, "name color keys");
    const char *color = string(slice, "color");
    assert_true(color[0] == '#' && strlen(color) == 9 &&
                strspn(color + 1, "0123456789abcdef") == 8);
    assert_int_equal(json_count(json_get(slice, "keys")), FRAMES);
    int i = 0;
    for (struct json k = json_first(json_get(slice, "keys")); k.node; k = json_next(k), i++) {
        assert_keys(k, "frame bounds pivot");
        assert_int_equal(whole(k, "frame"), i);
        struct box bounds = box_of(k, "bounds"), full = size_of(f, "sourceSize");
        struct json pivot = json_get(k, "pivot");
        assert_keys(pivot, "x y");
        assert_inside(bounds, full);
        int x = whole(pivot, "x"), y = whole(pivot, "y");
        assert_true(x <= bounds.w && y <= bounds.h);
        assert_at_feet(drawn[i].image, i, full, bounds.x + x, bounds.y + y);
        f = json_next(f);
    }
}

static void check_meta(struct json meta, const struct image *sheet)
{
    assert_keys(meta, "app version image format size scale frameTags slices");
    assert_string_equal(string(meta, "image"), "sheet.png");
    assert_string_equal(string(meta, "format"), "RGBA8888");
    assert_string_equal(string(meta, "scale"), "1");
    assert_true(*string(meta, "app") && *string(meta, "version"));
    struct box size = size_of(meta, "size");
    assert_true(size.w == sheet->width && size.h == sheet->height);
}

static void check(enum sheet_packing packing, bool array)
{
    struct sheet_frame f[FRAMES] = {{0}};
    struct err e;
    for (int i = 0; i < FRAMES; i++)
        f[i].image = draw(i);
    struct image *sheet = sheet_pack(f, FRAMES, &(struct sheet_options){packing, 0, 1}, &e);
    assert_non_null(sheet);
    char *text = sheet_json(&(struct sheet_text){f, names, FRAMES, DURATION, array, "sheet.png"},
                            sheet);
    assert_non_null(text);
    struct json_doc *doc = json_parse(text, strlen(text), "sheet.json", &e);
    assert_non_null(doc);
    struct json root = json_root(doc), frames = json_get(root, "frames");
    assert_keys(root, "frames meta");
    assert_int_equal(json_kind(frames), array ? JSON_ARRAY : JSON_OBJECT);
    assert_int_equal(json_count(frames), FRAMES);
    int i = 0;
    for (struct json one = json_first(frames); one.node; one = json_next(one), i++)
        check_frame(one, array, i, sheet, f[i].image, packing == SHEET_TIGHT);
    struct json meta = json_get(root, "meta");
    check_meta(meta, sheet);
    check_tags(json_get(meta, "frameTags"));
    check_pivots(json_get(meta, "slices"), frames, f);
    json_free(doc);
    free(text);
    image_free(sheet);
    for (i = 0; i < FRAMES; i++)
        image_free((struct image *)f[i].image);
}

static void hashes_are_like_aseprites(void **state)
{
    (void)state;
    check(SHEET_GRID, false);
    check(SHEET_TIGHT, false);
}

static void arrays_are_like_aseprites(void **state)
{
    (void)state;
    check(SHEET_GRID, true);
    check(SHEET_TIGHT, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_are_like_aseprites),
        cmocka_unit_test(arrays_are_like_aseprites),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
