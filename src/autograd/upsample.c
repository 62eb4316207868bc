/* upsample.c - nearest-neighbour upsampling of images. */
#include "autograd/op.h"
#include "autograd/ops.h"

/* upsample2: y = U x,  y[b, c, i, j] = x[b, c, i / 2, j / 2];  x [B, C, H, W], y [B, C, 2 H, 2 W].
 *
 *   dy = U dx
 *   gx += U^T gy, the sums of 2 x 2 pixels
 *
 * Loops: backend/reference/image.c, upsample2, upsample2_vjp.
 */
struct upsample2 {
    size_t planes, H, W;
};

static void upsample2_forward(hidi_node *node, const hidi_backend *backend)
{
    const struct upsample2 *s = node->own;
    backend->upsample2(node->out->value, 0, hidi_value_of(node, 0), s->planes, s->H, s->W);
}

static void upsample2_jvp(hidi_node *node, const hidi_backend *backend)
{
    const struct upsample2 *s = node->own;
    hidi_real *dy = node->out->tangent, beta;
    const hidi_real *dx = hidi_tangent_of(node, 0, &beta);
    if (dx != NULL)
        backend->upsample2(dy, beta, dx, s->planes, s->H, s->W);
}

static void upsample2_vjp(hidi_node *node, const hidi_backend *backend)
{
    const struct upsample2 *s = node->own;
    const hidi_real *gy = node->out->grad;
    hidi_real beta;
    hidi_real *gx = hidi_grad_of(node, 0, &beta);
    if (gx != NULL)
        backend->upsample2_vjp(gx, beta, gy, s->planes, s->H, s->W);
}

static const hidi_op op_upsample2 = {"upsample2", upsample2_forward, upsample2_jvp, upsample2_vjp,
                                     NULL};

hidi_var *hidi_upsample2(hidi_tape *tape, hidi_var *x)
{
    const hidi_node node = {.op = &op_upsample2, .n_in = 1, .in = {x}};
    if (!hidi_node_ready(tape, &node, 1))
        return NULL;
    const size_t *dim = x->shape.dim;
    if (x->shape.rank != 4)
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_SHAPE, "upsample2: x %s is not [B, C, H, W]",
                                               hidi_shape_text(x->shape)));
    const struct upsample2 s = {.planes = dim[0] * dim[1], .H = dim[2], .W = dim[3]};
    return hidi_apply(tape, &node, &s, sizeof s, hidi_shape4(dim[0], dim[1], 2 * s.H, 2 * s.W), 0);
}
