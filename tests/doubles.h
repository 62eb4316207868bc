/* doubles.h - for tests of what both builds have in double precision: the metrics and matrices. */
#ifndef HIDI_TESTS_DOUBLES_H
#define HIDI_TESTS_DOUBLES_H

#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "core/random.h"

#define assert_double_near(x, y, allowed)                                                          \
    do {                                                                                           \
        double near_x = (x), near_y = (y), near_allowed = (allowed);                               \
        if (!(fabs(near_x - near_y) <= near_allowed))                                              \
            ck_abort_msg("%s:%d: %.17g and %.17g are %.3g apart, allowed %.3g", __FILE__,          \
                         __LINE__, near_x, near_y, fabs(near_x - near_y), near_allowed);           \
    } while (0)

/* n numbers, uniform on (-1, 1). */
static inline double *draw(uint64_t step, size_t n)
{
    double *x = malloc((n + 1) * sizeof *x);

    ck_assert_ptr_nonnull(x);
    hidi_uniform((hidi_random){ 1, HIDI_STREAM_TEST, step }, 0, x, n);
    for (size_t i = 0; i < n; i++)
        x[i] = 2 * x[i] - 1;
    return x;
}

#endif
