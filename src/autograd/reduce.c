/* reduce.c - per-sample factors, sums and means.  A tensor [B, ...] is seen as B rows. */
#include "autograd/op.h"
#include "autograd/ops.h"

/* Elements of one sample of [B, ...]. */
static size_t sample_count(hidi_shape shape)
{
    size_t n = 1;
    for (int i = 1; i < shape.rank; i++)
        n *= shape.dim[i];
    return n;
}

/* scale_samples: y_b = s_b x_b,  x, y [B, n], s [B].
 *
 *   dy_b = s_b dx_b + ds_b x_b
 *   gx_b += s_b gy_b,  gs_b += <x_b, gy_b>
 */
static void scale_samples_forward(hidi_node *node, const hidi_backend *backend)
{
    backend->scale_rows(node->out->value, 0, 1, node->in[1]->value, node->in[0]->value,
                        node->size[0], node->size[1]);
}

static void scale_samples_jvp(hidi_node *node, const hidi_backend *backend)
{
    const size_t B = node->size[0], n = node->size[1];
    const hidi_real *dx = hidi_tangent_of(node, 0), *ds = hidi_tangent_of(node, 1);
    hidi_real beta = 0;
    if (dx != NULL) {
        backend->scale_rows(node->out->tangent, beta, 1, node->in[1]->value, dx, B, n);
        beta = 1;
    }
    if (ds != NULL)
        backend->scale_rows(node->out->tangent, beta, 1, ds, node->in[0]->value, B, n);
}

static void scale_samples_vjp(hidi_node *node, const hidi_backend *backend)
{
    const size_t B = node->size[0], n = node->size[1];
    hidi_real beta;
    hidi_real *gx = hidi_grad_of(node, 0, &beta);
    if (gx != NULL)
        backend->scale_rows(gx, beta, 1, node->in[1]->value, node->out->grad, B, n);
    hidi_real *gs = hidi_grad_of(node, 1, &beta);
    if (gs != NULL)
        backend->dot_rows(gs, beta, 1, node->in[0]->value, node->out->grad, B, n);
}

static const hidi_op op_scale_samples = {"scale_samples", scale_samples_forward, scale_samples_jvp,
                                         scale_samples_vjp, NULL};

hidi_var *hidi_scale_samples(hidi_tape *tape, hidi_var *x, hidi_var *s)
{
    hidi_node node = {.op = &op_scale_samples, .n_in = 2, .in = {x, s}};
    if (!hidi_node_ready(tape, &node, 2))
        return NULL;
    if (x->shape.rank < 1 || s->shape.rank != 1 || s->shape.dim[0] != x->shape.dim[0])
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_SHAPE,
                                               "scale_samples: x %s needs one factor per sample, "
                                               "s is %s", hidi_shape_text(x->shape),
                                               hidi_shape_text(s->shape)));
    node.size[0] = x->shape.dim[0];
    node.size[1] = sample_count(x->shape);
    return hidi_apply(tape, &node, x->shape, 0);
}

/* sum_samples, mean_samples: y_b = a sum_j x_bj,  x [B, n], a = 1 or 1/n.
 *
 *   dy_b = a sum_j dx_bj
 *   gx_bj += a gy_b
 */
static void sum_samples_forward(hidi_node *node, const hidi_backend *backend)
{
    backend->dot_rows(node->out->value, 0, node->real[0], node->in[0]->value, NULL, node->size[0],
                      node->size[1]);
}

static void sum_samples_jvp(hidi_node *node, const hidi_backend *backend)
{
    backend->dot_rows(node->out->tangent, 0, node->real[0], hidi_tangent_of(node, 0), NULL,
                      node->size[0], node->size[1]);
}

static void sum_samples_vjp(hidi_node *node, const hidi_backend *backend)
{
    hidi_real beta;
    hidi_real *gx = hidi_grad_of(node, 0, &beta);
    if (gx != NULL)
        backend->spread_rows(gx, beta, node->real[0], node->out->grad, node->size[0],
                             node->size[1]);
}

static const hidi_op op_sum_samples = {"sum_samples", sum_samples_forward, sum_samples_jvp,
                                       sum_samples_vjp, NULL};
static const hidi_op op_mean_samples = {"mean_samples", sum_samples_forward, sum_samples_jvp,
                                        sum_samples_vjp, NULL};

static hidi_var *apply_samples(hidi_tape *tape, const hidi_op *op, hidi_var *x, bool mean)
{
    hidi_node node = {.op = op, .n_in = 1, .in = {x}};
    if (!hidi_node_ready(tape, &node, 1))
        return NULL;
    if (x->shape.rank < 1 || (mean && sample_count(x->shape) == 0))
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_SHAPE, "%s: x %s has no samples to reduce",
                                               op->name, hidi_shape_text(x->shape)));
    node.size[0] = x->shape.dim[0];
    node.size[1] = sample_count(x->shape);
    node.real[0] = mean ? (hidi_real)1 / (hidi_real)node.size[1] : 1;
    return hidi_apply(tape, &node, hidi_shape1(node.size[0]), 0);
}

hidi_var *hidi_sum_samples(hidi_tape *tape, hidi_var *x)
{
    return apply_samples(tape, &op_sum_samples, x, false);
}

hidi_var *hidi_mean_samples(hidi_tape *tape, hidi_var *x)
{
    return apply_samples(tape, &op_mean_samples, x, true);
}

/* sum, mean: y = a sum_i x_i,  a = 1 or 1/n, summed in double.
 *
 *   dy = a sum_i dx_i
 *   gx_i += a gy
 */
static void sum_forward(hidi_node *node, const hidi_backend *backend)
{
    backend->dot(node->out->value, 0, node->real[0], node->in[0]->value, NULL, node->size[0]);
}

static void sum_jvp(hidi_node *node, const hidi_backend *backend)
{
    backend->dot(node->out->tangent, 0, node->real[0], hidi_tangent_of(node, 0), NULL,
                 node->size[0]);
}

static void sum_vjp(hidi_node *node, const hidi_backend *backend)
{
    hidi_real beta;
    hidi_real *gx = hidi_grad_of(node, 0, &beta);
    if (gx != NULL)
        backend->spread_rows(gx, beta, node->real[0], node->out->grad, 1, node->size[0]);
}

static const hidi_op op_sum = {"sum", sum_forward, sum_jvp, sum_vjp, NULL};
static const hidi_op op_mean = {"mean", sum_forward, sum_jvp, sum_vjp, NULL};

hidi_var *hidi_sum(hidi_tape *tape, hidi_var *x)
{
    hidi_node node = {.op = &op_sum, .n_in = 1, .in = {x}, .real = {1}};
    if (!hidi_node_ready(tape, &node, 1))
        return NULL;
    node.size[0] = hidi_count(x->shape);
    return hidi_apply(tape, &node, hidi_shape0(), 0);
}

hidi_var *hidi_mean(hidi_tape *tape, hidi_var *x)
{
    hidi_node node = {.op = &op_mean, .n_in = 1, .in = {x}};
    if (!hidi_node_ready(tape, &node, 1))
        return NULL;
    node.size[0] = hidi_count(x->shape);
    if (node.size[0] == 0)
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_SHAPE, "mean: x %s is empty",
                                               hidi_shape_text(x->shape)));
    node.real[0] = (hidi_real)1 / (hidi_real)node.size[0];
    return hidi_apply(tape, &node, hidi_shape0(), 0);
}
