/* linear.c - linear layers, batches of matrix products, and biases. */
#include "autograd/op.h"
#include "autograd/ops.h"

/* linear: y = x w^T + b,  x [rows, in], w [out, in], b [out], y [rows, out].
 *
 *   dy = dx w^T + x dw^T + db
 *   gx += gy w,  gw += gy^T x,  gb += sum of gy's rows
 */
enum { LINEAR_ROWS, LINEAR_IN, LINEAR_OUT }; /* node->size */

static void linear_forward(hidi_node *node, const hidi_backend *backend)
{
    const size_t *s = node->size;
    backend->linear(node->out->value, 0, node->in[0]->value, node->in[1]->value,
                    node->in[2] != NULL ? node->in[2]->value : NULL, s[LINEAR_ROWS], s[LINEAR_IN],
                    s[LINEAR_OUT]);
}

static void linear_jvp(hidi_node *node, const hidi_backend *backend)
{
    const size_t rows = node->size[LINEAR_ROWS], in = node->size[LINEAR_IN],
                 out = node->size[LINEAR_OUT];
    const hidi_real *dx = hidi_tangent_of(node, 0), *dw = hidi_tangent_of(node, 1),
                    *db = hidi_tangent_of(node, 2);
    hidi_real *dy = node->out->tangent, beta = 0;
    if (dx != NULL) {
        backend->linear(dy, beta, dx, node->in[1]->value, NULL, rows, in, out);
        beta = 1;
    }
    if (dw != NULL) {
        backend->linear(dy, beta, node->in[0]->value, dw, NULL, rows, in, out);
        beta = 1;
    }
    if (db != NULL)
        backend->add_rows(dy, beta, db, 1, rows, out);
}

static void linear_vjp(hidi_node *node, const hidi_backend *backend)
{
    const size_t rows = node->size[LINEAR_ROWS], in = node->size[LINEAR_IN],
                 out = node->size[LINEAR_OUT];
    const hidi_real *gy = node->out->grad;
    hidi_real beta;
    hidi_real *gx = hidi_grad_of(node, 0, &beta);
    if (gx != NULL)
        backend->gemm(false, false, rows, in, out, 1, gy, out, node->in[1]->value, in, beta, gx,
                      in);
    hidi_real *gw = hidi_grad_of(node, 1, &beta);
    if (gw != NULL)
        backend->gemm(true, false, out, in, rows, 1, gy, out, node->in[0]->value, in, beta, gw,
                      in);
    hidi_real *gb = hidi_grad_of(node, 2, &beta);
    if (gb != NULL)
        backend->sum_rows(gb, beta, gy, 1, rows, out);
}

static const hidi_op op_linear = {"linear", linear_forward, linear_jvp, linear_vjp, NULL};

hidi_var *hidi_linear(hidi_tape *tape, hidi_var *x, hidi_var *w, hidi_var *b)
{
    hidi_node node = {.op = &op_linear, .n_in = 3, .in = {x, w, b}};
    if (!hidi_node_ready(tape, &node, 2))
        return NULL;
    if (x->shape.rank < 1 || w->shape.rank != 2 || hidi_columns(x->shape) != w->shape.dim[1] ||
        (b != NULL && !hidi_same_shape(b->shape, hidi_shape1(w->shape.dim[0]))))
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_SHAPE,
                                               "linear: x %s, w %s and b %s are not [..., in], "
                                               "[out, in] and [out]", hidi_shape_text(x->shape),
                                               hidi_shape_text(w->shape),
                                               b != NULL ? hidi_shape_text(b->shape) : "(none)"));
    hidi_shape shape = x->shape;
    shape.dim[shape.rank - 1] = w->shape.dim[0];
    node.size[LINEAR_ROWS] = 1;
    for (int i = 0; i < shape.rank - 1; i++)
        node.size[LINEAR_ROWS] *= shape.dim[i];
    node.size[LINEAR_IN] = w->shape.dim[1];
    node.size[LINEAR_OUT] = w->shape.dim[0];
    return hidi_apply(tape, &node, shape, 0);
}

/* matmul: Y = X W for each of B matrices, where X [m, k] and W [k, n] are what lies in x and w, or
 * its transpose.
 *
 *   dY = dX W + X dW
 *   gX += gY W^T,  gW += X^T gY;  for a transposed input the transpose of that:
 *   gX^T += W gY^T,  gW^T += gY^T X
 */
enum { MATMUL_B, MATMUL_M, MATMUL_N, MATMUL_K, MATMUL_TX, MATMUL_TW }; /* node->size */

static void matmul_add(const hidi_node *node, const hidi_backend *backend, hidi_real *y,
                       hidi_real beta, const hidi_real *x, const hidi_real *w)
{
    const size_t B = node->size[MATMUL_B], m = node->size[MATMUL_M], n = node->size[MATMUL_N],
                 k = node->size[MATMUL_K];
    backend->gemm_batched(node->size[MATMUL_TX] != 0, node->size[MATMUL_TW] != 0, m, n, k, 1, x,
                          m * k, w, k * n, beta, y, m * n, B);
}

static void matmul_forward(hidi_node *node, const hidi_backend *backend)
{
    matmul_add(node, backend, node->out->value, 0, node->in[0]->value, node->in[1]->value);
}

static void matmul_jvp(hidi_node *node, const hidi_backend *backend)
{
    const hidi_real *dx = hidi_tangent_of(node, 0), *dw = hidi_tangent_of(node, 1);
    hidi_real beta = 0;
    if (dx != NULL) {
        matmul_add(node, backend, node->out->tangent, beta, dx, node->in[1]->value);
        beta = 1;
    }
    if (dw != NULL)
        matmul_add(node, backend, node->out->tangent, beta, node->in[0]->value, dw);
}

