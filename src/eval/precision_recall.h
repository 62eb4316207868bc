/* precision_recall.h - improved precision and recall (Kynkaanniemi et al., arXiv 1904.06991). */
#ifndef HIDI_EVAL_PRECISION_RECALL_H
#define HIDI_EVAL_PRECISION_RECALL_H

#include <stddef.h>

#include "../core/status.h"

/* A point lies in the manifold of a set if it is within the distance of some member of the set to
 * that member's k-th nearest neighbour (the member itself not counted; a copy of it counts).
 * precision: share of fake points in the manifold of the real ones; recall: the other way round.
 * real [n_real, D], fake [n_fake, D]; both sets need more than k points.
 *
 * guided-diffusion and torch-fidelity define it likewise: they sort a point's distances to all
 * points, itself included (0), take number k (counted from 0), and a distance equal to it is
 * inside.  They compute distances in single (guided-diffusion: products in half) precision from
 * |a|^2 + |b|^2 - 2 <a, b>, so that a point near the rim may fall to the other side; here all
 * comparisons are those of sums of squared differences in double precision.  Memory beside the
 * features: (k + 2) numbers per point and a tile of 512 x 1024 distances. */
hidi_status hidi_precision_recall(const double *real, size_t n_real, const double *fake,
                                  size_t n_fake, size_t D, size_t k, double *precision,
                                  double *recall);

/* k >= 1, and both sets have more than k points: HIDI_BAD_ARGUMENT otherwise. */
hidi_status hidi_neighbours_check(size_t k, size_t n_real, size_t n_fake);

#endif
