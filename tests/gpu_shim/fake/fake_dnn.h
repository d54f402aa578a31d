/* What the two files of the fake cuDNN share: descriptors, and graphs made of them. */
#ifndef SPRITTY_FAKE_DNN_H
#define SPRITTY_FAKE_DNN_H

#include <cudnn.h>

#include "fake.h"

enum {
    MOST_ATTRIBUTES = 16,
    MOST_BYTES = 128,
    MOST_OPS = 16,
    MOST_TENSORS = 40,
    MOST_IO = 16,
    RANK = 4
};

struct attribute {
    cudnnBackendAttributeName_t name;
    int64_t count;
    char value[MOST_BYTES];
};
struct desc {
    cudnnBackendDescriptorType_t type;
    bool final;
    int users; /* its maker, and the descriptors that it was given to */
    int attributes;
    struct attribute attribute[MOST_ATTRIBUTES];
    int engine; /* of a proposal: its number */
};

/* The value of an attribute, NULL if it was not set. */
const void *fake_get(const struct desc *, cudnnBackendAttributeName_t);
const struct desc *fake_desc(const struct desc *, cudnnBackendAttributeName_t);
int64_t fake_number(const struct desc *, cudnnBackendAttributeName_t, int64_t otherwise);
bool fake_flag(const struct desc *, cudnnBackendAttributeName_t);
cudnnDataType_t fake_type(const struct desc *tensor);
const int64_t *fake_dims(const struct desc *tensor);
const int64_t *fake_strides(const struct desc *tensor);

/* The operations of a graph, in the order of the call. */
int fake_ops(const struct desc *graph, const struct desc *to[MOST_OPS]);
/* Its tensors: what it reads, NULLs in the middle possible, and what it writes. */
void fake_io(const struct desc *op, const struct desc *reads[3], const struct desc **writes);

/* Does an operation, or a graph, keep to the rules? Complaints are made. */
bool fake_op_fits(const struct desc *op);
bool fake_graph_fits(const struct desc *graph);
/* Would cuDNN have an engine for it? */
bool fake_graph_known(const struct desc *graph);

/* Computes a graph; memory by id. tf32: convolutions and products round f32 inputs. */
bool fake_compute(const struct desc *graph, int count, const int64_t *id, void *const *data,
                  bool tf32);

#endif
