/* frechet.c - the Fréchet distance of two sets of features; see frechet.h. */
#include "metrics/frechet.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK 63          /* samples that enter the covariance together; one more row: 4 x 16 */
#define INNER 64          /* rows of b that stay in the cache                                  */
#define WORTHWHILE 100000 /* multiplications for which threads are woken                       */

/* c[i, j] += sum_k a_ik b[k, j], i < m, j < n, k < inner, with a_ik = a[i * a_row + k * a_column].
 * c: [m, n], b: [inner, n].  triangle: only j >= i. */
static void multiply_add(double *c, const double *a, size_t a_row, size_t a_column, const double *b,
                         size_t m, size_t inner, size_t n, int triangle)
{
    for (size_t first = 0; first < inner; first += INNER) {
        size_t last = first + INNER < inner ? first + INNER : inner;

#pragma omp parallel for schedule(dynamic, 8) if (m * (last - first) * n > WORTHWHILE)
        for (size_t i = 0; i < m; i++) {
            double *restrict out = c + i * n;
            size_t k = first, begin = triangle ? i : 0;

            for (; k + 4 <= last; k += 4) {
                const double *b0 = b + k * n, *b1 = b0 + n, *b2 = b1 + n, *b3 = b2 + n;
                const double *left = a + i * a_row + k * a_column;
                double a0 = left[0], a1 = left[a_column], a2 = left[2 * a_column],
                       a3 = left[3 * a_column];
#pragma omp simd
                for (size_t j = begin; j < n; j++)
                    out[j] += (a0 * b0[j] + a1 * b1[j]) + (a2 * b2[j] + a3 * b3[j]);
            }
            for (; k < last; k++)
                for (size_t j = begin; j < n; j++)
                    out[j] += a[i * a_row + k * a_column] * b[k * n + j];
        }
    }
}

/* --- moments ---------------------------------------------------------------------------------- */

hidi_status hidi_moments_init(hidi_moments *moments, size_t dim)
{
    memset(moments, 0, sizeof *moments);
    if (dim == 0)
        return hidi_error(HIDI_BAD_ARGUMENT, "moments: features have no dimensions");
    if (dim > SIZE_MAX / sizeof(double) / dim)
        return hidi_error(HIDI_NO_MEMORY, "moments: %zu dimensions are too many", dim);
    moments->dim = dim;
    moments->mean = calloc(dim, sizeof(double));
    moments->covariance = calloc(dim * dim, sizeof(double));
    moments->work = calloc(dim, (BLOCK + 1) * sizeof(double));
    if (moments->mean == NULL || moments->covariance == NULL || moments->work == NULL) {
        hidi_moments_free(moments);
        return hidi_error(HIDI_NO_MEMORY, "moments: out of memory for %zu dimensions", dim);
    }
    return HIDI_OK;
}

/* Joins a block to what is there (Chan, Golub & LeVeque 1983, eq. 1.5): with d = m_block - m,
 *
 *   S <- S + sum (x - m_block)(x - m_block)^T + count n / (count + n) d d^T
 *
 * The last term is one more row, sqrt(...) d, below the centred samples. */
static void add_block(hidi_moments *moments, const double *features, size_t n)
{
    size_t D = moments->dim;
    double *centred = moments->work, *d = moments->work + n * D;
    double count = (double)moments->count, total = count + (double)n;

    memset(d, 0, D * sizeof *d);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < D; j++)
            d[j] += features[i * D + j] / (double)n;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < D; j++)
            centred[i * D + j] = features[i * D + j] - d[j];
    for (size_t j = 0; j < D; j++) {
        d[j] -= moments->mean[j];
        moments->mean[j] += d[j] * ((double)n / total);
        d[j] *= sqrt(count * (double)n / total);
    }
    multiply_add(moments->covariance, centred, 1, D, centred, D, n + 1, D, 1);
    moments->count += n;
}

void hidi_moments_add(hidi_moments *moments, const double *features, size_t n)
{
    for (size_t first = 0; first < n; first += BLOCK)
        add_block(moments, features + first * moments->dim, n - first < BLOCK ? n - first : BLOCK);
}

