/* See dnn.h. Which attributes a descriptor needs: cuDNN's Graph API reference, section "backend
 * descriptor types". */
#include "dnn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- the device ---------------------------------------------------------------------------------
 */

void dnn_reason(cudnnStatus_t status, char *to, size_t size)
{
    char text[512] = "";
    cudnnGetLastErrorString(text, sizeof text);
    text[strcspn(text, "\n")] = '\0';
    snprintf(to, size, "%s%s%s", cudnnGetErrorString(status), text[0] ? ": " : "", text);
}

#if CUDNN_VERSION >= 90800
static cudnnStatus_t describe_device(dnn_desc *to, const char *json)
{
    cudnnStatus_t rc = cudnnBackendCreateDescriptor(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, to);
    if (rc == CUDNN_STATUS_SUCCESS)
        rc = cudnnBackendSetAttribute(*to, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION,
                                      CUDNN_TYPE_CHAR, (int64_t)strlen(json) + 1, json);
    return rc == CUDNN_STATUS_SUCCESS ? cudnnBackendFinalize(*to) : rc;
}
#else
static cudnnStatus_t describe_device(dnn_desc *to, const char *json)
{
    (void)to, (void)json;
    return CUDNN_STATUS_NOT_SUPPORTED;
}
#endif

int dnn_open(struct dnn *d, const char *device_json, struct err *err)
{
    char why[256];
    *d = (struct dnn){NULL, NULL};
    cudnnStatus_t rc = device_json ? describe_device(&d->device, device_json)
                                   : cudnnCreate(&d->handle);
    if (rc == CUDNN_STATUS_SUCCESS)
        return 0;
    dnn_reason(rc, why, sizeof why);
    dnn_close(d);
    return err_set(err, "cuDNN %zu does not start: %s", cudnnGetVersion(), why);
}

void dnn_close(struct dnn *d)
{
    if (d->handle)
        cudnnDestroy(d->handle);
    dnn_drop(d->device);
    *d = (struct dnn){NULL, NULL};
}

/* -- graphs -------------------------------------------------------------------------------------
 */

static bool good(struct dnn_graph *g, cudnnStatus_t rc, const char *what)
{
    if (rc == CUDNN_STATUS_SUCCESS)
        return true;
    if (!g->failed) {
        char why[200];
        dnn_reason(rc, why, sizeof why);
        snprintf(g->why, sizeof g->why, "%s: %s", what, why);
    }
    g->failed = true;
    return false;
}

/* A new descriptor, kept by the graph. NULL after an error. */
static dnn_desc make(struct dnn_graph *g, cudnnBackendDescriptorType_t type, const char *what)
{
    dnn_desc d = NULL;
    assert(g->objects < DNN_OBJECTS);
    if (g->failed || !good(g, cudnnBackendCreateDescriptor(type, &d), what))
        return NULL;
    return g->object[g->objects++] = d;
}

static void set(struct dnn_graph *g, dnn_desc d, cudnnBackendAttributeName_t name,
                cudnnBackendAttributeType_t type, int64_t count, const void *values)
{
    char what[40];
    if (g->failed)
        return;
    snprintf(what, sizeof what, "attribute %d", (int)name);
    good(g, cudnnBackendSetAttribute(d, name, type, count, values), what);
}

static void set_desc(struct dnn_graph *g, dnn_desc d, cudnnBackendAttributeName_t name,
                     dnn_desc value)
{
    set(g, d, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value);
}

static void finalize(struct dnn_graph *g, dnn_desc d, const char *what)
{
    if (!g->failed)
        good(g, cudnnBackendFinalize(d), what);
}

static void finalize_op(struct dnn_graph *g, dnn_desc d, const char *what)
{
    finalize(g, d, what);
    assert(g->ops < DNN_OPS);
    if (!g->failed)
        g->op[g->ops++] = d;
}

cudnnDataType_t dnn_type(enum dtype t)
{
    return t == DT_F32 ? CUDNN_DATA_FLOAT : t == DT_F16 ? CUDNN_DATA_HALF : CUDNN_DATA_BFLOAT16;
}

