/* identity.c - the MeanFlow identity in numbers: u = v - (t - r) du/dt, du/dt = v . d_z u + d_t u.
 *
 *     ./identity [DIR]        writes DIR/identity.csv, differences.csv, differences.svg
 *
 * du/dt comes once from dual numbers that went through every step of the ODE solver, along
 * (z, t) -> (v, 1); and once from central differences,
 *     [u(z + eps v, r, t + eps) - u(z - eps v, r, t - eps)] / (2 eps),
 * whose error falls with eps^2 and grows with rounding / eps: in double precision, and with points
 * and u rounded to single precision, as a network in single precision would have them.
 */
#include <stdio.h>

#include "ode.h"
#include "results.h"

enum { POINTS = 256, PLACES = 23 };

static const double ALLOWED = 1e-11; /* as in consistency.c */

typedef struct place { /* a point, and its interval */
    double z[MAX_DIM], t, r;
} place;

/* Intervals with 0.05 <= r, r + 0.1 <= t <= 0.9: differences up to 0.1 stay inside (r, 1). */
static void draw_places(const mixture *m, place *p)
{
    for (int j = 0; j < POINTS; j++) {
        double a[2];
        hidi_uniform((hidi_random){3, HIDI_STREAM_TIME, (uint64_t)j}, 0, a, 2);
        p[j].r = 0.05 + 0.7 * a[0];
        p[j].t = p[j].r + 0.11 + (0.9 - 0.11 - p[j].r) * a[1];
        draw_points(m, 3, (uint64_t)j, p[j].t, p[j].z, 1);
    }
}

/* v, u and du/dt at a point; u = (z_t - z_r) / (t - r) in dual numbers. */
static void derivative(const mixture *m, const place *p, double *v, double *u, double *dudt)
{
    const dual t = {p->t, 1}, r = number(p->r);
    dual z[MAX_DIM], z_r[MAX_DIM], v_dual[MAX_DIM];
    for (int i = 0; i < m->dim; i++)
        z[i] = number(p->z[i]);
    velocity(m, z, number(p->t), v_dual);
    for (int i = 0; i < m->dim; i++)
        z[i].d = v[i] = v_dual[i].v;
    solve(m, z, t, r, FINE, z_r);
    for (int i = 0; i < m->dim; i++) {
        const dual quotient = over(sub(z[i], z_r[i]), sub(t, r));
        u[i] = quotient.v;
        dudt[i] = quotient.d;
    }
}

/* [u(z + eps v, r, t + eps) - u(z - eps v, r, t - eps)] / (2 eps) */
static void difference(const mixture *m, const place *p, const double *v, double eps, int single,
                       double *dudt)
{
    double z[2][MAX_DIM], u[2][MAX_DIM], t[2];
    for (int side = 0; side < 2; side++) {
        const double h = side == 0 ? eps : -eps;
        t[side] = single ? (double)(float)(p->t + h) : p->t + h;
        for (int i = 0; i < m->dim; i++) {
            z[side][i] = p->z[i] + h * v[i];
            if (single)
                z[side][i] = (double)(float)z[side][i];
        }
        average_velocity(m, z[side], t[side], p->r, u[side]);
    }
    for (int i = 0; i < m->dim; i++) {
        const double ahead = single ? (double)(float)u[0][i] : u[0][i];
        const double behind = single ? (double)(float)u[1][i] : u[1][i];
        dudt[i] = (ahead - behind) / (2 * eps);
    }
}

/* The identity's residual by dual numbers, one row of identity.csv; leaves v and du/dt
 * [POINTS, dim], and the root mean square of du/dt. */
