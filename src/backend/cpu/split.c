/* split.c - slots whose reference kernel is good enough: each thread calls it on a share of the
 * rows or images, which does not change a bit of the result. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "backend/cpu/cpu.h"
#include "backend/reference/reference.h"

/* --- sin-cos features: rows ------------------------------------------------------------------ */

#define PARALLEL_ROWS parallel if (rows * n * HIDI_CPU_EXP_WORK >= HIDI_CPU_MIN_WORK)

void hidi_cpu_sincos(hidi_real *y, const hidi_real *t, hidi_real s, size_t rows, size_t n)
{
    HIDI_OMP(PARALLEL_ROWS)
    {
        hidi_share r = hidi_cpu_share(rows, 1);
        hidi_reference_sincos(y + r.begin * n, t + r.begin, s, r.end - r.begin, n);
    }
}

void hidi_cpu_sincos_jvp(hidi_real *dy, hidi_real beta, const hidi_real *t, const hidi_real *dt,
                         hidi_real s, size_t rows, size_t n)
{
    HIDI_OMP(PARALLEL_ROWS)
    {
        hidi_share r = hidi_cpu_share(rows, 1);
        hidi_reference_sincos_jvp(dy + r.begin * n, beta, t + r.begin, dt + r.begin, s,
                                  r.end - r.begin, n);
    }
}

void hidi_cpu_sincos_vjp(hidi_real *gt, hidi_real beta, const hidi_real *t, const hidi_real *gy,
                         hidi_real s, size_t rows, size_t n)
{
    HIDI_OMP(PARALLEL_ROWS)
    {
        hidi_share r = hidi_cpu_share(rows, 1);
        hidi_reference_sincos_vjp(gt + r.begin, beta, t + r.begin, gy + r.begin * n, s,
                                  r.end - r.begin, n);
    }
}

/* --- patches: images ------------------------------------------------------------------------- */

void hidi_cpu_patchify(hidi_real *tokens, hidi_real beta, const hidi_real *image,
                       hidi_patch_order order, size_t B, size_t C, size_t H, size_t W, size_t p)
{
    size_t n = C * H * W;

    HIDI_OMP(parallel if (B * n >= HIDI_CPU_MIN_WORK))
    {
        hidi_share s = hidi_cpu_share(B, 1);
        hidi_reference_patchify(tokens + s.begin * n, beta, image + s.begin * n, order,
                                s.end - s.begin, C, H, W, p);
    }
}

void hidi_cpu_unpatchify(hidi_real *image, hidi_real beta, const hidi_real *tokens,
                         hidi_patch_order order, size_t B, size_t C, size_t H, size_t W, size_t p)
{
    size_t n = C * H * W;

    HIDI_OMP(parallel if (B * n >= HIDI_CPU_MIN_WORK))
    {
        hidi_share s = hidi_cpu_share(B, 1);
        hidi_reference_unpatchify(image + s.begin * n, beta, tokens + s.begin * n, order,
                                  s.end - s.begin, C, H, W, p);
    }
}

void hidi_cpu_add_channels(hidi_real *y, hidi_real beta, const hidi_real *bias, size_t B, size_t O,
                           size_t n)
{
    HIDI_OMP(parallel if (B * O * n >= HIDI_CPU_MIN_WORK))
    {
        hidi_share s = hidi_cpu_share(B, 1);
        hidi_reference_add_channels(y + s.begin * O * n, beta, bias, s.end - s.begin, O, n);
    }
}
