/* elementwise.c - y_i from x_i alone: copies, sums, products, and maps f with their derivatives f'.
 *
 *   axpby            y_i = beta y_i + a x_i
 *   lerp             y_i = y_i + a (x_i - y_i) = x_i - (1 - a) (x_i - y_i)
 *   multiply         y_i = beta y_i + a u_i w_i
 *   from_bf16        y_ij = x_ij
 *   unary            y_i = f(x_i)
 *   unary_jacobian   out_i = beta out_i + f'(x_i) d_i
 */
#include <math.h>
#include <string.h>

#include "backend/reference/reference.h"

#define blend hidi_reference_blend

void hidi_reference_copy(hidi_real *y, const hidi_real *x, size_t n)
{
    if (n > 0)
        memmove(y, x, n * sizeof *y);
}

void hidi_reference_fill(hidi_real *y, hidi_real a, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = a;
}

void hidi_reference_copy_block(hidi_real *y, size_t ldy, hidi_real beta, const hidi_real *x,
                               size_t ldx, size_t rows, size_t n)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < n; j++)
            blend(&y[i * ldy + j], beta, x[i * ldx + j]);
}

void hidi_reference_from_bf16(hidi_real *y, const hidi_bf16 *x, size_t ldx, size_t rows, size_t n)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < n; j++)
            y[i * n + j] = hidi_from_bf16(x[i * ldx + j]);
}

void hidi_reference_axpby(hidi_real *y, hidi_real beta, hidi_real a, const hidi_real *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        blend(&y[i], beta, (double)a * x[i]);
}

void hidi_reference_lerp(hidi_real *y, hidi_real a, const hidi_real *x, size_t n)
{
    for (size_t i = 0; i < n; i++) { /* from the nearer end, so that both ends are met */
        const double way = (double)x[i] - y[i];
        y[i] = (hidi_real)(a < (hidi_real)0.5 ? y[i] + a * way : x[i] - (1 - a) * way);
    }
}

void hidi_reference_multiply(hidi_real *y, hidi_real beta, hidi_real a, const hidi_real *u,
                             const hidi_real *w, size_t n)
{
    for (size_t i = 0; i < n; i++)
        blend(&y[i], beta, (double)a * u[i] * w[i]);
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x)); /* exp(-x) = inf for very negative x is fine: 1 / inf = 0 */
}

/* GELU's tanh approximation (Hendrycks & Gimpel, arXiv 1606.08415) is x/2 (1 + tanh g), with
 * g = sqrt(2/pi) (x + 0.044715 x^3).  As (1 + tanh g)/2 = sigmoid(2 g), it is x sigmoid(2 g), which
 * does not cancel for negative x. */
static const double gelu_factor = 2 * 0.79788456080286535588; /* 2 sqrt(2/pi) */
static const double gelu_cubic = 0.044715;

/* f(x).  A NaN goes through every f. */
static double value(hidi_unary f, double x, const hidi_real p[2])
{
    switch (f) {
    case HIDI_GELU:
        return x * sigmoid(gelu_factor * (x + gelu_cubic * x * x * x));
    case HIDI_SILU:
        return x * sigmoid(x);
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
        return pow(x + p[0], p[1]);
    }
    return NAN; /* not a hidi_unary */
}

/* f'(x) */
static double derivative(hidi_unary f, double x, const hidi_real p[2])
{
    switch (f) {
    case HIDI_GELU: { /* s + x s (1 - s) 2 g' */
        double sig = sigmoid(gelu_factor * (x + gelu_cubic * x * x * x));
        return sig + x * sig * (1 - sig) * gelu_factor * (1 + 3 * gelu_cubic * x * x);
    }
    case HIDI_SILU: /* s + x s (1 - s) */
        return sigmoid(x) * (1 + x * (1 - sigmoid(x)));
    case HIDI_SOFTPLUS:
        return sigmoid(x);
    case HIDI_RELU:
        return x > 0 ? 1 : 0;
    case HIDI_ABS:
        return x > 0 ? 1 : x < 0 ? -1 : 0;
    case HIDI_SQUARE:
        return 2 * x;
    case HIDI_EXP:
        return exp(x);
    case HIDI_POWER:
        return p[1] * pow(x + p[0], p[1] - 1);
    }
    return NAN;
}

void hidi_reference_unary(hidi_unary f, hidi_real *y, const hidi_real *x, size_t n,
                          const hidi_real p[2])
{
    for (size_t i = 0; i < n; i++)
        y[i] = (hidi_real)value(f, x[i], p);
}

void hidi_reference_unary_jacobian(hidi_unary f, hidi_real *out, hidi_real beta, const hidi_real *x,
                                   const hidi_real *d, size_t n, const hidi_real p[2])
{
    for (size_t i = 0; i < n; i++)
        blend(&out[i], beta, derivative(f, x[i], p) * d[i]);
}
