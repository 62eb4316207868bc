/* kernels.c - the vectorised inner loops, compiled once for each instruction set.
 *
 * Plain loops that the compiler vectorises (`omp simd` allows it to reorder sums, and to assume
 * that arrays are the same or disjoint), so the code is the same for all variants.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "backend/cpu/conv_panel.h"
#include "backend/cpu/kernels.h"
#include "backend/cpu/simd.h"
#include "backend/cpu/small_gemm.h"

#ifndef HIDI_CPU_VARIANT
#define HIDI_CPU_VARIANT baseline
#endif

/* --- element-wise ---------------------------------------------------------------------------- */

static void from_bf16(hidi_real *y, const hidi_bf16 *x, size_t n)
{
    HIDI_SIMD
    for (size_t i = 0; i < n; i++)
        y[i] = hidi_from_bf16(x[i]);
}

static void axpby(hidi_real *y, hidi_real beta, hidi_real a, const hidi_real *x, size_t n)
{
    HIDI_ACCUMULATE(i, n, y, beta, a * x[i]);
}

static void lerp(hidi_real *y, hidi_real a, const hidi_real *x, size_t n)
{
    if (a < (hidi_real)0.5) {
        HIDI_SIMD
        for (size_t i = 0; i < n; i++)
            y[i] += a * (x[i] - y[i]);
    } else { /* from the nearer end, so that both ends are met */
        HIDI_SIMD
        for (size_t i = 0; i < n; i++)
            y[i] = x[i] - (1 - a) * (x[i] - y[i]);
    }
}

static void multiply(hidi_real *y, hidi_real beta, hidi_real a, const hidi_real *u,
                     const hidi_real *w, size_t n)
{
    HIDI_ACCUMULATE(i, n, y, beta, a * u[i] * w[i]);
}

static inline hidi_real larger(hidi_real best, hidi_real x)
{
    return x > best || x != x ? x : best;
}

static void maximum(hidi_real *y, const hidi_real *x, size_t stride, size_t n)
{
    if (stride == 1) {
        HIDI_SIMD
        for (size_t i = 0; i < n; i++)
            y[i] = larger(y[i], x[i]);
    } else {
        HIDI_SIMD
        for (size_t i = 0; i < n; i++)
            y[i] = larger(y[i], x[i * stride]);
    }
}

/* e = exp(-|u|) cannot overflow, and gives both sigmoid(u) = (u < 0 ? e : 1) / (1 + e) and
 * sigmoid'(u) = e / (1 + e)^2 without cancellation in either tail. */
static inline hidi_real sigmoid_numerator(hidi_real u, hidi_real e)
{
    return u < 0 ? e : (hidi_real)1;
}

static inline hidi_real exp_minus_abs(hidi_real u)
{
    return hidi_exp_negative(-HIDI_ABSOLUTE(u));
}

/* GELU, tanh form: x/2 (1 + tanh g) = x sigmoid(2 g), 2 g = c x (1 + a x^2). */
static const hidi_real gelu_c = (hidi_real)1.59576912160573071176; /* 2 sqrt(2 / pi) */
static const hidi_real gelu_a = (hidi_real)0.044715;

static inline hidi_real gelu_argument(hidi_real x)
{
    return gelu_c * x * HIDI_FMA(gelu_a * x, x, (hidi_real)1);
}

static inline hidi_real gelu(hidi_real x)
{
    hidi_real u = gelu_argument(x), e = exp_minus_abs(u);

    return x * sigmoid_numerator(u, e) / (1 + e);
}

/* sigmoid(u) + x sigmoid'(u) du/dx,  du/dx = c (1 + 3 a x^2).  Beyond |x| = 30 the second term is
 * 0 in double precision too; the limit keeps x^3 from overflowing to 0 * infinity. */
static inline hidi_real gelu_derivative(hidi_real x)
{
    hidi_real z = x > 30 ? (hidi_real)30 : x, u, e, r, slope;

    z = z < -30 ? (hidi_real)-30 : z;
    u = gelu_argument(z);
    e = exp_minus_abs(u);
    r = 1 / (1 + e);
    slope = z * gelu_c * HIDI_FMA(3 * gelu_a * z, z, (hidi_real)1);
    return HIDI_FMA(slope * e * r, r, sigmoid_numerator(u, e) * r);
}

