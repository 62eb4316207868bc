/* rows.c - sums, products and broadcasts along the rows of x [rows, n].  The maps come with their
 * adjoints, <A b, x> = <b, A^T x>; `beta out +` is left out below.
 *
 *   add_rows      y_ij = b_(i mod period, j)                   sum_rows   is its adjoint
 *   scale_rows    y_ij = a s_i x_ij                            dot_rows   is its adjoint in s
 *   spread_rows   y_ij = a s_i                                 dot_rows   with w = 1 is its adjoint
 *   dot_rows      out_i = a sum_j x_ij w_ij
 *   dot           out = a sum_i x_i w_i
 */
#include "backend/reference/reference.h"

#define blend hidi_reference_blend

void hidi_reference_add_rows(hidi_real *y, hidi_real beta, const hidi_real *b, size_t period,
                             size_t rows, size_t n)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < n; j++)
            blend(&y[i * n + j], beta, b[i % period * n + j]);
}

void hidi_reference_sum_rows(hidi_real *out, hidi_real beta, const hidi_real *x, size_t period,
                             size_t rows, size_t n)
{
    for (size_t k = 0; k < period; k++)
        for (size_t j = 0; j < n; j++) {
            double sum = 0;
            for (size_t i = k; i < rows; i += period)
                sum += x[i * n + j];
            blend(&out[k * n + j], beta, sum);
        }
}

void hidi_reference_scale_rows(hidi_real *y, hidi_real beta, hidi_real a, const hidi_real *s,
                               const hidi_real *x, size_t rows, size_t n)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < n; j++)
            blend(&y[i * n + j], beta, (double)a * s[i] * x[i * n + j]);
}

/* sum_i x_i w_i, or sum_i x_i if w is NULL */
static double inner_product(const hidi_real *x, const hidi_real *w, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += w != NULL ? (double)x[i] * w[i] : x[i];
    return sum;
}

void hidi_reference_dot_rows(hidi_real *out, hidi_real beta, hidi_real a, const hidi_real *x,
                             const hidi_real *w, size_t rows, size_t n)
{
    for (size_t i = 0; i < rows; i++) {
        const hidi_real *w_i = w != NULL ? w + i * n : NULL;
        blend(&out[i], beta, a * inner_product(x + i * n, w_i, n));
    }
}

void hidi_reference_spread_rows(hidi_real *y, hidi_real beta, hidi_real a, const hidi_real *s,
                                size_t rows, size_t n)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < n; j++)
            blend(&y[i * n + j], beta, (double)a * s[i]);
}

void hidi_reference_dot(hidi_real *out, hidi_real beta, hidi_real a, const hidi_real *x,
                        const hidi_real *w, size_t n)
{
    blend(out, beta, a * inner_product(x, w, n));
}
