/* meanflow.c - stage 1, trajectory distillation: MeanFlow from a frozen, guided teacher  [HD names
 * it; formulas: MeanFlow, arXiv 2505.13447].
 *
 * The average velocity over [r, t], and its identity, which is d/dt of (t - r) u with r fixed:
 *
 *     u(z_t, r, t) = 1/(t - r) int_r^t v(z_s, s) ds
 *     u = v - (t - r) du/dt,   du/dt = v . d_z u + d_t u
 *
 * The loss moves u_theta to where the identity says that u is, with the teacher's v:
 *
 *     v        = v_w(z_t, t, y)                                          hidi_guided_velocity
 *     u, du/dt = jvp(u_theta(., r, ., y); (z_t, t); (v, 1))              jvp
 *     u_tgt    = stopgrad(v - (t - r) du/dt)                             target_of
 *     d        = sum over pixels of (u - u_tgt)^2
 *     L        = mean( d / stopgrad(d + c)^p )                           hidi_adaptive_loss
 *
 * Ours beside it: du/dt by differences, or by the JVP at a random place nearby, instead of the JVP
 * at t; by the student's moving average; and a bound on (t - r) du/dt.  From sCM (arXiv
 * 2410.11081): a warm-up, in which a share of it is taken.
 */
#include "method/meanflow.h"

#include "method/flow.h"

/* Added where a length is divided by: that of a vector of zeros is 0. */
#define LENGTH_FLOOR ((hidi_real)1e-12)

/* --- u and du/dt ------------------------------------------------------------------------------ */

/* Both in one pass: u of the dual number (z, t) + eps (v, 1).  r stays: h = t - r moves with t. */
static void jvp(hidi_tape *tape, const hidi_dit *net, bool frozen, hidi_var *z, hidi_var *v,
                hidi_var *t, hidi_var *r, const hidi_condition *y, hidi_var **u, hidi_var **dudt)
{
    hidi_var *one = t ? hidi_filled(tape, t->shape, 1) : NULL;
    hidi_var *dual = hidi_dit_velocity(tape, net, frozen, hidi_dual(tape, z, v),
                                       hidi_dual(tape, t, one), r, y);
    *dudt = hidi_tangent(tape, dual); /* without gradient */
    *u = hidi_primal(tape, dual);
}

/* z + s v for s [B]: on the trajectory's tangent at z. */
static hidi_var *along(hidi_tape *tape, hidi_var *z, hidi_var *v, hidi_var *s)
{
    return hidi_add(tape, z, hidi_scale_samples(tape, v, s));
}

/* u(z + s v, r, t + s), without gradient. */
static hidi_var *u_along(hidi_tape *tape, const hidi_dit *net, hidi_var *z, hidi_var *v,
                         hidi_var *t, hidi_var *r, hidi_var *s, const hidi_condition *y)
{
    return hidi_dit_velocity(tape, net, true, along(tape, z, v, s), hidi_add(tape, t, s), r, y);
}

/* The interval [t - b, t + a] about t, where a and b are epsilon, or less where that would pass
 * t = 1 or r. */
static void interval_about(hidi_tape *tape, hidi_var *t, hidi_var *r, double epsilon, hidi_var **a,
                           hidi_var **minus_b)
{
    const hidi_real eps = (hidi_real)epsilon;
    /* min(eps, x) = eps - max(0, eps - x), for x = 1 - t and x = t - r */
    hidi_var *over = hidi_relu(tape, hidi_affine(tape, t, 1, eps - 1));
    hidi_var *under = hidi_relu(tape, hidi_affine(tape, hidi_sub(tape, t, r), -1, eps));
    *a = hidi_affine(tape, over, -1, eps);
    *minus_b = hidi_affine(tape, under, 1, -eps);
}

/* The JVP at (z + s v, r, t + s), s between -b and a as `place` [B] says.  Its mean over places is
 * difference(): the integral of a derivative  [ours]. */
static hidi_var *jvp_within(hidi_tape *tape, const hidi_dit *net, hidi_var *z, hidi_var *v,
                            hidi_var *t, hidi_var *r, const hidi_condition *y, double epsilon,
                            hidi_var *place)
{
    hidi_var *a, *minus_b, *u, *dudt;
    if (place == NULL)
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_ARGUMENT, "meanflow: window is %g, and no "
                                                                  "place in it is given", epsilon));
    interval_about(tape, t, r, epsilon, &a, &minus_b);
    hidi_var *s = hidi_add(tape, minus_b, hidi_mul(tape, place, hidi_sub(tape, a, minus_b)));
    jvp(tape, net, true, along(tape, z, v, s), v, hidi_add(tape, t, s), r, y, &u, &dudt);
    return dudt;
}

