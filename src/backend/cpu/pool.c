/* pool.c - pooling: each thread has a share of the planes (one channel of one image).
 *
 * The forward pools work on whole rows, which the compiler vectorises: what the window covers is
 * summed (or the largest taken) over its rows first, then over its columns.  Gradients, and rows
 * that do not fit the buffers, are left to the reference kernels.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <math.h>
#include <string.h>

#include "backend/cpu/cpu.h"
#include "backend/reference/reference.h"

enum { MAX_ROW = 2048 }; /* columns of an input or output row that the buffers hold */

/* Each plane [H, W] of an image is an image of one channel. */
typedef struct planes {
    hidi_window window; /* of this thread's planes        */
    size_t in, out;     /* its first elements in x and y  */
} planes;

static planes own_planes(const hidi_window *window)
{
    hidi_share s = hidi_cpu_share(window->batch * window->channels, 1);
    planes own = { *window, s.begin * window->height * window->width,
                   s.begin * window->out_height * window->out_width };

    own.window.batch = s.end - s.begin;
    own.window.channels = own.window.out_channels = 1;
    return own;
}

#define POOL_WORK(w)                                                                               \
    ((w)->batch * (w)->channels * (w)->out_height * (w)->out_width * (w)->kernel_h * (w)->kernel_w)
#define PARALLEL_PLANES parallel if (POOL_WORK(window) >= HIDI_CPU_MIN_WORK)

/* --- forward, by rows ------------------------------------------------------------------------ */

/* Input rows (or columns) of 0 .. size that window number i covers. */
static hidi_share covered(size_t i, size_t kernel, size_t stride, size_t padding, size_t size)
{
    const size_t first = i * stride, end = first + kernel;
    hidi_share s = { first > padding ? first - padding : 0, end > padding ? end - padding : 0 };

    s.end = s.end < size ? s.end : size;
    s.begin = s.begin < s.end ? s.begin : s.end;
    return s;
}

static hidi_share covered_rows(const hidi_window *w, size_t i)
{
    return covered(i, w->kernel_h, w->stride, w->padding_h, w->height);
}

static hidi_share covered_columns(const hidi_window *w, size_t j)
{
    return covered(j, w->kernel_w, w->stride, w->padding_w, w->width);
}

hidi_share hidi_cpu_columns_inside(const hidi_window *w, size_t v)
{
    hidi_share s = { 0, 0 };

    if (v < w->padding_w)
        s.begin = (w->padding_w - v + w->stride - 1) / w->stride;
    if (w->width + w->padding_w > v)
        s.end = (w->width + w->padding_w - v + w->stride - 1) / w->stride;
    s.end = s.end < w->out_width ? s.end : w->out_width;
    s.begin = s.begin < s.end ? s.begin : s.end;
    return s;
}

static bool fits(const hidi_window *w)
{
    return w->width <= MAX_ROW && w->out_width <= MAX_ROW;
}

/* Outputs begin .. end are those whose windows lie between the left and right edges. */
static hidi_share away_from_edges(const hidi_window *w)
{
    hidi_share s = { 0, w->out_width };

    while (s.begin < s.end && s.begin * w->stride < w->padding_w)
        s.begin++;
    while (s.end > s.begin &&
           (s.end - 1) * w->stride + w->kernel_w > w->width + w->padding_w)
        s.end--;
    return s;
}

/* y[j] = sum of column[begin .. end) for one window */
static hidi_real sum_of(const hidi_real *column, hidi_share s)
{
    hidi_real sum = 0;

    for (size_t k = s.begin; k < s.end; k++)
        sum += column[k];
    return sum;
}

