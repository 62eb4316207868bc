/* shapes.c - the procedural data set: a textured silhouette on a gradient.
 *
 * What an image is made of has two scales, after which this project is named.  Structure: which
 * shape (the class), where, how large, how turned, its colour and the background's.  Detail: the
 * stripes or checks inside the shape, whose period at 16 x 16 is three to four pixels, near the
 * finest that such an image can hold.  drawing.h has how it is drawn.
 */
#include <math.h>
#include <stdlib.h>

#include "core/random.h"
#include "data/drawing.h"
#include "data/readers.h"

#define PI 3.14159265358979323846

/* The next draw, uniform on (low, high).  One per statement: C does not order a call's
 * arguments. */
static double next(const double **u, double low, double high)
{
    return low + (high - low) * *(*u)++;
}

static void draw_colours(hidi_figure *s, hidi_ground *ground, const double **u)
{
    s->colour = (size_t)next(u, 0.0, HIDI_COLOURS);
    for (int corner = 0; corner < 2; corner++) { /* hues far from the shape's */
        const double away = next(u, 0.3, 0.7);
        const double value = next(u, 0.15, 0.55);
        const double saturation = next(u, 0.3, 0.7);
        hidi_hsv_to_rgb(hidi_colour_hue[s->colour] + away, saturation, value,
                        ground->colour[corner]);
    }
    const double angle = next(u, 0.0, 2.0 * PI);
    ground->towards[0] = cos(angle);
    ground->towards[1] = sin(angle);
}

static void draw_scene(hidi_figure *s, hidi_ground *ground, hidi_random random)
{
    double draws[18];
    const double *u = draws;
    hidi_uniform(random, 0, draws, sizeof draws / sizeof draws[0]);
    s->shape = (size_t)next(&u, 0.0, HIDI_SHAPES);
    s->size = next(&u, 0.60, 0.82);
    s->x = next(&u, -1.0, 1.0) * (0.96 - s->size);
    s->y = next(&u, -1.0, 1.0) * (0.96 - s->size);
    const double turn = next(&u, -PI / 6.0, PI / 6.0);
    s->cosine = cos(turn);
    s->sine = sin(turn);
    draw_colours(s, ground, &u);
    s->texture = next(&u, 0.0, 1.0) < 0.3 ? HIDI_CHECKS : HIDI_STRIPES;
    s->period = s->texture == HIDI_CHECKS ? next(&u, 0.50, 0.58) : next(&u, 0.38, 0.50);
    const double angle = next(&u, 0.0, 2.0 * PI);
    s->wave[0] = cos(angle);
    s->wave[1] = sin(angle);
    s->phase[0] = next(&u, 0.0, 1.0);
    s->phase[1] = next(&u, 0.0, 1.0);
}

static void shapes_get(const hidi_dataset *data, hidi_split split, uint64_t index, hidi_real *image,
                       int32_t *label)
{
    static const uint32_t stream[HIDI_SPLITS] = {HIDI_STREAM_SHAPES_TRAIN, HIDI_STREAM_SHAPES_TEST,
                                                 HIDI_STREAM_SHAPES_VALIDATION};
    const hidi_random random = {*(const uint64_t *)data->state, stream[split], index};
    hidi_figure figure;
    hidi_ground ground;
    draw_scene(&figure, &ground, random);
    *label = (int32_t)figure.shape;
    hidi_draw(&ground, &figure, 1, data->height, image);
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
    HIDI_TRY(hidi_dataset_set_classes(data, hidi_shape_name, HIDI_SHAPES));
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
