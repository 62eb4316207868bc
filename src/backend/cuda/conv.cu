/* conv.cu - convolution as matrix products (im2col).
 *
 * Column (image, i, j) of the matrix `col` [C kh kw, images, positions] holds the inputs under the
 * window of output (i, j), so that y = W col with W [O, C kh kw].  A pass takes as many images as
 * fit into the scratch, or some output rows of a single large image.  A 1 x 1 convolution of stride
 * 1 is a product with the images themselves.
 */
#include "backend/cuda/kernels.h"
#include "backend/cuda/window.h"

static const size_t SCRATCH = (size_t)1 << 24; /* elements, about: enough to keep a device busy */

/* The sizes that all products share. */
typedef struct geometry {
    hidi_window window;
    size_t B, C, O;
    size_t K;            /* C kh kw: rows of col                              */
    size_t pixels;       /* of one channel of an input                        */
    size_t positions;    /* of one channel of an output                       */
    size_t images, rows; /* of the output that a pass does; at least 1        */
    size_t scratch;      /* elements: col, and as many outputs' columns       */
    bool direct;         /* col is the image: no copy                         */
} geometry;

static size_t at_least_1(size_t n)
{
    return n > 0 ? n : 1;
}

static geometry geometry_of(const hidi_window *window)
{
    geometry g;
    size_t position, image; /* elements of scratch for one */

    g.window = *window;
    g.B = window->batch;
    g.C = window->channels;
    g.O = window->out_channels;
    g.K = g.C * window->kernel_h * window->kernel_w;
    g.pixels = window->height * window->width;
    g.positions = window->out_height * window->out_width;
    g.direct = window->kernel_h == 1 && window->kernel_w == 1 && window->stride == 1 &&
               window->padding_h == 0 && window->padding_w == 0 &&
               window->out_height == window->height && window->out_width == window->width;
    position = at_least_1(g.K + g.O);
    image = at_least_1(g.positions) * position;
    g.images = at_least_1(hidi_cuda_min(SCRATCH / image, g.B));
    g.rows = at_least_1(window->out_height);
    if (image > SCRATCH)
        g.rows = at_least_1(hidi_cuda_min(SCRATCH / (window->out_width * position), g.rows));
    g.scratch = g.images * g.rows * window->out_width * position;
    return g;
}

static size_t conv_scratch(const hidi_window *window)
{
    return geometry_of(window).scratch;
}

/* Output rows first_row .. first_row + rows of images first .. first + images: columns of col. */
typedef struct pass {
    size_t first, images, first_row, rows;
    size_t width; /* positions of each image: col is [K, images, width]      */
    size_t ld;    /* images width: between rows of col                       */
    size_t at;    /* the first position, in a channel of the output          */
} pass;

static pass pass_at(const geometry *g, size_t first, size_t first_row)
{
    pass p;

    p.first = first;
    p.images = first < g->B && g->positions > 0 ? hidi_cuda_min(g->images, g->B - first) : 0;
    p.first_row = first_row;
    p.rows = hidi_cuda_min(g->rows, g->window.out_height - first_row);
    p.width = p.rows * g->window.out_width;
    p.ld = p.images * p.width;
    p.at = first_row * g->window.out_width;
    return p;
}

/* The pass after p; after the last one, one of no images. */
static pass next_pass(const geometry *g, pass p)
{
    size_t row = p.first_row + p.rows;

    return row < g->window.out_height ? pass_at(g, p.first, row)
                                      : pass_at(g, p.first + p.images, 0);
}

#define FOR_EACH_PASS(g, p) for (pass p = pass_at(g, 0, 0); p.images > 0; p = next_pass(g, p))

/* --- images to columns and back -------------------------------------------------------------- */

/* col[c, u, v, image, (i, j)] = x[image, c, i s + u - padding_h, j s + v - padding_w], 0 outside.
 * A thread does all taps (u, v) of one (c, image, (i, j)). */
HIDI_KERNEL im2col_kernel(hidi_real *col, const hidi_real *x, hidi_window w, pass p)
{
    const size_t taps = w.kernel_h * w.kernel_w;

    HIDI_FOR_ROWS (item, w.channels * p.images) {
        const size_t c = item / p.images, image = item % p.images;
        const hidi_real *x_c = x + ((p.first + image) * w.channels + c) * w.height * w.width;

        HIDI_FOR_COLUMNS (position, p.width) {
            /* the window's corner; in front of the image it is a huge number, which is outside,
             * too */
            size_t top = (p.first_row + position / w.out_width) * w.stride - w.padding_h;
            size_t left = position % w.out_width * w.stride - w.padding_w;
            hidi_real *to = col + c * taps * p.ld + image * p.width + position;

            for (size_t u = 0; u < w.kernel_h; u++)
                for (size_t v = 0; v < w.kernel_w; v++, to += p.ld) {
                    bool inside = top + u < w.height && left + v < w.width;
                    *to = inside ? x_c[(top + u) * w.width + left + v] : 0;
                }
        }
    }
}

