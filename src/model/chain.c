/* chain.c - the linear-beta chain.  Its shares ab are products from the first step on, in double
 * precision; a thousand factors take less time than a network's first layer. */
#include "model/chain.h"

#include <math.h>

#define BETA_FIRST 1e-4
#define BETA_LAST 0.02

double hidi_chain_beta(int s)
{
    return BETA_FIRST + (BETA_LAST - BETA_FIRST) * s / (HIDI_CHAIN_STEPS - 1);
}

double hidi_chain_alpha_bar(int s)
{
    double ab = 1;
    for (int i = 0; i <= s; i++)
        ab *= 1 - hidi_chain_beta(i);
    return ab;
}

double hidi_chain_time(double alpha_bar)
{
    const double data = sqrt(alpha_bar), noise = sqrt(1 - alpha_bar);
    return noise / (data + noise);
}

/* s + (ab_s - ab) / (ab_s - ab_(s+1)), where ab lies between these two; with
 * d ab / dt = -2 t (1 - t) / q^2, q = (1 - t)^2 + t^2. */
double hidi_chain_place(double t, double *slope)
{
    const double q = (1 - t) * (1 - t) + t * t, ab = (1 - t) * (1 - t) / q;
    double here = hidi_chain_alpha_bar(0);
    *slope = 0;
    if (ab >= here)
        return 0;
    for (int s = 0; s < HIDI_CHAIN_STEPS - 1; s++) {
        const double next = here * (1 - hidi_chain_beta(s + 1));
        if (ab > next) {
            *slope = 2 * t * (1 - t) / (q * q) / (here - next);
            return s + (here - ab) / (here - next);
        }
        here = next;
    }
    return HIDI_CHAIN_STEPS - 1;
}

void hidi_chain_respaced(int n, int *step)
{
    const double stride = (double)(HIDI_CHAIN_STEPS - 1) / (n - 1);
    double at = 0;
    for (int i = 0; i < n; i++, at += stride)
        step[i] = (int)rint(at); /* halves to even, as Python rounds */
}
