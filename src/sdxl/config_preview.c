/*
 * spritty.json: how a model wants its latents shown.
 *
 * Either is enough: factors (latent_rgb_factors, latent_rgb_bias) or a small network
 * (latent_preview: {scale, activation, layers: [{kernel, bias, weight, mean}, ...]}). A network's
 * weights come as PyTorch flattens them, [out][in][y][x]; they are laid out here for preview.c,
 * which reads inputs in the order y, x, channel and writes four outputs at a time.
 */
#include "sdxl/config.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

static bool number_of(struct json v, float *out)
{
    double d;
    if (!v.node || !json_as_double(v, &d) || !(fabs(d) <= 1e6))
        return false;
    *out = (float)d;
    return true;
}

/* -- factors -- */

static int three_numbers(struct json list, const char *key, float out[3], struct err *e)
{
    struct json v = json_first(list);
    for (int i = 0; i < 3; i++) {
        if (!number_of(v, &out[i]))
            return err_set(e, "%s: \"%s\" must hold three numbers each", json_name(list), key);
        v = json_next(v);
    }
    return 0;
}

static int parse_factors(struct json root, struct model_config *c, struct err *e)
{
    struct json rows = json_get(root, "latent_rgb_factors");
    struct json bias = json_get(root, "latent_rgb_bias");
    if (!json_is_set(rows))
        return 0;
    if (json_count(rows) != c->vae.latent_channels)
        return err_set(e, "%s: \"latent_rgb_factors\" has %d rows for %d latent channels",
                       json_name(root), json_count(rows), c->vae.latent_channels);
    int n = 0;
    for (struct json v = json_first(rows); v.node; v = json_next(v))
        if (three_numbers(v, "latent_rgb_factors", c->latent_rgb[n++], e) != 0)
            return -1;
    if (json_is_set(bias) && three_numbers(bias, "latent_rgb_bias", c->latent_rgb_bias, e) != 0)
        return -1;
    c->has_preview = true;
    return 0;
}

/* -- the network -- */

static int four_up(int n)
{
    return (n + 3) / 4 * 4;
}

static int bad_net(struct json v, const char *what, int layer, struct err *e)
{
    return err_set(e, "%s: \"latent_preview\", layer %d: %s", json_name(v), layer + 1, what);
}

/* A row of weights, one output's: [in][y][x], to its column of [y][x][in][out]. */
static bool read_row(struct json row, const struct preview_layer *l, int taps, int inputs,
                     float *column)
{
    if (json_count(row) != inputs * taps)
        return false;
    struct json v = json_first(row);
    for (int i = 0; i < inputs * taps; i++, v = json_next(v))
        if (!number_of(v, column + (ptrdiff_t)(i % taps * l->in + i / taps) * l->out))
            return false;
    return true;
}

static int read_biases(struct json v, int k, struct preview_net *n, struct err *e)
{
    float *to = n->numbers + n->layer[k].bias;
    for (struct json b = json_first(json_get(v, "bias")); b.node; b = json_next(b))
        if (!number_of(b, to++))
            return bad_net(v, "\"bias\" must hold numbers of at most 1e6", k, e);
    return 0;
}

/* "weight" or "mean": a row an output, of taps * inputs numbers each. */
static int read_rows(struct json v, const char *key, int k, int taps, int inputs, int at,
                     struct preview_net *n, struct err *e)
{
    float *to = n->numbers + at;
    for (struct json row = json_first(json_get(v, key)); row.node; row = json_next(row), to++)
        if (!read_row(row, &n->layer[k], taps, inputs, to))
            return err_set(
                e,
                "%s: \"latent_preview\", layer %d: each row of \"%s\" must hold %d numbers "
                "of at most 1e6",
                json_name(v), k + 1, key, taps * inputs);
    return 0;
}

/* Sizes first, then what there is room for. Returns the outputs, -1 on failure. */
static int read_layer(struct json v, int k, int inputs, int *used, struct preview_net *n,
                      struct err *e)
{
    struct preview_layer *l = &n->layer[k];
    int out = json_count(json_get(v, "bias"));
    bool mean = json_is_set(json_get(v, "mean"));
    if (json_int_or(v, "kernel", 3, 1, PREVIEW_KERNEL, &l->kernel, e) != 0)
        return err_prefix(e, "\"latent_preview\"");
    if (l->kernel % 2 == 0)
        return bad_net(v, "\"kernel\" must be odd", k, e);
    if (out < 1 || out > PREVIEW_CHANNELS)
        return bad_net(v, "\"bias\" must be a list of 1 to 64 numbers", k, e);
    if (json_count(json_get(v, "weight")) != out ||
        (mean && json_count(json_get(v, "mean")) != out))
        return bad_net(v, "\"weight\" and \"mean\" must have a row for each of \"bias\"", k, e);
    int taps = l->kernel * l->kernel;
    l->in = four_up(inputs);
    l->out = four_up(out);
    l->bias = *used;
    l->weight = l->bias + l->out;
    l->mean = l->weight + taps * l->in * l->out;
    *used = l->mean + (mean ? l->in * l->out : 0);
    if (*used > PREVIEW_NUMBERS)
        return bad_net(v, "more weights than fit (about 12000 in all)", k, e);
    if (read_biases(v, k, n, e) != 0 ||
        read_rows(v, "weight", k, taps, inputs, l->weight, n, e) != 0 ||
        (mean && read_rows(v, "mean", k, 1, inputs, l->mean, n, e) != 0))
        return -1;
    if (!mean)
        l->mean = 0;
    return out;
}

static int parse_net(struct json root, int channels, struct preview_net *n, struct err *e)
{
    struct json net = json_get(root, "latent_preview"), layers = json_get(net, "layers");
    const char *activation;
    int used = 0, out = channels;
    if (!json_is_set(net))
        return 0;
    if (json_kind(net) != JSON_OBJECT || json_kind(layers) != JSON_ARRAY)
        return err_set(e, "%s: \"latent_preview\" must be an object with \"layers\"",
                       json_name(root));
    if (json_int_or(net, "scale", 1, 1, PREVIEW_SCALE, &n->scale, e) != 0 ||
        json_string_or(net, "activation", "relu", &activation, e) != 0)
        return err_prefix(e, "\"latent_preview\"");
    if (strcmp(activation, "relu") != 0)
        return err_set(e, "%s: \"latent_preview\" has the activation \"%.40s\"; only relu is known",
                       json_name(root), activation);
    int count = json_count(layers), k = 0;
    if (count < 1 || count > PREVIEW_LAYERS)
        return err_set(e, "%s: \"latent_preview\" has %d layers; it may have 1 to %d",
                       json_name(root), count, PREVIEW_LAYERS);
    for (struct json v = json_first(layers); v.node; v = json_next(v), k++)
        if ((out = read_layer(v, k, out, &used, n, e)) < 0)
            return -1;
    if (out != 3 * n->scale * n->scale)
        return err_set(e, "%s: \"latent_preview\" ends with %d outputs; a scale of %d needs %d",
                       json_name(root), out, n->scale, 3 * n->scale * n->scale);
    n->layers = count;
    return 0;
}

int config_parse_preview(struct json root, struct model_config *c, struct err *e)
{
    c->preview = (struct preview_net){0};
    if (parse_factors(root, c, e) != 0)
        return -1;
    return parse_net(root, c->vae.latent_channels, &c->preview, e);
}