static void average_row(hidi_real *y, hidi_real beta, const hidi_real *x, const hidi_window *w,
                        size_t i)
{
    const hidi_share rows = covered_rows(w, i), inner = away_from_edges(w);
    const size_t height = rows.end - rows.begin;
    const hidi_real share = (hidi_real)(1 / (double)(height * w->kernel_w));
    hidi_real column[MAX_ROW], mean[MAX_ROW];

    memset(column, 0, w->width * sizeof *column);
    for (size_t row = rows.begin; row < rows.end; row++)
        for (size_t k = 0; k < w->width; k++)
            column[k] += x[row * w->width + k];
    memset(mean, 0, w->out_width * sizeof *mean);
    for (size_t v = 0; v < w->kernel_w && inner.begin < inner.end; v++) {
        const hidi_real *from = column + inner.begin * w->stride + v - w->padding_w;
        if (w->stride == 1)
            for (size_t j = 0; j < inner.end - inner.begin; j++)
                mean[inner.begin + j] += from[j];
        else
            for (size_t j = 0; j < inner.end - inner.begin; j++)
                mean[inner.begin + j] += from[j * w->stride];
    }
    for (size_t j = inner.begin; j < inner.end; j++)
        mean[j] *= share;
    for (size_t j = 0; j < w->out_width; j++) {
        const hidi_share columns = covered_columns(w, j);
        const size_t width = columns.end - columns.begin;
        if (j == inner.begin && inner.begin < inner.end)
            j = inner.end - 1;
        else
            mean[j] = (hidi_real)((double)sum_of(column, columns) / (double)(height * width));
    }
    for (size_t j = 0; j < w->out_width; j++)
        y[j] = beta == 0 ? mean[j] : beta * y[j] + mean[j];
}

static void max_row(hidi_real *y, const hidi_real *x, const hidi_window *w, size_t i)
{
    const hidi_share rows = covered_rows(w, i);
    hidi_real column[MAX_ROW];

    memcpy(column, x + rows.begin * w->width, w->width * sizeof *column);
    for (size_t row = rows.begin + 1; row < rows.end; row++)
        hidi_kernels->maximum(column, x + row * w->width, 1, w->width);
    for (size_t j = 0; j < w->out_width; j++)
        y[j] = (hidi_real)-INFINITY;
    for (size_t v = 0; v < w->kernel_w; v++) {
        const hidi_share s = hidi_cpu_columns_inside(w, v);
        if (s.begin < s.end)
            hidi_kernels->maximum(y + s.begin, column + s.begin * w->stride + v - w->padding_w,
                                  w->stride, s.end - s.begin);
    }
}

void hidi_cpu_average_pool(hidi_real *y, hidi_real beta, const hidi_real *x,
                           const hidi_window *window)
{
    HIDI_OMP(PARALLEL_PLANES)
    {
        const planes own = own_planes(window);
        const hidi_window *w = &own.window;

        if (!fits(w))
            hidi_reference_average_pool(y + own.out, beta, x + own.in, w);
        for (size_t row = 0; fits(w) && row < w->batch * w->out_height; row++)
            average_row(y + own.out + row * w->out_width, beta,
                        x + own.in + row / w->out_height * w->height * w->width, w,
                        row % w->out_height);
    }
}

void hidi_cpu_max_pool(hidi_real *y, const hidi_real *x, const hidi_window *window)
{
    HIDI_OMP(PARALLEL_PLANES)
    {
        const planes own = own_planes(window);
        const hidi_window *w = &own.window;

        if (!fits(w))
            hidi_reference_max_pool(y + own.out, x + own.in, w);
        for (size_t row = 0; fits(w) && row < w->batch * w->out_height; row++)
            max_row(y + own.out + row * w->out_width,
                    x + own.in + row / w->out_height * w->height * w->width, w,
                    row % w->out_height);
    }
}

/* --- the gradient ---------------------------------------------------------------------------- */

void hidi_cpu_average_pool_vjp(hidi_real *gx, hidi_real beta, const hidi_real *gy,
                               const hidi_window *window)
{
    HIDI_OMP(PARALLEL_PLANES)
    {
        const planes own = own_planes(window);
        hidi_reference_average_pool_vjp(gx + own.in, beta, gy + own.out, &own.window);
    }
}
