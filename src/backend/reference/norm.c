/* norm.c - softmax, layer norm, and the modulation of tokens by a condition.
 *
 *   softmax          y_j = exp(x_j) / sum_l exp(x_l),  J d = y (d - <y, d>)
 *   layer_norm       y = (x - mean) rstd,  rstd = 1 / sqrt(variance + eps),
 *                    J d = rstd (d - mean(d) - y mean(y d))
 *   modulate         y_t = x_t (offset + scale) + shift  for each token t
 *   sum_tokens       sum_t x_t w_t: modulate's adjoint in scale, and with w = 1 in shift
 *   gated_residual   y_t = x_t + gate h_t                (adaLN-Zero, arXiv 2212.09748)
 *
 * The Jacobians J are symmetric: tangents and gradients go through the same kernel.
 */
#include <math.h>

#include "backend/reference/reference.h"

#define blend hidi_reference_blend

/* y_j = exp(x_j - max x) / sum_l exp(x_l - max x): with the maximum subtracted, exp cannot overflow
 * and the sum is at least 1. */
void hidi_reference_softmax(hidi_real *y, const hidi_real *x, size_t rows, size_t n)
{
    if (n == 0)
        return;
    for (size_t i = 0; i < rows; i++, x += n, y += n) {
        double max = x[0];
        for (size_t j = 1; j < n; j++)
            max = x[j] > max ? x[j] : max;

        double sum = 0;
        for (size_t j = 0; j < n; j++)
            sum += exp(x[j] - max);
        for (size_t j = 0; j < n; j++)
            y[j] = (hidi_real)(exp(x[j] - max) / sum);
    }
}

void hidi_reference_softmax_jacobian(hidi_real *out, hidi_real beta, const hidi_real *y,
                                     const hidi_real *d, size_t rows, size_t n)
{
    for (size_t i = 0; i < rows; i++, out += n, y += n, d += n) {
        double y_d = 0; /* <y, d> */
        for (size_t j = 0; j < n; j++)
            y_d += (double)y[j] * d[j];
        for (size_t j = 0; j < n; j++)
            blend(&out[j], beta, y[j] * (d[j] - y_d));
    }
}

/* The variance takes a second pass: E[x^2] - E[x]^2 would cancel when the mean is large. */
void hidi_reference_layer_norm(hidi_real *y, hidi_real *rstd, const hidi_real *x, size_t rows,
                               size_t n, hidi_real eps)
{
    if (n == 0)
        return;
    for (size_t i = 0; i < rows; i++, x += n, y += n) {
        double mean = 0, variance = 0;
        for (size_t j = 0; j < n; j++)
            mean += x[j];
        mean /= (double)n;
        for (size_t j = 0; j < n; j++)
            variance += (x[j] - mean) * (x[j] - mean);
        variance /= (double)n;

        double r = 1 / sqrt(variance + eps);
        for (size_t j = 0; j < n; j++)
            y[j] = (hidi_real)((x[j] - mean) * r);
        rstd[i] = (hidi_real)r;
    }
}

void hidi_reference_layer_norm_jacobian(hidi_real *out, hidi_real beta, const hidi_real *y,
                                        const hidi_real *rstd, const hidi_real *d, size_t rows,
                                        size_t n)
{
    for (size_t i = 0; i < rows; i++, out += n, y += n, d += n) {
        double mean_d = 0, mean_yd = 0;
        for (size_t j = 0; j < n; j++) {
            mean_d += d[j];
            mean_yd += (double)y[j] * d[j];
        }
        mean_d /= (double)n;
        mean_yd /= (double)n;
        for (size_t j = 0; j < n; j++)
            blend(&out[j], beta, rstd[i] * (d[j] - mean_d - y[j] * mean_yd));
    }
}

/* y[b, t, d] = beta y + x[b, t, d] (offset + scale[b, d]) + shift[b, d] */
void hidi_reference_modulate(hidi_real *y, hidi_real beta, const hidi_real *x, hidi_real offset,
                             const hidi_real *scale, const hidi_real *shift, size_t B, size_t T,
                             size_t D)
{
    for (size_t b = 0; b < B; b++)
        for (size_t t = 0; t < T; t++)
            for (size_t d = 0; d < D; d++) {
                size_t i = (b * T + t) * D + d, c = b * D + d;
                double factor = offset + (scale != NULL ? (double)scale[c] : 0);
                blend(&y[i], beta, x[i] * factor + (shift != NULL ? (double)shift[c] : 0));
            }
}

void hidi_reference_layer_norm_modulate(hidi_real *y, hidi_real *normed, hidi_real *rstd,
                                        const hidi_real *x, hidi_real eps, hidi_real offset,
                                        const hidi_real *scale, const hidi_real *shift, size_t B,
                                        size_t T, size_t D)
{
    hidi_reference_layer_norm(normed, rstd, x, B * T, D, eps);
    hidi_reference_modulate(y, 0, normed, offset, scale, shift, B, T, D);
}

void hidi_reference_sum_tokens(hidi_real *out, hidi_real beta, const hidi_real *x,
                               const hidi_real *w, size_t B, size_t T, size_t D)
{
    for (size_t b = 0; b < B; b++)
        for (size_t d = 0; d < D; d++) {
            double sum = 0;
            for (size_t t = 0; t < T; t++) {
                size_t i = (b * T + t) * D + d;
                sum += w != NULL ? (double)x[i] * w[i] : x[i];
            }
            blend(&out[b * D + d], beta, sum);
        }
}

void hidi_reference_gated_residual(hidi_real *y, const hidi_real *x, const hidi_real *gate,
                                   const hidi_real *h, size_t B, size_t T, size_t D)
{
    for (size_t b = 0; b < B; b++)
        for (size_t t = 0; t < T; t++)
            for (size_t d = 0; d < D; d++) {
                size_t i = (b * T + t) * D + d;
                y[i] = (hidi_real)(x[i] + (double)gate[b * D + d] * h[i]);
            }
}
