/* linear.c - products with matrices: linear layers, batches of products; rows added to rows. */
#include "autograd/op.h"
#include "autograd/ops.h"
#include "core/threads.h"

/* linear: y = x w^T + b,  x [rows, in], w [out, in], b [out], y [rows, out].
 *
 *   dy = dx w^T + x dw^T + db
 *   gx += gy w,  gw += gy^T x,  gb += sum of gy's rows
 *
 * Loops: backend/reference/matrix.c, linear, gemm; rows.c, add_rows, sum_rows.
 */
struct linear {
    size_t rows, in, out;
};

static void linear_forward(hidi_node *node, const hidi_backend *backend)
{
    const struct linear *s = node->own;
    const hidi_real *x = hidi_value_of(node, 0), *w = hidi_value_of(node, 1);
    const hidi_real *b = hidi_value_of(node, 2);
    backend->linear(node->out->value, 0, x, w, b, s->rows, s->in, s->out);
}

static void linear_jvp(hidi_node *node, const hidi_backend *backend)
{
    const struct linear *s = node->own;
    const hidi_real *x = hidi_value_of(node, 0), *w = hidi_value_of(node, 1);
    hidi_real *dy = node->out->tangent, beta;
    const hidi_real *dx = hidi_tangent_of(node, 0, &beta);
    if (dx != NULL)
        backend->linear(dy, beta, dx, w, NULL, s->rows, s->in, s->out);
    const hidi_real *dw = hidi_tangent_of(node, 1, &beta);
    if (dw != NULL)
        backend->linear(dy, beta, x, dw, NULL, s->rows, s->in, s->out);
    const hidi_real *db = hidi_tangent_of(node, 2, &beta);
    if (db != NULL)
        backend->add_rows(dy, beta, db, 1, s->rows, s->out);
}

static void linear_vjp(hidi_node *node, const hidi_backend *backend)
{
    const struct linear *s = node->own;
    const size_t rows = s->rows, in = s->in, out = s->out;
    const hidi_real *x = hidi_value_of(node, 0), *w = hidi_value_of(node, 1);
    const hidi_real *gy = node->out->grad;
    hidi_real beta;
    hidi_real *gx = hidi_grad_of(node, 0, &beta);
    if (gx != NULL)
        backend->gemm(false, false, rows, in, out, 1, gy, out, w, in, beta, gx, in);
    hidi_real *gw = hidi_grad_of(node, 1, &beta);
    if (gw != NULL)
        backend->gemm(true, false, out, in, rows, 1, gy, out, x, in, beta, gw, in);
    hidi_real *gb = hidi_grad_of(node, 2, &beta);
    if (gb != NULL)
        backend->sum_rows(gb, beta, gy, 1, rows, out);
}

static const hidi_op op_linear = {"linear", linear_forward, linear_jvp, linear_vjp, NULL};

/* The same with a frozen w that is held in bfloat16.  It is expanded a panel at a time: of y some
 * columns need some rows of w, of gx some columns need those columns of w.  An element of either is
 * one sum, whatever the panels are; one panel is the same product as above.
 *
 * Loops: backend/reference/elementwise.c, from_bf16.
 */
struct linear_bf16 {
    const hidi_bf16 *w;
    size_t rows, in, out;
};

/* Elements of a panel.  On a thread that computes alone it is still in its cache when it is used;
 * where threads share a product they would wait for each other at every panel, so there are few. */
enum { PANEL = 1 << 18, SHARED_PANEL = 1 << 23 };

/* How many of the `all` rows, or columns, of `length` elements make a panel. */
static size_t panel_of(size_t length, size_t all)
{
    const size_t panel = hidi_is_serial() ? PANEL : SHARED_PANEL;
    const size_t most = length < panel / 16 ? panel / (length + (length == 0)) / 16 * 16 : 16;
    return most < all ? most : all;
}

static size_t linear_bf16_scratch(const hidi_node *node, const hidi_backend *backend)
{
    const struct linear_bf16 *s = node->own;
    const size_t rows = panel_of(s->in, s->out) * s->in, columns = panel_of(s->out, s->in) * s->out;
    (void)backend;
    return rows > columns ? rows : columns;
}

/* y = beta y + x w^T + b */
static void multiply_by_panels(hidi_node *node, const hidi_backend *backend, hidi_real *y,
                               hidi_real beta, const hidi_real *x, const hidi_real *b)
{
    const struct linear_bf16 *s = node->own;
    const size_t rows = s->rows, in = s->in, out = s->out, width = panel_of(in, out);
    hidi_real *panel = node->scratch;
    if (width == out) {
        backend->from_bf16(panel, s->w, in, out, in);
        backend->linear(y, beta, x, panel, b, rows, in, out);
        return;
    }
    if (b != NULL) {
        backend->add_rows(y, beta, b, 1, rows, out);
        beta = 1;
    }
    for (size_t j = 0; j < out; j += width) {
        const size_t n = out - j < width ? out - j : width;
        backend->from_bf16(panel, s->w + j * in, in, n, in);
        backend->gemm(false, true, rows, n, in, 1, x, in, panel, in, beta, y + j, out);
    }
}

