/* embedding.c - how a class and a time become vectors: a row of a table; cosines and sines. */
#include "autograd/op.h"
#include "autograd/ops.h"

/* embedding: y_i = table_(index_i),  table [N, D], y [n, D].
 *
 *   dy_i = dtable_(index_i)
 *   gtable_(index_i) += gy_i
 *
 * Loops: backend/reference/train.c, embedding, embedding_vjp.
 */
struct embedding {
    size_t N, n, D;
    const int32_t *index;
};

static void embedding_forward(hidi_node *node, const hidi_backend *backend)
{
    const struct embedding *s = node->own;
    const hidi_real *table = hidi_value_of(node, 0);
    backend->embedding(node->out->value, table, s->index, s->n, s->D);
}

static void embedding_jvp(hidi_node *node, const hidi_backend *backend)
{
    const struct embedding *s = node->own;
    const hidi_real *dtable = hidi_tangent_of(node, 0, NULL);
    backend->embedding(node->out->tangent, dtable, s->index, s->n, s->D);
}

static void embedding_vjp(hidi_node *node, const hidi_backend *backend)
{
    const struct embedding *s = node->own;
    const hidi_real *gy = node->out->grad;
    hidi_real beta;
    hidi_real *gtable = hidi_grad_of(node, 0, &beta);
    if (gtable != NULL && beta == 0) /* entries that were not looked up have gradient 0 */
        backend->fill(gtable, 0, s->N * s->D);
    if (gtable != NULL)
        backend->embedding_vjp(gtable, s->index, gy, s->n, s->D);
}

static const hidi_op op_embedding = {"embedding", embedding_forward, embedding_jvp, embedding_vjp,
                                     NULL};

hidi_var *hidi_embedding(hidi_tape *tape, hidi_var *table, const int32_t *index, size_t n)
{
    const hidi_node node = {.op = &op_embedding, .n_in = 1, .in = {table}};
    if (!hidi_node_ready(tape, &node, 1))
        return NULL;
    if (index == NULL)
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_ARGUMENT, "embedding: no indices"));
    if (table->shape.rank != 2)
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_SHAPE, "embedding: table %s is not [N, D]",
                                               hidi_shape_text(table->shape)));
    const struct embedding s = {
        .N = table->shape.dim[0], .n = n, .D = table->shape.dim[1], .index = index};
    return hidi_apply(tape, &node, &s, sizeof s, hidi_shape2(n, s.D), 0);
}

/* sincos: y_i = [cos(s t_i w_k), sin(s t_i w_k)],  w_k = 10000^(-2k/dim), k < dim/2,  t [B].
 *
 *   y' = s [-w_k sin(s t w_k), w_k cos(s t w_k)]
 *   dy_i = y'(t_i) dt_i
 *   gt_i += <y'(t_i), gy_i>
 *
 * Loops: backend/reference/train.c, sincos, sincos_jvp, sincos_vjp.
 */
struct sincos {
    size_t B, dim;
    hidi_real scale;
};

static void sincos_forward(hidi_node *node, const hidi_backend *backend)
{
    const struct sincos *s = node->own;
    const hidi_real *t = hidi_value_of(node, 0);
    backend->sincos(node->out->value, t, s->scale, s->B, s->dim);
}

static void sincos_jvp(hidi_node *node, const hidi_backend *backend)
{
    const struct sincos *s = node->own;
    const hidi_real *t = hidi_value_of(node, 0);
    hidi_real *dy = node->out->tangent, beta;
    const hidi_real *dt = hidi_tangent_of(node, 0, &beta);
    if (dt != NULL)
        backend->sincos_jvp(dy, beta, t, dt, s->scale, s->B, s->dim);
}

static void sincos_vjp(hidi_node *node, const hidi_backend *backend)
{
    const struct sincos *s = node->own;
    const hidi_real *t = hidi_value_of(node, 0), *gy = node->out->grad;
    hidi_real beta;
    hidi_real *gt = hidi_grad_of(node, 0, &beta);
    if (gt != NULL)
        backend->sincos_vjp(gt, beta, t, gy, s->scale, s->B, s->dim);
}

static const hidi_op op_sincos = {"sincos", sincos_forward, sincos_jvp, sincos_vjp, NULL};

hidi_var *hidi_sincos(hidi_tape *tape, hidi_var *t, hidi_real s, size_t dim)
{
    const hidi_node node = {.op = &op_sincos, .n_in = 1, .in = {t}};
    if (!hidi_node_ready(tape, &node, 1))
        return NULL;
    if (t->shape.rank != 1 || dim == 0 || dim % 2 != 0)
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_SHAPE,
                                               "sincos: t %s is not [B], or %zu features are not "
                                               "pairs", hidi_shape_text(t->shape), dim));
    const struct sincos own = {.B = t->shape.dim[0], .dim = dim, .scale = s};
    return hidi_apply(tape, &node, &own, sizeof own, hidi_shape2(own.B, dim), 0);
}
