/* gemm.c - matrix products: BLAS on one thread, on one block of C for each thread.
 *
 * Sharing the blocks of C among OpenMP threads that each call a serial BLAS is faster for a
 * transformer's long and narrow matrices than BLAS's own threads, suffers less on a busy machine,
 * and gives the same bits for any number of threads.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "backend/cpu/cpu.h"
#include "core/threads.h"

#ifdef HAVE_CBLAS
#include <cblas.h>

#ifdef HIDI_DOUBLE
#define BLAS_GEMM cblas_dgemm
#else
#define BLAS_GEMM cblas_sgemm
#endif

enum {
    BLOCK = 16,              /* rows and columns of C are divided at multiples of this        */
    BLOCKS = 16,             /* of C, at most; a power of 2, which most numbers of threads divide */
    BLOCK_WORK = 1 << 21,    /* m n k of a block: some 50 microseconds                        */
    SERIAL = 1 << 17,        /* m n k up to which one thread is done before a second wakes up */
    SMALL = 1 << 21,         /* m n k up to which our kernel is as fast as BLAS, measured with */
    SMALL_TRANSPOSED = 1 << 18 /* OpenBLAS 0.3.21 on Zen 3; if A is transposed               */
};

static bool is_small(bool transpose_a, size_t m, size_t n, size_t k)
{
    return k <= HIDI_CPU_GEMM_MAX_K && m * n * k <= (transpose_a ? SMALL_TRANSPOSED : SMALL);
}

void hidi_cpu_gemm_serial(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k,
                          hidi_real alpha, const hidi_real *a, size_t lda, const hidi_real *b,
                          size_t ldb, hidi_real beta, hidi_real *c, size_t ldc)
{
    if (m == 0 || n == 0)
        return;
    if (is_small(transpose_a, m, n, k)) {
        hidi_kernels->gemm(transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
        return;
    }
    const int before = hidi_serial_begin();
    BLAS_GEMM(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans,
              transpose_b ? CblasTrans : CblasNoTrans, (int)m, (int)n, (int)k, alpha, a, (int)lda,
              b, (int)ldb, beta, c, (int)ldc);
    hidi_serial_end(before);
}

/* The grid of blocks of C.  How C is cut decides the last bits of its elements, so it depends on
 * the sizes alone, and not on the threads that share the blocks: on a thread that is to compute
 * alone it is not cut, elsewhere into a block for every BLOCK_WORK operations, up to BLOCKS of
 * them. */
typedef struct grid {
    size_t rows, columns;
} grid;

static size_t count_blocks(size_t m, size_t n, size_t k)
{
    const size_t blocks = m * n * k / BLOCK_WORK;
    return hidi_is_serial() || blocks < 2 ? 1 : blocks < BLOCKS ? blocks : BLOCKS;
}

/* Of all rows x columns = count, the one whose blocks have the smallest sum of sides, since a block
 * reads that many rows of op(A) and columns of op(B). */
static grid choose_grid(size_t m, size_t n, size_t count)
{
    grid best = { count, 1 };
    size_t least = m / count + n;

    for (size_t rows = 1; rows < count; rows++) {
        size_t columns = count / rows, sides = m / rows + n / columns;
        if (rows * columns == count && sides < least) {
            best.rows = rows;
            best.columns = columns;
            least = sides;
        }
    }
    return best;
}

/* Block i of `parts` of 0 .. n, cut at multiples of BLOCK */
static hidi_share part(size_t n, size_t i, size_t parts)
{
    size_t blocks = (n + BLOCK - 1) / BLOCK;
    hidi_share s = { blocks * i / parts * BLOCK, blocks * (i + 1) / parts * BLOCK };

    s.begin = s.begin < n ? s.begin : n;
    s.end = s.end < n ? s.end : n;
    return s;
}

void hidi_cpu_gemm(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k,
                   hidi_real alpha, const hidi_real *a, size_t lda, const hidi_real *b, size_t ldb,
                   hidi_real beta, hidi_real *c, size_t ldc)
{
    size_t row_step = transpose_a ? 1 : lda, column_step = transpose_b ? ldb : 1;
    grid blocks = choose_grid(m, n, count_blocks(m, n, k));
    size_t count = blocks.rows * blocks.columns;

    HIDI_OMP(parallel for if (count > 1) schedule(static, 1))
    for (size_t t = 0; t < count; t++) {
        hidi_share i = part(m, t / blocks.columns, blocks.rows);
        hidi_share j = part(n, t % blocks.columns, blocks.columns);

        hidi_cpu_gemm_serial(transpose_a, transpose_b, i.end - i.begin, j.end - j.begin, k, alpha,
                             a + i.begin * row_step, lda, b + j.begin * column_step, ldb, beta,
                             c + i.begin * ldc + j.begin, ldc);
    }
}

void hidi_cpu_gemm_batched(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k,
                           hidi_real alpha, const hidi_real *a, size_t stride_a, const hidi_real *b,
                           size_t stride_b, hidi_real beta, hidi_real *c, size_t stride_c,
                           size_t batch)
{
    size_t lda = transpose_a ? m : k, ldb = transpose_b ? k : n;

    if (batch < BLOCKS && count_blocks(m, n, k) > 1) {
        for (size_t s = 0; s < batch; s++)
            hidi_cpu_gemm(transpose_a, transpose_b, m, n, k, alpha, a + s * stride_a, lda,
                          b + s * stride_b, ldb, beta, c + s * stride_c, n);
        return;
    }
    HIDI_OMP(parallel if (batch * m * n * k > SERIAL))
    {
        hidi_share share = hidi_cpu_share(batch, 1);
        for (size_t s = share.begin; s < share.end; s++)
            hidi_cpu_gemm_serial(transpose_a, transpose_b, m, n, k, alpha, a + s * stride_a, lda,
                                 b + s * stride_b, ldb, beta, c + s * stride_c, n);
    }
}

/* y starts as beta y + bias, and the product is added to it: BLAS would set y to beta y in a pass
 * of its own anyway, so the bias costs nothing. */
void hidi_cpu_linear(hidi_real *y, hidi_real beta, const hidi_real *x, const hidi_real *w,
                     const hidi_real *bias, size_t rows, size_t in, size_t out)
{
    grid blocks = choose_grid(rows, out, count_blocks(rows, out, in));
    size_t count = blocks.rows * blocks.columns;

    HIDI_OMP(parallel for if (count > 1) schedule(static, 1))
    for (size_t t = 0; t < count; t++) {
        hidi_share i = part(rows, t / blocks.columns, blocks.rows);
        hidi_share j = part(out, t % blocks.columns, blocks.columns);
        size_t width = j.end - j.begin;
        hidi_real *corner = y + i.begin * out + j.begin;

        for (size_t r = i.begin; bias && r < i.end; r++)
            hidi_kernels->axpby(y + r * out + j.begin, beta, 1, bias + j.begin, width);
        hidi_cpu_gemm_serial(false, true, i.end - i.begin, width, in, 1, x + i.begin * in, in,
                             w + j.begin * in, in, bias ? 1 : beta, corner, out);
    }
}

#endif
