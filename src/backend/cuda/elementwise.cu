/* elementwise.cu - fills, copies of blocks, and maps of single elements with their derivatives.
 *
 * One element per thread: neighbouring threads read neighbouring memory, and as each element is
 * written by the thread that read it, outputs may be inputs.
 */
#include "backend/cuda/kernels.h"

/* y_i = a */
HIDI_KERNEL fill_kernel(hidi_real *y, hidi_real a, size_t n)
{
    HIDI_FOR_ELEMENTS (i, n)
        y[i] = a;
}

static void fill(hidi_real *y, hidi_real a, size_t n)
{
    HIDI_LAUNCH_ELEMENTS(fill_kernel, n, y, a, n);
}

/* y[i, j] = beta y[i, j] + x[i, j], rows ldy and ldx apart */
HIDI_KERNEL copy_block_kernel(hidi_real *y, size_t ldy, hidi_real beta, const hidi_real *x,
                              size_t ldx, size_t rows, size_t n)
{
    HIDI_FOR_ROWS (i, rows)
        HIDI_FOR_COLUMNS (j, n)
            blend(&y[i * ldy + j], beta, x[i * ldx + j]);
}

static void copy_block(hidi_real *y, size_t ldy, hidi_real beta, const hidi_real *x, size_t ldx,
                       size_t rows, size_t n)
{
    HIDI_LAUNCH_ROWS(copy_block_kernel, rows, n, y, ldy, beta, x, ldx, rows, n);
}

/* y[i, j] = x[i, j], rows of x ldx apart */
HIDI_KERNEL from_bf16_kernel(hidi_real *y, const hidi_bf16 *x, size_t ldx, size_t rows, size_t n)
{
    HIDI_FOR_ROWS (i, rows)
        HIDI_FOR_COLUMNS (j, n) {
            const uint32_t bits = (uint32_t)x[i * ldx + j] << 16;
            float single;

            memcpy(&single, &bits, sizeof single);
            y[i * n + j] = single;
        }
}

static void from_bf16(hidi_real *y, const hidi_bf16 *x, size_t ldx, size_t rows, size_t n)
{
    HIDI_LAUNCH_ROWS(from_bf16_kernel, rows, n, y, x, ldx, rows, n);
}

/* y_i = beta y_i + a x_i */
HIDI_KERNEL axpby_kernel(hidi_real *y, hidi_real beta, hidi_real a, const hidi_real *x, size_t n)
{
    HIDI_FOR_ELEMENTS (i, n)
        blend(&y[i], beta, a * x[i]);
}

static void axpby(hidi_real *y, hidi_real beta, hidi_real a, const hidi_real *x, size_t n)
{
    HIDI_LAUNCH_ELEMENTS(axpby_kernel, n, y, beta, a, x, n);
}

/* y_i = y_i + a (x_i - y_i), from the nearer end */
HIDI_KERNEL lerp_kernel(hidi_real *y, hidi_real a, const hidi_real *x, size_t n)
{
    HIDI_FOR_ELEMENTS (i, n)
        y[i] = a < (hidi_real)0.5 ? y[i] + a * (x[i] - y[i]) : x[i] - (1 - a) * (x[i] - y[i]);
}

static void lerp(hidi_real *y, hidi_real a, const hidi_real *x, size_t n)
{
    HIDI_LAUNCH_ELEMENTS(lerp_kernel, n, y, a, x, n);
}

/* y_i = beta y_i + a u_i w_i */
HIDI_KERNEL multiply_kernel(hidi_real *y, hidi_real beta, hidi_real a, const hidi_real *u,
                            const hidi_real *w, size_t n)
{
    HIDI_FOR_ELEMENTS (i, n)
        blend(&y[i], beta, a * u[i] * w[i]);
}

static void multiply(hidi_real *y, hidi_real beta, hidi_real a, const hidi_real *u,
                     const hidi_real *w, size_t n)
{
    HIDI_LAUNCH_ELEMENTS(multiply_kernel, n, y, beta, a, u, w, n);
}

/* --- maps ------------------------------------------------------------------------------------ */

/* sigmoid(u) and sigmoid(-u) = 1 - sigmoid(u), from e = exp(-|u|), which cannot overflow; neither
 * cancels in its tail. */
struct sigmoid_pair {
    hidi_real plus, minus;
};

static __device__ inline sigmoid_pair sigmoid(hidi_real u)
{
    hidi_real e = exp(-fabs(u)), small = e / (1 + e), large = 1 / (1 + e);
    sigmoid_pair s;

    s.plus = u < 0 ? small : large;
    s.minus = u < 0 ? large : small;
    return s;
}

/* x between -limit and limit; a NaN stays */
static __device__ inline hidi_real clamp(hidi_real x, hidi_real limit)
{
    return x > limit ? limit : x < -limit ? -limit : x;
}

/* GELU's tanh approximation (Hendrycks & Gimpel, arXiv 1606.08415), as in reference/elementwise.c:
 * x/2 (1 + tanh g) = x sigmoid(u), u = 2 g = c x (1 + a x^2). */
