/* blas_core.c - whether OpenBLAS knows this processor. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <stddef.h>
#include <string.h>

#include "backend/cpu/cpu.h"

#ifdef HAVE_OPENBLAS_GET_CONFIG
#include <cblas.h>
#endif

const char *hidi_blas_core_for(const char *taken, bool avx2, bool avx512)
{
    static const char *const without_avx2[] = {"Prescott",   "Core2",   "Penryn",
                                               "Dunnington", "Nehalem", "Sandybridge"};
    bool is_slow = false;

    for (size_t i = 0; i < sizeof without_avx2 / sizeof *without_avx2; i++)
        is_slow = is_slow || strcmp(taken, without_avx2[i]) == 0;
    return !is_slow ? NULL : avx512 ? "SkylakeX" : avx2 ? "Haswell" : NULL;
}

const char *hidi_better_blas_core(void)
{
#ifdef HAVE_OPENBLAS_GET_CONFIG
    if (strstr(openblas_get_config(), "DYNAMIC_ARCH") != NULL)
        return hidi_blas_core_for(openblas_get_corename(), hidi_cpu_runs_avx2(),
                                  hidi_cpu_runs_avx512());
#endif
    return NULL;
}
