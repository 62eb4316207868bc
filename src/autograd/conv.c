/* conv.c - convolution and pooling of images [B, C, H, W]. */
#include "autograd/op.h"
#include "autograd/ops.h"

typedef struct extents {
    size_t h, w;
} extents;

/* The window of an op on images x, or false after recording what does not fit. */
static bool make_window(hidi_tape *tape, hidi_node *node, extents kernel, size_t stride,
                        extents padding, bool is_pool)
{
    const hidi_shape x = node->in[0]->shape;
    const size_t H = x.dim[2] + 2 * padding.h, W = x.dim[3] + 2 * padding.w;
    if (x.rank != 4) {
        hidi_tape_fail(tape, hidi_error(HIDI_BAD_SHAPE, "%s: x %s is not [B, C, H, W]",
                                        node->op->name, hidi_shape_text(x)));
        return false;
    }
    /* A pool's window must see a pixel wherever it lies, hence at most half of it is padding. */
    if (kernel.h == 0 || kernel.w == 0 || stride == 0 || kernel.h > H || kernel.w > W ||
        (is_pool && (2 * padding.h > kernel.h || 2 * padding.w > kernel.w))) {
        hidi_tape_fail(tape, hidi_error(HIDI_BAD_SHAPE,
                                        "%s: kernel %zux%zu, stride %zu and padding %zux%zu do not "
                                        "fit %s",
                                        node->op->name, kernel.h, kernel.w, stride, padding.h,
                                        padding.w, hidi_shape_text(x)));
        return false;
    }
    node->window = (hidi_window){.batch = x.dim[0],
                                 .channels = x.dim[1],
                                 .height = x.dim[2],
                                 .width = x.dim[3],
                                 .out_channels = x.dim[1],
                                 .kernel_h = kernel.h,
                                 .kernel_w = kernel.w,
                                 .stride = stride,
                                 .padding_h = padding.h,
                                 .padding_w = padding.w,
                                 .out_height = (H - kernel.h) / stride + 1,
                                 .out_width = (W - kernel.w) / stride + 1};
    return true;
}

static bool make_pool(hidi_tape *tape, hidi_node *node, size_t kernel, size_t stride,
                      size_t padding)
{
    return make_window(tape, node, (extents){kernel, kernel}, stride, (extents){padding, padding},
                       true);
}

static hidi_shape out_shape(const hidi_window *window)
{
    return hidi_shape4(window->batch, window->out_channels, window->out_height, window->out_width);
}

/* conv2d: y = w * x + b (cross-correlation, as every framework has it),
 * x [B, C, H, W], w [O, C, kh, kw], b [O], y [B, O, H', W'].
 *
 *   dy = w * dx + dw * x + db
 *   gx += the adjoint of w * applied to gy,  gw += the adjoint of * x applied to gy,
 *   gb += sum of gy over samples and pixels
 */
static size_t conv2d_scratch(const hidi_node *node, const hidi_backend *backend)
{
    return backend->conv_scratch(&node->window);
}

static void conv2d_forward(hidi_node *node, const hidi_backend *backend)
{
    backend->conv2d(node->out->value, 0, node->in[0]->value, node->in[1]->value,
                    node->in[2] != NULL ? node->in[2]->value : NULL, &node->window, node->saved[1]);
}

static void conv2d_jvp(hidi_node *node, const hidi_backend *backend)
{
    const hidi_window *window = &node->window;
    const hidi_real *dx = hidi_tangent_of(node, 0), *dw = hidi_tangent_of(node, 1),
                    *db = hidi_tangent_of(node, 2);
    hidi_real *dy = node->out->tangent, beta = 0;
    if (dx != NULL) {
        backend->conv2d(dy, beta, dx, node->in[1]->value, NULL, window, node->saved[1]);
        beta = 1;
    }
    if (dw != NULL) {
        backend->conv2d(dy, beta, node->in[0]->value, dw, NULL, window, node->saved[1]);
        beta = 1;
    }
    if (db != NULL) {
        if (beta == 0)
            backend->fill(dy, 0, hidi_count(node->out->shape));
        backend->add_channels(dy, db, window->batch, window->out_channels,
                              window->out_height * window->out_width);
    }
}

