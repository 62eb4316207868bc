/* cross_attention.c - attention of one sequence to another,
 * of which each sample has its own length. */
#include <math.h>
#include <stdlib.h>

#include "autograd/op.h"
#include "autograd/ops.h"

/* cross_attention: for each sample b and head, with Q [T, Dh] from q [B, T, H, Dh], and K, V
 * [l, Dh] the first l = length[b] rows of those from kv [B, L, 2, H, Dh],
 *
 *   P  = softmax(a Q K^T),  a = 1 / sqrt(Dh),  Y = P V;  Y = 0 where l = 0
 *
 *   dS = a (dQ K^T + Q dK^T),  dY = J dS V + P dV,  J the softmax' Jacobian (symmetric)
 *   gV += P^T gY,  gS = J (gY V^T),  gQ += a gS K,  gK += a gS^T Q
 *
 * Rows from l on are not read and get no gradient, so that no mask is needed: lengths are known to
 * the host.  P [T, l] of each b and h is what forward keeps, in T L elements; the scratch holds dS
 * or gS.
 * Loops: backend/reference/matrix.c, gemm; norm.c, softmax, softmax_jacobian.
 */
struct cross_attention {
    size_t B, T, L, H, Dh;
    hidi_real a;
    size_t length[]; /* [B] */
};

static size_t cross_attention_scratch(const hidi_node *node, const hidi_backend *backend)
{
    const struct cross_attention *s = node->own;
    (void)backend;
    return s->T * s->L;
}

/* One head of one sample: where it begins in q and y, in kv, in P; and its length. */
typedef struct head {
    size_t q, kv, P, l;
} head;

/* Head number b H + h; false: it has nothing to attend to. */
static bool head_at(const struct cross_attention *s, size_t number, head *i)
{
    const size_t b = number / s->H, h = number % s->H, D = s->H * s->Dh;
    *i = (head){.q = b * s->T * D + h * s->Dh,
                .kv = b * s->L * 2 * D + h * s->Dh,
                .P = number * s->T * s->L,
                .l = s->length[b]};
    return i->l > 0;
}

/* S [T, l] = beta S + alpha Q K^T */
static void scores(const struct cross_attention *s, const hidi_backend *backend, const head *i,
                   hidi_real *S, hidi_real beta, hidi_real alpha, const hidi_real *q,
                   const hidi_real *k)
{
    const size_t D = s->H * s->Dh;
    backend->gemm(false, true, s->T, i->l, s->Dh, alpha, q, D, k, 2 * D, beta, S, i->l);
}

/* Y [T, Dh] = beta Y + alpha P V */
static void mix(const struct cross_attention *s, const hidi_backend *backend, const head *i,
                hidi_real *y, hidi_real beta, hidi_real alpha, const hidi_real *P,
                const hidi_real *v)
{
    const size_t D = s->H * s->Dh;
    backend->gemm(false, false, s->T, s->Dh, i->l, alpha, P, i->l, v, 2 * D, beta, y, D);
}

/* gV [l, Dh] += alpha P^T gY */
static void spread(const struct cross_attention *s, const hidi_backend *backend, const head *i,
                   hidi_real *gv, hidi_real alpha, const hidi_real *P, const hidi_real *gy)
{
    const size_t D = s->H * s->Dh;
    backend->gemm(true, false, i->l, s->Dh, s->T, alpha, P, i->l, gy, D, 1, gv, 2 * D);
}

static void cross_attention_forward(hidi_node *node, const hidi_backend *backend)
{
    const struct cross_attention *s = node->own;
    const hidi_real *q = hidi_value_of(node, 0), *k = hidi_value_of(node, 1);
    const hidi_real *v = k + s->H * s->Dh;
    hidi_real *y = node->out->value;
    head i;
    for (size_t b = 0; b < s->B; b++)
        if (s->length[b] == 0)
            backend->fill(y + b * s->T * s->H * s->Dh, 0, s->T * s->H * s->Dh);
    for (size_t n = 0; n < s->B * s->H; n++) {
        if (!head_at(s, n, &i))
            continue;
        hidi_real *P = node->saved + i.P;
        scores(s, backend, &i, P, 0, s->a, q + i.q, k + i.kv);
        backend->softmax(P, P, s->T, i.l);
        mix(s, backend, &i, y + i.q, 0, 1, P, v + i.kv);
    }
}

