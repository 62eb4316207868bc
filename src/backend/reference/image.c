/* image.c - patches, convolution and pooling of images [B, C, H, W].
 *
 *   patchify       a permutation of the pixels; unpatchify is its inverse and its adjoint
 *   conv2d         y[o, i, j] = sum over c, u, v of w[o, c, u, v] x[c, i s + u - ph, j s + v - pw]
 *                  with stride s and padding ph, pw; conv2d_grad_input and conv2d_grad_weight are
 *                  its adjoints in x and w
 *   upsample2      y[c, i, j] = x[c, i / 2, j / 2]
 *   average_pool   y[c, i, j] = mean of x[c, i s + u - ph, j s + v - pw] over the u, v inside x
 *   max_pool       the largest of the same
 */
#include <math.h>

#include "backend/reference/reference.h"

#define blend hidi_reference_blend

/* --- patches --------------------------------------------------------------------------------- */

/* Where pixel (c, row, column) of patch (b, i, j) is in the image, and where in the tokens. */
typedef struct patch_layout {
    hidi_patch_order order;
    size_t C, H, W, p;
} patch_layout;

static size_t pixel_index(const patch_layout *l, size_t b, size_t i, size_t j, size_t c, size_t row,
                          size_t column)
{
    return ((b * l->C + c) * l->H + i * l->p + row) * l->W + j * l->p + column;
}

static size_t token_index(const patch_layout *l, size_t b, size_t i, size_t j, size_t c, size_t row,
                          size_t column)
{
    size_t patch = (b * (l->H / l->p) + i) * (l->W / l->p) + j;
    size_t inside = l->order == HIDI_PATCH_CPQ ? (c * l->p + row) * l->p + column
                                               : (row * l->p + column) * l->C + c;
    return patch * l->p * l->p * l->C + inside;
}

/* Every pixel is in exactly one patch: patchify and unpatchify visit the same pairs. */
#define FOR_EACH_PIXEL(l, B)                                                                       \
    for (size_t b = 0; b < (B); b++)                                                               \
        for (size_t i = 0; i < (l).H / (l).p; i++)                                                 \
            for (size_t j = 0; j < (l).W / (l).p; j++)                                             \
                for (size_t c = 0; c < (l).C; c++)                                                 \
                    for (size_t row = 0; row < (l).p; row++)                                       \
                        for (size_t column = 0; column < (l).p; column++)

void hidi_reference_patchify(hidi_real *tokens, hidi_real beta, const hidi_real *image,
                             hidi_patch_order order, size_t B, size_t C, size_t H, size_t W,
                             size_t p)
{
    patch_layout layout = { order, C, H, W, p };

    FOR_EACH_PIXEL(layout, B)
        blend(&tokens[token_index(&layout, b, i, j, c, row, column)], beta,
              image[pixel_index(&layout, b, i, j, c, row, column)]);
}

void hidi_reference_unpatchify(hidi_real *image, hidi_real beta, const hidi_real *tokens,
                               hidi_patch_order order, size_t B, size_t C, size_t H, size_t W,
                               size_t p)
{
    patch_layout layout = { order, C, H, W, p };

    FOR_EACH_PIXEL(layout, B)
        blend(&image[pixel_index(&layout, b, i, j, c, row, column)], beta,
              tokens[token_index(&layout, b, i, j, c, row, column)]);
}

/* --- convolution ----------------------------------------------------------------------------- */

/* Tap u of the window of output row `out` lies on input row out * stride + u - padding.
 * False if that is outside 0 .. size - 1: in the zero padding.  Columns are alike. */
static bool input_of(size_t *in, size_t out, size_t u, size_t size, size_t stride, size_t padding)
{
    size_t padded = out * stride + u;

    *in = padded - padding;
    return padded >= padding && *in < size;
}

static bool input_row(size_t *row, size_t i, size_t u, const hidi_window *window)
{
    return input_of(row, i, u, window->height, window->stride, window->padding_h);
}

