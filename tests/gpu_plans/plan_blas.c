/*
 * cuBLASLt without a device. Descriptors are its own; what needs a handle is not to be had, since a
 * handle needs a GPU: the heuristics and the product stand here, read back what the descriptors
 * hold, and check it as the reference of cublasLtMatmul() has it. Which algorithms there are is not
 * known by this.
 */
#include <string.h>

#include <cublasLt.h>

#include "none.h"

static int handle;

cublasStatus_t cublasLtCreate(cublasLtHandle_t *h)
{
    *h = (cublasLtHandle_t)&handle;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t h)
{
    (void)h;
    return CUBLAS_STATUS_SUCCESS;
}

struct matrix {
    uint64_t rows, columns;
    int64_t ld, stride;
    uint32_t type;
    int32_t batch, order;
};

#define GET(matrix, name, to)                                                                      \
    cublasLtMatrixLayoutGetAttribute(matrix, CUBLASLT_MATRIX_LAYOUT_##name, &(to), sizeof(to), &got)

static bool read_matrix(cublasLtMatrixLayout_t l, struct matrix *m)
{
    size_t got;
    return GET(l, ROWS, m->rows) == 0 && GET(l, COLS, m->columns) == 0 && GET(l, LD, m->ld) == 0 &&
           GET(l, TYPE, m->type) == 0 && GET(l, BATCH_COUNT, m->batch) == 0 &&
           GET(l, STRIDED_BATCH_OFFSET, m->stride) == 0 && GET(l, ORDER, m->order) == 0;
}

struct problem {
    struct matrix a, b, c, d;
    int32_t compute, scale, across_a, across_b;
    uint32_t epilogue;
    const void *bias;
};

#define GET_OP(name, to)                                                                           \
    cublasLtMatmulDescGetAttribute(op, CUBLASLT_MATMUL_DESC_##name, &(to), sizeof(to), &got)

static bool read_problem(cublasLtMatmulDesc_t op, cublasLtMatrixLayout_t a,
                         cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c,
                         cublasLtMatrixLayout_t d, struct problem *p)
{
    size_t got;
    return read_matrix(a, &p->a) && read_matrix(b, &p->b) && read_matrix(c, &p->c) &&
           read_matrix(d, &p->d) && GET_OP(COMPUTE_TYPE, p->compute) == 0 &&
           GET_OP(SCALE_TYPE, p->scale) == 0 && GET_OP(TRANSA, p->across_a) == 0 &&
           GET_OP(TRANSB, p->across_b) == 0 && GET_OP(EPILOGUE, p->epilogue) == 0 &&
           GET_OP(BIAS_POINTER, p->bias) == 0;
}

/* The types, leading dimensions and sizes that the reference allows. */
static int allowed(const struct problem *p)
{
    const struct matrix *all[] = {&p->a, &p->b, &p->c, &p->d};
    uint64_t k = p->across_a ? p->a.rows : p->a.columns, m = p->across_a ? p->a.columns : p->a.rows;
    bool f32 = p->a.type == CUDA_R_32F;
    bool compute = p->compute == CUBLAS_COMPUTE_32F ||
                   (f32 && p->compute == CUBLAS_COMPUTE_32F_FAST_TF32);
    if (p->a.type != p->b.type || p->c.type != p->d.type ||
        (p->d.type != p->a.type && p->d.type != CUDA_R_32F))
        return none_wrong("product of types %d %d %d %d", p->a.type, p->b.type, p->c.type,
                          p->d.type);
    if (!compute || p->scale != CUDA_R_32F || p->across_b != CUBLAS_OP_N ||
        (p->epilogue != CUBLASLT_EPILOGUE_DEFAULT && p->epilogue != CUBLASLT_EPILOGUE_BIAS))
        return none_wrong("product by compute type %d, scale %d, epilogue %d", p->compute, p->scale,
                          p->epilogue);
    if (p->d.rows != m || p->b.rows != k || p->b.columns != p->d.columns || p->c.rows != m ||
        p->c.columns != p->d.columns)
        return none_wrong("product of matrices that do not fit");
    for (int i = 0; i < 4; i++)
        if (all[i]->ld < (int64_t)all[i]->rows || all[i]->batch != p->a.batch ||
            all[i]->order != CUBLASLT_ORDER_COL)
            return none_wrong("product: matrix %d, ld %lld, batch %d", i, (long long)all[i]->ld,
                              all[i]->batch);
    return 0;
}

static const char *type_name(uint32_t t)
{
    return t == CUDA_R_32F ? "f32" : t == CUDA_R_16F ? "f16" : "bf16";
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t h, cublasLtMatmulDesc_t op,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int most,
                                              cublasLtMatmulHeuristicResult_t to[], int *found)
{
    struct problem p = {.across_a = 0};
    uint32_t align = 0;
    size_t got;
    (void)h;
    *found = 0;
    if (!read_problem(op, a, b, c, d, &p) || allowed(&p) != 0 ||
        cublasLtMatmulPreferenceGetAttribute(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES,
                                             &align, sizeof align, &got) != CUBLAS_STATUS_SUCCESS)
        return CUBLAS_STATUS_INVALID_VALUE;
    FILE *f = none_log();
    if (f)
        fprintf(f,
                "{\"kind\": \"product\", \"shape\": \"%s to %s%s, %llu x %llu x %llu, rows %lld "
                "%lld %lld%s, batch %d\", \"align\": %u}\n",
                type_name(p.a.type), type_name(p.d.type),
                p.compute == CUBLAS_COMPUTE_32F ? "" : " tf32", (unsigned long long)p.d.columns,
                (unsigned long long)p.d.rows, (unsigned long long)p.b.rows, (long long)p.b.ld,
                (long long)p.a.ld, (long long)p.d.ld,
                p.epilogue == CUBLASLT_EPILOGUE_BIAS ? ", bias" : "", p.a.batch, align);
    if (most < 1)
        return CUBLAS_STATUS_SUCCESS;
    memset(&to[0], 0, sizeof to[0]);
    to[0].state = CUBLAS_STATUS_SUCCESS;
    *found = 1;
    return CUBLAS_STATUS_SUCCESS;
}

static int holds(const char *what, const void *p, const struct matrix *m)
{
    size_t size = m->type == CUDA_R_32F ? 4 : 2;
    int64_t values = (m->batch - 1) * m->stride + ((int64_t)m->columns - 1) * m->ld +
                     (int64_t)m->rows;
    if ((uintptr_t)p % size)
        return none_wrong("%s at %p is not aligned", what, p);
    return none_holds(what, p, (size_t)values * size);
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t h, cublasLtMatmulDesc_t op, const void *alpha,
                              const void *a, cublasLtMatrixLayout_t ad, const void *b,
                              cublasLtMatrixLayout_t bd, const void *beta, const void *c,
                              cublasLtMatrixLayout_t cd, void *d, cublasLtMatrixLayout_t dd,
                              const cublasLtMatmulAlgo_t *algo, void *workspace, size_t scratch,
                              cudaStream_t stream)
{
    struct problem p = {.across_a = 0};
    (void)h, (void)alpha, (void)beta, (void)algo, (void)stream;
    if (!read_problem(op, ad, bd, cd, dd, &p) || allowed(&p) != 0)
        return CUBLAS_STATUS_INVALID_VALUE;
    int rc = holds("a product's w", a, &p.a);
    rc = rc ? rc : holds("a product's x", b, &p.b);
    rc = rc ? rc : holds("a product's c", c, &p.c);
    rc = rc ? rc : holds("a product's y", d, &p.d);
    rc = rc ? rc : none_holds("scratch", workspace, scratch);
    if (rc == 0 && c == d && p.c.ld != p.d.ld)
        rc = none_wrong("a product onto its own c, in rows of other lengths");
    if (rc == 0 && p.epilogue == CUBLASLT_EPILOGUE_BIAS)
        rc = none_holds("a product's bias", p.bias,
                        (size_t)p.d.rows * (p.d.type == CUDA_R_32F ? 4 : 2));
    return rc ? CUBLAS_STATUS_EXECUTION_FAILED : CUBLAS_STATUS_SUCCESS;
}
