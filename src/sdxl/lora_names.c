/* See lora_names.h. A name is prefix, module, suffix: the suffix says the role, the prefix the part
 * and whose naming it is. */
#include "sdxl/lora_names.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof *(table))

/* ---- suffixes ---- */

/* Longer ones first where one ends another. A peft adapter's own name (".default") is gone before.
 */
static const struct suffix {
    const char *text;
    enum lora_role role;
} suffixes[] = {
    {".lora_linear_layer.down.weight", LORA_DOWN},
    {".lora_linear_layer.up.weight", LORA_UP},
    {".lora_magnitude_vector.weight", LORA_MAGNITUDE},
    {".lora_magnitude_vector", LORA_MAGNITUDE},
    {".lora_down.weight", LORA_DOWN},
    {".lora_up.weight", LORA_UP},
    {".lora_mid.weight", LORA_MID},
    {".lora.down.weight", LORA_DOWN},
    {".lora.up.weight", LORA_UP},
    {"_lora.down.weight", LORA_DOWN},
    {"_lora.up.weight", LORA_UP},
    {".lora_A.weight", LORA_DOWN},
    {".lora_B.weight", LORA_UP},
    {".lora_B.bias", LORA_UP_BIAS},
    {".lora_A", LORA_DOWN},
    {".lora_B", LORA_UP},
    {".hada_w1_a", HADA_W1A},
    {".hada_w1_b", HADA_W1B},
    {".hada_w2_a", HADA_W2A},
    {".hada_w2_b", HADA_W2B},
    {".hada_t1", HADA_T1},
    {".hada_t2", HADA_T2},
    {".lokr_w1", LOKR_W1},
    {".lokr_w1_a", LOKR_W1A},
    {".lokr_w1_b", LOKR_W1B},
    {".lokr_w2", LOKR_W2},
    {".lokr_w2_a", LOKR_W2A},
    {".lokr_w2_b", LOKR_W2B},
    {".lokr_t2", LOKR_T2},
    {".diff", LORA_DIFF},
    {".w_norm", LORA_DIFF},
    {".diff_b", LORA_DIFF_B},
    {".b_norm", LORA_DIFF_B},
    {".dora_scale", LORA_DORA},
    {"_lora.alpha", LORA_ALPHA},
    {".alpha", LORA_ALPHA},
};

/* Cuts it off. */
static bool cut_suffix(char *s, enum lora_role *role)
{
    size_t n = strlen(s);
    for (size_t i = 0; i < COUNT(suffixes); i++) {
        size_t m = strlen(suffixes[i].text);
        if (n > m && strcmp(s + n - m, suffixes[i].text) == 0) {
            s[n - m] = '\0';
            *role = suffixes[i].role;
            return true;
        }
    }
    return false;
}

/* What peft puts behind a matrix' name in a state that was not saved by itself. */
static void cut_adapter(char *s)
{
    static const char *const adapter[] = {".default_0", ".default"};
    for (size_t i = 0; i < COUNT(adapter); i++) {
        char *at = strstr(s, adapter[i]);
        size_t n = strlen(adapter[i]);
        if (at && (at[n] == '.' || at[n] == '\0')) {
            memmove(at, at + n, strlen(at + n) + 1);
            return;
        }
    }
}

const char *lora_other_form(const char *name)
{
    static const char *const ends[][2] = {
        {".oft_blocks", "OFT"},
        {".oft_diag", "OFT"},
        {".oft_R.weight", "OFT"},
        {".a1.weight", "GLoRA"},
        {".a2.weight", "GLoRA"},
        {".b1.weight", "GLoRA"},
        {".b2.weight", "GLoRA"},
        {".on_input", "IA3"},
        {".ia3_l", "IA3"},
        {".boft_R", "BOFT"},
        {".boft_s", "BOFT"},
        {".vera_lambda_b", "VeRA"},
        {".set_weight", "weights to be put in place of the model's"},
    };
    size_t n = strlen(name);
    if (strncmp(name, "bundle_emb.", 11) == 0)
        return "textual inversions (bundle_emb)";
    for (size_t i = 0; i < COUNT(ends); i++) {
        size_t m = strlen(ends[i][0]);
        if (n > m && strcmp(name + n - m, ends[i][0]) == 0)
            return ends[i][1];
    }
    return NULL;
}

/* ---- prefixes ---- */

static const struct prefix {
    const char *text;
    enum part part;
    enum lora_naming naming;
} prefixes[] = {
    {"lora_unet_", PART_UNET, NAMING_KOHYA},
    {"lora_te1_", PART_TEXT1, NAMING_KOHYA},
    {"lora_te2_", PART_TEXT2, NAMING_KOHYA},
    {"lora_te_", PART_TEXT1, NAMING_KOHYA}, /* of models with one text encoder: CLIP-L */
    {"lycoris_unet_", PART_UNET, NAMING_KOHYA},
    {"lycoris_", PART_UNET, NAMING_KOHYA}, /* LyCORIS around a model; SimpleTuner */
    {"unet.", PART_UNET, NAMING_DIFFUSERS},
    {"text_encoder_2.", PART_TEXT2, NAMING_DIFFUSERS},
    {"text_encoder.", PART_TEXT1, NAMING_DIFFUSERS},
    {"diffusion_model.", PART_UNET, NAMING_ORIGINAL},
    {"model.diffusion_model.", PART_UNET, NAMING_ORIGINAL},
    {"conditioner.embedders.0.transformer.", PART_TEXT1, NAMING_ORIGINAL},
    {"conditioner.embedders.1.model.", PART_TEXT2, NAMING_ORIGINAL},
    {"text_encoders.clip_l.transformer.", PART_TEXT1, NAMING_ORIGINAL},
    {"text_encoders.clip_g.transformer.", PART_TEXT2, NAMING_ORIGINAL},
    {"clip_l.transformer.", PART_TEXT1, NAMING_ORIGINAL},
    {"clip_g.transformer.", PART_TEXT2, NAMING_ORIGINAL},
    {"clip_l.", PART_TEXT1, NAMING_ORIGINAL}, /* OneTrainer's, of OMI's naming */
    {"clip_g.", PART_TEXT2, NAMING_ORIGINAL},
};

