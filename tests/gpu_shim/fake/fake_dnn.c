/*
 * cuDNN's part of fake.h: descriptors, attributes, engines, plans. Rules: cudnn_graph.h and the
 * Graph API's reference. Graphs are judged in fake_graph.c and computed in fake_math.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_dnn.h"

/* What each descriptor may be told; those with `needed` before it is finished. */
struct rule {
    cudnnBackendDescriptorType_t on;
    cudnnBackendAttributeName_t name;
    cudnnBackendAttributeType_t type;
    int64_t least, most;
    bool needed;
};

#define ON(d)   CUDNN_BACKEND_##d##_DESCRIPTOR
#define AT(a)   CUDNN_ATTR_##a
#define OF(t)   CUDNN_TYPE_##t
#define DESC(d) OF(BACKEND_DESCRIPTOR), 1, d, true

static const struct rule rules[] = {
    {ON(TENSOR), AT(TENSOR_UNIQUE_ID), OF(INT64), 1, 1, true},
    {ON(TENSOR), AT(TENSOR_DATA_TYPE), OF(DATA_TYPE), 1, 1, true},
    {ON(TENSOR), AT(TENSOR_BYTE_ALIGNMENT), OF(INT64), 1, 1, true},
    {ON(TENSOR), AT(TENSOR_DIMENSIONS), OF(INT64), RANK, RANK, true},
    {ON(TENSOR), AT(TENSOR_STRIDES), OF(INT64), RANK, RANK, true},
    {ON(TENSOR), AT(TENSOR_IS_VIRTUAL), OF(BOOLEAN), 1, 1, false},
    {ON(TENSOR), AT(TENSOR_IS_BY_VALUE), OF(BOOLEAN), 1, 1, false},
    {ON(CONVOLUTION), AT(CONVOLUTION_COMP_TYPE), OF(DATA_TYPE), 1, 1, true},
    {ON(CONVOLUTION), AT(CONVOLUTION_CONV_MODE), OF(CONVOLUTION_MODE), 1, 1, true},
    {ON(CONVOLUTION), AT(CONVOLUTION_SPATIAL_DIMS), OF(INT64), 1, 1, true},
    {ON(CONVOLUTION), AT(CONVOLUTION_PRE_PADDINGS), OF(INT64), 2, 2, true},
    {ON(CONVOLUTION), AT(CONVOLUTION_POST_PADDINGS), OF(INT64), 2, 2, true},
    {ON(CONVOLUTION), AT(CONVOLUTION_DILATIONS), OF(INT64), 2, 2, true},
    {ON(CONVOLUTION), AT(CONVOLUTION_FILTER_STRIDES), OF(INT64), 2, 2, true},
    {ON(OPERATION_CONVOLUTION_FORWARD), AT(OPERATION_CONVOLUTION_FORWARD_CONV_DESC), DESC(1)},
    {ON(OPERATION_CONVOLUTION_FORWARD), AT(OPERATION_CONVOLUTION_FORWARD_X), DESC(1)},
    {ON(OPERATION_CONVOLUTION_FORWARD), AT(OPERATION_CONVOLUTION_FORWARD_W), DESC(1)},
    {ON(OPERATION_CONVOLUTION_FORWARD), AT(OPERATION_CONVOLUTION_FORWARD_Y), DESC(1)},
    {ON(OPERATION_CONVOLUTION_FORWARD), AT(OPERATION_CONVOLUTION_FORWARD_ALPHA), OF(FLOAT), 1, 1,
     true},
    {ON(OPERATION_CONVOLUTION_FORWARD), AT(OPERATION_CONVOLUTION_FORWARD_BETA), OF(FLOAT), 1, 1,
     true},
    {ON(MATMUL), AT(MATMUL_COMP_TYPE), OF(DATA_TYPE), 1, 1, true},
    {ON(OPERATION_MATMUL), AT(OPERATION_MATMUL_ADESC), DESC(1)},
    {ON(OPERATION_MATMUL), AT(OPERATION_MATMUL_BDESC), DESC(1)},
    {ON(OPERATION_MATMUL), AT(OPERATION_MATMUL_CDESC), DESC(1)},
    {ON(OPERATION_MATMUL), AT(OPERATION_MATMUL_DESC), DESC(1)},
    {ON(POINTWISE), AT(POINTWISE_MODE), OF(POINTWISE_MODE), 1, 1, true},
    {ON(POINTWISE), AT(POINTWISE_MATH_PREC), OF(DATA_TYPE), 1, 1, true},
    {ON(POINTWISE), AT(POINTWISE_AXIS), OF(INT64), 1, 1, false},
    {ON(OPERATION_POINTWISE), AT(OPERATION_POINTWISE_PW_DESCRIPTOR), DESC(1)},
    {ON(OPERATION_POINTWISE), AT(OPERATION_POINTWISE_XDESC), DESC(1)},
    {ON(OPERATION_POINTWISE), AT(OPERATION_POINTWISE_BDESC), OF(BACKEND_DESCRIPTOR), 1, 1, false},
    {ON(OPERATION_POINTWISE), AT(OPERATION_POINTWISE_TDESC), OF(BACKEND_DESCRIPTOR), 1, 1, false},
    {ON(OPERATION_POINTWISE), AT(OPERATION_POINTWISE_YDESC), DESC(1)},
    {ON(REDUCTION), AT(REDUCTION_OPERATOR), OF(REDUCTION_OPERATOR_TYPE), 1, 1, true},
    {ON(REDUCTION), AT(REDUCTION_COMP_TYPE), OF(DATA_TYPE), 1, 1, true},
    {ON(OPERATION_REDUCTION), AT(OPERATION_REDUCTION_DESC), DESC(1)},
    {ON(OPERATION_REDUCTION), AT(OPERATION_REDUCTION_XDESC), DESC(1)},
    {ON(OPERATION_REDUCTION), AT(OPERATION_REDUCTION_YDESC), DESC(1)},
    {ON(OPERATIONGRAPH), AT(OPERATIONGRAPH_OPS), DESC(MOST_OPS)},
    {ON(OPERATIONGRAPH), AT(OPERATIONGRAPH_HANDLE), OF(HANDLE), 1, 1, true},
    {ON(ENGINEHEUR), AT(ENGINEHEUR_OPERATION_GRAPH), DESC(1)},
    {ON(ENGINEHEUR), AT(ENGINEHEUR_MODE), OF(HEUR_MODE), 1, 1, true},
    {ON(EXECUTION_PLAN), AT(EXECUTION_PLAN_ENGINE_CONFIG), DESC(1)},
    {ON(EXECUTION_PLAN), AT(EXECUTION_PLAN_HANDLE), OF(HANDLE), 1, 1, true},
    {ON(VARIANT_PACK), AT(VARIANT_PACK_UNIQUE_IDS), OF(INT64), 1, MOST_IO, true},
    {ON(VARIANT_PACK), AT(VARIANT_PACK_DATA_POINTERS), OF(VOID_PTR), 1, MOST_IO, true},
    {ON(VARIANT_PACK), AT(VARIANT_PACK_WORKSPACE), OF(VOID_PTR), 1, 1, true},
};
enum { RULES = sizeof rules / sizeof *rules, SCRATCH = 4096 };

