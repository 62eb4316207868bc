/* reduce.c - per-sample factors, sums and means.  A tensor [B, ...] is seen as B rows of n. */
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
 *
 * Loops: backend/reference/rows.c, scale_rows, dot_rows.
 */
struct scale_samples {
    size_t B, n;
};

static void scale_samples_forward(hidi_node *node, const hidi_backend *backend)
{
    const struct scale_samples *own = node->own;
    const hidi_real *x = hidi_value_of(node, 0), *s = hidi_value_of(node, 1);
    backend->scale_rows(node->out->value, 0, 1, s, x, own->B, own->n);
}

static void scale_samples_jvp(hidi_node *node, const hidi_backend *backend)
{
    const struct scale_samples *own = node->own;
    const hidi_real *x = hidi_value_of(node, 0), *s = hidi_value_of(node, 1);
    hidi_real *dy = node->out->tangent, beta;
    const hidi_real *dx = hidi_tangent_of(node, 0, &beta);
    if (dx != NULL)
        backend->scale_rows(dy, beta, 1, s, dx, own->B, own->n);
    const hidi_real *ds = hidi_tangent_of(node, 1, &beta);
    if (ds != NULL)
        backend->scale_rows(dy, beta, 1, ds, x, own->B, own->n);
}

static void scale_samples_vjp(hidi_node *node, const hidi_backend *backend)
{
    const struct scale_samples *own = node->own;
    const hidi_real *x = hidi_value_of(node, 0), *s = hidi_value_of(node, 1);
    const hidi_real *gy = node->out->grad;
    hidi_real beta;
    hidi_real *gx = hidi_grad_of(node, 0, &beta);
    if (gx != NULL)
        backend->scale_rows(gx, beta, 1, s, gy, own->B, own->n);
    hidi_real *gs = hidi_grad_of(node, 1, &beta);
    if (gs != NULL)
        backend->dot_rows(gs, beta, 1, x, gy, own->B, own->n);
}

static const hidi_op op_scale_samples = {"scale_samples", scale_samples_forward, scale_samples_jvp,
                                         scale_samples_vjp, NULL};

hidi_var *hidi_scale_samples(hidi_tape *tape, hidi_var *x, hidi_var *s)
{
    const hidi_node node = {.op = &op_scale_samples, .n_in = 2, .in = {x, s}};
    if (!hidi_node_ready(tape, &node, 2))
        return NULL;
    if (x->shape.rank < 1 || s->shape.rank != 1 || s->shape.dim[0] != x->shape.dim[0])
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_SHAPE,
                                               "scale_samples: x %s needs one factor per sample, "
                                               "s is %s", hidi_shape_text(x->shape),
                                               hidi_shape_text(s->shape)));
    const struct scale_samples own = {.B = x->shape.dim[0], .n = sample_count(x->shape)};
    return hidi_apply(tape, &node, &own, sizeof own, x->shape, 0);
}

/* sum_samples, mean_samples: y_b = a sum_j x_bj,  x [B, n], a = 1 or 1/n.
 *
 *   dy_b = a sum_j dx_bj
 *   gx_bj += a gy_b
 *
 * Loops: backend/reference/rows.c, dot_rows, spread_rows.
 */
struct sum_samples {
    size_t B, n;
    hidi_real a;
};

static void sum_samples_forward(hidi_node *node, const hidi_backend *backend)
{
    const struct sum_samples *s = node->own;
    const hidi_real *x = hidi_value_of(node, 0);
    backend->dot_rows(node->out->value, 0, s->a, x, NULL, s->B, s->n);
}

static void sum_samples_jvp(hidi_node *node, const hidi_backend *backend)
{
    const struct sum_samples *s = node->own;
    hidi_real *dy = node->out->tangent, beta;
    const hidi_real *dx = hidi_tangent_of(node, 0, &beta);
    if (dx != NULL)
        backend->dot_rows(dy, beta, s->a, dx, NULL, s->B, s->n);
}

static void sum_samples_vjp(hidi_node *node, const hidi_backend *backend)
{
    const struct sum_samples *s = node->own;
    const hidi_real *gy = node->out->grad;
    hidi_real beta;
    hidi_real *gx = hidi_grad_of(node, 0, &beta);
    if (gx != NULL)
        backend->spread_rows(gx, beta, s->a, gy, s->B, s->n);
}

