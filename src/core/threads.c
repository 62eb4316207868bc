/* threads.c */
#include "core/threads.h"

#ifdef _OPENMP
#include <omp.h>
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
