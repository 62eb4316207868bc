/* scene_view.c - figures are first connected regions; one that looks like no shape may be two that
 * touch, and is divided where colours or coverage say so, if its parts look more like shapes. */
#include "eval/scene_view.h"

#include <math.h>
#include <stdlib.h>

#include "data/drawing.h"
#include "eval/scene_mixture.h"

#define PI 3.14159265358979323846

enum { MOST_REGIONS = 64, DIVISIONS = 2, AROUND = 2, ANGLES = 24, PERIODS = 3 };

/* What is taken for what. */
static const double least_area = 0.012;    /* of a figure, as a share of the picture: half of the
                                            * smallest cross                                     */
static const double suspicious = 0.06;     /* misfit above which a region may be two figures     */
static const double no_shape = 0.15;       /* ... above which it has no shape                    */
static const double no_colour = 0.16;      /* residual above which it has no colour              */
static const double inside = 0.85;         /* coverage where texture is looked at                */
static const double plain_share = 0.14;    /* mean of d below which it is plain                  */
static const double most_contrast = 0.20;  /* ... if its deviation is below this                 */
static const double least_contrast = 0.15; /* of d where there is a texture                      */
static const double striped = 1.07;        /* mean of d and share of one wave, in all            */
static const double turns = PI / 12.0;     /* figures are drawn turned by up to this             */

/* A pixel of a region or next to it. */
typedef struct point {
    double x, y, cover, texture;
    bool owned; /* of the region */
} point;

/* A shape drawn at the origin, of size 1. */
typedef struct silhouette {
    double area, x, y; /* and its centroid */
} silhouette;

typedef struct view {
    size_t side, pixels;
    const hidi_mixture *mixture; /* [HIDI_SCENE_COLOURS, pixels]                    */
    int *owner;                  /* [pixels] number of a region; NOBODY             */
    int *label;                  /* [pixels] what regions are divided by; NO_LABEL  */
    size_t *queue;               /* [pixels]                                        */
    point *points;               /* [pixels]                                        */
    int n_owners;
    silhouette silhouette[HIDI_SCENE_SHAPES];
} view;

enum { NOBODY = -1, NO_LABEL = -1 };
enum { PLAIN, STRIPED, DOTTED }; /* hidi_scene_texture_name */

/* A region, and what it is taken for. */
typedef struct region {
    int owner;
    size_t count;
    hidi_seen_figure figure;
} region;

static const hidi_mixture *mixture_of(const view *v, size_t colour, size_t pixel)
{
    return &v->mixture[colour * v->pixels + pixel];
}

/* --- regions ---------------------------------------------------------------------------------- */

/* The neighbours of a pixel, above, below, left and right of it; returns how many there are. */
static size_t neighbours_of(const view *v, size_t pixel, size_t next[4])
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
static size_t flood(view *v, size_t start, int from, int to)
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

static size_t least_count(const view *v)
{
    return 1 + (size_t)(least_area * (double)v->pixels);
}

/* Divides the labelled pixels of `from` into connected regions of one label each.  Small ones go to
 * nobody, and are not counted. */
static size_t find_regions(view *v, int from, region *found, size_t most)
{
    size_t n = 0;
    for (size_t i = 0; i < v->pixels && n < most; i++) {
        if (v->owner[i] != from || v->label[i] == NO_LABEL)
            continue;
        const int owner = v->n_owners++;
        const size_t count = flood(v, i, from, owner);
        if (count >= least_count(v)) {
            found[n++] = (region){.owner = owner, .count = count};
            continue;
        }
        for (size_t k = 0; k < count; k++) {
            v->owner[v->queue[k]] = NOBODY;
            v->label[v->queue[k]] = NO_LABEL;
        }
    }
    return n;
}

/* --- colour ----------------------------------------------------------------------------------- */

static size_t nearest_colour(const view *v, size_t pixel)
{
    size_t best = 0;
    for (size_t k = 1; k < HIDI_SCENE_COLOURS; k++)
        if (mixture_of(v, k, pixel)->residual < mixture_of(v, best, pixel)->residual)
            best = k;
    return best;
}

/* The colour that leaves the least residual, recognised or not. */
static size_t colour_of(const view *v, const region *r, double *residual)
{
    size_t best = 0;
    double sum[HIDI_SCENE_COLOURS] = {0};
    for (size_t i = 0; i < v->pixels; i++)
        for (size_t k = 0; v->owner[i] == r->owner && k < HIDI_SCENE_COLOURS; k++)
            sum[k] += mixture_of(v, k, i)->residual;
    for (size_t k = 1; k < HIDI_SCENE_COLOURS; k++)
        if (sum[k] < sum[best])
            best = k;
    *residual = sqrt(sum[best] / (double)r->count);
    return best;
}

