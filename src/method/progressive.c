/* progressive.c - progressive distillation in average velocities: one step of the student for two
 * of the teacher's  [base: Salimans & Ho, arXiv 2202.00512].
 *
 *     m     = (t + r) / 2
 *     u_1   = u_T(z_t, m, t),   z_m = z_t - (t - m) u_1
 *     u_2   = u_T(z_m, r, m)
 *     u_tgt = stopgrad( (u_1 + u_2) / 2 ),   which is (z_t - z_r) / (t - r) of the two steps
 *
 * u_T is the average velocity of the teacher's one step.  The loss is MeanFlow's with this target.
 * In a round of K steps t = (k + 1) / K and r = k / K; the next round has K / 2.
 */
#include "method/progressive.h"

#include "method/flow.h"
#include "method/meanflow.h"

/* u_T(z_t, r, t): that of the student of the round before, or v_w(z_t, t), of an Euler step. */
static hidi_var *u_teacher(hidi_tape *tape, const hidi_dit *teacher, hidi_var *z, hidi_var *t,
                           hidi_var *r, const hidi_condition *y, double guidance)
{
    if (!teacher->config.has_interval)
        return hidi_guided_velocity(tape, teacher, z, t, y, guidance);
    if (guidance != 1)
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_ARGUMENT,
                                               "progressive distillation: guidance %g for a "
                                               "teacher that is a student; its own teacher was "
                                               "guided",
                                               guidance));
    return hidi_dit_velocity(tape, teacher, true, z, t, r, y);
}

hidi_var *hidi_progressive_target(hidi_tape *tape, const hidi_dit *teacher, hidi_var *z,
                                  hidi_var *t, hidi_var *r, const hidi_condition *y,
                                  double guidance)
{
    hidi_var *m = hidi_scale(tape, hidi_add(tape, t, r), (hidi_real)0.5);
    hidi_var *u_1 = u_teacher(tape, teacher, z, t, m, y, guidance);
    hidi_var *z_m = hidi_sub(tape, z, hidi_scale_samples(tape, u_1, hidi_sub(tape, t, m)));
    hidi_var *u_2 = u_teacher(tape, teacher, z_m, m, r, y, guidance);
    hidi_var *mean = hidi_scale(tape, hidi_add(tape, u_1, u_2), (hidi_real)0.5);
    return hidi_stop_gradient(tape, mean);
}

hidi_var *hidi_progressive_loss(hidi_tape *tape, const hidi_dit *student, const hidi_dit *teacher,
                                hidi_var *x, hidi_var *e, hidi_var *t, hidi_var *r,
                                const hidi_condition *y, const hidi_progressive_options *options,
                                hidi_progressive_terms *terms)
{
    hidi_var *z = hidi_noised(tape, x, e, t);
    hidi_var *target = hidi_progressive_target(tape, teacher, z, t, r, y, options->guidance);
    hidi_var *u = hidi_dit_velocity(tape, student, false, z, t, r, y);
    *terms = (hidi_progressive_terms){.u = u, .target = target};
    terms->loss = hidi_adaptive_loss(tape, u, target, options->p, options->c, &terms->error);
    return terms->loss;
}
