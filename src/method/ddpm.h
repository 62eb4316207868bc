/* ddpm.h - steps on the chain of a network that predicts epsilon: DDPM's, with the variance that
 * the network may put out beside, and DDIM's. */
#ifndef HIDI_METHOD_DDPM_H
#define HIDI_METHOD_DDPM_H

#include "method/sampler.h"

/* That net and sampler can do this: epsilon, no student, 2 to 1000 steps. */
hidi_status hidi_ddpm_check(const hidi_sampler *sampler, const hidi_dit *net);

/* The time t of the chain's respaced step number k - 1, k being steps .. 1. */
double hidi_ddpm_time(const hidi_sampler *sampler, long k);

/* z_vp [n, C, H, W] at respaced step k - 1 becomes that at k - 2, or, for k = 1, the image.
 * HIDI_DDPM or HIDI_DDIM; noise [n, C, H, W]: DDPM's, which its last step does not look at. */
hidi_status hidi_ddpm_step(const hidi_sampler *sampler, const hidi_dit *net, hidi_tape *tape,
                           long k, hidi_real *x, const hidi_condition *y, size_t n,
                           const hidi_real *noise);

#endif