static void cross_attention_jvp(hidi_node *node, const hidi_backend *backend)
{
    const struct cross_attention *s = node->own;
    const hidi_real *q = hidi_value_of(node, 0), *k = hidi_value_of(node, 1);
    const hidi_real *v = k + s->H * s->Dh;
    const hidi_real *dq = hidi_tangent_of(node, 0, NULL), *dk = hidi_tangent_of(node, 1, NULL);
    const hidi_real *dv = dk != NULL ? dk + s->H * s->Dh : NULL;
    hidi_real *dy = node->out->tangent, *dS = node->scratch;
    head i;
    backend->fill(dy, 0, s->B * s->T * s->H * s->Dh);
    for (size_t n = 0; n < s->B * s->H; n++) {
        if (!head_at(s, n, &i))
            continue;
        const hidi_real *P = node->saved + i.P;
        if (dq != NULL)
            scores(s, backend, &i, dS, 0, s->a, dq + i.q, k + i.kv);
        if (dk != NULL)
            scores(s, backend, &i, dS, dq != NULL, s->a, q + i.q, dk + i.kv);
        backend->softmax_jacobian(dS, 0, P, dS, s->T, i.l);
        mix(s, backend, &i, dy + i.q, 0, 1, dS, v + i.kv);
        if (dv != NULL)
            mix(s, backend, &i, dy + i.q, 1, 1, P, dv + i.kv);
    }
}

/* Input number i's gradient, which heads can be added to; NULL: it wants none. */
static hidi_real *grad_to_add_to(hidi_node *node, const hidi_backend *backend, int i)
{
    hidi_real beta, *g = hidi_grad_of(node, i, &beta);
    if (g != NULL && beta == 0)
        backend->fill(g, 0, hidi_count(node->in[i]->shape));
    return g;
}

static void cross_attention_vjp(hidi_node *node, const hidi_backend *backend)
{
    const struct cross_attention *s = node->own;
    const hidi_real *q = hidi_value_of(node, 0), *k = hidi_value_of(node, 1);
    const hidi_real *v = k + s->H * s->Dh, *gy = node->out->grad;
    hidi_real *gq = grad_to_add_to(node, backend, 0), *gk = grad_to_add_to(node, backend, 1);
    hidi_real *gS = node->scratch;
    head i;
    for (size_t n = 0; n < s->B * s->H; n++) {
        if (!head_at(s, n, &i))
            continue;
        const hidi_real *P = node->saved + i.P;
        scores(s, backend, &i, gS, 0, 1, gy + i.q, v + i.kv);
        backend->softmax_jacobian(gS, 0, P, gS, s->T, i.l);
        if (gq != NULL)
            mix(s, backend, &i, gq + i.q, 1, s->a, gS, k + i.kv);
        if (gk == NULL)
            continue;
        spread(s, backend, &i, gk + s->H * s->Dh + i.kv, 1, P, gy + i.q);
        spread(s, backend, &i, gk + i.kv, s->a, gS, q + i.q);
    }
}

static const hidi_op op_cross_attention = {"cross_attention", cross_attention_forward,
                                           cross_attention_jvp, cross_attention_vjp,
                                           cross_attention_scratch};

static hidi_status check_shapes(const hidi_var *q, const hidi_var *kv, size_t heads)
{
    const size_t *dim = q->shape.dim;
    if (q->shape.rank == 3 && kv->shape.rank == 3 && heads > 0 && dim[2] % heads == 0 &&
        kv->shape.dim[0] == dim[0] && kv->shape.dim[2] == 2 * dim[2])
        return HIDI_OK;
    return hidi_error(HIDI_BAD_SHAPE, "cross_attention: q %s and kv %s are not [B, T, D] and "
                                      "[B, L, 2 D] with D a multiple of %zu heads",
                      hidi_shape_text(q->shape), hidi_shape_text(kv->shape), heads);
}

hidi_var *hidi_cross_attention(hidi_tape *tape, hidi_var *q, hidi_var *kv, const int32_t *length,
                               size_t heads)
{
    const hidi_node node = {.op = &op_cross_attention, .n_in = 2, .in = {q, kv}};
    if (!hidi_node_ready(tape, &node, 2))
        return NULL;
    if (check_shapes(q, kv, heads) != HIDI_OK)
        return hidi_tape_fail(tape, HIDI_BAD_SHAPE);
    const size_t *dim = q->shape.dim, L = kv->shape.dim[1];
    for (size_t b = 0; b < dim[0]; b++)
        if (length[b] < 0 || (size_t)length[b] > L)
            return hidi_tape_fail(tape, hidi_error(HIDI_BAD_ARGUMENT,
                                                   "cross_attention: length %ld of sample %zu is "
                                                   "not 0 to %zu",
                                                   (long)length[b], b, L));
    const size_t bytes = sizeof(struct cross_attention) + dim[0] * sizeof(size_t);
    struct cross_attention *s = malloc(bytes);
    if (s == NULL)
        return hidi_tape_fail(tape, hidi_error(HIDI_NO_MEMORY, "cross_attention: out of memory"));
    *s = (struct cross_attention){.B = dim[0], .T = dim[1], .L = L, .H = heads,
                                  .Dh = dim[2] / heads};
    s->a = (hidi_real)(1 / sqrt((double)s->Dh));
    for (size_t b = 0; b < s->B; b++)
        s->length[b] = (size_t)length[b];
    hidi_var *y = hidi_apply(tape, &node, s, bytes, q->shape, s->B * s->H * s->T * s->L);
    free(s);
    return y;
}
