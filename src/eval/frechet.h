/* frechet.h - the Fréchet distance of two sets of features, in double precision. */
#ifndef HIDI_EVAL_FRECHET_H
#define HIDI_EVAL_FRECHET_H

#include <stddef.h>

#include "../core/status.h"

/* Mean and covariance of features, gathered a batch at a time. */
typedef struct hidi_moments {
    size_t dim;         /* D                                                            */
    size_t count;       /* samples so far                                               */
    double *mean;       /* [D]                                                          */
    double *covariance; /* [D, D], after hidi_moments_finish: unbiased, 1 / (count - 1) */
    double *work;       /* centred features of a block of samples                       */
} hidi_moments;

hidi_status hidi_moments_init(hidi_moments *moments, size_t dim);
void hidi_moments_add(hidi_moments *moments, const double *features, size_t n); /* [n, D] */
hidi_status hidi_moments_finish(hidi_moments *moments); /* needs count >= 2 */
void hidi_moments_free(hidi_moments *moments);

typedef struct hidi_frechet {
    double distance;   /* mean_term + trace_1 + trace_2 - 2 cross_term, but not below 0  */
    double mean_term;  /* |m1 - m2|^2                                                    */
    double trace_1, trace_2;
    double cross_term; /* tr (C1 C2)^(1/2)                                               */
} hidi_frechet;

/* d^2 = |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))   [Heusel et al., arXiv 1706.08500, eq. 6]
 *
 * In double precision by two symmetric eigen-decompositions C = B^T B: tr (C1 C2)^(1/2) is the sum
 * of the singular values of B1 B2^T, which has as many rows and columns as the covariances have
 * rank, so that fewer samples than dimensions do no harm.  O(D^3); some 200 MB for D = 2048.
 * HIDI_BAD_SHAPE: different dimensions; HIDI_NOT_FINITE. */
hidi_status hidi_frechet_distance(hidi_frechet *result, const hidi_moments *a,
                                  const hidi_moments *b);

#endif
