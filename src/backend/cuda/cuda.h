/* cuda.h - what the files of the cuda backend share on the host's side: the runtime, launches,
 * errors, memory, matrix products, and the list of slots.
 *
 * The backend is plain CUDA C++ (C++14; compute capability 7.0 and later; toolkits 11 to 13) with
 * the runtime and cuBLAS and no other library.  All work goes to one stream, in the order of the
 * calls, so that a slot returns before its kernels have run.  Nothing here is seen outside
 * src/backend.
 *
 * With HIDI_CUDA_EMULATION the same files are compiled by the host's C++ compiler: cuda_emulation.h
 * then stands for CUDA's headers and defines HIDI_LAUNCH (see tests/cuda_emulation).
 */
#ifndef HIDI_BACKEND_CUDA_CUDA_H
#define HIDI_BACKEND_CUDA_CUDA_H

#ifdef HIDI_CUDA_EMULATION
#include "cuda_emulation.h"
#else
#include <cublas_v2.h>
#include <cuda_runtime.h>
#endif

#include <stddef.h>
#include <stdint.h>

extern "C" {
#include "backend/tables.h"
}

/* --- errors ---------------------------------------------------------------------------------- */

/* Keep the first error since the last check(), with the name of the call or kernel that gave it.
 * True if there was none. */
bool hidi_cuda_ok(const char *call, cudaError_t error);
bool hidi_cuda_blas_ok(const char *call, cublasStatus_t status);

/* The same for an error that is ours: "gemm", "a dimension of more than ..." */
void hidi_cuda_fail(const char *call, const char *reason);

/* --- launches -------------------------------------------------------------------------------- */

/* HIDI_LAUNCH(kernel, grid, block, shared_bytes, stream, arguments...): the kernel is started, and
 * an error of the launch is kept under its name.  A kernel that is a template with a comma in its
 * arguments goes into parentheses. */
#ifndef HIDI_LAUNCH
#define HIDI_LAUNCH(kernel, grid, block, shared_bytes, stream, ...)                                \
    do {                                                                                           \
        kernel<<<(grid), (block), (shared_bytes), (stream)>>>(__VA_ARGS__);                        \
        hidi_cuda_ok(#kernel, cudaGetLastError());                                                 \
    } while (0)
#endif

enum {
    HIDI_CUDA_WARP = 32,
    HIDI_CUDA_BLOCK = 256,       /* threads of a block, everywhere                               */
    HIDI_CUDA_MAX_BLOCKS = 2048, /* half a million threads fill every device; what a grid cannot */
                                 /*   cover at once its threads do in strides of the grid        */
    HIDI_CUDA_WARP_ROW = 2048    /* elements of a row that one warp does alone                   */
};

/* The one stream, and cuBLAS on it; NULL before open(). */
extern cudaStream_t hidi_cuda_stream;
extern cublasHandle_t hidi_cuda_blas;

static inline size_t hidi_cuda_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Blocks for n elements, one per thread. */
unsigned hidi_cuda_blocks(size_t n);

/* Blocks for n items that a group of `threads` threads (a warp, or a block) shares. */
unsigned hidi_cuda_blocks_of_groups(size_t n, unsigned threads);

/* A block and its grid for the elements of x [rows, n]: threadIdx.x along a row, threadIdx.y along
 * the rows.  Narrow rows get narrow blocks, so that a warp always reads contiguous memory. */
dim3 hidi_cuda_block_2d(size_t n);
dim3 hidi_cuda_grid_2d(size_t rows, size_t n);

/* --- memory ---------------------------------------------------------------------------------- */

/* At least `bytes` of device memory, aligned to 256, for the kernels of the one slot that asks: the
 * next slot gets the same memory, which the order of the stream makes safe.  It only grows.  NULL
 * when out of memory, and then the error is kept. */
void *hidi_cuda_workspace(size_t bytes);

/* What uploads need, and the workspace; by open(). */
void hidi_cuda_open_memory(void);

/* --- matrix products ------------------------------------------------------------------------- */

/* An operand of a product: row-major, rows `ld` apart, matrices of a batch `stride` apart. */
typedef struct hidi_cuda_matrix {
    const hidi_real *at;
    size_t ld, stride;
    bool transpose;
} hidi_cuda_matrix;

/* C[s] = beta C[s] + alpha op(A[s]) op(B[s]) for s < batch; op(A) [m, k], op(B) [k, n], C [m, n]
 * with rows ldc and matrices stride_c apart. */
void hidi_cuda_product(size_t m, size_t n, size_t k, hidi_real alpha, hidi_cuda_matrix a,
                       hidi_cuda_matrix b, hidi_real beta, hidi_real *c, size_t ldc,
                       size_t stride_c, size_t batch);

/* c_i = beta c_i for i < n: a product of no terms */
void hidi_cuda_scale(hidi_real *c, hidi_real beta, size_t n);

/* An operand of products on matrices anywhere: the list of where they are, itself in device
 * memory. */
typedef struct hidi_cuda_matrices {
    const hidi_real *const *at;
    size_t ld;
    bool transpose;
} hidi_cuda_matrices;

/* The same as hidi_cuda_product, for m, n, k > 0. */
void hidi_cuda_products_at(size_t m, size_t n, size_t k, hidi_real alpha, hidi_cuda_matrices a,
                           hidi_cuda_matrices b, hidi_real beta, hidi_real *const *c, size_t ldc,
                           size_t batch);

/* --- kernels that several files use ---------------------------------------------------------- */

/* backend.h's add_rows */
void hidi_cuda_add_rows(hidi_real *y, hidi_real beta, const hidi_real *b, size_t period,
                        size_t rows, size_t n);

/* y[b, o, i] = beta y[b, o, i] + bias[o];  y [B, O, n] */
void hidi_cuda_add_channels(hidi_real *y, hidi_real beta, const hidi_real *bias, size_t B, size_t O,
                            size_t n);

/* `count` groups of rows: group k has rows k apart + r step for r < terms, those below `rows`. */
typedef struct hidi_cuda_row_groups {
    size_t count, apart, step, terms, rows;
} hidi_cuda_row_groups;

/* out[k, j] = beta out[k, j] + sum over the rows i of group k of x[i, j] w[i, j];  w NULL: ones */
void hidi_cuda_column_sums(hidi_real *out, hidi_real beta, const hidi_real *x, const hidi_real *w,
                           hidi_cuda_row_groups groups, size_t n);

/* backend.h's softmax and softmax_jacobian */
void hidi_cuda_softmax(hidi_real *y, const hidi_real *x, size_t rows, size_t n);
void hidi_cuda_softmax_jacobian(hidi_real *out, hidi_real beta, const hidi_real *y,
                                const hidi_real *d, size_t rows, size_t n);

/* --- slots ----------------------------------------------------------------------------------- */

/* Each file puts its own slots into the table. */
void hidi_cuda_memory_slots(hidi_backend *table);
void hidi_cuda_elementwise_slots(hidi_backend *table);
void hidi_cuda_rows_slots(hidi_backend *table);
void hidi_cuda_matrix_slots(hidi_backend *table);
void hidi_cuda_attention_slots(hidi_backend *table);
void hidi_cuda_norm_slots(hidi_backend *table);
void hidi_cuda_train_slots(hidi_backend *table);
void hidi_cuda_image_slots(hidi_backend *table);
void hidi_cuda_conv_slots(hidi_backend *table);

#endif
