/* extractor.h - the interface behind which any feature extractor stands: what turns images into the
 * numbers that sets of images are compared by.
 *
 *     hidi_extracted out = {.features = features};      [n, extractor.n_features]
 *     HIDI_TRY(hidi_extract(&extractor, images, n, height, width, &out));
 *     ...
 *     hidi_extractor_close(&extractor);
 */
#ifndef HIDI_EVAL_EXTRACTOR_H
#define HIDI_EVAL_EXTRACTOR_H

#include <stddef.h>

#include "../core/real.h"
#include "../core/status.h"

/* What is wanted of n images; a NULL member is not wanted, and costs nothing. */
typedef struct hidi_extracted {
    double *features;      /* [n, n_features]: for distances, precision and recall            */
    double *probabilities; /* [n, n_classes]: each row sums to 1; for the Inception Score     */
    double *spatial;       /* [n, n_spatial]: features that keep positions, for sFID          */
} hidi_extracted;

typedef struct hidi_extractor hidi_extractor;
struct hidi_extractor {
    char name[64];       /* printed with every number that depends on it                          */
    size_t channels;     /* of the images it takes                                                */
    size_t image_size;   /* height and width of the images it takes; 0: any, it resizes them      */
    size_t n_features;   /* at least 1                                                            */
    size_t n_classes;    /* 0: it gives no probabilities                                          */
    size_t n_spatial;    /* 0: it gives no spatial features                                       */
    /* What hidi_extract calls after its checks. */
    hidi_status (*extract)(hidi_extractor *extractor, const hidi_real *images, size_t n,
                           size_t height, size_t width, const hidi_extracted *out);
    void (*destroy)(hidi_extractor *extractor);
    void *state;         /* its own; NULL: closed                                                 */
};

/* images [n, channels, height, width], host memory, values in [-1, 1] -> out.  An extractor cuts n
 * into batches of its own, so that n is limited by the caller's memory alone; results do not depend
 * on where n is cut.  HIDI_BAD_SHAPE for a size that the extractor does not take, HIDI_BAD_ARGUMENT
 * for something wanted that it does not give, HIDI_NOT_FINITE for an image with NaN or infinity (by
 * its number); *out is then not to be used. */
hidi_status hidi_extract(hidi_extractor *extractor, const hidi_real *images, size_t n,
                         size_t height, size_t width, const hidi_extracted *out);

/* Frees what the extractor holds.  One that is zeroed or closed already is allowed. */
void hidi_extractor_close(hidi_extractor *extractor);

#endif
