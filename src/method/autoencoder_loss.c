/* autoencoder_loss.c - reconstruction, and a little pressure of the latents to N(0, I)
 * [base: Rombach et al., arXiv 2112.10752, appendix G, KL-reg.; their code's LPIPSWithDiscriminator
 * without perceptual and adversarial loss]
 *
 *     mean, l = E(x),  l within [-30, 20]
 *     z  = mean + exp(l / 2) e,  e ~ N(0, I)
 *     KL = sum over a latent of (mean^2 + exp(l) - 1 - l) / 2
 *     L  = mean |x - D(z)| + w KL / N,  N the numbers of an image
 *
 * Their code sums both terms over an image: the same w, with a loss that is N times as large. */
#include "method/autoencoder_loss.h"

#define LEAST_LOGVAR (-30)
#define MOST_LOGVAR 20

/* x within [a, b]; no gradient beyond. */
static hidi_var *clamp(hidi_tape *tape, hidi_var *x, hidi_real a, hidi_real b)
{
    hidi_var *above_a = hidi_relu(tape, hidi_affine(tape, x, 1, -a));
    hidi_var *above_b = hidi_relu(tape, hidi_affine(tape, x, 1, -b));
    return hidi_affine(tape, hidi_sub(tape, above_a, above_b), 1, a);
}

/* KL(N(mean, exp(l)) || N(0, I)) of each latent: [B] */
static hidi_var *divergence(hidi_tape *tape, hidi_var *mean, hidi_var *l)
{
    hidi_var *second = hidi_add(tape, hidi_square(tape, mean), hidi_exp(tape, l));
    hidi_var *each = hidi_sub(tape, hidi_affine(tape, second, 1, -1), l);
    return hidi_scale(tape, hidi_sum_samples(tape, each), (hidi_real)0.5);
}

hidi_var *hidi_autoencoder_loss(hidi_tape *tape, const hidi_autoencoder *net, hidi_var *x,
                                hidi_var *e, double kl_weight, hidi_autoencoder_terms *terms)
{
    const size_t c = net->config.latent_channels;
    hidi_autoencoder_terms t = {0};
    hidi_var *moments = hidi_encode(tape, net, false, x);
    t.mean = hidi_channels_of(tape, moments, 0, c);
    t.logvar = clamp(tape, hidi_channels_of(tape, moments, c, c), LEAST_LOGVAR, MOST_LOGVAR);
    hidi_var *deviation = hidi_exp(tape, hidi_scale(tape, t.logvar, (hidi_real)0.5));
    t.z = hidi_add(tape, t.mean, hidi_mul(tape, deviation, e));
    t.image = hidi_decode(tape, net, false, t.z);
    t.error = hidi_mean(tape, hidi_abs(tape, hidi_sub(tape, x, t.image)));
    t.kl = hidi_mean(tape, divergence(tape, t.mean, t.logvar));
    *terms = t;
    if (t.kl == NULL)
        return NULL;
    const double numbers = (double)(hidi_count(x->shape) / x->shape.dim[0]);
    return hidi_add(tape, t.error, hidi_scale(tape, t.kl, (hidi_real)(kl_weight / numbers)));
}
