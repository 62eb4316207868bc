/* elementwise.c - y_i from x_i: sums, products and the maps of hidi_unary. */
#include "autograd/op.h"
#include "autograd/ops.h"

/* add, sub: z = x + a y,  a = +1 or -1.
 *
 *   dz = dx + a dy
 *   gx += gz,  gy += a gz
 *
 * Loops: backend/reference/elementwise.c, axpby.
 */
struct sum {
    hidi_real a;
};

static void sum_forward(hidi_node *node, const hidi_backend *backend)
{
    const struct sum *s = node->own;
    const size_t n = hidi_count(node->out->shape);
    const hidi_real *x = hidi_value_of(node, 0), *y = hidi_value_of(node, 1);
    hidi_real *z = node->out->value;
    backend->axpby(z, 0, 1, x, n);
    backend->axpby(z, 1, s->a, y, n);
}

static void sum_jvp(hidi_node *node, const hidi_backend *backend)
{
    const struct sum *s = node->own;
    const size_t n = hidi_count(node->out->shape);
    hidi_real *dz = node->out->tangent, beta;
    const hidi_real *dx = hidi_tangent_of(node, 0, &beta);
    if (dx != NULL)
        backend->axpby(dz, beta, 1, dx, n);
    const hidi_real *dy = hidi_tangent_of(node, 1, &beta);
    if (dy != NULL)
        backend->axpby(dz, beta, s->a, dy, n);
}

static void sum_vjp(hidi_node *node, const hidi_backend *backend)
{
    const struct sum *s = node->own;
    const size_t n = hidi_count(node->out->shape);
    const hidi_real *gz = node->out->grad;
    hidi_real beta;
    hidi_real *gx = hidi_grad_of(node, 0, &beta);
    if (gx != NULL)
        backend->axpby(gx, beta, 1, gz, n);
    hidi_real *gy = hidi_grad_of(node, 1, &beta);
    if (gy != NULL)
        backend->axpby(gy, beta, s->a, gz, n);
}

static const hidi_op op_add = {"add", sum_forward, sum_jvp, sum_vjp, NULL};
static const hidi_op op_sub = {"sub", sum_forward, sum_jvp, sum_vjp, NULL};

/* hidi_node_ready, for an op of two inputs of one shape. */
static bool pair_ready(hidi_tape *tape, const hidi_node *node)
{
    if (!hidi_node_ready(tape, node, 2))
        return false;
    const hidi_shape x = node->in[0]->shape, y = node->in[1]->shape;
    if (hidi_same_shape(x, y))
        return true;
    hidi_tape_fail(tape, hidi_error(HIDI_BAD_SHAPE, "%s: shapes %s and %s differ", node->op->name,
                                    hidi_shape_text(x), hidi_shape_text(y)));
    return false;
}

static hidi_var *apply_sum(hidi_tape *tape, const hidi_op *op, hidi_var *x, hidi_var *y,
                           hidi_real a)
{
    const hidi_node node = {.op = op, .n_in = 2, .in = {x, y}};
    if (!pair_ready(tape, &node))
        return NULL;
    const struct sum s = {.a = a};
    return hidi_apply(tape, &node, &s, sizeof s, x->shape, 0);
}

hidi_var *hidi_add(hidi_tape *tape, hidi_var *x, hidi_var *y)
{
    return apply_sum(tape, &op_add, x, y, 1);
}

hidi_var *hidi_sub(hidi_tape *tape, hidi_var *x, hidi_var *y)
{
    return apply_sum(tape, &op_sub, x, y, -1);
}

/* mul: z = x y.
 *
 *   dz = y dx + x dy
 *   gx += y gz,  gy += x gz
 *
 * Loops: backend/reference/elementwise.c, multiply.
 */
static void mul_forward(hidi_node *node, const hidi_backend *backend)
{
    const hidi_real *x = hidi_value_of(node, 0), *y = hidi_value_of(node, 1);
    backend->multiply(node->out->value, 0, 1, x, y, hidi_count(node->out->shape));
}

static void mul_jvp(hidi_node *node, const hidi_backend *backend)
{
    const size_t n = hidi_count(node->out->shape);
    const hidi_real *x = hidi_value_of(node, 0), *y = hidi_value_of(node, 1);
    hidi_real *dz = node->out->tangent, beta;
    const hidi_real *dx = hidi_tangent_of(node, 0, &beta);
    if (dx != NULL)
        backend->multiply(dz, beta, 1, y, dx, n);
    const hidi_real *dy = hidi_tangent_of(node, 1, &beta);
    if (dy != NULL)
        backend->multiply(dz, beta, 1, x, dy, n);
}

static void mul_vjp(hidi_node *node, const hidi_backend *backend)
{
    const size_t n = hidi_count(node->out->shape);
    const hidi_real *x = hidi_value_of(node, 0), *y = hidi_value_of(node, 1);
    const hidi_real *gz = node->out->grad;
    hidi_real beta;
    hidi_real *gx = hidi_grad_of(node, 0, &beta);
    if (gx != NULL)
        backend->multiply(gx, beta, 1, y, gz, n);
    hidi_real *gy = hidi_grad_of(node, 1, &beta);
    if (gy != NULL)
        backend->multiply(gy, beta, 1, x, gz, n);
}

static const hidi_op op_mul = {"mul", mul_forward, mul_jvp, mul_vjp, NULL};

hidi_var *hidi_mul(hidi_tape *tape, hidi_var *x, hidi_var *y)
{
    const hidi_node node = {.op = &op_mul, .n_in = 2, .in = {x, y}};
    return pair_ready(tape, &node) ? hidi_apply(tape, &node, NULL, 0, x->shape, 0) : NULL;
}

