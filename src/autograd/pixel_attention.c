/* pixel_attention.c - attention over the pixels of an image, without its T x T matrix in memory. */
#include <math.h>

#include "autograd/op.h"
#include "autograd/ops.h"

/* pixel_attention: for each sample, with its pixels as the columns of Q, K, V, Y [C, T], T = H W,
 *
 *   P  = softmax(a Q^T K) over the rows' T elements,  a = 1 / sqrt(C)
 *   Y  = V P^T
 *   dY = V dP^T + dV P^T,  dP = J a (dQ^T K + Q^T dK),  J the softmax' Jacobian (symmetric)
 *   gV += gY P,  gS = J (gY^T V),  gQ += a K gS^T,  gK += a Q gS
 *
 * Rows of P are taken `block` queries at a time; each of the three computes them anew, so that
 * nothing but blocks [block, T] is ever there: those of P and of dP or gS, in the scratch.
 * Loops: backend/reference/matrix.c, gemm; norm.c, softmax, softmax_jacobian.
 */
enum { BLOCK_ELEMENTS = 1 << 22 };

struct pixel_attention {
    size_t B, C, T, block;
    hidi_real a;
};

static size_t pixel_attention_scratch(const hidi_node *node, const hidi_backend *backend)
{
    const struct pixel_attention *s = node->own;
    (void)backend;
    return 2 * s->block * s->T;
}

/* Queries first .. first + n - 1 of sample b, whose arrays begin at `at`. */
typedef struct queries {
    size_t at, first, n;
} queries;

/* The queries after these (n = 0: the first); false: there are none. */
static bool next_queries(const struct pixel_attention *s, queries *q)
{
    q->first += q->n;
    if (q->first >= s->T) {
        q->at += s->C * s->T;
        q->first = 0;
    }
    q->n = s->T - q->first < s->block ? s->T - q->first : s->block;
    return q->at < s->B * s->C * s->T;
}

/* S [n, T] = beta S + a Q^T K */
static void scores(const struct pixel_attention *s, const hidi_backend *backend, queries i,
                   hidi_real *S, hidi_real beta, const hidi_real *q, const hidi_real *k)
{
    backend->gemm(true, false, i.n, s->T, s->C, s->a, q + i.at + i.first, s->T, k + i.at, s->T,
                  beta, S, s->T);
}

/* Y [C, n] = beta Y + V P^T */
static void mix(const struct pixel_attention *s, const hidi_backend *backend, queries i,
                hidi_real *y, hidi_real beta, const hidi_real *v, const hidi_real *P)
{
    backend->gemm(false, true, s->C, i.n, s->T, 1, v + i.at, s->T, P, s->T, beta,
                  y + i.at + i.first, s->T);
}

static void probabilities(const hidi_node *node, const hidi_backend *backend, queries i,
                          hidi_real *P)
{
    const struct pixel_attention *s = node->own;
    scores(s, backend, i, P, 0, hidi_value_of(node, 0), hidi_value_of(node, 1));
    backend->softmax(P, P, i.n, s->T);
}

static void pixel_attention_forward(hidi_node *node, const hidi_backend *backend)
{
    const struct pixel_attention *s = node->own;
    hidi_real *P = node->scratch;
    for (queries i = {0}; next_queries(s, &i);) {
        probabilities(node, backend, i, P);
        mix(s, backend, i, node->out->value, 0, hidi_value_of(node, 2), P);
    }
}

static void pixel_attention_jvp(hidi_node *node, const hidi_backend *backend)
{
    const struct pixel_attention *s = node->own;
    const hidi_real *q = hidi_value_of(node, 0), *k = hidi_value_of(node, 1);
    const hidi_real *v = hidi_value_of(node, 2);
    const hidi_real *dq = hidi_tangent_of(node, 0, NULL), *dk = hidi_tangent_of(node, 1, NULL);
    const hidi_real *dv = hidi_tangent_of(node, 2, NULL);
    hidi_real *dy = node->out->tangent, *P = node->scratch, *dP = P + s->block * s->T;
    for (queries i = {0}; next_queries(s, &i);) {
        probabilities(node, backend, i, P);
        if (dq != NULL)
            scores(s, backend, i, dP, 0, dq, k);
        if (dk != NULL)
            scores(s, backend, i, dP, dq != NULL, q, dk);
        if (dq != NULL || dk != NULL) {
            backend->softmax_jacobian(dP, 0, P, dP, i.n, s->T);
            mix(s, backend, i, dy, 0, v, dP);
        }
        if (dv != NULL)
            mix(s, backend, i, dy, dq != NULL || dk != NULL, dv, P);
    }
}