hidi_status hidi_moments_finish(hidi_moments *moments)
{
    size_t D = moments->dim;

    if (moments->count < 2)
        return hidi_error(HIDI_BAD_ARGUMENT, "moments: %zu samples, at least 2 are needed",
                          moments->count);
    for (size_t i = 0; i < D; i++)
        for (size_t j = i; j < D; j++) {
            double value = moments->covariance[i * D + j] / (double)(moments->count - 1);
            moments->covariance[i * D + j] = moments->covariance[j * D + i] = value;
        }
    return HIDI_OK;
}

void hidi_moments_free(hidi_moments *moments)
{
    free(moments->mean);
    free(moments->covariance);
    free(moments->work);
    memset(moments, 0, sizeof *moments);
}

/* --- distance --------------------------------------------------------------------------------- */

static double trace(const double *a, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += a[i * n + i];
    return sum;
}

/* tr (C1 C2)^(1/2).  c1 is destroyed; work: 3 D^2 + D.
 *
 * C1 = V^T W V (row i of V: an eigenvector), B = W^(1/2) V without the rows of eigenvalues that are
 * 0, [rank, D].  B^T (B C2) and (B C2) B^T have the same eigenvalues but for zeros. */
static hidi_status cross_trace(double *c1, const double *c2, size_t D, double *work, double *result)
{
    double *product = work, *b_transposed = work + D * D, *m = work + 2 * D * D;
    double *w = work + 3 * D * D;
    size_t rank = 0;

    HIDI_TRY(hidi_symmetric_eigen(c1, w, D));
    double noise = (double)D * DBL_EPSILON * fmax(w[D - 1], 0);
    while (rank < D && w[D - 1 - rank] > noise)
        rank++;
    *result = 0;
    if (rank == 0)
        return HIDI_OK;
    double *b = c1 + (D - rank) * D;
    for (size_t i = 0; i < rank; i++)
        for (size_t j = 0; j < D; j++) {
            b[i * D + j] *= sqrt(w[D - rank + i]);
            b_transposed[j * rank + i] = b[i * D + j];
        }
    memset(product, 0, rank * D * sizeof *product);
    memset(m, 0, rank * rank * sizeof *m);
    multiply_add(product, b, D, 1, c2, rank, D, D, 0);
    multiply_add(m, product, D, 1, b_transposed, rank, D, rank, 0);
    for (size_t i = 0; i < rank; i++) /* symmetric up to rounding: now exactly */
        for (size_t j = 0; j < i; j++)
            m[i * rank + j] = m[j * rank + i] = 0.5 * (m[i * rank + j] + m[j * rank + i]);
    HIDI_TRY(hidi_symmetric_eigen(m, w, rank));
    for (size_t i = 0; i < rank; i++)
        *result += sqrt(fmax(w[i], 0));
    return HIDI_OK;
}

hidi_status hidi_frechet_distance(hidi_frechet *result, const hidi_moments *a,
                                  const hidi_moments *b)
{
    size_t D = a->dim;

    memset(result, 0, sizeof *result);
    if (b->dim != D)
        return hidi_error(HIDI_BAD_SHAPE, "Frechet distance: features of %zu and of %zu dimensions",
                          D, b->dim);
    for (size_t i = 0; i < D; i++)
        result->mean_term += (a->mean[i] - b->mean[i]) * (a->mean[i] - b->mean[i]);
    result->trace_1 = trace(a->covariance, D);
    result->trace_2 = trace(b->covariance, D);
    if (!isfinite(result->mean_term + result->trace_1 + result->trace_2))
        return hidi_error(HIDI_NOT_FINITE, "Frechet distance: the moments are not finite");

    double *work = malloc((4 * D * D + D) * sizeof *work);
    if (work == NULL)
        return hidi_error(HIDI_NO_MEMORY, "Frechet distance: out of memory for %zu dimensions", D);
    memcpy(work, a->covariance, D * D * sizeof *work);
    hidi_status status = cross_trace(work, b->covariance, D, work + D * D, &result->cross_term);
    free(work);
    result->distance = fmax(0, result->mean_term + result->trace_1 + result->trace_2 -
                                   2 * result->cross_term);
    return hidi_error_prefix(status, "Frechet distance");
}
