/* shapes.c - the procedural data set: a textured silhouette on a gradient.
 *
 * What an image is made of has two scales, after which this project is named.  Structure: which
 * shape (the class), where, how large, how turned, its colour and the background's.  Detail: the
 * stripes or checks inside the shape, whose period at 16 x 16 is three to four pixels, near the
 * finest that such an image can hold.
 *
 * The plane is [-1, 1]^2 whatever the number of pixels, y up.  A shape is the region where its
 * signed distance is negative, and a pixel takes as much of the shape's colour as a smooth step of
 * about one pixel's width says: one evaluation per pixel, no supersampling.  Everything is computed
 * in double, so that both builds of the library draw the same images.
 */
#include <math.h>
#include <stdlib.h>

#include "core/random.h"
#include "data/readers.h"

#define PI 3.14159265358979323846
#define N_SHAPES 10
#define N_COLOURS 8

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

static const struct {
    const char *name;
    double (*distance)(double x, double y); /* of a shape that about fills the unit disc */
} shapes[N_SHAPES] = {
    {"disc", disc_distance},         {"ring", ring_distance},
    {"square", square_distance},     {"triangle", triangle_distance},
    {"cross", cross_distance},       {"star", star_distance},
    {"crescent", crescent_distance}, {"heart", heart_distance},
    {"bar", bar_distance},           {"hourglass", hourglass_distance},
};

/* The shape's colour, and its texture's. */
static const double colours[N_COLOURS][2][3] = {
    {{0.93, 0.10, 0.14}, {1.00, 0.80, 0.76}}, /* red    */
    {{1.00, 0.50, 0.02}, {0.50, 0.14, 0.02}}, /* orange */
    {{1.00, 0.87, 0.08}, {0.62, 0.36, 0.02}}, /* yellow */
    {{0.12, 0.72, 0.20}, {0.80, 1.00, 0.72}}, /* green  */
    {{0.10, 0.84, 0.90}, {0.02, 0.34, 0.52}}, /* cyan   */
    {{0.13, 0.30, 0.96}, {0.74, 0.86, 1.00}}, /* blue   */
    {{0.58, 0.16, 0.86}, {0.92, 0.78, 1.00}}, /* purple */
    {{1.00, 0.45, 0.72}, {0.58, 0.06, 0.30}}, /* pink   */
};

/* One image's draw. */
typedef struct scene {
    size_t shape;
    double x, y, size, cosine, sine;             /* where the shape is, and how            */
    double colour[2][3];                         /* of the shape, and of its texture       */
    int checks;                                  /* checks, else stripes                   */
    double period, phase[2], wave[2];            /* texture: period, offset, direction     */
    double background[2][3], towards[2];         /* two corner colours, unit direction     */
} scene;

/* The next draw, uniform on (low, high).  One per statement: C does not order a call's
 * arguments. */
static double next(const double **u, double low, double high)
{
    return low + (high - low) * *(*u)++;
}

static void hsv_to_rgb(double hue, double saturation, double value, double rgb[3])
{
    for (int c = 0; c < 3; c++) {
        const double h = fmod(hue + (3.0 - c) / 3.0, 1.0) * 6.0; /* 0 where this channel is full */
        const double k = fmin(fmax(fmin(fabs(h - 3.0) - 1.0, 1.0), 0.0), 1.0);
        rgb[c] = value * (1.0 - saturation * (1.0 - k));
    }
}

static void draw_colours(scene *s, const double **u)
{
    static const double hue[N_COLOURS] = {0.0, 0.08, 0.14, 0.35, 0.51, 0.63, 0.77, 0.92};
    const size_t colour = (size_t)next(u, 0.0, N_COLOURS);
    for (int layer = 0; layer < 2; layer++)
        for (int c = 0; c < 3; c++)
            s->colour[layer][c] = colours[colour][layer][c];
    for (int corner = 0; corner < 2; corner++) { /* hues far from the shape's */
        const double away = next(u, 0.3, 0.7);
        const double value = next(u, 0.15, 0.55);
        const double saturation = next(u, 0.3, 0.7);
        hsv_to_rgb(hue[colour] + away, saturation, value, s->background[corner]);
    }
    const double angle = next(u, 0.0, 2.0 * PI);
    s->towards[0] = cos(angle);
    s->towards[1] = sin(angle);
}

