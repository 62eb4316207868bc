/* flow.c - flow matching, which trains the teacher and the fake score, and guidance  [base: SiT,
 * arXiv 2401.08740; Ho & Salimans, arXiv 2207.12598].
 *
 *     z_t = (1 - t) x + t e,   v = dz/dt = e - x,   x = z_t - t v
 *     L   = mean || v_theta(z_t, t, y) - (e - x) ||^2
 *     v_w = v(z_t, t, null) + w (v(z_t, t, y) - v(z_t, t, null))
 */
#include "method/flow.h"

#include <stdlib.h>

hidi_var *hidi_noised(hidi_tape *tape, hidi_var *x, hidi_var *e, hidi_var *t)
{
    hidi_var *one_minus_t = hidi_affine(tape, t, -1, 1);
    return hidi_add(tape, hidi_scale_samples(tape, x, one_minus_t), hidi_scale_samples(tape, e, t));
}

hidi_var *hidi_denoised(hidi_tape *tape, hidi_var *z, hidi_var *v, hidi_var *t)
{
    return hidi_sub(tape, z, hidi_scale_samples(tape, v, t));
}

hidi_var *hidi_flow_loss(hidi_tape *tape, const hidi_dit *net, hidi_var *x, hidi_var *e,
                         hidi_var *t, const hidi_condition *y)
{
    hidi_var *z = hidi_noised(tape, x, e, t);
    hidi_var *v = hidi_dit_velocity(tape, net, false, z, t, NULL, y);
    hidi_var *target = hidi_sub(tape, e, x);
    return hidi_mean(tape, hidi_square(tape, hidi_sub(tape, v, target)));
}

hidi_var *hidi_guided_velocity(hidi_tape *tape, const hidi_dit *teacher, hidi_var *z, hidi_var *t,
                               const hidi_condition *y, double w)
{
    hidi_var *v = hidi_dit_velocity(tape, teacher, true, z, t, NULL, y);
    if (w == 1)
        return v;
    hidi_var *v_null = hidi_dit_velocity(tape, teacher, true, z, t, NULL, NULL);
    return hidi_add(tape, v_null, hidi_scale(tape, hidi_sub(tape, v, v_null), (hidi_real)w));
}

/* a, [B, C, H, W]: w - 1 in the first n channels, 0 in the others. */
static hidi_var *excess(hidi_tape *tape, hidi_shape shape, double w, size_t n)
{
    const size_t area = shape.dim[2] * shape.dim[3], C = shape.dim[1];
    hidi_real *host = malloc((hidi_count(shape) + 1) * sizeof *host);
    if (host == NULL)
        return hidi_tape_fail(tape, hidi_error(HIDI_NO_MEMORY, "no memory for guidance"));
    for (size_t i = 0; i < hidi_count(shape); i++)
        host[i] = i / area % C < n ? (hidi_real)(w - 1) : 0;
    hidi_var *a = hidi_constant(tape, shape, host);
    free(host);
    return a;
}

hidi_var *hidi_guided_channels(hidi_tape *tape, hidi_var *v, hidi_var *v_null, double w, size_t n)
{
    if (v == NULL || v_null == NULL)
        return NULL;
    hidi_var *difference = hidi_sub(tape, v, v_null);
    return hidi_add(tape, v, hidi_mul(tape, excess(tape, v->shape, w, n), difference));
}
