/* conv.c - the gradients of a convolution as matrix products (im2col).
 *
 * For an image, column (i, j) of the matrix `col` [C kh kw, positions] holds the inputs under the
 * window of output (i, j), so that y = W col with W [O, C kh kw] (conv2d.c), and its adjoints
 * are products with W^T and col^T.  A few output rows, a tile, are done at a time, so that `col`
 * stays in cache.  For a 1 x 1 convolution of stride 1, col is the image itself.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <string.h>

#include "backend/cpu/cpu.h"

#ifdef HAVE_CBLAS

enum { TILE_ELEMENTS = 64 * 1024, TILE_POSITIONS = 128 }; /* of col: about; at least */

/* The sizes that both products share. */
typedef struct geometry {
    const hidi_window *window;
    size_t B, C, O;
    size_t taps;      /* kh kw                           */
    size_t K;         /* C kh kw: rows of col            */
    size_t pixels;    /* of one channel of an input      */
    size_t positions; /* of one channel of an output     */
    size_t tile;      /* output rows of a tile           */
    size_t tiles;     /* of one image                    */
    size_t scratch;   /* elements per thread             */
    bool direct;      /* col is the image: no copy       */
} geometry;

static geometry geometry_of(const hidi_window *window)
{
    size_t width = window->out_width, wanted;
    geometry g = { .window = window,
                   .B = window->batch,
                   .C = window->channels,
                   .O = window->out_channels,
                   .taps = window->kernel_h * window->kernel_w,
                   .pixels = window->height * window->width,
                   .positions = window->out_height * width };

    g.K = g.C * g.taps;
    g.direct = g.taps == 1 && window->stride == 1 && window->padding_h + window->padding_w == 0 &&
               window->out_height == window->height && width == window->width;
    wanted = g.K > 0 ? TILE_ELEMENTS / g.K : 0;
    wanted = wanted < TILE_POSITIONS ? TILE_POSITIONS : wanted;
    g.tile = width > 0 ? (wanted + width - 1) / width : 1;
    if (g.tile > window->out_height || (g.direct && g.B >= hidi_cpu_threads()))
        g.tile = window->out_height;
    g.tiles = g.tile > 0 ? (window->out_height + g.tile - 1) / g.tile : 0;
    g.scratch = g.direct ? 0 : (g.K * g.tile * width + 15) / 16 * 16;
    return g;
}

size_t hidi_cpu_conv_scratch(const hidi_window *window)
{
    const size_t forward = hidi_cpu_conv2d_scratch(window);
    const size_t backward = geometry_of(window).scratch * hidi_cpu_threads();

    return forward > backward ? forward : backward;
}

static hidi_real *own_scratch(const geometry *g, hidi_real *scratch)
{
#ifdef _OPENMP
    return scratch + (size_t)omp_get_thread_num() * g->scratch;
#else
    (void)g;
    return scratch;
#endif
}

/* The part of one row of col that lies in the image: `count` elements from col, `x` apart by the
 * stride from the channel's pixel `pixel`; count = 0 if output row i looks at padding only. */
typedef struct run {
    size_t col, count, pixel;
} run;

static run run_of(const hidi_window *w, size_t i, size_t u, size_t v)
{
    size_t padded = i * w->stride + u; /* input row + padding */
    hidi_share columns = hidi_cpu_columns_inside(w, v);
    run r = { columns.begin, columns.end - columns.begin, 0 };

    if (padded < w->padding_h || padded - w->padding_h >= w->height)
        r.count = 0;
    if (r.count > 0)
        r.pixel =
            (padded - w->padding_h) * w->width + columns.begin * w->stride + v - w->padding_w;
    return r;
}

/* col[((c - channels.begin) kh + u) kw + v, position] for output rows `rows` of one image x. */
static void im2col(const geometry *g, hidi_real *col, const hidi_real *x, hidi_share channels,
                   hidi_share rows)
{
    const hidi_window *w = g->window;

    for (size_t c = channels.begin; c < channels.end; c++)
        for (size_t tap = 0; tap < g->taps; tap++)
            for (size_t i = rows.begin; i < rows.end; i++, col += w->out_width) {
                run r = run_of(w, i, tap / w->kernel_w, tap % w->kernel_w);
                const hidi_real *from = x + c * g->pixels + r.pixel;

                if (r.count < w->out_width)
                    memset(col, 0, w->out_width * sizeof *col);
                if (w->stride == 1 && r.count > 0)
                    memcpy(col + r.col, from, r.count * sizeof *col);
                for (size_t j = 0; w->stride > 1 && j < r.count; j++)
                    col[r.col + j] = from[j * w->stride];
            }
}

/* The adjoint: adds col to the pixels it came from. */
static void col2im(const geometry *g, hidi_real *x, const hidi_real *col, hidi_share channels,
                   hidi_share rows)
{
    const hidi_window *w = g->window;

    for (size_t c = channels.begin; c < channels.end; c++)
        for (size_t tap = 0; tap < g->taps; tap++)
            for (size_t i = rows.begin; i < rows.end; i++, col += w->out_width) {
                run r = run_of(w, i, tap / w->kernel_w, tap % w->kernel_w);
                hidi_real *to = x + c * g->pixels + r.pixel;

                if (w->stride == 1)
                    hidi_kernels->axpby(to, 1, 1, col + r.col, r.count);
                for (size_t j = 0; w->stride > 1 && j < r.count; j++)
                    to[j * w->stride] += col[r.col + j];
            }
}

