/* dmd.c - stage 2, distribution matching, in velocities  [HD names it; formulas: DMD, arXiv
 * 2311.18828, and DMD2, arXiv 2405.14867].
 *
 *     x_g    = G(e, y) = e - u_theta(e, 0, 1, y)               hidi_generate
 *     z_t    = (1 - t) x_g + t e'                              hidi_noised
 *     x_real = z_t - t v_w(z_t, t, y)                          where the teacher sends z_t
 *     x_fake = z_t - t v_fake(z_t, t, y)                       where the fake score sends it
 *     g      = (x_fake - x_real) / mean_chw |x_g - x_real|     matching_gradient, normaliser
 *     L_dm   = 1/2 mean || x_g - stopgrad(x_g - g) ||^2        hidi_dmd_loss
 *
 * x_fake - x_real, the difference of two scores, points from what is real to what G makes instead.
 * L_dm is made so that its gradient in x_g is g / (B C H W); its value says little.
 */
#include "method/dmd.h"

#include "method/flow.h"

/* Added to the normaliser: that of a sample that is already perfect is 0 [ours]. */
#define NORMALISER_FLOOR ((hidi_real)1e-12)

hidi_var *hidi_generate(hidi_tape *tape, const hidi_dit *student, bool frozen, hidi_var *e,
                        const hidi_condition *y)
{
    if (e == NULL)
        return NULL;
    hidi_var *one = hidi_filled(tape, hidi_shape1(e->shape.dim[0]), 1);
    hidi_var *zero = hidi_filled(tape, hidi_shape1(e->shape.dim[0]), 0);
    return hidi_sub(tape, e, hidi_dit_velocity(tape, student, frozen, e, one, zero, y));
}

/* mean_chw |x_g - x_real|, [B].  x_fake - x_real = t (v_w - v_fake) grows with t, and so does this:
 * g is of one size at all noise levels. */
static hidi_var *normaliser(hidi_tape *tape, hidi_var *x_g, hidi_var *x_real)
{
    return hidi_mean_samples(tape, hidi_abs(tape, hidi_sub(tape, x_g, x_real)));
}

/* g = (x_fake - x_real) / mean_chw |x_g - x_real| */
static hidi_var *matching_gradient(hidi_tape *tape, hidi_var *x_g, hidi_var *x_real,
                                   hidi_var *x_fake)
{
    hidi_var *one_over = hidi_power(tape, normaliser(tape, x_g, x_real), NORMALISER_FLOOR, -1);
    return hidi_scale_samples(tape, hidi_sub(tape, x_fake, x_real), one_over);
}

hidi_var *hidi_dmd_loss(hidi_tape *tape, hidi_var *x_gen, const hidi_dit *teacher,
                        const hidi_dit *fake, double guidance, hidi_var *t, hidi_var *e2,
                        const hidi_condition *y, hidi_dmd_terms *terms)
{
    if (x_gen == NULL)
        return NULL;
    hidi_var *x_g = hidi_stop_gradient(tape, x_gen); /* g is not differentiated */
    hidi_var *z = hidi_noised(tape, x_g, e2, t);
    hidi_var *v_real = hidi_guided_velocity(tape, teacher, z, t, y, guidance);
    hidi_var *v_fake = hidi_dit_velocity(tape, fake, true, z, t, NULL, y);
    hidi_var *x_real = hidi_denoised(tape, z, v_real, t);
    hidi_var *x_fake = hidi_denoised(tape, z, v_fake, t);
    hidi_var *g = matching_gradient(tape, x_g, x_real, x_fake);

    /* L = 1/2 mean || x_gen - stopgrad(x_g - g) ||^2 */
    hidi_var *target = hidi_stop_gradient(tape, hidi_sub(tape, x_g, g));
    hidi_var *loss = hidi_mean(tape, hidi_square(tape, hidi_sub(tape, x_gen, target)));
    *terms = (hidi_dmd_terms){x_real, x_fake, g, hidi_scale(tape, loss, (hidi_real)0.5)};
    return terms->loss;
}
