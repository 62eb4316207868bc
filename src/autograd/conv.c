/* conv.c - convolution and pooling of images [B, C, H, W]: sums over a window that slides. */
#include "autograd/op.h"
#include "autograd/ops.h"

typedef struct extents {
    size_t h, w;
} extents;

/* Images x seen through a window, with out_channels = channels; false after recording what does
 * not fit.  What these ops keep as their own is the window. */
static bool make_window(hidi_tape *tape, const hidi_node *node, extents kernel, size_t stride,
                        hidi_padding padding, hidi_window *window)
{
    const hidi_shape x = node->in[0]->shape;
    const size_t H = x.dim[2] + padding.top + padding.bottom;
    const size_t W = x.dim[3] + padding.left + padding.right;
    if (x.rank != 4) {
        hidi_tape_fail(tape, hidi_error(HIDI_BAD_SHAPE, "%s: x %s is not [B, C, H, W]",
                                        node->op->name, hidi_shape_text(x)));
        return false;
    }
    /* A pool's window must see a pixel wherever it lies, hence at most half of it is padding. */
    const bool is_pool = node->n_in == 1;
    if (kernel.h == 0 || kernel.w == 0 || stride == 0 || kernel.h > H || kernel.w > W ||
        (is_pool && (2 * padding.top > kernel.h || 2 * padding.left > kernel.w))) {
        hidi_tape_fail(tape, hidi_error(HIDI_BAD_SHAPE,
                                        "%s: kernel %zux%zu, stride %zu and padding %zux%zu do not "
                                        "fit %s",
                                        node->op->name, kernel.h, kernel.w, stride, padding.top,
                                        padding.left, hidi_shape_text(x)));
        return false;
    }
    *window = (hidi_window){.batch = x.dim[0],
                            .channels = x.dim[1],
                            .height = x.dim[2],
                            .width = x.dim[3],
                            .out_channels = x.dim[1],
                            .kernel_h = kernel.h,
                            .kernel_w = kernel.w,
                            .stride = stride,
                            .padding_h = padding.top,
                            .padding_w = padding.left,
                            .out_height = (H - kernel.h) / stride + 1,
                            .out_width = (W - kernel.w) / stride + 1};
    return true;
}

static hidi_var *apply_window(hidi_tape *tape, const hidi_node *node, const hidi_window *window)
{
    const hidi_shape shape = hidi_shape4(window->batch, window->out_channels, window->out_height,
                                         window->out_width);
    return hidi_apply(tape, node, window, sizeof *window, shape, 0);
}

/* conv2d: y = w * x + b (cross-correlation, as every framework has it),
 * x [B, C, H, W], w [O, C, kh, kw], b [O], y [B, O, H', W'].
 *
 *   dy = w * dx + dw * x + db
 *   gx += the adjoint of w * applied to gy,  gw += the adjoint of * x applied to gy,
 *   gb += sum of gy over samples and pixels
 *
 * Loops: backend/reference/image.c, conv2d, conv2d_grad_input, conv2d_grad_weight, add_channels,
 * sum_channels.
 */
static size_t conv2d_scratch(const hidi_node *node, const hidi_backend *backend)
{
    return backend->conv_scratch(node->own);
}

static void conv2d_forward(hidi_node *node, const hidi_backend *backend)
{
    const hidi_window *window = node->own;
    const hidi_real *x = hidi_value_of(node, 0), *w = hidi_value_of(node, 1);
    const hidi_real *b = hidi_value_of(node, 2);
    backend->conv2d(node->out->value, 0, x, w, b, window, node->scratch);
}

static void conv2d_jvp(hidi_node *node, const hidi_backend *backend)
{
    const hidi_window *window = node->own;
    const size_t O = window->out_channels, pixels = window->out_height * window->out_width;
    const hidi_real *x = hidi_value_of(node, 0), *w = hidi_value_of(node, 1);
    hidi_real *dy = node->out->tangent, beta;
    const hidi_real *dx = hidi_tangent_of(node, 0, &beta);
    if (dx != NULL)
        backend->conv2d(dy, beta, dx, w, NULL, window, node->scratch);
    const hidi_real *dw = hidi_tangent_of(node, 1, &beta);
    if (dw != NULL)
        backend->conv2d(dy, beta, x, dw, NULL, window, node->scratch);
    const hidi_real *db = hidi_tangent_of(node, 2, &beta);
    if (db != NULL)
        backend->add_channels(dy, beta, db, window->batch, O, pixels);
}

