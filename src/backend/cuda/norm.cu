/* norm.cu - softmax, layer norm, and the modulation of tokens by a condition.
 *
 * A row belongs to one warp, or, if it is long, to one block (hidi_group in kernels.h).  It is read
 * from memory once: the second and third pass over a row find it in the cache.
 */
#include "backend/cuda/kernels.h"

/* --- softmax --------------------------------------------------------------------------------- */

/* y_j = exp(x_j) / sum_l exp(x_l) */
template <typename GROUP>
HIDI_KERNEL softmax_kernel(hidi_real *y, const hidi_real *x, size_t rows, size_t n)
{
    HIDI_FOR_GROUPS (GROUP, i, rows)
        softmax_row<GROUP>(y + i * n, x + i * n, n);
}

void hidi_cuda_softmax(hidi_real *y, const hidi_real *x, size_t rows, size_t n)
{
    if (n > 0)
        HIDI_LAUNCH_GROUPS(softmax_kernel, rows, n, y, x, rows, n);
}

/* J d = y (d - <y, d>) */
template <typename GROUP>
HIDI_KERNEL softmax_jacobian_kernel(hidi_real *out, hidi_real beta, const hidi_real *y,
                                    const hidi_real *d, size_t rows, size_t n)
{
    HIDI_FOR_GROUPS (GROUP, i, rows) {
        const hidi_real *y_i = y + i * n, *d_i = d + i * n;
        hidi_real y_d = 0; /* <y, d> */

        HIDI_FOR_MEMBERS (GROUP, j, n)
            y_d += y_i[j] * d_i[j];
        y_d = GROUP::template all<hidi_sum>(y_d);

        HIDI_FOR_MEMBERS (GROUP, j, n)
            blend(&out[i * n + j], beta, y_i[j] * (d_i[j] - y_d));
    }
}

void hidi_cuda_softmax_jacobian(hidi_real *out, hidi_real beta, const hidi_real *y,
                                const hidi_real *d, size_t rows, size_t n)
{
    if (n > 0)
        HIDI_LAUNCH_GROUPS(softmax_jacobian_kernel, rows, n, out, beta, y, d, rows, n);
}

/* --- layer norm ------------------------------------------------------------------------------ */

/* y = (x - mean) rstd,  rstd = 1 / sqrt(variance + eps).  The variance takes a second pass:
 * E[x^2] - E[x]^2 would cancel when the mean is large. */
typedef struct row_moments {
    hidi_real mean, rstd;
} row_moments;

/* Those of one row of n elements, for every thread of the group. */
template <typename GROUP>
static __device__ inline row_moments moments_of(const hidi_real *x, size_t n, hidi_real eps)
{
    hidi_real mean = 0, variance = 0;

    HIDI_FOR_MEMBERS (GROUP, j, n)
        mean += x[j];
    mean = GROUP::template all<hidi_sum>(mean) / (hidi_real)n;

    HIDI_FOR_MEMBERS (GROUP, j, n)
        variance += (x[j] - mean) * (x[j] - mean);
    variance = GROUP::template all<hidi_sum>(variance) / (hidi_real)n;

    row_moments of = { mean, 1 / sqrt(variance + eps) };
    return of;
}

template <typename GROUP>
HIDI_KERNEL layer_norm_kernel(hidi_real *y, hidi_real *rstd, const hidi_real *x, size_t rows,
                              size_t n, hidi_real eps)
{
    HIDI_FOR_GROUPS (GROUP, i, rows) {
        const row_moments of = moments_of<GROUP>(x + i * n, n, eps);

        HIDI_FOR_MEMBERS (GROUP, j, n)
            y[i * n + j] = (x[i * n + j] - of.mean) * of.rstd;
        if (threadIdx.x % GROUP::THREADS == 0)
            rstd[i] = of.rstd;
    }
}

static void layer_norm(hidi_real *y, hidi_real *rstd, const hidi_real *x, size_t rows, size_t n,
                       hidi_real eps)
{
    if (n > 0)
        HIDI_LAUNCH_GROUPS(layer_norm_kernel, rows, n, y, rstd, x, rows, n, eps);
}

/* J d = rstd (d - mean(d) - y mean(y d)) */
template <typename GROUP>
HIDI_KERNEL layer_norm_jacobian_kernel(hidi_real *out, hidi_real beta, const hidi_real *y,
                                       const hidi_real *rstd, const hidi_real *d, size_t rows,
                                       size_t n)
{
    HIDI_FOR_GROUPS (GROUP, i, rows) {
        const hidi_real *y_i = y + i * n, *d_i = d + i * n;
        hidi_real mean_d = 0, mean_yd = 0;

        HIDI_FOR_MEMBERS (GROUP, j, n) {
            mean_d += d_i[j];
            mean_yd += y_i[j] * d_i[j];
        }
        mean_d = GROUP::template all<hidi_sum>(mean_d) / (hidi_real)n;
        mean_yd = GROUP::template all<hidi_sum>(mean_yd) / (hidi_real)n;

        HIDI_FOR_MEMBERS (GROUP, j, n)
            blend(&out[i * n + j], beta, rstd[i] * (d_i[j] - mean_d - y_i[j] * mean_yd));
    }
}

