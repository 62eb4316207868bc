/* inception_bench.h - how long Inception-v3 takes, for `hidi bench`. */
#ifndef HIDI_LAB_INCEPTION_BENCH_H
#define HIDI_LAB_INCEPTION_BENCH_H

#include "lab/footprint.h"

/* The median time of `repeat` passes over a batch of images of 299 x 299 to their features, with
 * random weights: seconds and floating-point operations of a pass, and bytes of the weights
 * (footprint->models) and of what a pass works on (footprint->tape). */
hidi_status hidi_inception_time(const hidi_backend *backend, size_t batch, long repeat,
                                hidi_footprint *footprint, double *seconds, double *flop);

#endif
