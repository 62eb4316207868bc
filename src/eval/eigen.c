/* eigen.c - A = V diag(w) V^T of a symmetric A, and the singular values s of A = U diag(s) V^T: by
 * LAPACK, or by turning pairs of rows until all are at right angles (Jacobi; Hestenes). */
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "eval/dense.h"
#include "backend/host.h"
#include "core/stop.h"

#define MOST_SWEEPS 60 /* ten are many: convergence is quadratic in the end */

static bool all_finite(const double *a, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(a[i]))
            return false;
    return true;
}

/* Divides a by the power of 2 that brings its largest element to [1/2, 1), so that squares neither
 * overflow nor vanish, and returns its exponent. */
static int normalise(double *a, size_t n)
{
    double largest = 0;
    int exponent;

    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, fabs(a[i]));
    (void)frexp(largest, &exponent);
    for (size_t i = 0; i < n; i++)
        a[i] = ldexp(a[i], -exponent);
    return exponent;
}

/* The sum of the squares off the diagonal. */
static double off_diagonal(const double *a, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            sum += 2 * a[i * n + j] * a[i * n + j];
    return sum;
}

/* rows p and q <- (c p - s q, s p + c q) */
static void rotate_rows(double *row_p, double *row_q, size_t n, double c, double s)
{
    for (size_t k = 0; k < n; k++) {
        double x = row_p[k], y = row_q[k];
        row_p[k] = c * x - s * y;
        row_q[k] = s * x + c * y;
    }
}

/* A <- J^T A J with the rotation J in the plane (p, q) that makes A_pq 0, and V <- J^T V.
 * See Golub & Van Loan, Matrix Computations, 4th ed., algorithm 8.5.1. */
static void rotate(double *a, double *v, size_t n, size_t p, size_t q)
{
    double a_pq = a[p * n + q], a_pp = a[p * n + p], a_qq = a[q * n + q];

    if (fabs(a_pq) <= 0)
        return;
    double tau = (a_qq - a_pp) / (2 * a_pq);
    double t = (tau >= 0 ? 1 : -1) / (fabs(tau) + hypot(1, tau));
    double c = 1 / sqrt(1 + t * t), s = t * c;

    rotate_rows(a + p * n, a + q * n, n, c, s);
    for (size_t k = 0; k < n; k++) {
        a[k * n + p] = a[p * n + k];
        a[k * n + q] = a[q * n + k];
    }
    a[p * n + p] = a_pp - t * a_pq;
    a[q * n + q] = a_qq + t * a_pq;
    a[p * n + q] = a[q * n + p] = 0;
    rotate_rows(v + p * n, v + q * n, n, c, s);
}

/* Ascending, by selection: n swaps of rows. */
static void sort_ascending(double *v, double *w, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t least = i;
        for (size_t j = i + 1; j < n; j++)
            if (w[j] < w[least])
                least = j;
        if (least == i)
            continue;
        double value = w[i];
        w[i] = w[least];
        w[least] = value;
        for (size_t k = 0; k < n; k++) {
            double x = v[i * n + k];
            v[i * n + k] = v[least * n + k];
            v[least * n + k] = x;
        }
    }
}

hidi_status hidi_jacobi_eigen(double *a, double *w, size_t n)
{
    hidi_status status = HIDI_OK;
    if (!all_finite(a, n * n))
        return hidi_error(HIDI_NOT_FINITE, "eigenvalues: the matrix is not finite");
    double *v = calloc(n * n + 1, sizeof *v);
    if (v == NULL)
        return hidi_error(HIDI_NO_MEMORY, "eigenvalues: out of memory for %zu x %zu", n, n);

    int exponent = normalise(a, n * n);
    double norm = off_diagonal(a, n);
    for (size_t i = 0; i < n; i++) {
        v[i * n + i] = 1;
        norm += a[i * n + i] * a[i * n + i];
    }
    int sweep = 0;
    while (off_diagonal(a, n) > DBL_EPSILON * DBL_EPSILON * norm && sweep++ < MOST_SWEEPS &&
           status == HIDI_OK)
        for (size_t p = 0; p < n && (status = hidi_check_stop()) == HIDI_OK; p++)
            for (size_t q = p + 1; q < n; q++)
                rotate(a, v, n, p, q);
    for (size_t i = 0; i < n; i++)
        w[i] = ldexp(a[i * n + i], exponent);
    memcpy(a, v, n * n * sizeof *a);
    free(v);
    HIDI_TRY(status);
    if (sweep > MOST_SWEEPS)
        return hidi_error(HIDI_NOT_FINITE, "eigenvalues: no convergence in %d sweeps", MOST_SWEEPS);
    sort_ascending(a, w, n);
    return HIDI_OK;
}

