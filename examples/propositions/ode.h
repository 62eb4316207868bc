/* ode.h - the probability-flow ODE dz/ds = v(z, s), and what is integrated along it. */
#ifndef PROPOSITIONS_ODE_H
#define PROPOSITIONS_ODE_H

#include "mixture.h"

/* Dormand and Prince's pair of orders 5 and 4 with its step size controlled, from z_t [dim] at t to
 * z_r at r, for values and tangents alike (the tangents of z_t and t count): each step's estimated
 * error is at most `tolerance` in both.  Returns the evaluations of v. */
long solve(const mixture *m, const dual *z_t, dual t, dual r, double tolerance, dual *z_r);

/* One step of a solver of the teacher: z_r from z_t. */
typedef enum solver { EULER, HEUN, N_SOLVERS } solver;
extern const char *const solver_names[N_SOLVERS];
void solver_step(const mixture *m, solver s, const double *z, double t, double r, double *z_r);

/* The exact average velocity u(z_t, r, t) = (z_t - z_r) / (t - r), r < t:  z, u [dim].  On the line
 * from quantiles, elsewhere by `solve`.  r = 0: z - t u is the consistency function f(z, t). */
void average_velocity(const mixture *m, const double *z, double t, double r, double *u);

/* The same as an integral, 1/(t - r) int_r^t v(z_s, s) ds along the trajectory through z_t, by the
 * Gauss-Legendre rule with `panels` times 8 nodes. */
void integrated_velocity(const mixture *m, const double *z, double t, double r, int panels,
                         double *u);

#define FINE 1e-13 /* tolerance of what is called exact */

#endif
