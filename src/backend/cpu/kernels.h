/* kernels.h - the vectorised inner loops of the cpu backend.
 *
 * kernels.c is compiled once for each instruction set, with -DHIDI_CPU_VARIANT=baseline, avx2
 * or avx512, and exports one table per variant; cpu.c chooses a table when the program runs.  Every
 * kernel is serial and works on the range it is given: threads live outside.
 * `beta` and aliasing are as in backend.h.
 */
#ifndef HIDI_BACKEND_CPU_KERNELS_H
#define HIDI_BACKEND_CPU_KERNELS_H

#include <stdbool.h>
#include <stddef.h>

#include "backend/backend.h"

/* Rows of op(B) that the gemm kernel can hold in its buffer: it takes k <= HIDI_CPU_GEMM_MAX_K. */
#define HIDI_CPU_GEMM_MAX_K 256

/* The factors of one AdamW step that do not depend on the element. */
typedef struct hidi_cpu_adamw_factors {
    hidi_real scale;      /* of the gradient                       */
    hidi_real decay;      /* lr * decay                            */
    hidi_real b1, b2;
    hidi_real one_b1;     /* 1 - b1, from double                   */
    hidi_real one_b2;     /* 1 - b2                                */
    hidi_real rate;       /* lr / (1 - b1^step)                    */
    hidi_real root;       /* 1 / sqrt(1 - b2^step)                 */
    hidi_real eps;
} hidi_cpu_adamw_factors;

/* A run of positions of a panel, under one tap of a convolution: from pixel `pixel` of a channel
 * on, or zeros. */
typedef struct hidi_cpu_conv_segment {
    size_t to, count, pixel; /* to: where in the panel's row */
    bool is_padding;
} hidi_cpu_conv_segment;

typedef struct hidi_cpu_kernels {
    const char *name; /* "baseline", "avx2", "avx512" */

    void (*from_bf16)(hidi_real *y, const hidi_bf16 *x, size_t n);
    void (*axpby)(hidi_real *y, hidi_real beta, hidi_real a, const hidi_real *x, size_t n);
    void (*lerp)(hidi_real *y, hidi_real a, const hidi_real *x, size_t n);
    void (*multiply)(hidi_real *y, hidi_real beta, hidi_real a, const hidi_real *u,
                     const hidi_real *w, size_t n);
    /* Every map but SOFTPLUS and POWER, which stay with the reference backend. */
    void (*unary)(hidi_unary f, hidi_real *y, const hidi_real *x, size_t n);
    void (*unary_jacobian)(hidi_unary f, hidi_real *out, hidi_real beta, const hidi_real *x,
                           const hidi_real *d, size_t n);

    /* sum_i x[i] w[i];  w NULL: ones.  In double, or in real with sums of blocks in double. */
    double (*dot)(const hidi_real *x, const hidi_real *w, size_t n);
    hidi_real (*dot_row)(const hidi_real *x, const hidi_real *w, size_t n);
    /* out[j] = beta out[j] + sum_i x[i ld + j] w[i ld + j], i < rows, j < n;  w NULL: ones */
    void (*sum_columns)(hidi_real *out, hidi_real beta, const hidi_real *x, const hidi_real *w,
                        size_t ld, size_t rows, size_t n);

    /* y = softmax(a x), a > 0, and out = beta out + a J d: attention's a is 1 / sqrt(Dh). */
    void (*softmax)(hidi_real *y, hidi_real a, const hidi_real *x, size_t rows, size_t n);
    void (*softmax_jacobian)(hidi_real *out, hidi_real beta, hidi_real a, const hidi_real *y,
                             const hidi_real *d, size_t rows, size_t n);
    void (*layer_norm)(hidi_real *y, hidi_real *rstd, const hidi_real *x, size_t rows, size_t n,
                       hidi_real eps);
    void (*layer_norm_jacobian)(hidi_real *out, hidi_real beta, const hidi_real *y,
                                const hidi_real *rstd, const hidi_real *d, size_t rows, size_t n);

    /* One row: y = beta y + x (offset + scale) + shift, and y = x + gate h. */
    void (*modulate_row)(hidi_real *y, hidi_real beta, const hidi_real *x, hidi_real offset,
                         const hidi_real *scale, const hidi_real *shift, size_t n);
    /* One channel: y = beta y + scale x + shift. */
    void (*affine_row)(hidi_real *y, hidi_real beta, const hidi_real *x, hidi_real scale,
                       hidi_real shift, size_t n);
    void (*gated_residual_row)(hidi_real *y, const hidi_real *x, const hidi_real *gate,
                               const hidi_real *h, size_t n);

    /* C = beta C + alpha op(A) op(B) for matrices that are too small for BLAS. */
    void (*gemm)(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k, hidi_real alpha,
                 const hidi_real *a, size_t lda, const hidi_real *b, size_t ldb, hidi_real beta,
                 hidi_real *c, size_t ldc);

    /* A convolution, a panel of at most conv_panel positions at a time (conv_panel.h).  Rows of
     * a panel are as many whole vectors of conv_lanes as its positions take.
     * conv_gather: the rows of one tap, one for each channel of x [channels, pixels], from segments
     * in ascending order; up to one vector beyond the last row is written, too. */
    size_t conv_lanes, conv_panel, conv_strip;
    void (*conv_gather)(hidi_real *rows, size_t width, const hidi_real *x,
                        const hidi_cpu_conv_segment *segment, size_t n_segments, size_t stride,
                        size_t pixels, size_t channels);
    /* The same where each row is a run of the channel's pixels, `width` from number `first` on
     * (which may be negative, or lie in another channel), but for zeros wherever keep [width] is
     * 0.  What is kept lies inside the channel. */
    void (*conv_gather_shifted)(hidi_real *rows, size_t width, const hidi_real *keep,
                                const hidi_real *x, ptrdiff_t first, size_t pixels,
                                size_t channels);
    /* y[o] = beta y[o] + W panel + bias[o], or its ReLU (beta: 0), rows o < O of n positions, ldy
     * apart; w: strips [K][conv_strip];  bias NULL: none */
    void (*conv_product)(hidi_real *y, size_t ldy, hidi_real beta, const hidi_real *w,
                         const hidi_real *panel, const hidi_real *bias, bool relu, size_t O,
                         size_t n, size_t K);

    /* y[i] = the larger of y[i] and x[i stride], i < n;  a NaN is larger than all */
    void (*maximum)(hidi_real *y, const hidi_real *x, size_t stride, size_t n);

    /* y[2 i] and y[2 i + 1] = beta y + x[i], i < n; and y[i] = beta y[i] + the sum of elements 2 i
     * and 2 i + 1 of both rows */
    void (*upsample_row)(hidi_real *y, hidi_real beta, const hidi_real *x, size_t n);
    void (*sum_pairs)(hidi_real *y, hidi_real beta, const hidi_real *above, const hidi_real *below,
                      size_t n);

    void (*adamw)(hidi_real *w, const hidi_real *g, hidi_real *m, hidi_real *v, size_t n,
                  const hidi_cpu_adamw_factors *factors);
} hidi_cpu_kernels;

extern const hidi_cpu_kernels hidi_cpu_kernels_baseline;
extern const hidi_cpu_kernels hidi_cpu_kernels_avx2;   /* if HIDI_CPU_AVX2   */
extern const hidi_cpu_kernels hidi_cpu_kernels_avx512; /* if HIDI_CPU_AVX512 */

#endif
