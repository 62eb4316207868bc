/* host.c - c += op(a) op(b), A = V diag(w) V^T and the singular values of A by the host's
 * libraries.
 *
 * All run on one thread.  Products are cut into tiles by their caller, a thread for each.  LAPACK's
 * steps are many and small, and two threads that wait for each other after each of them can be a
 * hundred times slower on a busy machine.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "backend/host.h"

#ifdef HAVE_CBLAS
#include <cblas.h>
#endif
#ifdef HAVE_LAPACK
#include <lapacke.h>
#endif

#include "core/threads.h"

/* --- products --------------------------------------------------------------------------------- */

#ifdef HAVE_CBLAS

void hidi_host_add_product(double *c, size_t ldc, const double *a, size_t lda, bool transpose_a,
                           const double *b, size_t ldb, bool transpose_b, size_t m, size_t n,
                           size_t k)
{
    const int before = hidi_serial_begin();
    cblas_dgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans,
                transpose_b ? CblasTrans : CblasNoTrans, (int)m, (int)n, (int)k, 1, a, (int)lda, b,
                (int)ldb, 1, c, (int)ldc);
    hidi_serial_end(before);
}

#else

static double dot(const double *a, size_t step, const double *b, size_t k)
{
    double sum[4] = { 0 };
    size_t l = 0;

    for (; l + 4 <= k; l += 4)
        for (size_t i = 0; i < 4; i++)
            sum[i] += a[(l + i) * step] * b[l + i];
    for (; l < k; l++)
        sum[0] += a[l * step] * b[l];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

void hidi_host_add_product(double *c, size_t ldc, const double *a, size_t lda, bool transpose_a,
                           const double *b, size_t ldb, bool transpose_b, size_t m, size_t n,
                           size_t k)
{
    const size_t row = transpose_a ? 1 : lda, step = transpose_a ? lda : 1;

    for (size_t i = 0; i < m; i++) {
        double *restrict out = c + i * ldc;
        const double *left = a + i * row;
        size_t l = 0;

        if (transpose_b) {
            for (size_t j = 0; j < n; j++)
                out[j] += dot(left, step, b + j * ldb, k);
            continue;
        }
        for (; l + 4 <= k; l += 4) {
            const double *b0 = b + l * ldb, *b1 = b0 + ldb, *b2 = b1 + ldb, *b3 = b2 + ldb;
            double a0 = left[l * step], a1 = left[(l + 1) * step], a2 = left[(l + 2) * step],
                   a3 = left[(l + 3) * step];
#pragma omp simd
            for (size_t j = 0; j < n; j++)
                out[j] += (a0 * b0[j] + a1 * b1[j]) + (a2 * b2[j] + a3 * b3[j]);
        }
        for (; l < k; l++)
            for (size_t j = 0; j < n; j++)
                out[j] += left[l * step] * b[l * ldb + j];
    }
}

#endif

/* --- decompositions --------------------------------------------------------------------------- */

#ifdef HAVE_LAPACK

enum { MOST = 30000 }; /* the size of the work space, 2 n^2, must fit an int */

bool hidi_host_has_lapack(void)
{
    return true;
}

static hidi_status status_of(const char *what, lapack_int info, size_t m, size_t n)
{
    if (info == LAPACK_WORK_MEMORY_ERROR)
        return hidi_error(HIDI_NO_MEMORY, "%s: out of memory for %zu x %zu", what, m, n);
    if (info != 0)
        return hidi_error(HIDI_NOT_FINITE, "%s returned %d", what, (int)info);
    return HIDI_OK;
}

hidi_status hidi_host_eigen(double *a, double *w, size_t n)
{
    if (n > MOST)
        return hidi_error(HIDI_UNSUPPORTED, "eigenvalues: %zu x %zu is above %d", n, n, MOST);
    const int before = hidi_serial_begin();
    const lapack_int order = (lapack_int)n;
    const lapack_int info =
        n == 0 ? 0 : LAPACKE_dsyevd(LAPACK_COL_MAJOR, 'V', 'U', order, a, order, w);
    hidi_serial_end(before);
    return status_of("eigenvalues: dsyevd", info, n, n);
}

hidi_status hidi_host_singular_values(double *a, size_t m, size_t n, double *s)
{
    if (m > MOST || n > MOST)
        return hidi_error(HIDI_UNSUPPORTED, "singular values: %zu x %zu is above %d", m, n, MOST);
    /* Column-major, the matrix is its transpose; the singular values are the same. */
    const int before = hidi_serial_begin();
    const lapack_int rows = (lapack_int)n, columns = (lapack_int)m;
    const lapack_int info = m == 0 || n == 0 ? 0
                                             : LAPACKE_dgesdd(LAPACK_COL_MAJOR, 'N', rows, columns,
                                                              a, rows, s, NULL, 1, NULL, 1);
    hidi_serial_end(before);
    return status_of("singular values: dgesdd", info, m, n);
}

#else

bool hidi_host_has_lapack(void)
{
    return false;
}

hidi_status hidi_host_eigen(double *a, double *w, size_t n)
{
    (void)a, (void)w, (void)n;
    return hidi_error(HIDI_UNSUPPORTED, "eigenvalues: this build has no LAPACK");
}

hidi_status hidi_host_singular_values(double *a, size_t m, size_t n, double *s)
{
    (void)a, (void)m, (void)n, (void)s;
    return hidi_error(HIDI_UNSUPPORTED, "singular values: this build has no LAPACK");
}

#endif
