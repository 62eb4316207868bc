/* kernel_distance.h - the kernel distance of two sets of features; in Inception's features, KID
 * (Binkowski et al., arXiv 1801.01401).
 *
 *     MMD^2 = 1/(m (m - 1)) sum_{i != j} [ k(x_i, x_j) + k(y_i, y_j) ]
 *             - 2/m^2 sum_{i, j} k(x_i, y_j)
 *     k(x, y) = (x . y / D + 1)^3
 *
 * the unbiased estimate, over random subsets of m of each.  Subsets are drawn without replacement
 * by numpy.random.RandomState(seed).choice, first of x and then of y for each: with seed 2020, 100
 * subsets of 1000 and x the generated images it is torch-fidelity's number.  clean-fid computes
 * the same from subsets that it draws without a seed.
 */
#ifndef HIDI_EVAL_KERNEL_DISTANCE_H
#define HIDI_EVAL_KERNEL_DISTANCE_H

#include <stddef.h>
#include <stdint.h>

#include "../core/status.h"

typedef struct hidi_kernel_options {
    size_t subsets;     /* 100                                                            */
    size_t subset_size; /* 1000; no more than either set has (clean-fid's rule)           */
    uint32_t seed;      /* 2020                                                           */
} hidi_kernel_options;

typedef struct hidi_kernel_distance {
    double mean;           /* over subsets; may be negative                                     */
    double deviation;      /* of the subsets' values (torch-fidelity's "std": divided by S)     */
    double standard_error; /* of the mean, as if subsets were independent: sqrt(sum (.)^2 /
                            * (S (S - 1))); 0 for one subset                                    */
    size_t subsets, subset_size;
} hidi_kernel_distance;

/* x [n, D] (as a rule generated), y [m, D] (the reference); both of at least 2.  HIDI_BAD_ARGUMENT,
 * HIDI_NOT_FINITE. */
hidi_status hidi_kernel_distance_between(hidi_kernel_distance *result, const double *x, size_t n,
                                         const double *y, size_t m, size_t D,
                                         const hidi_kernel_options *options);

#endif
