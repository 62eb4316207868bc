/* drawing.c - shapes by their signed distances, textures, and how they are put on a ground. */
#include "data/drawing.h"

#include <math.h>

#define PI 3.14159265358979323846

/* --- shapes ----------------------------------------------------------------------------------- */

static double disc(double x, double y, double radius)
{
    return sqrt(x * x + y * y) - radius;
}

static double box(double x, double y, double half_width, double half_height)
{
    return fmax(fabs(x) - half_width, fabs(y) - half_height);
}

/* Distances are exact on straight edges and a lower bound past corners, which is all that a step
 * of one pixel needs. */
static double disc_distance(double x, double y)
{
    return disc(x, y, 0.86);
}

static double ring_distance(double x, double y)
{
    return fabs(disc(x, y, 0.70)) - 0.24;
}

static double square_distance(double x, double y)
{
    return box(x, y, 0.76, 0.76);
}

static double triangle_distance(double x, double y)
{
    return fmax(sqrt(0.75) * fabs(x) + 0.5 * y, -y) - 0.55;
}

static double cross_distance(double x, double y)
{
    return fmin(box(x, y, 0.96, 0.33), box(x, y, 0.33, 0.96));
}

/* Five points: the plane is folded onto the wedge between one tip and the next notch, where the
 * outline is a single straight line. */
static double star_distance(double x, double y)
{
    const double tip = 1.14, notch = 0.52;
    const double c = cos(PI / 5.0), s = sin(PI / 5.0);
    x = fabs(x);
    for (int fold = 0; fold < 2; fold++) { /* mirror at the notches' lines, 36 and 108 degrees */
        const double nx = fold == 0 ? c : -c;
        const double over = fmax(nx * x - s * y, 0.0);
        x -= 2.0 * over * nx;
        y += 2.0 * over * s;
    }
    x = fabs(x);
    const double dx = notch * s, dy = notch * c - tip; /* from the tip to the notch */
    return (x * -dy + (y - tip) * dx) / sqrt(dx * dx + dy * dy);
}

static double crescent_distance(double x, double y)
{
    return fmax(disc(x + 0.14, y, 0.94), -disc(x - 0.36, y, 0.76));
}

/* Two discs side by side, and below them the wedge between the tangents that meet in the tip.  The
 * wedge ends where the tangents touch, and low enough to leave the cleft between the discs. */
static double heart_distance(double x, double y)
{
    const double apart = 0.47, up = 0.34, radius = 0.50, c = cos(PI / 4.0);
    const double dx = fabs(x) - apart, dy = y - up; /* from the right disc's centre */
    const double wedge = fmax(c * (dx - dy) - radius, fmax(c * (dx + dy), dy - 0.15));
    return fmin(disc(dx, dy, radius), wedge);
}

static double bar_distance(double x, double y)
{
    return box(x, y, 1.0, 0.36);
}

static double hourglass_distance(double x, double y)
{
    const double waist = 0.10, slope = 0.78;
    return fmax(fabs(y) - 0.88, (fabs(x) - waist - slope * fabs(y)) / sqrt(1.0 + slope * slope));
}

static double (*const distance_of[HIDI_SHAPES])(double x, double y) = {
    disc_distance, ring_distance,     square_distance, triangle_distance, cross_distance,
    star_distance, crescent_distance, heart_distance,  bar_distance,      hourglass_distance,
};

const char *const hidi_shape_name[HIDI_SHAPES] = {"disc", "ring", "square", "triangle", "cross",
                                                  "star", "crescent", "heart", "bar", "hourglass"};

/* --- colours ---------------------------------------------------------------------------------- */

const double hidi_colour_hue[HIDI_COLOURS] = {0.0, 0.08, 0.14, 0.35, 0.51, 0.63, 0.77, 0.92};