struct dnn_form dnn_nhwc(int64_t n, int64_t h, int64_t w, int64_t c)
{
    return (struct dnn_form){{n, c, h, w}, {h * w * c, 1, w * c, c}};
}

static dnn_desc tensor(struct dnn_graph *g, int64_t id, cudnnDataType_t type, struct dnn_form f,
                       int64_t align)
{
    dnn_desc t = make(g, CUDNN_BACKEND_TENSOR_DESCRIPTOR, "tensor");
    set(g, t, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &id);
    set(g, t, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
    set(g, t, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &align);
    set(g, t, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, DNN_RANK, f.dim);
    set(g, t, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, DNN_RANK, f.stride);
    return t;
}

dnn_desc dnn_tensor(struct dnn_graph *g, int64_t id, cudnnDataType_t type, struct dnn_form f,
                    int align)
{
    dnn_desc t = tensor(g, id, type, f, align);
    finalize(g, t, "tensor");
    return t;
}

dnn_desc dnn_virtual(struct dnn_graph *g, cudnnDataType_t type, struct dnn_form f)
{
    const bool yes = true;
    dnn_desc t = tensor(g, 100 + g->virtuals++, type, f, 16);
    set(g, t, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &yes);
    finalize(g, t, "virtual tensor");
    return t;
}

dnn_desc dnn_scalar(struct dnn_graph *g, int64_t id)
{
    const bool yes = true;
    struct dnn_form f = {{1, 1, 1, 1}, {1, 1, 1, 1}};
    dnn_desc t = tensor(g, id, CUDNN_DATA_FLOAT, f, 16);
    set(g, t, CUDNN_ATTR_TENSOR_IS_BY_VALUE, CUDNN_TYPE_BOOLEAN, 1, &yes);
    finalize(g, t, "scalar");
    return t;
}

void dnn_conv(struct dnn_graph *g, dnn_desc x, dnn_desc w, dnn_desc y, int stride,
              const int64_t before[2], const int64_t after[2])
{
    const cudnnDataType_t f32 = CUDNN_DATA_FLOAT;
    const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
    const int64_t two = 2, ones[2] = {1, 1}, strides[2] = {stride, stride};
    const float alpha = 1, beta = 0;
    dnn_desc c = make(g, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, "convolution");
    set(g, c, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &f32);
    set(g, c, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
    set(g, c, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &two);
    set(g, c, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2, before);
    set(g, c, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2, after);
    set(g, c, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2, ones);
    set(g, c, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2, strides);
    finalize(g, c, "convolution");
    dnn_desc op = make(g, CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR, "convolution");
    set_desc(g, op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, c);
    set_desc(g, op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, x);
    set_desc(g, op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, w);
    set_desc(g, op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, y);
    set(g, op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_TYPE_FLOAT, 1, &alpha);
    set(g, op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, CUDNN_TYPE_FLOAT, 1, &beta);
    finalize_op(g, op, "convolution");
}

void dnn_matmul(struct dnn_graph *g, dnn_desc a, dnn_desc b, dnn_desc c)
{
    const cudnnDataType_t f32 = CUDNN_DATA_FLOAT;
    dnn_desc m = make(g, CUDNN_BACKEND_MATMUL_DESCRIPTOR, "product");
    set(g, m, CUDNN_ATTR_MATMUL_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &f32);
    finalize(g, m, "product");
    dnn_desc op = make(g, CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR, "product");
    set_desc(g, op, CUDNN_ATTR_OPERATION_MATMUL_ADESC, a);
    set_desc(g, op, CUDNN_ATTR_OPERATION_MATMUL_BDESC, b);
    set_desc(g, op, CUDNN_ATTR_OPERATION_MATMUL_CDESC, c);
    set_desc(g, op, CUDNN_ATTR_OPERATION_MATMUL_DESC, m);
    finalize_op(g, op, "product");
}

void dnn_pointwise(struct dnn_graph *g, cudnnPointwiseMode_t mode, cudnnDataType_t compute,
                   int64_t axis, dnn_desc x, dnn_desc b, dnn_desc t, dnn_desc y)
{
    dnn_desc p = make(g, CUDNN_BACKEND_POINTWISE_DESCRIPTOR, "pointwise");
    set(g, p, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode);
    set(g, p, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1, &compute);
    if (mode == CUDNN_POINTWISE_GEN_INDEX)
        set(g, p, CUDNN_ATTR_POINTWISE_AXIS, CUDNN_TYPE_INT64, 1, &axis);
    finalize(g, p, "pointwise");
    dnn_desc op = make(g, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, "pointwise");
    set_desc(g, op, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, p);
    set_desc(g, op, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x);
    if (b)
        set_desc(g, op, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, b);
    if (t)
        set_desc(g, op, CUDNN_ATTR_OPERATION_POINTWISE_TDESC, t);
    set_desc(g, op, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y);
    finalize_op(g, op, "pointwise");
}

void dnn_reduce(struct dnn_graph *g, cudnnReduceTensorOp_t how, dnn_desc x, dnn_desc y)
{
    const cudnnDataType_t f32 = CUDNN_DATA_FLOAT;
    dnn_desc r = make(g, CUDNN_BACKEND_REDUCTION_DESCRIPTOR, "reduction");
    set(g, r, CUDNN_ATTR_REDUCTION_OPERATOR, CUDNN_TYPE_REDUCTION_OPERATOR_TYPE, 1, &how);
    set(g, r, CUDNN_ATTR_REDUCTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &f32);
    finalize(g, r, "reduction");
    dnn_desc op = make(g, CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR, "reduction");
    set_desc(g, op, CUDNN_ATTR_OPERATION_REDUCTION_DESC, r);
    set_desc(g, op, CUDNN_ATTR_OPERATION_REDUCTION_XDESC, x);
    set_desc(g, op, CUDNN_ATTR_OPERATION_REDUCTION_YDESC, y);
    finalize_op(g, op, "reduction");
}

int dnn_finish(struct dnn_graph *g, const struct dnn *d)
{
    g->graph = make(g, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, "graph");
    set(g, g->graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, g->ops, g->op);
    if (d->handle)
        set(g, g->graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &d->handle);
    finalize(g, g->graph, "graph");
    return g->failed ? -1 : 0;
}

void dnn_free(struct dnn_graph *g)
{
    while (g->objects > 0)
        dnn_drop(g->object[--g->objects]);
}

/* -- engines and plans --------------------------------------------------------------------------
 */

void dnn_drop(dnn_desc d)
{
    if (d)
        cudnnBackendDestroyDescriptor(d);
}

/* Is a kernel compiled when its plan is made? */
static bool is_compiled(dnn_desc engine)
{
    cudnnBackendBehaviorNote_t note[CUDNN_BEHAVIOR_NOTE_TYPE_COUNT];
    int64_t notes = 0;
    if (cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, CUDNN_TYPE_BEHAVIOR_NOTE,
                                 CUDNN_BEHAVIOR_NOTE_TYPE_COUNT, &notes,
                                 note) != CUDNN_STATUS_SUCCESS)
        return false;
    for (int64_t i = 0; i < notes && i < CUDNN_BEHAVIOR_NOTE_TYPE_COUNT; i++)
        if (note[i] == CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION)
            return true;
    return false;
}

/* Does the engine of a proposal keep to what we ask of results, and to what we will wait for? */
static bool acceptable(dnn_desc proposal, unsigned refuse, int *compiled)
{
    cudnnBackendNumericalNote_t note[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
    dnn_desc engine = NULL;
    int64_t got = 0, notes = 0;
    bool fine = true;
    if (cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine) !=
        CUDNN_STATUS_SUCCESS)
        return false;
    if (cudnnBackendGetAttribute(proposal, CUDNN_ATTR_ENGINECFG_ENGINE,
                                 CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &got,
                                 &engine) != CUDNN_STATUS_SUCCESS ||
        cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
                                 CUDNN_TYPE_NUMERICAL_NOTE, CUDNN_NUMERICAL_NOTE_TYPE_COUNT, &notes,
                                 note) != CUDNN_STATUS_SUCCESS)
        fine = false;
    for (int64_t i = 0; fine && i < notes && i < CUDNN_NUMERICAL_NOTE_TYPE_COUNT; i++)
        switch (note[i]) {
        case CUDNN_NUMERICAL_NOTE_TENSOR_CORE:
        case CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS:
            fine = !(refuse & DNN_NO_TENSOR_CORES);
            break;
        case CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION:
        case CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC:
        case CUDNN_NUMERICAL_NOTE_FFT:
        case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6:
        case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13:
            fine = false;
            break;
        default:
            break;
        }
    if (fine && is_compiled(engine))
        fine = ++*compiled <= DNN_MOST_COMPILED;
    dnn_drop(engine);
    return fine;
}