static bool input_column(size_t *column, size_t j, size_t v, const hidi_window *window)
{
    return input_of(column, j, v, window->width, window->stride, window->padding_w);
}

/* The other way: the output row whose tap u lies on input row `in`.  False if there is none. */
static bool output_of(size_t *out, size_t in, size_t u, size_t size, size_t stride, size_t padding)
{
    size_t padded = in + padding;

    *out = (padded - u) / stride;
    return padded >= u && (padded - u) % stride == 0 && *out < size;
}

/* Where tap (u, v) of channel c is in w [O, C, kh, kw]. */
static size_t tap_index(size_t o, size_t c, size_t u, size_t v, const hidi_window *window)
{
    return ((o * window->channels + c) * window->kernel_h + u) * window->kernel_w + v;
}

size_t hidi_reference_conv_scratch(const hidi_window *window)
{
    (void)window;
    return 0;
}

/* sum over channels and taps of w[o, c, u, v] x[c, i s + u - padding_h, j s + v - padding_w] */
static double convolve_at(const hidi_real *x, const hidi_real *w, size_t o, size_t i, size_t j,
                          const hidi_window *window)
{
    size_t row, column;
    double sum = 0;

    for (size_t c = 0; c < window->channels; c++)
        for (size_t u = 0; u < window->kernel_h; u++) {
            if (!input_row(&row, i, u, window))
                continue;
            for (size_t v = 0; v < window->kernel_w; v++)
                if (input_column(&column, j, v, window))
                    sum += (double)w[tap_index(o, c, u, v, window)] *
                           x[(c * window->height + row) * window->width + column];
        }
    return sum;
}

void hidi_reference_conv2d(hidi_real *y, hidi_real beta, const hidi_real *x, const hidi_real *w,
                           const hidi_real *bias, const hidi_window *window, hidi_real *scratch)
{
    size_t image = window->channels * window->height * window->width;

    (void)scratch;
    for (size_t b = 0; b < window->batch; b++)
        for (size_t o = 0; o < window->out_channels; o++)
            for (size_t i = 0; i < window->out_height; i++)
                for (size_t j = 0; j < window->out_width; j++)
                    blend(y++, beta, convolve_at(x + b * image, w, o, i, j, window) +
                                         (bias != NULL ? (double)bias[o] : 0));
}

/* sum over output channels and taps of w[o, c, u, v] gy[o, i, j], with i, j such that
 * row = i s + u - padding_h and column = j s + v - padding_w */
static double correlate_at(const hidi_real *gy, const hidi_real *w, size_t c, size_t row,
                           size_t column, const hidi_window *window)
{
    size_t stride = window->stride, i, j;
    double sum = 0;

    for (size_t o = 0; o < window->out_channels; o++)
        for (size_t u = 0; u < window->kernel_h; u++) {
            if (!output_of(&i, row, u, window->out_height, stride, window->padding_h))
                continue;
            for (size_t v = 0; v < window->kernel_w; v++)
                if (output_of(&j, column, v, window->out_width, stride, window->padding_w))
                    sum += (double)w[tap_index(o, c, u, v, window)] *
                           gy[(o * window->out_height + i) * window->out_width + j];
        }
    return sum;
}

void hidi_reference_conv2d_grad_input(hidi_real *gx, hidi_real beta, const hidi_real *w,
                                      const hidi_real *gy, const hidi_window *window,
                                      hidi_real *scratch)
{
    size_t out_image = window->out_channels * window->out_height * window->out_width;

    (void)scratch;
    for (size_t b = 0; b < window->batch; b++)
        for (size_t c = 0; c < window->channels; c++)
            for (size_t row = 0; row < window->height; row++)
                for (size_t column = 0; column < window->width; column++)
                    blend(gx++, beta,
                          correlate_at(gy + b * out_image, w, c, row, column, window));
}

