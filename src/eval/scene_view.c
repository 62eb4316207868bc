/* scene_view.c - figures are first connected regions; one that looks like no shape may be two that
 * touch, and is divided where colours or coverage say so, if its parts look more like shapes. */
#include "eval/scene_view.h"

#include <math.h>
#include <stdlib.h>

#include "eval/scene_region.h"

enum { MOST_REGIONS = 64, DIVISIONS = 2 };

/* What is taken for what. */
static const double least_area = 0.012;    /* of a figure, as a share of the picture: half of the
                                            * smallest cross                                     */
static const double suspicious = 0.06;     /* misfit above which a region may be two figures     */
static const double no_shape = 0.15;       /* ... above which it has no shape                    */
static const double no_colour = 0.16;      /* residual above which it has no colour              */

/* --- regions ---------------------------------------------------------------------------------- */

/* The neighbours of a pixel, above, below, left and right of it; returns how many there are. */
static size_t neighbours_of(const hidi_scene_picture *v, size_t pixel, size_t next[4])
{
    const size_t row = pixel / v->side, column = pixel % v->side;
    size_t n = 0;
    if (row > 0)
        next[n++] = pixel - v->side;
    if (row + 1 < v->side)
        next[n++] = pixel + v->side;
    if (column > 0)
        next[n++] = pixel - 1;
    if (column + 1 < v->side)
        next[n++] = pixel + 1;
    return n;
}

/* Gives the pixels of `from` that are connected to this one and have its label to `to`; returns how
 * many. */
static size_t flood(hidi_scene_picture *v, size_t start, int from, int to)
{
    size_t done = 0, end = 1, next[4];
    v->queue[0] = start;
    v->owner[start] = to;
    while (done < end) {
        const size_t pixel = v->queue[done++], n = neighbours_of(v, pixel, next);
        for (size_t i = 0; i < n; i++)
            if (v->owner[next[i]] == from && v->label[next[i]] == v->label[start]) {
                v->owner[next[i]] = to;
                v->queue[end++] = next[i];
            }
    }
    return end;
}

static size_t least_count(const hidi_scene_picture *v)
{
    return 1 + (size_t)(least_area * (double)v->pixels);
}

/* Divides the labelled pixels of `from` into connected regions of one label each.  Small ones go to
 * nobody, and are not counted. */
static size_t find_regions(hidi_scene_picture *v, int from, hidi_scene_region *found, size_t most)
{
    size_t n = 0;
    for (size_t i = 0; i < v->pixels && n < most; i++) {
        if (v->owner[i] != from || v->label[i] == NO_LABEL)
            continue;
        const int owner = v->n_owners++;
        const size_t count = flood(v, i, from, owner);
        if (count >= least_count(v)) {
            found[n++] = (hidi_scene_region){.owner = owner, .count = count};
            continue;
        }
        for (size_t k = 0; k < count; k++) {
            v->owner[v->queue[k]] = NOBODY;
            v->label[v->queue[k]] = NO_LABEL;
        }
    }
    return n;
}

/* --- figures ---------------------------------------------------------------------------------- */

/* Labels a region's pixels by their colour, as the pixels around them see it, too. */
static void label_colours(hidi_scene_picture *v, const hidi_scene_region *r)
{
    size_t next[4];
    for (size_t i = 0; i < v->pixels; i++) {
        double sum[HIDI_SCENE_COLOURS] = {0};
        int best = 0;
        if (v->owner[i] != r->owner)
            continue;
        const size_t n = neighbours_of(v, i, next);
        for (size_t k = 0; k < HIDI_SCENE_COLOURS; k++) {
            sum[k] = hidi_mixture_of(v, k, i)->residual;
            for (size_t j = 0; j < n; j++)
                if (v->owner[next[j]] == r->owner)
                    sum[k] += hidi_mixture_of(v, k, next[j])->residual;
            if (sum[k] < sum[best])
                best = (int)k;
        }
        v->label[i] = best;
    }
}