/* --- shape ------------------------------------------------------------------------------------ */

static bool is_around(const view *v, size_t row, size_t column, int owner)
{
    const size_t top = row < AROUND ? 0 : row - AROUND;
    const size_t left = column < AROUND ? 0 : column - AROUND;
    for (size_t i = top; i <= row + AROUND && i < v->side; i++)
        for (size_t j = left; j <= column + AROUND && j < v->side; j++)
            if (v->owner[i * v->side + j] == owner)
                return true;
    return false;
}

/* The region's pixels, and nobody's around them. */
static size_t collect(view *v, const region *r, size_t colour)
{
    size_t n = 0;
    for (size_t i = 0; i < v->pixels; i++) {
        const bool owned = v->owner[i] == r->owner;
        const size_t row = i / v->side, column = i % v->side;
        if (!owned && (v->owner[i] != NOBODY || !is_around(v, row, column, r->owner)))
            continue;
        const hidi_mixture *m = mixture_of(v, colour, i);
        v->points[n++] = (point){.x = (2.0 * (double)column + 1.0) / (double)v->side - 1.0,
                                 .y = 1.0 - (2.0 * (double)row + 1.0) / (double)v->side,
                                 .cover = m->cover,
                                 .texture = m->texture,
                                 .owned = owned};
    }
    return n;
}

/* Area and centroid, in the plane. */
static silhouette weigh(const view *v, size_t n)
{
    silhouette s = {0};
    for (size_t i = 0; i < n; i++) {
        s.area += v->points[i].cover;
        s.x += v->points[i].cover * v->points[i].x;
        s.y += v->points[i].cover * v->points[i].y;
    }
    s.x /= s.area;
    s.y /= s.area;
    s.area *= 4.0 / (double)v->pixels;
    return s;
}

/* The same of each shape, from a drawing of it. */
static void weigh_shapes(view *v)
{
    enum { SIDE = 40 };
    const double half = 1.25, pixel = 2.0 * half / SIDE;
    for (size_t shape = 0; shape < HIDI_SCENE_SHAPES; shape++) {
        hidi_figure f = {.size = 1.0, .cosine = 1.0};
        silhouette s = {0};
        hidi_figure_of(&f, &(hidi_scene_object){.shape = shape});
        for (int i = 0; i < SIDE * SIDE; i++) {
            const double x = (i % SIDE + 0.5) * pixel - half, y = (i / SIDE + 0.5) * pixel - half;
            const double cover = hidi_figure_covers(&f, x, y, pixel);
            s.area += cover;
            s.x += cover * x;
            s.y += cover * y;
        }
        s.x /= s.area;
        s.y /= s.area;
        s.area *= pixel * pixel;
        v->silhouette[shape] = s;
    }
}

/* A shape of this turn and size with its centroid at (x, y). */
typedef struct pose {
    double x, y, size, turn;
} pose;

static hidi_figure place_shape(const view *v, size_t shape, const pose *p)
{
    const silhouette *s = &v->silhouette[shape];
    hidi_figure f = {.size = p->size, .cosine = cos(p->turn), .sine = sin(p->turn)};
    hidi_figure_of(&f, &(hidi_scene_object){.shape = shape});
    f.x = p->x - f.size * (f.cosine * s->x - f.sine * s->y);
    f.y = p->y - f.size * (f.sine * s->x + f.cosine * s->y);
    return f;
}

static double misfit_of(const view *v, size_t n, size_t shape, const pose *p)
{
    const hidi_figure f = place_shape(v, shape, p);
    double sum = 0.0, cover = 0.0;
    for (size_t i = 0; i < n; i++) {
        const point *at = &v->points[i];
        const double difference =
            at->cover - hidi_figure_covers(&f, at->x, at->y, 2.0 / (double)v->side);
        sum += difference * difference;
        cover += at->cover;
    }
    return sum / cover;
}

/* Moves the pose downhill, a step at a time along each of its numbers, with ever smaller steps. */
static double refine(const view *v, size_t n, size_t shape, pose *p, double misfit)
{
    double step[4] = {1.0 / (double)v->side, 1.0 / (double)v->side, 0.06 * p->size, turns / 4.0};
    for (int round = 0; round < 4; round++)
        for (int k = 0; k < 4; k++) {
            for (int sign = -1; sign <= 1; sign += 2) {
                pose moved = *p;
                double *const number[4] = {&moved.x, &moved.y, &moved.size, &moved.turn};
                *number[k] += sign * step[k];
                const double after = misfit_of(v, n, shape, &moved);
                if (fabs(moved.turn) <= turns + 1e-9 && after < misfit) {
                    misfit = after;
                    *p = moved;
                    break;
                }
            }
            step[k] *= 0.7;
        }
    return misfit;
}

