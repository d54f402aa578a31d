/* The calls of the reference backend that move values more than they compute; see ops_ref.c. */
#include <math.h>
#include <string.h>

#include "ops/ref_backend.h"

void ref_concat(struct ops *o, struct tensor *y, const struct tensor *a, const struct tensor *b)
{
    struct ref *r = ref_of(o);
    if (!begin(r, y->c))
        return;
    check_concat(y, a, b);
    for (int64_t i = 0; i < tensor_rows(y); i++) {
        memset(r->acc, 0, sizeof *r->acc * (size_t)y->c);
        add_row(r->acc, a, i, r->row[0]);
        add_row(r->acc + a->c, b, i, r->row[0]);
        store(y, i, 0, y->c, r->acc);
    }
    count(r, cost_move(y, a, b, 0));
}

void ref_copy(struct ops *o, struct tensor *y, const struct tensor *x)
{
    struct ref *r = ref_of(o);
    if (!begin(r, 0))
        return;
    check_copy(y, x);
    size_t from = dtype_size(x->dtype), to = dtype_size(y->dtype);
    for (int64_t i = 0; i < tensor_rows(y); i++)
        for (int c = 0; c < y->c; c++)
            store_f32((char *)y->data + (size_t)(i * y->ld) * to, y->dtype, c,
                      load_f32((char *)x->data + (size_t)(i * x->ld) * from, x->dtype, c));
    count(r, cost_move(y, x, NULL, 0));
}

void ref_map(struct ops *o, struct tensor *y, const struct tensor *x, enum map_kind f, float a,
             float b)
{
    struct ref *r = ref_of(o);
    if (!begin(r, 0))
        return;
    check_map(y, x, f, a);
    for (int64_t i = 0; i < tensor_count(y); i++) {
        double v = load_f32(x->data, x->dtype, i);
        v = f == MAP_RELU ? (v < 0 ? 0 : v) : f == MAP_SOFT_CLIP ? a * tanh(v / a) : a * v + b;
        store_f32(y->data, y->dtype, i, (float)v);
    }
    count(r, cost_move(y, x, NULL, 0));
}

void ref_embedding(struct ops *o, struct tensor *y, const int32_t *ids, const struct weight *table,
                   const struct weight *positions)
{
    struct ref *r = ref_of(o);
    if (!begin(r, y->c))
        return;
    check_embedding(y, ids, &table->s, &positions->s);
    for (int64_t i = 0; i < tensor_rows(y); i++) {
        const float *token = table->w + (int64_t)ids[i] * y->c;
        const float *position = positions->w + i % tensor_tokens(y) * y->c;
        for (int c = 0; c < y->c; c++)
            r->acc[c] = (double)token[c] + position[c];
        store(y, i, 0, y->c, r->acc);
    }
    count(r, cost_embedding(y, (size_t)y->c * sizeof(float)));
}

void ref_combine(struct ops *o, struct tensor *y, int count_x, const float *k,
                 const struct tensor *const *x)
{
    struct ref *r = ref_of(o);
    if (!begin(r, 0))
        return;
    check_combine(y, count_x, x);
    float *out = y->data;
    for (int64_t i = 0; i < tensor_count(y); i++) {
        double sum = 0;
        for (int s = 0; s < count_x; s++)
            sum += (double)k[s] * ((const float *)x[s]->data)[i];
        out[i] = (float)sum;
    }
    count(r, cost_move(y, NULL, NULL, (size_t)count_x * tensor_bytes(y)));
}

void ref_blend(struct ops *o, struct tensor *y, const struct tensor *a, const struct tensor *b,
               const struct tensor *mask)
{
    struct ref *r = ref_of(o);
    if (!begin(r, 0))
        return;
    check_blend(y, a, b, mask);
    const float *from = b->data, *to = a->data, *m = mask->data;
    float *out = y->data;
    for (int64_t i = 0; i < tensor_count(y); i++) {
        double share = m[i / y->c % tensor_rows(mask)];
        out[i] = (float)(from[i] + share * ((double)to[i] - from[i]));
    }
    count(r, cost_move(y, a, b, tensor_bytes(mask)));
}

/* As in cpu_elem.c, word for word: the reference shares no code with what it is to judge. */
static double deviation(const float *x, int64_t count)
{
    double mean = 0, squares = 0;
    for (int64_t i = 0; i < count; i++)
        mean += x[i];
    mean /= (double)count;
    for (int64_t i = 0; i < count; i++)
        squares += (x[i] - mean) * (x[i] - mean);
    return sqrt(squares);
}

void ref_match_std(struct ops *o, struct tensor *y, const struct tensor *like, float share)
{
    struct ref *r = ref_of(o);
    if (!begin(r, 0))
        return;
    check_match_std(y, like, share);
    int64_t size = tensor_count(y) / y->n;
    for (int i = 0; i < y->n; i++) {
        float *out = (float *)y->data + i * size;
        double own = deviation(out, size);
        double other = deviation((const float *)like->data + i * size, size);
        double k = own > 0 ? (double)share * (other / own) + 1 - (double)share : 1;
        for (int64_t j = 0; j < size; j++)
            out[j] = (float)(k * out[j]);
    }
    count(r, cost_move(y, y, like, 0));
}
