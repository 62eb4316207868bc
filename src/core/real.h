/* real.h - the one floating-point type of the library.
 *
 * libhidi is compiled in single precision.  `make check` builds it a second time with
 * -DHIDI_DOUBLE, where gradients can be checked to 1e-7 and better.
 */
#ifndef HIDI_CORE_REAL_H
#define HIDI_CORE_REAL_H

#ifdef HIDI_DOUBLE
#ifndef HIDI_DOUBLE_NAMES
#error "the double twin is for hidi's own tests: its symbols have other names, from double_names.h"
#endif
typedef double hidi_real;
#define HIDI_REAL_EPSILON 2.220446049250313e-16
#define HIDI_PRECISION "double"
#else
typedef float hidi_real;
#define HIDI_REAL_EPSILON 1.1920929e-7
#define HIDI_PRECISION "single"
#endif

#endif
