/*
 * Prompts against ComfyUI's and A1111's own code (golden/golden_syntax.py): pieces and weights,
 * chunks of ids, texts by step, tags, and the weighted states of small_b.
 */
/* Not under qemu: whole networks, many minutes; test_cpu_kernels and test_ops run. */
#include "golden.h"

#include "base/json.h"
#include "prompt/schedule.h"
#include "prompt/tags.h"
#include "prompt/weights.h"
#include "sdxl/conditioning.h"

static const char *const MODEL = "tests/golden/small_b", *const FOLDER = "tests/golden/embeddings";
static struct json_doc *doc;
static struct checkpoint *ck;
static struct tokenizer *tokenizer[2];

static int start(void **state)
{
    struct err e = {""};
    (void)state;
    doc = json_load("tests/golden/syntax.json", 1 << 22, &e);
    ck = doc ? checkpoint_open(MODEL, NULL, &e) : NULL;
    for (int i = 0; i < 2 && ck; i++)
        tokenizer[i] = tokenizer_open(checkpoint_tokenizer(ck, i), &e);
    if (!ck || !tokenizer[0] || !tokenizer[1])
        print_message("%s\n", e.text);
    return ck && tokenizer[0] && tokenizer[1] ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    tokenizer_close(tokenizer[0]);
    tokenizer_close(tokenizer[1]);
    checkpoint_close(ck);
    json_free(doc);
    return 0;
}

static double number(struct json v)
{
    double x = NAN;
    assert_true(json_as_double(v, &x));
    return x;
}

static struct json item(struct json array, int at)
{
    struct json v = json_first(array);
    while (at-- > 0)
        v = json_next(v);
    return v;
}

static int failures;

static bool same_parts(struct json want, const struct prompt_parts *p)
{
    int i = 0;
    for (struct json v = json_first(want); v.node; v = json_next(v), i++) {
        if (i == p->count && !*json_as_string(item(v, 0)))
            continue; /* they have an empty piece for an empty text */
        const char *text = json_as_string(item(v, 0));
        const struct prompt_part *part = &p->part[i];
        if (i >= p->count || strlen(text) != part->len ||
            memcmp(text, p->text + part->at, part->len) != 0 ||
            fabs(number(item(v, 1)) - part->weight) > 1e-12)
            return false;
    }
    return i >= p->count;
}

static void test_parts(void **state)
{
    static const char *const tools[] = {"comfyui", "a1111"};
    int count = 0;
    (void)state;
    failures = 0;
    struct json cases = json_get(json_root(doc), "cases");
    for (struct json c = json_first(cases); c.node; c = json_next(c))
        for (int k = 0; k < 2; k++) {
            struct json tool = json_get(c, tools[k]);
            const char *text = json_as_string(json_get(c, "text"));
            struct prompt_parts p;
            struct err e = {""};
            if (!tool.node)
                continue;
            if (prompt_parse((enum prompt_syntax)k, text, &p, &e) < 0 ||
                !same_parts(json_get(tool, "parts"), &p)) {
                printf("  %s: '%s' %s:", tools[k], text, e.text);
                for (int i = 0; i < p.count; i++)
                    printf(" ['%.*s' %g]", (int)p.part[i].len, p.text + p.part[i].at,
                           p.part[i].weight);
                printf("\n");
                failures++;
            }
            prompt_parts_free(&p);
            count++;
        }
    printf("  %d prompts, %d differ\n", count, failures);
    assert_true(count > 300);
    assert_int_equal(failures, 0);
}

/* As "text*weight|text*weight". */
static void expect_parts(enum prompt_syntax syntax, const char *text, const char *want)
{
    char got[256] = "";
    struct prompt_parts p;
    struct err e = {""};
    assert_int_equal(prompt_parse(syntax, text, &p, &e), 0);
    for (int i = 0, n = 0; i < p.count; i++)
        n += snprintf(got + n, sizeof got - (size_t)n, "%s%.*s*%.3g", i ? "|" : "",
                      (int)p.part[i].len, p.text + p.part[i].at, p.part[i].weight);
    assert_string_equal(got, want);
    prompt_parts_free(&p);
}

