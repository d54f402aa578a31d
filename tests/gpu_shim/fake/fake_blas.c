/* cuBLASLt's part of fake.h. Rules: cublasLt.h, and the reference of cublasLtMatmul(). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cublasLt.h>

#include "fake.h"
#include "ops/half.h"

enum { ALGORITHMS = 4, SCRATCH = 1000 };

struct layout {
    cudaDataType type;
    uint64_t rows, columns;
    int64_t ld, stride;
    int32_t batch;
};
struct operation {
    cublasComputeType_t compute;
    cublasOperation_t a, b;
    cublasLtEpilogue_t epilogue;
    const void *bias;
};
struct preference {
    uint64_t scratch;
    uint32_t align[4], sums;
};
/* What a proposal carries: which, and for what. */
struct algorithm {
    uint64_t which, problem, align[4];
};

/* -- descriptors --------------------------------------------------------------------------------
 */

static void *make(size_t size)
{
    fake.live++;
    return calloc(1, size);
}

static cublasStatus_t drop(void *p)
{
    fake.live--;
    free(p);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtCreate(cublasLtHandle_t *h)
{
    *h = make(1);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t h)
{
    return drop(h);
}

size_t cublasLtGetVersion(void)
{
    return CUBLAS_VERSION;
}

const char *cublasLtGetStatusString(cublasStatus_t rc)
{
    return rc == CUBLAS_STATUS_NOT_SUPPORTED ? "not supported (fake)" : "an error (fake)";
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *to, cudaDataType type,
                                          uint64_t rows, uint64_t columns, int64_t ld)
{
    struct layout *l = make(sizeof *l);
    *l = (struct layout){type, rows, columns, ld, 0, 1};
    *to = (cublasLtMatrixLayout_t)l;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t l)
{
    return drop(l);
}

/* Copies an attribute of exactly this size. */
static cublasStatus_t take(void *to, size_t want, const void *from, size_t size, int name)
{
    if (size != want) {
        fake_wrong("cuBLASLt attribute %d has %zu bytes, not %zu", name, want, size);
        return CUBLAS_STATUS_INVALID_VALUE;
    }
    memcpy(to, from, size);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t d,
                                                cublasLtMatrixLayoutAttribute_t name,
                                                const void *value, size_t size)
{
    struct layout *l = (struct layout *)d;
    if (name == CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT)
        return take(&l->batch, sizeof l->batch, value, size, name);
    if (name == CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET)
        return take(&l->stride, sizeof l->stride, value, size, name);
    fake_wrong("layout attribute %d is not known here", (int)name);
    return CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *to, cublasComputeType_t compute,
                                        cudaDataType_t scale)
{
    struct operation *o = make(sizeof *o);
    *o = (struct operation){compute, CUBLAS_OP_N, CUBLAS_OP_N, CUBLASLT_EPILOGUE_DEFAULT, NULL};
    *to = (cublasLtMatmulDesc_t)o;
    if (scale != CUDA_R_32F)
        fake_wrong("alpha and beta are f32 here");
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t d)
{
    return drop(d);
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t d,
                                              cublasLtMatmulDescAttributes_t name,
                                              const void *value, size_t size)
{
    struct operation *o = (struct operation *)d;
    switch (name) {
    case CUBLASLT_MATMUL_DESC_TRANSA:
        return take(&o->a, sizeof(int32_t), value, size, name);
    case CUBLASLT_MATMUL_DESC_TRANSB:
        return take(&o->b, sizeof(int32_t), value, size, name);
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
        return take(&o->epilogue, sizeof(uint32_t), value, size, name);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
        return take(&o->bias, sizeof(void *), value, size, name);
    default:
        fake_wrong("product attribute %d is not known here", (int)name);
        return CUBLAS_STATUS_INVALID_VALUE;
    }
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *to)
{
    struct preference *p = make(sizeof *p);
    *p = (struct preference){0, {256, 256, 256, 256}, UINT32_MAX};
    *to = (cublasLtMatmulPreference_t)p;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t p)
{
    return drop(p);
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t d,
                                                    cublasLtMatmulPreferenceAttributes_t name,
                                                    const void *value, size_t size)
{
    struct preference *p = (struct preference *)d;
    switch (name) {
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES:
        return take(&p->scratch, sizeof p->scratch, value, size, name);
    case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK:
        return take(&p->sums, sizeof p->sums, value, size, name);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES:
        return take(&p->align[name - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES],
                    sizeof p->align[0], value, size, name);
    default:
        fake_wrong("preference %d is not known here", (int)name);
        return CUBLAS_STATUS_INVALID_VALUE;
    }
}

/* -- what may be asked --------------------------------------------------------------------------
 */

static bool layout_fits(const struct layout *l, uint64_t rows, uint64_t columns, const char *name)
{
    if (l->rows != rows || l->columns != columns)
        return fake_wrong("%s is %llu x %llu, not %llu x %llu", name, (unsigned long long)l->rows,
                          (unsigned long long)l->columns, (unsigned long long)rows,
                          (unsigned long long)columns);
    if (fake.values && *name != 'A' && l->ld * (int64_t)columns > fake.values)
        return fake_wrong("%s: %lld values in one call", name, (long long)l->ld * (int64_t)columns);
    if (l->ld < (int64_t)rows)
        return fake_wrong("%s: columns of %llu values lie %lld apart", name,
                          (unsigned long long)rows, (long long)l->ld);
    return true;
}

/* Column-major: D [m, n] = op(A) op(B) + C. */
static bool allowed(const struct operation *o, const struct layout *a, const struct layout *b,
                    const struct layout *c, const struct layout *d)
{
    uint64_t m = d->rows, n = d->columns, k = o->a == CUBLAS_OP_N ? a->columns : a->rows;
    bool f32 = a->type == CUDA_R_32F;
    if (a->type != b->type || c->type != d->type || (d->type != a->type && d->type != CUDA_R_32F))
        return fake_wrong("no product of types %d, %d to %d, %d", a->type, b->type, c->type,
                          d->type);
    if (o->compute != CUBLAS_COMPUTE_32F && !(f32 && o->compute == CUBLAS_COMPUTE_32F_FAST_TF32))
        return fake_wrong("compute type %d", (int)o->compute);
    if (o->epilogue != CUBLASLT_EPILOGUE_DEFAULT && o->epilogue != CUBLASLT_EPILOGUE_BIAS)
        return fake_wrong("epilogue %d", (int)o->epilogue);
    if (a->batch != b->batch || a->batch != c->batch || a->batch != d->batch || a->batch < 1)
        return fake_wrong("the matrices' batches differ");
    if (o->b != CUBLAS_OP_N)
        return fake_wrong("the second matrix is never transposed here");
    return layout_fits(a, o->a == CUBLAS_OP_N ? m : k, o->a == CUBLAS_OP_N ? k : m, "A") &&
           layout_fits(b, k, n, "B") && layout_fits(c, m, n, "C") && layout_fits(d, m, n, "D");
}

static uint64_t problem_of(const struct operation *o, const struct layout *a,
                           const struct layout *b, const struct layout *d)
{
    return (uint64_t)o->compute * 3 + (uint64_t)o->a * 5 + (uint64_t)o->epilogue * 7 +
           a->rows * 1009 + a->columns * 9176 + b->columns * 65537 + (uint64_t)a->ld * 31 +
           (uint64_t)b->ld * 37 + (uint64_t)d->ld * 41 + (uint64_t)d->type * 43;
}

/* 0 is the fastest but fails; 1 wants more scratch than it may; 2 and 3 work, 3 in half the time.
 */
cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t h, cublasLtMatmulDesc_t od,
                                              cublasLtMatrixLayout_t ad, cublasLtMatrixLayout_t bd,
                                              cublasLtMatrixLayout_t cd, cublasLtMatrixLayout_t dd,
                                              cublasLtMatmulPreference_t pd, int most,
                                              cublasLtMatmulHeuristicResult_t to[], int *found)
{
    const struct operation *o = (struct operation *)od;
    const struct layout *a = (struct layout *)ad, *b = (struct layout *)bd;
    const struct layout *c = (struct layout *)cd, *d = (struct layout *)dd;
    const struct preference *p = (struct preference *)pd;
    *found = 0;
    if (!h || !allowed(o, a, b, c, d))
        return CUBLAS_STATUS_INVALID_VALUE;
    if (fake.no_blas)
        return CUBLAS_STATUS_NOT_SUPPORTED;
    if (p->sums & ~(uint32_t)CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE)
        fake_wrong("partial sums may be rounded to the output's type");
    for (int i = 0; i < ALGORITHMS && i < most; i++, ++*found) {
        struct algorithm g = {(uint64_t)i, problem_of(o, a, b, d), {0}};
        for (int k = 0; k < 4; k++)
            g.align[k] = p->align[k];
        memset(&to[i], 0, sizeof to[i]);
        memcpy(&to[i].algo, &g, sizeof g < sizeof to[i].algo ? sizeof g : sizeof to[i].algo);
        to[i].workspaceSize = i == 1 ? p->scratch + 1 : SCRATCH;
        to[i].state = CUBLAS_STATUS_SUCCESS;
    }
    return CUBLAS_STATUS_SUCCESS;
}

