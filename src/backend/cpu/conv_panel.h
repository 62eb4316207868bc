/* conv_panel.h - convolution as a matrix product whose right-hand side is never written out.
 *
 * Y = W col, W [O, K] and col [K, positions] with K = taps times channels, is done a panel at a
 * time: three vectors of positions, whose rows of col are gathered from the image into a buffer
 * that stays in the second-level cache, while strips of W, packed [K][strip], stream past it.  The
 * sums of a strip by a panel stay in registers all the way along K (the register tile of Goto &
 * van de Geijn, ACM TOMS 34, 2008), so that each output is one sum in a fixed order, whatever the
 * threads.  Only kernels.c includes this, after small_gemm.h, whose vectors it uses.
 */
#ifndef HIDI_BACKEND_CPU_CONV_PANEL_H
#define HIDI_BACKEND_CPU_CONV_PANEL_H

#include "backend/cpu/small_gemm.h"

/* Rows of a strip: as many as the registers can hold the sums of. */
#if defined(__AVX512F__)
#define CONV_ROWS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
enum { CONV_STRIP = 8 };
#else
#define CONV_ROWS(X) X(0) X(1) X(2) X(3)
enum { CONV_STRIP = 4 };
#endif
enum { CONV_VECTORS = 3, CONV_PANEL = CONV_VECTORS * LANES };

/* --- gathering -------------------------------------------------------------------------------- */

/* n elements from x into row[to ...], in whole vectors if they end before `end`: what is written
 * beyond n belongs to the next segment or row, which is written later. */
static inline void copy_segment(hidi_real *row, const hidi_real *x, size_t n, const hidi_real *end)
{
    if (x + (n + LANES - 1) / LANES * LANES <= end)
        for (size_t j = 0; j < n; j += LANES)
            *(loose *)(row + j) = *(const loose *)(x + j);
    else
        for (size_t j = 0; j < n; j++)
            row[j] = x[j];
}

/* Rows of one tap, channels of them, `width` elements apart. */
static void conv_gather(hidi_real *rows, size_t width, const hidi_real *x,
                        const hidi_cpu_conv_segment *segment, size_t n_segments, size_t stride,
                        size_t pixels, size_t channels)
{
    const hidi_real *end = x + channels * pixels;

    for (size_t c = 0; c < channels; c++, rows += width, x += pixels)
        for (size_t i = 0; i < n_segments; i++) {
            const hidi_cpu_conv_segment *s = &segment[i];
            hidi_real *to = rows + s->to;

            if (s->is_padding)
                for (size_t j = 0; j < s->count; j += LANES)
                    *(loose *)(to + j) = (loose){ 0 };
            else if (stride == 1)
                copy_segment(to, x + s->pixel, s->count, end);
            else
                for (size_t j = 0; j < s->count; j++)
                    to[j] = x[s->pixel + j * stride];
        }
}

/* row[j] = x[first + j] where it is kept, and nothing else is read */
static void gather_edge(hidi_real *row, size_t width, const hidi_real *keep, const hidi_real *x,
                        ptrdiff_t first)
{
    for (size_t j = 0; j < width; j++)
        row[j] = keep[j] != 0 ? x[first + (ptrdiff_t)j] : 0;
}

static void conv_gather_shifted(hidi_real *rows, size_t width, const hidi_real *keep,
                                const hidi_real *x, ptrdiff_t first, size_t pixels,
                                size_t channels)
{
    const ptrdiff_t last = (ptrdiff_t)(channels * pixels) - (ptrdiff_t)width;

    for (size_t c = 0; c < channels; c++, rows += width, first += (ptrdiff_t)pixels) {
        if (first < 0 || first > last) {
            gather_edge(rows, width, keep, x, first);
            continue;
        }
        HIDI_SIMD
        for (size_t j = 0; j < width; j++) {
            const hidi_real pixel = x[first + (ptrdiff_t)j];
            rows[j] = keep[j] != 0 ? pixel : 0;
        }
    }
}

