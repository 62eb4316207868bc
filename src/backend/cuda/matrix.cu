/* matrix.cu - matrix products, by cuBLAS.
 *
 * cuBLAS stores matrices by columns.  Read that way, a row-major matrix is its transpose, so that C
 * = op(A) op(B) is asked for as C^T = op(B)^T op(A)^T: the operands change places, and so do m and
 * n; nothing is copied.  That is done in two functions here, and nowhere else.
 */
#include "backend/cuda/kernels.h"

#include <limits.h>

#ifdef HIDI_DOUBLE
#define BLAS_GEMM cublasDgemm
#define BLAS_GEMM_STRIDED cublasDgemmStridedBatched
#define BLAS_GEMM_BATCHED cublasDgemmBatched
#else
#define BLAS_GEMM cublasSgemm
#define BLAS_GEMM_STRIDED cublasSgemmStridedBatched
#define BLAS_GEMM_BATCHED cublasSgemmBatched
#endif

static const size_t MOST_MATRICES = 65535; /* in one call: an extent of a grid */

static cublasOperation_t operation(bool transpose)
{
    return transpose ? CUBLAS_OP_T : CUBLAS_OP_N;
}

/* cuBLAS counts in int. */
static bool sizes_fit(size_t m, size_t n, size_t k, size_t lda, size_t ldb, size_t ldc)
{
    bool fit = m <= INT_MAX && n <= INT_MAX && k <= INT_MAX && lda <= INT_MAX && ldb <= INT_MAX &&
               ldc <= INT_MAX;

    if (!fit)
        hidi_cuda_fail("gemm", "a matrix has more than 2147483647 rows or columns");
    return fit;
}

/* c[s, i, j] = beta c[s, i, j]: a product of no terms; rows s m + i */
HIDI_KERNEL scale_kernel(hidi_real *c, size_t ldc, size_t stride_c, hidi_real beta, size_t m,
                         size_t n, size_t batch)
{
    HIDI_FOR_ROWS (row, batch * m) {
        hidi_real *c_i = c + row / m * stride_c + row % m * ldc;
        HIDI_FOR_COLUMNS (j, n)
            blend(&c_i[j], beta, 0);
    }
}

void hidi_cuda_scale(hidi_real *c, hidi_real beta, size_t n)
{
    HIDI_LAUNCH_ROWS(scale_kernel, 1, n, c, n, n, beta, 1, n, 1);
}

void hidi_cuda_product(size_t m, size_t n, size_t k, hidi_real alpha, hidi_cuda_matrix a,
                       hidi_cuda_matrix b, hidi_real beta, hidi_real *c, size_t ldc,
                       size_t stride_c, size_t batch)
{
    if (m == 0 || n == 0 || batch == 0)
        return;
    if (k == 0) {
        HIDI_LAUNCH_ROWS(scale_kernel, batch * m, n, c, ldc, stride_c, beta, m, n, batch);
        return;
    }
    if (!a.transpose && b.stride == 0 && a.stride == m * a.ld && stride_c == m * ldc) {
        m *= batch; /* the same B for all, and A and C are one matrix each */
        batch = 1;
    }
    if (!sizes_fit(m, n, k, a.ld, b.ld, ldc))
        return;
    if (batch == 1) {
        hidi_cuda_blas_ok("cublasGemm",
                          BLAS_GEMM(hidi_cuda_blas, operation(b.transpose), operation(a.transpose),
                                    (int)n, (int)m, (int)k, &alpha, b.at, (int)b.ld, a.at,
                                    (int)a.ld, &beta, c, (int)ldc));
        return;
    }
    for (size_t first = 0; first < batch; first += MOST_MATRICES) {
        const hidi_real *b_first = b.at + first * b.stride, *a_first = a.at + first * a.stride;
        int count = (int)hidi_cuda_min(batch - first, MOST_MATRICES);
        cublasStatus_t status = BLAS_GEMM_STRIDED(
            hidi_cuda_blas, operation(b.transpose), operation(a.transpose), (int)n, (int)m, (int)k,
            &alpha, b_first, (int)b.ld, (long long)b.stride, a_first, (int)a.ld,
            (long long)a.stride, &beta, c + first * stride_c, (int)ldc, (long long)stride_c, count);
        hidi_cuda_blas_ok("cublasGemmStridedBatched", status);
    }
}

void hidi_cuda_products_at(size_t m, size_t n, size_t k, hidi_real alpha, hidi_cuda_matrices a,
                           hidi_cuda_matrices b, hidi_real beta, hidi_real *const *c, size_t ldc,
                           size_t batch)
{
    if (!sizes_fit(m, n, k, a.ld, b.ld, ldc))
        return;
    for (size_t first = 0; first < batch; first += MOST_MATRICES) {
        int count = (int)hidi_cuda_min(batch - first, MOST_MATRICES);
        cublasStatus_t status = BLAS_GEMM_BATCHED(
            hidi_cuda_blas, operation(b.transpose), operation(a.transpose), (int)n, (int)m, (int)k,
            &alpha, b.at + first, (int)b.ld, a.at + first, (int)a.ld, &beta, c + first, (int)ldc,
            count);
        hidi_cuda_blas_ok("cublasGemmBatched", status);
    }
}

/* --- slots ----------------------------------------------------------------------------------- */

static void gemm(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k, hidi_real alpha,
                 const hidi_real *a, size_t lda, const hidi_real *b, size_t ldb, hidi_real beta,
                 hidi_real *c, size_t ldc)
{
    hidi_cuda_matrix A = { a, lda, 0, transpose_a }, B = { b, ldb, 0, transpose_b };

    hidi_cuda_product(m, n, k, alpha, A, B, beta, c, ldc, 0, 1);
}

static void gemm_batched(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k,
                         hidi_real alpha, const hidi_real *a, size_t stride_a, const hidi_real *b,
                         size_t stride_b, hidi_real beta, hidi_real *c, size_t stride_c,
                         size_t batch)
{
    hidi_cuda_matrix A = { a, transpose_a ? m : k, stride_a, transpose_a };
    hidi_cuda_matrix B = { b, transpose_b ? k : n, stride_b, transpose_b };

    hidi_cuda_product(m, n, k, alpha, A, B, beta, c, n, stride_c, batch);
}

/* y = beta y + bias, and then the product is added */
static void linear(hidi_real *y, hidi_real beta, const hidi_real *x, const hidi_real *w,
                   const hidi_real *bias, size_t rows, size_t in, size_t out)
{
    if (bias != NULL)
        hidi_cuda_add_rows(y, beta, bias, 1, rows, out);
    gemm(false, true, rows, out, in, 1, x, in, w, in, bias != NULL ? 1 : beta, y, out);
}

void hidi_cuda_matrix_slots(hidi_backend *table)
{
    table->gemm = gemm;
    table->gemm_batched = gemm_batched;
    table->linear = linear;
}
