/* window.h - which pixels a window covers, and which windows cover a pixel, as ranges. */
#ifndef HIDI_BACKEND_CUDA_WINDOW_H
#define HIDI_BACKEND_CUDA_WINDOW_H

#include "backend/cuda/cuda.h"

typedef struct hidi_range {
    size_t begin, end; /* begin <= end; empty if equal */
} hidi_range;

/* 0 <= i < size of the input, with i = out stride + u - padding for a tap 0 <= u < kernel */
static __host__ __device__ inline hidi_range inputs_of(size_t out, size_t size, size_t kernel,
                                                       size_t stride, size_t padding)
{
    size_t first = out * stride; /* both with the padding in front */
    size_t last = first + kernel;
    hidi_range r;

    r.begin = first > padding ? first - padding : 0;
    r.end = last > padding ? last - padding : 0;
    r.end = r.end < size ? r.end : size;
    r.begin = r.begin < r.end ? r.begin : r.end;
    return r;
}

/* 0 <= out < size of the output, with the same relation */
static __device__ inline hidi_range outputs_of(size_t in, size_t size, size_t kernel, size_t stride,
                                               size_t padding)
{
    size_t padded = in + padding;
    hidi_range r;

    r.begin = padded >= kernel ? (padded - kernel) / stride + 1 : 0;
    r.end = padded / stride + 1;
    r.end = r.end < size ? r.end : size;
    r.begin = r.begin < r.end ? r.begin : r.end;
    return r;
}

static __host__ __device__ inline hidi_range input_rows(size_t i, const hidi_window &w)
{
    return inputs_of(i, w.height, w.kernel_h, w.stride, w.padding_h);
}

static __device__ inline hidi_range input_columns(size_t j, const hidi_window &w)
{
    return inputs_of(j, w.width, w.kernel_w, w.stride, w.padding_w);
}

static __device__ inline hidi_range output_rows(size_t row, const hidi_window &w)
{
    return outputs_of(row, w.out_height, w.kernel_h, w.stride, w.padding_h);
}

static __device__ inline hidi_range output_columns(size_t column, const hidi_window &w)
{
    return outputs_of(column, w.out_width, w.kernel_w, w.stride, w.padding_w);
}

#endif