static bool eat(const char **s, const char *word)
{
    size_t n = strlen(word);
    if (strncmp(*s, word, n) != 0)
        return false;
    *s += n;
    return true;
}

/* Without any prefix it is a module of the UNet: peft's own files do not say, and the text encoders
 * have the same names as each other. */
static void read_prefix(const char **s, struct lora_key *k)
{
    k->part = PART_UNET;
    k->naming = NAMING_PEFT;
    eat(s, "base_model.model.");
    for (size_t i = 0; i < COUNT(prefixes); i++)
        if (eat(s, prefixes[i].text)) {
            k->part = prefixes[i].part;
            k->naming = prefixes[i].naming;
            break;
        }
    eat(s, "base_model.model.");
}

/* ---- the common form ---- */

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

static void drop_word(char *s, const char *word)
{
    char *at = strstr(s, word);
    if (at)
        memmove(at, at + strlen(word), strlen(at + strlen(word)) + 1);
}

/* Diffusers before 0.22 named the attention's layers after its processors. */
static void modern_ends(enum part part, char *s, size_t size)
{
    static const char *const text[][2] = {{"self_attn_to_q", "q_proj"},
                                          {"self_attn_to_k", "k_proj"},
                                          {"self_attn_to_v", "v_proj"},
                                          {"self_attn_to_out", "out_proj"}};
    size_t n = strlen(s);
    if (n + 3 > size) /* each grows by two */
        return;
    if (part == PART_UNET && ends_with(s, "_to_out"))
        strcpy(s + n, "_0");
    for (size_t i = 0; i < COUNT(text) && part != PART_UNET; i++)
        if (ends_with(s, text[i][0])) {
            strcpy(s + n - strlen(text[i][0]) + strlen("self_attn_"), text[i][1]);
            return;
        }
}

void lora_common_name(enum part part, const char *name, char *out, size_t size)
{
    if (part == PART_TEXT1 || part == PART_TEXT2)
        if (!eat(&name, "text_model.")) /* transformers 5 leaves it out */
            eat(&name, "text_model_");
    snprintf(out, size, "%s", name);
    for (char *c = out; *c; c++)
        if (*c == '.')
            *c = '_';
    drop_word(out, "_processor");
    modern_ends(part, out, size);
}

bool lora_key_read(const char *name, struct lora_key *k)
{
    char copy[LORA_NAME_MAX];
    const char *module = copy;
    if (strlen(name) >= sizeof copy)
        return false;
    strcpy(copy, name);
    cut_adapter(copy);
    if (!cut_suffix(copy, &k->role))
        return false;
    read_prefix(&module, k);
    lora_common_name(k->part, module, k->name, sizeof k->name);
    return k->name[0] != '\0';
}

/* ---- peft's configuration ---- */

/* A member, under the part's prefix if the document uses them. */
static struct json member(struct json config, enum part part, const char *key)
{
    static const char *const prefix[PART_COUNT] = {"text_encoder.", "text_encoder_2.", "unet.", "",
                                                   ""};
    char full[64];
    snprintf(full, sizeof full, "%s%s", prefix[part], key);
    struct json v = json_get(config, full);
    return json_is_set(v) ? v : json_get(config, key);
}

/* The pattern's value for the module: the keys are names, or ends of names. */
static bool pattern_value(struct json pattern, enum part part, const char *module, double *out)
{
    char name[LORA_NAME_MAX];
    for (struct json v = json_first(pattern); v.node; v = json_next(v)) {
        const char *key = json_key(v);
        if (!key || strlen(key) >= sizeof name)
            continue;
        lora_common_name(part, key, name, sizeof name);
        size_t n = strlen(name), m = strlen(module);
        bool ends = ends_with(module, name) && (n == m || module[m - n - 1] == '_');
        if (ends && json_as_double(v, out))
            return true;
    }
    return false;
}

bool lora_peft_scale(struct json config, enum part part, const char *module, int64_t rank,
                     struct peft_scale *out)
{
    double alpha, r = (double)rank;
    bool root = false;
    struct json plain = member(config, part, "lora_alpha");
    if (!json_is_set(plain))
        plain = member(config, part, "alpha");
    if (!pattern_value(member(config, part, "alpha_pattern"), part, module, &alpha) &&
        !json_as_double(plain, &alpha))
        return false;
    if (rank == 0 && !pattern_value(member(config, part, "rank_pattern"), part, module, &r) &&
        !json_as_double(member(config, part, "r"), &r))
        return false;
    if (!isfinite(alpha) || !isfinite(r) || r < 1)
        return false;
    json_as_bool(member(config, part, "use_rslora"), &root);
    *out = (struct peft_scale){.alpha = alpha, .scale = alpha / (root ? sqrt(r) : r)};
    return true;
}
