/* simd.h - arithmetic that the kernels' loops inline: fused multiply-add and exp.
 *
 * Only kernels.c includes this, once for each instruction set.  exp is a polynomial because the
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
#define HIDI_ABSOLUTE(x) fabs(x)
#else
#ifdef FP_FAST_FMAF
#define HIDI_FMA(a, b, c) fmaf(a, b, c)
#endif
#define HIDI_SQRT(x) sqrtf(x)
#define HIDI_ABSOLUTE(x) fabsf(x)
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

static inline double hidi_exp_negative(double x)
{
    return exp(x);
}

#else

typedef union hidi_float_bits {
    float f;
    uint32_t u;
} hidi_float_bits;

/* e^x for x <= 0: all that softmax and the sigmoids need.  e^x = 2^n e^r, n = round(x / ln 2),
 * |r| <= ln 2 / 2, and e^r = 1 + r + r^2 q(r), where q is the minimax polynomial of degree 4 (our
 * own Remez exchange; relative error 3.3e-9, 0.03 ulp).  Below e^-87 = 1.6e-38, where floats lose
 * their digits, the result is 0; a NaN passes through. */
static inline float hidi_exp_negative(float x)
{
    const float shifter = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer */
    const float ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f; /* n * ln2_high is exact */
    hidi_float_bits z, power;
    float n, r, q;

    z.f = HIDI_FMA(x, 1.44269504f, shifter);
    n = z.f - shifter;
    r = HIDI_FMA(n, -ln2_high, x);
    r = HIDI_FMA(n, -ln2_low, r);
    q = HIDI_FMA(r, 1.38131447e-3f, 8.369418827e-3f);
    q = HIDI_FMA(q, r, 4.166845678e-2f);
    q = HIDI_FMA(q, r, 1.666651479e-1f);
    q = HIDI_FMA(q, r, 4.999999305e-1f);
    power.f = 1.0f + HIDI_FMA(q * r, r, r);
    power.u += z.u << 23; /* the low bits of z are n: n is added to the exponent */
    return x < -87.0f ? 0.0f : power.f;
}

#endif
#endif
