/* cuda_kernels.h - what the kernels of the cuda backend share: loops over the grid, beta, and sums
 * across the threads of a warp and of a block.
 *
 * Every loop runs in strides of the whole grid with 64-bit indices, so that any size works with any
 * grid.  Every sum is taken in an order that the sizes alone decide: same call, same bits.
 */
#ifndef HIDI_BACKEND_CUDA_KERNELS_H
#define HIDI_BACKEND_CUDA_KERNELS_H

#include <math.h>

#include "backend/cuda.h"

/* --- loops ------------------------------------------------------------------------------------ */

/* i < n, one element a thread: for hidi_cuda_blocks(n) blocks of HIDI_CUDA_BLOCK */
#define HIDI_FOR_ELEMENTS(i, n)                                                                    \
    for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < (n);                        \
         i += (size_t)gridDim.x * blockDim.x)

/* i < rows, j < n: for the grids and blocks of hidi_cuda_grid_2d */
#define HIDI_FOR_ROWS(i, rows)                                                                     \
    for (size_t i = (size_t)blockIdx.y * blockDim.y + threadIdx.y; i < (rows);                     \
         i += (size_t)gridDim.y * blockDim.y)
#define HIDI_FOR_COLUMNS(j, n) HIDI_FOR_ELEMENTS (j, n)

/* --- beta --------------------------------------------------------------------------------------- */

/* *out = beta * *out + result, where beta == 0 does not read *out (it may hold NaN). */
static __device__ inline void blend(hidi_real *out, hidi_real beta, hidi_real result)
{
    *out = beta == 0 ? result : beta * *out + result;
}

/* --- sums and maxima across threads -------------------------------------------------------------- */

/* The threads that share a row: WARPS warps, a whole block if more than one.  Every thread of the
 * group calls all() with its part and gets the same bits:
 *
 *   within a warp   a butterfly: thread l adds what thread l xor 16, 8, 4, 2, 1 has
 *   across warps    one value a warp through shared memory, added in their order
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

/* i < rows, one row a group; and j < n among the threads of the group.  All threads of a group have
 * the same i, as all() needs. */
#define HIDI_FOR_GROUPS(GROUP, i, rows)                                                            \
    for (size_t i = ((size_t)blockIdx.x * blockDim.x + threadIdx.x) / GROUP::THREADS; i < (rows);  \
         i += (size_t)gridDim.x * blockDim.x / GROUP::THREADS)
#define HIDI_FOR_MEMBERS(GROUP, j, n)                                                              \
    for (size_t j = threadIdx.x % GROUP::THREADS; j < (n); j += GROUP::THREADS)

#endif
