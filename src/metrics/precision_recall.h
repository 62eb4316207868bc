/* precision_recall.h - improved precision and recall (Kynkaanniemi et al., arXiv 1904.06991). */
#ifndef HIDI_METRICS_PRECISION_RECALL_H
#define HIDI_METRICS_PRECISION_RECALL_H

#include <stddef.h>

#include "core/status.h"

/* A point lies in the manifold of a set if it is within the distance of some member of the set to
 * that member's k-th nearest neighbour (the member itself not counted).  precision: share of fake
 * points in the manifold of the real ones; recall: the other way round.  real [n_real, D], fake
 * [n_fake, D]; both sets need more than k points. */
hidi_status hidi_precision_recall(const double *real, size_t n_real, const double *fake,
                                  size_t n_fake, size_t D, size_t k, double *precision,
                                  double *recall);

#endif
