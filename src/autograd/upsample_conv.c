/* upsample_conv.c - a 3 x 3 convolution of an image made twice as large, without the large
 * image. */
#include "autograd/op.h"
#include "autograd/ops.h"

/* upsample_conv2d: y = w * (U x) + b, U nearest-neighbour upsampling, with a border of zeros;
 * x [B, C, H, W], w [O, C, 3, 3], b [O], y [B, O, 2 H, 2 W].
 *
 * Of the pixels of U x that a window sees, two in each direction are the same pixel of x.  For the
 * outputs (2 i + a, 2 j + b) this is a 2 x 2 convolution of x itself, with sums of w's taps:
 *
 *   y[2 i + a, 2 j + b] = sum over u, v < 2 of w_ab[u, v] x[i + u - (1 - a), j + v - (1 - b)],
 *   w_ab = w M_ab,  rows a = 0: w0, w1 + w2;  a = 1: w0 + w1, w2;  columns alike
 *
 * with 4 multiply-adds for 9.  Its tangents are the same map of dx and dw; its gradients are the
 * convolution's, behind U and in front of U^T.
 * Loops: backend/reference/image.c, conv2d, upsample2, conv2d_grad_input, conv2d_grad_weight.
 */
struct upsample_conv {
    hidi_window large;      /* of the convolution of U x            */
    size_t H, W;            /* of x                                 */
    const hidi_real *M;     /* [2, 2] matrices [9, 4]               */
    bool has_gradients;
};

/* The 2 x 2 convolution for outputs of parity (a, b). */
static hidi_window part_of(const struct upsample_conv *s, size_t a, size_t b)
{
    hidi_window window = s->large;
    window.height = window.out_height = s->H;
    window.width = window.out_width = s->W;
    window.kernel_h = window.kernel_w = 2;
    window.padding_h = 1 - a;
    window.padding_w = 1 - b;
    return window;
}