/* Output rows of tile number i, and its columns of col. */
static hidi_share tile_rows(const geometry *g, size_t i)
{
    hidi_share rows = { i * g->tile, (i + 1) * g->tile };

    if (rows.end > g->window->out_height)
        rows.end = g->window->out_height;
    return rows;
}

static size_t tile_width(const geometry *g, hidi_share rows)
{
    return (rows.end - rows.begin) * g->window->out_width;
}

/* gx = beta gx + col2im(W^T gy) for one image and some of its channels. */
static void grad_input(const geometry *g, hidi_real *gx, hidi_real beta, const hidi_real *w,
                       const hidi_real *gy, hidi_share channels, hidi_real *col)
{
    size_t first = channels.begin * g->taps, K = (channels.end - channels.begin) * g->taps;
    hidi_real *own = gx + channels.begin * g->pixels;

    if (g->direct) {
        hidi_cpu_gemm_serial(true, false, K, g->positions, g->O, 1, w + first, g->K, gy,
                             g->positions, beta, own, g->positions);
        return;
    }
    for (size_t i = 0; i < (channels.end - channels.begin) * g->pixels; i++)
        own[i] = beta == 0 ? 0 : beta * own[i];
    for (size_t t = 0; t < g->tiles; t++) {
        hidi_share rows = tile_rows(g, t);
        size_t width = tile_width(g, rows);

        hidi_cpu_gemm_serial(true, false, K, width, g->O, 1, w + first, g->K,
                             gy + rows.begin * g->window->out_width, g->positions, 0, col, width);
        col2im(g, gx, col, channels, rows);
    }
}

/* Images are divided among the threads; if there are too few, the channels of each. */
void hidi_cpu_conv2d_grad_input(hidi_real *gx, hidi_real beta, const hidi_real *w,
                                const hidi_real *gy, const hidi_window *window, hidi_real *scratch)
{
    const geometry g = geometry_of(window);
    bool by_image = g.B >= hidi_cpu_threads();

    HIDI_OMP(parallel if (g.B * g.O * g.K * g.positions >= HIDI_CPU_MIN_WORK))
    {
        hidi_share images = { 0, g.B }, channels = { 0, g.C };
        hidi_real *col = own_scratch(&g, scratch);

        if (by_image)
            images = hidi_cpu_share(g.B, 1);
        else
            channels = hidi_cpu_share(g.C, 1);
        for (size_t b = images.begin; b < images.end; b++)
            grad_input(&g, gx + b * g.C * g.pixels, beta, w, gy + b * g.O * g.positions, channels,
                       col);
    }
}

/* gW[out, channels] = beta gW + sum over images and tiles of gy col^T. */
static void grad_weight(const geometry *g, hidi_real *gw, hidi_real beta, const hidi_real *x,
                        const hidi_real *gy, hidi_share out, hidi_share channels, hidi_real *col)
{
    size_t K = (channels.end - channels.begin) * g->taps, O = out.end - out.begin;
    hidi_real *block = gw + out.begin * g->K + channels.begin * g->taps;
    hidi_real keep = beta;

    for (size_t item = 0; item < g->B * g->tiles; item++, keep = 1) {
        size_t b = item / g->tiles;
        hidi_share rows = tile_rows(g, item % g->tiles);
        size_t width = tile_width(g, rows), first = rows.begin * g->window->out_width;
        const hidi_real *image = x + b * g->C * g->pixels;

        if (!g->direct)
            im2col(g, col, image, channels, rows);
        hidi_cpu_gemm_serial(
            false, true, O, K, width, 1, gy + (b * g->O + out.begin) * g->positions + first,
            g->positions, g->direct ? image + channels.begin * g->pixels + first : col,
            g->direct ? g->positions : width, keep, block, g->K);
    }
    if (g->B * g->tiles == 0) /* nothing to add */
        hidi_cpu_gemm_serial(false, true, O, K, 0, 1, gy, 1, x, 1, beta, block, g->K);
}

/* A thread takes some input channels, over all images; if those are too few, some outputs. */
void hidi_cpu_conv2d_grad_weight(hidi_real *gw, hidi_real beta, const hidi_real *x,
                                 const hidi_real *gy, const hidi_window *window,
                                 hidi_real *scratch)
{
    const geometry g = geometry_of(window);
    bool by_channel = g.C >= 4 * hidi_cpu_threads();

    HIDI_OMP(parallel if (g.B * g.O * g.K * g.positions >= HIDI_CPU_MIN_WORK))
    {
        hidi_share out = { 0, g.O }, channels = { 0, g.C };
        hidi_real *col = own_scratch(&g, scratch);

        if (by_channel)
            channels = hidi_cpu_share(g.C, 1);
        else
            out = hidi_cpu_share(g.O, 1);
        grad_weight(&g, gw, beta, x, gy, out, channels, col);
    }
}

#endif
