/* mixture.c - the velocity as the mean of the components' velocities under their posterior weights;
 * quantiles by bisection. */
#include "mixture.h"

#include <hidi/hidi.h>

const mixture mixtures[N_MIXTURES] = {
    {"line", 1, 3, {0.3, 0.5, 0.2}, {0.2, 0.15, 0.3}, {{-1}, {0.2}, {1.3}}},
    {"ring",
     2,
     6,
     {0.25, 0.15, 0.2, 0.1, 0.2, 0.1},
     {0.2, 0.2, 0.2, 0.2, 0.2, 0.2},
     {{1, 0}, {0.5, 0.866}, {-0.5, 0.866}, {-1, 0}, {-0.5, -0.866}, {0.5, -0.866}}}};

void velocity(const mixture *m, const dual *z, dual t, dual *v)
{
    dual at[MAX_COMPONENTS][MAX_DIM], log_g[MAX_COMPONENTS], total = number(0);
    const dual omt = sub(number(1), t); /* 1 - t */
    double most = -INFINITY;
    for (int k = 0; k < m->n; k++) {
        const double s2 = m->deviation[k] * m->deviation[k];
        const dual V = add(times(s2, mul(omt, omt)), mul(t, t));
        const dual slope = over(sub(t, times(s2, omt)), V);
        dual square = number(0);
        for (int i = 0; i < m->dim; i++) {
            const dual centred = sub(z[i], times(m->mean[k][i], omt));
            square = add(square, mul(centred, centred));
            at[k][i] = add(number(-m->mean[k][i]), mul(slope, centred));
        }
        const dual log_V = {log(V.v), V.d / V.v};
        log_g[k] = sub(number(log(m->weight[k])),
                       times(0.5, add(times(m->dim, log_V), over(square, V))));
        most = log_g[k].v > most ? log_g[k].v : most;
    }
    for (int i = 0; i < m->dim; i++)
        v[i] = number(0);
    for (int k = 0; k < m->n; k++) {
        const dual g = exponential(sub(log_g[k], number(most)));
        total = add(total, g);
        for (int i = 0; i < m->dim; i++)
            v[i] = add(v[i], mul(g, at[k][i]));
    }
    for (int i = 0; i < m->dim; i++)
        v[i] = over(v[i], total);
}

void draw_points(const mixture *m, uint64_t seed, uint64_t first, double t, double *z, int n)
{
    for (int j = 0; j < n; j++) {
        const hidi_random random = {seed, HIDI_STREAM_SAMPLE, first + (uint64_t)j};
        hidi_real normal[2 * MAX_DIM]; /* x's, then e */
        double u;
        int k = 0;
        hidi_normal(random, 0, normal, 2 * MAX_DIM);
        hidi_uniform(random, 2 * MAX_DIM, &u, 1);
        while (k < m->n - 1 && u > m->weight[k])
            u -= m->weight[k++];
        for (int i = 0; i < m->dim; i++) {
            const double x = m->mean[k][i] + m->deviation[k] * (double)normal[i];
            z[j * m->dim + i] = (1 - t) * x + t * (double)normal[MAX_DIM + i];
        }
    }
}

/* sign > 0: the distribution function F_t(z); sign < 0: 1 - F_t(z), without cancellation. */
static double tail(const mixture *m, double z, double t, int sign)
{
    double sum = 0;
    for (int k = 0; k < m->n; k++) {
        const double V = pow((1 - t) * m->deviation[k], 2) + t * t;
        sum += 0.5 * m->weight[k] * erfc(-sign * (z - (1 - t) * m->mean[k][0]) / sqrt(2 * V));
    }
    return sum;
}

double transported(const mixture *m, double z, double t, double r)
{
    const int sign = tail(m, z, t, 1) < 0.5 ? 1 : -1; /* from the nearer end */
    const double wanted = tail(m, z, t, sign);
    double low = -40, high = 40;
    for (;;) { /* bisection, to the last bit */
        const double middle = 0.5 * (low + high);
        if (middle <= low || middle >= high)
            return middle;
        if (sign * (tail(m, middle, r, sign) - wanted) < 0)
            low = middle;
        else
            high = middle;
    }
}
