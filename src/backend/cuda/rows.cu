/* rows.cu - sums, products and broadcasts along the rows of x [rows, n].
 *
 * A sum is taken in two or three levels: a thread adds a few terms, its warp or block adds the
 * threads' sums, and where there are fewer sums than the device has room for, the terms of each are
 * split among blocks, whose results a second kernel adds.  The sizes alone decide how.
 */
#include "backend/cuda/kernels.h"

/* --- broadcasts ------------------------------------------------------------------------------ */

/* y[i, j] = beta y[i, j] + b[i mod period, j] */
HIDI_KERNEL add_rows_kernel(hidi_real *y, hidi_real beta, const hidi_real *b, size_t period,
                            size_t rows, size_t n)
{
    HIDI_FOR_ROWS (i, rows) {
        const hidi_real *b_i = b + i % period * n;
        HIDI_FOR_COLUMNS (j, n)
            blend(&y[i * n + j], beta, b_i[j]);
    }
}

void hidi_cuda_add_rows(hidi_real *y, hidi_real beta, const hidi_real *b, size_t period,
                        size_t rows, size_t n)
{
    HIDI_LAUNCH_ROWS(add_rows_kernel, rows, n, y, beta, b, period, rows, n);
}

/* y[i, j] = beta y[i, j] + a s[i] x[i, j] */
HIDI_KERNEL scale_rows_kernel(hidi_real *y, hidi_real beta, hidi_real a, const hidi_real *s,
                              const hidi_real *x, size_t rows, size_t n)
{
    HIDI_FOR_ROWS (i, rows) {
        hidi_real factor = a * s[i];
        HIDI_FOR_COLUMNS (j, n)
            blend(&y[i * n + j], beta, factor * x[i * n + j]);
    }
}

static void scale_rows(hidi_real *y, hidi_real beta, hidi_real a, const hidi_real *s,
                       const hidi_real *x, size_t rows, size_t n)
{
    HIDI_LAUNCH_ROWS(scale_rows_kernel, rows, n, y, beta, a, s, x, rows, n);
}

/* y[i, j] = beta y[i, j] + a s[i] */
HIDI_KERNEL spread_rows_kernel(hidi_real *y, hidi_real beta, hidi_real a, const hidi_real *s,
                               size_t rows, size_t n)
{
    HIDI_FOR_ROWS (i, rows) {
        hidi_real value = a * s[i];
        HIDI_FOR_COLUMNS (j, n)
            blend(&y[i * n + j], beta, value);
    }
}

static void spread_rows(hidi_real *y, hidi_real beta, hidi_real a, const hidi_real *s, size_t rows,
                        size_t n)
{
    HIDI_LAUNCH_ROWS(spread_rows_kernel, rows, n, y, beta, a, s, rows, n);
}

/* --- sums over columns ----------------------------------------------------------------------- */

enum {
    SUM_WARPS = HIDI_CUDA_BLOCK / HIDI_CUDA_WARP,
    SUM_MIN_TERMS = 16 * SUM_WARPS, /* a block's, when there are several for a sum */
    SUM_BLOCKS = 1024               /* about as many as a device has room for      */
};

/* out[part, k, j] = beta out[part, k, j] + sum of x[i, j] w[i, j] over the rows i of group k; of
 * its terms, block part = blockIdx.z takes `share`;  w NULL: ones.  A block has 32 columns, one per
 * lane; each of its 8 warps takes every 8th row, and the first warp adds their sums. */