const double hidi_colour_rgb[HIDI_COLOURS][2][3] = {
    {{0.93, 0.10, 0.14}, {1.00, 0.80, 0.76}}, /* red    */
    {{1.00, 0.50, 0.02}, {0.50, 0.14, 0.02}}, /* orange */
    {{1.00, 0.87, 0.08}, {0.62, 0.36, 0.02}}, /* yellow */
    {{0.12, 0.72, 0.20}, {0.80, 1.00, 0.72}}, /* green  */
    {{0.10, 0.84, 0.90}, {0.02, 0.34, 0.52}}, /* cyan   */
    {{0.13, 0.30, 0.96}, {0.74, 0.86, 1.00}}, /* blue   */
    {{0.58, 0.16, 0.86}, {0.92, 0.78, 1.00}}, /* purple */
    {{1.00, 0.45, 0.72}, {0.58, 0.06, 0.30}}, /* pink   */
};

void hidi_hsv_to_rgb(double hue, double saturation, double value, double rgb[3])
{
    for (int c = 0; c < 3; c++) {
        const double h = fmod(hue + (3.0 - c) / 3.0, 1.0) * 6.0; /* 0 where this channel is full */
        const double k = fmin(fmax(fmin(fabs(h - 3.0) - 1.0, 1.0), 0.0), 1.0);
        rgb[c] = value * (1.0 - saturation * (1.0 - k));
    }
}

/* --- textures --------------------------------------------------------------------------------- */

/* How much of a pixel is inside, if its centre is at this signed distance from the outline. */
static double coverage(double distance, double pixel)
{
    const double t = fmin(fmax(0.5 - distance / (1.2 * pixel), 0.0), 1.0);
    return t * t * (3.0 - 2.0 * t);
}

/* Stripes across u: 1 on one half of every period, 0 on the other. */
static double stripes(double u, double period, double phase, double pixel)
{
    const double t = u / period + phase, fraction = t - floor(t);
    return coverage((fabs(fraction - 0.5) - 0.25) * period, pixel);
}

static double texture(const hidi_figure *s, double x, double y, double pixel)
{
    if (s->texture == HIDI_PLAIN)
        return 0.0;
    const double a = stripes(s->wave[0] * x + s->wave[1] * y, s->period, s->phase[0], pixel);
    if (s->texture == HIDI_STRIPES)
        return a;
    const double b = stripes(s->wave[0] * y - s->wave[1] * x, s->period, s->phase[1], pixel);
    return s->texture == HIDI_CHECKS ? a + b - 2.0 * a * b : a * b;
}

static double mix(double a, double b, double share)
{
    return a + share * (b - a);
}

/* --- a picture -------------------------------------------------------------------------------- */

double hidi_figure_covers(const hidi_figure *s, double x, double y, double pixel)
{
    const double px = (x - s->x) / s->size, py = (y - s->y) / s->size;
    const double distance = s->size * distance_of[s->shape](s->cosine * px + s->sine * py,
                                                            s->cosine * py - s->sine * px);
    return coverage(distance, pixel);
}

/* The figure over what there is. */
static void paint(const hidi_figure *s, double x, double y, double pixel, double rgb[3])
{
    const double(*colour)[3] = hidi_colour_rgb[s->colour];
    const double inside = hidi_figure_covers(s, x, y, pixel);
    const double detail = inside > 0.0 ? texture(s, x, y, pixel) : 0.0;
    for (int c = 0; c < 3; c++) {
        const double shape = mix(colour[0][c], colour[1][c], detail);
        rgb[c] = mix(rgb[c], shape, inside);
    }
}

void hidi_draw(const hidi_ground *ground, const hidi_figure *figure, size_t n_figures, size_t n,
               hidi_real *image)
{
    const double pixel = 2.0 / (double)n;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            const double x = ((double)j + 0.5) * pixel - 1.0, y = 1.0 - ((double)i + 0.5) * pixel;
            const double along = ground->towards[0] * x + ground->towards[1] * y;
            const double ramp = fmin(fmax(0.5 + 0.5 * along, 0.0), 1.0);
            double rgb[3];
            for (int c = 0; c < 3; c++)
                rgb[c] = mix(ground->colour[0][c], ground->colour[1][c], ramp);
            for (size_t k = 0; k < n_figures; k++)
                paint(&figure[k], x, y, pixel, rgb);
            for (size_t c = 0; c < 3; c++)
                image[(c * n + i) * n + j] = (hidi_real)(2.0 * rgb[c] - 1.0);
        }
    }
}