static size_t max(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Elements of w_ab, of one part's output, and of two parts' with their columns interleaved. */
static size_t taps_of(const struct upsample_conv *s)
{
    return 4 * s->large.out_channels * s->large.channels;
}

static size_t part_elements(const struct upsample_conv *s)
{
    return s->large.batch * s->large.out_channels * s->H * s->W;
}

static size_t upsample_conv_scratch(const hidi_node *node, const hidi_backend *backend)
{
    const struct upsample_conv *s = node->own;
    size_t parts = 0;
    for (size_t i = 0; i < 4; i++) {
        const hidi_window part = part_of(s, i / 2, i % 2);
        parts = max(parts, backend->conv_scratch(&part));
    }
    parts += taps_of(s) + 3 * part_elements(s);
    if (!s->has_gradients)
        return parts;
    return max(parts, 4 * s->large.batch * s->large.channels * s->H * s->W +
                          backend->conv_scratch(&s->large));
}

/* y = beta y + w * (U x) + bias */
static void convolve(const hidi_node *node, const hidi_backend *backend, hidi_real *y,
                     hidi_real beta, const hidi_real *x, const hidi_real *w, const hidi_real *bias)
{
    const struct upsample_conv *s = node->own;
    const size_t filters = s->large.out_channels * s->large.channels, W = s->W;
    const size_t rows = s->large.batch * s->large.out_channels * s->H; /* of all parts' images */
    hidi_real *w_ab = node->scratch, *part = w_ab + taps_of(s), *wide = part + part_elements(s);
    hidi_real *rest = wide + 2 * part_elements(s);
    for (size_t a = 0; a < 2; a++) {
        for (size_t b = 0; b < 2; b++) {
            const hidi_window window = part_of(s, a, b);
            backend->gemm(false, false, filters, 4, 9, 1, w, 9, s->M + 36 * (2 * a + b), 4, 0, w_ab,
                          4);
            backend->conv2d(part, 0, x, w_ab, bias, &window, rest);
            backend->copy_block(wide + b, 2, 0, part, 1, rows * W, 1); /* columns 2 j + b */
        }
        backend->copy_block(y + a * 2 * W, 4 * W, beta, wide, 2 * W, rows, 2 * W);
    }
}

static void upsample_conv_forward(hidi_node *node, const hidi_backend *backend)
{
    convolve(node, backend, node->out->value, 0, hidi_value_of(node, 0), hidi_value_of(node, 1),
             hidi_value_of(node, 2));
}

static void upsample_conv_jvp(hidi_node *node, const hidi_backend *backend)
{
    const struct upsample_conv *s = node->own;
    hidi_real *dy = node->out->tangent, beta;
    const hidi_real *dx = hidi_tangent_of(node, 0, &beta);
    if (dx != NULL)
        convolve(node, backend, dy, beta, dx, hidi_value_of(node, 1), NULL);
    const hidi_real *dw = hidi_tangent_of(node, 1, &beta);
    if (dw != NULL)
        convolve(node, backend, dy, beta, hidi_value_of(node, 0), dw, NULL);
    const hidi_real *db = hidi_tangent_of(node, 2, &beta);
    if (db != NULL)
        backend->add_channels(dy, beta, db, s->large.batch, s->large.out_channels,
                              4 * s->H * s->W);
}

static void upsample_conv_vjp(hidi_node *node, const hidi_backend *backend)
{
    const struct upsample_conv *s = node->own;
    const size_t planes = s->large.batch * s->large.channels;
    const hidi_real *x = hidi_value_of(node, 0), *w = hidi_value_of(node, 1);
    const hidi_real *gy = node->out->grad;
    hidi_real *large = node->scratch, *rest = large + 4 * planes * s->H * s->W, beta;
    hidi_real *gx = hidi_grad_of(node, 0, &beta);
    if (gx != NULL) {
        backend->conv2d_grad_input(large, 0, w, gy, &s->large, rest);
        backend->upsample2_vjp(gx, beta, large, planes, s->H, s->W);
    }
    hidi_real *gw = hidi_grad_of(node, 1, &beta);
    if (gw != NULL) {
        backend->upsample2(large, 0, x, planes, s->H, s->W);
        backend->conv2d_grad_weight(gw, beta, large, gy, &s->large, rest);
    }
    hidi_real *gb = hidi_grad_of(node, 2, &beta);
    if (gb != NULL)
        backend->sum_channels(gb, beta, gy, s->large.batch, s->large.out_channels,
                              4 * s->H * s->W);
}

static const hidi_op op_upsample_conv = {"upsample_conv2d", upsample_conv_forward,
                                         upsample_conv_jvp, upsample_conv_vjp,
                                         upsample_conv_scratch};

/* M_ab [9, 4] for (a, b) = (0, 0), (0, 1), ...: tap (u, v) of w is part of tap (u', v') of w_ab. */
static hidi_var *tap_sums(hidi_tape *tape)
{
    hidi_real M[4][9][4] = {{{0}}};
    for (size_t a = 0; a < 2; a++)
        for (size_t b = 0; b < 2; b++)
            for (size_t u = 0; u < 3; u++)
                for (size_t v = 0; v < 3; v++)
                    M[2 * a + b][3 * u + v][2 * (u > a) + (v > b)] = 1;
    return hidi_constant(tape, hidi_shape3(4, 9, 4), &M[0][0][0]);
}

hidi_var *hidi_upsample_conv2d(hidi_tape *tape, hidi_var *x, hidi_var *w, hidi_var *b)
{
    const hidi_node node = {.op = &op_upsample_conv, .n_in = 3, .in = {x, w, b}};
    if (!hidi_node_ready(tape, &node, 3))
        return NULL;
    const size_t *dim = x->shape.dim, O = w->shape.dim[0];
    if (x->shape.rank != 4 || !hidi_same_shape(w->shape, hidi_shape4(O, dim[1], 3, 3)) ||
        !hidi_same_shape(b->shape, hidi_shape1(O)))
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_SHAPE,
                                               "upsample_conv2d: x %s, w %s and b %s are not "
                                               "[B, C, H, W], [O, C, 3, 3] and [O]",
                                               hidi_shape_text(x->shape), hidi_shape_text(w->shape),
                                               hidi_shape_text(b->shape)));
    const hidi_var *M = tap_sums(tape);
    if (M == NULL)
        return NULL;
    struct upsample_conv s = {.H = dim[2], .W = dim[3], .M = M->value,
                              .has_gradients = x->needs_grad || w->needs_grad || b->needs_grad};
    s.large = (hidi_window){.batch = dim[0], .channels = dim[1], .height = 2 * s.H,
                            .width = 2 * s.W, .out_channels = O, .kernel_h = 3, .kernel_w = 3,
                            .stride = 1, .padding_h = 1, .padding_w = 1, .out_height = 2 * s.H,
                            .out_width = 2 * s.W};
    return hidi_apply(tape, &node, &s, sizeof s, hidi_shape4(dim[0], O, 2 * s.H, 2 * s.W), 0);
}
