/*
 * Products by cuBLASLt.
 *
 * Our matrices are row-major, cuBLASLt's column-major, so it is asked for the transposed product:
 * y^T [n, m] = op(w)^T x^T, where each of our rows is one of its columns and nothing moves. The
 * bias then runs along its rows, which is what its epilogue adds. That epilogue's GELU is the tanh
 * form and ours is by erf: an activation is our own kernel's, over values that are still f32.
 *
 * Sums are f32, also those of partial products (split k).
 */
#include "library_priv.h"

#include <stdio.h>
#include <string.h>

struct product_call {
    struct library *l;
    const struct product_shape *shape;
    struct product_data data;
    struct plan *plan;
    bool aside; /* y is c, and needed once more: what is tried writes elsewhere */
    int align, found;
    cublasLtMatmulHeuristicResult_t proposal[PRODUCT_PROPOSALS];
};

static cudaDataType_t type_of(enum dtype t)
{
    return t == DT_F32 ? CUDA_R_32F : t == DT_F16 ? CUDA_R_16F : CUDA_R_16BF;
}

static int refused(struct library *l, cublasStatus_t rc, const char *what)
{
    snprintf(l->why, sizeof l->why, "cuBLASLt, %s: %s", what, cublasLtGetStatusString(rc));
    return NOT_TAKEN;
}

/* -- descriptors --------------------------------------------------------------------------------
 */

static cublasStatus_t layout(cublasLtMatrixLayout_t *to, enum dtype type, int64_t rows,
                             int64_t columns, int64_t ld, int64_t batch, int64_t stride)
{
    const int32_t count = (int32_t)batch;
    cublasStatus_t rc = cublasLtMatrixLayoutCreate(to, type_of(type), (uint64_t)rows,
                                                   (uint64_t)columns, ld);
    if (rc != CUBLAS_STATUS_SUCCESS || batch == 1)
        return rc;
    rc = cublasLtMatrixLayoutSetAttribute(*to, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count,
                                          sizeof count);
    if (rc != CUBLAS_STATUS_SUCCESS)
        return rc;
    return cublasLtMatrixLayoutSetAttribute(*to, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET,
                                            &stride, sizeof stride);
}

static cublasStatus_t set(cublasLtMatmulDesc_t d, cublasLtMatmulDescAttributes_t name,
                          const void *value, size_t size)
{
    return cublasLtMatmulDescSetAttribute(d, name, value, size);
}

static cublasStatus_t operation(struct product *p, const struct product_shape *s, bool tf32)
{
    const cublasOperation_t as_it_is = CUBLAS_OP_N, transposed = CUBLAS_OP_T;
    const cublasLtEpilogue_t bias = CUBLASLT_EPILOGUE_BIAS;
    cublasComputeType_t compute = s->type == DT_F32 && tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32
                                                            : CUBLAS_COMPUTE_32F;
    cublasStatus_t rc = cublasLtMatmulDescCreate(&p->op, compute, CUDA_R_32F);
    if (rc == CUBLAS_STATUS_SUCCESS)
        rc = set(p->op, CUBLASLT_MATMUL_DESC_TRANSA, s->w_rows_are_n ? &transposed : &as_it_is,
                 sizeof transposed);
    if (rc == CUBLAS_STATUS_SUCCESS && s->bias)
        rc = set(p->op, CUBLASLT_MATMUL_DESC_EPILOGUE, &bias, sizeof bias);
    return rc;
}

static cublasStatus_t describe(struct product *p, const struct product_shape *s, bool tf32)
{
    int64_t w_rows = s->w_rows_are_n ? s->k : s->n, w_columns = s->w_rows_are_n ? s->n : s->k;
    cublasStatus_t rc = operation(p, s, tf32);
    if (rc == CUBLAS_STATUS_SUCCESS)
        rc = layout(&p->a, s->type, w_rows, w_columns, s->ld_w, s->batch, s->sw);
    if (rc == CUBLAS_STATUS_SUCCESS)
        rc = layout(&p->b, s->type, s->k, s->m, s->ld_x, s->batch, s->sx);
    if (rc == CUBLAS_STATUS_SUCCESS)
        rc = layout(&p->c, s->out, s->n, s->m, s->ld_c, s->batch, s->sy);
    if (rc == CUBLAS_STATUS_SUCCESS)
        rc = layout(&p->d, s->out, s->n, s->m, s->ld_y, s->batch, s->sy);
    return rc;
}