/* sum over images and pixels of gy[b, o, i, j] x[b, c, i s + u - padding_h, j s + v - padding_w] */
static double weight_gradient_at(const hidi_real *x, const hidi_real *gy, size_t o, size_t c,
                                 size_t u, size_t v, const hidi_window *window)
{
    size_t row, column;
    double sum = 0;

    for (size_t b = 0; b < window->batch; b++) {
        const hidi_real *x_c =
            x + (b * window->channels + c) * window->height * window->width;
        const hidi_real *gy_o =
            gy + (b * window->out_channels + o) * window->out_height * window->out_width;

        for (size_t i = 0; i < window->out_height; i++) {
            if (!input_row(&row, i, u, window))
                continue;
            for (size_t j = 0; j < window->out_width; j++)
                if (input_column(&column, j, v, window))
                    sum += (double)gy_o[i * window->out_width + j] *
                           x_c[row * window->width + column];
        }
    }
    return sum;
}

void hidi_reference_conv2d_grad_weight(hidi_real *gw, hidi_real beta, const hidi_real *x,
                                       const hidi_real *gy, const hidi_window *window,
                                       hidi_real *scratch)
{
    (void)scratch;
    for (size_t o = 0; o < window->out_channels; o++)
        for (size_t c = 0; c < window->channels; c++)
            for (size_t u = 0; u < window->kernel_h; u++)
                for (size_t v = 0; v < window->kernel_w; v++)
                    blend(gw++, beta, weight_gradient_at(x, gy, o, c, u, v, window));
}

void hidi_reference_conv2d_relu(hidi_real *y, size_t ldy, const hidi_real *x, const hidi_real *w,
                                const hidi_real *bias, const hidi_window *window,
                                hidi_real *scratch)
{
    size_t n = window->out_channels * window->out_height * window->out_width;
    size_t image = window->channels * window->height * window->width;
    hidi_window one = *window;

    one.batch = 1;
    for (size_t b = 0; b < window->batch; b++) {
        hidi_reference_conv2d(y + b * ldy, 0, x + b * image, w, bias, &one, scratch);
        hidi_reference_unary(HIDI_RELU, y + b * ldy, y + b * ldy, n, NULL);
    }
}

void hidi_reference_add_channels(hidi_real *y, hidi_real beta, const hidi_real *bias, size_t B,
                                 size_t O, size_t n)
{
    for (size_t b = 0; b < B; b++)
        for (size_t o = 0; o < O; o++)
            for (size_t i = 0; i < n; i++)
                blend(&y[(b * O + o) * n + i], beta, bias[o]);
}

void hidi_reference_sum_channels(hidi_real *out, hidi_real beta, const hidi_real *y, size_t B,
                                 size_t O, size_t n)
{
    for (size_t o = 0; o < O; o++) {
        double sum = 0;
        for (size_t b = 0; b < B; b++)
            for (size_t i = 0; i < n; i++)
                sum += y[(b * O + o) * n + i];
        blend(&out[o], beta, sum);
    }
}

void hidi_reference_scale_channels(hidi_real *y, hidi_real beta, const hidi_real *x,
                                   const hidi_real *scale, const hidi_real *shift, size_t B,
                                   size_t O, size_t n)
{
    for (size_t b = 0; b < B; b++)
        for (size_t o = 0; o < O; o++)
            for (size_t i = 0; i < n; i++) {
                size_t at = (b * O + o) * n + i;
                blend(&y[at], beta,
                      (double)scale[o] * x[at] + (shift != NULL ? (double)shift[o] : 0));
            }
}

void hidi_reference_dot_channels(hidi_real *out, hidi_real beta, const hidi_real *x,
                                 const hidi_real *w, size_t B, size_t O, size_t n)
{
    for (size_t o = 0; o < O; o++) {
        double sum = 0;
        for (size_t b = 0; b < B; b++)
            for (size_t i = 0; i < n; i++)
                sum += (double)x[(b * O + o) * n + i] * w[(b * O + o) * n + i];
        blend(&out[o], beta, sum);
    }
}

/* --- nearest-neighbour upsampling ------------------------------------------------------------ */

