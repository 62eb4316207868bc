/* times.h - how t, and the pair (t, r) of stage 1, are drawn: into host memory. */
#ifndef HIDI_METHOD_TIMES_H
#define HIDI_METHOD_TIMES_H

#include "../core/random.h"
#include "../core/real.h"

typedef enum hidi_time_density {
    HIDI_TIME_UNIFORM,     /* uniform on (least, most)                                         */
    HIDI_TIME_LOGIT_NORMAL /* sigmoid of N(mean, deviation^2)                                  */
} hidi_time_density;
#define HIDI_TIME_DENSITIES "uniform logit-normal"

/* t[n] for the teacher and stage 2. */
typedef struct hidi_time_options {
    int density;            /* a hidi_time_density                                             */
    double least, most;     /* uniform: range                                                  */
    double mean, deviation; /* logit-normal                                                    */
} hidi_time_options;

/* t of samples first .. first + n - 1. */
void hidi_draw_times(const hidi_time_options *options, hidi_random random, size_t first,
                     hidi_real *t, size_t n);

typedef enum hidi_interval_sampler {
    HIDI_INTERVAL_COVER,   /* [ours] a share `from_zero` of the intervals has r = 0 and t uniform on
                            * (0, 1]; the others are two uniform draws, sorted.  One-step generation
                            * needs u(z_t, 0, t) for all t up to 1: the identity ties u at (0, 1)
                            * down only through all the t in between.                            */
    HIDI_INTERVAL_MEANFLOW /* [base] two logit-normal draws, sorted                              */
} hidi_interval_sampler;
#define HIDI_INTERVAL_SAMPLERS "cover meanflow"

typedef struct hidi_interval_options {
    int sampler;            /* a hidi_interval_sampler                                         */
    double same;            /* share of the batch with r = t                                   */
    double from_zero;       /* cover: share of the remaining ones with r = 0                    */
    double mean, deviation; /* meanflow                                                        */
} hidi_interval_options;

/* r[n] <= t[n], all in [0, 1], of samples first .. first + n - 1 of a batch; the shares are of the
 * batch. */
void hidi_draw_intervals(const hidi_interval_options *options, hidi_random random, size_t batch,
                         size_t first, hidi_real *t, hidi_real *r, size_t n);

/* For progressive distillation: t[n], r[n] are the ends of one of the `steps` equal steps from 1 to
 * 0, all equally likely. */
void hidi_draw_grid_steps(size_t steps, hidi_random random, hidi_real *t, hidi_real *r, size_t n);

#endif
