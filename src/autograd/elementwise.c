/* elementwise.c - y_i from x_i: sums, products and the maps of hidi_unary. */
#include "autograd/op.h"
#include "autograd/ops.h"

/* add, sub: out = x + s y,  s = +1 or -1.
 *
 *   dout = dx + s dy
 *   gx += gout,  gy += s gout
 */
static void sum_forward(hidi_node *node, const hidi_backend *backend)
{
    const size_t n = hidi_count(node->out->shape);
    backend->axpby(node->out->value, 0, 1, node->in[0]->value, n);
    backend->axpby(node->out->value, 1, node->real[0], node->in[1]->value, n);
}

static void sum_jvp(hidi_node *node, const hidi_backend *backend)
{
    const size_t n = hidi_count(node->out->shape);
    const hidi_real *dx = hidi_tangent_of(node, 0), *dy = hidi_tangent_of(node, 1);
    hidi_real beta = 0;
    if (dx != NULL) {
        backend->axpby(node->out->tangent, beta, 1, dx, n);
        beta = 1;
    }
    if (dy != NULL)
        backend->axpby(node->out->tangent, beta, node->real[0], dy, n);
}

static void sum_vjp(hidi_node *node, const hidi_backend *backend)
{
    const size_t n = hidi_count(node->out->shape);
    hidi_real beta;
    hidi_real *gx = hidi_grad_of(node, 0, &beta);
    if (gx != NULL)
        backend->axpby(gx, beta, 1, node->out->grad, n);
    hidi_real *gy = hidi_grad_of(node, 1, &beta);
    if (gy != NULL)
        backend->axpby(gy, beta, node->real[0], node->out->grad, n);
}

static const hidi_op op_add = {"add", sum_forward, sum_jvp, sum_vjp, NULL};
static const hidi_op op_sub = {"sub", sum_forward, sum_jvp, sum_vjp, NULL};

/* An op of two inputs of one shape. */
static hidi_var *apply_pair(hidi_tape *tape, const hidi_node *node)
{
    if (!hidi_node_ready(tape, node, 2))
        return NULL;
    if (!hidi_same_shape(node->in[0]->shape, node->in[1]->shape))
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_SHAPE, "%s: shapes %s and %s differ",
                                               node->op->name, hidi_shape_text(node->in[0]->shape),
                                               hidi_shape_text(node->in[1]->shape)));
    return hidi_apply(tape, node, node->in[0]->shape, 0);
}

hidi_var *hidi_add(hidi_tape *tape, hidi_var *x, hidi_var *y)
{
    return apply_pair(tape, &(hidi_node){.op = &op_add, .n_in = 2, .in = {x, y}, .real = {1}});
}

hidi_var *hidi_sub(hidi_tape *tape, hidi_var *x, hidi_var *y)
{
    return apply_pair(tape, &(hidi_node){.op = &op_sub, .n_in = 2, .in = {x, y}, .real = {-1}});
}

/* mul: out = x y.
 *
 *   dout = y dx + x dy
 *   gx += y gout,  gy += x gout
 */
static void mul_forward(hidi_node *node, const hidi_backend *backend)
{
    backend->multiply(node->out->value, 0, 1, node->in[0]->value, node->in[1]->value,
                      hidi_count(node->out->shape));
}

static void mul_jvp(hidi_node *node, const hidi_backend *backend)
{
    const size_t n = hidi_count(node->out->shape);
    const hidi_real *dx = hidi_tangent_of(node, 0), *dy = hidi_tangent_of(node, 1);
    hidi_real beta = 0;
    if (dx != NULL) {
        backend->multiply(node->out->tangent, beta, 1, node->in[1]->value, dx, n);
        beta = 1;
    }
    if (dy != NULL)
        backend->multiply(node->out->tangent, beta, 1, node->in[0]->value, dy, n);
}

static void mul_vjp(hidi_node *node, const hidi_backend *backend)
{
    const size_t n = hidi_count(node->out->shape);
    hidi_real beta;
    hidi_real *gx = hidi_grad_of(node, 0, &beta);
    if (gx != NULL)
        backend->multiply(gx, beta, 1, node->in[1]->value, node->out->grad, n);
    hidi_real *gy = hidi_grad_of(node, 1, &beta);
    if (gy != NULL)
        backend->multiply(gy, beta, 1, node->in[0]->value, node->out->grad, n);
}

static const hidi_op op_mul = {"mul", mul_forward, mul_jvp, mul_vjp, NULL};

hidi_var *hidi_mul(hidi_tape *tape, hidi_var *x, hidi_var *y)
{
    return apply_pair(tape, &(hidi_node){.op = &op_mul, .n_in = 2, .in = {x, y}});
}

/* affine: y = a x + b,  a and b constant.
 *
 *   dy = a dx
 *   gx += a gy
 */