/* Fills to[] with empty proposals for cuDNN to write into. Returns how many. */
static int empty(dnn_desc *to, int max)
{
    int count = 0;
    while (count < max && cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR,
                                                       &to[count]) == CUDNN_STATUS_SUCCESS)
        count++;
    return count;
}

/* More is asked for than is wanted: those that may not be taken can all stand before the others
 * (f32 on tensor cores before f32, 20 to 2 in 9.19). */
static int ask(struct dnn_graph *g, const struct dnn *d, cudnnBackendHeurMode_t mode,
               unsigned refuse, int *compiled, dnn_desc *to, int max)
{
    dnn_desc heuristics = make(g, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, "heuristics");
    dnn_desc all[DNN_ASKED];
    set_desc(g, heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, g->graph);
    set(g, heuristics, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
#if CUDNN_VERSION >= 90800
    if (d->device)
        set_desc(g, heuristics, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, d->device);
#endif
    finalize(g, heuristics, "heuristics");
    if (g->failed)
        return 0;
    int asked = empty(all, DNN_ASKED), kept = 0;
    int64_t got = 0;
    if (!good(g,
              cudnnBackendGetAttribute(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                       CUDNN_TYPE_BACKEND_DESCRIPTOR, asked, &got, all),
              "heuristics"))
        got = 0;
    for (int i = 0; i < asked; i++)
        if (i < got && kept < max && acceptable(all[i], refuse, compiled))
            to[kept++] = all[i];
        else
            dnn_drop(all[i]);
    return kept;
}

int dnn_proposals(struct dnn_graph *g, const struct dnn *d, unsigned refuse, dnn_desc *to, int max)
{
    static const cudnnBackendHeurMode_t modes[] = {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK};
    int count = 0, compiled = 0;
    for (int i = 0; i < 2 && count < max; i++) {
        bool failed = g->failed;
        count += ask(g, d, modes[i], refuse, &compiled, to + count, max - count);
        g->failed = failed; /* one mode without an answer is none yet; its reason is kept */
    }
    return count;
}

/* The device that a plan is for. */
static cudnnStatus_t place_plan(dnn_desc plan, const struct dnn *d)
{
    cudnnStatus_t rc = CUDNN_STATUS_SUCCESS;
    if (d->handle)
        rc = cudnnBackendSetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1,
                                      &d->handle);
#if CUDNN_VERSION >= 90800
    if (rc == CUDNN_STATUS_SUCCESS && d->device)
        rc = cudnnBackendSetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP,
                                      CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &d->device);
