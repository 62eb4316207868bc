/* elementwise.c - copies, element-wise maps and AdamW: each thread has its share of the elements,
 * in whole cache lines, and calls the vectorised kernel on it. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <math.h>
#include <string.h>

#include "backend/cpu/cpu.h"
#include "backend/reference/reference.h"

enum { GRANULE = 64 }; /* elements: whole cache lines, so that threads do not share one */

void hidi_cpu_copy(hidi_real *y, const hidi_real *x, size_t n)
{
    bool disjoint = y + n <= x || x + n <= y;

    if (!disjoint || n < HIDI_CPU_MIN_WORK) {
        if (n > 0)
            memmove(y, x, n * sizeof *y);
        return;
    }
    HIDI_OMP(parallel)
    {
        hidi_share s = hidi_cpu_share(n, GRANULE);
        if (s.begin < s.end)
            memcpy(y + s.begin, x + s.begin, (s.end - s.begin) * sizeof *y);
    }
}

void hidi_cpu_fill(hidi_real *y, hidi_real a, size_t n)
{
    HIDI_OMP(parallel if (n >= HIDI_CPU_MIN_WORK))
    {
        hidi_share s = hidi_cpu_share(n, GRANULE);
        hidi_reference_fill(y + s.begin, a, s.end - s.begin);
    }
}

void hidi_cpu_copy_block(hidi_real *y, size_t ldy, hidi_real beta, const hidi_real *x, size_t ldx,
                         size_t rows, size_t n)
{
    HIDI_OMP(parallel if (rows * n >= HIDI_CPU_MIN_WORK))
    {
        hidi_share s = hidi_cpu_share(rows, 1);
        for (size_t i = s.begin; i < s.end; i++)
            hidi_kernels->axpby(y + i * ldy, beta, 1, x + i * ldx, n);
    }
}

void hidi_cpu_from_bf16(hidi_real *y, const hidi_bf16 *x, size_t ldx, size_t rows, size_t n)
{
    HIDI_OMP(parallel if (rows * n >= HIDI_CPU_MIN_WORK))
    {
        hidi_share s = hidi_cpu_share(rows, 1);
        for (size_t i = s.begin; i < s.end; i++)
            hidi_kernels->from_bf16(y + i * n, x + i * ldx, n);
    }
}

void hidi_cpu_axpby(hidi_real *y, hidi_real beta, hidi_real a, const hidi_real *x, size_t n)
{
    HIDI_OMP(parallel if (n >= HIDI_CPU_MIN_WORK))
    {
        hidi_share s = hidi_cpu_share(n, GRANULE);
        hidi_kernels->axpby(y + s.begin, beta, a, x + s.begin, s.end - s.begin);
    }
}

void hidi_cpu_lerp(hidi_real *y, hidi_real a, const hidi_real *x, size_t n)
{
    HIDI_OMP(parallel if (n >= HIDI_CPU_MIN_WORK))
    {
        hidi_share s = hidi_cpu_share(n, GRANULE);
        hidi_kernels->lerp(y + s.begin, a, x + s.begin, s.end - s.begin);
    }
}

void hidi_cpu_multiply(hidi_real *y, hidi_real beta, hidi_real a, const hidi_real *u,
                       const hidi_real *w, size_t n)
{
    HIDI_OMP(parallel if (n >= HIDI_CPU_MIN_WORK))
    {
        hidi_share s = hidi_cpu_share(n, GRANULE);
        hidi_kernels->multiply(y + s.begin, beta, a, u + s.begin, w + s.begin, s.end - s.begin);
    }
}

/* SOFTPLUS and POWER see one number per sample, EXP a latent's: the C library's functions will
 * do. */
static bool has_kernel(hidi_unary f)
{
    return f != HIDI_SOFTPLUS && f != HIDI_EXP && f != HIDI_POWER;
}

void hidi_cpu_unary(hidi_unary f, hidi_real *y, const hidi_real *x, size_t n, const hidi_real p[2])
{
    HIDI_OMP(parallel if (n * HIDI_CPU_EXP_WORK >= HIDI_CPU_MIN_WORK))
    {
        hidi_share s = hidi_cpu_share(n, GRANULE);
        if (has_kernel(f))
            hidi_kernels->unary(f, y + s.begin, x + s.begin, s.end - s.begin);
        else
            hidi_reference_unary(f, y + s.begin, x + s.begin, s.end - s.begin, p);
    }
}

void hidi_cpu_unary_jacobian(hidi_unary f, hidi_real *out, hidi_real beta, const hidi_real *x,
                             const hidi_real *d, size_t n, const hidi_real p[2])
{
    HIDI_OMP(parallel if (n * HIDI_CPU_EXP_WORK >= HIDI_CPU_MIN_WORK))
    {
        hidi_share s = hidi_cpu_share(n, GRANULE);
        if (has_kernel(f))
            hidi_kernels->unary_jacobian(f, out + s.begin, beta, x + s.begin, d + s.begin,
                                         s.end - s.begin);
        else
            hidi_reference_unary_jacobian(f, out + s.begin, beta, x + s.begin, d + s.begin,
                                          s.end - s.begin, p);
    }
}

void hidi_cpu_adamw(hidi_real *w, const hidi_real *g, hidi_real *m, hidi_real *v, size_t n,
                    hidi_real scale, double lr, double b1, double b2, double eps, double decay,
                    long step)
{
    const hidi_cpu_adamw_factors factors = {
        .scale = scale,
        .decay = (hidi_real)(lr * decay),
        .b1 = (hidi_real)b1,
        .b2 = (hidi_real)b2,
        .one_b1 = (hidi_real)(1 - b1),
        .one_b2 = (hidi_real)(1 - b2),
        .rate = (hidi_real)(lr / (1 - pow(b1, (double)step))),
        .root = (hidi_real)(1 / sqrt(1 - pow(b2, (double)step))),
        .eps = (hidi_real)eps,
    };

    HIDI_OMP(parallel if (n >= HIDI_CPU_MIN_WORK))
    {
        hidi_share s = hidi_cpu_share(n, GRANULE);
        hidi_kernels->adamw(w + s.begin, g + s.begin, m + s.begin, v + s.begin, s.end - s.begin,
                            &factors);
    }
}