#define GELU_C ((hidi_real)1.59576912160573071176) /* 2 sqrt(2 / pi) */
#define GELU_A ((hidi_real)0.044715)

static __device__ inline hidi_real gelu(hidi_real x)
{
    return x * sigmoid(GELU_C * x * (1 + GELU_A * x * x)).plus;
}

/* sigmoid(u) + x sigmoid'(u) du/dx,  du/dx = c (1 + 3 a x^2).  Beyond |x| = 30 the second term is 0
 * in double precision too; the limit keeps x^3 from overflowing to 0 * infinity. */
static __device__ inline hidi_real gelu_derivative(hidi_real x)
{
    hidi_real z = clamp(x, 30);
    sigmoid_pair s = sigmoid(GELU_C * z * (1 + GELU_A * z * z));

    return s.plus + z * GELU_C * (1 + 3 * GELU_A * z * z) * s.plus * s.minus;
}

/* sigmoid(x) + x sigmoid'(x); beyond |x| = 1000 the second term is 0 in double precision too */
static __device__ inline hidi_real silu_derivative(hidi_real x)
{
    hidi_real z = clamp(x, 1000);
    sigmoid_pair s = sigmoid(z);

    return s.plus + z * s.plus * s.minus;
}

/* f(x).  A NaN goes through every f. */
static __device__ inline hidi_real value(hidi_unary f, hidi_real x, hidi_real p0, hidi_real p1)
{
    switch (f) {
    case HIDI_GELU:
        return gelu(x);
    case HIDI_SILU:
        return x * sigmoid(x).plus;
    case HIDI_SOFTPLUS: /* log(1 + e^x) = max(x, 0) + log(1 + e^-|x|) */
        return (x < 0 ? 0 : x) + log1p(exp(-fabs(x)));
    case HIDI_RELU:
        return x < 0 ? 0 : x;
    case HIDI_ABS:
        return fabs(x);
    case HIDI_SQUARE:
        return x * x;
    case HIDI_EXP:
        return exp(x);
    case HIDI_POWER:
        return pow(x + p0, p1);
    }
    return (hidi_real)NAN; /* not a hidi_unary */
}

/* f'(x) */
static __device__ inline hidi_real derivative(hidi_unary f, hidi_real x, hidi_real p0, hidi_real p1)
{
    switch (f) {
    case HIDI_GELU:
        return gelu_derivative(x);
    case HIDI_SILU:
        return silu_derivative(x);
    case HIDI_SOFTPLUS:
        return sigmoid(x).plus;
    case HIDI_RELU:
        return (hidi_real)(x > 0);
    case HIDI_ABS:
        return (hidi_real)((x > 0) - (x < 0));
    case HIDI_SQUARE:
        return 2 * x;
    case HIDI_EXP:
        return exp(x);
    case HIDI_POWER:
        return p1 * pow(x + p0, p1 - 1);
    }
    return (hidi_real)NAN;
}

/* y_i = f(x_i) */
HIDI_KERNEL unary_kernel(hidi_unary f, hidi_real *y, const hidi_real *x, size_t n, hidi_real p0,
                         hidi_real p1)
{
    HIDI_FOR_ELEMENTS (i, n)
        y[i] = value(f, x[i], p0, p1);
}

/* The parameters are in the host's memory, and only POWER has any. */
static void unary(hidi_unary f, hidi_real *y, const hidi_real *x, size_t n, const hidi_real p[2])
{
    hidi_real p0 = f == HIDI_POWER ? p[0] : 0, p1 = f == HIDI_POWER ? p[1] : 0;

    HIDI_LAUNCH_ELEMENTS(unary_kernel, n, f, y, x, n, p0, p1);
}

/* out_i = beta out_i + f'(x_i) d_i */
HIDI_KERNEL unary_jacobian_kernel(hidi_unary f, hidi_real *out, hidi_real beta, const hidi_real *x,
                                  const hidi_real *d, size_t n, hidi_real p0, hidi_real p1)
{
    HIDI_FOR_ELEMENTS (i, n)
        blend(&out[i], beta, derivative(f, x[i], p0, p1) * d[i]);
}

static void unary_jacobian(hidi_unary f, hidi_real *out, hidi_real beta, const hidi_real *x,
                           const hidi_real *d, size_t n, const hidi_real p[2])
{
    hidi_real p0 = f == HIDI_POWER ? p[0] : 0, p1 = f == HIDI_POWER ? p[1] : 0;

    HIDI_LAUNCH_ELEMENTS(unary_jacobian_kernel, n, f, out, beta, x, d, n, p0, p1);
}

void hidi_cuda_elementwise_slots(hidi_backend *table)
{
    table->fill = fill;
    table->copy_block = copy_block;
    table->from_bf16 = from_bf16;
    table->axpby = axpby;
    table->lerp = lerp;
    table->multiply = multiply;
    table->unary = unary;
    table->unary_jacobian = unary_jacobian;
}