static void im2col(const geometry *g, hidi_real *col, const hidi_real *x, pass p)
{
    HIDI_LAUNCH_ROWS(im2col_kernel, g->C * p.images, p.width, col, x, g->window, p);
}

/* The adjoint: gx[pixel] = beta gx[pixel] + the elements of col that it was copied to, in the order
 * of (i, j).  Pixels are those of input rows begin .. end. */
HIDI_KERNEL col2im_kernel(hidi_real *gx, hidi_real beta, const hidi_real *col, hidi_window w,
                          pass p, hidi_range input)
{
    const size_t taps = w.kernel_h * w.kernel_w;

    HIDI_FOR_ROWS (item, w.channels * p.images) {
        const size_t c = item / p.images, image = item % p.images;
        hidi_real *gx_c = gx + ((p.first + image) * w.channels + c) * w.height * w.width;
        const hidi_real *from = col + c * taps * p.ld + image * p.width;

        HIDI_FOR_COLUMNS (pixel, (input.end - input.begin) * w.width) {
            const size_t row = input.begin + pixel / w.width, column = pixel % w.width;
            const hidi_range rows = output_rows(row, w), columns = output_columns(column, w);
            hidi_real sum = 0;

            for (size_t i = rows.begin; i < rows.end; i++)
                for (size_t j = columns.begin; j < columns.end; j++) {
                    size_t u = row + w.padding_h - i * w.stride;
                    size_t v = column + w.padding_w - j * w.stride;
                    if (i >= p.first_row && i < p.first_row + p.rows)
                        sum += from[(u * w.kernel_w + v) * p.ld +
                                    (i - p.first_row) * w.out_width + j];
                }
            blend(&gx_c[row * w.width + column], beta, sum);
        }
    }
}

/* All input rows, or only those under the windows of the pass. */
static void col2im(const geometry *g, hidi_real *gx, hidi_real beta, const hidi_real *col, pass p,
                   bool all)
{
    hidi_range input = { 0, g->window.height };

    if (!all) {
        input.begin = input_rows(p.first_row, g->window).begin;
        input.end = input_rows(p.first_row + p.rows - 1, g->window).end;
    }
    HIDI_LAUNCH_ROWS(col2im_kernel, g->C * p.images, (input.end - input.begin) * g->window.width,
                     gx, beta, col, g->window, p, input);
}

/* out[o, image, position] = gy[first + image, o, at + position] */
HIDI_KERNEL gather_kernel(hidi_real *out, const hidi_real *gy, size_t O, size_t positions, pass p)
{
    HIDI_FOR_ROWS (item, O * p.images) {
        const size_t o = item / p.images, image = item % p.images;
        const hidi_real *from = gy + ((p.first + image) * O + o) * positions + p.at;
        HIDI_FOR_COLUMNS (position, p.width)
            out[item * p.width + position] = from[position];
    }
}

/* --- the three products ---------------------------------------------------------------------- */

/* y = beta y + W col, images of y ldy apart */
static void convolve(const geometry *g, hidi_real *y, size_t ldy, hidi_real beta,
                     const hidi_real *x, const hidi_real *w, hidi_real *col)
{
    const hidi_cuda_matrix W = { w, g->K, 0, false };
    const hidi_cuda_matrix images = { x, g->pixels, g->C * g->pixels, false };

    if (g->direct) {
        hidi_cuda_product(g->O, g->positions, g->C, 1, W, images, beta, y, g->positions, ldy, g->B);
        return;
    }
    FOR_EACH_PASS (g, p) {
        const hidi_cuda_matrix columns = { col, p.ld, p.width, false };
        im2col(g, col, x, p);
        hidi_cuda_product(g->O, p.width, g->K, 1, W, columns, beta, y + p.first * ldy + p.at,
                          g->positions, ldy, p.images);
    }
}

