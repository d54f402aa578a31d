/* What a ControlNet is: how large, and which sizes a model must share with it. */
#include "cli/info_control.h"

#include <stdio.h>
#include <string.h>

#include "cli/options.h"

void info_dtypes(int mask, char out[32])
{
    static const char *const names[] = {[DT_F32] = "F32", [DT_F16] = "F16", [DT_BF16] = "BF16"};
    out[0] = '\0';
    for (int t = DT_F32; t <= DT_BF16; t++)
        if (mask >> t & 1)
            snprintf(out + strlen(out), 32 - strlen(out), "%s%s", *out ? "+" : "", names[t]);
}

void info_levels(const int *values, int count, char *out, size_t size)
{
    size_t n = 0;
    for (int i = 0; i < count && n < size; i++)
        n += (size_t)snprintf(out + n, size - n, "%s%d", i ? " " : "", values[i]);
}

void info_put_levels(struct jsonw *w, const char *key, const int *values, int count)
{
    jsonw_open(w, key, '[');
    for (int i = 0; i < count; i++)
        jsonw_u64(w, NULL, (uint64_t)values[i]);
    jsonw_close(w, ']');
}

static const char *kind_of(const struct control_config *c)
{
    return c->types > 0 ? "ControlNet Union" : "ControlNet";
}

static int control_json(const struct checkpoint *k, const struct part_summary *s, const char *types,
                        struct err *e)
{
    const struct control_config *c = &checkpoint_config(k)->control;
    struct jsonw w = {0};
    jsonw_open(&w, NULL, '{');
    jsonw_string(&w, "kind", kind_of(c));
    jsonw_string(&w, "path", checkpoint_path(k));
    jsonw_u64(&w, "tensors", (uint64_t)s->tensors);
    jsonw_u64(&w, "parameters", (uint64_t)s->parameters);
    jsonw_u64(&w, "bytes", (uint64_t)s->bytes);
    jsonw_string(&w, "dtype", types);
    info_put_levels(&w, "unet_channels", c->unet.channels, c->unet.levels);
    info_put_levels(&w, "unet_depth", c->unet.depth, c->unet.levels);
    jsonw_u64(&w, "middle_depth", (uint64_t)c->unet.mid_depth);
    info_put_levels(&w, "hint_channels", c->hint_width, c->hint_levels);
    jsonw_u64(&w, "context", (uint64_t)c->unet.context);
    if (c->types > 0)
        jsonw_u64(&w, "picture_kinds", (uint64_t)c->types);
    jsonw_close(&w, '}');
    return cli_put_json(&w, e);
}

int info_control(const struct checkpoint *k, bool json, struct err *e)
{
    const struct control_config *c = &checkpoint_config(k)->control;
    struct part_summary parts[PART_COUNT];
    const struct part_summary *s = &parts[PART_CONTROL];
    char types[32], text[160], path[512];
    checkpoint_summary(k, parts);
    info_dtypes(s->dtypes, types);
    if (json)
        return control_json(k, s, types, e);
    printf("%s, %s\n\n", text_shown(checkpoint_path(k), path, sizeof path), kind_of(c));
    printf("  %lld tensors, %lld parameters, %.1f MB, %s\n", (long long)s->tensors,
           (long long)s->parameters, (double)s->bytes / 1e6, types);
    info_levels(c->unet.channels, c->unet.levels, text, sizeof text);
    printf("  channels %s, transformer depth ", text);
    info_levels(c->unet.depth, c->unet.levels, text, sizeof text);
    printf("%s (middle %d), text %d wide\n", text, c->unet.mid_depth, c->unet.context);
    info_levels(c->hint_width, c->hint_levels, text, sizeof text);
    printf("  reads a picture by channels %s, to 1/%d of its size\n", text,
           1 << (c->hint_levels - 1));
    if (c->types > 0)
        printf("  is told the picture's kind, one of %d\n", c->types);
    return 0;
}
