/* threads.c - OpenMP's number of threads, and how BLAS is kept to one, whatever its threads are. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "core/threads.h"

#include "core/thread_local.h"

#ifdef _OPENMP
#include <omp.h>
#endif

#if defined(HAVE_CBLAS) && defined(HAVE_OPENBLAS_SET_NUM_THREADS)
#include <cblas.h>
#include <pthread.h>

/* An OpenBLAS with threads of its own has one number for the whole process: it is 1 while anybody
 * computes here, and what it was before once nobody does. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int users, before_users;

static void limit_blas(int change)
{
    enum { PTHREADS = 1 }; /* what openblas_get_parallel returns for them */
    if (openblas_get_parallel() != PTHREADS)
        return;
    pthread_mutex_lock(&lock);
    if (change > 0 && users == 0) {
        before_users = openblas_get_num_threads();
        openblas_set_num_threads(1);
    }
    users += change;
    if (users == 0)
        openblas_set_num_threads(before_users);
    pthread_mutex_unlock(&lock);
}
#else
static void limit_blas(int change)
{
    (void)change;
}
#endif

int hidi_limit_threads(int n)
{
    int before = 1;
#ifdef _OPENMP
    before = omp_get_max_threads();
    omp_set_num_threads(n);
#else
    (void)n;
#endif
    return before;
}

int hidi_thread_limit(void)
{
#ifdef _OPENMP
    return omp_get_max_threads();
#else
    return 1;
#endif
}

static HIDI_THREAD_LOCAL int serial_depth;

int hidi_serial_begin(void)
{
    if (serial_depth++ > 0)
        return 1;
    limit_blas(1);
    return hidi_limit_threads(1);
}

void hidi_serial_end(int before)
{
    if (--serial_depth > 0)
        return;
    hidi_limit_threads(before);
    limit_blas(-1);
}

bool hidi_is_serial(void)
{
    return serial_depth > 0;
}
