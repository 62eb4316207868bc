/* backend.c - the backends by name. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "backend/backend.h"

#include <stdio.h>
#include <string.h>

typedef struct entry {
    const char *name;
    const hidi_backend *(*table)(void); /* NULL: known, but not built in */
} entry;

static const entry entries[] = {
    { "reference", hidi_reference_backend },
    { "cpu", hidi_cpu_backend },
#ifdef HAVE_CUDA
    { "cuda", hidi_cuda_backend },
#else
    { "cuda", NULL },
#endif
};

#define ENTRIES (sizeof entries / sizeof entries[0])

hidi_status hidi_backend_open(const char *name, const hidi_backend **backend)
{
    static bool opened[ENTRIES];
    size_t i = 0;

    while (i < ENTRIES && strcmp(entries[i].name, name) != 0)
        i++;
    if (i == ENTRIES)
        return hidi_error(HIDI_BAD_BACKEND, "there is no backend \"%s\"; built in: %s", name,
                          hidi_backend_names());
    if (!entries[i].table)
        return hidi_error(HIDI_BAD_BACKEND, "backend \"%s\" is not built in; built in: %s", name,
                          hidi_backend_names());
    if (!opened[i]) {
        HIDI_TRY(entries[i].table()->open());
        opened[i] = true;
    }
    *backend = entries[i].table();
    return HIDI_OK;
}

const char *hidi_backend_names(void)
{
    static char names[64];
    size_t length = 0;

    for (size_t i = 0; i < ENTRIES; i++) {
        if (entries[i].table)
            length += (size_t)snprintf(names + length, sizeof names - length, "%s%s",
                                       length ? " " : "", entries[i].name);
    }
    return names;
}

const char *hidi_backend_build(void)
{
    return ""
#ifdef HAVE_CBLAS
    "CBLAS, "
#else
    "no CBLAS, "
#endif
#ifdef HAVE_LAPACK
    "LAPACK, "
#else
    "no LAPACK, "
#endif
#ifdef _OPENMP
    "OpenMP, "
#else
    "no OpenMP, "
#endif
    "kernels for baseline"
#ifdef HIDI_CPU_AVX2
    " avx2"
#endif
#ifdef HIDI_CPU_AVX512
    " avx512"
#endif
        ;
}
