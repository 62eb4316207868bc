/* image.cu - patches, channels and pooling of images [B, C, H, W].
 *
 * One element of the output per thread, also in the adjoints: a pixel looks up the windows it is
 * in, in their order, so that no two threads add to the same element.
 */
#include "backend/cuda/kernels.h"
#include "backend/cuda/window.h"

/* --- patches --------------------------------------------------------------------------------- */

typedef struct patch_layout {
    hidi_patch_order order;
    size_t C, H, W, p;
} patch_layout;

/* Where pixel number i of [B, C, H, W] is in the tokens [B, (H/p)(W/p), p p C]. */
static __device__ inline size_t token_index(const patch_layout l, size_t i)
{
    size_t column = i % l.W, row = i / l.W % l.H;
    size_t c = i / (l.W * l.H) % l.C, b = i / (l.W * l.H * l.C);
    size_t patch = (b * (l.H / l.p) + row / l.p) * (l.W / l.p) + column / l.p;
    size_t u = row % l.p, v = column % l.p;
    size_t inside = l.order == HIDI_PATCH_CPQ ? (c * l.p + u) * l.p + v : (u * l.p + v) * l.C + c;

    return patch * l.p * l.p * l.C + inside;
}

/* Every pixel is in exactly one patch: both directions visit the same pairs. */
HIDI_KERNEL patchify_kernel(hidi_real *tokens, hidi_real beta, const hidi_real *image,
                            patch_layout l, size_t pixels)
{
    HIDI_FOR_ELEMENTS (i, pixels)
        blend(&tokens[token_index(l, i)], beta, image[i]);
}

HIDI_KERNEL unpatchify_kernel(hidi_real *image, hidi_real beta, const hidi_real *tokens,
                              patch_layout l, size_t pixels)
{
    HIDI_FOR_ELEMENTS (i, pixels)
        blend(&image[i], beta, tokens[token_index(l, i)]);
}

static void patchify(hidi_real *tokens, hidi_real beta, const hidi_real *image,
                     hidi_patch_order order, size_t B, size_t C, size_t H, size_t W, size_t p)
{
    patch_layout layout = { order, C, H, W, p };

    HIDI_LAUNCH_ELEMENTS(patchify_kernel, B * C * H * W, tokens, beta, image, layout,
                         B * C * H * W);
}

static void unpatchify(hidi_real *image, hidi_real beta, const hidi_real *tokens,
                       hidi_patch_order order, size_t B, size_t C, size_t H, size_t W, size_t p)
{
    patch_layout layout = { order, C, H, W, p };

    HIDI_LAUNCH_ELEMENTS(unpatchify_kernel, B * C * H * W, image, beta, tokens, layout,
                         B * C * H * W);
}

/* --- channels: y [B, O, n] ------------------------------------------------------------------- */

/* y[b, o, i] = beta y[b, o, i] + bias[o]; rows b O + o */
HIDI_KERNEL add_channels_kernel(hidi_real *y, hidi_real beta, const hidi_real *bias, size_t B,
                                size_t O, size_t n)
{
    HIDI_FOR_ROWS (row, B * O) {
        const hidi_real bias_o = bias[row % O];
        HIDI_FOR_COLUMNS (i, n)
            blend(&y[row * n + i], beta, bias_o);
    }
}

void hidi_cuda_add_channels(hidi_real *y, hidi_real beta, const hidi_real *bias, size_t B, size_t O,
                            size_t n)
{
    HIDI_LAUNCH_ROWS(add_channels_kernel, B * O, n, y, beta, bias, B, O, n);
}

/* Elements of a block's share when a channel is split; and so few shares that column_sums does not
 * split them again, and leaves the workspace to us. */
enum { CHANNEL_SHARE = 4096, CHANNEL_MOST_PARTS = 128 };

/* part[p, o] = sum over share p of the B n elements of channel o, of x w;  w NULL: of x */
HIDI_KERNEL sum_channels_kernel(hidi_real *part, size_t parts, const hidi_real *x,
                                const hidi_real *w, size_t B, size_t O, size_t n)
{
    const size_t share = B * n / parts + (B * n % parts != 0);

    HIDI_FOR_GROUPS (hidi_block, k, parts * O) {
        size_t o = k % O, begin = k / O * share;
        size_t end = begin + share < B * n ? begin + share : B * n;
        hidi_real sum = 0;

        for (size_t i = begin + threadIdx.x; i < end; i += hidi_block::THREADS) {
            const size_t at = (i / n * O + o) * n + i % n;
            sum += w != NULL ? x[at] * w[at] : x[at];
        }
        sum = hidi_block::all<hidi_sum>(sum);
        if (threadIdx.x == 0)
            part[k] = sum;
    }
}

