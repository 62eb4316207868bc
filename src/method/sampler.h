/* sampler.h - from noise to images: the teacher's ODE, or a student's few steps. */
#ifndef HIDI_METHOD_SAMPLER_H
#define HIDI_METHOD_SAMPLER_H

#include "../core/progress.h"
#include "../model/dit.h"

typedef enum hidi_solver {
    HIDI_EULER,  /* z_r = z_t - (t - r) v(z_t, t)                                             */
    HIDI_HEUN,   /* the same with the mean of v at both ends                                  */
    HIDI_AVERAGE /* z_r = z_t - (t - r) u(z_t, r, t), for a network with an interval embedder */
} hidi_solver;

typedef struct hidi_sampler {
    int solver;      /* a hidi_solver                                                         */
    long steps;      /* equal steps from t = 1 to 0                                           */
    double guidance; /* w; euler and heun                                                     */
    size_t batch;    /* images at a time                                                      */
} hidi_sampler;

/* Network evaluations for one image. */
long hidi_sampler_evaluations(const hidi_sampler *sampler);

/* One step, from t = k / steps to (k - 1) / steps, of n images: x [n, C, H, W] host memory, holds z_t
 * on entry and z_r on return.  The tape is reset. */
hidi_status hidi_sample_step(const hidi_sampler *sampler, const hidi_dit *net, hidi_tape *tape,
                             long k, hidi_real *x, const int32_t *y, size_t n);

/* n images from noise: x [n, C, H, W] host memory, holds e on entry and the images on return (not
 * clamped); y [n].  progress (NULL: none) counts images.  Ends with HIDI_NOT_FINITE if an image is
 * not, and with HIDI_INTERRUPTED between two steps (core/stop.h). */
hidi_status hidi_sample(const hidi_sampler *sampler, const hidi_dit *net, hidi_tape *tape,
                        hidi_real *x, const int32_t *y, size_t n, hidi_progress *progress);

/* The noise and classes of the samples that are looked at and measured: image number i of a seed is
 * always the same, whatever the model.  Classes go round: 0, 1, ..., n_classes - 1, 0, ... */
void hidi_sample_inputs(uint64_t seed, const hidi_dit_config *config, size_t first, size_t n,
                        hidi_real *e, int32_t *y);

#endif