/* Are all pixels up to `margin` rows and columns away the region's? */
static bool is_within(const hidi_scene_picture *v, size_t pixel, size_t margin, int owner)
{
    const size_t row = pixel / v->side, column = pixel % v->side, last = v->side - 1 - margin;
    if (row < margin || column < margin || row > last || column > last)
        return false;
    for (size_t i = row - margin; i <= row + margin; i++)
        for (size_t j = column - margin; j <= column + margin; j++)
            if (v->owner[i * v->side + j] != owner)
                return false;
    return true;
}

/* Labels those that are covered by more than this, and this far from the region's edge. */
static void label_core(hidi_scene_picture *v, const hidi_scene_region *r, double level,
                       size_t margin)
{
    for (size_t i = 0; i < v->pixels; i++)
        if (v->owner[i] == r->owner) {
            const double cover = hidi_mixture_of(v, r->figure.object.colour, i)->cover;
            v->label[i] = cover > level && is_within(v, i, margin, r->owner) ? 0 : NO_LABEL;
        }
}

/* Gives what nobody has taken of a region (`mine`) to the part next to it, ring by ring. */
static void share_out(hidi_scene_picture *v, const int *mine, int owner, hidi_scene_region *part,
                      size_t n_parts)
{
    size_t next[4], given = 1;
    while (given > 0) {
        given = 0;
        for (size_t i = 0; i < v->pixels; i++) {
            if (mine[i] != owner || (v->owner[i] != owner && v->owner[i] != NOBODY))
                continue;
            const size_t n = neighbours_of(v, i, next);
            for (size_t k = 0; k < n * n_parts; k++)
                if (v->owner[next[k % n]] == part[k / n].owner) {
                    v->queue[given++] = i;
                    v->label[i] = (int)(k / n);
                    break;
                }
        }
        for (size_t k = 0; k < given; k++) {
            hidi_scene_region *to = &part[v->label[v->queue[k]]];
            v->owner[v->queue[k]] = to->owner;
            to->count++;
        }
    }
}

/* Divides a region by its labels; keeps that if its parts look more like shapes than it does, and
 * puts everything back otherwise.  Returns how many parts there are: 0 or at least 2. */
static size_t divide(hidi_scene_picture *v, const hidi_scene_region *r, const int *mine,
                     hidi_scene_region part[HIDI_SEEN_FIGURES])
{
    double worst = 0.0;
    const size_t n = find_regions(v, r->owner, part, HIDI_SEEN_FIGURES);
    if (n >= 2) {
        share_out(v, mine, r->owner, part, n);
        for (size_t k = 0; k < n; k++) {
            hidi_recognise(v, &part[k]);
            worst = fmax(worst, part[k].figure.misfit);
        }
    }
    if (n >= 2 && worst < r->figure.misfit)
        return n;
    for (size_t i = 0; i < v->pixels; i++)
        if (mine[i] == r->owner)
            v->owner[i] = r->owner;
    return 0;
}

static size_t try_to_divide(hidi_scene_picture *v, const hidi_scene_region *r, int *mine,
                            hidi_scene_region part[HIDI_SEEN_FIGURES])
{
    static const struct {
        double level;
        size_t margin;
    } core[] = {{0.65, 0}, {0.8, 0}, {0.95, 0}, {0.5, 1}, {0.5, 2}};
    size_t n;
    for (size_t i = 0; i < v->pixels; i++)
        mine[i] = v->owner[i];
    label_colours(v, r);
    n = divide(v, r, mine, part);
    for (size_t i = 0; n == 0 && i < sizeof core / sizeof core[0]; i++) {
        label_core(v, r, core[i].level, core[i].margin);
        n = divide(v, r, mine, part);
    }
    return n;
}

/* The colour that a pixel alone is nearest to. */
static size_t nearest_colour(const hidi_scene_picture *v, size_t pixel)
{
    size_t best = 0;
    for (size_t k = 1; k < HIDI_SCENE_COLOURS; k++)
        if (hidi_mixture_of(v, k, pixel)->residual < hidi_mixture_of(v, best, pixel)->residual)
            best = k;
    return best;
}

