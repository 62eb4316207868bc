/* norm.c - layer normalisation; adaLN's modulation and gate (Peebles & Xie, arXiv 2212.09748). */
#include "autograd/op.h"
#include "autograd/ops.h"

/* layer_norm: y = g xhat + b,  xhat = (x - mean) rstd,  rstd = 1 / sqrt(variance + eps),
 * x, y [rows, D], g, b [D]; without g it counts as 1, without b as 0.
 *
 *   J d = rstd (d - mean(d) - xhat mean(xhat d)),  symmetric
 *   dy = g (J dx) + dg xhat + db
 *   gx += J (g gy),  gg += sum over rows of xhat gy,  gb += sum over rows of gy
 *
 * Forward keeps rstd [rows], and behind it xhat [rows, D] unless y is xhat; the scratch holds J dx
 * or g gy where there is a g.  A map of columns (g xhat + b) is a modulation with all rows in one
 * sample.
 * Loops: backend/reference/norm.c, layer_norm, layer_norm_jacobian, layer_norm_modulate, modulate,
 * sum_tokens; rows.c, add_rows, sum_rows.
 */
struct layer_norm {
    size_t rows, D;
    hidi_real eps;
};

static bool is_affine(const hidi_node *node)
{
    return node->in[1] != NULL || node->in[2] != NULL;
}

static hidi_real *layer_norm_xhat(const hidi_node *node)
{
    const struct layer_norm *s = node->own;
    return is_affine(node) ? node->saved + s->rows : node->out->value;
}

static size_t layer_norm_scratch(const hidi_node *node, const hidi_backend *backend)
{
    const struct layer_norm *s = node->own;
    (void)backend;
    return node->in[1] != NULL ? s->rows * s->D : 0;
}

static void layer_norm_forward(hidi_node *node, const hidi_backend *backend)
{
    const struct layer_norm *s = node->own;
    const hidi_real *x = hidi_value_of(node, 0), *g = hidi_value_of(node, 1);
    const hidi_real *b = hidi_value_of(node, 2);
    hidi_real *y = node->out->value, *xhat = layer_norm_xhat(node), *rstd = node->saved;
    const hidi_real offset = g != NULL ? 0 : 1;
    if (is_affine(node))
        backend->layer_norm_modulate(y, xhat, rstd, x, s->eps, offset, g, b, 1, s->rows, s->D);
    else
        backend->layer_norm(y, rstd, x, s->rows, s->D, s->eps);
}

static void layer_norm_jvp(hidi_node *node, const hidi_backend *backend)
{
    const struct layer_norm *s = node->own;
    const hidi_real *g = hidi_value_of(node, 1), *xhat = layer_norm_xhat(node), *rstd = node->saved;
    hidi_real *dy = node->out->tangent, *J_dx = node->scratch, beta;
    const hidi_real *dx = hidi_tangent_of(node, 0, &beta);
    if (dx != NULL && g == NULL)
        backend->layer_norm_jacobian(dy, beta, xhat, rstd, dx, s->rows, s->D);
    if (dx != NULL && g != NULL) {
        backend->layer_norm_jacobian(J_dx, 0, xhat, rstd, dx, s->rows, s->D);
        backend->modulate(dy, beta, J_dx, 0, g, NULL, 1, s->rows, s->D);
    }
    const hidi_real *dg = hidi_tangent_of(node, 1, &beta);
    if (dg != NULL)
        backend->modulate(dy, beta, xhat, 0, dg, NULL, 1, s->rows, s->D);
    const hidi_real *db = hidi_tangent_of(node, 2, &beta);
    if (db != NULL)
        backend->add_rows(dy, beta, db, 1, s->rows, s->D);
}

static void layer_norm_vjp(hidi_node *node, const hidi_backend *backend)
{
    const struct layer_norm *s = node->own;
    const hidi_real *g = hidi_value_of(node, 1), *xhat = layer_norm_xhat(node), *rstd = node->saved;
    const hidi_real *gy = node->out->grad;
    hidi_real *g_gy = node->scratch, beta;
    hidi_real *gx = hidi_grad_of(node, 0, &beta);
    if (gx != NULL && g == NULL)
        backend->layer_norm_jacobian(gx, beta, xhat, rstd, gy, s->rows, s->D);
    if (gx != NULL && g != NULL) {
        backend->modulate(g_gy, 0, gy, 0, g, NULL, 1, s->rows, s->D);
        backend->layer_norm_jacobian(gx, beta, xhat, rstd, g_gy, s->rows, s->D);
    }
    hidi_real *gg = hidi_grad_of(node, 1, &beta);
    if (gg != NULL)
        backend->sum_tokens(gg, beta, xhat, gy, 1, s->rows, s->D);
    hidi_real *gb = hidi_grad_of(node, 2, &beta);
    if (gb != NULL)
        backend->sum_rows(gb, beta, gy, 1, s->rows, s->D);
}

static const hidi_op op_layer_norm = {"layer_norm", layer_norm_forward, layer_norm_jvp,
                                      layer_norm_vjp, layer_norm_scratch};

