/* cpu_small_gemm.h - C = beta C + alpha op(A) op(B) for matrices too small for BLAS.
 *
 * One head of attention on 16 tokens multiplies 16 x 32 by 32 x 16: a BLAS call spends longer on
 * its preparations.  Here op(B) is taken in panels of two vectors' width, and four rows of C by one
 * panel are summed in registers (the register tile of Goto & van de Geijn, ACM TOMS 34, 2008):
 * eight sums hide the latency of the fused multiply-add.  A panel that is transposed or incomplete
 * is copied to a buffer first.  Only cpu_kernels.c includes this, once for each instruction set.
 */
#ifndef HIDI_BACKEND_CPU_SMALL_GEMM_H
#define HIDI_BACKEND_CPU_SMALL_GEMM_H

#include <string.h>

#include "backend/cpu_kernels.h"
#include "backend/cpu_simd.h"

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif

/* The vector extension of gcc and clang; `loose` is a vector at any address of hidi_reals. */
typedef hidi_real vector __attribute__((vector_size(VECTOR_BYTES)));
typedef hidi_real loose __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(hidi_real)),
                                       may_alias));

enum {
    LANES = VECTOR_BYTES / (int)sizeof(hidi_real),
    PANEL = 2 * LANES, /* columns of C summed at a time */
    STRIP = 4          /* rows of C summed at a time    */
};

/* sum += a b, in one instruction where there is one: there is no portable builtin for vectors, and
 * -std=c99 does not contract. */
#if defined(__FMA__) || defined(__AVX512F__)
#include <immintrin.h>
#if defined(__AVX512F__) && defined(HIDI_DOUBLE)
#define MULTIPLY_ADD(sum, a, b) ((sum) = (vector)_mm512_fmadd_pd((a), (b), (sum)))
#elif defined(__AVX512F__)
#define MULTIPLY_ADD(sum, a, b) ((sum) = (vector)_mm512_fmadd_ps((a), (b), (sum)))
#elif defined(HIDI_DOUBLE)
#define MULTIPLY_ADD(sum, a, b) ((sum) = (vector)_mm256_fmadd_pd((a), (b), (sum)))
#else
#define MULTIPLY_ADD(sum, a, b) ((sum) = (vector)_mm256_fmadd_ps((a), (b), (sum)))
#endif
#else
#define MULTIPLY_ADD(sum, a, b) ((sum) += (a) * (b))
#endif

/* out[STRIP][PANEL] = A B: A[i, l] = a[i * row + l * column], B[l, j] = b[l * ldb + j] */
static inline void strip_by_panel(hidi_real *out, size_t k, const hidi_real *a, size_t row,
                                  size_t column, const hidi_real *b, size_t ldb)
{
    const hidi_real *a0 = a, *a1 = a + row, *a2 = a + 2 * row, *a3 = a + 3 * row;
    const vector zero = { 0 };
    vector s00 = zero, s01 = zero, s10 = zero, s11 = zero;
    vector s20 = zero, s21 = zero, s30 = zero, s31 = zero;

    for (size_t l = 0; l < k; l++, b += ldb) {
        const vector b0 = *(const loose *)b, b1 = *(const loose *)(b + LANES);
        vector x = zero + a0[l * column];
        MULTIPLY_ADD(s00, x, b0);
        MULTIPLY_ADD(s01, x, b1);
        x = zero + a1[l * column];
        MULTIPLY_ADD(s10, x, b0);
        MULTIPLY_ADD(s11, x, b1);
        x = zero + a2[l * column];
        MULTIPLY_ADD(s20, x, b0);
        MULTIPLY_ADD(s21, x, b1);
        x = zero + a3[l * column];
        MULTIPLY_ADD(s30, x, b0);
        MULTIPLY_ADD(s31, x, b1);
    }
    *(loose *)(out + 0 * PANEL) = s00;
    *(loose *)(out + 0 * PANEL + LANES) = s01;
    *(loose *)(out + 1 * PANEL) = s10;
    *(loose *)(out + 1 * PANEL + LANES) = s11;
    *(loose *)(out + 2 * PANEL) = s20;
    *(loose *)(out + 2 * PANEL + LANES) = s21;
    *(loose *)(out + 3 * PANEL) = s30;
    *(loose *)(out + 3 * PANEL + LANES) = s31;
}

/* The same for one row, the last ones of C. */
static inline void row_by_panel(hidi_real *out, size_t k, const hidi_real *a, size_t column,
                                const hidi_real *b, size_t ldb)
{
    const vector zero = { 0 };
    vector s0 = zero, s1 = zero;

    for (size_t l = 0; l < k; l++, b += ldb) {
        const vector x = zero + a[l * column];
        MULTIPLY_ADD(s0, x, *(const loose *)b);
        MULTIPLY_ADD(s1, x, *(const loose *)(b + LANES));
    }
    *(loose *)out = s0;
    *(loose *)(out + LANES) = s1;
}

/* c[j] = beta c[j] + alpha sum[j], j < n <= PANEL */
static inline void store_row(hidi_real *c, hidi_real beta, hidi_real alpha, const hidi_real *sum,
                             size_t n)
{
    if (n == PANEL)
        HIDI_ACCUMULATE(j, PANEL, c, beta, alpha * sum[j]);
    else
        HIDI_ACCUMULATE(j, n, c, beta, alpha * sum[j]);
}

/* panel[k][PANEL] = op(B)[:, 0 .. n), zero beyond n */
static void pack_panel(hidi_real *panel, bool transpose_b, size_t n, size_t k, const hidi_real *b,
                       size_t ldb)
{
    if (n < PANEL)
        memset(panel, 0, k * PANEL * sizeof *panel);
    for (size_t j = 0; transpose_b && j < n; j++)
        for (size_t l = 0; l < k; l++)
            panel[l * PANEL + j] = b[j * ldb + l];
    for (size_t l = 0; !transpose_b && l < k; l++)
        for (size_t j = 0; j < n; j++)
            panel[l * PANEL + j] = b[l * ldb + j];
}

static void small_gemm(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k,
                       hidi_real alpha, const hidi_real *a, size_t lda, const hidi_real *b,
                       size_t ldb, hidi_real beta, hidi_real *c, size_t ldc)
{
    size_t row = transpose_a ? 1 : lda, column = transpose_a ? lda : 1;
    hidi_real packed[HIDI_CPU_GEMM_MAX_K * PANEL], sums[STRIP * PANEL];

    for (size_t j = 0; j < n; j += PANEL) {
        size_t width = n - j < PANEL ? n - j : PANEL, i = 0, ldp = ldb;
        const hidi_real *panel = transpose_b ? b + j * ldb : b + j;

        if (transpose_b || width < PANEL) {
            pack_panel(packed, transpose_b, width, k, panel, ldb);
            panel = packed;
            ldp = PANEL;
        }
        for (; i + STRIP <= m; i += STRIP) {
            strip_by_panel(sums, k, a + i * row, row, column, panel, ldp);
            for (size_t r = 0; r < STRIP; r++)
                store_row(c + (i + r) * ldc + j, beta, alpha, sums + r * PANEL, width);
        }
        for (; i < m; i++) {
            row_by_panel(sums, k, a + i * row, column, panel, ldp);
            store_row(c + i * ldc + j, beta, alpha, sums, width);
        }
    }
}

#endif
