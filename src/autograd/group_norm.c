/* group_norm.c - group normalisation of images (Wu & He, arXiv 1803.08494). */
#include "autograd/op.h"
#include "autograd/ops.h"

/* group_norm: y = g xhat + b,  xhat = (x - mean) rstd,  rstd = 1 / sqrt(variance + eps), with mean
 * and variance over the channels of a group and their pixels; x, y [B, C, H, W], g, b [C].
 *
 *   J d = rstd (d - mean(d) - xhat mean(xhat d)),  symmetric
 *   dy = g (J dx) + dg xhat + db
 *   gx += J (g gy),  gg += sum over samples and pixels of xhat gy,  gb += the same of gy
 *
 * A group's channels lie one after the other: J is layer norm's, on rows of C / groups channels.
 * Forward keeps rstd [B groups] and behind it xhat [B, C, H, W]; where neither jvp nor vjp will ask
 * for it, xhat is scaled in place.  The scratch holds J dx or g gy.
 * Loops: backend/reference/norm.c, layer_norm, layer_norm_jacobian; image.c, scale_channels,
 * dot_channels, add_channels, sum_channels.
 */
struct group_norm {
    size_t B, C, pixels;
    size_t rows, n; /* B groups; elements of a group */
    bool keeps;     /* xhat, behind rstd             */
    hidi_real eps;
};

static size_t group_norm_scratch(const hidi_node *node, const hidi_backend *backend)
{
    const struct group_norm *s = node->own;
    (void)backend;
    return s->keeps ? s->rows * s->n : 0;
}

static void group_norm_forward(hidi_node *node, const hidi_backend *backend)
{
    const struct group_norm *s = node->own;
    const hidi_real *x = hidi_value_of(node, 0), *g = hidi_value_of(node, 1);
    const hidi_real *b = hidi_value_of(node, 2);
    hidi_real *y = node->out->value, *rstd = node->saved, *xhat = s->keeps ? rstd + s->rows : y;
    backend->layer_norm(xhat, rstd, x, s->rows, s->n, s->eps);
    backend->scale_channels(y, 0, xhat, g, b, s->B, s->C, s->pixels);
}

static void group_norm_jvp(hidi_node *node, const hidi_backend *backend)
{
    const struct group_norm *s = node->own;
    const hidi_real *g = hidi_value_of(node, 1), *rstd = node->saved, *xhat = rstd + s->rows;
    hidi_real *dy = node->out->tangent, *J_dx = node->scratch, beta;
    const hidi_real *dx = hidi_tangent_of(node, 0, &beta);
    if (dx != NULL) {
        backend->layer_norm_jacobian(J_dx, 0, xhat, rstd, dx, s->rows, s->n);
        backend->scale_channels(dy, beta, J_dx, g, NULL, s->B, s->C, s->pixels);
    }
    const hidi_real *dg = hidi_tangent_of(node, 1, &beta);
    if (dg != NULL)
        backend->scale_channels(dy, beta, xhat, dg, NULL, s->B, s->C, s->pixels);
    const hidi_real *db = hidi_tangent_of(node, 2, &beta);
    if (db != NULL)
        backend->add_channels(dy, beta, db, s->B, s->C, s->pixels);
}

static void group_norm_vjp(hidi_node *node, const hidi_backend *backend)
{
    const struct group_norm *s = node->own;
    const hidi_real *g = hidi_value_of(node, 1), *rstd = node->saved, *xhat = rstd + s->rows;
    const hidi_real *gy = node->out->grad;
    hidi_real *g_gy = node->scratch, beta;
    hidi_real *gx = hidi_grad_of(node, 0, &beta);
    if (gx != NULL) {
        backend->scale_channels(g_gy, 0, gy, g, NULL, s->B, s->C, s->pixels);
        backend->layer_norm_jacobian(gx, beta, xhat, rstd, g_gy, s->rows, s->n);
    }
    hidi_real *gg = hidi_grad_of(node, 1, &beta);
    if (gg != NULL)
        backend->dot_channels(gg, beta, xhat, gy, s->B, s->C, s->pixels);
    hidi_real *gb = hidi_grad_of(node, 2, &beta);
    if (gb != NULL)
        backend->sum_channels(gb, beta, gy, s->B, s->C, s->pixels);
}

static const hidi_op op_group_norm = {"group_norm", group_norm_forward, group_norm_jvp,
                                      group_norm_vjp, group_norm_scratch};

static bool is_differentiated(const hidi_node *node)
{
    for (int i = 0; i < node->n_in; i++)
        if (node->in[i]->tangent != NULL || node->in[i]->needs_grad)
            return true;
    return false;
}

hidi_var *hidi_group_norm(hidi_tape *tape, hidi_var *x, size_t groups, hidi_var *g, hidi_var *b,
                          hidi_real eps)
{
    const hidi_node node = {.op = &op_group_norm, .n_in = 3, .in = {x, g, b}};
    if (!hidi_node_ready(tape, &node, 3))
        return NULL;
    const size_t *dim = x->shape.dim;
    if (x->shape.rank != 4 || groups == 0 || dim[1] % groups != 0 ||
        !hidi_same_shape(g->shape, hidi_shape1(dim[1])) ||
        !hidi_same_shape(b->shape, hidi_shape1(dim[1])))
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_SHAPE,
                                               "group_norm: x %s, g %s and b %s are not "
                                               "[B, C, H, W], [C] and [C] with C a multiple of %zu "
                                               "groups", hidi_shape_text(x->shape),
                                               hidi_shape_text(g->shape), hidi_shape_text(b->shape),
                                               groups));
    struct group_norm s = {.B = dim[0], .C = dim[1], .pixels = dim[2] * dim[3], .eps = eps};
    s.rows = s.B * groups;
    s.n = s.C / groups * s.pixels;
    s.keeps = is_differentiated(&node);
    return hidi_apply(tape, &node, &s, sizeof s, x->shape, s.rows + (s.keeps ? s.rows * s.n : 0));
}