/* affine: y = a x + b,  a and b constant.
 *
 *   dy = a dx
 *   gx += a gy
 *
 * Loops: backend/reference/elementwise.c, axpby.
 */
struct affine {
    hidi_real a, b;
};

static void affine_forward(hidi_node *node, const hidi_backend *backend)
{
    const struct affine *s = node->own;
    const size_t n = hidi_count(node->out->shape);
    const hidi_real *x = hidi_value_of(node, 0);
    hidi_real *y = node->out->value;
    if (s->b != 0)
        backend->fill(y, s->b, n);
    backend->axpby(y, s->b != 0 ? 1 : 0, s->a, x, n);
}

static void affine_jvp(hidi_node *node, const hidi_backend *backend)
{
    const struct affine *s = node->own;
    hidi_real *dy = node->out->tangent, beta;
    const hidi_real *dx = hidi_tangent_of(node, 0, &beta);
    if (dx != NULL)
        backend->axpby(dy, beta, s->a, dx, hidi_count(node->out->shape));
}

static void affine_vjp(hidi_node *node, const hidi_backend *backend)
{
    const struct affine *s = node->own;
    const hidi_real *gy = node->out->grad;
    hidi_real beta;
    hidi_real *gx = hidi_grad_of(node, 0, &beta);
    if (gx != NULL)
        backend->axpby(gx, beta, s->a, gy, hidi_count(node->out->shape));
}

static const hidi_op op_affine = {"affine", affine_forward, affine_jvp, affine_vjp, NULL};

hidi_var *hidi_affine(hidi_tape *tape, hidi_var *x, hidi_real a, hidi_real b)
{
    const hidi_node node = {.op = &op_affine, .n_in = 1, .in = {x}};
    if (!hidi_node_ready(tape, &node, 1))
        return NULL;
    const struct affine s = {.a = a, .b = b};
    return hidi_apply(tape, &node, &s, sizeof s, x->shape, 0);
}

hidi_var *hidi_scale(hidi_tape *tape, hidi_var *x, hidi_real a)
{
    return hidi_affine(tape, x, a, 0);
}

/* The maps of hidi_unary: y = f(x).  The Jacobian is diagonal: jvp and vjp are one kernel.
 *
 *   dy = f'(x) dx
 *   gx += f'(x) gy
 *
 * Loops, and each f with its f': backend/reference/elementwise.c, unary, unary_jacobian.
 */
struct unary {
    hidi_unary f;
    hidi_real p[2]; /* parameters of f */
};

static void unary_forward(hidi_node *node, const hidi_backend *backend)
{
    const struct unary *s = node->own;
    const hidi_real *x = hidi_value_of(node, 0);
    backend->unary(s->f, node->out->value, x, hidi_count(node->out->shape), s->p);
}

static void unary_jvp(hidi_node *node, const hidi_backend *backend)
{
    const struct unary *s = node->own;
    const hidi_real *x = hidi_value_of(node, 0);
    hidi_real *dy = node->out->tangent, beta;
    const hidi_real *dx = hidi_tangent_of(node, 0, &beta);
    if (dx != NULL)
        backend->unary_jacobian(s->f, dy, beta, x, dx, hidi_count(node->out->shape), s->p);
}

static void unary_vjp(hidi_node *node, const hidi_backend *backend)
{
    const struct unary *s = node->own;
    const hidi_real *x = hidi_value_of(node, 0), *gy = node->out->grad;
    hidi_real beta;
    hidi_real *gx = hidi_grad_of(node, 0, &beta);
    if (gx != NULL)
        backend->unary_jacobian(s->f, gx, beta, x, gy, hidi_count(node->out->shape), s->p);
}

static const hidi_op op_unary[] = {
    [HIDI_GELU] = {"gelu", unary_forward, unary_jvp, unary_vjp, NULL},
    [HIDI_SILU] = {"silu", unary_forward, unary_jvp, unary_vjp, NULL},
    [HIDI_SOFTPLUS] = {"softplus", unary_forward, unary_jvp, unary_vjp, NULL},
    [HIDI_RELU] = {"relu", unary_forward, unary_jvp, unary_vjp, NULL},
    [HIDI_ABS] = {"abs", unary_forward, unary_jvp, unary_vjp, NULL},
    [HIDI_SQUARE] = {"square", unary_forward, unary_jvp, unary_vjp, NULL},
    [HIDI_EXP] = {"exp", unary_forward, unary_jvp, unary_vjp, NULL},
    [HIDI_POWER] = {"power", unary_forward, unary_jvp, unary_vjp, NULL},
};

static hidi_var *apply_unary(hidi_tape *tape, hidi_unary f, hidi_var *x, hidi_real c, hidi_real p)
{
    const hidi_node node = {.op = &op_unary[f], .n_in = 1, .in = {x}};
    if (!hidi_node_ready(tape, &node, 1))
        return NULL;
    const struct unary s = {.f = f, .p = {c, p}};
    return hidi_apply(tape, &node, &s, sizeof s, x->shape, 0);
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

hidi_var *hidi_exp(hidi_tape *tape, hidi_var *x)
{
    return apply_unary(tape, HIDI_EXP, x, 0, 0);
}

hidi_var *hidi_power(hidi_tape *tape, hidi_var *x, hidi_real c, hidi_real p)
{
    return apply_unary(tape, HIDI_POWER, x, c, p);
}
