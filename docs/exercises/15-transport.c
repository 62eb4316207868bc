/* 15-transport.c - exercise 15, solved: the MeanFlow identity as a transport equation.
 *
 * u(t), r = 0, is free at each point of a grid on [0, 1], v(t) = cos(3 t) is given.  A step of
 * training is  u <- u - eta (u - u_tgt),  u_tgt = v - t du/dt  (docs/derivations.md, sections 3 and
 * 10), with du/dt from a difference over +- width points, or fewer at the ends, as in
 * src/method/meanflow.c.
 */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>

enum { N = 200 }; /* grid points t_i = i / N, i = 0 .. N */

static double exact(double t) { return t > 0 ? sin(3 * t) / (3 * t) : 1; }

/* The largest error after training to the time eta steps = 8, from u = 0 and a little noise. */
static double train(int width, double eta)
{
    double u[N + 1], next[N + 1], worst = 0;
    for (int i = 0; i <= N; i++)
        u[i] = 1e-3 * sin(1e4 * i);
    for (double time = 0; time < 8; time += eta) {
        for (int i = 0; i <= N; i++) {
            const int above = i + width < N ? i + width : N, below = i - width > 0 ? i - width : 0;
            const double t = (double)i / N, du = (u[above] - u[below]) * N / (above - below);
            next[i] = u[i] - eta * (u[i] - (cos(3 * t) - t * du));
        }
        for (int i = 0; i <= N; i++)
            u[i] = next[i];
    }
    for (int i = 0; i <= N; i++) {
        const double error = fabs(u[i] - exact((double)i / N));
        worst = error <= worst ? worst : error; /* NaN stays */
    }
    return worst;
}

int main(void)
{
    const double narrow = train(1, 4e-3), wide = train(10, 4e-3), small_steps = train(1, 4e-5);
    printf("difference over 0.005, steps of 4e-3: off by %.2g\n", narrow);
    printf("difference over 0.05,  steps of 4e-3: off by %.2g\n", wide);
    printf("difference over 0.005, steps of 4e-5: off by %.2g\n", small_steps);
    const bool right = !(narrow < 1) && wide < 0.05 && small_steps < 0.05;
    printf("%s: the narrow difference runs away, the wide one and small steps do not\n",
           right ? "right" : "WRONG");
    return right ? 0 : 1;
}