static void conv2d(hidi_real *y, hidi_real beta, const hidi_real *x, const hidi_real *w,
                   const hidi_real *bias, const hidi_window *window, hidi_real *scratch)
{
    const geometry g = geometry_of(window);

    if (bias != NULL)
        hidi_cuda_add_channels(y, beta, bias, g.B, g.O, g.positions);
    convolve(&g, y, g.O * g.positions, bias != NULL ? 1 : beta, x, w, scratch);
}

/* y[b, o, i] = max(y[b, o, i] + bias[o], 0), images ldy apart; a NaN stays; rows b O + o */
HIDI_KERNEL bias_relu_kernel(hidi_real *y, size_t ldy, const hidi_real *bias, size_t B, size_t O,
                             size_t n)
{
    HIDI_FOR_ROWS (row, B * O) {
        const size_t b = row / O, o = row % O;
        const hidi_real bias_o = bias != NULL ? bias[o] : 0;
        hidi_real *y_o = y + b * ldy + o * n;

        HIDI_FOR_COLUMNS (i, n) {
            hidi_real value = y_o[i] + bias_o;
            y_o[i] = value < 0 ? 0 : value;
        }
    }
}

static void conv2d_relu(hidi_real *y, size_t ldy, const hidi_real *x, const hidi_real *w,
                        const hidi_real *bias, const hidi_window *window, hidi_real *scratch)
{
    const geometry g = geometry_of(window);

    convolve(&g, y, ldy, 0, x, w, scratch);
    HIDI_LAUNCH_ROWS(bias_relu_kernel, g.B * g.O, g.positions, y, ldy, bias, g.B, g.O, g.positions);
}

/* gx = beta gx + col2im(W^T gy) */
static void conv2d_grad_input(hidi_real *gx, hidi_real beta, const hidi_real *w,
                              const hidi_real *gy, const hidi_window *window, hidi_real *scratch)
{
    const geometry g = geometry_of(window);
    const hidi_cuda_matrix W_transposed = { w, g.K, 0, true };
    const bool all = g.rows >= window->out_height && g.positions > 0; /* one pass per image */
    size_t stride = g.O * g.positions, image = g.C * g.pixels;

    if (g.direct) {
        const hidi_cuda_matrix outputs = { gy, g.positions, stride, false };
        hidi_cuda_product(g.C, g.pixels, g.O, 1, W_transposed, outputs, beta, gx, g.pixels, image,
                          g.B);
        return;
    }
    if (!all) /* gx = beta gx, to be added to */
        hidi_cuda_scale(gx, beta, g.B * image);
    FOR_EACH_PASS (&g, p) {
        const hidi_cuda_matrix outputs = { gy + p.first * stride + p.at, g.positions, stride,
                                           false };
        hidi_cuda_product(g.K, p.width, g.O, 1, W_transposed, outputs, 0, scratch, p.ld, p.width,
                          p.images);
        col2im(&g, gx, all ? beta : 1, scratch, p, all);
    }
}

/* gW = beta gW + gy col^T, a sum over images and positions */
static void conv2d_grad_weight(hidi_real *gw, hidi_real beta, const hidi_real *x,
                               const hidi_real *gy, const hidi_window *window, hidi_real *scratch)
{
    const geometry g = geometry_of(window);
    hidi_real keep = beta;

    FOR_EACH_PASS (&g, p) {
        const hidi_cuda_matrix columns = { scratch, p.ld, 0, true };
        hidi_real *gathered = scratch + g.K * p.ld;
        hidi_cuda_matrix outputs = { gathered, p.ld, 0, false };

        if (p.images == 1) { /* they lie side by side as they are */
            outputs.at = gy + p.first * g.O * g.positions + p.at;
            outputs.ld = g.positions;
        } else {
            HIDI_LAUNCH_ROWS(gather_kernel, g.O * p.images, p.width, gathered, gy, g.O, g.positions,
                             p);
        }
        im2col(&g, scratch, x, p);
        hidi_cuda_product(g.O, g.K, p.ld, 1, outputs, columns, keep, gw, g.K, 0, 1);
        keep = 1;
    }
    if (g.B == 0 || g.positions == 0) /* a sum of nothing */
        hidi_cuda_scale(gw, beta, g.O * g.K);
}

void hidi_cuda_conv_slots(hidi_backend *table)
{
    table->conv_scratch = conv_scratch;
    table->conv2d = conv2d;
    table->conv2d_relu = conv2d_relu;
    table->conv2d_grad_input = conv2d_grad_input;
    table->conv2d_grad_weight = conv2d_grad_weight;
}
