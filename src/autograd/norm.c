/* norm.c - layer normalisation; adaLN's modulation and gate (Peebles & Xie, arXiv 2212.09748). */
#include "autograd/op.h"
#include "autograd/ops.h"

/* layer_norm: y = g x^ + b,  x^ = (x - mean) rstd,  rstd = 1 / sqrt(variance + eps),
 * x, y [rows, D], g, b [D]; without g it counts as 1, without b as 0.
 *
 *   J d = rstd (d - mean(d) - x^ mean(x^ d)),  symmetric
 *   dy = g (J dx) + dg x^ + db
 *   gx += J (g gy),  gg += sum over rows of x^ gy,  gb += sum over rows of gy
 *
 * saved[0]: rstd [rows], and x^ behind it unless y is x^.  A map of columns (g x^ + b) is a
 * modulation with all rows in one sample.
 */
static bool is_affine(const hidi_node *node)
{
    return node->in[1] != NULL || node->in[2] != NULL;
}

static hidi_real *normalised(const hidi_node *node)
{
    return is_affine(node) ? node->saved[0] + node->size[0] : node->out->value;
}

/* y = g x for each row, where there is a g */
static void multiply_by_g(const hidi_node *node, const hidi_backend *backend, hidi_real *y,
                          const hidi_real *x)
{
    backend->modulate(y, 0, x, 0, node->in[1]->value, NULL, 1, node->size[0], node->size[1]);
}

static size_t layer_norm_scratch(const hidi_node *node, const hidi_backend *backend)
{
    (void)backend;
    return node->in[1] != NULL ? node->size[0] * node->size[1] : 0;
}

static void layer_norm_forward(hidi_node *node, const hidi_backend *backend)
{
    const size_t rows = node->size[0], D = node->size[1];
    const hidi_var *g = node->in[1], *b = node->in[2];
    if (is_affine(node))
        backend->layer_norm_modulate(node->out->value, normalised(node), node->saved[0],
                                     node->in[0]->value, node->real[0], g != NULL ? 0 : 1,
                                     g != NULL ? g->value : NULL, b != NULL ? b->value : NULL, 1,
                                     rows, D);
    else
        backend->layer_norm(node->out->value, node->saved[0], node->in[0]->value, rows, D,
                            node->real[0]);
}

static void layer_norm_jvp(hidi_node *node, const hidi_backend *backend)
{
    const size_t rows = node->size[0], D = node->size[1];
    const hidi_real *dx = hidi_tangent_of(node, 0), *dg = hidi_tangent_of(node, 1),
                    *db = hidi_tangent_of(node, 2);
    hidi_real *dy = node->out->tangent, beta = 0;
    if (dx != NULL) {
        hidi_real *J_dx = node->in[1] != NULL ? node->saved[1] : dy;
        backend->layer_norm_jacobian(J_dx, 0, normalised(node), node->saved[0], dx, rows, D);
        if (node->in[1] != NULL)
            multiply_by_g(node, backend, dy, J_dx);
        beta = 1;
    }
    if (dg != NULL) {
        backend->modulate(dy, beta, normalised(node), 0, dg, NULL, 1, rows, D);
        beta = 1;
    }
    if (db != NULL)
        backend->add_rows(dy, beta, db, 1, rows, D);
}

static void layer_norm_vjp(hidi_node *node, const hidi_backend *backend)
{
    const size_t rows = node->size[0], D = node->size[1];
    const hidi_real *gy = node->out->grad;
    hidi_real beta;
    hidi_real *gx = hidi_grad_of(node, 0, &beta);
    if (gx != NULL) {
        const hidi_real *g_gy = gy;
        if (node->in[1] != NULL) {
            multiply_by_g(node, backend, node->saved[1], gy);
            g_gy = node->saved[1];
        }
        backend->layer_norm_jacobian(gx, beta, normalised(node), node->saved[0], g_gy, rows, D);
    }
    hidi_real *gg = hidi_grad_of(node, 1, &beta);
    if (gg != NULL)
        backend->sum_tokens(gg, beta, normalised(node), gy, 1, rows, D);
    hidi_real *gb = hidi_grad_of(node, 2, &beta);
    if (gb != NULL)
        backend->sum_rows(gb, beta, gy, 1, rows, D);
}

static const hidi_op op_layer_norm = {"layer_norm", layer_norm_forward, layer_norm_jvp,
                                      layer_norm_vjp, layer_norm_scratch};