static inline hidi_real silu(hidi_real x)
{
    hidi_real e = exp_minus_abs(x);

    return x * sigmoid_numerator(x, e) / (1 + e);
}

/* sigmoid(x) + x sigmoid'(x); beyond |x| = 1000 the second term is 0 in double precision too */
static inline hidi_real silu_derivative(hidi_real x)
{
    hidi_real z = x > 1000 ? (hidi_real)1000 : x, e, r;

    z = z < -1000 ? (hidi_real)-1000 : z;
    e = exp_minus_abs(z);
    r = 1 / (1 + e);
    return HIDI_FMA(z * e * r, r, sigmoid_numerator(z, e) * r);
}

static void unary(hidi_unary f, hidi_real *y, const hidi_real *x, size_t n)
{
    switch (f) {
    case HIDI_GELU:
        HIDI_ACCUMULATE(i, n, y, 0, gelu(x[i]));
        break;
    case HIDI_SILU:
        HIDI_ACCUMULATE(i, n, y, 0, silu(x[i]));
        break;
    case HIDI_RELU: /* a NaN passes through */
        HIDI_ACCUMULATE(i, n, y, 0, x[i] < 0 ? (hidi_real)0 : x[i]);
        break;
    case HIDI_ABS:
        HIDI_ACCUMULATE(i, n, y, 0, HIDI_ABSOLUTE(x[i]));
        break;
    case HIDI_SQUARE:
        HIDI_ACCUMULATE(i, n, y, 0, x[i] * x[i]);
        break;
    case HIDI_SOFTPLUS:
    case HIDI_EXP:
    case HIDI_POWER:
        break; /* the caller's */
    }
}

static void unary_jacobian(hidi_unary f, hidi_real *out, hidi_real beta, const hidi_real *x,
                           const hidi_real *d, size_t n)
{
    const hidi_real zero = 0;

    switch (f) {
    case HIDI_GELU:
        HIDI_ACCUMULATE(i, n, out, beta, gelu_derivative(x[i]) * d[i]);
        break;
    case HIDI_SILU:
        HIDI_ACCUMULATE(i, n, out, beta, silu_derivative(x[i]) * d[i]);
        break;
    case HIDI_RELU:
        HIDI_ACCUMULATE(i, n, out, beta, (x[i] > 0 ? (hidi_real)1 : zero) * d[i]);
        break;
    case HIDI_ABS:
        HIDI_ACCUMULATE(i, n, out, beta,
                        (x[i] > 0 ? (hidi_real)1 : x[i] < 0 ? (hidi_real)-1 : zero) * d[i]);
        break;
    case HIDI_SQUARE:
        HIDI_ACCUMULATE(i, n, out, beta, 2 * x[i] * d[i]);
        break;
    case HIDI_SOFTPLUS:
    case HIDI_EXP:
    case HIDI_POWER:
        break; /* the caller's */
    }
}

/* --- sums ------------------------------------------------------------------------------------ */

static double dot(const hidi_real *x, const hidi_real *w, size_t n)
{
    double sum = 0;

    if (w) {
        HIDI_SIMD_SUM(sum)
        for (size_t i = 0; i < n; i++)
            sum += (double)x[i] * (double)w[i];
    } else {
        HIDI_SIMD_SUM(sum)
        for (size_t i = 0; i < n; i++)
            sum += (double)x[i];
    }
    return sum;
}

static inline hidi_real sum_of(const hidi_real *x, size_t n)
{
    hidi_real sum = 0;

    HIDI_SIMD_SUM(sum)
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return sum;
}

static inline hidi_real inner_product(const hidi_real *x, const hidi_real *w, size_t n)
{
    hidi_real sum = 0;

    HIDI_SIMD_SUM(sum)
    for (size_t i = 0; i < n; i++)
        sum += x[i] * w[i];
    return sum;
}

