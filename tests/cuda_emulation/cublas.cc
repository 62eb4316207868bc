/* cublas.cc - matrix products on a stream.
 *
 * Column-major, as cuBLAS is: C [m, n] in memory is row-major C^T [n, m].  Every operand is checked
 * before: the elements that the product reads and writes lie in one allocation each, and what it
 * reads was written.  The product itself is CBLAS's, or plain loops where the library is built
 * without one.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <cstdlib>
#ifdef HAVE_CBLAS
#include <cblas.h>
#endif

#include "emulation.h"

using namespace cuda_emulation;

struct cublasContext {
    cudaStream_t stream;
};

namespace {

template <typename T> struct product {
    const char *name;
    cublasOperation_t op_a, op_b;
    int m, n, k;
    T alpha, beta;
    const T *a, *b;
    T *c;
    int lda, ldb, ldc;
    long long stride_a, stride_b, stride_c;
    int batch;
    const T *const *each_a, *const *each_b; /* NULL, or device memory: where each matrix is */
    T *const *each_c;
};

/* Is the column-major x [rows, columns] there? */
template <typename T> bool check_matrix(const char *name, const char *what, const T *x, int rows,
                                        int columns, int ld, bool read)
{
    for (int j = 0; j < columns; j++)
        if (!check_range(name, what, x + static_cast<ptrdiff_t>(j) * ld,
                         static_cast<size_t>(rows) * sizeof *x, read))
            return false;
    return true;
}

#ifdef HAVE_CBLAS
CBLAS_TRANSPOSE transposed(cublasOperation_t op)
{
    return op == CUBLAS_OP_N ? CblasNoTrans : CblasTrans;
}

void multiply(const product<float> &p, const float *a, const float *b, float *c)
{
    cblas_sgemm(CblasColMajor, transposed(p.op_a), transposed(p.op_b), p.m, p.n, p.k, p.alpha, a,
                p.lda, b, p.ldb, p.beta, c, p.ldc);
}

void multiply(const product<double> &p, const double *a, const double *b, double *c)
{
    cblas_dgemm(CblasColMajor, transposed(p.op_a), transposed(p.op_b), p.m, p.n, p.k, p.alpha, a,
                p.lda, b, p.ldb, p.beta, c, p.ldc);
}
#else
template <typename T> void multiply(const product<T> &p, const T *a, const T *b, T *c)
{
    for (ptrdiff_t j = 0; j < p.n; j++)
        for (ptrdiff_t i = 0; i < p.m; i++) {
            T sum = 0, *out = &c[i + j * p.ldc];
            for (ptrdiff_t l = 0; l < p.k; l++)
                sum += (p.op_a == CUBLAS_OP_N ? a[i + l * p.lda] : a[l + i * p.lda]) *
                       (p.op_b == CUBLAS_OP_N ? b[l + j * p.ldb] : b[j + l * p.ldb]);
            *out = p.beta == 0 ? p.alpha * sum : p.alpha * sum + p.beta * *out;
        }
}
#endif

template <typename T> bool check_operands(const product<T> &p, const T *a, const T *b, const T *c)
{
    const bool a_as_is = p.op_a == CUBLAS_OP_N, b_as_is = p.op_b == CUBLAS_OP_N;
    return check_matrix(p.name, "A", a, a_as_is ? p.m : p.k, a_as_is ? p.k : p.m, p.lda, true) &&
           check_matrix(p.name, "B", b, b_as_is ? p.k : p.n, b_as_is ? p.n : p.k, p.ldb, true) &&
           check_matrix(p.name, "C", c, p.m, p.n, p.ldc, p.beta != 0);
}

/* Puts the addresses of matrices s into *a, *b, *c. */
template <typename T>
void find_operands(const product<T> &p, int s, const T **a, const T **b, T **c)
{
    if (p.each_a == nullptr) {
        *a = p.a + s * p.stride_a;
        *b = p.b + s * p.stride_b;
        *c = p.c + s * p.stride_c;
    } else {
        *a = p.each_a[s];
        *b = p.each_b[s];
        *c = p.each_c[s];
    }
}

template <typename T> bool check_pointers(const product<T> &p)
{
    const size_t bytes = static_cast<size_t>(p.batch) * sizeof p.a;
    return p.each_a == nullptr || (check_range(p.name, "the array of A", p.each_a, bytes, true) &&
                                   check_range(p.name, "the array of B", p.each_b, bytes, true) &&
                                   check_range(p.name, "the array of C", p.each_c, bytes, true));
}

