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
 * Loops: backend/reference/matrix.c, attention, attention_jvp, attention_vjp.
 */
struct attention {
    size_t B, T, H, Dh;
};

static size_t attention_scratch(const hidi_node *node, const hidi_backend *backend)
{
    const struct attention *s = node->own;
    (void)backend;
    return s->B * s->H * s->T * s->T;
}

static void attention_forward(hidi_node *node, const hidi_backend *backend)
{
    const struct attention *s = node->own;
    const hidi_real *qkv = hidi_value_of(node, 0);
    hidi_real *y = node->out->value, *P = node->saved;
    backend->attention(y, P, qkv, s->B, s->T, s->H, s->Dh);
}

static void attention_jvp(hidi_node *node, const hidi_backend *backend)
{
    const struct attention *s = node->own;
    const hidi_real *qkv = hidi_value_of(node, 0), *P = node->saved;
    const hidi_real *dqkv = hidi_tangent_of(node, 0, NULL);
    hidi_real *dy = node->out->tangent, *dP = node->scratch;
    backend->attention_jvp(dy, qkv, dqkv, P, dP, s->B, s->T, s->H, s->Dh);
}

static void attention_vjp(hidi_node *node, const hidi_backend *backend)
{
    const struct attention *s = node->own;
    const hidi_real *qkv = hidi_value_of(node, 0), *P = node->saved, *gy = node->out->grad;
    hidi_real *gS = node->scratch, beta;
    hidi_real *gqkv = hidi_grad_of(node, 0, &beta);
    if (gqkv != NULL)
        backend->attention_vjp(gqkv, beta, qkv, gy, P, gS, s->B, s->T, s->H, s->Dh);
}

static const hidi_op op_attention = {"attention", attention_forward, attention_jvp, attention_vjp,
                                     attention_scratch};

hidi_var *hidi_attention(hidi_tape *tape, hidi_var *qkv, size_t heads)
{
    const hidi_node node = {.op = &op_attention, .n_in = 1, .in = {qkv}};
    if (!hidi_node_ready(tape, &node, 1))
        return NULL;
    const size_t *dim = qkv->shape.dim;
    if (qkv->shape.rank != 3 || heads == 0 || dim[2] % (3 * heads) != 0)
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_SHAPE,
                                               "attention: qkv %s is not [B, T, 3 D] with D a "
                                               "multiple of %zu heads",
                                               hidi_shape_text(qkv->shape), heads));
    const struct attention s = {
        .B = dim[0], .T = dim[1], .H = heads, .Dh = dim[2] / (3 * heads)};
    return hidi_apply(tape, &node, &s, sizeof s, hidi_shape3(s.B, s.T, s.H * s.Dh),
                      s.B * s.H * s.T * s.T);
}

/* softmax: y = softmax(x) over the last extent, x and y [rows, n].
 *
 *   y_i = exp(x_i - max_j x_j) / sum_j exp(x_j - max_j x_j)
 *   J = diag(y) - y y^T is symmetric, so that jvp and vjp are one kernel:  J d = y (d - <y, d>)
 *
 * Loops: backend/reference/norm.c, softmax, softmax_jacobian.
 */
struct softmax {
    size_t rows, n;
};

static void softmax_forward(hidi_node *node, const hidi_backend *backend)
{
    const struct softmax *s = node->own;
    const hidi_real *x = hidi_value_of(node, 0);
    backend->softmax(node->out->value, x, s->rows, s->n);
}

static void softmax_jvp(hidi_node *node, const hidi_backend *backend)
{
    const struct softmax *s = node->own;
    const hidi_real *y = node->out->value;
    hidi_real *dy = node->out->tangent, beta;
    const hidi_real *dx = hidi_tangent_of(node, 0, &beta);
    if (dx != NULL)
        backend->softmax_jacobian(dy, beta, y, dx, s->rows, s->n);
}

static void softmax_vjp(hidi_node *node, const hidi_backend *backend)
{
    const struct softmax *s = node->own;
    const hidi_real *y = node->out->value, *gy = node->out->grad;
    hidi_real beta;
    hidi_real *gx = hidi_grad_of(node, 0, &beta);
    if (gx != NULL)
        backend->softmax_jacobian(gx, beta, y, gy, s->rows, s->n);
}

static const hidi_op op_softmax = {"softmax", softmax_forward, softmax_jvp, softmax_vjp, NULL};

hidi_var *hidi_softmax(hidi_tape *tape, hidi_var *x)
{
    const hidi_node node = {.op = &op_softmax, .n_in = 1, .in = {x}};
    if (!hidi_node_ready(tape, &node, 1))
        return NULL;
    const struct softmax s = {.rows = hidi_rows(x->shape), .n = hidi_columns(x->shape)};
    return hidi_apply(tape, &node, &s, sizeof s, x->shape, 0);
}
