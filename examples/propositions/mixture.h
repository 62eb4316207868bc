/* mixture.h - data whose flow is known: mixtures of isotropic Gaussians in one or two dimensions.
 *
 *     x ~ sum_k w_k N(m_k, s_k^2 I),   e ~ N(0, I),   z_t = (1 - t) x + t e
 *
 * Given component k, z_t ~ N((1 - t) m_k, V_k I) with V_k = (1 - t)^2 s_k^2 + t^2, and
 * cov(e - x, z_t) = t - (1 - t) s_k^2, so that the marginal velocity E[e - x | z_t = z] is
 *
 *     v(z, t) = sum_k g_k [ -m_k + (t - (1 - t) s_k^2) / V_k (z - (1 - t) m_k) ],
 *     g_k     proportional to  w_k V_k^(-dim/2) exp(-|z - (1 - t) m_k|^2 / (2 V_k))
 */
#ifndef PROPOSITIONS_MIXTURE_H
#define PROPOSITIONS_MIXTURE_H

#include <stdint.h>

#include "dual.h"

enum { MAX_DIM = 2, MAX_COMPONENTS = 8 };

typedef struct mixture {
    const char *name;
    int dim, n; /* dim: 1 or 2; n components */
    double weight[MAX_COMPONENTS], deviation[MAX_COMPONENTS], mean[MAX_COMPONENTS][MAX_DIM];
} mixture;

/* Three modes on a line, six on a ring. */
enum { N_MIXTURES = 2 };
extern const mixture mixtures[N_MIXTURES];

/* v(z, t), and its derivative along the tangents of z and t;  z, v [dim] */
void velocity(const mixture *m, const dual *z, dual t, dual *v);

/* n points z_t [n, dim] at one t, from draws number `first`, ... of a seed. */
void draw_points(const mixture *m, uint64_t seed, uint64_t first, double t, double *z, int n);

/* In one dimension the flow keeps every point's quantile, whatever the trajectory:
 * F_r(z_r) = F_t(z_t), F_t the distribution function of z_t.  So z_r without an ODE. */
double transported(const mixture *m, double z, double t, double r);

#endif
