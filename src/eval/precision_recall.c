/* precision_recall.c - improved precision and recall; see precision_recall.h.
 *
 * The squared distance of a and b is the sum of squared differences: no cancellation, d(a, a) = 0
 * and d(a, b) = d(b, a) to the last bit, so that "within the distance" is exact also for points on
 * the rim.  Most of the time that need not be computed: |a|^2 + |b|^2 - 2 <a, b>, from a matrix
 * product a tile at a time, is within a known bound of it and decides all but the closest cases.
 */
#include "eval/precision_recall.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "core/stop.h"
#include "eval/dense.h"

enum { ROWS = 512, COLUMNS = 1024 }; /* of a tile of products */

typedef struct point_set {
    const double *x; /* [n, D]                                                       */
    size_t n, D;
    double *norm;    /* [n] |x|^2                                                    */
    double *nearest; /* [n, k] squared distances to the nearest others, ascending    */
    bool *inside;    /* [n] in the manifold of the other set?                        */
    size_t k;
} point_set;

static void free_set(point_set *set)
{
    free(set->norm);
    free(set->nearest);
    free(set->inside);
}

static bool make_set(point_set *set, const double *x, size_t n, size_t D, size_t k)
{
    *set = (point_set){ .x = x, .n = n, .D = D, .k = k };
    set->norm = calloc(n, sizeof *set->norm);
    set->nearest = malloc(n * k * sizeof *set->nearest);
    set->inside = calloc(n, sizeof *set->inside);
    if (set->norm == NULL || set->nearest == NULL || set->inside == NULL)
        return false;
    for (size_t i = 0; i < n * k; i++)
        set->nearest[i] = INFINITY;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < D; j++)
            set->norm[i] += x[i * D + j] * x[i * D + j];
    return true;
}

static double radius(const point_set *set, size_t i)
{
    return set->nearest[i * set->k + set->k - 1];
}

static double distance(const point_set *a, size_t i, const point_set *b, size_t j)
{
    const double *x = a->x + i * a->D, *y = b->x + j * b->D;
    double sum = 0;

    for (size_t l = 0; l < a->D; l++)
        sum += (x[l] - y[l]) * (x[l] - y[l]);
    return sum;
}

/* From the product <a_i, b_j>, and how far it may be from what distance() gives: with u = eps / 2 a
 * sum of D products is off by D u |a| |b| at most [Higham, Accuracy and Stability, 3.1], and |a|
 * |b| <= (|a|^2 + |b|^2) / 2; the same for each norm, and (D + 2) u d, d <= 2 (|a|^2 + |b|^2), for
 * distance(). */
static double approximate(const point_set *a, size_t i, const point_set *b, size_t j,
                          double product, double *bound)
{
    double norms = a->norm[i] + b->norm[j];

    *bound = (2 * (double)a->D + 8) * DBL_EPSILON * norms;
    return norms - 2 * product;
}

/* Point j of b as a neighbour of point i of a: puts the distance into nearest, if it is among the k
 * least. */
static void consider(point_set *a, size_t i, const point_set *b, size_t j, double product)
{
    double bound, *nearest = a->nearest + i * a->k;
    size_t p = a->k - 1;

    if (approximate(a, i, b, j, product, &bound) - bound >= nearest[p])
        return;
    double d = distance(a, i, b, j);
    if (!(d < nearest[p]))
        return;
    for (; p > 0 && nearest[p - 1] > d; p--)
        nearest[p] = nearest[p - 1];
    nearest[p] = d;
}

/* Is point i of a within the radius of point j of b? */
static bool is_within(const point_set *a, size_t i, const point_set *b, size_t j, double product)
{
    double bound, r = radius(b, j), d = approximate(a, i, b, j, product, &bound);

    if (d + bound <= r)
        return true;
    return d - bound <= r && distance(a, i, b, j) <= r;
}

/* A tile of products: rows i.. of a, columns j.. of b. */
typedef struct tile {
    size_t i, j, rows, columns;
    double *product; /* [rows, columns] */
} tile;

static void multiply(tile *t, const point_set *a, size_t i, const point_set *b, size_t j)
{
    t->i = i;
    t->j = j;
    t->rows = a->n - i < ROWS ? a->n - i : ROWS;
    t->columns = b->n - j < COLUMNS ? b->n - j : COLUMNS;
    hidi_dense_multiply(t->product, false, a->x + i * a->D, b->x + j * b->D, true, t->rows,
                        t->columns, a->D);
}