/* du/dt ~ [u(z + a v, r, t + a) - u(z - b v, r, t - b)] / (a + b)  [ours] */
static hidi_var *difference(hidi_tape *tape, const hidi_dit *net, hidi_var *z, hidi_var *v,
                            hidi_var *t, hidi_var *r, const hidi_condition *y, double epsilon)
{
    hidi_var *a, *minus_b;
    interval_about(tape, t, r, epsilon, &a, &minus_b);
    hidi_var *ahead = u_along(tape, net, z, v, t, r, a, y);
    hidi_var *behind = u_along(tape, net, z, v, t, r, minus_b, y);
    hidi_var *width = hidi_sub(tape, a, minus_b); /* 0 where t = r = 1, and there so is h du/dt */
    return hidi_scale_samples(tape, hidi_sub(tape, ahead, behind),
                              hidi_power(tape, width, LENGTH_FLOOR, -1));
}

/* --- the target ------------------------------------------------------------------------------- */

/* h du/dt, shortened in each sample to k times the length of v if it is longer [ours].  Where the
 * identity holds it is v - u, the difference of two velocities of one trajectory; a longer one is
 * an error of the student's own derivative, and as a target it would feed on itself.
 *
 *     h du/dt / (1 + max(0, |h du/dt| / (k |v|) - 1)) */
static hidi_var *bounded(hidi_tape *tape, hidi_var *hdu, hidi_var *v, double k)
{
    hidi_var *length = hidi_power(tape, hidi_sum_samples(tape, hidi_square(tape, hdu)),
                                  LENGTH_FLOOR, (hidi_real)0.5);
    hidi_var *inverse = hidi_power(tape, hidi_sum_samples(tape, hidi_square(tape, v)),
                                   LENGTH_FLOOR, (hidi_real)-0.5);
    hidi_var *ratio = hidi_scale(tape, hidi_mul(tape, length, inverse), (hidi_real)(1 / k));
    hidi_var *excess = hidi_relu(tape, hidi_affine(tape, ratio, 1, -1));
    return hidi_scale_samples(tape, hdu, hidi_power(tape, excess, 1, -1));
}

/* u_tgt = stopgrad(v - share h du/dt), h = t - r;  bound 0: none */
static hidi_var *target_of(hidi_tape *tape, hidi_var *v, hidi_var *dudt, hidi_var *t, hidi_var *r,
                           double bound, double share)
{
    hidi_var *h = hidi_sub(tape, t, r);
    hidi_var *hdu = hidi_scale_samples(tape, dudt, h);
    if (bound > 0)
        hdu = bounded(tape, hdu, v, bound);
    if (share != 1)
        hdu = hidi_scale(tape, hdu, (hidi_real)share);
    return hidi_stop_gradient(tape, hidi_sub(tape, v, hdu));
}

double hidi_tangent_share(const hidi_meanflow_options *options, long step)
{
    return step + 1 < options->tangent_warmup ? (double)(step + 1) / (double)options->tangent_warmup
                                              : 1;
}

/* --- the loss --------------------------------------------------------------------------------- */

hidi_var *hidi_adaptive_loss(hidi_tape *tape, hidi_var *u, hidi_var *target, double p, double c,
                             hidi_var **error)
{
    hidi_var *d = hidi_sum_samples(tape, hidi_square(tape, hidi_sub(tape, u, target)));
    hidi_var *w = hidi_power(tape, hidi_stop_gradient(tape, d), (hidi_real)c, (hidi_real)-p);
    *error = d;
    return hidi_mean(tape, hidi_mul(tape, w, d));
}

hidi_var *hidi_meanflow_loss_at(hidi_tape *tape, const hidi_dit *student, hidi_var *z, hidi_var *v,
                                hidi_var *t, hidi_var *r, const hidi_condition *y,
                                const hidi_meanflow_options *options,
                                const hidi_meanflow_target *at, hidi_meanflow_terms *terms)
{
    const hidi_dit *net = at != NULL && at->net != NULL ? at->net : student;
    hidi_var *u = NULL, *dudt;
    if (options->difference > 0)
        dudt = difference(tape, net, z, v, t, r, y, options->difference);
    else if (options->window > 0)
        dudt = jvp_within(tape, net, z, v, t, r, y, options->window, at != NULL ? at->place : NULL);
    else
        jvp(tape, net, net != student, z, v, t, r, y, &u, &dudt);
    if (u == NULL || net != student)
        u = hidi_dit_velocity(tape, student, false, z, t, r, y);
    hidi_var *target = target_of(tape, v, dudt, t, r, options->bound, at != NULL ? at->share : 1);
    *terms = (hidi_meanflow_terms){.v = v, .u = u, .dudt = dudt, .target = target};
    terms->loss = hidi_adaptive_loss(tape, u, target, options->p, options->c, &terms->error);
    return terms->loss;
}

hidi_var *hidi_meanflow_loss(hidi_tape *tape, const hidi_dit *student, const hidi_dit *teacher,
                             hidi_var *x, hidi_var *e, hidi_var *t, hidi_var *r, const hidi_condition *y,
                             const hidi_meanflow_options *options, const hidi_meanflow_target *at,
                             hidi_meanflow_terms *terms)
{
    hidi_var *z = hidi_noised(tape, x, e, t);
    hidi_var *v = hidi_guided_velocity(tape, teacher, z, t, y, options->guidance);
    return hidi_meanflow_loss_at(tape, student, z, v, t, r, y, options, at, terms);
}
