/* attention.c - softmax; multi-head self-attention (Vaswani et al., arXiv 1706.03762, eq. 1). */
#include "autograd/op.h"
#include "autograd/ops.h"

/* attention: for each sample and head, with Q, K, V [T, Dh] from qkv [B, T, 3, H, Dh],
 *
 *   P = softmax(S),  S = Q K^T / sqrt(Dh),  Y = P V
 *
 *   dS = (dQ K^T + Q dK^T) / sqrt(Dh),  dP = P (dS - <P, dS>),  dY = dP V + P dV
 *   gV += P^T gY,  gP = gY V^T,  gS = P (gP - <P, gP>) / sqrt(Dh),  gQ += gS K,  gK += gS^T Q
 *
 * (<., .> is taken row by row.)  P is what forward keeps; the scratch holds dP or gS.
 */
enum { ATTENTION_B, ATTENTION_T, ATTENTION_H, ATTENTION_DH }; /* node->size */

static size_t attention_scratch(const hidi_node *node, const hidi_backend *backend)
{
    const size_t *s = node->size;
    (void)backend;
    return s[ATTENTION_B] * s[ATTENTION_H] * s[ATTENTION_T] * s[ATTENTION_T];
}

static void attention_forward(hidi_node *node, const hidi_backend *backend)
{
    const size_t *s = node->size;
    backend->attention(node->out->value, node->saved[0], node->in[0]->value, s[ATTENTION_B],
                       s[ATTENTION_T], s[ATTENTION_H], s[ATTENTION_DH]);
}

static void attention_jvp(hidi_node *node, const hidi_backend *backend)
{
    const size_t *s = node->size;
    backend->attention_jvp(node->out->tangent, node->in[0]->value, hidi_tangent_of(node, 0),
                           node->saved[0], node->saved[1], s[ATTENTION_B], s[ATTENTION_T],
                           s[ATTENTION_H], s[ATTENTION_DH]);
}

static void attention_vjp(hidi_node *node, const hidi_backend *backend)
{
    const size_t *s = node->size;
    hidi_real beta;
    hidi_real *gqkv = hidi_grad_of(node, 0, &beta);
    if (gqkv != NULL)
        backend->attention_vjp(gqkv, beta, node->in[0]->value, node->out->grad, node->saved[0],
                               node->saved[1], s[ATTENTION_B], s[ATTENTION_T], s[ATTENTION_H],
                               s[ATTENTION_DH]);
}

static const hidi_op op_attention = {"attention", attention_forward, attention_jvp, attention_vjp,
                                     attention_scratch};

hidi_var *hidi_attention(hidi_tape *tape, hidi_var *qkv, size_t heads)
{
    hidi_node node = {.op = &op_attention, .n_in = 1, .in = {qkv}};
    if (!hidi_node_ready(tape, &node, 1))
        return NULL;
    const size_t *dim = qkv->shape.dim;
    if (qkv->shape.rank != 3 || heads == 0 || dim[2] % (3 * heads) != 0)
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_SHAPE,
                                               "attention: qkv %s is not [B, T, 3 D] with D a "
                                               "multiple of %zu heads",
                                               hidi_shape_text(qkv->shape), heads));
    node.size[ATTENTION_B] = dim[0];
    node.size[ATTENTION_T] = dim[1];
    node.size[ATTENTION_H] = heads;
    node.size[ATTENTION_DH] = dim[2] / (3 * heads);
    return hidi_apply(tape, &node, hidi_shape3(dim[0], dim[1], dim[2] / 3),
                      attention_scratch(&node, hidi_tape_backend(tape)));
}

/* softmax: y = softmax(x) over the last extent, x and y [rows, n].
 *
 *   y_i = exp(x_i - max_j x_j) / sum_j exp(x_j - max_j x_j)
 *   J = diag(y) - y y^T is symmetric, so that jvp and vjp are one kernel:  J d = y (d - <y, d>)
 */
static void softmax_forward(hidi_node *node, const hidi_backend *backend)
{
    backend->softmax(node->out->value, node->in[0]->value, node->size[0], node->size[1]);
}

static void softmax_jvp(hidi_node *node, const hidi_backend *backend)
{
    backend->softmax_jacobian(node->out->tangent, 0, node->out->value, hidi_tangent_of(node, 0),
                              node->size[0], node->size[1]);
}

static void softmax_vjp(hidi_node *node, const hidi_backend *backend)
{
    hidi_real beta;
    hidi_real *gx = hidi_grad_of(node, 0, &beta);
    if (gx != NULL)
        backend->softmax_jacobian(gx, beta, node->out->value, node->out->grad, node->size[0],
                                  node->size[1]);
}

static const hidi_op op_softmax = {"softmax", softmax_forward, softmax_jvp, softmax_vjp, NULL};

hidi_var *hidi_softmax(hidi_tape *tape, hidi_var *x)
{
    hidi_node node = {.op = &op_softmax, .n_in = 1, .in = {x}};
    if (!hidi_node_ready(tape, &node, 1))
        return NULL;
    node.size[0] = hidi_rows(x->shape);
    node.size[1] = hidi_columns(x->shape);
    return hidi_apply(tape, &node, x->shape, 0);
}