template <typename T> void do_product(void *data)
{
    const product<T> &p = *static_cast<const product<T> *>(data);
    if (faulted() != cudaSuccess || !check_pointers(p))
        return;
    for (int s = 0; s < p.batch; s++) {
        const T *a, *b;
        T *c;
        open_arena();
        find_operands(p, s, &a, &b, &c);
        const bool is_good = check_operands(p, a, b, c);
        if (is_good)
            multiply(p, a, b, c);
        close_arena();
        if (!is_good)
            return;
        for (int j = 0; j < p.n; j++)
            mark_written(c + static_cast<ptrdiff_t>(j) * p.ldc,
                         static_cast<size_t>(p.m) * sizeof *c);
    }
}

template <typename T> cublasStatus_t start(cublasHandle_t handle, const product<T> &p)
{
    const int a_rows = p.op_a == CUBLAS_OP_N ? p.m : p.k,
              b_rows = p.op_b == CUBLAS_OP_N ? p.k : p.n;
    if (handle == nullptr)
        return CUBLAS_STATUS_NOT_INITIALIZED;
    if (p.m < 0 || p.n < 0 || p.k < 0 || p.batch < 0 || p.lda < 1 || p.lda < a_rows || p.ldb < 1 ||
        p.ldb < b_rows || p.ldc < 1 || p.ldc < p.m)
        return CUBLAS_STATUS_INVALID_VALUE;
    if (p.m > 0 && p.n > 0 && p.batch > 0)
        enqueue(handle->stream, do_product<T>, p);
    return faulted() == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}

} // namespace

#define CUDA_EMULATION_DEFINE_GEMM(T, gemm, gemm_strided, gemm_batched)                            \
    cublasStatus_t gemm(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b,     \
                        int m, int n, int k, const T *alpha, const T *a, int lda, const T *b,      \
                        int ldb, const T *beta, T *c, int ldc)                                     \
    {                                                                                              \
        return start<T>(handle, {#gemm, op_a, op_b, m, n, k, *alpha, *beta, a, b, c, lda, ldb,     \
                                 ldc, 0, 0, 0, 1, nullptr, nullptr, nullptr});                     \
    }                                                                                              \
    cublasStatus_t gemm_strided(cublasHandle_t handle, cublasOperation_t op_a,                     \
                                cublasOperation_t op_b, int m, int n, int k, const T *alpha,       \
                                const T *a, int lda, long long stride_a, const T *b, int ldb,      \
                                long long stride_b, const T *beta, T *c, int ldc,                  \
                                long long stride_c, int batch)                                     \
    {                                                                                              \
        return start<T>(handle, {#gemm_strided, op_a, op_b, m, n, k, *alpha, *beta, a, b, c, lda,  \
                                 ldb, ldc, stride_a, stride_b, stride_c, batch, nullptr, nullptr,  \
                                 nullptr});                                                        \
    }                                                                                              \
    cublasStatus_t gemm_batched(cublasHandle_t handle, cublasOperation_t op_a,                     \
                                cublasOperation_t op_b, int m, int n, int k, const T *alpha,       \
                                const T *const *a, int lda, const T *const *b, int ldb,            \
                                const T *beta, T *const *c, int ldc, int batch)                    \
    {                                                                                              \
        return start<T>(handle, {#gemm_batched, op_a, op_b, m, n, k, *alpha, *beta, nullptr,       \
                                 nullptr, nullptr, lda, ldb, ldc, 0, 0, 0, batch, a, b, c});       \
    }

CUDA_EMULATION_DEFINE_GEMM(float, cublasSgemm, cublasSgemmStridedBatched, cublasSgemmBatched)
CUDA_EMULATION_DEFINE_GEMM(double, cublasDgemm, cublasDgemmStridedBatched, cublasDgemmBatched)

cublasStatus_t cublasCreate(cublasHandle_t *handle)
{
    *handle = nullptr;
    if (result(cudaSuccess) != cudaSuccess)
        return CUBLAS_STATUS_NOT_INITIALIZED;
    *handle = new cublasContext();
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDestroy(cublasHandle_t handle)
{
    delete handle;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetStream(cublasHandle_t handle, cudaStream_t stream)
{
    handle->stream = stream;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetMathMode(cublasHandle_t, cublasMath_t)
{
    return CUBLAS_STATUS_SUCCESS;
}
