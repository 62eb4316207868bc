/* scene_mixture.c - the ground is a plane through the dark pixels, by least squares; over it every
 * pixel is solved for coverage and texture, once for each colour. */
#include "eval/scene_mixture.h"

#include <math.h>

#include "data/drawing.h"

enum { ROUNDS = 3 };
static const double darkest = 0.40; /* of a ground's brightest channel: drawn below 0.3 */
static const double stray = 0.08;   /* of a channel of the ground from its plane        */

/* The picture's values in [0, 1]. */
typedef struct picture {
    const hidi_real *image;
    size_t side;
} picture;

static double value(const picture *p, size_t c, size_t pixel)
{
    return fmin(fmax(0.5 + 0.5 * (double)p->image[c * p->side * p->side + pixel], 0.0), 1.0);
}

/* 1, x, y of a pixel. */
static void place(const picture *p, size_t pixel, double at[3])
{
    at[0] = 1.0;
    at[1] = (2.0 * (double)(pixel % p->side) + 1.0) / (double)p->side - 1.0;
    at[2] = 1.0 - (2.0 * (double)(pixel / p->side) + 1.0) / (double)p->side;
}

/* --- the ground ------------------------------------------------------------------------------- */

typedef struct plane {
    double of[3][3]; /* [channel]: at 0, along x, along y */
} plane;

static void ground_at(const plane *g, const double at[3], double rgb[3])
{
    for (int c = 0; c < 3; c++)
        rgb[c] = g->of[c][0] + g->of[c][1] * at[1] + g->of[c][2] * at[2];
}

/* Sums over the pixels that the plane is fitted to. */
typedef struct sums {
    double square[3][3], product[3][3], n;
} sums;

static bool is_ground(const picture *p, size_t pixel, const double at[3], const plane *before)
{
    double rgb[3] = {0};
    if (before != NULL)
        ground_at(before, at, rgb);
    for (size_t c = 0; c < 3; c++) {
        const double v = value(p, c, pixel);
        if (v > darkest || (before != NULL && fabs(v - rgb[c]) > stray))
            return false;
    }
    return true;
}

static sums add_up(const picture *p, const plane *before)
{
    sums s = {.n = 0};
    double at[3];
    for (size_t pixel = 0; pixel < p->side * p->side; pixel++) {
        place(p, pixel, at);
        if (!is_ground(p, pixel, at, before))
            continue;
        s.n += 1.0;
        for (size_t i = 0; i < 3; i++)
            for (size_t j = 0; j < 3; j++) {
                s.square[i][j] += at[i] * at[j];
                s.product[i][j] += value(p, i, pixel) * at[j];
            }
    }
    return s;
}

/* x of A x = b, A symmetric and made definite by a little ridge. */
static void solve(const double A[3][3], const double b[3], double x[3])
{
    double m[3][4];
    for (int i = 0; i < 3; i++) {
        for (int j = 0; j < 3; j++)
            m[i][j] = A[i][j] + (i == j ? 1e-3 : 0.0);
        m[i][3] = b[i];
    }
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < 3; i++) {
            const double factor = i == k ? 0.0 : m[i][k] / m[k][k];
            for (int j = k; j < 4; j++)
                m[i][j] -= factor * m[k][j];
        }
    for (int i = 0; i < 3; i++)
        x[i] = m[i][3] / m[i][i];
}

/* A picture without dark pixels has a black ground. */
static plane fit_ground(const picture *p)
{
    plane g = {.of = {{0}}};
    for (int round = 0; round < ROUNDS; round++) {
        const sums s = add_up(p, round == 0 ? NULL : &g);
        for (int c = 0; c < 3; c++)
            solve(s.square, s.product[c], g.of[c]);
    }
    return g;
}

/* --- a pixel ---------------------------------------------------------------------------------- */

static double dot(const double a[3], const double b[3])
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

static double between(double x, double low, double high)
{
    return fmin(fmax(x, low), high);
}

/* p - g = a u + b w, u = c_0 - g, w = c_1 - c_0, b = a d, by least squares in the triangle
 * 0 <= b <= a <= 1: inside, or at the nearest point of its three edges. */
static hidi_mixture unmix(const double p[3], const double u[3], const double w[3])
{
    const double uu = dot(u, u), uw = dot(u, w), ww = dot(w, w), pu = dot(p, u), pw = dot(p, w);
    const double pp = dot(p, p), determinant = uu * ww - uw * uw;
    double candidate[4][2] = {{0}};
    int n = 0;
    if (determinant > 1e-9) {
        candidate[0][0] = (pu * ww - pw * uw) / determinant;
        candidate[0][1] = (pw * uu - pu * uw) / determinant;
        const double *c = candidate[0];
        n = c[1] >= 0.0 && c[1] <= c[0] && c[0] <= 1.0;
    }
    if (n == 0) {
        const double both = between((pu + pw) / (uu + 2.0 * uw + ww), 0.0, 1.0);
        candidate[0][0] = between(pu / uu, 0.0, 1.0);
        candidate[0][1] = 0.0;
        candidate[1][0] = candidate[1][1] = both;
        candidate[2][0] = 1.0;
        candidate[2][1] = between((pw - uw) / ww, 0.0, 1.0);
        n = 3;
    }
    hidi_mixture best = {.residual = INFINITY};
    for (int i = 0; i < n; i++) {
        const double a = candidate[i][0], b = candidate[i][1];
        const double r = pp - 2.0 * (a * pu + b * pw) + a * a * uu + 2.0 * a * b * uw + b * b * ww;
        if (r < best.residual)
            best = (hidi_mixture){.cover = a, .texture = b, .residual = r};
    }
    best.residual = fmax(best.residual, 0.0);
    return best;
}

void hidi_unmix_scene(hidi_mixture *mixture, const hidi_real *image, size_t side)
{
    const picture p = {image, side};
    const plane g = fit_ground(&p);
    double at[3], ground[3], pixel[3], u[3], w[3];
    hidi_figure of_colour[HIDI_SCENE_COLOURS];
    for (size_t k = 0; k < HIDI_SCENE_COLOURS; k++)
        hidi_figure_of(&of_colour[k], &(hidi_scene_object){.colour = k});
    for (size_t i = 0; i < side * side; i++) {
        place(&p, i, at);
        ground_at(&g, at, ground);
        for (size_t c = 0; c < 3; c++)
            pixel[c] = value(&p, c, i) - ground[c];
        for (size_t k = 0; k < HIDI_SCENE_COLOURS; k++) {
            const double(*tone)[3] = hidi_colour_rgb[of_colour[k].colour];
            for (int c = 0; c < 3; c++) {
                u[c] = tone[0][c] - ground[c];
                w[c] = tone[1][c] - tone[0][c];
            }
            mixture[k * side * side + i] = unmix(pixel, u, w);
        }
    }
}