#endif
    return rc;
}

/* Makes a plan of what it is told by one attribute. */
static bool make_plan(struct dnn_plan *to, const struct dnn *d, cudnnBackendAttributeName_t name,
                      cudnnBackendAttributeType_t type, int64_t count, const void *values,
                      size_t most, char *why, size_t size)
{
    int64_t got = 0, scratch = 0;
    cudnnStatus_t rc = cudnnBackendCreateDescriptor(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR,
                                                    &to->plan);
    if (rc == CUDNN_STATUS_SUCCESS)
        rc = place_plan(to->plan, d);
    if (rc == CUDNN_STATUS_SUCCESS)
        rc = cudnnBackendSetAttribute(to->plan, name, type, count, values);
    if (rc == CUDNN_STATUS_SUCCESS)
        rc = cudnnBackendFinalize(to->plan);
    if (rc == CUDNN_STATUS_SUCCESS)
        rc = cudnnBackendGetAttribute(to->plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
                                      CUDNN_TYPE_INT64, 1, &got, &scratch);
    to->scratch = (size_t)scratch;
    if (rc == CUDNN_STATUS_SUCCESS && scratch >= 0 && (uint64_t)scratch <= most)
        return true;
    if (rc == CUDNN_STATUS_SUCCESS)
        snprintf(why, size, "wants %lld MB of scratch", (long long)(scratch >> 20));
    else
        dnn_reason(rc, why, size);
    dnn_plan_free(to);
    return false;
}

