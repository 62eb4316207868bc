/* rows.c - sums and norms of rows, the modulation of tokens, channels and upsampling: each thread
 * has its share of the rows, or of the columns where sums run down them, so that a sum is always
 * one thread's. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "backend/cpu/cpu.h"

void hidi_cpu_add_rows(hidi_real *y, hidi_real beta, const hidi_real *b, size_t period, size_t rows,
                       size_t n)
{
    HIDI_OMP(parallel if (rows * n >= HIDI_CPU_MIN_WORK))
    {
        hidi_share s = hidi_cpu_share(rows, 1);
        for (size_t i = s.begin; i < s.end; i++)
            hidi_kernels->axpby(y + i * n, beta, 1, b + i % period * n, n);
    }
}

/* The sums are divided among the threads by columns, and by phase k if columns are few. */
void hidi_cpu_sum_rows(hidi_real *out, hidi_real beta, const hidi_real *x, size_t period,
                       size_t rows, size_t n)
{
    bool by_column = n >= 32 * hidi_cpu_threads();

    HIDI_OMP(parallel if (rows * n >= HIDI_CPU_MIN_WORK))
    {
        hidi_share column = { 0, n }, phase = { 0, period };

        if (by_column)
            column = hidi_cpu_share(n, 16);
        else
            phase = hidi_cpu_share(period, 1);
        for (size_t k = phase.begin; k < phase.end; k++) {
            size_t height = rows > k ? (rows - k + period - 1) / period : 0;
            hidi_kernels->sum_columns(out + k * n + column.begin, beta, x + k * n + column.begin,
                                      NULL, period * n, height, column.end - column.begin);
        }
    }
}

void hidi_cpu_scale_rows(hidi_real *y, hidi_real beta, hidi_real a, const hidi_real *s,
                         const hidi_real *x, size_t rows, size_t n)
{
    HIDI_OMP(parallel if (rows * n >= HIDI_CPU_MIN_WORK))
    {
        hidi_share r = hidi_cpu_share(rows, 1);
        for (size_t i = r.begin; i < r.end; i++)
            hidi_kernels->axpby(y + i * n, beta, a * s[i], x + i * n, n);
    }
}

void hidi_cpu_dot_rows(hidi_real *out, hidi_real beta, hidi_real a, const hidi_real *x,
                       const hidi_real *w, size_t rows, size_t n)
{
    HIDI_OMP(parallel if (rows * n >= HIDI_CPU_MIN_WORK))
    {
        hidi_share s = hidi_cpu_share(rows, 1);
        for (size_t i = s.begin; i < s.end; i++) {
            hidi_real sum = a * hidi_kernels->dot_row(x + i * n, w ? w + i * n : NULL, n);
            out[i] = beta == 0 ? sum : beta * out[i] + sum;
        }
    }
}

enum { DOT_BLOCKS = 64 };

/* Always the same blocks, added in order: the result does not depend on the thread count. */
void hidi_cpu_dot(hidi_real *out, hidi_real beta, hidi_real a, const hidi_real *x,
                  const hidi_real *w, size_t n)
{
    double partial[DOT_BLOCKS], sum = 0;

    HIDI_OMP(parallel if (n >= HIDI_CPU_MIN_WORK))
    {
        hidi_share s = hidi_cpu_share(DOT_BLOCKS, 1);
        for (size_t i = s.begin; i < s.end; i++) {
            size_t begin = n / DOT_BLOCKS * i, end = begin + n / DOT_BLOCKS;
            if (i + 1 == DOT_BLOCKS)
                end = n;
            partial[i] = hidi_kernels->dot(x + begin, w ? w + begin : NULL, end - begin);
        }
    }
    for (size_t i = 0; i < DOT_BLOCKS; i++)
        sum += partial[i];
    sum *= (double)a;
    out[0] = (hidi_real)(beta == 0 ? sum : (double)beta * (double)out[0] + sum);
}

void hidi_cpu_softmax(hidi_real *y, const hidi_real *x, size_t rows, size_t n)
{
    HIDI_OMP(parallel if (rows * n * HIDI_CPU_EXP_WORK >= HIDI_CPU_MIN_WORK))
    {
        hidi_share s = hidi_cpu_share(rows, 1);
        hidi_kernels->softmax(y + s.begin * n, 1, x + s.begin * n, s.end - s.begin, n);
    }
}

void hidi_cpu_softmax_jacobian(hidi_real *out, hidi_real beta, const hidi_real *y,
                               const hidi_real *d, size_t rows, size_t n)
{
    HIDI_OMP(parallel if (rows * n >= HIDI_CPU_MIN_WORK))
    {
        hidi_share s = hidi_cpu_share(rows, 1);
        size_t i = s.begin * n;
        hidi_kernels->softmax_jacobian(out + i, beta, 1, y + i, d + i, s.end - s.begin, n);
    }
}

void hidi_cpu_layer_norm(hidi_real *y, hidi_real *rstd, const hidi_real *x, size_t rows, size_t n,
                         hidi_real eps)
{
    if (n == 0)
        return;
    HIDI_OMP(parallel if (rows * n >= HIDI_CPU_MIN_WORK))
    {
        hidi_share s = hidi_cpu_share(rows, 1);
        hidi_kernels->layer_norm(y + s.begin * n, rstd + s.begin, x + s.begin * n,
                                 s.end - s.begin, n, eps);
    }
}

void hidi_cpu_layer_norm_jacobian(hidi_real *out, hidi_real beta, const hidi_real *y,
                                  const hidi_real *rstd, const hidi_real *d, size_t rows, size_t n)
{
    HIDI_OMP(parallel if (rows * n >= HIDI_CPU_MIN_WORK))
    {
        hidi_share s = hidi_cpu_share(rows, 1);
        size_t i = s.begin * n;
        hidi_kernels->layer_norm_jacobian(out + i, beta, y + i, rstd + s.begin, d + i,
                                          s.end - s.begin, n);
    }
}