/* The best of a few turns. */
static double try_shape(const view *v, size_t n, const silhouette *s, size_t shape, pose *best)
{
    double least = INFINITY;
    for (int i = -2; i <= 2; i++) {
        const pose p = {s->x, s->y, sqrt(s->area / v->silhouette[shape].area), i * turns / 2.0};
        const double misfit = misfit_of(v, n, shape, &p);
        if (misfit < least) {
            least = misfit;
            *best = p;
        }
    }
    return least;
}

/* The nearest shape, recognised or not; only what comes near it is refined. */
static void find_shape(const view *v, size_t n, hidi_seen_figure *figure)
{
    pose p[HIDI_SCENE_SHAPES];
    double misfit[HIDI_SCENE_SHAPES], least = INFINITY;
    const silhouette s = weigh(v, n);
    for (size_t shape = 0; shape < HIDI_SCENE_SHAPES; shape++) {
        misfit[shape] = try_shape(v, n, &s, shape, &p[shape]);
        least = fmin(least, misfit[shape]);
    }
    const double worth = 2.0 * least;
    figure->misfit = INFINITY;
    for (size_t shape = 0; shape < HIDI_SCENE_SHAPES; shape++) {
        if (misfit[shape] <= worth)
            misfit[shape] = refine(v, n, shape, &p[shape], misfit[shape]);
        if (misfit[shape] < figure->misfit) {
            const hidi_figure f = place_shape(v, shape, &p[shape]);
            figure->misfit = misfit[shape];
            figure->object.shape = shape;
            figure->x = f.x;
            figure->y = f.y;
            figure->size = f.size;
        }
    }
}

/* --- texture ---------------------------------------------------------------------------------- */

/* d, and where: the x and y of points are kept, their cover is 1. */
static size_t keep_inside(view *v, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        const point *p = &v->points[i];
        if (p->owned && p->cover >= inside)
            v->points[kept++] = (point){p->x, p->y, 1.0, p->texture / p->cover, true};
    }
    return kept;
}

/* How much of the variance of d a wave of this direction and period explains, whatever its phase:
 * R^2 of d on its cosine and sine. */
static double explained(const view *v, size_t n, double angle, double period)
{
    double d = 0, c = 0, s = 0, dd = 0, dc = 0, ds = 0, cc = 0, ss = 0, cs = 0;
    const double kx = 2.0 * PI * cos(angle) / period, ky = 2.0 * PI * sin(angle) / period;
    for (size_t i = 0; i < n; i++) {
        const double value = v->points[i].texture;
        const double phase = kx * v->points[i].x + ky * v->points[i].y;
        const double cosine = cos(phase), sine = sin(phase);
        d += value, c += cosine, s += sine;
        dd += value * value, dc += value * cosine, ds += value * sine;
        cc += cosine * cosine, ss += sine * sine, cs += cosine * sine;
    }
    const double m = (double)n;
    dd -= d * d / m, dc -= d * c / m, ds -= d * s / m;
    cc -= c * c / m, ss -= s * s / m, cs -= c * s / m;
    const double determinant = cc * ss - cs * cs;
    if (!(dd > 1e-9 * m) || !(determinant > 1e-6 * m * m))
        return 0.0;
    return (dc * dc * ss - 2.0 * dc * ds * cs + ds * ds * cc) / determinant / dd;
}

/* Mean and standard deviation of d. */
static void weigh_texture(const view *v, size_t n, hidi_seen_figure *figure)
{
    double sum = 0.0, squares = 0.0;
    for (size_t i = 0; i < n; i++) {
        sum += v->points[i].texture;
        squares += v->points[i].texture * v->points[i].texture;
    }
    figure->share = sum / (double)n;
    figure->contrast = sqrt(fmax(squares / (double)n - figure->share * figure->share, 0.0));
}

/* Stripes are one wave, with as much of one tone as of the other; dots are two waves, with a
 * quarter of one tone.  What is neither of one tone nor has a contrast is no texture. */
