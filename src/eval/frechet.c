/* frechet.c - d^2 = |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)): moments are joined block by block,
 * and the trace of the root is a sum of singular values, which takes the root of nothing. */
#include "eval/frechet.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "eval/dense.h"

#define BLOCK 255 /* samples that enter the covariance together; one more row */

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
    hidi_dense_add_gram(moments->covariance, centred, n + 1, D);
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
        return hidi_error(HIDI_BAD_ARGUMENT,
                          "a covariance needs at least 2 samples (images), found %zu",
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

/* C = B^T B.  c [D, D] is overwritten: its last *rank rows become B [rank, D], to which *b points.
 * w: [D].  C = V^T W V (row i of V: an eigenvector), B = W^(1/2) V without the rows of eigenvalues
 * that rounding cannot tell from 0. */
static hidi_status factorise(double *c, size_t D, double *w, double **b, size_t *rank)
{
    HIDI_TRY(hidi_symmetric_eigen(c, w, D));
    if (w[0] < -1e-4 * fmax(w[D - 1], 0)) /* rounding in single precision leaves 1e-6 or so */
        return hidi_error(HIDI_BAD_FORMAT,
                          "no covariance: it has an eigenvalue of %g, below 0 (the largest is %g)",
                          w[0], w[D - 1]);
    double noise = (double)D * DBL_EPSILON * fmax(w[D - 1], 0);
    size_t first = D;

    while (first > 0 && w[first - 1] > noise)
        first--;
    for (size_t i = first; i < D; i++)
        for (size_t j = 0; j < D; j++)
            c[i * D + j] *= sqrt(w[i]);
    *b = c + first * D;
    *rank = D - first;
    return HIDI_OK;
}

/* tr (C1 C2)^(1/2) = the sum of the singular values of B1 B2^T, [rank 1, rank 2], because
 * C1 C2 = B1^T (B1 B2^T) B2 and M M^T, M = B1 B2^T, have the same eigenvalues but for zeros.  The
 * roots of eigenvalues of a product would be off by the root of a rounding where they should be 0.
 * c1 and c2 are destroyed; work: D^2 + D. */
static hidi_status cross_trace(double *c1, double *c2, size_t D, double *work, double *result)
{
    double *w = work + D * D, *b1, *b2;
    size_t rank1, rank2;

    *result = 0;
    HIDI_TRY(hidi_error_prefix(factorise(c1, D, w, &b1, &rank1), "the first set's covariance"));
    HIDI_TRY(hidi_error_prefix(factorise(c2, D, w, &b2, &rank2), "the second set's covariance"));
    hidi_dense_multiply(work, false, b1, b2, true, rank1, rank2, D);
    HIDI_TRY(hidi_singular_values(work, rank1, rank2, w));
    for (size_t i = 0; i < (rank1 < rank2 ? rank1 : rank2); i++)
        *result += w[i];
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

    double *work = malloc((3 * D * D + D) * sizeof *work);
    if (work == NULL)
        return hidi_error(HIDI_NO_MEMORY, "Frechet distance: out of memory for %zu dimensions", D);
    memcpy(work, a->covariance, D * D * sizeof *work);
    memcpy(work + D * D, b->covariance, D * D * sizeof *work);
    hidi_status status = cross_trace(work, work + D * D, D, work + 2 * D * D,
                                     &result->cross_term);
    free(work);
    result->distance = fmax(0, result->mean_term + result->trace_1 + result->trace_2 -
                                   2 * result->cross_term);
    return hidi_error_prefix(status, "Frechet distance");
}