/* -- the product --------------------------------------------------------------------------------
 */

static enum dtype dtype_of(cudaDataType t)
{
    return t == CUDA_R_32F ? DT_F32 : t == CUDA_R_16F ? DT_F16 : DT_BF16;
}

static float tf32(double x, cublasComputeType_t compute)
{
    float f = (float)x;
    uint32_t bits;
    if (compute != CUBLAS_COMPUTE_32F_FAST_TF32)
        return f;
    memcpy(&bits, &f, sizeof bits);
    bits = (bits + 0x1000) & ~0x1fffu;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* Matrix i of the batch, of which `rows` vectors of k values are wanted: columns of the stored one,
 * or with `across` its rows. malloc'd. */
static float *vectors(const void *data, const struct layout *l, int i, int64_t rows, int64_t k,
                      bool across, cublasComputeType_t compute)
{
    float *v = malloc((size_t)(rows * k) * sizeof *v);
    int64_t step = across ? l->ld : 1, next = across ? 1 : l->ld;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t j = 0; j < k; j++)
            v[r * k + j] = tf32(
                load_f32(data, dtype_of(l->type), i * l->stride + r * next + j * step), compute);
    return v;
}

static double dot(const float *a, const float *b, int64_t k)
{
    double sum[4] = {0};
    int64_t j = 0;
    for (; j + 4 <= k; j += 4)
        for (int n = 0; n < 4; n++)
            sum[n] += (double)a[j + n] * b[j + n];
    for (; j < k; j++)
        sum[0] += (double)a[j] * b[j];
    return sum[0] + sum[1] + sum[2] + sum[3];
}