void hidi_reference_upsample2(hidi_real *y, hidi_real beta, const hidi_real *x, size_t planes,
                              size_t H, size_t W)
{
    for (size_t row = 0; row < planes * 2 * H; row++) /* rows 2 r and 2 r + 1 of y are row r of x */
        for (size_t j = 0; j < 2 * W; j++)
            blend(&y[row * 2 * W + j], beta, x[row / 2 * W + j / 2]);
}

void hidi_reference_upsample2_vjp(hidi_real *gx, hidi_real beta, const hidi_real *gy, size_t planes,
                                  size_t H, size_t W)
{
    for (size_t row = 0; row < planes * H; row++)
        for (size_t j = 0; j < W; j++) {
            const hidi_real *above = gy + 4 * row * W + 2 * j, *below = above + 2 * W;
            blend(&gx[row * W + j], beta, (double)above[0] + above[1] + below[0] + below[1]);
        }
}

/* --- pooling --------------------------------------------------------------------------------- */

/* What the sum of a window is divided by: the number of its pixels in the image. */
static double window_count(size_t i, size_t j, const hidi_window *window)
{
    size_t rows = 0, columns = 0, ignored;

    for (size_t u = 0; u < window->kernel_h; u++)
        rows += input_row(&ignored, i, u, window);
    for (size_t v = 0; v < window->kernel_w; v++)
        columns += input_column(&ignored, j, v, window);
    return (double)(rows * columns);
}

void hidi_reference_average_pool(hidi_real *y, hidi_real beta, const hidi_real *x,
                                 const hidi_window *window)
{
    size_t row, column;

    for (size_t plane = 0; plane < window->batch * window->channels; plane++) {
        for (size_t i = 0; i < window->out_height; i++)
            for (size_t j = 0; j < window->out_width; j++) {
                double sum = 0;
                for (size_t u = 0; u < window->kernel_h; u++)
                    for (size_t v = 0; v < window->kernel_w; v++)
                        if (input_row(&row, i, u, window) && input_column(&column, j, v, window))
                            sum += x[row * window->width + column];
                blend(y++, beta, sum / window_count(i, j, window));
            }
        x += window->height * window->width;
    }
}

/* x = beta x */
static void scale(hidi_real *x, hidi_real beta, size_t n)
{
    for (size_t i = 0; i < n; i++)
        blend(&x[i], beta, 0);
}

void hidi_reference_average_pool_vjp(hidi_real *gx, hidi_real beta, const hidi_real *gy,
                                     const hidi_window *window)
{
    size_t planes = window->batch * window->channels, row, column;

    scale(gx, beta, planes * window->height * window->width);
    for (size_t plane = 0; plane < planes; plane++) {
        for (size_t i = 0; i < window->out_height; i++)
            for (size_t j = 0; j < window->out_width; j++) {
                hidi_real share = (hidi_real)(*gy++ / window_count(i, j, window));
                for (size_t u = 0; u < window->kernel_h; u++)
                    for (size_t v = 0; v < window->kernel_w; v++)
                        if (input_row(&row, i, u, window) && input_column(&column, j, v, window))
                            gx[row * window->width + column] += share;
            }
        gx += window->height * window->width;
    }
}

/* The largest pixel of one window; a NaN beats all, so that it is not lost.  With padding < kernel
 * every window has a pixel. */
static hidi_real largest(const hidi_real *x, size_t i, size_t j, const hidi_window *window)
{
    size_t row, column;
    hidi_real best = (hidi_real)-INFINITY;

    for (size_t u = 0; u < window->kernel_h; u++)
        for (size_t v = 0; v < window->kernel_w; v++)
            if (input_row(&row, i, u, window) && input_column(&column, j, v, window)) {
                const hidi_real here = x[row * window->width + column];
                if (here > best || isnan(here))
                    best = here;
            }
    return best;
}

void hidi_reference_max_pool(hidi_real *y, const hidi_real *x, const hidi_window *window)
{
    for (size_t plane = 0; plane < window->batch * window->channels; plane++) {
        for (size_t i = 0; i < window->out_height; i++)
            for (size_t j = 0; j < window->out_width; j++)
                *y++ = largest(x, i, j, window);
        x += window->height * window->width;
    }
}
