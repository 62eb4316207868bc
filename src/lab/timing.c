/* timing.c - other work on the machine delays some steps by a lot and most of them not at all: the
 * median does not see it. */
#include "lab/timing.h"

#include <stdlib.h>

#include "core/progress.h"

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double hidi_quantile(double *x, int n, double p)
{
    const double at = p * (n - 1);
    const int i = (int)at;
    qsort(x, (size_t)n, sizeof *x, ascending);
    return i + 1 < n ? x[i] + (at - i) * (x[i + 1] - x[i]) : x[i];
}

hidi_status hidi_time_steps(hidi_status (*step)(void *state, long i), void *state, long repeat,
                            long first, long every, double *seconds)
{
    enum { WARM_UP = 2 }; /* the first steps allocate memory, and wake the threads */
    double *times = malloc((size_t)repeat * sizeof *times);
    hidi_status status = times ? HIDI_OK : hidi_error(HIDI_NO_MEMORY, "out of memory");
    for (long i = -WARM_UP; i < repeat && status == HIDI_OK; i++) {
        const double start = hidi_seconds();
        status = step(state, first + (i + WARM_UP) * every);
        if (i >= 0)
            times[i] = hidi_seconds() - start;
    }
    if (status == HIDI_OK)
        *seconds = hidi_quantile(times, (int)repeat, 0.5);
    free(times);
    return status;
}