HIDI_KERNEL column_sums_kernel(hidi_real *out, hidi_real beta, const hidi_real *x,
                               const hidi_real *w, hidi_cuda_row_groups groups, size_t n,
                               size_t share)
{
    __shared__ hidi_real sums[SUM_WARPS][HIDI_CUDA_WARP];
    const size_t lane = threadIdx.x % HIDI_CUDA_WARP, warp = threadIdx.x / HIDI_CUDA_WARP;
    const size_t begin = blockIdx.z * share;
    const size_t end = begin + share < groups.terms ? begin + share : groups.terms;

    for (size_t k = blockIdx.y; k < groups.count; k += gridDim.y)
        for (size_t first = (size_t)blockIdx.x * HIDI_CUDA_WARP; first < n;
             first += (size_t)gridDim.x * HIDI_CUDA_WARP) {
            size_t j = first + lane;
            hidi_real sum = 0;

            for (size_t r = begin + warp; r < end && j < n; r += SUM_WARPS) {
                size_t i = k * groups.apart + r * groups.step;
                if (i < groups.rows)
                    sum += w != NULL ? x[i * n + j] * w[i * n + j] : x[i * n + j];
            }
            __syncthreads(); /* the sums of the round before have been read */
            sums[warp][lane] = sum;
            __syncthreads();
            if (warp == 0 && j < n) {
                for (int other = 1; other < SUM_WARPS; other++)
                    sum += sums[other][lane];
                blend(&out[(blockIdx.z * groups.count + k) * n + j], beta, sum);
            }
        }
}

static void launch_column_sums(hidi_real *out, hidi_real beta, const hidi_real *x,
                               const hidi_real *w, hidi_cuda_row_groups groups, size_t n, dim3 grid)
{
    size_t share = groups.terms / grid.z + (groups.terms % grid.z != 0);

    HIDI_LAUNCH(column_sums_kernel, grid, HIDI_CUDA_BLOCK, 0, hidi_cuda_stream, out, beta, x, w,
                groups, n, share);
}

void hidi_cuda_column_sums(hidi_real *out, hidi_real beta, const hidi_real *x, const hidi_real *w,
                           hidi_cuda_row_groups groups, size_t n)
{
    size_t columns = n / HIDI_CUDA_WARP + (n % HIDI_CUDA_WARP != 0), parts;

    if (groups.count == 0 || n == 0)
        return;
    dim3 grid((unsigned)hidi_cuda_min(columns, SUM_BLOCKS),
              (unsigned)hidi_cuda_min(groups.count, SUM_BLOCKS));
    parts = hidi_cuda_min(SUM_BLOCKS / ((size_t)grid.x * grid.y), groups.terms / SUM_MIN_TERMS);
    if (parts <= 1) {
        launch_column_sums(out, beta, x, w, groups, n, grid);
        return;
    }
    hidi_real *part = (hidi_real *)hidi_cuda_workspace(parts * groups.count * n * sizeof *part);
    if (part == NULL)
        return;
    hidi_cuda_row_groups joined = { groups.count, 1, groups.count, parts, parts * groups.count };
    grid.z = (unsigned)parts;
    launch_column_sums(part, 0, x, w, groups, n, grid);
    grid.z = 1;
    launch_column_sums(out, beta, part, NULL, joined, n, grid);
}

/* out[k, j] = beta out[k, j] + sum over i = k mod period of x[i, j] */
static void sum_rows(hidi_real *out, hidi_real beta, const hidi_real *x, size_t period, size_t rows,
                     size_t n)
{
    size_t terms = rows / period + (rows % period != 0);
    hidi_cuda_row_groups groups = { period, 1, period, terms, rows };

    hidi_cuda_column_sums(out, beta, x, NULL, groups, n);
}

/* --- sums over rows -------------------------------------------------------------------------- */

enum {
    DOT_PART = 8192, /* elements of a block's share when a row is split: 32 per thread */
    DOT_MOST_PARTS = 1024
};

/* sum of x_j w_j for begin <= j < end, in double, in every thread of the group;  w NULL: ones */
template <typename GROUP>
static __device__ inline double inner_product(const hidi_real *x, const hidi_real *w, size_t begin,
                                              size_t end)
{
    double sum = 0;

    HIDI_FOR_MEMBERS (GROUP, j, end - begin)
        sum += w != NULL ? (double)x[begin + j] * w[begin + j] : x[begin + j];
    return GROUP::template all<hidi_sum>(sum);
}

