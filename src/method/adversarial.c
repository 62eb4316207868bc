/* adversarial.c - the losses of discriminator and generator, from logits D that are large for real
 * images  [base: Goodfellow et al., arXiv 1406.2661; R1: APT, arXiv 2501.08316].
 *
 *                     discriminator                                         generator
 *     non-saturating  mean softplus(D(fake)) + mean softplus(-D(real))      mean softplus(-D(fake))
 *     hinge           mean max(0, 1 + D(fake)) + mean max(0, 1 - D(real))   -mean D(fake)
 *
 *     approximate R1  mean (D(x) - D(x + sigma n))^2
 */
#include "method/adversarial.h"

/* mean softplus(sign D) */
static hidi_var *logistic(hidi_tape *tape, hidi_var *d, hidi_real sign)
{
    return hidi_mean(tape, hidi_softplus(tape, hidi_scale(tape, d, sign)));
}

/* mean max(0, 1 + sign D) */
static hidi_var *hinge(hidi_tape *tape, hidi_var *d, hidi_real sign)
{
    return hidi_mean(tape, hidi_relu(tape, hidi_affine(tape, d, sign, 1)));
}

hidi_var *hidi_discriminator_loss(hidi_tape *tape, hidi_adversarial kind, hidi_var *d_fake,
                                  hidi_var *d_real)
{
    if (kind == HIDI_HINGE)
        return hidi_add(tape, hinge(tape, d_fake, 1), hinge(tape, d_real, -1));
    return hidi_add(tape, logistic(tape, d_fake, 1), logistic(tape, d_real, -1));
}

hidi_var *hidi_generator_loss(hidi_tape *tape, hidi_adversarial kind, hidi_var *d_fake)
{
    if (kind == HIDI_HINGE)
        return hidi_scale(tape, hidi_mean(tape, d_fake), -1);
    return logistic(tape, d_fake, -1);
}

hidi_var *hidi_approximate_r1(hidi_tape *tape, hidi_var *d_real, hidi_var *d_perturbed)
{
    return hidi_mean(tape, hidi_square(tape, hidi_sub(tape, d_real, d_perturbed)));
}