static void conv2d_vjp(hidi_node *node, const hidi_backend *backend)
{
    const hidi_window *window = &node->window;
    const hidi_real *gy = node->out->grad;
    hidi_real beta;
    hidi_real *gx = hidi_grad_of(node, 0, &beta);
    if (gx != NULL)
        backend->conv2d_grad_input(gx, beta, node->in[1]->value, gy, window, node->saved[1]);
    hidi_real *gw = hidi_grad_of(node, 1, &beta);
    if (gw != NULL)
        backend->conv2d_grad_weight(gw, beta, node->in[0]->value, gy, window, node->saved[1]);
    hidi_real *gb = hidi_grad_of(node, 2, &beta);
    if (gb != NULL)
        backend->sum_channels(gb, beta, gy, window->batch, window->out_channels,
                              window->out_height * window->out_width);
}

static const hidi_op op_conv2d = {"conv2d", conv2d_forward, conv2d_jvp, conv2d_vjp, conv2d_scratch};

hidi_var *hidi_conv2d(hidi_tape *tape, hidi_var *x, hidi_var *w, hidi_var *b, size_t stride,
                      size_t padding_h, size_t padding_w)
{
    hidi_node node = {.op = &op_conv2d, .n_in = 3, .in = {x, w, b}};
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
    if (!make_window(tape, &node, (extents){dim[2], dim[3]}, stride,
                     (extents){padding_h, padding_w}, false))
        return NULL;
    node.window.out_channels = dim[0];
    return hidi_apply(tape, &node, out_shape(&node.window), 0);
}

/* average_pool: y = A x, A the mean over each window.
 *
 *   dy = A dx
 *   gx += A^T gy
 */
static void average_pool_forward(hidi_node *node, const hidi_backend *backend)
{
    backend->average_pool(node->out->value, 0, node->in[0]->value, &node->window);
}

static void average_pool_jvp(hidi_node *node, const hidi_backend *backend)
{
    backend->average_pool(node->out->tangent, 0, hidi_tangent_of(node, 0), &node->window);
}

static void average_pool_vjp(hidi_node *node, const hidi_backend *backend)
{
    hidi_real beta;
    hidi_real *gx = hidi_grad_of(node, 0, &beta);
    if (gx != NULL)
        backend->average_pool_vjp(gx, beta, node->out->grad, &node->window);
}

static const hidi_op op_average_pool = {"average_pool", average_pool_forward, average_pool_jvp,
                                        average_pool_vjp, NULL};

hidi_var *hidi_average_pool(hidi_tape *tape, hidi_var *x, size_t kernel, size_t stride,
                            size_t padding, bool count_padding)
{
    hidi_node node = {.op = &op_average_pool, .n_in = 1, .in = {x}};
    if (!hidi_node_ready(tape, &node, 1) || !make_pool(tape, &node, kernel, stride, padding))
        return NULL;
    node.window.count_padding = count_padding;
    return hidi_apply(tape, &node, out_shape(&node.window), 0);
}

/* max_pool: y_o = x_w(o), w(o) the place of the largest pixel of window o.
 *
 *   dy_o = dx_w(o)
 *   gx_w(o) += gy_o
 *
 * saved[0] is the memory behind `where`.
 */
static void max_pool_forward(hidi_node *node, const hidi_backend *backend)
{
    node->where = (int32_t *)(void *)node->saved[0];
    backend->max_pool(node->out->value, node->where, node->in[0]->value, &node->window);
}

static void max_pool_jvp(hidi_node *node, const hidi_backend *backend)
{
    backend->max_pool_jvp(node->out->tangent, node->where, hidi_tangent_of(node, 0), &node->window);
}

static void max_pool_vjp(hidi_node *node, const hidi_backend *backend)
{
    hidi_real beta;
    hidi_real *gx = hidi_grad_of(node, 0, &beta);
    if (gx != NULL)
        backend->max_pool_vjp(gx, beta, node->where, node->out->grad, &node->window);
}

static const hidi_op op_max_pool = {"max_pool", max_pool_forward, max_pool_jvp, max_pool_vjp, NULL};

hidi_var *hidi_max_pool(hidi_tape *tape, hidi_var *x, size_t kernel, size_t stride, size_t padding)
{
    hidi_node node = {.op = &op_max_pool, .n_in = 1, .in = {x}};
    if (!hidi_node_ready(tape, &node, 1) || !make_pool(tape, &node, kernel, stride, padding))
        return NULL;
    const hidi_shape shape = out_shape(&node.window);
    const size_t bytes = hidi_count(shape) * sizeof(int32_t);
    return hidi_apply(tape, &node, shape, (bytes + sizeof(hidi_real) - 1) / sizeof(hidi_real));
}