/* All regions, those that are two or more figures divided; returns how many. */
static size_t find_figures(hidi_scene_picture *v, int *mine, hidi_scene_region *found)
{
    hidi_scene_region part[HIDI_SEEN_FIGURES];
    for (size_t i = 0; i < v->pixels; i++) {
        const bool covered = hidi_mixture_of(v, nearest_colour(v, i), i)->cover > 0.5;
        v->owner[i] = NOBODY;
        v->label[i] = covered ? 0 : NO_LABEL;
    }
    size_t n = find_regions(v, NOBODY, found, MOST_REGIONS);
    for (size_t i = 0; i < n; i++)
        hidi_recognise(v, &found[i]);
    for (int times = 0; times < DIVISIONS; times++)
        for (size_t i = n; i-- > 0;) {
            const bool try = found[i].figure.misfit > suspicious;
            const size_t parts = try ? try_to_divide(v, &found[i], mine, part) : 0;
            if (parts == 0 || n + parts > MOST_REGIONS)
                continue;
            found[i] = part[0];
            for (size_t k = 1; k < parts; k++)
                found[n++] = part[k];
        }
    return n;
}

/* --- all of it -------------------------------------------------------------------------------- */

static int by_count(const void *a, const void *b)
{
    const hidi_scene_region *x = a, *y = b;
    return x->count != y->count ? (x->count < y->count) - (x->count > y->count)
                                : (x->owner > y->owner) - (x->owner < y->owner);
}

static void report(hidi_seen *seen, hidi_scene_region *found, size_t n)
{
    qsort(found, n, sizeof *found, by_count);
    seen->n = n < HIDI_SEEN_FIGURES ? n : HIDI_SEEN_FIGURES;
    for (size_t i = 0; i < seen->n; i++) {
        hidi_seen_figure *f = &seen->figure[i];
        *f = found[i].figure;
        if (f->misfit > no_shape)
            f->object.shape = HIDI_SCENE_SHAPES;
        if (f->residual > no_colour)
            f->object.colour = HIDI_SCENE_COLOURS;
    }
}

static hidi_status check(const hidi_real *image, size_t values)
{
    for (size_t i = 0; i < values; i++)
        if (!isfinite((double)image[i]))
            return hidi_error(HIDI_NOT_FINITE, "a picture with NaN or infinity");
    return HIDI_OK;
}

hidi_status hidi_see_scene(hidi_seen *seen, const hidi_real *image, size_t side)
{
    const size_t pixels = side * side;
    hidi_scene_region found[MOST_REGIONS];
    seen->n = 0;
    HIDI_TRY(check(image, 3 * pixels));
    hidi_mixture *mixture = malloc(HIDI_SCENE_COLOURS * pixels * sizeof *mixture);
    hidi_scene_picture v = {.side = side,
              .pixels = pixels,
              .mixture = mixture,
              .owner = malloc(pixels * sizeof *v.owner),
              .label = malloc(pixels * sizeof *v.label),
              .queue = malloc(pixels * sizeof *v.queue),
              .points = malloc(pixels * sizeof *v.points)};
    int *mine = malloc(pixels * sizeof *mine);
    hidi_status status = HIDI_OK;
    if (mixture != NULL && v.owner != NULL && v.label != NULL && v.queue != NULL &&
        v.points != NULL && mine != NULL) {
        hidi_unmix_scene(mixture, image, side);
        hidi_weigh_silhouettes(&v);
        report(seen, found, find_figures(&v, mine, found));
    } else {
        status = hidi_error(HIDI_NO_MEMORY, "out of memory for a picture of %zu pixels", pixels);
    }
    free(mixture);
    free(v.owner);
    free(v.label);
    free(v.queue);
    free(v.points);
    free(mine);
    return status;
}