/* Blanks, letters and marks beyond ASCII, as Python's regular expressions and float() take them:
 * ideographic and no-break spaces, full-width commas, emoji, accents. */
static void test_wide_characters(void **state)
{
    (void)state;
    static const struct {
        enum prompt_syntax syntax;
        const char *text, *want;
    } cases[] = {
        {PROMPT_A1111, "a\u3000BREAK\u3000b", "a*1|BREAK*-1|b*1"},
        {PROMPT_A1111, "猫\uff0cBREAK\uff0c犬", "猫\uff0c*1|BREAK*-1|\uff0c犬*1"},
        {PROMPT_A1111, "a😀BREAK", "a😀*1|BREAK*-1|*1"},
        {PROMPT_A1111, "猫BREAK BREAKé", "猫BREAK BREAKé*1"},
        {PROMPT_A1111, "(a:\u00a01.3\u3000) b", "a*1.3| b*1"},
        {PROMPT_COMFYUI, "(a:\u00a01.3\u3000) b", "a*1.3| b*1"},
        {PROMPT_A1111,
         "\xe3\x80"
         "BREAK\xf0\x9f",
         "\xe3\x80*1|BREAK*-1|\xf0\x9f*1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_parts(cases[i].syntax, cases[i].text, cases[i].want);
    struct prompt_clauses c;
    struct err e = {""};
    assert_int_equal(prompt_clauses("a\u3001AND\u3000b\u3000: 0.5\u3000", &c, &e), 0);
    assert_int_equal(c.count, 2);
    assert_string_equal(c.text[1], "\u3000b");
    assert_true(c.weight[1] == 0.5);
    prompt_clauses_free(&c);
}

static bool same_chunks(struct json want, const struct text_chunks *c)
{
    int chunk = 0;
    for (struct json v = json_first(want); v.node; v = json_next(v), chunk++) {
        struct json ids = item(v, 0), weights = item(v, 1);
        if (chunk >= c->chunks)
            return false;
        struct json id = json_first(ids), w = json_first(weights);
        int last = 0, use = 0;
        for (int i = 0; i < CHUNK_POSITIONS; i++) {
            int at = chunk * CHUNK_POSITIONS + i;
            last = id.node ? (int)number(id) : last;
            double weight = w.node ? number(w) : 1;
            while (use < c->uses && c->use[use].at < at)
                use++;
            bool vector = use < c->uses && c->use[use].at == at;
            if ((last < 0) != vector || (last >= 0 && last != c->ids[at]) ||
                fabs(weight - (double)c->weight[at]) > 1e-6)
                return false;
            id = id.node ? json_next(id) : id;
            w = w.node ? json_next(w) : w;
        }
    }
    return chunk == c->chunks;
}

static void print_chunks(const struct text_chunks *c)
{
    for (int k = 0; k < c->chunks; k++) {
        printf("    ours:");
        for (int i = 0; i < CHUNK_POSITIONS; i++)
            printf(" %d", (int)c->ids[k * CHUNK_POSITIONS + i]);
        printf("\n");
    }
}

static void test_chunks(void **state)
{
    static const char *const tools[] = {"comfyui", "a1111"};
    static const char *const folders[EMBEDDING_FOLDERS] = {NULL, FOLDER};
    const struct model_config *m = checkpoint_config(ck);
    const int width[2] = {m->text[0].hidden, m->text[1].hidden};
    int count = 0, longest = 0;
    (void)state;
    failures = 0;
    struct json cases = json_get(json_root(doc), "cases");
    for (int k = 0; k < 2; k++) {
        struct embeddings all;
        struct err e = {""};
        assert_int_equal(embeddings_open(&all, folders, width, &e), 0);
        assert_int_equal(all.count, 2);
        struct chunk_rules rules = {.compat = (enum compat)k,
                                    .tokenizer = tokenizer[0],
                                    .clip = &m->text[0],
                                    .embeddings = &all};
        for (struct json c = json_first(cases); c.node; c = json_next(c)) {
            struct json tool = json_get(c, tools[k]);
            const char *text = json_as_string(json_get(c, "text"));
            struct text_chunks got;
            if (!tool.node)
                continue;
            if (text_chunks(&rules, text, &got, &e) < 0 ||
                !same_chunks(json_get(tool, "chunks"), &got)) {
                printf("  %s: '%s' %s\n", tools[k], text, e.text);
                print_chunks(&got);
                failures++;
            }
            longest = got.chunks > longest ? got.chunks : longest;
            text_chunks_free(&got);
            count++;
        }
        embeddings_free(&all);
    }
    printf("  %d prompts, up to %d chunks, %d differ\n", count, longest, failures);
    assert_int_equal(failures, 0);
    assert_true(longest >= 4);
}

static bool same_schedule(struct json want, const struct prompt_schedule *s)
{
    int i = 0;
    for (struct json v = json_first(want); v.node; v = json_next(v), i++)
        if (i >= s->changes || (int)number(item(v, 0)) != s->change[i].until ||
            strcmp(json_as_string(item(v, 1)), s->text[s->change[i].text]) != 0)
            return false;
    return i == s->changes;
}

/* Brackets that close nothing beside an editing: the reference's grammar has several readings of
 * such a text, and which of them its parser takes follows no rule that we found. Ours takes every
 * editing for one. Nobody writes this; all well-formed prompts are equal. */
static bool is_ambiguous(const char *text)
{
    static const char *const known[] = {
        "b[e:4]]:0.5][c|d]([[:", "b:0.5][c|d][a:b:2]))[c|d][",
        "[a:b:2])( :::[a:b:2] ", "]][a:b:2]:[ ",
        "):3] [e:4][):[",        ":3][c|d][a\\[e:4]:]",
        "[c|d]:3][a:b:2])]",     "[e:4][a:b:2]][a:b:2]]([c|d]:0.5]:0.5]"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(text, known[i]))
            return true;
    return false;
}

static void test_schedules(void **state)
{
    int steps = (int)number(json_get(json_root(doc), "steps")), count = 0, changing = 0;
    int ambiguous = 0;
    (void)state;
    failures = 0;
    struct json all = json_get(json_root(doc), "schedules");
    for (struct json c = json_first(all); c.node; c = json_next(c)) {
        const char *text = json_as_string(json_get(c, "text"));
        struct json clauses = json_get(c, "clauses");
        struct prompt_clauses got;
        struct err e = {""};
        assert_int_equal(prompt_clauses(text, &got, &e), 0);
        bool same = json_count(clauses) == got.count;
        for (int i = 0; i < got.count && same; i++) {
            struct json want = item(clauses, i);
            struct prompt_schedule s;
            assert_int_equal(prompt_schedule(got.text[i], steps, &s, &e), 0);
            same = fabs(number(item(want, 0)) - got.weight[i]) < 1e-12 &&
                   !strcmp(json_as_string(item(want, 1)), got.text[i]) &&
                   same_schedule(item(want, 2), &s);
            changing += s.changes > 1;
            if (!same && !is_ambiguous(text)) {
                printf("  '%s': clause %d '%s' %g:", text, i, got.text[i], got.weight[i]);
                for (int k = 0; k < s.changes; k++)
                    printf(" [%d '%s']", s.change[k].until, s.text[s.change[k].text]);
                printf("\n");
            }
            prompt_schedule_free(&s);
        }
        failures += !same && !is_ambiguous(text);
        ambiguous += is_ambiguous(text);
        count++;
        prompt_clauses_free(&got);
    }
    printf("  %d prompts, %d of them change, %d ambiguous, of the others %d differ\n", count,
           changing, ambiguous, failures);
    assert_int_equal(failures, 0);
}

/* A second pass of 10 steps after one of 10; the first two are the reference's own examples. */
static void test_second_pass(void **state)
{
    static const struct {
        const char *text;
        int changes, until;
        const char *first, *last;
    } cases[] = {
        {"a [b:.5] c", 1, 10, "a b c", "a b c"},
        {"a [b:1.5] c", 2, 5, "a  c", "a b c"},
        {"a [b:c:14] d", 2, 4, "a b d", "a c d"},
        {"a [b:c:4] d", 1, 10, "a c d", "a c d"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct prompt_schedule s;
        struct err e = {""};
        assert_int_equal(prompt_schedule_second(cases[i].text, 10, 10, &s, &e), 0);
        assert_int_equal(s.changes, cases[i].changes);
        assert_int_equal(s.change[0].until, cases[i].until);
        assert_string_equal(s.text[s.change[0].text], cases[i].first);
        assert_string_equal(s.text[s.change[s.changes - 1].text], cases[i].last);
        prompt_schedule_free(&s);
    }
}

static void test_tags(void **state)
{
    (void)state;
    struct json all = json_get(json_root(doc), "tags");
    for (struct json c = json_first(all); c.node; c = json_next(c)) {
        struct prompt_tags t;
        struct err e = {""};
        assert_int_equal(prompt_tags_cut(json_as_string(json_get(c, "text")), true, &t, &e), 0);
        assert_string_equal(t.text, json_as_string(json_get(c, "rest")));
        struct json tags = json_get(c, "tags");
        assert_int_equal(json_count(tags), t.count);
        for (int i = 0; i < t.count; i++) {
            char joined[64] = "", got[200];
            for (int k = 0; k < json_count(item(tags, i)); k++)
                snprintf(joined + strlen(joined), sizeof joined - strlen(joined), "%s%s",
                         k ? ":" : "", json_as_string(item(item(tags, i), k)));
            snprintf(got, sizeof got, "%s:%s%s%s", t.at[i].kind, t.at[i].name,
                     *t.at[i].args ? ":" : "", t.at[i].args);
            assert_string_equal(joined, got);
        }
        prompt_tags_free(&t);
    }
}

/* ---- states ---- */

static void load(struct text_encoders *t, struct ops *o)
{
    struct err e = {""};
    for (int i = 0; i < 2; i++) {
        struct loader l = {
            .ops = o, .checkpoint = ck, .part = i ? PART_TEXT2 : PART_TEXT1, .err = &e};
        t->tokenizer[i] = tokenizer[i];
        if (clip_load(&t->clip[i], &l, &checkpoint_config(ck)->text[i]) < 0)
            fail_msg("%s", e.text);
    }
}

static void check_states(const struct golden_backend *b, struct text_encoders *t, struct ops *o,
                         struct safetensors *st, int compat)
{
    static const char *const folders[EMBEDDING_FOLDERS] = {FOLDER, NULL};
    const int width[2] = {t->clip[0].config.hidden, t->clip[1].config.hidden};
    struct json texts = json_get(json_root(doc), "states");
    struct embeddings all;
    struct err e = {""};
    assert_int_equal(embeddings_open(&all, folders, width, &e), 0);
    struct text_rules rules = {.compat = (enum compat)compat, .embeddings = &all};
    for (int n = 0; n < json_count(texts); n++) {
        const char *text = json_as_string(item(texts, n)), *tool = compat_name(compat);
        char what[64];
        struct text_states s = {0};
        if (text_states_add(t, o, &rules, &text, NULL, 1, &s, &e) < 0)
            fail_msg("%s", e.text);
        const struct st_tensor *want = golden_find(st, "%s.%d", tool, n);
        const struct st_tensor *pooled = golden_find(st, "%s.%d.pooled", tool, n);
        assert_int_equal(want->dim[0], s.rows);
        float *z = golden_floats(want), *p = golden_floats(pooled);
        snprintf(what, sizeof what, "%s '%.14s'", tool, text);
        golden_check_host(b->name, what, s.states, z, want->count, b->bound);
        golden_check_host(b->name, "  pooled", s.pooled, p, pooled->count, b->bound);
        free(z);
        free(p);
        text_states_free(&s);
    }
    embeddings_free(&all);
}

/* Prompts that change: A1111 restores the mean over all their texts. */
/* Parts joined by AND are equally long: the shorter one's last state is there once more for what is
 * missing. Another prompt's, of an image of its own, is left alone. */
static void check_joined(struct text_encoders *t, struct ops *o)
{
    char prompt[512] = "a AND ";
    for (int i = 0; i < 80; i++)
        strcat(prompt, "b ");
    const char *prompts[] = {prompt, "c"}, *none[] = {"", ""};
    struct conditioning_request q = {prompts, none, 2, true, true, COMPAT_A1111, 10, 0};
    struct text_rules rules = {.compat = COMPAT_A1111};
    struct text_states s = {0}, alone = {0};
    struct conditioning c;
    struct err e = {""};
    assert_int_equal(conditioning_plan(&c, &q, &e), 0);
    assert_int_equal(conditioning_encode(&c, t, o, &rules, &s, &e), 0);
    assert_int_equal(text_states_add(t, o, &rules, (const char *[]){"a "}, NULL, 1, &alone, &e), 0);
    static const int rows[] = {77, 154, 77, 154}; /* "", "a", "c", "b b ..." */
    assert_int_equal(s.texts, 4);
    assert_memory_equal(s.tokens, rows, sizeof rows);
    assert_int_equal(s.rows, 462);
    size_t width = (size_t)s.width, bytes = width * sizeof(float);
    const float *a = s.states + 77 * width;
    assert_memory_equal(a, alone.states, 77 * bytes);
    for (size_t r = 77; r < 154; r++)
        assert_memory_equal(a + r * width, alone.states + 76 * width, bytes);
    text_states_free(&s);
    text_states_free(&alone);
    conditioning_free(&c);
}

static void check_mixed(const struct golden_backend *b, struct text_encoders *t, struct ops *o,
                        struct safetensors *st)
{
    struct json texts = json_get(json_root(doc), "mixed");
    for (int n = 0; n < json_count(texts); n++) {
        const char *prompt = json_as_string(item(texts, n)), *none = "";
        struct conditioning_request q = {&prompt,
                                         &none,
                                         1,
                                         false,
                                         true,
                                         COMPAT_A1111,
                                         (int)number(json_get(json_root(doc), "steps")),
                                         0};
        struct conditioning c;
        struct text_rules rules = {.compat = COMPAT_A1111};
        struct text_states s = {0};
        struct err e = {""};
        assert_int_equal(conditioning_plan(&c, &q, &e), 0);
        assert_int_equal(conditioning_encode(&c, t, o, &rules, &s, &e), 0);
        assert_int_equal(s.texts, 2);
        for (int i = 0; i < 2; i++) {
            const struct st_tensor *want = golden_find(st, "mixed.%d.%d", n, i);
            float *z = golden_floats(want);
            golden_check_host(b->name, prompt, s.states + i * want->count, z, want->count,
                              b->bound);
            free(z);
        }
        text_states_free(&s);
        conditioning_free(&c);
    }
}

static void test_states(void **state)
{
    struct golden_backend b[3];
    struct err e = {""};
    (void)state;
    struct safetensors *st = safetensors_open("tests/golden/syntax.safetensors", &e);
    assert_non_null(st);
    int n = golden_backends(b);
    for (int i = 0; i < n; i++) {
        static struct text_encoders t;
        struct ops *o = golden_ops(&b[i]);
        load(&t, o);
        check_states(&b[i], &t, o, st, COMPAT_COMFYUI);
        check_states(&b[i], &t, o, st, COMPAT_A1111);
        check_joined(&t, o);
        check_joined(&t, o);
        check_mixed(&b[i], &t, o, st);
        golden_no_leak(o);
        clip_free(&t.clip[0], o);
        clip_free(&t.clip[1], o);
        o->close(o);
    }
    safetensors_close(st);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_schedules),
        cmocka_unit_test(test_second_pass),
        cmocka_unit_test(test_tags),
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_wide_characters),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
