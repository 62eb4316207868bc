/* progressive.c - the paper's Prop. 2, in numbers: as its rounds grow, progressive distillation
 * converges to the average velocity over the whole interval.
 *
 *     ./progressive [DIR]        writes DIR/progressive.csv, progressive.svg
 *
 * The teacher takes N = 2^K steps of a solver.  A round's student does in one step what its teacher
 * does in two; its loss is 0 for the function that is the teacher's two steps one after the other,
 * and that function is computed here: what is left is the method's own error, without a network's.
 * (On paths z_t = (1 - t) x + t e an Euler step is a DDIM step: see method/progressive.h.)
 */
#include <stdio.h>

#include "ode.h"
#include "results.h"

enum { POINTS = 2048, ROUNDS = 10, FITTED = 5 };

/* The step from t to r of the student after `rounds` rounds. */
static void student_step(const mixture *m, solver s, int rounds, const double *z, double t,
                         double r, double *z_r)
{
    double z_m[MAX_DIM];
    if (rounds == 0) {
        solver_step(m, s, z, t, r, z_r);
        return;
    }
    student_step(m, s, rounds - 1, z, t, 0.5 * (t + r), z_m);
    student_step(m, s, rounds - 1, z_m, 0.5 * (t + r), r, z_r);
}

/* Root mean square and maximum of the student's u(e, 0, 1) - the exact one [POINTS, dim]. */
static void error_of(const mixture *m, solver s, int rounds, const double *e, const double *exact,
                     double *rms, double *most)
{
    double x[MAX_DIM];
    *rms = *most = 0;
    for (int j = 0; j < POINTS; j++) {
        const double *z = e + j * m->dim, *u = exact + j * m->dim;
        student_step(m, s, rounds, z, 1, 0, x);
        for (int i = 0; i < m->dim; i++) {
            const double error = fabs(z[i] - x[i] - u[i]);
            *rms += error * error / (POINTS * m->dim);
            *most = fmax(*most, error);
        }
    }
    *rms = sqrt(*rms);
}

int main(int argc, char **argv)
{
    enum { LINES = N_MIXTURES * N_SOLVERS };
    static double e[POINTS * MAX_DIM], u[POINTS * MAX_DIM];
    static double steps[ROUNDS + 1], rms[LINES][ROUNDS + 1];
    static char label[LINES][80];
    const char *dir = argc > 1 ? argv[1] : "propositions-results";
    hidi_series series[LINES];
    hidi_csv csv = {.out = NULL};
    hidi_status status =
        open_table(&csv, dir, "progressive.csv", "data,solver,rounds,steps,points,rms,max,slope");
    for (int i = 0; i < N_MIXTURES && status == HIDI_OK; i++) {
        const mixture *m = &mixtures[i];
        draw_points(m, 2, 0, 1, e, POINTS);
        for (int j = 0; j < POINTS; j++)
            average_velocity(m, e + j * m->dim, 1, 0, u + j * m->dim);
        for (int s = 0; s < N_SOLVERS; s++) {
            const int line = i * N_SOLVERS + s;
            double *error = rms[line], most[ROUNDS + 1];
            for (int k = 0; k <= ROUNDS; k++) {
                steps[k] = 1 << k;
                error_of(m, (solver)s, k, e, u, &error[k], &most[k]);
                hidi_csv_text(&csv, m->name);
                hidi_csv_text(&csv, solver_names[s]);
                hidi_csv_integer(&csv, k);
                hidi_csv_number(&csv, "%.0f", steps[k]);
                hidi_csv_integer(&csv, POINTS);
                hidi_csv_number(&csv, "%.6g", error[k]);
                hidi_csv_number(&csv, "%.6g", most[k]);
                hidi_csv_number(&csv, "%.3f",
                                k == 0 ? (double)NAN : log(error[k] / error[k - 1]) / log(2));
                hidi_csv_end_row(&csv);
            }
            const double slope = log_slope(steps + ROUNDS + 1 - FITTED, error + ROUNDS + 1 - FITTED,
                                           FITTED);
            snprintf(label[line], sizeof label[line], "%s, %s: slope %.2f", m->name,
                     solver_names[s], slope);
            printf("%s of the last %d; after %d rounds off by %.2e\n", label[line], FITTED, ROUNDS,
                   error[ROUNDS]);
            series[line] = (hidi_series){label[line], steps, error, ROUNDS + 1};
            if (status == HIDI_OK)
                status = expect(label[line], fabs(slope + (s == EULER ? 1 : 2)), 0.1);
        }
    }
    status = hidi_csv_finish(&csv, status);
    const hidi_plot plot = {"Progressive distillation against the average velocity",
                            "steps of the teacher, N = 2^rounds",
                            "root mean square of u - u exact", true, 0, series, LINES, true};
    if (status == HIDI_OK)
        status = write_plot(&plot, dir, "progressive.svg");
    return finish("progressive", status);
}
