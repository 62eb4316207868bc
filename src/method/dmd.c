/* dmd.c */
#include "method/dmd.h"

#include "method/flow.h"

/* Keeps the normaliser of a sample that is already perfect from dividing by 0 [ours]. */
#define NORMALISER_FLOOR ((hidi_real)1e-12)

hidi_var *hidi_generate(hidi_tape *tape, const hidi_dit *student, bool frozen, hidi_var *e,
                        const int32_t *y)
{
    if (e == NULL)
        return NULL;
    hidi_var *one = hidi_filled(tape, hidi_shape1(e->shape.dim[0]), 1);
    hidi_var *zero = hidi_filled(tape, hidi_shape1(e->shape.dim[0]), 0);
    return hidi_sub(tape, e, hidi_dit_velocity(tape, student, frozen, e, one, zero, y));
}

hidi_var *hidi_dmd_loss(hidi_tape *tape, hidi_var *x_gen, const hidi_dit *teacher,
                        const hidi_dit *fake, double guidance, hidi_var *t, hidi_var *e2,
                        const int32_t *y, hidi_dmd_terms *terms)
{
    if (x_gen == NULL)
        return NULL;
    hidi_var *x_g = hidi_stop_gradient(tape, x_gen);
    hidi_var *z = hidi_noised(tape, x_g, e2, t);
    hidi_var *v_real = hidi_guided_velocity(tape, teacher, z, t, y, guidance);
    hidi_var *v_fake = hidi_dit_velocity(tape, fake, true, z, t, NULL, y);
    hidi_var *x_real = hidi_denoised(tape, z, v_real, t);
    hidi_var *x_fake = hidi_denoised(tape, z, v_fake, t);

    /* g = (x_fake - x_real) / mean_chw |x_g - x_real| */
    hidi_var *distance = hidi_mean_samples(tape, hidi_abs(tape, hidi_sub(tape, x_g, x_real)));
    hidi_var *g = hidi_scale_samples(tape, hidi_sub(tape, x_fake, x_real),
                                     hidi_power(tape, distance, NORMALISER_FLOOR, -1));

    /* L = 0.5 mean || x_g - stopgrad(x_g - g) ||^2 */
    hidi_var *target = hidi_stop_gradient(tape, hidi_sub(tape, x_g, g));
    hidi_var *loss = hidi_mean(tape, hidi_square(tape, hidi_sub(tape, x_gen, target)));
    *terms = (hidi_dmd_terms){x_real, x_fake, g, hidi_scale(tape, loss, (hidi_real)0.5)};
    return terms->loss;
}

/* mean max(0, 1 + sign D) */
static hidi_var *hinge(hidi_tape *tape, hidi_var *d, hidi_real sign)
{
    return hidi_mean(tape, hidi_relu(tape, hidi_affine(tape, d, sign, 1)));
}

/* mean softplus(sign D) */
static hidi_var *logistic(hidi_tape *tape, hidi_var *d, hidi_real sign)
{
    return hidi_mean(tape, hidi_softplus(tape, hidi_scale(tape, d, sign)));
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
