/* rows.c - sums, products and broadcasts along the rows of x [rows, n]. */
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