/* The neighbours of all points in their own set.  A tile above the diagonal serves both ways. */
static hidi_status find_neighbours(point_set *set, tile *t)
{
    for (size_t i = 0; i < set->n; i += ROWS)
        for (size_t j = i / COLUMNS * COLUMNS; j < set->n; j += COLUMNS) {
            HIDI_TRY(hidi_check_stop());
            multiply(t, set, i, set, j);
#pragma omp parallel for schedule(static)
            for (size_t r = 0; r < t->rows; r++)
                for (size_t c = 0; c < t->columns; c++)
                    if (t->j + c > t->i + r)
                        consider(set, t->i + r, set, t->j + c, t->product[r * t->columns + c]);
#pragma omp parallel for schedule(static)
            for (size_t c = 0; c < t->columns; c++)
                for (size_t r = 0; r < t->rows && t->i + r < t->j + c; r++)
                    consider(set, t->j + c, set, t->i + r, t->product[r * t->columns + c]);
        }
    return HIDI_OK;
}

/* Which points of either set lie in the manifold of the other. */
static hidi_status find_members(point_set *a, point_set *b, tile *t)
{
    for (size_t i = 0; i < a->n; i += ROWS)
        for (size_t j = 0; j < b->n; j += COLUMNS) {
            HIDI_TRY(hidi_check_stop());
            multiply(t, a, i, b, j);
#pragma omp parallel for schedule(static)
            for (size_t r = 0; r < t->rows; r++)
                for (size_t c = 0; c < t->columns && !a->inside[t->i + r]; c++)
                    a->inside[t->i + r] = is_within(a, t->i + r, b, t->j + c,
                                                    t->product[r * t->columns + c]);
#pragma omp parallel for schedule(static)
            for (size_t c = 0; c < t->columns; c++)
                for (size_t r = 0; r < t->rows && !b->inside[t->j + c]; r++)
                    b->inside[t->j + c] = is_within(b, t->j + c, a, t->i + r,
                                                    t->product[r * t->columns + c]);
        }
    return HIDI_OK;
}

static double share_inside(const point_set *set)
{
    size_t inside = 0;

    for (size_t i = 0; i < set->n; i++)
        inside += set->inside[i];
    return (double)inside / (double)set->n;
}

static bool all_finite(const double *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return false;
    return true;
}

hidi_status hidi_neighbours_check(size_t k, size_t n_real, size_t n_fake)
{
    if (k == 0)
        return hidi_error(HIDI_BAD_ARGUMENT, "precision and recall: k is 0");
    if (n_real > k && n_fake > k)
        return HIDI_OK;
    return hidi_error(HIDI_BAD_ARGUMENT,
                      "precision and recall: k = %zu needs more than %zu points in both sets, "
                      "found %zu real and %zu fake",
                      k, k, n_real, n_fake);
}

hidi_status hidi_precision_recall(const double *real, size_t n_real, const double *fake,
                                  size_t n_fake, size_t D, size_t k, double *precision,
                                  double *recall)
{
    if (D == 0)
        return hidi_error(HIDI_BAD_ARGUMENT, "precision and recall: the dimension is 0");
    HIDI_TRY(hidi_neighbours_check(k, n_real, n_fake));
    if (!all_finite(real, n_real * D) || !all_finite(fake, n_fake * D))
        return hidi_error(HIDI_NOT_FINITE, "precision and recall: the features are not finite");

    point_set r = { 0 }, f = { 0 };
    tile t = { .product = malloc(ROWS * COLUMNS * sizeof *t.product) };
    hidi_status status = HIDI_OK;
    if (t.product != NULL && make_set(&r, real, n_real, D, k) && make_set(&f, fake, n_fake, D, k)) {
        status = find_neighbours(&r, &t);
        if (status == HIDI_OK)
            status = find_neighbours(&f, &t);
        if (status == HIDI_OK)
            status = find_members(&f, &r, &t);
        *precision = share_inside(&f);
        *recall = share_inside(&r);
    } else {
        status = hidi_error(HIDI_NO_MEMORY, "precision and recall: out of memory");
    }
    free(t.product);
    free_set(&r);
    free_set(&f);
    return status;
}
