/* 15-transport.c - exercise 15, solved: the MeanFlow identity as a transport equation.
 *
 * u(t), r = 0, is free at each point of a grid on [0, 1], v(t) = cos(3 t) is given.  A step of
 * training is  u <- u - eta (u - u_tgt),  u_tgt = v - t du/dt  (docs/derivations.md, sections 3 and
 * 10), with du/dt from a difference over +- width points, or fewer at the ends, as in
 * src/method/meanflow.c; with momentum, u - u_tgt is replaced by its moving average, as in Adam.
 */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>

enum { N = 200 }; /* grid points t_i = i / N, i = 0 .. N */

static double exact(double t) { return t > 0 ? sin(3 * t) / (3 * t) : 1; }

/* The largest error after training to the time eta steps = 8, from u = 0 and a little noise. */
static double train(int width, double eta, double beta1)
{
    double u[N + 1], step[N + 1] = {0}, worst = 0;
    for (int i = 0; i <= N; i++)
        u[i] = 1e-3 * sin(1e4 * i);
    for (double time = 0; time < 8; time += eta) {
        for (int i = 0; i <= N; i++) {
            const int above = i + width < N ? i + width : N, below = i - width > 0 ? i - width : 0;
            const double t = (double)i / N, du = (u[above] - u[below]) * N / (above - below);
            step[i] = beta1 * step[i] + (1 - beta1) * (u[i] - (cos(3 * t) - t * du));
        }
        for (int i = 0; i <= N; i++)
            u[i] -= eta * step[i];
    }
    for (int i = 0; i <= N; i++) {
        const double error = fabs(u[i] - exact((double)i / N));
        worst = error <= worst ? worst : error; /* NaN stays */
    }
    return worst;
}

int main(void)
{
    const double narrow = train(1, 4e-3, 0), wide = train(10, 4e-3, 0);
    const double small_steps = train(1, 4e-5, 0);
    const double heavy = train(10, 2e-3, 0.9), light = train(10, 2e-3, 0.3);
    printf("difference over 0.005, steps of 4e-3: off by %.2g\n", narrow);
    printf("difference over 0.05,  steps of 4e-3: off by %.2g\n", wide);
    printf("difference over 0.005, steps of 4e-5: off by %.2g\n", small_steps);
    printf("difference over 0.05,  steps of 2e-3, momentum 0.9: off by %.2g\n", heavy);
    printf("difference over 0.05,  steps of 2e-3, momentum 0.3: off by %.2g\n", light);
    const bool right = !(narrow < 1) && wide < 0.05 && small_steps < 0.05 && !(heavy < 1) &&
                       light < 0.05;
    printf("%s: the narrow difference and the heavy momentum run away, the others do not\n",
           right ? "right" : "WRONG");
    return right ? 0 : 1;
}
