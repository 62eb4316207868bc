/* dense.c - c += op(a) op(b) and c += x^T x, tile by tile: which thread computes a tile changes
 * nothing in it. */
#include "eval/dense.h"

#include "backend/host.h"

enum { TILE = 256 };      /* rows and columns of a product that one thread computes */
#define WORTHWHILE 100000 /* multiplications for which threads are woken            */

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
            hidi_host_add_product(c + i * n + j, n, a + i * k, k, false,
                                  b + (transpose_b ? j * k : j), transpose_b ? k : n, transpose_b,
                                  rows, width, k);
    }
}

void hidi_dense_add_gram(double *c, const double *x, size_t n, size_t D)
{
    const size_t columns = tiles(D), count = columns * columns;

#pragma omp parallel for schedule(dynamic) if (count > 1 && n * D * D > WORTHWHILE)
    for (size_t t = 0; t < count; t++) {
        size_t i = t / columns * TILE, j = t % columns * TILE;

        if (j >= i && n > 0)
            hidi_host_add_product(c + i * D + j, D, x + i, D, true, x + j, D, false,
                                  least(TILE, D - i), least(TILE, D - j), n);
    }
}
