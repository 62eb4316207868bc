/* timing.h - how long something takes: the median of several times. */
#ifndef HIDI_LAB_TIMING_H
#define HIDI_LAB_TIMING_H

#include "core/status.h"

/* The value at share p (0.5: the median) of x [n], which it sorts; between two of them, on the line
 * that joins them. */
double hidi_quantile(double *x, int n, double p);

/* The median of the seconds that step(state, i) takes, of `repeat` calls with i = first,
 * first + every, ..., after two calls that are not counted. */
hidi_status hidi_time_steps(hidi_status (*step)(void *state, long i), void *state, long repeat,
                            long first, long every, double *seconds);

#endif
