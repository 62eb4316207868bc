/* cross_entropy.c - the loss of a classifier. */
#include "autograd/op.h"
#include "autograd/ops.h"

/* cross_entropy: y_i = -log p_i[label_i],  p_i = softmax(x_i),  x [B, n], y [B].
 *
 *   dy_i = <p_i - onehot(label_i), dx_i>
 *   gx_i += gy_i (p_i - onehot(label_i))
 *
 * saved[0]: p.
 */
static void cross_entropy_forward(hidi_node *node, const hidi_backend *backend)
{
    backend->cross_entropy(node->out->value, node->saved[0], node->in[0]->value, node->index,
                           node->size[0], node->size[1]);
}

static void cross_entropy_jvp(hidi_node *node, const hidi_backend *backend)
{
    backend->cross_entropy_jvp(node->out->tangent, node->saved[0], node->index,
                               hidi_tangent_of(node, 0), node->size[0], node->size[1]);
}

static void cross_entropy_vjp(hidi_node *node, const hidi_backend *backend)
{
    hidi_real beta;
    hidi_real *gx = hidi_grad_of(node, 0, &beta);
    if (gx != NULL)
        backend->cross_entropy_vjp(gx, beta, node->saved[0], node->index, node->out->grad,
                                   node->size[0], node->size[1]);
}

static const hidi_op op_cross_entropy = {"cross_entropy", cross_entropy_forward, cross_entropy_jvp,
                                         cross_entropy_vjp, NULL};

hidi_var *hidi_cross_entropy(hidi_tape *tape, hidi_var *logits, const int32_t *label)
{
    hidi_node node = {.op = &op_cross_entropy, .n_in = 1, .in = {logits}, .index = label};
    if (!hidi_node_ready(tape, &node, 1))
        return NULL;
    if (label == NULL)
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_ARGUMENT, "cross_entropy: no labels"));
    if (logits->shape.rank != 2)
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_SHAPE,
                                               "cross_entropy: logits %s are not [B, n]",
                                               hidi_shape_text(logits->shape)));
    node.size[0] = logits->shape.dim[0];
    node.size[1] = logits->shape.dim[1];
    return hidi_apply(tape, &node, hidi_shape1(node.size[0]), hidi_count(logits->shape));
}
