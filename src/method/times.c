/* times.c - how t, and (t, r), are distributed.
 *
 *     uniform          t = least + (most - least) u,  u ~ U(0, 1)
 *     logit-normal     t = 1 / (1 + exp(-(mean + deviation n))),  n ~ N(0, 1)
 *     intervals        r = t in a share of the batch; otherwise t = max(a, b), r = min(a, b):
 *         meanflow     a, b logit-normal  [base: MeanFlow, arXiv 2505.13447]
 *         cover        a, b uniform, and b = 0 in a share of them  [ours]
 *     a grid's steps   t = (k + 1) / K, r = k / K,  k uniform on 0 .. K - 1
 */
#include "method/times.h"

#include <math.h>

/* Each draw of t or of (t, r) takes this many uniform numbers from the stream. */
enum { PER_DRAW = 4 };

static double logit_normal(double mean, double deviation, double u1, double u2)
{
    double normal[2];
    hidi_box_muller(u1, u2, normal);
    return 1 / (1 + exp(-(mean + deviation * normal[0])));
}

void hidi_draw_times(const hidi_time_options *options, hidi_random random, size_t first,
                     hidi_real *t, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double u[PER_DRAW];
        hidi_uniform(random, (first + i) * PER_DRAW, u, PER_DRAW);
        if (options->density == HIDI_TIME_LOGIT_NORMAL)
            t[i] = (hidi_real)logit_normal(options->mean, options->deviation, u[0], u[1]);
        else
            t[i] = (hidi_real)(options->least + (options->most - options->least) * u[0]);
    }
}

void hidi_draw_intervals(const hidi_interval_options *options, hidi_random random, size_t batch,
                         size_t first, hidi_real *t, hidi_real *r, size_t n)
{
    /* The first `same` have r = t, those up to `zero` r = 0.  The shares are fixed, not random, so
     * that there is less noise in the gradient. */
    const size_t same = (size_t)(options->same * (double)batch + 0.5);
    const size_t zero = same + (size_t)(options->from_zero * (double)(batch - same) + 0.5);
    for (size_t k = 0; k < n; k++) {
        const size_t i = first + k;
        double u[PER_DRAW], a, b;
        hidi_uniform(random, i * PER_DRAW, u, PER_DRAW);
        if (options->sampler == HIDI_INTERVAL_MEANFLOW) {
            a = logit_normal(options->mean, options->deviation, u[0], u[1]);
            b = logit_normal(options->mean, options->deviation, u[2], u[3]);
        } else {
            a = u[0];
            b = i >= same && i < zero ? 0 : u[2];
        }
        t[k] = (hidi_real)(a > b ? a : b);
        r[k] = i < same ? t[k] : (hidi_real)(a > b ? b : a);
    }
}

void hidi_draw_grid_steps(size_t steps, hidi_random random, hidi_real *t, hidi_real *r, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t k;
        hidi_uniform_int(random, i, steps, &k, 1);
        t[i] = (hidi_real)((double)(k + 1) / (double)steps);
        r[i] = (hidi_real)((double)k / (double)steps);
    }
}