/* Row i of [B T, D] belongs to sample i / T. */
void hidi_cpu_modulate(hidi_real *y, hidi_real beta, const hidi_real *x, hidi_real offset,
                       const hidi_real *scale, const hidi_real *shift, size_t B, size_t T, size_t D)
{
    HIDI_OMP(parallel if (B * T * D >= HIDI_CPU_MIN_WORK))
    {
        hidi_share s = hidi_cpu_share(B * T, 1);
        for (size_t i = s.begin; i < s.end; i++) {
            size_t b = i / T * D;
            hidi_kernels->modulate_row(y + i * D, beta, x + i * D, offset, scale ? scale + b : NULL,
                                       shift ? shift + b : NULL, D);
        }
    }
}

void hidi_cpu_layer_norm_modulate(hidi_real *y, hidi_real *normed, hidi_real *rstd,
                                  const hidi_real *x, hidi_real eps, hidi_real offset,
                                  const hidi_real *scale, const hidi_real *shift, size_t B,
                                  size_t T, size_t D)
{
    if (D == 0)
        return;
    HIDI_OMP(parallel if (B * T * D >= HIDI_CPU_MIN_WORK))
    {
        hidi_share s = hidi_cpu_share(B * T, 1);
        for (size_t i = s.begin; i < s.end; i++) {
            size_t b = i / T * D;
            hidi_kernels->layer_norm(normed + i * D, rstd + i, x + i * D, 1, D, eps);
            hidi_kernels->modulate_row(y + i * D, 0, normed + i * D, offset,
                                       scale ? scale + b : NULL, shift ? shift + b : NULL, D);
        }
    }
}

/* With many samples, each thread takes some; with few, some columns of all of them. */
void hidi_cpu_sum_tokens(hidi_real *out, hidi_real beta, const hidi_real *x, const hidi_real *w,
                         size_t B, size_t T, size_t D)
{
    bool by_sample = B >= 4 * hidi_cpu_threads();

    HIDI_OMP(parallel if (B * T * D >= HIDI_CPU_MIN_WORK))
    {
        hidi_share sample = { 0, B }, column = { 0, D };

        if (by_sample)
            sample = hidi_cpu_share(B, 1);
        else
            column = hidi_cpu_share(D, 16);
        for (size_t b = sample.begin; b < sample.end; b++) {
            size_t i = b * T * D + column.begin;
            hidi_kernels->sum_columns(out + b * D + column.begin, beta, x + i, w ? w + i : NULL, D,
                                      T, column.end - column.begin);
        }
    }
}

void hidi_cpu_gated_residual(hidi_real *y, const hidi_real *x, const hidi_real *gate,
                             const hidi_real *h, size_t B, size_t T, size_t D)
{
    HIDI_OMP(parallel if (B * T * D >= HIDI_CPU_MIN_WORK))
    {
        hidi_share s = hidi_cpu_share(B * T, 1);
        for (size_t i = s.begin; i < s.end; i++)
            hidi_kernels->gated_residual_row(y + i * D, x + i * D, gate + i / T * D, h + i * D, D);
    }
}

/* Rows b O + o of [B O, n] are channels. */
void hidi_cpu_scale_channels(hidi_real *y, hidi_real beta, const hidi_real *x,
                             const hidi_real *scale, const hidi_real *shift, size_t B, size_t O,
                             size_t n)
{
    HIDI_OMP(parallel if (B * O * n >= HIDI_CPU_MIN_WORK))
    {
        hidi_share s = hidi_cpu_share(B * O, 1);
        for (size_t i = s.begin; i < s.end; i++)
            hidi_kernels->affine_row(y + i * n, beta, x + i * n, scale[i % O],
                                     shift != NULL ? shift[i % O] : 0, n);
    }
}

/* A channel is one thread's, over all samples. */
void hidi_cpu_dot_channels(hidi_real *out, hidi_real beta, const hidi_real *x, const hidi_real *w,
                           size_t B, size_t O, size_t n)
{
    HIDI_OMP(parallel if (B * O * n >= HIDI_CPU_MIN_WORK))
    {
        hidi_share s = hidi_cpu_share(O, 1);
        for (size_t o = s.begin; o < s.end; o++) {
            double sum = 0;
            for (size_t b = 0; b < B; b++)
                sum += (double)hidi_kernels->dot_row(x + (b * O + o) * n, w + (b * O + o) * n, n);
            out[o] = (hidi_real)(beta == 0 ? sum : (double)beta * (double)out[o] + sum);
        }
    }
}

void hidi_cpu_upsample2(hidi_real *y, hidi_real beta, const hidi_real *x, size_t planes, size_t H,
                        size_t W)
{
    HIDI_OMP(parallel if (4 * planes * H * W >= HIDI_CPU_MIN_WORK))
    {
        hidi_share s = hidi_cpu_share(planes * 2 * H, 1);
        for (size_t i = s.begin; i < s.end; i++)
            hidi_kernels->upsample_row(y + i * 2 * W, beta, x + i / 2 * W, W);
    }
}

void hidi_cpu_upsample2_vjp(hidi_real *gx, hidi_real beta, const hidi_real *gy, size_t planes,
                            size_t H, size_t W)
{
    HIDI_OMP(parallel if (4 * planes * H * W >= HIDI_CPU_MIN_WORK))
    {
        hidi_share s = hidi_cpu_share(planes * H, 1);
        for (size_t i = s.begin; i < s.end; i++)
            hidi_kernels->sum_pairs(gx + i * W, beta, gy + 4 * i * W, gy + 4 * i * W + 2 * W, W);
    }
}
