/* pointwise.c - a function that is given as code, of a few numbers such as the times of a batch: it
 * is computed on the host, in double precision. */
#include "autograd/op.h"
#include "autograd/ops.h"

/* pointwise: y_i = f(x_i).
 *
 *   dy_i = f'(x_i) dx_i
 *   gx_i += f'(x_i) gy_i
 *
 * Saved: f'(x), [n].
 */
struct pointwise {
    size_t n;
    double constant;
    hidi_function *f;
};

static void pointwise_forward(hidi_node *node, const hidi_backend *backend)
{
    enum { BLOCK = 64 };
    const struct pointwise *s = node->own;
    const hidi_real *x = hidi_value_of(node, 0);
    hidi_real in[BLOCK], out[BLOCK], slope[BLOCK];
    for (size_t first = 0; first < s->n; first += BLOCK) {
        const size_t n = s->n - first < BLOCK ? s->n - first : BLOCK;
        backend->download(in, x + first, n * sizeof in[0]);
        for (size_t i = 0; i < n; i++) {
            double derivative = 0;
            out[i] = (hidi_real)s->f((double)in[i], s->constant, &derivative);
            slope[i] = (hidi_real)derivative;
        }
        backend->upload(node->out->value + first, out, n * sizeof out[0]);
        backend->upload(node->saved + first, slope, n * sizeof slope[0]);
    }
}

static void pointwise_jvp(hidi_node *node, const hidi_backend *backend)
{
    const struct pointwise *s = node->own;
    hidi_real *dy = node->out->tangent, beta;
    const hidi_real *dx = hidi_tangent_of(node, 0, &beta);
    if (dx != NULL)
        backend->multiply(dy, beta, 1, node->saved, dx, s->n);
}

static void pointwise_vjp(hidi_node *node, const hidi_backend *backend)
{
    const struct pointwise *s = node->own;
    const hidi_real *gy = node->out->grad;
    hidi_real beta;
    hidi_real *gx = hidi_grad_of(node, 0, &beta);
    if (gx != NULL)
        backend->multiply(gx, beta, 1, node->saved, gy, s->n);
}

static const hidi_op op_pointwise = {"pointwise", pointwise_forward, pointwise_jvp, pointwise_vjp,
                                     NULL};

hidi_var *hidi_pointwise(hidi_tape *tape, hidi_var *x, hidi_function *f, double constant)
{
    const hidi_node node = {.op = &op_pointwise, .n_in = 1, .in = {x}};
    if (!hidi_node_ready(tape, &node, 1))
        return NULL;
    const struct pointwise s = {.n = hidi_count(x->shape), .constant = constant, .f = f};
    return hidi_apply(tape, &node, &s, sizeof s, x->shape, s.n);
}