hidi_var *hidi_layer_norm(hidi_tape *tape, hidi_var *x, hidi_var *g, hidi_var *b, hidi_real eps)
{
    hidi_node node = {.op = &op_layer_norm, .n_in = 3, .in = {x, g, b}, .real = {eps}};
    if (!hidi_node_ready(tape, &node, 1))
        return NULL;
    const hidi_shape row = hidi_shape1(hidi_columns(x->shape));
    if (x->shape.rank < 1 || (g != NULL && !hidi_same_shape(g->shape, row)) ||
        (b != NULL && !hidi_same_shape(b->shape, row)))
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_SHAPE,
                                               "layer_norm: x %s, g %s and b %s are not [..., D], "
                                               "[D] and [D]", hidi_shape_text(x->shape),
                                               g != NULL ? hidi_shape_text(g->shape) : "(none)",
                                               b != NULL ? hidi_shape_text(b->shape) : "(none)"));
    node.size[0] = hidi_rows(x->shape);
    node.size[1] = hidi_columns(x->shape);
    return hidi_apply(tape, &node, x->shape,
                      node.size[0] + (is_affine(&node) ? node.size[0] * node.size[1] : 0));
}

enum { ADALN_B, ADALN_T, ADALN_D }; /* node->size of the two adaLN ops */

/* Runs one of them: two inputs are tokens [B, T, D], two are rows [B, D] (the same twice if the op
 * has one of a kind). */
static hidi_var *apply_adaln(hidi_tape *tape, hidi_node *node, const hidi_var *tokens,
                             const hidi_var *second_tokens, const hidi_var *row,
                             const hidi_var *second_row, size_t n_saved)
{
    const hidi_shape shape = tokens->shape;
    const hidi_shape row_shape = hidi_shape2(shape.dim[0], shape.dim[2]);
    if (shape.rank != 3 || !hidi_same_shape(second_tokens->shape, shape) ||
        !hidi_same_shape(row->shape, row_shape) || !hidi_same_shape(second_row->shape, row_shape))
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_SHAPE,
                                               "%s: %s, %s and %s are not tokens [B, T, D] and "
                                               "rows [B, D]", node->op->name,
                                               hidi_shape_text(node->in[0]->shape),
                                               hidi_shape_text(node->in[1]->shape),
                                               hidi_shape_text(node->in[2]->shape)));
    node->size[ADALN_B] = shape.dim[0];
    node->size[ADALN_T] = shape.dim[1];
    node->size[ADALN_D] = shape.dim[2];
    return hidi_apply(tape, node, shape, n_saved);
}

/* adaln: y_t = x^_t (1 + scale) + shift for each token t, x^ and J as above; in: x, shift, scale.
 *
 *   dy_t = (J dx)_t (1 + scale) + x^_t dscale + dshift
 *   gx += J (gy_t (1 + scale)),  gscale += sum_t x^_t gy_t,  gshift += sum_t gy_t
 *
 * saved[0]: rstd [B, T] and x^ [B, T, D]; the scratch holds J dx or gy (1 + scale).
 */
static hidi_real *adaln_normalised(const hidi_node *node)
{
    return node->saved[0] + node->size[ADALN_B] * node->size[ADALN_T];
}

static size_t adaln_scratch(const hidi_node *node, const hidi_backend *backend)
{
    (void)backend;
    return node->size[ADALN_B] * node->size[ADALN_T] * node->size[ADALN_D];
}

static void adaln_forward(hidi_node *node, const hidi_backend *backend)
{
    const size_t *s = node->size;
    backend->layer_norm_modulate(node->out->value, adaln_normalised(node), node->saved[0],
                                 node->in[0]->value, node->real[0], 1, node->in[2]->value,
                                 node->in[1]->value, s[ADALN_B], s[ADALN_T], s[ADALN_D]);
}

static void adaln_jvp(hidi_node *node, const hidi_backend *backend)
{
    const size_t *s = node->size;
    const hidi_real *dx = hidi_tangent_of(node, 0), *dshift = hidi_tangent_of(node, 1),
                    *dscale = hidi_tangent_of(node, 2);
    hidi_real beta = 0;
    if (dx != NULL) {
        backend->layer_norm_jacobian(node->saved[1], 0, adaln_normalised(node), node->saved[0], dx,
                                     s[ADALN_B] * s[ADALN_T], s[ADALN_D]);
        backend->modulate(node->out->tangent, beta, node->saved[1], 1, node->in[2]->value, NULL,
                          s[ADALN_B], s[ADALN_T], s[ADALN_D]);
        beta = 1;
    }
    if (dscale != NULL || dshift != NULL)
        backend->modulate(node->out->tangent, beta, adaln_normalised(node), 0, dscale, dshift,
                          s[ADALN_B], s[ADALN_T], s[ADALN_D]);
}

