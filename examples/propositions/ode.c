/* ode.c - an embedded Runge-Kutta pair: the difference of its two orders sets the step. */
#include "ode.h"

#include <stdbool.h>

enum { STAGES = 7 };

const char *const solver_names[N_SOLVERS] = {"euler", "heun"};

/* Dormand & Prince (1980), the table of RK5(4)7M. */
static const double nodes[STAGES] = {0, 1. / 5, 3. / 10, 4. / 5, 8. / 9, 1, 1};
static const double row[STAGES][STAGES - 1] = {
    {0},
    {1. / 5},
    {3. / 40, 9. / 40},
    {44. / 45, -56. / 15, 32. / 9},
    {19372. / 6561, -25360. / 2187, 64448. / 6561, -212. / 729},
    {9017. / 3168, -355. / 33, 46732. / 5247, 49. / 176, -5103. / 18656},
    {35. / 384, 0, 500. / 1113, 125. / 192, -2187. / 6784, 11. / 84}}; /* and the result */
static const double of_order_4[STAGES] = {
    5179. / 57600, 0, 7571. / 16695, 393. / 640, -92097. / 339200, 187. / 2100, 1. / 40};

/* The position s of the way from t to r, s in [0, 1]. */
static dual between(dual t, dual r, double s)
{
    return add(t, times(s, sub(r, t)));
}

/* One step of size h on that way: z_next, and the largest component of its error estimate. */
static double try_step(const mixture *m, const dual *z, dual t, dual r, double s, double h,
                       dual *z_next)
{
    dual k[STAGES][MAX_DIM];
    double error = 0;
    for (int stage = 0; stage < STAGES; stage++) {
        for (int i = 0; i < m->dim; i++) {
            z_next[i] = z[i];
            for (int j = 0; j < stage; j++)
                z_next[i] = add(z_next[i], times(h * row[stage][j], k[j][i]));
        }
        velocity(m, z_next, between(t, r, s + nodes[stage] * h), k[stage]);
        for (int i = 0; i < m->dim; i++)
            k[stage][i] = mul(sub(r, t), k[stage][i]); /* dz/ds = (r - t) v */
    }
    for (int i = 0; i < m->dim; i++) {
        dual difference = number(0);
        for (int j = 0; j < STAGES; j++)
            difference = add(difference, times(h * ((j < STAGES - 1 ? row[STAGES - 1][j] : 0) -
                                                    of_order_4[j]), k[j][i]));
        error = fmax(error, fmax(fabs(difference.v), fabs(difference.d)));
    }
    return error;
}

long solve(const mixture *m, const dual *z_t, dual t, dual r, double tolerance, dual *z_r)
{
    dual next[MAX_DIM];
    double s = 0, h = 0.05;
    long evaluations = 0;
    for (int i = 0; i < m->dim; i++)
        z_r[i] = z_t[i];
    while (s < 1) {
        const bool is_last = s + h >= 1;
        const double step = is_last ? 1 - s : h;
        const double error = try_step(m, z_r, t, r, s, step, next);
        evaluations += STAGES;
        /* steps below 1e-6 would only add rounding errors */
        if (error <= tolerance || step < 1e-6) {
            s = is_last ? 1 : s + step;
            for (int i = 0; i < m->dim; i++)
                z_r[i] = next[i];
        }
        h = step * fmin(4, fmax(0.2, 0.9 * pow(tolerance / fmax(error, 1e-30), 0.2)));
    }
    return evaluations;
}

static void velocity_at(const mixture *m, const double *z, double t, double *v)
{
    dual z_dual[MAX_DIM], v_dual[MAX_DIM];
    for (int i = 0; i < m->dim; i++)
        z_dual[i] = number(z[i]);
    velocity(m, z_dual, number(t), v_dual);
    for (int i = 0; i < m->dim; i++)
        v[i] = v_dual[i].v;
}

static void euler_step(const mixture *m, const double *z, const double *v, double h, double *z_r)
{
    for (int i = 0; i < m->dim; i++)
        z_r[i] = z[i] - h * v[i];
}

void solver_step(const mixture *m, solver s, const double *z, double t, double r, double *z_r)
{
    double v[MAX_DIM], v_r[MAX_DIM], ahead[MAX_DIM];
    velocity_at(m, z, t, v);
    if (s == EULER) {
        euler_step(m, z, v, t - r, z_r);
        return;
    }
    euler_step(m, z, v, t - r, ahead);
    velocity_at(m, ahead, r, v_r);
    for (int i = 0; i < m->dim; i++)
        v[i] = 0.5 * (v[i] + v_r[i]);
    euler_step(m, z, v, t - r, z_r);
}

/* z_r on the trajectory through z_t. */
static void follow(const mixture *m, const double *z, double t, double r, double *z_r)
{
    dual from[MAX_DIM], to[MAX_DIM];
    if (m->dim == 1) {
        z_r[0] = transported(m, z[0], t, r);
        return;
    }
    for (int i = 0; i < m->dim; i++)
        from[i] = number(z[i]);
    solve(m, from, number(t), number(r), FINE, to);
    for (int i = 0; i < m->dim; i++)
        z_r[i] = to[i].v;
}

void average_velocity(const mixture *m, const double *z, double t, double r, double *u)
{
    double z_r[MAX_DIM];
    follow(m, z, t, r, z_r);
    for (int i = 0; i < m->dim; i++)
        u[i] = (z[i] - z_r[i]) / (t - r);
}

void integrated_velocity(const mixture *m, const double *z, double t, double r, int panels,
                         double *u)
{
    enum { HALF = 4 };
    /* positive nodes and weights of the rule with 8 nodes on [-1, 1] (Abramowitz & Stegun, 25.4) */
    static const double x[HALF] = {0.1834346424956498, 0.5255324099163290, 0.7966664774136267,
                                   0.9602898564975363};
    static const double w[HALF] = {0.3626837833783620, 0.3137066458778873, 0.2223810344533745,
                                   0.1012285362903763};
    double z_s[MAX_DIM], v[MAX_DIM], s = t;
    for (int i = 0; i < m->dim; i++) {
        u[i] = 0;
        z_s[i] = z[i];
    }
    for (int p = 0; p < panels; p++)
        for (int j = 0; j < 2 * HALF; j++) { /* from t down: each node starts from the one before */
            const int k = j < HALF ? HALF - 1 - j : j - HALF;
            const double place = 0.5 + (j < HALF ? -0.5 : 0.5) * x[k];
            const double next = t - (t - r) * (p + place) / panels;
            double moved[MAX_DIM];
            follow(m, z_s, s, next, moved);
            s = next;
            velocity_at(m, moved, s, v);
            for (int i = 0; i < m->dim; i++) {
                z_s[i] = moved[i];
                u[i] += 0.5 * w[k] * v[i] / panels;
            }
        }
}