enum { SUM_ROWS = 256, SUM_COLUMNS = 512 }; /* one block's sums: 2 or 4 KB, in the L1 cache */

/* sums[j] += sum of x[i ld + j] w[i ld + j] over a few rows: four rows to each access of sums */
static void add_columns(hidi_real *sums, const hidi_real *x, const hidi_real *w, size_t ld,
                        size_t rows, size_t n)
{
    size_t i = 0;

    for (; i + 4 <= rows; i += 4) {
        const hidi_real *a = x + i * ld, *b = a + ld, *c = b + ld, *d = c + ld;
        if (w) {
            const hidi_real *p = w + i * ld, *q = p + ld, *r = q + ld, *s = r + ld;
            HIDI_SIMD
            for (size_t j = 0; j < n; j++)
                sums[j] += (a[j] * p[j] + b[j] * q[j]) + (c[j] * r[j] + d[j] * s[j]);
        } else {
            HIDI_SIMD
            for (size_t j = 0; j < n; j++)
                sums[j] += (a[j] + b[j]) + (c[j] + d[j]);
        }
    }
    for (; i < rows; i++) {
        if (w)
            HIDI_ACCUMULATE(j, n, sums, (hidi_real)1, x[i * ld + j] * w[i * ld + j]);
        else
            HIDI_ACCUMULATE(j, n, sums, (hidi_real)1, x[i * ld + j]);
    }
}

/* In blocks, whose sums are summed: rounding grows with SUM_ROWS + rows / SUM_ROWS, not rows. */
static void sum_columns(hidi_real *out, hidi_real beta, const hidi_real *x, const hidi_real *w,
                        size_t ld, size_t rows, size_t n)
{
    hidi_real sums[SUM_COLUMNS];

    for (size_t j = 0; j < n; j += SUM_COLUMNS) {
        size_t width = n - j < SUM_COLUMNS ? n - j : SUM_COLUMNS;
        hidi_real keep = beta;
        size_t i = 0;
        do { /* once even if there are no rows: out = beta out */
            size_t height = rows - i < SUM_ROWS ? rows - i : SUM_ROWS;
            for (size_t l = 0; l < width; l++)
                sums[l] = 0;
            add_columns(sums, x + i * ld + j, w ? w + i * ld + j : NULL, ld, height, width);
            HIDI_ACCUMULATE(l, width, out + j, keep, sums[l]);
            keep = 1;
            i += height;
        } while (i < rows);
    }
}

static hidi_real dot_row(const hidi_real *x, const hidi_real *w, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i += SUM_COLUMNS) {
        size_t width = n - i < SUM_COLUMNS ? n - i : SUM_COLUMNS;
        sum += (double)(w ? inner_product(x + i, w + i, width) : sum_of(x + i, width));
    }
    return (hidi_real)sum;
}

/* --- softmax --------------------------------------------------------------------------------- */

/* The largest x[i], n >= 1, in lanes: compilers do not vectorise the reduction of a maximum, as its
 * result would depend on the order if there is a NaN.  Here that does not matter: exp(x - largest)
 * is then NaN for that element, and so the whole row is. */
static inline hidi_real largest(const hidi_real *x, size_t n)
{
    hidi_real lane[LANES], max = x[0];
    size_t i = 0;

    if (n >= LANES) {
        memcpy(lane, x, sizeof lane);
        for (i = LANES; i + LANES <= n; i += LANES) {
            HIDI_SIMD
            for (size_t l = 0; l < LANES; l++)
                lane[l] = x[i + l] > lane[l] ? x[i + l] : lane[l];
        }
        for (size_t half = LANES / 2; half > 0; half /= 2)
            for (size_t l = 0; l < half; l++)
                lane[l] = lane[l + half] > lane[l] ? lane[l + half] : lane[l];
        max = lane[0];
    }
    for (; i < n; i++)
        max = x[i] > max ? x[i] : max;
    return max;
}

enum { SOFTMAX_BLOCK = 2048 }; /* elements: in the L1 cache for all three passes */