/* --- singular values -------------------------------------------------------------------------- */

static double inner(const double *x, const double *y, size_t n)
{
    double sum = 0;

    for (size_t k = 0; k < n; k++)
        sum += x[k] * y[k];
    return sum;
}

/* Turns rows p and q in their plane until they are at right angles; false if they were, as far as
 * rounding can tell.  See Golub & Van Loan, section 8.6.3. */
static bool make_orthogonal(double *p, double *q, size_t n)
{
    double a = inner(p, p, n), b = inner(q, q, n), g = inner(p, q, n);

    if (fabs(g) <= DBL_EPSILON * (double)n * sqrt(a) * sqrt(b))
        return false;
    double zeta = (b - a) / (2 * g);
    double t = (zeta >= 0 ? 1 : -1) / (fabs(zeta) + hypot(1, zeta));
    double c = 1 / sqrt(1 + t * t);

    rotate_rows(p, q, n, c, t * c);
    return true;
}

static int descending(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a < b) - (a > b);
}

/* The shorter side's vectors as rows of v [rows, columns], rows <= columns. */
static void copy_wide(double *v, const double *a, size_t m, size_t n)
{
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++)
            v[m <= n ? i * n + j : j * m + i] = a[i * n + j];
}

hidi_status hidi_jacobi_singular(double *a, size_t m, size_t n, double *s)
{
    size_t rows = m < n ? m : n, columns = m < n ? n : m;
    bool turned = true;
    int sweep = 0;
    hidi_status status = HIDI_OK;

    if (!all_finite(a, m * n))
        return hidi_error(HIDI_NOT_FINITE, "singular values: the matrix is not finite");
    double *v = malloc((m * n + 1) * sizeof *v);
    if (v == NULL)
        return hidi_error(HIDI_NO_MEMORY, "singular values: out of memory for %zu x %zu", m, n);
    int exponent = normalise(a, m * n);
    copy_wide(v, a, m, n);
    for (; turned && sweep < MOST_SWEEPS && status == HIDI_OK; sweep++) {
        turned = false;
        for (size_t p = 0; p < rows && (status = hidi_check_stop()) == HIDI_OK; p++)
            for (size_t q = p + 1; q < rows; q++)
                turned = make_orthogonal(v + p * columns, v + q * columns, columns) || turned;
    }
    for (size_t i = 0; i < rows; i++)
        s[i] = ldexp(sqrt(inner(v + i * columns, v + i * columns, columns)), exponent);
    free(v);
    HIDI_TRY(status);
    qsort(s, rows, sizeof *s, descending);
    if (turned)
        return hidi_error(HIDI_NOT_FINITE, "singular values: no convergence in %d sweeps",
                          MOST_SWEEPS);
    return HIDI_OK;
}

/* --- what the build has ----------------------------------------------------------------------- */

const char *hidi_dense_decompositions(void)
{
    return hidi_host_has_lapack() ? "LAPACK" : "Jacobi's methods";
}

hidi_status hidi_symmetric_eigen(double *a, double *w, size_t n)
{
    if (!hidi_host_has_lapack())
        return hidi_jacobi_eigen(a, w, n);
    if (!all_finite(a, n * n))
        return hidi_error(HIDI_NOT_FINITE, "eigenvalues: the matrix is not finite");
    HIDI_TRY(hidi_check_stop());
    return hidi_host_eigen(a, w, n);
}

hidi_status hidi_singular_values(double *a, size_t m, size_t n, double *s)
{
    if (!hidi_host_has_lapack())
        return hidi_jacobi_singular(a, m, n, s);
    if (!all_finite(a, m * n))
        return hidi_error(HIDI_NOT_FINITE, "singular values: the matrix is not finite");
    HIDI_TRY(hidi_check_stop());
    return hidi_host_singular_values(a, m, n, s);
}
