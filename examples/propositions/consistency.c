/* consistency.c - the paper's Prop. 1, in numbers: a continuous-time consistency model is an
 * average velocity over an interval that starts at its origin.
 *
 *     ./consistency [DIR]        writes DIR/consistency.csv, trajectories.svg
 *
 * A consistency function f(z_t, t) is constant along a trajectory and the identity at t = 0, so it
 * is where the trajectory ends.  From it alone u = (z_t - f(z_t, t)) / t is computed, and compared
 * with the integral 1/t int_0^t v(z_s, s) ds.  On the line f comes from quantiles (mixture.h), and
 * no ODE is solved anywhere; on the ring from Dormand and Prince's pair, whose error is known
 * from the line.
 */
#include <stdio.h>

#include "ode.h"
#include "results.h"

enum { POINTS = 256, TIMES = 6, PANELS = 24, CURVES = 7, PLACES = 101 };

/* A quantile is as exact as the density there is large: 1e-16 / 1e-4 in the gaps between modes. */
static const double ALLOWED = 1e-11;

static const double times_shown[TIMES] = {0.1, 0.3, 0.5, 0.7, 0.9, 1};

/* f(z_t, t) = z_t - t u(z_t, 0, t) */
static void consistency(const mixture *m, const double *z, double t, double *f)
{
    average_velocity(m, z, t, 0, f);
    for (int i = 0; i < m->dim; i++)
        f[i] = z[i] - t * f[i];
}

typedef struct errors {
    double integral; /* largest |u - integral|, u = (z_t - f) / t                            */
    double constant; /* largest |f(z_s, s) - f(z_t, t)|, s = t/2 on the trajectory            */
    double solver;   /* largest |f of the ODE solver - f|: on the line, 0 elsewhere          */
    double size;     /* root mean square of u                                                */
    double steps;    /* evaluations of v for the ODE, mean                                   */
} errors;

static void add_point(const mixture *m, const double *z, double t, errors *e)
{
    double f[MAX_DIM], u[MAX_DIM], integral[MAX_DIM], z_s[MAX_DIM], f_s[MAX_DIM];
    dual from[MAX_DIM], half[MAX_DIM], end[MAX_DIM];
    consistency(m, z, t, f);
    integrated_velocity(m, z, t, 0, PANELS, integral);
    for (int i = 0; i < m->dim; i++)
        from[i] = number(z[i]);
    e->steps += (double)solve(m, from, number(t), number(0), FINE, end) / POINTS;
    solve(m, from, number(t), number(0.5 * t), FINE, half);
    for (int i = 0; i < m->dim; i++)
        z_s[i] = half[i].v;
    consistency(m, z_s, 0.5 * t, f_s);
    for (int i = 0; i < m->dim; i++) {
        u[i] = (z[i] - f[i]) / t;
        e->integral = fmax(e->integral, fabs(u[i] - integral[i]));
        e->constant = fmax(e->constant, fabs(f_s[i] - f[i]));
        e->solver = fmax(e->solver, fabs(end[i].v - f[i]));
        e->size += u[i] * u[i] / (POINTS * m->dim);
    }
}

static hidi_status compare(const mixture *m, hidi_csv *csv)
{
    static double z[POINTS * MAX_DIM];
    for (int k = 0; k < TIMES; k++) {
        errors e = {0, 0, 0, 0, 0};
        draw_points(m, 1, 0, times_shown[k], z, POINTS);
        for (int j = 0; j < POINTS; j++)
            add_point(m, z + j * m->dim, times_shown[k], &e);
        const double cells[] = {sqrt(e.size), e.integral, e.constant,
                                m->dim == 1 ? e.solver : (double)NAN};
        hidi_csv_text(csv, m->name);
        hidi_csv_number(csv, "%g", times_shown[k]);
        hidi_csv_integer(csv, POINTS);
        hidi_csv_numbers(csv, "%.3g", 4, cells);
        hidi_csv_number(csv, "%.0f", e.steps);
        hidi_csv_end_row(csv);
        printf("%s, t = %.1f: |u - integral| <= %.1e, |f(z_s, s) - f(z_t, t)| <= %.1e", m->name,
               times_shown[k], e.integral, e.constant);
        printf(m->dim == 1 ? "; the ODE solver is off by <= %.1e\n" : "\n", e.solver);
        HIDI_TRY(expect(m->name, fmax(e.integral, fmax(e.constant, e.solver)), ALLOWED));
    }
    return HIDI_OK;
}

/* Trajectories on the line, and the chords whose slopes are u(z_1, 0, 1). */
static hidi_status draw_trajectories(const mixture *m, const char *dir)
{
    static double s[PLACES], z[CURVES][PLACES], ends_s[2] = {0, 1}, ends_z[CURVES][2];
    static char label[CURVES][32];
    hidi_series series[2 * CURVES];
    for (int c = 0; c < CURVES; c++) {
        const double e = -1.8 + 0.6 * c;
        for (int i = 0; i < PLACES; i++) {
            s[i] = (double)i / (PLACES - 1);
            z[c][i] = transported(m, e, 1, s[i]);
        }
        ends_z[c][0] = z[c][0];
        ends_z[c][1] = e;
        snprintf(label[c], sizeof label[c], "u = %.2f", e - z[c][0]);
        series[c] = (hidi_series){label[c], s, z[c], PLACES};
        series[CURVES + c] = (hidi_series){NULL, ends_s, ends_z[c], 2};
    }
    const hidi_plot plot = {"Trajectories, and the chords whose slopes are u(z, 0, 1)",
                            "t (0: data, 1: noise)", "z", false, 0, series, 2 * CURVES, false};
    return write_plot(&plot, dir, "trajectories.svg");
}

int main(int argc, char **argv)
{
    const char *dir = argc > 1 ? argv[1] : "propositions-results";
    hidi_csv csv = {.out = NULL};
    hidi_status status = open_table(&csv, dir, "consistency.csv",
                                    "data,t,points,u_rms,u_minus_integral_max,"
                                    "f_along_trajectory_max,ode_minus_quantiles_max,"
                                    "evaluations");
    for (int i = 0; i < N_MIXTURES && status == HIDI_OK; i++)
        status = compare(&mixtures[i], &csv);
    status = hidi_csv_finish(&csv, status);
    if (status == HIDI_OK)
        status = draw_trajectories(&mixtures[0], dir);
    return finish("consistency", status);
}
