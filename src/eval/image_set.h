/* image_set.h - what is known of a set of images: features and their moments, scores, spectrum, and
 * where the images are from. */
#ifndef HIDI_EVAL_IMAGE_SET_H
#define HIDI_EVAL_IMAGE_SET_H

#include "../data/image_source.h"
#include "class_counts.h"
#include "extractor.h"
#include "frechet.h"
#include "inception_score.h"
#include "spectrum.h"

enum { HIDI_SET_LABEL = 1024 }; /* bytes of a label, with its 0: a path, and how it is sampled */

typedef struct hidi_image_set {
    char label[HIDI_SET_LABEL]; /* what it is called: "stage 2, 1 step"                          */
    const char *kind;      /* of its source, or "statistics"; static text                   */
    long evaluations;      /* of a network for one image; 0: not made here                  */
    double seconds;        /* that making one image took; NaN: not made here                */
    size_t n, dim;         /* images; features of each                                      */
    double *features;      /* [n, dim]; NULL: not kept                                      */
    hidi_moments moments;  /* of the features; dim 0, here and below: not gathered          */
    hidi_moments spatial;  /* of the extractor's spatial features                           */
    double score, score_deviation; /* Inception Score; NaN: not gathered                    */
    hidi_spectrum spectrum;        /* size 0: not gathered                                  */
    hidi_class_counts classes;     /* n_classes 0: not gathered                             */
} hidi_image_set;

/* What to gather. */
typedef struct hidi_gathering {
    bool features, moments, spatial, score, spectrum, classes;
    bool lenient;  /* leave out a spectrum that the images cannot have, a score that they are too
                    * few for, and classes that are not known, instead of failing */
    size_t splits; /* of the Inception Score */
    hidi_score_order order;
    FILE *progress; /* NULL: silent */
    const char *label; /* the set's, and that of the line of progress */
    /* Also shown every batch, images first .. first + n - 1; an error ends the pass.  NULL: not. */
    hidi_status (*look)(void *context, const hidi_image_batch *batch, size_t first);
    void *context;
} hidi_gathering;

/* A set of which nothing is known; what is to be freed is NULL. */
void hidi_image_set_init(hidi_image_set *set, const char *label);

/* Gathers a set from a source, a batch at a time (values are clamped to [-1, 1]): memory is needed
 * for one batch, the moments, and the features if they are to be kept.  A spectrum needs square
 * images of one size, moments at least 2 images, classes those that were asked for (labels of the
 * source).  The processes of an MPI run all call it with the same source: they share sampling and
 * extraction out, and each gets the set.  Free the set in any case; the source is the caller's. */
hidi_status hidi_image_set_gather(hidi_image_set *set, hidi_extractor *extractor,
                                  hidi_image_source *source, const hidi_gathering *what);
void hidi_image_set_free(hidi_image_set *set);

/* How many images the numbers are of: where there are moments, those of the moments, which may be
 * from a file of statistics.  0: a file that does not say. */
long hidi_image_set_count(const hidi_image_set *set);

#endif
