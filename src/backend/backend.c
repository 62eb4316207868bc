/* backend.c - the backends by name. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "backend/tables.h"

#include <pthread.h>
#include <string.h>

#ifdef HAVE_CUDA
#define CUDA_TABLE hidi_cuda_backend
#define CUDA_NAME " cuda"
#else
#define CUDA_TABLE NULL
#define CUDA_NAME ""
#endif

typedef struct entry {
    const char *name;
    const hidi_backend *(*table)(void); /* NULL: known, but not built in */
} entry;

static const entry entries[] = {{"reference", hidi_reference_backend},
                                {"cpu", hidi_cpu_backend},
                                {"cuda", CUDA_TABLE}};
enum { ENTRIES = sizeof entries / sizeof entries[0] };

/* Opens a backend once, whichever of several threads is the first to ask. */
static hidi_status open_once(size_t i)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static bool opened[ENTRIES];
    hidi_status status = HIDI_OK;
    pthread_mutex_lock(&lock);
    if (!opened[i])
        status = entries[i].table()->open();
    opened[i] = status == HIDI_OK;
    pthread_mutex_unlock(&lock);
    return status;
}

hidi_status hidi_backend_open(const char *name, const hidi_backend **backend)
{
    size_t i = 0;
    while (i < ENTRIES && strcmp(entries[i].name, name) != 0)
        i++;
    if (i == ENTRIES)
        return hidi_error(HIDI_BAD_BACKEND, "there is no backend \"%s\"; built in: %s", name,
                          hidi_backend_names());
    if (entries[i].table == NULL)
        return hidi_error(HIDI_BAD_BACKEND, "backend \"%s\" is not built in; built in: %s", name,
                          hidi_backend_names());
    HIDI_TRY(open_once(i));
    *backend = entries[i].table();
    return HIDI_OK;
}

const char *hidi_backend_names(void)
{
    return "reference cpu" CUDA_NAME;
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