static void linear_bf16_forward(hidi_node *node, const hidi_backend *backend)
{
    const hidi_real *x = hidi_value_of(node, 0), *b = hidi_value_of(node, 1);
    multiply_by_panels(node, backend, node->out->value, 0, x, b);
}

static void linear_bf16_jvp(hidi_node *node, const hidi_backend *backend)
{
    const struct linear_bf16 *s = node->own;
    hidi_real *dy = node->out->tangent, beta;
    const hidi_real *dx = hidi_tangent_of(node, 0, &beta);
    if (dx != NULL)
        multiply_by_panels(node, backend, dy, beta, dx, NULL);
    const hidi_real *db = hidi_tangent_of(node, 1, &beta);
    if (db != NULL)
        backend->add_rows(dy, beta, db, 1, s->rows, s->out);
}

static void linear_bf16_vjp(hidi_node *node, const hidi_backend *backend)
{
    const struct linear_bf16 *s = node->own;
    const size_t rows = s->rows, in = s->in, out = s->out, width = panel_of(out, in);
    const hidi_real *gy = node->out->grad;
    hidi_real *panel = node->scratch, beta;
    hidi_real *gx = hidi_grad_of(node, 0, &beta);
    for (size_t j = 0; gx != NULL && j < in; j += width) {
        const size_t n = in - j < width ? in - j : width;
        backend->from_bf16(panel, s->w + j, in, out, n);
        backend->gemm(false, false, rows, n, out, 1, gy, out, panel, n, beta, gx + j, in);
    }
    hidi_real *gb = hidi_grad_of(node, 1, &beta);
    if (gb != NULL)
        backend->sum_rows(gb, beta, gy, 1, rows, out);
}

static const hidi_op op_linear_bf16 = {"linear", linear_bf16_forward, linear_bf16_jvp,
                                       linear_bf16_vjp, linear_bf16_scratch};

hidi_var *hidi_linear(hidi_tape *tape, hidi_var *x, hidi_var *w, hidi_var *b)
{
    const bool in_bf16 = w != NULL && w->bf16 != NULL;
    const hidi_node full = {.op = &op_linear, .n_in = 3, .in = {x, w, b}};
    const hidi_node halved = {.op = &op_linear_bf16, .n_in = 2, .in = {x, b}};
    const hidi_node node = in_bf16 ? halved : full;
    if (!hidi_node_ready(tape, &node, in_bf16 ? 1 : 2))
        return NULL;
    if (x->shape.rank < 1 || w->shape.rank != 2 || hidi_columns(x->shape) != w->shape.dim[1] ||
        (b != NULL && !hidi_same_shape(b->shape, hidi_shape1(w->shape.dim[0]))))
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_SHAPE,
                                               "linear: x %s, w %s and b %s are not [..., in], "
                                               "[out, in] and [out]", hidi_shape_text(x->shape),
                                               hidi_shape_text(w->shape),
                                               b != NULL ? hidi_shape_text(b->shape) : "(none)"));
    const struct linear s = {
        .rows = hidi_rows(x->shape), .in = w->shape.dim[1], .out = w->shape.dim[0]};
    hidi_shape shape = x->shape;
    shape.dim[shape.rank - 1] = s.out;
    if (in_bf16) {
        const struct linear_bf16 with_w = {w->bf16, s.rows, s.in, s.out};
        return hidi_apply(tape, &node, &with_w, sizeof with_w, shape, 0);
    }
    return hidi_apply(tape, &node, &s, sizeof s, shape, 0);
}

/* matmul: Y = X W for each of B matrices, where X [m, k] and W [k, n] are what lies in x and w, or
 * its transpose.
 *
 *   dY = dX W + X dW
 *   gX += gY W^T,  gW += X^T gY;  for a transposed input the transpose of that:
 *   gX^T += W gY^T,  gW^T += gY^T X
 *
 * Loops: backend/reference/matrix.c, gemm_batched.
 */
struct matmul {
    size_t B, m, n, k;
    bool transpose_x, transpose_w;
};

/* y = beta y + x w */
static void multiply(const struct matmul *s, const hidi_backend *backend, hidi_real *y,
                     hidi_real beta, const hidi_real *x, const hidi_real *w)
{
    backend->gemm_batched(s->transpose_x, s->transpose_w, s->m, s->n, s->k, 1, x, s->m * s->k, w,
                          s->k * s->n, beta, y, s->m * s->n, s->B);
}

static void matmul_forward(hidi_node *node, const hidi_backend *backend)
{
    const hidi_real *x = hidi_value_of(node, 0), *w = hidi_value_of(node, 1);
    multiply(node->own, backend, node->out->value, 0, x, w);
}