static void conv2d_vjp(hidi_node *node, const hidi_backend *backend)
{
    const hidi_window *window = node->own;
    const size_t O = window->out_channels, pixels = window->out_height * window->out_width;
    const hidi_real *x = hidi_value_of(node, 0), *w = hidi_value_of(node, 1);
    const hidi_real *gy = node->out->grad;
    hidi_real beta;
    hidi_real *gx = hidi_grad_of(node, 0, &beta);
    if (gx != NULL)
        backend->conv2d_grad_input(gx, beta, w, gy, window, node->scratch);
    hidi_real *gw = hidi_grad_of(node, 1, &beta);
    if (gw != NULL)
        backend->conv2d_grad_weight(gw, beta, x, gy, window, node->scratch);
    hidi_real *gb = hidi_grad_of(node, 2, &beta);
    if (gb != NULL)
        backend->sum_channels(gb, beta, gy, window->batch, O, pixels);
}

static const hidi_op op_conv2d = {"conv2d", conv2d_forward, conv2d_jvp, conv2d_vjp, conv2d_scratch};

hidi_var *hidi_conv2d_padded(hidi_tape *tape, hidi_var *x, hidi_var *w, hidi_var *b, size_t stride,
                             hidi_padding padding)
{
    const hidi_node node = {.op = &op_conv2d, .n_in = 3, .in = {x, w, b}};
    if (!hidi_node_ready(tape, &node, 2))
        return NULL;
    const size_t *dim = w->shape.dim;
    if (w->shape.rank != 4 || x->shape.rank != 4 || x->shape.dim[1] != dim[1] ||
        (b != NULL && !hidi_same_shape(b->shape, hidi_shape1(dim[0]))))
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_SHAPE,
                                               "conv2d: x %s, w %s and b %s are not [B, C, H, W], "
                                               "[O, C, kh, kw] and [O]", hidi_shape_text(x->shape),
                                               hidi_shape_text(w->shape),
                                               b != NULL ? hidi_shape_text(b->shape) : "(none)"));
    const extents kernel = {dim[2], dim[3]};
    hidi_window window;
    if (!make_window(tape, &node, kernel, stride, padding, &window))
        return NULL;
    window.out_channels = dim[0];
    return apply_window(tape, &node, &window);
}

hidi_var *hidi_conv2d(hidi_tape *tape, hidi_var *x, hidi_var *w, hidi_var *b, size_t stride,
                      size_t padding_h, size_t padding_w)
{
    return hidi_conv2d_padded(tape, x, w, b, stride,
                              (hidi_padding){padding_h, padding_h, padding_w, padding_w});
}

/* average_pool: y = A x, A the mean over those pixels of each window that lie in the image.
 *
 *   dy = A dx
 *   gx += A^T gy
 *
 * Loops: backend/reference/image.c, average_pool, average_pool_vjp.
 */
static void average_pool_forward(hidi_node *node, const hidi_backend *backend)
{
    const hidi_real *x = hidi_value_of(node, 0);
    backend->average_pool(node->out->value, 0, x, node->own);
}

static void average_pool_jvp(hidi_node *node, const hidi_backend *backend)
{
    hidi_real *dy = node->out->tangent, beta;
    const hidi_real *dx = hidi_tangent_of(node, 0, &beta);
    if (dx != NULL)
        backend->average_pool(dy, beta, dx, node->own);
}

static void average_pool_vjp(hidi_node *node, const hidi_backend *backend)
{
    const hidi_real *gy = node->out->grad;
    hidi_real beta;
    hidi_real *gx = hidi_grad_of(node, 0, &beta);
    if (gx != NULL)
        backend->average_pool_vjp(gx, beta, gy, node->own);
}

static const hidi_op op_average_pool = {"average_pool", average_pool_forward, average_pool_jvp,
                                        average_pool_vjp, NULL};

hidi_var *hidi_average_pool(hidi_tape *tape, hidi_var *x, size_t kernel, size_t stride,
                            size_t padding)
{
    const hidi_node node = {.op = &op_average_pool, .n_in = 1, .in = {x}};
    hidi_window window;
    if (!hidi_node_ready(tape, &node, 1) ||
        !make_window(tape, &node, (extents){kernel, kernel}, stride,
                     (hidi_padding){padding, padding, padding, padding}, &window))
        return NULL;
    return apply_window(tape, &node, &window);
}