/* Input number i's gradient, which blocks can be added to; NULL: it wants none. */
static hidi_real *grad_to_add_to(hidi_node *node, const hidi_backend *backend, int i)
{
    hidi_real beta, *g = hidi_grad_of(node, i, &beta);
    if (g != NULL && beta == 0)
        backend->fill(g, 0, hidi_count(node->in[i]->shape));
    return g;
}

static void pixel_attention_vjp(hidi_node *node, const hidi_backend *backend)
{
    const struct pixel_attention *s = node->own;
    const size_t T = s->T, C = s->C;
    const hidi_real *q = hidi_value_of(node, 0), *k = hidi_value_of(node, 1);
    const hidi_real *v = hidi_value_of(node, 2), *gy = node->out->grad;
    hidi_real *gq = grad_to_add_to(node, backend, 0), *gk = grad_to_add_to(node, backend, 1);
    hidi_real *gv = grad_to_add_to(node, backend, 2);
    hidi_real *P = node->scratch, *gS = P + s->block * T;
    for (queries i = {0}; next_queries(s, &i);) {
        const hidi_real *gy_i = gy + i.at + i.first, *q_i = q + i.at + i.first; /* [C, n], ld T */
        probabilities(node, backend, i, P);
        if (gv != NULL)
            backend->gemm(false, false, C, T, i.n, 1, gy_i, T, P, T, 1, gv + i.at, T);
        if (gq == NULL && gk == NULL)
            continue;
        backend->gemm(true, false, i.n, T, C, 1, gy_i, T, v + i.at, T, 0, gS, T);
        backend->softmax_jacobian(gS, 0, P, gS, i.n, T);
        if (gq != NULL)
            backend->gemm(false, true, C, i.n, T, s->a, k + i.at, T, gS, T, 1,
                          gq + i.at + i.first, T);
        if (gk != NULL)
            backend->gemm(false, false, C, T, i.n, s->a, q_i, T, gS, T, 1, gk + i.at, T);
    }
}

static const hidi_op op_pixel_attention = {"pixel_attention", pixel_attention_forward,
                                           pixel_attention_jvp, pixel_attention_vjp,
                                           pixel_attention_scratch};

hidi_var *hidi_pixel_attention(hidi_tape *tape, hidi_var *q, hidi_var *k, hidi_var *v)
{
    const hidi_node node = {.op = &op_pixel_attention, .n_in = 3, .in = {q, k, v}};
    if (!hidi_node_ready(tape, &node, 3))
        return NULL;
    const size_t *dim = q->shape.dim;
    if (q->shape.rank != 4 || !hidi_same_shape(q->shape, k->shape) ||
        !hidi_same_shape(q->shape, v->shape))
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_SHAPE,
                                               "pixel_attention: q %s, k %s and v %s are not three "
                                               "times the same [B, C, H, W]",
                                               hidi_shape_text(q->shape), hidi_shape_text(k->shape),
                                               hidi_shape_text(v->shape)));
    struct pixel_attention s = {.B = dim[0], .C = dim[1], .T = dim[2] * dim[3],
                                .a = (hidi_real)(1 / sqrt((double)dim[1]))};
    s.block = s.T > 0 && BLOCK_ELEMENTS / s.T > 0 ? BLOCK_ELEMENTS / s.T : 1;
    s.block = s.block < s.T ? s.block : s.T;
    return hidi_apply(tape, &node, &s, sizeof s, q->shape, 0);
}
