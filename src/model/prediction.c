/* prediction.c - whatever a network predicts becomes v = dz/dt = e - x of z_t = (1 - t) x + t e,
 * here and nowhere else.
 *
 *     velocity   v = out(z, t)
 *     sit        v = -out(z, 1 - t)                             SiT's t = 1 is data, its v is x - e
 *     epsilon    v = (e_hat - z) / (1 - t),                     since e = z + (1 - t) v
 *                e_hat = out(z_vp, s),   z_vp = z / sqrt((1 - t)^2 + t^2),   s = s(t)
 *
 * The last is e_hat - x_hat of the variance-preserving chain (model/chain.h), on which DiT's
 * checkpoints were trained: with a = sqrt(ab), b = sqrt(1 - ab) and t = b / (a + b), z_vp is
 * (a + b) z, and x_hat = (z_vp - b e_hat) / a.  At t = 0 it is regular, v = e_hat - z.  Past the
 * chain's last step, 1 - t = 0.0064, there is no s: from there on the network is shown what it has
 * seen, and z_t is divided by what it was divided by there.  A student divides by no less than
 * config.least_data (see dit.h).  Variances that a network puts out beside are left out. */
#include "model/prediction.h"

#include <math.h>

#include "model/chain.h"

/* --- three functions of t, and their slopes; `most`: t counts as no more than this ------------ */

static double place_on_chain(double t, double most, double *slope)
{
    (void)most; /* the chain ends of itself */
    return hidi_chain_place(t, slope);
}

/* 1 / sqrt((1 - t)^2 + t^2) */
static double to_unit_variance(double t, double most, double *slope)
{
    const double at = t < most ? t : most, q = (1 - at) * (1 - at) + at * at;
    *slope = t < most ? (1 - 2 * t) / (q * sqrt(q)) : 0;
    return 1 / sqrt(q);
}

/* 1 / (1 - t) */
static double one_over_data(double t, double most, double *slope)
{
    const double share = 1 - (t < most ? t : most);
    *slope = t < most ? 1 / (share * share) : 0;
    return 1 / share;
}

/* --- in and out ------------------------------------------------------------------------------- */

static double chain_end(void)
{
    return hidi_chain_time(hidi_chain_alpha_bar(HIDI_CHAIN_STEPS - 1));
}

/* A network on the chain has s / 1000 as its time in [0, 1], and time_scale = 1000 gives it s. */
hidi_real hidi_step_scale(const hidi_dit_config *c)
{
    return (hidi_real)(c->time_scale / HIDI_CHAIN_STEPS);
}

hidi_shown hidi_dit_show(hidi_tape *tape, const hidi_dit_config *c, hidi_var *z, hidi_var *t)
{
    hidi_shown shown = {.z = z, .t = t, .scale = (hidi_real)c->time_scale};
    if (c->prediction == HIDI_SIT)
        shown.t = hidi_affine(tape, t, -1, 1);
    if (c->prediction != HIDI_EPSILON)
        return shown;
    shown.z = hidi_scale_samples(tape, z, hidi_pointwise(tape, t, to_unit_variance, chain_end()));
    shown.t = hidi_pointwise(tape, t, place_on_chain, 0);
    shown.scale = hidi_step_scale(c);
    return shown;
}

hidi_var *hidi_dit_as_velocity(hidi_tape *tape, const hidi_dit_config *c, hidi_var *out,
                               hidi_var *z, hidi_var *t)
{
    if (c->out_channels != c->channels)
        out = hidi_channels_of(tape, out, 0, c->channels);
    if (c->prediction == HIDI_SIT)
        return hidi_scale(tape, out, -1);
    if (c->prediction != HIDI_EPSILON)
        return out;
    const double most = fmin(chain_end(), 1 - c->least_data);
    return hidi_scale_samples(tape, hidi_sub(tape, out, z),
                              hidi_pointwise(tape, t, one_over_data, most));
}