/* Several rows at a time: the exponentials are then one long loop, also where rows are short. */
static void softmax(hidi_real *y, hidi_real a, const hidi_real *x, size_t rows, size_t n)
{
    size_t block = n > 0 && n < SOFTMAX_BLOCK ? SOFTMAX_BLOCK / n : 1, height;

    for (; rows > 0 && n > 0; rows -= height, x += height * n, y += height * n) {
        height = rows < block ? rows : block;
        for (size_t r = 0; r < height; r++) {
            hidi_real max = largest(x + r * n, n);
            HIDI_ACCUMULATE(i, n, y + r * n, 0, a * (x[r * n + i] - max));
        }
        HIDI_ACCUMULATE(i, height * n, y, 0, hidi_exp_negative(y[i]));
        for (size_t r = 0; r < height; r++) {
            hidi_real scale = 1 / sum_of(y + r * n, n);
            HIDI_ACCUMULATE(i, n, y + r * n, 0, scale * y[r * n + i]);
        }
    }
}

static void softmax_jacobian(hidi_real *out, hidi_real beta, hidi_real a, const hidi_real *y,
                             const hidi_real *d, size_t rows, size_t n)
{
    for (; rows > 0; rows--, out += n, y += n, d += n) {
        hidi_real mean = inner_product(y, d, n);
        HIDI_ACCUMULATE(i, n, out, beta, a * y[i] * (d[i] - mean));
    }
}

/* --- layer norm ------------------------------------------------------------------------------ */

enum { NORM_BLOCK = 4096 }; /* elements that are summed in real; sums of blocks are in double */

/* sum_i (x[i] - mean)^2; long rows (a group of channels of a large image) by blocks, as dot_row */
static hidi_real squared_deviations(const hidi_real *x, hidi_real mean, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i += NORM_BLOCK) {
        const size_t end = n - i < NORM_BLOCK ? n : i + NORM_BLOCK;
        hidi_real squares = 0;

        HIDI_SIMD_SUM(squares)
        for (size_t j = i; j < end; j++)
            squares += (x[j] - mean) * (x[j] - mean);
        sum += (double)squares;
    }
    return (hidi_real)sum;
}

static hidi_real mean_of(const hidi_real *x, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i += NORM_BLOCK)
        sum += (double)sum_of(x + i, n - i < NORM_BLOCK ? n - i : NORM_BLOCK);
    return (hidi_real)sum / (hidi_real)n;
}

static void layer_norm(hidi_real *y, hidi_real *rstd, const hidi_real *x, size_t rows, size_t n,
                       hidi_real eps)
{
    for (size_t r = 0; r < rows; r++, y += n, x += n) {
        const hidi_real mean = mean_of(x, n);
        const hidi_real factor =
            1 / HIDI_SQRT(squared_deviations(x, mean, n) / (hidi_real)n + eps);

        rstd[r] = factor;
        HIDI_SIMD
        for (size_t i = 0; i < n; i++)
            y[i] = (x[i] - mean) * factor;
    }
}

static void layer_norm_jacobian(hidi_real *out, hidi_real beta, const hidi_real *y,
                                const hidi_real *rstd, const hidi_real *d, size_t rows, size_t n)
{
    for (size_t r = 0; r < rows; r++, out += n, y += n, d += n) {
        hidi_real mean_d, mean_yd, factor = rstd[r];
        double sums[2] = { 0, 0 };

        for (size_t i = 0; i < n; i += NORM_BLOCK) {
            const size_t end = n - i < NORM_BLOCK ? n : i + NORM_BLOCK;
            hidi_real sum = 0, product = 0;

            HIDI_SIMD_SUM(sum, product)
            for (size_t j = i; j < end; j++) {
                sum += d[j];
                product += y[j] * d[j];
            }
            sums[0] += (double)sum;
            sums[1] += (double)product;
        }
        mean_d = (hidi_real)sums[0] / (hidi_real)n;
        mean_yd = (hidi_real)sums[1] / (hidi_real)n;
        HIDI_ACCUMULATE(i, n, out, beta, factor * (d[i] - mean_d - y[i] * mean_yd));
    }
}