static hidi_status check_identity(const mixture *m, const place *p, double *v, double *dudt,
                                  double *size, hidi_csv *csv)
{
    double most = 0, size_u = 0, size_d = 0, off = 0;
    for (int j = 0; j < POINTS; j++) {
        double u[MAX_DIM], exact[MAX_DIM], *vj = v + j * m->dim, *dj = dudt + j * m->dim;
        derivative(m, &p[j], vj, u, dj);
        average_velocity(m, p[j].z, p[j].t, p[j].r, exact);
        for (int i = 0; i < m->dim; i++) {
            most = fmax(most, fabs(u[i] - (vj[i] - (p[j].t - p[j].r) * dj[i])));
            off = fmax(off, fabs(u[i] - exact[i]));
            size_u += u[i] * u[i] / (POINTS * m->dim);
            size_d += dj[i] * dj[i] / (POINTS * m->dim);
        }
    }
    const double cells[] = {sqrt(size_u), sqrt(size_d), most, off};
    hidi_csv_text(csv, m->name);
    hidi_csv_integer(csv, POINTS);
    hidi_csv_numbers(csv, "%.3g", 4, cells);
    hidi_csv_end_row(csv);
    printf("%s: |u - (v - (t - r) du/dt)| <= %.1e, u %.2f and du/dt %.2f root mean square\n",
           m->name, most, sqrt(size_u), sqrt(size_d));
    *size = sqrt(size_d);
    return expect(m->name, fmax(most, off), ALLOWED);
}

/* Relative errors of differences over PLACES steps eps. */
static void check_differences(const mixture *m, const place *p, const double *v,
                              const double *dudt, double size, int single, const double *eps,
                              double *error, hidi_csv *csv)
{
    int best = 0;
    for (int k = 0; k < PLACES; k++) {
        double found[MAX_DIM], square = 0;
        for (int j = 0; j < POINTS; j++) {
            difference(m, &p[j], v + j * m->dim, eps[k], single, found);
            for (int i = 0; i < m->dim; i++)
                square += pow(found[i] - dudt[j * m->dim + i], 2) / (POINTS * m->dim);
        }
        error[k] = sqrt(square) / size;
        best = error[k] < error[best] ? k : best;
        hidi_csv_text(csv, m->name);
        hidi_csv_text(csv, single ? "single" : "double");
        hidi_csv_number(csv, "%.3g", eps[k]);
        hidi_csv_number(csv, "%.4g", error[k]);
        hidi_csv_end_row(csv);
    }
    printf("%s, %s precision: differences are best at eps = %.0e, off by %.1e\n", m->name,
           single ? "single" : "double", eps[best], error[best]);
}

int main(int argc, char **argv)
{
    static place p[POINTS];
    static double v[POINTS * MAX_DIM], dudt[POINTS * MAX_DIM], eps[PLACES];
    static double error[2 * N_MIXTURES][PLACES];
    static char label[2 * N_MIXTURES][64];
    const char *dir = argc > 1 ? argv[1] : "propositions-results";
    hidi_series series[2 * N_MIXTURES];
    hidi_csv exact = {.out = NULL}, differences = {.out = NULL};
    for (int k = 0; k < PLACES; k++)
        eps[k] = pow(10, -1 - 0.5 * k);
    hidi_status status = open_table(&exact, dir, "identity.csv",
                                    "data,points,u_rms,dudt_rms,residual_max,u_error_max");
    if (status == HIDI_OK)
        status = open_table(&differences, dir, "differences.csv",
                            "data,precision,eps,relative_error");
    for (int i = 0; i < N_MIXTURES && status == HIDI_OK; i++) {
        draw_places(&mixtures[i], p);
        double size;
        status = check_identity(&mixtures[i], p, v, dudt, &size, &exact);
        for (int single = 0; single < 2 && status == HIDI_OK; single++) {
            const int line = 2 * i + single;
            check_differences(&mixtures[i], p, v, dudt, size, single, eps, error[line],
                              &differences);
            snprintf(label[line], sizeof label[line], "%s, %s", mixtures[i].name,
                     single ? "single precision" : "double precision");
            series[line] = (hidi_series){label[line], eps, error[line], PLACES};
        }
    }
    status = hidi_csv_finish(&differences, hidi_csv_finish(&exact, status));
    const hidi_plot plot = {"du/dt by central differences, against dual numbers", "eps",
                            "relative error", true, 0, series, 2 * N_MIXTURES, true};
    if (status == HIDI_OK)
        status = write_plot(&plot, dir, "differences.svg");
    return finish("identity", status);
}
