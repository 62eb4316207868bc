/* scene_mixture.h - a picture taken apart into ground, coverage and texture (scene_view.h). */
#ifndef HIDI_EVAL_SCENE_MIXTURE_H
#define HIDI_EVAL_SCENE_MIXTURE_H

#include "data/scenes.h"

/* The tones of one colour at a pixel. */
typedef struct hidi_mixture {
    double cover;    /* a, 0 to 1                                       */
    double texture;  /* a d, 0 to a                                     */
    double residual; /* squared distance of the pixel from that mixture */
} hidi_mixture;

/* image [3, side, side] in [-1, 1], finite -> mixture [HIDI_SCENE_COLOURS, side, side]. */
void hidi_unmix_scene(hidi_mixture *mixture, const hidi_real *image, size_t side);

#endif
