/* chain.h - the discrete diffusion of DiT's checkpoints [base: Ho et al., arXiv 2006.11239; DiT]:
 * s = 0 .. 999 with linear beta,
 *
 *     beta_s = 1e-4 + (0.02 - 1e-4) s / 999,   ab_s = (1 - beta_0) ... (1 - beta_s)
 *     z_vp   = sqrt(ab) x + sqrt(1 - ab) e
 *
 * and where our times t lie on it: z_vp / (sqrt(ab) + sqrt(1 - ab)) is z_t = (1 - t) x + t e with
 *
 *     t = sqrt(1 - ab) / (sqrt(ab) + sqrt(1 - ab)),   ab = (1 - t)^2 / ((1 - t)^2 + t^2).
 */
#ifndef HIDI_MODEL_CHAIN_H
#define HIDI_MODEL_CHAIN_H

enum { HIDI_CHAIN_STEPS = 1000 };

/* beta of step s, 0 .. 999. */
double hidi_chain_beta(int s);

/* ab of step s; s = -1, before the first: 1. */
double hidi_chain_alpha_bar(int s);

/* The time at which the share of data's variance is alpha_bar. */
double hidi_chain_time(double alpha_bar);

/* The place s(t) on the chain, ab being interpolated linearly between steps; in 0 .. 999, which is
 * where a network that was trained on the chain has been: times before the first step (below
 * 0.0099) are at 0, those after the last (above 0.9936) at 999.  *slope: ds/dt. */
double hidi_chain_place(double t, double *slope);

/* Respaced steps, as DiT's code (diffusion/respace.py) has them: n of the chain's, evenly spaced
 * from 0 to 999 and rounded, ascending, into step[n]; n is 2 .. 1000. */
void hidi_chain_respaced(int n, int *step);

#endif
