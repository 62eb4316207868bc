/* conv2d.c - the forward convolution: panels of positions, gathered from the image and
 * multiplied with the weights (conv_panel.h), divided among the threads.
 *
 * scratch: the packed weights, for all threads; then one panel for each.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "backend/cpu/cpu.h"

#ifdef HAVE_CBLAS

enum { LEAST_OUTPUTS = 32 }; /* of an item: with fewer, gathering takes longer than multiplying */

/* A panel's row of one tap is made of runs of an image's rows and of padding: at most three for
 * each output row that it touches. */
enum { MAX_PANEL = 64, MAX_SEGMENTS = 3 * MAX_PANEL };

typedef struct plan {
    const hidi_window *window;
    size_t taps, K;          /* kernel_h kernel_w; K = taps channels                      */
    size_t pixels;           /* of a channel of an input                                  */
    size_t positions;        /* of a channel of an output                                 */
    size_t strips;           /* of the outputs                                            */
    size_t panel, panels;    /* positions of a panel; panels of an image                  */
    size_t parts, strips_of; /* parts that the strips are cut into; strips of each        */
    size_t packed, own;      /* elements of scratch: packed weights; a thread's           */
} plan;

static size_t divide_up(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

/* An item of work is a panel by all outputs, or by a part of them if there are too few panels. */
static plan plan_of(const hidi_window *window)
{
    const size_t strip = hidi_kernels->conv_strip, threads = hidi_cpu_threads();
    plan p = { .window = window,
               .taps = window->kernel_h * window->kernel_w,
               .pixels = window->height * window->width,
               .positions = window->out_height * window->out_width,
               .strips = divide_up(window->out_channels, strip),
               .panel = hidi_kernels->conv_panel,
               .parts = 1 };

    p.K = p.taps * window->channels;
    p.panels = divide_up(p.positions, p.panel);
    while (window->batch * p.panels * p.parts < 4 * threads && threads > 1 &&
           window->out_channels >= 2 * p.parts * LEAST_OUTPUTS)
        p.parts *= 2;
    p.strips_of = p.strips > 0 ? divide_up(p.strips, p.parts) : 0;
    p.packed = divide_up(p.strips * strip * p.K, 16) * 16;
    p.own = divide_up((p.K + 1) * p.panel, 16) * 16; /* one row more: gathering overshoots */
    return p;
}

size_t hidi_cpu_conv2d_scratch(const hidi_window *window)
{
    const plan p = plan_of(window);
    return p.packed + p.own * hidi_cpu_threads();
}

/* packed[strip][k][r] = w[strip * rows + r][c][tap], k = tap * channels + c; 0 beyond the last */
static void pack_strips(const plan *p, hidi_real *packed, const hidi_real *w, hidi_share strips)
{
    const size_t rows = hidi_kernels->conv_strip, C = p->window->channels;

    for (size_t s = strips.begin; s < strips.end; s++)
        for (size_t r = 0; r < rows; r++) {
            hidi_real *to = packed + s * rows * p->K + r;
            const size_t o = s * rows + r;
            const hidi_real *from = w + o * p->K;

            if (o < p->window->out_channels)
                for (size_t tap = 0; tap < p->taps; tap++)
                    for (size_t c = 0; c < C; c++, to += rows)
                        *to = from[c * p->taps + tap];
            else
                for (size_t k = 0; k < p->K; k++, to += rows)
                    *to = 0;
        }
}

/* The segments being listed: those of one tap of a panel. */
typedef struct segments {
    hidi_cpu_conv_segment list[MAX_SEGMENTS];
    size_t n, to; /* so far: segments, and elements of the row */
} segments;

static void add_segment(segments *s, bool is_padding, size_t count, size_t pixel)
{
    hidi_cpu_conv_segment *last = s->n > 0 ? &s->list[s->n - 1] : NULL;

    if (count == 0)
        return;
    if (is_padding && last != NULL && last->is_padding)
        last->count += count;
    else
        s->list[s->n++] = (hidi_cpu_conv_segment){ s->to, count, pixel, is_padding };
    s->to += count;
}

static size_t clamp(size_t x, size_t low, size_t high)
{
    return x < low ? low : x > high ? high : x;
}

/* What positions first .. end of the output see through tap (u, v). */
static void list_segments(segments *s, const hidi_window *w, size_t first, size_t end, size_t u,
                          size_t v)
{
    const hidi_share inside = hidi_cpu_columns_inside(w, v);

    s->n = s->to = 0;
    for (size_t at = first, next; at < end; at = next) {
        const size_t i = at / w->out_width, row = i * w->out_width;
        const size_t padded = i * w->stride + u; /* input row + padding */
        size_t begin, stop, pixel = 0;

        next = row + w->out_width < end ? row + w->out_width : end;
        begin = clamp(row + inside.begin, at, next);
        stop = clamp(row + inside.end, begin, next);
        if (padded < w->padding_h || padded - w->padding_h >= w->height)
            stop = begin;
        if (stop > begin)
            pixel = (padded - w->padding_h) * w->width + (begin - row) * w->stride + v -
                    w->padding_w;
        add_segment(s, true, begin - at, 0);
        add_segment(s, false, stop - begin, pixel);
        add_segment(s, true, next - stop, 0);
    }
}

/* Where the output has the image's width and stride 1, each position sees the pixel of the same
 * number plus a shift that depends on the tap alone, or padding. */
static void gather_shifted(const plan *p, hidi_real *rows, size_t width, const hidi_real *x,
                           const segments *s, size_t first, size_t tap)
{
    const hidi_window *w = p->window;
    const size_t u = tap / w->kernel_w, v = tap % w->kernel_w;
    const ptrdiff_t shift = ((ptrdiff_t)u - (ptrdiff_t)w->padding_h) * (ptrdiff_t)w->width +
                            (ptrdiff_t)v - (ptrdiff_t)w->padding_w;
    hidi_real keep[MAX_PANEL] = { 0 };

    for (size_t i = 0; i < s->n; i++)
        for (size_t j = 0; j < s->list[i].count; j++)
            keep[s->list[i].to + j] = s->list[i].is_padding ? 0 : 1;
    hidi_kernels->conv_gather_shifted(rows, width, keep, x, (ptrdiff_t)first + shift, p->pixels,
                                      w->channels);
}

/* panel [K][vectors' width] of positions first .. end of one image x */
static void gather(const plan *p, hidi_real *panel, const hidi_real *x, size_t first, size_t end)
{
    const hidi_window *w = p->window;
    const size_t width = divide_up(end - first, hidi_kernels->conv_lanes) *
                         hidi_kernels->conv_lanes;
    segments s;

    for (size_t tap = 0; tap < p->taps; tap++) {
        hidi_real *rows = panel + tap * w->channels * width;

        list_segments(&s, w, first, end, tap / w->kernel_w, tap % w->kernel_w);
        if (w->stride == 1 && w->out_width == w->width)
            gather_shifted(p, rows, width, x, &s, first, tap);
        else
            hidi_kernels->conv_gather(rows, width, x, s.list, s.n, w->stride, p->pixels,
                                      w->channels);
    }
}

/* What becomes of the sums. */
typedef struct output {
    hidi_real *y;
    size_t ldy; /* from image to image */
    hidi_real beta;
    const hidi_real *bias;
    bool relu;
} output;

/* Items begin .. end; the parts of a panel follow one another, and share what is gathered. */
static void run_items(const plan *p, const output *out, const hidi_real *x,
                      const hidi_real *packed, hidi_real *panel, hidi_share items)
{
    const hidi_window *w = p->window;
    const size_t O = w->out_channels, step = p->strips_of * hidi_kernels->conv_strip;
    size_t gathered = (size_t)-1;

    for (size_t item = items.begin; item < items.end; item++) {
        const size_t which = item / p->parts, b = which / p->panels;
        const size_t first = which % p->panels * p->panel, o = item % p->parts * step;
        const size_t end = first + p->panel < p->positions ? first + p->panel : p->positions;

        if (o >= O)
            continue;
        if (which != gathered)
            gather(p, panel, x + b * w->channels * p->pixels, first, end);
        gathered = which;
        hidi_kernels->conv_product(out->y + b * out->ldy + o * p->positions + first, p->positions,
                                   out->beta, packed + o * p->K, panel,
                                   out->bias != NULL ? out->bias + o : NULL, out->relu,
                                   o + step < O ? step : O - o, end - first, p->K);
    }
}

static void convolve(const output *out, const hidi_real *x, const hidi_real *w,
                     const hidi_window *window, hidi_real *scratch)
{
    const plan p = plan_of(window);
    const size_t work = window->batch * p.positions * window->out_channels * p.K;

    (void)work; /* without OpenMP */
    HIDI_OMP(parallel if (work >= HIDI_CPU_MIN_WORK))
    {
        hidi_real *panel = scratch + p.packed;
#ifdef _OPENMP
        panel += (size_t)omp_get_thread_num() * p.own;
#endif
        pack_strips(&p, scratch, w, hidi_cpu_share(p.strips, 1));
        HIDI_OMP(barrier)
        run_items(&p, out, x, scratch, panel,
                  hidi_cpu_share(window->batch * p.panels * p.parts, 1));
    }
}

void hidi_cpu_conv2d(hidi_real *y, hidi_real beta, const hidi_real *x, const hidi_real *w,
                     const hidi_real *bias, const hidi_window *window, hidi_real *scratch)
{
    const output out = { y, window->out_channels * window->out_height * window->out_width, beta,
                         bias, false };
    convolve(&out, x, w, window, scratch);
}

void hidi_cpu_conv2d_relu(hidi_real *y, size_t ldy, const hidi_real *x, const hidi_real *w,
                          const hidi_real *bias, const hidi_window *window, hidi_real *scratch)
{
    const output out = { y, ldy, 0, bias, true };
    convolve(&out, x, w, window, scratch);
}

#endif
