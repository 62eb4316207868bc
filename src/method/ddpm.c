/* ddpm.c - sampling on the chain, as DiT's code does  [base: DDPM, arXiv 2006.11239; learned
 * variance: 2102.09672; DDIM: 2010.02502].
 *
 * Of the chain's 1000 steps K are kept, s_0 = 0 < ... < s_(K-1) = 999; with ab = ab(s_k), and ab'
 * that of s_(k-1), or 1 for k = 0:
 *
 *     beta  = 1 - ab / ab'
 *     x_hat = (z - sqrt(1 - ab) e_hat) / sqrt(ab)
 *
 *     DDPM  z' = sqrt(ab') beta / (1 - ab) x_hat + sqrt(1 - beta) (1 - ab') / (1 - ab) z + sigma n
 *           log sigma^2 = f log beta + (1 - f) log beta~,   beta~ = beta (1 - ab') / (1 - ab)
 *           f = (o + 1) / 2, o the network's second C channels, or f = 1 if it has none; the last
 *           step, k = 0, where beta~ is 0, has no noise
 *     DDIM  z' = sqrt(ab') x_hat + sqrt(1 - ab') e_hat
 *
 * Nothing is clipped.  The few numbers of a step are computed on the host, in double precision. */
#include "method/ddpm.h"

#include <math.h>
#include <stdlib.h>

#include "method/flow.h"
#include "model/chain.h"

/* ab(s_k), ab(s_(k-1)) and beta of a respaced chain at k = 0 .. K - 1. */
typedef struct place {
    int step; /* s_k */
    double ab, before, beta;
} place;

static place place_of(const hidi_sampler *s, long k)
{
    int step[HIDI_CHAIN_STEPS];
    place at;
    hidi_chain_respaced((int)s->steps, step);
    at.step = step[k];
    at.ab = hidi_chain_alpha_bar(step[k]);
    at.before = k > 0 ? hidi_chain_alpha_bar(step[k - 1]) : 1;
    at.beta = 1 - at.ab / at.before;
    return at;
}

/* beta~ */
static double posterior_variance(const place *at)
{
    return at->beta * (1 - at->before) / (1 - at->ab);
}

hidi_status hidi_ddpm_check(const hidi_sampler *s, const hidi_dit *net)
{
    if (net->config.prediction != HIDI_EPSILON)
        return hidi_error(HIDI_BAD_ARGUMENT, "the ddpm and ddim samplers need a network that "
                                             "predicts epsilon: euler, heun and euler-maruyama "
                                             "take others");
    if (net->config.has_interval)
        return hidi_error(HIDI_BAD_ARGUMENT, "the ddpm and ddim samplers are for teachers");
    if (s->steps < 2 || s->steps > HIDI_CHAIN_STEPS)
        return hidi_error(HIDI_BAD_ARGUMENT, "the ddpm and ddim samplers take 2 to %d steps, not "
                                             "%ld",
                          HIDI_CHAIN_STEPS, s->steps);
    return HIDI_OK;
}

double hidi_ddpm_time(const hidi_sampler *s, long k)
{
    return hidi_chain_time(place_of(s, k - 1).ab);
}

/* The step for n images of `pixels` numbers.  out: e_hat of each and, if `learned`, then as many
 * numbers o. */
static void advance(const hidi_sampler *s, long k, const hidi_real *out, bool learned,
                    const hidi_real *noise, hidi_real *x, size_t n, size_t pixels)
{
    const place at = place_of(s, k);
    const double most = log(at.beta), least = k > 0 ? log(posterior_variance(&at)) : 0;
    const double of_x = sqrt(at.before) * at.beta / (1 - at.ab);
    const double of_z = sqrt(1 - at.beta) * (1 - at.before) / (1 - at.ab);
    for (size_t i = 0; i < n; i++)
        for (size_t p = 0; p < pixels; p++) {
            const size_t at_x = i * pixels + p, at_e = i * (learned ? 2 : 1) * pixels + p;
            const double z = (double)x[at_x], e = (double)out[at_e];
            const double x_hat = (z - sqrt(1 - at.ab) * e) / sqrt(at.ab);
            if (s->solver == HIDI_DDIM) {
                x[at_x] = (hidi_real)(sqrt(at.before) * x_hat + sqrt(1 - at.before) * e);
                continue;
            }
            double next = of_x * x_hat + of_z * z;
            if (k > 0) {
                const double f = learned ? ((double)out[at_e + pixels] + 1) / 2 : 1;
                next += exp(0.5 * (f * most + (1 - f) * least)) * (double)noise[at_x];
            }
            x[at_x] = (hidi_real)next;
        }
}

hidi_status hidi_ddpm_step(const hidi_sampler *s, const hidi_dit *net, hidi_tape *tape, long k,
                           hidi_real *x, const hidi_condition *y, size_t n, const hidi_real *noise)
{
    const hidi_dit_config *c = &net->config;
    const hidi_shape shape = hidi_shape4(n, c->channels, c->image_size, c->image_size);
    const double step = place_of(s, k - 1).step;
    hidi_tape_reset(tape);
    hidi_var *z = hidi_constant(tape, shape, x);
    hidi_var *out = hidi_dit_at_step(tape, net, z, step, y);
    if (hidi_guides(s, k))
        out = hidi_guided_channels(tape, out, hidi_dit_at_step(tape, net, z, step, s->negative),
                                   s->guidance,
                                   s->guided_channels ? s->guided_channels : c->channels);
    HIDI_TRY(hidi_tape_status(tape));
    hidi_real *host = malloc(hidi_count(out->shape) * sizeof *host);
    if (host == NULL)
        return hidi_error(HIDI_NO_MEMORY, "no memory for a step of %zu samples", n);
    const hidi_status status = hidi_read(tape, out, host);
    if (status == HIDI_OK)
        advance(s, k - 1, host, c->out_channels != c->channels, noise, x, n,
                hidi_count(shape) / n);
    free(host);
    return status;
}
