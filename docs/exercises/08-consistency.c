/* 08-consistency.c - the check of exercise 8: with s -> t the gradient of your consistency loss is
 * t (t - s) times that of MeanFlow's loss with r = 0, p = 0 (docs/derivations.md, section 4). */
#include "method/meanflow.h"
#include "random_net.h"

hidi_var *hidi_consistency_loss(hidi_tape *tape, const hidi_dit *student, hidi_var *z, hidi_var *v,
                                hidi_var *t, hidi_var *s, const hidi_condition *y);

#define T 0.7

/* The gradient of one loss or the other: MeanFlow's if step is 0, else consistency's with
 * s = t - step. */
static hidi_real *gradient(hidi_tape *tape, hidi_dit *net, double step)
{
    hidi_meanflow_terms terms;
    const hidi_meanflow_options options = {.guidance = 1, .p = 0, .c = 1};
    hidi_tape_reset(tape);
    hidi_params_zero_grad(&net->params);
    hidi_var *z = random_images(tape, 1), *v = random_images(tape, 2);
    hidi_var *t = hidi_filled(tape, hidi_shape1(BATCH), (hidi_real)T);
    hidi_var *r = hidi_filled(tape, hidi_shape1(BATCH), 0);
    hidi_var *s = hidi_filled(tape, hidi_shape1(BATCH), (hidi_real)(T - step));
    hidi_var *loss = step > 0 ? hidi_consistency_loss(tape, net, z, v, t, s,
                                                    HIDI_CLASSES(some_classes))
                              : hidi_meanflow_loss_at(tape, net, z, v, t, r,
                                                      HIDI_CLASSES(some_classes), &options, NULL,
                                                      &terms);
    if (hidi_tape_backward(tape, loss, NULL) != HIDI_OK) {
        printf("%s\n", hidi_error_message());
        exit(1);
    }
    hidi_real *g = malloc(net->params.count * sizeof *g);
    net->params.backend->download(g, net->params.grad, net->params.count * sizeof *g);
    return g;
}

int main(void)
{
    const hidi_backend *backend;
    hidi_dit *net;
    if (hidi_backend_open("cpu", &backend) != HIDI_OK || !(net = random_net(backend, true)) ||
        hidi_params_train(&net->params) != HIDI_OK)
        return 2;
    hidi_tape *tape = hidi_tape_create(backend);
    const size_t n = net->params.count;
    hidi_real *meanflow = gradient(tape, net, 0);
    const double steps[2] = {0.08, 0.02};
    double error[2];
    for (int k = 0; k < 2; k++) {
        hidi_real *g = gradient(tape, net, steps[k]);
        for (size_t i = 0; i < n; i++)
            g[i] /= (hidi_real)(T * steps[k]);
        error[k] = relative_error(g, meanflow, n);
        printf("t - s = %.2f: off by %.4f\n", steps[k], error[k]);
        free(g);
    }
    free(meanflow);
    hidi_tape_destroy(tape);
    hidi_dit_destroy(net);
    return verdict(error[1] < 0.1 && error[1] < 0.4 * error[0],
                   "the gradient tends to t (t - s) times MeanFlow's, as t - s does");
}