static cublasStatus_t limits(cublasLtMatmulPreference_t p, size_t scratch, int align)
{
    static const cublasLtMatmulPreferenceAttributes_t aligned[] = {
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES};
    const uint32_t sums = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE, bytes = (uint32_t)align;
    const uint64_t most = scratch;
    cublasStatus_t rc = cublasLtMatmulPreferenceSetAttribute(
        p, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &most, sizeof most);
    if (rc == CUBLAS_STATUS_SUCCESS)
        rc = cublasLtMatmulPreferenceSetAttribute(p, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
                                                  &sums, sizeof sums);
    for (int i = 0; rc == CUBLAS_STATUS_SUCCESS && i < 4; i++)
        rc = cublasLtMatmulPreferenceSetAttribute(p, aligned[i], &bytes, sizeof bytes);
    return rc;
}

static cublasStatus_t propose(struct product_call *c)
{
    const struct product *p = &c->plan->product;
    cublasLtMatmulPreference_t preference = NULL;
    cublasStatus_t rc = cublasLtMatmulPreferenceCreate(&preference);
    if (rc == CUBLAS_STATUS_SUCCESS)
        rc = limits(preference, library_scratch(c->l), c->align);
    if (rc == CUBLAS_STATUS_SUCCESS)
        rc = cublasLtMatmulAlgoGetHeuristic(c->l->blas, p->op, p->a, p->b, p->c, p->d, preference,
                                            PRODUCT_PROPOSALS, c->proposal, &c->found);
    if (preference)
        cublasLtMatmulPreferenceDestroy(preference);
    return rc;
}

/* -- running ------------------------------------------------------------------------------------
 */

static int run(struct library *l, struct product *p, const cublasLtMatmulAlgo_t *algo,
               size_t scratch, const struct product_shape *s, const struct product_data *d,
               void *stream)
{
    const float beta = s->add ? 1 : 0;
    const void *c = s->add ? d->c : d->y;
    cublasStatus_t rc = CUBLAS_STATUS_SUCCESS;
    if (s->bias)
        rc = set(p->op, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &d->bias, sizeof d->bias);
    if (rc == CUBLAS_STATUS_SUCCESS) /* onto itself: one description of both is asked for */
        rc = cublasLtMatmul(l->blas, p->op, &d->alpha, d->w, p->a, d->x, p->b, &beta, c,
                            c == d->y ? p->d : p->c, d->y, p->d, algo, l->workspace, scratch,
                            stream);
    if (rc == CUBLAS_STATUS_SUCCESS)
        return 0;
    refused(l, rc, "running");
    return library_refused(l, stream);
}

/* Bytes from the first to the last of y. */
static size_t span(const struct product_shape *s)
{
    return (size_t)((s->batch - 1) * s->sy + (s->m - 1) * s->ld_y + s->n) * dtype_size(s->out);
}

static int run_proposal(void *call, int i, void *stream)
{
    struct product_call *c = call;
    struct product_data d = c->data;
    const cublasLtMatmulHeuristicResult_t *r = &c->proposal[i];
    if (r->state != CUBLAS_STATUS_SUCCESS || r->workspaceSize > library_scratch(c->l))
        return NOT_TAKEN;
    if (c->aside && !(d.y = library_aside(c->l, r->workspaceSize, 0, span(c->shape))))
        return NOT_TAKEN;
    return run(c->l, &c->plan->product, &r->algo, r->workspaceSize, c->shape, &d, stream);
}

