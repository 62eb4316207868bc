/* 09-midpoint.c - the check of exercise 9: HIDI_MIDPOINT is of second order. */
#include "method/sampler.h"
#include "random_net.h"

#include <string.h>

static void sample(const hidi_dit *net, hidi_tape *tape, hidi_solver solver, long steps,
                   hidi_real *x)
{
    const hidi_sampler sampler = {
        .solver = solver, .steps = steps, .guidance = 1.5, .batch = BATCH};
    draw(x, BATCH * PIXELS, 1, 1);
    if (hidi_sample(&sampler, net, tape, x, HIDI_CLASSES(some_classes), BATCH, NULL) != HIDI_OK) {
        printf("%s\n", hidi_error_message());
        exit(1);
    }
}

int main(void)
{
    const hidi_backend *backend;
    hidi_dit *net;
    if (hidi_backend_open("cpu", &backend) != HIDI_OK || !(net = random_net(backend, false)))
        return 2;
    hidi_tape *tape = hidi_tape_create(backend);
    hidi_real exact[BATCH * PIXELS], x[BATCH * PIXELS];
    double error[3];
    sample(net, tape, HIDI_HEUN, 256, exact);
    for (int k = 0; k < 3; k++) {
        sample(net, tape, HIDI_MIDPOINT, 4 << k, x);
        error[k] = relative_error(x, exact, BATCH * PIXELS);
        printf("%2d steps: off by %.6f\n", 4 << k, error[k]);
    }
    const hidi_sampler ten = {.solver = HIDI_MIDPOINT, .steps = 10, .guidance = 1.5};
    const bool counts = hidi_sampler_evaluations(&ten) == 40;
    hidi_tape_destroy(tape);
    hidi_dit_destroy(net);
    return verdict(counts, "a step evaluates the network twice, with guidance four times") +
           verdict(error[1] < error[0] / 3 && error[2] < error[1] / 3,
                   "twice the steps, a quarter of the error");
}
