/* See lora_widen.h. The formats: Micikevicius et al. 2022, "FP8 Formats for Deep Learning". */
#include "sdxl/lora_widen.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ops/half.h"

static bool is_e4m3(const struct st_tensor *t)
{
    return strcmp(t->type, "F8_E4M3") == 0;
}

/* An alpha is read as it is. */
static bool is_double(const struct st_tensor *t)
{
    return strcmp(t->type, "F64") == 0 && (t->rank > 1 || t->count > 1);
}

bool lora_is_narrow(const struct st_tensor *t)
{
    return is_e4m3(t) || strcmp(t->type, "F8_E5M2") == 0 || is_double(t);
}

/* Four bits of exponent, biased by 7, three of mantissa; all ones are no number, and none is
 * infinite. */
static uint16_t f16_from_e4m3(unsigned char x)
{
    int exponent = x >> 3 & 15, mantissa = x & 7;
    float value = exponent ? ldexpf((float)(8 + mantissa), exponent - 10)
                           : ldexpf((float)mantissa, -9);
    if ((x & 0x7f) == 0x7f)
        value = NAN;
    return f16_from_f32(x & 0x80 ? -value : value);
}

static void widen_bytes(const struct st_tensor *t, uint16_t *to)
{
    bool e4m3 = is_e4m3(t);
    for (int64_t i = 0; i < t->count; i++)
        to[i] = e4m3 ? f16_from_e4m3(t->data[i]) : (uint16_t)(t->data[i] << 8);
}

static void narrow_doubles(const struct st_tensor *t, float *to)
{
    for (int64_t i = 0; i < t->count; i++) {
        double x;
        memcpy(&x, t->data + (size_t)i * sizeof x, sizeof x);
        to[i] = (float)x;
    }
}

bool lora_widen(const struct st_tensor *t, struct st_tensor *out)
{
    bool doubles = is_double(t);
    enum dtype type = doubles ? DT_F32 : DT_F16;
    size_t bytes = (size_t)t->count * dtype_size(type);
    void *data = malloc(bytes + 1);
    if (!data)
        return false;
    if (doubles)
        narrow_doubles(t, data);
    else
        widen_bytes(t, data);
    *out = *t;
    out->data = data, out->bytes = bytes;
    out->dtype = type, out->aligned = true;
    out->is_weight = t->rank >= 1 && t->rank <= 4 && t->count > 0;
    strcpy(out->type, doubles ? "F32" : "F16");
    return true;
}