hidi_var *hidi_layer_norm(hidi_tape *tape, hidi_var *x, hidi_var *g, hidi_var *b, hidi_real eps)
{
    const hidi_node node = {.op = &op_layer_norm, .n_in = 3, .in = {x, g, b}};
    if (!hidi_node_ready(tape, &node, 1))
        return NULL;
    const struct layer_norm s = {
        .rows = hidi_rows(x->shape), .D = hidi_columns(x->shape), .eps = eps};
    if (x->shape.rank < 1 || (g != NULL && !hidi_same_shape(g->shape, hidi_shape1(s.D))) ||
        (b != NULL && !hidi_same_shape(b->shape, hidi_shape1(s.D))))
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_SHAPE,
                                               "layer_norm: x %s, g %s and b %s are not [..., D], "
                                               "[D] and [D]", hidi_shape_text(x->shape),
                                               g != NULL ? hidi_shape_text(g->shape) : "(none)",
                                               b != NULL ? hidi_shape_text(b->shape) : "(none)"));
    return hidi_apply(tape, &node, &s, sizeof s, x->shape,
                      s.rows + (is_affine(&node) ? s.rows * s.D : 0));
}

/* False after recording that two inputs of an adaLN op are not tokens [B, T, D] and the two others
 * not rows [B, D] (the same twice if the op has one of a kind). */
static bool adaln_fits(hidi_tape *tape, const hidi_node *node, const hidi_var *tokens,
                       const hidi_var *second_tokens, const hidi_var *row,
                       const hidi_var *second_row)
{
    const hidi_shape shape = tokens->shape;
    const hidi_shape row_shape = hidi_shape2(shape.dim[0], shape.dim[2]);
    if (shape.rank == 3 && hidi_same_shape(second_tokens->shape, shape) &&
        hidi_same_shape(row->shape, row_shape) && hidi_same_shape(second_row->shape, row_shape))
        return true;
    hidi_tape_fail(tape, hidi_error(HIDI_BAD_SHAPE,
                                    "%s: %s, %s and %s are not tokens [B, T, D] and rows [B, D]",
                                    node->op->name, hidi_shape_text(node->in[0]->shape),
                                    hidi_shape_text(node->in[1]->shape),
                                    hidi_shape_text(node->in[2]->shape)));
    return false;
}

/* adaln: y_t = xhat_t (1 + scale) + shift for each token t, xhat and J as above; in: x, shift,
 * scale.
 *
 *   dy_t = (J dx)_t (1 + scale) + xhat_t dscale + dshift
 *   gx += J (gy_t (1 + scale)),  gscale += sum_t xhat_t gy_t,  gshift += sum_t gy_t
 *
 * Forward keeps rstd [B, T] and xhat [B, T, D]; the scratch holds J dx or gy (1 + scale).
 * Loops: backend/reference/norm.c, layer_norm_modulate, layer_norm_jacobian, modulate, sum_tokens.
 */
struct adaln {
    size_t B, T, D;
    hidi_real eps;
};

static size_t adaln_scratch(const hidi_node *node, const hidi_backend *backend)
{
    const struct adaln *s = node->own;
    (void)backend;
    return s->B * s->T * s->D;
}

static void adaln_forward(hidi_node *node, const hidi_backend *backend)
{
    const struct adaln *s = node->own;
    const hidi_real *x = hidi_value_of(node, 0), *shift = hidi_value_of(node, 1);
    const hidi_real *scale = hidi_value_of(node, 2);
    hidi_real *y = node->out->value, *rstd = node->saved, *xhat = rstd + s->B * s->T;
    backend->layer_norm_modulate(y, xhat, rstd, x, s->eps, 1, scale, shift, s->B, s->T, s->D);
}

static void adaln_jvp(hidi_node *node, const hidi_backend *backend)
{
    const struct adaln *s = node->own;
    const hidi_real *scale = hidi_value_of(node, 2);
    const hidi_real *rstd = node->saved, *xhat = rstd + s->B * s->T;
    hidi_real *dy = node->out->tangent, *J_dx = node->scratch, beta;
    const hidi_real *dx = hidi_tangent_of(node, 0, &beta);
    if (dx != NULL) {
        backend->layer_norm_jacobian(J_dx, 0, xhat, rstd, dx, s->B * s->T, s->D);
        backend->modulate(dy, beta, J_dx, 1, scale, NULL, s->B, s->T, s->D);
    }
    /* the other two go in one pass over the tokens: a single contribution */
    const hidi_real *dscale = hidi_tangent_of(node, 2, &beta);
    const hidi_real *dshift = hidi_tangent_of(node, 1, dscale == NULL ? &beta : NULL);
    if (dscale != NULL || dshift != NULL)
        backend->modulate(dy, beta, xhat, 0, dscale, dshift, s->B, s->T, s->D);
}