/* The engines that every graph is offered, best first. */
enum engine {
    GREEDY,       /* wants more scratch than there is */
    WAVERING,     /* notes say: other results every time */
    UNFINISHABLE, /* has no plan after all */
    FAILING,      /* fails when it runs */
    CORES,        /* tensor cores: f32 becomes TF32 */
    CORES_FASTER,
    PLAIN,
    ENGINES
};

static char reason[256];

static cudnnStatus_t no(cudnnStatus_t rc, const char *why)
{
    snprintf(reason, sizeof reason, "%s", why);
    return rc;
}

/* -- the library --------------------------------------------------------------------------------
 */

size_t cudnnGetVersion(void)
{
    return fake.dnn_version ? fake.dnn_version : CUDNN_VERSION;
}

const char *cudnnGetErrorString(cudnnStatus_t rc)
{
    return rc == CUDNN_STATUS_NOT_SUPPORTED ? "not supported (fake)" : "an error (fake)";
}

void cudnnGetLastErrorString(char *to, size_t size)
{
    snprintf(to, size, "%s", reason);
    reason[0] = '\0';
}

cudnnStatus_t cudnnCreate(cudnnHandle_t *h)
{
    if (fake.no_dnn)
        return no(CUDNN_STATUS_NOT_INITIALIZED, "there is none");
    *h = calloc(1, sizeof(void *));
    fake.live++;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnDestroy(cudnnHandle_t h)
{
    free(h);
    fake.live--;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnSetStream(cudnnHandle_t h, cudaStream_t stream)
{
    *(void **)h = stream;
    return CUDNN_STATUS_SUCCESS;
}

/* -- descriptors --------------------------------------------------------------------------------
 */

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type,
                                           cudnnBackendDescriptor_t *to)
{
    struct desc *d = calloc(1, sizeof *d);
    d->type = type;
    d->users = 1;
    fake.live++;
    *to = d;
    return CUDNN_STATUS_SUCCESS;
}

static bool holds_descs(const struct attribute *a)
{
    for (int i = 0; i < RULES; i++)
        if (rules[i].name == a->name)
            return rules[i].type == CUDNN_TYPE_BACKEND_DESCRIPTOR;
    return false;
}

static void let_go(struct desc *d)
{
    if (--d->users > 0)
        return;
    for (int i = 0; i < d->attributes; i++)
        for (int64_t k = 0; holds_descs(&d->attribute[i]) && k < d->attribute[i].count; k++)
            let_go(((struct desc **)d->attribute[i].value)[k]);
    fake.live--;
    free(d);
}

cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t d)
{
    let_go(d);
    return CUDNN_STATUS_SUCCESS;
}

