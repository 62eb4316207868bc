/* adversarial.h - stage 2's adversary: losses of the logits D of heads.h.
 *
 * D is a logit for each image, [B], or for each token, [B, N]: the losses are means of either.
 */
#ifndef HIDI_METHOD_ADVERSARIAL_H
#define HIDI_METHOD_ADVERSARIAL_H

#include "../autograd/ops.h"

typedef enum hidi_adversarial { HIDI_NON_SATURATING, HIDI_HINGE } hidi_adversarial;
#define HIDI_ADVERSARIAL_KINDS "non-saturating hinge"

/* The discriminator's loss, scalars all of them:
 *     non-saturating  mean softplus(D(fake)) + mean softplus(-D(real))
 *     hinge           mean max(0, 1 + D(fake)) + mean max(0, 1 - D(real)) */
hidi_var *hidi_discriminator_loss(hidi_tape *tape, hidi_adversarial kind, hidi_var *d_fake,
                                  hidi_var *d_real);

/* The generator's:  mean softplus(-D(fake)), or -mean D(fake). */
hidi_var *hidi_generator_loss(hidi_tape *tape, hidi_adversarial kind, hidi_var *d_fake);

/* Approximate R1, without a second backward pass: mean (D(x) - D(x + sigma n))^2 of real images
 * [base: APT, arXiv 2501.08316, eq. 4]. */
hidi_var *hidi_approximate_r1(hidi_tape *tape, hidi_var *d_real, hidi_var *d_perturbed);

#endif