static void adaln_vjp(hidi_node *node, const hidi_backend *backend)
{
    const size_t *s = node->size;
    const hidi_real *gy = node->out->grad;
    hidi_real beta;
    hidi_real *gx = hidi_grad_of(node, 0, &beta);
    if (gx != NULL) {
        backend->modulate(node->saved[1], 0, gy, 1, node->in[2]->value, NULL, s[ADALN_B],
                          s[ADALN_T], s[ADALN_D]);
        backend->layer_norm_jacobian(gx, beta, adaln_normalised(node), node->saved[0],
                                     node->saved[1], s[ADALN_B] * s[ADALN_T], s[ADALN_D]);
    }
    hidi_real *gscale = hidi_grad_of(node, 2, &beta);
    if (gscale != NULL)
        backend->sum_tokens(gscale, beta, adaln_normalised(node), gy, s[ADALN_B], s[ADALN_T],
                            s[ADALN_D]);
    hidi_real *gshift = hidi_grad_of(node, 1, &beta);
    if (gshift != NULL)
        backend->sum_tokens(gshift, beta, gy, NULL, s[ADALN_B], s[ADALN_T], s[ADALN_D]);
}

static const hidi_op op_adaln = {"adaln", adaln_forward, adaln_jvp, adaln_vjp, adaln_scratch};

hidi_var *hidi_adaln(hidi_tape *tape, hidi_var *x, hidi_var *shift, hidi_var *scale, hidi_real eps)
{
    hidi_node node = {.op = &op_adaln, .n_in = 3, .in = {x, shift, scale}, .real = {eps}};
    if (!hidi_node_ready(tape, &node, 3))
        return NULL;
    return apply_adaln(tape, &node, x, x, shift, scale, hidi_rows(x->shape) + hidi_count(x->shape));
}

/* gated_residual: y_t = x_t + gate h_t for each token t; in: x, gate, h.
 *
 *   dy_t = dx_t + gate dh_t + dgate h_t
 *   gx += gy,  gh_t += gate gy_t,  ggate += sum_t h_t gy_t
 */
static void gated_residual_forward(hidi_node *node, const hidi_backend *backend)
{
    const size_t *s = node->size;
    backend->gated_residual(node->out->value, node->in[0]->value, node->in[1]->value,
                            node->in[2]->value, s[ADALN_B], s[ADALN_T], s[ADALN_D]);
}

static void gated_residual_jvp(hidi_node *node, const hidi_backend *backend)
{
    const size_t B = node->size[ADALN_B], T = node->size[ADALN_T], D = node->size[ADALN_D];
    const hidi_real *dx = hidi_tangent_of(node, 0), *dgate = hidi_tangent_of(node, 1),
                    *dh = hidi_tangent_of(node, 2);
    hidi_real *dy = node->out->tangent, beta = 0;
    if (dx != NULL) {
        backend->copy(dy, dx, B * T * D);
        beta = 1;
    }
    if (dh != NULL) {
        backend->modulate(dy, beta, dh, 0, node->in[1]->value, NULL, B, T, D);
        beta = 1;
    }
    if (dgate != NULL)
        backend->modulate(dy, beta, node->in[2]->value, 0, dgate, NULL, B, T, D);
}

static void gated_residual_vjp(hidi_node *node, const hidi_backend *backend)
{
    const size_t B = node->size[ADALN_B], T = node->size[ADALN_T], D = node->size[ADALN_D];
    const hidi_real *gy = node->out->grad;
    hidi_real beta;
    hidi_real *gx = hidi_grad_of(node, 0, &beta);
    if (gx != NULL)
        backend->axpby(gx, beta, 1, gy, B * T * D);
    hidi_real *gh = hidi_grad_of(node, 2, &beta);
    if (gh != NULL)
        backend->modulate(gh, beta, gy, 0, node->in[1]->value, NULL, B, T, D);
    hidi_real *ggate = hidi_grad_of(node, 1, &beta);
    if (ggate != NULL)
        backend->sum_tokens(ggate, beta, node->in[2]->value, gy, B, T, D);
}

static const hidi_op op_gated_residual = {"gated_residual", gated_residual_forward,
                                          gated_residual_jvp, gated_residual_vjp, NULL};

hidi_var *hidi_gated_residual(hidi_tape *tape, hidi_var *x, hidi_var *gate, hidi_var *h)
{
    hidi_node node = {.op = &op_gated_residual, .n_in = 3, .in = {x, gate, h}};
    if (!hidi_node_ready(tape, &node, 3))
        return NULL;
    return apply_adaln(tape, &node, x, h, gate, gate, 0);
}