static const struct rule *rule_of(const struct desc *d, cudnnBackendAttributeName_t name)
{
    for (int i = 0; i < RULES; i++)
        if (rules[i].on == d->type && rules[i].name == name)
            return &rules[i];
    return NULL;
}

static size_t size_of(cudnnBackendAttributeType_t t)
{
    return t == CUDNN_TYPE_BOOLEAN ? sizeof(bool)
           : t == CUDNN_TYPE_INT64 || t == CUDNN_TYPE_HANDLE || t == CUDNN_TYPE_VOID_PTR ||
                   t == CUDNN_TYPE_BACKEND_DESCRIPTOR
               ? 8
               : 4;
}

cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t to,
                                       cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t count,
                                       const void *values)
{
    struct desc *d = to;
    const struct rule *r = rule_of(d, name);
    if (!r || r->type != type || count < r->least || count > r->most || d->final) {
        fake_wrong("descriptor %d: attribute %d of type %d, %lld values%s", (int)d->type, (int)name,
                   (int)type, (long long)count, d->final ? ", finished" : "");
        return no(CUDNN_STATUS_BAD_PARAM, "an attribute against the rules");
    }
    if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR)
        for (int64_t i = 0; i < count; i++) {
            struct desc *given = ((struct desc *const *)values)[i];
            if (!given || !given->final) {
                fake_wrong("attribute %d is a descriptor that is not finished", (int)name);
                return no(CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "not finished");
            }
            given->users++;
        }
    struct attribute *a = &d->attribute[d->attributes++];
    a->name = name;
    a->count = count;
    memcpy(a->value, values, (size_t)count * size_of(type));
    return CUDNN_STATUS_SUCCESS;
}

const void *fake_get(const struct desc *d, cudnnBackendAttributeName_t name)
{
    for (int i = 0; i < d->attributes; i++)
        if (d->attribute[i].name == name)
            return d->attribute[i].value;
    return NULL;
}

const struct desc *fake_desc(const struct desc *d, cudnnBackendAttributeName_t name)
{
    const void *v = fake_get(d, name);
    return v ? *(struct desc *const *)v : NULL;
}

int64_t fake_number(const struct desc *d, cudnnBackendAttributeName_t name, int64_t otherwise)
{
    const void *v = fake_get(d, name);
    const struct rule *r = rule_of(d, name);
    if (!v)
        return otherwise;
    return size_of(r->type) == 8 ? *(const int64_t *)v : *(const int32_t *)v;
}

bool fake_flag(const struct desc *d, cudnnBackendAttributeName_t name)
{
    const bool *v = fake_get(d, name);
    return v && *v;
}

cudnnDataType_t fake_type(const struct desc *t)
{
    return (cudnnDataType_t)fake_number(t, CUDNN_ATTR_TENSOR_DATA_TYPE, -1);
}

const int64_t *fake_dims(const struct desc *t)
{
    return fake_get(t, CUDNN_ATTR_TENSOR_DIMENSIONS);
}

const int64_t *fake_strides(const struct desc *t)
{
    return fake_get(t, CUDNN_ATTR_TENSOR_STRIDES);
}

/* -- finishing ----------------------------------------------------------------------------------
 */

