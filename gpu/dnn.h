/*
 * cuDNN's graph API for C: building a graph of operations, asking which engines could run it,
 * making plans of their proposals, running one.
 *
 * A builder keeps its first error and does nothing after it, so a graph is described without error
 * paths and asked once at its end. cuDNN's descriptors belong to what made them: a graph's to the
 * graph, a plan holds copies and outlives it.
 *
 * Everything up to a finished plan works without a GPU, if the device is described by a JSON text
 * instead of a handle (cuDNN 9.8): that is how tests ask the real cuDNN on machines without one.
 */
#ifndef SPRITTY_GPU_DNN_H
#define SPRITTY_GPU_DNN_H

#include <stdbool.h>
#include <stdint.h>

#include <cudnn.h>

#include "base/err.h"
#include "ops/tensor.h"

typedef cudnnBackendDescriptor_t dnn_desc;

struct dnn {
    cudnnHandle_t handle; /* NULL where there is a device alone */
    dnn_desc device;      /* NULL where there is a handle */
};

/* `device_json`: NULL for the calling thread's device, else a description of one. -1 with the
 * reason. */
int dnn_open(struct dnn *, const char *device_json, struct err *);
void dnn_close(struct dnn *);

/* -- graphs -- */

enum { DNN_OBJECTS = 64, DNN_OPS = 16, DNN_RANK = 4, DNN_IO = 8, DNN_ASKED = 64 };

struct dnn_graph {
    dnn_desc object[DNN_OBJECTS], op[DNN_OPS], graph;
    int objects, ops;
    int64_t virtuals;
    bool failed;
    char why[256];
};

/* Dimensions and strides in elements, in cuDNN's order: n, c, h, w, or batch, head, row, column. */
struct dnn_form {
    int64_t dim[DNN_RANK], stride[DNN_RANK];
};

cudnnDataType_t dnn_type(enum dtype);
/* Channels last, dense. */
struct dnn_form dnn_nhwc(int64_t n, int64_t h, int64_t w, int64_t c);

/* Memory, named by `id` (1 to 99) when the graph runs; pointers have this alignment in bytes. */
dnn_desc dnn_tensor(struct dnn_graph *, int64_t id, cudnnDataType_t, struct dnn_form, int align);
/* A value that stays inside. */
dnn_desc dnn_virtual(struct dnn_graph *, cudnnDataType_t, struct dnn_form);
/* One f32 in host memory. */
dnn_desc dnn_scalar(struct dnn_graph *, int64_t id);

void dnn_conv(struct dnn_graph *, dnn_desc x, dnn_desc w, dnn_desc y, int stride,
              const int64_t before[2], const int64_t after[2]);
void dnn_matmul(struct dnn_graph *, dnn_desc a, dnn_desc b, dnn_desc c);
/* b and t may be NULL where the mode takes fewer; axis is GEN_INDEX's. */
void dnn_pointwise(struct dnn_graph *, cudnnPointwiseMode_t, cudnnDataType_t compute, int64_t axis,
                   dnn_desc x, dnn_desc b, dnn_desc t, dnn_desc y);
void dnn_reduce(struct dnn_graph *, cudnnReduceTensorOp_t, dnn_desc x, dnn_desc y);
/* Closes the description. 0, or -1 with g->why. */
int dnn_finish(struct dnn_graph *, const struct dnn *);
void dnn_free(struct dnn_graph *);

/* -- engines and plans -- */

/* What an engine may not do. */
enum dnn_refuse {
    DNN_NO_TENSOR_CORES = 1, /* f32 stays f32 */
};

/* So many of the proposals may be such that cuDNN compiles a kernel for their plan (0.4 s each). */
enum { DNN_MOST_COMPILED = 2 };

/* The proposals, best first, those that were refused left out. Returns how many, at most `max`;
 * each to be destroyed with dnn_drop. Engines whose results change from run to run, or that lose
 * more digits than the types do, are never proposed. */
int dnn_proposals(struct dnn_graph *, const struct dnn *, unsigned refuse, dnn_desc *to, int max);

/* A proposal, and once it was asked for, the plan that is made of it. */
struct dnn_plan {
    dnn_desc plan, proposal;
    size_t scratch; /* bytes that the plan wants */
};
/* Makes the plan, if it has not been made: cuDNN may compile a kernel for that, which takes up to a
 * second. False when the engine cannot after all, or wants more scratch than `most` bytes: then
 * nothing is left of both, and why[size] is the reason. */
bool dnn_plan(struct dnn_plan *, const struct dnn *, size_t most, char *why, size_t size);
void dnn_plan_free(struct dnn_plan *); /* all zeros: nothing */
/* Was a kernel compiled for it? */
bool dnn_is_compiled(const struct dnn_plan *);

/* A plan as a text, its compiled kernels in it, malloc'd; NULL: it has none. */
char *dnn_text(const struct dnn_plan *, size_t *size);
/* The plan that such a text is; it has no proposal. False as with dnn_plan. The text must be what
 * dnn_text gave: cuDNN does not look at it with suspicion. */
bool dnn_plan_of_text(struct dnn_plan *, const struct dnn *, const char *text, size_t bytes,
                      size_t most, char *why, size_t size);
void dnn_drop(dnn_desc); /* NULL: nothing */

/* What memory a plan runs on; a scalar's data is in host memory. */
struct dnn_io {
    int64_t id[DNN_IO];
    void *data[DNN_IO];
    int count;
};
/* What a plan reads and writes, as cuDNN takes it; *out is to be dropped, after a failure too. */
cudnnStatus_t dnn_pack(const struct dnn_io *, void *workspace, dnn_desc *out);
/* Queues the plan on a stream. */
cudnnStatus_t dnn_run(const struct dnn *, const struct dnn_plan *, const struct dnn_io *,
                      void *workspace, void *stream);

/* cuDNN's last complaint on this thread, or the name of the status; to[size]. */
void dnn_reason(cudnnStatus_t, char *to, size_t size);

#endif