/* --- products --------------------------------------------------------------------------------- */

#define CONV_DECLARE(r) vector s##r##0 = { 0 }, s##r##1 = { 0 }, s##r##2 = { 0 };
#define CONV_STEP(r)                                                                               \
    {                                                                                              \
        const vector a = ALL(w[r]);                                                                \
        MULTIPLY_ADD(s##r##0, a, b0);                                                              \
        if (vectors > 1)                                                                           \
            MULTIPLY_ADD(s##r##1, a, b1);                                                          \
        if (vectors > 2)                                                                           \
            MULTIPLY_ADD(s##r##2, a, b2);                                                          \
    }
#define CONV_PUT(r)                                                                                \
    {                                                                                              \
        sum[r * CONV_VECTORS] = s##r##0;                                                           \
        sum[r * CONV_VECTORS + 1] = s##r##1;                                                       \
        sum[r * CONV_VECTORS + 2] = s##r##2;                                                       \
    }

/* sum[r][...] = sum over k of w[k][r] panel[k][...];  vectors: a constant wherever it is inlined */
static inline __attribute__((always_inline)) void add_up(vector *sum, size_t vectors,
                                                         const hidi_real *w,
                                                         const hidi_real *panel, size_t K)
{
    CONV_ROWS(CONV_DECLARE)

    for (size_t k = 0; k < K; k++, w += CONV_STRIP, panel += vectors * LANES) {
        const vector b0 = *(const loose *)panel;
        const vector b1 = *(const loose *)(panel + (vectors > 1 ? LANES : 0));
        const vector b2 = *(const loose *)(panel + (vectors > 2 ? 2 * LANES : 0));
        CONV_ROWS(CONV_STEP)
    }
    CONV_ROWS(CONV_PUT)
}

/* For panels of 1, 2 and 3 vectors.  Inlined into one function, they would make gcc 12 keep b0 and
 * b1 in memory, which takes a quarter longer. */
#define CONV_SUMS(vectors)                                                                         \
    static __attribute__((noinline)) void strip_sums_##vectors(                                    \
        vector *sum, const hidi_real *w, const hidi_real *panel, size_t K)                         \
    {                                                                                              \
        add_up(sum, vectors, w, panel, K);                                                         \
    }
CONV_SUMS(1)
CONV_SUMS(2)
CONV_SUMS(3)

/* y[o] [n] = beta y + sum + bias, and ReLU (a NaN passes through) */
static inline void finish_row(hidi_real *y, const hidi_real *sum, size_t n, hidi_real beta,
                              hidi_real bias, bool relu)
{
    if (relu)
        HIDI_ACCUMULATE(i, n, y, 0, sum[i] + bias < 0 ? (hidi_real)0 : sum[i] + bias);
    else
        HIDI_ACCUMULATE(i, n, y, beta, sum[i] + bias);
}

static void conv_product(hidi_real *y, size_t ldy, hidi_real beta, const hidi_real *w,
                         const hidi_real *panel, const hidi_real *bias, bool relu, size_t O,
                         size_t n, size_t K)
{
    static void (*const strip_sums[])(vector *, const hidi_real *, const hidi_real *, size_t) = {
        strip_sums_1, strip_sums_2, strip_sums_3
    };
    const size_t vectors = (n + LANES - 1) / LANES;
    vector sum[CONV_STRIP * CONV_VECTORS];

    for (size_t first = 0; first < O; first += CONV_STRIP, w += CONV_STRIP * K) {
        strip_sums[vectors - 1](sum, w, panel, K);
        for (size_t r = 0; r < CONV_STRIP && first + r < O; r++)
            finish_row(y + (first + r) * ldy, (const hidi_real *)(sum + r * CONV_VECTORS), n, beta,
                       bias != NULL ? bias[first + r] : 0, relu);
    }
}

#endif
