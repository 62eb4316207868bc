/* progressive.c */
#include "method/progressive.h"

#include "method/flow.h"
#include "method/meanflow.h"

/* The teacher's average velocity for one step from t to r. */
static hidi_var *step_of(hidi_tape *tape, const hidi_dit *teacher, hidi_var *z, hidi_var *t,
                         hidi_var *r, const int32_t *y, double guidance)
{
    if (!teacher->config.has_interval)
        return hidi_guided_velocity(tape, teacher, z, t, y, guidance);
    if (guidance != 1)
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_ARGUMENT,
                                               "progressive distillation: guidance %g of a teacher "
                                               "that is a student; its own teacher was guided",
                                               guidance));
    return hidi_dit_velocity(tape, teacher, true, z, t, r, y);
}

hidi_var *hidi_progressive_target(hidi_tape *tape, const hidi_dit *teacher, hidi_var *z,
                                  hidi_var *t, hidi_var *r, const int32_t *y, double guidance)
{
    hidi_var *m = hidi_scale(tape, hidi_add(tape, t, r), (hidi_real)0.5);
    hidi_var *first = step_of(tape, teacher, z, t, m, y, guidance);
    hidi_var *z_m = hidi_sub(tape, z, hidi_scale_samples(tape, first, hidi_sub(tape, t, m)));
    hidi_var *second = step_of(tape, teacher, z_m, m, r, y, guidance);
    hidi_var *mean = hidi_scale(tape, hidi_add(tape, first, second), (hidi_real)0.5);
    return hidi_stop_gradient(tape, mean);
}

hidi_var *hidi_progressive_loss(hidi_tape *tape, const hidi_dit *student, const hidi_dit *teacher,
                                hidi_var *x, hidi_var *e, hidi_var *t, hidi_var *r,
                                const int32_t *y, const hidi_progressive_options *options,
                                hidi_progressive_terms *terms)
{
    hidi_var *z = hidi_noised(tape, x, e, t);
    hidi_var *target = hidi_progressive_target(tape, teacher, z, t, r, y, options->guidance);
    hidi_var *u = hidi_dit_velocity(tape, student, false, z, t, r, y);
    *terms = (hidi_progressive_terms){.u = u, .target = target};
    terms->loss = hidi_adaptive_loss(tape, u, target, options->p, options->c, &terms->error);
    return terms->loss;
}

void hidi_draw_grid_steps(size_t steps, hidi_random random, hidi_real *t, hidi_real *r, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t k;
        hidi_uniform_int(random, i, steps, &k, 1);
        t[i] = (hidi_real)((double)(k + 1) / (double)steps);
        r[i] = (hidi_real)((double)k / (double)steps);
    }
}