static void adaln_vjp(hidi_node *node, const hidi_backend *backend)
{
    const struct adaln *s = node->own;
    const hidi_real *scale = hidi_value_of(node, 2);
    const hidi_real *rstd = node->saved, *xhat = rstd + s->B * s->T, *gy = node->out->grad;
    hidi_real *gxhat = node->scratch, beta;
    hidi_real *gx = hidi_grad_of(node, 0, &beta);
    if (gx != NULL) {
        backend->modulate(gxhat, 0, gy, 1, scale, NULL, s->B, s->T, s->D);
        backend->layer_norm_jacobian(gx, beta, xhat, rstd, gxhat, s->B * s->T, s->D);
    }
    hidi_real *gscale = hidi_grad_of(node, 2, &beta);
    if (gscale != NULL)
        backend->sum_tokens(gscale, beta, xhat, gy, s->B, s->T, s->D);
    hidi_real *gshift = hidi_grad_of(node, 1, &beta);
    if (gshift != NULL)
        backend->sum_tokens(gshift, beta, gy, NULL, s->B, s->T, s->D);
}

static const hidi_op op_adaln = {"adaln", adaln_forward, adaln_jvp, adaln_vjp, adaln_scratch};

hidi_var *hidi_adaln(hidi_tape *tape, hidi_var *x, hidi_var *shift, hidi_var *scale, hidi_real eps)
{
    const hidi_node node = {.op = &op_adaln, .n_in = 3, .in = {x, shift, scale}};
    if (!hidi_node_ready(tape, &node, 3) || !adaln_fits(tape, &node, x, x, shift, scale))
        return NULL;
    const size_t *dim = x->shape.dim;
    const struct adaln s = {.B = dim[0], .T = dim[1], .D = dim[2], .eps = eps};
    return hidi_apply(tape, &node, &s, sizeof s, x->shape, s.B * s.T + s.B * s.T * s.D);
}

/* gated_residual: y_t = x_t + gate h_t for each token t; in: x, gate, h.
 *
 *   dy_t = dx_t + gate dh_t + dgate h_t
 *   gx += gy,  gh_t += gate gy_t,  ggate += sum_t h_t gy_t
 *
 * Loops: backend/reference/norm.c, gated_residual, modulate, sum_tokens; elementwise.c, axpby.
 */
struct gated_residual {
    size_t B, T, D;
};

static void gated_residual_forward(hidi_node *node, const hidi_backend *backend)
{
    const struct gated_residual *s = node->own;
    const hidi_real *x = hidi_value_of(node, 0), *gate = hidi_value_of(node, 1);
    const hidi_real *h = hidi_value_of(node, 2);
    backend->gated_residual(node->out->value, x, gate, h, s->B, s->T, s->D);
}

static void gated_residual_jvp(hidi_node *node, const hidi_backend *backend)
{
    const struct gated_residual *s = node->own;
    const hidi_real *gate = hidi_value_of(node, 1), *h = hidi_value_of(node, 2);
    hidi_real *dy = node->out->tangent, beta;
    const hidi_real *dx = hidi_tangent_of(node, 0, &beta);
    if (dx != NULL)
        backend->axpby(dy, beta, 1, dx, s->B * s->T * s->D);
    const hidi_real *dh = hidi_tangent_of(node, 2, &beta);
    if (dh != NULL)
        backend->modulate(dy, beta, dh, 0, gate, NULL, s->B, s->T, s->D);
    const hidi_real *dgate = hidi_tangent_of(node, 1, &beta);
    if (dgate != NULL)
        backend->modulate(dy, beta, h, 0, dgate, NULL, s->B, s->T, s->D);
}

static void gated_residual_vjp(hidi_node *node, const hidi_backend *backend)
{
    const struct gated_residual *s = node->own;
    const hidi_real *gate = hidi_value_of(node, 1), *h = hidi_value_of(node, 2);
    const hidi_real *gy = node->out->grad;
    hidi_real beta;
    hidi_real *gx = hidi_grad_of(node, 0, &beta);
    if (gx != NULL)
        backend->axpby(gx, beta, 1, gy, s->B * s->T * s->D);
    hidi_real *gh = hidi_grad_of(node, 2, &beta);
    if (gh != NULL)
        backend->modulate(gh, beta, gy, 0, gate, NULL, s->B, s->T, s->D);
    hidi_real *ggate = hidi_grad_of(node, 1, &beta);
    if (ggate != NULL)
        backend->sum_tokens(ggate, beta, h, gy, s->B, s->T, s->D);
}

static const hidi_op op_gated_residual = {"gated_residual", gated_residual_forward,
                                          gated_residual_jvp, gated_residual_vjp, NULL};

hidi_var *hidi_gated_residual(hidi_tape *tape, hidi_var *x, hidi_var *gate, hidi_var *h)
{
    const hidi_node node = {.op = &op_gated_residual, .n_in = 3, .in = {x, gate, h}};
    if (!hidi_node_ready(tape, &node, 3) || !adaln_fits(tape, &node, x, h, gate, gate))
        return NULL;
    const size_t *dim = x->shape.dim;
    const struct gated_residual s = {.B = dim[0], .T = dim[1], .D = dim[2]};
    return hidi_apply(tape, &node, &s, sizeof s, x->shape, 0);
}