static void matmul_jvp(hidi_node *node, const hidi_backend *backend)
{
    const hidi_real *x = hidi_value_of(node, 0), *w = hidi_value_of(node, 1);
    hidi_real *dy = node->out->tangent, beta;
    const hidi_real *dx = hidi_tangent_of(node, 0, &beta);
    if (dx != NULL)
        multiply(node->own, backend, dy, beta, dx, w);
    const hidi_real *dw = hidi_tangent_of(node, 1, &beta);
    if (dw != NULL)
        multiply(node->own, backend, dy, beta, x, dw);
}

static void matmul_vjp(hidi_node *node, const hidi_backend *backend)
{
    const struct matmul *s = node->own;
    const size_t B = s->B, m = s->m, n = s->n, k = s->k;
    const bool tx = s->transpose_x, tw = s->transpose_w;
    const hidi_real *x = hidi_value_of(node, 0), *w = hidi_value_of(node, 1);
    const hidi_real *gy = node->out->grad;
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
    const hidi_node node = {.op = &op_matmul, .n_in = 2, .in = {x, w}};
    if (!hidi_node_ready(tape, &node, 2))
        return NULL;
    const size_t *dx = x->shape.dim, *dw = w->shape.dim;
    const struct matmul s = {.B = dx[0],
                             .m = dx[transpose_x ? 2 : 1],
                             .n = dw[transpose_w ? 1 : 2],
                             .k = dx[transpose_x ? 1 : 2],
                             .transpose_x = transpose_x,
                             .transpose_w = transpose_w};
    if (x->shape.rank != 3 || w->shape.rank != 3 || dw[0] != s.B || dw[transpose_w ? 2 : 1] != s.k)
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_SHAPE,
                                               "matmul: x %s%s and w %s%s cannot be multiplied",
                                               hidi_shape_text(x->shape),
                                               transpose_x ? " transposed" : "",
                                               hidi_shape_text(w->shape),
                                               transpose_w ? " transposed" : ""));
    return hidi_apply(tape, &node, &s, sizeof s, hidi_shape3(s.B, s.m, s.n), 0);
}

/* add_rows: y_i = x_i + p_(i mod T),  x, y [rows, D], p [T, D].
 *
 *   dy_i = dx_i + dp_(i mod T)
 *   gx += gy,  gp_k += sum over i = k mod T of gy_i
 *
 * Loops: backend/reference/rows.c, add_rows, sum_rows.
 */
struct add_rows {
    size_t T, rows, D;
};

static void add_rows_forward(hidi_node *node, const hidi_backend *backend)
{
    const struct add_rows *s = node->own;
    const hidi_real *x = hidi_value_of(node, 0), *p = hidi_value_of(node, 1);
    hidi_real *y = node->out->value;
    backend->copy(y, x, s->rows * s->D);
    backend->add_rows(y, 1, p, s->T, s->rows, s->D);
}

static void add_rows_jvp(hidi_node *node, const hidi_backend *backend)
{
    const struct add_rows *s = node->own;
    hidi_real *dy = node->out->tangent, beta;
    const hidi_real *dx = hidi_tangent_of(node, 0, &beta);
    if (dx != NULL)
        backend->axpby(dy, beta, 1, dx, s->rows * s->D);
    const hidi_real *dp = hidi_tangent_of(node, 1, &beta);
    if (dp != NULL)
        backend->add_rows(dy, beta, dp, s->T, s->rows, s->D);
}

static void add_rows_vjp(hidi_node *node, const hidi_backend *backend)
{
    const struct add_rows *s = node->own;
    const hidi_real *gy = node->out->grad;
    hidi_real beta;
    hidi_real *gx = hidi_grad_of(node, 0, &beta);
    if (gx != NULL)
        backend->axpby(gx, beta, 1, gy, s->rows * s->D);
    hidi_real *gp = hidi_grad_of(node, 1, &beta);
    if (gp != NULL)
        backend->sum_rows(gp, beta, gy, s->T, s->rows, s->D);
}

static const hidi_op op_add_rows = {"add_rows", add_rows_forward, add_rows_jvp, add_rows_vjp, NULL};

hidi_var *hidi_add_rows(hidi_tape *tape, hidi_var *x, hidi_var *p)
{
    const hidi_node node = {.op = &op_add_rows, .n_in = 2, .in = {x, p}};
    if (!hidi_node_ready(tape, &node, 2))
        return NULL;
    const int rank = x->shape.rank;
    if (rank < 2 || p->shape.rank != 2 || p->shape.dim[1] != hidi_columns(x->shape) ||
        (p->shape.dim[0] != 1 && p->shape.dim[0] != x->shape.dim[rank - 2]))
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_SHAPE,
                                               "add_rows: x %s and p %s are not [..., T, D] and "
                                               "[T or 1, D]", hidi_shape_text(x->shape),
                                               hidi_shape_text(p->shape)));
    const struct add_rows s = {
        .T = p->shape.dim[0], .rows = hidi_rows(x->shape), .D = p->shape.dim[1]};
    return hidi_apply(tape, &node, &s, sizeof s, x->shape, 0);
}