bool dnn_plan(struct dnn_plan *to, const struct dnn *d, size_t most, char *why, size_t size)
{
    if (to->plan || !to->proposal)
        return to->plan != NULL;
    return make_plan(to, d, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                     1, &to->proposal, most, why, size);
}

bool dnn_plan_of_text(struct dnn_plan *to, const struct dnn *d, const char *text, size_t bytes,
                      size_t most, char *why, size_t size)
{
    *to = (struct dnn_plan){NULL, NULL, 0};
    return make_plan(to, d, CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
                     (int64_t)bytes, text, most, why, size);
}

char *dnn_text(const struct dnn_plan *p, size_t *size)
{
    int64_t bytes = 0, got = 0;
    const cudnnBackendAttributeName_t name = CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION;
    if (cudnnBackendGetAttribute(p->plan, name, CUDNN_TYPE_CHAR, 0, &bytes, NULL) !=
            CUDNN_STATUS_SUCCESS ||
        bytes <= 0)
        return NULL;
    char *text = malloc((size_t)bytes + 1);
    if (text && (cudnnBackendGetAttribute(p->plan, name, CUDNN_TYPE_CHAR, bytes, &got, text) !=
                     CUDNN_STATUS_SUCCESS ||
                 got > bytes)) {
        free(text);
        text = NULL;
    }
    *size = (size_t)got;
    return text;
}

bool dnn_is_compiled(const struct dnn_plan *p)
{
    dnn_desc engine = NULL;
    int64_t got = 0;
    if (!p->proposal || cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine) !=
                            CUDNN_STATUS_SUCCESS)
        return false;
    bool compiled = cudnnBackendGetAttribute(p->proposal, CUDNN_ATTR_ENGINECFG_ENGINE,
                                             CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &got,
                                             &engine) == CUDNN_STATUS_SUCCESS &&
                    is_compiled(engine);
    dnn_drop(engine);
    return compiled;
}

void dnn_plan_free(struct dnn_plan *p)
{
    dnn_drop(p->plan);
    dnn_drop(p->proposal);
    *p = (struct dnn_plan){NULL, NULL, 0};
}

cudnnStatus_t dnn_pack(const struct dnn_io *io, void *workspace, dnn_desc *out)
{
    dnn_desc pack = NULL;
    cudnnStatus_t rc = cudnnBackendCreateDescriptor(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &pack);
    if (rc == CUDNN_STATUS_SUCCESS)
        rc = cudnnBackendSetAttribute(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64,
                                      io->count, io->id);
    if (rc == CUDNN_STATUS_SUCCESS)
        rc = cudnnBackendSetAttribute(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS,
                                      CUDNN_TYPE_VOID_PTR, io->count, io->data);
    if (rc == CUDNN_STATUS_SUCCESS)
        rc = cudnnBackendSetAttribute(pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR,
                                      1, &workspace);
    if (rc == CUDNN_STATUS_SUCCESS)
        rc = cudnnBackendFinalize(pack);
    *out = pack;
    return rc;
}

cudnnStatus_t dnn_run(const struct dnn *d, const struct dnn_plan *plan, const struct dnn_io *io,
                      void *workspace, void *stream)
{
    dnn_desc pack = NULL;
    cudnnStatus_t rc = cudnnSetStream(d->handle, stream);
    if (rc == CUDNN_STATUS_SUCCESS)
        rc = dnn_pack(io, workspace, &pack);
    if (rc == CUDNN_STATUS_SUCCESS)
        rc = cudnnBackendExecute(d->handle, plan->plan, pack);
    dnn_drop(pack);
    return rc;
}
