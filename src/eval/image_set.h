/* image_set.h - what is known of a set of images: features and their moments, scores, spectrum. */
#ifndef HIDI_EVAL_IMAGE_SET_H
#define HIDI_EVAL_IMAGE_SET_H

#include "../core/progress.h"
#include "../data/image_source.h"
#include "frechet.h"
#include "inception_score.h"
#include "spectrum.h"
#include "extractor.h"

typedef struct hidi_image_set {
    size_t n, dim;         /* images; features of each                                      */
    double *features;      /* [n, dim]; NULL: not kept                                      */
    hidi_moments moments;  /* of the features; dim 0, here and below: not gathered          */
    hidi_moments spatial;  /* of the extractor's spatial features                           */
    double score, score_deviation; /* Inception Score; NaN: not gathered                    */
    hidi_spectrum spectrum;        /* size 0: not gathered                                  */
    hidi_split split;              /* of real images                                        */
} hidi_image_set;

/* What to gather. */
typedef struct hidi_gathering {
    bool features, moments, spatial, score, spectrum;
    bool lenient;  /* leave out a spectrum that the images cannot have, and a score that they are
                    * too few for, instead of failing */
    size_t splits; /* of the Inception Score */
    hidi_score_order order;
    FILE *progress; /* NULL: silent */
    const char *label;
} hidi_gathering;

/* Gathers a set from a source, a batch at a time (values are clamped to [-1, 1]): memory is needed
 * for one batch, the moments, and the features if they are to be kept.  A spectrum needs square
 * images of one size, moments at least 2 images.  Free the set in any case. */
hidi_status hidi_image_set_gather(hidi_image_set *set, hidi_extractor *extractor,
                                  hidi_image_source *source, const hidi_gathering *what);
void hidi_image_set_free(hidi_image_set *set);

/* Features, moments and spectrum of images [n, C, H, W] of the size that the extractor takes (they
 * are clamped). */
hidi_status hidi_image_set_init(hidi_image_set *set, hidi_extractor *extractor, hidi_real *images,
                                size_t n);
/* The same of n images of a split, in order. */
hidi_status hidi_image_set_real(hidi_image_set *set, hidi_extractor *extractor,
                                const hidi_dataset *data, hidi_split split, size_t n);

#endif
