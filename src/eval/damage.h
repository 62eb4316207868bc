/* damage.h - defects that are planted in real images, a token's patch at a time  [ours]: what is
 * wrong with such an image, and where, is known. */
#ifndef HIDI_EVAL_DAMAGE_H
#define HIDI_EVAL_DAMAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "../core/random.h"
#include "../core/real.h"
#include "../core/status.h"

typedef enum hidi_defect {
    HIDI_DEFECT_BLUR,       /* the patch's pixels become means of their neighbourhoods, p wide   */
    HIDI_DEFECT_BROKEN,     /* the patch is turned by a quarter: stripes do not continue         */
    HIDI_DEFECT_SHIFTED,    /* its columns go round by half its width                            */
    HIDI_DEFECT_RECOLOURED, /* its channels go round (of a single one, the sign)                 */
    HIDI_DEFECT_NOISE,      /* N(0, HIDI_DEFECT_NOISE_SIZE^2) is added                           */
    HIDI_DEFECT_ANY         /* one of those above, drawn (hidi_damage_image alone)               */
} hidi_defect;
enum { HIDI_DEFECTS = HIDI_DEFECT_ANY };
#define HIDI_DEFECT_KINDS "blur broken shifted recoloured noise any"
#define HIDI_DEFECT_NOISE_SIZE 0.3
const char *hidi_defect_name(hidi_defect kind); /* "blur" .. "noise" */

/* Damages token `at` (row by row in the grid of (size / patch)^2) of image [C, size, size].
 * random: of the noise. */
hidi_status hidi_plant_defect(hidi_real *image, size_t C, size_t size, size_t patch, size_t at,
                              hidi_defect kind, hidi_random random);

/* A token with detail: by one draw, uniform among the half of the tokens with the larger variance
 * (a blur of the plain background would be no defect). */
hidi_status hidi_defect_place(const hidi_real *image, size_t C, size_t size, size_t patch,
                              double draw, size_t *at);

/* Damages k tokens of the image, drawn from the half with the larger variance (k above that: from
 * the k largest); damaged [N]: which (NULL: not asked for).  The draws are those of random's seed
 * and step.  HIDI_BAD_ARGUMENT: k is not 1 .. N. */
hidi_status hidi_damage_image(hidi_real *image, size_t C, size_t size, size_t patch, size_t k,
                              hidi_defect kind, hidi_random random, bool *damaged);

#endif