static const hidi_op op_sum_samples = {"sum_samples", sum_samples_forward, sum_samples_jvp,
                                       sum_samples_vjp, NULL};
static const hidi_op op_mean_samples = {"mean_samples", sum_samples_forward, sum_samples_jvp,
                                        sum_samples_vjp, NULL};

static hidi_var *apply_samples(hidi_tape *tape, const hidi_op *op, hidi_var *x, bool mean)
{
    const hidi_node node = {.op = op, .n_in = 1, .in = {x}};
    if (!hidi_node_ready(tape, &node, 1))
        return NULL;
    if (x->shape.rank < 1 || (mean && sample_count(x->shape) == 0))
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_SHAPE, "%s: x %s has no samples to reduce",
                                               op->name, hidi_shape_text(x->shape)));
    const size_t B = x->shape.dim[0], n = sample_count(x->shape);
    const struct sum_samples s = {.B = B, .n = n, .a = mean ? (hidi_real)1 / (hidi_real)n : 1};
    return hidi_apply(tape, &node, &s, sizeof s, hidi_shape1(B), 0);
}

hidi_var *hidi_sum_samples(hidi_tape *tape, hidi_var *x)
{
    return apply_samples(tape, &op_sum_samples, x, false);
}

hidi_var *hidi_mean_samples(hidi_tape *tape, hidi_var *x)
{
    return apply_samples(tape, &op_mean_samples, x, true);
}

/* sum, mean: y = a sum_i x_i,  x [n], a = 1 or 1/n, summed in double.
 *
 *   dy = a sum_i dx_i
 *   gx_i += a gy
 *
 * Loops: backend/reference/rows.c, dot, spread_rows.
 */
struct sum {
    size_t n;
    hidi_real a;
};

static void sum_forward(hidi_node *node, const hidi_backend *backend)
{
    const struct sum *s = node->own;
    const hidi_real *x = hidi_value_of(node, 0);
    backend->dot(node->out->value, 0, s->a, x, NULL, s->n);
}

static void sum_jvp(hidi_node *node, const hidi_backend *backend)
{
    const struct sum *s = node->own;
    hidi_real *dy = node->out->tangent, beta;
    const hidi_real *dx = hidi_tangent_of(node, 0, &beta);
    if (dx != NULL)
        backend->dot(dy, beta, s->a, dx, NULL, s->n);
}

static void sum_vjp(hidi_node *node, const hidi_backend *backend)
{
    const struct sum *s = node->own;
    const hidi_real *gy = node->out->grad;
    hidi_real beta;
    hidi_real *gx = hidi_grad_of(node, 0, &beta);
    if (gx != NULL)
        backend->spread_rows(gx, beta, s->a, gy, 1, s->n);
}

static const hidi_op op_sum = {"sum", sum_forward, sum_jvp, sum_vjp, NULL};
static const hidi_op op_mean = {"mean", sum_forward, sum_jvp, sum_vjp, NULL};

hidi_var *hidi_sum(hidi_tape *tape, hidi_var *x)
{
    const hidi_node node = {.op = &op_sum, .n_in = 1, .in = {x}};
    if (!hidi_node_ready(tape, &node, 1))
        return NULL;
    const struct sum s = {.n = hidi_count(x->shape), .a = 1};
    return hidi_apply(tape, &node, &s, sizeof s, hidi_shape0(), 0);
}

hidi_var *hidi_mean(hidi_tape *tape, hidi_var *x)
{
    const hidi_node node = {.op = &op_mean, .n_in = 1, .in = {x}};
    if (!hidi_node_ready(tape, &node, 1))
        return NULL;
    const size_t n = hidi_count(x->shape);
    if (n == 0)
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_SHAPE, "mean: x %s is empty",
                                               hidi_shape_text(x->shape)));
    const struct sum s = {.n = n, .a = (hidi_real)1 / (hidi_real)n};
    return hidi_apply(tape, &node, &s, sizeof s, hidi_shape0(), 0);
}