static bool tensor_fits(const struct desc *t)
{
    const int64_t *dim = fake_dims(t), *stride = fake_strides(t);
    int64_t align = fake_number(t, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, 0);
    bool inside = fake_flag(t, CUDNN_ATTR_TENSOR_IS_VIRTUAL);
    if (align < 1 || align & (align - 1))
        return fake_wrong("an alignment of %lld", (long long)align);
    if (inside && fake_flag(t, CUDNN_ATTR_TENSOR_IS_BY_VALUE))
        return fake_wrong("a tensor that is virtual and a value");
    for (int i = 0; i < RANK; i++)
        if (dim[i] < 1 || stride[i] < 1)
            return fake_wrong("dimension %d: %lld, stride %lld", i, (long long)dim[i],
                              (long long)stride[i]);
    return true;
}

static bool pack_fits(const struct desc *d)
{
    int64_t ids = 0, pointers = 0;
    for (int i = 0; i < d->attributes; i++) {
        ids += d->attribute[i].name == CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS ? d->attribute[i].count
                                                                          : 0;
        pointers += d->attribute[i].name == CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS
                        ? d->attribute[i].count
                        : 0;
    }
    return ids == pointers
               ? true
               : fake_wrong("%lld names for %lld pointers", (long long)ids, (long long)pointers);
}

