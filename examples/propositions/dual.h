/* dual.h - dual numbers a + eps b with eps^2 = 0, in double precision: what is computed with them
 * carries its derivative along one direction, exactly. */
#ifndef PROPOSITIONS_DUAL_H
#define PROPOSITIONS_DUAL_H

#include <math.h>

typedef struct dual {
    double v, d; /* value, derivative */
} dual;

static inline dual number(double a) { return (dual){a, 0}; }
static inline dual add(dual a, dual b) { return (dual){a.v + b.v, a.d + b.d}; }
static inline dual sub(dual a, dual b) { return (dual){a.v - b.v, a.d - b.d}; }
static inline dual mul(dual a, dual b) { return (dual){a.v * b.v, a.v * b.d + a.d * b.v}; }
static inline dual times(double a, dual b) { return (dual){a * b.v, a * b.d}; }
static inline dual exponential(dual a) { return (dual){exp(a.v), exp(a.v) * a.d}; }
static inline dual over(dual a, dual b)
{
    const double q = a.v / b.v;
    return (dual){q, (a.d - q * b.d) / b.v};
}

#endif