static void matmul_vjp(hidi_node *node, const hidi_backend *backend)
{
    const size_t B = node->size[MATMUL_B], m = node->size[MATMUL_M], n = node->size[MATMUL_N],
                 k = node->size[MATMUL_K];
    const bool tx = node->size[MATMUL_TX] != 0, tw = node->size[MATMUL_TW] != 0;
    const hidi_real *x = node->in[0]->value, *w = node->in[1]->value, *gy = node->out->grad;
    hidi_real beta;
    hidi_real *gx = hidi_grad_of(node, 0, &beta);
    if (gx != NULL && !tx)
        backend->gemm_batched(false, !tw, m, k, n, 1, gy, m * n, w, k * n, beta, gx, m * k, B);
    else if (gx != NULL)
        backend->gemm_batched(tw, true, k, m, n, 1, w, k * n, gy, m * n, beta, gx, m * k, B);
    hidi_real *gw = hidi_grad_of(node, 1, &beta);
    if (gw != NULL && !tw)
        backend->gemm_batched(!tx, false, k, n, m, 1, x, m * k, gy, m * n, beta, gw, k * n, B);
    else if (gw != NULL)
        backend->gemm_batched(true, tx, n, k, m, 1, gy, m * n, x, m * k, beta, gw, k * n, B);
}

static const hidi_op op_matmul = {"matmul", matmul_forward, matmul_jvp, matmul_vjp, NULL};

hidi_var *hidi_matmul(hidi_tape *tape, hidi_var *x, bool transpose_x, hidi_var *w, bool transpose_w)
{
    hidi_node node = {.op = &op_matmul, .n_in = 2, .in = {x, w}};
    if (!hidi_node_ready(tape, &node, 2))
        return NULL;
    const size_t *dx = x->shape.dim, *dw = w->shape.dim;
    const size_t m = dx[transpose_x ? 2 : 1], k = dx[transpose_x ? 1 : 2],
                 n = dw[transpose_w ? 1 : 2];
    if (x->shape.rank != 3 || w->shape.rank != 3 || dx[0] != dw[0] || k != dw[transpose_w ? 2 : 1])
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_SHAPE,
                                               "matmul: x %s%s and w %s%s cannot be multiplied",
                                               hidi_shape_text(x->shape),
                                               transpose_x ? " transposed" : "",
                                               hidi_shape_text(w->shape),
                                               transpose_w ? " transposed" : ""));
    node.size[MATMUL_B] = dx[0];
    node.size[MATMUL_M] = m;
    node.size[MATMUL_N] = n;
    node.size[MATMUL_K] = k;
    node.size[MATMUL_TX] = transpose_x;
    node.size[MATMUL_TW] = transpose_w;
    return hidi_apply(tape, &node, hidi_shape3(dx[0], m, n), 0);
}

/* add_rows: y_i = x_i + p_(i mod T),  x, y [rows, D], p [T, D].
 *
 *   dy_i = dx_i + dp_(i mod T)
 *   gx += gy,  gp_k += sum over i = k mod T of gy_i
 */
enum { ADD_T, ADD_ROWS, ADD_D }; /* node->size */

static void add_rows_forward(hidi_node *node, const hidi_backend *backend)
{
    const size_t *s = node->size;
    backend->copy(node->out->value, node->in[0]->value, s[ADD_ROWS] * s[ADD_D]);
    backend->add_rows(node->out->value, 1, node->in[1]->value, s[ADD_T], s[ADD_ROWS], s[ADD_D]);
}

static void add_rows_jvp(hidi_node *node, const hidi_backend *backend)
{
    const size_t *s = node->size;
    const hidi_real *dx = hidi_tangent_of(node, 0), *dp = hidi_tangent_of(node, 1);
    hidi_real beta = 0;
    if (dx != NULL) {
        backend->copy(node->out->tangent, dx, s[ADD_ROWS] * s[ADD_D]);
        beta = 1;
    }
    if (dp != NULL)
        backend->add_rows(node->out->tangent, beta, dp, s[ADD_T], s[ADD_ROWS], s[ADD_D]);
}

static void add_rows_vjp(hidi_node *node, const hidi_backend *backend)
{
    const size_t *s = node->size;
    hidi_real beta;
    hidi_real *gx = hidi_grad_of(node, 0, &beta);
    if (gx != NULL)
        backend->axpby(gx, beta, 1, node->out->grad, s[ADD_ROWS] * s[ADD_D]);
    hidi_real *gp = hidi_grad_of(node, 1, &beta);
    if (gp != NULL)
        backend->sum_rows(gp, beta, node->out->grad, s[ADD_T], s[ADD_ROWS], s[ADD_D]);
}

static const hidi_op op_add_rows = {"add_rows", add_rows_forward, add_rows_jvp, add_rows_vjp, NULL};

hidi_var *hidi_add_rows(hidi_tape *tape, hidi_var *x, hidi_var *p)
{
    hidi_node node = {.op = &op_add_rows, .n_in = 2, .in = {x, p}};
    if (!hidi_node_ready(tape, &node, 2))
        return NULL;
    const int rank = x->shape.rank;
    if (rank < 2 || p->shape.rank != 2 || p->shape.dim[1] != hidi_columns(x->shape) ||
        (p->shape.dim[0] != 1 && p->shape.dim[0] != x->shape.dim[rank - 2]))
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_SHAPE,
                                               "add_rows: x %s and p %s are not [..., T, D] and "
                                               "[T or 1, D]", hidi_shape_text(x->shape),
                                               hidi_shape_text(p->shape)));
    node.size[ADD_T] = p->shape.dim[0];
    node.size[ADD_ROWS] = hidi_rows(x->shape);
    node.size[ADD_D] = p->shape.dim[1];
    return hidi_apply(tape, &node, x->shape, 0);
}
