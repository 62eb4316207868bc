/* sampler.h - from noise to images: the teacher's ODE, or a student's few steps. */
#ifndef HIDI_METHOD_SAMPLER_H
#define HIDI_METHOD_SAMPLER_H

#include "../core/progress.h"
#include "../model/dit.h"

typedef enum hidi_solver {
    HIDI_EULER,          /* z_r = z_t - (t - r) v(z_t, t)                                         */
    HIDI_HEUN,           /* the same with the mean of v at both ends                              */
    HIDI_DDIM,           /* on the chain, without noise: a network that predicts epsilon          */
    HIDI_DDPM,           /* on the chain, ancestral: likewise; the 250 steps of DiT's paper       */
    HIDI_EULER_MARUYAMA, /* SiT's stochastic sampler: of any network                              */
    HIDI_AVERAGE         /* z_r = z_t - (t - r) u(z_t, r, t): a network with an interval embedder */
} hidi_solver;

/* Of the teacher's, in the order above. */
#define HIDI_SOLVERS "euler heun ddim ddpm euler-maruyama"

/* What is not named is 0, and then as it says. */
typedef struct hidi_sampler {
    int solver;      /* a hidi_solver                                                         */
    long steps;      /* euler, heun, average: equal ones from t = 1 to 0; ddim, ddpm: respaced  */
                     /*   ones of the chain; euler-maruyama: evaluations                      */
    double guidance; /* w; not of average                                                     */
    size_t batch;    /* images at a time                                                      */
    size_t guided_channels; /* only the first, this many, are guided; 0: all                  */
    double guided_from, guided_to; /* guided where t is between these (arXiv 2404.07724); 0 for  */
                                   /*   guided_to: no limit                                   */
    double last_step; /* euler-maruyama: length of the last step, which has no noise; 0: 0.04  */
    const hidi_condition *negative; /* what guidance leads away from, the same for all, borrowed; */
                                    /*   NULL: null                                           */
    uint64_t seed;    /* of the noise of ddpm and euler-maruyama                              */
    uint64_t first;   /* number of the first image, which has its own noise                   */
} hidi_sampler;

/* Is step k, of steps .. 1, guided? */
bool hidi_guides(const hidi_sampler *sampler, long k);

/* How many of n images hidi_sample takes together: a batch; or, where a batch is not cut between
 * threads, one for each process of an MPI run (core/processes.h). */
size_t hidi_sample_at_once(const hidi_sampler *sampler, const hidi_dit *net, size_t n);

/* Network evaluations for one image. */
long hidi_sampler_evaluations(const hidi_sampler *sampler);

/* One step, from t = k / steps to (k - 1) / steps (or as the solver divides the time), of n images:
 * x [n, C, H, W] host memory, holds z_t on entry and z_r on return; of ddim and ddpm z_vp.  The
 * tape is reset. */
hidi_status hidi_sample_step(const hidi_sampler *sampler, const hidi_dit *net, hidi_tape *tape,
                             long k, hidi_real *x, const hidi_condition *y, size_t n);

/* The same with given noise [n, C, H, W], for the solvers that take some. */
hidi_status hidi_sample_step_with(const hidi_sampler *sampler, const hidi_dit *net,
                                  hidi_tape *tape, long k, hidi_real *x, const hidi_condition *y,
                                  size_t n, const hidi_real *noise);

/* HIDI_BAD_ARGUMENT if this network cannot be sampled so. */
hidi_status hidi_sampler_check(const hidi_sampler *sampler, const hidi_dit *net);

/* n images from noise: x [n, C, H, W] host memory, holds e on entry and the images on return (not
 * clamped); y of all n.  progress (NULL: none) counts images.  Ends with HIDI_NOT_FINITE if an
 * image is not, and with HIDI_INTERRUPTED between two steps (core/stop.h).  The processes of an MPI
 * run all call it with the same, and share the images out. */
hidi_status hidi_sample(const hidi_sampler *sampler, const hidi_dit *net, hidi_tape *tape,
                        hidi_real *x, const hidi_condition *y, size_t n, hidi_progress *progress);

/* The noise and classes of the samples that are looked at and measured: image number i of a seed is
 * always the same, whatever the model.  Classes go round: 0, 1, ..., n_classes - 1, 0, ...; of a
 * network that takes captions y is the number of the sample. */
void hidi_sample_inputs(uint64_t seed, const hidi_dit_config *config, size_t first, size_t n,
                        hidi_real *e, int32_t *y);

#endif
