/* small_gemm.h - C = beta C + alpha op(A) op(B) for matrices too small for BLAS.
 *
 * One head of attention on 16 tokens multiplies 16 x 32 by 32 x 16: a BLAS call spends longer on
 * its preparations.  Here op(B) is taken in panels of two vectors' width, and four rows of C by one
 * panel are summed in registers (the register tile of Goto & van de Geijn, ACM TOMS 34, 2008):
 * eight sums hide the latency of the fused multiply-add.  A panel that is transposed, incomplete or
 * used often is copied to a buffer first.  Only kernels.c includes this.
 */
#ifndef HIDI_BACKEND_CPU_SMALL_GEMM_H
#define HIDI_BACKEND_CPU_SMALL_GEMM_H

#include <string.h>

#include "backend/cpu/kernels.h"
#include "backend/cpu/simd.h"

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
    PANEL = 2 * LANES, /* columns of C summed at a time                                       */
    STRIP = 4,         /* rows of C summed at a time                                          */
    PACK_ROWS = 48     /* of C that make a copy of a panel worth it: B's rows may collide in  */
                       /*   the cache, being a power of two apart                             */
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

/* A vector of x's: x - 0 is x, which the compiler knows, whereas -0 + 0 is not -0. */
#define ALL(x) ((x) - (vector){ 0 })

/* c = beta c + alpha sum, one vector */
#define STORE(c, beta, alpha, sum)                                                                 \
    do {                                                                                           \
        const vector product = ALL(alpha) * (sum);                                                 \
        *(loose *)(c) = (beta) == 0 ? product : ALL(beta) * *(const loose *)(c) + product;         \
    } while (0)

/* C[STRIP, PANEL] = beta C + alpha A B: A[i, l] = a[i row + l column], B[l, j] = b[l ldb + j] */
static inline void strip_by_panel(hidi_real *c, size_t ldc, hidi_real beta, hidi_real alpha,
                                  size_t k, const hidi_real *a, size_t row, size_t column,
                                  const hidi_real *b, size_t ldb)
{
    const hidi_real *a0 = a, *a1 = a + row, *a2 = a + 2 * row, *a3 = a + 3 * row;
    vector s00 = { 0 }, s01 = s00, s10 = s00, s11 = s00;
    vector s20 = s00, s21 = s00, s30 = s00, s31 = s00;

    for (size_t l = 0; l < k * column; l += column, b += ldb) {
        const vector b0 = *(const loose *)b, b1 = *(const loose *)(b + LANES);
        const vector x0 = ALL(a0[l]), x1 = ALL(a1[l]), x2 = ALL(a2[l]), x3 = ALL(a3[l]);
        MULTIPLY_ADD(s00, x0, b0);
        MULTIPLY_ADD(s01, x0, b1);
        MULTIPLY_ADD(s10, x1, b0);
        MULTIPLY_ADD(s11, x1, b1);
        MULTIPLY_ADD(s20, x2, b0);
        MULTIPLY_ADD(s21, x2, b1);
        MULTIPLY_ADD(s30, x3, b0);
        MULTIPLY_ADD(s31, x3, b1);
    }
    STORE(c, beta, alpha, s00);
    STORE(c + LANES, beta, alpha, s01);
    STORE(c + ldc, beta, alpha, s10);
    STORE(c + ldc + LANES, beta, alpha, s11);
    STORE(c + 2 * ldc, beta, alpha, s20);
    STORE(c + 2 * ldc + LANES, beta, alpha, s21);
    STORE(c + 3 * ldc, beta, alpha, s30);
    STORE(c + 3 * ldc + LANES, beta, alpha, s31);
}

/* The same for one row, the last ones of C. */
static inline void row_by_panel(hidi_real *c, hidi_real beta, hidi_real alpha, size_t k,
                                const hidi_real *a, size_t column, const hidi_real *b, size_t ldb)
{
    vector s0 = { 0 }, s1 = s0;

    for (size_t l = 0; l < k * column; l += column, b += ldb) {
        const vector x = ALL(a[l]);
        MULTIPLY_ADD(s0, x, *(const loose *)b);
        MULTIPLY_ADD(s1, x, *(const loose *)(b + LANES));
    }
    STORE(c, beta, alpha, s0);
    STORE(c + LANES, beta, alpha, s1);
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
    for (size_t l = 0; !transpose_b && l < k; l++) {
        if (n == PANEL)
            memcpy(panel + l * PANEL, b + l * ldb, PANEL * sizeof *panel);
        else
            HIDI_ACCUMULATE(j, n, panel + l * PANEL, 0, b[l * ldb + j]);
    }
}

/* Columns j .. j + n of C, n <= PANEL, in strips of rows.  An incomplete panel is computed in a
 * buffer of full width and then copied. */
static void panel_of_c(size_t m, size_t n, size_t k, hidi_real alpha, const hidi_real *a,
                       size_t row, size_t column, const hidi_real *panel, size_t ldp,
                       hidi_real beta, hidi_real *c, size_t ldc)
{
    hidi_real part[STRIP * PANEL];

    for (size_t i = 0, height; i < m; i += height) {
        hidi_real *to = c + i * ldc, *out = n < PANEL ? part : to;
        size_t ldo = n < PANEL ? PANEL : ldc;
        hidi_real keep = n < PANEL ? 0 : beta;

        height = m - i >= STRIP ? STRIP : 1;
        if (height == STRIP)
            strip_by_panel(out, ldo, keep, alpha, k, a + i * row, row, column, panel, ldp);
        else
            row_by_panel(out, keep, alpha, k, a + i * row, column, panel, ldp);
        for (size_t r = 0; n < PANEL && r < height; r++)
            HIDI_ACCUMULATE(j, n, to + r * ldc, beta, part[r * PANEL + j]);
    }
}

static void small_gemm(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k,
                       hidi_real alpha, const hidi_real *a, size_t lda, const hidi_real *b,
                       size_t ldb, hidi_real beta, hidi_real *c, size_t ldc)
{
    size_t row = transpose_a ? 1 : lda, column = transpose_a ? lda : 1;
    hidi_real packed[HIDI_CPU_GEMM_MAX_K * PANEL];

    for (size_t j = 0; j < n; j += PANEL) {
        size_t width = n - j < PANEL ? n - j : PANEL;
        const hidi_real *panel = transpose_b ? b + j * ldb : b + j;

        if (transpose_b || width < PANEL || m >= PACK_ROWS) {
            pack_panel(packed, transpose_b, width, k, panel, ldb);
            panel_of_c(m, width, k, alpha, a, row, column, packed, PANEL, beta, c + j, ldc);
        } else {
            panel_of_c(m, width, k, alpha, a, row, column, panel, ldb, beta, c + j, ldc);
        }
    }
}

#endif
