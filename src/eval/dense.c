/* dense.c - c += op(a) op(b) and c += x^T x, tile by tile: which thread computes a tile changes
 * nothing in it. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "eval/dense.h"

#ifdef HAVE_CBLAS
#include <cblas.h>
#endif

#include "core/threads.h"

enum { TILE = 256 };      /* rows and columns of a product that one thread computes */
#define WORTHWHILE 100000 /* multiplications for which threads are woken            */

#ifdef HAVE_CBLAS

/* c [m, n] (rows ldc apart) += op(a) op(b). */
static void add_tile(double *c, size_t ldc, const double *a, size_t lda, bool transpose_a,
                     const double *b, size_t ldb, bool transpose_b, size_t m, size_t n, size_t k)
{
    const int before = hidi_serial_begin(); /* there is a thread for each tile */
    cblas_dgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans,
                transpose_b ? CblasTrans : CblasNoTrans, (int)m, (int)n, (int)k, 1, a, (int)lda, b,
                (int)ldb, 1, c, (int)ldc);
    hidi_serial_end(before);
}

#else

static double dot(const double *a, size_t step, const double *b, size_t k)
{
    double sum[4] = { 0 };
    size_t l = 0;

    for (; l + 4 <= k; l += 4)
        for (size_t i = 0; i < 4; i++)
            sum[i] += a[(l + i) * step] * b[l + i];
    for (; l < k; l++)
        sum[0] += a[l * step] * b[l];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

static void add_tile(double *c, size_t ldc, const double *a, size_t lda, bool transpose_a,
                     const double *b, size_t ldb, bool transpose_b, size_t m, size_t n, size_t k)
{
    const size_t row = transpose_a ? 1 : lda, step = transpose_a ? lda : 1;

    for (size_t i = 0; i < m; i++) {
        double *restrict out = c + i * ldc;
        const double *left = a + i * row;
        size_t l = 0;

        if (transpose_b) {
            for (size_t j = 0; j < n; j++)
                out[j] += dot(left, step, b + j * ldb, k);
            continue;
        }
        for (; l + 4 <= k; l += 4) {
            const double *b0 = b + l * ldb, *b1 = b0 + ldb, *b2 = b1 + ldb, *b3 = b2 + ldb;
            double a0 = left[l * step], a1 = left[(l + 1) * step], a2 = left[(l + 2) * step],
                   a3 = left[(l + 3) * step];
#pragma omp simd
            for (size_t j = 0; j < n; j++)
                out[j] += (a0 * b0[j] + a1 * b1[j]) + (a2 * b2[j] + a3 * b3[j]);
        }
        for (; l < k; l++)
            for (size_t j = 0; j < n; j++)
                out[j] += left[l * step] * b[l * ldb + j];
    }
}

#endif

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t tiles(size_t n)
{
    return (n + TILE - 1) / TILE;
}

void hidi_dense_multiply(double *c, bool accumulate, const double *a, const double *b,
                         bool transpose_b, size_t m, size_t n, size_t k)
{
    const size_t columns = tiles(n), count = tiles(m) * columns;

#pragma omp parallel for schedule(dynamic) if (count > 1 && m * n * k > WORTHWHILE)
    for (size_t t = 0; t < count; t++) {
        size_t i = t / columns * TILE, j = t % columns * TILE;
        size_t rows = least(TILE, m - i), width = least(TILE, n - j);

        for (size_t r = i; !accumulate && r < i + rows; r++)
            for (size_t s = j; s < j + width; s++)
                c[r * n + s] = 0;
        if (k > 0)
            add_tile(c + i * n + j, n, a + i * k, k, false, b + (transpose_b ? j * k : j),
                     transpose_b ? k : n, transpose_b, rows, width, k);
    }
}

void hidi_dense_add_gram(double *c, const double *x, size_t n, size_t D)
{
    const size_t columns = tiles(D), count = columns * columns;

#pragma omp parallel for schedule(dynamic) if (count > 1 && n * D * D > WORTHWHILE)
    for (size_t t = 0; t < count; t++) {
        size_t i = t / columns * TILE, j = t % columns * TILE;

        if (j >= i && n > 0)
            add_tile(c + i * D + j, D, x + i, D, true, x + j, D, false, least(TILE, D - i),
                     least(TILE, D - j), n);
    }
}
