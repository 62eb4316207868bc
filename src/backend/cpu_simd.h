/* cpu_simd.h - arithmetic that the kernels' loops inline: fused multiply-add and exp.
 *
 * Only cpu_kernels.c includes this, once for each instruction set.  exp is a polynomial because the
 * C library's cannot be vectorised without -ffast-math; the double build, which is there to check
 * gradients, takes the C library's.
 */
#ifndef HIDI_BACKEND_CPU_SIMD_H
#define HIDI_BACKEND_CPU_SIMD_H

#include <math.h>
#include <stdint.h>

#include "core/real.h"

#define HIDI_PRAGMA(text) _Pragma(#text)
#define HIDI_SIMD HIDI_PRAGMA(omp simd)
#define HIDI_SIMD_SUM(...) HIDI_PRAGMA(omp simd reduction(+ : __VA_ARGS__))

/* a b + c: fused where that is one instruction, since -std=c99 does not contract by itself. */
#ifdef HIDI_DOUBLE
#ifdef FP_FAST_FMA
#define HIDI_FMA(a, b, c) fma(a, b, c)
#endif
#define HIDI_SQRT(x) sqrt(x)
#else
#ifdef FP_FAST_FMAF
#define HIDI_FMA(a, b, c) fmaf(a, b, c)
#endif
#define HIDI_SQRT(x) sqrtf(x)
#endif
#ifndef HIDI_FMA
#define HIDI_FMA(a, b, c) ((a) * (b) + (c))
#endif

/* y[i] = beta y[i] + value, i < n, without reading y if beta is 0; `value` may use i. */
#define HIDI_ACCUMULATE(i, n, y, beta, value)                                                      \
    do {                                                                                           \
        if ((beta) == 0) {                                                                         \
            HIDI_SIMD                                                                              \
            for (size_t i = 0; i < (n); i++)                                                       \
                (y)[i] = (value);                                                                  \
        } else {                                                                                   \
            HIDI_SIMD                                                                              \
            for (size_t i = 0; i < (n); i++)                                                       \
                (y)[i] = HIDI_FMA(beta, (y)[i], value);                                            \
        }                                                                                          \
    } while (0)

#ifdef HIDI_DOUBLE

static inline double hidi_exp(double x)
{
    return exp(x);
}

#else

typedef union hidi_float_bits {
    float f;
    uint32_t u;
} hidi_float_bits;

/* e^x = 2^n e^r, n = round(x / ln 2), |r| <= ln 2 / 2; e^r = 1 + r + r^2 q(r), where q is the
 * minimax polynomial of degree 4 (our own Remez exchange, relative error 3.3e-9 = 0.03 ulp).
 * 2^n is applied in two halves, so that results down to the smallest subnormal and up to infinity
 * come out right; a NaN passes through the comparisons and the polynomial. */
static inline float hidi_exp(float x)
{
    const float shifter = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer */
    const float ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f; /* n * ln2_high is exact */
    hidi_float_bits z, low, high;
    float n, r, q;

    x = x > 89.0f ? 89.0f : x;     /* e^89 is above the largest float, and e^-104 rounds to 0 */
    x = x < -104.0f ? -104.0f : x;
    z.f = HIDI_FMA(x, 1.44269504f, shifter);
    n = z.f - shifter;
    r = HIDI_FMA(n, -ln2_high, x);
    r = HIDI_FMA(n, -ln2_low, r);
    q = HIDI_FMA(r, 1.38131447e-3f, 8.369418827e-3f);
    q = HIDI_FMA(q, r, 4.166845678e-2f);
    q = HIDI_FMA(q, r, 1.666651479e-1f);
    q = HIDI_FMA(q, r, 4.999999305e-1f);
    q = HIDI_FMA(q * r, r, r);
    z.u = z.u - 0x4b400000u + 256u; /* n + 256, which is positive */
    low.u = (z.u / 2 - 1) << 23;    /* 2^(n/2): exponent n/2 + 127 */
    high.u = (z.u - z.u / 2 - 1) << 23;
    return (1.0f + q) * low.f * high.f;
}

#endif
#endif
