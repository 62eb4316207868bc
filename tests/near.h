/* near.h - comparison of computed numbers with known ones, for tests. */
#ifndef HIDI_TESTS_NEAR_H
#define HIDI_TESTS_NEAR_H

#include <check.h>
#include <float.h>
#include <math.h>
#include <stddef.h>

#include "core/real.h"

#ifdef HIDI_DOUBLE
#define NEAR_SMALLEST_NORMAL DBL_MIN
#else
#define NEAR_SMALLEST_NORMAL FLT_MIN
#endif

/* Every element is within `roundings` * HIDI_REAL_EPSILON of the expected one, relative to that
 * (below the smallest normal number: relative to it, since denormals have fewer digits).  NaN
 * equals NaN and an infinity itself; an expected 0 must be 0. */
static inline void near_compare(const char *file, int line, const hidi_real *found,
                                const double *expected, size_t n, double roundings)
{
    for (size_t i = 0; i < n; i++) {
        double e = expected[i], f = found[i];
        double scale = e == 0 ? 0 : fmax(fabs(e), NEAR_SMALLEST_NORMAL);
        double allowed = roundings * HIDI_REAL_EPSILON * scale;

        if (isnan(e) ? !isnan(f) : isinf(e) ? f != e : !(fabs(f - e) <= allowed))
            ck_abort_msg("%s:%d: element %lu is %.17g, expected %.17g (off by %.3g, allowed %.3g)",
                         file, line, (unsigned long)i, f, e, fabs(f - e), allowed);
    }
}

/* assert_values(y, 1, 0.5, 2, 4): y[0..2] are 0.5, 2 and 4, to one rounding. */
#define assert_values(found, roundings, ...)                                                       \
    near_compare(__FILE__, __LINE__, found, (const double[]){ __VA_ARGS__ },                       \
                 sizeof((const double[]){ __VA_ARGS__ }) / sizeof(double), roundings)

/* |a - b| / |b| */
static inline double relative(const hidi_real *a, const double *b, size_t n)
{
    double difference = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        difference += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        size += b[i] * b[i];
    }
    return sqrt(difference / size);
}

/* ck_assert_msg for the elements of long arrays.  That macro itself writes its position to a file
 * each time, even if all is well, which takes longer than most computations here. */
#define check_element(condition, ...)                                                              \
    do {                                                                                           \
        if (!(condition))                                                                          \
            ck_abort_msg(__VA_ARGS__);                                                             \
    } while (0)

/* x and y are within `roundings` * HIDI_REAL_EPSILON * scale of each other. */
#define assert_close(x, y, scale, roundings)                                                       \
    do {                                                                                           \
        double close_x = (x), close_y = (y);                                                       \
        double close_allowed = (roundings)*HIDI_REAL_EPSILON * (scale);                            \
        if (!(fabs(close_x - close_y) <= close_allowed))                                           \
            ck_abort_msg("%s:%d: %.17g and %.17g are %.3g apart, allowed %.3g", __FILE__,          \
                         __LINE__, close_x, close_y, fabs(close_x - close_y), close_allowed);      \
    } while (0)

#endif