static void draw_scene(scene *s, hidi_random random)
{
    double draws[18];
    const double *u = draws;
    hidi_uniform(random, 0, draws, sizeof draws / sizeof draws[0]);
    s->shape = (size_t)next(&u, 0.0, N_SHAPES);
    s->size = next(&u, 0.60, 0.82);
    s->x = next(&u, -1.0, 1.0) * (0.96 - s->size);
    s->y = next(&u, -1.0, 1.0) * (0.96 - s->size);
    const double turn = next(&u, -PI / 6.0, PI / 6.0);
    s->cosine = cos(turn);
    s->sine = sin(turn);
    draw_colours(s, &u);
    s->checks = next(&u, 0.0, 1.0) < 0.3;
    s->period = s->checks ? next(&u, 0.50, 0.58) : next(&u, 0.38, 0.50);
    const double angle = next(&u, 0.0, 2.0 * PI);
    s->wave[0] = cos(angle);
    s->wave[1] = sin(angle);
    s->phase[0] = next(&u, 0.0, 1.0);
    s->phase[1] = next(&u, 0.0, 1.0);
}

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

static double texture(const scene *s, double x, double y, double pixel)
{
    const double a = stripes(s->wave[0] * x + s->wave[1] * y, s->period, s->phase[0], pixel);
    if (!s->checks)
        return a;
    const double b = stripes(s->wave[0] * y - s->wave[1] * x, s->period, s->phase[1], pixel);
    return a + b - 2.0 * a * b;
}

static double mix(double a, double b, double share)
{
    return a + share * (b - a);
}

static void paint(const scene *s, double x, double y, double pixel, double rgb[3])
{
    const double ramp = fmin(fmax(0.5 + 0.5 * (s->towards[0] * x + s->towards[1] * y), 0.0), 1.0);
    const double px = (x - s->x) / s->size, py = (y - s->y) / s->size;
    const double distance = s->size * shapes[s->shape].distance(s->cosine * px + s->sine * py,
                                                                s->cosine * py - s->sine * px);
    const double inside = coverage(distance, pixel);
    const double detail = inside > 0.0 ? texture(s, x, y, pixel) : 0.0;
    for (int c = 0; c < 3; c++) {
        const double ground = mix(s->background[0][c], s->background[1][c], ramp);
        const double shape = mix(s->colour[0][c], s->colour[1][c], detail);
        rgb[c] = mix(ground, shape, inside);
    }
}

static void shapes_get(const hidi_dataset *data, hidi_split split, uint64_t index, hidi_real *image,
                       int32_t *label)
{
    const size_t n = data->height;
    const double pixel = 2.0 / (double)n;
    static const uint32_t stream[HIDI_SPLITS] = {HIDI_STREAM_SHAPES_TRAIN, HIDI_STREAM_SHAPES_TEST,
                                                 HIDI_STREAM_SHAPES_VALIDATION};
    const hidi_random random = {*(const uint64_t *)data->state, stream[split], index};
    scene s;
    draw_scene(&s, random);
    *label = (int32_t)s.shape;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            double rgb[3];
            paint(&s, ((double)j + 0.5) * pixel - 1.0, 1.0 - ((double)i + 0.5) * pixel, pixel, rgb);
            for (size_t c = 0; c < 3; c++)
                image[(c * n + i) * n + j] = (hidi_real)(2.0 * rgb[c] - 1.0);
        }
    }
}

static void shapes_close(hidi_dataset *data)
{
    free(data->state);
}

hidi_status hidi_shapes_open(hidi_dataset *data, size_t image_size, uint64_t seed)
{
    if (image_size < 8 || image_size > 4096)
        return hidi_error(HIDI_BAD_ARGUMENT,
                          "data set 'shapes' draws images of size 8 to 4096, found %zu",
                          image_size);
    const char *names[N_SHAPES];
    for (size_t i = 0; i < N_SHAPES; i++)
        names[i] = shapes[i].name;
    HIDI_TRY(hidi_dataset_set_classes(data, names, N_SHAPES));
    uint64_t *state = malloc(sizeof *state);
    if (state == NULL)
        return hidi_error(HIDI_NO_MEMORY, "out of memory for a data set");
    *state = seed;
    data->state = state;
    data->get = shapes_get;
    data->close = shapes_close;
    data->channels = 3;
    data->height = data->width = image_size;
    return HIDI_OK;
}