/* out[i] = beta out[i] + a sum_j x[i, j] w[i, j] */
template <typename GROUP>
HIDI_KERNEL dot_rows_kernel(hidi_real *out, hidi_real beta, hidi_real a, const hidi_real *x,
                            const hidi_real *w, size_t rows, size_t n)
{
    HIDI_FOR_GROUPS (GROUP, i, rows) {
        double sum = inner_product<GROUP>(x + i * n, w != NULL ? w + i * n : NULL, 0, n);
        if (threadIdx.x % GROUP::THREADS == 0)
            blend(&out[i], beta, (hidi_real)(a * sum));
    }
}

/* part[i, p] = sum over the j of share p of x[i, j] w[i, j] */
HIDI_KERNEL dot_parts_kernel(double *part, size_t parts, const hidi_real *x, const hidi_real *w,
                             size_t rows, size_t n)
{
    const size_t share = n / parts + (n % parts != 0);

    HIDI_FOR_GROUPS (hidi_block, k, rows * parts) {
        size_t row = k / parts * n, begin = k % parts * share;
        size_t end = begin + share < n ? begin + share : begin < n ? n : begin;
        double sum = inner_product<hidi_block>(x + row, w != NULL ? w + row : NULL, begin, end);

        if (threadIdx.x == 0)
            part[k] = sum;
    }
}

/* out[i] = beta out[i] + a sum_p part[i, p] */
HIDI_KERNEL dot_join_kernel(hidi_real *out, hidi_real beta, hidi_real a, const double *part,
                            size_t parts, size_t rows)
{
    HIDI_FOR_GROUPS (hidi_warp, i, rows) {
        double sum = 0;

        HIDI_FOR_MEMBERS (hidi_warp, p, parts)
            sum += part[i * parts + p];
        sum = hidi_warp::all<hidi_sum>(sum);
        if (threadIdx.x % hidi_warp::THREADS == 0)
            blend(&out[i], beta, (hidi_real)(a * sum));
    }
}

static void dot_rows(hidi_real *out, hidi_real beta, hidi_real a, const hidi_real *x,
                     const hidi_real *w, size_t rows, size_t n)
{
    size_t parts = hidi_cuda_min(n / DOT_PART, DOT_MOST_PARTS);

    if (parts <= 1) {
        HIDI_LAUNCH_GROUPS(dot_rows_kernel, rows, n, out, beta, a, x, w, rows, n);
        return;
    }
    double *part = rows > 0 ? (double *)hidi_cuda_workspace(rows * parts * sizeof *part) : NULL;
    if (part == NULL)
        return;
    HIDI_LAUNCH(dot_parts_kernel, hidi_cuda_blocks_of_groups(rows * parts, hidi_block::THREADS),
                HIDI_CUDA_BLOCK, 0, hidi_cuda_stream, part, parts, x, w, rows, n);
    HIDI_LAUNCH(dot_join_kernel, hidi_cuda_blocks_of_groups(rows, hidi_warp::THREADS),
                HIDI_CUDA_BLOCK, 0, hidi_cuda_stream, out, beta, a, part, parts, rows);
}

/* out[0] = beta out[0] + a sum_i x[i] w[i] */
static void dot(hidi_real *out, hidi_real beta, hidi_real a, const hidi_real *x, const hidi_real *w,
                size_t n)
{
    dot_rows(out, beta, a, x, w, 1, n);
}

void hidi_cuda_rows_slots(hidi_backend *table)
{
    table->add_rows = hidi_cuda_add_rows;
    table->sum_rows = sum_rows;
    table->scale_rows = scale_rows;
    table->dot_rows = dot_rows;
    table->spread_rows = spread_rows;
    table->dot = dot;
}
