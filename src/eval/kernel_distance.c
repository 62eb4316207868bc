/* kernel_distance.c - for each pair of subsets [m, D], three products of matrices give all the
 * kernel's values (a . b / D + 1)^3; the diagonals of the two that are of one set with itself are
 * left out, which makes the estimate unbiased. */
#include "eval/kernel_distance.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/stop.h"
#include "eval/dense.h"
#include "eval/numpy_random.h"

/* What a subset needs, m points of D dimensions. */
typedef struct workspace {
    size_t m, D;
    size_t *order;     /* a permutation of the larger set                       */
    double *x, *y;     /* [m, D] the subset                                     */
    double *product;   /* [m, m]                                                */
    double *row;       /* [m] sums of the kernel's rows, added up in order      */
} workspace;

static void free_workspace(workspace *w)
{
    free(w->order);
    free(w->x);
    free(w->y);
    free(w->product);
    free(w->row);
}

/* sum_{i, j} k(a_i, b_j), without i = j for two copies of one set. */
static double sum_of_kernel(const workspace *w, const double *a, const double *b)
{
    const size_t m = w->m;
    const double scale = 1 / (double)w->D;
    double sum = 0;

    hidi_dense_multiply(w->product, false, a, b, true, m, m, w->D);
#pragma omp parallel for
    for (size_t i = 0; i < m; i++) {
        w->row[i] = 0;
        for (size_t j = 0; j < m; j++) {
            double k = w->product[i * m + j] * scale + 1;
            w->row[i] += a == b && i == j ? 0 : k * k * k;
        }
    }
    for (size_t i = 0; i < m; i++)
        sum += w->row[i];
    return sum;
}

/* The next subset of points [n, D]. */
static void draw_subset(workspace *w, hidi_numpy_random *random, double *subset,
                        const double *points, size_t n)
{
    hidi_numpy_permutation(random, w->order, n);
    for (size_t i = 0; i < w->m; i++)
        memcpy(subset + i * w->D, points + w->order[i] * w->D, w->D * sizeof *subset);
}

static double distance_of_subsets(const workspace *w)
{
    const double m = (double)w->m;

    return (sum_of_kernel(w, w->x, w->x) + sum_of_kernel(w, w->y, w->y)) / (m * (m - 1)) -
           2 * sum_of_kernel(w, w->x, w->y) / (m * m);
}

static hidi_status check(const double *points, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(points[i]))
            return hidi_error(HIDI_NOT_FINITE, "kernel distance: the features are not finite");
    return HIDI_OK;
}

hidi_status hidi_kernel_distance_between(hidi_kernel_distance *result, const double *x, size_t n,
                                         const double *y, size_t m, size_t D,
                                         const hidi_kernel_options *options)
{
    const size_t S = options->subsets, fewer = n < m ? n : m, more = n < m ? m : n;
    workspace w = { .m = options->subset_size < fewer ? options->subset_size : fewer, .D = D };
    hidi_numpy_random random;
    double sum = 0, square = 0;

    memset(result, 0, sizeof *result);
    if (D == 0 || S == 0 || w.m < 2 || more > UINT32_MAX)
        return hidi_error(HIDI_BAD_ARGUMENT,
                          "kernel distance: %zu and %zu points of %zu dimensions, %zu subsets of "
                          "%zu",
                          n, m, D, S, options->subset_size);
    HIDI_TRY(check(x, n * D));
    HIDI_TRY(check(y, m * D));
    w.order = malloc(more * sizeof *w.order);
    w.x = malloc(w.m * D * sizeof *w.x);
    w.y = malloc(w.m * D * sizeof *w.y);
    w.product = malloc(w.m * w.m * sizeof *w.product);
    w.row = malloc(w.m * sizeof *w.row);
    double *value = malloc(S * sizeof *value);
    if (!w.order || !w.x || !w.y || !w.product || !w.row || !value) {
        free(value);
        free_workspace(&w);
        return hidi_error(HIDI_NO_MEMORY, "kernel distance: out of memory for subsets of %zu", w.m);
    }
    hidi_numpy_seed(&random, options->seed);
    hidi_status status = HIDI_OK;
    for (size_t s = 0; s < S && (status = hidi_check_stop()) == HIDI_OK; s++) {
        draw_subset(&w, &random, w.x, x, n);
        draw_subset(&w, &random, w.y, y, m);
        sum += value[s] = distance_of_subsets(&w);
    }
    result->mean = sum / (double)S;
    for (size_t s = 0; s < S; s++)
        square += (value[s] - result->mean) * (value[s] - result->mean);
    result->deviation = sqrt(square / (double)S);
    result->standard_error = S > 1 ? sqrt(square / (double)S / (double)(S - 1)) : 0;
    result->subsets = S;
    result->subset_size = w.m;
    free(value);
    free_workspace(&w);
    return status;
}
