/* precision_recall.c - improved precision and recall; see precision_recall.h.
 *
 * Squared distances are sums of squared differences rather than |a|^2 + |b|^2 - 2 <a, b>: no
 * cancellation, d(a, a) = 0 and d(a, b) = d(b, a) to the last bit, so that "within the distance" is
 * exact also for points on the rim.  They are computed a tile at a time and never stored. */
#include "metrics/precision_recall.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define TILE 64           /* points of the set beside each other                     */
#define ROWS 16           /* points that go through a tile together, while it is hot */
#define WORTHWHILE 100000 /* differences for which threads are woken                 */

/* The set as tiles [tiles, D, TILE], the last one filled up with zeros. */
typedef struct tiled_set {
    size_t n, D, tiles;
    double *data;
    double *radius; /* [tiles, TILE] squared distance to the k-th neighbour; filled up with -1 */
} tiled_set;

static void free_set(tiled_set *set)
{
    free(set->data);
    free(set->radius);
}

static bool make_set(tiled_set *set, const double *points, size_t n, size_t D)
{
    set->n = n;
    set->D = D;
    set->tiles = (n + TILE - 1) / TILE;
    set->data = calloc(set->tiles, TILE * D * sizeof(double));
    set->radius = malloc(set->tiles * TILE * sizeof(double));
    if (set->data == NULL || set->radius == NULL)
        return false;
    for (size_t i = 0; i < set->tiles * TILE; i++)
        set->radius[i] = -1;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < D; j++)
            set->data[(i / TILE * D + j) * TILE + i % TILE] = points[i * D + j];
    return true;
}

static double square(double x)
{
    return x * x;
}

/* d[q] = |point - tile_q|^2; point: [D], tile: [D, TILE]. */
static void distances(const double *restrict point, const double *restrict tile, size_t D,
                      double *restrict d)
{
    size_t j = 0;

    memset(d, 0, TILE * sizeof *d);
    for (; j + 4 <= D; j += 4, point += 4, tile += 4 * TILE) {
        double a = point[0], b = point[1], c = point[2], e = point[3];
#pragma omp simd
        for (size_t q = 0; q < TILE; q++)
            d[q] += (square(a - tile[q]) + square(b - tile[TILE + q])) +
                    (square(c - tile[2 * TILE + q]) + square(e - tile[3 * TILE + q]));
    }
    for (; j < D; j++, point++, tile += TILE)
        for (size_t q = 0; q < TILE; q++)
            d[q] += square(point[0] - tile[q]);
}

/* Puts d into nearest[k], ascending, if it is among the k least. */
static void keep_least(double *nearest, size_t k, double d)
{
    size_t i = k - 1;

    if (!(d < nearest[i]))
        return;
    for (; i > 0 && nearest[i - 1] > d; i--)
        nearest[i] = nearest[i - 1];
    nearest[i] = d;
}

/* The squared distance of each member, points [n, D], to its k-th nearest other member.
 * nearest: [n, k]. */
static void find_radii(tiled_set *set, const double *points, size_t k, double *nearest)
{
    size_t n = set->n, D = set->D;

    for (size_t i = 0; i < n * k; i++)
        nearest[i] = INFINITY;
#pragma omp parallel for schedule(dynamic) if (n * n * D > WORTHWHILE)
    for (size_t first = 0; first < n; first += ROWS) {
        size_t last = first + ROWS < n ? first + ROWS : n;
        double d[TILE];

        for (size_t t = 0; t < set->tiles; t++)
            for (size_t i = first; i < last; i++) {
                distances(points + i * D, set->data + t * TILE * D, D, d);
                for (size_t q = 0; q < TILE && t * TILE + q < n; q++)
                    if (t * TILE + q != i)
                        keep_least(nearest + i * k, k, d[q]);
            }
        for (size_t i = first; i < last; i++)
            set->radius[i] = nearest[i * k + k - 1];
    }
}

/* How many of points [n, D] lie in the manifold of the set. */
static size_t count_inside(const tiled_set *set, const double *points, size_t n)
{
    size_t inside = 0, D = set->D;

#pragma omp parallel for schedule(dynamic) reduction(+ : inside) if (n * set->n * D > WORTHWHILE)
    for (size_t first = 0; first < n; first += ROWS) {
        size_t rows = first + ROWS < n ? ROWS : n - first;
        bool found[ROWS] = { false };
        double d[TILE];

        for (size_t t = 0; t < set->tiles; t++)
            for (size_t i = 0; i < rows; i++) {
                if (found[i])
                    continue;
                distances(points + (first + i) * D, set->data + t * TILE * D, D, d);
                for (size_t q = 0; q < TILE; q++)
                    found[i] = found[i] || d[q] <= set->radius[t * TILE + q];
            }
        for (size_t i = 0; i < rows; i++)
            inside += found[i];
    }
    return inside;
}

/* The share of points in the manifold of the set made of `members`. */
static hidi_status share_inside(const double *members, size_t n_members, const double *points,
                                size_t n, size_t D, size_t k, double *share)
{
    tiled_set set;
    hidi_status status = HIDI_OK;
    double *nearest = malloc(n_members * k * sizeof *nearest);

    if (make_set(&set, members, n_members, D) && nearest != NULL) {
        find_radii(&set, members, k, nearest);
        *share = (double)count_inside(&set, points, n) / (double)n;
    } else {
        status = hidi_error(HIDI_NO_MEMORY, "precision and recall: out of memory");
    }
    free(nearest);
    free_set(&set);
    return status;
}

static bool all_finite(const double *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return false;
    return true;
}

hidi_status hidi_precision_recall(const double *real, size_t n_real, const double *fake,
                                  size_t n_fake, size_t D, size_t k, double *precision,
                                  double *recall)
{
    if (D == 0 || k == 0)
        return hidi_error(HIDI_BAD_ARGUMENT, "precision and recall: %s is 0",
                          D == 0 ? "the dimension" : "k");
    if (n_real <= k || n_fake <= k)
        return hidi_error(HIDI_BAD_ARGUMENT,
                          "precision and recall: k = %zu needs more than %zu points in both sets, "
                          "found %zu real and %zu fake",
                          k, k, n_real, n_fake);
    if (!all_finite(real, n_real * D) || !all_finite(fake, n_fake * D))
        return hidi_error(HIDI_NOT_FINITE, "precision and recall: the features are not finite");
    HIDI_TRY(share_inside(real, n_real, fake, n_fake, D, k, precision));
    return share_inside(fake, n_fake, real, n_real, D, k, recall);
}