/* --- modulation ------------------------------------------------------------------------------ */

static void modulate_row(hidi_real *y, hidi_real beta, const hidi_real *x, hidi_real offset,
                         const hidi_real *scale, const hidi_real *shift, size_t n)
{
    if (scale && shift)
        HIDI_ACCUMULATE(i, n, y, beta, HIDI_FMA(x[i], offset + scale[i], shift[i]));
    else if (scale)
        HIDI_ACCUMULATE(i, n, y, beta, x[i] * (offset + scale[i]));
    else if (shift)
        HIDI_ACCUMULATE(i, n, y, beta, HIDI_FMA(x[i], offset, shift[i]));
    else
        HIDI_ACCUMULATE(i, n, y, beta, x[i] * offset);
}

static void affine_row(hidi_real *y, hidi_real beta, const hidi_real *x, hidi_real scale,
                       hidi_real shift, size_t n)
{
    HIDI_ACCUMULATE(i, n, y, beta, HIDI_FMA(scale, x[i], shift));
}

static void gated_residual_row(hidi_real *y, const hidi_real *x, const hidi_real *gate,
                               const hidi_real *h, size_t n)
{
    HIDI_ACCUMULATE(i, n, y, 0, HIDI_FMA(gate[i], h[i], x[i]));
}

/* --- nearest-neighbour upsampling ------------------------------------------------------------ */

static void upsample_row(hidi_real *y, hidi_real beta, const hidi_real *x, size_t n)
{
    HIDI_ACCUMULATE(i, 2 * n, y, beta, x[i / 2]);
}

static void sum_pairs(hidi_real *y, hidi_real beta, const hidi_real *above, const hidi_real *below,
                      size_t n)
{
    HIDI_ACCUMULATE(i, n, y, beta,
                    above[2 * i] + above[2 * i + 1] + (below[2 * i] + below[2 * i + 1]));
}

/* --- optimiser ------------------------------------------------------------------------------- */

static void adamw(hidi_real *w, const hidi_real *g, hidi_real *m, hidi_real *v, size_t n,
                  const hidi_cpu_adamw_factors *factors)
{
    const hidi_cpu_adamw_factors f = *factors;

    HIDI_SIMD
    for (size_t i = 0; i < n; i++) {
        hidi_real grad = g[i] * f.scale;
        hidi_real first = f.b1 * m[i] + f.one_b1 * grad;
        hidi_real second = f.b2 * v[i] + f.one_b2 * (grad * grad);
        hidi_real step = f.rate * first / (HIDI_SQRT(second) * f.root + f.eps);
        w[i] -= f.decay * w[i] + step;
        m[i] = first;
        v[i] = second;
    }
}

/* --- the table ------------------------------------------------------------------------------- */

#define PASTE(a, b) a##b
#define TABLE(variant) PASTE(hidi_cpu_kernels_, variant)
#define QUOTE(text) #text
#define NAME(variant) QUOTE(variant)

const hidi_cpu_kernels TABLE(HIDI_CPU_VARIANT) = {
    .name = NAME(HIDI_CPU_VARIANT),
    .from_bf16 = from_bf16,
    .axpby = axpby,
    .lerp = lerp,
    .multiply = multiply,
    .unary = unary,
    .unary_jacobian = unary_jacobian,
    .dot = dot,
    .dot_row = dot_row,
    .sum_columns = sum_columns,
    .softmax = softmax,
    .softmax_jacobian = softmax_jacobian,
    .layer_norm = layer_norm,
    .layer_norm_jacobian = layer_norm_jacobian,
    .modulate_row = modulate_row,
    .affine_row = affine_row,
    .upsample_row = upsample_row,
    .sum_pairs = sum_pairs,
    .gated_residual_row = gated_residual_row,
    .gemm = small_gemm,
    .conv_lanes = LANES,
    .conv_panel = CONV_PANEL,
    .conv_strip = CONV_STRIP,
    .conv_gather = conv_gather,
    .conv_gather_shifted = conv_gather_shifted,
    .conv_product = conv_product,
    .maximum = maximum,
    .adamw = adamw,
};
