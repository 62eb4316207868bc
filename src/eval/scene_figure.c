/* scene_figure.c - one region of a picture: its colour leaves the least residual, its shape is that
 * whose silhouette is nearest to the coverage, its texture follows from that of its inside. */
#include "eval/scene_region.h"

#include <math.h>

#include "data/drawing.h"

#define PI 3.14159265358979323846

enum { AROUND = 2, ANGLES = 24, PERIODS = 3 };
enum { PLAIN, STRIPED, DOTTED }; /* hidi_scene_texture_name */

/* What is taken for what. */
static const double inside = 0.85;         /* coverage where texture is looked at                */
static const double plain_share = 0.14;    /* mean of d below which it is plain                  */
static const double most_contrast = 0.20;  /* ... if its deviation is below this                 */
static const double least_contrast = 0.15; /* of d where there is a texture                      */
static const double striped = 1.07;        /* mean of d and share of one wave, in all            */
static const double turns = PI / 12.0;     /* figures are drawn turned by up to this             */

/* --- colour ----------------------------------------------------------------------------------- */

/* The colour that leaves the least residual, recognised or not. */
static size_t colour_of(const hidi_scene_picture *v, const hidi_scene_region *r, double *residual)
{
    size_t best = 0;
    double sum[HIDI_SCENE_COLOURS] = {0};
    for (size_t i = 0; i < v->pixels; i++)
        for (size_t k = 0; v->owner[i] == r->owner && k < HIDI_SCENE_COLOURS; k++)
            sum[k] += hidi_mixture_of(v, k, i)->residual;
    for (size_t k = 1; k < HIDI_SCENE_COLOURS; k++)
        if (sum[k] < sum[best])
            best = k;
    *residual = sqrt(sum[best] / (double)r->count);
    return best;
}

/* --- shape ------------------------------------------------------------------------------------ */

static bool is_around(const hidi_scene_picture *v, size_t row, size_t column, int owner)
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
static size_t collect(hidi_scene_picture *v, const hidi_scene_region *r, size_t colour)
{
    size_t n = 0;
    for (size_t i = 0; i < v->pixels; i++) {
        const bool owned = v->owner[i] == r->owner;
        const size_t row = i / v->side, column = i % v->side;
        if (!owned && (v->owner[i] != NOBODY || !is_around(v, row, column, r->owner)))
            continue;
        const hidi_mixture *m = hidi_mixture_of(v, colour, i);
        const double side = (double)v->side;
        v->points[n++] = (hidi_scene_point){.x = (2.0 * (double)column + 1.0) / side - 1.0,
                                            .y = 1.0 - (2.0 * (double)row + 1.0) / side,
                                            .cover = m->cover,
                                            .texture = m->texture,
                                            .owned = owned};
    }
    return n;
}

/* Area and centroid, in the plane. */
static hidi_silhouette weigh(const hidi_scene_picture *v, size_t n)
{
    hidi_silhouette s = {0};
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
void hidi_weigh_silhouettes(hidi_scene_picture *v)
{
    enum { SIDE = 40 };
    const double half = 1.25, pixel = 2.0 * half / SIDE;
    for (size_t shape = 0; shape < HIDI_SCENE_SHAPES; shape++) {
        hidi_figure f = {.size = 1.0, .cosine = 1.0};
        hidi_silhouette s = {0};
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

static hidi_figure place_shape(const hidi_scene_picture *v, size_t shape, const pose *p)
{
    const hidi_silhouette *s = &v->silhouette[shape];
    hidi_figure f = {.size = p->size, .cosine = cos(p->turn), .sine = sin(p->turn)};
    hidi_figure_of(&f, &(hidi_scene_object){.shape = shape});
    f.x = p->x - f.size * (f.cosine * s->x - f.sine * s->y);
    f.y = p->y - f.size * (f.sine * s->x + f.cosine * s->y);
    return f;
}

static double misfit_of(const hidi_scene_picture *v, size_t n, size_t shape, const pose *p)
{
    const hidi_figure f = place_shape(v, shape, p);
    double sum = 0.0, cover = 0.0;
    for (size_t i = 0; i < n; i++) {
        const hidi_scene_point *at = &v->points[i];
        const double difference =
            at->cover - hidi_figure_covers(&f, at->x, at->y, 2.0 / (double)v->side);
        sum += difference * difference;
        cover += at->cover;
    }
    return sum / cover;
}

/* Moves the pose downhill, a step at a time along each of its numbers, with ever smaller steps. */
static double refine(const hidi_scene_picture *v, size_t n, size_t shape, pose *p, double misfit)
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
static double try_shape(const hidi_scene_picture *v, size_t n, const hidi_silhouette *s,
                        size_t shape, pose *best)
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
static void find_shape(const hidi_scene_picture *v, size_t n, hidi_seen_figure *figure)
{
    pose p[HIDI_SCENE_SHAPES];
    double misfit[HIDI_SCENE_SHAPES], least = INFINITY;
    const hidi_silhouette s = weigh(v, n);
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
static size_t keep_inside(hidi_scene_picture *v, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        const hidi_scene_point *p = &v->points[i];
        if (p->owned && p->cover >= inside)
            v->points[kept++] = (hidi_scene_point){p->x, p->y, 1.0, p->texture / p->cover, true};
    }
    return kept;
}

/* How much of the variance of d a wave of this direction and period explains, whatever its phase:
 * R^2 of d on its cosine and sine. */
static double explained(const hidi_scene_picture *v, size_t n, double angle, double period)
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
static void weigh_texture(const hidi_scene_picture *v, size_t n, hidi_seen_figure *figure)
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
static size_t texture_of(hidi_scene_picture *v, size_t n, hidi_seen_figure *figure)
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

/* --- all of it -------------------------------------------------------------------------------- */

void hidi_recognise(hidi_scene_picture *v, hidi_scene_region *r)
{
    hidi_seen_figure *f = &r->figure;
    *f = (hidi_seen_figure){.wave = 0.0};
    f->object.colour = colour_of(v, r, &f->residual);
    const size_t n = collect(v, r, f->object.colour);
    find_shape(v, n, f);
    f->object.texture = texture_of(v, n, f);
}
