/* drawing.h - what the procedural data sets draw: textured silhouettes on a gradient.
 *
 * The plane is [-1, 1]^2 whatever the number of pixels, y up.  A shape is the region where its
 * signed distance is negative, and a pixel takes as much of the shape's colour as a smooth step of
 * about one pixel's width says: one evaluation per pixel, no supersampling.  Everything is computed
 * in double, so that both builds of the library draw the same images.
 */
#ifndef HIDI_DATA_DRAWING_H
#define HIDI_DATA_DRAWING_H

#include <stddef.h>

#include "core/real.h"
#include "data/scenes.h"

enum { HIDI_SHAPES = 10, HIDI_COLOURS = 8 };

/* "disc", "ring", "square", "triangle", "cross", "star", "crescent", "heart", "bar", "hourglass" */
extern const char *const hidi_shape_name[HIDI_SHAPES];

/* Of a shape's colour: red, orange, yellow, green, cyan, blue, purple, pink. */
extern const double hidi_colour_hue[HIDI_COLOURS];

/* Of a colour: the shape's, and its texture's. */
extern const double hidi_colour_rgb[HIDI_COLOURS][2][3];

typedef enum hidi_texture { HIDI_STRIPES, HIDI_CHECKS, HIDI_DOTS, HIDI_PLAIN } hidi_texture;

/* A shape that is drawn. */
typedef struct hidi_figure {
    size_t shape, colour;                      /* numbers in the lists above          */
    double x, y, size, cosine, sine;           /* where it is, how large, how turned  */
    hidi_texture texture;
    double period, phase[2], wave[2];          /* of the texture: offset, direction   */
} hidi_figure;

typedef struct hidi_ground {
    double colour[2][3], towards[2]; /* two corner colours, unit direction            */
} hidi_ground;

/* Shape, colour and texture that an object of the data set "scenes" is drawn with (scenes.c); the
 * rest of the figure is left as it is. */
void hidi_figure_of(hidi_figure *figure, const hidi_scene_object *object);

void hidi_hsv_to_rgb(double hue, double saturation, double value, double rgb[3]);

/* How much of a pixel at (x, y), of this width, the figure covers: 0 to 1. */
double hidi_figure_covers(const hidi_figure *figure, double x, double y, double pixel);

/* n figures, each over those before it, on the ground: image [3, side, side] in [-1, 1]. */
void hidi_draw(const hidi_ground *ground, const hidi_figure *figure, size_t n, size_t side,
               hidi_real *image);

#endif