static int make(struct library *l, struct plan *p, const void *call, void *stream)
{
    struct product_call c = *(const struct product_call *)call;
    const struct product_shape *s = c.shape;
    int chosen = 0;
    c.plan = p;
    cublasStatus_t rc = describe(&p->product, s, l->options.tf32);
    if (rc == CUBLAS_STATUS_SUCCESS && s->bias) /* heuristics may look at where it lies */
        rc = set(p->product.op, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &c.data.bias,
                 sizeof c.data.bias);
    if (rc != CUBLAS_STATUS_SUCCESS)
        return refused(l, rc, "describing");
    rc = propose(&c);
    if (rc != CUBLAS_STATUS_SUCCESS)
        return refused(l, rc, "heuristics");
    c.aside = s->add && c.data.c == c.data.y;
    int err = library_choose(l, &p->key, c.found, run_proposal, &c, stream, &chosen);
    if (err == NOT_TAKEN && c.aside) { /* or there was no room for that */
        c.aside = false;
        l->once = true;
        err = library_choose(l, &p->key, c.found, run_proposal, &c, stream, &chosen);
        l->once = false;
        l->made = err == 0;
    }
    if (err == 0)
        p->product.algo = c.proposal[chosen].algo;
    return err;
}

int library_product(struct library *l, const struct product_shape *s, const struct product_data *d,
                    void *stream)
{
    int64_t of_x = (int64_t)dtype_size(s->type), of_y = (int64_t)dtype_size(s->out);
    int align = align_of(align_of(align_of(256, d->x), d->w), d->y), rc;
    if (s->add)
        align = align_of(align, d->c);
    if (s->batch > 1)
        align = align_of_bytes(align_of_bytes(align_of_bytes(align, s->sx * of_x), s->sw * of_x),
                               s->sy * of_y);
    struct plan_key key = {{PLAN_PRODUCT, s->type, s->out, s->m, s->n, s->k, s->ld_x, s->ld_w,
                            s->ld_y, s->ld_c, s->w_rows_are_n, s->bias, s->add, s->batch, s->sx,
                            s->sw, s->sy, align}};
    const struct product_call call = {.l = l, .shape = s, .data = *d, .align = align};
    struct plan *p = library_plan(l, &key, make, &call, stream, &rc);
    if (!p || library_made(l))
        return p ? 0 : rc;
    return run(l, &p->product, &p->product.algo, library_scratch(l), s, d, stream);
}

/* -- linear -------------------------------------------------------------------------------------
 */

const void *weight_bias(const struct weight *w, enum dtype out)
{
    return out == DT_F32 || !w->b ? (const void *)w->b : w->b_act;
}

/* y = x w^T + bias + residual in one product. */
static int plain(struct library *l, struct tensor *y, const struct tensor *x,
                 const struct weight *w, const struct tensor *residual, void *stream)
{
    const void *bias = weight_bias(w, y->dtype);
    const struct product_shape s = {.type = x->dtype,
                                    .out = y->dtype,
                                    .m = tensor_rows(x),
                                    .n = w->s.out,
                                    .k = w->s.in,
                                    .ld_x = x->ld,
                                    .ld_w = w->s.in,
                                    .ld_y = y->ld,
                                    .ld_c = residual ? residual->ld : y->ld,
                                    .w_rows_are_n = true,
                                    .bias = bias != NULL,
                                    .add = residual != NULL,
                                    .batch = 1};
    const struct product_data d = {y->data, x->data, w->w, bias, residual ? residual->data : NULL,
                                   1};
    return library_product(l, &s, &d, stream);
}

int library_linear(struct library *l, struct tensor *y, const struct tensor *x,
                   const struct weight *w, enum act act, const struct tensor *chan_add,
                   const struct tensor *residual, void *stream)
{
    if (w->b && !weight_bias(w, y->dtype))
        return NOT_TAKEN;
    if (act == ACT_NONE && !chan_add)
        return plain(l, y, x, w, residual, stream);
    /* The values before the activation, in f32 where there is room. */
    struct tensor t = *y;
    t.dtype = DT_F32, t.ld = t.c;
    t.data = library_temp(l, tensor_bytes(&t));
    if (!t.data && !residual)
        t = *y;
    if (!t.data)
        return NOT_TAKEN;
    int rc = plain(l, &t, x, w, NULL, stream);
    return rc ? rc : gpu_epilogue(y, &t, NULL, chan_add, act, residual, stream);
}