static void affine_forward(hidi_node *node, const hidi_backend *backend)
{
    const size_t n = hidi_count(node->out->shape);
    const hidi_real a = node->real[0], b = node->real[1];
    if (b != 0)
        backend->fill(node->out->value, b, n);
    backend->axpby(node->out->value, b != 0 ? 1 : 0, a, node->in[0]->value, n);
}

static void affine_jvp(hidi_node *node, const hidi_backend *backend)
{
    backend->axpby(node->out->tangent, 0, node->real[0], hidi_tangent_of(node, 0),
                   hidi_count(node->out->shape));
}

static void affine_vjp(hidi_node *node, const hidi_backend *backend)
{
    hidi_real beta;
    hidi_real *gx = hidi_grad_of(node, 0, &beta);
    if (gx != NULL)
        backend->axpby(gx, beta, node->real[0], node->out->grad, hidi_count(node->out->shape));
}

static const hidi_op op_affine = {"affine", affine_forward, affine_jvp, affine_vjp, NULL};

hidi_var *hidi_affine(hidi_tape *tape, hidi_var *x, hidi_real a, hidi_real b)
{
    const hidi_node node = {.op = &op_affine, .n_in = 1, .in = {x}, .real = {a, b}};
    if (!hidi_node_ready(tape, &node, 1))
        return NULL;
    return hidi_apply(tape, &node, x->shape, 0);
}

hidi_var *hidi_scale(hidi_tape *tape, hidi_var *x, hidi_real a)
{
    return hidi_affine(tape, x, a, 0);
}

/* The maps of hidi_unary: y = f(x).  The Jacobian is diagonal: jvp and vjp are one kernel.
 *
 *   dy = f'(x) dx
 *   gx += f'(x) gy
 */
static void unary_forward(hidi_node *node, const hidi_backend *backend)
{
    backend->unary((hidi_unary)node->kind, node->out->value, node->in[0]->value,
                   hidi_count(node->out->shape), node->real);
}

static void unary_jvp(hidi_node *node, const hidi_backend *backend)
{
    backend->unary_jacobian((hidi_unary)node->kind, node->out->tangent, 0, node->in[0]->value,
                            hidi_tangent_of(node, 0), hidi_count(node->out->shape), node->real);
}

static void unary_vjp(hidi_node *node, const hidi_backend *backend)
{
    hidi_real beta;
    hidi_real *gx = hidi_grad_of(node, 0, &beta);
    if (gx != NULL)
        backend->unary_jacobian((hidi_unary)node->kind, gx, beta, node->in[0]->value,
                                node->out->grad, hidi_count(node->out->shape), node->real);
}

static const hidi_op op_unary[] = {
    [HIDI_GELU] = {"gelu", unary_forward, unary_jvp, unary_vjp, NULL},
    [HIDI_SILU] = {"silu", unary_forward, unary_jvp, unary_vjp, NULL},
    [HIDI_SOFTPLUS] = {"softplus", unary_forward, unary_jvp, unary_vjp, NULL},
    [HIDI_RELU] = {"relu", unary_forward, unary_jvp, unary_vjp, NULL},
    [HIDI_ABS] = {"abs", unary_forward, unary_jvp, unary_vjp, NULL},
    [HIDI_SQUARE] = {"square", unary_forward, unary_jvp, unary_vjp, NULL},
    [HIDI_POWER] = {"power", unary_forward, unary_jvp, unary_vjp, NULL},
};

static hidi_var *apply_unary(hidi_tape *tape, hidi_unary f, hidi_var *x, hidi_real c, hidi_real p)
{
    const hidi_node node = {
        .op = &op_unary[f], .n_in = 1, .in = {x}, .real = {c, p}, .kind = (int)f};
    if (!hidi_node_ready(tape, &node, 1))
        return NULL;
    return hidi_apply(tape, &node, x->shape, 0);
}

hidi_var *hidi_gelu(hidi_tape *tape, hidi_var *x)
{
    return apply_unary(tape, HIDI_GELU, x, 0, 0);
}

hidi_var *hidi_silu(hidi_tape *tape, hidi_var *x)
{
    return apply_unary(tape, HIDI_SILU, x, 0, 0);
}

hidi_var *hidi_softplus(hidi_tape *tape, hidi_var *x)
{
    return apply_unary(tape, HIDI_SOFTPLUS, x, 0, 0);
}

hidi_var *hidi_relu(hidi_tape *tape, hidi_var *x)
{
    return apply_unary(tape, HIDI_RELU, x, 0, 0);
}

hidi_var *hidi_abs(hidi_tape *tape, hidi_var *x)
{
    return apply_unary(tape, HIDI_ABS, x, 0, 0);
}

hidi_var *hidi_square(hidi_tape *tape, hidi_var *x)
{
    return apply_unary(tape, HIDI_SQUARE, x, 0, 0);
}

hidi_var *hidi_power(hidi_tape *tape, hidi_var *x, hidi_real c, hidi_real p)
{
    return apply_unary(tape, HIDI_POWER, x, c, p);
}
