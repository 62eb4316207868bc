/* cross_entropy.c - the loss of a classifier, -log p[label]: how surprised it is by the label. */
#include "autograd/op.h"
#include "autograd/ops.h"

/* cross_entropy: y_i = -log p_i[label_i],  p_i = softmax(x_i),  x [B, n], y [B].
 *
 *   dy_i = <p_i - onehot(label_i), dx_i>
 *   gx_i += gy_i (p_i - onehot(label_i))
 *
 * p is what forward keeps.
 * Loops: backend/reference/train.c, cross_entropy, cross_entropy_jvp, cross_entropy_vjp.
 */
struct cross_entropy {
    size_t B, n;
    const int32_t *label;
};

static void cross_entropy_forward(hidi_node *node, const hidi_backend *backend)
{
    const struct cross_entropy *s = node->own;
    const hidi_real *x = hidi_value_of(node, 0);
    hidi_real *y = node->out->value, *p = node->saved;
    backend->cross_entropy(y, p, x, s->label, s->B, s->n);
}

static void cross_entropy_jvp(hidi_node *node, const hidi_backend *backend)
{
    const struct cross_entropy *s = node->own;
    const hidi_real *p = node->saved, *dx = hidi_tangent_of(node, 0, NULL);
    hidi_real *dy = node->out->tangent;
    backend->cross_entropy_jvp(dy, p, s->label, dx, s->B, s->n);
}

static void cross_entropy_vjp(hidi_node *node, const hidi_backend *backend)
{
    const struct cross_entropy *s = node->own;
    const hidi_real *p = node->saved, *gy = node->out->grad;
    hidi_real beta;
    hidi_real *gx = hidi_grad_of(node, 0, &beta);
    if (gx != NULL)
        backend->cross_entropy_vjp(gx, beta, p, s->label, gy, s->B, s->n);
}

static const hidi_op op_cross_entropy = {"cross_entropy", cross_entropy_forward, cross_entropy_jvp,
                                         cross_entropy_vjp, NULL};

hidi_var *hidi_cross_entropy(hidi_tape *tape, hidi_var *logits, const int32_t *label)
{
    const hidi_node node = {.op = &op_cross_entropy, .n_in = 1, .in = {logits}};
    if (!hidi_node_ready(tape, &node, 1))
        return NULL;
    if (label == NULL)
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_ARGUMENT, "cross_entropy: no labels"));
    if (logits->shape.rank != 2)
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_SHAPE,
                                               "cross_entropy: logits %s are not [B, n]",
                                               hidi_shape_text(logits->shape)));
    const struct cross_entropy s = {
        .B = logits->shape.dim[0], .n = logits->shape.dim[1], .label = label};
    return hidi_apply(tape, &node, &s, sizeof s, hidi_shape1(s.B), s.B * s.n);
}