/* out[o] = beta out[o] + sum over the channel of x w */
static void dot_channels(hidi_real *out, hidi_real beta, const hidi_real *x, const hidi_real *w,
                         size_t B, size_t O, size_t n)
{
    size_t parts = hidi_cuda_min(B * n / CHANNEL_SHARE + 1, CHANNEL_MOST_PARTS);
    hidi_cuda_row_groups joined = { 1, 0, 1, parts, parts };
    hidi_real *part = O > 0 ? (hidi_real *)hidi_cuda_workspace(parts * O * sizeof *part) : NULL;

    if (part == NULL)
        return;
    HIDI_LAUNCH(sum_channels_kernel, hidi_cuda_blocks_of_groups(parts * O, hidi_block::THREADS),
                HIDI_CUDA_BLOCK, 0, hidi_cuda_stream, part, parts, x, w, B, O, n);
    hidi_cuda_column_sums(out, beta, part, NULL, joined, O);
}

static void sum_channels(hidi_real *out, hidi_real beta, const hidi_real *y, size_t B, size_t O,
                         size_t n)
{
    dot_channels(out, beta, y, NULL, B, O, n);
}

/* y[b, o, i] = beta y[b, o, i] + scale[o] x[b, o, i] + shift[o]; rows b O + o */
HIDI_KERNEL scale_channels_kernel(hidi_real *y, hidi_real beta, const hidi_real *x,
                                  const hidi_real *scale, const hidi_real *shift, size_t B,
                                  size_t O, size_t n)
{
    HIDI_FOR_ROWS (row, B * O) {
        const hidi_real scale_o = scale[row % O], shift_o = shift != NULL ? shift[row % O] : 0;
        HIDI_FOR_COLUMNS (i, n)
            blend(&y[row * n + i], beta, scale_o * x[row * n + i] + shift_o);
    }
}

static void scale_channels(hidi_real *y, hidi_real beta, const hidi_real *x, const hidi_real *scale,
                           const hidi_real *shift, size_t B, size_t O, size_t n)
{
    HIDI_LAUNCH_ROWS(scale_channels_kernel, B * O, n, y, beta, x, scale, shift, B, O, n);
}

/* --- nearest-neighbour upsampling: x [planes, H, W], y [planes, 2 H, 2 W] --------------------- */

/* y[i, j] = beta y[i, j] + x[i / 2, j / 2]; rows of all planes one after the other */
HIDI_KERNEL upsample2_kernel(hidi_real *y, hidi_real beta, const hidi_real *x, size_t rows,
                             size_t W)
{
    HIDI_FOR_ROWS (i, 2 * rows)
        HIDI_FOR_COLUMNS (j, 2 * W)
            blend(&y[i * 2 * W + j], beta, x[i / 2 * W + j / 2]);
}

static void upsample2(hidi_real *y, hidi_real beta, const hidi_real *x, size_t planes, size_t H,
                      size_t W)
{
    HIDI_LAUNCH_ROWS(upsample2_kernel, planes * 2 * H, 2 * W, y, beta, x, planes * H, W);
}

/* gx[i, j] = beta gx[i, j] + the sum of gy over the four pixels that are x[i, j] */
HIDI_KERNEL upsample2_vjp_kernel(hidi_real *gx, hidi_real beta, const hidi_real *gy, size_t rows,
                                 size_t W)
{
    HIDI_FOR_ROWS (i, rows)
        HIDI_FOR_COLUMNS (j, W) {
            const hidi_real *above = gy + 4 * i * W + 2 * j, *below = above + 2 * W;
            blend(&gx[i * W + j], beta, above[0] + above[1] + (below[0] + below[1]));
        }
}

static void upsample2_vjp(hidi_real *gx, hidi_real beta, const hidi_real *gy, size_t planes,
                          size_t H, size_t W)
{
    HIDI_LAUNCH_ROWS(upsample2_vjp_kernel, planes * H, W, gx, beta, gy, planes * H, W);
}

/* --- pooling --------------------------------------------------------------------------------- */

