/* 13-accumulation.c - exercise 13, solved: a batch in pieces.  The losses are means over samples,
 * so that the gradient of a batch of 4 is the mean of those of two batches of 2. */
#include "method/flow.h"
#include "random_net.h"

/* Adds the gradient of the flow-matching loss of samples first .. first + n - 1, times `weight`. */
static hidi_status add_gradient(hidi_tape *tape, const hidi_dit *net, size_t first, size_t n,
                                double weight)
{
    hidi_real x[BATCH * PIXELS], e[BATCH * PIXELS], t[BATCH] = {0.1f, 0.4f, 0.6f, 0.9f};
    const hidi_shape shape = hidi_shape4(n, CHANNELS, SIDE, SIDE);
    draw(x, BATCH * PIXELS, 1, 1);
    draw(e, BATCH * PIXELS, 2, 1);
    hidi_tape_reset(tape);
    hidi_var *loss = hidi_flow_loss(tape, net, hidi_constant(tape, shape, x + first * PIXELS),
                                    hidi_constant(tape, shape, e + first * PIXELS),
                                    hidi_constant(tape, hidi_shape1(n), t + first),
                                    HIDI_CLASSES(some_classes + first));
    return hidi_tape_backward(tape, hidi_scale(tape, loss, (hidi_real)weight), NULL);
}

static hidi_real *take_gradient(hidi_dit *net)
{
    hidi_real *g = malloc(net->params.count * sizeof *g);
    net->params.backend->download(g, net->params.grad, net->params.count * sizeof *g);
    hidi_params_zero_grad(&net->params);
    return g;
}

int main(void)
{
    const hidi_backend *backend;
    hidi_dit *net;
    if (hidi_backend_open("cpu", &backend) != HIDI_OK || !(net = random_net(backend, false)) ||
        hidi_params_train(&net->params) != HIDI_OK)
        return 2;
    hidi_tape *tape = hidi_tape_create(backend);
    if (add_gradient(tape, net, 0, BATCH, 1) != HIDI_OK)
        return 2;
    hidi_real *whole = take_gradient(net);
    for (size_t i = 0; i < BATCH; i += 2) /* the backward pass adds to what is there */
        if (add_gradient(tape, net, i, 2, 0.5) != HIDI_OK)
            return 2;
    hidi_real *pieces = take_gradient(net);
    const double error = relative_error(pieces, whole, net->params.count);
    printf("the two gradients are %.2g apart\n", error);
    free(whole);
    free(pieces);
    hidi_tape_destroy(tape);
    hidi_dit_destroy(net);
    return verdict(error < 1e-5, "pieces give the whole batch's gradient, up to rounding");
}