static void layer_norm_jacobian(hidi_real *out, hidi_real beta, const hidi_real *y,
                                const hidi_real *rstd, const hidi_real *d, size_t rows, size_t n)
{
    if (n > 0)
        HIDI_LAUNCH_GROUPS(layer_norm_jacobian_kernel, rows, n, out, beta, y, rstd, d, rows, n);
}

/* --- modulation ------------------------------------------------------------------------------ */

/* y[b, t, d] = beta y + x[b, t, d] (offset + scale[b, d]) + shift[b, d]; rows b T + t */
HIDI_KERNEL modulate_kernel(hidi_real *y, hidi_real beta, const hidi_real *x, hidi_real offset,
                            const hidi_real *scale, const hidi_real *shift, size_t B, size_t T,
                            size_t D)
{
    HIDI_FOR_ROWS (row, B * T) {
        const size_t condition = row / T * D;

        HIDI_FOR_COLUMNS (d, D) {
            hidi_real factor = offset + (scale != NULL ? scale[condition + d] : 0);
            hidi_real shift_d = shift != NULL ? shift[condition + d] : 0;
            blend(&y[row * D + d], beta, x[row * D + d] * factor + shift_d);
        }
    }
}

static void modulate(hidi_real *y, hidi_real beta, const hidi_real *x, hidi_real offset,
                     const hidi_real *scale, const hidi_real *shift, size_t B, size_t T, size_t D)
{
    HIDI_LAUNCH_ROWS(modulate_kernel, B * T, D, y, beta, x, offset, scale, shift, B, T, D);
}

/* out[b, d] = beta out[b, d] + sum_t x[b, t, d] w[b, t, d] */
/* x^ = layer_norm(x),  y = x^ (offset + scale) + shift; rows b T + t */
template <typename GROUP>
HIDI_KERNEL layer_norm_modulate_kernel(hidi_real *y, hidi_real *normed, hidi_real *rstd,
                                       const hidi_real *x, hidi_real eps, hidi_real offset,
                                       const hidi_real *scale, const hidi_real *shift, size_t B,
                                       size_t T, size_t D)
{
    HIDI_FOR_GROUPS (GROUP, row, B * T) {
        const row_moments of = moments_of<GROUP>(x + row * D, D, eps);
        const size_t condition = row / T * D;

        HIDI_FOR_MEMBERS (GROUP, d, D) {
            hidi_real factor = offset + (scale != NULL ? scale[condition + d] : 0);
            hidi_real shift_d = shift != NULL ? shift[condition + d] : 0;
            hidi_real value = (x[row * D + d] - of.mean) * of.rstd;
            normed[row * D + d] = value;
            y[row * D + d] = value * factor + shift_d;
        }
        if (threadIdx.x % GROUP::THREADS == 0)
            rstd[row] = of.rstd;
    }
}

static void layer_norm_modulate(hidi_real *y, hidi_real *normed, hidi_real *rstd,
                                const hidi_real *x, hidi_real eps, hidi_real offset,
                                const hidi_real *scale, const hidi_real *shift, size_t B,
                                size_t T, size_t D)
{
    if (D > 0)
        HIDI_LAUNCH_GROUPS(layer_norm_modulate_kernel, B * T, D, y, normed, rstd, x, eps, offset,
                           scale, shift, B, T, D);
}

static void sum_tokens(hidi_real *out, hidi_real beta, const hidi_real *x, const hidi_real *w,
                       size_t B, size_t T, size_t D)
{
    hidi_cuda_row_groups tokens = { B, T, 1, T, B * T };

    hidi_cuda_column_sums(out, beta, x, w, tokens, D);
}

/* y[b, t, d] = x[b, t, d] + gate[b, d] h[b, t, d] */
HIDI_KERNEL gated_residual_kernel(hidi_real *y, const hidi_real *x, const hidi_real *gate,
                                  const hidi_real *h, size_t B, size_t T, size_t D)
{
    HIDI_FOR_ROWS (row, B * T) {
        const hidi_real *gate_b = gate + row / T * D;
        HIDI_FOR_COLUMNS (d, D)
            y[row * D + d] = x[row * D + d] + gate_b[d] * h[row * D + d];
    }
}

static void gated_residual(hidi_real *y, const hidi_real *x, const hidi_real *gate,
                           const hidi_real *h, size_t B, size_t T, size_t D)
{
    HIDI_LAUNCH_ROWS(gated_residual_kernel, B * T, D, y, x, gate, h, B, T, D);
}

void hidi_cuda_norm_slots(hidi_backend *table)
{
    table->softmax = hidi_cuda_softmax;
    table->softmax_jacobian = hidi_cuda_softmax_jacobian;
    table->layer_norm = layer_norm;
    table->layer_norm_jacobian = layer_norm_jacobian;
    table->modulate = modulate;
    table->layer_norm_modulate = layer_norm_modulate;
    table->sum_tokens = sum_tokens;
    table->gated_residual = gated_residual;
}
