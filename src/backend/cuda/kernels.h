/* kernels.h - what the kernels of the cuda backend share: loops over the grid, beta, and sums
 * across the threads of a warp and of a block.
 *
 * Every loop runs in strides of the whole grid with 64-bit indices, so that any size works with any
 * grid.  Every sum is taken in an order that the sizes alone decide: same call, same bits.
 */
#ifndef HIDI_BACKEND_CUDA_KERNELS_H
#define HIDI_BACKEND_CUDA_KERNELS_H

#include <math.h>

#include "backend/cuda/cuda.h"

/* Every kernel has blocks of HIDI_CUDA_BLOCK threads, and the compiler is told so. */
#define HIDI_KERNEL static __global__ void __launch_bounds__(HIDI_CUDA_BLOCK)

/* --- loops ----------------------------------------------------------------------------------- */

/* i < n, one element per thread: for hidi_cuda_blocks(n) blocks of HIDI_CUDA_BLOCK */
#define HIDI_FOR_ELEMENTS(i, n)                                                                    \
    for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < (n);                        \
         i += (size_t)gridDim.x * blockDim.x)

/* i < rows, j < n: for the grids and blocks of hidi_cuda_grid_2d */
#define HIDI_FOR_ROWS(i, rows)                                                                     \
    for (size_t i = (size_t)blockIdx.y * blockDim.y + threadIdx.y; i < (rows);                     \
         i += (size_t)gridDim.y * blockDim.y)
#define HIDI_FOR_COLUMNS(j, n) HIDI_FOR_ELEMENTS (j, n)

/* --- beta ------------------------------------------------------------------------------------ */

/* *out = beta * *out + result, where beta == 0 does not read *out (it may hold NaN). */
static __device__ inline void blend(hidi_real *out, hidi_real beta, hidi_real result)
{
    *out = beta == 0 ? result : beta * *out + result;
}

/* --- sums and maxima across threads ---------------------------------------------------------- */

/* The threads that share a row: WARPS warps, a whole block if more than one.  Every thread of the
 * group calls all() with its part and gets the same bits:
 *
 *   within a warp   a butterfly: thread l adds what thread l xor 16, 8, 4, 2, 1 has
 *   across warps    one value per warp through shared memory, added in their order
 */
struct hidi_sum {
    template <typename T> __device__ static T of(T a, T b)
    {
        return a + b;
    }
};

struct hidi_max {
    template <typename T> __device__ static T of(T a, T b)
    {
        return a > b ? a : b;
    }
};

template <typename F, typename T> __device__ inline T warp_all(T value)
{
    for (int step = HIDI_CUDA_WARP / 2; step > 0; step /= 2)
        value = F::of(value, __shfl_xor_sync(0xffffffffu, value, step));
    return value;
}

template <int WARPS> struct hidi_group {
    enum { THREADS = WARPS * HIDI_CUDA_WARP };

    template <typename F, typename T> __device__ static T all(T value)
    {
        __shared__ T part[WARPS];

        value = warp_all<F>(value);
        __syncthreads(); /* everybody has read the parts of the call before */
        if (threadIdx.x % HIDI_CUDA_WARP == 0)
            part[threadIdx.x / HIDI_CUDA_WARP] = value;
        __syncthreads();
        value = part[0];
        for (int warp = 1; warp < WARPS; warp++)
            value = F::of(value, part[warp]);
        return value;
    }
};

template <> struct hidi_group<1> {
    enum { THREADS = HIDI_CUDA_WARP };

    template <typename F, typename T> __device__ static T all(T value)
    {
        return warp_all<F>(value);
    }
};

typedef hidi_group<1> hidi_warp;
typedef hidi_group<HIDI_CUDA_BLOCK / HIDI_CUDA_WARP> hidi_block;

/* i < rows, one row per group; and j < n among the threads of the group.  All threads of a group
 * have the same i, as all() needs. */
#define HIDI_FOR_GROUPS(GROUP, i, rows)                                                            \
    for (size_t i = ((size_t)blockIdx.x * blockDim.x + threadIdx.x) / GROUP::THREADS; i < (rows);  \
         i += (size_t)gridDim.x * blockDim.x / GROUP::THREADS)
#define HIDI_FOR_MEMBERS(GROUP, j, n)                                                              \
    for (size_t j = threadIdx.x % GROUP::THREADS; j < (n); j += GROUP::THREADS)

/* p = softmax(x) of one row of n elements:  p_j = exp(x_j - max x) / sum_l exp(x_l - max x).  With
 * the maximum subtracted, exp cannot overflow and the sum is at least 1.  p may be x.  Both are
 * returned to every thread of the group. */
struct hidi_softmax_row {
    hidi_real max, sum;
};

template <typename GROUP>
static __device__ inline hidi_softmax_row softmax_row(hidi_real *p, const hidi_real *x, size_t n)
{
    hidi_softmax_row row = { -(hidi_real)INFINITY, 0 };

    HIDI_FOR_MEMBERS (GROUP, j, n)
        row.max = hidi_max::of(row.max, x[j]);
    row.max = GROUP::template all<hidi_max>(row.max);

    HIDI_FOR_MEMBERS (GROUP, j, n) {
        hidi_real e = exp(x[j] - row.max);
        p[j] = e;
        row.sum += e;
    }
    row.sum = GROUP::template all<hidi_sum>(row.sum);

    HIDI_FOR_MEMBERS (GROUP, j, n) /* the thread's own elements again */
        p[j] /= row.sum;
    return row;
}

/* --- launches for these loops; nothing at all if there is nothing to do ---------------------- */

#define HIDI_LAUNCH_ELEMENTS(kernel, n, ...)                                                       \
    do {                                                                                           \
        if ((n) > 0)                                                                               \
            HIDI_LAUNCH(kernel, hidi_cuda_blocks(n), HIDI_CUDA_BLOCK, 0, hidi_cuda_stream,         \
                        __VA_ARGS__);                                                              \
    } while (0)

#define HIDI_LAUNCH_ROWS(kernel, rows, n, ...)                                                     \
    do {                                                                                           \
        if ((rows) > 0 && (n) > 0)                                                                 \
            HIDI_LAUNCH(kernel, hidi_cuda_grid_2d(rows, n), hidi_cuda_block_2d(n), 0,              \
                        hidi_cuda_stream, __VA_ARGS__);                                            \
    } while (0)

/* The groups are warps for rows of up to HIDI_CUDA_WARP_ROW elements, and blocks for longer ones;
 * `kernel` is a template of the group. */
#define HIDI_LAUNCH_GROUPS(kernel, rows, n, ...)                                                   \
    do {                                                                                           \
        if ((rows) > 0 && (n) <= HIDI_CUDA_WARP_ROW)                                               \
            HIDI_LAUNCH(kernel<hidi_warp>, hidi_cuda_blocks_of_groups(rows, hidi_warp::THREADS),   \
                        HIDI_CUDA_BLOCK, 0, hidi_cuda_stream, __VA_ARGS__);                        \
        else if ((rows) > 0)                                                                       \
            HIDI_LAUNCH(kernel<hidi_block>, hidi_cuda_blocks_of_groups(rows, hidi_block::THREADS), \
                        HIDI_CUDA_BLOCK, 0, hidi_cuda_stream, __VA_ARGS__);                        \
    } while (0)

#endif
