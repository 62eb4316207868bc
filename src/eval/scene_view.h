/* scene_view.h - what a picture in the manner of the data set "scenes" shows: its figures with
 * their shapes, colours and textures, found by undoing how such pictures are drawn [ours].  Nothing
 * is trained.
 *
 * A pixel is a mixture, p = (1 - a) g + a ((1 - d) c_0 + d c_1), of the ground's colour g, which is
 * dark and varies linearly over the picture, and of a colour's two tones c_0 and c_1
 * (data/drawing.h): a is how much of the pixel the figure covers, d its texture.  For each colour a
 * and d follow by least squares.  Figures are connected regions of a > 1/2; a figure's colour
 * leaves the least residual, its shape is that whose silhouette is nearest to a, its texture
 * follows from d.
 */
#ifndef HIDI_EVAL_SCENE_VIEW_H
#define HIDI_EVAL_SCENE_VIEW_H

#include "../data/scenes.h"

enum { HIDI_SEEN_FIGURES = 8 };

typedef struct hidi_seen_figure {
    hidi_scene_object object; /* HIDI_SCENE_SHAPES, ..._COLOURS, ..._TEXTURES: not recognised    */
    double x, y;              /* its centre, in the plane [-1, 1]^2, y up                        */
    double size;              /* as drawn; of a shape that is not recognised, that of a disc     */
    double misfit;            /* sum (a - silhouette)^2 / sum a of the nearest shape             */
    double residual;          /* root mean square distance to mixtures of its colour's tones     */
    double share, contrast;   /* of its texture: mean and standard deviation of d                */
    double wave;              /* ... how much of d's variance a single wave has                  */
} hidi_seen_figure;

typedef struct hidi_seen {
    size_t n;                                   /* the largest ones, if there are more figures   */
    hidi_seen_figure figure[HIDI_SEEN_FIGURES]; /* [n]                                           */
} hidi_seen;

/* image: [3, side, side] in [-1, 1]; what is outside is clamped.  HIDI_NOT_FINITE for NaN and
 * infinity. */
hidi_status hidi_see_scene(hidi_seen *seen, const hidi_real *image, size_t side);

#endif
