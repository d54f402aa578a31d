/*
 * What differs between oneDNN 2.x and 3.x, for cpu_dnnl.c alone.
 *
 * 2.x makes a primitive from an operation descriptor and passes memory descriptors by value; 3.x
 * has no operation descriptors, and memory descriptors are handles with an owner. See "Transition
 * from v2.x to v3.x" in oneDNN's documentation.
 */
#ifndef SPRITTY_CPU_DNNL_API_H
#define SPRITTY_CPU_DNNL_API_H

#include <oneapi/dnnl/dnnl.h>

#if DNNL_VERSION_MAJOR >= 3

typedef dnnl_memory_desc_t desc;        /* a handle that we own */
typedef const_dnnl_memory_desc_t cdesc; /* a handle that a primitive descriptor owns */

static inline cdesc view(const desc *d)
{
    return *d;
}

static inline void desc_free(desc *d)
{
    if (*d != NULL)
        dnnl_memory_desc_destroy(*d);
    *d = NULL;
}

static inline dnnl_status_t desc_strided(desc *d, int rank, const dnnl_dims_t dims,
                                         dnnl_data_type_t type, const dnnl_dims_t strides)
{
    return dnnl_memory_desc_create_with_strides(d, rank, dims, type, strides);
}

static inline dnnl_status_t desc_any(desc *d, int rank, const dnnl_dims_t dims,
                                     dnnl_data_type_t type)
{
    return dnnl_memory_desc_create_with_tag(d, rank, dims, type, dnnl_format_tag_any);
}

static inline dnnl_status_t desc_copy(desc *d, cdesc from)
{
    return dnnl_memory_desc_clone(d, from);
}

static inline dnnl_status_t append_eltwise(dnnl_post_ops_t ops, dnnl_alg_kind_t kind, float alpha)
{
    return dnnl_post_ops_append_eltwise(ops, kind, alpha, 0.0f);
}

static inline dnnl_status_t append_sum(dnnl_post_ops_t ops)
{
    return dnnl_post_ops_append_sum(ops, 1.0f, 0, dnnl_data_type_undef);
}

static inline dnnl_status_t create_matmul(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, cdesc x,
                                          cdesc w, cdesc bias, cdesc y, dnnl_primitive_attr_t attr)
{
    return dnnl_matmul_primitive_desc_create(pd, engine, x, w, bias, y, attr);
}

static inline dnnl_status_t create_conv(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, cdesc x,
                                        cdesc w, cdesc bias, cdesc y, const dnnl_dims_t stride,
                                        const dnnl_dims_t before, const dnnl_dims_t after,
                                        dnnl_primitive_attr_t attr)
{
    dnnl_dims_t dilation = {0, 0};
    return dnnl_convolution_forward_primitive_desc_create(pd, engine, dnnl_forward_inference,
                                                          dnnl_convolution_direct, x, w, bias, y,
                                                          stride, dilation, before, after, attr);
}

#else

typedef dnnl_memory_desc_t desc;
typedef const dnnl_memory_desc_t *cdesc;

static inline cdesc view(const desc *d)
{
    return d;
}

static inline void desc_free(desc *d)
{
    (void)d;
}

static inline dnnl_status_t desc_strided(desc *d, int rank, const dnnl_dims_t dims,
                                         dnnl_data_type_t type, const dnnl_dims_t strides)
{
    return dnnl_memory_desc_init_by_strides(d, rank, dims, type, strides);
}

static inline dnnl_status_t desc_any(desc *d, int rank, const dnnl_dims_t dims,
                                     dnnl_data_type_t type)
{
    return dnnl_memory_desc_init_by_tag(d, rank, dims, type, dnnl_format_tag_any);
}

static inline dnnl_status_t desc_copy(desc *d, cdesc from)
{
    *d = *from;
    return dnnl_success;
}

static inline dnnl_status_t append_eltwise(dnnl_post_ops_t ops, dnnl_alg_kind_t kind, float alpha)
{
    return dnnl_post_ops_append_eltwise(ops, 1.0f, kind, alpha, 0.0f);
}

static inline dnnl_status_t append_sum(dnnl_post_ops_t ops)
{
    return dnnl_post_ops_append_sum(ops, 1.0f);
}

static inline dnnl_status_t create_matmul(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, cdesc x,
                                          cdesc w, cdesc bias, cdesc y, dnnl_primitive_attr_t attr)
{
    dnnl_matmul_desc_t op;
    dnnl_status_t status = dnnl_matmul_desc_init(&op, x, w, bias, y);
    return status != dnnl_success ? status
                                  : dnnl_primitive_desc_create(pd, &op, attr, engine, NULL);
}

static inline dnnl_status_t create_conv(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, cdesc x,
                                        cdesc w, cdesc bias, cdesc y, const dnnl_dims_t stride,
                                        const dnnl_dims_t before, const dnnl_dims_t after,
                                        dnnl_primitive_attr_t attr)
{
    dnnl_convolution_desc_t op;
    dnnl_status_t status = dnnl_convolution_forward_desc_init(
        &op, dnnl_forward_inference, dnnl_convolution_direct, x, w, bias, y, stride, before, after);
    return status != dnnl_success ? status
                                  : dnnl_primitive_desc_create(pd, &op, attr, engine, NULL);
}

#endif

#endif