static size_t texture_of(view *v, size_t n, hidi_seen_figure *figure)
{
    const size_t none = HIDI_SCENE_TEXTURES, kept = keep_inside(v, n);
    if (kept < 8)
        return none;
    weigh_texture(v, kept, figure);
    for (int i = 0; i < ANGLES; i++)
        for (int k = 0; k < PERIODS; k++)
            figure->wave = fmax(figure->wave, explained(v, kept, i * PI / ANGLES, 0.22 + 0.02 * k));
    if (figure->share < plain_share && figure->contrast < most_contrast)
        return PLAIN;
    if (figure->contrast < least_contrast)
        return none;
    return figure->wave + figure->share > striped ? STRIPED : DOTTED;
}

/* --- figures ---------------------------------------------------------------------------------- */

static void look_at(view *v, region *r)
{
    hidi_seen_figure *f = &r->figure;
    *f = (hidi_seen_figure){.wave = 0.0};
    f->object.colour = colour_of(v, r, &f->residual);
    const size_t n = collect(v, r, f->object.colour);
    find_shape(v, n, f);
    f->object.texture = texture_of(v, n, f);
}

/* Labels a region's pixels by their colour, as the pixels around them see it, too. */
static void label_colours(view *v, const region *r)
{
    size_t next[4];
    for (size_t i = 0; i < v->pixels; i++) {
        double sum[HIDI_SCENE_COLOURS] = {0};
        int best = 0;
        if (v->owner[i] != r->owner)
            continue;
        const size_t n = neighbours_of(v, i, next);
        for (size_t k = 0; k < HIDI_SCENE_COLOURS; k++) {
            sum[k] = mixture_of(v, k, i)->residual;
            for (size_t j = 0; j < n; j++)
                sum[k] += v->owner[next[j]] == r->owner ? mixture_of(v, k, next[j])->residual : 0.0;
            if (sum[k] < sum[best])
                best = (int)k;
        }
        v->label[i] = best;
    }
}

/* Are all pixels up to `margin` rows and columns away the region's? */
static bool is_within(const view *v, size_t pixel, size_t margin, int owner)
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
static void label_core(view *v, const region *r, double level, size_t margin)
{
    for (size_t i = 0; i < v->pixels; i++)
        if (v->owner[i] == r->owner) {
            const double cover = mixture_of(v, r->figure.object.colour, i)->cover;
            v->label[i] = cover > level && is_within(v, i, margin, r->owner) ? 0 : NO_LABEL;
        }
}

/* Gives what nobody has taken of a region (`mine`) to the part next to it, ring by ring. */
static void share_out(view *v, const int *mine, int owner, region *part, size_t n_parts)
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
            region *to = &part[v->label[v->queue[k]]];
            v->owner[v->queue[k]] = to->owner;
            to->count++;
        }
    }
}

/* Divides a region by its labels; keeps that if its parts look more like shapes than it does, and
 * puts everything back otherwise.  Returns how many parts there are: 0 or at least 2. */
static size_t divide(view *v, const region *r, const int *mine, region part[HIDI_SEEN_FIGURES])
{
    double worst = 0.0;
    const size_t n = find_regions(v, r->owner, part, HIDI_SEEN_FIGURES);
    if (n >= 2) {
        share_out(v, mine, r->owner, part, n);
        for (size_t k = 0; k < n; k++) {
            look_at(v, &part[k]);
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

static size_t try_to_divide(view *v, const region *r, int *mine, region part[HIDI_SEEN_FIGURES])
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

/* All regions, those that are two or more figures divided; returns how many. */
static size_t find_figures(view *v, int *mine, region *found)
{
    region part[HIDI_SEEN_FIGURES];
    for (size_t i = 0; i < v->pixels; i++) {
        const bool covered = mixture_of(v, nearest_colour(v, i), i)->cover > 0.5;
        v->owner[i] = NOBODY;
        v->label[i] = covered ? 0 : NO_LABEL;
    }
    size_t n = find_regions(v, NOBODY, found, MOST_REGIONS);
    for (size_t i = 0; i < n; i++)
        look_at(v, &found[i]);
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
    const region *x = a, *y = b;
    return x->count != y->count ? (x->count < y->count) - (x->count > y->count)
                                : (x->owner > y->owner) - (x->owner < y->owner);
}

static void report(hidi_seen *seen, region *found, size_t n)
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
    region found[MOST_REGIONS];
    seen->n = 0;
    HIDI_TRY(check(image, 3 * pixels));
    hidi_mixture *mixture = malloc(HIDI_SCENE_COLOURS * pixels * sizeof *mixture);
    view v = {.side = side,
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
        weigh_shapes(&v);
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