static bool pointer_fits(const void *p, uint64_t align, const char *name)
{
    return p && (uintptr_t)p % align == 0
               ? true
               : fake_wrong("%s at %p is not aligned to %llu as was promised", name, p,
                            (unsigned long long)align);
}

/* A product with what it runs on, as a captured graph keeps it: the description as it was then, the
 * bias in it included. */
struct run {
    struct operation o;
    const struct layout *a, *b, *c, *d;
    const void *from_a, *from_b, *from_c;
    void *to, *workspace;
    float alpha, beta;
    int which;
};

static int multiply(void *context)
{
    const struct run *r = context;
    const struct layout *ld = r->d;
    int64_t m = (int64_t)ld->rows, n = (int64_t)ld->columns, k = (int64_t)r->b->rows;
    enum dtype out = dtype_of(ld->type);
    memset(r->workspace, 0x55, SCRATCH);
    for (int i = 0; i < ld->batch; i++) {
        float *va = vectors(r->from_a, r->a, i, m, k, r->o.a == CUBLAS_OP_N, r->o.compute);
        float *vb = vectors(r->from_b, r->b, i, n, k, false, r->o.compute);
        for (int64_t e = 0; e < m * n; e++) {
            int64_t row = e % m, column = e / m;
            double sum = r->alpha * dot(va + row * k, vb + column * k, k);
            if (r->beta != 0)
                sum += r->beta *
                       load_f32(r->from_c, out, i * r->c->stride + column * r->c->ld + row);
            if (r->o.epilogue == CUBLASLT_EPILOGUE_BIAS)
                sum += load_f32(r->o.bias, out, row);
            store_f32(r->to, out, i * ld->stride + column * ld->ld + row, (float)sum);
        }
        free(va);
        free(vb);
    }
    fake.ms += r->which == 3 ? 1 : 2;
    fake.runs++;
    fake.last_algorithm = r->which;
    return 0;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t h, cublasLtMatmulDesc_t od, const void *alpha,
                              const void *a, cublasLtMatrixLayout_t ad, const void *b,
                              cublasLtMatrixLayout_t bd, const void *beta, const void *c,
                              cublasLtMatrixLayout_t cd, void *d, cublasLtMatrixLayout_t dd,
                              const cublasLtMatmulAlgo_t *algo, void *workspace, size_t scratch,
                              cudaStream_t stream)
{
    const struct operation *o = (struct operation *)od;
    const struct layout *la = (struct layout *)ad, *lb = (struct layout *)bd;
    const struct layout *lc = (struct layout *)cd, *ld = (struct layout *)dd;
    const float f = *(const float *)alpha, g = *(const float *)beta;
    bool bias = o->epilogue == CUBLASLT_EPILOGUE_BIAS;
    struct algorithm known;
    memcpy(&known, algo, sizeof known);
    if (!h || !stream || !allowed(o, la, lb, lc, ld))
        return CUBLAS_STATUS_INVALID_VALUE;
    if (known.problem != problem_of(o, la, lb, ld) || (bias && !o->bias))
        fake_wrong("an algorithm of another product, or no bias");
    if (known.which <= 1)
        return known.which ? CUBLAS_STATUS_INVALID_VALUE : CUBLAS_STATUS_NOT_SUPPORTED;
    if (!workspace || scratch < SCRATCH || (c == d && lc->ld != ld->ld))
        return CUBLAS_STATUS_INVALID_VALUE;
    if (!pointer_fits(a, known.align[0], "A") || !pointer_fits(b, known.align[1], "B") ||
        !pointer_fits(c, known.align[2], "C") || !pointer_fits(d, known.align[3], "D"))
        return CUBLAS_STATUS_INVALID_VALUE;
    struct run r = {*o, la, lb, lc, ld, a, b, c, d, workspace, f, g, (int)known.which};
    return fake_do(multiply, &r, sizeof r) == 0 ? CUBLAS_STATUS_SUCCESS
                                                : CUBLAS_STATUS_INTERNAL_ERROR;
}