static cudnnStatus_t finish_plan(const struct desc *d)
{
    const struct desc *proposal = fake_desc(d, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
    if (proposal->type != CUDNN_BACKEND_ENGINECFG_DESCRIPTOR)
        fake_wrong("a plan of something that is no proposal");
    return proposal->engine == UNFINISHABLE
               ? no(CUDNN_STATUS_NOT_SUPPORTED, "the engine cannot after all")
               : CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t to)
{
    struct desc *d = to;
    cudnnStatus_t rc = CUDNN_STATUS_SUCCESS;
    bool fits = true;
    for (int i = 0; i < RULES; i++)
        if (rules[i].on == d->type && rules[i].needed && !fake_get(d, rules[i].name))
            fits = fake_wrong("descriptor %d lacks attribute %d", (int)d->type, (int)rules[i].name);
    if (fits && d->type == CUDNN_BACKEND_TENSOR_DESCRIPTOR)
        fits = tensor_fits(d);
    else if (fits && d->type == CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR)
        fits = pack_fits(d);
    else if (fits && d->type == CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR)
        fits = fake_graph_fits(d);
    else if (fits && d->type == CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR)
        rc = finish_plan(d);
    else if (fits)
        fits = fake_op_fits(d);
    if (!fits)
        rc = no(CUDNN_STATUS_BAD_PARAM, "against the rules");
    d->final = rc == CUDNN_STATUS_SUCCESS;
    return rc;
}

/* -- proposals ----------------------------------------------------------------------------------
 */

/* Proposals are written into descriptors of the caller's. */
static void propose(const struct desc *heuristics, int64_t most, int64_t *got, struct desc **to)
{
    const struct desc *graph = fake_desc(heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
    bool fallback = fake_number(heuristics, CUDNN_ATTR_ENGINEHEUR_MODE, 0) ==
                    CUDNN_HEUR_MODE_FALLBACK;
    *got = 0;
    if (!fake_graph_known(graph))
        return;
    for (int e = fallback ? PLAIN : 0; e < ENGINES && *got < most; e++) {
        struct desc *p = to[*got];
        struct attribute *a = &p->attribute[p->attributes++];
        p->engine = e;
        p->final = true;
        a->name = CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH; /* ours: it keeps the graph alive */
        a->count = 1;
        memcpy(a->value, &graph, sizeof graph);
        ((struct desc *)graph)->users++;
        ++*got;
    }
}

static void notes(const struct desc *engine, int64_t *got, cudnnBackendNumericalNote_t *to)
{
    *got = 0;
    if (engine->engine == WAVERING)
        to[(*got)++] = CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC;
    if (engine->engine != PLAIN)
        to[(*got)++] = CUDNN_NUMERICAL_NOTE_TENSOR_CORE;
}

cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t const from,
                                       cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t count,
                                       int64_t *got, void *to)
{
    const struct desc *d = from;
    if (!d->final && d->type != CUDNN_BACKEND_ENGINE_DESCRIPTOR) {
        fake_wrong("attribute %d asked of what is not finished", (int)name);
        return no(CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "not finished");
    }
    if (name == CUDNN_ATTR_ENGINEHEUR_RESULTS && type == CUDNN_TYPE_BACKEND_DESCRIPTOR) {
        propose(d, count, got, to);
    } else if (name == CUDNN_ATTR_ENGINECFG_ENGINE && type == CUDNN_TYPE_BACKEND_DESCRIPTOR) {
        (*(struct desc **)to)->engine = d->engine;
        *got = 1;
    } else if (name == CUDNN_ATTR_ENGINE_NUMERICAL_NOTE && type == CUDNN_TYPE_NUMERICAL_NOTE) {
        notes(d, got, to);
    } else if (name == CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE && type == CUDNN_TYPE_BEHAVIOR_NOTE) {
        *got = 0; /* nothing is compiled here */
    } else if (name == CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE && type == CUDNN_TYPE_INT64) {
        int e = fake_desc(d, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG)->engine;
        *(int64_t *)to = e == GREEDY ? INT64_C(1) << 40 : SCRATCH;
        *got = 1;
    } else {
        fake_wrong("attribute %d of type %d cannot be asked for", (int)name, (int)type);
        return no(CUDNN_STATUS_BAD_PARAM, "an attribute against the rules");
    }
    return CUDNN_STATUS_SUCCESS;
}

/* -- running ------------------------------------------------------------------------------------
 */

/* A plan's call with what it runs on, as a captured graph keeps it: values by value, as real plans
 * bake them in. */
struct execution {
    const struct desc *graph;
    int count, engine;
    int64_t id[MOST_IO];
    void *data[MOST_IO];
    float value[MOST_IO];
    bool by_value[MOST_IO];
    void *scratch;
};

static int execute(void *context)
{
    struct execution *e = context;
    for (int i = 0; i < e->count; i++)
        if (e->by_value[i])
            e->data[i] = &e->value[i];
    memset(e->scratch, 0x55, SCRATCH);
    fake.ms += e->engine == CORES_FASTER ? 1 : e->engine == CORES ? 2 : 9;
    fake.runs++;
    fake.last_algorithm = e->engine;
    return fake_compute(e->graph, e->count, e->id, e->data, e->engine != PLAIN) ? 0 : 1;
}

/* Is the tensor of that name a value in host memory? */
static bool is_by_value(const struct desc *graph, int64_t id)
{
    const struct desc *ops[MOST_OPS], *io[4];
    int count = fake_ops(graph, ops);
    for (int i = 0; i < count; i++) {
        fake_io(ops[i], io, &io[3]);
        for (int k = 0; k < 4; k++)
            if (io[k] && fake_number(io[k], CUDNN_ATTR_TENSOR_UNIQUE_ID, -1) == id)
                return fake_flag(io[k], CUDNN_ATTR_TENSOR_IS_BY_VALUE);
    }
    return false;
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t h, cudnnBackendDescriptor_t p,
                                  cudnnBackendDescriptor_t v)
{
    const struct desc *plan = p, *pack = v;
    const struct desc *proposal = fake_desc(plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
    const struct desc *graph = fake_desc(proposal, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
    void *scratch = *(void *const *)fake_get(pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE);
    int count = 0;
    if (!plan->final || !pack->final || !*(void **)h || !scratch) {
        fake_wrong("no finished plan, no finished pack, no stream or no scratch");
        return no(CUDNN_STATUS_BAD_PARAM, "cannot run");
    }
    bool fails = fake.fails_at && fake.runs + 1 == fake.fails_at;
    fake.fails_at = fails ? 0 : fake.fails_at;
    if (proposal->engine == FAILING || fails)
        return no(CUDNN_STATUS_NOT_SUPPORTED, "the engine fails when it runs");
    for (int i = 0; i < pack->attributes; i++)
        if (pack->attribute[i].name == CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS)
            count = (int)pack->attribute[i].count;
    struct execution e = {
        .graph = graph, .count = count, .engine = proposal->engine, .scratch = scratch};
    memcpy(e.id, fake_get(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS), (size_t)count * 8);
    memcpy(e.data, fake_get(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS), (size_t)count * 8);
    for (int i = 0; i < count; i++)
        if ((e.by_value[i] = is_by_value(graph, e.id[i])))
            e.value[i] = *(const float *)e.data[i];
    return fake_do(execute, &e, sizeof e) == 0 ? CUDNN_STATUS_SUCCESS
                                               : no(CUDNN_STATUS_BAD_PARAM, "against the rules");
}