/* Output element number i of [planes, OH, OW], planes = B C. */
typedef struct output_place {
    size_t plane, i, j;
} output_place;

static __device__ inline output_place place_of(size_t index, const hidi_window &w)
{
    size_t row = index / w.out_width;
    output_place o = { row / w.out_height, row % w.out_height, index % w.out_width };

    return o;
}

/* What the sum of window (i, j) is divided by: the number of its pixels in the image. */
static __device__ inline hidi_real window_count(size_t i, size_t j, const hidi_window &w)
{
    hidi_range rows = input_rows(i, w), columns = input_columns(j, w);

    return (hidi_real)((rows.end - rows.begin) * (columns.end - columns.begin));
}

HIDI_KERNEL average_pool_kernel(hidi_real *y, hidi_real beta, const hidi_real *x, hidi_window w,
                                size_t n)
{
    HIDI_FOR_ELEMENTS (index, n) {
        const output_place o = place_of(index, w);
        const hidi_range rows = input_rows(o.i, w), columns = input_columns(o.j, w);
        hidi_real sum = 0;

        for (size_t row = rows.begin; row < rows.end; row++)
            for (size_t column = columns.begin; column < columns.end; column++)
                sum += x[(o.plane * w.height + row) * w.width + column];
        blend(&y[index], beta, sum / window_count(o.i, o.j, w));
    }
}

static void average_pool(hidi_real *y, hidi_real beta, const hidi_real *x,
                         const hidi_window *window)
{
    size_t n = window->batch * window->channels * window->out_height * window->out_width;

    HIDI_LAUNCH_ELEMENTS(average_pool_kernel, n, y, beta, x, *window, n);
}

/* gx[row, column] = beta gx + sum of gy[i, j] / count[i, j] over the windows (i, j) it is in */
HIDI_KERNEL average_pool_vjp_kernel(hidi_real *gx, hidi_real beta, const hidi_real *gy,
                                    hidi_window w, size_t n)
{
    HIDI_FOR_ELEMENTS (index, n) {
        const size_t plane = index / w.width / w.height;
        const hidi_range rows = output_rows(index / w.width % w.height, w);
        const hidi_range columns = output_columns(index % w.width, w);
        hidi_real sum = 0;

        for (size_t i = rows.begin; i < rows.end; i++)
            for (size_t j = columns.begin; j < columns.end; j++)
                sum += gy[(plane * w.out_height + i) * w.out_width + j] / window_count(i, j, w);
        blend(&gx[index], beta, sum);
    }
}

static void average_pool_vjp(hidi_real *gx, hidi_real beta, const hidi_real *gy,
                             const hidi_window *window)
{
    size_t n = window->batch * window->channels * window->height * window->width;

    HIDI_LAUNCH_ELEMENTS(average_pool_vjp_kernel, n, gx, beta, gy, *window, n);
}

/* The largest pixel of the window; a NaN beats all, so that it is not lost.  With padding < kernel
 * every window has a pixel. */
HIDI_KERNEL max_pool_kernel(hidi_real *y, const hidi_real *x, hidi_window w, size_t n)
{
    HIDI_FOR_ELEMENTS (index, n) {
        const output_place o = place_of(index, w);
        const hidi_range rows = input_rows(o.i, w), columns = input_columns(o.j, w);
        hidi_real best = (hidi_real)-INFINITY;

        for (size_t row = rows.begin; row < rows.end; row++)
            for (size_t column = columns.begin; column < columns.end; column++) {
                const hidi_real here = x[(o.plane * w.height + row) * w.width + column];
                if (here > best || isnan(here))
                    best = here;
            }
        y[index] = best;
    }
}

static void max_pool(hidi_real *y, const hidi_real *x, const hidi_window *window)
{
    size_t n = window->batch * window->channels * window->out_height * window->out_width;

    HIDI_LAUNCH_ELEMENTS(max_pool_kernel, n, y, x, *window, n);
}

void hidi_cuda_image_slots(hidi_backend *table)
{
    table->patchify = patchify;
    table->unpatchify = unpatchify;
    table->add_channels = hidi_cuda_add_channels;
    table->sum_channels = sum_channels;
    table->scale_channels = scale_channels;
    table->dot_channels = dot_channels;
    table->upsample2 = upsample2;
    table->upsample2_vjp = upsample2_vjp;
    table->average_pool = average_pool;
    table->average_pool_vjp = average_pool_vjp;
    table->max_pool = max_pool;
}
