/* embedding.c - class and time embeddings. */
#include "autograd/op.h"
#include "autograd/ops.h"

/* embedding: y_i = table_(index_i),  table [N, D], y [n, D].
 *
 *   dy_i = dtable_(index_i)
 *   gtable_(index_i) += gy_i
 */
static void embedding_forward(hidi_node *node, const hidi_backend *backend)
{
    backend->embedding(node->out->value, node->in[0]->value, node->index, node->size[0],
                       node->size[1]);
}

static void embedding_jvp(hidi_node *node, const hidi_backend *backend)
{
    backend->embedding(node->out->tangent, hidi_tangent_of(node, 0), node->index, node->size[0],
                       node->size[1]);
}

static void embedding_vjp(hidi_node *node, const hidi_backend *backend)
{
    hidi_real beta;
    hidi_real *gtable = hidi_grad_of(node, 0, &beta);
    if (gtable == NULL)
        return;
    if (beta == 0) /* entries that were not looked up have gradient 0 */
        backend->fill(gtable, 0, hidi_count(node->in[0]->shape));
    backend->embedding_vjp(gtable, node->index, node->out->grad, node->size[0], node->size[1]);
}

static const hidi_op op_embedding = {"embedding", embedding_forward, embedding_jvp, embedding_vjp,
                                     NULL};

hidi_var *hidi_embedding(hidi_tape *tape, hidi_var *table, const int32_t *index, size_t n)
{
    hidi_node node = {.op = &op_embedding, .n_in = 1, .in = {table}, .index = index};
    if (!hidi_node_ready(tape, &node, 1))
        return NULL;
    if (index == NULL)
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_ARGUMENT, "embedding: no indices"));
    if (table->shape.rank != 2)
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_SHAPE, "embedding: table %s is not [N, D]",
                                               hidi_shape_text(table->shape)));
    node.size[0] = n;
    node.size[1] = table->shape.dim[1];
    return hidi_apply(tape, &node, hidi_shape2(n, node.size[1]), 0);
}

/* sincos: y_i = [cos(s t_i w_k), sin(s t_i w_k)],  w_k = 10000^(-2k/dim), k < dim/2,  t [B].
 *
 *   y' = s [-w_k sin(s t w_k), w_k cos(s t w_k)]
 *   dy_i = y'(t_i) dt_i
 *   gt_i += <y'(t_i), gy_i>
 */
static void sincos_forward(hidi_node *node, const hidi_backend *backend)
{
    backend->sincos(node->out->value, node->in[0]->value, node->real[0], node->size[0],
                    node->size[1]);
}

static void sincos_jvp(hidi_node *node, const hidi_backend *backend)
{
    backend->sincos_jvp(node->out->tangent, 0, node->in[0]->value, hidi_tangent_of(node, 0),
                        node->real[0], node->size[0], node->size[1]);
}

static void sincos_vjp(hidi_node *node, const hidi_backend *backend)
{
    hidi_real beta;
    hidi_real *gt = hidi_grad_of(node, 0, &beta);
    if (gt != NULL)
        backend->sincos_vjp(gt, beta, node->in[0]->value, node->out->grad, node->real[0],
                            node->size[0], node->size[1]);
}

static const hidi_op op_sincos = {"sincos", sincos_forward, sincos_jvp, sincos_vjp, NULL};

hidi_var *hidi_sincos(hidi_tape *tape, hidi_var *t, hidi_real s, size_t dim)
{
    hidi_node node = {.op = &op_sincos, .n_in = 1, .in = {t}, .real = {s}};
    if (!hidi_node_ready(tape, &node, 1))
        return NULL;
    if (t->shape.rank != 1 || dim == 0 || dim % 2 != 0)
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_SHAPE,
                                               "sincos: t %s is not [B], or %zu features are not "
                                               "pairs", hidi_shape_text(t->shape), dim));
    node.size[0] = t->shape.dim[0];
    node.size[1] = dim;
    return hidi_apply(tape, &node, hidi_shape2(node.size[0], dim), 0);
}
